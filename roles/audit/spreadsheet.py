"""Format an audit's result as rows for a spreadsheet or a query."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from roles.arns import Arn
from roles.audit.report import UNAVAILABLE, Report
from roles.audit.severity import INVALID, kind_of
from roles.audit.survey import DataSourceResult, Outcome

COLUMNS: Final = (
    *("account", "region", "application", "index", "dataSource", "name", "connector"),
    *("role", "entry", "lastUsed", "state", "result", "finding", "danger", "policy", "statement"),
    *("actions", "resources", "conditions", "acceptedUntil", "reason", "remarks"),
)
"""The names in the header."""
_UNUSED: Final = "unused"
"""The state of a role that no data source uses."""
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The characters with which a formula begins, also of full width.
https://owasp.org/www-community/attacks/CSV_Injection"""


def rows(found: Report) -> Iterator[list[str]]:
    """Yield the header, and a row for each finding and for each role without a finding.

    Further rows have the data sources without a role, the failed reads, and the roles that no data
    source uses. A cell with several values separates them with `; `. The most severe rows are first.
    """
    yield [*COLUMNS]
    states = [*Outcome, _UNUSED]
    for row in sorted(_rows(found), key=lambda row: states.index(row["state"])):
        yield [_safe(row.get(name, "")) for name in COLUMNS]


def _rows(found: Report) -> Iterator[dict[str, str]]:
    users = found.users()
    for role in found.roles:
        used_by = users[role.account, role.arn]
        about_role = {
            "account": role.account,
            "role": role.arn,
            "entry": role.entry,
            "lastUsed": role.last_used,
            "state": role.state,
            "result": role.text,
            "remarks": _joined(role.remarks),
        }
        for verdict, acceptance in (*((each, None) for each in role.differences), *role.accepted):
            concerned = [each for each in used_by if each.data_source in verdict.data_sources]
            yield {
                **about_role,
                **_sources(concerned or used_by),
                "finding": kind_of(verdict),
                "danger": verdict.danger,
                "policy": verdict.policy,
                "statement": verdict.statement,
                "actions": _joined(each for access in verdict.access for each in access.actions),
                "resources": _joined(each for access in verdict.access for each in access.targets),
                "conditions": _joined(each for access in verdict.access for each in access.conditions),
                "acceptedUntil": acceptance.until if acceptance else "",
                "reason": acceptance.reason if acceptance else "",
            }
        if not (role.differences or role.accepted or any(source.fault for source in used_by)):
            yield {**about_role, **_sources(used_by)}
    for source in found.data_sources:
        if source.fault or not source.role_arn:
            yield {
                **_sources([source]),
                "account": source.account,
                "role": source.role_arn,
                "state": source.state,
                "result": source.text,
                "finding": INVALID if source.fault else "",
                "acceptedUntil": source.acceptance.until if source.acceptance else "",
                "reason": source.acceptance.reason if source.acceptance else "",
                "remarks": _joined(source.remarks),
            }
    for unused in found.unused:
        yield {
            "account": Arn.of(unused.arn).account,
            "role": unused.arn,
            "entry": unused.entry,
            "lastUsed": unused.last_used,
            "state": _UNUSED,
            "result": unused.text,
        }
    for each in found.surveys:
        denied = (f"{action} is not allowed on at least some resources" for action in each.denied)
        for text in filter(None, (each.failure, *each.skipped, *denied)):
            yield {"account": each.account, "state": Outcome.SKIPPED, "result": text}
    for region in found.unavailable:
        yield {"region": region, "state": Outcome.SKIPPED, "result": UNAVAILABLE}


def _sources(sources: Sequence[DataSourceResult]) -> dict[str, str]:
    return {
        "region": _joined(each.region for each in sources),
        "application": _joined(each.data_source.application_label for each in sources),
        "index": _joined(each.data_source.index_label for each in sources),
        "dataSource": _joined(each.data_source.id for each in sources),
        "name": _joined(each.data_source.name for each in sources),
        "connector": _joined(each.connector or f"({each.data_source.type})" for each in sources),
    }


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


def _safe(text: str) -> str:
    """Return text that is printable, and that no spreadsheet takes for a formula."""
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
