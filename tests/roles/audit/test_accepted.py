"""`roles audit --accept FILE` lists known findings separately, until a date that you set."""

import json
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, OTHER_ACCOUNT
from roles.account import DataSource
from roles.audit.accepted import Acceptance, acceptance_for, read_acceptances
from roles.difference import Verdict
from roles.errors import InputError
from tests.helpers.world import OWN, World, allow, own_policy, policy
from tests.roles.audit.help import add_audit_role, add_elsewhere

ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/x"
FILE: Final = "accepted.yaml"
VALID: Final = f"{{role: '{ROLE}', policy: p, statement: 4, reason: moves, until: 2999-12-31}}"
DATE: Final = "expected: the last day, such as 2027-03-31"
KEYS: Final = "role, policy, statement, sid, reason, until, finding, dataSources"
NUMBER: Final = "expected: the number of a statement without a Sid; for others, use sid"
SOURCES: Final = tuple(DataSource("", "", "", "", identifier, "", "", "", "") for identifier in "ab")
LACKING: Final = (
    "expected: the IDs of the data sources, only with `finding: missing` or `finding: invalid`"
)
WITHOUT: Final = "leave it out with `finding: invalid`"
SECRET_SID: Final = "AllowsAmazonQToGetSecret"
INVALID: Final = "{finding: invalid, dataSources: [a, b], reason: sleeps, until: 2999-12-31}"


def write(world: World, **changes: str) -> None:
    """Write an entry that accepts the last role's statement Queues, with these changes."""
    entry = {"role": world.role_arn, "policy": OWN, "sid": "Queues", "reason": "moves soon"}
    world.path(FILE).write_text(json.dumps([{**entry, "until": "2999-12-31", **changes}]))


def test_an_entry_is_read_from_yaml(tmp_path: Path):
    path = tmp_path / FILE
    path.write_text(f"- {VALID}\n")
    assert read_acceptances(path) == [Acceptance(ROLE, "p", "statement 4", "moves", "2999-12-31")]
    path.write_text(f"- {VALID[:-1]}, finding: missing, dataSources: [a, b]}}\n")
    assert read_acceptances(path) == [
        Acceptance(ROLE, "p", "statement 4", "moves", "2999-12-31", "missing", ["a", "b"])
    ]
    path.write_text(f"- {INVALID}\n")
    (entry,) = read_acceptances(path)
    assert entry == Acceptance("", "", "", "sleeps", "2999-12-31", "invalid", ["a", "b"])
    assert [entry.covers(each) for each in "abc"] == [True, True, False]
    for nothing in ("# nothing is accepted\n", "---\n# nothing is accepted\n", "[]"):
        path.write_text(nothing)
        assert read_acceptances(path) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{a: 1}", " is not a list: expected entries with " + KEYS),
        ("[", " is not valid YAML (while parsing a flow node"),
        ("[" * 500, " is not valid YAML (it is nested too deeply)"),
        ("- x", f' has 1 error\n  line 1: "x"; expected: a mapping with {KEYS}'),
        (
            f"- {VALID}\n- {VALID.replace('2999-12-31', '2026-02-30')}",
            f' has 1 error\n  line 2, until: "2026-02-30"; {DATE}',
        ),
        (
            "- {role: x, polcy: p, statement: [1], reason: ' ', until: soon, finding: all}",
            f"""\
 has 7 errors
  line 1, "polcy": is unknown; expected: {KEYS}
  line 1, role: "x"; expected: the ARN of a role
  line 1, policy: is missing; expected: the name or ARN of a policy, or `trust policy`
  line 1, statement: ["1"]; {NUMBER}
  line 1, reason: " "; expected: why the finding is accepted
  line 1, until: "soon"; {DATE}
  line 1, finding: "all"; expected: one of dangerous, missing, excess, denies, shared, invalid""",
        ),
        (
            "".join(
                f"- {VALID.replace(ROLE, role)}\n"
                for role in (ROLE.replace("role/", "user/"), "arn:aws:sqs:us-east-1:1:role/x")
            ),
            f"""\
 has 2 errors
  line 1, role: "{ROLE.replace("role/", "user/")}"; expected: the ARN of a role
  line 2, role: "arn:aws:sqs:us-east-1:1:role/x"; expected: the ARN of a role""",
        ),
        (
            "".join(
                f"- {VALID[:-1]}, {more}}}\n"
                for more in (
                    "finding: missing",
                    "finding: missing, dataSources: a",
                    "finding: missing, dataSources: []",
                    "finding: excess, dataSources: [a]",
                )
            ),
            f"""\
 has 4 errors
  line 1, dataSources: is missing; {LACKING}
  line 2, dataSources: "a"; {LACKING}
  line 3, dataSources: []; {LACKING}
  line 4, dataSources: ["a"]; {LACKING}""",
        ),
        (
            f"- {INVALID.replace('[a, b]', '[]')}\n- {INVALID[:-1]}, role: '{ROLE}', sid: A}}\n",
            f"""\
 has 3 errors
  line 1, dataSources: []; {LACKING}
  line 2, role: "{ROLE}"; expected: the ARN of a role; {WITHOUT}
  line 2, sid: "A"; expected: the statement's Sid, letters and digits; {WITHOUT}""",
        ),
        (
            f"-  {VALID[1:-1].replace(', ', chr(10) + '   ')}\n   sid: '4'\n   policy: q\n",
            """\
 has 2 errors
  line 7, "policy": is also on line 2; expected: once in an entry
  line 6: expected either statement or sid, not both""",
        ),
        (
            f"- {VALID.replace('statement: 4', 'sid: a b')}\n- {VALID.replace('statement: 4, ', '')}",
            f"""\
 has 2 errors
  line 1, sid: "a b"; expected: the statement's Sid, letters and digits
  line 2, statement: is missing; {NUMBER}""",
        ),
        (
            "".join(
                f"- {VALID.replace('statement: 4', f'statement: {text}')}\n"
                for text in ("Queues", "statement 12", "'010'", "0", "statement 0", "a b", "''", "[4]")
            ),
            f"""\
 has 8 errors
  line 1, statement: "Queues"; {NUMBER}; write `sid: Queues`
  line 2, statement: "statement 12"; {NUMBER}; write `statement: 12`
  line 3, statement: "010"; {NUMBER}
  line 4, statement: "0"; {NUMBER}
  line 5, statement: "statement 0"; {NUMBER}
  line 6, statement: "a b"; {NUMBER}
  line 7, statement: ""; {NUMBER}
  line 8, statement: ["4"]; {NUMBER}""",
        ),
    ],
)
def test_acceptance_file_error_names_line_and_expectation(tmp_path: Path, content: str, expected: str):
    path = tmp_path / FILE
    path.write_text(content)
    with pytest.raises(InputError) as raised:
        read_acceptances(path)
    assert "\n".join(raised.value.lines).startswith(f"{path}{expected}")


def test_acceptance_file_that_is_not_utf8_is_rejected(tmp_path: Path):
    path = tmp_path / FILE
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_acceptances(path)


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("statement: 1", ["statement 1"]),
        ("statement: '1'", ["statement 1"]),
        ("statement: 10", ["statement 10"]),
        ("sid: Queues", ["Queues"]),
        ("sid: 1", ["1"]),
        ("sid: '01'", ["01"]),
    ],
)
def test_statement_number_differs_from_numeric_sid(tmp_path: Path, given: str, accepted: list[str]):
    path = tmp_path / FILE
    path.write_text(f"- {VALID.replace('statement: 4', given)}\n")
    (entry,) = read_acceptances(path)
    names = ["1", "01", "statement 1", "statement 2", "statement 10", "Queues"]
    found = {name: Verdict("p", name, "excess") for name in names}
    assert [name for name, verdict in found.items() if entry.matches(ROLE, verdict)] == accepted


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (Verdict("p", "statement 1", "excess"), {"statement": 1}),
        (Verdict("p", "1", "excess"), {"sid": "1"}),
        (Verdict("p", "1", "missing", data_sources=SOURCES), {"sid": "1", "dataSources": ["a", "b"]}),
        (Verdict("p", "1", "shared", data_sources=SOURCES), {"sid": "1"}),
    ],
)
def test_entry_for_finding_accepts_that_finding(
    tmp_path: Path, finding: Verdict, expected: dict[str, Any]
):
    entry = acceptance_for(ROLE, finding).document()
    changing = ("statement", "sid", "dataSources")
    assert {key: entry[key] for key in entry if key in changing} == expected
    path = tmp_path / FILE
    path.write_text(json.dumps([{**entry, "reason": "moves soon", "until": "2999-12-31"}]))
    assert [each.matches(ROLE, finding) for each in read_acceptances(path)] == [True]


def test_accepted_excess_does_not_cover_dangerous_access(world: World):
    world.add_own(allow("iam:PutRolePolicy", "*", Sid="Queues"))
    write(world, finding="excess")
    said = world.audit("--accept", FILE)
    assert (said.code, said.err) == (1, "")
    text = f"  {OWN}, Queues: accepted only as excess access, until 2999-12-31: moves soon\n"
    assert text in said.out


def test_longest_lasting_entry_counts(world: World):
    world.add_own(allow("sqs:*", "*", Sid="Queues"))
    write(world)
    (entry,) = json.loads(world.path(FILE).read_text())
    world.path(FILE).write_text(json.dumps([{**entry, "until": "2020-12-31", "reason": "z"}, entry]))
    assert world.audit("--accept", FILE).code == 0


def test_excess_entry_does_not_accept_dangerous_access():
    wider = Verdict("p", "statement 4", "excess", danger="administrator access")
    acceptance = Acceptance(ROLE, "p", "statement 4", "moves", "2999-12-31")
    assert acceptance.matches(ROLE, wider)
    assert not acceptance._replace(finding="excess").matches(ROLE, wider)
    assert not acceptance._replace(statement="statement 5").matches(ROLE, wider)


def test_last_day_of_an_acceptance_is_included():
    acceptance = Acceptance(ROLE, "p", "statement 4", "moves", "2027-03-31")
    assert not acceptance.is_over(date(2027, 3, 31))
    assert acceptance.is_over(date(2027, 4, 1))


def test_missing_access_entry_must_list_every_data_source():
    lacking = Verdict("p", "Secret", "missing", data_sources=SOURCES)
    acceptance = Acceptance(ROLE, "p", "Secret", "moves", "2999-12-31")
    assert not acceptance.matches(ROLE, lacking)
    assert not acceptance._replace(finding="missing", data_sources=["a"]).matches(ROLE, lacking)
    assert acceptance._replace(finding="missing", data_sources=["a", "b"]).matches(ROLE, lacking)


def test_finding_is_problem_again_after_acceptance_expires(world: World):
    world.add_own(allow("sqs:*", "*", Sid="Queues"))
    write(world, until="2020-12-31")
    said = world.audit("--accept", FILE)
    assert said.code == 1
    assert f"  {OWN}, Queues: accepted only until 2020-12-31: moves soon\n" in said.out
    assert f"  in excess: {OWN}, Queues\n" in said.out


@pytest.fixture
def dormant(world: World) -> str:
    """Add a data source whose secret does not exist, and return its ID."""
    return world.add("Old", world.role("qbusiness-Old", own_policy(without=SECRET_SID)), "gone")


def accept(world: World, *identifiers: str, until: str = "2999-12-31") -> None:
    """Write an entry that accepts invalid data sources."""
    entry = {"finding": "invalid", "dataSources": identifiers, "reason": "sleeps", "until": until}
    world.path(FILE).write_text(json.dumps([entry]))


@pytest.mark.slow
def test_accepted_data_source_does_not_hide_its_role(world: World, dormant: str):
    world.put_policy(policy(allow("sqs:*", "*")), "more", "qbusiness-Old")
    accept(world, dormant)
    said = world.audit("--accept", FILE)
    assert said.code == 1
    assert "  secret does not exist, accepted, 1 in excess\n" in said.out


def test_data_source_is_invalid_again_after_acceptance_expires(world: World, dormant: str):
    accept(world, dormant, until="2020-12-31")
    said = world.audit("--accept", FILE)
    assert said.code == 1
    assert f"Old {dormant}: accepted only until 2020-12-31: sleeps\n" in said.out
    # The entry that lasts longest counts.
    (old,) = json.loads(world.path(FILE).read_text())
    entries = [{**old, "until": until} for until in ("2020-12-30", "2999-12-31", "2020-12-31")]
    world.path(FILE).write_text(json.dumps(entries))
    assert world.audit("--accept", FILE).code == 0


@pytest.mark.slow
def test_file_accepts_roles_and_data_sources_of_all_accounts(world: World, dormant: str):
    there = add_audit_role(world, OTHER_ACCOUNT)
    role_arn = add_elsewhere(world, there, OTHER_ACCOUNT, allow("sqs:*", "*", Sid="Queues"), name="Wiki")
    accept(world, dormant)
    (entry,) = json.loads(world.path(FILE).read_text())
    world.role_arn = role_arn
    write(world)
    world.path(FILE).write_text(json.dumps([entry, *json.loads(world.path(FILE).read_text())]))
    accounts = ("--account", ACCOUNT, "--account", OTHER_ACCOUNT, "--assume-role", "security/audit")
    said = world.audit("--accept", FILE, *accounts)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith(", 2 accounts: 2 accepted\n")
