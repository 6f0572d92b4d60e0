"""roles/needs: a Web Crawler's data source can have two secrets: the site's and the proxy's."""

import json
import re
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, OTHER_ACCOUNT, REGION
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import (
    KEY_ARN,
    OWN,
    ROLE_NAME,
    SECRET_ARN,
    SECRET_NAME,
    THROUGH_SECRETS_MANAGER,
    World,
    allow,
    policy,
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
    missing = [GET, *(["kms:Decrypt"] if key == another else [])]
    said = world.check(verbose=False)
    assert said.code == 1
    (text,) = said.answers("problem")
    assert text.startswith(f"role policy: {ROLE_NAME} cannot perform {GET} on {proxy}")
    given = re.findall(rf"add to a policy other than {OWN}: (.*)", said.out)[0]
    statements = json.loads(f"[{given}]")
    assert [action for each in statements for action in each["Action"]] == missing
    (result,) = world.audit("--json").json["dataSources"]
    assert result["result"] == "1 missing"
    adopt = world.adopt("--dry-run")
    assert f"the data source also uses {proxy}: before `pulumi up`, add this inline policy" in adopt.out

    world.put_policy(policy(*statements), "proxy")
    assert world.check().code == world.run(*OUTSIDE).code == 0


def test_policy_for_second_secret_is_kept_and_not_excess(world: World):
    proxy = world.secret("proxy")
    crawl(world, SECRET_ARN, proxy)
    world.put_policy(reader(proxy), "proxy")
    world.delete_policy()
    world.put_policy(reader(SECRET_ARN, proxy, keys=(KEY_ARN,)), "proxy")
    said = world.adopt("--dry-run")
    assert "\n  pages: proxy\n" in said.out
    assert f"also uses {proxy}" not in said.out


def test_missing_access_to_foreign_second_secret_is_reported(world: World):
    foreign = SECRET_ARN.replace("aem-cloud-a1B2c3", "proxy-a1B2c3").replace(ACCOUNT, OTHER_ACCOUNT)
    world.describe_secret(ARN=foreign)
    crawl(world, SECRET_ARN, foreign)
    assert f"cannot perform {GET} on {foreign}" in world.ask("role policy")


def test_decryption_of_second_secret_does_not_suffice(world: World):
    key = world.kms.create_key()["KeyMetadata"]["Arn"]
    proxy = world.secret("proxy", KmsKeyId=key)
    crawl(world, SECRET_ARN, proxy)
    decrypt = allow("kms:Decrypt", key, Condition=THROUGH_SECRETS_MANAGER, Sid="Decrypt")
    world.put_policy(policy(decrypt), "key")
    answer = world.ask("role policy")
    assert f"cannot perform {GET} on {proxy}: no policy of the role allows it" in answer
    assert "kms:Decrypt" not in answer
    assert "add this inline policy to the role: " in world.adopt("--dry-run").out
