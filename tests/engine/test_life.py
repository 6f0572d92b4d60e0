"""Tests `components/connector_role.py`: a role is created, changed, replaced, and destroyed."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pages import examples
from pages.examples import ACCOUNT, APPLICATION_ARN, KEY_ID, SECRET_ID
from tests.helpers.page import run_section
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import POLICY, REQUIRED, ROLE, golden

OWN_POLICY: Final = "qbusiness-aem-connector"
DENY_ALL: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
)
MANAGED_POLICY: Final = "arn:aws:iam::aws:policy/AWSDenyAll"
OTHER_SERVICE: Final = golden("trust-policy").replace('"qbusiness.amazonaws.com"', '"ec2.amazonaws.com"')
TOP: Final = {key: value for key, value in REQUIRED.items() if key != "secretId"}
ENTRY: Final[dict[str, Any]] = {
    "secretId": SECRET_ID,
    "kmsKeyId": KEY_ID,
    "roleDescription": "AEM",
    "tags": {"Team": "search", "Owner": "me"},
}
OPTIONS: Final[dict[str, Any]] = {
    "kmsKeyId": KEY_ID,
    "vpcConfiguration": {
        "subnetIds": [examples.SUBNET_ID, examples.SHARED_SUBNET_ARN],
        "securityGroupIds": [examples.SECURITY_GROUP_ID],
    },
    "allowNetworkInterfaceDeletion": True,
}


def add_policies(aws: Aws, role: str) -> None:
    aws.iam.put_role_policy(RoleName=role, PolicyName="by-hand", PolicyDocument=DENY_ALL)
    aws.iam.attach_role_policy(RoleName=role, PolicyArn=MANAGED_POLICY)


def test_role_is_created_updated_and_destroyed(new_stack: NewStack, aws: Aws):
    settings = {**REQUIRED, **OPTIONS, "roleName": "life", "tags": {"Team": "search"}}
    stack = new_stack(settings)
    created = stack.up()
    assert created.changes == {"create": 4}
    arn = f"arn:aws:iam::{ACCOUNT}:role/life"
    assert stack.outputs() == {"roleArn": arn, "roleName": "life"}
    role = {
        "arn": arn,
        "trust policy": golden("trust-policy"),
        "policies": {OWN_POLICY: golden("default-role-policy")},
        "attached": [],
        "description": "",
        "duration": 3600,
        "boundary": None,
        "tags": {"Team": "search"},
    }
    assert aws.role("life") == role

    add_policies(aws, "life")
    stack.configure({**settings, "exclusivePolicies": True})
    preview = stack.preview()
    assert preview.changes == {"same": 4, "create": 2}
    assert "this update removes every policy" in preview.text
    # In `pulumi up`, the user has seen the preview, which prints the note once.
    assert [run.text.count("connector is not set") for run in (preview, created)] == [1, 0]
    stack.up()
    assert aws.role("life") == role
    assert stack.up("--expect-no-changes").changes == {"same": 6}

    application = APPLICATION_ARN.replace("a1b2c3d4-", "d4c3b2a1-")
    more = {"applicationId": application, "roleDescription": "AEM", "tags": {"Owner": "me"}}
    stack.configure({**settings, **more})
    updated = stack.up()
    tags = ("tags.Owner", "tags.Team", "tagsAll.Owner", "tagsAll.Team")
    assert {step for step in updated.steps if step[0] == "update"} == {
        ("update", ROLE, ("assumeRolePolicy", "description", *tags)),
        ("update", POLICY, ("policy",)),
    }
    assert updated.changes == {"same": 2, "update": 2, "delete": 2}
    role |= {"description": "AEM", "tags": {"Owner": "me"}}
    assert aws.role("life") == json.loads(json.dumps(role).replace("a1b2c3d4-", "d4c3b2a1-"))
    assert stack.outputs() == {"roleArn": arn, "roleName": "life"}

    add_policies(aws, "life")
    assert stack.destroy().changes == {"delete": 4}
    assert (aws.roles(), stack.resources()) == ([], [])


def edit_role(aws: Aws, role: str) -> None:
    aws.iam.update_assume_role_policy(RoleName=role, PolicyDocument=OTHER_SERVICE)
    aws.iam.update_role(RoleName=role, Description="mine now", MaxSessionDuration=7200)
    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    aws.iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
    added = [{"Key": "Stage", "Value": "test"}, {"Key": "Team", "Value": "other"}]
    aws.iam.tag_role(RoleName=role, Tags=added)
    aws.iam.untag_role(RoleName=role, TagKeys=["Owner"])
    aws.iam.put_role_policy(RoleName=role, PolicyName=OWN_POLICY, PolicyDocument=DENY_ALL)


def delete_policy(aws: Aws, role: str) -> None:
    aws.iam.delete_role_policy(RoleName=role, PolicyName=OWN_POLICY)


def delete_role(aws: Aws, role: str) -> None:
    delete_policy(aws, role)
    aws.iam.delete_role(RoleName=role)


CHANGES: Final[Mapping[str, tuple[Callable[[Aws, str], None], Mapping[str, list[str]]]]] = {
    "policy-deleted": (delete_policy, {"policy": []}),
    "role-edited": (
        edit_role,
        {
            "policy": ["policy"],
            "role": [
                *("assumeRolePolicy", "description", "maxSessionDuration", "permissionsBoundary"),
                *("Stage", "Team", "Owner"),
            ],
        },
    ),
    "role-deleted": (delete_role, {"role": [], "policy": []}),
    "policies-added": (add_policies, {}),
    "policies-added-if-exclusive": (
        add_policies,
        {"policies-exclusive": ["by-hand"], "policy-attachments-exclusive": [MANAGED_POLICY]},
    ),
}
"""For each entry, the change to its role, and the properties or values that the report lists for each
resource."""


def test_manual_changes_except_added_policies_are_corrected(new_stack: NewStack, aws: Aws):
    entries = {
        entry: {**ENTRY, "roleName": entry, "exclusivePolicies": entry.endswith("-exclusive")}
        for entry in CHANGES
    }
    stack = new_stack({**TOP, "dataSources": entries})
    stack.up()
    expected = {entry: aws.role(entry) for entry in CHANGES}
    for entry, (change, _) in CHANGES.items():
        change(aws, entry)
    expected["policies-added"] = aws.role("policies-added")

    found = run_section(stack, "Find drift", check=False, STACK=stack.name).stdout
    _, *parts = re.split(r"\[urn=\S+::(\S+)-qbusiness-(\S+)\]\n", found)
    reports = dict(zip(zip(parts[::3], parts[1::3], strict=True), parts[2::3], strict=True))
    named = {
        (entry, resource): names
        for entry, (_, reported) in CHANGES.items()
        for resource, names in reported.items()
    }
    assert reports.keys() == named.keys()
    for place, names in named.items():
        for name in names:
            assert re.search(rf"^ +[~+-] .*\b{name}\b", reports[place], re.MULTILINE), (place, name)

    run_section(stack, "Correct drift", STACK=stack.name)
    assert {entry: aws.role(entry) for entry in CHANGES} == expected
    run_section(stack, "Find drift", STACK=stack.name)  # the command fails if it finds drift


WITHOUT_GAP: Final = [
    *(("create-replacement", "role"), ("replace", "role")),
    *(("create-replacement", "policy"), ("replace", "policy")),
    *(("delete-replaced", "policy"), ("delete-replaced", "role")),
]
WITH_GAP: Final = [
    *(("delete-replaced", "policy"), ("delete-replaced", "role")),
    *(("replace", "role"), ("create-replacement", "role")),
    *(("replace", "policy"), ("create-replacement", "policy")),
]


def test_only_role_with_automatic_name_is_replaced_without_gap(new_stack: NewStack, aws: Aws):
    aem = {"secretId": SECRET_ID}
    files = {"connector": "s3-v2", "bucketName": examples.BUCKET_NAME, "rolePath": "/connectors/"}
    entries: dict[str, dict[str, Any]] = {
        "automatic": aem,
        "named": {**aem, "roleName": "one"},
        "kept": aem,
        "files": files,
        "owned": {**files, "exclusivePolicies": True},
    }
    stack = new_stack({**TOP, "dataSources": entries})
    stack.up()

    def deploy(*options: str, **settings: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
        """Change some entries' settings; return the steps for each entry, in order."""
        for entry, changed in settings.items():
            entries[entry] = {**entries[entry], **changed}
        stack.configure({**TOP, "dataSources": entries})
        steps: dict[str, list[tuple[str, str]]] = {entry: [] for entry in entries}
        for operation, resource, _ in stack.up(*options).steps:
            entry, _, kind = resource.partition("-qbusiness-")
            if operation != "same":
                steps[entry].append((operation, kind))
        names: dict[str, str] = stack.outputs()["roleNames"]
        assert sorted(aws.roles()) == sorted(names.values())  # no old role is left
        for entry, name in names.items():
            role = aws.role(name)
            assert (role["arn"] in str(role["policies"])) == (entry in ("files", "owned"))
        return steps

    steps = deploy(
        automatic={"rolePath": "/connectors/"},
        named={"roleName": "two"},
        kept={"roleName": "kept-name"},
        files={"roleName": "files-name"},
        owned={"roleName": "owned-name"},
    )
    assert steps["automatic"] == WITHOUT_GAP
    assert steps["named"] == steps["kept"] == steps["files"] == WITH_GAP
    exclusive = {("replace", "policies-exclusive"), ("replace", "policy-attachments-exclusive")}
    assert exclusive < {*steps["owned"]}

    steps = deploy("--run-program", automatic={"rolePath": "/"}, kept={"roleName": ""})
    assert steps["named"] == steps["kept"] == []
    assert stack.outputs()["roleNames"]["kept"] == "kept-name"
    # If the refresh runs the program, the old role and its policy are deleted together.
    assert steps["automatic"][:4] == WITHOUT_GAP[:4]
    assert {*steps["automatic"][4:]} == {*WITHOUT_GAP[4:]}

    steps = deploy(kept={"rolePath": "/connectors/"}, files={"rolePath": ""})
    assert steps["automatic"] == steps["named"] == []
    assert steps["kept"] == WITHOUT_GAP
    assert stack.outputs()["roleNames"]["kept"].startswith("kept-qbusiness-role-")
    assert steps["files"] == WITH_GAP

    outputs, policies = stack.outputs(), aws.role_policies("two")
    aws.iam.create_role(RoleName="taken", AssumeRolePolicyDocument=golden("trust-policy"))
    failed = run_section(stack, "Rename the role", check=False, ENTRY="named", NAME="taken")
    assert failed.returncode != 0
    assert "EntityAlreadyExists" in failed.stdout
    assert "Role with name taken already exists" in failed.stdout
    assert "two" not in aws.roles()
    # The section's last command fails if it finds drift.
    run_section(stack, "Restore the old name", ENTRY="named", NAME="two", ROLE_PATH="/")
    assert stack.outputs() == outputs
    assert aws.trust_policy("two") == golden("trust-policy")
    assert aws.role_policies("two") == policies
