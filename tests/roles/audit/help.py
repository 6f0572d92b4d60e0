"""Provide accounts for testing `audit`."""

import json
from typing import Any

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION
from tests.helpers.world import (
    INDEX_ARN,
    INGEST,
    ROOT,
    THROUGH_SECRETS_MANAGER,
    TRUST,
    Maker,
    World,
    allow,
    data_source_id,
    deny,
    own_policy,
    policy,
    s3_policy,
)


def shared_role(world: World, first: str, second: str) -> tuple[str, str]:
    """Add two data sources that share one role, which can read both secrets."""
    secrets = [world.secret(name) for name in (first, second)]
    document = json.loads(own_policy(secrets[0]))
    document["Statement"][0]["Resource"] = secrets
    role_arn = world.role("qbusiness-shared", json.dumps(document))
    return world.add(first, role_arn, secrets[0]), world.add(second, role_arn, secrets[1])


def add_files(world: World, connector: str = "s3-v2") -> str:
    """Add a data source for a bucket, with a role like the program's."""
    world.bucket()
    kind = {"s3-v1": "S3", "s3-v2": "S3V2"}[connector]
    configuration = {"type": kind, "connectionConfiguration": {"bucketName": "documents"}}
    role_arn = world.role("qbusiness-s3", s3_policy("qbusiness-s3"))
    return world.add("Files", role_arn, kind=kind, configuration=configuration)


def create_key(world: World, *more: dict[str, Any]) -> str:
    """Return the ARN of a new key whose policy delegates to the account and has these statements."""
    account = allow("kms:*", "*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    return world.client("kms").create_key(Policy=policy(account, *more))["KeyMetadata"]["Arn"]


def complete_world(world: World) -> None:
    """Add data sources that have no problems."""
    key = create_key(world)
    decrypt = allow("kms:Decrypt", key, Condition=THROUGH_SECRETS_MANAGER)
    world.add_own(decrypt, secret={"KmsKeyId": key})
    world.attach("qbusiness-Pages", "pages", own_policy(world.secret_arn, decrypt))
    add_files(world, "s3-v1")


def add_granted(world: World) -> None:
    """Add to `complete_world` a data source whose audit requires the remaining permissions.

    A grant, a bucket policy, or an alternative on AWS's pages replaces each statement that a role lacks.
    """
    others = {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
    key = create_key(world, deny("kms:Decrypt", "*", Principal="*", Condition=others))
    world.server.answers["organizations:DescribeOrganization"] = {"Organization": {"Id": "o-a1b2c3d4e5"}}
    ingest = allow(INGEST, INDEX_ARN)
    of_others = {"StringEquals": {"aws:ResourceTag/team": "other"}}
    by_tag = deny(["kms:Decrypt", "s3:GetObject"], "*", Condition=of_others)
    without = "AllowsAmazonQToIngestDocuments"
    world.add_own(ingest, by_tag, name="Granted", without=without, secret={"KmsKeyId": key})
    world.client("kms").create_grant(KeyId=key, GranteePrincipal=world.role_arn, Operations=["Decrypt"])
    # The policy of the bucket from `add_files`, not the role's policy, allows listing the bucket.
    role = "arn:aws:iam::123456789012:role/qbusiness-s3"
    document = json.loads(s3_policy("qbusiness-s3"))
    kept = [each for each in document["Statement"] if each["Action"] != ["s3:ListBucket"]]
    world.put_policy(policy(*kept, by_tag), role="qbusiness-s3")
    world.server.answers["s3:GetBucketAbac"] = {"AbacStatus": {"Status": "Enabled"}}
    listing = allow("s3:ListBucket", "arn:aws:s3:::documents", Principal={"AWS": role})
    world.s3.put_bucket_policy(Bucket="documents", Policy=policy(listing))


def add_audit_role(world: World, account: str, name: str = "audit", **trust: Any) -> Maker:
    """Add to another account the role that an audit assumes; return the account's administrator."""
    there = world.administrator(account)
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": ROOT, **trust}
    there.role(name, trust=policy(statement), Path="/security/")
    return there


def add_elsewhere(
    world: World, there: Maker, account: str, *more: dict[str, Any], name: str, region: str = REGION
) -> None:
    """Add to another account or Region a data source with a role like the program's.

    `more` changes the role policy as in `own_policy`.
    """
    application, index = f"{APPLICATION_ID[:-12]}{account}", f"{INDEX_ID[:-12]}{account}"

    def moved(text: str) -> str:
        text = text.replace(ACCOUNT, account).replace(REGION, region)
        return text.replace(APPLICATION_ID, application).replace(INDEX_ID, index)

    secrets = there.client("secretsmanager", region)
    secret_arn = secrets.create_secret(Name=f"secret/{name}", SecretString="{}")["ARN"]
    document = moved(own_policy("SECRET", *more)).replace("SECRET", secret_arn)
    role_arn = there.role(f"qbusiness-{name}", document, trust=moved(TRUST))
    qbusiness = world.server.elsewhere(region, account)
    qbusiness.add(application, displayName="Docs")
    qbusiness.add(application, index, displayName="Main")
    world.count += 1
    configuration = {"type": "AEM", "secretArn": secret_arn}
    entries = {"displayName": name, "type": "AEM", "configuration": configuration, "roleArn": role_arn}
    qbusiness.add(application, index, data_source_id(world.count), **entries)
