"""Test the package for other languages: the same role and the same messages.

Programs are compiled against the schema: a breaking change of the schema breaks them.
"""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from components.stack_config import KEYS, camel_case
from evidence import examples
from evidence.examples import INDEX_ID, KEY_ID, REGION, REQUIRED_INPUTS, SECRET_ID, SUBNET_ID
from pages.other_languages import INVALID_INPUTS
from sandbox.environment import PROJECT
from tests.helpers.installing import (
    RUNTIME,
    commit,
    copy_repository,
    install,
    make_separate,
    offline,
    share_packages,
)
from tests.helpers.page import blocks, run_section
from tests.helpers.stacks import Aws, NewStack, Stack, assert_refused
from tests.helpers.support import GOLDEN, PROJECT_NAME, S3, golden, of_role

Schema = dict[str, Any]

PAGE: Final = PROJECT / "docs" / "other-languages.md"
TYPE: Final = "qbusiness-connector:index:ConnectorRole"
FULL: Final = {
    **REQUIRED_INPUTS,
    "region": REGION,
    "accountId": "123456789012",
    "connector": "aem-cloud",
    "kmsKeyId": KEY_ID,
    "vpcConfiguration": {
        "subnetIds": [SUBNET_ID, examples.SHARED_SUBNET_ARN],
        "securityGroupIds": [examples.SECURITY_GROUP_ID],
    },
    "ingestScope": "applicationAndIndex",
    "allowNetworkInterfaceDeletion": True,
    "exclusivePolicies": True,
    "roleName": "qbusiness-from-yaml",
    "rolePath": "/connectors/",
    "roleDescription": "AEM",
    "permissionsBoundaryArn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "tags": {"Team": "search"},
}
"""Every input without a bucket, with the values of `golden/default-role-policy.json`."""
S3_INPUTS: Final = {camel_case(name): value for name, value in S3.items()}


def test_the_programs_of_the_tests_set_every_input():
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
"""The request of an untyped language, such as JavaScript, without type checks of the inputs."""


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Make Pulumi's pip work without a network."""
    return {**environment, **offline(tmp_path)}


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the plugin from a clone of the repository, like Pulumi, and return its directory."""
    clone = tmp_path_factory.mktemp("clone")
    copy_repository(clone)
    commit(clone)
    share_packages(clone / "plugin")
    install(clone, clone / "plugin")
    return clone / "plugin"


@pytest.fixture
def new_program(new_stack: NewStack, package: Path) -> Callable[..., Stack]:
    """Create stacks with a YAML program: `new_program(docs=inputs)` declares a role named docs."""

    def create(**components: Mapping[str, object]) -> Stack:
        stack = new_stack({"aws:region": REGION})
        program = {
            "name": PROJECT_NAME,
            "runtime": "yaml",
            "packages": {"qbusiness-connector": str(package)},
            "resources": {
                name: {"type": TYPE, "properties": inputs} for name, inputs in components.items()
            },
            "outputs": {name: "${docs." + name + "}" for name in ("roleArn", "roleName")},
        }
        (stack.directory / "Pulumi.yaml").write_text(yaml.safe_dump(program))
        return stack

    return create


@pytest.fixture
def new_python_project(new_stack: NewStack) -> Callable[[str], Stack]:
    """Create stacks with a Python program in another project, which can only use the package."""

    def create(program: str) -> Stack:
        stack = new_stack({"aws:region": REGION}, program)
        make_separate(stack.directory, {"runtime": RUNTIME})
        (stack.directory / "requirements.txt").write_text("pulumi\n")
        share_packages(stack.directory)
        return stack

    return create


@pytest.fixture
def schema(new_stack: NewStack, package: Path) -> Schema:
    asked = subprocess.run(
        ["pulumi", "package", "get-schema", str(package)],
        env=new_stack({}).environment,
        check=True,
        capture_output=True,
    )
    return json.loads(asked.stdout)


def frozen() -> Schema:
    return json.loads((GOLDEN / "package-schema.json").read_text())


def breaking_changes(before: Schema, after: Schema) -> list[str]:
    """Return the changes that break a program compiled against the previous schema."""
    found: list[str] = []
    for group in ("resources", "types"):
        for token, old in before[group].items():
            new = after[group].get(token)
            if new is None:
                found.append(f"{token} is gone")
                continue
            for inputs in ("inputProperties", "properties"):
                for name, definition in old.get(inputs, {}).items():
                    changed = new[inputs].get(name)
                    if changed is None:
                        found.append(f"{token}: {name} is gone")
                    elif shape(changed) != shape(definition):
                        found.append(f"{token}: {name} has another type")
            found += [
                f"{token}: {name} has become required"
                for need in (("requiredInputs",) if group == "resources" else ("required",))
                for name in {*new.get(need, ())} - {*old.get(need, ())}
            ]
            if group == "resources":
                lost = {*old["required"]} - {*new["required"]}
                found += [f"{token}: {name} may be missing" for name in lost]
    return found


def shape(definition: object) -> object:
    """Return a definition without its descriptions."""
    if isinstance(definition, dict):
        return {name: shape(member) for name, member in definition.items() if name != "description"}
    return definition


def test_the_schema_equals_the_published_one(schema: Schema):
    assert breaking_changes(frozen(), schema) == []
    assert schema == frozen(), "no breaking change: write the schema to tests/golden"


def test_publishing_the_package_stops_only_at_the_backend_which_is_not_pulumi_cloud(
    new_stack: NewStack, package: Path
):
    command = ("pulumi", "package", "publish", str(package), "--publisher", "acme")
    done = new_stack({}).execute(*command, check=False)
    assert done.returncode != 0
    assert "Private Registry is not supported by diy backends" in done.stdout


def test_the_readme_of_the_package_has_the_yaml_program_of_the_page():
    readme = (PROJECT / "plugin" / "README.md").read_text()
    assert blocks("yaml", readme) == blocks("yaml", PAGE.read_text())[-1:]


def changed(path: tuple[str, ...], value: object) -> Schema:
    """Return the published schema with one part changed or removed."""
    schema = frozen()
    parent = schema
    for part in path[:-1]:
        parent = parent[part]
    if value is None:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return schema


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("resources", TYPE), None, f"{TYPE} is gone"),
        (("resources", TYPE, "inputProperties", "tags"), None, f"{TYPE}: tags is gone"),
        (("resources", TYPE, "properties", "roleArn"), None, f"{TYPE}: roleArn is gone"),
        (
            ("resources", TYPE, "inputProperties", "tags", "type"),
            "string",
            f"{TYPE}: tags has another type",
        ),
        (
            ("resources", TYPE, "requiredInputs"),
            ["applicationId", "indexId", "region"],
            f"{TYPE}: region has become required",
        ),
        (("resources", TYPE, "required"), ["roleName"], f"{TYPE}: roleArn may be missing"),
    ],
)
def test_a_breaking_change_of_the_schema_is_detected(
    path: tuple[str, ...], value: object, expected: str
):
    assert breaking_changes(frozen(), changed(path, value)) == [expected]


def test_a_new_input_or_another_description_is_not_a_breaking_change():
    described = ("resources", TYPE, "inputProperties", "tags", "description")
    assert breaking_changes(frozen(), changed(described, "Tags.")) == []
    added = ("resources", TYPE, "inputProperties", "new")
    assert breaking_changes(frozen(), changed(added, {"type": "string"})) == []


def test_the_inputs_are_the_keys_of_the_configuration_and_each_is_described():
    resource = frozen()["resources"][TYPE]
    assert {*resource["inputProperties"]} == {*KEYS.values(), "region"}
    assert [*resource["properties"]] == ["roleArn", "roleName"]
    (vpc,) = frozen()["types"].values()
    described = [resource, vpc]
    for group in (resource["inputProperties"], resource["properties"], vpc["properties"]):
        described += group.values()
    assert all(resource["description"].endswith(".") for resource in described)


def test_only_inputs_that_decide_the_statements_and_resources_are_plain():
    inputs = frozen()["resources"][TYPE]["inputProperties"]
    assert {name for name, schema in inputs.items() if schema.get("plain")} == {
        "connector",
        "exclusivePolicies",
        "vpcConfiguration",  # whose members are not
    }


def test_a_yaml_program_deploys_the_role_and_gets_its_arn(new_program: Callable[..., Stack], aws: Aws):
    stack = new_program(docs=REQUIRED_INPUTS)
    stack.run("install")
    stack.up()
    name = stack.outputs()["roleName"]
    role = aws.iam.get_role(RoleName=name)["Role"]
    assert name.startswith("docs-qbusiness-role-")
    assert stack.outputs()["roleArn"] == role["Arn"]
    assert aws.trust_policy(name) == golden("trust-policy")
    assert aws.role_policies(name) == {"qbusiness-aem-connector": golden("minimal-role-policy")}
    assert stack.up("--expect-no-changes").exit_code == 0
    stack.destroy()
    assert name not in aws.roles()


def test_every_input_reaches_the_role(new_program: Callable[..., Stack], aws: Aws):
    stack = new_program(docs=FULL)
    assert stack.preview().changes == {"create": 6}
    stack.up()
    role = aws.iam.get_role(RoleName="qbusiness-from-yaml")["Role"]
    policies = aws.role_policies("qbusiness-from-yaml")
    assert policies["qbusiness-aem-connector"] == golden("default-role-policy")
    assert role["Path"] == "/connectors/"
    assert role["Description"] == "AEM"
    assert role["Tags"] == [{"Key": "Team", "Value": "search"}]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("/ReadOnlyAccess")
    kinds = {resource["type"].rpartition("/")[2] for resource in stack.resources()}
    assert {"rolePoliciesExclusive:RolePoliciesExclusive", "role:Role"} <= kinds


def test_the_inputs_of_an_amazon_s3_source_reach_the_role(new_program: Callable[..., Stack], aws: Aws):
    stack = new_program(docs={**S3_INPUTS, "bucketAccountId": examples.ACCOUNT, "secretId": ""})
    stack.up()
    name = stack.outputs()["roleName"]
    policy = of_role(golden("s3-v2-role-policy"), name)
    assert aws.role_policies(name) == {"qbusiness-aem-connector": policy}
    assert stack.up("--expect-no-changes").exit_code == 0


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (
            {"applicationId": examples.APPLICATION_ARN, "indexId": INDEX_ID, "connector": "jira"},
            ["secretId: is required and not set: the connector jira needs it, see https://docs.aws"],
        ),
        (
            {**S3_INPUTS, "secretId": SECRET_ID, "bucketAccountId": 12345670123},
            [
                "secretId: is not supported by the connector s3-v2: see https://docs.aws.amazon.com",
                "bucketAccountId: expected a string, got 12345670123; quote it",
            ],
        ),
        (
            {**REQUIRED_INPUTS, "connector": {"fn::secret": "confluence-cloud"}},
            ["connector: is an Output, and determines which statements and resources exist"],
        ),
        (
            {**S3_INPUTS, "bucketName": {"fn::secret": "Hunter2"}},
            ["bucketName: [secret] is not the name of an S3 bucket"],
        ),
    ],
    ids=["nothing", "secret", "secret connector", "secret bucket"],
)
def test_inputs_that_the_connector_does_not_support_are_refused_by_name(
    new_program: Callable[..., Stack], aws: Aws, inputs: dict[str, object], expected: list[str]
):
    errors = f'invalid configuration of "docs": {len(expected)} error'
    text = assert_refused(new_program(docs=inputs), aws, errors, *expected).text
    assert "Traceback" not in text
    assert "Hunter2" not in text


def test_a_secret_input_stays_secret(new_program: Callable[..., Stack], aws: Aws):
    stack = new_program(docs={**REQUIRED_INPUTS, "secretId": {"fn::secret": SECRET_ID}})
    stack.up()
    assert SECRET_ID in str(aws.role_policies(stack.outputs()["roleName"]))
    assert SECRET_ID not in stack.run("stack", "export", "--stack", stack.name).stdout


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (
            {**REQUIRED_INPUTS, "kmsKey": KEY_ID},
            "Property kmsKey does not exist on 'qbusiness-connector",
        ),
        ({"indexId": INDEX_ID, "secretId": SECRET_ID}, "Missing required property 'applicationId'"),
    ],
    ids=["misspelled", "missing"],
)
def test_pulumi_refuses_a_misspelled_or_missing_input(
    new_program: Callable[..., Stack], aws: Aws, inputs: dict[str, object], expected: str
):
    assert_refused(new_program(docs=inputs), aws, expected)


def declare_package(stack: Stack, package: Path) -> None:
    """Make a Python program use the package without an SDK."""
    project = {"name": PROJECT_NAME, "runtime": RUNTIME}
    plugins = {"providers": [{"name": "qbusiness-connector", "path": str(package)}]}
    (stack.directory / "Pulumi.yaml").write_text(yaml.safe_dump({**project, "plugins": plugins}))


def test_a_misspelled_input_of_an_untyped_language_is_refused(
    new_stack: NewStack, package: Path, aws: Aws
):
    stack = new_stack({"aws:region": REGION}, UNTYPED)
    declare_package(stack, package)
    assert_refused(
        stack,
        aws,
        "permissionsBoundaryARN: is not a setting; did you mean permissionsBoundaryArn?",
        "vpcConfiguration.subnets: is not a setting; did you mean vpcConfiguration.subnetIds?",
        "bucket: is not a setting; did you mean bucketName or bucketAccountId?",
    )


def test_a_number_instead_of_a_string_is_shown_unchanged(new_stack: NewStack, package: Path, aws: Aws):
    stack = new_stack({"aws:region": REGION}, UNTYPED.replace(f'"{INDEX_ID}"', "111122223333"))
    declare_package(stack, package)
    assert_refused(stack, aws, "indexId: expected a string, got 111122223333; quote it")


@pytest.mark.parametrize(
    "vpc",
    [[], "x", {"fn::secret": {"subnetIds": [SUBNET_ID]}}, {"subnetIds": None, "securityGroupIds": None}],
)
def test_a_vpc_that_is_not_a_plain_object_is_refused_with_that_reason(
    new_program: Callable[..., Stack], vpc: object
):
    refused = new_program(docs={**REQUIRED_INPUTS, "vpcConfiguration": vpc}).preview(check=False)
    assert refused.exit_code != 0
    assert "vpcConfiguration" in refused.text
    assert "Missing required input" not in refused.text


def test_a_vpc_configuration_may_be_secret(new_program: Callable[..., Stack]):
    secret = {"fn::secret": FULL["vpcConfiguration"]}
    assert new_program(docs={**FULL, "vpcConfiguration": secret}).preview().changes == {"create": 6}


def test_invalid_inputs_are_all_reported_at_once_by_name_and_without_a_traceback(
    new_program: Callable[..., Stack], aws: Aws
):
    update = assert_refused(new_program(docs=INVALID_INPUTS), aws)
    message = update.text.partition("    error: ")[2].partition("Resources:")[0]
    (expected,) = blocks("text", PAGE.read_text())
    assert message.rstrip() == expected.rstrip()


def test_an_invalid_value_known_only_during_the_update_creates_no_role(
    new_program: Callable[..., Stack], aws: Aws
):
    stack = new_program(other=REQUIRED_INPUTS, docs={**REQUIRED_INPUTS, "secretId": "${other.roleName}"})
    before = aws.roles()
    refused = stack.up(check=False)
    assert refused.exit_code != 0
    # Pulumi's host prefixes a message during the update with the name of the exception.
    assert "; its role was not created or changed" in refused.text
    assert "is not a secret's ARN or NAME-XXXXXX" in refused.text
    assert "Traceback" not in refused.text
    (created,) = {*aws.roles()} - {*before}
    assert created.startswith("other-qbusiness-role-")


def statement_ids(policy: str) -> list[str]:
    return [statement["Sid"] for statement in json.loads(policy)["Statement"]]


def check_that_the_program_on_the_page_deploys_the_role(stack: Stack, package: Path, aws: Aws) -> None:
    run_section(stack, "From a clone", PAGE, CLONE=str(package.parent))
    stack.up()
    arn = stack.outputs()["roleArn"]
    name = arn.rpartition("/")[2]
    role = aws.iam.get_role(RoleName=name)["Role"]
    assert role["Arn"] == arn
    assert role["Tags"] == [{"Key": "Team", "Value": "search"}]
    (policy,) = aws.role_policies(name).values()
    *expected, deletion = statement_ids(golden("default-role-policy"))
    assert deletion == "AllowsAmazonQToDeleteTaggedNI"  # not set
    assert statement_ids(policy) == expected
    for id_ in (KEY_ID, SUBNET_ID, examples.SECURITY_GROUP_ID):
        assert id_ in policy


def test_the_yaml_program_on_the_page_deploys_the_role(new_stack: NewStack, package: Path, aws: Aws):
    stack = new_stack({"aws:region": REGION})
    program = blocks("yaml", PAGE.read_text())[-1].replace("my-program", PROJECT_NAME)
    (stack.directory / "Pulumi.yaml").write_text(program)
    check_that_the_program_on_the_page_deploys_the_role(stack, package, aws)


def test_the_python_program_on_the_page_deploys_the_role_and_reports_invalid_inputs(
    new_python_project: Callable[[str], Stack], package: Path, aws: Aws
):
    program = blocks("python", PAGE.read_text())[-1]
    stack = new_python_project(program)
    check_that_the_program_on_the_page_deploys_the_role(stack, package, aws)
    stack.write_program(program.replace(INDEX_ID, "short").replace(SECRET_ID, "*"))
    refused = stack.preview(check=False)
    assert refused.exit_code != 0
    assert ": 2 errors; its role was not created or changed" in refused.text
    stack.write_program(program.replace("secret_id=", "secretid="))
    refused = stack.preview(check=False)
    assert refused.exit_code != 0
    assert "unexpected keyword argument 'secretid'" in refused.text
