"""Tests the parameter values that `examples/audit-role/template.yaml` accepts.

The tests in tests/roles/audit/ create the role and use it.
"""

import re

import yaml

from sandbox.environment import PROJECT

PARAMETERS = yaml.safe_load((PROJECT / "examples/audit-role/template.yaml").read_text())["Parameters"]
ACCOUNT = "123456789012"
VALUES: dict[str, tuple[list[str], list[str]]] = {
    "Auditor": (
        [f"arn:aws:iam::{ACCOUNT}:role/audit", f"arn:aws-cn:iam::{ACCOUNT}:user/team/auditor"],
        ["", f"arn:aws:sts::{ACCOUNT}:assumed-role/audit/session", f"arn:aws:iam::{ACCOUNT}:root"],
    ),
    # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    "ExternalId": (["", "Az09_+=,.@:/-", "a" * 1224], ["a", "a" * 1225, "a b", "\xe4\xe4", "ab*"]),
}


def test_template_accepts_only_values_that_iam_accepts():
    for name, (accepted, rejected) in VALUES.items():
        fits = re.compile(PARAMETERS[name]["AllowedPattern"]).fullmatch
        assert [value for value in accepted if not fits(value)] == [], name
        assert [value for value in rejected if fits(value)] == [], name
    assert PARAMETERS["ExternalId"]["Default"] == ""
    assert "Default" not in PARAMETERS["Auditor"]
