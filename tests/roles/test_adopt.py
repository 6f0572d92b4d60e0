"""A role of the console's is imported into a stack: found, compared, written down, AWS unchanged."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from moto.iam.models import iam_backends

from components.connector_role import ConnectorRole
from components.connectors import CONNECTORS
from evidence.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from roles.__main__ import main
from roles.actions import ACTIONS
from roles.difference import TRUST_POLICY, compare, statements
from sandbox.environment import PROJECT
from tests.helpers.mocked import Deployment
from tests.helpers.page import page_path, read_actions, run_section
from tests.helpers.qbusiness_server import DATA_SOURCE_ID, Server, served
from tests.helpers.roles_command import Output, Roles
from tests.helpers.stacks import PROJECT_NAME, Aws, Stack
from tests.helpers.support import POLICY, ROLE, golden, in_one_line, of_role

pytestmark = pytest.mark.slow

PAGE = PROJECT / "docs" / "adopt.md"
NAME = "QBusiness-DataSource-x1y2z"
OWN = "qbusiness-aem-connector"
SECRET_NAME = "qbusiness/aem-pages"
OTHER_ID = "d4e5f6a7-8901-23ab-cdef-444444444444"
KEY_ARN = f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/{KEY_ID}"
INDEX_ARN = f"{APPLICATION_ARN}/index/{INDEX_ID}"
VPC = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
INGEST = ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"]


class Maker:
    """Somebody who made a data source, its secret and its role by hand before."""

    def __init__(self, aws: Aws) -> None:
        self.iam, self.s3, self.secrets = aws.iam, aws.client("s3"), aws.client("secretsmanager")
        self.secret_arn = ""
        self.role_arn = ""

    def make(
        self,
        trust: str = "",
        policies: dict[str, str] | None = None,
        secret: dict[str, str] | None = None,
        configuration: dict[str, Any] | None = None,
        role: dict[str, Any] | None = None,
        **data_source: Any,
    ) -> None:
        made = self.secrets.create_secret(Name=SECRET_NAME, SecretString="{}", **(secret or {}))
        self.secret_arn = made["ARN"]
        made = self.iam.create_role(
            RoleName=NAME, AssumeRolePolicyDocument=trust or golden("trust-policy"), **(role or {})
        )
        self.role_arn = made["Role"]["Arn"]
        for name, text in (policies or {}).items():
            document = text.replace("SECRET", self.secret_arn)
            self.iam.put_role_policy(RoleName=NAME, PolicyName=name, PolicyDocument=document)
        configuration = {"type": "AEM", "secretArn": self.secret_arn} | (configuration or {})
        self.add(configuration=configuration, roleArn=self.role_arn, **data_source)

    def add(self, **data_source: Any) -> None:
        raise NotImplementedError


class Console(Maker):
    """The console of an account whose calls are recorded."""

    def __init__(self, server: Server) -> None:
        super().__init__(Aws({"AWS_ENDPOINT_URL": server.url}))
        self.server = server

    def add(self, **data_source: Any) -> None:
        self.server.add(**data_source)
        self.server.calls.clear()


class SandboxConsole(Maker):
    """The console of the sandbox."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws)
        self.qbusiness = aws.client("qbusiness")
        self.index = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}

    def add(self, **data_source: Any) -> None:
        self.qbusiness.create_data_source(**self.index, displayName="Pages", **data_source)

    def data_source_role(self) -> str:
        (source,) = self.qbusiness.list_data_sources(**self.index)["dataSources"]
        this = {**self.index, "dataSourceId": source["dataSourceId"]}
        return self.qbusiness.get_data_source(**this)["roleArn"]


Adopt = Callable[..., Output]


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture
def console(server: Server) -> Console:
    return Console(server)


@pytest.fixture
def adopt(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Adopt:
    """Run `roles adopt --stack prod` in a directory with a project."""
    (tmp_path / "Pulumi.yaml").write_text(f"name: {PROJECT_NAME}\n")
    monkeypatch.chdir(tmp_path)
    roles = Roles(server, monkeypatch, capsys)
    return lambda *options: roles.run("adopt", "--stack", "prod", *options)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def own_policy() -> str:
    """Return the program's role policy, with the secret to be filled in."""
    text = golden("minimal-role-policy")
    return re.sub(r'"arn:aws:secretsmanager[^"]*"', '"SECRET"', text)


TEMPLATE = policy(
    allow("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*"),
    allow(INGEST, INDEX_ARN, Sid="Ingest"),
)
WIDE = policy(allow("*", "*", Sid="Everything"))


# What is written.


def test_the_configuration_has_what_the_data_source_and_the_role_have(
    console: Console, adopt: Adopt, tmp_path: Path
):
    tags = [{"Key": "CostCentre", "Value": "0893"}, {"Key": "yes", "Value": "2026-01-01"}]
    role = {
        "Path": "/service-role/",
        "Description": "Q: the console's\n",
        "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        "Tags": tags,
    }
    boundary = console.iam.create_policy(PolicyName="boundary", PolicyDocument=WIDE)
    assert boundary["Policy"]["Arn"] == role["PermissionsBoundary"]
    console.server.answers["kms:DescribeKey"] = {
        "KeyMetadata": {"KeyId": KEY_ID, "Arn": KEY_ARN, "KeyManager": "CUSTOMER"}
    }
    console.make(role=role, secret={"KmsKeyId": KEY_ARN}, vpcConfiguration=VPC)
    said = adopt()
    assert said.code == 0
    text = (tmp_path / "Pulumi.prod.yaml").read_text()
    expected: dict[str, Any] = {
        "applicationId": APPLICATION_ARN,
        "indexId": INDEX_ID,
        "secretId": console.secret_arn,
        "kmsKeyId": KEY_ARN,
        "roleName": NAME,
        "rolePath": "/service-role/",
        "roleDescription": "Q: the console's\n",
        "permissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        "vpcConfiguration": VPC,
        "tags": {"CostCentre": "0893", "yes": "2026-01-01"},
    }
    namespaced = {f"{PROJECT_NAME}:{key}": value for key, value in expected.items()}
    provider = {"aws:region": REGION, "aws:allowedAccountIds": [ACCOUNT]}
    assert yaml.safe_load(text) == {"config": {**provider, **namespaced}}
    assert f'- "{ACCOUNT}"' in text  # not a number
    assert '"CostCentre": "0893"' in text
    assert json.loads((tmp_path / "import.json").read_text()) == {
        "resources": [
            {
                "type": "qbusiness-connector:index:ConnectorRole",
                "name": "aem-connector",
                "component": True,
            },
            {"type": "aws:iam/role:Role", "name": ROLE, "id": NAME, "parent": "aem-connector"},
        ]
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "Pulumi.prod.yaml",
        "Pulumi.yaml",
        "import.json",
    ]


def test_the_program_takes_the_configuration_and_writes_what_was_compared(
    console: Console, adopt: Adopt, monkeypatch: pytest.MonkeyPatch
):
    console.make(policies={OWN: own_policy()}, role={"Path": "/service-role/"})
    config = adopt("--json").json["config"]
    text = {key: it if isinstance(it, str) else json.dumps(it) for key, it in config.items()}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(text))
    program = lambda: ConnectorRole.from_config("aem-connector", refuse_unknown_keys=True)  # noqa: E731
    deployment = Deployment(program)
    assert deployment.error is None
    assert deployment.warnings == []
    written = deployment.role_policy["policy"]
    assert written == in_one_line(own_policy().replace("SECRET", console.secret_arn))


def test_a_policy_by_the_program_s_name_is_imported_too(console: Console, adopt: Adopt):
    console.make(policies={"another": WIDE, OWN: WIDE})
    said = adopt("--json").json
    assert said["import"]["resources"][2] == {
        "type": "aws:iam/rolePolicy:RolePolicy",
        "name": POLICY,
        "id": f"{NAME}:{OWN}",
        "parent": "aem-connector",
    }
    assert said["keptPolicies"] == ["another"]


def test_without_a_vpc_and_a_key_there_is_neither_in_the_configuration(console: Console, adopt: Adopt):
    console.make()
    keys = adopt("--json", "--dry-run").json["config"]
    assert not {key for key in keys if "vpc" in key or "kms" in key}


def test_a_secret_given_by_its_name_is_written_as_its_arn(console: Console, adopt: Adopt):
    console.make(configuration={"secretArn": SECRET_NAME})
    assert adopt("--json").json["config"][f"{PROJECT_NAME}:secretId"] == console.secret_arn


@pytest.mark.parametrize(
    ("key", "manager", "expected"),
    [
        ("alias/aws/secretsmanager", None, None),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/secretsmanager", None, None),
        (KEY_ID, "AWS", None),
        ("alias/own", "CUSTOMER", KEY_ARN),
        (KEY_ARN, "CUSTOMER", KEY_ARN),
    ],
)
def test_only_a_customer_managed_key_is_written(
    console: Console, adopt: Adopt, key: str, manager: str | None, expected: str | None
):
    if manager:
        metadata = {"KeyId": KEY_ID, "Arn": KEY_ARN, "KeyManager": manager}
        console.server.answers["kms:DescribeKey"] = {"KeyMetadata": metadata}
    console.make(secret={"KmsKeyId": key})
    assert adopt("--json").json["config"].get(f"{PROJECT_NAME}:kmsKeyId") == expected
    assert ("kms:DescribeKey" in console.server.calls) is bool(manager)


def test_what_the_stack_s_file_has_beside_the_configuration_stays(
    console: Console, adopt: Adopt, tmp_path: Path
):
    console.make()
    (tmp_path / "Pulumi.prod.yaml").write_text("encryptionsalt: v1:abc=:v1:def\n")
    assert adopt().code == 0
    assert (
        yaml.safe_load((tmp_path / "Pulumi.prod.yaml").read_text())["encryptionsalt"] == "v1:abc=:v1:def"
    )


def test_files_are_overwritten_by_force_alone(console: Console, adopt: Adopt, tmp_path: Path):
    console.make()
    assert adopt().code == 0
    before = (tmp_path / "Pulumi.prod.yaml").read_text()
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {a: b}\n")
    console.server.calls.clear()
    line = adopt().refusal
    assert "Pulumi.prod.yaml and import.json would be overwritten: give --force" in line
    assert console.server.calls == []
    assert (tmp_path / "Pulumi.prod.yaml").read_text() == "config: {a: b}\n"
    assert adopt("--force").code == 0
    assert (tmp_path / "Pulumi.prod.yaml").read_text() == before


def test_the_report_ends_with_the_next_command(console: Console, adopt: Adopt):
    console.make()
    assert adopt("--stack", "acme/test").out.endswith(
        "Written: Pulumi.test.yaml, import.json. Next steps: docs/adopt.md.\n"
        "Import the role, which changes nothing in AWS:\n"
        "\n"
        "pulumi import --stack acme/test --file import.json --yes --protect=false "
        "--generate-code=false\n"
    )
    assert "pulumi import" not in adopt("--dry-run").out


def test_a_dry_run_says_the_same_and_writes_nothing(console: Console, adopt: Adopt, tmp_path: Path):
    console.make()
    dry = adopt("--dry-run", "--json").json
    assert "Nothing was written." in adopt("--dry-run").out
    assert [path.name for path in tmp_path.iterdir()] == ["Pulumi.yaml"]
    assert adopt("--json").json == {**dry, "files": ["Pulumi.prod.yaml", "import.json"]}


def test_a_file_that_cannot_be_written_leaves_no_half_of_the_others(
    console: Console, adopt: Adopt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    console.make()
    (tmp_path / "Pulumi.prod.yaml").write_text("encryptionsalt: v1:abc\n")
    write = Path.write_text

    def fail(path: Path, text: str, **more: Any) -> int:
        if path.name == "import.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, text, **more)

    monkeypatch.setattr(Path, "write_text", fail)
    assert adopt("--data-source", DATA_SOURCE_ID).refusal == (
        "adopt: import.json cannot be written: No space left on device"
    )
    assert (tmp_path / "Pulumi.prod.yaml").read_text() == "encryptionsalt: v1:abc\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Pulumi.prod.yaml", "Pulumi.yaml"]


def test_a_link_stays_a_link_a_file_keeps_its_permissions_and_others_are_left_alone(
    console: Console, adopt: Adopt, tmp_path: Path
):
    console.make()
    (tmp_path / "stacks").mkdir()
    stack_file = tmp_path / "stacks" / "prod.yaml"
    stack_file.write_text("encryptionsalt: v1:abc\n")
    stack_file.chmod(0o640)
    (tmp_path / "Pulumi.prod.yaml").symlink_to("stacks/prod.yaml")
    (tmp_path / "import.unfinished").write_text("mine")
    (tmp_path / "Pulumi.prod.unfinished").write_text("mine")
    before = os.umask(0o027)
    try:
        assert adopt().code == 0
    finally:
        os.umask(before)
    assert (tmp_path / "Pulumi.prod.yaml").readlink() == Path("stacks/prod.yaml")
    assert set(yaml.safe_load(stack_file.read_text())) == {"encryptionsalt", "config"}
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("Pulumi.prod.yaml", "import.json")]
    assert modes == [0o640, 0o640]
    assert (tmp_path / "import.unfinished").read_text() == "mine"
    assert (tmp_path / "Pulumi.prod.unfinished").read_text() == "mine"
    assert len([*tmp_path.iterdir()]) == 6


@pytest.mark.parametrize("name", ["import.json", "Pulumi.prod.yaml", "Pulumi.yaml"])
def test_a_file_that_is_not_regular_is_one_line_before_aws_is_asked(
    console: Console, adopt: Adopt, tmp_path: Path, name: str
):
    console.make()
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    assert adopt("--force").refusal.startswith(f"adopt: {name} is not a ")
    assert console.server.calls == []
    assert (tmp_path / name).is_fifo()


@pytest.mark.usefixtures("adopt")
def test_of_commands_at_the_same_time_one_writes_its_files(console: Console, tmp_path: Path):
    console.make()
    command = [sys.executable, "-m", "roles", "adopt", "--stack"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    names = ["one", "one", "two", "two"]
    running = [
        subprocess.Popen([*command, name], env=environment, stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    ended = [(process.communicate()[1], process.returncode) for process in running]
    codes = [code for _, code in ended]
    assert sorted(codes) == [0, 2, 2, 2], ended
    winner = names[codes.index(0)]
    for said, code in ended:
        assert code == 0 or said.splitlines()[-1].endswith(
            "import.json would be overwritten: give --force, or move what you need away"
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"Pulumi.{winner}.yaml",
        "Pulumi.yaml",
        "import.json",
    ]


def test_the_file_of_a_stack_has_no_organization_in_its_name(console: Console, adopt: Adopt):
    console.make()
    assert adopt("--stack", "acme/prod", "--json").json["files"] == ["Pulumi.prod.yaml", "import.json"]


@pytest.mark.parametrize(
    "value", ["2024-05-01 12:00:00 +0000 UTC", "2024-05-01", "012", "yes", "1e3", "null", ""]
)
def test_a_tag_value_that_yaml_would_read_as_another_type_is_quoted(
    console: Console, adopt: Adopt, tmp_path: Path, value: str
):
    console.make(role={"Tags": [{"Key": "Created", "Value": value}]})
    assert adopt().code == 0
    text = (tmp_path / "Pulumi.prod.yaml").read_text()
    assert f'"{PROJECT_NAME}:tags":\n    "Created": "{value}"\n' in text


def test_outside_a_project_nothing_is_asked(console: Console, adopt: Adopt, tmp_path: Path):
    console.make()
    (tmp_path / "Pulumi.yaml").unlink()
    assert "go to the project's directory" in adopt().refusal
    assert console.server.calls == []


def test_a_setting_that_the_program_would_refuse_is_told_before_anything_is_written(
    console: Console, adopt: Adopt, tmp_path: Path
):
    console.make(vpcConfiguration={"subnetIds": ["subnet-1"], "securityGroupIds": [SECURITY_GROUP_ID]})
    said = adopt()
    assert said.code == 2
    assert 'vpcConfiguration.subnetIds[0]: "subnet-1" is not a subnet ID or ARN' in said.err
    assert not (tmp_path / "Pulumi.prod.yaml").exists()


# Which data source.


@pytest.mark.parametrize("content", [b"[]", b"hello", b"name: 1", b"\xff\xfe"])
def test_a_project_file_that_is_none_is_one_line(
    console: Console, adopt: Adopt, tmp_path: Path, content: bytes
):
    console.make()
    (tmp_path / "Pulumi.yaml").write_bytes(content)
    assert "Pulumi.yaml" in adopt().refusal


def test_an_import_file_that_is_a_directory_leaves_the_configuration_alone(
    console: Console, adopt: Adopt, tmp_path: Path
):
    console.make()
    (tmp_path / "import.json").mkdir()
    assert "import.json is a directory" in adopt("--force").err
    assert not (tmp_path / "Pulumi.prod.yaml").exists()


def test_a_role_whose_tags_pulumi_would_take_for_a_secret_is_refused(console: Console, adopt: Adopt):
    console.make(role={"Tags": [{"Key": "secure", "Value": "yes"}]})
    assert "add another tag" in adopt().err


def test_another_data_source_under_the_same_role_is_warned_about(console: Console, adopt: Adopt):
    console.make()
    console.server.add(OTHER_ID, "S3", configuration={}, roleArn=console.role_arn)
    said = adopt("--json", "--data-source", DATA_SOURCE_ID)
    assert said.code == 0
    assert f"warning: data source {OTHER_ID} of index {INDEX_ID}" in said.err
    console.server.add(OTHER_ID, "S3", configuration={}, roleArn=f"{console.role_arn}2")
    assert OTHER_ID not in adopt("--json", "--force", "--data-source", DATA_SOURCE_ID).err


def test_data_sources_of_every_connector_are_offered_unless_one_is_asked_for(
    console: Console, adopt: Adopt
):
    console.make()
    console.server.add(OTHER_ID, "S3")
    console.server.add("e" + OTHER_ID[1:], "CUSTOM")
    said = adopt("--json")
    assert said.code == 2
    assert [choice["type"] for choice in said.json["choices"]] == ["AEM", "S3"]
    said = adopt("--json", "--dry-run", "--connector", "aem-server")
    assert said.json["dataSource"]["dataSourceId"] == DATA_SOURCE_ID
    assert said.json["connector"] == "aem-server"
    line = adopt("--connector", "box").refusal
    assert "no data source of the connector box (there are 3, of these types: AEM, CUSTOM, S3)" in line


def test_an_ambiguous_choice_lists_the_options_to_give(console: Console, adopt: Adopt):
    console.make()
    console.server.add(OTHER_ID, configuration={}, roleArn=console.role_arn)
    said = adopt()
    assert said.code == 2
    for identifier in (DATA_SOURCE_ID, OTHER_ID):
        assert f"--data-source {identifier}  Pages (AEM, ACTIVE) of application Docs" in said.err
    said = adopt("--data-source", DATA_SOURCE_ID, "--application", APPLICATION_ID)
    assert said.code == 0
    assert "the only choice" not in said.err


def test_a_name_looks_like_no_other_line(
    console: Console, adopt: Adopt, monkeypatch: pytest.MonkeyPatch
):
    forged = "Docs\r\nadopt: \x1b[31mFORGED\u202e\u2066\u200b\u2028\x9b\U000e0041"
    shown = "Docs\\r\\nadopt: \\x1b[31mFORGED\\u202e\\u2066\\u200b\\u2028\\x9b\\U000e0041"
    console.make()
    console.server.qbusiness.resources[APPLICATION_ID,]["displayName"] = forged
    (line,) = adopt("--dry-run").err.splitlines()
    assert line.endswith(f"Pages (AEM, ACTIVE) of application {shown} {APPLICATION_ID}")
    console.server.add(OTHER_ID)
    said = adopt("--dry-run")
    assert len(said.err.splitlines()) == 3
    assert said.err.count(shown) == 2
    monkeypatch.setattr("builtins.input", lambda: "1")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    said = adopt("--dry-run")
    assert said.err.count(shown) == 2
    assert re.sub("[\r\n]", "", said.err).isascii()
    assert re.sub("[\r\n]", "", said.err).isprintable()


def test_a_person_is_asked_until_the_answer_is_one_of_the_choices(
    console: Console, adopt: Adopt, monkeypatch: pytest.MonkeyPatch
):
    console.make()
    console.server.add(OTHER_ID, configuration={}, roleArn=console.role_arn)

    answers = iter(["first", "0", "3", "1"])

    def answer(question: str = "") -> str:
        assert question == ""  # it is on standard error
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None  # the terminal was closed

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    assert "which data source? Give one of" in adopt().err  # nobody sees a question
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    said = adopt("--dry-run")
    assert said.code == 0
    assert f"  2  --data-source {OTHER_ID}" in said.err
    assert said.err.count("Which data source, 1 to 2? ") == 4
    assert said.out.startswith("role: ")
    assert list(answers) == []
    said = adopt()
    assert said.code == 130
    assert said.err.endswith("Which data source, 1 to 2? \nadopt: interrupted\n")


def in_order(last: str) -> list[str]:
    """Return five IDs."""
    return [*(f"{number}{last[1:]}" for number in range(4)), last]


def test_long_lists_are_read_to_their_end_with_progress(console: Console, adopt: Adopt):
    console.make(policies={f"policy-{number}": WIDE for number in range(3)})
    qbusiness = console.server.qbusiness
    qbusiness.page_size = 2
    qbusiness.resources.clear()
    for application in in_order(APPLICATION_ID):
        qbusiness.add(application, displayName="Docs")
        for index in in_order(INDEX_ID):
            qbusiness.add(application, index, displayName="Main")
            for number, source in enumerate(in_order(DATA_SOURCE_ID)):
                kind = "CUSTOM" if number < 4 else "AEM"
                qbusiness.add(application, index, source, displayName="Pages", type=kind)
    said = adopt("--application", APPLICATION_ID, "--json")
    assert said.code == 2
    assert len(said.json["choices"]) == 5
    assert "reading indices: 4 so far" in said.err
    assert "reading data sources: 4 so far" in said.err
    said = adopt("--json")
    assert "reading applications: 4 so far" in said.err
    assert "looking through 5 applications" in said.err
    assert len(said.json["choices"]) == 25


def test_one_page_has_no_progress_and_json_has_standard_output_to_itself(console: Console, adopt: Adopt):
    console.make()
    said = adopt("--json")
    assert said.json["files"] == ["Pulumi.prod.yaml", "import.json"]
    (line,) = said.err.splitlines()
    assert "the only choice" in line


def test_role_policies_of_more_than_a_page_are_all_read(console: Console, adopt: Adopt):
    console.make()
    for number in range(101):
        document = policy(allow("s3:GetObject", f"arn:aws:s3:::bucket/{number}"))
        arn = console.iam.create_policy(PolicyName=f"p{number}", PolicyDocument=document)["Policy"][
            "Arn"
        ]
        console.iam.attach_role_policy(RoleName=NAME, PolicyArn=arn)
    console.server.calls.clear()
    said = adopt("--json")
    assert "reading attached role policies: 100 so far" in said.err
    assert len(said.json["keptPolicies"]) == 101


# Which connector.


def configured(kind: str, more: Any = (), **endpoint: Any) -> dict[str, Any]:
    """Return the configuration of a data source, as the JSON schema of its connector has it."""
    connection = {"repositoryEndpointMetadata": endpoint}
    return {"type": kind, "connectionConfiguration": connection, **dict(more)}


def nested(**properties: str) -> dict[str, Any]:
    return {"repositoryAdditionalProperties": properties}


@pytest.mark.parametrize(
    ("connector", "configuration"),
    [
        (None, configured("AEM", deploymentType="CLOUD", aemUrl="https://x", authType="OAuth2")),
        ("aem-server", configured("AEM", deploymentType="ON_PREMISE")),
        ("alfresco-cloud", configured("ALFRESCO", **nested(type="PAAS", authType="Basic"))),
        ("alfresco-server", configured("ALFRESCO", **nested(type="ON_PREM"))),
        ("confluence-cloud", configured("CONFLUENCEV2", type="SAAS")),
        ("confluence-server", configured("CONFLUENCE", type="ON_PREM")),
        ("github-cloud", configured("GITHUB", type="SAAS")),
        ("github-server", configured("GITHUB", type="ON_PREMISE")),
        ("sharepoint-cloud", configured("SHAREPOINTV2", **nested(version="Online"))),
        ("sharepoint-server-subscription", configured("SHAREPOINT", **nested(version="Server"))),
        ("my-sql", configured("JDBC", dbType="mysql")),
        ("ms-sql-server", configured("JDBC", dbType="sqlserver")),
        ("ibm-db2", configured("JDBC", dbType="db2")),
        ("oracle-database", configured("JDBC", dbType="oracle")),
        ("postgresql", configured("JDBC", dbType="postgresql")),
        ("exchange", configured("MSEXCHANGE")),
        ("teams", configured("MSTEAMSV2")),
        ("googledrive-v1", configured("GOOGLEDRIVE")),
        ("googledrive-v2", configured("GOOGLEDRIVEV3")),
        ("webcrawler", configured("WEBCRAWLERV2")),
        ("Asana", configured("ASANA")),
    ],
)
def test_the_connector_is_what_type_and_configuration_say(
    console: Console, adopt: Adopt, connector: str | None, configuration: dict[str, Any]
):
    console.make(configuration=configuration, kind=configuration["type"])
    said = adopt("--json")
    assert said.code == 0
    assert said.json["config"].get(f"{PROJECT_NAME}:connector") == connector
    assert said.json["connector"] == (connector or "aem-cloud")


@pytest.mark.parametrize(
    "kind", sorted({kind for row in CONNECTORS.values() for kind in row.types.split()})
)
def test_every_type_of_a_connector_can_be_imported_whatever_its_configuration_leaves_out(
    console: Console, adopt: Adopt, kind: str
):
    configuration: dict[str, Any] = {"type": kind}
    if kind.startswith("S3"):
        console.s3.create_bucket(Bucket="documents")
        configuration |= {"secretArn": None, "connectionConfiguration": {"bucketName": "documents"}}
    console.make(configuration=configuration, kind=kind)
    said = adopt("--json")
    assert said.code == 0
    connector = said.json["config"].get(f"{PROJECT_NAME}:connector", "aem-cloud")
    assert kind in CONNECTORS[connector].types.split()


@pytest.mark.parametrize(
    ("configuration", "bucket"),
    [
        (configured("SHAREPOINTV2", **nested(version="Online", s3bucketName="files")), "files"),
        (configured("WEBCRAWLERV2", s3SeedUrl="s3://files/seeds.txt", s3SiteMapUrl=None), "files"),
        (configured("CONFLUENCEV2", type="ON_PREM", sslCertificatePath="s3://files/a.pem"), "files"),
        (configured("ALFRESCO", {"additionalProperties": {"path": "s3://files/a.pem"}}), "files"),
        (configured("MSEXCHANGEV2", {"filter": [{"userFilterPath": "s3://files/users"}]}), "files"),
        (configured("SHAREPOINTV2", **nested(version="Online", s3bucketName="")), None),
    ],
)
def test_a_bucket_that_the_configuration_names_is_written(
    console: Console, adopt: Adopt, configuration: dict[str, Any], bucket: str | None
):
    console.make(configuration=configuration, kind=configuration["type"])
    said = adopt("--json")
    assert said.code == 0
    assert said.json["config"].get(f"{PROJECT_NAME}:bucketName") == bucket
    assert f"{PROJECT_NAME}:bucketAccountId" not in said.json["config"]


def test_a_connector_that_the_configuration_does_not_tell_takes_what_the_data_source_uses(
    console: Console, adopt: Adopt
):
    # Alfresco Cloud has no bucket.
    console.make(configuration={"type": "ALFRESCO", "bucketName": "files"}, kind="ALFRESCO")
    assert adopt("--json").json["connector"] == "alfresco-server"


def test_a_bucket_that_the_connector_does_not_take_is_a_warning(console: Console, adopt: Adopt):
    console.make(configuration={"bucketName": "files"})
    said = adopt("--json")
    assert said.code == 0
    assert "names the bucket files, to which the role of the connector aem-cloud gives no" in said.err
    assert f"{PROJECT_NAME}:bucketName" not in said.json["config"]


def test_of_several_buckets_the_first_is_written_with_a_warning(console: Console, adopt: Adopt):
    endpoint = {"s3SeedUrl": "s3://one/a", "s3SiteMapUrl": "s3://two/b"}
    console.make(configuration=configured("WEBCRAWLERV2", **endpoint), kind="WEBCRAWLERV2")
    said = adopt("--json")
    assert said.json["config"][f"{PROJECT_NAME}:bucketName"] == "one"
    assert "names several buckets (one, two)" in said.err


def test_a_site_without_sign_in_has_no_secret(console: Console, adopt: Adopt):
    console.make(configuration={"type": "WEBCRAWLERV2", "secretArn": None}, kind="WEBCRAWLERV2")
    said = adopt("--json")
    assert said.code == 0
    assert f"{PROJECT_NAME}:secretId" not in said.json["config"]
    assert "secretsmanager:DescribeSecret" not in console.server.calls


def test_the_secret_of_a_newer_connector_is_found_where_its_schema_has_it(
    console: Console, adopt: Adopt
):
    console.make(configuration={"secretArn": None}, kind="ONEDRIVEV3")
    configuration = {
        "type": "ONEDRIVEV3",
        "connectionConfiguration": {"secretArn": console.secret_arn},
        "filterConfiguration": {"userFilterPath": "s3://files/users.txt"},
    }
    console.server.data_source()["configuration"] = configuration
    config = adopt("--json").json["config"]
    assert config[f"{PROJECT_NAME}:connector"] == "onedrive-new"
    assert config[f"{PROJECT_NAME}:secretId"] == console.secret_arn
    assert config[f"{PROJECT_NAME}:bucketName"] == "files"


def s3_source(console: Console, key: str | None = None, account: str = ACCOUNT, **made: Any) -> None:
    """Make a bucket, and the data source whose documents are in it."""
    console.s3.create_bucket(Bucket="documents")
    if key:
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        console.s3.put_bucket_encryption(
            Bucket="documents",
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": default}]
            },
        )
    connection = {"bucketName": "documents", "bucketOwnerAccountId": account}
    console.make(
        configuration={"type": "S3V2", "secretArn": None, "connectionConfiguration": connection},
        kind="S3V2",
        **made,
    )


def s3_policy(role: str) -> str:
    """Return the program's policy of a role for a bucket, without a key."""
    statements = json.loads(golden("s3-v2-role-policy").replace("qbusiness-documents", "documents"))
    document = policy(*(each for each in statements["Statement"] if "Decrypt" not in each["Sid"]))
    return of_role(document, role)


ANY_CONSOLE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-*"


def console_s3_policy() -> str:
    """Return the policy of AWS's page for such a role."""
    document = json.loads(s3_policy("QBusiness-DataSource-*"))
    for statement in document["Statement"]:
        if "IngestDocuments" in statement["Sid"]:
            statement["Resource"] = INDEX_ARN
    return json.dumps(document)


def test_a_role_that_passes_every_role_of_the_console_has_more_than_the_program_writes(
    console: Console, adopt: Adopt
):
    s3_source(console, policies={"console": console_s3_policy()})
    said = adopt()
    assert "qbusiness-aem-connector, AllowsAmazonQToPassCustomerRole: covered\n" in said.out
    assert (
        "console, AllowsAmazonQToPassCustomerRole: excess\n"
        f"      iam:PassRole\n        on {ANY_CONSOLE_ROLE}\n" in said.out
    )


@pytest.mark.parametrize(("path", "role"), [("/", NAME), ("/service-role/", f"service-role/{NAME}")])
def test_a_role_that_passes_itself_is_compared_with_its_own_arn(
    console: Console, adopt: Adopt, path: str, role: str
):
    s3_source(console, policies={OWN: s3_policy(role)}, role={"Path": path})
    said = adopt()
    assert f"{OWN}, AllowsAmazonQToPassCustomerRole: covered\n" in said.out
    assert f"{OWN}, AllowsAmazonQToPassCustomerRole: equivalent\n" in said.out


def test_a_bucket_that_is_the_data_source_has_no_secret_and_no_key_of_its_own(
    console: Console, adopt: Adopt
):
    s3_source(console)
    assert adopt("--json").json["config"] == {
        "aws:region": REGION,
        "aws:allowedAccountIds": [ACCOUNT],
        f"{PROJECT_NAME}:applicationId": APPLICATION_ARN,
        f"{PROJECT_NAME}:indexId": INDEX_ID,
        f"{PROJECT_NAME}:connector": "s3-v2",
        f"{PROJECT_NAME}:bucketName": "documents",
        f"{PROJECT_NAME}:roleName": NAME,
    }


def test_the_key_of_a_bucket_that_is_the_data_source_and_its_account_are_written(
    console: Console, adopt: Adopt
):
    console.server.answers["kms:DescribeKey"] = {
        "KeyMetadata": {"KeyId": KEY_ID, "Arn": KEY_ARN, "KeyManager": "CUSTOMER"}
    }
    s3_source(console, KEY_ARN, OTHER_ACCOUNT)
    config = adopt("--json").json["config"]
    assert config[f"{PROJECT_NAME}:kmsKeyId"] == KEY_ARN
    assert config[f"{PROJECT_NAME}:bucketAccountId"] == OTHER_ACCOUNT


def test_without_permission_for_the_encryption_of_a_bucket_its_key_is_a_warning(
    console: Console, adopt: Adopt
):
    s3_source(console, KEY_ARN)
    console.server.refusals["s3:GetEncryptionConfiguration"] = (403, "AccessDenied")
    said = adopt("--json")
    assert said.code == 0
    assert "warning: s3:GetEncryptionConfiguration is not allowed for the bucket documents" in said.err
    assert f"{PROJECT_NAME}:kmsKeyId" not in said.json["config"]


def test_a_bucket_that_is_gone_is_one_line(console: Console, adopt: Adopt):
    s3_source(console)
    console.s3.delete_bucket(Bucket="documents")
    console.server.calls.clear()
    assert "there is no bucket documents: give the data source the name of a bucket" in adopt().err


def test_a_data_source_of_an_unknown_type_is_imported_as_the_connector_that_is_given(
    console: Console, adopt: Adopt
):
    console.make(configuration={"type": "NEW"}, kind="NEW")
    assert "there is no data source (there are 1, of these types: NEW)" in adopt().err
    said = adopt("--data-source", DATA_SOURCE_ID)
    assert "no connector of this program is of type NEW: give the one whose role" in said.err
    said = adopt("--data-source", DATA_SOURCE_ID, "--connector", "box", "--json")
    assert said.json["config"][f"{PROJECT_NAME}:connector"] == "box"


def test_a_connector_that_does_not_exist_is_refused_with_the_nearest_names(
    adopt: Adopt, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stopped:
        adopt("--connector", "confluence")
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "'confluence' is not a connector: expected one of confluence-cloud, confluence-server" in said


# How the role compares.


def test_a_role_that_allows_what_the_program_s_allows_is_equivalent(console: Console, adopt: Adopt):
    document = json.loads(own_policy())
    for number, statement in enumerate(document["Statement"]):
        statement["Sid"] = f"Other{number}"
        statement["Action"].reverse()
        statement["Resource"] = statement["Resource"][0] if number == 0 else statement["Resource"][::-1]
    document["Statement"].reverse()
    trust = golden("trust-policy").replace("ArnEquals", "ArnLike").replace("aws:S", "AWS:s")
    console.make(trust=trust, policies={"console": json.dumps(document)})
    said = adopt()
    assert "The role and the program's policies are equivalent." in said.out
    assert [line.rpartition(": ")[2] for line in said.out.splitlines() if line.startswith("  ")] == [
        *["covered"] * 4,
        *["equivalent"] * 4,
    ]


def test_wildcards_and_what_is_missing_are_named(console: Console, adopt: Adopt):
    trust = policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": "qbusiness.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )
    console.make(trust=trust, policies={"console": TEMPLATE})
    difference = adopt("--json").json["difference"]
    program = {entry["statement"]: entry for entry in difference["program"]}
    assert program["AllowsAmazonQServicePrincipal"]["verdict"] == "covered"
    assert program["AllowsAmazonQToGetSecret"]["verdict"] == "covered"
    assert program["AllowsAmazonQToIngestDocuments"]["access"] == [
        {"actions": INGEST, "targets": [APPLICATION_ARN], "condition": False}
    ]
    assert program["AllowsAmazonQToIngestPrincipalMapping"]["verdict"] == "missing"
    assert [(entry["policy"], entry["statement"], entry["verdict"]) for entry in difference["role"]] == [
        ("trust policy", "statement 1", "excess"),
        ("console", "statement 1", "excess"),
        ("console", "Ingest", "subset"),
    ]
    assert difference["role"][0]["access"] == [
        {
            "actions": ["sts:AssumeRole"],
            "targets": ["Service:qbusiness.amazonaws.com"],
            "condition": True,
        }
    ]
    assert difference["equivalent"] is False


def test_policies_that_are_attached_are_compared_as_well(console: Console, adopt: Adopt):
    console.make()
    document = own_policy().replace("SECRET", console.secret_arn)
    arn = console.iam.create_policy(PolicyName="managed", PolicyDocument=document)["Policy"]["Arn"]
    console.iam.attach_role_policy(RoleName=NAME, PolicyArn=arn)
    console.server.calls.clear()
    said = adopt("--json").json
    assert said["difference"]["equivalent"]
    assert said["keptPolicies"] == [arn]


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:aem-a1B2c3"
GET = allow(["secretsmanager:GetSecretValue"], [SECRET])
LIKE = {"StringLike": {"kms:ViaService": ["secretsmanager.*.amazonaws.com"]}}
DECRYPT = allow(["kms:Decrypt"], [KEY_ARN], Condition=LIKE)


@pytest.mark.parametrize(
    ("program", "role", "expected"),
    [
        (GET, [{**GET, "Action": "SecretsManager:getsecretvalue"}], "covered equivalent"),
        (GET, [{**GET, "Resource": SECRET[:-1] + "?"}], "covered excess"),
        (GET, [{**GET, "Resource": SECRET[:-1] + "4"}], "missing excess"),
        (GET, [{**GET, "Action": "secretsmanager:*"}], "covered excess"),
        (GET, [allow("*", "*")], "covered excess"),
        (GET, [GET, {**GET, "Effect": "Deny", "Resource": "*"}], "missing equivalent denies"),
        (GET, [GET, {**GET, "Effect": "Deny", "Condition": LIKE}], "covered equivalent denies"),
        (GET, [GET, {**GET, "Effect": "Deny", "Action": "s3:*"}], "covered equivalent denies"),
        (GET, [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "covered excess"),
        (
            GET,
            [{"Effect": "Allow", "NotAction": "secretsmanager:*", "Resource": "*"}],
            "missing excess",
        ),
        (
            GET,
            [GET, {"Effect": "Deny", "NotAction": "qbusiness:*", "Resource": "*"}],
            "missing equivalent denies",
        ),
        (GET, [{**GET, "Condition": LIKE}], "missing subset"),
        # Patterns that meet although neither stands for all of the other.
        (
            allow("ec2:One", "arn:aws:ec2:us-east-1:1:network-interface/*"),
            [
                allow("ec2:*", "*"),
                {
                    "Effect": "Deny",
                    "Action": "ec2:*",
                    "Resource": "arn:aws:ec2:*:*:network-interface/eni-*",
                },
            ],
            "missing excess denies",
        ),
        (
            allow("a:One", "arn:*/x"),
            [allow("a:*", "*"), {"Effect": "Deny", "Action": "A:o*", "Resource": "arn:y/?"}],
            "missing excess denies",
        ),
        (
            GET,
            [GET, {**GET, "Effect": "Deny", "Resource": SECRET[:40] + "${aws:PrincipalTag/a}"}],
            "missing equivalent denies",
        ),
        (
            allow("a:One", "arn:x/*"),
            [allow("a:*", "*"), {"Effect": "Deny", "Action": "a:One", "Resource": "arn:y/*"}],
            "covered excess denies",
        ),
        # Without a wildcard, these operators ask for the same.
        (
            {**GET, "Condition": {"ArnEquals": {"aws:SourceArn": APPLICATION_ARN}}},
            [{**GET, "Condition": {"StringLike": {"aws:SourceArn": APPLICATION_ARN}}}],
            "covered equivalent",
        ),
        # A condition on ARNs that names none is never met.
        (
            {**GET, "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}},
            [{**GET, "Condition": {"ArnLike": {"aws:SourceAccount": ACCOUNT}}}],
            "missing subset",
        ),
        # A quantifier makes no difference for a key with one value.
        (
            DECRYPT,
            [{**DECRYPT, "Condition": {"ForAnyValue:StringLike": LIKE["StringLike"]}}],
            "covered equivalent",
        ),
        (
            DECRYPT,
            [{**DECRYPT, "Condition": {"ForAllValues:StringLike": LIKE["StringLike"]}}],
            "covered excess",
        ),
        (
            {**GET, "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}},
            [{**GET, "Condition": {"ForAllValues:StringLike": {"aws:TagKeys": "a"}}}],
            "covered equivalent",
        ),
        (
            {**GET, "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}},
            [{**GET, "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}}}],
            "missing excess",
        ),
        # Digits have no case.
        (
            {**GET, "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}},
            [{**GET, "Condition": {"StringEqualsIgnoreCase": {"aws:SourceAccount": ACCOUNT}}}],
            "covered equivalent",
        ),
        # The key is there in any case.
        (
            DECRYPT,
            [{**DECRYPT, "Condition": {**LIKE, "Null": {"kms:ViaService": "false"}}}],
            "covered equivalent",
        ),
        (DECRYPT, [{**DECRYPT, "Condition": {"Null": {"kms:ViaService": False}}}], "covered excess"),
        (DECRYPT, [{**DECRYPT, "Condition": {}}], "covered excess"),
        (
            DECRYPT,
            [
                {
                    **DECRYPT,
                    "Condition": {"StringEquals": {"KMS:viaservice": "secretsmanager.x.amazonaws.com"}},
                }
            ],
            "missing subset",
        ),
        (
            DECRYPT,
            [{**DECRYPT, "Condition": {"StringLike": {"kms:ViaService": "*"}}}],
            "covered excess",
        ),
        (
            DECRYPT,
            [{**DECRYPT, "Condition": {"StringLikeIfExists": LIKE["StringLike"]}}],
            "covered excess",
        ),
        (
            DECRYPT,
            [{**DECRYPT, "Condition": {"StringNotLike": LIKE["StringLike"]}}],
            "missing excess",
        ),
        (
            DECRYPT,
            [{**DECRYPT, "Condition": {**LIKE, "Bool": {"aws:SecureTransport": True}}}],
            "missing subset",
        ),
        (
            {**GET, "Condition": {"StringNotEquals": {"aws:PrincipalTag/a": ["x", "y"]}}},
            [{**GET, "Condition": {"StringNotEquals": {"aws:PrincipalTag/a": "x"}}}],
            "covered excess",
        ),
        (
            {**GET, "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            [{**GET, "Condition": {"Bool": {"aws:SecureTransport": True}}}],
            "covered equivalent",
        ),
        # Case counts in values, unless the operator ignores it, and in no part of a key.
        (
            {**GET, "Condition": {"StringEquals": {"aws:ResourceTag/Team": "web"}}},
            [{**GET, "Condition": {"StringEquals": {"AWS:resourceTag/TEAM": "web"}}}],
            "covered equivalent",
        ),
        (
            {**GET, "Condition": {"StringEquals": {"aws:PrincipalTag/a": "web"}}},
            [{**GET, "Condition": {"StringEquals": {"aws:PrincipalTag/a": "Web"}}}],
            "missing excess",
        ),
        (
            {**GET, "Condition": {"StringEqualsIgnoreCase": {"aws:PrincipalTag/a": "web"}}},
            [{**GET, "Condition": {"StringEqualsIgnoreCase": {"aws:PrincipalTag/a": "Web"}}}],
            "covered equivalent",
        ),
        (
            {**GET, "Condition": {"StringEquals": {"aws:PrincipalTag/a": "web"}}},
            [{**GET, "Condition": {"StringEqualsIgnoreCase": {"aws:PrincipalTag/a": "Web"}}}],
            "covered excess",
        ),
        (
            {**GET, "Condition": {"StringNotEquals": {"aws:PrincipalTag/a": "web"}}},
            [{**GET, "Condition": {"StringNotEqualsIgnoreCase": {"aws:PrincipalTag/a": "Web"}}}],
            "missing subset",
        ),
        # IAM accepts an operator in no other case, so no request can meet such a condition.
        (DECRYPT, [{**DECRYPT, "Condition": {"stringlike": LIKE["StringLike"]}}], "missing excess"),
        (allow("a:One", "arn:x/*"), [allow("a:One", "arn:x/?")], "missing subset"),
        (
            allow(["a:One", "a:Two"], ["arn:x", "arn:y"]),
            [allow("a:One", "*"), allow("a:T*", "arn:x"), allow("a:Two", "arn:y")],
            "covered excess excess subset",
        ),
    ],
)
def test_statements_are_compared_by_what_they_allow(
    program: dict[str, Any], role: list[dict[str, Any]], expected: str
):
    found = compare(
        list(statements(OWN, {"Statement": program})), list(statements("console", {"Statement": role}))
    )
    assert " ".join(statement.verdict for statement in (*found.program, *found.role)) == expected


@pytest.mark.parametrize(
    ("principal", "verdict"),
    [
        ({"Service": ["qbusiness.amazonaws.com"]}, "equivalent"),
        ({"Service": ["qbusiness.amazonaws.com", "ec2.amazonaws.com"]}, "excess"),
        ({"AWS": "*"}, "excess"),
        ("*", "excess"),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root", "Service": "qbusiness.amazonaws.com"}, "excess"),
    ],
)
def test_principals_of_a_trust_policy_are_compared_too(principal: Any, verdict: str):
    document = json.loads(golden("trust-policy"))
    program = list(statements(TRUST_POLICY, document))
    document["Statement"][0]["Principal"] = principal
    found = compare(program, list(statements(TRUST_POLICY, document)))
    assert [statement.verdict for statement in (*found.program, *found.role)] == ["covered", verdict]


def test_a_policy_of_the_role_is_never_weighed_against_its_trust_policy():
    everything = list(statements("console", json.loads(WIDE)))
    found = compare(list(statements(TRUST_POLICY, json.loads(golden("trust-policy")))), everything)
    assert found.program[0].verdict == "missing"


# Room for the role policy.


def large(name: str, characters: int, statements: int = 1) -> str:
    """Return a policy of that many characters, white space not counted, in equal statements."""
    resource = f"arn:aws:s3:::{name}-%02d/%04d"
    count = (characters - 150 * statements) // (statements * (len(resource % (0, 0)) + 3))

    def document(extra: str = "") -> str:
        return policy(
            *(
                allow(
                    ["s3:GetObject"],
                    [
                        resource % (statement, number) + extra * (statement == number == 0)
                        for number in range(count)
                    ],
                    Sid=f"Part{statement}",
                )
                for statement in range(statements)
            )
        )

    text = document("x" * (characters - size(document())))
    assert size(text) == characters
    return text


def size(text: str) -> int:
    return len("".join(text.split()))


def accesses(*documents: Any) -> set[tuple[str, str]]:
    """Return each action on each resource that the statements allow."""
    return {
        (action, resource)
        for document in documents
        for statement in document["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


ROLE_POLICY_SIZE = size(own_policy()) - len("SECRET")
"""Without the secret's ARN, whose length depends on the account."""


def test_a_role_with_room_for_the_role_policy_gets_no_warning(console: Console, adopt: Adopt):
    console.make()
    most = 10_240 - ROLE_POLICY_SIZE - len(console.secret_arn)
    console.iam.put_role_policy(RoleName=NAME, PolicyName="full", PolicyDocument=large("full", most))
    console.server.calls.clear()
    said = adopt("--json")
    assert said.json["inlinePolicies"] == {
        "maximum": 10_240,
        "kept": {"full": most},
        "rolePolicy": 10_240 - most,
        "excess": 0,
        "copies": [],
        "copy": "",
        "delete": "",
    }
    assert "warning" not in said.err
    assert "No room" not in adopt("--force").out


def test_a_role_without_room_gets_a_warning_with_figures_and_the_commands_that_make_room(
    console: Console, adopt: Adopt, tmp_path: Path
):
    console.make(policies={"a": large("a", 4_400), "b's": large("b", 5_022)}, role={"Path": "/q/"})
    added = ROLE_POLICY_SIZE + len(console.secret_arn)
    excess = 9_422 + added - 10_240
    said = adopt()
    assert said.code == 0
    assert (
        f"adopt: warning: the role's inline policies leave no room for the role policy, by {excess} "
        "characters: `pulumi up` would fail with LimitExceeded"
    ) in said.err.splitlines()
    copy = f"{NAME}-copy-1"
    assert said.out.partition("\nNo room ")[2] == (
        "for the role policy: the inline policies of a role may have 10,240 characters together, white "
        "space not counted.\n"
        "   4,400  a, stays\n"
        "   5,022  b's, stays\n"
        f"  {added:6,}  qbusiness-aem-connector, which `pulumi up` puts\n"
        f"  {excess:6,}  too many\n"
        "Before `pulumi up`, which would fail after it has updated the trust policy,\n"
        "create managed policies from b's. The role keeps every permission meanwhile.\n"
        "\n"
        "1. Copy and attach:\n"
        "\n"
        f"aws iam create-policy --policy-name {copy} --policy-document file://policy-copy-1.json &&\n"
        f"aws iam attach-role-policy --role-name {NAME} "
        f"--policy-arn arn:aws:iam::{ACCOUNT}:policy/{copy}\n"
        "\n"
        "2. Wait a minute, until the copies take effect everywhere. Then delete the originals:\n"
        "\n"
        f"aws iam delete-role-policy --role-name {NAME} --policy-name 'b'\\''s'\n"
        "\n"
        "Written: Pulumi.prod.yaml, import.json, policy-copy-1.json. Next steps: docs/adopt.md.\n"
        "After these commands, import the role, which changes nothing in AWS:\n"
        "\n"
        "pulumi import --stack prod --file import.json --yes --protect=false --generate-code=false\n"
    )
    assert (tmp_path / "policy-copy-1.json").read_text() == (
        json.dumps(json.loads(large("b", 5_022)), indent=2) + "\n"
    )
    assert "and policy-copy-1.json would be overwritten: give --force" in adopt().err


def test_no_file_of_a_copy_is_overwritten_without_force(console: Console, adopt: Adopt, tmp_path: Path):
    console.make(policies={"a": large("a", 9_422)})
    existing = tmp_path / "policy-copy-2.json"
    existing.write_text("mine")
    said = adopt()
    assert said.code == 2
    assert "adopt: policy-copy-2.json would be overwritten: give --force" in said.err
    assert [existing.read_text(), *tmp_path.glob("import.json")] == ["mine"]
    assert adopt("--force").code == 0
    assert existing.read_text() != "mine"


@pytest.mark.parametrize(
    ("characters", "parts", "copies"), [(9_422, 5, 2), (9_422, 1, 2), (6_144, 1, 1)]
)
def test_a_policy_larger_than_a_managed_policy_is_divided_and_allows_the_same(
    console: Console, adopt: Adopt, characters: int, parts: int, copies: int
):
    document = large("a", characters, parts)
    console.make(policies={"a": document, "b": large("b", 4_000)})
    found = adopt("--json").json["inlinePolicies"]
    documents = [copy["document"] for copy in found["copies"]]
    assert len(documents) == copies
    assert all(size(json.dumps(document)) <= 6_144 for document in documents)
    assert accesses(*documents) == accesses(json.loads(document))
    assert {document["Version"] for document in documents} == {"2012-10-17"}
    for document in documents:
        sids = [statement["Sid"] for statement in document["Statement"] if "Sid" in statement]
        assert len(set(sids)) == len(sids)


def test_a_policy_that_cannot_be_divided_is_to_be_shortened(console: Console, adopt: Adopt):
    everything_but = {
        "Effect": "Allow",
        "NotAction": "iam:*",
        "NotResource": json.loads(large("a", 9_422))["Statement"][0]["Resource"],
    }
    console.make(policies={"a": policy(everything_but)})
    kept = size(policy(everything_but))
    excess = kept + ROLE_POLICY_SIZE + len(console.secret_arn) - 10_240
    said = adopt()
    assert (
        f"shorten the policies that stay, by {excess} characters: they have statements too large"
        in said.out
    )
    assert "aws iam" not in said.out
    assert "Written: Pulumi.prod.yaml, import.json. Next steps" in said.out


def test_more_managed_policies_than_a_role_may_have_are_reported(console: Console, adopt: Adopt):
    console.make(policies={"a": large("a", 9_422)})
    for number in range(9):
        made = console.iam.create_policy(PolicyName=f"p{number}", PolicyDocument=WIDE)
        console.iam.attach_role_policy(RoleName=NAME, PolicyArn=made["Policy"]["Arn"])
    console.server.calls.clear()
    said = adopt("--dry-run").out
    assert (
        "That makes 11 managed policies: request an increase of IAM's quota, by default 10 per role."
        in said
    )
    assert "Without --dry-run, adopt writes the documents and prints the commands." in said
    assert "aws iam" not in said


def test_a_copy_never_has_the_name_of_a_policy_that_exists(console: Console, adopt: Adopt):
    console.make(policies={"a": large("a", 9_422)})
    # IAM's names are unique whatever their case and path.
    for name in (f"{NAME}-copy-1", f"{NAME.lower()}-COPY-3"):
        console.iam.create_policy(PolicyName=name, PolicyDocument=WIDE, Path="/other/")
    console.server.calls.clear()
    copies = adopt("--json").json["inlinePolicies"]["copies"]
    assert [(copy["name"], copy["file"]) for copy in copies] == [
        (f"{NAME}-copy-2", "policy-copy-1.json"),
        (f"{NAME}-copy-4", "policy-copy-2.json"),
    ]
    console.server.refusals["iam:ListPolicies"] = (403, "AccessDenied")
    said = adopt("--json", "--force")
    assert said.code == 0
    assert "warning: iam:ListPolicies is not allowed: if create-policy fails" in said.err


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("iam:ListAttachedRolePolicies", "How many managed policies the role has already could not be"),
        ("iam:GetPolicy", "That makes 11 managed policies"),
        ("iam:GetPolicyVersion", "That makes 11 managed policies"),
    ],
)
def test_attached_policies_that_cannot_be_read_are_counted_all_the_same(
    console: Console, adopt: Adopt, action: str, expected: str
):
    console.make(policies={"a": large("a", 9_422)})
    for number in range(9):
        made = console.iam.create_policy(PolicyName=f"p{number}", PolicyDocument=WIDE)
        console.iam.attach_role_policy(RoleName=NAME, PolicyArn=made["Policy"]["Arn"])
    console.server.calls.clear()
    console.server.refusals[action] = (403, "AccessDenied")
    assert expected in adopt("--dry-run").out


# What goes wrong.


@pytest.mark.parametrize("name", ["", "../x", "a/b/c/d", "prod!", "-x", "a" * 101])
def test_what_is_no_name_of_a_stack_is_refused_before_anything_is_read(
    server: Server, adopt: Adopt, capsys: pytest.CaptureFixture[str], name: str
):
    with pytest.raises(SystemExit) as stopped:
        adopt(f"--stack={name}")
    assert stopped.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{name!r} is not the name of a stack: expected STACK, ORGANIZATION/STACK or" in said
    assert server.calls == []


@pytest.mark.parametrize(
    "action",
    [action for action in ACTIONS["adopt"] if action.startswith(("qbusiness", "secretsmanager"))]
    + ["iam:GetRole"],
)
def test_a_permission_that_is_missing_is_named_and_nothing_is_written(
    console: Console, adopt: Adopt, tmp_path: Path, action: str
):
    console.make()
    console.server.refusals[action] = (
        403,
        "AccessDenied" if "iam" in action else "AccessDeniedException",
    )
    line = adopt().err.splitlines()[-1]
    assert line.startswith(f"adopt: {action} is not allowed")
    assert "docs/adopt.md has the whole policy" in line
    assert not (tmp_path / "import.json").exists()


@pytest.mark.parametrize(
    "action", ["iam:ListAttachedRolePolicies", "iam:GetPolicy", "iam:GetPolicyVersion"]
)
def test_without_permission_for_attached_policies_the_comparison_says_what_it_lacks(
    console: Console, adopt: Adopt, action: str
):
    console.make(policies={OWN: own_policy()})
    arn = console.iam.create_policy(PolicyName="managed", PolicyDocument=WIDE)["Policy"]["Arn"]
    console.iam.attach_role_policy(RoleName=NAME, PolicyArn=arn)
    console.server.calls.clear()
    console.server.refusals[action] = (403, "AccessDenied")
    said = adopt("--json")
    assert said.code == 0
    assert f"warning: {action} is not allowed" in said.err
    assert said.json["difference"]["complete"] is False
    assert "policies are equivalent" not in adopt("--force").out


@pytest.mark.parametrize("action", ["iam:ListRolePolicies", "iam:GetRolePolicy"])
def test_without_permission_for_inline_policies_nothing_is_written(
    console: Console, adopt: Adopt, action: str, tmp_path: Path
):
    # Whether the policy is imported depends on them: an update would overwrite it unseen.
    console.make(policies={OWN: own_policy()})
    console.server.refusals[action] = (403, "AccessDenied")
    said = adopt()
    assert said.code == 2
    assert f"adopt: {action} is not allowed" in said.err
    assert not (tmp_path / "import.json").exists()


def test_without_permission_for_the_key_one_given_itself_is_taken_and_an_alias_is_not(
    console: Console, adopt: Adopt
):
    console.server.refusals["kms:DescribeKey"] = (400, "AccessDeniedException")
    console.make(secret={"KmsKeyId": KEY_ARN})
    said = adopt("--json")
    assert said.json["config"][f"{PROJECT_NAME}:kmsKeyId"] == KEY_ARN
    assert "warning: kms:DescribeKey is not allowed" in said.err
    console.secrets.update_secret(SecretId=SECRET_NAME, KmsKeyId="alias/own")
    console.server.calls.clear()
    said = adopt("--force")
    assert said.code == 2
    assert "adopt: kms:DescribeKey is not allowed" in said.err


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (429, "ThrottlingException", "AWS throttles qbusiness:ListApplications: wait a minute"),
        (
            403,
            "ExpiredTokenException",
            "AWS does not accept the credentials (ExpiredTokenException): sign in",
        ),
        (403, "UnrecognizedClientException", "AWS does not accept the credentials"),
        (404, "ResourceNotFoundException", "qbusiness:ListApplications found nothing"),
        (500, "InternalServerException", "qbusiness:ListApplications failed"),
    ],
)
def test_what_aws_refuses_is_one_line_with_what_to_do(
    server: Server, adopt: Adopt, status: int, code: str, advice: str
):
    server.refusals["qbusiness:ListApplications"] = (status, code)
    assert advice in adopt().refusal


def test_what_aws_throttles_is_repeated(console: Console, adopt: Adopt, monkeypatch: pytest.MonkeyPatch):
    console.make()
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    monkeypatch.setattr("botocore.endpoint.time.sleep", str)
    console.server.refusals["iam:GetRole"] = (400, "Throttling")
    assert "AWS throttles iam:GetRole" in adopt().err
    assert console.server.calls.count("iam:GetRole") == 5
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    console.server.calls.clear()
    assert "AWS throttles iam:GetRole" in adopt().err
    assert console.server.calls.count("iam:GetRole") == 2


@pytest.mark.parametrize("bundle", ["missing.pem", "not-pem.pem", "."])
def test_certificates_that_cannot_be_used_are_one_line_with_what_to_do(
    adopt: Adopt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: str
):
    (tmp_path / "not-pem.pem").write_text("no certificate")
    monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{server.getsockname()[1]}")
        line = adopt().refusal
    assert line.startswith(f"adopt: the certificates in AWS_CA_BUNDLE={bundle} cannot be used")


@pytest.mark.parametrize(
    ("page", "answered"),
    [
        (("qbusiness:ListApplications", 200), "ListApplications was answered with an HTML page"),
        (("qbusiness:ListApplications", 302), "was answered with HTTP 302 and no error code"),
        (("qbusiness:ListApplications", 500), "was answered with HTTP 500 and no error code"),
        (("iam:GetRole", 200), "GetRole was answered with an HTML page"),
        (("iam:GetRole", 404), "an answer of iam:GetRole is not in the format of the API"),
    ],
)
def test_what_is_no_answer_of_an_api_is_one_line_without_html(
    console: Console, adopt: Adopt, monkeypatch: pytest.MonkeyPatch, page: tuple[str, int], answered: str
):
    console.make()
    action, status = page
    console.server.pages[action] = status
    line = adopt().err.splitlines()[-1]
    assert answered in line
    assert f", by AWS_ENDPOINT_URL={console.server.url}: unset it to read AWS" in line
    assert "<" not in line
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for service in ("QBUSINESS", "IAM", "SECRETS_MANAGER"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", console.server.url)
    line = adopt().err.splitlines()[-1]
    assert answered in line
    assert line.endswith("check the network's proxy, then repeat the command")


@pytest.mark.parametrize(
    ("variables", "advice"),
    [
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "there are no AWS credentials"),
        ({"AWS_SECRET_ACCESS_KEY": None}, "there are no AWS credentials"),
        ({"AWS_PROFILE": "nobody"}, "AWS_PROFILE names it"),
        ({"AWS_DEFAULT_REGION": None}, "You must specify a region. Give --region, one of us-east-1"),
    ],
)
def test_missing_credentials_and_regions_are_one_line_with_what_to_do(
    server: Server,
    adopt: Adopt,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str | None],
    advice: str,
):
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    assert advice in adopt().refusal
    assert server.calls == []


def test_the_region_is_the_option_s_or_that_of_the_environment(
    server: Server, adopt: Adopt, monkeypatch: pytest.MonkeyPatch
):
    server.qbusiness.resources.clear()
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert "no application of Amazon Q Business in us-west-2" in adopt().refusal
    assert "in eu-west-1 for these credentials: give" in adopt("--region", "eu-west-1").refusal
    assert "Give --region, one of us-east-1" in adopt("--region", "us east").refusal


def test_a_network_that_is_not_there_is_one_line_with_what_to_do(
    adopt: Adopt, monkeypatch: pytest.MonkeyPatch
):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        line = adopt().refusal
    assert "AWS cannot be reached" in line
    assert "Amazon Q Business is in us-east-1" in line


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ({"configuration": {"secretArn": ""}}, "has no secretArn, and the connector aem-cloud needs"),
        ({"configuration": {"type": "CUSTOM"}}, "no connector of this program is of type CUSTOM"),
        ({"roleArn": None}, "has no role: deploy the program"),
        ({"roleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/x"}, "create a new role with the program"),
    ],
)
def test_a_data_source_that_the_program_is_not_for_is_refused(
    console: Console, adopt: Adopt, more: dict[str, Any], advice: str
):
    console.make(configuration=more.get("configuration"))
    source = console.server.data_source()
    if "roleArn" in more:
        source["roleArn"] = more["roleArn"]
    if not source["roleArn"]:
        del source["roleArn"]
    said = adopt()
    assert said.code == 2
    assert advice in said.err.splitlines()[-1]


@pytest.mark.parametrize("gone", ["secret", "role"])
def test_a_data_source_whose_secret_or_role_is_gone_is_one_line_with_what_to_do(
    console: Console, adopt: Adopt, gone: str
):
    console.make()
    if gone == "secret":
        console.secrets.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    else:
        console.iam.delete_role(RoleName=NAME)
    console.server.calls.clear()
    arn = console.secret_arn if gone == "secret" else console.role_arn
    line = adopt().err.splitlines()[-1]
    assert (
        line == f"adopt: there is no {gone} {arn}: give the data source the ARN of a {gone} that exists"
    )


def test_a_role_of_the_same_name_under_another_path_is_another_role(
    console: Console, adopt: Adopt, tmp_path: Path
):
    console.make(role={"Path": "/service-role/"})
    named = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
    console.server.data_source()["roleArn"] = named
    said = adopt()
    assert said.code == 2
    assert said.err.splitlines()[-1] == (
        f"adopt: there is no role {named}, and the role of this name is {console.role_arn}: give the "
        "data source the ARN of a role that exists"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["Pulumi.yaml"]


def test_every_reason_not_to_import_a_role_is_said_at_once(console: Console, adopt: Adopt):
    console.make()
    console.secrets.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    console.server.calls.clear()
    console.server.refusals["iam:GetRole"] = (403, "AccessDenied")
    said = adopt()
    assert said.code == 2
    title, secret, role = said.err.splitlines()[-3:]
    assert title == f"adopt: the role of data source {DATA_SOURCE_ID} cannot be imported, for 2 reasons:"
    assert secret.startswith(f"  there is no secret {console.secret_arn}: ")
    assert role.startswith("  iam:GetRole is not allowed (AccessDenied by the test): allow it")
    assert adopt("--json").json["error"].splitlines()[1:] == [secret, role]


def test_a_stack_file_that_is_no_yaml_is_said_and_left_alone(
    console: Console, adopt: Adopt, tmp_path: Path
):
    console.make()
    (tmp_path / "Pulumi.prod.yaml").write_text("config: [")
    assert adopt().refusal.startswith("adopt: Pulumi.prod.yaml is not valid YAML (while parsing")
    assert (tmp_path / "Pulumi.prod.yaml").read_text() == "config: ["


def test_a_failure_in_json_is_one_document_too(server: Server, adopt: Adopt):
    server.qbusiness.resources.clear()
    said = adopt("--json")
    assert said.code == 2
    assert set(said.json) == {"error"}


def test_a_bug_is_one_line_and_one_document_with_what_to_report(
    server: Server, adopt: Adopt, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr("roles.account.Account.data_sources", fail)
    line = adopt().refusal
    assert re.match(
        r"adopt: this is a bug of this program \(KeyError in test_adopt.py, line \d+\)", line
    )
    assert "PYTHONDEVMODE=1" in line
    assert "a secret" not in line
    assert set(adopt("--json").json) == {"error"}
    assert server.calls == []


@pytest.mark.parametrize("variable", ["AWS_MAX_ATTEMPTS", "AWS_ENDPOINT_URL"])
def test_a_setting_that_the_sdk_does_not_accept_is_one_line(
    adopt: Adopt, monkeypatch: pytest.MonkeyPatch, variable: str
):
    monkeypatch.setenv(variable, "odd")
    assert adopt().refusal.startswith("adopt: the SDK does not accept its settings (AWS_...): ")


def test_tags_of_aws_and_a_longer_session_are_told(
    console: Console, adopt: Adopt, monkeypatch: pytest.MonkeyPatch
):
    console.make(role={"MaxSessionDuration": 7200})
    # IAM lets nobody set such a tag; CloudFormation does.
    tags = [{"Key": "aws:cloudformation:stack-name", "Value": "q"}, {"Key": "Team", "Value": "web"}]
    role: Any = iam_backends[ACCOUNT]["aws"].get_role(NAME)
    monkeypatch.setattr(role, "tags", tags)
    said = adopt("--json")
    assert said.json["config"][f"{PROJECT_NAME}:tags"] == {"Team": "web"}
    assert "tags that only AWS can set (aws:cloudformation:stack-name)" in said.err
    assert "maximum session duration of 7200 seconds becomes an hour" in said.err


# The page.


def test_the_policy_of_the_page_is_what_is_called(console: Console, adopt: Adopt):
    console.server.answers["kms:DescribeKey"] = {
        "KeyMetadata": {"KeyId": KEY_ID, "Arn": KEY_ARN, "KeyManager": "CUSTOMER"}
    }
    console.make(secret={"KmsKeyId": KEY_ARN}, policies={"console": large("a", 10_000, 5)})
    arn = console.iam.create_policy(PolicyName="managed", PolicyDocument=WIDE)["Policy"]["Arn"]
    console.iam.attach_role_policy(RoleName=NAME, PolicyArn=arn)
    console.s3.create_bucket(Bucket="documents")
    console.server.calls.clear()
    assert adopt().code == 0
    configuration = configured("S3", BucketName="documents")
    console.server.data_source().update(type="S3", configuration=configuration)
    assert adopt("--force").code == 0
    assert read_actions("Adopt") == set(console.server.calls) == set(ACTIONS["adopt"])


def test_the_page_has_every_option(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["adopt", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    listed = re.findall(r"^\| `(--[a-z-]+)[` ]", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(options) == sorted(listed)


def test_the_page_shows_the_commands_that_make_room(console: Console, adopt: Adopt):
    console.make(policies={"template": large("a", 9_422, 5)}, role={"Path": "/service-role/"})
    shown = re.findall(r"```text\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)[1]
    assert shown in adopt().out


# The whole way, on the real engine.


@pytest.fixture
def sandbox_console(aws: Aws) -> SandboxConsole:
    return SandboxConsole(aws)


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    stack = new_stack({})
    for package in ("evidence", "guardrails", "roles"):
        (stack.directory / package).symlink_to(PROJECT / package)
    return stack


def write_files(stack: Stack) -> str:
    """Run the page's commands and return what they printed."""
    return run_section(
        stack,
        "Write the files",
        PAGE,
        STACK=stack.name,
        SECRETS_PROVIDER="passphrase",
        AWS_REGION=REGION,
    ).stdout


@pytest.mark.parametrize("name", ["AmazonQBusiness-Policy", OWN])
def test_a_console_s_role_is_imported_in_place_as_the_pages_say(
    stack: Stack, aws: Aws, sandbox_console: SandboxConsole, name: str
):
    console = sandbox_console
    tags = [
        {"Key": "CostCentre", "Value": "0893"},
        {"Key": "Created", "Value": "2024-05-01 12:00:00 +0000 UTC"},
    ]
    console.make(
        trust=json.dumps(json.loads(golden("trust-policy").replace("ArnEquals", "ArnLike")), indent=4),
        policies={name: WIDE},
        role={
            "Path": "/service-role/",
            "Description": "Made by the console",
            "Tags": tags,
        },
    )
    assert "Everything: excess\n      *\n        on *\n" in write_files(stack)
    unique = aws.iam.get_role(RoleName=NAME)["Role"]["RoleId"]
    imported = run_section(stack, "Import the role")
    assert "~ assumeRolePolicy" in imported.stdout
    foreseen = "~ 2 to update" if name == OWN else "+ 1 to create\n    ~ 1 to update"
    assert f"Resources:\n    {foreseen}\n" in imported.stdout
    assert "replace" not in imported.stdout
    assert "deleted" not in imported.stdout
    role = aws.iam.get_role(RoleName=NAME)["Role"]
    assert (role["RoleId"], role["Arn"]) == (unique, console.role_arn)
    assert console.data_source_role() == stack.outputs()["roleArn"]
    assert role["Description"] == "Made by the console"
    assert sorted(role["Tags"], key=lambda tag: tag["Key"]) == tags
    assert in_one_line(aws.trust_policy(NAME)) == golden("trust-policy")
    assert in_one_line(aws.role_policies(NAME)[OWN]) == own_policy().replace(
        "SECRET", console.secret_arn
    )
    assert set(aws.role_policies(NAME)) == {name, OWN}
    assert stack.drift().exit_code == 0
    assert stack.up("--expect-no-changes").exit_code == 0


@pytest.mark.parametrize("name", ["console", OWN])
def test_a_console_s_role_for_a_bucket_is_imported_in_place(
    stack: Stack, aws: Aws, sandbox_console: SandboxConsole, name: str
):
    console = sandbox_console
    console.s3.create_bucket(Bucket="documents")
    console.make(
        policies={name: console_s3_policy()},
        configuration={
            "type": "S3V2",
            "secretArn": None,
            "connectionConfiguration": {"bucketName": "documents", "bucketOwnerAccountId": ACCOUNT},
        },
        role={"Path": "/service-role/"},
    )
    written = write_files(stack)
    assert f"      iam:PassRole\n        on {ANY_CONSOLE_ROLE}\n" in written
    imported = run_section(stack, "Import the role")
    foreseen = "~ 2 to update" if name == OWN else "+ 1 to create\n    ~ 1 to update"
    assert f"Resources:\n    {foreseen}\n" in imported.stdout
    assert "replace" not in imported.stdout
    assert aws.iam.get_role(RoleName=NAME)["Role"]["Arn"] == console.role_arn
    assert in_one_line(aws.role_policies(NAME)[OWN]) == s3_policy(f"service-role/{NAME}")
    assert stack.drift().exit_code == 0
    assert stack.up("--expect-no-changes").exit_code == 0


def role_accesses(aws: Aws) -> set[tuple[str, str]]:
    """Return what the role's policies allow, inline and attached."""
    documents = [json.loads(text) for text in aws.role_policies(NAME).values()]
    for attached in aws.iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)
        documents.append(found["PolicyVersion"]["Document"])
    return accesses(*documents)


@pytest.mark.parametrize("warned_in_vain", [False, True])
def test_a_role_without_room_is_imported_and_never_lacks_a_permission_that_it_had(
    stack: Stack, aws: Aws, sandbox_console: SandboxConsole, warned_in_vain: bool
):
    console = sandbox_console
    console.make(
        trust=golden("trust-policy"),
        policies={"large": large("a", 8_500, 3), "small": large("b", 922)},
    )
    before = role_accesses(aws)
    report = write_files(stack)
    if warned_in_vain:
        failed = run_section(stack, "Import the role", check=False)
        assert failed.returncode != 0
        assert "LimitExceeded" in failed.stdout
        assert role_accesses(aws) == before
    commands = re.findall(r"^aws iam .*$", report, flags=re.MULTILINE)
    assert [command.split()[2] for command in commands] == [
        *["create-policy", "attach-role-policy"] * 2,
        "delete-role-policy",
    ]
    for command in commands:
        stack.execute("sh", "-c", command.removesuffix(" &&"), PATH=page_path(stack))
        assert role_accesses(aws) == before
    if warned_in_vain:
        stack.up()
    else:
        run_section(stack, "Import the role")
    assert role_accesses(aws) > before
    policies = aws.role_policies(NAME)
    assert set(policies) == {"small", OWN}
    assert in_one_line(policies[OWN]) == own_policy().replace("SECRET", console.secret_arn)
    assert stack.up("--expect-no-changes").exit_code == 0
    # The end that the page describes: the stack owns every policy, and the copies go.
    stack.run("config", "set", "exclusivePolicies", "true")
    stack.up()
    for number in (1, 2):
        arn = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-copy-{number}"
        run_section(stack, "If there is no room for the role policy", PAGE, POLICY_ARN=arn)
    assert set(aws.role_policies(NAME)) == {OWN}
    assert aws.iam.list_policies(Scope="Local")["Policies"] == []
