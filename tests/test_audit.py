"""`roles audit` compares the roles of all data sources: in a table, in JSON, and on a page to be filed."""

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from pages.examples import (
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
from sandbox.environment import PROJECT
from tests.page import blocks, prose
from tests.qbusiness_server import Server, served
from tests.stacks import Aws
from tests.support import PROJECT_NAME, golden

pytestmark = pytest.mark.slow

PAGE: Final = PROJECT / "docs" / "audit.md"
OWN: Final = "qbusiness-aem-connector"
SECRET_IN_GOLDEN: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:qbusiness/aem-cloud-a1B2c3"
KEY_ARN: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
TRUST: Final = golden("trust-policy")
VPC: Final = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
INGEST: Final = ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"]
MARKUP: Final = "<script src=//x></script><b title='\"&amp;'>"


def data_source_id(number: int) -> str:
    return f"c3d4e5f6-7890-12ab-cdef-{number:012}"


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def own_policy(secret_arn: str, *more: dict[str, Any], without: str = "") -> str:
    """Return the program's role policy, with other statements, and without the one of a Sid."""
    document = json.loads(golden("minimal-role-policy").replace(SECRET_IN_GOLDEN, secret_arn))
    kept = [statement for statement in document["Statement"] if statement["Sid"] != without]
    return policy(*kept, *more)


class World:
    """An account whose calls are recorded."""

    def __init__(self, server: Server) -> None:
        aws = Aws({"AWS_ENDPOINT_URL": server.url})
        self.server = server
        self.iam, self.s3, self.secrets = aws.iam, aws.client("s3"), aws.client("secretsmanager")
        self.count = 0

    def secret(self, name: str, **more: Any) -> str:
        return self.secrets.create_secret(Name=name, SecretString="{}", **more)["ARN"]

    def role(self, name: str, *policies: str, trust: str = TRUST, **more: Any) -> str:
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)
        for number, document in enumerate(policies):
            name_of_policy = f"{OWN}-{number}" if number else OWN
            self.iam.put_role_policy(RoleName=name, PolicyName=name_of_policy, PolicyDocument=document)
        return made["Role"]["Arn"]

    def add(
        self, name: str, role_arn: str | None, secret_arn: str = "", kind: str = "AEM", **more: Any
    ) -> str:
        """Add a data source, and return its ID."""
        self.count += 1
        configuration = {"type": kind} | ({"secretArn": secret_arn} if secret_arn else {})
        members = {"configuration": configuration, **more} | ({"roleArn": role_arn} if role_arn else {})
        self.server.add(data_source_id(self.count), kind, displayName=name, **members)
        self.server.calls.clear()
        return data_source_id(self.count)

    def add_equal(self, name: str) -> str:
        """Add a data source whose role is as the program creates it."""
        secret_arn = self.secret(f"secret/{name}")
        return self.add(name, self.role(f"qbusiness-{name}", own_policy(secret_arn)), secret_arn)


class Said(NamedTuple):
    """The output of one run."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    def result(self, identifier: str) -> str:
        """Return the result of a data source."""
        (found,) = (each for each in self.json["dataSources"] if each["dataSourceId"] == identifier)
        return found["result"]


Audit = Callable[..., Said]


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture
def world(server: Server) -> World:
    return World(server)


@pytest.fixture
def audit(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Audit:
    """Run `roles audit` in an empty directory, and verify that it only reads."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)

    def run(*options: str) -> Said:
        code = main(["audit", *options])
        assert all(re.fullmatch(r"\w+:(Get|List|Describe)\w+", call) for call in server.calls)
        assert set(server.calls) <= set(ACTIONS["audit"])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run
