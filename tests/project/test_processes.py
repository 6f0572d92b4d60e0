"""Test that tests leave no process and that a failed test shows the output of its commands."""

import os
import uuid
from pathlib import Path

import pytest

from tests.helpers.processes import commands_with, eventually, start_tests
from tests.helpers.stacks import NewStack

pytestmark = pytest.mark.slow

ENDLESS = """
from pathlib import Path

from tests.helpers.faults import gate
from tests.helpers.support import REQUIRED


def test_that_does_not_end(new_stack, aws):
    stack = new_stack(REQUIRED)
    with gate(aws.url) as iam:
        update = stack.start("up", "--yes", "--skip-preview", AWS_ENDPOINT_URL=iam.url)
        iam.wait_for_call()
        Path("{ready}").touch()
        update.wait()
"""
FAILING = """
from tests.helpers.support import REQUIRED


def test_that_fails(new_stack):
    stack = new_stack({**REQUIRED, "indexId": "x"})
    stack.start("preview").wait()
    assert stack.up(check=False).exit_code == 0
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked up in /proc")
@pytest.mark.usefixtures("environment")  # skips this test if there is no engine
@pytest.mark.parametrize("workers", ["-n0", "-n1"], ids=["one process", "a controller with a worker"])
def test_killed_tests_leave_no_process(tmp_path: Path, workers: str):
    ready = tmp_path / "ready"
    identifier = str(uuid.uuid4())
    tests = start_tests(tmp_path, ENDLESS.format(ready=ready), workers, STARTED_BY=identifier)
    with tests:
        try:
            eventually(lambda: ready.exists() or tests.poll() is not None, "the update is running")
            running = " ".join(commands_with(f"STARTED_BY={identifier}"))
        finally:
            tests.kill()
    for program in ("pulumi --non-interactive up", "language-python", "aws_server", "sandbox.provider"):
        assert program in running
    eventually(
        lambda: not commands_with(f"STARTED_BY={identifier}"), "all processes of the tests have ended"
    )


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("workers", ["-n0", "-n1"], ids=["one process", "a controller with a worker"])
def test_a_failed_test_shows_the_output_of_its_commands(tmp_path: Path, workers: str):
    output = start_tests(tmp_path, FAILING, workers).communicate()[0]
    assert "1 failed" in output
    for operation in ("preview", "up"):
        _, command, shown = output.partition(f"$ pulumi --non-interactive {operation} ")
        assert command
        assert 'indexId: "x" is not an index ID' in shown


def test_a_program_rewritten_in_the_same_second_and_size_is_not_cached(new_stack: NewStack):
    stack = new_stack({}, "print('one')")
    main = stack.directory / "__main__.py"
    written = main.stat().st_mtime
    assert stack.execute("venv/bin/python", ".").stdout == "one\n"
    stack.write_program("print('two')")
    os.utime(main, (written, written))
    assert stack.execute("venv/bin/python", ".").stdout == "two\n"
