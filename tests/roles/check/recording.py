"""Replay the worlds with which `roles check` was tested, and compare only states and exit codes.

Each row of recording.json has a stack's configuration and outputs, AWS's answers by call, and the
result: the number of `ok` answers, the other answers, and the exit code. A row lists only its
differences from `base`. The answers come from a server in place of AWS.

After a change that is meant to change results, `python -m tests.roles.check.recording` writes the new
ones; `git diff` then shows the rows that changed.
"""

import importlib
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
from dateutil.parser import isoparse

from roles.account import Account
from roles.cli import main
from roles.output import Notes
from tests.helpers.support import PROJECT_NAME

FILE: Final = Path(__file__).with_name("recording.json")


class _Session:
    def get_partition_for_region(self, region: str) -> str:
        del region
        return "aws"


class Recording:
    """The rows of recording.json."""

    def __init__(self) -> None:
        document = json.loads(FILE.read_text())
        self.base, self.rows = document["base"], document["rows"]
        self._keys, self._values = document["keys"], document["values"]

    def calls(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return AWS's answers by call."""
        numbers = {**self.base["calls"], **row.get("calls", {})}
        gone = {*row.get("gone", ())}
        return {
            self._keys[int(key)]: self._values[value]
            for key, value in numbers.items()
            if int(key) not in gone
        }

    def replay(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Run `roles check` in a row's world; return the row's result."""
        config = {**self.base["config"], **(row.get("config") or {})}
        printed = {
            "config": {key: value for key, value in config.items() if value is not None},
            "stack": row.get("outputs", self.base["outputs"]),
        }
        arguments = [*row.get("argv", ["--stack", "dev"]), "--json"]
        with replaced(self.calls(row), printed, endpoint=row.get("endpoint", True)):
            code, out = run(arguments)
        return {**_result(json.loads(out or "{}")), "code": code}


def run(arguments: Sequence[str]) -> tuple[int, str]:
    """Run `roles check` in this process; return its exit code and standard output."""
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        code = copy_context().run(main, ["check", *arguments])
    return code, out.getvalue()


@contextmanager
def replaced(
    calls: Mapping[str, Any], printed: Mapping[str, Any], *, endpoint: bool = True
) -> Generator[None]:
    """Replace AWS and the Pulumi CLI with their answers."""

    class Recorded(Account):
        """An account whose answers are recorded."""

        def __init__(self, region: str | None, notes: Notes) -> None:
            self.region = region or "us-east-1"
            self.answers, self.denied = {}, set()
            self._notes = notes
            self._session = _Session()

        def _call(self, service: str, operation: str, **parameters: Any) -> Any:
            return _answer(calls[f"{service}.{operation} {json.dumps(parameters, sort_keys=True)}"])

        def _list(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
            del key
            if operation != "simulate_principal_policy":
                return self._call(service, operation, **parameters)
            _answer(calls.get("simulate"))  # an error for all simulations
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
        show = "--show-secrets" in command
        content = printed[command[0]]
        if not show and command[0] == "config":
            content = {
                key: {"secret": True} if entry["secret"] else entry for key, entry in content.items()
            }
        return subprocess.CompletedProcess(command, 0, json.dumps(content), "")

    environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"} if endpoint else {}
    with (
        patch("roles.check.command.Account", Recorded),
        patch("roles.stack.run_pulumi", run_pulumi),
        patch("roles.stack.project_name", lambda: PROJECT_NAME),
        patch.dict("os.environ", environment),
    ):
        yield


def _answer(value: Any) -> Any:
    """Return a recorded answer, or raise a recorded error."""
    match value:
        case {"$client": [response, operation]}:
            raise ClientError(response, operation)
        case {"$botocore": [module, name, parameters]}:
            raise getattr(importlib.import_module(module), name)(**parameters)
        case {"$other": [module, name, text]}:
            raise getattr(importlib.import_module(module), name)(text)
        case {"$date": text}:
            return isoparse(text)
        case dict():
            return {name: _answer(each) for name, each in value.items()}
        case list():
            return [_answer(each) for each in value]
        case _:
            return value


def _result(document: Mapping[str, Any]) -> dict[str, Any]:
    by_component = document.get("dataSources", {"": document})
    answers = [
        (component, answer)
        for component, found in by_component.items()
        for answer in found.get("answers", ())
    ]
    others = [
        " ".join(
            filter(
                None,
                (
                    answer["state"].replace(" ", "-"),
                    component,
                    answer["question"].replace(" ", "-"),
                    answer.get("subject"),
                ),
            )
        )
        for component, answer in answers
        if answer["state"] != "ok"
    ]
    return {"ok": len(answers) - len(others), "others": others}


def _rewrite() -> None:
    recording = Recording()
    results = {row["id"]: recording.replay(row) for row in recording.rows}
    lines = FILE.read_text().split('"rows": [\n')
    rows = [{**row, **results[row["id"]]} for row in recording.rows]
    text = ",\n".join(json.dumps(row) for row in rows)
    FILE.write_text(f'{lines[0]}"rows": [\n{text}\n]}}\n')


if __name__ == "__main__":
    _rewrite()
