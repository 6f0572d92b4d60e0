"""`roles adopt` makes room for the role policy among the inline policies of a role."""

import json
import re
from typing import Final

import pytest

from evidence.examples import ACCOUNT
from sandbox.environment import PROJECT
from tests.helpers.support import size
from tests.helpers.world import NAME, World, own_policy, policy
from tests.roles.adopt.help import accesses, large

pytestmark = pytest.mark.slow

PAGE: Final = PROJECT / "docs" / "adopt.md"


ROLE_POLICY_SIZE = size(own_policy()) - len("SECRET")
"""Without the secret's ARN, whose length depends on the account."""


def test_a_role_with_room_for_the_role_policy_gets_no_warning(world: World):
    world.make()
    most = 10_240 - ROLE_POLICY_SIZE - len(world.secret_arn)
    world.put_policy(large("full", most), "full", NAME)
    said = world.adopt("--json")
    assert said.json["inlinePolicies"] == {
        "maximum": 10_240,
        "kept": {"full": most},
        "rolePolicy": 10_240 - most,
        "excess": 0,
        "copies": [],
        "copy": "",
        "delete": "",
    }
    assert "warning" not in said.err
    assert "No room" not in world.adopt("--force").out


def test_a_role_without_room_gets_a_warning_and_the_commands_that_make_room(world: World):
    world.make(policies={"a": large("a", 4_400), "b's": large("b", 5_022)}, role={"Path": "/q/"})
    added = ROLE_POLICY_SIZE + len(world.secret_arn)
    excess = 9_422 + added - 10_240
    said = world.adopt()
    assert said.code == 0
    assert (
        f"adopt: warning: the role's inline policies leave no room for the role policy, by {excess} "
        "characters: `pulumi up` would fail with LimitExceeded"
    ) in said.err.splitlines()
    copy = f"{NAME}-copy-1"
    assert said.out.partition("\nNo room ")[2] == (
        "for the role policy: the inline policies of a role may have 10,240 characters together, "
        "without whitespace.\n"
        "   4,400  a, kept\n"
        "   5,022  b's, kept\n"
        f"  {added:6,}  qbusiness-aem-connector, written by `pulumi up`\n"
        f"  {excess:6,}  over the limit\n"
        "Before `pulumi up`, which would fail after it has updated the trust policy,\n"
        "create managed policies from b's. The role keeps all its permissions in the meantime.\n"
        "\n"
        "1. Copy and attach:\n"
        "\n"
        f"aws iam create-policy --policy-name {copy} --policy-document file://policy-copy-1.json &&\n"
        f"aws iam attach-role-policy --role-name {NAME} "
        f"--policy-arn arn:aws:iam::{ACCOUNT}:policy/{copy}\n"
        "\n"
        "2. Wait a minute, until the copies take effect everywhere. Then delete the originals:\n"
        "\n"
        f"aws iam delete-role-policy --role-name {NAME} --policy-name 'b'\\''s'\n"
        "\n"
        "Written: Pulumi.prod.yaml, import.json, policy-copy-1.json. Next steps: docs/adopt.md.\n"
        "After these commands, import the role, which changes nothing in AWS:\n"
        "\n"
        "pulumi import --stack prod --file import.json --yes --protect=false --generate-code=false\n"
    )
    assert world.path("policy-copy-1.json").read_text() == (
        json.dumps(json.loads(large("b", 5_022)), indent=2) + "\n"
    )
    assert "and policy-copy-1.json would be overwritten: pass --force" in world.adopt().err


def test_no_file_of_a_copy_is_overwritten_without_force(world: World):
    world.make(policies={"a": large("a", 9_422)})
    existing = world.path("policy-copy-2.json")
    existing.write_text("mine")
    said = world.adopt()
    assert said.code == 2
    assert "adopt: policy-copy-2.json would be overwritten: pass --force" in said.err
    assert [existing.read_text(), *world.directory.glob("import.json")] == ["mine"]
    assert world.adopt("--force").code == 0
    assert existing.read_text() != "mine"


@pytest.mark.parametrize(
    ("characters", "parts", "copies"), [(9_422, 5, 2), (9_422, 1, 2), (6_144, 1, 1)]
)
def test_a_policy_larger_than_a_managed_policy_is_divided_without_loss(
    world: World, characters: int, parts: int, copies: int
):
    document = large("a", characters, parts)
    world.make(policies={"a": document, "b": large("b", 4_000)})
    found = world.adopt("--json").json["inlinePolicies"]
    documents = [copy["document"] for copy in found["copies"]]
    assert len(documents) == copies
    assert all(size(json.dumps(document)) <= 6_144 for document in documents)
    assert accesses(*documents) == accesses(json.loads(document))
    assert {document["Version"] for document in documents} == {"2012-10-17"}
    for document in documents:
        sids = [statement["Sid"] for statement in document["Statement"] if "Sid" in statement]
        assert len(set(sids)) == len(sids)


def test_a_policy_that_cannot_be_divided_must_be_shortened(world: World):
    resources = json.loads(large("a", 9_422))["Statement"][0]["Resource"]
    everything_but = policy({"Effect": "Allow", "NotAction": "iam:*", "NotResource": resources})
    world.make(policies={"a": everything_but})
    excess = size(everything_but) + ROLE_POLICY_SIZE + len(world.secret_arn) - 10_240
    said = world.adopt()
    assert (
        f"shorten the kept policies by {excess} characters: they contain statements too large"
        in said.out
    )
    assert "aws iam" not in said.out
    assert "Written: Pulumi.prod.yaml, import.json. Next steps" in said.out


def test_exceeding_the_quota_for_managed_policies_is_reported(world: World):
    world.make(policies={"a": large("a", 9_422)})
    for number in range(9):
        world.attach(NAME, f"p{number}")
    said = world.adopt("--dry-run").out
    assert (
        "That makes 11 managed policies: request an increase of IAM's quota, by default 10 per role."
        in said
    )
    assert "Without --dry-run, adopt writes the documents and prints the commands." in said
    assert "aws iam" not in said


def test_a_copy_never_takes_the_name_of_another_policy(world: World):
    world.make(policies={"a": large("a", 9_422)})
    # IAM's names are unique whatever their case and path.
    for name in (f"{NAME}-copy-1", f"{NAME.lower()}-COPY-3"):
        world.managed(name, Path="/other/")
    copies = world.adopt("--json").json["inlinePolicies"]["copies"]
    assert [(copy["name"], copy["file"]) for copy in copies] == [
        (f"{NAME}-copy-2", "policy-copy-1.json"),
        (f"{NAME}-copy-4", "policy-copy-2.json"),
    ]
    world.refuse("iam:ListPolicies")
    said = world.adopt("--json", "--force")
    assert said.code == 0
    assert "warning: iam:ListPolicies is not allowed: if create-policy fails" in said.err


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (
            "iam:ListAttachedRolePolicies",
            "The number of managed policies attached to the role could not",
        ),
        ("iam:GetPolicy", "That makes 11 managed policies"),
        ("iam:GetPolicyVersion", "That makes 11 managed policies"),
    ],
)
def test_attached_policies_count_even_if_they_cannot_be_read(world: World, action: str, expected: str):
    world.make(policies={"a": large("a", 9_422)})
    for number in range(9):
        world.attach(NAME, f"p{number}")
    world.refuse(action)
    assert expected in world.adopt("--dry-run").out


def test_the_page_shows_the_commands_that_make_room(world: World):
    world.make(policies={"template": large("a", 9_422, 5)}, role={"Path": "/service-role/"})
    shown = re.findall(r"```text\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)[1]
    assert shown in world.adopt().out
