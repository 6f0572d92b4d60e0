"""Tests the role properties that `adopt` writes to the configuration or warns about."""

import inspect

import pulumi_aws as aws

from components.settings import SETTINGS
from roles.account import Role
from roles.adopt.requirements import ROLE_PROPERTIES
from tests.helpers.world import World


def test_role_properties_are_settings_or_known_exceptions():
    properties = {*Role._fields} & {*inspect.signature(aws.iam.RoleArgs).parameters}
    settings = {*ROLE_PROPERTIES.values()}
    assert {*ROLE_PROPERTIES} == {name for name, setting in SETTINGS.items() if setting.of_role}
    assert settings <= properties
    # The role policy is a separate resource. The next test covers `max_session_duration`.
    assert properties - settings <= {"inline_policies", "max_session_duration"}


def test_longer_session_duration_is_written_or_warned_about(world: World):
    world.make(role={"MaxSessionDuration": 7200})
    is_written = "maxSessionDuration" in world.adopted()
    warning = "maximum session duration of 7200 seconds: it becomes one hour if the first"
    assert (warning in world.adopt("--dry-run").out) != is_written
