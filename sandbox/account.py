"""Create resources that `Pulumi.dev.yaml`, `Pulumi.example.yaml`, and the pages in docs/ refer to.

One bucket belongs to another account. The other resources are in the sandbox's account, which otherwise
contains only the resources that every new AWS account has, such as the default VPC. Each moto service
gets its resources on the first call to the service, because moto's EC2 takes most of a second to import.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final
from unittest.mock import patch

from sandbox.environment import REGION
from sandbox.qbusiness import QBusiness

ACCOUNT_ID: Final = "123456789012"
"""The sandbox's account, which is moto's default account."""
DOCUMENTS_ACCOUNT_ID: Final = "210987654321"
"""The account that owns DOCUMENTS_BUCKET."""
APPLICATION_ID: Final = "a1b2c3d4-5678-90ab-cdef-111111111111"
INDEX_ID: Final = "b2c3d4e5-6789-01ab-cdef-222222222222"
SECRET_ARN: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:qbusiness/aem-cloud-a1B2c3"
KEY_ID: Final = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN: Final = f"arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/{KEY_ID}"
KEY_ARN_BY_SECRET_ID: Final[Mapping[str, str | None]] = {
    "qbusiness/aem-cloud-a1B2c3": KEY_ARN,
    "qbusiness/intranet-b2C3d4": KEY_ARN,
    "qbusiness/slack-d4E5f6": None,
    "qbusiness/wiki-c3D4e5": None,
}
"""The customer managed key that encrypts each secret; None if AWS manages the key.

A secret's ID is the last part of its ARN.
"""
CERTIFICATE_BUCKET: Final = "qbusiness-files"
CERTIFICATE_OBJECT_KEY: Final = "sharepoint.crt"
DOCUMENTS_BUCKET: Final = "qbusiness-documents"
VPC_ID: Final = "vpc-0d4e5f60718293041"
# These subnets are in use1-az1 and use1-az2, which are zones that Amazon Q Business supports.
ZONE_AND_CIDR_BY_SUBNET_ID: Final[Mapping[str, tuple[str, str]]] = {
    "subnet-0a1b2c3d4e5f60718": (f"{REGION}b", "10.0.0.0/24"),
    "subnet-0b2c3d4e5f6071829": (f"{REGION}c", "10.0.1.0/24"),
}
"""The Availability Zone and CIDR block of each subnet."""
SECURITY_GROUP_ID: Final = "sg-0c3d4e5f607182930"


def fill_qbusiness(qbusiness: QBusiness) -> None:
    """Add the application and its index."""
    qbusiness.add(APPLICATION_ID, displayName="Docs", identityType="AWS_IAM_IDC")
    qbusiness.add(APPLICATION_ID, INDEX_ID, displayName="Main", type="ENTERPRISE")


def find_bucket_owner(bucket_name: str) -> str | None:
    """Return the account that owns a bucket; None if the bucket does not exist."""
    from moto.s3.models import s3_backends

    _partition, account_id = s3_backends.bucket_accounts.get(bucket_name, (None, None))
    return account_id


def _fill_secrets_manager() -> None:
    from moto.secretsmanager.models import secretsmanager_backends
    from moto.secretsmanager.utils import SecretsManagerSecretIdentifier
    from moto.utilities.id_generator import moto_id_manager

    for secret_id, key_arn in KEY_ARN_BY_SECRET_ID.items():
        secret_name, _, suffix = secret_id.rpartition("-")
        # Only this secret gets the suffix. If it is recreated, the new secret gets a different suffix.
        moto_identifier = SecretsManagerSecretIdentifier(ACCOUNT_ID, REGION, secret_name)
        moto_id_manager.set_custom_id(moto_identifier, suffix)
        secretsmanager_backends[ACCOUNT_ID][REGION].create_secret(
            name=secret_name,
            secret_string="{}",
            secret_binary=None,
            description="Credentials of a data source",
            tags=[],
            kms_key_id=key_arn,
            client_request_token=None,
            replica_regions=[],
            force_overwrite=False,
        )
        moto_id_manager.unset_custom_id(moto_identifier)


def _fill_kms() -> None:
    from moto.kms import models

    with patch.object(models, "generate_key_id", return_value=KEY_ID):
        models.kms_backends[ACCOUNT_ID][REGION].create_key(
            policy=None,
            key_usage="ENCRYPT_DECRYPT",
            key_spec="SYMMETRIC_DEFAULT",
            description="Key of the secrets",
            tags=None,
        )


def _fill_ec2() -> None:
    from moto.ec2.models import ec2_backends, security_groups, subnets, vpcs

    ec2 = ec2_backends[ACCOUNT_ID][REGION]
    with patch.object(vpcs, "random_vpc_id", return_value=VPC_ID):
        ec2.create_vpc("10.0.0.0/16")
    for subnet_id, (zone, cidr_block) in ZONE_AND_CIDR_BY_SUBNET_ID.items():
        with patch.object(subnets, "random_subnet_id", return_value=subnet_id):
            ec2.create_subnet(VPC_ID, cidr_block, availability_zone=zone)
    with patch.object(security_groups, "random_security_group_id", return_value=SECURITY_GROUP_ID):
        ec2.create_security_group("qbusiness", "Amazon Q Business", VPC_ID)


def _fill_s3() -> None:
    from moto.s3.models import s3_backends

    sandbox_s3 = s3_backends[ACCOUNT_ID]["aws"]
    sandbox_s3.create_bucket(CERTIFICATE_BUCKET, REGION)
    sandbox_s3.put_object(CERTIFICATE_BUCKET, CERTIFICATE_OBJECT_KEY, b"certificate")
    documents_s3 = s3_backends[DOCUMENTS_ACCOUNT_ID]["aws"]
    documents_s3.create_bucket(DOCUMENTS_BUCKET, REGION)
    bucket_arn = f"arn:aws:s3:::{DOCUMENTS_BUCKET}"
    # The bucket's owner must also let roles in another account read the bucket.
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
    }
    bucket_policy = {"Version": "2012-10-17", "Statement": [statement]}
    documents_s3.put_bucket_policy(DOCUMENTS_BUCKET, json.dumps(bucket_policy).encode())


FILL_FUNCTION_BY_SERVICE: Final[Mapping[str, Callable[[], None]]] = {
    "ec2": _fill_ec2,
    "kms": _fill_kms,
    "s3": _fill_s3,
    "secretsmanager": _fill_secrets_manager,
}
"""The functions that fill moto's services, by the service name in a request's signature."""
