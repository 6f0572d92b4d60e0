"""Replace AWS and the Pulumi CLI with recorded answers.

recording.json has the configuration and outputs of the stack `dev`, in which nothing is wrong, and AWS's
responses by call. The call `grants` lists the key's grants, and `simulate PRINCIPAL ACTION RESOURCE`
simulates one request.
"""

import json
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from contextvars import copy_context
from io import StringIO
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from botocore.exceptions import ClientError

from roles.account import Account
from roles.cli import main
from roles.output import Notes
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import Output

BASE: Final[Mapping[str, Any]] = json.loads(Path(__file__).with_name("recording.json").read_text())


class _Session:
    def get_partition_for_region(self, region: str) -> str:
        return {"us-gov-west-1": "aws-us-gov"}.get(region, "aws")


def run(arguments: Sequence[str]) -> Output:
    """Run `roles check` in this process."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = copy_context().run(main, ["check", *arguments])
    return Output(code, out.getvalue(), err.getvalue())


@contextmanager
def replaced(calls: Mapping[str, Any], printed: Mapping[str, Any]) -> Generator[None]:
    """Replace AWS and the Pulumi CLI with their answers."""

    class Recorded(Account):
        """An account whose answers are recorded."""

        def __init__(self, region: str | None, notes: Notes) -> None:
            self.region = region or "us-east-1"
            self.answers, self.denied = {}, set()
            self.notes = notes
            self._assumed = None
            self._session = _Session()

        def _call(self, service: str, operation: str, **parameters: Any) -> Any:
            return _answer(calls[f"{service}.{operation} {json.dumps(parameters, sort_keys=True)}"])

        def _list(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
            del key
            if operation == "list_grants":
                return calls.get("grants", [])
            if operation != "simulate_principal_policy":
                return self._call(service, operation, **parameters)
            _answer(calls.get("iam.simulate_principal_policy"))  # an error for all simulations
            principal, resources = parameters["PolicySourceArn"], parameters["ResourceArns"]
            asked = [(action, each) for action in parameters["ActionNames"] for each in resources]
            return [
                _answer(calls.get(f"simulate {principal} {action} {resource}"))
                or {
                    "EvalActionName": action,
                    "EvalResourceName": resource,
                    "EvalDecision": "allowed",
                }
                for action, resource in asked
            ]

    def run_pulumi(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, json.dumps(printed[command[0]]), "")

    with (
        patch("roles.check.command.Account", Recorded),
        patch("roles.stack.run_pulumi", run_pulumi),
        patch("roles.stack.project_name", lambda: PROJECT_NAME),
        patch.dict("os.environ", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}),
    ):
        yield


def _answer(value: Any) -> Any:
    """Return a recorded answer, or raise a recorded error."""
    match value:
        case {"$client": [response, operation]}:
            raise ClientError(response, operation)
        case dict():
            return {name: _answer(each) for name, each in value.items()}
        case list():
            return [_answer(each) for each in value]
        case _:
            return value
