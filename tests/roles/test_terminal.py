"""roles/output: a terminal shows the same text, fitted to the width, with colors."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from sandbox.environment import PROJECT
from tests.helpers.world import ROLE_NAME, Output, World, allow

pytestmark = pytest.mark.slow

COLOR = re.compile(r"\033\[\d*m")


def screen(width: int, *options: str, **variables: str) -> str:
    """Run a command on a terminal of this width and return everything that it writes there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    terminal = {"TERM": "xterm", "PYTHONPATH": str(PROJECT), **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "roles", *options],
        env={**os.environ, **terminal},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 65536):
                seen += part
        except OSError:
            pass  # Linux: nobody has the other end open
        os.close(ours)
    return seen.decode().replace("\r\n", "\n")


def printed(said: Output) -> str:
    """Return all output of a command."""
    return said.out + said.err + said.remark


def words(text: str) -> str:
    """Return the text without colors, progress, or whitespace."""
    return "".join(COLOR.sub("", re.sub(r"^\r.*\n", "", text, flags=re.MULTILINE)).split())


def test_audit_table_fits_terminal_and_keeps_names(world: World):
    world.add_own(allow("s3:GetObject", "arn:aws:s3:::b/*", Sid="Excess"))
    world.rename_application("[red]Docs[/red] :smile: \033[31m")
    seen = screen(66, "audit")
    assert "\033[31m1 in excess\033[0m" in seen
    assert "\\x1b[31m" in seen
    shown = COLOR.sub("", seen).partition("\n\n")[0].splitlines()
    assert max(map(len, shown)) <= 66
    # A word may continue on the next line of its cell.
    time = re.compile(r"\d\d:\d\d UTC")  # a minute may pass between both audits
    again = time.sub("", printed(world.audit()))
    assert sorted(words(time.sub("", seen))) == sorted(words(again))


@pytest.mark.usefixtures("deployed")
def test_check_wraps_text_but_not_commands_or_arns(world: World):
    world.set(kmsKeyId=None)
    plain = world.check()
    seen = screen(60, "check", "--stack", "dev", "--verbose")
    assert words(seen) == words(printed(plain))
    assert (
        "note        other data source: no data source uses\n"
        f"            {ROLE_NAME}: its\n"
        "            requests are those of its policy\n"
    ) in seen
    assert "\033[31mproblem     \033[0mupdate: " in seen
    (remedy,) = {line for line in plain.out.splitlines() if "remedy: " in line}
    assert f"{remedy}\n" in seen
