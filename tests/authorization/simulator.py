"""Run the policy simulator, once for any number of questions."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.helpers.support import NPM_PACKAGES

_PROGRAM: Final = Path(__file__).parent / "simulator.mjs"


def ask(questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return an answer for each question; `simulator.mjs` documents their form.

    Without Node.js or the simulator, tests fail in CI and are skipped elsewhere.
    """
    if not (shutil.which("node") and NPM_PACKAGES.exists()):
        missing = "the policy simulator is not installed: it needs Node.js 20 or newer, then make test"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run(
        ["node", str(_PROGRAM)],
        input="\n".join(map(json.dumps, questions)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers
