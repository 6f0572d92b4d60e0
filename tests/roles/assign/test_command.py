"""`roles assign` chooses data sources that no other role serves, and writes a script."""

from pathlib import Path

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.checkout import execute
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import OTHER_ID, ROLE_ARN, SECRET_ARN, World, data_source_id
from tests.roles.assign.help import SCRIPT, WIKI_ROLE, add_wiki, deploy_two

pytestmark = pytest.mark.usefixtures("deployed")

OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/shared"
NOT_FOUND = (
    f"data source {OTHER_ID} is not in the application of stack dev: pass the ID of one of its data "
    f"sources (Pages {DATA_SOURCE_ID})"
)
OTHER_APPLICATION = APPLICATION_ID.replace("111", "999")


def test_data_source_without_role_gets_role_of_its_entry(world: World):
    deploy_two(world)
    identifier = add_wiki(world)
    said = world.assign()
    assert said.code == 0
    assert said.out == (
        f"wiki: Wiki {identifier} gets {WIKI_ROLE}\n"
        "  it has no role\n"
        "\n"
        f"Written: {SCRIPT}. Nothing has changed in AWS yet. To assign the roles, run:\n"
        "\n"
        f"sh {SCRIPT}\n"
    )
    assert world.server.data_source(identifier).get("roleArn") is None


@pytest.mark.slow
def test_data_source_with_deleted_role_gets_role_of_its_entry(world: World):
    world.add_data_source(roleArn=OTHER_ROLE)
    said = world.assign("--json")
    assert said.code == 0
    (assignment,) = said.json["assignments"]
    assert (assignment["entry"], assignment["role"]) == ("aem-connector", ROLE_ARN)
    assert assignment["dataSource"]["dataSourceId"] == DATA_SOURCE_ID
    assert assignment["earlierRole"] == OTHER_ROLE
    assert said.json["files"] == [SCRIPT]


@pytest.mark.slow
def test_data_source_with_role_of_wrong_entry_gets_its_own(world: World):
    deploy_two(world)
    identifier = add_wiki(world, ROLE_ARN)
    said = world.assign().out
    assert f"wiki: Wiki {identifier} gets {WIKI_ROLE}\n  in place of {ROLE_ARN}, which" in said
    other = world.add("Other", WIKI_ROLE, SECRET_ARN)
    exchanged = world.assign(f"wiki={identifier}", f"aem={other}").out
    assert f"in place of {ROLE_ARN}, which does not change; Other {other} will use it\n" in exchanged


def test_role_outside_stack_is_kept(world: World):
    world.role("shared")
    world.add_data_source(roleArn=OTHER_ROLE)
    said = world.assign()
    assert said.code == 0
    assert said.out == (
        "Data sources that keep their role:\n"
        f"  Pages {DATA_SOURCE_ID} matches aem-connector, but has {OTHER_ROLE}: to replace it, pass "
        "ENTRY=ID\n"
        "Nothing to assign, and nothing was written.\n"
    )


@pytest.mark.slow
def test_role_outside_stack_is_replaced_if_data_source_is_given(world: World):
    world.role("shared")
    world.add_data_source(roleArn=OTHER_ROLE)
    other = world.add("Other", OTHER_ROLE, SECRET_ARN)
    pairs = [f"aem-connector={identifier}" for identifier in (DATA_SOURCE_ID, other)]
    said = world.assign(pairs[0]).out
    assert said.startswith(
        f"aem-connector: Pages {DATA_SOURCE_ID} gets {ROLE_ARN}\n"
        f"  in place of {OTHER_ROLE}, which does not change; Other {other} will use it\n"
    )
    assert f"{OTHER_ROLE}, which does not change; no data source of" in world.assign(*pairs).out


def test_difference_of_given_data_source_is_a_warning(world: World):
    identifier = world.add("Tickets", None, f"{SECRET_ARN}2", "JIRA")
    said = world.assign(f"aem-connector={identifier}")
    assert said.err == (
        f"assign: warning: Tickets {identifier} differs from aem-connector: before its next sync, run "
        "`qbusiness-roles check --stack dev`\n"
    )
    assert SCRIPT in world.files


def test_data_sources_of_several_entries_or_of_one_entry_are_left_out(world: World):
    deploy_two(world)
    first, second = add_wiki(world), add_wiki(world, name="Wiki2")
    said = world.assign()
    assert said.code == 1
    assert said.out == (
        "Left out:\n"
        f"  Wiki {first}, Wiki2 {second} match the same entry, wiki: pass ENTRY=ID\n"
        "Nothing to assign, and nothing was written.\n"
    )
    world.server.data_source(first)["roleArn"] = WIKI_ROLE
    assert (
        f"  Wiki2 {second}: Wiki {first} already has the role of wiki: pass ENTRY=ID\n"
        in world.assign().out
    )
    entries = {"a": {"secretId": SECRET_ARN}, "b": {"secretId": SECRET_ARN}}
    world.set(dataSources=entries)
    world.outputs = {"roleArns": {"a": ROLE_ARN, "b": WIKI_ROLE}, "roleNames": {}}
    world.add_data_source(roleArn=f"{OTHER_ROLE}-deleted")
    assert (
        f"  Pages {DATA_SOURCE_ID} matches several entries (a, b): pass ENTRY=ID\n" in world.assign().out
    )


@pytest.mark.slow
def test_assigned_role_is_not_assigned_again(world: World):
    world.add_data_source()
    assert world.assign().out == "Nothing to assign, and nothing was written.\n"
    said = world.assign(f"aem-connector={DATA_SOURCE_ID}")
    assert said.err == f"assign: Pages {DATA_SOURCE_ID} already has the role of aem-connector\n"
    assert not [name for name in world.files if name.startswith("assign")]


@pytest.mark.parametrize(
    ("pairs", "line"),
    [
        (
            [f"wikis={DATA_SOURCE_ID}"],
            "stack dev has no entry 'wikis': pass one of aem-connector",
        ),
        (
            [f"aem-connector={OTHER_ID}"],
            NOT_FOUND,
        ),
        (
            [f"aem-connector={DATA_SOURCE_ID}"] * 2,
            f"data source {DATA_SOURCE_ID} is given twice: choose one entry for it",
        ),
    ],
    ids=["unknown entry", "data source of another application", "the same data source twice"],
)
def test_invalid_pair_is_rejected_before_anything_is_written(world: World, pairs: list[str], line: str):
    world.add_data_source(roleArn=OTHER_ROLE)
    world.server.qbusiness.add(OTHER_APPLICATION, displayName="Other")
    world.server.qbusiness.add(OTHER_APPLICATION, INDEX_ID, displayName="Main")
    world.server.qbusiness.add(OTHER_APPLICATION, INDEX_ID, OTHER_ID, displayName="Far", type="AEM")
    assert world.assign(*pairs).rejection == f"assign: {line}"
    assert SCRIPT not in world.files


def test_pair_without_equals_sign_is_rejected(world: World, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        world.assign("wiki")
    assert stopped.value.code == 2
    assert "'wiki' is not ENTRY=ID: expected the name of an entry and" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ({}, "aem-connector is not deployed: first run `pulumi up --stack dev`"),
        (
            {"roleArn": OTHER_ROLE},
            (
                f"aem-connector has no role, because {OTHER_ROLE} does not exist: run `pulumi up "
                "--stack dev`, and repeat the command"
            ),
        ),
    ],
    ids=["not deployed", "deleted"],
)
def test_entry_without_role_is_rejected(world: World, outputs: dict[str, str], reason: str):
    world.outputs = outputs
    world.add_data_source(roleArn=f"{OTHER_ROLE}-deleted")
    assert world.assign(f"aem-connector={DATA_SOURCE_ID}").rejection == f"assign: {reason}"
    said = world.assign()
    label = f"Pages {DATA_SOURCE_ID}: " if outputs else ""
    assert (said.code, said.out) == (
        1,
        f"Left out:\n  {label}{reason}\nNothing to assign, and nothing was written.\n",
    )


@pytest.mark.slow
def test_missing_application_is_reported_on_one_line(world: World):
    world.server.qbusiness.resources.clear()
    assert world.assign().rejection.startswith(
        f"assign: the application {APPLICATION_ARN} of stack dev does not exist"
    )


def test_secret_settings_are_neither_a_problem_nor_shown(world: World):
    world.secrets_in_state = {ROLE_ARN}
    identifier = world.add("Pages", None)
    said = world.assign(f"aem-connector={identifier}")
    assert said.code == 0
    assert " differs from aem-connector: " in said.err
    assert SECRET_ID not in said.err + said.out + world.path(SCRIPT).read_text()


@pytest.mark.slow
def test_unreadable_data_source_is_left_out(world: World):
    world.add_data_source(configuration={"type": "AEM", "secretArn": ["x"]})
    said = world.assign()
    assert said.code == 1
    assert (
        f"  Pages {DATA_SOURCE_ID}: the response to qbusiness:GetDataSource has a secretArn" in said.out
    )


def test_data_source_that_is_deleted_meanwhile_claims_no_entry(world: World):
    deploy_two(world)
    wiki, other = add_wiki(world), world.add("Other", None, SECRET_ARN)

    def deleted(body: bytes) -> bytes:
        world.server.qbusiness.resources.pop((APPLICATION_ID, INDEX_ID, other), None)
        return body

    world.server.spoil["qbusiness:ListDataSources"] = deleted
    assert world.assign().out.startswith(f"wiki: Wiki {wiki} gets {WIKI_ROLE}\n")


@pytest.mark.slow
@pytest.mark.parametrize("directory", [PROJECT, PROJECT / "template"], ids=["clone", "template"])
def test_git_ignores_scripts_and_saved_properties(directory: Path):
    names = (SCRIPT, f"{SCRIPT.removesuffix('.sh')}/{data_source_id(1)}.json")
    ignored = (directory / ".gitignore").read_text().split()
    assert "/assign-*" in ignored
    assert execute(PROJECT, "git", "check-ignore", *names).stdout.split() == [*names]
