"""`roles check` examines the application's data sources."""

from typing import Final

import pytest

from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    INDEX_ID,
    OTHER_ACCOUNT,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import (
    OTHER_ID,
    ROLE_ARN,
    ROLE_NAME,
    SECRET_ARN,
    SECRET_NAME,
    SETTINGS,
    WIDE,
    World,
)
from tests.roles.check.help import use_entries

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


BOTH: Final = ("data source", "other data source")
ONE_SUBNET: Final = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
OTHER_ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME[:-7]}7654321"


def test_matching_data_source_with_existing_other_role_is_note(world: World):
    world.role(OTHER_ROLE_ARN.rpartition("/")[2], WIDE)
    world.add_data_source()
    for number in range(5):
        world.add_data_source(f"{OTHER_ID[:-1]}{number}", roleArn=OTHER_ROLE_ARN)
    said = world.check(only=["role", *BOTH])
    assert said.code == 0
    assert said.answer("other data source") == "".join(
        f"note     other data source {OTHER_ID[:-1]}{number}: Pages matches the settings, but uses "
        f"another role, {OTHER_ROLE_ARN}, whose policies allow its requests\n"
        for number in range(5)
    )
    # One call for each role.
    assert world.server.calls.count("iam:GetRole") == 2
    assert world.server.calls.count("qbusiness:GetDataSource") == 6


def test_bucket_that_only_data_source_names_changes_no_setting(world: World):
    world.use_bucket()
    connection = {"connectionConfiguration": {"bucketName": "gone"}}
    world.add_data_source(configuration={"type": "S3V2", **connection})
    answer = world.check(only=["bucket"]).out
    assert "problem  bucket gone: there is no bucket gone\n" in answer
    assert "fix: point the data source to an existing bucket" in answer


def test_bucket_of_two_connectors_must_suit_both(world: World):
    world.use_bucket()
    seeds = {"type": "WEBCRAWLERV2", "secretArn": SECRET_ARN, "s3SeedUrl": "s3://documents/seeds.txt"}
    world.add_data_source(configuration=seeds)
    connection = {"connectionConfiguration": {"bucketName": "documents"}}
    world.add_data_source(OTHER_ID, configuration={"type": "S3V2", **connection})
    answer = world.check(only=["encryption"]).out
    assert "the webcrawler connector reads only buckets with Amazon S3 managed keys\n" in answer


def test_role_outside_stack_is_note_if_several_entries_match(world: World):
    use_entries(world, wiki={}, pages={})
    world.role(OTHER_ROLE_ARN.rpartition("/")[2], WIDE)
    world.add_data_source(roleArn=OTHER_ROLE_ARN)
    answer = world.ask("other data source", "--data-source", "wiki")
    assert answer.startswith(f"note     other data source {DATA_SOURCE_ID}: Pages matches the settings")


def test_data_source_may_use_role_of_entry_with_same_settings(world: World):
    use_entries(world, wiki={}, pages={})
    world.add_data_source(roleArn=f"{ROLE_ARN[:-7]}0000001")
    answer = world.ask("other data source", "--data-source", "wiki")
    assert answer == (
        "ok       other data source: no data source in the index that clearly belongs to this entry has "
        "another role or none\n"
    )


def deploy(world: World, *entries: str) -> dict[str, str]:
    """Create the entries' roles and return their ARNs."""
    arns = {name: world.role(f"{name}-qbusiness-role-1234567") for name in entries}
    world.outputs = {"roleArns": arns, "roleNames": {}}
    return arns


def test_entry_with_data_source_claims_no_other_data_source(world: World):
    use_entries(world, wiki={}, tickets={"connector": "jira"})
    arns = deploy(world, "wiki", "tickets")
    world.add_data_source(OTHER_ID, roleArn=arns["wiki"])
    world.add_data_source(roleArn=arns["tickets"])
    assert " assign " not in world.check(only=BOTH).out


def test_suggested_entry_is_in_same_index_as_data_source(world: World):
    other_index = f"{INDEX_ID[:-1]}3"
    use_entries(world, wiki={}, tickets={"indexId": other_index})
    arns = deploy(world, "wiki", "tickets")
    world.add_data_source(roleArn=arns["wiki"])
    world.server.qbusiness.add(APPLICATION_ID, other_index, displayName="Other")
    moved = world.server.qbusiness.resources.pop((APPLICATION_ID, INDEX_ID, DATA_SOURCE_ID))
    moved["indexId"] = other_index
    world.server.qbusiness.add(APPLICATION_ID, other_index, DATA_SOURCE_ID, **moved)
    said = world.check(only=BOTH).out
    assert "dataSources.wiki.indexId" not in said
    assert f"qbusiness-roles assign --stack dev 'tickets={DATA_SOURCE_ID}'\n" in said


def test_data_source_without_optional_bucket_is_not_problem(world: World):
    connector = {"connector": "sharepoint-cloud"}
    use_entries(world, files={**connector, "bucketName": "files"}, wiki=connector)
    arns = deploy(world, "files", "wiki")
    configuration = {"type": "SHAREPOINTV2", "secretArn": SECRET_ARN}
    world.add_data_source(roleArn=arns["files"], configuration=configuration)
    assert "problem " not in world.check(only=BOTH).out


def add_without_role(world: World, kind: str = "AEM") -> None:
    """Add a data source that has no role."""
    secret = {"secretArn": SECRET_ARN} if kind == "AEM" else {}
    network = next(value for key, value in SETTINGS.items() if key.endswith("vpcConfiguration"))
    configuration = {"type": kind, **secret}
    world.server.add(DATA_SOURCE_ID, kind, configuration=configuration, vpcConfiguration=network)


def test_data_source_without_role_belongs_to_entry_that_matches_fully(world: World):
    use_entries(world, pages={"vpcConfiguration": ONE_SUBNET}, wiki={})
    add_without_role(world)
    answers = {name: world.ask("other data source", "--data-source", name) for name in ("wiki", "pages")}
    subject = f"other data source {DATA_SOURCE_ID}: Pages"
    assert answers["wiki"].startswith(f"problem  {subject} matches the settings, but has no role\n")
    assert answers["pages"].startswith("ok ")


def test_crawler_without_secret_or_role_is_note(world: World):
    world.set(connector="webcrawler", secretId=None, kmsKeyId=None)
    add_without_role(world, "WEBCRAWLERV2")
    answer = world.ask("other data source")
    assert answer.startswith(
        f"note     other data source {DATA_SOURCE_ID}: Pages matches the settings, but"
    )
    world.add_data_source(OTHER_ID, configuration={"type": "WEBCRAWLERV2"})
    assert world.ask("other data source").startswith("ok ")


def test_deleted_role_is_problem_if_connector_matches(
    world: World,
):
    use_entries(world, wiki={}, tickets={"connector": "jira"}, pages={})
    world.add_data_source(roleArn=OTHER_ROLE_ARN, vpcConfiguration=ONE_SUBNET)
    answers = [world.ask("other data source", "--data-source", name) for name in ("wiki", "tickets")]
    assert [answer.partition(" ")[0] for answer in answers] == ["problem", "ok"]
    fix = "         fix: deploy the role with its own stack, or give the data source another role\n"
    assert answers[0].endswith(fix)  # its name is not one of wiki's


def test_deleted_role_is_problem_of_matching_entry(world: World):
    use_entries(world, wiki={}, pages={"vpcConfiguration": ONE_SUBNET})
    world.add_data_source(roleArn=OTHER_ROLE_ARN, vpcConfiguration=ONE_SUBNET)
    answers = [world.ask("other data source", "--data-source", name) for name in ("wiki", "pages")]
    assert [answer.partition(" ")[0] for answer in answers] == ["ok", "problem"]


def test_secret_name_does_not_match_secret_of_other_account(world: World):
    world.set(secretId=SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT))
    world.add_data_source(configuration={"type": "AEM", "secretArn": SECRET_NAME})
    assert f"its secret is {SECRET_NAME}, but secretId is " in world.ask("data source")


def test_sync_without_start_time_is_older_than_others(world: World):
    world.add_data_source()
    world.add_sync("FAILED", startTime=None)
    assert "its last sync has the status FAILED\n" in world.ask("data source")
    world.add_sync("SUCCEEDED")
    assert "its last sync, at 2026-11-02 12:30 UTC, has the status SUCCEEDED\n" in world.ask(
        "data source"
    )


def test_a_sync_error_cannot_forge_another_line(world: World):
    world.add_data_source()
    forged = "Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    world.add_sync("FAILED", error={"errorMessage": forged})
    said = world.check(only=["data source"])
    assert said.out.replace("\n", "").isascii()
    assert said.out.replace("\n", "").isprintable()
    assert "ok       role policy: FORGED" not in said.out.splitlines()
    shown = r"FAILED: Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    assert f"{shown}\n" in said.answer(f"data source {DATA_SOURCE_ID}")
    texts = [answer["text"] for answer in world.check("--json", only=["data source"]).json["answers"]]
    assert any(text.endswith(forged) for text in texts)


def test_progress_is_shown_for_many_data_sources(world: World):
    for number in range(100):
        configuration = {"type": "AEM", "secretArn": f"{SECRET_ARN[:-6]}Others"}
        world.server.add(
            f"{number:04}{OTHER_ID[4:]}", roleArn=f"{ROLE_ARN}-2", configuration=configuration
        )
    world.add_data_source()
    said = world.check(only=BOTH)
    assert said.code == 0
    assert f"ok       data source {DATA_SOURCE_ID}: Pages is ACTIVE" in said.out
    assert "check: data sources: 100 of 101\n" in said.err
