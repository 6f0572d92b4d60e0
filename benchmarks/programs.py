"""Write the programs to compare: this project's component, and the same resources written by hand."""

import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from components.validation import validate
from pages.examples import (
    APPLICATION_ARN,
    INDEX_ID,
    KEY_ID,
    REGION,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from sandbox import engine
from sandbox.environment import Sandbox
from tests.helpers.stacks import Stack, prepared

ARGUMENTS: Final[Mapping[str, Any]] = {
    "application_id": APPLICATION_ARN,
    "index_id": INDEX_ID,
    "secret_id": SECRET_ID,
    "kms_key_id": KEY_ID,
    "vpc_configuration": {
        "subnet_ids": [SUBNET_ID],
        "security_group_ids": [SECURITY_GROUP_ID],
    },
}
"""Arguments that render all but one of the default connector's statements."""
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
        assume_role_policy={trust},
    )
    policy = aws.iam.RolePolicy(
        f"connector-{{number}}-qbusiness-policy",
        name="qbusiness-aem-connector",
        role=role.name,
        policy={policy},
    )
    pulumi.export(f"roleArn{{number}}", role.arn)
"""
_COMPONENT_BY_HAND: Final = """
import pulumi
import pulumi_aws as aws


class Connector(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("benchmark:index:Connector", name)
        children = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{{name}}-qbusiness-role",
            force_detach_policies=True,
            assume_role_policy={trust},
            opts=children,
        )
        policy = aws.iam.RolePolicy(
            f"{{name}}-qbusiness-policy",
            name="qbusiness-aem-connector",
            role=role.name,
            policy={policy},
            opts=children,
        )
        self.role_arn = pulumi.Output.all(role.arn, policy.id).apply(lambda known: known[0])
        self.register_outputs({{"role_arn": self.role_arn, "role_name": role.name}})


for number in range({number}):
    pulumi.export(f"roleArn{{number}}", Connector(f"connector-{{number}}").role_arn)
"""


def components(number: int) -> str:
    """Return a program with `number` of this project's components."""
    return _COMPONENTS.format(number=number, arguments=ARGUMENTS)


def by_hand(number: int) -> str:
    """Return a program with `number` hand-written roles and policies with literal documents."""
    return _BY_HAND.format(number=number, **_documents())


def component_by_hand(number: int) -> str:
    """Return a program with `number` hand-written components.

    As with this project's component, the role's ARN resolves only after the policy exists.
    """
    return _COMPONENT_BY_HAND.format(number=number, **_documents())


def _documents() -> dict[str, str]:
    trust_policy, role_policy, _ = validate("docs", ARGUMENTS)
    return {"trust": repr(trust_policy), "policy": repr(role_policy)}


PROGRAMS: Final[Mapping[str, Callable[[int], str]]] = {
    "this project's components": components,
    "hand-written components": component_by_hand,
    "hand-written resources": by_hand,
}
"""Functions that return a program for a number of roles; all ratios are relative to the last program."""
BASE: Final = [*PROGRAMS][-1]


@contextmanager
def laboratory() -> Generator[Callable[[str], Stack]]:
    """Set up a temporary sandbox; return a function that creates a program's stack."""
    with (
        tempfile.TemporaryDirectory() as directory,
        contextmanager(prepared)(Path(directory) / "sandbox") as (_, environment),
    ):

        def create(program: str) -> Stack:
            stack = Stack(Path(directory), environment, program)
            stack.configure({"aws:region": REGION})
            return stack

        yield create


def versions() -> str:
    """Describe the machine and the software versions."""
    model = next(
        (
            line.partition(": ")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    binaries = engine.directory(Sandbox().engines)
    cli = subprocess.run([binaries / "pulumi", "version"], check=True, capture_output=True, text=True)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return (
        f"{os.cpu_count()} cores of {model}, {memory} GiB, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, Pulumi {cli.stdout.strip()}, pulumi {version('pulumi')}, "
        f"pulumi-aws {version('pulumi-aws')}"
    )
