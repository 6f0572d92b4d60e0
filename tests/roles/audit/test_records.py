"""Tests `roles/audit/records.py`: IDs of findings and acceptance of findings."""

import json
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
FORM: Final = (
    "an object with entries such as `ID: {kind: in excess, role: ARN, reason: TEXT, until: 2027-03-31}`"
)
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
    first = Record("in excess", "1", "role", policy="p").with_id("it")
    others = [{"account": "2"}, {"role": "other"}, {"kind": "dangerous"}, {"policy": "q"}]
    found = {first._replace(**each).with_id("it").id for each in others}
    assert len({*found, first.id, first.with_id("another").id}) == 6
    # A spreadsheet or YAML parser would treat digits as a number.
    assert all(re.fullmatch("[a-p]{32}", each) for each in (*found, first.id))
    assert first._replace(text="in other words", details=("x",)).with_id("it").id == first.id


ID: Final = "abcdefghijklmnopabcdefghijklmnop"
INVALID_ENTRIES: Final = f"""\
abcdefghij: {{reason: the form before IDs had 128 bits, until: 2027-03-31}}
abcdefghik: {{kind: in excess, role: x, reason: x, until: 2027-03-31}}
{ID}: {{reason: x, until: 2027-03-31}}
{ID[:-1]}a: {{kind: in excess, role: x, reason: ' ', until: 2027-03-31}}
{ID[:-1]}b: {{kind: in excess, role: x, reason: x, until: soon}}
{ID[:-1]}c: {{kind: in excess, role: x, reason: x, until: 2027-03-31 12:00:00}}
{ID[:-1]}d: {{kind: in excess, role: x, reason: x}}
{ID[:-1]}e: {{kind: in excess, role: x, reason: x, until: 2027-03-31, policy: y}}
{ID[:-1]}f: {{kind: excess, role: x, reason: x, until: 2027-03-31}}
{ID[:-1]}g: {{kind: [in excess], role: x, reason: x, until: 2027-03-31}}
{ID[:-1]}h: {{kind: in excess, role: [x], reason: x, until: 2027-03-31}}
1: {{kind: in excess, role: x, reason: x, until: 2027-03-31}}
{ID[:-1]}i: {{kind: in excess, role: x, reason: x, until: 2027-03-31}}
"""


def test_error_about_file_of_accepted_findings_lists_invalid_entries(world: World):
    assert world.audit("--accept", FILE).rejection == f"audit: {FILE}: No such file or directory"
    world.path(FILE).write_text("[{role: x}]")
    assert world.audit("--accept", FILE).rejection == f"audit: {FILE} is not {FORM}: fix it or move it"
    world.path(FILE).write_text(INVALID_ENTRIES)
    heading, *lines = world.audit("--accept", FILE).err.splitlines()
    assert heading == (
        f"audit: these entries in {FILE} are invalid; expected {FORM}, with the ID of 32 letters, the "
        "kind, and the role that `audit` prints:"
    )
    invalid_ids = ['"abcdefghij"', '"abcdefghik"', f'"{ID}"']
    invalid_ids += [f'"{ID[:-1]}{letter}"' for letter in "abcdefgh"]
    assert lines == [*(f"  {invalid_id}" for invalid_id in invalid_ids), "  1"]


def findings(world: World) -> list[dict[str, str]]:
    return [finding for finding in world.audit("--json").json["findings"] if finding["id"]]


def accept(world: World, *accepted: dict[str, str], until: date = TOMORROW) -> None:
    entries = (
        f"{finding['id']}: {{kind: {finding['kind']}, role: '{finding['role']}', reason: moves soon, "
        f"until: {until}}}\n"
        for finding in accepted
    )
    world.path(FILE).write_text("".join(entries))


def test_acceptance_of_finding_ends_when_its_statement_changes(world: World):
    world.add_own(allow("sqs:*", "*"))
    accept(world, *findings(world))
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
    (finding,) = findings(world)
    today = date.fromisoformat(world.audit("--json").json["date"][:10])
    accept(world, finding, until=today)
    assert world.audit("--accept", FILE).code == 0
    yesterday = today - timedelta(days=1)
    accept(world, finding, until=yesterday)
    run = world.audit("--accept", FILE)
    assert run.code == 1
    assert run.err == f"audit: the acceptance of {finding['id']} ended on {yesterday}: moves soon\n"


OTHER_ROLE: Final = "arn:aws:iam::123456789012:role/qbusiness-Old"


@pytest.mark.parametrize(("field", "accepted"), [("kind", "shared"), ("role", OTHER_ROLE)])
def test_acceptance_for_another_kind_or_role_has_no_effect(world: World, field: str, accepted: str):
    world.add_own(allow("sqs:*", "*"))
    (finding,) = findings(world)
    accept(world, finding | {field: accepted})
    run = world.audit("--accept", FILE)
    kind, role = {
        "kind": ("shared", "arn:aws:iam::123456789012:role/qbusiness-Pages"),
        "role": ("in excess", OTHER_ROLE),
    }[field]
    assert run.code == 1
    assert run.err == (
        f'audit: the acceptance of {finding["id"]} is for the kind "{kind}" and the role "{role}", but '
        'the finding has the kind "in excess" and the role '
        '"arn:aws:iam::123456789012:role/qbusiness-Pages"\n'
    )


@pytest.mark.slow
def test_acceptance_hides_no_other_finding(world: World):
    role_arn = world.role("qbusiness-Old", own_policy(without=SECRET_SID))
    world.add("Old", role_arn, "gone")
    accept(world, *findings(world))
    assert world.audit("--accept", FILE).code == 0
    world.put_policy(policy(allow("sqs:*", "*")), "more", "qbusiness-Old")
    run = world.audit("--json", "--accept", FILE)
    assert (run.code, run.json["dataSources"][0]["result"]) == (1, "1 in excess, 1 accepted")
    shared_role(world, "jira", "wiki")
    accept(world, *findings(world))
    world.add("news", f"{role_arn.rpartition('/')[0]}/qbusiness-shared", world.secret("news"))
    assert world.audit("--accept", FILE).code == 1


def test_id_of_shared_finding_does_not_depend_on_order_of_data_sources(world: World):
    first_secret, second_secret = world.secret("first"), world.secret("second")
    document = own_policy(first_secret).replace(
        f'"{first_secret}"', f'"{first_secret}", "{second_secret}"'
    )
    role_arn = world.role("qbusiness-shared", document)
    for name, secret in (("jira", first_secret), ("wiki", second_secret), ("news", first_secret)):
        world.add(name, role_arn, secret)
    first = [finding["id"] for finding in findings(world) if finding["kind"] == "shared"]

    def reverse(body: bytes) -> bytes:
        reply = json.loads(body)
        return json.dumps({**reply, "dataSources": reply["dataSources"][::-1]}).encode()

    world.server.spoil["qbusiness:ListDataSources"] = reverse
    second = [finding["id"] for finding in findings(world) if finding["kind"] == "shared"]
    assert sorted(first) == sorted(second) != []
