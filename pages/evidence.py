"""Name the properties that the tests prove of the role, and the accepted findings.

`tests/authorization/` contains the proofs, and fails if an entry is missing or superfluous.
"""

from enum import StrEnum
from typing import Final

from pages.connector_calls import INDEX_ARN, SECURITY_GROUP_ARN, SUBNET_ARN


class NeverAllowed(StrEnum):
    """What the role policy never allows, whatever the request."""

    UNLISTED_ACTION = "an action that AWS's pages do not name"
    OTHER_SERVICE = "a service that the settings do not ask for"
    OTHER_BUCKET = "another bucket, or a bucket of that name in another account"
    MORE_THAN_READING_THE_BUCKET = (
        "anything with the bucket but reading its objects, and listing them if it is the data source"
    )
    OTHER_SECRET = "another secret"
    MORE_THAN_READING_THE_SECRET = "anything with the secret but reading it"
    OTHER_KEY = "another key"
    DECRYPTION_ELSEWHERE = (
        "decryption but through Secrets Manager, or through Amazon S3 if the bucket is the data source"
    )
    MORE_THAN_DECRYPTION = "anything with the key but decryption"
    OTHER_APPLICATION = "another application or index"
    CREATION_WITHOUT_TAG = "creating a network interface without the application's tag"
    CREATION_WITH_OTHER_TAG = "creating a network interface with a tag beside the application's"
    PERMISSION_WITHOUT_TAG = "a permission for a network interface without the application's tag"
    DELETION_WITHOUT_TAG = "deleting a network interface without the application's tag"
    TAGGING_LATER = "tags for what exists already"
    DELETION_WITHOUT_SETTING = (
        "deleting any network interface, unless allowNetworkInterfaceDeletion is set"
    )
    OTHER_NETWORK = "anything of EC2 but these subnets and groups, and network interfaces"


class NeverAssumed(StrEnum):
    """How the role is never assumed, whatever the request."""

    OTHER_PRINCIPAL = "by another principal than Amazon Q Business"
    OTHER_ACTION = "by another action than sts:AssumeRole"
    OTHER_ACCOUNT = "for another account"
    OTHER_APPLICATION = "for another application"


KNOWN_FINDINGS: Final = {
    (
        "RESOURCE_MISMATCH",
        "ec2:CreateNetworkInterface",
    ): "AWS's page spreads its resources over two statements",
    (
        "RESOURCE_MISMATCH",
        "ec2:DeleteNetworkInterface",
    ): "AWS's page; it has no effect, as the table of pairs says",
}
"""Kind of finding of the linter, and action: the reason to accept it."""

_OF_AWS: Final = "AWS's page; the action does not take this type of resource"
INERT: Final = {
    **{
        (f"qbusiness:{action}", f"{INDEX_ARN}/data-source/*"): _OF_AWS
        for action in ("PutGroup", "CreateUser", "DeleteGroup", "UpdateUser", "ListGroups")
    },
    ("qbusiness:CreateUser", INDEX_ARN): _OF_AWS,
    ("qbusiness:UpdateUser", INDEX_ARN): _OF_AWS,
    ("ec2:DeleteNetworkInterface", SUBNET_ARN): _OF_AWS,
    ("ec2:DeleteNetworkInterface", SECURITY_GROUP_ARN): _OF_AWS,
}
"""Action and resource: the reason why the pair, which no request can have, is in the policy."""

_OLDER_EDITION: Final = "ingestScope: index, AWS's older edition"
UNCOVERED: Final = {
    ("qbusiness:BatchPutDocument", "qbusiness/application"): _OLDER_EDITION,
    ("qbusiness:BatchDeleteDocument", "qbusiness/application"): _OLDER_EDITION,
}
"""Action and type of resource that it requires: the reason why the policy does not cover it."""
