"""Test updates, previews, refreshes, and destroys on the real engine."""

import json
from typing import Any

import pytest

from components.stack_config import config_key
from evidence import examples
from evidence.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, KEY_ID, REGION, SECRET_ID
from sandbox.provider.configuration import UNKNOWN
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import (
    ATTACHED_POLICIES,
    INLINE_POLICIES,
    POLICY,
    REQUIRED,
    ROLE,
    S3,
    golden,
    in_one_line,
    of_role,
)

POLICY_NAME = "qbusiness-aem-connector"
SANDBOX_ACCOUNT = "123456789012"
FULL: dict[str, Any] = {
    **REQUIRED,
    "kmsKeyId": KEY_ID,
    "vpcConfiguration": {
        "subnetIds": [examples.SUBNET_ID, examples.SHARED_SUBNET_ARN],
        "securityGroupIds": [examples.SECURITY_GROUP_ID],
    },
    "allowNetworkInterfaceDeletion": True,
}
S3_SETTINGS: dict[str, Any] = {
    "aws:region": REGION,
    **{config_key(name): value for name, value in S3.items()},
}
IMPORT = {
    "resources": [
        {
            "type": "qbusiness-connector:index:ConnectorRole",
            "name": "aem-connector",
            "component": True,
        },
        {
            "type": "aws:iam/role:Role",
            "name": ROLE,
            "id": "qbusiness-secret",
            "parent": "aem-connector",
        },
        {
            "type": "aws:iam/rolePolicy:RolePolicy",
            "name": POLICY,
            "id": f"qbusiness-secret:{POLICY_NAME}",
            "parent": "aem-connector",
        },
    ]
}
UNKNOWN_BUCKET = """
import pulumi
from components.connector_role import ConnectorRole

application = {
    "application_id": "arn:aws:qbusiness:us-east-1:123456789012:application/"
    "a1b2c3d4-5678-90ab-cdef-111111111111",
    "index_id": "b2c3d4e5-6789-01ab-cdef-222222222222",
}
first = ConnectorRole("first", {**application, "secret_id": "qbusiness/aem-cloud-a1B2c3"})
second = ConnectorRole("second", {
    **application,
    "connector": "s3-v2",
    "bucket_name": first.role_arn.apply(lambda _: "qbusiness-documents"),
    "secret_id": first.role_arn.apply(lambda _: ""),
    "kms_key_id": "1234abcd-12ab-34cd-56ef-1234567890ab",
})
pulumi.export("second", second.role_name)
"""
UNKNOWN_PROVIDER = """
import pulumi
import pulumi_aws as aws
from components.connector_role import ConnectorRole

upstream = ConnectorRole("upstream", {
    "application_id": "a1b2c3d4-5678-90ab-cdef-111111111111",
    "index_id": "b2c3d4e5-6789-01ab-cdef-222222222222",
    "secret_id": "qbusiness/aem-cloud-a1B2c3",
})
account = upstream.role_arn.apply(lambda arn: arn.split(":")[4])
provider = aws.Provider("account", region="us-east-1", allowed_account_ids=[account])
docs = ConnectorRole("docs", {
    "application_id": "a1b2c3d4-5678-90ab-cdef-111111111111",
    "index_id": "b2c3d4e5-6789-01ab-cdef-222222222222",
    "secret_id": "qbusiness/aem-cloud-a1B2c3",
}, pulumi.ResourceOptions(providers=[provider]))
pulumi.export("roleName", docs.role_name)
"""
WITHOUT_THE_STATEMENT = """
import json
from components import policies

def without(document, name):
    policy = json.loads(document)
    policy["Statement"] = [each for each in policy["Statement"] if "Pass" not in each["Sid"]]
    return json.dumps(policy)

policies.with_role_name = without
"""
TWO_COMPONENTS = """
import pulumi
from components.connector_role import ConnectorRole

APPLICATION_ID = "a1b2c3d4-5678-90ab-cdef-111111111111"
settings = {
    "index_id": "b2c3d4e5-6789-01ab-cdef-222222222222",
    "secret_id": "qbusiness/aem-cloud-a1B2c3",
}
first = ConnectorRole("docs", {
    **settings,
    "application_id": "arn:aws:qbusiness:us-east-1:123456789012:application/" + APPLICATION_ID,
})
second = ConnectorRole("intranet", {
    **settings,
    "application_id": APPLICATION_ID,
    "region": "us-east-1",
    "role_description": first.role_name,
    "tags": {"Sibling": first.role_name},
})
pulumi.export("first", first.role_name)
pulumi.export("second", second.role_arn)
"""


def documents(aws: Aws, role: str) -> tuple[str, dict[str, str]]:
    return aws.trust_policy(role), aws.role_policies(role)


def changed(stack: Stack) -> list[tuple[str, str, tuple[str, ...]]]:
    return [step for step in stack.up().steps if step[0] != "same"]


def test_up_creates_the_role_with_the_documents_and_prints_its_arn(new_stack: NewStack, aws: Aws):
    stack = new_stack(FULL)
    update = stack.up()
    assert update.changes == {"create": 4}
    outputs = stack.outputs()
    assert outputs["roleArn"] == f"arn:aws:iam::{SANDBOX_ACCOUNT}:role/{outputs['roleName']}"
    assert outputs["roleName"].startswith(f"{ROLE}-")
    assert documents(aws, outputs["roleName"]) == (
        golden("trust-policy"),
        {POLICY_NAME: golden("default-role-policy")},
    )


def test_the_outputs_are_the_arn_and_then_the_name(new_stack: NewStack):
    stack = new_stack(REQUIRED)
    text = stack.up().text
    assert list(stack.outputs()) == ["roleArn", "roleName"]
    assert text.index("roleArn") < text.index("roleName")


def test_a_second_up_and_a_refresh_change_nothing(new_stack: NewStack):
    stack = new_stack({**FULL, "roleDescription": "AEM", "tags": {"Team": "search"}})
    stack.up()
    assert stack.up("--expect-no-changes").changes == {"same": 4}
    assert stack.drift().exit_code == 0
    assert stack.operate("refresh", "--yes").exit_code == 0
    assert stack.up("--expect-no-changes").changes == {"same": 4}


def test_switching_options_off_and_on_updates_the_policy_in_place(new_stack: NewStack, aws: Aws):
    options = {**FULL, "ingestScope": "index"}
    stack = new_stack(options)
    stack.up()
    name = stack.outputs()["roleName"]
    on = documents(aws, name)
    off = {"kmsKeyId": "", "vpcConfiguration": {}, "allowNetworkInterfaceDeletion": False}
    stack.configure({**REQUIRED, **off, "ingestScope": "applicationAndIndex"})
    assert changed(stack) == [("update", POLICY, ("policy",))]
    assert documents(aws, name) == (golden("trust-policy"), {POLICY_NAME: golden("minimal-role-policy")})
    stack.configure(options)
    assert changed(stack) == [("update", POLICY, ("policy",))]
    assert documents(aws, name) == on


def test_another_connector_updates_the_policy_of_the_same_role_or_nothing(new_stack: NewStack, aws: Aws):
    stack = new_stack(REQUIRED)
    stack.up()
    before = stack.outputs()
    for connector in ("confluence-cloud", "webcrawler"):
        stack.configure({**REQUIRED, "connector": connector})
        assert stack.up("--expect-no-changes").changes == {"same": 4}
    stack.configure({**S3_SETTINGS, "secretId": ""})
    assert changed(stack) == [("update", POLICY, ("policy",))]
    assert stack.outputs() == before
    assert documents(aws, before["roleName"]) == (
        golden("trust-policy"),
        {POLICY_NAME: of_role(golden("s3-v2-role-policy"), before["roleName"])},
    )
    assert stack.up("--expect-no-changes").changes == {"same": 4}
    assert stack.drift().exit_code == 0
    stack.configure(REQUIRED)
    assert changed(stack) == [("update", POLICY, ("policy",))]
    assert documents(aws, before["roleName"])[1] == {POLICY_NAME: golden("minimal-role-policy")}


def test_removing_and_setting_properties_of_the_role_updates_it_in_place(
    new_stack: NewStack, managed_policy: str
):
    properties = {
        "roleDescription": "AEM",
        "permissionsBoundaryArn": managed_policy,
        "tags": {"Team": "search"},
    }
    stack = new_stack({**REQUIRED, **properties})
    stack.up()
    for settings in (REQUIRED, {**REQUIRED, **properties}):
        stack.configure(settings)
        assert changed(stack) == [
            ("update", ROLE, ("description", "permissionsBoundary", "tags", "tagsAll"))
        ]


def test_other_ids_update_the_role_and_its_policy_in_place(new_stack: NewStack, aws: Aws):
    stack = new_stack(FULL)
    stack.up()
    before = stack.outputs()
    other = APPLICATION_ARN.replace("a1b2c3d4", "d4c3b2a1")
    stack.configure({**FULL, "applicationId": other})
    assert changed(stack) == [
        ("update", ROLE, ("assumeRolePolicy",)),
        ("update", POLICY, ("policy",)),
    ]
    assert stack.outputs() == before
    trust, policies = documents(aws, before["roleName"])
    assert trust == golden("trust-policy").replace("a1b2c3d4-", "d4c3b2a1-")
    expected = golden("default-role-policy").replace("a1b2c3d4-", "d4c3b2a1-")
    assert policies == {POLICY_NAME: expected}


def test_another_role_name_replaces_the_role_and_its_policy(new_stack: NewStack, aws: Aws):
    stack = new_stack({**REQUIRED, "roleName": "qbusiness-old"})
    stack.up()
    stack.configure({**REQUIRED, "roleName": "qbusiness-new"})
    steps = {(operation, name) for operation, name, _ in changed(stack)}
    assert {("replace", ROLE), ("replace", POLICY)} <= steps
    assert stack.outputs()["roleArn"] == f"arn:aws:iam::{SANDBOX_ACCOUNT}:role/qbusiness-new"
    assert [role for role in aws.roles() if role.startswith("qbusiness-")] == ["qbusiness-new"]
    assert list(aws.role_policies("qbusiness-new")) == [POLICY_NAME]


def test_an_application_id_belongs_to_the_deploying_account(new_stack: NewStack, aws: Aws):
    stack = new_stack({**FULL, "applicationId": APPLICATION_ID})
    stack.up()
    trust, policies = documents(aws, stack.outputs()["roleName"])
    assert trust == golden("trust-policy").replace(ACCOUNT, SANDBOX_ACCOUNT)
    expected = golden("default-role-policy").replace(ACCOUNT, SANDBOX_ACCOUNT)
    assert policies == {POLICY_NAME: expected}


def test_another_partition_comes_from_the_provider(new_stack: NewStack):
    stack = new_stack({**REQUIRED, "aws:region": "cn-north-1", "applicationId": APPLICATION_ID})
    stack.up()
    assert stack.outputs()["roleArn"].startswith("arn:aws-cn:iam::")
    # moto has separate roles for each partition, so look in the stack's state.
    policy = stack.resource("aws:iam/rolePolicy:RolePolicy")
    assert "arn:aws-cn:qbusiness:cn-north-1:" in policy["outputs"]["policy"]
    assert '"arn:aws:' not in policy["outputs"]["policy"]


def test_a_preview_shows_the_documents_and_creates_nothing(new_stack: NewStack, aws: Aws):
    stack = new_stack(FULL)
    roles = aws.roles()
    preview = json.loads(stack.run("preview", "--json", "--stack", stack.name).stdout)
    inputs = {step["newState"]["type"]: step["newState"].get("inputs") for step in preview["steps"]}
    policy = inputs["aws:iam/rolePolicy:RolePolicy"]["policy"]
    trust = inputs["aws:iam/role:Role"]["assumeRolePolicy"]
    assert (in_one_line(policy), in_one_line(trust)) == (
        golden("default-role-policy"),
        golden("trust-policy"),
    )
    assert aws.roles() == roles


def test_two_components_in_one_stack_and_outputs_between_them(new_stack: NewStack, aws: Aws):
    stack = new_stack({"aws:region": REGION}, TWO_COMPONENTS)
    assert stack.preview().changes == {"create": 7}
    assert stack.up().changes == {"create": 7}
    outputs = stack.outputs()
    second = outputs["second"].rpartition("/")[2]
    role = aws.iam.get_role(RoleName=second)["Role"]
    assert role["Description"] == outputs["first"]
    assert role["Tags"] == [{"Key": "Sibling", "Value": outputs["first"]}]
    assert documents(aws, second)[0] == documents(aws, outputs["first"])[0]
    assert stack.up("--expect-no-changes").changes == {"same": 7}


def previewed(stack: Stack, name: str) -> list[dict[str, Any]]:
    """Preview an update; return the inputs of the role and of the policy of a component."""
    preview = json.loads(stack.run("preview", "--json", "--stack", stack.name).stdout)
    planned = {step["urn"].rpartition("::")[2]: step["newState"] for step in preview["steps"]}
    return [planned[f"{name}-qbusiness-{kind}"]["inputs"] for kind in ("role", "policy")]


def test_a_bucket_of_another_resource_is_unknown_in_the_preview_and_in_the_policy_afterwards(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack({"aws:region": REGION}, UNKNOWN_BUCKET)
    role, policy = previewed(stack, "second")
    assert in_one_line(role["assumeRolePolicy"]) == golden("trust-policy")
    assert "qbusiness-documents" not in json.dumps(policy)
    stack.up()
    name = stack.outputs()["second"]
    policy = of_role(golden("s3-v2-role-policy"), name)
    assert documents(aws, name) == (golden("trust-policy"), {POLICY_NAME: policy})
    assert stack.up("--expect-no-changes").changes == {"same": 7}


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_role_that_passes_itself_is_previewed_with_its_name_and_changes_only_with_it(
    new_stack: NewStack, aws: Aws, exclusive: bool
):
    settings = {**S3_SETTINGS, "rolePath": "/connectors/", "exclusivePolicies": exclusive}
    stack = new_stack(settings)
    for _ in range(2):  # a new role, and one that exists
        role, policy = previewed(stack, "aem-connector")
        expected = of_role(golden("s3-v2-role-policy"), f"connectors/{role['name']}")
        assert in_one_line(policy["policy"]) == expected
        stack.up()
    name = stack.outputs()["roleName"]
    assert documents(aws, name)[1] == {
        POLICY_NAME: of_role(golden("s3-v2-role-policy"), f"connectors/{name}")
    }
    assert set(stack.up("--expect-no-changes").changes) == {"same"}
    assert stack.drift().exit_code == 0
    exclusives = {("replace", INLINE_POLICIES), ("replace", ATTACHED_POLICIES)} if exclusive else set()
    for changes, arn in (
        ({"roleName": "qbusiness-files"}, "connectors/qbusiness-files"),
        ({"roleName": "qbusiness-files", "rolePath": "/other/"}, "other/qbusiness-files"),
        ({"roleName": "qbusiness-new", "rolePath": ""}, "qbusiness-new"),
    ):
        stack.configure({**settings, **changes})
        steps = {(operation, name) for operation, name, _ in changed(stack)}
        assert {("replace", ROLE)} <= steps
        if arn != "other/qbusiness-files":
            assert {("replace", POLICY), *exclusives} <= steps
        name = arn.rpartition("/")[2]
        assert documents(aws, name)[1] == {POLICY_NAME: of_role(golden("s3-v2-role-policy"), arn)}
        assert set(stack.up("--expect-no-changes").changes) == {"same"}
        assert stack.drift().exit_code == 0
    assert [role for role in aws.roles() if "qbusiness" in role] == ["qbusiness-new"]


def test_a_role_from_before_the_statement_is_updated_in_place(new_stack: NewStack, aws: Aws):
    stack = new_stack({**S3_SETTINGS, "roleName": "qbusiness-files"})
    complete = stack.program
    stack.write_program(f"{WITHOUT_THE_STATEMENT}{complete}")
    stack.up()
    assert "PassRole" not in documents(aws, "qbusiness-files")[1][POLICY_NAME]
    stack.write_program(complete)
    assert changed(stack) == [("update", POLICY, ("policy",))]
    assert documents(aws, "qbusiness-files")[1] == {
        POLICY_NAME: of_role(golden("s3-v2-role-policy"), "qbusiness-files")
    }


@pytest.mark.parametrize("key", ["roleName", "rolePath"])
def test_a_secret_role_name_never_appears_in_plaintext_if_the_role_passes_itself(
    new_stack: NewStack, key: str
):
    secret = {"roleName": "confidential-qbusiness-role", "rolePath": "/confidential/"}[key]
    stack = new_stack({**S3_SETTINGS, "tags": {}})
    stack.run("config", "set", "--stack", stack.name, "--secret", key, secret)
    assert "confidential" not in stack.preview("--diff").text + stack.up().text
    policy = stack.resource("aws:iam/rolePolicy:RolePolicy")
    assert "confidential" not in json.dumps([policy["inputs"]["policy"], policy["outputs"]["policy"]])
    assert stack.up("--expect-no-changes").changes == {"same": 4}


def test_policies_are_unknown_in_a_preview_if_another_resource_configures_the_provider(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack({"aws:region": REGION}, UNKNOWN_PROVIDER)
    role, policy = previewed(stack, "docs")
    assert role["assumeRolePolicy"] == policy["policy"] == UNKNOWN
    stack.up()
    trust_policy, _ = documents(aws, stack.outputs()["roleName"])
    assert trust_policy == golden("trust-policy")
    assert stack.up("--expect-no-changes").changes == {"same": 8}


def test_a_secret_bucket_never_appears_in_plaintext_and_a_valid_secret_connector_does(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack({**S3_SETTINGS, "connector": "", "bucketName": ""})
    for key in ("connector", "bucketName"):
        secret = str(S3_SETTINGS[key])
        stack.run("config", "set", "--stack", stack.name, "--secret", key, secret)
    assert "qbusiness-documents" not in stack.preview("--diff").text + stack.up().text
    assert "qbusiness-documents" not in json.dumps(stack.resources())
    name = stack.outputs()["roleName"]
    policy = of_role(golden("s3-v2-role-policy"), name)
    assert documents(aws, name)[1] == {POLICY_NAME: policy}
    assert stack.up("--expect-no-changes").changes == {"same": 4}
    stack.run("config", "set", "--stack", stack.name, "--secret", "bucketName", "QBusiness-Documents")
    stack.run("config", "set", "--stack", stack.name, "--secret", "connector", "s3")
    refused = stack.preview(check=False).text
    assert "connector: [secret] is not a connector\n" in refused
    assert "bucketName: [secret] is not the name of an S3 bucket" in refused
    assert "QBusiness-Documents" not in refused


def test_a_secret_setting_never_appears_in_plaintext(new_stack: NewStack, aws: Aws):
    stack = new_stack({**FULL, "secretId": ""})
    stack.run("config", "set", "--stack", stack.name, "--secret", "secretId", SECRET_ID)
    assert SECRET_ID not in stack.preview().text + stack.up().text
    assert SECRET_ID not in json.dumps(stack.resources())
    policies = documents(aws, stack.outputs()["roleName"])[1]
    assert policies == {POLICY_NAME: golden("default-role-policy")}
    assert stack.up("--expect-no-changes").changes == {"same": 4}


def test_a_secret_setting_stays_encrypted_in_the_state_after_every_operation(new_stack: NewStack):
    def configured() -> Stack:
        stack = new_stack({**FULL, "secretId": "", "roleName": "qbusiness-secret"})
        stack.run("config", "set", "--stack", stack.name, "--secret", "secretId", SECRET_ID)
        return stack

    stack = configured()
    for command in ("up", "refresh", "up"):
        stack.operate(command, "--yes", "--skip-preview")
        assert SECRET_ID not in json.dumps(stack.resources())
    role = stack.resource("aws:iam/role:Role")
    assert "ciphertext" in role["outputs"]["inlinePolicies"]
    stack = configured()
    (stack.directory / "import.json").write_text(json.dumps(IMPORT))
    stack.operate("import", "--file", "import.json", "--yes", "--protect=false", "--generate-code=false")
    # No program has marked the value as a secret yet.
    assert SECRET_ID in json.dumps(stack.resources())
    stack.up()
    assert SECRET_ID not in json.dumps(stack.resources())


def test_secret_tags_appear_in_plaintext_only_in_the_inputs_of_the_role(new_stack: NewStack):
    stack = new_stack(REQUIRED)
    stack.run("config", "set", "--stack", stack.name, "--secret", "--path", "tags.Team", "confidential")
    for command in ("up", "refresh", "up"):
        stack.operate(command, "--yes", "--skip-preview")
    role = stack.resource("aws:iam/role:Role")
    assert "confidential" not in json.dumps(role["outputs"])
    # The provider computes tagsAll, and no resource option makes an input secret.
    assert role["inputs"].pop("tagsAll") == {"Team": "confidential"}
    assert "confidential" not in json.dumps(role["inputs"])


@pytest.mark.parametrize(
    ("autonaming", "name"),
    [({"mode": "verbatim"}, ROLE), ({"pattern": "${stack}-${name}"}, f"STACK-{ROLE}")],
    ids=["verbatim", "pattern"],
)
def test_with_autonaming_the_role_is_created_and_a_warning_explains_its_name(
    new_stack: NewStack, aws: Aws, autonaming: dict[str, str], name: str
):
    stack = new_stack({**REQUIRED, "pulumi:autonaming": autonaming})
    update = stack.up()
    assert "roleName is not set, and pulumi:autonaming" in update.text
    name = name.replace("STACK", stack.name)
    assert stack.outputs()["roleName"] == name
    assert documents(aws, name)[1] == {POLICY_NAME: golden("minimal-role-policy")}
    assert stack.up("--expect-no-changes").exit_code == 0


def test_with_autonaming_disabled_a_role_name_is_required(new_stack: NewStack):
    stack = new_stack({**REQUIRED, "pulumi:autonaming": {"mode": "disabled"}})
    preview = stack.preview(check=False)
    assert preview.exit_code != 0
    assert "automatic naming is disabled but no explicit name was provided" in preview.text
    assert "Set a role name" in preview.text
    stack.configure({**REQUIRED, "roleName": "qbusiness-aem", "pulumi:autonaming": {"mode": "disabled"}})
    update = stack.up()
    assert "pulumi:autonaming" not in update.text


def test_a_secret_setting_is_validated_before_anything_is_created(new_stack: NewStack):
    stack = new_stack(REQUIRED)
    stack.run("config", "set", "--stack", stack.name, "--secret", "secretId", "secret name")
    update = stack.up(check=False)
    assert "is not a secret's ARN or NAME-XXXXXX" in update.text
    assert "secret name" not in update.text
    assert len(stack.resources()) == 1


def test_destroy_leaves_nothing(new_stack: NewStack, aws: Aws):
    before = aws.roles()
    stack = new_stack({**FULL, "exclusivePolicies": True})
    assert stack.up().changes == {"create": 6}
    assert stack.up("--expect-no-changes").changes == {"same": 6}
    assert stack.destroy().changes == {"delete": 6}
    assert aws.roles() == before
    assert stack.resources() == []


def test_a_warning_is_shown_and_the_role_is_created(new_stack: NewStack):
    vpc = {**FULL["vpcConfiguration"]}
    settings = {**REQUIRED, "roleName": "aem", "secretId": "aem-secret"}
    stack = new_stack({**settings, "connector": "gmail", "vpcConfiguration": vpc})
    update = stack.up()
    assert "vpcConfiguration: only earlier versions of the connector gmail support it" in update.text
    assert "lists only roles whose name contains qbusiness or QBusiness" in update.text
    assert "describe-secret" in update.text
    assert update.changes == {"create": 4}
