"""Provide accounts for testing `roles audit`."""

import json
import re
from datetime import UTC, datetime, timedelta

from tests.helpers.world import (
    INDEX_ARN,
    INGEST,
    KEY_ARN,
    THROUGH_SECRETS_MANAGER,
    Output,
    World,
    allow,
    own_policy,
    s3_policy,
)


def result(said: Output, identifier: str) -> str:
    (found,) = (each for each in said.json["dataSources"] if each["dataSourceId"] == identifier)
    return found["result"]


def shared_role(world: World, first: str, second: str) -> tuple[str, str]:
    """Add two data sources that share one role, which reads both secrets."""
    secrets = [world.secret(name) for name in (first, second)]
    document = json.loads(own_policy(secrets[0]))
    document["Statement"][0]["Resource"] = secrets
    role_arn = world.role("qbusiness-shared", json.dumps(document))
    return world.add(first, role_arn, secrets[0]), world.add(second, role_arn, secrets[1])


def add_files(world: World, connector: str = "s3-v2") -> str:
    """Add a data source whose documents are in a bucket, with the program's role."""
    world.bucket()
    kind = {"s3-v1": "S3", "s3-v2": "S3V2"}[connector]
    configuration = {"type": kind, "connectionConfiguration": {"bucketName": "documents"}}
    role_arn = world.role("qbusiness-s3", s3_policy("qbusiness-s3", connector))
    return world.add("Files", role_arn, kind=kind, configuration=configuration)


def complete_world(world: World) -> None:
    """Add data sources whose audit needs every permission, with nothing wrong."""
    world.describe_key()
    decrypt = allow("kms:Decrypt", KEY_ARN, Condition=THROUGH_SECRETS_MANAGER)
    world.add_own(decrypt, secret={"KmsKeyId": KEY_ARN})
    world.attach("qbusiness-Pages", "pages", own_policy(world.secret_arn, decrypt))
    add_files(world, "s3-v1")


def add_granted(world: World) -> None:
    """Add a data source whose role decrypts by a grant, and ingests documents into the index alone."""
    world.describe_key()
    ingest = allow(INGEST, INDEX_ARN)
    without = "AllowsAmazonQToIngestDocuments"
    world.add_own(ingest, name="Granted", without=without, secret={"KmsKeyId": KEY_ARN})
    grant = {"GranteePrincipal": world.role_arn, "Operations": ["Decrypt"]}
    world.server.answers["kms:ListGrants"] = {"Grants": [grant], "Truncated": False}


def set_age(world: World, age: timedelta) -> datetime:
    """Make all roles this old where the account lists them, and return when they were created."""
    created = datetime.now(UTC) - age
    element = f"<CreateDate>{created:%Y-%m-%dT%H:%M:%SZ}</CreateDate>".encode()
    world.server.spoil["iam:ListRoles"] = lambda body: re.sub(
        rb"<CreateDate>.*?</CreateDate>", element, body
    )
    return created
