"""`roles check` asks about the resources that a stack names."""

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ID, KEY_ID, OTHER_ACCOUNT
from tests.helpers.world import KEY_ARN, ROLE_ARN, SECRET_ARN, USER_ARN, World, s3_policy
from tests.roles.check.breaks import BREAKS, BUCKET_BREAKS, Break
from tests.roles.check.help import NEEDED_FOR_A_BUCKET, set_up

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.text[:60])
def test_a_problem_of_a_resource_is_printed_with_the_command_that_fixes_it(world: World, broken: Break):
    broken.apply(world)
    said = world.check()
    assert said.code == 1
    answer = said.answer(broken.question)
    assert answer.startswith(f"problem  {broken.question}: ")
    assert broken.text in answer
    assert f"fix: {broken.fix}" in answer or broken.fix in answer.partition("fix: ")[2]


def test_the_alias_of_a_key_is_resolved(world: World):
    world.kms.create_alias(AliasName="alias/own", TargetKeyId=KEY_ID)
    world.secrets.update_secret(SecretId=SECRET_ARN, KmsKeyId="alias/own")
    assert world.ask("encryption").startswith("ok ")


def test_only_an_alias_that_begins_with_aws_belongs_to_a_key_that_aws_manages(world: World):
    world.describe_secret(KmsKeyId="alias/team/alias/aws/x")
    world.describe_key()
    assert world.ask("encryption") == f"ok       encryption: the secret is encrypted with {KEY_ARN}\n"


@pytest.mark.parametrize("broken", BUCKET_BREAKS, ids=lambda broken: broken.text[:60])
def test_a_problem_of_the_bucket_is_printed_with_the_command_that_fixes_it(world: World, broken: Break):
    world.use_bucket()
    broken.apply(world)
    answer = world.ask(broken.question)
    assert answer.startswith(f"problem  {broken.question}: {broken.text}")
    assert f"fix: {broken.fix}" in answer


def test_a_bucket_of_another_account_than_the_policy_names_is_a_problem(world: World):
    world.use_bucket()
    world.server.bucket_owner = OTHER_ACCOUNT
    answer = world.ask("bucket")
    assert f"bucket documents does not belong to account {ACCOUNT}, which the policy" in answer
    assert f"fix: {set_up('bucketAccountId', 'ACCOUNT_ID')}\n" in answer
    world.set(bucketAccountId=OTHER_ACCOUNT)
    assert world.ask("bucket").startswith("ok ")


def test_a_bucket_that_only_its_owner_can_see_does_not_change_the_exit_code(world: World):
    world.use_bucket()
    world.set(bucketAccountId=OTHER_ACCOUNT)
    world.put_policy(s3_policy("", key=True).replace(ACCOUNT, OTHER_ACCOUNT))
    world.server.bucket_owner = OTHER_ACCOUNT
    world.refuse(*NEEDED_FOR_A_BUCKET)
    said = world.check()
    for question, asked in (
        ("bucket", "s3:GetBucketLocation"),
        ("encryption", "s3:GetEncryptionConfiguration"),
    ):
        assert said.answer(question) == (
            f"skipped  {question}: only account {OTHER_ACCOUNT}, which has the bucket, can see this: "
            f"its bucket policy must allow s3:GetObject and s3:ListBucket to {ROLE_ARN}, and {asked} "
            f"to {USER_ARN}, which asks\n"
        )
    assert f"only account {OTHER_ACCOUNT}, which has the bucket" in said.answer("bucket policy")
    assert "s3:GetBucketPolicy" not in world.server.calls
    assert "not every question" not in said.err


def test_another_region_than_that_of_the_application_is_a_problem(world: World):
    world.settings["aws:region"] = "us-west-2"
    world.server.answers["sts:GetCallerIdentity"] = {"Account": ACCOUNT, "Arn": USER_ARN}
    world.refuse("qbusiness:GetApplication", status=404, code="ResourceNotFoundException")
    answer = world.ask("application")
    assert f"there is no application {APPLICATION_ID} in us-west-2: `aws qbusiness list-app" in answer
    assert "--region us-west-2` lists them" in answer
    assert "in another Region, pulumi config set --stack dev --plaintext -- aws:region REGION" in answer
