"""Measure the commands that read AWS; a server responds to each call after a delay.

The responses are built here, because moto would take longer than the delay.
"""

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit
from xml.sax.saxutils import escape

from benchmarks.measuring import Command, spread
from components.connector_role import POLICY_NAME
from evidence.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, REGION, SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.loopback import serving
from tests.helpers.support import golden

DELAY: Final = 0.05
"""Seconds before each response."""
DATA_SOURCES: Final = 500
_PAGE: Final = 10
"""The maximum number of data sources in one response, as in the API."""
_MOST_CALLS: Final = 6.2
"""The maximum number of calls per data source; a command that makes more calls fails the benchmark."""
_ROUNDS: Final = 3
_TRUST: Final = golden("trust-policy")
_POLICY: Final = golden("minimal-role-policy")
_PYTHON: Final = str(PROJECT / "venv" / "bin" / "python")
_COMMANDS: Final = {
    "`audit`": "audit --json",
    # There are too many data sources for one stack, which `adopt` detects after it has read them.
    "`adopt --all`": "adopt --all --dry-run --stack prod || test $? = 2",
}


class _Handler(BaseHTTPRequestHandler):
    """An account with many data sources, each with its own secret and role."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for each response: a second packet would wait for an acknowledgment
    calls: ClassVar[Counter[str]]
    lock: ClassVar[Lock]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        match address.path.strip("/").split("/"):
            case ["applications"]:
                found = {"applications": [{"applicationId": APPLICATION_ID, "displayName": "Docs"}]}
                self._answer("ListApplications", found)
            case [_, _, "indices"]:
                self._answer("ListIndices", {"indices": [{"indexId": INDEX_ID, "displayName": "Main"}]})
            case [_, _, _, _, "datasources"]:
                first = int(parse_qs(address.query).get("nextToken", ["0"])[0])
                sources = [_listed(number) for number in range(first, first + _PAGE)]
                more = {"nextToken": str(first + _PAGE)} if first + _PAGE < DATA_SOURCES else {}
                self._answer("ListDataSources", {"dataSources": sources, **more})
            case [_, _, _, _, _, identifier]:
                self._answer("GetDataSource", _data_source(int(identifier[-12:])))
            case _:
                self.send_error(501)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers.get("X-Amz-Target") == "secretsmanager.DescribeSecret":
            arn = json.loads(body)["SecretId"]
            self._answer("DescribeSecret", {"ARN": arn, "Name": arn})
            return
        call = dict(parse_qsl(body))
        self._answer(call["Action"], _xml(call))

    def _answer(self, call: str, content: object) -> None:
        time.sleep(DELAY)
        with self.lock:
            self.calls[call] += 1
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 the name in the base class


def _listed(number: int) -> dict[str, str]:
    identifier = f"c3d4e5f6-7890-12ab-cdef-{number:012}"
    return {
        "dataSourceId": identifier,
        "displayName": f"pages-{number}",
        "type": "AEM",
        "status": "ACTIVE",
    }


def _secret_arn(number: int) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:pages-{number:05}-a1B2c3"


def _data_source(number: int) -> dict[str, Any]:
    listed = _listed(number)
    arn = f"{APPLICATION_ARN}/index/{INDEX_ID}/data-source/{listed['dataSourceId']}"
    return {
        **listed,
        "applicationId": APPLICATION_ID,
        "indexId": INDEX_ID,
        "dataSourceArn": arn,
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/pages-{number:05}",
        "configuration": {"type": "AEM", "secretArn": _secret_arn(number)},
    }


def _xml(call: dict[str, str]) -> str:
    """Return the response from IAM or STS."""
    name = call.get("RoleName", "")
    role = (
        f"<Path>/</Path><RoleName>{name}</RoleName><RoleId>AROADBQP57FF2AEXAMPLE</RoleId>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>"
        f"<AssumeRolePolicyDocument>{escape(_TRUST)}</AssumeRolePolicyDocument>"
        "<MaxSessionDuration>3600</MaxSessionDuration>"
    )
    policy = escape(_POLICY.replace(SECRET_ID, f"pages-{name[-5:]}-a1B2c3"))
    results = {
        "GetCallerIdentity": f"<UserId>AIDA</UserId><Account>{ACCOUNT}</Account>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:user/auditor</Arn>",
        "GetRole": f"<Role>{role}</Role>",
        "ListRolePolicies": f"<PolicyNames><member>{POLICY_NAME}</member></PolicyNames>"
        "<IsTruncated>false</IsTruncated>",
        "GetRolePolicy": f"<RoleName>{name}</RoleName><PolicyName>{POLICY_NAME}</PolicyName>"
        f"<PolicyDocument>{policy}</PolicyDocument>",
        "ListAttachedRolePolicies": "<AttachedPolicies/><IsTruncated>false</IsTruncated>",
    }
    action = call["Action"]
    return f"<{action}Response><{action}Result>{results[action]}</{action}Result></{action}Response>"


@contextmanager
def served() -> Generator[tuple[str, Counter[str]]]:
    """Serve the account on loopback; return its address and the number of times each call was made."""

    class Handler(_Handler):
        calls: ClassVar[Counter[str]] = Counter()
        lock: ClassVar[Lock] = Lock()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with serving(Handler, Server) as address:
        yield address, Handler.calls


def rows() -> list[str]:
    """Measure the commands and return the table's rows."""
    found: list[str] = []
    with tempfile.TemporaryDirectory() as directory, served() as (address, calls):
        (Path(directory) / "Pulumi.yaml").write_text("name: qbusiness-connector-role\n")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": address,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "benchmarks",
            "AWS_SECRET_ACCESS_KEY": "benchmarks",
            "AWS_CONFIG_FILE": os.devnull,
            "PYTHONPATH": str(PROJECT),
        }
        for title, options in _COMMANDS.items():
            calls.clear()
            script = ["sh", "-c", f"{_PYTHON} -m roles {options}"]
            command = Command(script, Path(directory), environment)
            wall = spread([command.run().wall for _ in range(_ROUNDS)])
            if calls["GetDataSource"] != _ROUNDS * DATA_SOURCES:
                raise RuntimeError(f"{title} did not read every data source: {calls}")
            number = calls.total() / _ROUNDS
            if number > _MOST_CALLS * DATA_SOURCES:
                raise RuntimeError(f"{title} makes more calls than it promises: {calls}")
            figure = f"{wall.median:.1f} s ({wall.minimum:.1f} to {wall.maximum:.1f})"
            what = f"{title}, {number:,.0f} calls, {number / DATA_SOURCES:.1f} for each data source"
            found.append(f"| {what} | {figure} | | |")
    return found
