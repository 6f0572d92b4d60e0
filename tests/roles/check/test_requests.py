"""`roles check` has IAM simulate connector requests."""

import json
from typing import Any

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT, REGION
from tests.helpers.support import golden
from tests.helpers.world import (
    DENIED,
    ROLE_ARN,
    ROLE_NAME,
    SECRET_ARN,
    WIDE,
    World,
    allow,
    policy,
    s3_policy,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

READ = f"secretsmanager:GetSecretValue on {SECRET_ARN}"
NOT_ALLOWED = "none of the role's policies allows it"
BY_ORGANIZATION = {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}


@pytest.mark.parametrize(("for_bucket", "requests"), [(False, 28), (True, 16)])
def test_program_policies_pass_simulation(world: World, for_bucket: bool, requests: int):
    if for_bucket:
        world.use_bucket()
    world.simulate()
    world.iam.put_user_policy(UserName="deployer", PolicyName="wide", PolicyDocument=WIDE)
    said = world.check()
    assert said.code == 0
    assert f"AWS allows all {requests} connector requests" in said.answer("requests allowed")


def test_regional_boundary_passes_simulation(world: World):
    condition = {"StringEquals": {"aws:RequestedRegion": REGION}}
    world.bound(policy(allow("*", "*", Condition=condition)))
    world.simulate()
    assert world.ask("requests allowed").startswith("ok ")


def passing_policy(role: str) -> str:
    """Return the role policy for a data source in a bucket, but with other roles to pass."""
    return s3_policy(ROLE_NAME, key=True).replace(f":role/{ROLE_NAME}", f":role/{role}")


@pytest.mark.parametrize("role", ["QBusiness-DataSource-*", "*"])
def test_a_role_that_may_pass_other_roles_is_found(world: World, role: str):
    world.use_bucket()
    world.put_policy(passing_policy(role))
    assert "AllowsAmazonQToPassCustomerRole: in excess\n" in world.ask("role policy")


def test_permission_to_pass_other_role_is_not_enough(world: World):
    world.use_bucket()
    world.put_policy(passing_policy("qbusiness-other"))
    world.simulate()
    said = world.check(only=["requests allowed", "role policy"])
    assert "AllowsAmazonQToPassCustomerRole: missing\n" in said.answer("role policy")
    assert f"iam:PassRole on {ROLE_ARN}: {NOT_ALLOWED}\n" in said.answer("requests allowed")


def test_index_ingest_scope_fails_simulation(world: World):
    world.set(ingestScope="index")
    document = json.loads(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT))
    for statement in document["Statement"]:
        if statement["Sid"] == "AllowsAmazonQToIngestDocuments":
            statement["Resource"] = statement["Resource"][1]
    world.put_policy(json.dumps(document))
    world.simulate()
    said = world.check(only=["requests allowed", "role policy"])
    assert said.answer("role policy").startswith("ok ")
    answer = said.answer("requests allowed")
    assert answer.startswith("problem  requests allowed: AWS denies 2 of the 28 connector requests")
    assert f"qbusiness:BatchPutDocument on {APPLICATION_ARN}: {NOT_ALLOWED}" in answer


def test_simulation_detects_boundary_denial(world: World):
    world.bound(policy({"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}), is_set=False)
    world.put_policy(WIDE, "by-hand")
    world.simulate()
    assert '1 request: see "permissions boundary"\n' in world.ask("requests allowed")


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        (DENIED, "no policy allows it, according to IAM's simulation"),
        (
            {"EvalDecision": "explicitDeny", "MatchedStatements": [{"SourcePolicyId": "guard"}] * 2},
            "denied by guard",
        ),
        (DENIED | BY_ORGANIZATION, "denied by the organization's service control policies"),
        # Another statement mentions the key, which the request contains.
        (
            DENIED | {"MissingContextValues": ["kms:ViaService"]},
            "no policy allows it, according to IAM's simulation",
        ),
        (
            DENIED | BY_ORGANIZATION | {"MissingContextValues": ["aws:SourceIp"]},
            "denied by the organization's service control policies",
        ),
    ],
)
def test_a_denial_is_reported_with_its_reason(world: World, decision: dict[str, Any], reason: str):
    world.decide_on(SECRET_ARN, **decision)
    answer = world.ask("requests allowed")
    assert answer.startswith("problem  requests allowed: AWS denies 1 of the 28 connector requests")
    assert f"{READ}: {reason}\n" in answer


@pytest.mark.parametrize("in_resource", [False, True])
def test_denial_for_missing_condition_key_is_undecided(world: World, in_resource: bool):
    # IAM also lists the keys of other statements.
    missing = {"MissingContextValues": ["aws:SourceIp", "KMS:viaservice"]}
    of_resource = {"EvalResourceName": SECRET_ARN, "EvalResourceDecision": "explicitDeny", **missing}
    results = {"ResourceSpecificResults": [of_resource]} if in_resource else missing
    world.decide_on(SECRET_ARN, EvalDecision="explicitDeny", **results)
    said = world.check(only=["requests allowed"])
    assert said.code == 3
    answer = said.answer("requests allowed")
    assert answer.startswith(
        "cannot tell requests allowed: AWS might deny 1 of the 28 connector requests"
    )
    assert f"{READ}: depends on aws:SourceIp\n" in answer
