"""The worlds with which `roles check` was tested before its redesign keep their answers."""

import pytest

from tests.roles.check.recording import Recording


@pytest.mark.slow
@pytest.mark.thorough
def test_recorded_worlds_keep_states_and_exit_codes():
    recording = Recording()
    changed: dict[str, dict[str, tuple[object, object]]] = {}
    for row in recording.rows:
        result = recording.replay(row)
        if different := {name: (row[name], its) for name, its in result.items() if row[name] != its}:
            changed[row["id"]] = different
    assert changed == {}
    assert len(recording.rows) == 554
