"""Read the answers of `roles check`, and change what it asks about."""

from typing import Any, Final

from evidence.examples import ACCOUNT, KEY_ID, REGION, SECURITY_GROUP_ID, SUBNET_ID
from tests.helpers.world import (
    DENIED,
    ROLE_NAME,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    SECRET_NAME,
    World,
    allow,
    policy,
)


def set_up(setting: str, value: str) -> str:
    """Return the fix that sets a setting."""
    return f"pulumi config set --stack dev --plaintext -- {setting} {value} && pulumi up --stack dev"


def recreate_secret(world: World) -> None:
    world.delete_secret(SECRET_ARN)
    world.secrets.create_secret(Name=SECRET_NAME, SecretString="{}", KmsKeyId=KEY_ID)


def resource(world: World, *path: str, **members: Any) -> None:
    world.server.qbusiness.resources[path].update(members)


def key_policy(world: World, *statements: dict[str, Any]) -> None:
    world.kms.put_key_policy(KeyId=KEY_ID, PolicyName="default", Policy=policy(*statements))


def subnet(world: World, **members: Any) -> None:
    """Change what EC2 says of the first subnet."""
    first, second = (
        {
            "SubnetId": identifier,
            "SubnetArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{identifier}",
            "OwnerId": ACCOUNT,
            "VpcId": "vpc-1",
            "AvailabilityZoneId": "use1-az1",
            "AvailableIpAddressCount": 5,
        }
        for identifier in (SUBNET_ID, SECOND_SUBNET_ID)
    )
    world.server.answers["ec2:DescribeSubnets"] = {"Subnets": [{**first, **members}, second]}
    group = {"GroupId": SECURITY_GROUP_ID, "VpcId": "vpc-1"}
    world.server.answers["ec2:DescribeSecurityGroups"] = {"SecurityGroups": [group]}


def allow_key(principal: object, **more: Any) -> dict[str, Any]:
    return allow("kms:*", "*", Sid="Statement", Principal=principal) | more


ROOT: Final = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


OF_ORGANIZATION: Final = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}


ADMIN: Final = f"arn:aws:iam::{ACCOUNT}:role/admin"


ROLE_ID: Final = "AROADBQP57FF2AEXAMPLE"


def put_secret_policy(world: World, *principals: dict[str, Any]) -> None:
    statements = [allow("secretsmanager:*", "*", Principal=each) for each in principals]
    world.secrets.put_resource_policy(SecretId=SECRET_ARN, ResourcePolicy=policy(*statements))


def put_bucket_policy(world: World, *principals: dict[str, Any]) -> None:
    world.use_bucket()
    of_s3 = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::documents/*"}
    statements = [{**of_s3, "NotPrincipal": each} for each in principals]
    world.s3.put_bucket_policy(Bucket="documents", Policy=policy(*statements))


def put_key_policy(world: World, *principals: dict[str, Any]) -> None:
    key_policy(world, allow_key(ROOT), *map(allow_key, principals))


def delete_role(world: World) -> None:
    world.delete_policy()
    world.iam.delete_role(RoleName=ROLE_NAME)


def caller(world: World, arn: str) -> None:
    world.server.answers["sts:GetCallerIdentity"] = {"UserId": "A", "Account": ACCOUNT, "Arn": arn}


def deny_passing(world: World) -> None:
    world.server.decide = lambda simulation: (
        {"iam:PassRole": DENIED}
        if "iam:PassRole" in simulation.actions
        else world.deny_others(simulation)
    )


NEEDED_FOR_A_BUCKET: Final = (
    "s3:GetBucketLocation",
    "s3:GetBucketPolicy",
    "s3:GetEncryptionConfiguration",
)


OPTIONAL: Final = "organizations:DescribeOrganization"
