"""Test the state after commands with the credentials of another account.

The application's ARN names the account, so that the program refuses the credentials. But a refresh and a
destroy run before the program, or without it: `Execute` in pkg/resource/deploy/deployment_executor.go of
https://github.com/pulumi/pulumi. Another account does not have the role, and a resource that does not
exist leaves the state. `aws:allowedAccountIds` prevents that if the state has recorded it, because these
operations configure the provider with that record: `EnsureProvider` in deployment.go, `Same` in
providers/registry.go. `PULUMI_RUN_PROGRAM=true` runs the program first: `RefreshProgram`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import pytest

from evidence.examples import APPLICATION_ID
from sandbox.environment import PROJECT, Sandbox
from tests.helpers.page import commands, page_path
from tests.helpers.stacks import OTHER_ACCOUNT, Aws, Stack, Update, other_credentials, running_provider
from tests.helpers.support import REQUIRED
from tests.helpers.vault import SECRETS_PROVIDER

ACCOUNT: Final = "123456789012"
ALLOWED: Final = {**REQUIRED, "aws:allowedAccountIds": [ACCOUNT]}
BY_THE_LIST: Final = f"AWS account ID not allowed: {OTHER_ACCOUNT}"
BY_THE_PROGRAM: Final = f"but the credentials are for account {OTHER_ACCOUNT}"

KEEPS: Final = "fails, and the state keeps the role and its policy"
LOSES: Final = "fails after the role and its policy have left the state"
FORGETS: Final = "succeeds, and the role and its policy have left the state"

LISTS: Final[tuple[str, ...]] = ("never set", "set, not recorded", "recorded")
"""The states of `aws:allowedAccountIds`."""
PLAIN: Final[Mapping[str, tuple[str, str, str]]] = {
    "preview": (KEEPS, KEEPS, KEEPS),
    "up --yes": (KEEPS, KEEPS, KEEPS),
    "up --yes --skip-preview": (LOSES, LOSES, KEEPS),
    "refresh --yes": (FORGETS, FORGETS, KEEPS),
    "destroy --yes": (FORGETS, FORGETS, KEEPS),
}
RUNS_PROGRAM: Final[Mapping[str, tuple[str, str, str]]] = {
    "preview": (KEEPS, KEEPS, KEEPS),
    "up --yes": (KEEPS, KEEPS, KEEPS),
    "up --yes --skip-preview": (KEEPS, KEEPS, KEEPS),
    "refresh --yes": (KEEPS, KEEPS, KEEPS),
    "refresh --yes --skip-preview": (KEEPS, KEEPS, KEEPS),
    "destroy --yes": (KEEPS, KEEPS, KEEPS),
    # A destroy knows only `DestroyProgram`: with `refresh: always`, the refresh comes first.
    "destroy --yes --skip-preview": (LOSES, LOSES, KEEPS),
    "destroy --yes --skip-preview --refresh=false": (KEEPS, KEEPS, KEEPS),
}
"""The same with PULUMI_RUN_PROGRAM=true."""
CELLS: Final = [
    pytest.param(command, variables, state, result, id=f"{name}{command}, {state}")
    for name, variables, table in (
        ("", {}, PLAIN),
        ("program first: ", {"PULUMI_RUN_PROGRAM": "true"}, RUNS_PROGRAM),
    )
    for command, results in table.items()
    for state, result in zip(LISTS, results, strict=True)
]


class Deployed(NamedTuple):
    """A deployed stack and its states."""

    stack: Stack
    states: Mapping[str, str]
    """The file of the state for each state of the list."""
    own: Mapping[str, str]
    """Variables with credentials of the account."""
    other: Mapping[str, str]
    """Variables with credentials of the other account, and with a provider that has them."""

    def reset(self, state: str) -> None:
        """Import a state, and configure the stack accordingly."""
        self.stack.configure(REQUIRED if state == "never set" else ALLOWED)
        self.stack.state_file.write_text(self.states[state])

    def run(self, command: str, variables: Mapping[str, str]) -> Update:
        """Run a command."""
        self.stack.environment = {**self.own, **variables}
        return self.stack.operate(*command.split(), check=False)

    def roles(self) -> list[tuple[str, Any, Any, Any]]:
        """Return the role and its policy in the state, as exported."""
        return [
            (each["type"], each["id"], each["inputs"], each["outputs"])
            for each in self.stack.resources()
            if each["type"].startswith("aws:")
        ]

    def recorded(self) -> list[str]:
        """Return the list in the state's record of the provider."""
        (provider,) = (each for each in self.stack.resources() if each["type"] == "pulumi:providers:aws")
        return json.loads(provider["inputs"].get("allowedAccountIds", "[]"))


@pytest.fixture(scope="module")
def deployed(
    prepared_sandbox: tuple[Sandbox, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """Deploy the program once; each test imports the state that it needs."""
    _, environment = prepared_sandbox
    directory = tmp_path_factory.mktemp("other-account")
    stack = Stack(directory, environment, secrets_provider=SECRETS_PROVIDER)
    stack.configure(REQUIRED)
    stack.up()
    stack.up()  # refreshes
    without = stack.state_file.read_text()
    stack.configure(ALLOWED)
    stack.up()
    recorded = stack.state_file.read_text()
    states: dict[str, str] = dict(zip(LISTS, (without, without, recorded), strict=True))
    own, credentials = stack.environment, other_credentials(environment)
    with running_provider({**environment, **credentials}) as provider:
        yield Deployed(stack, states, own, {**credentials, **provider})
    stack.environment = own
    stack.state_file.write_text(recorded)
    stack.destroy()


def test_the_states_differ_only_in_the_record_of_the_list(deployed: Deployed):
    deployed.reset("recorded")
    roles = deployed.roles()
    assert deployed.recorded() == [ACCOUNT]
    deployed.reset("never set")
    assert deployed.recorded() == []
    assert deployed.roles() == roles
    assert len(roles) == 2


@pytest.mark.parametrize(("command", "variables", "state", "result"), CELLS)
def test_a_command_with_credentials_of_another_account(
    deployed: Deployed, command: str, variables: dict[str, str], state: str, result: str
):
    deployed.reset(state)
    roles = deployed.roles()
    ours, theirs = (Aws({**deployed.own, **more}) for more in ({}, deployed.other))
    before = [(name, ours.trust_policy(name), ours.role_policies(name)) for name in ours.roles()]
    done = deployed.run(command, {**deployed.other, **variables})
    assert (done.exit_code == 0) == (result == FORGETS)
    assert deployed.roles() == (roles if result == KEEPS else [])
    if result != FORGETS:
        assert (BY_THE_PROGRAM if state == "never set" else BY_THE_LIST) in done.text
    # AWS never changes.
    assert [(name, ours.trust_policy(name), ours.role_policies(name)) for name in ours.roles()] == before
    assert len(before) == 1
    assert theirs.roles() == []


def test_a_shell_of_the_sandbox_can_switch_to_another_account(deployed: Deployed):
    deployed.reset("never set")
    deployed.stack.environment = {**deployed.own}
    preview = f"pulumi --non-interactive preview --stack {deployed.stack.name}"
    switch = commands("Another account", PROJECT / "docs" / "testing.md")
    path = page_path(deployed.stack)
    seen = deployed.stack.execute("sh", "-euc", f"{switch}{preview}", check=False, PATH=path)
    assert BY_THE_PROGRAM in seen.stdout


@pytest.mark.parametrize("state", ["set, not recorded", "recorded"])
def test_a_wrong_list_that_a_failed_update_records_locks_the_stack_until_the_program_runs_first(
    deployed: Deployed, state: str
):
    deployed.reset(state)
    # With the ARN of the application, the program itself would refuse this list.
    by_id = {**REQUIRED, "applicationId": APPLICATION_ID}
    deployed.stack.configure({**by_id, "aws:allowedAccountIds": [OTHER_ACCOUNT]})
    assert deployed.run("up --yes --skip-preview", {}).exit_code != 0
    assert deployed.recorded() == [OTHER_ACCOUNT]
    roles = deployed.roles()
    assert len(roles) == 2
    deployed.stack.configure(ALLOWED)
    for command in ("preview", "up --yes", "up --yes --skip-preview", "refresh --yes", "destroy --yes"):
        refused = deployed.run(command, {})
        assert refused.exit_code != 0
        assert f"AWS account ID not allowed: {ACCOUNT}" in refused.text
        assert deployed.roles() == roles
    assert deployed.run("refresh --yes --run-program", {}).exit_code == 0
    assert deployed.recorded() == [ACCOUNT]
    assert deployed.run("up --yes", {}).changes == {"same": 4}
