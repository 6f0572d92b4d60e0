"""`roles check` has IAM simulate connector requests."""

import json
from typing import Any

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT, REGION
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import golden
from tests.helpers.world import (
    DENIED,
    ROLE_ARN,
    ROLE_NAME,
    SECRET_ARN,
    WIDE,
    World,
    allow,
    deny,
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
    assert f"allow all {requests} connector requests" in said.answer("requests allowed")


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


def ingesting_index() -> str:
    """Return the program's role policy, but with access to the index alone for ingestion."""
    document = json.loads(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT))
    for statement in document["Statement"]:
        if statement["Sid"] == "AllowsAmazonQToIngestDocuments":
            statement["Resource"] = statement["Resource"][1]
    return json.dumps(document)


def test_index_ingest_scope_cannot_be_judged(world: World):
    world.set(ingestScope="index")
    world.put_policy(ingesting_index())
    world.simulate()
    said = world.check(only=["requests allowed", "role policy"])
    assert said.answer("role policy").startswith("ok ")
    assert said.code == 3
    answer = said.answer("requests allowed")
    assert answer.startswith(
        "cannot tell requests allowed: cannot determine whether AWS allows 2 of the 28 connector "
    )
    assert f"qbusiness:BatchPutDocument on {APPLICATION_ARN}: AWS's pages disagree" in answer


@pytest.mark.parametrize(
    ("sync", "state", "text"),
    [
        (
            {"metrics": {"documentsAdded": "10", "documentsModified": "2"}},
            "cannot tell",
            "the sync of 2026-11-01 of Pages {} put 12 documents with the policies of that day",
        ),
        ({"metrics": {"documentsAdded": "0"}}, "cannot tell", "no sync has settled it"),
        (
            {
                "status": "FAILED",
                "error": {"errorMessage": "not authorized: qbusiness:BatchPutDocument"},
            },
            "problem",
            NOT_ALLOWED,
        ),
    ],
)
def test_last_sync_is_evidence_about_ingestion(
    world: World, sync: dict[str, Any], state: str, text: str
):
    world.set(ingestScope="index")
    world.put_policy(ingesting_index())
    world.add_data_source()
    world.add_sync(**{"status": "SUCCEEDED", **sync})
    answer = world.ask("requests allowed")
    assert answer.startswith(f"{state:8} requests allowed: ")
    assert f"{text.format(DATA_SOURCE_ID)}\n" in answer


def test_denied_ingestion_is_not_disputed(world: World):
    world.set(ingestScope="index")
    world.put_policy(ingesting_index())
    world.put_policy(policy(deny("qbusiness:BatchPutDocument", APPLICATION_ARN)), "guard")
    assert world.ask("requests allowed").startswith("problem ")


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
        # Another statement mentions the key, which the request contains.
        (
            DENIED | {"MissingContextValues": ["kms:ViaService"]},
            "no policy allows it, according to IAM's simulation",
        ),
    ],
)
def test_a_denial_is_reported_with_its_reason(world: World, decision: dict[str, Any], reason: str):
    world.decide_on(SECRET_ARN, **decision)
    answer = world.ask("requests allowed")
    assert answer.startswith(
        "problem  requests allowed: IAM's simulation does not allow 1 of the 28 connector requests"
    )
    assert f"{READ}: {reason}\n" in answer


@pytest.mark.parametrize("missing", [[], ["aws:SourceIp"]])
def test_denial_by_organization_cannot_be_determined(world: World, missing: list[str]):
    world.decide_on(SECRET_ARN, **DENIED, **BY_ORGANIZATION, MissingContextValues=missing)
    said = world.check(only=["requests allowed"])
    assert said.code == 3
    answer = said.answer("requests allowed")
    assert f"{READ}: in IAM's simulation, the organization does not allow it" in answer
    assert "to find out: ask your organization's administrators whether" in answer


def test_simulation_gets_every_known_key(world: World):
    contexts: list[Any] = []

    def decide(simulation: Any) -> dict[str, Any]:
        contexts.append(simulation.context)
        return {}

    world.server.decide = decide
    world.ask("requests allowed")
    for context in contexts:
        assert context["aws:principalarn"] == ROLE_ARN
        assert context["aws:principalaccount"] == ACCOUNT


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
        "cannot tell requests allowed: cannot determine whether AWS allows 1 of the 28 connector "
    )
    assert f"{READ}: depends on aws:SourceIp\n" in answer
