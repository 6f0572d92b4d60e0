"""`roles adopt` writes a role's properties to the configuration."""

import inspect

import pulumi_aws as aws

from components.settings import ROLE_SETTINGS
from roles.account import Role


def test_every_property_of_a_role_that_adopt_reads_is_a_setting():
    properties = {*Role._fields} & {*inspect.signature(aws.iam.RoleArgs).parameters}
    settings = {setting.role_property for setting in ROLE_SETTINGS}
    assert settings <= properties
    assert properties - settings == {
        "inline_policies",  # the role policy is in their place
        "max_session_duration",  # `_warnings` in roles/adopt/entries.py says that it is lost
    }
