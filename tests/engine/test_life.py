"""components/connector_role: a role is previewed, created, changed, corrected, and destroyed."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

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
TOP: Final = {key: REQUIRED[key] for key in ("aws:region", "applicationId", "indexId")}
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


def test_role_is_created_as_previewed_updated_and_destroyed(new_stack: NewStack, aws: Aws):
    settings = {
        **REQUIRED,
        **OPTIONS,
        "roleName": "life",
        "tags": {"Team": "search"},
        "exclusivePolicies": True,
    }
    stack = new_stack(settings)
    preview = json.loads(stack.run("preview", "--json", "--stack", stack.name).stdout)
    planned = {step["urn"].rpartition("::")[2]: step["newState"] for step in preview["steps"]}
    trust_policy, role_policy = golden("trust-policy"), golden("default-role-policy")
    assert json.loads(planned[ROLE]["inputs"]["assumeRolePolicy"]) == json.loads(trust_policy)
    assert json.loads(planned[POLICY]["inputs"]["policy"]) == json.loads(role_policy)
    assert aws.roles() == []

    assert stack.up().changes == {"create": 6}
    arn = f"arn:aws:iam::{ACCOUNT}:role/life"
    assert stack.outputs() == {"roleArn": arn, "roleName": "life"}
    role = {
        "arn": arn,
        "trust policy": trust_policy,
        "policies": {OWN_POLICY: role_policy},
        "attached": [],
        "description": "",
        "duration": 3600,
        "boundary": None,
        "tags": {"Team": "search"},
    }
    assert aws.role("life") == role
    assert stack.up("--expect-no-changes").changes == {"same": 6}

    application = APPLICATION_ARN.replace("a1b2c3d4-", "d4c3b2a1-")
    more = {"applicationId": application, "roleDescription": "AEM", "tags": {"Owner": "me"}}
    stack.configure({**settings, **more})
    changed = {step for step in stack.up().steps if step[0] != "same"}
    tags = ("tags.Owner", "tags.Team", "tagsAll.Owner", "tagsAll.Team")
    assert changed == {
        ("update", ROLE, ("assumeRolePolicy", "description", *tags)),
        ("update", POLICY, ("policy",)),
    }
    role |= {"description": "AEM", "tags": {"Owner": "me"}}
    assert aws.role("life") == json.loads(json.dumps(role).replace("a1b2c3d4-", "d4c3b2a1-"))
    assert stack.outputs() == {"roleArn": arn, "roleName": "life"}

    assert stack.destroy().changes == {"delete": 6}
    assert (aws.roles(), stack.resources()) == ([], [])


def do_nothing(aws: Aws, role: str) -> None:
    del aws, role


def edit_policy(aws: Aws, role: str) -> None:
    aws.iam.put_role_policy(RoleName=role, PolicyName=OWN_POLICY, PolicyDocument=DENY_ALL)


def delete_policy(aws: Aws, role: str) -> None:
    aws.iam.delete_role_policy(RoleName=role, PolicyName=OWN_POLICY)


def edit_role(aws: Aws, role: str) -> None:
    aws.iam.update_assume_role_policy(RoleName=role, PolicyDocument=OTHER_SERVICE)
    aws.iam.update_role(RoleName=role, Description="mine now", MaxSessionDuration=7200)
    aws.iam.put_role_permissions_boundary(
        RoleName=role, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )


def edit_duration(aws: Aws, role: str) -> None:
    aws.iam.update_role(RoleName=role, Description="AEM", MaxSessionDuration=7200)


def edit_tags(aws: Aws, role: str) -> None:
    tags = {"Stage": "test", "Team": "other"}
    aws.iam.tag_role(RoleName=role, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    aws.iam.untag_role(RoleName=role, TagKeys=["Owner"])


def delete_role(aws: Aws, role: str) -> None:
    delete_policy(aws, role)
    aws.iam.delete_role(RoleName=role)


def add_policies(aws: Aws, role: str) -> None:
    aws.iam.put_role_policy(RoleName=role, PolicyName="by-hand", PolicyDocument=DENY_ALL)
    aws.iam.attach_role_policy(RoleName=role, PolicyArn=MANAGED_POLICY)


class Change(NamedTuple):
    """A manual change to one data source's role."""

    make: Callable[[Aws, str], object]
    reported: Mapping[str, list[str]]
    """The properties or values that the report lists for each resource."""
    corrected: bool = True
    settings: Mapping[str, Any] = {}


CHANGES: Final[Mapping[str, Change]] = {
    "policy-edited": Change(edit_policy, {"policy": ["policy"]}),
    "policy-deleted": Change(delete_policy, {"policy": []}),
    "role-edited": Change(
        edit_role,
        {"role": ["assumeRolePolicy", "description", "maxSessionDuration", "permissionsBoundary"]},
    ),
    "tags-edited": Change(edit_tags, {"role": ["Stage", "Team", "Owner"]}),
    "role-deleted": Change(delete_role, {"role": [], "policy": []}),
    "policies-added": Change(add_policies, {}, corrected=False),
    "policies-added-if-exclusive": Change(
        add_policies,
        {"policies-exclusive": ["by-hand"], "policy-attachments-exclusive": [MANAGED_POLICY]},
        settings={"exclusivePolicies": True},
    ),
    # A role with both a name and a path keeps its duration: no default is recorded.
    "duration-edited": Change(
        edit_duration,
        {"role": ["maxSessionDuration"]},
        corrected=False,
        settings={"rolePath": "/connectors/"},
    ),
    "untouched": Change(do_nothing, {}, corrected=False),
}


def test_manual_changes_are_corrected_with_known_exceptions(new_stack: NewStack, aws: Aws):
    entries = {
        entry: {**ENTRY, "roleName": entry, **change.settings} for entry, change in CHANGES.items()
    }
    stack = new_stack({**TOP, "dataSources": entries})
    stack.up()
    before = {entry: aws.role(entry) for entry in CHANGES}
    for entry, change in CHANGES.items():
        change.make(aws, entry)
    expected = {
        entry: before[entry] if change.corrected else aws.role(entry)
        for entry, change in CHANGES.items()
    }

    found = run_section(stack, "Find drift", check=False, STACK=stack.name).stdout
    _, *parts = re.split(r"\[urn=\S+::(\S+)-qbusiness-(\S+)\]\n", found)
    reports = dict(zip(zip(parts[::3], parts[1::3], strict=True), parts[2::3], strict=True))
    named = {
        (entry, resource): names
        for entry, change in CHANGES.items()
        for resource, names in change.reported.items()
    }
    assert reports.keys() == named.keys()
    for place, names in named.items():
        for name in names:
            assert re.search(rf"^ +[~+-] .*\b{name}\b", reports[place], re.MULTILINE), (place, name)

    run_section(stack, "Correct drift", STACK=stack.name)
    assert {entry: aws.role(entry) for entry in CHANGES} == expected
    run_section(stack, "Find drift", STACK=stack.name)  # fails if it finds any


def test_stack_can_start_and_stop_owning_all_policies(new_stack: NewStack, aws: Aws):
    settings = {**REQUIRED, **ENTRY, "roleName": "owned-later"}
    stack = new_stack(settings)
    stack.up()
    own = aws.role("owned-later")
    add_policies(aws, "owned-later")
    stack.configure({**settings, "exclusivePolicies": True})
    preview = stack.preview()
    assert preview.changes == {"same": 4, "create": 2}
    assert "this update removes every policy" in preview.text
    stack.up()
    assert aws.role("owned-later") == own
    stack.configure(settings)
    assert stack.up().changes == {"same": 4, "delete": 2}
    assert aws.role("owned-later") == own
    add_policies(aws, "owned-later")
    stack.destroy()
    assert aws.roles() == []


WITHOUT_GAP: Final = [
    ("create-replacement", "role"),
    ("replace", "role"),
    ("create-replacement", "policy"),
    ("replace", "policy"),
    ("delete-replaced", "policy"),
    ("delete-replaced", "role"),
]
WITH_GAP: Final = [
    ("delete-replaced", "policy"),
    ("delete-replaced", "role"),
    ("replace", "role"),
    ("create-replacement", "role"),
    ("replace", "policy"),
    ("create-replacement", "policy"),
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
        """Change some entries' settings; return each entry's steps, in order."""
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

    exclusive = {("replace", "policies-exclusive"), ("replace", "policy-attachments-exclusive")}
    steps = deploy(
        automatic={"rolePath": "/connectors/"},
        named={"roleName": "two"},
        kept={"roleName": "kept-name"},
        files={"roleName": "files-name"},
        owned={"roleName": "owned-name"},
    )
    assert steps["automatic"] == WITHOUT_GAP
    assert steps["named"] == steps["kept"] == steps["files"] == WITH_GAP
    assert exclusive < {*steps["owned"]}

    steps = deploy(
        "--run-program",
        automatic={"rolePath": "/"},
        kept={"roleName": ""},
        files={"rolePath": "/other/"},
        owned={"rolePath": "/other/"},
    )
    assert steps["named"] == steps["kept"] == []
    assert stack.outputs()["roleNames"]["kept"] == "kept-name"
    # If the refresh runs the program, the old role and its policy are deleted together.
    assert steps["automatic"][:4] == WITHOUT_GAP[:4]
    assert {*steps["automatic"][4:]} == {*WITHOUT_GAP[4:]}
    assert ("replace", "role") in steps["files"]

    steps = deploy(kept={"rolePath": "/connectors/"}, files={"roleName": "new", "rolePath": ""})
    assert steps["automatic"] == steps["named"] == []
    assert steps["kept"] == WITHOUT_GAP
    assert stack.outputs()["roleNames"]["kept"].startswith("kept-qbusiness-role-")
    assert steps["files"] == WITH_GAP
    assert stack.drift().exit_code == 0
