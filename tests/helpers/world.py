"""Represent an AWS account for tests, and run the commands of `qbusiness-roles` in it."""

import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from moto.iam.models import iam_backends

from pages import examples
from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION, SECURITY_GROUP_ID, SUBNET_ID
from roles.actions import ACTIONS, CHANGES, OF_ACCOUNTS
from roles.cli import main
from sandbox.account import FILL_FUNCTION_BY_SERVICE
from tests.helpers.qbusiness_server import DATA_SOURCE_ID, Server
from tests.helpers.stacks import Aws
from tests.helpers.state import deployed, encrypted
from tests.helpers.support import PROJECT_NAME, golden, of_role

OWN: Final = "qbusiness-aem-connector"
"""The name of the program's role policy."""
OTHER_ID: Final = "d4e5f6a7-8901-23ab-cdef-444444444444"
INDEX_ARN: Final = f"{examples.APPLICATION_ARN}/index/{INDEX_ID}"
SECRET_ARN: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{examples.SECRET_ID}"
KEY_ARN: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{examples.KEY_ID}"
OTHER_KEY_ARN: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ffffffff-12ab-34cd-56ef-1234567890ab"
SECOND_SUBNET_ID: Final = "subnet-0b2c3d4e5f6071829"
VPC: Final = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
INGEST: Final = ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"]
THROUGH_SECRETS_MANAGER: Final = {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}
TRUST: Final = golden("trust-policy")

FOREIGN_KEY_ARN: Final = KEY_ARN.replace(ACCOUNT, examples.OTHER_ACCOUNT)
# A role that the console created for a data source.
NAME: Final = "QBusiness-DataSource-x1y2z"
PAGES_SECRET: Final = "qbusiness/aem-pages"

# The stack `dev`, whose role is deployed.
ROLE_NAME: Final = "aem-connector-qbusiness-role-1234567"
ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
USER_ARN: Final = f"arn:aws:iam::{ACCOUNT}:user/deployer"
ROOT: Final = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
SETTINGS: Final[dict[str, Any]] = {
    "aws:region": REGION,
    f"{PROJECT_NAME}:applicationId": APPLICATION_ID,
    f"{PROJECT_NAME}:indexId": INDEX_ID,
    f"{PROJECT_NAME}:secretId": examples.SECRET_ID,
    f"{PROJECT_NAME}:kmsKeyId": examples.KEY_ID,
    f"{PROJECT_NAME}:vpcConfiguration": {**VPC, "subnetIds": [SUBNET_ID, SECOND_SUBNET_ID]},
    f"{PROJECT_NAME}:allowNetworkInterfaceDeletion": True,
}
_PULUMI: Final = """\
#!/bin/sh
case "$*" in
"stack export --stack "*dev" --non-interactive") cat shown-state.json ;;
"stack export --stack "*dev" --show-secrets --non-interactive") cat state.json ;;
*) echo "error: no stack named 'nope' found" >&2; exit 6 ;;
esac
"""
"""A stand-in for Pulumi that only prints the state of the stack `dev`."""
_ENDED_SUPPORT: Final = re.compile(r"^\w+: AWS ended support .*\n", re.MULTILINE)
_READING: Final = re.compile(r"\w+:(Get|List|Describe)\w+|iam:SimulatePrincipalPolicy")


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow_key(principal: object, **more: Any) -> dict[str, Any]:
    return allow("kms:*", "*", Sid="Statement", Principal=principal) | more


_S3_POLICY: Final = golden("s3-v2-role-policy").replace("qbusiness-documents", "documents")
WIDE: Final = policy(allow("*", "*", Sid="Everything"))


def own_policy(arn: str = "SECRET", *more: dict[str, Any], without: str = "") -> str:
    """Return the program's role policy for a secret, followed by the statements in `more`.

    `without` is the Sid of a statement to omit, if any. `Maker.make` replaces the default `arn` with
    the ARN of the secret that it creates.
    """
    document = json.loads(golden("minimal-role-policy").replace(SECRET_ARN, arn))
    return policy(*(each for each in document["Statement"] if each["Sid"] != without), *more)


def s3_policy(role: str) -> str:
    """Return the program's role policy for the bucket `documents`, but without access to a KMS key."""
    kept = [each for each in json.loads(_S3_POLICY)["Statement"] if "Decrypt" not in each["Sid"]]
    return of_role(policy(*kept), role)


class Output(NamedTuple):
    """The exit code and the output of one run."""

    code: int
    out: str
    err: str
    """Standard error without `remark`."""
    remark: str = ""
    """The messages about connectors whose support has ended; most tests use such a connector."""

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    def answers(self, state: str) -> list[str]:
        """Return the first lines of all `check` answers with this state, without the state itself."""
        return re.findall(rf"^{state} +(.*)$", self.out, flags=re.MULTILINE)

    def answer(self, question: str) -> str:
        """Return all answers from `check` to one question, with their states, details, and fixes."""
        states = "ok|problem|note|skipped|cannot tell"
        pattern = rf"^(?:{states}) +{question}(?: [0-9a-f-]{{36}})?: .*\n(?: .*\n)*"
        found = re.findall(pattern, self.out, flags=re.MULTILINE)
        assert found, self.out
        return "".join(found)

    @property
    def rejection(self) -> str:
        """The only line of standard error; the exit code must be 2, and standard output empty."""
        assert (self.code, self.out) == (2, "")
        (line,) = self.err.splitlines()
        return line

    @property
    def last(self) -> str:
        """The last line of standard error; the exit code must be 2, and standard output empty."""
        assert (self.code, self.out) == (2, "")
        return self.err.splitlines()[-1]


class Maker:
    """A user who creates data sources, secrets, and roles manually."""

    def __init__(self, aws: Aws) -> None:
        self.client, self.credentials = aws.client, aws.credentials
        self.iam, self.s3, self.secrets = aws.iam, aws.client("s3"), aws.client("secretsmanager")

    def secret(self, name: str, **more: Any) -> str:
        return self.secrets.create_secret(Name=name, SecretString="{}", **more)["ARN"]

    def delete_secret(self, secret_id: str) -> None:
        self.secrets.delete_secret(SecretId=secret_id, ForceDeleteWithoutRecovery=True)

    def put_policy(self, document: str, name: str = OWN, role: str = ROLE_NAME) -> None:
        self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)

    def role(self, name: str, *policies: str, trust: str = TRUST, **more: Any) -> str:
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)
        for number, document in enumerate(policies):
            self.put_policy(document, f"{OWN}-{number}" if number else OWN, name)
        return made["Role"]["Arn"]

    def managed(self, name: str, document: str = WIDE, **more: Any) -> str:
        return self.iam.create_policy(PolicyName=name, PolicyDocument=document, **more)["Policy"]["Arn"]

    def attach(self, role: str, name: str, document: str = WIDE) -> str:
        """Create a managed policy, attach it to a role, and return the policy's ARN."""
        arn = self.managed(name, document)
        self.iam.attach_role_policy(RoleName=role, PolicyArn=arn)
        return arn

    def bucket(self, key: str = "") -> None:
        """Create the bucket `documents`, encrypted with a KMS key if one is given."""
        self.s3.create_bucket(Bucket="documents")
        default = (
            {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
        )
        rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
        self.s3.put_bucket_encryption(Bucket="documents", ServerSideEncryptionConfiguration=rules)


class World(Maker):
    """The account, and a directory where `qbusiness-roles` runs in the test's process."""

    def __init__(
        self,
        server: Server,
        directory: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        super().__init__(Aws({"AWS_ENDPOINT_URL": server.url}))
        self.server, self.directory, self.capsys = server, directory, capsys
        self.patch = monkeypatch
        self.count = 0
        self.secret_arn = self.role_arn = ""
        """The ARNs of the secret and the role that `make` or `add_own` created last."""
        self.settings = dict(SETTINGS)
        self.outputs: dict[str, Any] = {"roleArn": ROLE_ARN, "roleName": ROLE_NAME}
        self.state: dict[str, Any] = {}
        """The state of the stack; empty for the state after an update with `settings`."""
        self.adopted_files: list[str] = []
        self.secrets_in_state: set[str] = set()
        """The texts that are secret in the state."""
        monkeypatch.chdir(directory)
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_DEFAULT_REGION": REGION,
            **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "tests"),
            **dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), "/dev/null"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }.items():
            monkeypatch.setenv(name, value)

    # The commands.

    def run(self, command: str, *options: str) -> Output:
        """Run a command; check that `roles.actions` lists its calls and marks those that change AWS."""
        self.server.calls.clear()
        self.server.signed.clear()
        others = {"--organization": OF_ACCOUNTS, "--assume-role": OF_ACCOUNTS[1:]}
        of_accounts = {action for option in others if option in options for action in others[option]}
        # Pulumi keeps its configuration in context variables, which must not affect other tests.
        code = copy_context().run(main, [command, *options])
        changes = CHANGES.get(command, ())
        assert all(_READING.fullmatch(call) for call in {*self.server.calls} - {*of_accounts, *changes})
        assert set(self.server.calls) <= {*ACTIONS[command], *changes, *of_accounts}
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        remark = "".join(_ENDED_SUPPORT.findall(err))
        return Output(code, out, err.replace(remark, ""), remark)

    def adopt(self, *options: str) -> Output:
        """Adopt roles into the stack `prod`; first remove the files that an earlier run wrote."""
        for name in self.adopted_files:
            self.path(name).unlink(missing_ok=True)
        before = self.files
        application = () if "--application" in options else ("--application", APPLICATION_ID)
        said = self.run("adopt", "--stack", "prod", *application, *options)
        self.adopted_files = [name for name in self.files if name not in before]
        return said

    def audit(self, *options: str) -> Output:
        return self.run("audit", *options)

    def check(self, *options: str, verbose: bool = True) -> Output:
        """Check the stack `dev`, which was deployed with `settings` and has `outputs`.

        Fail if the command creates or deletes files.
        """
        options = (*options, "--verbose") if verbose else options
        self._write_stack()
        before = sorted(self.directory.rglob("*"))
        said = self.run("check", "--stack", "dev", *options)
        assert sorted(self.directory.rglob("*")) == before
        return said

    def assign(self, *pairs: str) -> Output:
        """Assign roles of the stack `dev`, which was deployed as in `check`."""
        self._write_stack()
        return self.run("assign", "--stack", "dev", *pairs)

    @contextmanager
    def interrupted(self, number: int, counts: Callable[[str], bool]) -> Generator[None]:
        """Interrupt the command after `number` calls for which `counts` is true."""
        left, send = number, URLLib3Session.send

        def stopping(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
            nonlocal left
            response = send(session, request)
            left -= counts(self.server.calls[-1])
            if not left:
                raise KeyboardInterrupt
            return response

        with self.patch.context() as patch:
            patch.setattr(URLLib3Session, "send", stopping)
            yield

    def adopted(self, *options: str) -> dict[str, Any]:
        """Run `adopt --dry-run --json`, which must succeed; return the settings of the only entry."""
        said = self.adopt("--dry-run", "--json", *options)
        assert said.code == 0
        (entry,) = said.json["config"][f"{PROJECT_NAME}:dataSources"].values()
        return entry

    def administrator(self, account: str) -> Maker:
        """Return an administrator of another account, which has separate resources."""
        iam = iam_backends[account]["aws"]
        iam.create_user(REGION, "administrator")
        key = iam.create_access_key("administrator")
        names = {"AWS_ACCESS_KEY_ID": key.access_key_id, "AWS_SECRET_ACCESS_KEY": key.secret_access_key}
        return Maker(Aws({"AWS_ENDPOINT_URL": self.server.url, **names}))

    # The directory's files.

    def path(self, name: str) -> Path:
        return self.directory / name

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())

    # AWS responses.

    def reject(self, *actions: str, status: int = 403, code: str = "AccessDenied") -> None:
        self.server.rejections |= dict.fromkeys(actions, (status, code))

    def describe_key(self, arn: str = KEY_ARN, **entries: Any) -> None:
        """Respond to kms:DescribeKey with an enabled customer managed key that has these entries."""
        metadata = {
            "KeyId": arn.rpartition("/")[2],
            "Arn": arn,
            "KeyState": "Enabled",
            "KeyManager": "CUSTOMER",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "KeyUsage": "ENCRYPT_DECRYPT",
            **entries,
        }
        self.server.answers["kms:DescribeKey"] = {"KeyMetadata": metadata}

    def describe_secret(self, arn: str, **entries: str) -> None:
        """Respond to secretsmanager:DescribeSecret with a secret that has a value."""
        secret = {"ARN": arn, "VersionIdsToStages": {"a" * 32: ["AWSCURRENT"]}, **entries}
        self.server.answers["secretsmanager:DescribeSecret"] = secret

    # Data sources.

    def make(
        self,
        trust: str = TRUST,
        policies: dict[str, str] | None = None,
        secret: dict[str, str] | None = None,
        configuration: dict[str, Any] | None = None,
        role: dict[str, Any] | None = None,
        **data_source: Any,
    ) -> None:
        """Create a data source as the console does: with a secret and its own role."""
        self.secret_arn = self.secret(PAGES_SECRET, **(secret or {}))
        self.role_arn = self.role(NAME, trust=trust, **(role or {}))
        for name, text in (policies or {}).items():
            self.put_policy(text.replace("SECRET", self.secret_arn), name, NAME)
        configuration = {"type": "AEM", "secretArn": self.secret_arn} | (configuration or {})
        data_source = {"kind": configuration["type"], "roleArn": self.role_arn, **data_source}
        self.server.add(configuration=configuration, **data_source)

    def add(
        self, name: str, role_arn: str | None, secret_arn: str = "", kind: str = "AEM", **more: Any
    ) -> str:
        """Add a data source and return its ID."""
        self.count += 1
        configuration = {"type": kind} | ({"secretArn": secret_arn} if secret_arn else {})
        entries = {"configuration": configuration, **more} | ({"roleArn": role_arn} if role_arn else {})
        self.server.add(data_source_id(self.count), kind, displayName=name, **entries)
        return data_source_id(self.count)

    def add_own(
        self,
        *more: dict[str, Any],
        name: str = "Pages",
        without: str = "",
        secret: dict[str, str] | None = None,
        **role: Any,
    ) -> str:
        """Add a data source with a role like the program's, and return the data source's ID.

        `more` and `without` change the role policy as in `own_policy`.
        """
        self.secret_arn = self.secret(f"secret/{name}", **(secret or {}))
        document = own_policy(self.secret_arn, *more, without=without)
        self.role_arn = self.role(f"qbusiness-{name}", document, **role)
        return self.add(name, self.role_arn, self.secret_arn)

    # The stack `dev`.

    def deploy(self) -> None:
        """Create the stack `dev`, its role, and the resources that the role uses.

        `check` then finds no problems.
        """
        self.kms, self.ec2 = self.client("kms"), self.client("ec2")
        self.server.fill = dict(FILL_FUNCTION_BY_SERVICE)
        self.role(ROLE_NAME, golden("default-role-policy").replace(examples.OTHER_ACCOUNT, ACCOUNT))
        caller = {"UserId": "AIDA", "Account": ACCOUNT, "Arn": USER_ARN}
        self.server.answers["sts:GetCallerIdentity"] = caller
        programs = self.directory / "bin"
        programs.mkdir()
        (programs / "pulumi").write_text(_PULUMI)
        (programs / "pulumi").chmod(0o755)
        self.write_project()
        self.patch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        self.patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")  # not the stack's Region

    def write_project(self) -> None:
        (self.directory / "Pulumi.yaml").write_text(f"name: {PROJECT_NAME}\n")

    def set(self, **settings: Any) -> None:
        """Set keys in the project's namespace; None removes a key."""
        for key, value in settings.items():
            self.settings[f"{PROJECT_NAME}:{key}"] = value
        self.settings = {key: value for key, value in self.settings.items() if value is not None}

    def bound(self) -> None:
        """Set a permissions boundary that allows everything, on the role and in the settings."""
        arn = self.managed("boundary")
        self.iam.put_role_permissions_boundary(RoleName=ROLE_NAME, PermissionsBoundary=arn)
        self.set(permissionsBoundaryArn=arn)

    def use_bucket(self) -> None:
        """Create the bucket `documents`; change the settings and the role policy accordingly."""
        self.set(connector="s3-v2", bucketName="documents", secretId=None)
        self.set(vpcConfiguration=None, allowNetworkInterfaceDeletion=None)
        self.bucket(KEY_ARN)
        self.put_policy(of_role(_S3_POLICY, ROLE_NAME))

    def add_data_source(self, identifier: str = DATA_SOURCE_ID, **more: Any) -> dict[str, Any]:
        """Add and return a data source that matches SETTINGS except for `more`; tests can change it."""
        data_source: dict[str, Any] = {
            "configuration": {"type": "AEM", "secretArn": SECRET_ARN},
            "vpcConfiguration": SETTINGS[f"{PROJECT_NAME}:vpcConfiguration"],
            "roleArn": ROLE_ARN,
            **more,
        }
        self.server.add(identifier, **data_source)
        return self.server.data_source(identifier)

    def sync(self, identifier: str, status: str, **more: Any) -> None:
        """Add a sync job, which becomes the data source's latest job."""
        path = (APPLICATION_ID, INDEX_ID, identifier)
        syncs = self.server.qbusiness.sync_jobs.setdefault(path, [])
        started = datetime(2026, 11, len(syncs) + 1, 12, 30, tzinfo=UTC).timestamp()
        syncs.insert(0, {"executionId": OTHER_ID, "startTime": started, "status": status, **more})

    def key_policy(self, *statements: dict[str, Any]) -> None:
        self.kms.put_key_policy(KeyId=examples.KEY_ID, PolicyName="default", Policy=policy(*statements))

    def _write_stack(self) -> None:
        """Write the files that the stand-in for Pulumi prints."""
        config = {
            key: {"value": value if isinstance(value, str) else json.dumps(value)}
            for key, value in self.settings.items()
        }
        state = shown = self.state or deployed(config, self.outputs)
        for text in self.secrets_in_state:
            state, shown = encrypted(state, text, json.dumps(text)), encrypted(shown, text)
        for name, content in {"state": state, "shown-state": shown}.items():
            (self.directory / f"{name}.json").write_text(json.dumps(content))


def data_source_id(number: int) -> str:
    """Return the ID with this number; `World.add` counts from 1."""
    return f"c3d4e5f6-7890-12ab-cdef-{number:012}"
