"""plugin/__main__: the package for other languages has the same roles and messages.

Programs are compiled against the schema, so a breaking change to the schema breaks them.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.schema import generate_schema

from components.configuration import KEYS
from components.connector_role import ConnectorRole
from components.problems import camel_case
from pages import examples
from pages.examples import INDEX_ID, KEY_ID, REGION, REQUIRED_INPUTS, SECRET_ID, SUBNET_ID
from sandbox.environment import PROJECT
from tests.helpers.expected import FULL_ROLE_POLICY
from tests.helpers.installing import RUNTIME, VERSION, git, make_separate, offline
from tests.helpers.page import blocks, run_section
from tests.helpers.samples import EXAMPLES
from tests.helpers.stacks import (
    Aws,
    NewStack,
    Stack,
    assert_rejected,
)
from tests.helpers.support import GOLDEN, PROJECT_NAME, S3, VPC, golden, of_role

Declare = Callable[[Stack, Mapping[str, Mapping[str, object]]], None]

PAGE: Final = PROJECT / "docs" / "own-project.md"
README: Final = PROJECT / "plugin" / "README.md"
TYPE: Final = "qbusiness-connector:index:ConnectorRole"
FULL: Final[Mapping[str, object]] = {
    **{camel_case(name): value for name, value in EXAMPLES.items() if "bucket" not in name},
    "vpcConfiguration": {
        "subnetIds": VPC["subnet_ids"],
        "securityGroupIds": VPC["security_group_ids"],
    },
    "roleName": "qbusiness-from-yaml",
    "permissionsBoundaryArn": "arn:aws:iam::aws:policy/ReadOnlyAccess",  # it exists in the sandbox
}
"""Every input except for a bucket's, with the values in `samples.FULL`."""
S3_INPUTS: Final = {camel_case(name): value for name, value in S3.items()}


def test_programs_in_tests_set_every_input():
    assert {*FULL, *S3_INPUTS, "bucketAccountId"} == {*KEYS.values(), "region"}


UNTYPED: Final = f"""
import pulumi

pulumi.ComponentResource(
    "{TYPE}",
    "docs",
    {{
        "applicationId": "{examples.APPLICATION_ARN}",
        "indexId": "{INDEX_ID}",
        "secretId": "{SECRET_ID}",
        "permissionsBoundaryARN": "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "bucket": "qbusiness-documents",
        "vpcConfiguration": {{"subnets": ["{SUBNET_ID}"]}},
    }},
    remote=True,
)
"""
"""A request from an untyped language, such as JavaScript, without type checks for the inputs."""
INVALID_INPUTS: Final[Mapping[str, object]] = {
    **REQUIRED_INPUTS,
    "secretId": "NAME-*",
    "vpcConfiguration": {
        "subnetIds": [SUBNET_ID, "subnet-*"],
        "securityGroupIds": [examples.SECURITY_GROUP_ID],
    },
}
"""The inputs for the error message in `invalid_inputs.txt`."""
REMOVAL: Final = "this update removes every policy"
HIDDEN: Final = "qbusiness/hidden-a1B2c3"
"""A secret's ID that is itself secret."""


@pytest.fixture
def declare(package: Path) -> Declare:
    """Write a stack's YAML program, which declares roles with these names and inputs."""

    def write(stack: Stack, roles: Mapping[str, Mapping[str, object]]) -> None:
        program = {
            "name": PROJECT_NAME,
            "runtime": "yaml",
            "packages": {"qbusiness-connector": str(package)},
            "resources": {name: {"type": TYPE, "properties": inputs} for name, inputs in roles.items()},
            "outputs": {name: f"${{{name}.roleArn}}" for name in roles},
        }
        (stack.directory / "Pulumi.yaml").write_text(json.dumps(program))

    return write


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    return new_stack({"aws:region": REGION})


def frozen() -> dict[str, Any]:
    return json.loads((GOLDEN / "package-schema.json").read_text())


def test_schema_matches_published_schema():
    analysis = Analyzer("qbusiness-connector").analyze([ConnectorRole])
    schema = generate_schema(
        "qbusiness-connector",
        "0.0.0",
        "",
        analysis["component_definitions"],
        analysis["type_definitions"],
        list(analysis["dependencies"]),
    ).to_json()
    for section in ("resources", "types"):
        assert schema[section] == frozen()[section], (
            "tests/golden/package-schema.json: add a new input; a removed or changed one breaks programs"
        )


@pytest.mark.slow
def test_installed_package_has_published_schema(package: Path):
    program = "import runpy; print(runpy.run_path('__main__.py')['Provider']().schema)"
    asked = subprocess.run(
        ["venv/bin/python", "-c", program], cwd=package, check=True, capture_output=True
    )
    assert json.loads(asked.stdout) == {**frozen(), "version": VERSION}


def test_inputs_are_configuration_keys_with_descriptions():
    resource = frozen()["resources"][TYPE]
    assert {*resource["inputProperties"]} == {*KEYS.values(), "region"}
    assert [*resource["properties"]] == ["roleArn", "roleName"]
    (vpc,) = frozen()["types"].values()
    described = [resource, vpc]
    for group in (resource["inputProperties"], resource["properties"], vpc["properties"]):
        described += group.values()
    assert all(resource["description"].endswith(".") for resource in described)


def test_only_three_inputs_are_plain():
    inputs = frozen()["resources"][TYPE]["inputProperties"]
    assert {name for name, schema in inputs.items() if schema.get("plain")} == {
        "connector",
        "exclusivePolicies",
        "vpcConfiguration",  # its entries are not plain
    }


def statement_ids(policy: str) -> list[str]:
    return [statement["Sid"] for statement in json.loads(policy)["Statement"]]


def check_the_role_of_the_page(arn: str, aws: Aws) -> None:
    name = arn.rpartition("/")[2]
    role = aws.iam.get_role(RoleName=name)["Role"]
    assert role["Arn"] == arn
    assert role["Tags"] == [{"Key": "Team", "Value": "search"}]
    (policy,) = aws.role_policies(name).values()
    *expected, deletion = statement_ids(golden("default-role-policy"))
    assert deletion == "AllowsAmazonQToDeleteTaggedNI"  # its setting is not set
    assert statement_ids(policy) == expected
    for id_ in (KEY_ID, SUBNET_ID, examples.SECURITY_GROUP_ID):
        assert id_ in policy


def test_roles_of_yaml_program_are_deployed_if_inputs_are_valid(
    stack: Stack, declare: Declare, aws: Aws
):
    secret_vpc = {"fn::secret": FULL["vpcConfiguration"]}
    roles = {
        "minimal": REQUIRED_INPUTS,
        "full": FULL,
        "bucket": {**S3_INPUTS, "bucketAccountId": examples.ACCOUNT, "secretId": ""},
        "hidden": {
            **REQUIRED_INPUTS,
            "secretId": {"fn::secret": HIDDEN},
            "vpcConfiguration": secret_vpc,
        },
    }
    declare(stack, roles)
    first = stack.up()
    assert REMOVAL not in first.text  # the new role `full` has no other policies
    arns = stack.outputs()
    names = {each: arn.rpartition("/")[2] for each, arn in arns.items() if isinstance(arn, str)}
    assert names["minimal"].startswith("minimal-qbusiness-role-")
    assert aws.trust_policy(names["minimal"]) == golden("trust-policy")
    assert aws.role_policies(names["minimal"]) == {
        "qbusiness-aem-connector": golden("minimal-role-policy")
    }
    assert aws.role_policies(names["bucket"]) == {
        "qbusiness-aem-connector": of_role(golden("s3-v2-role-policy"), names["bucket"])
    }
    check_every_input(aws)
    (hidden,) = (name for name in aws.roles() if name.startswith("hidden-"))
    (policy,) = aws.role_policies(hidden).values()
    assert HIDDEN in policy
    assert SUBNET_ID in policy
    assert HIDDEN not in json.dumps(stack.state())

    declare(stack, {**roles, "minimal": {**REQUIRED_INPUTS, "exclusivePolicies": True}})
    assert REMOVAL in stack.preview().text

    before = aws.roles()
    declare(stack, {**roles, "late": {**REQUIRED_INPUTS, "secretId": "${minimal.roleName}"}})
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    # During an update, Pulumi's host prefixes a message with the exception's name.
    assert "; its role was not created or changed" in failed.text
    assert "is not a secret ARN or NAME-XXXXXX" in failed.text
    assert "Traceback" not in failed.text
    assert {name for operation, name, _ in failed.steps if operation != "same"} == {"late"}
    assert aws.roles() == before


def check_every_input(aws: Aws) -> None:
    """Check the role with the inputs FULL."""
    role = aws.iam.get_role(RoleName="qbusiness-from-yaml")["Role"]
    policies = aws.role_policies("qbusiness-from-yaml")
    assert policies["qbusiness-aem-connector"] == FULL_ROLE_POLICY
    assert role["Path"] == "/connectors/"
    assert role["Description"] == "AEM"
    assert role["Tags"] == [{"Key": "Team", "Value": "search"}]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("/ReadOnlyAccess")


def test_invalid_inputs_are_rejected_by_name_without_secrets(stack: Stack, declare: Declare, aws: Aws):
    declare(stack, {"docs": INVALID_INPUTS})
    update = assert_rejected(stack, aws)
    message = update.text.partition("    error: ")[2].partition("Resources:")[0]
    expected = Path(__file__).with_name("invalid_inputs.txt").read_text()
    assert [line.rstrip() for line in message.rstrip().splitlines()] == expected.splitlines()

    declare(stack, {"docs": {**S3_INPUTS, "bucketName": {"fn::secret": "Hunter2"}}})
    update = assert_rejected(stack, aws, "bucketName: [secret] is not the name of an S3 bucket")
    assert "Hunter2" not in update.text

    wrong_types = {
        "connector": {"fn::secret": "confluence-cloud"},
        "accountId": 12345670123,
        "vpcConfiguration": {"subnetIds": None, "securityGroupIds": None},
    }
    declare(stack, {"docs": {**REQUIRED_INPUTS, **wrong_types}})
    assert_rejected(
        stack,
        aws,
        'invalid configuration for "docs": 4 errors',
        "connector: is an Output, but this setting determines which statements and resources exist",
        "accountId: expected a string, got 12345670123; if the value is right, quote it",
        "vpcConfiguration.subnetIds: is not set or is empty",
        "vpcConfiguration.securityGroupIds: is not set or is empty",
    )

    declare(
        stack,
        {
            "misspelled": {**REQUIRED_INPUTS, "kmsKey": KEY_ID},
            "missing": {"indexId": INDEX_ID, "secretId": SECRET_ID},
            "list": {**REQUIRED_INPUTS, "vpcConfiguration": []},
        },
    )
    # Pulumi's own messages.
    assert_rejected(
        stack,
        aws,
        "Property kmsKey does not exist on 'qbusiness-connector",
        "applicationId: Missing required property 'applicationId'",
        "vpcConfiguration: Cannot assign 'List<Invalid>' to",
    )


def test_misspelled_input_of_untyped_program_is_rejected(new_stack: NewStack, package: Path, aws: Aws):
    stack = new_stack({"aws:region": REGION}, UNTYPED.replace(f'"{INDEX_ID}"', "111122223333"))
    plugins = {"providers": [{"name": "qbusiness-connector", "path": str(package)}]}
    project = {"name": PROJECT_NAME, "runtime": RUNTIME, "plugins": plugins}
    (stack.directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    assert_rejected(
        stack,
        aws,
        "permissionsBoundaryARN: is not a setting; did you mean permissionsBoundaryArn?",
        "vpcConfiguration.subnets: is not a setting; did you mean subnetIds?",
        "bucket: is not a setting; did you mean bucketName or bucketAccountId?",
        "indexId: expected a string, got 111122223333; if the value is right, quote it",
    )


def test_readme_program_deploys_role_with_cloned_package(
    new_stack: NewStack, repository: Path, tmp_path: Path, aws: Aws
):
    clone = tmp_path / "clone"
    git(repository, "clone", "--quiet", "--no-tags", ".", clone)
    stack = new_stack({"aws:region": REGION})
    (text,) = blocks("yaml", README.read_text())
    program = yaml.safe_load(text)
    make_separate(stack.directory, {**program, "name": PROJECT_NAME})
    stack.environment |= offline(tmp_path)
    run_section(stack, "From a clone", PAGE, CLONE=str(clone))
    stack.up()
    check_the_role_of_the_page(stack.outputs()["roleArn"], aws)
    check = ("-m", "roles", "check", "--stack", stack.name)
    said = stack.execute(sys.executable, *check, check=False, PYTHONPATH=str(PROJECT)).stdout
    assert "without IAM's simulation, the policies allow all " in said
