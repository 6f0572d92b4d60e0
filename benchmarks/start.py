"""Count the CPU instructions for a program's start and for each additional role."""

import os
import re
import subprocess
import sys
from typing import Final

from benchmarks.programs import BASE, PROGRAMS
from pages.examples import ACCOUNT
from sandbox.environment import PROJECT

_MORE: Final = 10
_COUNTING: Final = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
_ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/role"
# The decorator makes Pulumi wait until all resources are registered.
_PROGRAM: Final = f"""
import pulumi, pulumi_aws.iam
class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args): return args.name, {{{{**args.inputs, "arn": "{_ROLE_ARN}"}}}}
    def call(self, args): return {{{{"accountId": "{ACCOUNT}", "arn": "{_ROLE_ARN}"}}}}
pulumi.runtime.set_mocks(Mocks())
@pulumi.runtime.test
def run():
    exec({{!r}}, {{{{}}}})
run()
"""


def rows() -> list[str]:
    """Return the table's rows; valgrind counts instructions, so no rounds are needed."""
    counts = {
        name: [_instructions(program(number)) for number in (1, 1 + _MORE)]
        for name, program in PROGRAMS.items()
    }
    figures = {name: (first, (more - first) / _MORE) for name, (first, more) in counts.items()}
    return [
        f"| {measured}, {name} | {found[place] / 1e6:,.1f} million instructions | "
        f"{found[place] / figures[BASE][place]:.3f} | |"
        for place, measured in enumerate(("start and the first role", "each additional role"))
        for name, found in figures.items()
    ]


def _instructions(program: str) -> int:
    counted = subprocess.run(
        [*_COUNTING, sys.executable, "-c", _PROGRAM.format(program)],
        cwd=PROJECT,
        env=os.environ,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(re.findall(r"Collected : (\d+)", counted.stderr)[0])
