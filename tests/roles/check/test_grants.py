"""`roles check` asks for KMS grants before it says that the role cannot use a key."""

from typing import Final

import pytest

from pages.examples import KEY_ID
from tests.helpers.world import ROLE_ARN, World, allow_key
from tests.roles.check.help import ADMIN

pytestmark = pytest.mark.slow

ASKED: Final = ("key policy", "requests allowed")


def grant(world: World, *operations: str, grantee: str = ROLE_ARN) -> None:
    world.kms.create_grant(KeyId=KEY_ID, GranteePrincipal=grantee, Operations=operations or ["Decrypt"])


@pytest.fixture(autouse=True)
def _only_for_an_administrator(world: World, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("deployed")
    world.key_policy(allow_key({"AWS": ADMIN}))


def test_grant_replaces_missing_allow(world: World):
    for number in range(3):  # on the second page
        grant(world, "Encrypt", grantee=f"{ROLE_ARN}{number}")
    grant(world, "Encrypt")
    grant(world, "GenerateDataKey")
    grant(world)
    said = world.check(only=ASKED)
    assert said.code == 0
    assert (
        said.answer("key policy")
        == "ok       key policy: a KMS grant lets the role decrypt with the key\n"
    )


def test_grants_of_others_and_for_other_operations_do_not_count(world: World):
    grant(world, "Encrypt")
    grant(world, grantee=ADMIN)
    assert world.check(only=ASKED).code == 1


def test_denied_permission_to_list_grants_cannot_be_determined(world: World):
    world.reject("kms:ListGrants")
    assert world.check(only=ASKED).code == 3


def test_grants_are_read_only_if_access_is_missing(world: World):
    world.put_key_policy()
    assert world.check(only=ASKED).code == 0
    assert "kms:ListGrants" not in world.server.calls
