"""Test the pages' shell blocks by pasting them into interactive shells.

A block must be one command for the shell, because Pulumi's CLI would read further lines as input.
"""

import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from roles.commands import quote_argument
from sandbox.environment import PROJECT
from tests.helpers.page import blocks

PAGES: Final = (
    PROJECT / "README.md",
    PROJECT / "sandbox" / "README.md",
    PROJECT / "template" / "README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
)
SHELLS: Final = {
    "bash": ["bash", "--noprofile", "--norc", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
PROMPT: Final = "ready> "
BUILTINS: Final = (":", "cd", "eval", "export", "test", "unset")
TIMEOUT: Final = 60
"""Seconds without output after which a shell counts as hung."""
PROGRAM: Final = r"""#!/bin/sh
# Read all pending input, as Pulumi's CLI does; record the arguments; fail if this call is to fail.
PATH=/usr/bin:/bin
[ -t 0 ] && stty -icanon min 0 time 0
cat >/dev/null
[ -t 0 ] && stty icanon
[ "$1 $2" = "sts get-caller-identity" ] && printf '%s\n' "$ACCOUNT"
number=1
while [ -e "$CALLS/$number" ]; do number=$((number + 1)); done
printf '%s\0' "${0##*/}" "$@" >"$CALLS/$number"
read -r failing <"$FAILING"
[ "$number" != "$failing" ]
"""


class Block(NamedTuple):
    """A shell block on a page."""

    text: str
    before: str
    """The preceding blocks, whose exports remain in effect."""


def all_blocks() -> dict[str, Block]:
    """Return the shell blocks of all pages by page and number."""
    found: dict[str, Block] = {}
    for page in PAGES:
        before = ""
        for number, text in enumerate(blocks("sh", page.read_text()), start=1):
            found[f"{page.parent.name} {page.stem} {number}"] = Block(text, before)
            before += text
    return found


BLOCKS: Final = all_blocks()


class Terminal:
    """An interactive shell on a pseudoterminal."""

    def __init__(self, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
        self.ours, theirs = pty.openpty()
        # Wide enough that the shell never redraws a line.
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))
        self.shell = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 no threads here
        )
        os.close(theirs)
        self.screen = ""
        self.seen = 0
        self.wait_for(re.escape(PROMPT))

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read until the pattern appears after the last match."""
        while not (found := re.compile(pattern).search(self.screen, self.seen)):
            ready, _, _ = select.select([self.ours], [], [], TIMEOUT)
            assert ready, f"the shell waits for more input:\n{self.screen}"
            try:
                self.screen += os.read(self.ours, 65536).decode(errors="replace")
            except OSError:
                pytest.fail(f"the shell is closed:\n{self.screen}")
        self.seen = found.end()
        return found

    def paste(self, text: str) -> int:
        """Paste text, wait for the next prompt, and return the exit status."""
        os.write(self.ours, text.encode())
        self.wait_for(re.escape(PROMPT))
        os.write(self.ours, b'echo "status=$?"\n')
        status = int(self.wait_for(r"status=(\d+)")[1])
        self.wait_for(re.escape(PROMPT))
        return status

    def close(self) -> None:
        os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()
        os.close(self.ours)


class Pasted:
    """A shell in a directory whose programs record their calls."""

    def __init__(self, shell: str, directory: Path, programs: set[str]) -> None:
        self.calls_directory = directory / "calls"
        self.failing = directory / "failing"
        self.calls_directory.mkdir()
        bin_directory = directory / "bin"
        # Directories and program paths that the blocks use.
        (directory / "guardrails").mkdir()
        for program in programs:
            path = directory / program if "/" in program else bin_directory / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(PROGRAM)
            path.chmod(0o755)
        environment = {
            "PATH": f"{bin_directory}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(directory),
            "INPUTRC": os.devnull,
            "TERM": "dumb",  # no bracketed paste: the shell reads line by line
            "PS1": PROMPT,
            "PS2": "",
            "CALLS": str(self.calls_directory),
            "FAILING": str(self.failing),
        }
        self.terminal = Terminal(SHELLS[shell], directory, environment)

    def run(self, block: str, failing: int = 0) -> tuple[int, list[list[str]]]:
        """Paste a block; return the exit status, and the calls until the next prompt."""
        for call in self.calls_directory.iterdir():
            call.unlink()
        self.failing.write_text(f"{failing}\n")
        status = self.terminal.paste(block)
        files = sorted(self.calls_directory.iterdir(), key=lambda file: int(file.name))
        return status, [file.read_text().split("\0")[:-1] for file in files]

    def assert_stops_at_each_failure(self, block: str, expected: list[list[str]]) -> None:
        """Check that the block makes all calls, and that it stops at a call that fails."""
        assert self.run(block) == (0, expected)
        for number in range(1, len(expected) + 1):
            status, called = self.run(block, failing=number)
            assert status != 0
            assert called == expected[:number]


VARIABLE: Final = r"\$(?!aws:)\{?(\w+)"
"""A shell variable; `$aws:` is part of a URN, in single quotes."""
ASSIGNMENT: Final = re.compile(r"^(\w+)=\$(?=\()", re.MULTILINE)
"""The beginning of `NAME=$(command)`. Programs print only the account; other variables are empty."""


def exported(block: str) -> dict[str, str]:
    """Return the variables that the block itself exports, whose values the user edits."""
    return dict(re.findall(r"\b(\w+)=(\S+)", "".join(re.findall(r"^export .*\n", block, re.MULTILINE))))


def variables(block: str) -> list[str]:
    """Return the variables that the user must set beforehand."""
    own = {*ASSIGNMENT.findall(block), *exported(block)}
    return sorted({*re.findall(VARIABLE, block)} - own)


def calls(block: str, values: Mapping[str, str]) -> list[list[str]]:
    """Return a block's commands and arguments, except builtins."""
    values = {**values, **exported(block)}
    commands_only = ASSIGNMENT.sub("", block.replace("\\\n", " "))
    tokens = shlex.shlex(commands_only, posix=True, punctuation_chars=True)
    tokens.whitespace_split = True
    tokens.commenters = ""
    commands: list[list[str]] = [[]]
    for token in tokens:
        if set(token) <= set("&|();"):
            commands.append([])
        else:
            commands[-1].append(
                re.sub(rf"{VARIABLE}(:\?[^}}]*\}})?", lambda found: values.get(found[1], ""), token)
            )
    for command in commands:
        if ">" in command:  # a redirection comes last and is not an argument
            del command[command.index(">") :]
    return [command for command in commands if command and command[0] not in BUILTINS]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if not shutil.which(name):
        pytest.skip(f"no {name} here")
    return name


@pytest.fixture(params=BLOCKS)
def block(request: pytest.FixtureRequest) -> Block:
    return BLOCKS[request.param]


@pytest.fixture
def pasted(shell: str, block: Block, tmp_path: Path) -> Iterator[Pasted]:
    text = block.text
    programs = {command[0] for command in calls(text, dict.fromkeys(variables(text), ""))}
    pasted = Pasted(shell, tmp_path, programs)
    yield pasted
    pasted.terminal.close()


@pytest.mark.slow
def test_pasted_block_runs_until_first_failure(pasted: Pasted, block: Block):
    text, session = block.text, exported(block.before)
    values = {name: session.get(name, f"the {name.lower()}") for name in variables(text)}
    for name, value in values.items():
        pasted.terminal.paste(f"export {name}='{value}'\n")
    expected = calls(text, values)
    for command in expected:
        command[0] = command[0].rpartition("/")[2]
    assert expected
    pasted.assert_stops_at_each_failure(text, expected)
    for name, value in values.items():
        if name in session:
            continue
        for command in (f"unset {name}\n", f"export {name}=\n"):
            pasted.terminal.paste(command)
            status, called = pasted.run(text)
            assert status != 0
            assert called == []
        pasted.terminal.paste(f"export {name}='{value}'\n")
    assert pasted.run(text) == (0, expected)


PRINTABLE: Final = "".join(map(chr, range(32, 127)))
# IAM allows most of these characters in paths, so printed commands can contain them.
ARGUMENTS: Final = (
    *PRINTABLE,
    *(f"{character}ls" for character in PRINTABLE),
    *(f"ls{character}" for character in PRINTABLE),
    *("", "$(touch made)", "`touch made`", "~root", "=ls", "it's", "a b", "a\\'b", "!!", "{a,b}", "ä"),
    *("arn:aws:iam::123456789012:policy/$(touch made)/wide", "/*", "?", "#a", "a=~", "-n"),
)


def test_every_shell_passes_quoted_arguments_unchanged(shell: str, tmp_path: Path):
    command = " ".join(("printf", "'%s\\0'", *map(quote_argument, ARGUMENTS)))
    done = subprocess.run([shell, "-c", command], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [*ARGUMENTS]
    assert not done.stderr
    assert not [*tmp_path.iterdir()]
