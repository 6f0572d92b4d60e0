"""List the properties of the role that the tests prove, and the accepted findings about its policy.

The tests in `tests/authorization/` contain the proofs. They fail if an entry here is missing or
superfluous.
"""

from enum import StrEnum
from typing import Final

from pages.example_calls import INDEX_ARN, SECURITY_GROUP_ARN, SUBNET_ARN


class NeverAllowed(StrEnum):
    """Access that the role policy never allows."""

    UNLISTED_ACTION = "an action that AWS's pages do not name"
    OTHER_SERVICE = "any action of a service that no setting requires"
    OTHER_BUCKET = "any action on another bucket, or on a bucket with the same name in another account"
    MORE_THAN_READING_THE_BUCKET = (
        "any action on the bucket except reading its objects and, if it is the data source, listing them"
    )
    OTHER_SECRET = "any action on another secret"
    MORE_THAN_READING_THE_SECRET = "any action on the secret except reading it"
    OTHER_KEY = "any action on another key"
    DECRYPTION_ELSEWHERE = (
        "decryption except through Secrets Manager, or through Amazon S3 if the bucket is the data "
        "source"
    )
    MORE_THAN_DECRYPTION = "any action on the key except decryption"
    OTHER_APPLICATION = "any action on another application or index"
    OTHER_ROLE = "any action on another role"
    MORE_THAN_PASSING_ITSELF = "any action on the role itself, except that the role can pass itself if the bucket is the data source"
    PASSING_ELSEWHERE = "passing the role to a service other than Amazon Q Business"
    CREATION_WITHOUT_TAG = "creating a network interface without the application's tag"
    CREATION_WITH_OTHER_TAG = "creating a network interface with a tag in addition to the application's"
    PERMISSION_WITHOUT_TAG = (
        "creating a permission for a network interface without the application's tag"
    )
    DELETION_WITHOUT_TAG = "deleting a network interface without the application's tag"
    TAGGING_LATER = "tagging existing resources"
    DELETION_WITHOUT_SETTING = (
        "deleting any network interface, unless `allowNetworkInterfaceDeletion` is set"
    )
    OTHER_NETWORK = (
        "any EC2 action, except `Describe*`, on resources other than network interfaces and the subnets "
        "and security groups in `vpcConfiguration`"
    )


class NeverAssumed(StrEnum):
    """Ways in which the role can never be assumed."""

    OTHER_PRINCIPAL = "by a principal other than Amazon Q Business"
    OTHER_ACTION = "with an action other than sts:AssumeRole"
    OTHER_ACCOUNT = "for another account"
    OTHER_APPLICATION = "for another application"


KNOWN_FINDINGS: Final = {
    (
        "RESOURCE_MISMATCH",
        "ec2:CreateNetworkInterface",
    ): "AWS's page divides its resources between two statements",
    (
        "RESOURCE_MISMATCH",
        "ec2:DeleteNetworkInterface",
    ): "AWS's page; the action has no effect, as `INERT` says",
}
"""The policy linter's findings by type and action, with the reasons for accepting them."""

_OF_AWS: Final = "AWS's page; the action does not support this type of resource"
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
"""Actions and resources that no request can combine, with the reasons why the policy contains them."""

_OLDER_VERSION: Final = "ingestScope: index, an older version of AWS's page"
UNCOVERED: Final = {
    ("qbusiness:BatchPutDocument", "qbusiness/application"): _OLDER_VERSION,
    ("qbusiness:BatchDeleteDocument", "qbusiness/application"): _OLDER_VERSION,
}
"""Actions, each with a required resource type that the policy can leave uncovered, and the reasons."""
