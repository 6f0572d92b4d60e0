"""Plan to restore data sources' roles, and the documents that the update after an import overwrote.

Each current document is compared with the one before the import and with those that updates wrote. If a
document matches none of them, somebody else has changed it, so by default, the role stays as it is.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from components.connector_role import POLICY_NAME
from roles.account import Account, DataSource, Role
from roles.applications import accepted_applications
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
    read_properties,
    read_saved,
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


def plan(options: argparse.Namespace, output: Output) -> Plan:
    """Return the plan to restore the roles in the file that the options specify.

    Raises InputError if `adopt` did not write the file, or if the file is for another account.
    """
    saved = read_saved(options.restore)
    try:
        stack, application, roles, sources = (
            saved[name] for name in ("stack", "application", "roles", "dataSources")
        )
        by_id = {each["data_source"]["id"]: each for each in sources}
        wanted = [by_id[each] for each in options.data_source or by_id]
        arns = {each["role"] for each in wanted}
        roles = [(Role(**each["role"]), each) for each in roles if each["role"]["arn"] in arns]
    except (KeyError, TypeError):
        raise InputError(
            f"{options.restore} is not a file that `adopt` wrote, or does not contain all IDs in "
            "--data-source: pass adopted-STACK.json and IDs that it contains"
        ) from None
    account = Account(saved["region"], output)
    check_account(str(options.restore), [saved["account"]], account)
    made = Plan("adopt", stack, account, [], [], check_unfinished(stack, output))
    deployed = _read_stack(stack, output)
    declared = {each.role_arn: each for each in deployed.roles}
    after: dict[str, Role | str] = {}
    for role, each in roles:
        written = [each["written"]] if each["written"] else []
        if written and role.arn in declared:
            written.append(documents_in(declared[role.arn].policies))
        cuts_off = role.name in options.cut_off
        found = _plan_role(made, role, written, each["versions"], cuts_off=cuts_off)
        made.left_out.extend([f"{role.name}: {found}"] if isinstance(found, str) else [])
        after[role.arn] = found
    for each in wanted:
        if each["isMoved"]:
            _plan_return(made, each, after[each["role"]], application, [*declared])
    owned = [
        f"the stack still owns {each['role']} (entry {each['entry']}): before the next `pulumi up`, run "
        "`pulumi state delete`, and then remove the entry (docs/operate.md#one-role-of-several)"
        for each in sources
        if each["role"] in arns
        and not each["isMoved"]
        and (each["role"] in declared or each["entry"] in deployed.left_out)
    ]
    return made._replace(next_steps=owned)


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


def _plan_role(
    plan: Plan, saved: Role, written: list[Document], versions: Mapping[str, str], *, cuts_off: bool
) -> Role | str:
    """Plan to restore a role's documents if only the stack's updates have changed them.

    `written` has the documents of the first and the last update; it is empty for a role that was not
    imported. Return the role after the restoration, or the reason that no data source can get it back.
    """
    now = find_role(plan.account, saved.arn)
    if not isinstance(now, Role) or now.id != saved.id:
        return now.text if isinstance(now, Finding) else GONE
    if now.denied:
        return f"{now.denied} is not allowed, so the role's policies are unknown"
    if commands := [*_repairs(plan.account, saved, versions, now)]:
        title = f"{saved.name}: before the restoration, put back the policies that the role had:"
        plan.lines.extend((title, "", *commands, ""))
        return "nothing changes, because policies that it had are missing or changed"
    differing = [*_differing(saved, now)]
    every = [
        *differing,
        *(text for name, text in _PROPERTIES.items() if getattr(saved, name) != getattr(now, name)),
    ]
    if every:
        lines = plan.left_out if written and differing else plan.lines
        lines.append(f"{saved.name}: keeps later changes to {', '.join(every)}")
    if not written:
        return now
    before, after = documents_of(now), documents_of(saved)
    foreign = [
        name
        for name in {**before, **after}
        if not any(same_document(before.get(name), its.get(name)) for its in (after, *written))
    ]
    is_trust = foreign == [TRUST_POLICY]
    if foreign and not (cuts_off and is_trust):
        remedy = f"; to restore it anyway, pass --cut-off {saved.name}" if is_trust else ""
        return f"somebody has since changed its {' and '.join(foreign)}{remedy}"
    change = RoleChange(saved.arn, saved.id, before, after, tuple(differing))
    if change.is_same(before, after):
        plan.lines.append(f"{saved.name}: already has its earlier documents")
    else:
        plan.changes.append(change)
        plan.lines.extend(change.plan)
    return now._replace(trust_policy=after[TRUST_POLICY])


def _repairs(account: Account, saved: Role, versions: Mapping[str, str], now: Role) -> Iterator[str]:
    """Yield the commands that restore missing policies and earlier versions of attached policies."""
    role = {"role_name": saved.name}
    for name, document in saved.inline_policies.items():
        if name not in now.inline_policies:
            yield aws_command(
                "iam put-role-policy",
                **role,
                policy_name=name,
                policy_document=json.dumps(document),
            )
    for arn in saved.attached or ():
        if now.attached is not None and arn not in now.attached:
            yield aws_command("iam attach-role-policy", **role, policy_arn=arn)
        elif (
            arn in now.attached_policies
            and Arn.of(arn).account != "aws"  # AWS updates AWS managed policies
            and arn in versions
            and account.get("iam:GetPolicy", arn)["DefaultVersionId"] != versions[arn]
        ):
            yield aws_command("iam set-default-policy-version", policy_arn=arn, version_id=versions[arn])


def _differing(saved: Role, now: Role) -> Iterator[str]:
    """Yield the names or ARNs of policies, except the role policy, that somebody changed or added."""
    for name, document in now.inline_policies.items():
        if name != POLICY_NAME and not same_document(document, saved.inline_policies.get(name)):
            yield name
    if saved.denied:
        yield f"the attached policies ({saved.denied} was not allowed when `adopt` saved the role)"
    else:
        yield from (arn for arn in now.attached or () if arn not in (saved.attached or ()))


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
    elif not any(
        pattern == "*" or fnmatchcase(application, pattern) for pattern in accepted_applications(role)
    ):
        plan.left_out.append(f"{source.label}: {earlier} does not accept {application}")
    else:
        change = DataSourceChange(source, before, earlier, current_id)
        plan.changes.append(change)
        plan.lines.extend(Line(text, 4) for text in change.plan)
