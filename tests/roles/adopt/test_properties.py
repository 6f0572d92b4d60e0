"""`roles adopt` writes a role's properties to the configuration."""

import inspect

import pulumi_aws as aws
import pytest

from components.settings import ROLE_SETTINGS
from roles.account import Role
from tests.helpers.world import World


def test_every_property_of_a_role_that_adopt_reads_is_a_setting():
    properties = {*Role._fields} & {*inspect.signature(aws.iam.RoleArgs).parameters}
    settings = {setting.role_property for setting in ROLE_SETTINGS}
    assert settings <= properties
    assert properties - settings == {
        "inline_policies",  # the role policy is in their place
        "max_session_duration",  # see below
    }


@pytest.mark.slow
def test_a_longer_session_which_no_setting_keeps_causes_a_warning(world: World):
    world.make(role={"MaxSessionDuration": 7200})
    for said in (world.adopt("--dry-run").err, world.adopt("--dry-run", "--all").out):
        assert "maximum session duration of 7200 seconds: it becomes one hour if the first" in said
