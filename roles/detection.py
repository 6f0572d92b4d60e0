"""Find a data source's connector and resources in its configuration.

Each connector's page has the JSON schema for its configuration:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connectors-list.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from components.connectors import CONNECTORS, Connector, Need, Status
from roles.account import Reply
from roles.arns import Arn
from roles.errors import InputError, OddAnswerError

_SETTLED_BY: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]]] = {
    "AEM": (("deploymentType",), {"CLOUD": "aem-cloud", "ON_PREMISE": "aem-server"}),
    "ALFRESCO": (
        ("repositoryAdditionalProperties", "type"),
        {"PAAS": "alfresco-cloud", "ON_PREM": "alfresco-server"},
    ),
    "CONFLUENCE": (("type",), {"SAAS": "confluence-cloud", "ON_PREM": "confluence-server"}),
    "GITHUB": (("type",), {"SAAS": "github-cloud", "ON_PREMISE": "github-server"}),
    # The connectors for Amazon RDS and Aurora have the same types and roles as these.
    "JDBC": (
        ("dbType",),
        {
            "DB2": "ibm-db2",
            "MYSQL": "my-sql",
            "ORACLE": "oracle-database",
            "POSTGRESQL": "postgresql",
            "SQLSERVER": "ms-sql-server",
        },
    ),
    "SHAREPOINT": (
        ("repositoryAdditionalProperties", "version"),
        {"ONLINE": "sharepoint-cloud", "SERVER": "sharepoint-server-subscription"},
    ),
}
"""For each type (without its version) that several connectors share: the path under `_ENDPOINT` to the
entry that distinguishes the connectors, and the connector for each value of this entry."""
_ENDPOINT: Final = "repositoryEndpointMetadata"
_BUCKET_KEY: Final = re.compile(r"(?:s3)?bucket(?:_?name)?", re.IGNORECASE)
_FILE_KEY: Final = re.compile(
    r"s3SeedUrl|s3SiteMapUrl|\w*certificate\w*|path|userFilterPath", re.IGNORECASE
)
"""Matches the names of entries that can contain the S3 URL of a file, such as a certificate."""
_S3_URL: Final = re.compile(r"s3://([^/]+)", re.IGNORECASE)


class Uses(NamedTuple):
    """The possible connectors and the resources of a data source, or those in a role's settings."""

    type: str
    """The type of the data source; empty for settings."""
    connectors: Sequence[Connector]
    """The connectors of this type, or the one in the settings; empty if the type is unknown."""
    secret_ids: Sequence[str] = ()
    """The ARNs or names of the secrets: the data source's secret, then its web proxy's secret."""
    buckets: Sequence[str] = ()
    bucket_account: str | None = None
    """The account that owns the bucket; None if it is unknown or not in the configuration."""
    vpc: Mapping[str, Sequence[str]] = MappingProxyType({})
    """`subnetIds` and `securityGroupIds`, as in the API; for settings without a VPC, both are empty."""
    configuration: Mapping[str, Any] = MappingProxyType({})
    """The data source's configuration; empty for settings."""


def enrichment_roles(reply: Reply) -> Iterator[str]:
    """Yield the ARNs of the roles with which a data source enriches documents.

    https://docs.aws.amazon.com/amazonq/latest/api-reference/API_HookConfiguration.html
    """
    for name, value in reply.get("documentEnrichmentConfiguration", {}).items():
        if name.endswith("HookConfiguration") and value.get("roleArn"):
            yield value["roleArn"]


def find_uses(data_source: Reply) -> Uses:
    """Find the type and resources of a data source in GetDataSource's response.

    No other module reads a data source's configuration. Raises OddAnswerError if a data source of a
    known type has no configuration, or if the type, a secret, or the bucket's account is not a string.
    """

    def text(value: object, name: str) -> str | None:
        found = _get_entry(value, name)
        if not isinstance(found, str | None):
            reason = f"has a {name} that is not a string"
            raise OddAnswerError(operation="qbusiness:GetDataSource", reason=reason)
        return found or None

    configuration: Mapping[str, Any] = data_source.get("configuration", {})
    kind = text(configuration, "type") or str(data_source["type"])
    if connectors_of(kind) and "configuration" not in data_source:
        raise OddAnswerError(operation="qbusiness:GetDataSource", reason="has no configuration")
    # Configurations of newer connectors have the secret and bucket under connectionConfiguration.
    connection = _get_entry(configuration, "connectionConfiguration")
    proxy = _get_entry(_get_entry(configuration, "additionalProperties"), "proxy")
    secrets = text(configuration, "secretArn") or text(connection, "secretArn"), text(proxy, "secretArn")
    return Uses(
        kind,
        tuple(connectors_of(kind)),
        tuple(dict.fromkeys(filter(None, secrets))),
        tuple(dict.fromkeys(_bucket_names(configuration))),
        text(connection, "bucketOwnerAccountId"),
        data_source.get("vpcConfiguration") or {},
        configuration,
    )


def is_named(arn: str, secret_id: str, account_id: str) -> bool:
    """Return whether `secret_id` is the name or ARN of the secret `arn`, with or without the suffix.

    A name can refer only to a secret in the data source's account, which is `account_id`.
    """
    texts = [arn]
    if Arn.of(arn).account == account_id:
        texts.append(arn.rpartition(":secret:")[2])
    return secret_id in [name for text in texts for name in (text, text[: -len("-XXXXXX")])]


def legacy_note(connectors: Iterable[str]) -> str:
    """Return a note about the connectors for which AWS has ended support; empty if there are none."""
    legacy = {name for name, each in CONNECTORS.items() if each.status is Status.LEGACY}
    names = sorted(legacy.intersection(connectors))
    if not names:
        return ""
    page = "docs/after-q-business.md lists the successors"
    return f"AWS ended support for the connector{'s' * (len(names) > 1)} {', '.join(names)}: {page}"


def find_connector(uses: Uses) -> Connector:
    """Identify a data source's connector.

    If the configuration fits several connectors, return the first one that supports the data source's
    resources or, if none does, the first one. All connectors that support these resources have identical
    roles. Raises InputError for an unknown type.
    """
    of_type = uses.connectors
    if not of_type:
        raise InputError(
            f"this program has no connector of type {uses.type}: with --connector, pass a "
            f"connector whose role has the same permissions: {', '.join(CONNECTORS)}"
        )
    if len(of_type) > 1:
        path, names = _SETTLED_BY[re.sub(r"V\d+$", "", uses.type.upper())]
        value = _get_entry(_get_entry(uses.configuration, "connectionConfiguration"), _ENDPOINT)
        for name in path:
            value = _get_entry(value, name)
        if settled := names.get(str(value).upper()):
            return CONNECTORS[settled]
    return next((connector for connector in of_type if _supports(connector, uses)), of_type[0])


def connectors_of(kind: str) -> list[Connector]:
    """Return the connectors that have this type; empty if the type is unknown."""
    return [connector for connector in CONNECTORS.values() if kind.upper() in connector.types.split()]


def _supports(connector: Connector, uses: Uses) -> bool:
    """Return whether a connector supports the resources of a data source and requires no others."""
    has = map(bool, (uses.secret_ids, uses.buckets, uses.vpc))
    return all(
        need is not (Need.NOT_SUPPORTED if used else Need.REQUIRED)
        for need, used in zip((connector.secret, connector.bucket, connector.vpc), has, strict=True)
    )


def _get_entry(value: object, name: str) -> object:
    return cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None


def _bucket_names(value: object, name: str = "") -> Iterator[str]:
    """Yield the bucket names in a configuration, from entries such as `bucketName` and from files' URLs.

    A URL in any other entry, such as a database query, does not identify an object for the connector.
    """
    if isinstance(value, Mapping):
        for key, entry in cast("Mapping[str, object]", value).items():
            yield from _bucket_names(entry, key)
    elif isinstance(value, list):
        for entry in cast("list[object]", value):
            yield from _bucket_names(entry, name)
    elif isinstance(value, str) and value:
        if _BUCKET_KEY.fullmatch(name):
            yield value
        elif _FILE_KEY.fullmatch(name) and (match := _S3_URL.match(value)):
            yield match[1]
