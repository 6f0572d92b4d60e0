"""Measure one role."""

import json
import os
import subprocess
from typing import Final

from benchmarks.measuring import Command, measure
from benchmarks.programs import SETTINGS, Laboratory, laboratory, operation
from benchmarks.table import table
from evidence.examples import APPLICATION_ID
from sandbox.environment import PROJECT
from tests.helpers.stacks import UP

CDK: Final = PROJECT / "benchmarks" / "cdk"
_ROUNDS: Final = 50
"""Many, because two runs of one program differ more than two programs do."""


def section() -> str:
    """Measure a preview and an update without changes, and return the section."""
    with laboratory() as here:
        arn = {
            "this program": here.this_program(),
            "hand-written": here.by_hand(),
            "empty program": here.empty(),
        }
        identifier = {
            "this program": here.this_program({**SETTINGS, "applicationId": APPLICATION_ID}),
            "hand-written, with a look-up of the account": here.by_hand(looks_up_account=True),
        }
        component = {
            "this project's component": here.components(1),
            "hand-written component": here.component_by_hand(),
        }
        for stack in (*arn.values(), *identifier.values(), *component.values()):
            stack.up()
        runs = measure({name: operation(it, "preview") for name, it in component.items()}, _ROUNDS)
        text = (
            "## One role\n\n"
            "`pulumi preview` without a change, of a program that declares one component:\n\n"
            f"{table(runs, 'hand-written component')}\n"
        )
        for title, arguments in (
            ("`pulumi preview` without a change", ("preview",)),
            ("`pulumi up` without a change", UP),
        ):
            for which, stacks in (("ARN", arn), ("ID", identifier)):
                commands = {name: operation(stack, *arguments) for name, stack in stacks.items()}
                base = [*stacks][1]
                runs = measure(commands, _ROUNDS)
                text += f"{title}, with the application's {which}:\n\n{table(runs, base)}\n"
        return text + _cdk(here)


def _cdk(here: Laboratory) -> str:
    """Measure AWS CDK's synthesis of the same two resources."""
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error"], cwd=CDK, check=True)
    documents = here.directory / "documents.json"
    documents.write_text(
        json.dumps({"trust": json.loads(here.trust), "policy": json.loads(here.policy)})
    )
    environment = {**os.environ, "DOCUMENTS": str(documents), "CDK_DISABLE_CLI_TELEMETRY": "true"}
    output = str(here.directory / "cdk.out")
    synthesis = Command(
        ["npx", "cdk", "synth", "--quiet", "--app", "node app.js", "--output", output], CDK, environment
    )
    stack = here.this_program()
    stack.up()
    runs = measure(
        {"`cdk synth`, the same resources": synthesis, "this program": operation(stack, "preview")}
    )
    return (
        "AWS CDK, which writes a template without comparing it with a deployed stack, and the preview "
        f"of this program:\n\n{table(runs, 'this program')}"
    )
