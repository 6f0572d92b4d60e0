"""`roles audit` prints a table."""

import re

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID
from tests.helpers.world import World, allow, data_source_id, own_policy

pytestmark = pytest.mark.slow


def test_table_and_summary_show_equivalent_role(world: World):
    world.add_own()
    said = world.audit()
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "DATA SOURCE  CONNECTOR  ROLE             USED BY  LAST USED  RESULT\n"
        f"application Docs {APPLICATION_ID}, index Main {INDEX_ID}\n"
        "Pages        aem-cloud  qbusiness-Pages  1        none       equivalent\n"
        "\n"
        f"1 data source with 1 role in us-east-1, account {ACCOUNT}: 1 equivalent\n"
    )


@pytest.mark.parametrize("width", [80, 100, 132, 200])
def test_table_fits_width_of_terminal_without_losing_text(world: World, width: int):
    name, connector = "N" + "ame-" * 20, "sharepoint-server-subscription"
    role = "qbusiness-role-of-sixty-four-characters-which-is-as-many-as-it-is"
    secret_arn = world.secret("sites")
    role_arn = world.role(role[:64], own_policy(secret_arn, allow("*", "*")))
    endpoint = {"repositoryAdditionalProperties": {"version": "Server"}}
    configuration = {
        "type": "SHAREPOINTV2",
        "secretArn": secret_arn,
        "connectionConfiguration": {"repositoryEndpointMetadata": endpoint},
    }
    world.add(name, role_arn, secret_arn, kind="SHAREPOINTV2", configuration=configuration)
    world.patch.setattr("sys.stdout.isatty", lambda: True)
    world.patch.setenv("COLUMNS", str(width))
    table = re.sub(r"\033\[\d*m", "", world.audit().out).partition("\n\n")[0]
    lines = table.splitlines()
    assert max(map(len, lines)) <= width
    head = next(line for line in lines if line.startswith("DATA SOURCE"))
    starts = [head.index(title) for title in ("DATA", "CONNECTOR", "ROLE", "USED", "LAST", "RESULT")]
    ends: list[int | None] = [*starts[1:], None]
    rows = lines[lines.index(head) + 1 :]
    rows = rows[next(number for number, line in enumerate(rows) if line.startswith("Name-")) :]
    columns = [
        "".join(row[start:end].strip() for row in rows) for start, end in zip(starts, ends, strict=True)
    ]
    assert columns == [name, connector, role[:64], "1", "none", "1 dangerous"]


def test_data_source_is_one_line_without_terminal(world: World):
    name = "N" + "ame-" * 50
    world.add_own()
    world.server.data_source(data_source_id(1))["displayName"] = name
    world.patch.setenv("COLUMNS", "80")
    said = world.audit().out
    assert re.search(rf"^{name} +aem-cloud +qbusiness-Pages +1 +none +equivalent$", said, re.MULTILINE)
    assert "\033" not in said


def test_control_characters_in_names_are_escaped(world: World):
    world.add_own(allow("s3:GetObject", "arn:aws:s3:::b/\x1b[2J\u202e"))
    world.rename_application("Docs\x1b]0;x\x07")
    said = world.audit().out
    assert said.isascii()
    assert said.replace("\n", "").isprintable()
    assert "application Docs\\x1b]0;x\\x07 " in said
    assert "on arn:aws:s3:::b/\\x1b[2J\\u202e\n" in said
