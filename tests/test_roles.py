"""Test what the commands of `python -m roles` share: actions, exit codes, notes and progress."""

import re
from typing import Any

import pytest
from botocore.session import get_session

from roles.__main__ import main
from roles.actions import ACTIONS
from roles.notes import Notes

ALL_ACTIONS = sorted({action for actions in ACTIONS.values() for action in actions})


@pytest.mark.parametrize("action", ALL_ACTIONS)
def test_no_action_changes_a_resource_or_reads_a_secret_s_value(action: str):
    assert action != "secretsmanager:GetSecretValue"
    assert re.fullmatch(
        r"[a-z0-9-]+:(Get|List|Describe)\w+|iam:SimulatePrincipalPolicy|access-analyzer:ValidatePolicy",
        action,
    )


@pytest.mark.parametrize("action", ALL_ACTIONS)
def test_every_action_is_an_operation_of_its_service(action: str):
    service, operation = action.split(":")
    client = {"access-analyzer": "accessanalyzer"}.get(service, service)
    names: Any = get_session().get_service_model(client).operation_names
    assert {"GetEncryptionConfiguration": "GetBucketEncryption"}.get(operation, operation) in names


def test_errors_can_name_the_action_by_its_operation():
    operations = [action.partition(":")[2] for action in ALL_ACTIONS]
    assert len(set(operations)) == len(operations)


@pytest.mark.parametrize("arguments", [[], ["forget"], ["adopt"]])
def test_without_a_verb_and_its_options_the_usage_is_shown(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m roles")


def test_progress_is_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    notes = Notes("audit")
    notes.progress("data sources", 1, 4)
    notes.warn("a warning has a line of its own")
    notes.progress("data sources", 4, 4)
    assert capsys.readouterr().err == (
        "\raudit: [#######                       ] data sources: 1 of 4\n"
        "audit: warning: a warning has a line of its own\n"
        "\raudit: [##############################] data sources: 4 of 4\n"
    )


def test_progress_without_a_terminal_is_a_line_for_each_hundred(capsys: pytest.CaptureFixture[str]):
    notes = Notes("audit")
    for done in range(1, 251):
        notes.progress("data sources", done, 250)
    assert capsys.readouterr().err == (
        "audit: data sources: 100 of 250\naudit: data sources: 200 of 250\n"
    )
