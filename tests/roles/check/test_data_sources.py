"""`roles check` looks at the data sources of the index."""

from typing import Any, Final

import pytest
from moto.core.utils import get_service_model

from evidence.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, SECRET_ID, SECURITY_GROUP_ID, SUBNET_ID
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import golden
from tests.helpers.world import OTHER_ID, ROLE_ARN, ROLE_NAME, SECRET_ARN, SECRET_NAME, World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


def test_data_sources_under_other_roles_do_not_concern_the_stack(world: World):
    world.add_data_source(roleArn=f"{ROLE_ARN}-2", configuration={"type": "S3"})
    world.server.add(OTHER_ID, "CUSTOM", configuration={"type": "CUSTOM"})
    assert world.ask("data source") == NONE


NONE: Final = "ok       data source: none of the index runs under the role yet\n"
OTHER_ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME[:-7]}7654321"


def update_data_source(role_arn: str) -> str:
    return (
        f"aws qbusiness update-data-source --application-id {APPLICATION_ID} --index-id {INDEX_ID} "
        f"--data-source-id {DATA_SOURCE_ID} --role-arn {role_arn}"
    )


@pytest.mark.parametrize(
    "uses",
    [
        {"secretArn": SECRET_ARN},
        {"secretArn": SECRET_NAME},
        {"connectionConfiguration": {"secretArn": SECRET_ID}},
    ],
)
def test_a_data_source_that_still_names_a_deleted_role_is_a_problem(world: World, uses: dict[str, Any]):
    world.add_data_source(roleArn=OTHER_ROLE_ARN, configuration={"type": "AEM", **uses})
    said = world.check()
    assert said.code == 1
    assert said.answer("data source") == NONE
    assert said.answer("other data source") == (
        f"problem  other data source {DATA_SOURCE_ID}: Pages has the stack's secret, and runs under "
        f"{OTHER_ROLE_ARN}, a role that does not exist\n"
        f"         fix: {update_data_source(ROLE_ARN)}\n"
    )


def test_a_data_source_left_behind_is_updated_after_the_role_is_deployed(world: World):
    world.add_data_source(roleArn=OTHER_ROLE_ARN)
    world.outputs = {}
    answer = world.ask("other data source")
    assert answer.endswith(f"fix: pulumi up --stack dev, then {update_data_source('ROLE_ARN')}\n")


def test_a_data_source_of_the_bucket_that_names_a_deleted_role_is_a_problem(world: World):
    world.use_bucket()
    connection = {"repositoryEndpointMetadata": {"BucketName": "documents"}}
    configuration = {"type": "S3V2", "connectionConfiguration": connection}
    world.add_data_source(roleArn=OTHER_ROLE_ARN, configuration=configuration)
    answer = world.ask("other data source")
    assert f"Pages has the stack's bucket, and runs under {OTHER_ROLE_ARN}, a role that" in answer


def test_a_role_under_another_path_is_another_role(world: World):
    world.add_data_source(roleArn=ROLE_ARN.replace("role/", "role/old/"))
    answer = world.ask("other data source")
    assert answer.startswith("problem ")
    assert "role/old/" in answer


def test_two_data_sources_may_share_the_secret_under_two_roles(world: World):
    name = OTHER_ROLE_ARN.rpartition("/")[2]
    world.iam.create_role(RoleName=name, AssumeRolePolicyDocument=golden("trust-policy"))
    world.add_data_source()
    for number in range(5):
        world.add_data_source(f"{OTHER_ID[:-1]}{number}", roleArn=OTHER_ROLE_ARN)
    said = world.check()
    assert said.code == 0
    assert said.answer("other data source") == "".join(
        f"ok       other data source {OTHER_ID[:-1]}{number}: Pages has the stack's secret, and runs "
        f"under another role, {OTHER_ROLE_ARN}\n"
        for number in range(5)
    )
    # One call for each role.
    assert world.server.calls.count("iam:GetRole") == 2
    assert world.server.calls.count("qbusiness:GetDataSource") == 6


def test_a_role_that_may_not_be_read_is_not_reported_as_deleted(world: World):
    world.add_data_source(roleArn=OTHER_ROLE_ARN)
    world.refuse("iam:GetRole")
    said = world.check()
    assert said.code == 2
    assert said.answer("other data source") == (
        f"skipped  other data source {DATA_SOURCE_ID}: iam:GetRole is not allowed for these "
        "credentials\n"
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"configuration": {"type": "AEM", "secretArn": f"{SECRET_ARN[:-6]}ffffff"}},
            f"its secret is {SECRET_ARN[:-6]}ffffff, but secretId is {SECRET_ARN}",
        ),
        ({"configuration": {"type": "AEM"}}, f"its secret is none, but secretId is {SECRET_ARN}"),
        (
            {"configuration": {"type": "BOX", "secretArn": SECRET_ARN}},
            "its type is BOX, and the connector aem-cloud is of type AEM",
        ),
        (
            {"configuration": {"type": "AEM", "secretArn": SECRET_ARN, "bucketName": "files"}},
            "its bucket is files, but bucketName is not set",
        ),
        (
            {"vpcConfiguration": None},
            f"its VPC has nothing, but vpcConfiguration has {SECURITY_GROUP_ID}, {SUBNET_ID}",
        ),
    ],
)
def test_a_data_source_that_differs_from_the_settings_is_a_problem(
    world: World, more: dict[str, Any], text: str
):
    data_source = world.add_data_source()
    data_source.update(more)
    if data_source["vpcConfiguration"] is None:
        del data_source["vpcConfiguration"]
    said = world.check()
    assert said.code == 1
    answer = said.answer(f"data source {DATA_SOURCE_ID}")
    assert answer.startswith(
        f"problem  data source {DATA_SOURCE_ID}: Pages does not match the settings\n"
    )
    assert text in answer
    assert f"ok       data source {DATA_SOURCE_ID}: Pages is ACTIVE" in answer


@pytest.mark.parametrize("name", [SECRET_ID, SECRET_NAME])
def test_a_data_source_may_name_its_secret_without_the_arn(world: World, name: str):
    world.add_data_source(configuration={"type": "AEM", "secretArn": name})
    assert world.check().code == 0


@pytest.mark.parametrize(
    ("message", "about"),
    [
        ("Access denied: kms:Decrypt", "the key: see KMS key and key policy"),
        ("The secret could not be read", "the secret: see secret and role policy"),
        ("Cannot create a network interface", "the VPC: see subnets, security groups and role policy"),
        ("Access Denied to the S3 object", "the bucket: see bucket and role policy"),
        ("Amazon Q cannot assume the role", "the trust policy: see trust policy"),
        (
            "User is not authorized to perform: qbusiness:BatchPutDocument",
            "the role: see role policy and requests allowed",
        ),
    ],
)
@pytest.mark.parametrize("status", ["FAILED", "INCOMPLETE"])
def test_a_sync_that_failed_is_explained_if_it_is_about_the_role(
    world: World, message: str, about: str, status: str
):
    world.add_data_source()
    world.add_sync("SUCCEEDED")
    world.add_sync(status, error={"errorMessage": message, "errorCode": "InvalidRequest"})
    answer = world.ask(f"data source {DATA_SOURCE_ID}")
    assert answer == (
        f"problem  data source {DATA_SOURCE_ID}: Pages is ACTIVE, its last sync of 2026-11-02 12:30 "
        f"{status}: {message}\n"
        f"           this is about {about}\n"
        "         fix: when it is fixed, aws qbusiness start-data-source-sync-job --application-id "
        f"{APPLICATION_ID} --index-id {INDEX_ID} --data-source-id {DATA_SOURCE_ID}\n"
    )


def test_a_sync_that_failed_for_another_reason_is_a_problem_without_explanation(world: World):
    world.add_data_source()
    world.add_sync("FAILED", error={"errorMessage": "Too slow"}, dataSourceErrorCode="AEM-1")
    answer = world.ask(f"data source {DATA_SOURCE_ID}")
    assert answer.splitlines()[0].endswith("FAILED: Too slow, code AEM-1")
    assert "this is about" not in answer


@pytest.mark.parametrize("status", ["SYNCING", "SYNCING_INDEXING", "INCOMPLETE"])
def test_other_statuses_of_a_sync_are_printed(world: World, status: str):
    world.add_data_source()
    world.add_sync(status, error={"errorMessage": "3 pages were too large"})
    said = world.check()
    assert said.code == 0
    assert f"12:30 {status}: 3 pages were too large\n" in said.answer("data source")


@pytest.mark.parametrize("status", ["STOPPING", "ABORTED"])
def test_a_sync_that_was_stopped_is_a_problem(world: World, status: str):
    world.add_data_source()
    world.add_sync("SUCCEEDED")
    world.add_sync(status)
    answer = world.ask(f"data source {DATA_SOURCE_ID}")
    problem = f"problem  data source {DATA_SOURCE_ID}: Pages is ACTIVE, its last sync of "
    assert answer.startswith(problem)
    fix = "         fix: when it is fixed, aws qbusiness start-data-source-sync-job "
    assert f" {status}\n{fix}" in answer


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        ("PENDING_CREATION", "wait until it is ACTIVE"),
        ("CREATING", "wait until it is ACTIVE"),
        ("DELETING", "create the data source again, unless it is no longer needed"),
    ],
)
def test_a_data_source_that_cannot_synchronize_is_a_problem(world: World, status: str, fix: str):
    world.add_data_source(status=status)
    assert world.ask("data source") == (
        f"problem  data source {DATA_SOURCE_ID}: Pages is {status}\n         fix: {fix}\n"
    )


@pytest.mark.parametrize("of_sync", [False, True])
def test_only_the_statuses_that_aws_documents_are_known(world: World, of_sync: bool):
    source = world.add_data_source()
    shape = "DataSourceSyncJobStatus" if of_sync else "DataSourceStatus"
    operation = "ListDataSourceSyncJobs" if of_sync else "GetDataSource"
    model: Any = get_service_model("qbusiness")
    for status in [*model.shape_for(shape).enum, "PAUSED"]:
        if of_sync:
            world.add_sync(status)
        else:
            source["status"] = status
        assert ("does not know" in world.ask("data source")) == (status == "PAUSED")
    said = world.check()
    assert said.code == 2
    assert said.answer("data source").startswith(
        f"skipped  data source {DATA_SOURCE_ID}: an answer of qbusiness:{operation} has the status "
        "'PAUSED', which this version of boto3 does not know"
    )


def test_an_error_of_a_sync_cannot_forge_another_line(world: World):
    world.add_data_source()
    forged = "Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    world.add_sync("FAILED", error={"errorMessage": forged})
    said = world.check()
    assert said.out.replace("\n", "").isascii()
    assert said.out.replace("\n", "").isprintable()
    assert "ok       role policy: FORGED" not in said.out.splitlines()
    shown = r"FAILED: Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    assert f"{shown}\n" in said.answer(f"data source {DATA_SOURCE_ID}")
    texts = [answer["text"] for answer in world.check("--json").json["answers"]]
    assert any(text.endswith(forged) for text in texts)


def test_a_data_source_that_failed_is_a_problem(world: World):
    world.add_data_source(status="FAILED", error={"errorMessage": "cannot assume the role"})
    answer = world.ask(f"data source {DATA_SOURCE_ID}")
    assert "Pages is FAILED: cannot assume the role\n" in answer
    assert "this is about the trust policy" in answer


def test_500_data_sources_are_read_with_progress(world: World):
    for number in range(500):
        configuration = {"type": "AEM", "secretArn": f"{SECRET_ARN[:-6]}Others"}
        world.server.add(
            f"{number:04}{OTHER_ID[4:]}", roleArn=f"{ROLE_ARN}-2", configuration=configuration
        )
    world.add_data_source()
    said = world.check()
    assert said.code == 0
    assert f"ok       data source {DATA_SOURCE_ID}: Pages is ACTIVE" in said.out
    assert "check: data sources: 500 of 501\n" in said.err
