"""Tests `roles/assign/command.py` and `roles/view.py`."""

from pathlib import Path

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, SECRET_ID
from roles.actions import ACTIONS, CHANGES
from sandbox.environment import PROJECT
from tests.helpers.checkout import execute
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import (
    OTHER_ID,
    OWN,
    ROLE_ARN,
    ROLE_NAME,
    SECRET_ARN,
    TRUST,
    WIDE,
    World,
    allow,
    deny,
    own_policy,
    policy,
)
from tests.roles.assign.help import (
    OLD_ROLE,
    PAIR,
    WIKI_ROLE,
    WIKI_SECRET,
    add_old,
    add_wiki,
    deploy_two,
    journal,
    updates,
)

pytestmark = pytest.mark.usefixtures("deployed", "no_pause")

OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/shared"
OTHER_APPLICATION = APPLICATION_ID.replace("111", "999")
READ = "secretsmanager:GetSecretValue"
NOT_FOUND = (
    f"data source {OTHER_ID} is not in the application of aem-connector: pass the ID of one of its data "
    f"sources (Pages {DATA_SOURCE_ID})"
)
NO_ROLE = (
    f"aem-connector has no role, because {OTHER_ROLE} does not exist: run `pulumi up --stack dev`, and "
    "repeat the command"
)


# The plan.


def test_plan_shows_the_earlier_role_and_its_other_users(world: World):
    deploy_two(world)
    world.role("shared")
    identifier, other = add_wiki(world, OTHER_ROLE), world.add("Other", OTHER_ROLE, SECRET_ARN)
    said = world.assign(f"wiki={identifier}")
    assert said.code == 4
    assert said.out == (
        f"wiki: Wiki {identifier} gets {WIKI_ROLE}\n"
        f"  in place of {OTHER_ROLE}, which does not change; in the application, Other {other} will use "
        "it\n"
    )
    both = world.assign(f"wiki={identifier}", f"aem={other}", "--anyway").out
    assert (
        both.count(f"{OTHER_ROLE}, which does not change; in the application, no data source will") == 2
    )


@pytest.mark.parametrize(
    ("role", "text"),
    [
        (None, "it has no role now, so `--undo` cannot restore one"),
        (f"{OTHER_ROLE}-deleted", f"{OTHER_ROLE}-deleted does not exist, so `--undo` cannot restore it"),
    ],
)
def test_plan_notes_that_undo_cannot_restore_a_missing_role(world: World, role: str | None, text: str):
    deploy_two(world)
    identifier = add_wiki(world, role)
    said = world.assign(f"wiki={identifier}", "--yes")
    assert f"\n  {text}\n" in said.out
    assert (said.code, world.server.data_source(identifier)["roleArn"]) == (0, WIKI_ROLE)


def test_plan_lists_the_access_that_the_data_source_loses(world: World):
    add_old(world)
    world.put_policy(WIDE, "wide", "old")
    assert "\n  it loses:\n      *\n        on *\n" in world.assign(PAIR).out
    world.iam.delete_role_policy(RoleName="old", PolicyName="wide")
    assert "loses" not in world.assign(PAIR).out


def test_denied_request_blocks_the_plan_without_anyway(world: World):
    before = add_old(world)
    world.put_policy(own_policy(SECRET_ARN, without="AllowsAmazonQToGetSecret"))
    said = world.assign(PAIR, "--yes")
    assert (said.code, world.server.data_source()) == (1, before)
    denied = f"\n  denied: {ROLE_NAME} cannot perform {READ} on {SECRET_ARN}, and 14 others: no "
    assert denied in said.out
    assert "pass --anyway\n" in said.err
    assert world.assign(PAIR, "--anyway").code == 4
    assert world.assign(PAIR, "--anyway", "--yes").code == 0


def test_trust_policy_that_rejects_the_application_blocks_the_plan(world: World):
    add_old(world)
    trust = TRUST.replace(APPLICATION_ID, OTHER_APPLICATION)
    world.iam.update_assume_role_policy(RoleName=ROLE_NAME, PolicyDocument=trust)
    said = world.assign(PAIR, "--yes")
    assert (said.code, updates(world)) == (1, 0)
    assert f"  denied: Amazon Q Business cannot assume {ROLE_NAME} for {APPLICATION_ARN}: " in said.out


def test_denied_requests_for_another_secret_are_listed(world: World):
    identifier = world.add("Tickets", None, WIKI_SECRET, "JIRA")
    said = world.assign(f"aem-connector={identifier}", "--yes")
    assert (said.code, updates(world)) == (1, 0)
    assert f"  denied: {ROLE_NAME} cannot perform {READ} on {WIKI_SECRET}: " in said.out


def test_requests_that_cannot_be_evaluated_do_not_block_the_plan(world: World):
    add_old(world)
    world.reject("kms:GetKeyPolicy")
    said = world.assign(PAIR)
    assert said.code == 4
    assert "\n  skipped: kms:GetKeyPolicy is not allowed for these credentials\n" in said.out
    custom = world.add("Queue", None, kind="CUSTOM")
    assert "so its requests are unknown\n" in world.assign(f"aem-connector={custom}").out


@pytest.mark.parametrize(
    ("pairs", "line"),
    [
        ([f"wikis={DATA_SOURCE_ID}"], "stack dev has no entry 'wikis': pass one of aem-connector"),
        (
            [f"aem-connector={OTHER_ID}"],
            NOT_FOUND,
        ),
        (
            [f"aem-connector={DATA_SOURCE_ID}"] * 2,
            f"data source {DATA_SOURCE_ID} is in several pairs: choose one entry for it",
        ),
    ],
    ids=["unknown entry", "data source of another application", "the same data source twice"],
)
def test_invalid_pair_is_rejected_before_anything_changes(world: World, pairs: list[str], line: str):
    world.add_data_source(roleArn=OLD_ROLE)
    world.server.qbusiness.add(OTHER_APPLICATION, displayName="Other")
    world.server.qbusiness.add(OTHER_APPLICATION, INDEX_ID, displayName="Main")
    world.server.qbusiness.add(OTHER_APPLICATION, INDEX_ID, OTHER_ID, displayName="Far", type="AEM")
    assert world.assign(*pairs, "--yes").rejection == f"assign: {line}"
    assert updates(world) == 0


def test_pair_without_equals_sign_or_stack_is_rejected(world: World, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        world.assign("wiki")
    assert stopped.value.code == 2
    assert "'wiki' is not ENTRY=ID: expected the name of an entry and" in capsys.readouterr().err
    assert world.run("assign", "--undo", "x.json", PAIR).rejection == (
        "assign: ENTRY=ID needs --stack: pass the stack that has the entry"
    )


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ({}, "aem-connector is not deployed: first run `pulumi up --stack dev`"),
        (
            {"roleArn": OTHER_ROLE},
            NO_ROLE,
        ),
    ],
    ids=["not deployed", "deleted"],
)
def test_entry_without_role_is_rejected(world: World, outputs: dict[str, str], reason: str):
    world.outputs = outputs
    world.add_data_source(roleArn=OLD_ROLE)
    assert world.assign(PAIR).rejection == f"assign: {reason}"


@pytest.mark.slow
def test_missing_application_is_reported_on_one_line(world: World):
    world.server.qbusiness.resources.clear()
    assert world.assign().rejection.startswith(
        f"assign: the application {APPLICATION_ARN} of stack dev does not exist"
    )


def test_secret_documents_are_read_but_not_shown(world: World):
    world.secrets_in_state = {ROLE_ARN}
    identifier = world.add("Pages", None)
    said = world.assign(f"aem-connector={identifier}", "--yes", "--anyway")
    assert said.code == 0
    assert SECRET_ID not in said.err + said.out + world.path(journal(world)).read_text()


def test_unreadable_data_source_is_rejected(world: World):
    world.add_data_source(configuration={"type": "AEM", "secretArn": ["x"]})
    assert world.assign(PAIR).rejection.startswith(
        f"assign: data source {DATA_SOURCE_ID} cannot be read: the response to qbusiness:GetDataSource"
    )
    said = world.assign()
    assert (said.code, "has a secretArn that is not a string" in said.out) == (1, True)


def test_command_calls_exactly_the_listed_actions(world: World):
    add_old(world)
    organization = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
    own = own_policy(SECRET_ARN, allow("s3:*", "*", Condition=organization))
    world.put_policy(own.replace(APPLICATION_ARN, f"{APPLICATION_ARN}-other", 1))
    of_others = {"StringEquals": {"aws:ResourceTag/team": "other"}}
    world.attach(ROLE_NAME, "managed", policy(deny(["kms:*", "s3:*"], "*", Condition=of_others)))
    world.server.answers["s3:GetBucketAbac"] = {"AbacStatus": {"Status": "Enabled"}}
    called: set[str] = set()
    connection = {"bucketName": "documents", "bucketOwnerAccountId": ACCOUNT}
    world.bucket()
    files = {"type": "S3V2", "connectionConfiguration": connection}
    bucket = world.add("Files", None, kind="S3V2", configuration=files)
    for identifier in (DATA_SOURCE_ID, bucket):
        said = world.assign(f"aem-connector={identifier}", "--anyway", "--yes")
        assert said.code == 0
        called |= {*world.server.calls}
    assert called == {*ACTIONS["assign"], *CHANGES["assign"]}


# The list.


def test_list_contains_the_command_for_data_sources_that_fit_one_entry(world: World):
    deploy_two(world)
    world.role("old")
    wiki, aem = add_wiki(world), world.add("Pages", OLD_ROLE, SECRET_ARN)
    odd = world.add("Odd", None, f"{SECRET_ARN}2", "JIRA")
    said = world.assign()
    assert (said.code, updates(world)) == (0, 0)
    assert said.out == (
        "ENTRY  ROLE\n"
        f"aem    {ROLE_ARN}\n"
        f"wiki   {WIKI_ROLE}\n"
        "\n"
        f"DATA SOURCE                                 ROLE{' ' * 32}ENTRY\n"
        f"Wiki {wiki}   none{' ' * 32}fits wiki\n"
        f"Pages {aem}  {OLD_ROLE}  fits aem\n"
        f"Odd {odd}    none{' ' * 32}fits no entry\n"
        "\n"
        "To give these data sources the roles of their entries, run:\n"
        "\n"
        f"qbusiness-roles assign --stack dev wiki={wiki} aem={aem}\n"
    )
    assert world.assign("--json").json["pairs"] == [f"wiki={wiki}", f"aem={aem}"]
    assert world.assign(f"wiki={wiki}", f"aem={aem}", "--yes").code == 0
    again = world.assign().out
    assert again.count("has the role of") == 2
    assert "assign --stack" not in again


def test_data_source_fits_only_if_declared_and_actual_policies_allow_its_requests(world: World):
    deploy_two(world)
    identifier = add_wiki(world)
    name = WIKI_ROLE.rpartition("/")[2]
    world.put_policy(own_policy(WIKI_SECRET, without="AllowsAmazonQToGetSecret"), OWN, name)
    assert "fits no entry" in world.assign().out
    world.put_policy(WIDE, OWN, name)
    assert f"wiki={identifier}\n" in world.assign().out
    world.server.data_source(identifier)["configuration"]["secretArn"] = f"{WIKI_SECRET}2"
    assert "fits no entry" in world.assign().out


def test_no_command_is_shown_if_data_sources_fit_the_same_entry(world: World):
    deploy_two(world)
    first = add_wiki(world)
    add_wiki(world, name="Wiki2")
    said = world.assign()
    assert said.out.count("fits wiki: choose with ENTRY=ID") == 2
    assert "assign --stack" not in said.out
    world.server.data_source(first)["roleArn"] = WIKI_ROLE
    assert "has the role of wiki\n" in world.assign().out
    assert "assign --stack" not in world.assign().out


def test_data_source_with_role_of_wrong_entry_fits_the_right_entry(world: World):
    deploy_two(world)
    identifier = add_wiki(world, ROLE_ARN)
    assert f"qbusiness-roles assign --stack dev wiki={identifier}\n" in world.assign().out


def test_list_leaves_out_data_source_that_is_being_deleted(world: World):
    deploy_two(world)
    identifier = add_wiki(world)
    world.server.data_source(identifier)["status"] = "DELETING"
    said = world.assign()
    assert (said.code, identifier in said.out) == (0, False)


@pytest.mark.slow
@pytest.mark.parametrize("directory", [PROJECT, PROJECT / "template"], ids=["clone", "template"])
def test_git_ignores_written_files(directory: Path):
    names = (
        "adopted-prod.json",
        "import-prod.json",
        "entries-prod.yaml",
        "assigned-prod-20261202T095606Z-e36647.json",
        "restored-prod-20261202T095606Z-e36647.json",
        "unfinished-assigned-prod-20261202T095606Z-e36647.json",
    )
    ignored = (directory / ".gitignore").read_text().split()
    kinds = ("adopted", "assigned", "entries", "import", "restored", "unfinished")
    assert {f"/{kind}-*" for kind in kinds} <= {*ignored}
    assert execute(PROJECT, "git", "check-ignore", *names).stdout.split() == [*names]
