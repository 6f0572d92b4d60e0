"""Withhold `pulumi up` from fixes while it would take access from somebody who has it."""

from collections.abc import Callable, Iterable, Sequence

from guardrails.iam.truth import Truth
from roles.check.case import Case, stay_allowed
from roles.check.requests import RequestGroup
from roles.check.subject import Subject
from roles.findings import Finding


def withhold(
    question: str,
    finding: Finding,
    entries: Sequence[Subject],
    read_cases: Callable[[], Sequence[Case]],
) -> Finding:
    """Return the answer to a question with a fix that does not cut anybody off by an update.

    An update changes all roles of the stack, so this depends on all `entries` and on the requests of
    their data sources. `read_cases` is called only if the fix deploys the stack.
    """
    update = entries[0].up_command if entries and entries[0].settings.stack else ""
    if not update or not any(update in step for step in finding.fix):
        return finding
    others = {
        str(entry.settings.role_arn): entry.other_applications
        for entry in entries
        if entry.other_applications
    }
    if others:
        steps = (
            f"give the data sources of {', '.join(applications)} other roles than {role}, because the "
            "next update of the stack keeps them from using it"
            for role, applications in others.items()
        )
        return finding._replace(fix=(*steps, "repeat `check`, which prints the next step"))
    steps = [
        f"give {' and '.join(entry.other_principals)} another role if they use "
        f"{entry.settings.role_arn}, because the update keeps them from assuming it"
        for entry in entries
        if entry.other_principals
    ]
    if lost := [*_lost(question, finding, update, read_cases())]:
        fixes = "the other fixes" if update in finding.fix else 'the fixes in "other policies"'
        reason = f"because the update takes {', '.join(lost)} from a data source"
        steps.append(f"first apply {fixes}, {reason}")
    return finding._replace(fix=(*steps, *finding.fix))


def _lost(question: str, finding: Finding, update: str, cases: Iterable[Case]) -> dict[str, None]:
    """Return the requests that AWS allows now, but not after the fix.

    If the fix also changes a setting, these are only requests for secrets that no setting can contain.
    """
    changes_setting = update not in finding.fix
    if changes_setting and question == "other policies":
        return {}
    return dict.fromkeys(
        f"{name} on {group.resource}"
        for case in cases
        for group, found in case.by_group
        if not changes_setting or _is_for_other_secret(case, group)
        if all(each.allowed is Truth.YES for each in found) and stay_allowed(case, [group]) is Truth.NO
        for name in group.actions
    )


def _is_for_other_secret(case: Case, group: RequestGroup) -> bool:
    return any(group.resource.known in each for each in case.subject.other_secrets)
