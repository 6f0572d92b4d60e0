"""A Web Crawler's data source can have two secrets: the site's and the proxy's."""

import json
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, OTHER_ACCOUNT, REGION
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import (
    KEY_ARN,
    ROLE_NAME,
    SECRET_ARN,
    SECRET_NAME,
    THROUGH_SECRETS_MANAGER,
    WIDE,
    World,
    allow,
    policy,
    policy_name,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

GET: Final = "secretsmanager:GetSecretValue"
OUTSIDE: Final = ("check", "--application", APPLICATION_ID, "--data-source-id", DATA_SOURCE_ID)


def crawl(world: World, site: str | None, proxy: str | None) -> None:
    """Give the stack's role to a Web Crawler's data source with these secrets."""
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    world.set(connector="webcrawler")
    entries: dict[str, Any] = {"proxy": {"secretArn": proxy}} if proxy else {}
    configuration = {"type": "WEBCRAWLERV2", "secretArn": site, "additionalProperties": entries}
    world.add_data_source(configuration=configuration)


def reader(*secrets: str, keys: tuple[str, ...] = ()) -> str:
    """Return a policy that lets a role read secrets and decrypt with keys."""
    decrypt = allow("kms:Decrypt", [*keys], Condition=THROUGH_SECRETS_MANAGER, Sid="Decrypt")
    return policy(allow(GET, [*secrets], Sid="Read"), *([decrypt] if keys else []))


@pytest.mark.parametrize(
    ("site", "proxy"),
    [
        (SECRET_ARN, SECRET_NAME),
        (None, SECRET_NAME),
    ],
)
def test_single_secret_of_data_source_becomes_secret_id(
    world: World, site: str | None, proxy: str | None
):
    crawl(world, site, proxy)
    assert world.check().code == world.run(*OUTSIDE).code == 0
    assert world.adopted("--dry-run")["secretId"] == SECRET_ARN
    assert world.audit("--json").json["dataSources"][0]["result"] == "equivalent"


@pytest.mark.parametrize("encrypted_with", ["the same key", "another key"])
def test_unreadable_second_secret_is_problem_with_fix(world: World, encrypted_with: str):
    another = world.kms.create_key()["KeyMetadata"]["Arn"]
    key = {"the same key": KEY_ARN, "another key": another}[encrypted_with]
    proxy = world.secret("proxy", KmsKeyId=key)
    crawl(world, SECRET_ARN, proxy)
    statements = [{"Sid": "AllowsAmazonQToGetSecret", **allow([GET], [proxy])}]
    missing = f"           {GET} on {proxy}\n"
    if key == another:  # the role policy already allows the other key
        condition = {"StringLike": {"kms:ViaService": ["secretsmanager.*.amazonaws.com"]}}
        decrypt = allow(["kms:Decrypt"], [key], Condition=condition)
        statements.append({"Sid": "AllowsAmazonQToDecryptSecret", **decrypt})
        missing += f"           kms:Decrypt on {key}\n"
    name = policy_name(proxy)
    put = (
        f"aws iam put-role-policy --role-name {ROLE_NAME} --policy-name {name} "
        f"--policy-document '{policy(*statements)}'"
    )
    text = "no policy lets the role read the data source's second secret: add a separate policy"
    assert world.ask("other policies") == (
        f"problem  other policies: {text}\n{missing}         fix: {put}\n"
    )
    said = world.run(*OUTSIDE)
    assert said.code == 1
    assert f"problem  role policy: {text}" in said.out
    assert world.run(*OUTSIDE, "--json").json["separatePolicies"] == {
        name: json.loads(policy(*statements))
    }
    (result,) = world.audit("--json").json["dataSources"]
    assert result["result"] == f"{len(statements)} missing"
    adopt = world.adopt("--dry-run")
    assert f"the data source also uses {proxy}, which the role policy does not let" in adopt.err
    assert put in adopt.err

    world.put_policy(policy(*statements), name)
    assert world.check().code == world.run(*OUTSIDE).code == 0
    assert world.audit("--json").json["dataSources"][0]["result"] == "equivalent"


def test_attached_boundary_does_not_hide_second_secret_policy(world: World):
    proxy = world.secret("proxy")
    crawl(world, SECRET_ARN, proxy)
    world.put_policy(reader(proxy), "proxy")
    boundary = world.bound(reader(SECRET_ARN))
    world.iam.attach_role_policy(RoleName=ROLE_NAME, PolicyArn=boundary)
    said = world.check(only=["other policies", "permissions boundary"]).out
    assert f"problem  permissions boundary: {boundary} does not allow all connector requests\n" in said
    assert "no policy lets the role read" not in said


@pytest.mark.parametrize("action", ["secretsmanager:DescribeSecret", "kms:DescribeKey"])
def test_policy_is_kept_if_secret_or_key_cannot_be_described(world: World, action: str):
    proxy = world.secret("proxy", KmsKeyId=world.kms.create_key()["KeyMetadata"]["Arn"])
    crawl(world, SECRET_ARN, proxy)
    world.put_policy(reader(proxy), "proxy")
    world.reject(action)
    assert "delete-role-policy" not in world.ask("other policies")


def test_policy_for_second_secret_is_kept_and_not_excess(world: World):
    proxy = world.secret("proxy")
    crawl(world, SECRET_ARN, proxy)
    world.put_policy(reader(proxy), "proxy")
    world.delete_policy()
    world.put_policy(reader(SECRET_ARN, proxy, keys=(KEY_ARN,)), "proxy")
    said = world.adopt("--dry-run", "--replace-policies")
    assert "Role policy: new; kept: proxy.\n" in said.out
    assert f"also uses {proxy}: keep proxy, which lets the role read it" in said.err


def test_fix_adds_narrow_policy_before_removing_wide_policy(world: World):
    proxy = world.secret("proxy")
    crawl(world, SECRET_ARN, proxy)
    world.put_policy(WIDE, "wide")
    answer = world.ask("other policies")
    assert answer.startswith("note     other policies: the policy wide grants dangerous access")
    assert "to change this: 1. aws iam put-role-policy" in answer
    assert f"2. aws iam delete-role-policy --role-name {ROLE_NAME} --policy-name wide\n" in answer
    world.put_policy(WIDE, policy_name(proxy))
    again = world.check(only=["other policies"]).out
    assert f"--policy-name {policy_name(proxy)}\n" not in again


def test_missing_access_to_foreign_second_secret_is_reported(world: World):
    foreign = SECRET_ARN.replace("aem-cloud-a1B2c3", "proxy-a1B2c3").replace(ACCOUNT, OTHER_ACCOUNT)
    world.describe_secret(ARN=foreign)
    crawl(world, SECRET_ARN, foreign)
    answer = world.ask("other policies")
    assert f"{GET} on {foreign}\n" in answer


def test_decryption_of_second_secret_does_not_suffice(world: World):
    key = world.kms.create_key()["KeyMetadata"]["Arn"]
    proxy = world.secret("proxy", KmsKeyId=key)
    crawl(world, SECRET_ARN, proxy)
    decrypt = allow("kms:Decrypt", key, Condition=THROUGH_SECRETS_MANAGER, Sid="Decrypt")
    world.put_policy(policy(decrypt), "key")
    answer = world.check(only=["other policies"]).out
    assert f"{GET} on {proxy}\n" in answer
    assert "kms:Decrypt" not in answer.partition("fix:")[0]
    assert "which the role policy does not let the role read: before" in world.adopt("--dry-run").err
