"""Test the stand-in for AWS where its responses differ from moto's."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from pages.examples import ACCOUNT, APPLICATION_ID, KEY_ID, OTHER_ACCOUNT
from tests.helpers.stacks import Aws
from tests.helpers.world import KEY_ARN, OTHER_KEY_ARN, ROLE_ARN, ROOT, SECRET_ARN, World, policy

WITH_ID: Final = {"StringEquals": {"sts:ExternalId": "audit"}}
OF_ORGANIZATION: Final = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}


@pytest.mark.usefixtures("deployed")
def test_grants_are_listed_by_grantee_and_page(world: World):
    other = f"{ROLE_ARN}-other"
    for grantee in (ROLE_ARN, other, ROLE_ARN, other, ROLE_ARN):
        world.kms.create_grant(KeyId=KEY_ID, GranteePrincipal=grantee, Operations=["Decrypt"])
    first = world.kms.list_grants(KeyId=KEY_ID, GranteePrincipal=ROLE_ARN)
    assert (len(first["Grants"]), first["Truncated"]) == (2, True)
    asked = {"KeyId": KEY_ID, "GranteePrincipal": ROLE_ARN, "Marker": first["NextMarker"]}
    last = world.kms.list_grants(**asked)
    assert (len(last["Grants"]), last["Truncated"], last.get("NextMarker")) == (1, False, None)
    pages = world.kms.get_paginator("list_grants").paginate(KeyId=KEY_ID)
    assert len([*pages.search("Grants")]) == 5


@pytest.mark.usefixtures("deployed")
def test_version_of_secret_keeps_key_with_which_it_was_written(world: World):
    def keys(secret: str) -> list[list[str]]:
        listed = world.secrets.list_secret_version_ids(SecretId=secret)["Versions"]
        return [version["KmsKeyIds"] for version in listed]

    world.secrets.update_secret(SecretId=SECRET_ARN, KmsKeyId=OTHER_KEY_ARN)
    assert keys(SECRET_ARN) == [[KEY_ARN]]
    world.secrets.put_secret_value(SecretId=SECRET_ARN, SecretString="new")
    assert keys(SECRET_ARN) == [[KEY_ARN], [OTHER_KEY_ARN]]
    assert keys(world.secret("managed")) == [["DefaultEncryptionKey"]]


def test_only_existing_role_that_trusts_the_caller_is_assumed(world: World):
    other, sts = world.administrator(OTHER_ACCOUNT), world.client("sts")
    caller = {"AWS": sts.get_caller_identity()["Arn"]}
    arn = other.role("audit")

    def assume(external_id: str = "", **trust: object) -> str:
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **trust}
        other.iam.update_assume_role_policy(RoleName="audit", PolicyDocument=policy(statement))
        given = {"ExternalId": external_id} if external_id else {}
        try:
            answer = sts.assume_role(RoleArn=arn, RoleSessionName="tests", **given)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return answer["AssumedRoleUser"]["Arn"].rpartition(":")[2]

    session = "assumed-role/audit/tests"
    assert assume(Principal=ROOT) == session
    assert assume(Principal={"AWS": [OTHER_ACCOUNT, ACCOUNT]}) == session
    assert assume(Principal=caller) == session
    assert assume(Principal="*", external_id="not asked for") == session
    assert assume(Principal=ROOT, Condition=WITH_ID, external_id="audit") == session
    assert assume(Principal=ROOT, Condition=WITH_ID, external_id="Audit") == "AccessDenied"
    assert assume(Principal=ROOT, Condition=WITH_ID) == "AccessDenied"
    assert assume(Principal=ROOT, Condition=OF_ORGANIZATION) == "AccessDenied"
    assert assume(Principal=ROOT, Effect="Deny") == "AccessDenied"
    assert assume(Principal={"AWS": ROLE_ARN}) == "AccessDenied"
    assert assume(Principal={"Service": "qbusiness.amazonaws.com"}) == "AccessDenied"
    arn = f"{arn}-gone"
    assert assume(Principal=ROOT) == "AccessDenied"


def test_each_account_has_its_own_contents(world: World):
    other = world.administrator(OTHER_ACCOUNT)
    trust = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": ROOT})
    role_arn = other.role("theirs", trust=trust)
    other.secret("theirs")
    other.client("kms").create_key()
    other.s3.create_bucket(Bucket="theirs")
    world.server.elsewhere(account=OTHER_ACCOUNT).add(APPLICATION_ID, displayName="Theirs")
    sts = world.client("sts")
    given = sts.assume_role(RoleArn=role_arn, RoleSessionName="tests")["Credentials"]
    variables = {"AWS_ENDPOINT_URL": world.server.url, "AWS_ACCESS_KEY_ID": given["AccessKeyId"]}

    def contents(client: Callable[[str], Any]) -> list[list[str]]:
        return [
            [each["RoleName"] for each in client("iam").list_roles()["Roles"]],
            [each["Name"] for each in client("secretsmanager").list_secrets()["SecretList"]],
            [each["KeyArn"].split(":")[4] for each in client("kms").list_keys()["Keys"]],
            [each["Name"] for each in client("s3").list_buckets()["Buckets"]],
            [each["displayName"] for each in client("qbusiness").list_applications()["applications"]],
        ]

    assert contents(world.client) == [[], [], [], [], ["Docs"]]
    theirs = [["theirs"], ["theirs"], [OTHER_ACCOUNT], ["theirs"], ["Theirs"]]
    assert contents(Aws(variables).client) == theirs
