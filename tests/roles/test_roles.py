"""Tests `roles/__main__`, `actions`, `cli`, `output`, `version`, and `pages/read_permissions`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.session import get_session

from roles.actions import ACTIONS
from roles.cli import main
from roles.output import Line, Notes, Output, Part, Table
from sandbox.environment import PROJECT
from tests.helpers.page import read_actions
from tests.helpers.world import World

ALL_ACTIONS = sorted({action for actions in ACTIONS.values() for action in actions})


@pytest.mark.parametrize("action", ALL_ACTIONS)
def test_every_action_only_reads_and_none_reads_a_secret_value(action: str):
    service, operation = action.split(":")
    names: Any = get_session().get_service_model(service).operation_names
    assert {"GetEncryptionConfiguration": "GetBucketEncryption"}.get(operation, operation) in names
    assert re.fullmatch("(?!GetSecretValue)(Get|List|Describe).+|SimulatePrincipalPolicy", operation)


def test_no_two_actions_have_the_same_operation_name():
    operations = [action.partition(":")[2] for action in ALL_ACTIONS]
    assert len(set(operations)) == len(operations)


@pytest.mark.parametrize("arguments", [[], ["forget"], ["adopt"]])
def test_incomplete_or_unknown_command_shows_usage(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: qbusiness-roles")


def test_progress_is_reported_for_every_hundred_items(capsys: pytest.CaptureFixture[str]):
    notes = Notes("audit")
    for done in range(1, 251):
        notes.progress("data sources", done, 250)
    assert capsys.readouterr().err == (
        "audit: data sources: 100 of 250\naudit: data sources: 200 of 250\n"
    )


# The pages.


@pytest.mark.parametrize("command", ACTIONS)
def test_command_page_lists_options_and_actions(capsys: pytest.CaptureFixture[str], command: str):
    page = (PROJECT / "docs" / f"{command}.md").read_text()
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert sorted(options) == sorted(re.findall(r"^\| `(--[a-z-]+)[` ]", page, re.MULTILINE))
    assert read_actions(command.capitalize()) == set(ACTIONS[command])


# The output.


ESCAPED = (
    r"\x00\r\n\t\x1b\x7f\x80\x85\x9b\xe4 \u200e\u202a\u202e\u2066\u2069 \u200b\u200d\u2060\ufeff"
    r" \u2028\u2029 \ud800\udfff \U000e0041\ue000\U0010ffff\u0378 \u6587\U0001f600"
)
"""Control characters, characters that change the text's direction or have no width, and others."""


def test_all_characters_except_printable_ascii_are_escaped(capsys: pytest.CaptureFixture[str]):
    text, output = ESCAPED.encode().decode("unicode_escape"), Output("audit")
    output.show(text)
    output(text)
    output.warn(text)
    output.progress(text, 100, 100)
    assert capsys.readouterr() == (
        f"{ESCAPED}\n",
        f"audit: {ESCAPED}\naudit: warning: {ESCAPED}\naudit: {ESCAPED}: 100 of 100\n",
    )


WORDS = "a1 bb ccc"
LINE = Line(f"x: {WORDS} {WORDS} dd", 3)


@pytest.mark.parametrize(
    ("width", "part", "shown"),
    [
        # Lines are not wrapped if the terminal has fewer than 20 columns.
        (19, LINE, f"x: {WORDS} {WORDS} dd"),
        (20, LINE, f"x: {WORDS} a1 bb\n   ccc dd"),
        (24, LINE, f"x: {WORDS} {WORDS}\n   dd"),
        (25, LINE, f"x: {WORDS} {WORDS} dd"),
        (20, Line(f"x: a {'w' * 18} b", 3), f"x: a\n   {'w' * 18}\n   b"),
        (20, f"aws command {WORDS} {WORDS}", f"aws command {WORDS} {WORDS}"),
        (
            20,
            Table(("A", "BB"), [("", [("one", "1")]), (f"{WORDS} {WORDS}", [("x" * 20, "\xe9")])]),
            f"A{' ' * 21}BB\none{' ' * 19}1\n{WORDS} {WORDS}\n{'x' * 20}  \\xe9",
        ),
    ],
)
def test_terminal_output_wraps_text_but_not_words_or_commands(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    part: Part,
    shown: str,
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    Output("audit").show(part)
    assert capsys.readouterr().out == f"{shown}\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    Output("audit").show(part)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == (1 if not isinstance(part, Table) else 4)


def test_csv_quotes_cells_and_keeps_non_ascii_letters(capsys: pytest.CaptureFixture[str]):
    Output("audit").csv([["a", "b,c"], ['d"', "\u6587"]])
    assert capsys.readouterr().out == 'a,"b,c"\r\n"d""",\u6587\r\n'


@pytest.mark.parametrize(
    ("stdin", "stderr", "can_ask"),
    [(True, True, True), (False, True, False), (True, False, False), (None, True, False)],
)
def test_prompt_requires_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stdin: bool | None, stderr: bool, can_ask: bool
):
    terminal = None if stdin is None else SimpleNamespace(isatty=lambda: stdin)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("sys.stderr.isatty", lambda: stderr)
    assert Output("adopt").can_ask is can_ask


def test_json_document_is_ascii(capsys: pytest.CaptureFixture[str]):
    Output("audit").json({"name": "\x9b\u202e"})
    said = capsys.readouterr().out
    assert said.isascii()
    assert json.loads(said) == {"name": "\x9b\u202e"}


def test_control_characters_in_invalid_argument_are_escaped(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["audit", "--\x1b[31m\n\u202e"])
    assert capsys.readouterr().err.splitlines()[-1].endswith(r": --\x1b[31m\n\u202e")


# Whole processes.


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a Bash command in which $ROLES runs `qbusiness-roles`."""
    environment = {**os.environ, "ROLES": f"{sys.executable} -m roles"}
    bash = ("bash", "-o", "pipefail", "-c", command)
    done = subprocess.run(bash, env=environment, capture_output=True, text=True, check=False)
    assert not re.search("Traceback|Exception ignored", done.stderr)
    return done


CLOSED = "audit: standard output is closed: redirect it to a file or to /dev/null\n"
GONE = "audit: standard output was closed before the whole result was printed\n"
FULL = "audit: standard output cannot be written: No space left on device\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code", "err"),
    [
        ("$ROLES audit >&-", 2, CLOSED),
        ("$ROLES audit | true", 2, GONE),
        ("$ROLES audit >/dev/full", 2, FULL),
        ("$ROLES audit >&- 2>&-", 2, ""),
        ("$ROLES audit 2>/dev/full >/dev/null", 0, ""),
    ],
)
def test_closed_or_full_stream_causes_no_traceback(world: World, command: str, code: int, err: str):
    world.server.add(kind="CUSTOM")
    world.patch.setenv("PYTHONPATH", str(PROJECT))
    said = shell(command)
    assert (said.returncode, said.stdout, said.stderr) == (code, "", err)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "code", "err"),
    [
        ("boto3", "raise KeyboardInterrupt", 130, "interrupted"),
        (
            "sitecustomize",
            "import sys; sys.modules['boto3'] = None",
            2,
            "boto3 is not installed: run `make roles`",
        ),
    ],
)
def test_failed_import_prints_one_line(tmp_path: Path, name: str, text: str, code: int, err: str):
    (tmp_path / f"{name}.py").write_text(text)
    said = shell(f"PYTHONPATH={tmp_path}:{PROJECT} $ROLES audit")
    assert (said.returncode, said.stderr) == (code, f"qbusiness-roles: {err}\n")
