"""Count the CPU instructions for a program's start with one role, and for each additional role."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from components.rules import render
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    INDEX_ID,
    KEY_ID,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from sandbox.environment import PROJECT

_ARGUMENTS: Final[Mapping[str, Any]] = {
    "application_id": APPLICATION_ARN,
    "index_id": INDEX_ID,
    "secret_id": SECRET_ID,
    "kms_key_id": KEY_ID,
    "vpc_configuration": {"subnet_ids": [SUBNET_ID], "security_group_ids": [SECURITY_GROUP_ID]},
}
"""Arguments for all of the default connector's statements except AllowsAmazonQToDeleteTaggedNI."""
_COMPONENTS: Final = """
import pulumi
from components.connector_role import ConnectorRole

for number in range({number}):
    connector = ConnectorRole(f"connector-{{number}}", {arguments!r})
    pulumi.export(f"roleArn{{number}}", connector.role_arn)
"""
_BY_HAND: Final = """
import pulumi
import pulumi_aws as aws

for number in range({number}):
    role = aws.iam.Role(
        f"connector-{{number}}-qbusiness-role",
        force_detach_policies=True,
        assume_role_policy={trust!r},
    )
    policy = aws.iam.RolePolicy(
        f"connector-{{number}}-qbusiness-policy",
        name="qbusiness-aem-connector",
        role=role.name,
        policy={policy!r},
    )
    pulumi.export(f"roleArn{{number}}", role.arn)
"""
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


def _components(number: int) -> str:
    return _COMPONENTS.format(number=number, arguments=_ARGUMENTS)


def _by_hand(number: int) -> str:
    trust_policy, role_policy, _ = render("docs", _ARGUMENTS, "")
    return _BY_HAND.format(number=number, trust=trust_policy, policy=role_policy)


def rows() -> list[str]:
    """Measure the component and hand-written resources; return two rows for the benchmarks table.

    valgrind counts instructions instead of measuring time, so each measurement runs only once.
    """
    _count(_components(1))  # ignored, because the first run also compiles the modules
    first, each = _instructions(_components)
    first_by_hand, each_by_hand = _instructions(_by_hand)
    return [
        _row("Startup with one role", first, first_by_hand),
        _row("Each additional role", each, each_by_hand),
    ]


def _row(measured: str, ours: float, by_hand: float) -> str:
    return (
        f"| {measured} | {ours / 1e6:,.1f} million instructions | "
        f"{by_hand / 1e6:,.1f} million for hand-written resources; ratio {ours / by_hand:.3f} |"
    )


def _instructions(program: Callable[[int], str]) -> tuple[float, float]:
    """Return the number of instructions for a program with one role, and for each additional role."""
    one, more = (_count(program(number)) for number in (1, 1 + _MORE))
    return one, (more - one) / _MORE


def _count(program: str) -> int:
    counted = subprocess.run(
        [*_COUNTING, sys.executable, "-c", _PROGRAM.format(program)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(re.findall(r"Collected : (\d+)", counted.stderr)[0])
