"""The script that `roles adopt` writes restores roles and data sources, however often it runs."""

import json
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, OTHER_ACCOUNT
from tests.helpers.stacks import Aws
from tests.helpers.world import NAME, OWN, TRUST, WIDE, World, own_policy
from tests.roles.adopt.help import sh

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aws_cli")]

SCRIPT: Final = "sh restore-prod-1.sh"
DELETED: Final = "AROAEXAMPLEDELETED001"
OTHER: Final = "QBusiness-DataSource-other"
CONSOLE: Final = "console's"
ELSEWHERE: Final = f"arn:aws:qbusiness:eu-west-1:{ACCOUNT}:application/{'e' * 36}"


def iam(world: World, name: str = NAME) -> tuple[str, dict[str, str], list[str]]:
    """Return a role's trust policy, inline policies, and the ARNs of its attached policies."""
    aws = Aws({"AWS_ENDPOINT_URL": world.server.url})
    attached = world.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return aws.trust_policy(name), aws.role_policies(name), [each["PolicyArn"] for each in attached]


def update(world: World, name: str = NAME, replaced: str = "") -> None:
    """Make the changes that `pulumi up` would make."""
    world.iam.update_assume_role_policy(RoleName=name, PolicyDocument=TRUST)
    world.put_policy(own_policy(world.secret_arn), OWN, name)
    if replaced:
        world.iam.delete_role_policy(RoleName=name, PolicyName=replaced)


def make_two(world: World) -> None:
    """Create two data sources, each with a role of its own that the update changes."""
    trust = TRUST.replace("ArnEquals", "ArnLike")
    document = own_policy().replace("Allows", "Lets").replace("{", '{"Id": "It\'s", ', 1)
    world.make(trust=trust, policies={CONSOLE: document}, role={"Path": "/q/"})
    role = world.role(OTHER, own_policy(world.secret_arn), trust=trust)
    world.add("Other", role, world.secret_arn)


def test_script_restores_only_the_given_role(world: World):
    make_two(world)
    world.adopt("--all")
    before = iam(world, OTHER)
    update(world, replaced=CONSOLE)
    update(world, OTHER)
    changed = iam(world)
    assert sh(world, f"{SCRIPT} {OTHER}").returncode == 0
    assert (iam(world), iam(world, OTHER)) == (changed, before)


def test_script_can_run_twice_at_any_stage_of_the_update(world: World):
    make_two(world)
    world.adopt("--all")
    before = iam(world), iam(world, OTHER)
    for stage in ("before the update", "after half of it", "after it"):
        if stage != "before the update":
            update(world)  # the replaced policy is deleted last
        if stage == "after it":
            update(world, replaced=CONSOLE)
            update(world, OTHER)
        for _ in range(2):
            done = sh(world, SCRIPT)
            assert (done.returncode, done.stderr) == (0, "")
            assert (iam(world), iam(world, OTHER)) == before


def test_a_role_that_no_longer_exists_is_skipped(world: World):
    make_two(world)
    world.adopt("--all")
    world.iam.delete_role_policy(RoleName=OTHER, PolicyName=OWN)
    world.iam.delete_role(RoleName=OTHER)
    update(world)
    done = sh(world, SCRIPT)
    assert done.returncode == 0
    assert done.stderr == f"{OTHER}: skipped, because it no longer exists\n"
    assert done.stdout == f"{NAME}: restored\n"
    assert iam(world)[1].keys() == {CONSOLE}


def test_deleted_principals_are_listed_and_left_out(world: World):
    document = json.loads(TRUST)
    document["Statement"] += [
        {"Effect": "Allow", "Principal": {"AWS": DELETED}, "Action": "sts:AssumeRole"},
        {
            "Effect": "Allow",
            "Principal": {"Service": "qbusiness.amazonaws.com", "AWS": [DELETED, "*"]},
            "Action": "sts:TagSession",
        },
    ]
    world.make(trust=json.dumps(document))
    world.adopt()
    update(world)
    done = sh(world, SCRIPT)
    assert done.returncode == 0
    text = f"{NAME}: IAM rejects deleted principals, so these are not restored: {DELETED}\n"
    assert done.stderr == text
    first, second = json.loads(iam(world)[0])["Statement"]
    assert first == document["Statement"][0]
    assert second["Principal"] == {"Service": "qbusiness.amazonaws.com", "AWS": ["*"]}


def test_policies_are_restored_despite_rejected_trust_policy(world: World):
    make_two(world)
    world.adopt("--all")
    before = iam(world)
    update(world, replaced=CONSOLE)
    world.reject("iam:UpdateAssumeRolePolicy", status=400, code="MalformedPolicyDocument")
    done = sh(world, f"{SCRIPT} {NAME}")
    assert done.returncode == 1
    assert "MalformedPolicyDocument" in done.stderr
    assert iam(world)[1][CONSOLE] == before[1][CONSOLE]


def test_error_with_one_role_does_not_stop_other_restorations(world: World):
    make_two(world)
    world.adopt("--all")
    before = iam(world, OTHER)
    update(world, OTHER)
    script = world.path("restore-prod-1.sh")
    put = f"  aws iam put-role-policy --role-name {NAME} "
    broken = f"  aws iam no-such-operation || return 1\n{put}"
    script.write_text(script.read_text().replace(put, broken))
    done = sh(world, SCRIPT)
    assert done.returncode != 0
    assert f"{NAME}: not restored\n" in done.stderr
    assert iam(world, OTHER) == before


@pytest.mark.parametrize("inline", [{}, {OWN: own_policy()}], ids=["no inline policy", "role policy"])
def test_deleted_policy_is_recreated_and_attached(world: World, inline: dict[str, str]):
    world.make(policies=inline)
    tags = [{"Key": "Team", "Value": "search's"}]
    document = own_policy(world.secret_arn)
    arn = world.attach(NAME, "Q-Business", document, Path="/q/", Description="It's ours", Tags=tags)
    world.adopt()
    update(world)
    world.iam.detach_role_policy(RoleName=NAME, PolicyArn=arn)
    world.iam.delete_policy(PolicyArn=arn)
    for _ in range(2):
        assert sh(world, SCRIPT).returncode == 0
        found: Any = world.iam.get_policy(PolicyArn=arn)["Policy"]
        assert (found["Description"], found["Tags"]) == ("It's ours", tags)
        version = world.iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
        assert version["Document"] == json.loads(document)
        assert (iam(world)[1].keys(), iam(world)[2]) == (inline.keys(), [arn])


def share(world: World, trust: str = TRUST) -> list[str]:
    """Create two data sources that share a role, and return their IDs."""
    secret = world.secret("shared")
    shared = world.role("shared", own_policy(secret), trust=trust)
    return [world.add(name, shared, secret) for name in ("One", "Two")]


def move(world: World, *sources: str) -> str:
    """Give data sources a new role, and return its ARN."""
    new = world.role("new", own_policy("*"))
    for identifier in sources:
        world.server.data_source(identifier)["roleArn"] = new
    return new


def roles_of(world: World, sources: list[str]) -> set[str]:
    return {world.server.data_source(each)["roleArn"] for each in sources}


def test_data_sources_get_their_shared_role_back(world: World):
    sources = share(world)
    shared = roles_of(world, sources)
    world.adopt("--all")
    move(world, *sources)
    assert sh(world, f"{SCRIPT} shared").returncode == 0
    assert roles_of(world, sources) == shared
    world.server.qbusiness.resources.pop((APPLICATION_ID, INDEX_ID, sources[0]))
    done = sh(world, SCRIPT)
    assert done.returncode == 0
    assert done.stderr == f"skipped: One {sources[0]} no longer exists\n"


def test_data_source_gets_its_role_back_from_the_one_that_takes_it(world: World):
    sources = share(world, TRUST.replace("ArnEquals", "ArnLike"))
    shared = roles_of(world, sources)
    world.adopt("--all", "--take", sources[1])
    move(world, sources[0])
    assert sh(world, SCRIPT).returncode == 0
    assert roles_of(world, sources) == shared


def accept(world: World, name: str, application: str) -> None:
    """Let another application use a role, instead of its own."""
    trust = TRUST.replace(APPLICATION_ARN, application)
    world.iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)


def test_nothing_changes_if_one_role_accepts_another_application_by_now(world: World):
    make_two(world)
    world.adopt("--all")
    before = iam(world), iam(world, OTHER)
    update(world, replaced=CONSOLE)
    accept(world, OTHER, ELSEWHERE)
    changed = iam(world), iam(world, OTHER)
    done = sh(world, SCRIPT)
    assert done.returncode == 1
    assert done.stderr == (
        f"{OTHER}: its trust policy now names {ELSEWHERE}, which the saved one does not, so the data "
        "sources of this application would lose access: give them another role first, or pass "
        f"--cut-off {OTHER}\nnothing was changed\n"
    )
    assert (iam(world), iam(world, OTHER)) == changed
    for options, name in (
        ("--cut-off", "--cut-off"),
        ("--cut-off Nobody", "Nobody"),
        (f"--cut-off {OTHER} Nobody", "Nobody"),
    ):
        done = sh(world, f"{SCRIPT} {options}")
        rejection = f"{name}: this script does not restore a role with this name\n"
        assert (done.returncode, done.stderr) == (2, rejection)
    assert (iam(world), iam(world, OTHER)) == changed
    done = sh(world, f"{SCRIPT} --cut-off {OTHER}")
    assert (done.returncode, done.stderr) == (0, f"{OTHER}: {ELSEWHERE} loses access\n")
    assert (iam(world), iam(world, OTHER)) == before


@pytest.mark.parametrize("saved", ["a pattern", "no condition"])
def test_saved_trust_policy_that_covers_the_application_is_restored(world: World, saved: str):
    document = json.loads(TRUST)
    if saved == "a pattern":
        document["Statement"][0]["Condition"]["ArnLike"] = {"aws:SourceArn": f"{ELSEWHERE[:-30]}*"}
        del document["Statement"][0]["Condition"]["ArnEquals"]
    else:
        del document["Statement"][0]["Condition"]
    world.make(trust=json.dumps(document))
    world.adopt()
    accept(world, NAME, ELSEWHERE)
    assert sh(world, SCRIPT).returncode == 0
    assert json.loads(iam(world)[0]) == document


def test_data_source_does_not_get_role_back_that_rejects_its_application(world: World):
    sources = share(world)
    world.adopt("--all")
    new = move(world, *sources)
    accept(world, "shared", ELSEWHERE)
    done = sh(world, SCRIPT)
    assert done.returncode == 1
    assert f"names only other applications, not {APPLICATION_ARN}: first restore it" in done.stderr
    world.iam.delete_role_policy(RoleName="shared", PolicyName=OWN)
    world.iam.delete_role(RoleName="shared")
    done = sh(world, SCRIPT)
    assert done.returncode == 1
    assert "shared: no longer exists, so no data source can get it back" in done.stderr
    assert roles_of(world, sources) == {new}


def test_earlier_script_waits_for_the_later_one(world: World):
    make_two(world)
    world.adopt("--all")
    before = iam(world)
    update(world, replaced=CONSOLE)
    world.put_policy(WIDE, "more", NAME)
    world.iam.update_assume_role_policy(
        RoleName=NAME, PolicyDocument=TRUST.replace("ArnEquals", "ArnLike")
    )
    world.adopt("--all", "--force")
    update(world)
    done = sh(world, f"{SCRIPT} {NAME}")
    assert done.returncode == 1
    assert f"{NAME}: restore-prod-2.sh is later and restores the role, too" in done.stderr
    assert sh(world, f"sh restore-prod-2.sh {NAME}").returncode == 0
    assert sh(world, f"{SCRIPT} {NAME}").returncode == 0
    assert iam(world)[0] == before[0]
    assert sh(world, SCRIPT).returncode == 1  # the later script has not restored the other role


def test_role_is_restored_only_if_iam_shows_it(world: World):
    world.make(trust=TRUST.replace("ArnEquals", "ArnLike"))
    world.adopt()
    update(world)
    world.server.spoil["iam:GetRole"] = lambda body: body.replace(b"ArnLike", b"ArnEquals")
    done = sh(world, SCRIPT)
    assert done.returncode == 1
    assert "IAM does not show the restored document: aws iam get-role" in done.stderr
    assert done.stderr.endswith(f"{NAME}: not restored\n")


def test_credentials_of_another_account_restore_nothing(world: World):
    make_two(world)
    world.adopt("--all")
    world.server.answers["sts:GetCallerIdentity"] = {"Account": OTHER_ACCOUNT}
    done = sh(world, SCRIPT)
    assert done.returncode == 1
    assert done.stderr == (
        f"the credentials are for account {OTHER_ACCOUNT}, the roles in account {ACCOUNT}: set "
        "AWS_PROFILE\n"
    )
