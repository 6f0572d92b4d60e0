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
_PAGE: Final = 10
"""The maximum number of data sources in one response, as in the API."""
_ENTRIES: Final = 30
"""The number of data sources in the stack that `check` reads."""
_ROUNDS: Final = 3
_MOST_MEMORY: Final = 300
"""The maximum memory use in MB; if a command uses more, the benchmark fails."""
_KEY: Final = "ACCOUNT"
"""The prefix of access keys from AssumeRole; the rest of each key is the account's ID."""
_TRUST: Final = golden("trust-policy")
_POLICY: Final = golden("minimal-role-policy")
_PYTHON: Final = str(PROJECT / "venv" / "bin" / "python")


class _Reading(NamedTuple):
    """A command to measure."""

    title: str
    arguments: Sequence[str]
    data_sources: int
    """The total number of data sources in all accounts."""
    most_calls: float
    """The maximum average number of calls per data source; if it is exceeded, the benchmark fails."""
    accounts: int = 1


_MANY: Final = [str(int(ACCOUNT) + number) for number in range(5)]
"""The accounts in the second audit; the credentials belong to the first account."""
_OPTIONS: Final = [option for account in _MANY for option in ("--account", account)]
_READINGS: Final = (
    _Reading("`audit`", ("audit", "--json"), _DATA_SOURCES, 7.2),
    _Reading(
        "`audit` of five accounts with a total",
        ("audit", "--json", *_OPTIONS, "--assume-role", "audit"),
        _DATA_SOURCES,
        7.2,
        len(_MANY),
    ),
    _Reading("`check`", ("check", "--stack", "dev"), _ENTRIES, 11.5),
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
    def account(self) -> str:
        """The account of the caller."""
        key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        return key.removeprefix(_KEY) if key.startswith(_KEY) else ACCOUNT

    def do_GET(self) -> None:  # noqa: N802 the name in the base class
        address = urlsplit(self.path)
        match address.path.strip("/").split("/"):
            case ["applications"]:
                found = {"applications": [{"applicationId": APPLICATION_ID, "displayName": "Docs"}]}
                self._respond("ListApplications", found)
            case [_, _, "indices"]:
                self._respond("ListIndices", {"indices": [{"indexId": INDEX_ID, "displayName": "Main"}]})
            case [_, _, _, _, "datasources"]:
                first = int(parse_qs(address.query).get("nextToken", ["0"])[0])
                end = min(first + _PAGE, self.data_sources)
                more = {"nextToken": str(end)} if end < self.data_sources else {}
                sources = [_data_source(number) for number in range(first, end)]
                self._respond("ListDataSources", {"dataSources": sources, **more})
            case [_, _, _, _, _, identifier]:
                self._respond("GetDataSource", _data_source(int(identifier[-12:])))
            case _:
                self.send_error(501)

    def do_POST(self) -> None:  # noqa: N802
        body = self.body().decode()
        if target := self.headers.get("X-Amz-Target"):
            call, arn = target.removeprefix("secretsmanager."), json.loads(body)["SecretId"]
            versions: dict[str, Any] = {"VersionIdsToStages": {"1": ["AWSCURRENT"]}, "Versions": []}
            self._respond(call, {"ARN": arn, "Name": arn, **versions})
        else:
            parameters = dict(parse_qsl(body))
            self._respond(parameters["Action"], _xml(parameters))

    def _respond(self, call: str, content: object) -> None:
        time.sleep(DELAY)
        with self.lock:
            self.calls[call] += 1
        text = content if isinstance(content, str) else json.dumps(content)
        body = text.replace(ACCOUNT, self.account).encode()
        self.answer(200, body, {"Content-Length": str(len(body))})


def _policy(name: str) -> str:
    """Return the policy of the role with this name or ARN."""
    return _POLICY.replace(SECRET_ID, f"pages-{name[-5:]}-a1B2c3")


def _role_arn(number: int) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/pages-{number:05}"


def _data_source(number: int) -> dict[str, Any]:
    """Return a data source as GetDataSource does; ListDataSources needs only some of these fields."""
    identifier = f"c3d4e5f6-7890-12ab-cdef-{number:012}"
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:pages-{number:05}-a1B2c3"
    return {
        "dataSourceId": identifier,
        "displayName": f"pages-{number}",
        "type": "AEM",
        "status": "ACTIVE",
        "applicationId": APPLICATION_ID,
        "indexId": INDEX_ID,
        "dataSourceArn": f"{APPLICATION_ARN}/index/{INDEX_ID}/data-source/{identifier}",
        "roleArn": _role_arn(number),
        "configuration": {"type": "AEM", "secretArn": secret},
    }


def _xml(call: dict[str, str]) -> str:
    """Return the response of IAM or STS to a call."""
    name = call.get("RoleName", "")
    role = (
        f"<Path>/</Path><RoleName>{name}</RoleName><RoleId>AROADBQP57FF2AEXAMPLE</RoleId>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>"
        f"<AssumeRolePolicyDocument>{escape(_TRUST)}</AssumeRolePolicyDocument>"
        "<MaxSessionDuration>3600</MaxSessionDuration>"
    )
    policy = escape(_policy(name))
    results = {
        "GetCallerIdentity": f"<UserId>AIDA</UserId><Account>{ACCOUNT}</Account>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:user/auditor</Arn>",
        "GetRole": f"<Role>{role}</Role>",
        "AssumeRole": f"<Credentials><AccessKeyId>{_KEY}{Arn.of(call.get('RoleArn', '')).account}"
        "</AccessKeyId><SecretAccessKey>benchmarks</SecretAccessKey><SessionToken>benchmarks"
        "</SessionToken><Expiration>2999-12-31T00:00:00Z</Expiration></Credentials>",
        "ListRoles": "<Roles/><IsTruncated>false</IsTruncated>",
        "ListRolePolicies": f"<PolicyNames><member>{POLICY_NAME}</member></PolicyNames>"
        "<IsTruncated>false</IsTruncated>",
        "GetRolePolicy": f"<RoleName>{name}</RoleName><PolicyName>{POLICY_NAME}</PolicyName>"
        f"<PolicyDocument>{policy}</PolicyDocument>",
        "ListAttachedRolePolicies": "<AttachedPolicies/><IsTruncated>false</IsTruncated>",
        "SimulatePrincipalPolicy": f"<EvaluationResults>{_allowed(call)}</EvaluationResults>"
        "<IsTruncated>false</IsTruncated>",
    }
    action = call["Action"]
    return f"<{action}Response><{action}Result>{results[action]}</{action}Result></{action}Response>"


def _allowed(call: dict[str, str]) -> str:
    """Return the results of a simulation that allows every action on every resource."""
    actions = [value for name, value in call.items() if name.startswith("ActionNames.")]
    resources = [value for name, value in call.items() if name.startswith("ResourceArns.")] or ["*"]
    return "".join(
        f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>"
        "<EvalDecision>allowed</EvalDecision></member>"
        for action in actions
        for resource in resources
    )


@contextmanager
def _served(number: int) -> Generator[tuple[str, Counter[str]]]:
    """Serve accounts on a loopback address; each account has `number` data sources.

    Yield the server's address and a counter of the received calls by name.
    """
    _Handler.calls, _Handler.data_sources = Counter(), number
    ThreadingHTTPServer.request_queue_size = 128  # the commands open fewer connections than this
    with serving(_Handler) as address:
        yield address, _Handler.calls


def _write_stack(directory: Path) -> None:
    """Write a stack's state, and a script named `pulumi` that prints the state.

    The script replaces the Pulumi CLI, so that the measured time doesn't include the CLI's start.
    """
    resources = [
        resource
        for number, arn in enumerate(map(_role_arn, range(_ENTRIES)))
        for resource in declared(f"pages-{number}", arn, _TRUST, _policy(arn))
    ]
    (directory / "state.json").write_text(json.dumps(exported(*resources)))
    program = directory / "pulumi"
    program.write_text(f'#!/bin/sh\nexec cat "{directory}/state.json"\n')
    program.chmod(0o755)


def rows() -> list[str]:
    """Measure the commands and return a row of the benchmarks table for each command."""
    return [_row(reading) for reading in _READINGS]


def _row(reading: _Reading) -> str:
    number = reading.data_sources
    served = _served(number // reading.accounts)
    with tempfile.TemporaryDirectory() as directory, served as (address, calls):
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
        command = [_PYTHON, "-m", "roles", *reading.arguments]
        runs = [_measure(command, directory, environment) for _ in range(_ROUNDS)]
    wall, memories = zip(*runs, strict=True)
    if calls["GetRole"] != _ROUNDS * number:
        raise RuntimeError(f"{reading.title} did not read every role: {calls}")
    total = calls.total() / _ROUNDS
    if total > reading.most_calls * number:
        raise RuntimeError(f"{reading.title} makes too many calls: {calls}")
    if (memory := max(memories)) > _MOST_MEMORY:
        raise RuntimeError(f"{reading.title} needs {memory:.0f} MB, more than {_MOST_MEMORY} MB")
    figure = f"{statistics.median(wall):.1f} s ({min(wall):.1f} to {max(wall):.1f}), {memory:.0f} MB"
    calls_of_each = f"{total:,.0f} calls, {total / number:.1f} per data source"
    return f"| {reading.title} of {number} data sources | {figure} | {calls_of_each} |"


def _measure(
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
