"""docs/operate: the documented steps rename a role and a component."""

from typing import Final

from pages.examples import APPLICATION_ARN, INDEX_ID, REGION, SECRET_ID
from tests.helpers.page import run_section
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import REQUIRED, golden

POLICY_NAME: Final = "qbusiness-aem-connector"


# The role's name.


def test_documented_steps_restore_stack_after_failed_rename(new_stack: NewStack, aws: Aws):
    secret = {"secretId": SECRET_ID}
    top = {key: value for key, value in REQUIRED.items() if key not in secret}
    old = {**secret, "roleName": "qbusiness-old", "rolePath": "/connectors/"}
    stack = new_stack({**top, "dataSources": {"wiki": old}})
    stack.up()
    outputs = stack.outputs()
    aws.iam.create_role(RoleName="qbusiness-taken", AssumeRolePolicyDocument=golden("trust-policy"))
    stack.configure({**top, "dataSources": {"wiki": secret}})
    failed = run_section(stack, "Rename the role", check=False, NAME="qbusiness-taken")
    assert failed.returncode != 0
    assert "EntityAlreadyExists" in failed.stdout
    assert "Role with name qbusiness-taken already exists" in failed.stdout
    run_section(stack, "Restore the old name", NAME="qbusiness-old", ROLE_PATH="/connectors/")
    assert stack.outputs() == outputs
    assert aws.trust_policy("qbusiness-old") == golden("trust-policy")
    assert aws.role_policies("qbusiness-old") == {POLICY_NAME: golden("minimal-role-policy")}
    assert stack.drift().exit_code == 0


# The component's name.


def named(name: str, options: str = "") -> str:
    return f"""
import pulumi
from components.connector_role import ConnectorRole

ConnectorRole("{name}", {{
    "application_id": "{APPLICATION_ARN}",
    "index_id": "{INDEX_ID}",
    "secret_id": "{SECRET_ID}",
    "role_name": "qbusiness-aem",
}}, pulumi.ResourceOptions({options}))
"""


def test_renamed_component_needs_documented_alias(new_stack: NewStack, aws: Aws):
    stack = new_stack({"aws:region": REGION}, named("old"))
    stack.up()
    role = aws.iam.get_role(RoleName="qbusiness-aem")["Role"]["RoleId"]
    # Different names for the children would replace the role in every stack.
    kind = "qbusiness-connector:index:ConnectorRole"
    assert [
        resource["urn"].partition("qbusiness-aem-connector::")[2]
        for resource in stack.resources()
        if not resource["type"].startswith("pulumi:")
    ] == [
        f"{kind}::old",
        f"{kind}$aws:iam/role:Role::old-qbusiness-role",
        f"{kind}$aws:iam/rolePolicy:RolePolicy::old-qbusiness-policy",
    ]

    stack.write_program(named("new"))
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    assert "EntityAlreadyExists" in failed.text
    stack.write_program(named("old"))
    stack.up()

    stack.write_program(named("new", 'aliases=[pulumi.Alias(name="old")]'))
    # `assertSeen` in pkg/engine/deployment.go panics. If Pulumi fixes that, shorten the page.
    panicked = stack.up("--run-program", check=False)
    assert panicked.exit_code != 0
    assert "panic" in panicked.text
    stack.run("cancel", "--yes")
    assert "panic" in stack.preview("--run-program", check=False).text
    assert run_section(stack, "Rename the component").stdout.count("    4 unchanged\n") == 3
    stack.write_program(named("new"))
    assert stack.up("--expect-no-changes").changes == {"same": 4}
    assert stack.drift().exit_code == 0
    assert aws.iam.get_role(RoleName="qbusiness-aem")["Role"]["RoleId"] == role
