"""Withhold `pulumi up` from fixes while it would take access from somebody who has it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from guardrails.iam.truth import Truth
from roles.check.case import Case, stay_allowed
from roles.check.requests import RequestGroup
from roles.check.subject import Subject
from roles.findings import Finding


class Lost(NamedTuple):
    """A request that AWS allows now, but not after the next update."""

    request: str
    is_for_other_secret: bool
    """Whether it is for a secret that no setting can contain, or for that secret's key."""


def withhold(
    question: str,
    finding: Finding,
    entries: Sequence[Subject],
    read_lost: Callable[[], Sequence[Lost]],
) -> Finding:
    """Return the answer to a question with a fix that does not cut anybody off by an update.

    An update changes all roles of the stack, so this depends on all `entries` and on the requests that
    their data sources lose. `read_lost` is called only if the fix deploys the stack.
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
            f"give the data sources of {', '.join(applications)} roles other than {role}, because the "
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
    lost = read_lost()
    fixes = "the other fixes"
    if update not in finding.fix:  # it also changes a setting, which can be why other requests are lost
        lost = [each for each in lost if each.is_for_other_secret and question != "other policies"]
        fixes = 'the fixes in "other policies"'
    if lost:
        requests = ", ".join(dict.fromkeys(each.request for each in lost))
        steps.append(f"first apply {fixes}, because the update takes {requests} from a data source")
    return finding._replace(fix=(*steps, *finding.fix))


def lost_requests(cases: Iterable[Case]) -> Iterator[Lost]:
    """Yield the requests that the next update takes away."""
    for case in cases:
        for group, found in case.by_group:
            is_allowed = all(each.allowed is Truth.YES for each in found)
            if is_allowed and stay_allowed(case, [group]) is Truth.NO:
                for name in group.actions:
                    yield Lost(f"{name} on {group.resource}", _is_for_other_secret(case, group))


def _is_for_other_secret(case: Case, group: RequestGroup) -> bool:
    return any(group.resource.known in each for each in case.subject.other_secrets)
