"""docs/own-project: a program can add its own policy to the component's role."""

import json
from typing import Final

from pages.examples import REGION
from sandbox.environment import PROJECT
from tests.helpers.page import blocks, prose
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import golden

PAGE: Final = PROJECT / "docs" / "own-project.md"
OWN_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "arn:aws:secretsmanager:us-east-1:123456789012:secret:qbusiness/proxy-a1B2c3",
        }
    ],
}
BOTH: Final = {
    "qbusiness-aem-connector": golden("minimal-role-policy"),
    "proxy": json.dumps(OWN_POLICY, indent=2),
}
(ROLE,) = blocks("python", prose("Use the component in your own program", PAGE))
(POLICY,) = blocks("python", prose("Add a policy of your own", PAGE))


def program(*blocks_of_page: str) -> str:
    exports = 'pulumi.export("roleName", connector.role_name)\n'
    return "".join((*blocks_of_page, exports)).replace("qbusiness_connector", "components")


def test_policy_added_by_program_stays(new_stack: NewStack, aws: Aws):
    stack = new_stack({"aws:region": REGION}, program(ROLE, POLICY))
    stack.up()
    role = stack.outputs()["roleName"]
    assert aws.role_policies(role) == BOTH
    assert {*stack.up().changes} == {"same"}
