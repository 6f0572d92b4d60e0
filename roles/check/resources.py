"""Ask whether the resources that the settings name exist, and the connector can use them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from components.connectors import Need
from roles.check.answers import Answer, ok, problem, skipped
from roles.check.subject import Subject, unless_gone
from roles.difference import TRUST_POLICY, Condition, Statement, implied, statements
from roles.errors import code, is_denied

_ZONES: Final[Mapping[str, Sequence[str]]] = {
    "us-east-1": ("use1-az1", "use1-az2", "use1-az4"),
    "us-west-2": ("usw2-az1", "usw2-az2", "usw2-az3"),
    "eu-west-1": ("euw1-az1", "euw1-az2", "euw1-az3"),
    "ap-southeast-2": ("apse2-az1", "apse2-az2", "apse2-az3"),
}
"""IDs of the Availability Zones in which the service creates network interfaces.
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connector-vpc.html"""
_NO_VPC: Final = "the settings have no VPC"
_NO_KEY: Final = "the settings have no customer managed key"


def credentials(subject: Subject) -> Answer:
    """Show whose answers these are."""
    return ok(f"account {subject.account_id} in {subject.region}, {subject.caller_arn}")


# Amazon Q Business.


def application(subject: Subject) -> Answer:
    """Ask whether the application exists, and is active."""
    found = subject.application
    if found is None:
        return problem(
            f"there is no application {subject.application_id} in {subject.region}",
            f"{subject.stack.command('application_id', 'APPLICATION_ID')}; "
            f"`aws qbusiness list-applications --region {subject.region}` lists them",
        )
    return _active("application", subject.application_id, found, "")


def index(subject: Subject) -> Answer:
    """Ask whether the index exists, is active, and belongs to the application."""
    if subject.application is None:
        return skipped("there is no application")
    application_id, index_id = subject.application_id, subject.index_id
    found = unless_gone(lambda: subject.account.index(application_id, index_id))
    if found is None:
        return problem(
            f"there is no index {index_id} in application {application_id}",
            f"{subject.stack.command('index_id', 'INDEX_ID')}; "
            f"`aws qbusiness list-indices --application-id {application_id}` lists them",
        )
    return _active("index", index_id, found, ", and belongs to the application")


def _active(kind: str, identifier: str, found: Mapping[str, Any], more: str) -> Answer:
    status, error = found["status"], found.get("error", {}).get("errorMessage", "")
    if status in ("ACTIVE", "UPDATING"):
        return ok(f"{found.get('displayName') or identifier} is {status.lower()}{more}")
    reason = f": {error}" if error else ""
    return problem(
        f"{kind} {identifier} is {status}{reason}",
        "wait until it is ACTIVE"
        if status == "CREATING"
        else f"create another {kind}, and set its ID in the stack's configuration",
    )


# The secret and its key.


def secret(subject: Subject) -> Answer:
    """Ask whether the secret exists under exactly the ARN of the policy, with a value."""
    arn = subject.policies.resource("secretsmanager:GetSecretValue")
    if arn is None:
        return ok(f"the connector {subject.stack.connector.name} has none in the settings")
    found = subject.secret
    if found is None:
        return _other_secret(subject, arn)
    if "DeletedDate" in found:
        return problem(
            f"{arn} is scheduled for deletion",
            f"aws secretsmanager restore-secret --secret-id {arn}",
        )
    if not any("AWSCURRENT" in stages for stages in found.get("VersionIdsToStages", {}).values()):
        return problem(
            f"{arn} has no value",
            f"aws secretsmanager put-secret-value --secret-id {arn} --secret-string file://SECRET_FILE",
        )
    return ok(f"{arn} exists, and has a value")


def _other_secret(subject: Subject, arn: str) -> Answer:
    """Look for a secret of the same name, which was created again under another ARN."""
    name = arn.split(":", 6)[6].rpartition("-")[0]
    found = unless_gone(lambda: subject.account.secret(name))
    if found is None:
        return problem(
            f"there is no secret {arn}",
            f"{subject.stack.command('secret_id', 'SECRET_ARN')}; "
            "`aws secretsmanager list-secrets` lists them",
        )
    return problem(
        f"there is no secret {arn}, but {found['ARN']}: it was created again, and the policy names the "
        "old one",
        f"{subject.stack.command('secret_id', found['ARN'])}, then `pulumi up`",
    )


def encryption(subject: Subject) -> Answer:
    """Ask whether the key of the secret, or of the bucket's objects, is the one in the settings."""
    wanted = subject.policies.resource("kms:Decrypt")
    if subject.stack.connector.bucket_is_source:
        bucket = str(subject.stack.get("bucket_name"))
        what, key_id = f"bucket {bucket}", subject.account.bucket_key(bucket)
    elif subject.policies.resource("secretsmanager:GetSecretValue") is None:
        return ok("nothing that the role reads is encrypted with a key of its own")
    elif subject.secret is None:
        return skipped("there is no secret")
    else:
        what, key_id = "the secret", subject.secret.get("KmsKeyId")
    actual = customer_managed_key(subject, key_id)
    if actual == wanted:
        return ok(f"{what} is encrypted with {wanted or 'a key that AWS manages'}")
    if actual is None:
        return problem(
            f"{what} is encrypted with a key that AWS manages, and kmsKeyId is {wanted}",
            f"{subject.stack.command('kms_key_id', None)}, then `pulumi up`",
        )
    return problem(
        f"{what} is encrypted with {actual}, and kmsKeyId is {wanted or 'not set'}",
        f"{subject.stack.command('kms_key_id', actual)}, then `pulumi up`",
    )


def customer_managed_key(subject: Subject, key_id: str | None) -> str | None:
    """Return the ARN of a key by ID, ARN or alias; None for one that AWS manages."""
    if not key_id or "alias/aws/" in key_id:
        return None
    wanted = subject.policies.resource("kms:Decrypt")
    if wanted and key_id in (wanted, wanted.rpartition("/")[2]):
        return wanted
    found = subject.account.key(key_id)
    return None if found["KeyManager"] == "AWS" else found["Arn"]


def key(subject: Subject) -> Answer:
    """Ask whether the key can decrypt."""
    arn = subject.policies.resource("kms:Decrypt")
    if arn is None:
        return ok(_NO_KEY)
    found = subject.key
    if found is None:
        return problem(f"there is no key {arn}", subject.stack.command("kms_key_id", "KEY_ID"))
    if found["KeyState"] != "Enabled":
        fix = {
            "Disabled": f"aws kms enable-key --key-id {arn}",
            "PendingDeletion": f"aws kms cancel-key-deletion --key-id {arn} && "
            f"aws kms enable-key --key-id {arn}",
        }
        return problem(
            f"{arn} is {found['KeyState']}", fix.get(found["KeyState"], "wait until it is Enabled")
        )
    spec = found.get("KeySpec") or found.get("CustomerMasterKeySpec")
    if spec != "SYMMETRIC_DEFAULT" or found.get("KeyUsage", "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT":
        return problem(
            f"{arn} is not a symmetric key for encryption, but {spec} for {found.get('KeyUsage')}",
            "encrypt the secret with a symmetric key, and set its ID as kmsKeyId",
        )
    return ok(f"{arn} is enabled and symmetric")


def key_policy(subject: Subject) -> Answer:
    """Ask whether the policy of the key lets the role decrypt, itself or through IAM."""
    arn = subject.policies.resource("kms:Decrypt")
    if arn is None:
        return ok(_NO_KEY)
    if subject.key is None:
        return skipped("there is no key")
    owner = arn.split(":")[4]
    if owner != subject.account_id:
        return skipped(
            f"only account {owner}, which has the key, can read its policy: it has to let "
            f"{subject.stack.role_arn or 'the role'} use kms:Decrypt"
        )
    policy = [*statements(TRUST_POLICY, subject.account.key_policy(arn))]
    account = f"arn:{subject.partition}:iam::{subject.account_id}:root"
    by_iam = {f"AWS:{account}", f"AWS:{subject.account_id}"}
    role = {f"AWS:{subject.stack.role_arn}"}
    request = _decryption(subject)
    denied = [each for each in policy if not each.allows and _decides(each, by_iam | role, request)]
    if denied:
        return problem(
            f"the key policy denies kms:Decrypt to the role ({denied[0].name})",
            f"aws kms put-key-policy --key-id {arn} --policy file://POLICY_FILE, without that statement",
        )
    allowed = [each for each in policy if each.allows and _decides(each, by_iam | role, request)]
    if not allowed:
        return problem(
            "the key policy neither lets the role decrypt nor leaves it to IAM",
            f"aws kms put-key-policy --key-id {arn} --policy file://POLICY_FILE, with the statement of "
            "docs/faq.md#access-denied-to-the-kms-key",
        )
    by_name = role & {*allowed[0].targets.patterns}
    return ok("names the role" if by_name else "leaves it to the account's IAM policies")


def _decryption(subject: Subject) -> list[Condition]:
    """Return the context of the request that the connector's decryption is, as conditions."""
    secret_arn = subject.policies.resource("secretsmanager:GetSecretValue")
    values = {
        "kms:viaservice": f"{'secretsmanager' if secret_arn else 's3'}.{subject.region}.amazonaws.com",
        "kms:calleraccount": subject.account_id,
        "kms:encryptioncontext:secretarn": secret_arn,
        "aws:principalaccount": subject.account_id,
        "aws:principalarn": subject.stack.role_arn,
    }
    return [Condition("StringEquals", key, frozenset({value})) for key, value in values.items() if value]


def _decides(statement: Statement, principals: set[str], request: Sequence[Condition]) -> bool:
    """Return whether a statement of a key policy is about the role's decryption."""
    return (
        statement.actions.covers("kms:Decrypt")
        and any(statement.targets.covers(principal) for principal in principals)
        and implied(request, statement.conditions)
    )


# The VPC.


def subnets(subject: Subject) -> Answer:
    """Ask whether the subnets exist in one VPC, in supported zones, with free addresses."""
    vpc = subject.stack.get("vpc_configuration")
    if not vpc:
        return ok(_NO_VPC)
    arns = {arn.rpartition("/")[2]: arn for arn in _network_arns(subject, "subnet/")}
    found = {subnet["SubnetId"]: subnet for subnet in subject.account.subnets([*arns])}
    zones = _ZONES.get(subject.region, ())
    wrong: list[str] = []
    fixes: list[str] = []
    for number, (identifier, arn) in enumerate(arns.items()):
        subnet = found.get(identifier)
        if subnet is None:
            wrong.append(f"there is no subnet {identifier} in {subject.region}")
            fixes.append("SUBNET_ID")
        elif subnet.get("SubnetArn", arn) != arn:
            wrong.append(f"{identifier} belongs to account {subnet['OwnerId']}, which shares it")
            fixes.append(subnet["SubnetArn"])
        elif zones and subnet["AvailabilityZoneId"] not in zones:
            wrong.append(
                f"{identifier} is in {subnet['AvailabilityZoneId']}, and Amazon Q Business supports "
                f"{', '.join(zones)}"
            )
            fixes.append("SUBNET_ID")
        elif subnet["AvailableIpAddressCount"] == 0:
            wrong.append(f"{identifier} has no free address")
            fixes.append("SUBNET_ID")
        else:
            continue
        fixes[-1] = subject.stack.command("vpc_configuration", fixes[-1], "subnet_ids", number)
    vpcs = sorted({subnet["VpcId"] for subnet in found.values()})
    if len(vpcs) > 1:
        places = (f"{subnet['SubnetId']} in {subnet['VpcId']}" for subnet in found.values())
        wrong.append(f"the subnets are in {len(vpcs)} VPCs: {', '.join(places)}")
        fixes.append(subject.stack.command("vpc_configuration", "SUBNET_ID", "subnet_ids", 0))
    if wrong:
        return problem(wrong[0], f"{fixes[0]}, then `pulumi up`", *wrong[1:])
    free = sum(subnet["AvailableIpAddressCount"] for subnet in found.values())
    where = ", ".join(sorted({subnet["AvailabilityZoneId"] for subnet in found.values()}))
    return ok(f"{len(found)} in {vpcs[0]}, {where}, with {free:,} free addresses")


def security_groups(subject: Subject) -> Answer:
    """Ask whether the security groups exist, in the VPC of the subnets."""
    if not subject.stack.get("vpc_configuration"):
        return ok(_NO_VPC)
    wanted = [arn.rpartition("/")[2] for arn in _network_arns(subject, "security-group/")]
    found = {group["GroupId"]: group for group in subject.account.security_groups(wanted)}
    subnet_ids = [arn.rpartition("/")[2] for arn in _network_arns(subject, "subnet/")]
    vpcs = {subnet["VpcId"] for subnet in subject.account.subnets(subnet_ids)}
    for number, identifier in enumerate(wanted):
        group = found.get(identifier)
        if group is None:
            text = f"there is no security group {identifier} in {subject.region}"
        elif vpcs and group["VpcId"] not in vpcs:
            text = f"{identifier} is in {group['VpcId']}, and the subnets in {', '.join(sorted(vpcs))}"
        else:
            continue
        fix = subject.stack.command(
            "vpc_configuration", "SECURITY_GROUP_ID", "security_group_ids", number
        )
        return problem(text, f"{fix}, then `pulumi up`")
    return ok(f"{len(wanted)}, in the VPC of the subnets")


def _network_arns(subject: Subject, kind: str) -> list[str]:
    """Return the ARNs of the subnets or of the security groups, as the policy has them."""
    return [
        arn
        for arn in subject.policies.resources("ec2:CreateNetworkInterface")
        if arn.split(":", 5)[5].startswith(kind)
    ]


# The bucket.


def bucket(subject: Subject) -> Answer:
    """Ask whether the bucket exists, in the account that the policy names, and in this Region."""
    name = subject.stack.get("bucket_name")
    if not name:
        return ok("the settings have no bucket")
    owner = subject.stack.get("bucket_account_id") or subject.account_id
    try:
        region = subject.account.bucket_region(name)
    except ClientError as error:
        if code(error) == "NoSuchBucket":
            return problem(
                f"there is no bucket {name}", subject.stack.command("bucket_name", "BUCKET_NAME")
            )
        raise
    try:
        subject.account.bucket_region(name, owner)
    except ClientError as error:
        if is_denied(error):
            return problem(
                f"bucket {name} does not belong to account {owner}, which the policy names",
                f"{subject.stack.command('bucket_account_id', 'ACCOUNT_ID')}, then `pulumi up`",
            )
        raise
    if region != subject.region and subject.stack.connector.bucket is Need.REQUIRED:
        return problem(
            f"bucket {name} is in {region}, and the index in {subject.region}: Amazon Q Business reads "
            "buckets of its own Region only",
            "copy the documents to a bucket of that Region, and set bucketName",
        )
    return ok(f"{name} exists in account {owner}, {region}")
