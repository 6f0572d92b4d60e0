"""examples/audit-role/template.yaml: which parameters the template accepts.

The tests in tests/roles/audit/ create the role and use it.
"""

import re

import pytest
import yaml

from sandbox.environment import PROJECT

PARAMETERS = yaml.safe_load((PROJECT / "examples/audit-role/template.yaml").read_text())["Parameters"]


@pytest.mark.parametrize(
    ("name", "accepted", "rejected"),
    [
        (
            "Auditor",
            ["arn:aws:iam::123456789012:role/audit", "arn:aws-cn:iam::123456789012:user/team/auditor"],
            [
                *(
                    "",
                    "arn:aws:sts::123456789012:assumed-role/audit/session",
                    "arn:aws:iam::1:role/audit",
                ),
                *("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:role/"),
            ],
        ),
        # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        (
            "ExternalId",
            ["", "ab", "Az09_+=,.@:/-", "a" * 1224],
            ["a", "a" * 1225, "a b", "\xe4\xe4", "ab*"],
        ),
    ],
)
def test_template_accepts_only_values_that_iam_accepts(
    name: str, accepted: list[str], rejected: list[str]
):
    pattern = PARAMETERS[name]["AllowedPattern"]
    found = {value: re.fullmatch(pattern, value) is not None for value in (*accepted, *rejected)}
    assert found == {**dict.fromkeys(accepted, True), **dict.fromkeys(rejected, False)}
    assert PARAMETERS["ExternalId"]["Default"] == ""
    assert "Default" not in PARAMETERS["Auditor"]
