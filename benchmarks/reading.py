"""Measure `audit` and `check` with a local server that responds to each AWS call after a delay.

This module builds the responses itself, because moto would take longer than the delay.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import parse_qs, parse_qsl, urlsplit
from xml.sax.saxutils import escape

from components.connector_role import POLICY_NAME
from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, REGION, SECRET_ID
from roles.arns import Arn
from sandbox.environment import PROJECT
from tests.helpers.loopback import Handler, serving
from tests.helpers.state import declared, exported
from tests.helpers.support import golden

DELAY: Final = 0.05
"""Seconds before each response."""
_DATA_SOURCES: Final = 500
"""The number of data sources that `audit` reads."""
_PAGE_SIZE: Final = 10
"""The maximum number of data sources in one response, as in the API."""
_STACK_ENTRIES: Final = 30
"""The number of data sources in the stack that `check` reads."""
_ROUNDS: Final = 3
_MAXIMUM_MEMORY: Final = 300
"""The maximum memory use in MB; if a command uses more, the benchmark fails."""
_ACCESS_KEY_PREFIX: Final = "ACCOUNT"
"""The prefix of access keys from AssumeRole; the rest of each key is the account's ID."""
_TRUST_POLICY: Final = golden("trust-policy")
_ROLE_POLICY: Final = golden("minimal-role-policy")
_PYTHON: Final = str(PROJECT / "venv" / "bin" / "python")


class _Measurement(NamedTuple):
    """A command to measure."""

    title: str
    arguments: Sequence[str]
    data_sources: int
    """The total number of data sources in all accounts."""
    maximum_calls: float
    """The maximum average number of calls per data source; if it is exceeded, the benchmark fails."""
    accounts: int = 1


_ACCOUNT_IDS: Final = [str(int(ACCOUNT) + number) for number in range(5)]
"""The accounts in the second audit; the credentials belong to the first account."""
_ACCOUNT_OPTIONS: Final = [option for account_id in _ACCOUNT_IDS for option in ("--account", account_id)]
_MEASUREMENTS: Final = (
    _Measurement("`audit`", ("audit", "--json"), _DATA_SOURCES, 7.2),
    _Measurement(
        "`audit` of five accounts with a total",
        ("audit", "--json", *_ACCOUNT_OPTIONS, "--assume-role", "audit"),
        _DATA_SOURCES,
        7.2,
        len(_ACCOUNT_IDS),
    ),
    _Measurement("`check`", ("check", "--stack", "dev"), _STACK_ENTRIES, 11.5),
)


class _Handler(Handler):
    """A stand-in for AWS, with accounts in which each data source has its own secret and role.

    The access key from AssumeRole contains the account's ID.
    """

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for each response; a second packet would wait for an acknowledgment
    calls: ClassVar[Counter[str]]
    lock: ClassVar[Lock] = Lock()
    data_sources: ClassVar[int]
    """The number of data sources in each account."""

    @property
    def account_id(self) -> str:
        """The account of the caller."""
        credential = self.headers["Authorization"].partition("Credential=")[2]
        access_key = credential.partition("/")[0]
        if not access_key.startswith(_ACCESS_KEY_PREFIX):
            return ACCOUNT
        return access_key.removeprefix(_ACCESS_KEY_PREFIX)

    def do_GET(self) -> None:  # noqa: N802 the name in the base class
        address = urlsplit(self.path)
        match address.path.strip("/").split("/"):
            case ["applications"]:
                application = {"applicationId": APPLICATION_ID, "displayName": "Docs"}
                self._send_response("ListApplications", {"applications": [application]})
            case [_, _, "indices"]:
                index = {"indexId": INDEX_ID, "displayName": "Main"}
                self._send_response("ListIndices", {"indices": [index]})
            case [_, _, _, _, "datasources"]:
                first_number = int(parse_qs(address.query).get("nextToken", ["0"])[0])
                end = min(first_number + _PAGE_SIZE, self.data_sources)
                next_token = {"nextToken": str(end)} if end < self.data_sources else {}
                data_sources = [_build_data_source(number) for number in range(first_number, end)]
                self._send_response("ListDataSources", {"dataSources": data_sources, **next_token})
            case [_, _, _, _, _, data_source_id]:
                self._send_response("GetDataSource", _build_data_source(int(data_source_id[-12:])))
            case _:
                self.send_error(501)

    def do_POST(self) -> None:  # noqa: N802
        request_body = self.body().decode()
        if target := self.headers.get("X-Amz-Target"):
            operation = target.removeprefix("secretsmanager.")
            secret_arn = json.loads(request_body)["SecretId"]
            versions: dict[str, Any] = {"VersionIdsToStages": {"1": ["AWSCURRENT"]}, "Versions": []}
            self._send_response(operation, {"ARN": secret_arn, "Name": secret_arn, **versions})
        else:
            parameters = dict(parse_qsl(request_body))
            self._send_response(parameters["Action"], _render_xml(parameters))

    def _send_response(self, operation: str, content: object) -> None:
        time.sleep(DELAY)
        with self.lock:
            self.calls[operation] += 1
        document = content if isinstance(content, str) else json.dumps(content)
        response_body = document.replace(ACCOUNT, self.account_id).encode()
        self.answer(200, response_body, {"Content-Length": str(len(response_body))})


def _render_role_policy(role_name: str) -> str:
    """Return the policy of the role with this name or ARN."""
    return _ROLE_POLICY.replace(SECRET_ID, f"pages-{role_name[-5:]}-a1B2c3")


def _build_role_arn(number: int) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/pages-{number:05}"


def _build_data_source(number: int) -> dict[str, Any]:
    """Return a data source as GetDataSource does; ListDataSources needs only some of these fields."""
    data_source_id = f"c3d4e5f6-7890-12ab-cdef-{number:012}"
    secret_arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:pages-{number:05}-a1B2c3"
    return {
        "dataSourceId": data_source_id,
        "displayName": f"pages-{number}",
        "type": "AEM",
        "status": "ACTIVE",
        "applicationId": APPLICATION_ID,
        "indexId": INDEX_ID,
        "dataSourceArn": f"{APPLICATION_ARN}/index/{INDEX_ID}/data-source/{data_source_id}",
        "roleArn": _build_role_arn(number),
        "configuration": {"type": "AEM", "secretArn": secret_arn},
    }


def _render_xml(parameters: Mapping[str, str]) -> str:
    """Return the response of IAM or STS to a call with these parameters."""
    role_name = parameters.get("RoleName", "")
    role_to_assume = Arn.of(parameters.get("RoleArn", ""))
    role = (
        f"<Path>/</Path><RoleName>{role_name}</RoleName><RoleId>AROADBQP57FF2AEXAMPLE</RoleId>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:role/{role_name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>"
        f"<AssumeRolePolicyDocument>{escape(_TRUST_POLICY)}</AssumeRolePolicyDocument>"
        "<MaxSessionDuration>3600</MaxSessionDuration>"
    )
    role_policy = escape(_render_role_policy(role_name))
    result_by_operation = {
        "GetCallerIdentity": f"<UserId>AIDA</UserId><Account>{ACCOUNT}</Account>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:user/auditor</Arn>",
        "GetRole": f"<Role>{role}</Role>",
        "AssumeRole": f"<Credentials><AccessKeyId>{_ACCESS_KEY_PREFIX}{role_to_assume.account}"
        "</AccessKeyId><SecretAccessKey>benchmarks</SecretAccessKey><SessionToken>benchmarks"
        "</SessionToken><Expiration>2999-12-31T00:00:00Z</Expiration></Credentials>",
        "ListRoles": "<Roles/><IsTruncated>false</IsTruncated>",
        "ListRolePolicies": f"<PolicyNames><member>{POLICY_NAME}</member></PolicyNames>"
        "<IsTruncated>false</IsTruncated>",
        "GetRolePolicy": f"<RoleName>{role_name}</RoleName><PolicyName>{POLICY_NAME}</PolicyName>"
        f"<PolicyDocument>{role_policy}</PolicyDocument>",
        "ListAttachedRolePolicies": "<AttachedPolicies/><IsTruncated>false</IsTruncated>",
        "SimulatePrincipalPolicy": f"<EvaluationResults>{_render_simulation(parameters)}"
        "</EvaluationResults><IsTruncated>false</IsTruncated>",
    }
    operation = parameters["Action"]
    result = f"<{operation}Result>{result_by_operation[operation]}</{operation}Result>"
    return f"<{operation}Response>{result}</{operation}Response>"


def _render_simulation(parameters: Mapping[str, str]) -> str:
    """Return the results of a simulation that allows every action on every resource."""
    actions = [parameters[name] for name in parameters if name.startswith("ActionNames.")]
    resources = [parameters[name] for name in parameters if name.startswith("ResourceArns.")] or ["*"]
    return "".join(
        f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>"
        "<EvalDecision>allowed</EvalDecision></member>"
        for action in actions
        for resource in resources
    )


@contextmanager
def _serve_accounts(data_source_count: int) -> Generator[tuple[str, Counter[str]]]:
    """Serve accounts on a loopback address; each account has this number of data sources.

    Yield the server's address and a counter of the received calls by name.
    """
    _Handler.calls = Counter()
    _Handler.data_sources = data_source_count
    ThreadingHTTPServer.request_queue_size = 128  # the commands open fewer connections than this
    with serving(_Handler) as address:
        yield address, _Handler.calls


def _write_stack(directory: Path) -> None:
    """Write a stack's state, and a script named `pulumi` that prints the state.

    The script replaces the Pulumi CLI, so that the measured time doesn't include the CLI's start.
    """
    resources = [
        resource
        for number, role_arn in enumerate(map(_build_role_arn, range(_STACK_ENTRIES)))
        for resource in declared(
            f"pages-{number}", role_arn, _TRUST_POLICY, _render_role_policy(role_arn)
        )
    ]
    (directory / "state.json").write_text(json.dumps(exported(*resources)))
    script = directory / "pulumi"
    script.write_text(f'#!/bin/sh\nexec cat "{directory}/state.json"\n')
    script.chmod(0o755)


def measure_rows() -> list[str]:
    """Measure the commands and return a row of the benchmarks table for each command."""
    return [_measure_row(measurement) for measurement in _MEASUREMENTS]


def _measure_row(measurement: _Measurement) -> str:
    data_sources = measurement.data_sources
    server = _serve_accounts(data_sources // measurement.accounts)
    with tempfile.TemporaryDirectory() as directory, server as (address, calls):
        _write_stack(Path(directory))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": address,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "benchmarks",
            "AWS_SECRET_ACCESS_KEY": "benchmarks",
            "AWS_CONFIG_FILE": os.devnull,
            "PATH": f"{directory}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        }
        command = [_PYTHON, "-m", "roles", *measurement.arguments]
        runs = [_measure_command(command, directory, environment) for _ in range(_ROUNDS)]
    durations, memory_sizes = zip(*runs, strict=True)
    if calls["GetRole"] != _ROUNDS * data_sources:
        raise RuntimeError(f"{measurement.title} did not read every role: {calls}")
    calls_per_run = calls.total() / _ROUNDS
    if calls_per_run > measurement.maximum_calls * data_sources:
        raise RuntimeError(f"{measurement.title} makes too many calls: {calls}")
    memory = max(memory_sizes)
    if memory > _MAXIMUM_MEMORY:
        raise RuntimeError(f"{measurement.title} needs {memory:.0f} MB, more than {_MAXIMUM_MEMORY} MB")
    median = statistics.median(durations)
    figure = f"{median:.1f} s ({min(durations):.1f} to {max(durations):.1f}), {memory:.0f} MB"
    calls_figure = f"{calls_per_run:,.0f} calls, {calls_per_run / data_sources:.1f} per data source"
    return f"| {measurement.title} of {data_sources} data sources | {figure} | {calls_figure} |"


def _measure_command(
    command: Sequence[str], directory: str, environment: Mapping[str, str]
) -> tuple[float, float]:
    """Run a command; return its duration in seconds and its peak memory use in MB."""
    begin = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.monotonic() - begin, usage.ru_maxrss / 1024
