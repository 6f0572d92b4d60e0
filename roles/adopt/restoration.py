"""Plan to restore data sources' roles, and the documents that the update after an import overwrote.

Each current document is compared with the one before the import and with those that updates wrote. If a
document matches none of them, somebody else has changed it, so by default, the role stays as it is.
"""

import argparse
import json
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from components.connector_role import POLICY_NAME
from roles.account import Account, DataSource, Role
from roles.adopt import files
from roles.applications import accepts_application
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.changes import (
    GONE,
    DataSourceChange,
    Document,
    Plan,
    RoleChange,
    check_unfinished,
    documents_in,
    documents_of,
    parse_head,
    read_properties,
    read_saved,
    role_id,
    same_document,
)
from roles.credentials import check_account
from roles.danger import find_danger
from roles.declared import Stack, read_stack
from roles.difference import TRUST_POLICY, role_statements, statements
from roles.errors import InputError, OddAnswerError
from roles.findings import Finding, attempt_or
from roles.output import Line, Output, Part
from roles.project import project_name
from roles.view import find_role

_STILL_OWNED: Final = (
    "the stack still owns the roles of these entries: before the next `pulumi up`, run `pulumi state "
    "delete`, and then remove the entries (docs/operate.md#one-role-of-several)"
)
_UNKNOWN: Final = (
    "cannot tell whether its attached policies have changed, because {} was not allowed when `adopt` "
    "wrote the file"
)
_PROPERTIES: Final = {
    "permissions_boundary": "permissions boundary",
    "tags": "tags",
    "description": "description",
    "max_session_duration": "maximum session duration",
}


def plan(options: argparse.Namespace, output: Output) -> Plan:
    """Return the plan to restore the roles in the file that the options specify.

    The plan begins with the dangers of the documents that it restores. Raises InputError if `adopt` did
    not write the file, or if the file is for another account or application.
    """
    try:
        saved = _parse_saved(read_saved(options.restore), options.data_source)
    except (KeyError, TypeError, AttributeError, ArgumentTypeError, OddAnswerError):
        raise InputError(
            f"{options.restore} is not a file that `adopt` wrote, or does not contain all IDs in "
            "--data-source: pass adopted-STACK.json and IDs that it contains"
        ) from None
    stack, owner, region, application, roles, sources = saved
    account = Account(region, output)
    check_account(str(options.restore), [owner], account)
    settings = files.read_settings(stack, project_name(), Arn.of(application).name, region)
    made = Plan("adopt", stack, account, [], [], check_unfinished(stack, output))
    deployed = _read_stack(stack, output)
    policies_by_arn = {declared.role_arn: declared.policies for declared in deployed.roles}
    restored: dict[str, Role | str] = {}
    dangers: list[Part] = []
    for role, entry in roles:
        written = [entry["written"]] if entry["written"] else []
        if written and role.arn in policies_by_arn:
            written.append(documents_in(policies_by_arn[role.arn]))
        restoration = _Restoration(
            role,
            written,
            entry["versions"],
            is_declared=role.arn in deployed.role_arns or role.name in files.role_names_in(settings),
            is_cut_off=role.name in options.cut_off,
        )
        result = _plan_role(made, restoration, application, dangers)
        made.left_out.extend([f"{role.name}: {result}"] if isinstance(result, str) else [])
        restored[role.arn] = result
    for source in sources:
        if source["isMoved"]:
            _plan_return(made, source, restored[source["role"]], application, [*policies_by_arn])
    owned = [
        f"  {source['entry']}: {source['role']}"
        for source in sources
        if not source["isMoved"]
        and (source["role"] in policies_by_arn or source["entry"] in deployed.left_out)
    ]
    return made._replace(
        lines=[*dangers, *made.lines], next_steps=[_STILL_OWNED, *owned] if owned else []
    )


class _Saved(NamedTuple):
    """The contents of a file that `adopt` wrote."""

    stack: str
    account_id: str
    region: str
    application_arn: str
    roles: Sequence[tuple[Role, Mapping[str, Any]]]
    """The roles of the selected data sources, and everything about each role in the file."""
    sources: Sequence[Mapping[str, Any]]
    """The selected data sources."""


def _parse_saved(document: Mapping[str, Any], identifiers: Sequence[str]) -> _Saved:
    """Return the contents of a file that are about the data sources with these IDs; by default, all.

    Raises KeyError, TypeError, AttributeError, ArgumentTypeError, or OddAnswerError for a file that
    `adopt` did not write, or that lacks one of the IDs.
    """
    stack, account_id, region = parse_head(document)
    sources_by_id = {source["data_source"]["id"]: source for source in document["dataSources"]}
    sources = [sources_by_id[identifier] for identifier in identifiers or sources_by_id]
    arns = {source["role"] for source in sources}
    roles = [(Role(**entry["role"]), entry) for entry in document["roles"]]
    for role, _ in roles:
        role_statements(role)
    application = Arn.of(document["application"])
    if (application.account, application.region) != (account_id, region):
        raise KeyError(application.text)
    selected = [(role, entry) for role, entry in roles if role.arn in arns]
    return _Saved(stack, account_id, region, application.text, selected, sources)


def _read_stack(stack: str, output: Output) -> Stack:
    """Return the stack's state, or an empty one if it cannot be read; the file suffices in this case."""
    try:
        return read_stack(stack, show_secrets=True)
    except InputError as error:
        # The message omits the remedy, because updating the stack would overwrite more documents.
        output(
            "comparing with the file, because the stack's state could not be read: "
            + str(error).partition(": first ")[0]
        )
        return Stack(stack, "", (), {})


class _Restoration(NamedTuple):
    """A role to restore."""

    saved: Role
    """The role before the import."""
    written: Sequence[Document]
    """The documents of the first and the last update; empty for a role that was not imported."""
    versions: Mapping[str, str]
    """The default versions of the attached policies before the import, by ARN."""
    is_declared: bool
    """Whether the stack's state or settings contain the role."""
    is_cut_off: bool
    """Whether to restore the trust policy even if somebody has changed it."""


class _Repair(NamedTuple):
    """A command that puts a policy back, and the policy's name or ARN and document."""

    command: str
    policy: str
    document: object


def _plan_role(
    plan: Plan, restoration: _Restoration, application: str, dangers: list[Part]
) -> Role | str:
    """Plan to restore a role's documents if only the stack's updates have changed them.

    Return the role after the restoration, or the reason that no data source can get it back. Add the
    dangers of the documents to restore to `dangers`.
    """
    saved, written = restoration.saved, restoration.written
    role = find_role(plan.account, saved.arn)
    if not isinstance(role, Role) or role.id != saved.id:
        return role.text if isinstance(role, Finding) else GONE
    if reason := _find_obstacle(plan, restoration, role, application, dangers):
        return reason
    differing = [*_find_changed_policies(saved, role)]
    changed = [
        *differing,
        *(text for name, text in _PROPERTIES.items() if getattr(saved, name) != getattr(role, name)),
    ]
    unknown = _UNKNOWN.format(saved.denied) if saved.denied else ""
    lines = plan.left_out if written and (differing or unknown) else plan.lines
    lines.extend([f"{saved.name}: keeps later changes to {', '.join(changed)}"] if changed else [])
    lines.extend([f"{saved.name}: {unknown}"] if unknown else [])
    if not written:
        return role
    before, after = documents_of(role), documents_of(saved)
    foreign = [
        name
        for name in {**before, **after}
        if not any(same_document(before.get(name), side.get(name)) for side in (after, *written))
    ]
    is_trust = foreign == [TRUST_POLICY]
    if foreign and not (restoration.is_cut_off and is_trust):
        remedy = f"; to restore it anyway, pass --cut-off {saved.name}" if is_trust else ""
        return f"somebody has since changed its {' and '.join(foreign)}{remedy}"
    change = RoleChange(saved.arn, saved.id, before, after, tuple(differing), unknown)
    if change.is_same(before, after):
        plan.lines.append(f"{saved.name}: already has its earlier documents")
    else:
        for name, document in after.items():
            if not same_document(before.get(name), document):
                dangers.extend(_find_dangers(saved, name, document))
        plan.changes.append(change)
        plan.lines.extend(change.plan)
    return role._replace(trust_policy=after[TRUST_POLICY])


def _find_obstacle(
    plan: Plan, restoration: _Restoration, role: Role, application: str, dangers: list[Part]
) -> str:
    """Return the reason that nothing of a role is restored; empty if there is none.

    If policies are missing or changed, add the commands that put them back to the plan, and their
    dangers to `dangers`.
    """
    saved, written = restoration.saved, restoration.written
    is_restored = same_document(documents_of(role), documents_of(saved))
    if written and not restoration.is_declared and not is_restored:
        return (
            f"nothing changes, because neither the state of stack {plan.stack} nor "
            f"{files.config_file(plan.stack)} contains this role"
        )
    if written and not accepts_application(saved.trust_policy, saved.arn, application):
        return f"nothing changes, because its trust policy in the file does not accept {application}"
    if role.denied:
        return f"{role.denied} is not allowed, so the role's policies are unknown"
    repairs = [*_find_repairs(plan.account, restoration, role)]
    for repair in repairs:
        dangers.extend(_find_dangers(saved, repair.policy, repair.document))
    if repairs:
        title = f"{saved.name}: before the restoration, put back the policies that the role had:"
        plan.lines.extend((title, "", *(repair.command for repair in repairs), ""))
        return "nothing changes, because policies that it had are missing or changed"
    return ""


def _find_dangers(role: Role, policy: str, document: object) -> Iterator[str]:
    """Yield the dangers of a document that is to be put back."""
    label = policy if policy == TRUST_POLICY else f"policy {policy}"
    for statement in statements(policy, document) if document else ():
        danger = find_danger(statement, Arn.of(role.arn), role.attached or ())
        if danger and statement.allows:
            yield f"dangerous: {role.name}: the {label} to put back: {danger}"


def _find_repairs(account: Account, restoration: _Restoration, role: Role) -> Iterator[_Repair]:
    """Yield the commands that restore missing policies and earlier versions of attached policies."""
    saved, versions, options = restoration.saved, restoration.versions, {"role_name": role.name}
    for name, document in saved.inline_policies.items():
        if name not in role.inline_policies:
            text = json.dumps(document)
            command = aws_command(
                "iam put-role-policy", **options, policy_name=name, policy_document=text
            )
            yield _Repair(command, name, document)
    for arn in saved.attached or ():
        if role.attached is not None and arn not in role.attached:
            command = aws_command("iam attach-role-policy", **options, policy_arn=arn)
            # The document in AWS counts, whatever the file contains.
            yield _Repair(command, arn, attempt_or(None, partial(account.managed_policy, arn)))
        elif (
            arn in role.attached_policies
            and Arn.of(arn).account != "aws"  # AWS updates AWS managed policies
            and arn in versions
            and account.get("iam:GetPolicy", arn)["DefaultVersionId"] != versions[arn]
        ):
            version = versions[arn]
            command = aws_command("iam set-default-policy-version", policy_arn=arn, version_id=version)
            read = partial(account.policy, "iam:GetPolicyVersion", arn, version)
            yield _Repair(command, arn, attempt_or(None, read))


def _find_changed_policies(saved: Role, role: Role) -> Iterator[str]:
    """Yield the names or ARNs of policies, except the role policy, that somebody changed or added."""
    for name, document in role.inline_policies.items():
        if name != POLICY_NAME and not same_document(document, saved.inline_policies.get(name)):
            yield name
    if saved.attached is not None:
        yield from (arn for arn in role.attached or () if arn not in saved.attached)


def _plan_return(
    plan: Plan, saved: Mapping[str, Any], role: Role | str, application: str, own: list[str]
) -> None:
    """Plan to give a data source its earlier role unless it now has a role from outside the stack."""
    source, earlier = DataSource(**saved["data_source"]), saved["role"]
    before = read_properties(plan.account, source)
    current = str(before.get("roleArn", ""))
    current_id = role_id(plan.account, current)
    if not before:
        plan.lines.append(f"{source.label} no longer exists")
    elif current == earlier:
        plan.lines.append(f"{source.label} has {earlier}")
    elif current_id and current not in own:
        plan.left_out.append(
            f"{source.label}: keeps {current}, which is not a role of stack {plan.stack}"
        )
    elif isinstance(role, str):
        plan.left_out.append(f"{source.label}: does not get {earlier} back: {role}")
    elif not accepts_application(role.trust_policy, role.arn, application):
        plan.left_out.append(f"{source.label}: {earlier} does not accept {application}")
    else:
        change = DataSourceChange(source, before, earlier, current_id)
        plan.changes.append(change)
        plan.lines.extend(Line(text, 4) for text in change.plan)
