"""`roles check` rejects a stack with secret settings, unless it may show them."""

from typing import Final

import pytest

from pages import examples
from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.world import ROLE_ARN, ROLE_NAME, SECRET_NAME, World

SECRET_SETTINGS: Final = """\
check: stack dev has secret values, which check would show: aws:region, vpcConfiguration, roleName
Settings are names, IDs, and ARNs. They identify a secret or another resource, but contain no \
credentials, so they do not need to be secret. To make them plain:
  pulumi config set --stack dev --plaintext -- aws:region \
"$(pulumi config get --stack dev -- aws:region)"
  in Pulumi.dev.yaml, replace each `secure` entry of vpcConfiguration with its value, which \
`pulumi config get --stack dev -- vpcConfiguration` prints
  pulumi config set --stack dev --plaintext -- roleName "$(pulumi config get --stack dev -- roleName)"
Or pass --show-secrets: then the output of check, and an issue that CI opens with it, show these values.
"""

pytestmark = pytest.mark.usefixtures("deployed")


def test_secret_settings_are_rejected_with_plaintext_fix(world: World):
    world.set(roleName=ROLE_NAME)
    world.secret_keys = {
        "aws:region",
        *(f"{PROJECT_NAME}:{key}" for key in ("vpcConfiguration", "roleName")),
    }
    said = world.check()
    assert (said.code, said.out, world.server.calls) == (2, "", [])
    assert said.err == SECRET_SETTINGS


def test_secret_settings_that_check_never_shows_are_accepted(world: World):
    world.set(protect=True)
    world.settings |= {"database:password": "hunter2", "aws:allowedAccountIds": [examples.ACCOUNT]}
    world.secret_keys = {"database:password", "aws:allowedAccountIds", f"{PROJECT_NAME}:protect"}
    assert world.check(only=["credentials"]).code == 0


def test_secret_role_arn_is_rejected_with_update_as_fix(world: World):
    world.secret_outputs = {"roleArn"}
    said = world.check()
    assert (said.code, said.out, world.server.calls) == (2, "", [])
    assert said.err.startswith(
        "check: stack dev has secret values, which check would show: the ARN of a"
    )
    assert "To make the role's ARN plain, run `pulumi up --stack dev`." in said.err
    assert ROLE_ARN not in said.err
    said = world.check("--json")
    assert (said.code, ROLE_ARN in said.out) == (2, False)


def test_commands_store_shown_secrets_as_secrets(world: World):
    world.secret_keys = {f"{PROJECT_NAME}:secretId"}
    world.secret_outputs = {"roleArn"}
    world.recreate_secret()
    said = world.check("--show-secrets", only=["role", "secret"])
    assert f"role: {ROLE_ARN}\n" in said.out
    answer = said.answer("secret")
    assert (
        f"but arn:aws:secretsmanager:{examples.REGION}:{examples.ACCOUNT}:secret:{SECRET_NAME}" in answer
    )
    assert "fix: pulumi config set --stack dev --secret -- secretId arn:aws:secretsmanager" in answer


def test_fix_for_secret_vpc_configuration_is_an_edit(world: World):
    world.secret_keys = {f"{PROJECT_NAME}:vpcConfiguration"}
    world.ec2.delete_subnet(SubnetId=examples.SUBNET_ID)
    # A command would replace the whole object.
    fix = "fix: edit Pulumi.dev.yaml, then pulumi up --stack dev\n"
    assert fix in world.ask("subnets", "--show-secrets")
