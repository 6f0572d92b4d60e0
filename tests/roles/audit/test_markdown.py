"""`roles audit --markdown` prints Markdown for a job's summary and an issue on GitHub."""

import html
import re
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from roles.account import Account, DataSource
from roles.audit.accepted import Acceptance
from roles.audit.markdown import LIMIT, render
from roles.audit.report import Report
from roles.audit.survey import DataSourceResult, Outcome, RoleResult, Survey, survey
from roles.difference import Access, Verdict
from roles.output import Notes
from tests.helpers.world import OWN, World, allow, data_source_id
from tests.roles.audit.help import shared_role

MARKUP: Final = "<img src=x> | `*b*` @octocat [a](https://example.com) ``"


OWN_WORDS: Final = {"state", "text", "last_used", "verdict", "danger", "until", "finding"}
"""The fields of a result that contain the program's own words."""


def with_markup(value: Any) -> Any:
    """Return the same result with markup in every text from AWS or the user."""
    if isinstance(value, str):
        return f"{value}{MARKUP}" if value else value
    if hasattr(value, "_asdict"):
        marked = {name: with_markup(it) for name, it in value._asdict().items() if name not in OWN_WORDS}
        return value._replace(**marked)
    return tuple(map(with_markup, value)) if isinstance(value, tuple) else value


@pytest.mark.slow
def test_markup_in_any_name_stays_text(world: World):
    world.add_own(allow("sqs:*", "*"))
    shared_role(world, "jira", "wiki")
    world.add_own(allow("*", "*", Sid="Known"), name="Known")
    known = Acceptance(world.role_arn, OWN, "Known", "reason", "2999-12-31")
    notes = Notes("audit")
    accounts = {ACCOUNT: [Account(REGION, notes)]}
    (found,) = survey(accounts, notes, acceptances=[known])
    found = found._replace(skipped=("skipped",), denied=("iam:GetRole",))
    now = datetime.now(UTC)
    report = Report((with_markup(found),), (REGION,), f"caller{MARKUP}", now, (with_markup(known),))
    text = render(report._replace(surveys=(report.surveys[0]._replace(account=ACCOUNT),)))
    # The fence is longer than any in the text; in a table, a pipe is escaped even in code.
    assert f"- skipped: ``` skipped{MARKUP} ```\n".replace("``` s", "```s") in text.replace(
        "``` s", "```s"
    )
    assert r"<img src=x> \| `*b*`" in text
    outside = re.sub(r"(?s)```.*?[^`]```(?!`)", "", text)
    for markup in ("<img", "@octocat", "https:", "*b*"):
        assert markup not in outside.replace(html.escape(MARKUP), "")
    assert [line for line in text.splitlines() if line.startswith("|") and line.count(" | ") > 6] == []


def test_most_severe_of_500_data_sources_are_shown():
    def result(number: int, state: Outcome, text: str) -> DataSourceResult:
        name, identifier = f"pages-of-the-department-{number}", data_source_id(number)
        source = DataSource("app", "Docs", "index", "Main", identifier, name, "AEM", "ACTIVE", REGION)
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        return DataSourceResult(ACCOUNT, source, "aem-cloud", arn, state, text)

    def role(data_source: DataSourceResult) -> RoleResult:
        access = Access(("sqs:*",), ("*",) * 20, condition=False)
        verdict = Verdict(OWN, "All", "excess", (access,), danger="allows all")
        differences = (verdict,) if data_source.state is not Outcome.EQUIVALENT else ()
        common = (ACCOUNT, data_source.role_arn, data_source.state, data_source.text)
        return RoleResult(*common, "none", differences)

    fine = [result(number, Outcome.EQUIVALENT, "equivalent") for number in range(480)]
    worse = [result(number, Outcome.DANGEROUS, "1 dangerous") for number in range(480, 500)]
    surveys = (Survey(ACCOUNT, tuple(fine), tuple(map(role, fine))),)
    surveys += (Survey(OTHER_ACCOUNT, tuple(worse), tuple(map(role, worse))),)
    text = render(Report(surveys, (REGION,), "caller", datetime.now(UTC)))
    size = len(text.encode())
    assert LIMIT - 200 < size < 65_536
    assert text.count("<details>") == 20
    assert text.count("| 1 dangerous |") == 20
    shown = text.count("| equivalent |")
    assert text.endswith(
        f"\n**Omitted: {480 - shown} data sources.** `audit` without `--markdown` prints everything.\n"
    )
