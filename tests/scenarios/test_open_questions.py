"""Questions that AWS's pages leave open; each answer decides on a sentence and a branch of this project.

The answers are in the transcript. A test fails only if AWS doesn't answer, and is skipped if nobody can
ask. `CITED` lists what each answer decides.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import boto3
import pytest
from botocore.exceptions import ClientError

from pages.examples import APPLICATION_ARN, APPLICATION_ID, INDEX_ID
from roles.errors import code, is_denied
from tests.helpers.processes import show
from tests.scenarios.test_questions import answers
from tests.scenarios.world import World

pytestmark = [pytest.mark.engine, pytest.mark.thorough]


class Cited(NamedTuple):
    """A sentence and a branch that depend on an answer."""

    page: str
    sentence: str
    module: str
    branch: str
    """Code in the branch."""

    @property
    def text(self) -> str:
        return f'decides on "{self.sentence}" in {self.page}, and on `{self.branch}` in {self.module}'


CITED: Final = {
    "ingestion": Cited(
        "docs/permissions.md",
        "Both actions require both resource types, application and index",
        "roles/check/connector_calls.py",
        '("put", "BatchPutDocument"), ("delete", "BatchDeleteDocument")',
    ),
    "update": Cited(
        "docs/assign.md",
        "whether `UpdateDataSource` keeps the properties that a call omits",
        "roles/changes.py",
        "Send all properties, because AWS does not document whether an update keeps omitted ones",
    ),
    "organization": Cited(
        "docs/check.md",
        "which also evaluates an organization's service control policies",
        "roles/check/simulation.py",
        'of_organization.get("AllowedByOrganizations", True)',
    ),
}

DENIED: Final = "AccessDeniedException"
NOT_FOUND: Final = "ResourceNotFoundException"


def conclude(question: str, answer: str) -> None:
    show(f"{answer}; {CITED[question].text}")


# Ingestion with the index alone.

INGESTION: Final = {"put": "qbusiness:BatchPutDocument", "delete": "qbusiness:BatchDeleteDocument"}


def ingestion(*resources: str) -> str:
    statement = {"Effect": "Allow", "Action": [*INGESTION.values()], "Resource": [*resources]}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def call(world: World, role: str, policy: str, verb: str) -> str:
    """Ingest into an index that doesn't exist, in a session with this policy; return the error code."""
    assumed = world.client("sts").assume_role(RoleArn=role, RoleSessionName="live", Policy=policy)
    key, secret, token = (
        assumed["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
    )
    client: Any = boto3.client(
        "qbusiness",
        region_name=world.region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )
    try:
        getattr(client, f"batch_{verb}_document")(
            applicationId=APPLICATION_ID,
            indexId=INDEX_ID,
            documents=[{"id" if verb == "put" else "documentId": "none"}],
        )
    except ClientError as error:
        return code(error)
    return "success"


def test_ingestion_with_index_alone(world: World):
    if not world.is_aws:
        pytest.skip("the sandbox doesn't decide requests to Amazon Q Business")
    caller = world.client("sts").get_caller_identity()["Arn"]
    if caller.endswith(":root"):
        pytest.skip("a root user can't assume a role")
    application = world.moved(APPLICATION_ARN)
    index = f"{application}/index/{INDEX_ID}"
    name = world.name("ingestion")
    trust = {"Effect": "Allow", "Principal": {"AWS": caller}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    role = world.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    # Sessions have less, by their policies, which apply at once.
    world.iam.put_role_policy(
        RoleName=name, PolicyName="ingestion", PolicyDocument=ingestion(f"{application}*")
    )
    world.settle()
    for verb, action in INGESTION.items():
        both, alone, neither = (
            call(world, role, ingestion(*resources), verb)
            for resources in ([application, index], [index], [f"{application}/index/{APPLICATION_ID}"])
        )
        # The answer is certain only if a missing index and a missing permission differ.
        if (both, neither) != (NOT_FOUND, DENIED):
            pytest.skip(f"{action}: {both} with both resources, {neither} with neither")
        allowed = {NOT_FOUND: "allowed", DENIED: "denied"}.get(alone, alone)
        conclude("ingestion", f"{action} with the index alone is {allowed}")


# What UpdateDataSource omits.

CHANGED: Final = {"ResponseMetadata", "displayName", "status", "updatedAt"}
"""What an update that changes the name must change."""


def test_update_of_data_source_omits_properties(world: World):
    if world.index is None:
        pytest.skip("pass --index APPLICATION_ID/INDEX_ID, where the run may create a data source")
    client = world.client("qbusiness")
    application, index = world.index
    ids = {"applicationId": application, "indexId": index}
    try:
        created = client.create_data_source(
            **ids,
            displayName=world.name("update"),
            description="to be kept or lost",
            configuration={"type": "CUSTOM", "version": "1.0.0"},
        )
    except ClientError as error:
        if is_denied(error):
            pytest.skip(str(error))
        raise
    ids["dataSourceId"] = created["dataSourceId"]

    def read() -> dict[str, Any]:
        return client.get_data_source(**ids)

    def is_settled() -> bool:
        return read()["status"] in ("ACTIVE", "FAILED")

    try:
        world.expect(is_settled, expected=True)
        before = read()
        client.update_data_source(**ids, displayName=world.name("updated"))
        world.settle()
        world.expect(is_settled, expected=True)
        after = read()
    finally:
        client.delete_data_source(**ids)
    differing = sorted(
        name for name in {*before, *after} - CHANGED if before.get(name) != after.get(name)
    )
    kept = f"changes {', '.join(differing)}" if differing else "keeps everything else"
    conclude("update", f"UpdateDataSource with another name {kept}")


# The simulation of an organization's policies.

ELSEWHERE: Final = "eu-central-1"
"""A Region without Amazon Q Business, which an organization may deny."""
SIMULATED: Final = ("secretsmanager:GetSecretValue", "qbusiness:BatchPutDocument")


def shown(result: Mapping[str, Any]) -> str:
    """Return a simulation's decision without names of policies."""
    of_organization = result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations")
    keys = ", ".join(result.get("MissingContextValues", ())) or "none"
    matched = result.get("MatchedStatements", ())
    kinds = ", ".join(sorted({each.get("SourcePolicyType", "unnamed") for each in matched})) or "none"
    return (
        f"{result['EvalActionName']}: {result['EvalDecision']}, allowed by the organization: "
        f"{of_organization}, missing keys: {keys}, matched statements: {kinds}"
    )


def test_simulation_of_organization(world: World):
    pages = world.iam.get_paginator("list_roles").paginate()
    names = (
        role["Arn"]
        for page in pages
        for role in page["Roles"]
        if "qbusiness.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])
    )
    role = next(names, None)
    if role is None:
        pytest.skip("no role trusts Amazon Q Business")
    found: dict[str, list[str]] = {}
    is_member = False
    for region in ("", world.region, ELSEWHERE):
        key = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyType": "string"}
        results = answers(
            world,
            "iam",
            "simulate_principal_policy",
            "EvaluationResults",
            PolicySourceArn=role,
            ActionNames=[*SIMULATED],
            ContextEntries=[{**key, "ContextKeyValues": [region]}] if region else [],
        )
        is_member = is_member or any("OrganizationsDecisionDetail" in result for result in results)
        found[region or "no Region"] = [shown(result) for result in results]
    if not is_member:
        pytest.skip("the simulation doesn't mention an organization")
    for region, texts in found.items():
        show("\n".join((f"with {region}:", *texts)))
    same = len({tuple(texts) for texts in found.values()}) == 1
    depends = "doesn't depend" if same else "depends"
    conclude("organization", f"the simulation of the organization's policies {depends} on the Region")
