"""List the known findings of the linter, and why what they are about stays."""

from tests.authorization.cases import INDEX_ARN, SECURITY_GROUP_ARN, SUBNET_ARN

DATA_SOURCES = f"{INDEX_ARN}/data-source/*"

# Kind of finding and action: the reason why it stays.
KNOWN_FINDINGS = {
    (
        "RESOURCE_MISMATCH",
        "ec2:CreateNetworkInterface",
    ): "AWS's page spreads its resources over two statements",
    (
        "RESOURCE_MISMATCH",
        "ec2:DeleteNetworkInterface",
    ): "AWS's page; it has no effect, as the table of pairs says",
}
# Action and resource: the reason why the pair, which no request can have, is in the policy.
OF_AWS = "AWS's page; the action does not take this type of resource"
INERT = {
    **{
        (f"qbusiness:{action}", DATA_SOURCES): OF_AWS
        for action in ("PutGroup", "CreateUser", "DeleteGroup", "UpdateUser", "ListGroups")
    },
    ("qbusiness:CreateUser", INDEX_ARN): OF_AWS,
    ("qbusiness:UpdateUser", INDEX_ARN): OF_AWS,
    ("ec2:DeleteNetworkInterface", SUBNET_ARN): OF_AWS,
    ("ec2:DeleteNetworkInterface", SECURITY_GROUP_ARN): OF_AWS,
}
# Action and type of resource that it requires: the reason why the policy does not cover it.
UNCOVERED = {
    ("qbusiness:BatchPutDocument", "qbusiness/application"): "ingestScope: index, AWS's older edition",
    (
        "qbusiness:BatchDeleteDocument",
        "qbusiness/application",
    ): "ingestScope: index, AWS's older edition",
}
