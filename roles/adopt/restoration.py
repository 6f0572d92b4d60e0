"""Generate the shell script that restores roles' policies, as far as an update changes them."""

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from components.connector_role import POLICY_NAME
from roles.adopt.entries import Entry
from roles.arns import Arn
from roles.aws_cli import aws_command


def script(entries: Iterable[Entry]) -> str:
    """Return the script; its argument is the name of the role to restore."""
    cases = "\n".join(f"{shlex.quote(entry.role.name)})\n{_commands(entry)}\n;;" for entry in entries)
    return f"""\
#!/bin/sh
# Restore a role's trust policy, inline policies, and replaced attached policy as `roles adopt` found
# them.
# Then hand the role back (docs/operations.md), or `pulumi up` changes its policies again.
set -eu
case "${{1:?pass the name of the role to restore}}" in
{cases}
*) echo "$1: this script has no policies for this role" >&2 && exit 2 ;;
esac
"""


def _commands(entry: Entry) -> str:
    """Return the commands that restore a role's policies; only the last command deletes a policy."""
    role = entry.role
    trust = {"role_name": role.name, "policy_document": _text(role.trust_policy)}
    commands = [aws_command("iam update-assume-role-policy", **trust)]
    if arn := entry.change.attached:
        # The user may have deleted it.
        found = aws_command("iam get-policy", policy_arn=arn)
        name = Arn.of(arn).name
        policy = {
            "policy_name": name,
            "path": Arn.of(arn).resource.removeprefix("policy").removesuffix(name),
            "policy_document": _text(role.attached_policies[arn]),
        }
        commands += [
            f"{found} >/dev/null 2>&1 || {aws_command('iam create-policy', **policy)} >/dev/null",
            aws_command("iam attach-role-policy", role_name=role.name, policy_arn=arn),
        ]
    for name, document in role.inline_policies.items():
        policy = {"role_name": role.name, "policy_name": name, "policy_document": _text(document)}
        commands.append(aws_command("iam put-role-policy", **policy))
    if POLICY_NAME not in role.inline_policies:
        own = {"role_name": role.name, "policy_name": POLICY_NAME}
        commands.append(aws_command("iam delete-role-policy", **own))
    return "\n".join(commands)


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2)
