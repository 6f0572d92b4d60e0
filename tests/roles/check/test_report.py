"""`roles check` reports problems first, because they stop a sync."""

import json
from typing import Any, Final

import pytest

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from sandbox.environment import PROJECT
from tests.helpers.page import blocks
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import golden
from tests.helpers.world import (
    OTHER_ID,
    ROLE_ARN,
    ROLE_NAME,
    SECRET_ARN,
    SETTINGS,
    WIDE,
    Output,
    World,
    allow_key,
    deny,
    policy,
)
from tests.roles.check.help import ADMIN, SID

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

PAGE: Final = PROJECT / "docs" / "check.md"
ENTRIES: Final = ("docs", "tickets", "wiki")


def of_data_source(world: World, *options: str, identifier: str = DATA_SOURCE_ID) -> Output:
    """Check a data source whose role is outside any stack, without Pulumi."""
    world.patch.setenv("PATH", "")
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    return world.run("check", "--application", APPLICATION_ID, "--data-source-id", identifier, *options)


def test_problems_come_before_notes_and_counts(world: World):
    world.put_policy(WIDE, "by-hand")
    world.key_policy(allow_key({"AWS": ADMIN}))
    said = world.check(verbose=False)
    assert said.code == 1
    assert said.out == blocks("text", PAGE.read_text())[0]


def test_excess_access_is_note_without_failure(world: World):
    world.put_policy(WIDE, "by-hand")
    said = world.check(verbose=False)
    assert said.code == 0
    assert [line.partition(":")[0] for line in said.answers("note")] == ["other policies"]
    assert said.out.endswith("\n20 ok, 0 problems, 0 skipped, 1 note\n")


def test_questions_about_missing_role_are_only_counted(world: World):
    world.delete_role()
    world.reject("kms:GetKeyPolicy", status=400, code="AccessDeniedException")
    said = world.check(verbose=False)
    assert said.code == 1
    assert said.answers("skipped") == [
        "key policy: kms:GetKeyPolicy is not allowed for these credentials"
    ]
    assert " skipped\n" in said.out.splitlines(keepends=True)[-1]


def use_entries(world: World, arns: dict[str, str]) -> None:
    """Give the stack identical entries, whose roles have these ARNs."""
    of_entries = ("secretId", "kmsKeyId", "allowNetworkInterfaceDeletion")
    prefix = next(key for key in SETTINGS if key.endswith("secretId")).removesuffix("secretId")
    own: dict[str, Any] = {key: world.settings[prefix + key] for key in of_entries}
    world.set(**dict.fromkeys(of_entries), dataSources=dict.fromkeys(ENTRIES, own))
    world.outputs = {"roleArns": arns, "roleNames": {}}


def test_entries_share_one_problem_and_statement(world: World):
    arns = [world.role(f"{ROLE_NAME}{number}") for number, _ in enumerate(ENTRIES)]
    use_entries(world, dict(zip(ENTRIES, arns, strict=True)))
    world.key_policy(allow_key({"AWS": ADMIN}))
    said = world.check(only=["key policy"], verbose=False)
    assert said.out.count("problem  ") == 1
    assert f"\n           for {', '.join(ENTRIES)}\n" in said.out
    assert f'"Principal": {json.dumps({"AWS": arns})}' in said.out
    assert said.out.endswith("\n0 ok, 1 problem, 0 skipped\n")
    assert said.out == world.check(only=["key policy"]).out
    for name in ENTRIES:
        assert f'"Principal": {json.dumps({"AWS": arns})}' in world.ask(
            "key policy", "--data-source", name
        )


def test_proposed_statement_names_only_existing_roles(world: World):
    use_entries(world, {"docs": ROLE_ARN, "wiki": f"{ROLE_ARN}-deleted"})
    world.key_policy(allow_key({"AWS": ADMIN}))
    said = world.check(only=["key policy"])
    assert said.out.count('"Statement": ') == 1
    assert f'"Principal": {json.dumps({"AWS": [ROLE_ARN]})}' in said.out
    later = (
        "\n           for tickets, wiki\n         fix: pulumi up --stack dev, then repeat `check`, "
        "because a policy cannot name a role that does not exist\n"
    )
    assert later in said.out
    # The statement exists, but without the new role.
    world.key_policy(allow_key({"AWS": ROLE_ARN}, Sid=SID))
    world.outputs["roleArns"]["tickets"] = world.role(f"{ROLE_NAME}2")
    answer = world.ask("key policy", "--data-source", "tickets")
    assert f", replace the statement {SID} with {{" in answer
    assert f'"Principal": {json.dumps({"AWS": [ROLE_ARN, f"{ROLE_ARN}2"]})}' in answer


def test_recreated_secret_is_one_problem_with_all_steps(world: World):
    world.recreate_secret()
    new = world.secrets.describe_secret(SecretId=SECRET_ARN.rpartition("-")[0])["ARN"]
    data_source = world.add_data_source()
    asked = ["secret", "encryption", "data source"]
    answer = world.check(only=asked, verbose=False).answer("secret")
    steps = [line.strip() for line in answer.splitlines()[1:]]
    assert len(steps) == 3
    assert steps[0].startswith("fix: 1. pulumi config set ")
    assert new in steps[0]
    assert steps[1].startswith("2. aws qbusiness get-data-source --region us-east-1 --application-id ")
    assert steps[1].endswith(
        f' | walk(if . == "{SECRET_ARN}" then "{new}" else . end)\' > data-source.json'
    )
    assert steps[2] == (
        "3. aws qbusiness update-data-source --region us-east-1 --cli-input-json file://data-source.json"
    )
    # A user who has already updated the data source is not told to set the old secret again.
    data_source["configuration"]["secretArn"] = new
    assert len(world.check(only=asked).answers("problem")) == 1


def test_fix_that_edits_settings_names_file_and_value(world: World):
    vpc = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
    world.add_data_source(vpcConfiguration=vpc)
    assert world.ask("data source").splitlines()[2] == (
        f"         to change this: in Pulumi.dev.yaml, set vpcConfiguration to {json.dumps(vpc)}, then "
        "pulumi up --stack dev"
    )


# Without a stack.


def test_data_source_role_is_checked_without_stack(world: World):
    world.add_data_source()
    said = of_data_source(world)
    assert said.code == 0, said.out
    assert said.out.endswith("\n18 ok, 0 problems, 2 skipped, 1 note\n")
    document = of_data_source(world, "--json").json
    assert document["dataSource"] == DATA_SOURCE_ID
    assert document["problem"] == 0
    (trust,) = document["trustPolicy"]["Statement"]
    assert trust["Condition"]["ArnEquals"]["aws:SourceArn"] == APPLICATION_ARN
    assert SECRET_ARN in json.dumps(document["rolePolicy"])


def test_stackless_role_lacking_access_is_problem(world: World):
    world.add_data_source()
    world.delete_policy()
    said = of_data_source(world)
    assert said.code == 1
    assert "\n           AllowsAmazonQToGetSecret: missing\n" in said.answer("role policy")
    fix = (
        "add to the role's policies the statements that this command prints with --json, as trustPolicy "
        "and rolePolicy"
    )
    assert said.answer("role policy").endswith(f"         fix: {fix}\n")


@pytest.mark.parametrize("attached", [False, True])
def test_working_policies_of_stackless_role_are_no_problem(world: World, attached: bool):
    world.add_data_source()
    document = golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT)
    world.delete_policy()
    name = world.attach(ROLE_NAME, "terraform", document) if attached else "console"
    if not attached:
        world.put_policy(document, name)
    # The policy denies nothing that the connector requests.
    world.put_policy(policy(deny("iam:CreateUser", "*")), "guard")
    said = of_data_source(world)
    assert said.code == 0
    assert said.answer("role policy") == (
        "note     role policy: the role's policies allow more than the expected policy\n"
        f"           {name}, AllowsAmazonQToDeleteTaggedNI: in excess\n"
        "         to change this: remove this access, unless another data source needs it\n"
    )
    assert said.out.endswith("\n18 ok, 0 problems, 2 skipped, 1 note\n")


def test_condition_met_by_requests_of_stackless_role_is_note(
    world: World,
):
    world.add_data_source()
    document = json.loads(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT))
    of_secret = next(each for each in document["Statement"] if "GetSecret" in each["Sid"])
    of_secret["Condition"] = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
    world.put_policy(json.dumps(document))
    said = of_data_source(world)
    assert said.code == 0
    assert said.answer("role policy") == (
        "note     role policy: the role's policies lack some expected access, but allow every connector "
        "request\n"
        "           AllowsAmazonQToGetSecret: only under the condition StringEquals aws:ResourceAccount "
        f"{ACCOUNT}\n"
        "         to change this: add to the role's policies the statements that this command prints "
        "with --json, as trustPolicy and rolePolicy\n"
    )


def test_unreadable_stackless_role_is_not_judged(world: World):
    world.add_data_source()
    world.delete_policy()
    world.reject("iam:ListAttachedRolePolicies")
    said = of_data_source(world)
    assert said.code == 2
    assert said.answer("role policy") == (
        "skipped  role policy: iam:ListAttachedRolePolicies is not allowed for these credentials\n"
    )


def test_missing_secret_is_problem_without_stack(world: World):
    world.add_data_source()
    world.delete_secret(SECRET_ARN)
    said = of_data_source(world)
    assert said.code == 1
    assert said.answer("data source").startswith(
        f"problem  data source: there is no secret {SECRET_ARN}: point the data source to an"
    )


def test_fix_for_key_changes_role_policy_without_stack(world: World):
    world.add_data_source()
    world.describe_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    answer = of_data_source(world).answer("KMS key")
    assert "3. in the role policy, allow kms:Decrypt on SYMMETRIC_KEY_ARN, too\n" in answer


def test_other_data_sources_of_stackless_role_are_only_listed(world: World):
    world.add_data_source()
    vpc = {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    configuration = {"type": "FOO", "secretArn": f"{SECRET_ARN[:-6]}ffffff"}
    other = world.add_data_source(OTHER_ID, configuration=configuration, vpcConfiguration=vpc)
    said = of_data_source(world, "--verbose")
    assert said.code == 0
    assert said.answer("data source") == (
        f"ok       data source {DATA_SOURCE_ID}: Pages is ACTIVE, but has not synced yet\n"
        f"note     data source: the role's other data sources were not checked: Pages {OTHER_ID}\n"
    )
    # The role's data source is known, so it is not the data source whose role does not exist.
    other["roleArn"] = f"{ROLE_ARN}-2"
    configuration |= {"type": "AEM", "secretArn": SECRET_ARN}
    said = of_data_source(world, "--verbose")
    assert (
        said.answer("other data source") == "skipped  other data source: this question needs --stack\n"
    )


def test_bucket_unsupported_by_connector_is_no_problem(world: World):
    configuration = {"type": "AEM", "secretArn": SECRET_ARN, "bucketName": "files"}
    world.add_data_source(configuration=configuration)
    said = of_data_source(world)
    assert said.code == 0
    assert " refers to the bucket files, but the program's role for " in said.answer("data source")


def test_application_arn_sets_region_and_must_match_account(world: World):
    world.add_data_source()
    world.patch.setenv("AWS_REGION", "eu-west-1")
    of = ("check", "--data-source-id", DATA_SOURCE_ID, "--application")
    assert world.run(*of, APPLICATION_ARN).code == 0
    assert world.run(*of, APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)).rejection == (
        f"check: --application is in account {OTHER_ACCOUNT}, but the credentials are for account "
        f"{ACCOUNT}: set AWS_PROFILE to a profile for account {OTHER_ACCOUNT}"
    )
