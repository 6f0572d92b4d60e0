"""Replace Pulumi's AWS providers in the sandbox, which by default does not download them.

The replacements implement the engine's protocol and follow the real providers' source.
Known differences:

- The real provider waits up to two minutes while IAM propagates a change. The sandbox's provider
  waits up to two seconds for the deletion of a role's policies. With `PULUMI_RUN_PROGRAM`, Pulumi
  deletes a replaced role and its policy at the same time; the role's deletion deletes the policy too
  and waits only for `DeleteConflict` (`deleteRole`).
- It doesn't wait for a new role in `PutRolePolicy` (`NoSuchEntity`), in the first listing of its
  policies with `exclusivePolicies` (`couldn't find resource`), or in a refresh (`resourceRoleRead`).
  The same race can end with https://github.com/hashicorp/terraform-provider-aws/issues/43951. The
  sandbox shows a role at once.
- It tries a throttled call up to 25 times, or as `aws:maxRetries` says, and before that the lookup of
  the account up to 3 times, or as `AWS_MAX_ATTEMPTS` says (`validateCredentials`). The sandbox's
  provider tries 3 times.
- Each command starts it as a process, and again after a refresh. The sandbox's provider runs in the
  server, to which the engine attaches (`PULUMI_DEBUG_PROVIDERS`, in the engine's `NewProvider`), so a
  command's own AWS variables reach it only without that variable. The tests that kill a command let the
  engine start it.
- It lives for up to five minutes after its engine was killed (`Healthcheck` in Pulumi's `rpcutil`).
- It reports errors as `updating IAM Role (NAME) …`, and each of them twice: with `sdk.helper_schema`,
  and in a list (`multierror.Error`). The sandbox's provider reports `update aws:iam/role:Role: …` once.
- The real provider validates more in the preview (`validResourceName`), suggests similar keys for an
  unknown `aws:` key (`keySuggestions`), and words the problems of explicit providers differently
  (`formatProviderCheckFailure`). For the data source, it checks each property's type.
- It follows `pulumi:autonaming`, rejects `allowedAccountIds` beside `forbiddenAccountIds`, and can
  ignore changes to one entry, such as `tags.Team`.
- It compares `inlinePolicies` as a set (`makeDetailedDiffV2`), replaces one of them by deleting it
  first, and updates a managed policy or the audiences of an OIDC provider in place.
- Its attachments' IDs depend on its version, it puts `Version` first in a role policy, and it keeps
  empty outputs, such as `namePrefix`, in the state.
- For a response that ends too early, its text depends on the call; only `unexpected EOF` is in all
  texts.
"""
