"""Write the programs to compare: this one, the same resources written by hand, and an empty one."""

import os
import platform
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import Command
from evidence.examples import (
    ACCOUNT,
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
"""Arguments that render all nine statements."""
SETTINGS: Final = {
    "aws:region": REGION,
    "aws:allowedAccountIds": [ACCOUNT],
    "applicationId": APPLICATION_ARN,
    "indexId": INDEX_ID,
    "secretId": SECRET_ID,
    "kmsKeyId": KEY_ID,
    "vpcConfiguration": {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]},
}
"""The same as stack configuration. Without `aws:allowedAccountIds`, the program would log a warning."""

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

{begin}
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
    """Return a program with a number of this project's components."""
    return _COMPONENTS.format(number=number, arguments=ARGUMENTS)


def by_hand(number: int, trust: str, policy: str, *, looks_up_account: bool = False) -> str:
    """Return a program with a number of hand-written roles and policies, the documents as literals."""
    begin, trust, policy = "", repr(trust), repr(policy)
    if looks_up_account:
        begin = "account = aws.get_caller_identity().account_id"
        trust, policy = (f"{document}.replace({ACCOUNT!r}, account)" for document in (trust, policy))
    return _BY_HAND.format(number=number, begin=begin, trust=trust, policy=policy)


def component_by_hand(number: int, trust: str, policy: str) -> str:
    """Return a program with a number of hand-written components.

    As with this project's component, the ARN resolves after the policy exists.
    """
    return _COMPONENT_BY_HAND.format(number=number, trust=repr(trust), policy=repr(policy))


class Laboratory:
    """A sandbox with the programs to compare."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Deploy this program once to get the documents that the other programs have as literals."""
        self.directory = directory
        self.environment = environment
        deployed = self.this_program()
        deployed.up()
        inputs: dict[str, Any] = {
            resource["type"].rpartition(":")[2]: resource["inputs"]
            for resource in deployed.resources()
            if "inputs" in resource
        }
        self.trust: str = inputs["Role"]["assumeRolePolicy"]
        self.policy: str = inputs["RolePolicy"]["policy"]

    def stack(self, program: str | None, settings: Mapping[str, object]) -> Stack:
        """Create a stack with a program; None is this project's."""
        stack = Stack(self.directory, self.environment, program)
        stack.configure(settings)
        return stack

    def this_program(self, settings: Mapping[str, object] = SETTINGS) -> Stack:
        """Create a stack of this project's program."""
        return self.stack(None, settings)

    def empty(self) -> Stack:
        """Create a stack whose program declares nothing."""
        return self.stack("", SETTINGS)

    def components(self, number: int) -> Stack:
        """Create a stack with a number of this project's components."""
        return self.stack(components(number), {"aws:region": REGION})

    def by_hand(self, number: int = 1, *, looks_up_account: bool = False) -> Stack:
        """Create a stack with a number of hand-written roles and policies.

        With `looks_up_account`, the account comes from the provider, as for an application's ID.
        """
        program = by_hand(number, self.trust, self.policy, looks_up_account=looks_up_account)
        return self.stack(program, {"aws:region": REGION})

    def component_by_hand(self, number: int = 1) -> Stack:
        """Create a stack with a number of hand-written components."""
        program = component_by_hand(number, self.trust, self.policy)
        return self.stack(program, {"aws:region": REGION})


def operation(stack: Stack, *arguments: str, fresh: bool = False) -> Command:
    """Return an operation on a stack to measure; `fresh` destroys the stack before each run."""
    return Command(
        ["pulumi", "--non-interactive", *arguments, "--stack", stack.name],
        stack.directory,
        stack.environment,
        stack.destroy if fresh else None,
    )


@contextmanager
def laboratory() -> Generator[Laboratory]:
    """Set up a sandbox that is deleted at the end."""
    with (
        tempfile.TemporaryDirectory() as directory,
        contextmanager(prepared)(Path(directory) / "sandbox") as (_, environment),
    ):
        yield Laboratory(Path(directory), environment)


def versions() -> str:
    """Return the machine and the versions."""
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
