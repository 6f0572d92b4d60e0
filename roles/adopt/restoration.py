"""Generate the shell script that restores roles and data sources as `adopt` found them."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.connector_role import POLICY_NAME
from roles.account import Reply, Role
from roles.adopt.access import Change
from roles.adopt.entries import Entry
from roles.adopt.principals import without_deleted
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.role_changes import ANY_ROLE, RoleChange, functions

_SCRIPT_HEAD = """\
#!/bin/sh
# Restore roles and data sources as `qbusiness-roles adopt` found them: a role's inline policies, its
# replaced attached policy, and its trust policy, and the earlier role of a data source. Pass the names
# of the earlier roles, or none for all. You can run this script repeatedly before, during, or after the
# update. If `adopt` wrote several scripts, run the latest first.
# Then hand the roles back (docs/retire.md); otherwise, `pulumi up` changes their policies again.
set -eu
skipped=

# Run a command; if its resource is missing, report that the command is skipped, and continue.
run() {
  if ! said=$("$@" 2>&1 >/dev/null); then
    case $said in
    *NoSuchEntity* | *ResourceNotFoundException*)
      if [ "$2 $3" != "iam delete-role-policy" ]; then
        echo "skipped: $1 $2 $3: $said" >&2
        skipped=", except for the skipped commands"
      fi ;;
    *) echo "$said" >&2; return 1 ;;
    esac
  fi
}

# Create a policy if it does not exist, and allow time for IAM to propagate it.
create() {
  aws iam get-policy --policy-arn "$1" >/dev/null 2>&1 || { shift && "$@" >/dev/null && sleep 5; }
}
"""


def script(entries: Sequence[Entry]) -> str:
    """Return the script; its arguments are the names of the roles to restore, by default all."""
    commands: dict[str, list[str]] = {}
    for entry in entries:
        role = entry.replaced or entry.role
        of_entry = (
            [_return_data_source(entry)] if entry.replaced else _commands(entry.role, entry.change)
        )
        commands.setdefault(role.name, []).extend(of_entry)
    cases = "\n".join("\n".join((f"{shlex.quote(name)})", *own, ";;")) for name, own in commands.items())
    names = " ".join(map(shlex.quote, commands))
    changes_roles = any(entry.replaced for entry in entries)
    return f"""\
{_SCRIPT_HEAD}{functions() if changes_roles else ""}
if [ $# = 0 ]; then set -- {names}; fi
if [ $# -gt 1 ]; then  # an error with one role does not stop the restoration of other roles
  code=0
  for role in "$@"; do sh "$0" "$role" || {{ code=$?; echo "$role: not restored" >&2; }}; done
  exit $code
fi
case $1 in
{cases}
*) echo "$1: this script does not restore a role with this name" >&2 && exit 2 ;;
esac
echo "$1: restored$skipped"
"""


def _return_data_source(entry: Entry) -> str:
    """Return the command that gives a data source its earlier role back."""
    assert entry.replaced  # noqa: S101 only such entries are passed
    source = entry.data_source
    change = RoleChange(
        source, entry.requirements.region, source.label, new=entry.replaced.arn, current=ANY_ROLE
    )
    return _wrap_in_run(change.command)


def _commands(role: Role, change: Change) -> Iterator[str]:
    """Yield the commands that restore a role.

    The trust policy comes after the other policies, because IAM may reject it, for example if a
    principal in it has been deleted in the meantime. Only the last command deletes a policy: the
    program's role policy, if the role had none with its name.
    """
    if arn := change.attached:
        # The user may have deleted the policy.
        create = aws_command("iam create-policy", **_policy(arn, role, change.properties or {}))
        yield f"create {shlex.quote(arn)} {create}"
        yield _wrap_in_run(aws_command("iam attach-role-policy", role_name=role.name, policy_arn=arn))
    for name, document in role.inline_policies.items():
        policy = {"role_name": role.name, "policy_name": name, "policy_document": _text(document)}
        yield _wrap_in_run(aws_command("iam put-role-policy", **policy))
    trust_policy, deleted = without_deleted(role.trust_policy)
    if deleted:
        text = f"{role.name}: IAM rejects deleted principals, so these are not restored: "
        yield f"echo {shlex.quote(text + ', '.join(deleted))} >&2"
    if trust_policy:
        trust = {"role_name": role.name, "policy_document": _text(trust_policy)}
        yield _wrap_in_run(aws_command("iam update-assume-role-policy", **trust))
    if POLICY_NAME not in role.inline_policies:
        own = {"role_name": role.name, "policy_name": POLICY_NAME}
        yield _wrap_in_run(aws_command("iam delete-role-policy", **own))


def _policy(arn: str, role: Role, properties: Reply) -> dict[str, str]:
    """Return the options of `create-policy` for a replaced attached policy, with its properties."""
    name = Arn.of(arn).name
    description, tags = properties.get("Description", ""), properties.get("Tags", [])
    return {
        "policy_name": name,
        "path": Arn.of(arn).resource.removeprefix("policy").removesuffix(name),
        "policy_document": _text(role.attached_policies[arn]),
        **({"description": description} if description else {}),
        **({"tags": json.dumps(tags)} if tags else {}),
    }


def _wrap_in_run(command: str) -> str:
    return f"run {command}"


def _text(document: Mapping[str, Any]) -> str:
    # Without whitespace, which may count toward the quota of a trust policy.
    return json.dumps(document, separators=(",", ":"))
