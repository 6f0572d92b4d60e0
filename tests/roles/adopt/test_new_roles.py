"""A data source whose role serves others, too, gets a role of its own; the output says what changes."""

import json
from typing import Any, Final

import pytest
from moto.iam.models import iam_backends

from pages.examples import ACCOUNT, APPLICATION_ARN, REGION, SECURITY_GROUP_ID, SUBNET_ID
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import OWN, TRUST, World, allow, data_source_id, own_policy, policy, policy_name
from tests.roles.adopt.help import console_s3_policy

pytestmark = pytest.mark.slow

GET: Final = "secretsmanager:GetSecretValue"
OUTPUT: Final = "pulumi stack output --stack prod"


def share(world: World, *documents: str, trust: str = TRUST, **more: Any) -> tuple[str, str]:
    """Create two Web Crawlers with one role; return the ARNs of their secrets for the proxy."""
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


def test_lost_access_to_second_secret_causes_warning(world: World):
    proxies = share(world, BOTH_PROXIES)
    shown = world.adopt("--all")
    assert shown.code == 0
    first, second = shown.out.splitlines()[:2]
    for number, line in enumerate((first, second)):
        assert line == (
            f"site-{number}: warning: secretId is a single secret, but the data source also uses "
            f"{proxies[number]}: the new role cannot read it until you run `aws iam put-role-policy` "
            "after `pulumi up`"
        )
    lost = "".join(
        f"  site-{number} (new role in place of shared)\n      {GET}\n        on {proxies[1 - number]}\n"
        for number in (0, 1)
    )
    assert f"\nData sources that may lose access with a new role: 2\n{lost}" in shown.out
    later = (
        shown.out.partition("\nAfter `pulumi up`, run these commands, and ")[2]
        .partition("\n\n")[2]
        .partition("\n\n")[0]
        .splitlines()
    )
    pairs = " ".join(f"site-{number}={data_source_id(number)}" for number in (0, 1))
    assert later.pop() == f"qbusiness-roles assign --stack prod {pairs}"
    for number, put in enumerate(later):
        name = policy_name(proxies[number])
        statement = allow([GET], [proxies[number]], Sid="AllowsAmazonQToGetSecret")
        select = f'--json | jq -r \'.["site-{number}"]\')"'
        document = json.loads(put.partition("--policy-document '")[2].partition("'")[0])
        assert document["Statement"] == [statement]
        assert put.startswith(f"aws iam put-role-policy --policy-name {name} ")
        assert put.endswith(f'--role-name "$({OUTPUT} roleNames {select}')


def test_commands_for_one_new_role_use_singular_outputs(world: World):
    share(world, BOTH_PROXIES)
    said = world.adopt("--data-source", data_source_id(0))
    assert said.code == 0
    assert f"{PROJECT_NAME}:roleName" not in world.path("Pulumi.prod.yaml").read_text()
    assert f'--role-name "$({OUTPUT} roleName)"\n' in said.out
    assert f"\nqbusiness-roles assign --stack prod aem-connector={data_source_id(0)}\n" in said.out
    assert "pulumi import" not in said.out


def test_new_role_inherits_settings_of_shared_role(world: World):
    deletion = allow("ec2:DeleteNetworkInterface", f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/*")
    vpc = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
    share(world, policy(deletion), vpcConfiguration=vpc)
    boundary = world.managed("boundary")
    world.iam.put_role_permissions_boundary(RoleName="shared", PermissionsBoundary=boundary)
    world.iam.tag_role(RoleName="shared", Tags=[{"Key": "Team", "Value": "search"}])
    said = world.adopt("--all", "--json", "--dry-run").json
    settings = said["config"][f"{PROJECT_NAME}:dataSources"]["site-0"]
    assert settings["allowNetworkInterfaceDeletion"] is True
    assert (settings["permissionsBoundaryArn"], settings["tags"]) == (boundary, {"Team": "search"})
    lost = [each["policy"] for each in said["entries"]["site-0"]["change"]["lost"]]
    assert "extra-0" in lost  # the program allows the deletion only with the application's tag


def test_unused_shared_role_gets_deletion_commands(world: World):
    share(world, BOTH_PROXIES)
    arn = world.attach("shared", "managed")
    shown = world.adopt("--all").out
    (commands,) = shown.partition("such as a plugin, uses them:\n\n")[2].splitlines()
    assert commands == (
        f"aws iam delete-role-policy --role-name shared --policy-name {OWN} && "
        "aws iam delete-role-policy --role-name shared --policy-name extra-0 && "
        f"aws iam detach-role-policy --role-name shared --policy-arn {arn} && "
        "aws iam delete-role --role-name shared"
    )


@pytest.mark.parametrize(
    "reason", ["another data source", "a principal", "everybody", "a Region", "an owner", "a backend"]
)
def test_role_possibly_used_or_owned_gets_no_deletion_commands(world: World, reason: str):
    services = {"Service": ["qbusiness.amazonaws.com", "lambda.amazonaws.com"]}
    principal = {"a principal": services, "everybody": "*"}.get(reason)
    trust = policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
    share(world, trust=trust if principal else TRUST)
    if reason == "a backend":
        world.patch.setenv("PATH", "/usr/bin:/bin")  # without Pulumi
    options = ["--exclude", data_source_id(1)] if reason == "another data source" else []
    if reason == "a Region":
        world.server.unreadable.add("us-west-2")
    if reason == "an owner":
        role: Any = iam_backends[ACCOUNT]["aws"].get_role("shared")
        tag = {"Key": "aws:cloudformation:stack-name", "Value": "platform"}
        world.patch.setattr(role, "tags", [tag])
    said = world.adopt("--all", *options)
    assert "in place of shared" in said.out
    assert "delete-role" not in said.out


def test_two_data_sources_cannot_take_the_same_role(world: World):
    share(world)
    both = ("--take", data_source_id(0), "--take", data_source_id(1))
    said = world.adopt("--all", *both)
    assert said.code == 2
    assert "--take selects several data sources that use arn:" in said.err
    one = world.adopt("--all", "--take", data_source_id(0), "--json", "--dry-run").json["entries"]
    assert [one[name]["sharedRole"] is None for name in ("site-0", "site-1")] == [True, False]


def test_take_selects_entry_that_keeps_declared_role(world: World):
    share(world)
    config = {f"{PROJECT_NAME}:dataSources": {"site-0": {"roleName": "shared"}}}
    world.path("Pulumi.prod.yaml").write_text(json.dumps({"config": config}))
    rejected = world.adopt("--all", "--force")
    assert rejected.code == 2
    assert f"such as --take {data_source_id(0)}; the others get new roles" in rejected.err
    taken = world.adopt("--all", "--force", "--take", data_source_id(0), "--json").json["entries"]
    assert {name: each["sharedRole"] is None for name, each in taken.items()} == {
        "site-0": True,
        "site-1": False,
    }


@pytest.mark.parametrize("region", [REGION, "eu-west-1"])
@pytest.mark.parametrize("exists", [True, False])
def test_role_that_names_another_application_is_shared_if_it_exists(
    world: World, region: str, *, exists: bool
):
    made = world.client("qbusiness", region).create_application(displayName="Other")["applicationId"]
    other = made if exists else data_source_id(9)
    arn = f"arn:aws:qbusiness:{region}:{ACCOUNT}:application/{other}"
    world.make(trust=TRUST.replace(f'"{APPLICATION_ARN}"', json.dumps([APPLICATION_ARN, arn])))
    said = world.adopt("--all", "--json", "--dry-run").json["entries"]["pages"]
    assert said["because"] == (f"accepts requests for {arn}" if exists else "")
    taken = world.adopt("--all", "--dry-run", "--take", DATA_SOURCE_ID)
    assert ("with --take, the update can remove access" in taken.out) is exists
    assert "delete-role" not in world.adopt("--all").out


def test_gained_right_to_pass_the_role_names_the_new_role(world: World):
    world.bucket()
    role = world.role("shared", console_s3_policy())
    connection = {"bucketName": "documents", "bucketOwnerAccountId": ACCOUNT}
    configuration = {"type": "S3V2", "connectionConfiguration": connection}
    for number in (0, 1):
        source = {"displayName": f"files-{number}", "configuration": configuration, "roleArn": role}
        world.server.add(data_source_id(number), "S3V2", **source)
    said = world.adopt("--all", "--dry-run").out
    assert f"      iam:PassRole\n        on arn:aws:iam::{ACCOUNT}:role/<role name>\n" in said
