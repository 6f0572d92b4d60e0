"""Share one sandbox, separate from the checkout's sandbox, among all tests of a session."""

import gc
import os
import signal
from collections.abc import Callable, Generator, Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

import pytest

from sandbox.environment import Sandbox
from tests.helpers import botocore_caches
from tests.helpers.loopback import serving
from tests.helpers.stacks import Aws, NewStack, Stack, prepared
from tests.helpers.support import TIMEOUT, golden
from tests.helpers.vault import ADDRESS, SECRETS_PROVIDER, Vault
from tests.helpers.warm import warm_programs

# Ignore the user's settings for AWS, Pulumi, Vault, and the terminal.
# Use no proxy for servers on this machine.
for name in list(os.environ):
    if name.startswith(("AWS_", "PULUMI_", "VAULT_")) or name in ("COLUMNS", "FORCE_COLOR"):
        del os.environ[name]
for name in ("NO_PROXY", "no_proxy"):
    os.environ[name] = f"{os.environ.get(name, '')},127.0.0.1,localhost"
botocore_caches.install()
# By default, moto's EC2 loads two thousand images on each reset.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
# Let the commands under test cache bytecode, as on a user's machine.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# With so many modules, garbage collection would take a quarter of the unit tests' time.
gc.set_threshold(50_000, 20, 20)
# Shells start background jobs with SIGINT ignored, and nohup ignores SIGHUP. The commands under test
# would inherit these settings.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)
# Make Pulumi raise an error if an f-string contains an Output.
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "1"

_LINES: Final = 30
"""The maximum number of lines that are printed for a difference."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of processors, plus one if some tests wait for the engine."""
    waiting = "not engine" not in config.option.markexpr
    return (os.cpu_count() or 1) + waiting


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites golden files."""
    parser.addoption("--rewrite", action="store_true", help="write the golden files with the new texts")


@pytest.fixture
def assert_golden(pytestconfig: pytest.Config) -> Callable[[Path, str], None]:
    """Return a function that compares a text with a file or, with --rewrite, writes it to the file."""

    def check(path: Path, text: str) -> None:
        if pytestconfig.getoption("rewrite"):
            path.write_text(text)
        if (expected := path.read_text()) != text:
            accept = "If the new text is right, repeat the command with --rewrite."
            difference = _difference(path.name, expected, "now", text)
            pytest.fail("\n".join([*difference, accept]), pytrace=False)

    return check


def _difference(name: str, before: str, other: str, after: str) -> list[str]:
    """Return the lines that differ, or only the last ones if there are more than `_LINES`."""
    lines = [*unified_diff(before.splitlines(), after.splitlines(), name, other, lineterm="", n=0)]
    more = len(lines) - _LINES
    return [f"({more} more lines)", *lines[more:]] if more > 0 else lines


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Add the marker `engine` to each test whose fixtures prepare a sandbox.

    After pytest-randomly's shuffle, run the longest tests first, so that no worker finishes late.
    """
    for item in items:
        if {"prepared_sandbox", "own"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker("engine")
    yield
    # False sorts first. Among tests of the same kind, those that compare a whole gallery take longest.
    items.sort(
        key=lambda item: [
            *(item.get_closest_marker(name) is None for name in ("engine", "slow")),
            "assert_golden" not in getattr(item, "fixturenames", ()),
        ]
    )


def pytest_collection_finish() -> None:
    """Exclude the imported objects from later garbage collections."""
    gc.freeze()


@pytest.fixture(scope="session")
def prepared_sandbox(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    programs = tmp_path_factory.mktemp("programs")
    with serving(Vault) as vault, warm_programs(programs) as virtual_environment:
        faster = {
            ADDRESS: vault,
            "WARM_VENV": str(virtual_environment),
            # Garbage collection would take a tenth of the CLI's run time, and the CLI doesn't need it.
            "GOGC": "off",
            "GOMEMLIMIT": "1GiB",
        }
        for sandbox, variables in prepared(tmp_path_factory.mktemp("sandbox")):
            yield sandbox, {**variables, **faster}


@pytest.fixture
def environment(prepared_sandbox: tuple[Sandbox, dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yield the environment for commands in a sandbox whose account is reset after the test."""
    _, variables = prepared_sandbox
    yield variables
    # Reset the account, because `pulumi destroy` would take as long as most tests.
    address = f"{variables['AWS_ENDPOINT_URL']}/moto-api/reset"
    with urlopen(Request(address, method="POST"), timeout=TIMEOUT):  # noqa: S310 an address on loopback
        pass


@pytest.fixture
def aws(environment: dict[str, str]) -> Aws:
    return Aws(environment)


@pytest.fixture
def new_stack(environment: dict[str, str], tmp_path: Path) -> NewStack:
    """Return a function that creates a stack with settings and, optionally, a program."""

    def create(settings: dict[str, object], program: str | None = None) -> Stack:
        stack = Stack(tmp_path, environment, program, SECRETS_PROVIDER)
        stack.configure(settings)
        return stack

    return create


@pytest.fixture
def managed_policy(aws: Aws) -> str:
    """Create a managed policy for manual attachments; return its ARN."""
    created = aws.iam.create_policy(PolicyName="by-hand", PolicyDocument=golden("minimal-role-policy"))
    return created["Policy"]["Arn"]
