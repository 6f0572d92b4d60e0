"""Run `python -m roles` in the process of the test, with a server instead of AWS."""

import json
import re
from contextvars import copy_context
from typing import Any, Final, NamedTuple

import pytest

from evidence.examples import REGION
from roles.__main__ import main
from roles.actions import ACTIONS
from tests.helpers.qbusiness_server import Server

_READING: Final = re.compile(
    r"\w+:(Get|List|Describe)\w+|iam:SimulatePrincipalPolicy|access-analyzer:ValidatePolicy"
)


class Output(NamedTuple):
    """The exit code and the output of one run."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The line of a failure: no traceback, nothing else."""
        assert self.code == 2
        assert self.out == ""
        (line,) = self.err.splitlines()
        return line


class Roles:
    """Runs commands, and checks that they call only what reads and what the documentation lists."""

    def __init__(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.server = server
        self.capsys = capsys
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
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

    def run(self, command: str, *options: str) -> Output:
        # Pulumi keeps its configuration in context variables: other tests must not find this one's.
        code = copy_context().run(main, [command, *options])
        assert all(_READING.fullmatch(call) for call in self.server.calls)
        assert set(self.server.calls) <= set(ACTIONS[command])
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return Output(code, out, err)
