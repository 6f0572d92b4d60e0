"""Test renames and resource options against Pulumi's documentation and the page."""

import json
from functools import partial

import pytest

from evidence.examples import APPLICATION_ARN, INDEX_ID, REGION, SECRET_ID
from tests.helpers.page import run_section
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import POLICY, REQUIRED, ROLE, golden

PROGRAM = """
import pulumi
import pulumi_aws as aws
from components.connector_role import ConnectorRole

def ignore_tags(args):
    if args.type_ != "aws:iam/role:Role":
        return None
    ignore = pulumi.ResourceOptions(ignore_changes=["tags", "tagsAll"])
    return pulumi.ResourceTransformResult(args.props, pulumi.ResourceOptions.merge(args.opts, ignore))

component = ConnectorRole("{name}", {{
    "application_id": "{application}",
    "index_id": "{index}",
    "secret_id": "{secret}",
    "role_name": "{role}",
    "tags": {tags},
}}, pulumi.ResourceOptions({options}))
pulumi.export("roleArn", component.role_arn)
"""


def program(
    name: str = "aem", options: str = "", role: str = "", application: str = APPLICATION_ARN, **tags: str
) -> str:
    return PROGRAM.format(
        name=name,
        options=options,
        role=role,
        application=application,
        index=INDEX_ID,
        secret=SECRET_ID,
        tags=tags,
    )


@pytest.fixture
def new_program(new_stack: NewStack) -> NewStack:
    return partial(new_stack, {"aws:region": REGION})


def order(stack: Stack, *options: str) -> list[tuple[str, str]]:
    """Deploy, and return in order the operations that change something."""
    steps = stack.up(*options).steps
    return [(operation, name) for operation, name, _ in steps if operation not in ("same", "refresh")]


# The role's name.


def test_a_role_with_a_set_name_is_deleted_before_its_replacement_is_created(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack({**REQUIRED, "roleName": "qbusiness-one"})
    stack.up()
    stack.configure({**REQUIRED, "roleName": "qbusiness-two"})
    assert order(stack) == [
        ("delete-replaced", POLICY),
        ("delete-replaced", ROLE),
        ("replace", ROLE),
        ("create-replacement", ROLE),
        ("replace", POLICY),
        ("create-replacement", POLICY),
    ]
    assert "qbusiness-one" not in aws.roles()
    assert stack.outputs()["roleArn"].endswith("/qbusiness-two")


def test_a_role_without_its_set_name_keeps_it_until_a_replacement_is_created_first(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack(REQUIRED)
    stack.up()
    run_section(stack, "Rename the role", NAME="qbusiness-named", PULUMI_OPTION_YES="true")
    assert aws.roles() == ["qbusiness-named"]
    stack.configure(REQUIRED)
    assert stack.up("--expect-no-changes").exit_code == 0
    assert aws.roles() == ["qbusiness-named"]
    stack.configure({**REQUIRED, "rolePath": "/connectors/"})
    first, *_ = order(stack)
    assert first == ("create-replacement", ROLE)
    (automatic,) = aws.roles()
    assert automatic.startswith(f"{ROLE}-")
    stack.configure({**REQUIRED, "rolePath": "/connectors/", "roleName": "qbusiness-named"})
    first, *_ = order(stack)
    assert first == ("delete-replaced", POLICY)


def test_a_replaced_role_with_an_automatic_name_keeps_its_policy_until_the_new_role_has_one(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack(REQUIRED)
    stack.up()
    old = stack.outputs()["roleName"]
    stack.configure({**REQUIRED, "rolePath": "/connectors/"})
    assert order(stack) == [
        ("create-replacement", ROLE),
        ("replace", ROLE),
        ("create-replacement", POLICY),
        ("replace", POLICY),
        ("delete-replaced", POLICY),
        ("delete-replaced", ROLE),
    ]
    assert old not in aws.roles()


def test_after_a_refresh_that_runs_the_program_a_replaced_role_and_its_policy_are_deleted_together(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack(REQUIRED)
    stack.up()
    old = stack.outputs()["roleName"]
    stack.configure({**REQUIRED, "rolePath": "/connectors/"})
    *replacement, first, second = order(stack, "--run-program")
    assert replacement == [
        ("create-replacement", ROLE),
        ("replace", ROLE),
        ("create-replacement", POLICY),
        ("replace", POLICY),
    ]
    assert {first, second} == {("delete-replaced", POLICY), ("delete-replaced", ROLE)}
    assert old not in aws.roles()


@pytest.mark.parametrize("old_path", ["/", "/connectors/"])
def test_after_a_failed_rename_the_page_restores_everything(
    new_stack: NewStack, aws: Aws, old_path: str
):
    stack = new_stack({**REQUIRED, "roleName": "qbusiness-old", "rolePath": old_path})
    stack.up()
    arn = stack.outputs()["roleArn"]
    aws.iam.create_role(RoleName="qbusiness-taken", AssumeRolePolicyDocument=golden("trust-policy"))
    stack.configure({**REQUIRED, "roleName": "qbusiness-taken"})
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    assert "EntityAlreadyExists" in failed.text
    assert "Role with name qbusiness-taken already exists" in failed.text
    run_section(stack, "Restore the old name", NAME="qbusiness-old", ROLE_PATH=old_path)
    assert stack.outputs()["roleArn"] == arn
    assert aws.trust_policy("qbusiness-old") == golden("trust-policy")
    assert aws.role_policies("qbusiness-old") == {
        "qbusiness-aem-connector": golden("minimal-role-policy")
    }
    assert stack.drift().exit_code == 0
    aws.iam.delete_role(RoleName="qbusiness-taken")


# The component's name.


def test_the_names_of_the_children_are_frozen(new_program: NewStack):
    # Another name would replace the role in every stack.
    stack = new_program(program())
    stack.up()
    kind = "qbusiness-connector:index:ConnectorRole"
    assert [
        resource["urn"].partition("qbusiness-aem-connector::")[2]
        for resource in stack.resources()
        if not resource["type"].startswith("pulumi:")
    ] == [
        f"{kind}::aem",
        f"{kind}$aws:iam/role:Role::aem-qbusiness-role",
        f"{kind}$aws:iam/rolePolicy:RolePolicy::aem-qbusiness-policy",
    ]


def test_with_an_alias_another_name_of_the_component_changes_nothing(new_program: NewStack):
    stack = new_program(program("old"))
    stack.up()
    arn = stack.outputs()["roleArn"]
    stack.write_program(program("new", 'aliases=[pulumi.Alias(name="old")]'))
    assert stack.up("--expect-no-changes").changes == {"same": 4}
    assert stack.outputs()["roleArn"] == arn
    stack.write_program(program("new"))
    assert stack.up("--expect-no-changes").changes == {"same": 4}


def test_with_an_alias_pulumi_panics_if_the_refresh_runs_the_program(new_program: NewStack):
    # `assertSeen` in pkg/engine/deployment.go. If this fails, Pulumi has fixed it: shorten the page.
    stack = new_program(program("old"))
    stack.up()
    arn = stack.outputs()["roleArn"]
    stack.write_program(program("new", 'aliases=[pulumi.Alias(name="old")]'))
    stack.environment = {**stack.environment, "PULUMI_RUN_PROGRAM": "true"}
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    assert "panic" in failed.text
    stack.run("cancel", "--yes")
    assert "panic" in stack.operate("preview", check=False).text
    run_section(stack, "Rename the component")
    assert stack.outputs()["roleArn"] == arn
    assert stack.drift().exit_code == 0


def test_without_an_alias_another_name_of_the_component_recreates_all_resources(new_program: NewStack):
    stack = new_program(program("old"))
    stack.up()
    stack.write_program(program("new"))
    assert stack.up().changes == {"same": 1, "create": 3, "delete": 3}


def test_without_an_alias_a_role_with_a_name_collides_until_the_component_has_its_old_name(
    new_program: NewStack, aws: Aws
):
    stack = new_program(program("old", role="qbusiness-old"))
    stack.up()
    before = aws.iam.get_role(RoleName="qbusiness-old")["Role"]["RoleId"]
    stack.write_program(program("new", role="qbusiness-old"))
    assert "EntityAlreadyExists" in stack.up(check=False).text
    stack.write_program(program("old", role="qbusiness-old"))
    stack.up()
    assert aws.iam.get_role(RoleName="qbusiness-old")["Role"]["RoleId"] == before
    assert stack.drift().exit_code == 0


# Options.


def test_a_protected_role_is_not_destroyed(new_program: NewStack, aws: Aws):
    stack = new_program(program(options="protect=True"))
    stack.up()
    role = stack.outputs()["roleArn"].rpartition("/")[2]
    refused = stack.operate("destroy", "--yes", "--skip-preview", check=False)
    assert refused.exit_code != 0
    assert "protected" in refused.text
    assert list(aws.role_policies(role)) == ["qbusiness-aem-connector"]
    stack.write_program(program())
    stack.up()
    assert stack.destroy().changes == {"delete": 4}


def test_a_retained_role_leaves_the_state_and_stays_in_aws(new_program: NewStack, aws: Aws):
    stack = new_program(program(options="retain_on_delete=True", role="qbusiness-kept"))
    stack.up()
    stack.destroy()
    assert stack.resources() == []
    assert list(aws.role_policies("qbusiness-kept")) == ["qbusiness-aem-connector"]
    aws.iam.delete_role_policy(RoleName="qbusiness-kept", PolicyName="qbusiness-aem-connector")
    aws.iam.delete_role(RoleName="qbusiness-kept")


def test_a_transform_can_ignore_changes_of_the_tags(new_program: NewStack, aws: Aws):
    stack = new_program(program(options="transforms=[ignore_tags]", Team="search"))
    stack.up()
    role = stack.outputs()["roleArn"].rpartition("/")[2]
    aws.iam.tag_role(RoleName=role, Tags=[{"Key": "Foreign", "Value": "x"}])
    assert stack.up("--expect-no-changes").changes == {"same": 4}
    stack.write_program(program(options="transforms=[ignore_tags]", Team="other"))
    assert stack.up("--expect-no-changes").changes == {"same": 4}


def test_an_explicit_provider_of_the_component_creates_its_resources(new_program: NewStack):
    other = 'providers=[aws.Provider("china", region="cn-north-1")]'
    text = program(options=other, application=APPLICATION_ARN.partition("/")[2])
    stack = new_program(text)
    stack.up()
    assert stack.outputs()["roleArn"].startswith("arn:aws-cn:iam::")
    providers = {
        resource["provider"] for resource in stack.resources() if resource["type"].startswith("aws:iam")
    }
    assert len(providers) == 1
    assert "::china::" in providers.pop()
    assert "cn-north-1" in json.dumps(
        [resource for resource in stack.resources() if "Policy" in resource["type"]]
    )


def test_an_update_changes_only_its_targets(new_stack: NewStack, aws: Aws):
    stack = new_stack({**REQUIRED, "roleName": "qbusiness-target"})
    stack.up()
    urns = {resource["urn"].rpartition("::")[2]: resource["urn"] for resource in stack.resources()}
    stack.configure(
        {**REQUIRED, "roleName": "qbusiness-target", "secretId": "other-a1B2c3", "tags": {"a": "b"}}
    )
    assert stack.up("--target", urns[POLICY]).changes["update"] == 1
    assert "other-a1B2c3" in aws.role_policies("qbusiness-target")["qbusiness-aem-connector"]
    assert aws.iam.list_role_tags(RoleName="qbusiness-target")["Tags"] == []
    assert stack.up().changes == {"same": 3, "update": 1}
