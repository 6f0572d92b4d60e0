"""`roles check` compares the role with the one that the program would create."""

import json
from typing import Any

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, OTHER_ACCOUNT
from tests.helpers.qbusiness_server import Simulation
from tests.helpers.support import golden
from tests.helpers.world import (
    DENIED,
    ROLE_ARN,
    ROLE_NAME,
    USER_ARN,
    WIDE,
    World,
    allow,
    policy,
)
from tests.roles.check.help import set_up

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


def test_role_is_missing_before_first_deployment(world: World):
    world.outputs = {}
    said = world.check()
    assert said.code == 1
    assert said.answer("role") == (
        "problem  role: the stack's outputs contain no ARN for the role yet\n"
        "         fix: pulumi up --stack dev\n"
    )
    assert said.answers("skipped") == [
        f"{question}: the role was not found"
        for question in (
            *("trust policy", "role policy", "other policies", "permissions boundary"),
            *("requests allowed", "iam:PassRole", "data source"),
        )
    ]


def test_a_deleted_role_is_a_problem(world: World):
    world.delete_role()
    said = world.check(only=["role", "role policy"])
    assert said.answer("role").startswith(f"problem  role: there is no role {ROLE_ARN}\n")
    assert said.answer("role policy") == "skipped  role policy: the role was not found\n"


def test_role_with_another_path_is_a_different_role(world: World):
    world.outputs["roleArn"] = f"arn:aws:iam::{ACCOUNT}:role/q/{ROLE_NAME}"
    questions = ("trust policy", "role policy", "other policies", "requests allowed")
    said = world.check(only=["role", *questions])
    assert f"there is no role arn:aws:iam::{ACCOUNT}:role/q/" in said.answer("role")
    for question in questions:
        assert said.answer(question) == f"skipped  {question}: the role was not found\n"


def test_policy_drift_is_reported_by_statement(world: World):
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    world.trust(policy(statement))
    world.put_policy(golden("minimal-role-policy"))
    said = world.check(only=["trust policy", "role policy"])
    assert said.answer("trust policy") == (
        "note     trust policy: allows more than the expected policy\n"
        "           statement 1: in excess\n"
        f"         to change this: 1. give everybody else another role if they use {ROLE_ARN}, because "
        "the update keeps them from assuming it\n"
        "                         2. pulumi up --stack dev\n"
    )
    answer = said.answer("role policy")
    assert "AllowsAmazonQToDecryptSecret: missing\n" in answer
    assert "AllowsAmazonQToGetSecret" not in answer


def test_application_arn_differing_only_in_case_is_problem(world: World):
    # IAM compares ARNs case-sensitively, but an API might ignore case.
    actual = APPLICATION_ARN.replace(APPLICATION_ID, APPLICATION_ID.upper())
    world.resource(APPLICATION_ID, applicationArn=actual)
    said = world.check(only=["application", "trust policy"])
    assert said.answer("trust policy").startswith("ok ")
    assert said.answer("application") == (
        f"problem  application: the application's ARN in AWS is {actual}, which the expected trust "
        f"policy does not allow\n         fix: {set_up('applicationId', actual)}\n"
    )


def test_reordered_policy_without_sids_is_equivalent(world: World):
    document = json.loads(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT))
    document["Statement"].reverse()
    for statement in document["Statement"]:
        del statement["Sid"]
    world.put_policy(json.dumps(document))
    assert world.ask("role policy").startswith("ok ")


def test_dangerous_policies_are_first_among_notes(world: World):
    arn = world.attach(ROLE_NAME, "wide")
    world.put_policy(policy(allow("s3:GetObject", "*")), "by-hand")
    said = world.check(only=["other policies"])
    assert said.code == 0
    notes = said.answers("note")
    assert notes == [
        f"other policies: the policy {arn} grants dangerous access: administrator access",
        "other policies: the policy by-hand allows more than the role policy",
    ]
    assert "           Everything: * on *\n" in said.out
    assert f"aws iam detach-role-policy --role-name {ROLE_NAME} --policy-arn {arn}\n" in said.out
    assert f"aws iam delete-role-policy --role-name {ROLE_NAME} --policy-name by-hand\n" in said.out
    world.set(exclusivePolicies=True)
    assert world.check(only=["other policies"]).out.count("to change this: pulumi up --stack dev\n") == 2


def test_dangerous_policy_does_not_hide_failed_listing(world: World):
    world.put_policy(WIDE, "by-hand")
    world.reject("iam:ListAttachedRolePolicies")
    said = world.check(only=["other policies"])
    assert said.code == 2
    assert said.answers("note") == [
        "other policies: the policy by-hand grants dangerous access: administrator access"
    ]
    assert said.answers("skipped") == [
        "other policies: iam:ListAttachedRolePolicies is not allowed for these credentials"
    ]


def test_names_are_quoted_for_shell_in_commands(world: World):
    arn = world.attach(ROLE_NAME, "wide", Path="/$(id)/")
    for name in ("=ls", "-x"):
        world.put_policy(WIDE, name)
    lines = world.check(only=["other policies"]).out.splitlines()
    assert sorted(
        line.partition("to change this: ")[2] for line in lines if "to change this: " in line
    ) == [
        f"aws iam delete-role-policy --role-name {ROLE_NAME} --policy-name '=ls'",
        f"aws iam delete-role-policy --role-name {ROLE_NAME} --policy-name='-x'",
        f"aws iam detach-role-policy --role-name {ROLE_NAME} --policy-arn '{arn}'",
    ]


def test_role_of_session_is_simulated_with_its_path(world: World):
    world.iam.create_role(RoleName="admin", Path="/team/", AssumeRolePolicyDocument=WIDE)
    world.caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/me")
    principals: list[str] = []

    def decide(simulation: Simulation) -> Any:
        principals.append(simulation.principal)
        if simulation.actions == ["iam:PassRole"] and simulation.principal != ROLE_ARN:
            assert (simulation.resource, simulation.context) == (
                ROLE_ARN,
                {"iam:PassedToService": "qbusiness.amazonaws.com"},
            )
        return {}

    world.server.decide = decide
    admin = f"arn:aws:iam::{ACCOUNT}:role/team/admin"
    said = world.check(only=["requests allowed", "iam:PassRole"])
    assert said.answer("iam:PassRole") == (
        f"ok       iam:PassRole: {admin} can pass the role to qbusiness.amazonaws.com\n"
    )
    assert set(principals) == {ROLE_ARN, admin}


@pytest.mark.parametrize(
    ("arn", "answer"),
    [
        (f"arn:aws:iam::{ACCOUNT}:root", "ok       iam:PassRole: no IAM policy limits"),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/me", "skipped  iam:PassRole: IAM does not simulate"),
    ],
)
def test_unsimulated_caller_does_not_change_exit_code(world: World, arn: str, answer: str):
    world.caller(arn)
    said = world.check(only=["iam:PassRole"])
    assert said.answer("iam:PassRole").startswith(answer)
    assert said.code == 0


def test_caller_unable_to_pass_role_is_problem(world: World):
    world.deny_passing()
    answer = world.ask("iam:PassRole")
    assert f"problem  iam:PassRole: {USER_ARN} cannot pass the role to qbusiness" in answer
    assert 'creates the data source: {"Effect": "Allow", "Action": "iam:PassRole", ' in answer


def test_passing_role_without_mfa_context_is_undecided(world: World):
    depending = DENIED | {"MissingContextValues": ["aws:MultiFactorAuthPresent"]}
    world.server.decide = lambda _: {"iam:PassRole": depending}
    said = world.check(only=["iam:PassRole"])
    assert said.code == 3
    assert said.answer("iam:PassRole").startswith(
        f"cannot tell iam:PassRole: IAM might not let {USER_ARN} pass the role to "
        "qbusiness.amazonaws.com: its simulation lacks aws:MultiFactorAuthPresent\n"
    )


def test_role_in_use_need_not_be_passed(world: World):
    world.deny_passing()
    world.add_data_source()
    said = world.check(only=["iam:PassRole"])
    assert "pass the role, but a data source already uses the role" in said.answer("iam:PassRole")
    assert said.code == 0
