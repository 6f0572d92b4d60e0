"""Plan to put back what the update after an import wrote, and nothing else.

A role is compared with what was read before the import and with what the update wrote. Whatever differs
from both is somebody else's and stays.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from components.connector_role import POLICY_NAME
from guardrails.iam.documents import listed
from roles.account import Account, DataSource, Role
from roles.applications import UNIQUE_ID, accepted_applications
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.changes import (
    DataSourceChange,
    Document,
    Plan,
    RoleChange,
    check_unfinished,
    read_saved,
    read_unless_gone,
    role_id,
    same_document,
)
from roles.credentials import check_account
from roles.declared import Stack, read_stack
from roles.difference import TRUST_POLICY
from roles.errors import InputError
from roles.findings import Finding
from roles.output import Line, Output
from roles.view import find_role

_PROPERTIES: Final = {
    "permissions_boundary": "permissions boundary",
    "tags": "tags",
    "description": "description",
    "max_session_duration": "maximum session duration",
}


class _Restored(NamedTuple):
    """What a role is after the restoration."""

    role: Role | None
    """None if it is unknown or another role."""
    fault: str = ""
    """Why no data source can get the role back; empty if one can."""


def plan(options: argparse.Namespace, output: Output) -> tuple[Plan, list[str]]:
    """Return the plan, and the roles that the stack still owns.

    Raises InputError if the file is not what `adopt` wrote, or is for another account.
    """
    saved = read_saved(options.restore)
    try:
        stack, application, roles, sources = (
            saved[name] for name in ("stack", "application", "roles", "dataSources")
        )
        ids = options.data_source or [each["data_source"]["id"] for each in sources]
        wanted = [each for each in sources if each["data_source"]["id"] in ids]
        arns = {each["role"] for each in wanted}
        roles = [(Role(**each["role"]), each) for each in roles if each["role"]["arn"] in arns]
    except (KeyError, TypeError):
        raise InputError(
            f"{options.restore} is not a file that `adopt` wrote: pass adopted-STACK.json"
        ) from None
    account = Account(saved["region"], output)
    check_account(str(options.restore), [saved["account"]], account)
    made = Plan("adopt", stack, account, [], [], check_unfinished(stack, output))
    deployed = _read_stack(stack, output)
    declared = {each.role_arn: each for each in deployed.roles}
    after: dict[str, _Restored] = {}
    for role, each in roles:
        written = [each["written"]] if each["written"] else []
        if written and role.arn in declared:
            policies = declared[role.arn].policies
            documents = {TRUST_POLICY: policies.trust_policy, POLICY_NAME: policies.role_policy}
            written.append({name: json.loads(text) for name, text in documents.items()})
        found = after[role.arn] = _plan_role(
            made, role, written, each["versions"], cuts_off=role.name in options.cut_off
        )
        if found.fault:
            made.left_out.append(f"{role.name}: {found.fault}")
        elif owner := each["owner"]:
            made.lines.append(Line(f"  {owner}: coordinate this with its owner", 4))
    for each in wanted:
        if each["isMoved"]:
            _plan_return(made, each, after[each["role"]], application, [*declared])
    names = {each["role"]: each["entry"] for each in wanted if not each["isMoved"]}
    owned = [arn for arn, name in names.items() if arn in declared or name in deployed.left_out]
    return made, owned


def _read_stack(stack: str, output: Output) -> Stack:
    """Return the stack's state; without it, `adopt`'s file says what the update wrote."""
    try:
        return read_stack(stack, show_secrets=True)
    except InputError as error:
        output(f"comparing with the file, because the stack's state could not be read: {error}")
        return Stack(stack, "", (), {})


def _plan_role(
    plan: Plan, saved: Role, written: list[Document], versions: Mapping[str, str], *, cuts_off: bool
) -> _Restored:
    """Plan to put a role's documents back, if all that differs is what an update wrote.

    `written` has what the first and the last update wrote; it is empty for a role that was not imported.
    """
    now = find_role(plan.account, saved.arn)
    if not isinstance(now, Role) or now.id != saved.id or now.denied:
        return _Restored(None, _fault(now))
    if commands := [*_repairs(plan.account, saved, versions, now)]:
        title = f"{saved.name}: before the restoration, put back the policies that it had:"
        plan.lines.extend((title, "", *commands, ""))
        return _Restored(None, "nothing changes, because policies that it had are missing or changed")
    differing = [*_differing(saved, now)]
    stays = [text for field, text in _PROPERTIES.items() if getattr(saved, field) != getattr(now, field)]
    plan.lines.extend(Line(f"{saved.name}: changed since, and stays: {text}", 2) for text in stays)
    text = f"{saved.name}: changed since, and stays: {', '.join(differing)}"
    if not written:
        plan.lines.extend([Line(text, 2)] if differing else [])
        return _Restored(now)
    plan.left_out.extend([text] if differing else [])
    trust, deleted = _without_deleted(saved.trust_policy)
    if deleted:
        plan.lines.append(Line(f"{saved.name}: IAM rejects deleted principals: {', '.join(deleted)}", 2))
    before, after = _documents(now), {**_documents(saved), TRUST_POLICY: trust or now.trust_policy}
    foreign = [
        name
        for name in {**before, **after}
        if not any(
            same_document(before.get(name), its.get(name))
            for its in (after, _documents(saved), *written)
        )
    ]
    if foreign and not (cuts_off and foreign == [TRUST_POLICY]):
        remedy = (
            f"; to restore it anyway, pass --cut-off {saved.name}" if foreign == [TRUST_POLICY] else ""
        )
        return _Restored(None, f"somebody has changed its {' and '.join(foreign)} since{remedy}")
    change = RoleChange(saved.arn, saved.id, before, after, tuple(differing))
    if change.is_same(before, after):
        plan.lines.append(f"{saved.name}: has its earlier documents")
    else:
        plan.changes.append(change)
        plan.lines.extend(change.plan)
    return _Restored(now._replace(trust_policy=after[TRUST_POLICY]))


def _without_deleted(document: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
    """Return a trust policy without deleted principals, which IAM rejects, and their IDs.

    A statement without any other principal is left out. The policy is None if there is no statement
    left. https://repost.aws/knowledge-center/iam-trust-policy-error
    """
    deleted, kept = list[str](), list[Mapping[str, Any]]()
    for statement in listed(document["Statement"]):
        element = "Principal" if "Principal" in statement else "NotPrincipal"
        principal = statement[element] if isinstance(statement[element], Mapping) else {}
        names = listed(principal.get("AWS", []))
        others = [name for name in names if not UNIQUE_ID.fullmatch(name)]
        deleted += [name for name in names if name not in others]
        rest = {kind: its for kind, its in {**principal, "AWS": others}.items() if its}
        kept += [statement] if others == names else [{**statement, element: rest}] if rest else []
    return ({**document, "Statement": kept} if kept else None), [*dict.fromkeys(deleted)]


def _fault(now: Role | Finding | None) -> str:
    """Return why a role cannot be restored."""
    if isinstance(now, Finding):
        return now.text
    if now and now.denied:
        return f"{now.denied} is not allowed, so its policies are not known"
    return "was deleted and created again, and stays" if now else "no longer exists"


def _documents(role: Role) -> dict[str, Any]:
    """Return the documents of a role that an update writes."""
    own = role.inline_policies.get(POLICY_NAME)
    return {TRUST_POLICY: role.trust_policy, **({POLICY_NAME: own} if own else {})}


def _repairs(account: Account, saved: Role, versions: Mapping[str, str], now: Role) -> Iterator[str]:
    """Yield the commands that put back policies that the role has lost."""
    role = {"role_name": saved.name}
    for name, document in saved.inline_policies.items():
        if name not in now.inline_policies:
            own = {"policy_name": name, "policy_document": json.dumps(document)}
            yield aws_command("iam put-role-policy", **role, **own)
    for arn in saved.attached or ():
        if now.attached is not None and arn not in now.attached:
            yield aws_command("iam attach-role-policy", **role, policy_arn=arn)
        elif arn in now.attached_policies and arn in versions:
            version = account.get("iam:GetPolicy", arn)["DefaultVersionId"]
            if version != versions[arn]:
                yield aws_command(
                    "iam set-default-policy-version", policy_arn=arn, version_id=versions[arn]
                )


def _differing(saved: Role, now: Role) -> Iterator[str]:
    """Yield the names of the policies, besides the update's, that somebody has changed or added."""
    for name, document in now.inline_policies.items():
        if name != POLICY_NAME and not same_document(document, saved.inline_policies.get(name)):
            yield name
    if saved.denied:
        yield f"the attached policies ({saved.denied} was not allowed for adopt)"
    else:
        yield from (arn for arn in now.attached or () if arn not in (saved.attached or ()))


def _plan_return(
    plan: Plan, saved: Mapping[str, Any], restored: _Restored, application: str, own: list[str]
) -> None:
    """Plan to give a data source its earlier role, unless somebody else has given it another one."""
    source, role = DataSource(**saved["data_source"]), saved["role"]
    before = read_unless_gone(plan.account, source)
    current = str((before or {}).get("roleArn", ""))
    current_id = role_id(plan.account, current)
    patterns = [*accepted_applications(restored.role)] if restored.role else []
    if before is None:
        plan.lines.append(f"{source.label} no longer exists")
    elif current == role:
        plan.lines.append(f"{source.label} has {role}")
    elif current_id and current not in own:
        kept = f"keeps {current}, which is not a role of stack {plan.stack}"
        plan.left_out.append(f"{source.label}: {kept}")
    elif restored.fault:
        name = Arn.of(role).name
        plan.left_out.append(f"{source.label}: does not get {name} back, because of that role's fault")
    elif not any(pattern == "*" or fnmatchcase(application, pattern) for pattern in patterns):
        plan.left_out.append(f"{source.label}: {role} does not accept {application}")
    else:
        change = DataSourceChange(source, before, role, current_id)
        plan.changes.append(change)
        plan.lines.extend(Line(text, 4) for text in change.plan)
