"""Run the steps, and remove everything that they created after any result."""

import tempfile
from contextlib import suppress
from pathlib import Path

from live.account import CALL_ERRORS, Account
from live.interruption import InterruptedRunError, Interruption
from live.names import Names
from live.stack import Stack, StepError
from live.steps import SkipError, Step, Steps
from live.transcript import FAILED, INTERRUPTED, PASSED, SKIPPED, Transcript


def run(account: Account, names: Names, transcript: Transcript, interruption: Interruption) -> None:
    """Run the steps and remove everything; the transcript contains the results."""
    with tempfile.TemporaryDirectory(prefix=f"{names.run}-", ignore_cleanup_errors=True) as directory:
        stack = Stack(Path(directory), names.run, transcript.add, interruption)
        finished = False
        try:
            steps = Steps(account, stack, names, transcript.add).all()
            finished = all(_take(step, transcript, interruption) for step in steps)
        finally:
            interruption.ignore()
            _remove(account, None if finished else stack, names, transcript)


def _take(step: Step, transcript: Transcript, interruption: Interruption) -> bool:
    """Run a step; return whether the run may continue."""
    transcript.begin(step.title)
    result, note = PASSED, ""
    try:
        interruption.check()
        note = step.run() or ""
        interruption.check()
    except SkipError as error:
        result, note = SKIPPED, str(error)
    except InterruptedRunError as error:
        result, note = INTERRUPTED, str(error)
    except (StepError, OSError, *CALL_ERRORS) as error:
        result, note = FAILED, str(error)
    transcript.end(result, note)
    return result in (PASSED, SKIPPED) or (result == FAILED and step.is_question)


def _remove(account: Account, stack: Stack | None, names: Names, transcript: Transcript) -> None:
    """Remove everything; unless the steps finished, destroy the stack first."""
    transcript.begin("Nothing is left")
    if stack:
        with suppress(OSError, StepError):
            stack.try_to("cancel", "--yes")  # a killed command leaves its lock
            stack.destroy()
    removed, left = account.remove(names)
    if left:
        command = f"venv/bin/python -m live --remove {names.run}"
        transcript.end(FAILED, f"still there: {'; '.join(left)}. Repeat the removal: {command}")
    else:
        transcript.end(PASSED, f"removed {', '.join(removed)}" if removed else "")
