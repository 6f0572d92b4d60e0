"""`roles audit` lists the roles that only Amazon Q Business can assume and that no data source uses."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import pytest
from botocore.exceptions import ClientError

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, OTHER_ACCOUNT, REGION
from roles.audit.unused import UnusedRole, find_unused
from tests.helpers.world import TRUST, World
from tests.roles.audit.help import complete_world

ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/qbusiness-Old"
OTHER_ARN: Final = APPLICATION_ARN.replace(APPLICATION_ID, "b" * 36)
NOT_AUDITED: Final = APPLICATION_ARN.replace(APPLICATION_ID, "c" * 36)


def unused(world: World, *arguments: str) -> list[str]:
    """Return the names of the unused roles."""
    found = world.audit("--json", *arguments)
    assert found.code == 0
    return [role["role"].rpartition("/")[2] for role in found.json["unused"]]


def changed(more: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return the trust policy with changes to its statement, without the elements that are None."""
    document = json.loads(TRUST)
    (statement,) = document["Statement"]
    kept = {name: its for name, its in {**statement, **changes}.items() if its is not None}
    second = [{"Action": "sts:AssumeRole", **more}] if more else []
    return json.dumps({**document, "Statement": [kept, *second]})


class Stub:
    """An account with roles of these trust policies."""

    def __init__(self, *policies: str, error: ClientError | None = None) -> None:
        self.policies, self.error = policies, error

    def roles(self) -> list[dict[str, Any]]:
        created = datetime(2026, 1, 2, tzinfo=UTC)
        names = ("Arn", "RoleName", "AssumeRolePolicyDocument", "CreateDate")
        return [
            dict(zip(names, (f"{ROLE}-{number}", str(number), trust, created), strict=True))
            for number, trust in enumerate(self.policies)
        ]

    def last_used(self, name: str) -> datetime | None:
        if self.error:
            raise self.error
        return datetime(2026, 10, 1, 23, 59, tzinfo=UTC) if name == "1" else None


@pytest.mark.parametrize(
    ("trust", "listed"),
    [
        (TRUST, True),
        (TRUST.replace("ArnEquals", "ArnLike"), True),
        (TRUST.replace(APPLICATION_ID, "*").replace("ArnEquals", "ArnLike"), False),
        (TRUST.replace(APPLICATION_ID, "b" * 36), True),
        (TRUST.replace(APPLICATION_ARN, NOT_AUDITED), False),
        (TRUST.replace(REGION, "eu-west-1"), False),
        (TRUST.replace(ACCOUNT, OTHER_ACCOUNT), False),
        (changed(Condition={}), False),
        (changed(Condition={"ArnEquals": {"aws:SourceArn": [APPLICATION_ARN, OTHER_ARN]}}), True),
        (changed(Condition={"ArnEquals": {"aws:SourceArn": [APPLICATION_ARN, NOT_AUDITED]}}), False),
        (changed(Principal={"Service": ["qbusiness.amazonaws.com", "ec2.amazonaws.com"]}), False),
        (changed(Principal={"Service": "application.qbusiness.amazonaws.com"}), False),
        (changed(Principal=None, NotPrincipal={"Service": "qbusiness.amazonaws.com"}), False),
        (changed(Effect="Deny"), False),
        # Every Allow statement counts; a Deny statement adds no principal.
        (changed(more={"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}), False),
        (changed(more={"Effect": "Deny", "Principal": {"Service": "ec2.amazonaws.com"}}), True),
    ],
)
def test_listed_role_trusts_only_audited_applications(trust: str, listed: bool):
    account = cast("Any", Stub(trust))
    found = [*find_unused(account, [OTHER_ARN, APPLICATION_ARN], [])]
    assert [each.arn for each in found] == [f"{ROLE}-0"] * listed


def test_unused_roles_have_their_last_use_if_it_can_be_read():
    account = cast("Any", Stub(TRUST, TRUST, TRUST))
    found = [*find_unused(account, [APPLICATION_ARN], [f"{ROLE}-2"])]
    assert [(each.arn, each.last_used) for each in found] == [
        (f"{ROLE}-0", "none"),
        (f"{ROLE}-1", "2026-10-01"),
    ]
    error: Any = {"Error": {"Code": "AccessDenied"}}
    account = cast("Any", Stub(TRUST, error=ClientError(error, "GetRole")))
    assert [each.last_used for each in find_unused(account, [APPLICATION_ARN], [])] == [""]


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(days=400, minutes=1), "not used in the last 400 days"),
        (timedelta(days=400, minutes=-1), "created on {:%Y-%m-%d}, not used yet"),
    ],
)
def test_age_decides_whether_an_unused_role_is_new(age: timedelta, text: str):
    created = datetime.now(UTC) - age
    assert UnusedRole(ROLE, "none", created).text == text.format(created)


@pytest.mark.slow
def test_enrichment_role_counts_as_used(world: World):
    role_arn = world.role("qbusiness-Old")
    hook = {"preExtractionHookConfiguration": {"roleArn": role_arn}}
    world.add_own()
    world.add("Hooked", world.role_arn, world.secret_arn, documentEnrichmentConfiguration=hook)
    assert unused(world) == []


@pytest.mark.slow
def test_no_role_is_listed_for_partly_read_application(world: World):
    complete_world(world)
    world.role("qbusiness-Old")
    world.reject("qbusiness:GetDataSource")
    found = world.audit("--json").json
    assert (found["unused"], found["accounts"][0]["unlisted"]) == (
        [],
        "no application was read completely",
    )


@pytest.mark.slow
def test_missing_list_roles_permission_keeps_exit_code(world: World):
    complete_world(world)
    world.reject("iam:ListRoles")
    said = world.audit()
    assert (said.code, said.err) == (
        0,
        "audit: did not look for roles that no data source uses: iam:ListRoles is not allowed\n",
    )
