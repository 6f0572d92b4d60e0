"""`roles audit` prints a report as text, Markdown, CSV, or JSON, the most severe result first."""

import csv
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from roles.account import DataSource
from roles.audit import markdown
from roles.audit.accepted import Acceptance
from roles.audit.survey import DataSourceResult, Outcome, RoleResult, Survey
from roles.audit.unused import UnusedRole
from roles.difference import Access, Verdict
from roles.stack import DeployedRoles
from tests.helpers.world import OWN, Output, World

EUROPE: Final = "eu-west-1"
THIRD: Final = "777788889999"
ALL: Final = (Access(("sqs:*",), ("*",), condition=False),)


def role_arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def source(
    number: int, state: Outcome, role: str = "", account: str = ACCOUNT, **more: Any
) -> DataSourceResult:
    """Return a data source's result; the name of its role is by default that of the data source."""
    name, index, region = f"Pages-{number}", more.pop("index", "index"), more.pop("region", REGION)
    place = DataSource("app", "Docs", index, "Main", f"id-{number}", name, "AEM", "ACTIVE", region)
    arn = "" if state is Outcome.NO_ROLE else role_arn(role or name, account)
    entries: dict[str, Any] = {"connector": "aem-cloud", "text": str(state), **more}
    return DataSourceResult(account, place, role_arn=arn, state=state, **entries)


def role_of(found: DataSourceResult, *differences: Verdict, **more: Any) -> RoleResult:
    common = (found.account, found.role_arn, found.state, found.text)
    entries: dict[str, Any] = {"last_used": "none", "failed": found.failed, **more}
    return RoleResult(*common, differences=differences, **entries)


def report(world: World, surveys: Sequence[Survey], *options: str, **stack: str) -> Output:
    """Run the command with these results in place of those in AWS."""
    deployed = DeployedRoles("dev", None, stack)

    def open_accounts(*_: object) -> tuple[dict[str, object], list[Survey]]:
        return {each.account: () for each in surveys}, []

    def survey(*_: object) -> list[Survey]:
        return [*surveys]

    def read_deployed_roles(_: object) -> DeployedRoles:
        return deployed

    world.patch.setattr("roles.audit.accounts.open_accounts", open_accounts)
    world.patch.setattr("roles.audit.command.survey", survey)
    world.patch.setattr("roles.audit.command.read_deployed_roles", read_deployed_roles)
    return world.audit(*options)


def everything() -> list[Survey]:
    """Return the results of three accounts and two Regions, the most severe last."""
    shared = Verdict(OWN, "Read", "shared", ALL)
    fine = source(1, Outcome.EQUIVALENT)
    first = source(2, Outcome.DIFFERENT, text="1 denying, 1 shared", index="other")
    second = source(3, Outcome.LACKING, text="1 missing", role="pair", region=EUROPE)
    third = source(4, Outcome.LACKING, text="1 missing", role="pair", index="other", failed=True)
    third = third._replace(remarks=("the last sync has the status FAILED: =1+1",))
    queue = source(5, Outcome.NO_ROLE, connector="")
    users = (second.data_source, third.data_source)
    missing = Verdict(OWN, "Get", "missing", ALL, users[1:])
    denies = Verdict("two", "statement 2", "denies", ALL)
    kept = Acceptance(fine.role_arn, OWN, "Old", "moves", "2999-12-31")
    own = Survey(
        ACCOUNT,
        (fine, queue, first, second, third),
        (
            role_of(fine, accepted=((Verdict(OWN, "Old", "excess", ALL), kept),), entry="fine"),
            role_of(first, denies, shared._replace(data_sources=(first.data_source,))),
            role_of(third, missing, remarks=("iam:GetPolicy is not allowed",), last_used="2026-10-01"),
        ),
        skipped=("application Old old: not allowed",),
        denied=("iam:GetPolicy", "kms:ListGrants"),
        unused=(
            UnusedRole(role_arn("idle"), "2026-01-02", datetime(2025, 1, 1, tzinfo=UTC), "idle"),
            UnusedRole(role_arn("unread"), "", datetime(2025, 1, 1, tzinfo=UTC)),
        ),
    )
    # A role of the same name in another account is another role.
    worst = source(2, Outcome.DANGEROUS, account=OTHER_ACCOUNT, text="1 dangerous")
    danger = Verdict("trust policy", "statement 1", "excess", ALL, danger="allows everybody")
    accepted = source(6, Outcome.ACCEPTED, account=OTHER_ACCOUNT, text="secret gone, accepted")
    invalid = Acceptance("", "", "", "sleeps", "2999-12-31", "invalid", ["id-6"])
    accepted = accepted._replace(fault="secret gone", acceptance=invalid)
    broken = source(7, Outcome.INVALID, account=OTHER_ACCOUNT, text="role gone", fault="role gone")
    unknown = source(8, Outcome.UNKNOWN, account=OTHER_ACCOUNT, connector="")
    other = Survey(
        OTHER_ACCOUNT,
        (unknown, accepted, broken, worst),
        (role_of(unknown), role_of(accepted), role_of(broken), role_of(worst, danger)),
        unlisted="iam:ListRoles is not allowed",
    )
    return [own, other, Survey(THIRD, failure="the role cannot be assumed")]


def test_report_of_several_accounts_matches_golden_file(
    world: World, assert_golden: Callable[[Path, str], None]
):
    world.path("accepted.yaml").write_text(
        f"- {{role: '{role_arn('x')}', policy: p, sid: A, reason: r, until: 2999-12-31}}\n"
        f"- {{role: '{role_arn('x', THIRD)}', policy: p, sid: A, reason: r, until: 2999-12-31}}\n"
        "- {finding: invalid, dataSources: [id-1, id-9], reason: r, until: 2999-12-31}\n"
        "- {finding: invalid, dataSources: [id-9, id-7], reason: r, until: 2999-12-31}\n"
        # These match a finding, the second one in part.
        f"- {{role: '{role_arn('Pages-2')}', policy: two, statement: 2, reason: r, until: 2999-12-31}}\n"
        f"- {{role: '{role_arn('Pages-2', OTHER_ACCOUNT)}', policy: trust policy, statement: 1, "
        "finding: excess, reason: r, until: 2999-12-31}\n"
    )
    options = ("--region", REGION, "--region", EUROPE, "--region", "x-1", "--accept", "accepted.yaml")
    options += ("--stack", "dev")
    text = report(world, everything(), *options, wiki=role_arn("wiki"))
    assert text.code == 1
    texts = {"text": text.out, "notes": text.err}
    for name in ("markdown", "csv"):
        texts[name] = report(world, everything(), *options, f"--{name}").out.replace("\r\n", "\n")
    document = report(world, everything(), *options, "--json").json
    assert datetime.fromisoformat(document.pop("date")).tzinfo
    texts["json"] = "".join(
        f"{name}: {json.dumps(it)}\n"
        for name, its in document.items()
        for it in (its if isinstance(its, list) else [its])
    )
    shown = "\n".join(f"== {name} ==\n{each}" for name, each in texts.items())
    shown = re.sub(r"Read on [\d-]+ [\d:]+ UTC", "Read on DATE", shown)
    assert_golden(
        Path(__file__).with_name("report.txt"), re.sub(r'"date": "[\dTZ:-]+"', '"date"', shown)
    )


FINE: Final = (Outcome.EQUIVALENT, Outcome.ACCEPTED, Outcome.NO_ROLE)
FAILED: Final = Survey(OTHER_ACCOUNT, failure="expired")


@pytest.mark.parametrize(
    ("states", "others", "code"),
    [
        *(([state], [], 0) for state in FINE),
        *(
            ([*FINE, Outcome.UNKNOWN, Outcome.SKIPPED, state], [FAILED], 1)
            for state in (Outcome.DANGEROUS, Outcome.INVALID, Outcome.LACKING, Outcome.DIFFERENT)
        ),
        ([*FINE, Outcome.UNKNOWN, Outcome.SKIPPED], [], 2),
        ([*FINE, Outcome.UNKNOWN], [FAILED], 2),
        (FINE, [Survey(OTHER_ACCOUNT, skipped=("eu-west-1: no",))], 2),
        ([*FINE, Outcome.UNKNOWN], [Survey(OTHER_ACCOUNT, denied=("iam:GetPolicy",))], 2),
        ([*FINE, Outcome.UNKNOWN], [Survey(OTHER_ACCOUNT, unlisted="iam:ListRoles is not")], 3),
        ([], [FAILED], 2),
    ],
)
def test_exit_code_is_that_of_the_worst_result(
    world: World, states: Sequence[Outcome], others: Sequence[Survey], code: int
):
    found = tuple(source(number, state) for number, state in enumerate(states))
    assert report(world, [Survey(ACCOUNT, found), *others]).code == code


def test_unavailable_region_is_a_failed_read_but_only_beside_another(world: World):
    fine = [Survey(ACCOUNT, (source(1, Outcome.EQUIVALENT),))]
    assert report(world, fine, "--region", REGION, "--region", "x-1").code == 2
    assert report(world, fine, "--region", "x-1").code == 0


def test_only_account_is_not_named_in_notes(world: World):
    survey = Survey(ACCOUNT, (source(1, Outcome.EQUIVALENT),), skipped=("application x: no",))
    survey = survey._replace(denied=("iam:GetPolicy",), unlisted="iam:ListRoles is not allowed")
    skipped, unlisted, denied = report(world, [survey]).err.splitlines()
    assert skipped == "audit: skipped: application x: no"
    assert unlisted.endswith(" that no data source uses: iam:ListRoles is not allowed")
    assert denied.startswith("audit: iam:GetPolicy is not allowed on at least some resources: ")


def test_part_that_exactly_fits_the_limit_is_shown(world: World):
    found = [source(number, Outcome.DIFFERENT) for number in (1, 2)]
    excess = Verdict(OWN, "All", "excess", ALL)
    kept = Acceptance(found[0].role_arn, OWN, "All", "moves", "2999-12-31")
    unused = UnusedRole(role_arn("idle"), "none", datetime.now(UTC))
    roles = (role_of(found[0], accepted=((excess, kept),)), role_of(found[1], excess))
    surveys = [Survey(ACCOUNT, tuple(found), roles, unused=(unused,))]
    size = len(report(world, surveys, "--markdown").out.removesuffix("\n").encode())
    assert size < markdown.LIMIT <= 65_536
    for limit, omitted in (
        (size, ""),
        (size - 1, "1 unused roles"),
        (1, "2 data sources, 1 roles, 1 accepted findings, 1 unused roles"),
    ):
        world.patch.setattr(markdown, "LIMIT", limit)
        *_, last = report(world, surveys, "--markdown").out.splitlines()
        sentence = f"**Omitted: {omitted}.** `audit` without `--markdown` prints everything."
        assert (last == sentence) is bool(omitted), last


CELLS: Final = {
    "=1+1": "'=1+1",
    "+1": "'+1",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    "\uff1d1": "'\uff1d1",
    "\uff0b1": "'\uff0b1",
    "\uff0d1": "'\uff0d1",
    "\uff201": "'\uff201",
    "a=1": "a=1",
    'Gr\xf6\xdfe, "\u6587"': 'Gr\xf6\xdfe, "\u6587"',
    "two\nlines\x1b[2J\u202e": "two\\nlines\\x1b[2J\\u202e",
    "\t=1": "\\t=1",
}
"""Texts, and the cells that contain them."""


def test_no_cell_is_a_formula_or_controls_a_terminal(world: World):
    fine = source(1, Outcome.ACCEPTED)
    excess = Verdict(OWN, "All", "excess", ALL)
    accepted = tuple((excess, Acceptance("", "", "", it, "2999-12-31")) for it in CELLS)
    survey = Survey(ACCOUNT, (fine,), (role_of(fine, accepted=accepted),))
    out = report(world, [survey], "--csv").out
    assert [row["reason"] for row in csv.DictReader(StringIO(out))] == [*CELLS.values()]
