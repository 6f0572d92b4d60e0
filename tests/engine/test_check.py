"""`qbusiness-roles check` judges what a program of one's own has deployed."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pages.examples import APPLICATION_ID, INDEX_ID, KEY_ID, REGION, SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.stacks import NewStack, Stack
from tests.helpers.world import KEY_ARN

PYTHON: Final = f"""
from components.connector_role import ConnectorRole

for name in ("wiki", "tickets"):
    ConnectorRole(
        name,
        {{
            "application_id": "{APPLICATION_ID}",
            "index_id": "{INDEX_ID}",
            "secret_id": "{SECRET_ID}",
            "kms_key_id": "{KEY_ID}",
        }},
    )
"""


def check(stack: Stack, *options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the document of `check`, run in the stack's directory."""
    command = ("venv/bin/python", "-m", "roles", "check", "--stack", stack.name, "--json", *options)
    said = stack.execute(*command, check=False)
    return said.returncode, json.loads(said.stdout[said.stdout.index("{") :])


def problems(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the questions with a problem by entry."""
    return {
        name: [each["question"] for each in entry["findings"] if each["state"] == "problem"]
        for name, entry in document["entries"].items()
    }


def prepare(stack: Stack) -> Stack:
    for package in ("guardrails", "roles"):
        (stack.directory / package).symlink_to(PROJECT / package)
    return stack


def test_check_reads_state_of_python_program(new_stack: NewStack):
    stack = prepare(new_stack({"aws:region": REGION}, PYTHON))
    code, document = check(stack)
    assert (code, document) == (
        2,
        {"error": f"stack {stack.name} is not deployed: first run `pulumi up --stack {stack.name}`"},
    )
    stack.up()
    code, document = check(stack)
    assert (code, problems(document)) == (0, {"wiki": [], "tickets": []}), document
    stack.write_program(PYTHON.replace(f'"kms_key_id": "{KEY_ID}",', "").replace('"tickets"', ""))
    stack.up()
    code, document = check(stack)
    assert (code, problems(document)) == (1, {"wiki": ["role policy"]})
    found = document["entries"]["wiki"]["findings"]
    (remedy,) = [each["remedy"] for each in found if each["state"] == "problem"]
    assert remedy == f"set kmsKeyId of wiki to {KEY_ARN}"
