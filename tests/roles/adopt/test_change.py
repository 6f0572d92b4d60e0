"""`roles adopt` shows the access and the policies that the update after the import changes."""

import json
import re
from typing import Any, Final

import pytest

from tests.helpers.support import PROJECT_NAME, size
from tests.helpers.world import (
    NAME,
    OWN,
    TRUST,
    WIDE,
    World,
    allow,
    deny,
    own_policy,
)
from tests.roles.adopt.help import large

UNCHANGED: Final = """\
Roles that may lose access with the first `pulumi up` after the import: 0
Roles that may gain access with the first `pulumi up` after the import: 0
Roles whose policies change without a change of access: {}
"""


def changes(said: Any) -> str:
    """Return the part of the output about changed access."""
    (found,) = re.findall(r"\n(Roles that may lose .*?\n)\n", said.out, re.DOTALL)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trust", "same"), [(TRUST, 0), (TRUST.replace("AllowsAmazonQServicePrincipal", "Console"), 1)]
)
def test_equivalent_policy_changes_only_in_wording(world: World, trust: str, same: int):
    world.make(trust=trust, policies={OWN: own_policy()})
    said = world.adopt()
    assert changes(said) == UNCHANGED.format(same)
    # A role that does not change needs no script to restore it.
    assert ("restore-prod-1.sh" in world.files) is bool(same)


@pytest.mark.slow
@pytest.mark.parametrize("protect", [True, False])
def test_replacing_policy_of_protected_role_causes_warning(world: World, protect: bool):
    world.make(policies={"console": own_policy()})
    config = {f"{PROJECT_NAME}:roleName": NAME, f"{PROJECT_NAME}:protect": protect}
    world.path("Pulumi.prod.yaml").write_text(json.dumps({"config": config}))
    warning = (
        "warning: protect would stop `pulumi up`, which replaces policies of aem-connector: remove "
        "protect from Pulumi.prod.yaml and set it again after `pulumi up`\n"
    )
    assert (warning in world.adopt("--force").err) is protect


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policies", "kept"),
    [
        ({"console": WIDE}, "console"),
        ({"console": own_policy("SECRET", deny("s3:*", "*"))}, "console"),
        ({"console": own_policy(), "other": own_policy()}, "console, other"),
    ],
    ids=["loses access", "denies", "one of several"],
)
def test_nonequivalent_or_multiple_policies_are_kept_by_default(
    world: World, policies: dict[str, str], kept: str
):
    world.make(policies=policies)
    assert f"Role policy: new; kept: {kept}.\n" in world.adopt().out
    said = world.adopt("--json", "--force")
    assert said.code == 0
    assert "aws:iam/rolePolicy:RolePolicy" not in said.out


@pytest.mark.slow
def test_report_names_access_lost_with_replace_policies(world: World):
    world.make(policies={"console": own_policy("SECRET", allow("s3:GetObject", "*"))})
    said = world.adopt("--replace-policies")
    assert "Role policy: replaces console.\n" in said.out
    assert changes(said) == (
        f"Roles that may lose access with the first `pulumi up` after the import: 1\n"
        f"  aem-connector ({NAME})\n"
        "      s3:GetObject\n        on *\n"
        "Roles that may gain access with the first `pulumi up` after the import: 0\n"
        "Roles whose policies change without a change of access: 0\n"
    )
    world.iam.delete_role_policy(RoleName=NAME, PolicyName="console")
    world.put_policy(own_policy(world.secret_arn, deny("s3:*", "*")), "console", NAME)
    denied = "      no longer denied: s3:*\n        on *\n"
    assert denied in world.adopt("--replace-policies", "--force").out


@pytest.mark.slow
@pytest.mark.parametrize("case", ["alone", "shared", "a boundary too", "wide", "several"])
def test_sole_equivalent_unshared_policy_gets_detach_command(world: World, case: str):
    world.make()
    arn = world.managed("Q-Business", WIDE if case == "wide" else own_policy(world.secret_arn))
    world.iam.attach_role_policy(RoleName=NAME, PolicyArn=arn)
    if case == "shared":
        world.iam.attach_role_policy(RoleName=world.role("other").rpartition("/")[2], PolicyArn=arn)
    if case == "a boundary too":
        count = b"<PermissionsBoundaryUsageCount>1</PermissionsBoundaryUsageCount></Policy>"
        world.server.spoil["iam:GetPolicy"] = lambda body: body.replace(b"</Policy>", count)
    if case == "several":
        world.attach(NAME, "more", own_policy(world.secret_arn))
    said = world.adopt()
    commands = (
        f"aws iam detach-role-policy --role-name {NAME} --policy-arn {arn} && "
        f"aws iam delete-policy --policy-arn {arn}\n"
    )
    assert said.out.endswith(commands) is (case == "alone")
    if case == "wide":
        said = world.adopt("--replace-policies", "--force")
        assert said.out.endswith(commands)
        assert f"  aem-connector ({NAME})\n      *\n        on *\n" in said.out


ROLE_POLICY_SIZE: Final = size(own_policy()) - len("SECRET")
"""The size of the role policy without the secret's ARN."""


@pytest.mark.parametrize("over", [0, 359])
def test_policies_over_size_quota_cause_warning_with_sizes(world: World, over: int):
    world.make()
    own = ROLE_POLICY_SIZE + len(world.secret_arn)
    most = 10_240 - own + over
    # IAM counts characters, not bytes.
    world.put_policy(large("full", most).replace(":full-", ":f\xfcll-"), "full", NAME)
    warning = (
        "adopt: warning: there is no room for the role policy: a role's inline policies can have "
        f"10,240 characters in total, but these would have 359 more (full {most:,}, {OWN} {own:,}), so "
        "`pulumi up` would fail with LimitExceeded. First make room, as docs/adopt-details.md "
        "describes\n"
    )
    assert (warning in world.adopt().err) is bool(over)
