"""Tests `roles/detection.py`, which finds a data source's connector, secrets, and buckets."""

from typing import Any, Final

import pytest

from components.connectors import CONNECTORS
from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from roles.detection import Uses, enrichment_roles, find_connector, find_uses, is_named, legacy_note
from roles.errors import InputError, OddAnswerError
from tests.helpers.world import World


def configured(kind: str, more: Any = (), **endpoint: Any) -> dict[str, Any]:
    """Return a data source's configuration in the format of its connector's JSON schema."""
    connection = {"repositoryEndpointMetadata": endpoint}
    return {"type": kind, "connectionConfiguration": connection, **dict(more)}


def nested(**properties: str) -> dict[str, Any]:
    return {"repositoryAdditionalProperties": properties}


def uses(configuration: dict[str, Any]) -> Uses:
    """Parse a response of GetDataSource with this configuration."""
    return find_uses({"type": "CUSTOM", "configuration": configuration})


@pytest.mark.parametrize(
    ("connector", "configuration"),
    [
        ("aem-cloud", configured("AEM", deploymentType="CLOUD", authType="OAuth2")),
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
        ("box", configured("box")),
        # A known deployment type determines the connector, even if that connector supports no buckets.
        ("alfresco-cloud", configured("ALFRESCO", {"bucketName": "files"}, **nested(type="PAAS"))),
        # Without a known deployment type, the first connector that supports the resources is chosen.
        ("alfresco-server", {"type": "ALFRESCO", "secretArn": "a", "bucketName": "files"}),
        ("confluence-server", configured("CONFLUENCE", {"bucketName": "files"}, type="NEW")),
    ],
)
def test_type_and_configuration_identify_connector(connector: str, configuration: dict[str, Any]):
    assert find_connector(uses({"secretArn": "a", **configuration})).name == connector


def test_type_alone_is_enough_to_find_a_connector():
    for kind in {kind for row in CONNECTORS.values() for kind in row.types.split()}:
        assert kind in find_connector(uses({"type": kind})).types.split()


@pytest.mark.parametrize(
    ("configuration", "buckets"),
    [
        (configured("SHAREPOINTV2", **nested(version="Online", s3bucketName="files")), ["files"]),
        (configured("WEBCRAWLERV2", s3SeedUrl="S3://files/seeds.txt", s3SiteMapUrl=None), ["files"]),
        (configured("CONFLUENCEV2", type="ON_PREM", sslCertificatePath="s3://files/a.pem"), ["files"]),
        (configured("ALFRESCO", {"additionalProperties": {"path": "s3://files/a.pem"}}), ["files"]),
        (configured("MSEXCHANGEV2", {"filter": [{"userFilterPath": "s3://files/users"}]}), ["files"]),
        (configured("SHAREPOINTV2", **nested(version="Online", s3bucketName="")), []),
        *(
            (configured("JDBC", **{name: "files"}), ["files"])
            for name in ("bucket", "bucket_name", "BucketName", "s3Bucket", "S3BUCKET_NAME")
        ),
        # Buckets keep the configuration's order, without duplicates.
        (
            configured("WEBCRAWLERV2", s3SeedUrl="s3://z/a", s3SiteMapUrl="s3://a/b", path="s3://z/c"),
            ["z", "a"],
        ),
        # The connector reads only the files that AWS's page describes.
        (configured("CONFLUENCEV2", type="ON_PREM", exclusionPattern="s3://files/a"), []),
        (configured("CONFLUENCEV2", type="ON_PREM", sslCertificatePath="see s3://files/a"), []),
        (configured("JDBC", bucketNames="files", otherBucket="files"), []),
    ],
)
def test_buckets_are_found_in_configuration(configuration: dict[str, Any], buckets: list[str]):
    assert [*uses(configuration).buckets] == buckets


PROXY: Final = {"additionalProperties": {"proxy": {"secretArn": "proxy"}}}


@pytest.mark.parametrize(
    ("configuration", "secrets", "account"),
    [
        ({"connectionConfiguration": {"secretArn": "own"}}, ["own"], None),
        ({"secretArn": "own", "connectionConfiguration": {"secretArn": "other"}}, ["own"], None),
        ({"secretArn": "", "connectionConfiguration": {"bucketOwnerAccountId": ""}}, [], None),
        ({**PROXY, "secretArn": "own"}, ["own", "proxy"], None),
        ({**PROXY, "secretArn": "proxy"}, ["proxy"], None),
        ({"connectionConfiguration": {"bucketOwnerAccountId": OTHER_ACCOUNT}}, [], OTHER_ACCOUNT),
    ],
)
def test_secrets_and_bucket_account_are_found_in_configuration(
    configuration: dict[str, Any], secrets: list[str], account: str | None
):
    found = uses({"type": "WEBCRAWLERV2", **configuration})
    assert ([*found.secret_ids], found.bucket_account) == (secrets, account)


@pytest.mark.parametrize(
    ("configuration", "name"),
    [
        ({"type": ["AEM"]}, "type"),
        ({"type": "AEM", "secretArn": ["own"]}, "secretArn"),
        ({"type": "AEM", "connectionConfiguration": {"secretArn": 1}}, "secretArn"),
        ({"additionalProperties": {"proxy": {"secretArn": 1}}}, "secretArn"),
        ({"connectionConfiguration": {"bucketOwnerAccountId": 1}}, "bucketOwnerAccountId"),
    ],
)
def test_unusable_configuration_raises_odd_answer_error(configuration: dict[str, Any], name: str):
    with pytest.raises(OddAnswerError, match=f"^the response to qbusiness:GetDataSource has a {name} "):
        uses(configuration)


def test_unknown_type_needs_no_configuration_and_has_no_connector():
    with pytest.raises(OddAnswerError, match="GetDataSource has no configuration"):
        find_uses({"type": "AEM"})
    found = find_uses({"type": "CUSTOM"})
    assert found.connectors == ()
    with pytest.raises(InputError, match="no connector of type CUSTOM: with --connector, pass a "):
        find_connector(found)


@pytest.mark.parametrize(
    ("identifier", "is_same"),
    [
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:a/wiki-a1B2c3", True),
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:a/wiki", True),
        ("a/wiki-a1B2c3", True),
        ("a/wiki", True),
        ("wiki", False),
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:a/wiki-a1B2c4", False),
    ],
)
@pytest.mark.parametrize("account", [ACCOUNT, OTHER_ACCOUNT])
def test_secret_is_identified_by_arn_or_by_name_within_its_account(
    identifier: str, is_same: bool, account: str
):
    arn = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:a/wiki-a1B2c3"
    is_usable = account == ACCOUNT or identifier.startswith("arn:")
    assert is_named(arn, identifier, account) is (is_same and is_usable)


def test_roles_of_enrichment_hooks_are_found():
    hooks = {
        "inlineConfigurations": [],
        "preExtractionHookConfiguration": {"roleArn": "first"},
        "postExtractionHookConfiguration": {"roleArn": "second"},
    }
    assert [*enrichment_roles({"documentEnrichmentConfiguration": hooks})] == ["first", "second"]
    hooks["preExtractionHookConfiguration"] = {"s3BucketName": "hooks"}  # the API requires no role
    assert [*enrichment_roles({"documentEnrichmentConfiguration": hooks})] == ["second"]


def test_unsupported_connectors_are_listed_once_in_order():
    assert legacy_note(["onedrive-new", "s3-v2"]) == ""
    text = "AWS ended support for the connector"
    assert legacy_note(["quip", "s3-v2", "quip"]).startswith(f"{text} quip: docs/")
    assert legacy_note(["yammer", "quip", "drupal"]).startswith(f"{text}s drupal, quip, yammer: docs/")


@pytest.mark.slow
@pytest.mark.usefixtures("project")
def test_lowercase_suffix_of_secret_arn_causes_no_warning(world: World):
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:pages-lowers"
    world.make(configuration={"secretArn": arn})
    world.describe_secret(arn)
    said = world.adopt("--dry-run")
    assert said.code == 0
    assert "lowercase letters" not in said.err
