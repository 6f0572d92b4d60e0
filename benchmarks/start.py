"""Count the CPU instructions for a program's start with one role, and for each additional role."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

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
_COMPONENT_PROGRAM: Final = """
import pulumi
from components.connector_role import ConnectorRole

for number in range({number}):
    connector = ConnectorRole(f"connector-{{number}}", {arguments!r})
    pulumi.export(f"roleArn{{number}}", connector.role_arn)
"""
_HAND_WRITTEN_PROGRAM: Final = """
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
_ADDITIONAL_ROLES: Final = 10
_VALGRIND: Final = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
_ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/role"
# The decorator makes Pulumi wait until all resources are registered.
_RUNNER: Final = f"""
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


def _write_component_program(role_count: int) -> str:
    return _COMPONENT_PROGRAM.format(number=role_count, arguments=_ARGUMENTS)


def _write_hand_written_program(role_count: int) -> str:
    trust_policy, role_policy, _ = render("docs", _ARGUMENTS, "")
    return _HAND_WRITTEN_PROGRAM.format(number=role_count, trust=trust_policy, policy=role_policy)


def measure_rows() -> list[str]:
    """Measure the component and hand-written resources; return two rows for the benchmarks table.

    valgrind counts instructions instead of measuring time, so each measurement runs only once.
    """
    _count_instructions(_write_component_program(1))  # ignored, because it also compiles the modules
    component = _measure_program(_write_component_program)
    by_hand = _measure_program(_write_hand_written_program)
    return [
        _format_row("Startup with one role", component.with_one_role, by_hand.with_one_role),
        _format_row("Each additional role", component.per_role, by_hand.per_role),
    ]


def _format_row(measurement: str, component: float, by_hand: float) -> str:
    return (
        f"| {measurement} | {component / 1e6:,.1f} million instructions | "
        f"{by_hand / 1e6:,.1f} million for hand-written resources; ratio {component / by_hand:.3f} |"
    )


class _Instructions(NamedTuple):
    """The number of instructions of a program with one role, and for each additional role."""

    with_one_role: float
    per_role: float


def _measure_program(write_program: Callable[[int], str]) -> _Instructions:
    with_one_role = _count_instructions(write_program(1))
    with_several_roles = _count_instructions(write_program(1 + _ADDITIONAL_ROLES))
    return _Instructions(with_one_role, (with_several_roles - with_one_role) / _ADDITIONAL_ROLES)


def _count_instructions(program: str) -> int:
    process = subprocess.run(
        [*_VALGRIND, sys.executable, "-c", _RUNNER.format(program)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(re.findall(r"Collected : (\d+)", process.stderr)[0])
