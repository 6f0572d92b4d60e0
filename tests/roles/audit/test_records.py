"""Tests `roles/audit/records.py`: IDs of findings and acceptance of findings."""

import re
from datetime import date, timedelta
from typing import Any, Final

import pytest

from guardrails.iam.documents import Kind, read_document
from roles.audit.records import Record, meaning
from tests.helpers.world import OWN, World, allow, own_policy, policy
from tests.roles.audit.help import shared_role

BUCKETS: Final = ["arn:aws:s3:::a", "arn:aws:s3:::b"]
EQUAL: Final = {"aws:PrincipalOrgID": ["o-a", "o-b"], "aws:PrincipalTag/x": "1"}
REORDERED: Final = {"aws:principaltag/X": ["1"], "AWS:PrincipalOrgId": ["o-b", "o-a"]}
STATEMENT: Final = allow(["s3:GetObject", "s3:Put*"], BUCKETS, Condition={"StringEquals": EQUAL})
FILE: Final = "accepted.yaml"
FORM: Final = "an object with entries such as `ID: {reason: TEXT, until: 2027-03-31}`"
TOMORROW: Final = date.today() + timedelta(days=2)  # noqa: DTZ011 a day later in any time zone
SECRET_SID: Final = "AllowsAmazonQToGetSecret"


def said(**changes: Any) -> str:
    """Return the meaning of a policy's second statement, STATEMENT with these changes."""
    changed = {name: it for name, it in (STATEMENT | changes).items() if it is not None}
    return meaning(read_document(policy(allow("*", "*"), changed), Kind.IDENTITY).statements[-1])


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"Sid": "Buckets"}, True),
        ({"Action": ["S3:PUT*", "s3:GetObject", "s3:getobject"], "Resource": BUCKETS[::-1]}, True),
        ({"Condition": {"StringEquals": REORDERED}}, True),
        ({"Action": None, "NotAction": ["s3:GetObject", "s3:Put*"]}, False),
        ({"Resource": ["*"]}, False),
        ({"Resource": [each.upper() for each in BUCKETS]}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"StringLike": EQUAL}}, False),
        ({"Condition": {"StringEquals": EQUAL | {"aws:PrincipalTag/x": "2"}}}, False),
        ({"Condition": {}}, False),
    ],
)
def test_statement_with_different_meaning_is_a_separate_finding(changes: dict[str, Any], same: bool):
    assert (said(**changes) == said()) is same


def test_finding_id_depends_on_account_role_kind_and_policy():
    first = Record("in excess", "1", "role", policy="p").identified("it")
    others = [{"account": "2"}, {"role": "other"}, {"kind": "dangerous"}, {"policy": "q"}]
    found = {first._replace(**each).identified("it").id for each in others}
    assert len({*found, first.id, first.identified("another").id}) == 6
    # A spreadsheet or YAML parser would treat digits as a number.
    assert all(re.fullmatch("[a-p]{10}", each) for each in (*found, first.id))
    assert first._replace(text="in other words", details=("x",)).identified("it").id == first.id


WRONG: Final = """\
a: {reason: ' ', until: 2027-03-31}
b: {reason: x, until: soon}
c: {reason: x, until: 2027-03-31 12:00:00}
d: {reason: x}
e: {reason: x, until: 2027-03-31, role: y}
1: {reason: x, until: 2027-03-31}
f: {reason: x, until: 2027-03-31}
"""


def test_error_about_file_of_accepted_findings_lists_invalid_entries(world: World):
    assert world.audit("--accept", FILE).rejection == f"audit: {FILE}: No such file or directory"
    world.path(FILE).write_text("[{role: x}]")
    assert world.audit("--accept", FILE).rejection == f"audit: {FILE} is not {FORM}: fix it or move it"
    world.path(FILE).write_text(WRONG)
    heading, *lines = world.audit("--accept", FILE).err.splitlines()
    assert heading == f"audit: these entries in {FILE} are invalid; expected {FORM}:"
    assert lines == ['  "a"', '  "b"', '  "c"', '  "d"', '  "e"', "  1"]


def ids(world: World) -> list[str]:
    return [each["id"] for each in world.audit("--json").json["findings"] if each["id"]]


def accept(world: World, *found: str, until: date = TOMORROW) -> None:
    entries = (f"{each}: {{reason: moves soon, until: {until}}}\n" for each in found)
    world.path(FILE).write_text("".join(entries))


def test_acceptance_of_finding_ends_when_its_statement_changes(world: World):
    world.add_own(allow("sqs:*", "*"))
    accept(world, *ids(world))
    run = world.audit("--accept", FILE)
    assert (run.code, run.err) == (0, "")
    assert f"statement 4, accepted until {TOMORROW}: moves soon\n" in run.out
    assert " account 123456789012: 1 accepted\n" in run.out
    entry = world.audit("--json", "--accept", FILE).json["findings"][0]
    assert (entry["until"], entry["reason"]) == (str(TOMORROW), "moves soon")
    world.put_policy(
        own_policy(world.secret_arn, allow(["sqs:*", "sns:*"], "*")), OWN, "qbusiness-Pages"
    )
    run = world.audit("--accept", FILE)
    assert run.code == 1
    (old,) = world.path(FILE).read_text().split(":")[:1]
    text = "matches no finding in these accounts and Regions: moves soon"
    assert f"audit: the acceptance of {old} {text}\n" in run.err


def test_acceptance_ends_after_its_last_day(world: World):
    world.add_own(allow("sqs:*", "*"))
    (found,) = ids(world)
    today = date.fromisoformat(world.audit("--json").json["date"][:10])
    accept(world, found, until=today)
    assert world.audit("--accept", FILE).code == 0
    yesterday = today - timedelta(days=1)
    accept(world, found, until=yesterday)
    run = world.audit("--accept", FILE)
    assert run.code == 1
    assert run.err == f"audit: the acceptance of {found} ended on {yesterday}: moves soon\n"


@pytest.mark.slow
def test_acceptance_hides_no_other_finding(world: World):
    role_arn = world.role("qbusiness-Old", own_policy(without=SECRET_SID))
    world.add("Old", role_arn, "gone")
    accept(world, *ids(world))
    assert world.audit("--accept", FILE).code == 0
    world.put_policy(policy(allow("sqs:*", "*")), "more", "qbusiness-Old")
    run = world.audit("--json", "--accept", FILE)
    assert (run.code, run.json["dataSources"][0]["result"]) == (1, "1 in excess, 1 accepted")
    shared_role(world, "jira", "wiki")
    accept(world, *ids(world))
    world.add("news", f"{role_arn.rpartition('/')[0]}/qbusiness-shared", world.secret("news"))
    assert world.audit("--accept", FILE).code == 1
