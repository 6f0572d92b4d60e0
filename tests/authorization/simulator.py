"""Ask the policy simulator, which keeps running until the tests end."""

import atexit
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final

import pytest

_PROGRAM: Final = Path(__file__).parent / "simulator.mjs"
_LOCK: Final = Lock()


def ask(questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return an answer for each question; `simulator.mjs` documents the format.

    Without Node.js or the simulator, tests fail in CI and are skipped elsewhere.
    """
    if not (shutil.which("node") and _PROGRAM.parents[1].joinpath("node_modules").exists()):
        missing = "the policy simulator is not installed: it needs Node.js 20 or newer, then make test"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with _LOCK:
        return [_answer(question) for question in questions]


@functools.cache
def _simulator() -> subprocess.Popen[str]:
    command = ["node", str(_PROGRAM)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)  # the simulator ends when its input does
    return process


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    process = _simulator()
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{json.dumps(question)}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    assert answer, "the simulator has ended: see standard error"
    return json.loads(answer)
