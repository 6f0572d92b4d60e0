"""docs/adopt: an existing role is imported and updated in place without losing permissions."""

import json
from typing import Any

from pages.examples import APPLICATION_ARN, INDEX_ID, REGION, SECRET_ID
from tests.helpers.page import blocks, commands, prose
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import POLICY, REQUIRED, ROLE, golden

NAME = "AmazonQBusiness-DataSource-x1y2z"
SETTINGS: dict[str, Any] = {
    **REQUIRED,
    "roleName": NAME,
    "rolePath": "/service-role/",
    "roleDescription": "Created by the console",
    "tags": {"CreatedBy": "console"},
}
WIDE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": f"arn:aws:secretsmanager:{REGION}:123456789012:secret:*",
            }
        ],
    },
    indent=4,
)
RAW = """
import pulumi
import pulumi_aws as aws

TRUST = '''{trust}'''
POLICY = '''{policy}'''
role = aws.iam.Role("role", name="{name}", assume_role_policy=TRUST, force_detach_policies=True)
aws.iam.RolePolicy("policy", role=role.name, policy=POLICY)
"""
COMPONENT = """
import pulumi
from components.connector_role import ConnectorRole

{keep}
ConnectorRole("aem", {{
    "application_id": "{application}",
    "index_id": "{index}",
    "secret_id": "{secret}",
    "role_name": "{name}",
}}, opts)
"""


def console_role(aws: Aws, policy_name: str) -> str:
    """Create a role as the console does; return its unique ID."""
    created = aws.iam.create_role(
        RoleName=NAME,
        Path="/service-role/",
        Description="Created by the console",
        Tags=[{"Key": "CreatedBy", "Value": "console"}],
        AssumeRolePolicyDocument=json.dumps(json.loads(golden("trust-policy")), indent=8),
    )
    aws.iam.put_role_policy(RoleName=NAME, PolicyName=policy_name, PolicyDocument=WIDE)
    return created["Role"]["RoleId"]


def identity(aws: Aws) -> str:
    return aws.iam.get_role(RoleName=NAME)["Role"]["RoleId"]


def import_files() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the page's import file and the entry that the page adds to it."""
    documents = blocks("json", prose("Write the import file by hand"))
    file, entry = (json.loads(document.replace("ROLE", NAME)) for document in documents)
    return file, entry


def test_imported_role_and_policy_are_updated_in_place(new_stack: NewStack, aws: Aws):
    unique = console_role(aws, "qbusiness-aem-connector")
    aws.iam.put_role_policy(RoleName=NAME, PolicyName="console", PolicyDocument=WIDE)
    stack = new_stack({**SETTINGS, "exclusivePolicies": True})
    file, entry = import_files()
    file["resources"].append(entry)
    (stack.directory / f"import-{stack.name}.json").write_text(json.dumps(file))
    imported, *_ = commands("Import the roles").splitlines()
    stack.run(*imported.replace("$STACK", stack.name).replace('"', "").split()[1:])
    done = stack.up()
    *updates, _, removal = [step for step in done.steps if step[0] != "same"]
    assert updates == [
        # The import has set forceDetachPolicies to false.
        ("update", ROLE, ("forceDetachPolicies",)),
        ("update", POLICY, ("policy",)),
    ]
    # The role has its new policy before it loses the other one.
    assert removal[0] == "create"
    assert done.changes == {"same": 2, "update": 2, "create": 2}
    assert identity(aws) == unique
    assert aws.role_policies(NAME) == {"qbusiness-aem-connector": golden("minimal-role-policy")}
    assert aws.trust_policy(NAME) == golden("trust-policy")


def test_raw_resources_move_into_component_in_place(new_stack: NewStack, aws: Aws):
    raw = RAW.format(trust=golden("trust-policy"), policy=WIDE, name=NAME)
    stack = new_stack({"aws:region": REGION}, raw)
    assert stack.up().changes == {"create": 3}
    unique, (policy_name,) = identity(aws), aws.role_policies(NAME)
    (keep,) = blocks("python", prose("Move a role from a Pulumi program"))
    program = COMPONENT.format(
        keep=keep, application=APPLICATION_ARN, index=INDEX_ID, secret=SECRET_ID, name=NAME
    )
    stack.write_program(program)
    assert stack.up().changes == {"same": 2, "create": 1, "update": 1}
    assert identity(aws) == unique
    assert aws.role_policies(NAME) == {policy_name: golden("minimal-role-policy")}
    stack.write_program(program.replace("aliases=[alias], ", ""))
    assert stack.up("--expect-no-changes").changes == {"same": 4}
