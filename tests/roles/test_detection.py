"""`roles` finds a data source's connector, secret, and bucket."""

from typing import Any

import pytest

from components.connectors import CONNECTORS
from pages.examples import ACCOUNT, APPLICATION_ARN, INDEX_ID, OTHER_ACCOUNT, REGION
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.world import FOREIGN_KEY_ARN, NAME, World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("project")]


def configured(kind: str, more: Any = (), **endpoint: Any) -> dict[str, Any]:
    """Return a data source's configuration, in the form of its connector's JSON schema."""
    connection = {"repositoryEndpointMetadata": endpoint}
    return {"type": kind, "connectionConfiguration": connection, **dict(more)}


def nested(**properties: str) -> dict[str, Any]:
    return {"repositoryAdditionalProperties": properties}


@pytest.mark.parametrize(
    ("connector", "configuration"),
    [
        (None, configured("AEM", deploymentType="CLOUD", aemUrl="https://x", authType="OAuth2")),
        ("aem-server", configured("AEM", deploymentType="ON_PREMISE")),
        ("alfresco-cloud", configured("ALFRESCO", **nested(type="PAAS", authType="Basic"))),
        ("alfresco-server", configured("ALFRESCO", **nested(type="ON_PREM"))),
        ("confluence-cloud", configured("CONFLUENCEV2", type="SAAS")),
        ("confluence-server", configured("CONFLUENCE", type="ON_PREM")),
        ("github-cloud", configured("GITHUB", type="SAAS")),
        ("github-server", configured("GITHUB", type="ON_PREMISE")),
        ("sharepoint-cloud", configured("SHAREPOINTV2", **nested(version="Online"))),
        ("sharepoint-server-subscription", configured("SHAREPOINT", **nested(version="Server"))),
        ("my-sql", configured("JDBC", dbType="mysql")),
        ("ms-sql-server", configured("JDBC", dbType="sqlserver")),
        ("ibm-db2", configured("JDBC", dbType="db2")),
        ("oracle-database", configured("JDBC", dbType="oracle")),
        ("postgresql", configured("JDBC", dbType="postgresql")),
        ("exchange", configured("MSEXCHANGE")),
        ("teams", configured("MSTEAMSV2")),
        ("googledrive-v1", configured("GOOGLEDRIVE")),
        ("googledrive-v2", configured("GOOGLEDRIVEV3")),
        ("webcrawler", configured("WEBCRAWLERV2")),
        ("Asana", configured("ASANA")),
    ],
)
def test_type_and_configuration_identify_connector(
    world: World, connector: str | None, configuration: dict[str, Any]
):
    world.make(configuration=configuration)
    said = world.adopt("--json").json
    assert said["config"].get(f"{PROJECT_NAME}:connector") == connector
    assert said["connector"] == (connector or "aem-cloud")


@pytest.mark.parametrize(
    "kind", sorted({kind for row in CONNECTORS.values() for kind in row.types.split()})
)
def test_minimal_configuration_of_each_type_yields_connector(world: World, kind: str):
    if kind.startswith("S3"):
        world.bucket()
        connection = {"bucketName": "documents"}
        world.make(
            configuration={"type": kind, "secretArn": None, "connectionConfiguration": connection}
        )
    else:
        world.make(configuration={"type": kind})
    assert kind in CONNECTORS[world.adopted().get("connector", "aem-cloud")].types.split()


@pytest.mark.parametrize(
    ("configuration", "bucket"),
    [
        (configured("SHAREPOINTV2", **nested(version="Online", s3bucketName="files")), "files"),
        (configured("WEBCRAWLERV2", s3SeedUrl="s3://files/seeds.txt", s3SiteMapUrl=None), "files"),
        (configured("CONFLUENCEV2", type="ON_PREM", sslCertificatePath="s3://files/a.pem"), "files"),
        (configured("ALFRESCO", {"additionalProperties": {"path": "s3://files/a.pem"}}), "files"),
        (configured("MSEXCHANGEV2", {"filter": [{"userFilterPath": "s3://files/users"}]}), "files"),
        (configured("SHAREPOINTV2", **nested(version="Online", s3bucketName="")), None),
        # Only a file that AWS's page describes is an object that the connector reads.
        (configured("CONFLUENCEV2", type="ON_PREM", exclusionPattern="s3://files/a"), None),
        (configured("CONFLUENCEV2", type="ON_PREM", sslCertificatePath="see s3://files/a"), None),
    ],
)
def test_bucket_in_configuration_becomes_bucket_name_setting(
    world: World, configuration: dict[str, Any], bucket: str | None
):
    world.make(configuration=configuration)
    config = world.adopted()
    assert config.get("bucketName") == bucket
    assert "bucketAccountId" not in config


def test_bucket_selects_connector_of_ambiguous_type(world: World):
    # Alfresco Cloud has no bucket.
    world.make(configuration={"type": "ALFRESCO", "bucketName": "files"})
    assert world.adopted()["connector"] == "alfresco-server"


@pytest.mark.parametrize(
    ("configuration", "bucket", "warning"),
    [
        (
            {"bucketName": "files"},
            None,
            "to the bucket files, but the program's role for the aem-cloud connector has no access",
        ),
        (
            configured("WEBCRAWLERV2", s3SeedUrl="s3://one/a", s3SiteMapUrl="s3://two/b"),
            "one",
            "refers to several buckets (one, two)",
        ),
    ],
)
def test_bucket_that_role_cannot_read_causes_warning(
    world: World, configuration: dict[str, Any], bucket: str | None, warning: str
):
    world.make(configuration={"type": "AEM", **configuration})
    assert world.adopted("--dry-run").get("bucketName") == bucket
    assert warning in world.adopt("--dry-run").err


def test_a_site_without_sign_in_has_no_secret(world: World):
    world.make(configuration={"type": "WEBCRAWLERV2", "secretArn": None})
    assert "secretId" not in world.adopted()
    assert "secretsmanager:DescribeSecret" not in world.server.calls


def test_secret_and_bucket_of_newer_connector_are_found(world: World):
    world.make(configuration={"secretArn": None}, kind="ONEDRIVEV3")
    world.server.data_source()["configuration"] = {
        "type": "ONEDRIVEV3",
        "connectionConfiguration": {"secretArn": world.secret_arn},
        "filterConfiguration": {"userFilterPath": "s3://files/users.txt"},
    }
    config = world.adopted()
    assert (config["connector"], config["bucketName"]) == ("onedrive-new", "files")
    assert config["secretId"] == world.secret_arn


def test_bucket_as_data_source_needs_no_secret_or_key(world: World):
    world.make_s3()
    assert world.adopted() == {
        "aws:region": REGION,
        "aws:allowedAccountIds": [ACCOUNT],
        "applicationId": APPLICATION_ARN,
        "indexId": INDEX_ID,
        "connector": "s3-v2",
        "bucketName": "documents",
        "roleName": NAME,
    }


def test_key_and_account_of_bucket_become_settings(world: World):
    world.describe_key(FOREIGN_KEY_ARN)
    world.server.bucket_owner = OTHER_ACCOUNT
    world.make_s3(FOREIGN_KEY_ARN, OTHER_ACCOUNT)
    config = world.adopted("--dry-run")
    assert (config["kmsKeyId"], config["bucketAccountId"]) == (FOREIGN_KEY_ARN, OTHER_ACCOUNT)
    world.reject("s3:GetEncryptionConfiguration")
    assert "kmsKeyId" not in world.adopted("--dry-run")
    warning = "warning: s3:GetEncryptionConfiguration is not allowed on the bucket documents"
    assert warning in world.adopt("--dry-run").err


def test_missing_bucket_is_reported_on_one_line(world: World):
    world.make_s3()
    world.s3.delete_bucket(Bucket="documents")
    assert (
        "there is no bucket documents: point the data source to an existing bucket" in world.adopt().last
    )


def test_unknown_type_requires_data_source_and_connector(world: World):
    world.make(configuration={"type": "NEW"})
    assert (
        "no data source of a supported type matches the options (data sources considered: 1, "
        "types: NEW)" in world.adopt().err
    )
    said = world.adopt("--data-source", DATA_SOURCE_ID)
    assert "this program has no connector of type NEW: with --connector, pass a connector" in said.err
    assert world.adopted("--data-source", DATA_SOURCE_ID, "--connector", "box")["connector"] == "box"


def test_unknown_connector_is_rejected_with_suggestions(world: World):
    with pytest.raises(SystemExit) as stopped:
        world.adopt("--connector", "confluence")
    assert stopped.value.code == 2
    line = "'confluence' is not a connector; did you mean confluence-cloud or confluence-server?"
    assert line in world.capsys.readouterr().err


def test_lowercase_suffix_of_secret_arn_causes_no_warning(world: World):
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:pages-lowers"
    world.make(configuration={"secretArn": arn})
    world.describe_secret(ARN=arn)
    said = world.adopt("--dry-run")
    assert said.code == 0
    assert "lowercase letters" not in said.err
