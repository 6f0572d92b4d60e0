"""Tests `roles/adopt/entries.py` with roles that several data sources share."""

import json
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, REGION, SECURITY_GROUP_ID, SUBNET_ID
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import OWN, TRUST, World, allow, data_source_id, own_policy, policy
from tests.roles.adopt.help import console_s3_policy

pytestmark = pytest.mark.slow

GET: Final = "secretsmanager:GetSecretValue"


def share(world: World, *documents: str, trust: str = TRUST, **more: Any) -> tuple[str, str]:
    """Create two Web Crawler data sources with one role; return the ARNs of their proxy secrets."""
    site = world.secret("site")
    proxies = [world.secret(f"proxy-{number}") for number in (0, 1)]
    names = [OWN, *(f"extra-{number}" for number in range(len(documents)))]
    role_arn = world.role("shared", trust=trust)
    for name, document in zip(names, [own_policy(site), *documents], strict=True):
        text = document.replace("PROXY-0", proxies[0]).replace("PROXY-1", proxies[1])
        world.put_policy(text, name, "shared")
    for number, proxy in enumerate(proxies):
        entries = {"proxy": {"secretArn": proxy}}
        configuration = {"type": "WEBCRAWLERV2", "secretArn": site, "additionalProperties": entries}
        source = {"displayName": f"site-{number}", "configuration": configuration, **more}
        world.server.add(data_source_id(number), "WEBCRAWLERV2", roleArn=role_arn, **source)
    return proxies[0], proxies[1]


BOTH_PROXIES: Final = policy(allow(GET, ["PROXY-0", "PROXY-1"], Sid="Proxies"))


def test_statement_for_second_secret_of_new_role_is_shown(world: World):
    proxies = share(world, BOTH_PROXIES)
    shown = world.adopt()
    assert shown.code == 0
    for number, line in enumerate(shown.out.splitlines()[:2]):
        text, _, statement = line.partition(", add to another policy of the role: ")
        assert text == (
            f"site-{number}: warning: secretId specifies only one secret, but the data source also uses "
            f"{proxies[number]}: before `assign`"
        )
        assert json.loads(statement) == allow([GET], [proxies[number]])
    lost = "".join(
        f"  site-{number} (new role in place of shared)\n      {GET}\n        on {proxies[1 - number]}\n"
        for number in (0, 1)
    )
    assert f"\nData sources that may lose access: 2\n{lost}" in shown.out
    pairs = " ".join(f"site-{number}={data_source_id(number)}" for number in (0, 1))
    assert f"\nqbusiness-roles assign --stack prod {pairs}\n" in shown.out
    assert "pulumi import" not in shown.out


def test_new_role_inherits_settings_of_shared_role(world: World):
    deletion = allow("ec2:DeleteNetworkInterface", f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/*")
    vpc = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
    share(world, policy(deletion), vpcConfiguration=vpc)
    boundary = world.managed("boundary")
    world.iam.put_role_permissions_boundary(RoleName="shared", PermissionsBoundary=boundary)
    world.iam.tag_role(RoleName="shared", Tags=[{"Key": "Team", "Value": "search"}])
    said = world.adopt("--json", "--dry-run").json
    settings = said["config"][f"{PROJECT_NAME}:dataSources"]["site-0"]
    assert settings["allowNetworkInterfaceDeletion"] is True
    assert (settings["permissionsBoundaryArn"], settings["tags"]) == (boundary, {"Team": "search"})
    lost = [each["policy"] for each in said["entries"]["site-0"]["lost"]]
    assert "extra-0" in lost  # the program's role can delete only interfaces with the application's tag


def test_two_data_sources_cannot_take_the_same_role(world: World):
    share(world)
    both = ("--take", data_source_id(0), "--take", data_source_id(1))
    said = world.adopt(*both)
    assert said.code == 2
    assert "--take selects several data sources that use arn:" in said.err
    one = world.adopt("--take", data_source_id(0), "--json", "--dry-run").json["entries"]
    assert [one[name]["sharedRole"] is None for name in ("site-0", "site-1")] == [True, False]


@pytest.mark.parametrize("region", [REGION, "eu-west-1"])
@pytest.mark.parametrize("exists", [True, False])
def test_role_that_trusts_another_existing_application_is_shared(
    world: World, region: str, *, exists: bool
):
    other = data_source_id(9)
    if exists:
        world.server.elsewhere(region).add(other, displayName="Other")
    arn = f"arn:aws:qbusiness:{region}:{ACCOUNT}:application/{other}"
    world.make(trust=TRUST.replace(f'"{APPLICATION_ARN}"', json.dumps([APPLICATION_ARN, arn])))
    said = world.adopt("--json", "--dry-run").json["entries"]["pages"]
    assert said["because"] == (f"accepts requests for {arn}" if exists else "")
    taken = world.adopt("--dry-run", "--take", DATA_SOURCE_ID)
    assert ("with --take, the update can remove access" in taken.out) is exists


def test_gained_pass_role_permission_is_for_the_new_role(world: World):
    world.bucket()
    role = world.role("shared", console_s3_policy())
    connection = {"bucketName": "documents", "bucketOwnerAccountId": ACCOUNT}
    configuration = {"type": "S3V2", "connectionConfiguration": connection}
    for number in (0, 1):
        source = {"displayName": f"files-{number}", "configuration": configuration, "roleArn": role}
        world.server.add(data_source_id(number), "S3V2", **source)
    said = world.adopt("--dry-run").out
    assert f"      iam:PassRole\n        on arn:aws:iam::{ACCOUNT}:role/<role name>\n" in said


def test_possible_earlier_key_causes_a_warning(world: World):
    share(world)
    world.make()
    world.reject("secretsmanager:ListSecretVersionIds")
    said = world.adopt("--dry-run")
    assert (said.code, said.out.count("may be encrypted with an earlier key: ")) == (0, 5)
    assert "\npages: warning: " in said.out


def test_principals_of_a_taken_role_may_lose_access(world: World):
    document = json.loads(TRUST)
    person = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/somebody"}
    document["Statement"].append({"Effect": "Allow", "Principal": person, "Action": "sts:AssumeRole"})
    world.make(trust=json.dumps(document))
    said = world.adopt("--take", DATA_SOURCE_ID, "--json")
    (verdict,) = said.json["entries"]["pages"]["lost"]
    assert (verdict["policy"], verdict["access"][0]["targets"]) == (
        "trust policy",
        [f"AWS:arn:aws:iam::{ACCOUNT}:user/somebody"],
    )
