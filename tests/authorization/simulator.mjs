// Decide on requests as IAM's documentation describes. Each line on standard input is a JSON question,
// and each line on standard output is its JSON answer.
//
//   {"policy": ..., "trust": ..., "boundary": ..., "requests": [...]}  the decision on each request
//
// Context keys that an action does not have are dropped, and resources that it does not accept are rejected,
// according to the Service Authorization Reference.
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

async function answer({ policy, trust, boundary, requests }) {
  const errors = policy ? validateIdentityPolicy(policy) : [...validateResourcePolicy(trust), ...validateTrustPolicy(trust)]
  if (errors.length > 0) return { invalid: errors.map(({ message }) => message) }
  const identityPolicies = policy ? [{ name: 'policy', policy: createValidatedPolicy(policy, () => []) }] : []
  return { decisions: await Promise.all(requests.map((request) => decide(identityPolicies, trust, request, boundary))) }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))))
}
