"""Tests `plugin/__main__.py`, the package for other languages.

Programs are compiled against the package's schema, and an incompatible change to it breaks them.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from components.configuration import KEYS
from components.problems import camel_case
from pages import examples
from pages.examples import KEY_ID, REGION, REQUIRED_INPUTS, SUBNET_ID
from sandbox.environment import PROJECT
from tests.helpers.expected import FULL_ROLE_POLICY
from tests.helpers.git_server import HOST, git_server
from tests.helpers.installing import RUNTIME, VERSION, git, make_separate, offline
from tests.helpers.page import blocks, run_section
from tests.helpers.samples import EXAMPLES
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import GOLDEN, PROJECT_NAME, S3, VPC, golden, of_role

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
    "permissionsBoundaryArn": "arn:aws:iam::aws:policy/ReadOnlyAccess",  # a policy in the sandbox
}
"""Every input except the bucket inputs, most of them with the values in `samples.FULL`."""
BUCKET: Final = {
    **{camel_case(name): value for name, value in S3.items()},
    "bucketAccountId": examples.ACCOUNT,
    "secretId": "",
}

UNTYPED: Final = f"""
import pulumi

pulumi.ComponentResource(
    "{TYPE}",
    "docs",
    {{
        "applicationId": "{examples.APPLICATION_ARN}",
        "indexId": 111122223333,
        "secretId": "NAME-*",
        "connector": pulumi.Output.secret("s3-v2"),
        "bucket": "qbusiness-documents",
        "vpcConfiguration": {{"subnetIds": ["{SUBNET_ID}", "subnet-*"], "securityGroupIds": None}},
    }},
    remote=True,
)
"""
"""A program without type checks for its inputs, like a program in JavaScript."""
REMOVAL: Final = "this update removes every policy"
HIDDEN: Final = "qbusiness/hidden-a1B2c3"
"""A secret's ID that is itself secret."""


def declare(stack: Stack, package: Path, roles: Mapping[str, Mapping[str, object]]) -> None:
    """Write a stack's YAML program, which declares roles with these names and inputs."""
    program = {
        "name": PROJECT_NAME,
        "runtime": "yaml",
        "packages": {"qbusiness-connector": str(package)},
        "resources": {name: {"type": TYPE, "properties": inputs} for name, inputs in roles.items()},
        "outputs": {name: f"${{{name}.roleArn}}" for name in roles},
    }
    (stack.directory / "Pulumi.yaml").write_text(json.dumps(program))


def frozen() -> dict[str, Any]:
    return json.loads((GOLDEN / "package-schema.json").read_text())


@pytest.mark.slow
def test_installed_package_has_published_schema(package: Path):
    program = "import runpy; print(runpy.run_path('__main__.py')['Provider']().schema)"
    asked = subprocess.run(
        ["venv/bin/python", "-c", program], cwd=package, check=True, capture_output=True
    )
    assert json.loads(asked.stdout) == {**frozen(), "version": VERSION}, (
        "tests/golden/package-schema.json: add a new input; a removed or changed one breaks programs"
    )


def test_inputs_are_configuration_keys_with_descriptions():
    resource = frozen()["resources"][TYPE]
    assert {*resource["inputProperties"]} == {*KEYS.values(), "region"} == {*FULL, *BUCKET}
    assert [*resource["properties"]] == ["roleArn", "roleName"]
    (vpc,) = frozen()["types"].values()
    described = [resource, vpc]
    for group in (resource["inputProperties"], resource["properties"], vpc["properties"]):
        described += group.values()
    assert all(resource["description"].endswith(".") for resource in described)


def test_roles_of_yaml_program_are_deployed_if_inputs_are_valid(
    new_stack: NewStack, package: Path, aws: Aws
):
    roles = {
        "minimal": REQUIRED_INPUTS,
        "full": FULL,
        "bucket": BUCKET,
        "hidden": {
            **REQUIRED_INPUTS,
            "secretId": {"fn::secret": HIDDEN},
            "vpcConfiguration": {"fn::secret": FULL["vpcConfiguration"]},
        },
    }
    stack = new_stack({"aws:region": REGION})
    declare(stack, package, roles)
    first = stack.up()
    assert REMOVAL not in first.text  # the new role `full` has no other policies
    outputs = stack.outputs()
    minimal, bucket = (outputs[name].rpartition("/")[2] for name in ("minimal", "bucket"))
    assert minimal.startswith("minimal-qbusiness-role-")
    assert aws.trust_policy(minimal) == golden("trust-policy")
    for name, policy in (
        (minimal, golden("minimal-role-policy")),
        (bucket, of_role(golden("s3-v2-role-policy"), bucket)),
        ("qbusiness-from-yaml", FULL_ROLE_POLICY),
    ):
        assert aws.role_policies(name)["qbusiness-aem-connector"] == policy
    full = aws.role("qbusiness-from-yaml")
    assert full["arn"] == f"arn:aws:iam::{examples.ACCOUNT}:role/connectors/qbusiness-from-yaml"
    assert (full["description"], full["tags"]) == ("AEM", {"Team": "search"})
    assert full["boundary"] == FULL["permissionsBoundaryArn"]
    (hidden,) = (name for name in aws.roles() if name.startswith("hidden-"))
    (policy,) = aws.role_policies(hidden).values()
    assert HIDDEN in policy
    assert SUBNET_ID in policy
    assert HIDDEN not in json.dumps(stack.state())

    exclusive = {**REQUIRED_INPUTS, "exclusivePolicies": True}
    of_minimal = {"indexId": "${minimal.roleName}", "secretId": {"fn::secret": "Hunter2"}}
    # The text before the first separator is empty.
    name_parts = {"fn::split": ["${minimal.roleName}", "${minimal.roleName}"]}
    blank_output = {"fn::select": [0, name_parts]}
    late = {**REQUIRED_INPUTS, **of_minimal, "kmsKeyId": blank_output}
    declare(stack, package, {**roles, "minimal": exclusive, "late": late})
    failed = stack.preview(check=False)
    assert failed.exit_code != 0
    assert REMOVAL in failed.text
    # Pulumi's host prefixes a message about an output with the exception's name.
    assert "; its role was not created or changed" in failed.text
    assert f'indexId: "{minimal}" is not ' in failed.text
    assert "secretId: [secret] is not a secret ARN or NAME-XXXXXX" in failed.text
    assert 'kmsKeyId: is an Output that resolved to ""; only a plain "" means not set' in failed.text
    assert "Hunter2" not in failed.text
    assert "Traceback" not in failed.text


def test_error_names_each_invalid_input_of_untyped_program(new_stack: NewStack, package: Path, aws: Aws):
    stack = new_stack({"aws:region": REGION}, UNTYPED)
    plugins = {"providers": [{"name": "qbusiness-connector", "path": str(package)}]}
    project = {"name": PROJECT_NAME, "runtime": RUNTIME, "plugins": plugins}
    (stack.directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    update = stack.up(check=False)
    assert update.exit_code != 0
    assert aws.roles() == []
    assert ' for "docs": 6 errors; its role was not created or changed\n' in update.text
    for problem in (
        "bucket: is not a setting; did you mean bucketName or bucketAccountId?\n",
        "indexId: expected a string, got 111122223333; if the value is right, quote it\n",
        'secretId: "NAME-*" is not a secret ARN or NAME-XXXXXX\n',
        "connector: is an Output, but this setting determines which statements and resources exist\n",
        'vpcConfiguration.subnetIds[1]: "subnet-*" is not a subnet ID or ARN\n',
        "vpcConfiguration.securityGroupIds: is not set or is empty\n",
    ):
        assert f"\n      {problem}        expected: " in update.text


def test_readme_program_deploys_role_with_package_from_git_tag_or_clone(
    new_stack: NewStack, repository: Path, tmp_path: Path, aws: Aws
):
    stack = new_stack({"aws:region": REGION})
    (text,) = blocks("yaml", README.read_text())
    make_separate(stack.directory, {**yaml.safe_load(text), "name": PROJECT_NAME})
    stack.environment |= offline(tmp_path)
    if sys.platform != "darwin":  # on macOS, Go does not read certificates from files
        served = tmp_path / "served"
        git(repository, "clone", "--quiet", "--bare", ".", served / "organization" / "repository.git")
        with git_server(served, tmp_path) as variables:
            address = f"https://{HOST}/organization/repository.git/plugin@v{VERSION}"
            stack.execute("pulumi", "package", "add", address, check=True, **variables)
        packages = yaml.safe_load((stack.directory / "Pulumi.yaml").read_text())["packages"]
        assert VERSION in str(packages)
        stack.up()
    clone = tmp_path / "clone"
    git(repository, "clone", "--quiet", "--no-tags", ".", clone)
    run_section(stack, "From a clone", PAGE, CLONE=str(clone))
    stack.up()
    (name,) = aws.roles()
    role = aws.role(name)
    assert role["arn"] == stack.outputs()["roleArn"]
    assert role["tags"] == {"Team": "search"}
    (policy,) = role["policies"].values()
    *expected, deletion = statement_ids(golden("default-role-policy"))
    assert deletion == "AllowsAmazonQToDeleteTaggedNI"  # allowNetworkInterfaceDeletion is not set
    assert statement_ids(policy) == expected
    for id_ in (KEY_ID, SUBNET_ID, examples.SECURITY_GROUP_ID):
        assert id_ in policy
    check = ("-m", "roles", "check", "--stack", stack.name)
    said = stack.execute(sys.executable, *check, check=False, PYTHONPATH=str(PROJECT)).stdout
    allowed = r"^the policies allow all \d+ requests \(not confirmed by IAM's simulation\); "
    assert re.search(allowed, said, re.MULTILINE)


def statement_ids(policy: str) -> list[str]:
    return [statement["Sid"] for statement in json.loads(policy)["Statement"]]
