"""`roles check` shows no part of a secret setting."""

from collections.abc import Callable
from typing import Final

import pytest

from evidence import examples
from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.support import golden
from tests.helpers.world import (
    KEY_ARN,
    OTHER_ID,
    OTHER_KEY_ARN,
    ROLE_ARN,
    ROLE_NAME,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    SECRET_NAME,
    VPC,
    WIDE,
    Output,
    World,
    allow,
    policy,
)
from tests.roles.check.breaks import BREAKS, BUCKET_BREAKS, Break
from tests.roles.check.help import ROLE_ID

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


def test_the_values_of_secret_settings_are_not_shown(world: World):
    world.secret_keys = {f"{PROJECT_NAME}:{key}" for key in ("secretId", "vpcConfiguration")}
    world.recreate_secret()
    world.subnet(AvailabilityZoneId="use1-az6")
    world.add_data_source()
    said = world.check()
    assert said.code == 1
    for value in (SECRET_NAME, examples.SUBNET_ID, SECOND_SUBNET_ID, examples.SECURITY_GROUP_ID):
        assert value not in said.out + said.err
    arn = f"arn:aws:secretsmanager:{examples.REGION}:{examples.ACCOUNT}:secret:[secret]"
    answer = said.answer("secret")
    assert f"there is no secret {arn}, but {arn} has the same name: the secret was" in answer
    assert "fix: 1. pulumi config set --stack dev --secret -- secretId SECRET_ARN && pulumi up" in answer
    assert "subnets: [secret] is in use1-az6, but Amazon Q Business supports only use1-az1" in said.out


BOUNDARY_NAME: Final = "confidential-boundary"


def make_all_secret(world: World) -> list[str]:
    """Make every setting secret, as an ARN where possible; return the values to hide."""
    world.bound(WIDE, BOUNDARY_NAME)
    subnets = [
        f"arn:aws:ec2:{examples.REGION}:{examples.ACCOUNT}:subnet/{it}"
        for it in (examples.SUBNET_ID, SECOND_SUBNET_ID)
    ]
    world.set(
        applicationId=examples.APPLICATION_ARN,
        accountId=examples.ACCOUNT,
        roleName=ROLE_NAME,
        rolePath="/confidential-path/",
        roleDescription="e",
        tags={"e": "confidential-tag"},
    )
    if f"{PROJECT_NAME}:secretId" in world.settings:
        world.set(secretId=SECRET_ARN, kmsKeyId=KEY_ARN, vpcConfiguration={**VPC, "subnetIds": subnets})
    else:
        world.set(kmsKeyId=KEY_ARN, bucketAccountId=examples.ACCOUNT)
    world.secret_keys = {*world.settings}
    world.secret_outputs = {*world.outputs}
    return [
        *(
            examples.APPLICATION_ID,
            examples.INDEX_ID,
            SECRET_NAME,
            examples.KEY_ID,
            OTHER_KEY_ARN.rpartition("/")[2],
        ),
        *("bucket documents", ":documents"),
        *(
            examples.SUBNET_ID,
            SECOND_SUBNET_ID,
            examples.SECURITY_GROUP_ID,
            "vpc-",
            examples.ACCOUNT,
            examples.OTHER_ACCOUNT,
            examples.REGION,
        ),
        *(ROLE_NAME, BOUNDARY_NAME, "confidential", "eu-west-1", "use1-"),
    ]


def assert_hidden(hidden: list[str], said: Output) -> None:
    shown = [value for value in hidden if value in said.out + said.err]
    assert shown == [], said


@pytest.mark.parametrize("broken", [*BREAKS, *BUCKET_BREAKS], ids=lambda broken: broken.text[:60])
def test_no_part_of_a_secret_setting_is_shown_whatever_is_wrong(world: World, broken: Break):
    if broken in BUCKET_BREAKS:
        world.use_bucket()
    hidden = [*make_all_secret(world), "bucket nothing"]
    broken.apply(world)
    world.secret_keys = {*world.settings}
    if f"{PROJECT_NAME}:kmsKeyId" not in world.settings:
        hidden.remove(examples.KEY_ID)  # no setting contains it then
    asked = [broken.question] if broken in BREAKS else []  # for a bucket, ask all questions
    said = world.check(only=asked)
    assert f"problem  {broken.question}: " in said.out
    assert_hidden(hidden, said)
    assert_hidden(hidden, world.check("--json", only=asked))


def break_the_role(world: World) -> None:
    world.attach(ROLE_NAME, "wide")
    world.put_policy(golden("minimal-role-policy"))
    world.add_data_source(configuration={"type": "BOX", "secretArn": f"{SECRET_NAME}-2"})
    world.add_data_source(OTHER_ID, roleArn=f"{ROLE_ARN}-2")
    world.put_policy(WIDE, "by-hand")
    world.bound(policy(allow("kms:Encrypt", "*")), f"{BOUNDARY_NAME}-2")
    world.find(findingType="ERROR", findingDetails=f"{SECRET_ARN} is wrong")
    source = {"SourcePolicyId": f"role_{ROLE_NAME}_by-hand"}
    world.server.decide = lambda simulation: {
        action: {"EvalDecision": "explicitDeny", "MatchedStatements": [source]}
        for action in simulation.actions
    }


NO_INDEX: Final = {"errorMessage": f"no {examples.INDEX_ID}"}
REFUSALS: Final = {
    "iam:GetRole": (400, "ValidationError"),
    "ec2:DescribeSubnets": (400, "InvalidRequest"),
    "kms:DescribeKey": (503, "503"),
}


def break_around_the_role(world: World) -> None:
    world.resource(examples.APPLICATION_ID, status="FAILED", error=NO_INDEX)
    world.put_secret_policy({"AWS": ROLE_ID})
    world.put_key_policy({"AWS": ROLE_ID})
    world.deny_passing()
    world.add_data_source()
    error = {"errorMessage": f"no {SECRET_ARN}", "errorCode": "InvalidRequest"}
    world.add_sync("FAILED", error=error)
    world.add_data_source(OTHER_ID, roleArn=f"{ROLE_ARN}-2")


MORE_BREAKS: list[Callable[[World], object]] = [
    break_the_role,
    break_around_the_role,
    World.delete_role,
    lambda world: world.outputs.update(
        roleArn=ROLE_ARN.replace(examples.ACCOUNT, examples.OTHER_ACCOUNT)
    ),
    lambda world: world.set(accountId=examples.OTHER_ACCOUNT),
    lambda world: world.set(indexId="confidential"),
    lambda world: world.server.rejections.update(REFUSALS),
    lambda world: world.reject("sts:GetCallerIdentity"),
    lambda world: world.server.pages.update({"kms:GetKeyPolicy": 200}),
    lambda world: world.caller(f"arn:aws:sts::{examples.ACCOUNT}:federated-user/me"),
]


@pytest.mark.parametrize("apply", MORE_BREAKS)
def test_no_part_of_a_secret_setting_is_shown_when_the_role_or_aws_is_wrong(
    world: World, apply: Callable[[World], object]
):
    hidden = make_all_secret(world)
    world.server.said = (
        f"by {examples.APPLICATION_ARN}, {SECRET_ARN}, {KEY_ARN} and {examples.SUBNET_ID}"
    )
    apply(world)
    world.secret_keys = {*world.settings}
    assert_hidden(hidden, world.check())


def test_the_code_of_a_hidden_message_is_shown(world: World):
    world.secret_keys = {f"{PROJECT_NAME}:secretId"}
    world.reject("ec2:DescribeSubnets", status=400, code="InvalidRequest")
    assert world.ask("subnets") == (
        "skipped  subnets: ec2:DescribeSubnets failed (InvalidRequest: the message is hidden because "
        "some settings are secret): repeat the command; if it fails again, look up InvalidRequest in "
        "AWS's documentation\n"
    )


def test_a_secret_of_one_letter_changes_no_other_text(world: World):
    world.role("e", golden("default-role-policy").replace(examples.OTHER_ACCOUNT, examples.ACCOUNT))
    world.put_policy(WIDE, "by-hand", "e")
    world.outputs = {"roleArn": f"arn:aws:iam::{examples.ACCOUNT}:role/e", "roleName": "e"}
    world.set(roleName="e", roleDescription="e", tags={"e": "e"})
    plain = world.check().out
    world.secret_keys = {f"{PROJECT_NAME}:{key}" for key in ("roleName", "roleDescription", "tags")}
    expected = plain.replace(":role/e", ":role/[secret]")
    expected = expected.replace("--role-name e", "--role-name ROLE_NAME")
    assert world.check().out == expected
    assert "--role-name ROLE_NAME --policy-name by-hand" in expected


def test_a_role_arn_that_is_secret_in_the_stack_is_not_shown(world: World):
    world.secret_outputs = {"roleArn"}
    said = world.check()
    assert f"role: arn:aws:iam::{examples.ACCOUNT}:role/[secret]\n" in said.out
    assert ROLE_NAME not in said.out
