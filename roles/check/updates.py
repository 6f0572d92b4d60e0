"""Withhold `pulumi up` from fixes while it would take access from somebody who has it."""

from collections.abc import Iterable, Sequence

from guardrails.iam.truth import Truth
from roles.check.case import Case, stay_allowed
from roles.check.requests import RequestGroup
from roles.check.subject import Subject
from roles.findings import Finding


def withhold(finding: Finding, entries: Sequence[Subject], cases: Iterable[Case]) -> Finding:
    """Return a finding whose fix does not deploy the stack if that would cut somebody off.

    An update changes all roles of the stack, so this depends on all `entries` and, as far as they were
    checked, on the requests of their data sources, in `cases`.
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
    lost = [group for case in cases for group in _lost(case)] if update in finding.fix else []
    if not lost:
        return finding
    requests = dict.fromkeys(f"{name} on {group.resource}" for group in lost for name in group.actions)
    reason = f"because the update takes {', '.join(requests)} from a data source"
    return finding._replace(fix=(f"first apply the other fixes, {reason}", *finding.fix))


def _lost(case: Case) -> list[RequestGroup]:
    """Return the requests that AWS allows now, but not after the next update."""
    return [
        group
        for group, found in case.by_group
        if all(each.allowed is Truth.YES for each in found) and stay_allowed(case, [group]) is Truth.NO
    ]
