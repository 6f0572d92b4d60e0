"""However the tests end, nothing that they have started outlives them."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from sandbox.environment import PROJECT
from tests.processes import commands_with, eventually

TEST = """
from pathlib import Path

from tests.faults import gate
from tests.support import REQUIRED


def test_that_does_not_end(new_stack, aws):
    stack = new_stack(REQUIRED)
    with gate(aws.url) as iam:
        update = stack.start("up", "--yes", "--skip-preview", AWS_ENDPOINT_URL=iam.url)
        iam.wait_for_call()
        Path("{ready}").touch()
        update.wait()
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("workers", [0, 1], ids=["one process", "a controller with a worker"])
def test_of_tests_that_are_killed_no_process_stays(
    environment: dict[str, str], tmp_path: Path, workers: int
):
    del environment  # there is an engine, or this test is skipped
    ready = tmp_path / "ready"
    test = tmp_path / "test_endless.py"
    test.write_text(TEST.format(ready=ready))
    mark = f"STARTED_BY={uuid.uuid4()}"
    own_directories = [f"--basetemp={tmp_path / 'temporary'}", "-p", "no:cacheprovider"]
    project = ["-c", PROJECT / "pyproject.toml", "-p", "tests.conftest"]
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", *project, *own_directories, f"-n{workers}", test],
        cwd=PROJECT,
        env={**os.environ, **dict([mark.split("=")])},
    )
    try:
        eventually(lambda: ready.exists() or tests.poll() is not None, "the update is under way")
        running = " ".join(commands_with(mark))
    finally:
        tests.kill()
        tests.wait()
    for program in ("pulumi --non-interactive up", "language-python", "iam_server", "sandbox.provider"):
        assert program in running
    eventually(lambda: not commands_with(mark), "all that they have started has ended")
