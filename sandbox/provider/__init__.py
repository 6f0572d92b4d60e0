"""Replace Pulumi's AWS providers in the sandbox, which by default does not download them.

The replacements implement the engine's protocol and follow the real providers' source.
sandbox/README.md lists the differences that a user can meet. These don't concern the project's programs:

- The real provider validates more in the preview (`validResourceName`), suggests similar keys for an
  unknown `aws:` key (`keySuggestions`), and words the problems of explicit providers differently
  (`formatProviderCheckFailure`). For the data source, it checks each property's type.
- It follows `pulumi:autonaming`, rejects `allowedAccountIds` beside `forbiddenAccountIds`, and can ignore
  changes to one entry, such as `tags.Team`.
- It compares `inlinePolicies` as a set (`makeDetailedDiffV2`), replaces one of them by deleting it first,
  and updates a managed policy or the audiences of an OIDC provider in place.
- Its attachments' IDs depend on its version, it puts `Version` first in a role policy, and it keeps empty
  outputs, such as `namePrefix`, in the state.
- For a response that ends too early, its text depends on the call; only `unexpected EOF` is in all texts.
"""
