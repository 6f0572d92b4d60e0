"""The command `qbusiness-recover` until version 0.4: print Pulumi's commands that replaced it."""

import sys

_MESSAGE = """\
recover: this command is gone, because Pulumi's own commands recover a stack. Follow "After a crash
during an update" in docs/operations.md. For the selected stack, the commands are:

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
    """Print the commands and return the exit code for a command that did nothing."""
    sys.stderr.write(_MESSAGE)
    return 2
