"""Measure the program's start and the rendering of the documents."""

import os
import re
import subprocess
import sys
import timeit
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks import programs
from benchmarks.measuring import Command, measure, spread
from benchmarks.table import table
from components.validation import validate
from sandbox.environment import PROJECT
from tests.helpers.support import FULL

_ROUNDS: Final = 25
_REPETITIONS: Final = 2_000
_IMPORTS: Final = "import pulumi, pulumi_aws.iam"
_ROLE_ARN: Final = f"arn:aws:iam::{programs.ACCOUNT}:role/role"
_MOCKS: Final = f"""{_IMPORTS}
class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args): return args.name, {{**args.inputs, "arn": "{_ROLE_ARN}"}}
    def call(self, args): return {{"accountId": "{programs.ACCOUNT}", "arn": "{_ROLE_ARN}"}}
pulumi.runtime.set_mocks(Mocks())
"""
_BASE: Final = "imports of `pulumi` and `pulumi_aws.iam`"
_BY_HAND: Final = "the same and a hand-written role and policy"
_PROGRAMS: Final = {
    _BASE: _IMPORTS,
    "the same and this program's modules": f"{_IMPORTS}\nimport components.connector_role",
    _BY_HAND: f"""{_MOCKS}
import pulumi_aws as aws
role = aws.iam.Role("docs-qbusiness-role", assume_role_policy="{{}}")
aws.iam.RolePolicy("docs-qbusiness-policy", role=role.name, policy="{{}}")
""",
    "the same and a component": f"""{_MOCKS}
from components.connector_role import ConnectorRole
ConnectorRole("docs", {dict(FULL)!r})
""",
}
_PAIRS: Final = "hand-written resources"
_MANY: Final[Mapping[str, Callable[[int], str]]] = {
    "this project's components": programs.components,
    "hand-written components": lambda number: programs.component_by_hand(
        number, *_documents(programs.ARGUMENTS)
    ),
    _PAIRS: lambda number: programs.by_hand(number, *_documents(programs.ARGUMENTS)),
}
_MORE: Final = 50
_LARGE: Final[dict[str, Any]] = {
    **FULL,
    "vpc_configuration": {
        "subnet_ids": [f"subnet-{number:017x}" for number in range(10)],
        "security_group_ids": [f"sg-{number:017x}" for number in range(10)],
    },
}


def section() -> str:
    """Measure the start of a program and the rendering, and return the section."""
    commands = {
        name: Command([sys.executable, "-c", program], PROJECT, os.environ)
        for name, program in _PROGRAMS.items()
    }
    runs = measure(commands, _ROUNDS)
    counted = {name: _instructions(command) for name, command in commands.items()}
    text = (
        "## Start and rendering\n\n"
        "A Python process until its first resources are declared, with mocks instead of the engine:\n\n"
        f"{table(runs, _BASE, ('wall', 'processor'))}\n"
        "The same in instructions, which valgrind counts exactly:\n\n"
        "| | million | ratio | ratio to hand-written |\n|---|---|---|---|\n"
    )
    for name, count in counted.items():
        ratios = (f"{count / counted[base]:.3f}" for base in (_BASE, _BY_HAND))
        text += f"| {name} | {count / 1e6:,.0f} | {' | '.join(ratios)} |\n"
    each = {name: _each(program) for name, program in _MANY.items()}
    text += (
        "\nThe first resource of any program loads much of `pulumi_aws`.\n"
        "\nInstructions for each further role in a program:\n\n"
        "| | million | ratio |\n|---|---|---|\n"
    )
    for name, more in each.items():
        text += f"| {name} | {more / 1e6:.1f} | {more / each[_PAIRS]:.2f} |\n"
    text += (
        "\nProcessor time to validate the settings and render both documents:\n\n| | µs |\n|---|---|\n"
    )
    for name, given in (("one connector", dict(FULL)), ("10 subnets, 10 groups", _LARGE)):
        text += f"| {name} | {_render(given)} |\n"
    return text


def _documents(given: Mapping[str, Any]) -> tuple[str, str]:
    trust_policy, role_policy, _ = validate("docs", given)
    assert trust_policy and role_policy  # noqa: S101,PT018 all settings are known
    return trust_policy, role_policy


def _render(given: dict[str, Any]) -> str:
    clock = timeit.Timer(lambda: _documents(given), timer=_processor_time)
    figures = [took / _REPETITIONS * 1e6 for took in clock.repeat(9, _REPETITIONS)]
    median, minimum, maximum = spread(figures)
    return f"{median:.0f} ({minimum:.0f} to {maximum:.0f})"


def _each(program: Callable[[int], str]) -> float:
    """Count the instructions for one more role in a program."""

    def count(number: int) -> int:
        # With this decorator Pulumi waits until all resources are registered.
        run = f"@pulumi.runtime.test\ndef run():\n    exec({program(number)!r}, {{}})\nrun()\n"
        return _instructions(Command([sys.executable, "-c", _MOCKS + run], PROJECT, os.environ))

    return (count(1 + _MORE) - count(1)) / _MORE


def _processor_time() -> float:
    used = os.times()
    return used.user + used.system


def _instructions(command: Command) -> int:
    counted = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command.arguments],
        cwd=command.directory,
        env=command.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(re.findall(r"Collected : (\d+)", counted.stderr)[0])
