"""Generate the shell script that restores roles and data sources as `adopt` found them."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence

from components.connector_role import POLICY_NAME
from roles.account import Reply, Role
from roles.adopt.access import Change
from roles.adopt.entries import Entry
from roles.adopt.principals import without_deleted
from roles.applications import accepted_applications
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.commands import quote_argument
from roles.role_changes import ANY_ROLE, RoleChange, functions, setup

_HEAD = """\
#!/bin/sh
# Restore roles and data sources as `qbusiness-roles adopt` found them for the stack {stack}: a role's
# inline policies, its replaced attached policy, and its trust policy, and the earlier role of a data
# source. Pass the names of the earlier roles, or none for all. The script checks all of them before it
# changes anything. You can run it repeatedly before, during, or after the update.
# Then hand the roles back (docs/retire.md); otherwise, `pulumi up` changes their policies again.
# --cut-off ROLE restores a role even if an application loses access.
set -u
"""
_FUNCTIONS = r"""
skipped=

# Write the output of a command that reads; return 2 if the resource does not exist.
read_from() {
  error=$("$@" 2>&1 >"$now") && return 0
  case $error in *NoSuchEntity*) return 2 ;; esac
  echo "$error" >&2
  return 1
}

read_trust() { read_from aws iam get-role --role-name "$1" --output json; }

# List the applications that the trust policy names, which may be patterns.
applications() {
  jq -r '.Role.AssumeRolePolicyDocument | .. | strings
    | select(test(":qbusiness:.*:application/"))' "$now"
}

# Return whether an application fits one of the patterns.
fits() {
  tested=$1 && shift
  for pattern; do
    case $tested in $pattern) return 0 ;; esac
  done
  return 1
}

# Stop if the role now accepts another application: ROLE PATTERN…, those of the saved trust policy.
check_trust() {
  role=$1 && shift
  read_trust "$role"
  case $? in 2) return 0 ;; 1) return 1 ;; esac
  found=$(applications) || return 1
  [ ! "$found" ] || echo "$found" | while read -r arn; do
    fits "$arn" "$@" && continue
    case " $cut_off " in *" $role "*) echo "$role: $arn loses access" >&2 && continue ;; esac
    echo "$role: its trust policy now names $arn, which the saved one does not, so the data sources of" \
      "this application would lose access: give them another role first, or pass --cut-off $role" >&2
    exit 1
  done
}

# Stop if the role is gone, or no longer accepts the application that it accepted: ROLE [APPLICATION].
check_return() {
  read_trust "$1"
  case $? in
  1) return 1 ;;
  2)
    echo "$1: no longer exists, so no data source can get it back: name the other roles" >&2
    return 1
    ;;
  esac
  found=$(applications) || return 1
  [ "$found" ] && [ $# = 2 ] || return 0
  named=$(echo "$found" | while read -r pattern; do ! fits "$2" "$pattern" || echo yes; done)
  [ ! "$named" ] || return 0
  echo "$1: its trust policy now names only other applications, not $2: first restore it, for example" \
    "with the script of the stack that imported the role" >&2
  return 1
}

# Stop if a later script restores the role, too, and has not done so yet.
check_later() {
  prefix=${files%-*} number=${files##*-}
  for later in "$prefix"-*.sh; do
    other=${later#"$prefix"-} && other=${other%.sh}
    case $number$other in *[!0-9]*) continue ;; esac
    if [ "$other" -gt "$number" ] && grep -qxF "$1)" "$later" && [ ! -e "${later%.sh}/$1" ]; then
      echo "$1: $later is later and restores the role, too: first run sh $later $1" >&2
      return 1
    fi
  done
}

# Wait until IAM shows the document, because after a write, a read can return an earlier state.
shows() {
  path=$1 reads=0 && shift
  while read_from "$@" || [ $? = 2 ]; do
    jq -e --argjson saved "$document" "def unordered:
        walk(if type != \"array\" then . elif length == 1 then .[0] else sort end);
      ($path | unordered) == (\$saved | unordered)" "$now" >/dev/null && return 0
    reads=$((reads + 1))
    [ $reads != 6 ] || break
    sleep 10
  done
  echo "IAM does not show the restored document: $*" >&2
  return 1
}

# Create a policy if it does not exist, and allow time for IAM to propagate it.
create() {
  read_from aws iam get-policy --policy-arn "$1"
  case $? in 2) shift && "$@" >/dev/null && sleep 5 ;; 1) return 1 ;; esac
}

# Delete a policy, if it still exists.
delete() {
  error=$("$@" 2>&1) && return 0
  case $error in *NoSuchEntity*) return 0 ;; esac
  echo "$error" >&2
  return 1
}

# Report whether a role still exists; one that does not is skipped.
exists() {
  read_trust "$1" && return 0
  [ $? = 2 ] && echo "$1: skipped, because it no longer exists" >&2 && skipped=1
  return 1
}
"""
_RETURN = r"""
# Give a data source its earlier role, unless the data source was deleted.
give_back() {
  error=$(change_role "$@" 2>&1) && return 0
  case $error in *ResourceNotFoundException*) echo "skipped: $1 no longer exists" >&2 && return 0 ;; esac
  echo "$error" >&2
  return 1
}
"""
_MAIN = r"""
known="{names}" cut_off='' names=''
while [ $# -gt 0 ]; do
  if [ "$1" = --cut-off ]; then shift && cut_off="$cut_off ${{1-}}"; else names="$names $1"; fi
  case " $known " in
  *" ${{1:-the name after --cut-off}} "*) shift ;;
  *) echo "${{1:---cut-off}}: this script does not restore a role with this name" >&2 && exit 2 ;;
  esac
done
names=${{names:-$known}}
mkdir -p "$files" && account=$(aws sts get-caller-identity --query Account --output text) || exit 1
if [ "$account" != {account} ]; then
  echo "the credentials are for account $account, the roles in account {account}: set AWS_PROFILE" >&2
  exit 1
fi

code=0
for role in $names; do check_later "$role" && check "$role" || code=1; done
[ $code = 0 ] || {{ echo "nothing was changed" >&2; exit 1; }}

# An error with one role does not stop the restoration of other roles.
for role in $names; do
  skipped=
  if restore "$role"; then
    mkdir -p "$files" && : >"$files/$role" # for `check_later` of an earlier script
    echo "$role: restored"
  elif [ ! "$skipped" ]; then
    code=1 && echo "$role: not restored" >&2
  fi
done
exit $code
"""


def script(stack: str, entries: Sequence[Entry], owners: Mapping[str, str]) -> str:
    """Return the script; its arguments are the names of the roles to restore, by default all.

    `owners` has texts such as `stack dev owns the role`, by the role's ARN.
    """
    checks: dict[str, list[str]] = {}
    commands: dict[str, list[str]] = {}
    notes: dict[str, None] = {}
    # A role that is imported for one data source is restored before others get it back.
    for entry in sorted(entries, key=lambda each: each.replaced is not None):
        role = entry.replaced or entry.role
        application = entry.requirements.application_arn
        named = [*accepted_applications(role)]
        if not entry.replaced:
            words = ("check_trust", role.name, *dict.fromkeys((application, *named)))
            checks[role.name] = [" ".join(map(quote_argument, words))]
            commands[role.name] = [f"exists {role.name}", *_commands(role, entry.change)]
        else:
            if role.name not in checks:
                words = ("check_return", role.name, *([application] if application in named else []))
                checks[role.name] = [" ".join(words)]
            commands.setdefault(role.name, []).append(_return_data_source(entry))
        if role.arn in owners:
            notes[f"# {role.name}: when this script was written, {owners[role.arn]}.\n"] = None
    changes_roles = any(entry.replaced for entry in entries)
    functions_of_roles = f"{functions()}{_RETURN}" if changes_roles else ""
    main = _MAIN.format(
        names=" ".join(commands), account=Arn.of(entries[0].requirements.application_arn).account
    )
    return (
        f"{_HEAD.format(stack=stack)}{''.join(notes)}{setup()}{functions_of_roles}{_FUNCTIONS}\n"
        f"{_cases('check', checks)}\n{_cases('restore', commands)}{main}"
    )


def _cases(function: str, commands: Mapping[str, Sequence[str]]) -> str:
    """Return a shell function that runs the commands for the role in its argument."""
    cases = "\n".join(
        "\n".join((f"{name})", *(f"  {each} || return 1" for each in own), "  ;;"))
        for name, own in commands.items()
    )
    return f"{function}() {{\ncase $1 in\n{cases}\nesac\n}}\n"


def _return_data_source(entry: Entry) -> str:
    """Return the command that gives a data source its earlier role back."""
    assert entry.replaced  # noqa: S101 only such entries are passed
    source = entry.data_source
    change = RoleChange(source, source.label, new=entry.replaced.arn, current=ANY_ROLE)
    return change.command.replace("change_role", "give_back", 1)


def _commands(role: Role, change: Change) -> Iterator[str]:
    """Yield the commands that restore a role, and that read each policy afterward.

    The trust policy comes after the other policies, because IAM may reject it, for example if a
    principal in it has been deleted in the meantime. Only the last command deletes a policy: the
    program's role policy, if the role had none with its name.
    """
    name = {"role_name": role.name}
    if arn := change.attached:
        # The user may have deleted the policy.
        create = aws_command("iam create-policy", **_policy(arn, role, change.properties or {}))
        yield f"create {shlex.quote(arn)} {create}"
        yield aws_command("iam attach-role-policy", **name, policy_arn=arn)
        yield _document(arn)
        path = ".AttachedPolicies | map(.PolicyArn | select(. == $saved))"
        yield _shows(path, aws_command("iam list-attached-role-policies", **name))
    for policy, document in role.inline_policies.items():
        own = {**name, "policy_name": policy}
        yield _document(document)
        yield f'{aws_command("iam put-role-policy", **own)} --policy-document "$document"'
        yield _shows(".PolicyDocument", aws_command("iam get-role-policy", **own))
    trust_policy, deleted = without_deleted(role.trust_policy)
    if deleted:
        text = f"{role.name}: IAM rejects deleted principals, so these are not restored: "
        yield f"echo {shlex.quote(text + ', '.join(deleted))} >&2"
    if trust_policy:
        yield _document(trust_policy)
        yield f'{aws_command("iam update-assume-role-policy", **name)} --policy-document "$document"'
        yield _shows(".Role.AssumeRolePolicyDocument", aws_command("iam get-role", **name))
    if POLICY_NAME not in role.inline_policies:
        yield f"delete {aws_command('iam delete-role-policy', **name, policy_name=POLICY_NAME)}"
        yield _document([])
        path = f'.PolicyNames | map(select(. == "{POLICY_NAME}"))'
        yield _shows(path, aws_command("iam list-role-policies", **name))


def _document(value: object) -> str:
    return f"document={shlex.quote(_text(value))}"


def _shows(path: str, command: str) -> str:
    return f"shows {shlex.quote(path)} {command} --output json"


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


def _text(document: object) -> str:
    # Without whitespace, which may count toward the quota of a trust policy.
    return json.dumps(document, separators=(",", ":"))
