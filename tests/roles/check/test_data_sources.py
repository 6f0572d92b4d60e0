"""`roles check` examines the application's data sources."""

from typing import Any, Final

import pytest
from moto.core.utils import get_service_model

from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    INDEX_ID,
    OTHER_ACCOUNT,
    REGION,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from roles.project import COMPONENT
from sandbox.account import VPC_ID
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    OTHER_ID,
    OWN,
    ROLE_ARN,
    ROLE_NAME,
    SECRET_ARN,
    SECRET_NAME,
    SETTINGS,
    TRUST,
    WIDE,
    World,
    allow,
    own_policy,
    policy,
)
from tests.roles.check.help import set_up, use_entries

pytestmark = pytest.mark.usefixtures("deployed")


def test_unrelated_data_sources_with_other_roles_are_ignored(world: World):
    world.add_data_source(roleArn=f"{ROLE_ARN}-2", configuration={"type": "S3"})
    world.server.add(OTHER_ID, "CUSTOM", configuration={"type": "CUSTOM"})
    assert world.ask("data source") == NONE


BOTH: Final = ("data source", "other data source")
NONE: Final = "ok       data source: no data source in the application uses the role yet\n"
TWO_BUCKETS: Final = {"s3SeedUrl": "s3://seeds/a.txt", "s3SiteMapUrl": "s3://maps/b.xml"}
ONE_SUBNET: Final = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
OTHER_ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME[:-7]}7654321"


def assign(entry: str = COMPONENT) -> str:
    return f"qbusiness-roles assign --stack dev '{entry}={DATA_SOURCE_ID}'\n"


@pytest.mark.parametrize(
    "uses",
    [
        {"secretArn": SECRET_ARN},
        {"secretArn": SECRET_NAME},
        {"connectionConfiguration": {"secretArn": SECRET_ID}},
        {"secretArn": SECRET_ARN[:-7]},
    ],
)
def test_matching_data_source_with_deleted_role_is_problem(world: World, uses: dict[str, Any]):
    world.add_data_source(roleArn=OTHER_ROLE_ARN, configuration={"type": "AEM", **uses})
    said = world.check(only=BOTH)
    assert said.code == 1
    assert said.answer("data source") == NONE
    assert said.answer("other data source") == (
        f"problem  other data source {DATA_SOURCE_ID}: Pages matches the settings, but uses "
        f"{OTHER_ROLE_ARN}, a role that does not exist\n"
        f"         fix: {assign()}"
    )


def test_fix_deploys_role_before_updating_data_source(world: World):
    world.add_data_source(roleArn=OTHER_ROLE_ARN)
    world.outputs = {}
    answer = world.ask("other data source")
    assert answer.endswith(f"fix: 1. pulumi up --stack dev\n              2. {assign()}")


def test_deleted_role_is_problem_if_data_source_has_same_bucket(world: World):
    world.use_bucket()
    connection = {"repositoryEndpointMetadata": {"BucketName": "documents"}}
    configuration = {"type": "S3V2", "connectionConfiguration": connection}
    world.add_data_source(roleArn=OTHER_ROLE_ARN, configuration=configuration)
    answer = world.ask("other data source")
    assert f"Pages fits the settings, but uses {OTHER_ROLE_ARN}, a role that" in answer
    assert answer.startswith("problem ")


def test_role_with_another_path_is_a_different_role(world: World):
    world.add_data_source(roleArn=ROLE_ARN.replace("role/", "role/old/"))
    answer = world.ask("other data source")
    assert answer.startswith("problem ")
    assert "role/old/" in answer


@pytest.mark.slow
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


@pytest.mark.slow
def test_data_source_deleted_in_the_meantime_is_left_out(world: World):
    world.add_data_source()
    world.list_deleted()
    said = world.check()
    assert said.code == 0
    note = f"note     data source {OTHER_ID}: data source Old {OTHER_ID} was deleted in the meantime\n"
    assert said.answer("data source").endswith(f"Pages is ACTIVE, but has not synced yet\n{note}")
    assert said.answer("other data source").startswith("ok ")


def test_unreadable_role_is_not_reported_as_deleted(world: World):
    world.add_data_source(roleArn=OTHER_ROLE_ARN)
    world.reject("iam:GetRole")
    said = world.check(only=BOTH)
    assert said.code == 2
    assert said.answer("other data source") == (
        f"skipped  other data source {DATA_SOURCE_ID}: iam:GetRole is not allowed for these "
        "credentials\n"
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"configuration": {"type": "BOX", "secretArn": SECRET_ARN}},
            "its type is BOX, but the aem-cloud connector has the type AEM",
        ),
        (
            {"configuration": {"type": "AEM", "secretArn": SECRET_ARN, "bucketName": "files"}},
            "its bucket is files, but bucketName is not set",
        ),
        (
            {"configuration": {"type": "AEM", "secretArn": SECRET_ARN, **TWO_BUCKETS}},
            "its buckets are seeds, maps, but bucketName is not set",
        ),
        (
            {"vpcConfiguration": None},
            f"it has no VPC, but vpcConfiguration has {SECURITY_GROUP_ID}, {SUBNET_ID}",
        ),
    ],
)
def test_difference_that_needs_no_more_access_is_note(world: World, more: dict[str, Any], text: str):
    data_source = world.add_data_source()
    data_source.update(more)
    if data_source["vpcConfiguration"] is None:
        del data_source["vpcConfiguration"]
    said = world.check(only=BOTH)
    assert said.code == 0
    answer = said.answer(f"data source {DATA_SOURCE_ID}")
    assert answer.startswith(
        f"note     data source {DATA_SOURCE_ID}: Pages does not match the settings\n           {text}"
    )
    assert f"ok       data source {DATA_SOURCE_ID}: Pages is ACTIVE" in answer


def test_missing_required_secret_is_problem(world: World):
    world.add_data_source(configuration={"type": "AEM"})
    answer = world.ask("data source")
    assert answer.startswith(
        f"problem  data source {DATA_SOURCE_ID}: Pages does not match the settings\n"
    )
    assert f"it has no secret, but secretId is {SECRET_ARN}\n" in answer


@pytest.mark.parametrize(
    ("policy_name", "state"), [(None, "problem"), (OWN, "problem"), ("by-hand", "note")]
)
def test_other_secret_is_problem_unless_lasting_policy_allows_it(
    world: World, policy_name: str | None, state: str
):
    other = world.secret("other")
    world.add_data_source(configuration={"type": "AEM", "secretArn": other})
    if policy_name:  # `pulumi up` rewrites the program's policy
        world.put_policy(WIDE, policy_name)
    answer = world.ask("data source")
    assert answer.startswith(
        f"{state:8} data source {DATA_SOURCE_ID}: Pages does not match the settings\n"
    )
    assert f"its secret is {other}, but secretId is {SECRET_ARN}\n" in answer
    assert f": {set_up('secretId', other)}\n" in answer


def test_fix_suggests_no_invalid_secret_name(world: World):
    world.add_data_source(configuration={"type": "AEM", "secretArn": "crm"})
    assert f": {set_up('secretId', 'SECRET_ARN')}\n" in world.ask("data source")


@pytest.mark.slow
def test_shared_role_that_can_read_both_secrets_is_no_problem(world: World):
    other = world.secret("other")
    world.put_policy(policy(allow("secretsmanager:GetSecretValue", other)), "second")
    world.add_data_source()
    world.add_data_source(OTHER_ID, configuration={"type": "AEM", "secretArn": other})
    said = world.check()
    assert said.code == 0
    assert said.answer(f"data source {OTHER_ID}").startswith("note ")
    assert "to change this" not in said.answer("data source")


@pytest.mark.slow
def test_fix_for_shared_role_keeps_access_of_other_data_source(world: World):
    other = world.secret("other")
    world.add_data_source()
    world.add_data_source(OTHER_ID, configuration={"type": "AEM", "secretArn": other})
    said = world.check()
    assert said.code == 1
    assert 'fix: see "other policies"\n' in said.answer("data source")
    assert f"fix: aws iam put-role-policy --role-name {ROLE_NAME}" in said.answer("other policies")
    assert f"secretsmanager:GetSecretValue on {other}\n" in said.answer("other policies")
    assert "config set" not in said.out


@pytest.mark.slow
def test_data_source_with_some_of_the_subnets_is_no_problem(world: World):
    world.add_data_source(vpcConfiguration=ONE_SUBNET)
    assert world.check().code == 0


@pytest.mark.slow
def test_exclusive_policies_take_access_away(world: World):
    other = world.secret("other")
    world.put_policy(policy(allow("secretsmanager:GetSecretValue", other)), "by-hand")
    world.add_data_source(configuration={"type": "AEM", "secretArn": other})
    assert world.ask("data source").startswith("note ")
    world.set(exclusivePolicies=True)
    assert world.ask("data source").startswith("problem ")


@pytest.mark.slow
def test_access_after_update_may_be_unknown(world: World):
    other = world.secret("other")
    condition = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    world.put_policy(WIDE)
    world.put_policy(
        policy(allow("secretsmanager:GetSecretValue", other, Condition=condition)), "by-hand"
    )
    world.add_data_source(configuration={"type": "AEM", "secretArn": other})
    assert world.check(only=["data source"]).code == 3


def test_secret_named_like_suffix_is_another_secret(world: World):
    other = world.secret(SECRET_ID)
    world.add_data_source(configuration={"type": "AEM", "secretArn": SECRET_ID})
    assert f"secretsmanager:GetSecretValue on {other}: " in world.ask("requests allowed")
    answer = world.check(only=["secret"]).out
    assert f"ok       secret {SECRET_ID}: {other} exists and has a value\n" in answer


@pytest.mark.slow
def test_policy_that_data_source_needs_is_kept(world: World):
    world.put_policy(policy(allow("ec2:CreateNetworkInterface", "*")), "by-hand")
    world.add_data_source()
    assert "delete-role-policy" in world.ask("other policies")
    subnet = world.ec2.create_subnet(VpcId=VPC_ID, CidrBlock="10.0.9.0/24")["Subnet"]["SubnetId"]
    world.server.data_source()["vpcConfiguration"] = {**ONE_SUBNET, "subnetIds": [subnet]}
    answer = world.ask("other policies")
    assert "but a data source needs it, at least in part\n" in answer
    assert "delete-role-policy" not in answer


@pytest.mark.slow
def test_settings_of_shared_role_are_not_changed(world: World):
    other = world.secret("other")
    world.put_policy(policy(allow("secretsmanager:GetSecretValue", other)), "by-hand")
    world.add_data_source(OTHER_ID, configuration={"type": "AEM", "secretArn": other})
    subnet = world.ec2.create_subnet(VpcId=VPC_ID, CidrBlock="10.0.9.0/24")["Subnet"]["SubnetId"]
    world.add_data_source(vpcConfiguration={**ONE_SUBNET, "subnetIds": [subnet]})
    answer = world.ask("data source")
    assert "fix: give Pages an entry and a role of its own" in answer
    assert "vpcConfiguration to" not in answer


@pytest.mark.slow
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


@pytest.mark.slow
def test_index_of_data_source_must_be_active(world: World):
    world.put_policy(WIDE, "by-hand")
    world.add_data_source()
    other_index = move_to_another_index(world)
    world.resource(APPLICATION_ID, other_index, status="FAILED")
    assert (
        f"problem  index {other_index}: index {other_index} is FAILED\n"
        in world.check(only=["index"]).out
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", [SECRET_ID, SECRET_NAME, SECRET_ARN[:-7]])
def test_data_source_may_name_secret_in_any_aws_form(world: World, name: str):
    world.add_data_source(configuration={"type": "AEM", "secretArn": name})
    assert world.check(only=BOTH).code == 0


def test_second_bucket_that_role_cannot_read_is_problem(world: World):
    world.set(connector="webcrawler", bucketName="seeds")
    world.add_data_source(configuration={"type": "WEBCRAWLERV2", "secretArn": SECRET_ARN, **TWO_BUCKETS})
    world.s3.create_bucket(Bucket="maps")
    answer = world.ask("data source")
    assert "its buckets are seeds, maps, but bucketName is seeds\n" in answer
    assert (
        "fix: use one bucket in the data source, because its role can read only one bucket\n" in answer
    )


def test_fix_for_required_setting_changes_data_source(world: World):
    world.add_data_source(configuration={"type": "AEM"})
    reason = "because the aem-cloud connector requires secretId"
    assert f"fix: change the data source, {reason}\n" in world.ask("data source")


@pytest.mark.parametrize(
    ("settings", "owner"), [({}, ACCOUNT), ({"bucketAccountId": "9" * 12}, "9" * 12)]
)
@pytest.mark.slow
def test_bucket_outside_configured_account_is_problem(
    world: World, settings: dict[str, str], owner: str
):
    world.use_bucket()
    world.set(**settings)
    connection = {"bucketName": "documents", "bucketOwnerAccountId": OTHER_ACCOUNT}
    configuration = {"type": "S3V2", "connectionConfiguration": connection}
    del world.add_data_source(configuration=configuration)["vpcConfiguration"]
    text = (
        f"its bucket belongs to account {OTHER_ACCOUNT}, but the role can read only a bucket in account "
    )
    assert f"{text}{owner}\n" in world.ask("data source")
    connection["bucketOwnerAccountId"] = owner
    assert "problem" not in world.ask("data source")


def move_to_another_index(world: World) -> str:
    """Move the data source to a new index and return the index's ID."""
    other_index = INDEX_ID[:-1] + "3"
    world.server.qbusiness.add(APPLICATION_ID, other_index, displayName="Other")
    data_source = world.server.qbusiness.resources.pop((APPLICATION_ID, INDEX_ID, DATA_SOURCE_ID))
    data_source["indexId"] = other_index
    world.server.qbusiness.add(APPLICATION_ID, other_index, DATA_SOURCE_ID, **data_source)
    return other_index


def test_role_used_in_another_index_is_problem(world: World):
    world.add_data_source()
    other_index = move_to_another_index(world)
    said = world.check(only=BOTH)
    assert said.code == 1
    assert said.answer(f"data source {DATA_SOURCE_ID}") == (
        f"problem  data source {DATA_SOURCE_ID}: Pages does not match the settings\n"
        f"           it is in index {other_index}, but the role is for {INDEX_ID}\n"
        f"         fix: in Pulumi.dev.yaml, set indexId to {other_index}, then pulumi up --stack dev\n"
        f"ok       data source {DATA_SOURCE_ID}: Pages is ACTIVE, but has not synced yet\n"
    )


def test_fix_for_entry_keeps_default_of_other_entries(world: World):
    use_entries(world, wiki={}, pages={})
    world.add_data_source(roleArn=f"{ROLE_ARN[:-7]}0000000")
    other_index = move_to_another_index(world)
    answer = world.ask("data source", "--data-source", "wiki")
    assert f"fix: in Pulumi.dev.yaml, set dataSources.wiki.indexId to {other_index}, then" in answer


def add_under_other_role(world: World, document: str = WIDE, **more: Any) -> None:
    """Add a data source whose role exists outside the stack and has this policy."""
    world.role(OTHER_ROLE_ARN.rpartition("/")[2], document)
    world.add_data_source(roleArn=OTHER_ROLE_ARN, **more)


@pytest.mark.slow
def test_matching_data_source_with_role_outside_stack_is_note(world: World):
    use_entries(world, wiki={}, tickets={"connector": "jira"})
    add_under_other_role(world)
    said = world.check("--data-source", "wiki", only=BOTH)
    assert said.code == 0
    assert said.answer("data source") == NONE
    assert said.answer("other data source") == (
        f"note     other data source {DATA_SOURCE_ID}: Pages matches the settings, but uses "
        f"another role, {OTHER_ROLE_ARN}, whose policies allow its requests; no data source uses this "
        "entry's role: docs/assign.md says how to assign it\n"
    )
    # The data source has only the secret in common with this entry.
    assert world.ask("other data source", "--data-source", "tickets").startswith("ok ")


def test_data_source_whose_role_lacks_access_is_problem(world: World):
    add_under_other_role(world, own_policy(SECRET_ARN))
    said = world.check(only=BOTH)
    assert said.code == 1
    application = f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/{APPLICATION_ID}"
    assert said.answer("other data source") == (
        f"problem  other data source {DATA_SOURCE_ID}: Pages matches the settings, but uses another "
        f"role, {OTHER_ROLE_ARN}, whose policies do not allow 14 of its 28 requests\n"
        f"         fix: qbusiness-roles check --application {application} --data-source-id "
        f"{DATA_SOURCE_ID}\n"
    )


@pytest.mark.slow
def test_data_source_whose_role_does_not_trust_service_is_problem(world: World):
    add_under_other_role(world)
    name = OTHER_ROLE_ARN.rpartition("/")[2]
    document = TRUST.replace(ACCOUNT, OTHER_ACCOUNT)
    world.iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)
    assert "whose policies do not allow 1 of its 28 requests" in world.ask("other data source")


@pytest.mark.slow
def test_invalid_configuration_under_other_role_cannot_be_decided(world: World):
    foreign = SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    world.set(secretId=foreign, kmsKeyId=FOREIGN_KEY_ARN)
    world.describe_secret(ARN=foreign)
    add_under_other_role(world, configuration={"type": "AEM", "secretArn": foreign})
    said = world.check(only=BOTH)
    assert said.code == 3
    assert "but this program rejects its configuration (" in said.answer("other data source")


@pytest.mark.slow
def test_unknown_access_of_other_role_cannot_be_determined(world: World):
    condition = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    add_under_other_role(world, policy(allow("*", "*", Condition=condition)))
    said = world.check(only=BOTH)
    assert said.code == 3
    assert "it is unknown whether its policies allow all requests\n" in said.answer("other data source")


def test_role_outside_stack_is_note_if_several_entries_match(world: World):
    use_entries(world, wiki={}, pages={})
    add_under_other_role(world)
    answer = world.ask("other data source", "--data-source", "wiki")
    assert answer.startswith(f"note     other data source {DATA_SOURCE_ID}: Pages matches the settings")


def test_deleted_role_is_problem_of_entry_with_same_connector(world: World):
    use_entries(world, wiki={}, tickets={"connector": "jira"})
    configuration = {"type": "JIRA", "secretArn": SECRET_ARN}
    world.add_data_source(roleArn=OTHER_ROLE_ARN, configuration=configuration)
    answers = [world.ask("other data source", "--data-source", name) for name in ("wiki", "tickets")]
    assert [answer.partition(" ")[0] for answer in answers] == ["ok", "problem"]


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


@pytest.mark.parametrize("network", [{}, {"vpcConfiguration": ONE_SUBNET}])
@pytest.mark.slow
def test_data_source_with_role_of_wrong_entry_is_reported(world: World, network: dict[str, Any]):
    use_entries(world, wiki={}, tickets={"connector": "jira"})
    arns = deploy(world, "wiki", "tickets")
    world.add_data_source(roleArn=arns["tickets"], **network)
    answer = world.ask("other data source", "--data-source", "wiki")
    assert answer.startswith(f"note     other data source {DATA_SOURCE_ID}: Pages ")
    assert answer.endswith(", but uses the role of tickets\n")
    of_owner = world.ask("data source", "--data-source", "tickets")
    assert ": Pages uses this role, but fits the settings of wiki\n" in of_owner
    assert f"1. {assign('wiki')}" in of_owner
    assert "pulumi config set" not in of_owner


def test_entry_with_data_source_claims_no_other_data_source(world: World):
    use_entries(world, wiki={}, tickets={"connector": "jira"})
    arns = deploy(world, "wiki", "tickets")
    world.add_data_source(OTHER_ID, roleArn=arns["wiki"])
    world.add_data_source(roleArn=arns["tickets"])
    assert " assign " not in world.check(only=BOTH).out


def test_suggested_entry_is_in_same_index_as_data_source(world: World):
    use_entries(world, wiki={}, tickets={"indexId": f"{INDEX_ID[:-1]}3"})
    arns = deploy(world, "wiki", "tickets")
    world.add_data_source(roleArn=arns["wiki"])
    move_to_another_index(world)
    said = world.check(only=BOTH).out
    assert "dataSources.wiki.indexId" not in said
    assert assign("tickets") in said


def test_data_source_without_optional_bucket_is_not_problem(world: World):
    connector = {"connector": "sharepoint-cloud"}
    use_entries(world, files={**connector, "bucketName": "files"}, wiki=connector)
    arns = deploy(world, "files", "wiki")
    configuration = {"type": "SHAREPOINTV2", "secretArn": SECRET_ARN}
    world.add_data_source(roleArn=arns["files"], configuration=configuration)
    assert "problem " not in world.check(only=BOTH).out


def add_without_role(world: World, kind: str = "AEM", **more: Any) -> None:
    """Add a data source that has no role."""
    secret = {"secretArn": SECRET_ARN} if kind == "AEM" else {}
    network = next(value for key, value in SETTINGS.items() if key.endswith("vpcConfiguration"))
    configuration = {"type": kind, **secret}
    world.server.add(DATA_SOURCE_ID, kind, configuration=configuration, vpcConfiguration=network, **more)


def test_matching_data_source_without_role_is_problem(world: World):
    add_without_role(world)
    answer = world.ask("other data source")
    assert answer.startswith(
        f"problem  other data source {DATA_SOURCE_ID}: Pages matches the settings, but has no role\n"
    )
    assert answer.endswith(
        f"1. {assign()}              2. or, if the settings are wrong, correct them\n"
    )


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


@pytest.mark.slow
@pytest.mark.parametrize("status", ["CREATING", "DELETING"])
def test_data_source_needs_no_role_during_creation_or_deletion(world: World, status: str):
    add_without_role(world, status=status)
    assert world.ask("other data source").startswith("ok ")


@pytest.mark.slow
def test_other_crawler_is_note_only_if_no_data_source_uses_role(world: World):
    world.set(connector="webcrawler", secretId=None, kmsKeyId=None)
    add_under_other_role(world, configuration={"type": "WEBCRAWLERV2"})
    answer = world.ask("other data source")
    assert answer.startswith(f"note     other data source {DATA_SOURCE_ID}: Pages matches the settings")
    world.add_data_source(OTHER_ID, configuration={"type": "WEBCRAWLERV2"})
    assert world.ask("other data source").startswith("ok ")


@pytest.mark.parametrize("role_exists", [True, False])
@pytest.mark.slow
def test_data_source_of_other_role_and_index_is_ignored(world: World, role_exists: bool):
    if role_exists:
        add_under_other_role(world)
    else:
        world.add_data_source(roleArn=OTHER_ROLE_ARN)
    move_to_another_index(world)
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


@pytest.mark.slow
def test_sync_without_start_time_is_older_than_others(world: World):
    world.add_data_source()
    world.add_sync("FAILED", startTime=None)
    assert "its last sync has the status FAILED\n" in world.ask("data source")
    world.add_sync("SUCCEEDED")
    assert "its last sync, at 2026-11-02 12:30 UTC, has the status SUCCEEDED\n" in world.ask(
        "data source"
    )


@pytest.mark.slow
@pytest.mark.parametrize("status", ["SYNCING", "SYNCING_INDEXING"])
def test_status_and_error_of_running_sync_are_printed(world: World, status: str):
    world.add_data_source()
    world.add_sync(status, error={"errorMessage": "3 pages were too large"})
    said = world.check(only=["data source"])
    assert said.code == 0
    assert f"12:30 UTC, has the status {status}: 3 pages were too large\n" in said.answer("data source")


@pytest.mark.slow
@pytest.mark.parametrize("of_sync", [False, True])
def test_only_statuses_documented_by_aws_are_known(world: World, of_sync: bool):
    source = world.add_data_source()
    shape = "DataSourceSyncJobStatus" if of_sync else "DataSourceStatus"
    operation = "ListDataSourceSyncJobs" if of_sync else "GetDataSource"
    model: Any = get_service_model("qbusiness")
    for status in [*model.shape_for(shape).enum, "PAUSED"]:
        if of_sync:
            world.add_sync(status)
        else:
            source["status"] = status
        assert ("does not recognize" in world.ask("data source")) == (status == "PAUSED")
    said = world.check(only=["data source"])
    assert said.code == 2
    assert said.answer("data source").startswith(
        f"skipped  data source {DATA_SOURCE_ID}: the response to qbusiness:{operation} has the status "
        "'PAUSED', which this version of check does not recognize"
    )


@pytest.mark.slow
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


@pytest.mark.slow
def test_many_data_sources_are_read_with_progress(world: World):
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
