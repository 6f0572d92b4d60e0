"""`roles check` reads the policies of the secret, the key, and the bucket."""

from collections.abc import Callable, Mapping
from typing import Final

import pytest

from pages.examples import ACCOUNT, KEY_ID, OTHER_ACCOUNT
from tests.helpers.world import KEY_ARN, ROLE_ARN, ROOT, SECRET_ARN, World, allow_key, policy
from tests.roles.check.help import ROLE_ID

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


GET_SECRET_POLICY: Final = "secretsmanager:GetResourcePolicy"
RESOURCE_POLICIES: Final[Mapping[str, tuple[Callable[..., None], str, str]]] = {
    "secret": (
        World.put_secret_policy,
        (
            f"aws secretsmanager get-resource-policy --region us-east-1 --secret-id {SECRET_ARN} "
            "--query ResourcePolicy"
        ),
        (
            f"aws secretsmanager put-resource-policy --region us-east-1 --secret-id {SECRET_ARN} "
            "--resource-policy"
        ),
    ),
    "key": (
        World.put_key_policy,
        (
            f"aws kms get-key-policy --region us-east-1 --key-id {KEY_ID} --policy-name default "
            "--query Policy"
        ),
        f"aws kms put-key-policy --region us-east-1 --key-id {KEY_ID} --policy-name default --policy",
    ),
    "bucket": (
        World.put_bucket_policy,
        "aws s3api get-bucket-policy --bucket documents --query Policy",
        "aws s3api put-bucket-policy --bucket documents --policy",
    ),
}
"""A function that writes each policy that can name the role, and the commands that read and write it."""


@pytest.mark.parametrize("of", RESOURCE_POLICIES)
def test_denying_resource_policy_has_its_own_fix_commands(world: World, of: str):
    put, get_command, put_command = RESOURCE_POLICIES[of]
    question, file = f"{of} policy", f"{of}-policy.json"
    if of == "bucket":
        put(world, {"AWS": ROLE_ID})  # denies everybody but a role that was deleted
    elif of == "key":
        world.key_policy(
            allow_key(ROOT), allow_key({"AWS": ROLE_ARN}, Effect="Deny", Action="kms:Decrypt")
        )
    else:
        denial = allow_key("*", Effect="Deny", Action="secretsmanager:*")
        world.secrets.put_resource_policy(SecretId=SECRET_ARN, ResourcePolicy=policy(denial))
    said = world.check(only=[question])
    assert said.code == 1
    answer = said.answer(question)
    assert answer.startswith(f"problem  {question}: the {question} denies ")
    assert f"fix: 1. {get_command} --output text > {file}\n" in answer
    assert f" 3. {put_command} file://{file}\n" in answer


@pytest.mark.parametrize("of", ["secret", "key"])
def test_resource_policy_naming_role_is_ok(world: World, of: str):
    RESOURCE_POLICIES[of][0](world, {"AWS": [ROLE_ID, ROLE_ARN, ACCOUNT]})
    assert world.ask(f"{of} policy").startswith(f"ok       {of} policy: ")


@pytest.mark.parametrize(
    ("question", "call", "entry", "action"),
    [
        ("secret policy", GET_SECRET_POLICY, "ResourcePolicy", "secretsmanager:GetSecretValue"),
        ("bucket policy", "s3:GetBucketPolicy", "Policy", "s3:GetObject"),
    ],
)
def test_resource_policy_denying_role_is_problem(
    world: World, question: str, call: str, entry: str, action: str
):
    if question == "bucket policy":
        world.use_bucket()
    more = {} if question == "bucket policy" else {"ARN": SECRET_ARN}
    denial = allow_key("*", Effect="Deny", Action=action, Sid="Lock")
    world.server.answers[call] = {**more, entry: policy(denial)}
    said = world.check(only=[question])
    assert said.code == 1
    answer = said.answer(question)
    assert f" denies {action} to the role, in the statement Lock\n" in answer
    assert "exclude the role from the statement Lock, which also applies to others\n" in answer
    outside = {"Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}
    world.server.answers[call] = {**more, entry: policy(denial | outside)}
    assert world.ask(question).startswith(f"cannot tell {question}: ")
    nothing = (
        f"ok       {question}: neither denies the role access nor names a deleted role in its place\n"
    )
    assert world.ask(question, "--context", "aws:SourceIp=192.0.2.1").startswith(nothing)


def test_unreadable_cross_account_secret_policy_is_undecided(world: World):
    arn = SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    world.set(secretId=arn, kmsKeyId=KEY_ARN)
    world.server.answers["secretsmanager:DescribeSecret"] = {"ARN": arn, "KmsKeyId": KEY_ARN}
    world.reject(GET_SECRET_POLICY, status=400, code="AccessDeniedException")
    assert world.ask("secret policy").startswith(
        f"cannot tell secret policy: the secret policy in account {OTHER_ACCOUNT} must grant "
        f"secretsmanager:GetSecretValue to {ROLE_ARN}, but these credentials cannot read the policy\n"
    )


def test_policy_of_secret_to_be_deleted_is_not_read(world: World):
    world.secrets.delete_secret(SecretId=SECRET_ARN)
    said = world.check(only=["secret policy"])
    assert said.answer("secret policy") == (
        "skipped  secret policy: the secret is scheduled for deletion\n"
    )
    assert "secretsmanager:GetResourcePolicy" not in world.server.calls
