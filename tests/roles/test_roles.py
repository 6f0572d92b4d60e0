"""roles/__main__, actions, cli, output, version: actions, exit codes, notes, progress, and output."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.session import get_session

from roles.actions import ACTIONS
from roles.cli import main
from roles.output import Line, Notes, Output, Part, Row, Table
from sandbox.environment import PROJECT
from tests.helpers.page import read_actions
from tests.helpers.processes import eventually
from tests.helpers.world import World

ALL_ACTIONS = sorted({action for actions in ACTIONS.values() for action in actions})


@pytest.mark.parametrize("action", ALL_ACTIONS)
def test_no_action_changes_resource_or_reads_secret_value(action: str):
    assert action != "secretsmanager:GetSecretValue"
    assert re.fullmatch(r"[a-z0-9-]+:(Get|List|Describe)\w+|iam:SimulatePrincipalPolicy", action)


@pytest.mark.parametrize("action", ALL_ACTIONS)
def test_every_action_is_an_operation_of_its_service(action: str):
    service, operation = action.split(":")
    names: Any = get_session().get_service_model(service).operation_names
    assert {"GetEncryptionConfiguration": "GetBucketEncryption"}.get(operation, operation) in names


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


def test_progress_is_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    notes = Notes("audit")
    notes.progress("data sources", 1, 4)
    notes.warn("a warning has a line of its own")
    notes.progress("data sources", 4, 4)
    bar, warning, full, _ = capsys.readouterr().err.split("\n")
    assert re.fullmatch(r"\raudit: data sources \S+ +1 of 4", bar)
    assert warning == "audit: warning: a warning has a line of its own"
    assert re.fullmatch(r"\raudit: data sources \S+ 4 of 4", full)


@pytest.mark.parametrize(("terminal", "draws"), [("dumb", True), ("xterm", False)])
def test_progress_is_a_line_if_no_bar_can_be_drawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: str, draws: bool
):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", terminal)
    Notes("audit", draws=draws).progress("data sources", 100, 200)
    assert capsys.readouterr().err == "audit: data sources: 100 of 200\n"


def test_progress_without_terminal_is_line_per_hundred(capsys: pytest.CaptureFixture[str]):
    notes = Notes("audit")
    for done in range(1, 251):
        notes.progress("data sources", done, 250)
    assert capsys.readouterr().err == (
        "audit: data sources: 100 of 250\naudit: data sources: 200 of 250\n"
    )


# The pages.


@pytest.mark.parametrize("command", ACTIONS)
def test_page_of_command_lists_options_and_actions(capsys: pytest.CaptureFixture[str], command: str):
    page = (PROJECT / "docs" / f"{command}.md").read_text()
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert sorted(options) == sorted(re.findall(r"^\| `(--[a-z-]+)[` ]", page, re.MULTILINE))
    assert read_actions(command.capitalize()) == set(ACTIONS[command])


# The output.


def test_all_but_printable_ascii_is_escaped(capsys: pytest.CaptureFixture[str]):
    kinds = {
        "C0, ESC and DEL": "\0\r\n\t\x1b\x7f",
        "C1": "\x80\x85\x9b",
        "bidirectional": "\u200e\u200f\u202a\u202e\u2066\u2069",
        "of no width": "\u200b\u200d\u2060\ufeff",
        "separators": "\u2028\u2029",
        "surrogates": "\ud800\udfff",
        "tags, private and unassigned": "\U000e0041\ue000\U0010ffff\u0378",
        "letters": "\xe4\u6587\U0001f600",
    }
    output = Output("audit")
    for kind, text in kinds.items():
        output.show(f"{kind}: {text}")
        output(text)
        output.warn(text)
        output.progress(text, 100, 100)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == len(kinds)
    assert len(err.splitlines()) == 3 * len(kinds)
    assert (out + err).replace("\n", "").isascii()
    assert (out + err).replace("\n", "").isprintable()
    assert "separators: \\u2028\\u2029\n" in out
    assert "surrogates: \\ud800\\udfff\n" in out


WORDS = "a1 bb ccc"


@pytest.mark.parametrize(
    ("width", "part", "shown"),
    [
        # Below 20 columns, nothing is fitted.
        (19, Line(f"x: {WORDS} {WORDS} dd", 3), f"x: {WORDS} {WORDS} dd"),
        (20, Line(f"x: {WORDS} {WORDS} dd", 3), f"x: {WORDS} a1 bb\n   ccc dd"),
        (24, Line(f"x: {WORDS} {WORDS} dd", 3), f"x: {WORDS} {WORDS}\n   dd"),
        (25, Line(f"x: {WORDS} {WORDS} dd", 3), f"x: {WORDS} {WORDS} dd"),
        # A word that fits without its indentation only is not cut.
        (20, Line(f"x: a {'w' * 17} b", 3), f"x: a\n   {'w' * 17}\n   b"),
        (20, Line(f"x: a {'w' * 18} b", 3), f"x: a {'w' * 18} b"),
        (20, f"aws command {WORDS} {WORDS}", f"aws command {WORDS} {WORDS}"),
        (
            20,
            Table(
                ("A", "BB"), [("", [Row(("one", "1"))]), (f"{WORDS} {WORDS} dd", [Row(("x" * 20, "2"))])]
            ),
            f"A    BB\none  1\n{WORDS} {WORDS}\n  dd\nA                 BB\n{'x' * 16}  2\nxxxx",
        ),
        (
            19,
            Table(("A", "BB"), [("", [Row(("one", "1"))]), ("title", [Row(("x" * 20, "\xe9"))])]),
            f"A{' ' * 21}BB\none{' ' * 19}1\ntitle\n{'x' * 20}  \\xe9",
        ),
    ],
)
def test_only_text_and_tables_are_fitted_to_a_terminal(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    part: Part,
    shown: str,
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    Output("audit").show(part)
    assert re.sub(r"\033\[\d*m", "", capsys.readouterr().out) == f"{shown}\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    Output("audit").show(part)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == (1 if not isinstance(part, Table) else 4)


def test_only_the_last_cell_and_the_beginning_of_a_line_have_a_color(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    output = Output("audit")
    output.show(Line("ok  text", 2, "green"), Table(("A", "B"), [("", [Row(("x", "bad"), "red")])]))
    line, _, row = capsys.readouterr().out.splitlines()
    assert (line, row) == ("\033[32mok\033[0m  text", "x  \033[31mbad\033[0m")
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            output.show(Line("ok  text", 2, "green"))
        assert capsys.readouterr().out == "ok  text\n"


def test_csv_keeps_letters_and_quotes_cells(capsys: pytest.CaptureFixture[str]):
    Output("audit").csv([["a", "b,c"], ['d"', "\u6587"]])
    assert capsys.readouterr().out == 'a,"b,c"\r\n"d""",\u6587\r\n'


@pytest.mark.parametrize(
    ("stdin", "stderr", "can_ask"),
    [(True, True, True), (False, True, False), (True, False, False), (None, True, False)],
)
def test_person_is_asked_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stdin: bool | None, stderr: bool, can_ask: bool
):
    terminal = None if stdin is None else SimpleNamespace(isatty=lambda: stdin)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("sys.stderr.isatty", lambda: stderr)
    assert Output("adopt").can_ask is can_ask


def test_only_one_json_document_is_printed(capsys: pytest.CaptureFixture[str]):
    output = Output("audit")
    output.json({"name": "\x9b\u202e"})
    output.json({"error": "interrupted"})
    said = capsys.readouterr().out
    assert said.isascii()
    assert json.loads(said) == {"name": "\x9b\u202e"}


def test_control_characters_in_wrong_argument_are_escaped(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["audit", "--\x1b[31m\n\u202e"])
    assert capsys.readouterr().err.splitlines()[-1].endswith(r": --\x1b[31m\n\u202e")


# Whole processes.


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a Bash command, in which $ROLES is `qbusiness-roles`."""
    environment = {**os.environ, "ROLES": f"{sys.executable} -m roles"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
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
        ("$ROLES adopt --stack prod 2>&-", 2, ""),
        ("$ROLES audit 2>/dev/full >/dev/null", 0, ""),
        ("$ROLES audit --help >/dev/full", 0, ""),
    ],
)
def test_closed_or_full_stream_causes_no_traceback(world: World, command: str, code: int, err: str):
    world.server.add(kind="CUSTOM")
    world.patch.setenv("PYTHONPATH", str(PROJECT))
    said = shell(command)
    assert (said.returncode, said.stdout, said.stderr) == (code, "", err)


@pytest.mark.slow
def test_interruption_during_imports_is_one_line(tmp_path: Path):
    begun = tmp_path / "begun"
    # An import can swallow an exception.
    (tmp_path / "boto3.py").write_text(
        "import pathlib, time\n"
        f"pathlib.Path({str(begun)!r}).touch()\n"
        "try:\n    time.sleep(60)\nexcept BaseException:\n    pass\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "roles", "audit", "--json"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{PROJECT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(begun.exists, "the import begins")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, err) == (130, "qbusiness-roles: interrupted\n")
    assert json.loads(out) == {"error": "interrupted"}


@pytest.mark.slow
def test_missing_package_is_reported_with_install_command(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['boto3'] = None\n")
    said = shell(f"PYTHONPATH={tmp_path}:{PROJECT} $ROLES audit --json")
    assert said.returncode == 2
    text = "boto3 is not installed: run `make roles`"
    assert said.stderr == f"qbusiness-roles: {text}\n"
    assert json.loads(said.stdout) == {"error": text}
