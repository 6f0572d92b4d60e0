"""Print the commands that replace `qbusiness-recover`; version 0.4 will remove this module."""

import sys

_MESSAGE = """\
qbusiness-recover: this command is gone, because Pulumi's own commands recover a stack. Follow "After a
crash during an update" in docs/recover.md: first stop the process pulumi-resource-aws, or wait five
minutes. Check that `aws sts get-caller-identity` shows the application's account, and select the stack
with `pulumi stack select`. Then run these commands. Afterward, delete each listed role whose name has a
random suffix and which the stack does not contain, but never a role with a name from your settings:

pulumi stack export --file state.json &&
jq -r '.deployment.pending_operations[]? | select(.type == "creating") | .resource |
  select(.type == "aws:iam/role:Role") | .inputs.name' state.json

pulumi cancel --yes

pulumi refresh --clear-pending-creates --run-program --yes --skip-preview &&
pulumi up --yes --skip-preview &&
sleep 60 &&
pulumi up --refresh --yes --skip-preview &&
sleep 60 &&
pulumi refresh --preview-only --expect-no-changes --diff
"""


def main() -> int:
    """Print the commands to standard error and return the exit code 2, because nothing was recovered."""
    sys.stderr.write(_MESSAGE)
    return 2
