"""Replace Pulumi's AWS providers in the sandbox, which by default does not download them.

The replacements implement the engine's protocol and follow the providers' source. Known differences:

- The real provider waits up to two minutes while IAM propagates a change. The sandbox's provider waits
  up to two seconds for the deletion of a role's policies. With `PULUMI_RUN_PROGRAM`, Pulumi deletes a
  replaced role and its policy at the same time; the role's deletion also deletes the policy, and is
  retried only after `DeleteConflict` (`deleteRole`).
- The real provider doesn't wait for a new role in `PutRolePolicy` (`NoSuchEntity`), in the first listing
  of the role's policies with `exclusivePolicies` (`couldn't find resource`), or in a refresh
  (`resourceRoleRead`). In the sandbox, a new role is visible at once. A call before the role is visible
  can also cause https://github.com/hashicorp/terraform-provider-aws/issues/43951.
- The real provider tries a throttled call up to 25 times, or as often as `aws:maxRetries` specifies.
  Before that, it tries to look up the account up to 3 times, or as often as `AWS_MAX_ATTEMPTS` specifies
  (`validateCredentials`). The sandbox's provider tries a call up to 3 times by default.
- Each command starts the real provider as a process, and restarts it after a refresh. The sandbox's
  provider runs in the server. If `PULUMI_DEBUG_PROVIDERS` is set, the engine attaches to this provider
  (in `NewProvider`), and a command's own AWS variables do not affect it. In the tests that kill a
  command, the engine starts the provider.
- The real provider runs for up to five minutes after its engine is killed (`Healthcheck` in `rpcutil`).
- The real provider reports errors as `updating IAM Role (NAME) …`, and reports each error twice: with
  `sdk.helper_schema`, and in a list (`multierror.Error`). The sandbox's provider reports
  `update aws:iam/role:Role: …` once.
- The real provider validates more in the preview (`validResourceName`), suggests similar keys for an
  unknown `aws:` key (`keySuggestions`), words the problems of explicit providers differently
  (`formatProviderCheckFailure`), and checks the type of each property of a data source.
- The real provider follows `pulumi:autonaming`, rejects `allowedAccountIds` together with
  `forbiddenAccountIds`, and can ignore changes to one entry, such as `tags.Team`.
- The real provider compares `inlinePolicies` as a set (`makeDetailedDiffV2`), replaces an inline policy
  by deleting it first, and updates a managed policy or the audiences of an OIDC provider in place.
- In the real provider, an attachment's ID depends on the provider's version, `Version` comes first in a
  role policy, and the state contains empty outputs, such as `namePrefix`.
- If a response ends too early, the real provider's error message depends on the call; only
  `unexpected EOF` is common to all messages.
"""
