"""Tests `roles/adopt/restoration.py`, which restores roles to their state before the update."""

import json
import shlex
from collections.abc import Callable
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, OTHER_ACCOUNT
from roles.actions import CHANGES
from tests.helpers.stacks import Aws
from tests.helpers.state import declared
from tests.helpers.world import (
    NAME,
    OWN,
    TRUST,
    USER_ARN,
    WIDE,
    Output,
    World,
    allow,
    data_source_id,
    deny,
    own_policy,
    policy,
)
from tests.roles.adopt.help import Backend, put_role

pytestmark = pytest.mark.usefixtures("no_pause")

OTHER: Final = "QBusiness-DataSource-other"
CONSOLE: Final = "console's"
LIKE: Final = TRUST.replace("ArnEquals", "ArnLike")
ELSEWHERE: Final = f"arn:aws:qbusiness:eu-west-1:{ACCOUNT}:application/{'e' * 36}"
PERSON: Final = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/somebody"}
WRITES: Final = CHANGES["adopt"]
NEW: Final = "tickets-qbusiness-role-1234567"


STILL_OWNED: Final = (
    "adopt: the stack still owns the roles of these entries: before the next `pulumi up`, run `pulumi "
    "state delete`, and then remove the entries (docs/operate.md#one-role-of-several)\n"
)


def iam(world: World, name: str = NAME) -> tuple[str, dict[str, str], Any]:
    """Return a role's trust policy, inline policies, and all other properties."""
    aws = Aws({"AWS_ENDPOINT_URL": world.server.url})
    role = world.iam.get_role(RoleName=name)["Role"]
    attached = world.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    rest = {key: value for key, value in role.items() if key != "AssumeRolePolicyDocument"}
    return aws.trust_policy(name), aws.role_policies(name), (rest, attached)


def restore(world: World, *options: str) -> Output:
    return world.run("adopt", "--restore", "adopted-prod.json", "--yes", *options)


def make(world: World) -> str:
    """Create a data source whose role has a policy from the console; return the role's ARN."""
    document = own_policy().replace("Allows", "Lets").replace("{", '{"Id": "It\'s", ', 1)
    world.make(trust=LIKE, policies={CONSOLE: document}, role={"Path": "/q/"})
    return world.role_arn


def update(world: World, backend: Backend | None = None, name: str = NAME, *more: Any) -> None:
    """Change a role as `pulumi up` does. If a backend is passed, add the updated stack to it."""
    put_role(world, name, TRUST, own_policy(world.secret_arn))
    if backend:
        resources = declared("pages", world.role_arn, TRUST, own_policy(world.secret_arn))
        backend.add("prod", *resources, *more)


def make_two(world: World) -> None:
    """Create two data sources with separate roles."""
    make(world)
    role = world.role(OTHER, own_policy(world.secret_arn), trust=LIKE)
    world.add("Other", role, world.secret_arn)


def share(world: World, trust: str = LIKE) -> list[str]:
    """Create two data sources with one role, and return their IDs."""
    secret = world.secret("shared")
    shared = world.role("shared", own_policy(secret), trust=trust)
    return [world.add(name, shared, secret, "JIRA") for name in ("Tickets", "Intranet")]


def move(world: World, backend: Backend, *sources: str) -> str:
    """Assign a role from the stack to the data sources, and return the role's ARN."""
    new = world.role(NEW, own_policy("*"))
    backend.add("prod", *declared("tickets", new, TRUST, own_policy("*")))
    for identifier in sources:
        world.server.data_source(identifier)["roleArn"] = new
    return new


def roles_of(world: World, sources: list[str]) -> set[str]:
    return {world.server.data_source(each)["roleArn"] for each in sources}


@pytest.mark.parametrize("is_deployed", [True, False], ids=["state", "file"])
def test_roles_are_restored_at_any_stage_of_the_update(
    world: World, backend: Backend, *, is_deployed: bool
):
    make_two(world)
    assert world.adopt().code == 0
    before = iam(world), iam(world, OTHER)
    for stage in ("before the update", "after half of it", "after it"):
        if stage != "before the update":
            update(world, backend if is_deployed else None)
        if stage == "after it":
            put_role(world, OTHER, TRUST, own_policy(world.secret_arn))
        for text in ("restored", "already has its earlier documents"):
            said = restore(world)
            assert said.code == 0
            is_changed = stage != "before the update"
            assert (f"{NAME}: {text}" in said.out + said.err) is (text != "restored" or is_changed)
            assert (iam(world), iam(world, OTHER)) == before
        is_owned = f"\n  pages: {world.role_arn.replace(OTHER, NAME)}\n" in restore(world).err
        assert is_owned is (is_deployed and stage != "before the update")


def test_plan_shows_the_changes_and_needs_confirmation(world: World, backend: Backend):
    make(world)
    world.adopt()
    update(world, backend)
    after = iam(world)
    said = world.run("adopt", "--restore", "adopted-prod.json")
    assert (said.code, iam(world)) == (4, after)
    assert said.out == (
        f"{NAME}:\n"
        "  puts back trust policy\n"
        "    @@ -5,3 +5,3 @@\n"
        '        "Condition": {\n'
        '    -    "ArnEquals": {\n'
        '    +    "ArnLike": {\n'
        f'          "aws:SourceArn": "{APPLICATION_ARN}"\n'
        f"  deletes {OWN}\n"
    )
    assert world.run("adopt", "--restore", "adopted-prod.json", "--save", "back.json").code == 0
    said = world.run("adopt", "--apply", "back.json", "--yes")
    assert (said.code, f"{STILL_OWNED}  pages: {world.role_arn}\n" in said.err) == (0, True)
    assert OWN not in iam(world)[1]


def test_document_is_compared_with_the_deployed_document(world: World, backend: Backend):
    """A change to a setting after the import is a change by the stack, not by somebody else."""
    make(world)
    world.adopt()
    before = iam(world)
    newer = own_policy(world.secret("newer"))
    put_role(world, NAME, TRUST, newer)
    assert restore(world, "--cut-off", NAME).code == 1  # --cut-off applies only to trust policies
    said = restore(world)
    assert (said.code, f"{NAME}: somebody has since changed its {OWN}\n" in said.out) == (1, True)
    backend.add("prod", *declared("pages", world.role_arn, TRUST, newer))
    assert restore(world).code == 0
    assert iam(world) == before


def test_same_command_completes_restoration_interrupted_after_any_call(world: World, backend: Backend):
    make_two(world)
    identifier, *_ = share(world)
    world.adopt()
    before = iam(world), iam(world, OTHER)
    shared = world.server.data_source(identifier)["roleArn"]
    number = 0
    for number in range(1, 40):
        update(world, backend)
        put_role(world, OTHER, TRUST, own_policy(world.secret_arn))
        world.server.data_source(identifier)["roleArn"] = f"{shared}-deleted"
        with world.interrupted(number, lambda action: action in WRITES):
            code = restore(world).code
        if code == 0:
            break
        assert (code, restore(world).code) == (130, 0)
        assert (iam(world), iam(world, OTHER)) == before
        assert world.server.data_source(identifier)["roleArn"] == shared
    assert number == 5  # four writes: two documents of one role, one of the other, one data source


def test_options_without_effect_are_rejected(world: World):
    make(world)
    world.adopt()
    for option in (["--dry-run"], ["--exclude", data_source_id(1)]):
        assert restore(world, *option).rejection.startswith(
            "adopt: omit the option that would have no effect: "
        )
    assert (
        "does not contain all IDs in --data-source" in restore(world, "--data-source", "typo").rejection
    )
    assert "omit the option that would have no effect: " in world.adopt("--save", "plan.json").rejection


# Later changes by other users.


@pytest.mark.parametrize("fix", ["put-role-policy", "attach-role-policy", "set-default-policy-version"])
def test_role_that_has_lost_policies_is_not_changed(world: World, backend: Backend, fix: str):
    make(world)
    arn = world.attach(NAME, "Q")
    world.adopt()
    before = iam(world)
    update(world, backend)
    match fix:
        case "put-role-policy":  # `exclusivePolicies` would also delete this policy
            world.iam.delete_role_policy(RoleName=NAME, PolicyName=CONSOLE)
        case "attach-role-policy":
            world.iam.detach_role_policy(RoleName=NAME, PolicyArn=arn)
        case _:
            denial = policy(deny("*", "*"))
            world.iam.create_policy_version(PolicyArn=arn, PolicyDocument=denial, SetAsDefault=True)
    after = iam(world)
    said = restore(world)
    assert (said.code, iam(world)) == (1, after)
    text = "nothing changes, because policies that it had are missing or changed"
    assert f"  {NAME}: {text}\n" in said.out
    (command,) = [line for line in said.out.splitlines() if line.startswith("aws iam ")]
    _, _, operation, *options = shlex.split(command)
    assert operation == fix
    names = [name.title().replace("-", "") for name in options[::2]]
    getattr(world.iam, fix.replace("-", "_"))(**dict(zip(names, options[1::2], strict=True)))
    assert restore(world).code == 0
    assert iam(world) == before


def test_same_command_completes_a_saved_plan_after_a_failure(world: World):
    make(world)
    world.adopt()
    before = iam(world)
    update(world)
    world.run("adopt", "--restore", "adopted-prod.json", "--save", "back.json")
    world.reject("iam:DeleteRolePolicy")
    assert world.run("adopt", "--apply", "back.json", "--yes").code == 1
    world.server.rejections.clear()
    assert world.run("adopt", "--apply", "back.json", "--yes").code == 0
    assert iam(world) == before
    assert not [name for name in world.files if name.startswith("unfinished-")]


def test_restoration_keeps_policies_and_tags_changed_by_others(world: World):
    make(world)
    world.adopt()
    update(world)
    denial = policy(allow("s3:GetObject", "*"), deny("*", "*"))
    world.put_policy(denial, CONSOLE, NAME)
    world.put_policy(WIDE, "added", NAME)
    world.iam.tag_role(RoleName=NAME, Tags=[{"Key": "Team", "Value": "web"}])
    said = restore(world)
    assert said.code == 1
    assert f"  {NAME}: keeps later changes to {CONSOLE}, added, tags\n" in said.out
    assert f"{NAME}: put back, except for {CONSOLE}, added, which somebody has changed\n" in said.err
    assert "restored" not in said.err.replace("restored-prod", "")
    assert iam(world)[1].keys() == {CONSOLE, "added"}
    assert json.loads(iam(world)[1][CONSOLE]) == json.loads(denial)
    assert restore(world).code == 1


def test_principal_added_to_trust_policy_is_removed_only_with_cut_off(world: World, backend: Backend):
    make_two(world)
    world.adopt()
    before = iam(world), iam(world, OTHER)
    update(world, backend)
    put_role(world, OTHER, TRUST, own_policy(world.secret_arn))
    document = json.loads(TRUST)
    document["Statement"].append({"Effect": "Allow", "Principal": PERSON, "Action": "sts:AssumeRole"})
    world.iam.update_assume_role_policy(RoleName=NAME, PolicyDocument=json.dumps(document))
    said = restore(world)
    assert said.code == 1
    assert (
        f"  {NAME}: somebody has since changed its trust policy; to restore it anyway, pass --cut-off "
        f"{NAME}\n"
    ) in said.out
    assert json.loads(iam(world)[0]) == document
    assert iam(world, OTHER) == before[1]
    world.put_policy(WIDE, OWN, NAME)  # a change outside the trust policy
    assert restore(world, "--cut-off", NAME).code == 1
    world.put_policy(own_policy(world.secret_arn), OWN, NAME)
    assert restore(world, "--cut-off", NAME).code == 0
    assert (iam(world), iam(world, OTHER)) == before


@pytest.mark.parametrize("is_recreated", [True, False])
def test_deleted_or_recreated_role_is_not_changed(world: World, *, is_recreated: bool):
    make(world)
    world.adopt()
    world.iam.delete_role_policy(RoleName=NAME, PolicyName=CONSOLE)
    world.iam.delete_role(RoleName=NAME)
    text = "no longer exists, or was recreated"
    if is_recreated:
        world.role(NAME, trust=TRUST, Path="/q/")
    said = restore(world)
    assert (said.code, f"  {NAME}: {text}\n" in said.out) == (1, True)
    assert {*world.server.calls}.isdisjoint({"iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"})


def test_role_recreated_during_confirmation_is_not_changed(world: World):
    make(world)
    world.adopt()
    update(world)
    world.patch.setattr("roles.output.Output.can_ask", True)

    def said() -> str:
        for name in (CONSOLE, OWN):
            world.iam.delete_role_policy(RoleName=NAME, PolicyName=name)
        world.iam.delete_role(RoleName=NAME)
        world.role(NAME, own_policy(world.secret_arn), Path="/q/")
        world.server.calls.clear()
        return "y"

    world.patch.setattr("builtins.input", said)
    done = world.run("adopt", "--restore", "adopted-prod.json")
    assert (done.code, OWN in iam(world)[1]) == (1, True)
    assert f"{NAME} no longer exists, or was recreated\n" in done.err


# Failures.


def test_rejected_write_affects_only_its_role_and_a_second_run_succeeds(world: World):
    make_two(world)
    world.adopt()
    before = iam(world), iam(world, OTHER)
    update(world)
    put_role(world, OTHER, TRUST, WIDE)
    assert f"{OTHER}: somebody has since changed its {OWN}\n" in restore(world).out
    put_role(world, OTHER, TRUST, own_policy(world.secret_arn))
    update(world)
    world.reject("iam:DeleteRolePolicy")
    said = restore(world)
    assert said.code == 1
    assert f"{NAME}: iam:DeleteRolePolicy is not allowed" in said.err
    assert iam(world, OTHER) == before[1]
    world.server.rejections.clear()
    assert restore(world).code == 0
    assert (iam(world), iam(world, OTHER)) == before


def test_role_that_differs_from_plan_is_not_reported_as_restored(world: World):
    make(world)
    world.adopt()
    update(world)
    world.server.spoil["iam:GetRole"] = lambda body: body.replace(b"ArnLike", b"ArnEquals")
    said = restore(world)
    assert (said.code, f"{NAME}: differs from the plan:\n" in said.err) == (1, True)
    assert f"{NAME}: restored" not in said.err


def test_role_with_unreadable_policies_is_not_restored(world: World):
    make(world)
    world.attach(NAME, "Q")
    world.adopt()
    update(world)
    world.reject("iam:ListAttachedRolePolicies")
    text = "iam:ListAttachedRolePolicies is not allowed"
    said = restore(world)
    assert (said.code, f"  {NAME}: {text}, so the role's policies are unknown\n" in said.out) == (
        1,
        True,
    )
    put_role(world, NAME, LIKE, own_policy(world.secret_arn))
    assert f"warning: {text}" in world.adopt().out
    world.server.rejections.clear()
    update(world)
    said = restore(world)
    unknown = (
        f"cannot tell whether its attached policies have changed, because {text} when `adopt` wrote "
    )
    unknown = unknown.replace("is not allowed", "was not allowed")
    assert (said.code, f"  {NAME}: {unknown}the file\n" in said.out) == (1, True)
    assert f"{NAME}: put back; {unknown}the file\n" in said.err
    assert "changes to" not in said.out


OLDER: Final = (
    '{"stack": "a", "application": "b", "roles": [{"role": {"arn": "c", "newer": 1}}], "dataSources": '
    '[{"role": "c", "data_source": {"id": "d"}}]}'
)


@pytest.mark.parametrize("content", ["[", "{}", '{"roles": 1}', OLDER])
def test_file_that_is_not_from_adopt_is_rejected(world: World, content: str):
    world.path("adopted-prod.json").write_text(content)
    assert restore(world).rejection.startswith("adopt: adopted-prod.json is not a ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stack", "prod --config-file=x"),
        ("account", ""),
        ("account", OTHER_ACCOUNT),
        ("region", "eu-west-1"),
        ("application", "x"),
        ("roles", [{"role": {}}]),
    ],
)
def test_file_with_an_invalid_value_is_rejected(world: World, name: str, text: object):
    make(world)
    world.adopt()
    edit(world, lambda saved: saved.update({name: text}))
    assert restore(world).rejection.startswith("adopt: adopted-prod.json is not a file that `adopt`")
    assert world.server.calls == []


def test_nothing_is_restored_with_credentials_for_another_account(world: World):
    make(world)
    world.adopt()
    caller = {"UserId": "AIDA", "Account": OTHER_ACCOUNT, "Arn": USER_ARN}
    world.server.answers["sts:GetCallerIdentity"] = caller
    assert f"the credentials are for account {OTHER_ACCOUNT}" in restore(world).rejection
    assert {*world.server.calls} == {"sts:GetCallerIdentity"}


# Files that somebody has edited.


def edit(world: World, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the file that `adopt` wrote."""
    path = world.path("adopted-prod.json")
    saved = json.loads(path.read_text())
    change(saved)
    path.write_text(json.dumps(saved))


def trust_other_account(saved: dict[str, Any]) -> None:
    principal = {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    saved["roles"][0]["role"]["trust_policy"]["Statement"].append(statement)


@pytest.mark.parametrize("evidence", ["settings", "state", "import", ""])
def test_only_roles_that_the_stack_declares_are_restored(world: World, backend: Backend, evidence: str):
    make(world)
    world.adopt()
    before = iam(world)
    update(world)
    after = iam(world)
    if evidence != "settings":
        world.path("Pulumi.prod.yaml").write_text("config: {}")
        resources = declared("pages", world.role_arn, TRUST, own_policy(world.secret_arn))
        backend.add("prod", *{"state": resources, "import": resources[:2]}.get(evidence, ()))
    said = restore(world)
    if evidence:
        assert (said.code, iam(world)) == (0, before)
    else:
        assert (said.code, iam(world)) == (1, after)
        assert said.out == (
            f"Left out:\n  {NAME}: nothing changes, because neither the state of stack prod nor "
            "Pulumi.prod.yaml contains this role\nNothing to change.\n"
        )


def test_trust_policy_in_the_file_must_accept_the_application(world: World):
    make(world)
    world.adopt()
    update(world)
    after = iam(world)
    document = json.loads(LIKE.replace(APPLICATION_ARN, ELSEWHERE))
    edit(world, lambda saved: saved["roles"][0]["role"].update(trust_policy=document))
    said = restore(world)
    text = f"nothing changes, because its trust policy in the file does not accept {APPLICATION_ARN}"
    assert (said.code, f"  {NAME}: {text}\n" in said.out, iam(world)) == (1, True, after)


def test_plan_begins_with_dangers_of_documents_to_restore(world: World):
    make_two(world)
    world.adopt()
    update(world)
    edit(world, trust_other_account)
    edit(world, lambda saved: saved["roles"][1]["role"]["inline_policies"].update(x=json.loads(WIDE)))
    said = world.run("adopt", "--restore", "adopted-prod.json")
    assert said.code == 4
    assert said.out.startswith(
        f"dangerous: {NAME}: the trust policy to put back: trusts another account\n"
        f"dangerous: {OTHER}: the policy x to put back: administrator access\n"
    )


@pytest.mark.parametrize("is_detached", [True, False])
def test_danger_of_attached_policy_is_that_of_the_policy_in_aws(world: World, *, is_detached: bool):
    make(world)
    arn = world.attach(NAME, "Q")
    world.adopt()
    if is_detached:
        world.iam.detach_role_policy(RoleName=NAME, PolicyArn=arn)
    else:
        harmless = policy(allow("sqs:ListQueues", "*"))
        world.iam.create_policy_version(PolicyArn=arn, PolicyDocument=harmless, SetAsDefault=True)
    edit(world, lambda saved: saved["roles"][0]["role"].update(attached_policies={}))
    assert restore(world).out.startswith(
        f"dangerous: {NAME}: the policy {arn} to put back: administrator access\n"
    )


def test_plan_is_printed_before_it_is_applied_as_json(world: World):
    make(world)
    world.adopt()
    update(world)
    printed: list[str] = []

    def note(body: bytes) -> bytes:
        printed.append(world.capsys.readouterr().err)
        return body

    world.server.spoil["iam:UpdateAssumeRolePolicy"] = note
    assert restore(world, "--json").json["done"] == [True]
    assert f"adopt: applying this plan:\n{NAME}:\n  puts back trust policy\n" in printed[0]


# Data sources with new roles.


@pytest.mark.parametrize("takes", [False, True])
def test_data_sources_get_their_earlier_role_back(world: World, backend: Backend, *, takes: bool):
    sources = share(world)
    shared = roles_of(world, sources)
    world.adopt(*(("--take", sources[1]) if takes else ()))
    before = iam(world, "shared")
    move(world, backend, *(sources[:1] if takes else sources))
    if takes:
        put_role(world, "shared", TRUST, own_policy(world.secret("other")))
        assert restore(world).code == 1  # the update did not write this policy
        put_role(world, "shared", TRUST, before[1][OWN])
    world.server.data_source(sources[0])["description"] = "new"
    assert restore(world).code == 0
    assert roles_of(world, sources) == shared
    assert iam(world, "shared") == before
    assert world.server.data_source(sources[0])["description"] == "new"
    world.server.qbusiness.resources.pop((APPLICATION_ID, INDEX_ID, sources[0]))
    assert f"Tickets {sources[0]} no longer exists\n" in restore(world).out


def test_only_the_selected_data_source_gets_its_earlier_role_back(world: World, backend: Backend):
    sources = share(world)
    world.adopt()
    new = move(world, backend, *sources)
    assert restore(world, "--data-source", sources[0]).code == 0
    assert [world.server.data_source(each)["roleArn"] == new for each in sources] == [False, True]


def test_data_source_keeps_a_role_that_somebody_else_assigned(world: World, backend: Backend):
    sources = share(world)
    world.adopt()
    move(world, backend, *sources)
    mine = world.role("mine")
    world.server.data_source(sources[0])["roleArn"] = mine
    said = restore(world)
    assert said.code == 1
    assert f"Tickets {sources[0]}: keeps {mine}, which is not a role of stack prod\n" in said.out
    assert world.server.data_source(sources[0])["roleArn"] == mine


@pytest.mark.parametrize("case", ["rejects", "deleted", "recreated", "lost a policy"])
def test_unusable_earlier_role_is_not_restored(world: World, backend: Backend, case: str):
    sources = share(world)
    world.put_policy(WIDE, CONSOLE, "shared")
    world.adopt()
    new = move(world, backend, *sources)
    text = f"does not get arn:aws:iam::{ACCOUNT}:role/shared back: "
    if case == "rejects":
        trust = LIKE.replace(APPLICATION_ARN, ELSEWHERE)
        world.iam.update_assume_role_policy(RoleName="shared", PolicyDocument=trust)
        text = f"arn:aws:iam::{ACCOUNT}:role/shared does not accept {APPLICATION_ARN}"
    else:
        world.iam.delete_role_policy(RoleName="shared", PolicyName=CONSOLE)
    if case in ("deleted", "recreated"):
        world.iam.delete_role_policy(RoleName="shared", PolicyName=OWN)
        world.iam.delete_role(RoleName="shared")
    if case == "recreated":
        world.role("shared", trust=LIKE)
    said = restore(world)
    assert (said.code, roles_of(world, sources)) == (1, {new})
    assert f"Tickets {sources[0]}: {text}" in said.out
    assert f"Intranet {sources[1]}: {text}" in said.out


def test_data_source_keeps_new_role_if_earlier_role_is_not_restored(world: World, backend: Backend):
    sources = share(world)
    world.adopt("--take", sources[1])
    new = move(world, backend, sources[0])
    trust = TRUST
    world.iam.update_assume_role_policy(RoleName="shared", PolicyDocument=trust)
    world.reject("iam:UpdateAssumeRolePolicy")
    said = restore(world)
    assert said.code == 1
    assert f"Tickets {sources[0]}: unchanged, because " in said.err
    assert world.server.data_source(sources[0])["roleArn"] == new
    assert data_source_id(1) == sources[0]
