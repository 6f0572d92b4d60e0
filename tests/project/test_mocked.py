"""Test that a program run against mocks does not affect the next run or test."""

import gc
import os
from functools import partial
from typing import Any

import pulumi
import pytest

from tests.helpers.mocked import Deployment, Upstream


def fail(_: object) -> None:
    raise ValueError("raised by the program")


def test_a_run_restores_the_state_of_the_sdk():
    def state() -> tuple[object, ...]:
        settings: Any = pulumi.runtime.settings
        return pulumi.get_project(), settings.get_monitor(), settings.get_root_resource()

    before = state()
    Deployment(lambda: Upstream("upstream", "value"))
    assert state() == before


def test_a_run_is_independent_of_the_previous_one():
    root: Any = pulumi.runtime.settings.get_root_resource
    seen: list[object] = []

    def program(name: str) -> None:
        seen.append(pulumi.runtime.get_config("project:name"))
        pulumi.runtime.set_all_config({"project:name": name})
        pulumi.export(name, "value")
        seen.append(dict(root().outputs))

    for name in ("first", "second"):
        assert Deployment(partial(program, name)).error is None
    assert seen == [None, {"first": "value"}, None, {"second": "value"}]


def test_a_failed_run_is_recorded_and_reports_nothing_later(caplog: pytest.LogCaptureFixture):
    def program() -> None:
        value = Upstream("upstream", "value").value.apply(fail)
        Upstream("other", [value, value])

    assert "raised by the program" in str(Deployment(program).error)
    gc.collect()
    assert caplog.text == ""


def test_the_user_s_environment_does_not_reach_a_test():
    own = {name for name in os.environ if name.startswith(("AWS_", "PULUMI_"))}
    assert own == {"PULUMI_ERROR_OUTPUT_STRING"}
