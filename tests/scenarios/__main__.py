"""Run the scenarios on a real AWS account: `python -m tests.scenarios --help`.

The exit code is 0 if no scenario failed and nothing is left, 1 otherwise, 2 if nothing was done, and
130 after an interruption.
"""

import argparse
import importlib.metadata
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from components.formats import SUPPORTED_REGIONS
from roles.errors import explain
from sandbox.environment import PASSPHRASE, PROJECT
from tests.scenarios.transcript import Mask, Transcript
from tests.scenarios.world import PREFIX, World, new_run

_HERE: Final = Path(__file__).parent
_QUESTIONS: Final = [str(_HERE / f"test_{name}.py") for name in ("questions", "open_questions")]
_STORY: Final = ("life", "drift", "replacement", "import", "data_sources")
_OPTIONS: Final = (
    *("-o", "addopts=", "--import-mode=importlib", "--verbose"),
    *("-p", "no:xdist", "-p", "no:randomly", "-p", "no:cacheprovider"),
)
"""Options to run the tests in this process, in the given order."""
_KEPT: Final = ("PULUMI_DEBUG_PROVIDERS", "PULUMI_SKIP_UPDATE_CHECK")
_SERVICES: Final = ("accessanalyzer", "iam", "qbusiness", "sts")
_TERMINAL: Final = os.dup(2)
"""Standard error, which pytest replaces during a test."""
_INTERRUPTED: Final = 130
_received: Final[list[int]] = []
"""The signal that ended the run, if any."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the scenarios and return the exit code."""
    options = _parser().parse_args()
    try:
        account = _Account(options.region, runs=not options.remove)
    except (BotoCoreError, ClientError) as error:
        _end(explain(error, page="CONTRIBUTING.md"))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as directory:
        run = options.remove or new_run()
        # Pulumi resolves symbolic links, such as macOS's temporary directory.
        world = account.world(run, Path(directory).resolve(), creates=not options.read_only)
        world.index = None if options.read_only else options.index
        if options.remove:
            return _remove(world)
        if not options.read_only:
            _ask(account, world, options.live)
            try:  # a run removes only roles and policies that it can list
                world.roles()
                world.policies()
            except (BotoCoreError, ClientError) as error:
                _end(explain(error, page="CONTRIBUTING.md"))
        story = [] if options.read_only else [str(_HERE / f"test_{name}.py") for name in _STORY]
        arguments = [f"--basetemp={directory}/tests", *_QUESTIONS, *story, *options.pytest]
        return _run(account, world, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.scenarios",
        description="Run the scenarios on a real AWS account, and clean up afterward.",
        epilog="Credentials come from the usual sources, such as AWS_PROFILE. See docs/evidence.md.",
    )
    parser.add_argument("--region", help="Region; default: the Region of the environment or profile")
    parser.add_argument(
        "--live", metavar="ACCOUNT", help="create roles in this account without asking: 12 digits"
    )
    parser.add_argument(
        "--read-only", action="store_true", help="only ask, with calls that change nothing"
    )
    parser.add_argument(
        "--remove",
        metavar="NAME",
        type=_run_name,
        help="only remove the roles and policies of the run NAME, and its data sources in --index",
    )
    parser.add_argument(
        "--index",
        metavar="APPLICATION_ID/INDEX_ID",
        type=_index,
        help="also create a data source in this index, which never syncs, and delete it",
    )
    parser.add_argument("pytest", nargs="*", help="options of pytest, after --, such as -k drift")
    return parser


def _run_name(text: str) -> str:
    if not re.fullmatch(rf"{PREFIX}[0-9a-f]{{8}}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the name of a run: expected {PREFIX} and 8 hexadecimal digits"
        )
    return text


def _index(text: str) -> tuple[str, str]:
    application, _, index = text.partition("/")
    if not (application and index):
        raise argparse.ArgumentTypeError(f"{text!r} is not APPLICATION_ID/INDEX_ID")
    return application, index


class _Account:
    """The credentials' account."""

    def __init__(self, region: str | None, *, runs: bool) -> None:
        # The SDK reads only AWS_DEFAULT_REGION; Pulumi's provider also reads AWS_REGION.
        session: Any = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
        self.region = session.region_name
        if runs and self.region not in SUPPORTED_REGIONS:
            supported = ", ".join(SUPPORTED_REGIONS)
            given = f"{self.region} has no Amazon Q Business" if self.region else "no Region is set"
            _end(f"{given}: pass --region, one of {supported}")
        if runs and not shutil.which("pulumi"):
            _end("there is no `pulumi` on PATH: install the CLI, https://www.pulumi.com/docs/install/")
        # Create the clients now, because tests/conftest.py deletes the user's AWS variables.
        retries = Config(retries={"mode": "adaptive", "total_max_attempts": 10})
        region = self.region or "us-east-1"  # for the removal, any Region will do
        self.clients = {name: session.client(name, region, config=retries) for name in _SERVICES}
        self.identity: dict[str, str] = self.clients["sts"].get_caller_identity()
        credentials = session.get_credentials().get_frozen_credentials()
        self.mask = Mask(self.identity, [text for text in credentials[:3] if text])
        self.endpoint = str(self.clients["iam"].meta.endpoint_url)

    def world(self, run: str, directory: Path, *, creates: bool) -> World:
        """Return a run's world, with a Pulumi home in the directory."""
        home = directory / "home"
        home.mkdir()
        plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        (home / "plugins").symlink_to(plugins)
        (directory / "state" / ".pulumi").mkdir(parents=True)
        # Other Pulumi variables could change every command.
        own = {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT or not name.startswith("PULUMI_")
        }
        own |= {
            "AWS_REGION": self.region or "us-east-1",
            "PULUMI_BACKEND_URL": (directory / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_HOME": str(home),
        }
        world = World(run, self.clients.__getitem__, own, directory, real=True)
        world.creates = creates
        world.account, world.region = self.identity["Account"], self.region or world.region
        return world


def _ask(account: _Account, world: World, agreed: str | None) -> None:
    """Show the target and continue only if the user enters the account's ID."""
    own = account.identity["Account"]
    print(f"""\
This creates IAM roles in an AWS account and deletes them again. It should take about a quarter of
an hour and cost nothing. Only you can assume one of the roles, and nobody the others. They are for an
application that doesn't exist.

  account  {own}
  caller   {account.identity["Arn"]}
  Region   {account.region}
  IAM      {account.endpoint}
  roles    {world.run}-...
  index    {"/".join(world.index) if world.index else "none, so no data source is created (--index)"}
""")
    if agreed is None:
        if not sys.stdin.isatty():
            _end("not a terminal: pass --live ACCOUNT to confirm the account; nothing was done")
        with suppress(EOFError, KeyboardInterrupt):
            agreed = input("Type the account ID to continue: ").strip()
    if agreed != own:
        _end(f"the credentials are for account {own}; nothing was done")


def _run(account: _Account, world: World, arguments: list[str]) -> int:
    path = Path.cwd() / f"{world.run}.md"
    try:
        transcript = Transcript(path, _facts(account, world.run), account.mask)
    except OSError as error:
        _end(f"the transcript cannot be written to {path}: {error.strerror}; nothing was done")
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    os.environ.pop("PYTEST_ADDOPTS", None)
    code = _INTERRUPTED
    left: list[str] = []
    try:
        plugins = [_Plugin(world), transcript]
        code = int(pytest.main([*_OPTIONS, f"--rootdir={PROJECT}", *arguments], plugins))
    except KeyboardInterrupt:  # while pytest loads the tests
        pass
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if world.creates:
            removed, left = world.remove()
            index = f" --index {'/'.join(world.index)}" if world.index else ""
            again = f"venv/bin/python -m tests.scenarios --remove {world.run}{index}"
            transcript.end(removed, left, again)
        print(f"Transcript: {path.name}")
    if _received:
        return _INTERRUPTED
    return 1 if code or left else 0


class _Plugin:
    """A pytest plugin that passes the world to the fixture."""

    def __init__(self, world: World) -> None:
        self._world = world

    def pytest_configure(self, config: Any) -> None:
        config.world = self._world


def _interrupt(received: int, _frame: object) -> NoReturn:
    """End the scenario; from then on, nothing interrupts the removal."""
    _received.append(received)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):  # the terminal may be closed
        os.write(_TERMINAL, b"\ninterrupted; first removing the roles and policies of the run\n")
    raise KeyboardInterrupt


def _facts(account: _Account, run: str) -> dict[str, str]:
    """Return the versions and the endpoint for the transcript."""

    def output(*command: str) -> str:
        try:
            done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
        except OSError:
            return "unknown"
        return done.stdout.strip() or "unknown"

    packages = {f"package {name}": importlib.metadata.version(name) for name in ("pulumi", "pulumi-aws")}
    return {
        "run": run,
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "endpoint of IAM": account.endpoint,
        "Region": account.region,
        "program": output("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"),
        "Pulumi CLI": output("pulumi", "version"),
        **packages,
        "Python": platform.python_version(),
        "system": platform.platform(),
    }


def _remove(world: World) -> int:
    removed, left = world.remove()
    for entity in removed:
        print(f"removed {entity}")
    for entity in left:
        print(f"still there: {entity}", file=sys.stderr)
    if not removed and not left:
        print(f"nothing of {world.run} is in account {world.account}")
    return 1 if left else 0


def _end(text: str) -> NoReturn:
    print(f"live: {text}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
