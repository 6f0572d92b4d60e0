"""Send questions to the policy simulator, which runs until the tests end."""

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
    """Return the answer to each question; `simulator.mjs` documents the format.

    If Node.js or the simulator isn't installed, the test fails in CI and is skipped elsewhere.
    """
    if not (shutil.which("node") and _PROGRAM.parents[1].joinpath("node_modules").exists()):
        missing = "no policy simulator: install Node.js 20 or newer, and then run make test"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with _LOCK:
        return [_answer(question) for question in questions]


@functools.cache
def _simulator() -> subprocess.Popen[str]:
    command = ["node", str(_PROGRAM)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)  # ends the simulator by closing its input
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
