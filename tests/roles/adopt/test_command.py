"""`roles adopt` reads a data source and its role, and reports how an update would change the role."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto.iam.models import iam_backends

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID
from roles.account import Account, DataSource
from roles.actions import ACTIONS
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    NAME,
    OTHER_ID,
    OWN,
    PAGES_SECRET,
    TRUST,
    VPC,
    World,
    own_policy,
    policy,
)

pytestmark = pytest.mark.slow

NAMED = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"


def test_report_ends_with_import_and_undo_commands(world: World):
    world.make()
    assert world.adopt("--stack", "acme/test").out.endswith(
        "Written for stack acme/test: Pulumi.test.yaml, import-acme-test.json, restore-acme-test-1.sh. "
        "Next steps: docs/adopt.md.\n"
        "Import the role; this changes nothing in AWS:\n"
        "\n"
        "pulumi import --stack acme/test --file import-acme-test.json --yes --protect=false "
        "--generate-code=false\n"
        "\n"
        "If the roles of your CI are limited to a path, add the imported roles to the environment:\n"
        "\n"
        f'roleArns: ["{NAMED}"]\n'
        "\n"
        "To undo the changes in AWS later, for all roles or only for current roles that you name:\n"
        "\n"
        "sh restore-acme-test-1.sh\n"
    )
    assert "pulumi import" not in world.adopt("--dry-run").out


def test_dry_run_prints_same_report_and_writes_nothing(world: World):
    world.make()
    dry = world.adopt("--dry-run", "--json").json
    assert "Nothing was written." in world.adopt("--dry-run").out
    assert world.files == ["Pulumi.yaml"]
    assert world.adopt("--json").json == {
        **dry,
        "files": ["Pulumi.prod.yaml", "import-prod.json", "restore-prod-1.sh"],
    }


def test_shared_role_is_adopted_only_with_take(world: World):
    world.make()
    for role_arn, shared in ((world.role_arn, True), (f"{world.role_arn}2", False)):
        world.server.add(OTHER_ID, "S3", configuration={}, roleArn=role_arn)
        said = world.adopt("--dry-run", "--data-source", DATA_SOURCE_ID)
        assert said.code == 0
        users = f"Pages {DATA_SOURCE_ID}, Pages {OTHER_ID}"
        because = f"role: a new one, because {NAMED} is used by {users}\n"
        assert said.out.startswith(because) is shared
        taken = world.adopt("--dry-run", "--data-source", DATA_SOURCE_ID, "--take", DATA_SOURCE_ID)
        assert taken.out.startswith(f"role: {NAMED}\n")
        warning = f"warning: {NAMED} is used by {users}: with --take, the update can remove"
        assert (warning in taken.err) is shared


def test_role_use_in_other_application_or_region_is_found(world: World):
    world.make()
    other = f"{APPLICATION_ID[:-1]}9"
    world.server.qbusiness.add(other, displayName="Other")
    world.server.qbusiness.add(other, INDEX_ID, displayName="Main")
    world.server.qbusiness.add(
        other, INDEX_ID, OTHER_ID, type="AEM", displayName="Wiki", roleArn=world.role_arn
    )
    elsewhere = world.server.elsewhere("eu-west-1")
    elsewhere.add(other, displayName="Europe")
    elsewhere.add(other, INDEX_ID, displayName="Main")
    third = f"{OTHER_ID[:-1]}9"
    elsewhere.add(other, INDEX_ID, third, type="AEM", displayName="Blog", roleArn=world.role_arn)
    said = world.adopt("--dry-run", "--application", APPLICATION_ID)
    assert said.out.startswith(
        f"role: a new one, because {NAMED} is used by Pages {DATA_SOURCE_ID}, Wiki {OTHER_ID}, "
        f"Blog {third} in eu-west-1\n"
    )


ORGANIZATION = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}}


@pytest.mark.parametrize(
    ("trust", "named"),
    [
        (
            {"Principal": {"Service": ["qbusiness.amazonaws.com", "lambda.amazonaws.com"]}},
            "lambda.amazonaws.com",
        ),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, f"arn:aws:iam::{ACCOUNT}:root"),
        ({"Principal": {"Service": "qbusiness.amazonaws.com", "AWS": "AROAEXAMPLEDELETED001"}}, ""),
        ({"Principal": {"AWS": NAMED}}, ""),
        ({"Principal": "*"}, ""),
        (
            {"Principal": {"AWS": "*"}, **ORGANIZATION},
            "everybody under a condition on aws:PrincipalOrgID",
        ),
    ],
)
def test_role_trusting_other_specific_principal_is_not_adopted(
    world: World, trust: dict[str, Any], named: str
):
    world.make(trust=policy({"Effect": "Allow", "Action": "sts:AssumeRole", **trust}))
    because = f"role: a new one, because {NAMED} can be assumed by {named}\n"
    assert world.adopt("--dry-run").out.startswith(because if named else f"role: {NAMED}\n")


def test_enrichment_role_is_not_adopted_or_listed_for_deletion(world: World):
    world.make()
    hook = {"roleArn": world.role_arn, "s3BucketName": "hooks", "lambdaArn": "arn:aws:lambda:::f"}
    enrichment = {"preExtractionHookConfiguration": hook}
    world.server.data_source()["documentEnrichmentConfiguration"] = enrichment
    said = world.adopt()
    assert said.out.startswith(f"role: a new one, because {NAMED} is used to enrich documents\n")
    assert "delete-role" not in said.out


def test_configured_application_does_not_hide_data_source(world: World):
    world.make()
    other = f"{APPLICATION_ID[:-1]}9"
    config = {"config": {f"{PROJECT_NAME}:applicationId": other}}
    world.path("Pulumi.prod.yaml").write_text(json.dumps(config))
    assert world.adopt("--force", "--data-source", DATA_SOURCE_ID).code == 0


def test_unreadable_region_causes_warning(world: World):
    world.make()
    world.server.unreadable.add("eu-west-1")
    assert (
        "warning: data sources in eu-west-1 may use the roles, but they could not be read: "
        "qbusiness:ListApplications is not allowed\n"
    ) in world.adopt("--dry-run").err


def test_application_defaults_to_stack_configuration(world: World):
    world.make()
    other = f"{APPLICATION_ID[:-1]}9"
    world.server.qbusiness.add(other, displayName="Other")
    world.server.qbusiness.add(other, INDEX_ID, displayName="Main")
    world.server.qbusiness.add(other, INDEX_ID, OTHER_ID, type="AEM", configuration={"type": "AEM"})
    config = {"config": {f"{PROJECT_NAME}:applicationId": APPLICATION_ID}}
    world.path("Pulumi.prod.yaml").write_text(json.dumps(config))
    said = world.adopt("--force")
    assert said.code == 0
    assert f"adopt: the application is from Pulumi.prod.yaml: {APPLICATION_ID}\n" in said.err


def test_data_source_deleted_in_the_meantime_is_left_out(world: World):
    world.make()
    listed = Account.data_sources

    def data_sources(account: Account) -> Iterator[DataSource]:
        for each in listed(account):
            yield from (each, each._replace(id=OTHER_ID))

    world.patch.setattr(Account, "data_sources", data_sources)
    said = world.adopt("--dry-run", "--data-source", DATA_SOURCE_ID)
    assert said.code == 0
    assert f"{OTHER_ID} was deleted in the meantime\n" in said.err
    assert "warning: " not in said.err


READ = [it for it in ACTIONS["adopt"] if it.startswith(("qbusiness", "secretsmanager"))]
# Another application that cannot be read counts as one that exists.
NEEDED = [it for it in READ if it != "qbusiness:GetApplication"]


# Inline policies must be read: an update would overwrite a role policy that was not imported.
@pytest.mark.parametrize("action", [*NEEDED, "iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy"])
def test_missing_required_permission_prevents_writing(world: World, action: str):
    world.make(policies={OWN: own_policy()})
    world.reject(action, code="AccessDenied" if "iam" in action else "AccessDeniedException")
    line = world.adopt().last
    assert line.startswith("adopt: ")
    assert f"{action} is not allowed" in line
    assert "docs/read-permissions.md lists the required permissions" in line
    assert world.files == ["Pulumi.yaml"]


@pytest.mark.parametrize("action", ["iam:ListAttachedRolePolicies", "iam:GetPolicyVersion"])
def test_unread_attached_policy_makes_comparison_incomplete(world: World, action: str):
    world.make(policies={OWN: own_policy()})
    world.attach(NAME, "managed")
    world.reject(action)
    said = world.adopt("--json")
    assert said.code == 0
    assert f"warning: {action} is not allowed" in said.err
    assert said.json["difference"]["complete"] is False
    assert "policies are equivalent" not in world.adopt("--force").out


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (
            {"vpcConfiguration": {**VPC, "subnetIds": ["subnet-1"]}},
            'vpcConfiguration.subnetIds[0]: "subnet-1" is not a subnet ID or ARN',
        ),
        # Pulumi would take these tags for a secret.
        ({"role": {"Tags": [{"Key": "secure", "Value": "yes"}]}}, "add another tag"),
    ],
)
def test_unsuitable_data_source_is_rejected(world: World, made: dict[str, Any], line: str):
    world.make(**made)
    said = world.adopt()
    assert said.code == 2
    assert line in said.err
    assert world.files == ["Pulumi.yaml"]


def test_all_reasons_against_import_are_reported_together(world: World):
    world.make()
    world.delete_secret(PAGES_SECRET)
    world.reject("iam:GetRole")
    said = world.adopt()
    assert said.code == 2
    title, secret, role = said.err.splitlines()[-3:]
    assert title == f"adopt: the role of data source {DATA_SOURCE_ID} cannot be imported for 2 reasons:"
    assert secret == f"  there is no secret {world.secret_arn}"
    assert role.startswith("  iam:GetRole is not allowed (AccessDenied by the test): allow it")
    assert world.adopt("--json").json["error"].splitlines()[1:] == [secret, role]


def test_tags_that_only_aws_can_set_cause_warning(world: World):
    world.make()
    # Only AWS services can set such a tag.
    tags = [{"Key": "aws:servicecatalog:portfolioArn", "Value": "q"}, {"Key": "Team", "Value": "web"}]
    role: Any = iam_backends[ACCOUNT]["aws"].get_role(NAME)
    world.patch.setattr(role, "tags", tags)
    assert world.adopted("--dry-run")["tags"] == {"Team": "web"}
    for said in (world.adopt("--dry-run").err, world.adopt("--dry-run", "--all").out):
        assert "tags that only AWS can set (aws:servicecatalog:portfolioArn)" in said


def test_command_calls_exactly_the_listed_actions(world: World):
    world.describe_key(FOREIGN_KEY_ARN)
    other = TRUST.replace(APPLICATION_ID, "e5f6a7b8-9012-34ab-cdef-555555555555")
    policies = {"console": own_policy()}
    world.make(trust=other, secret={"KmsKeyId": FOREIGN_KEY_ARN}, policies=policies)
    world.attach(NAME, "managed")
    assert world.adopt("--application", APPLICATION_ARN).code == 0
    called = {*world.server.calls}
    world.bucket()
    configuration = {"type": "S3", "connectionConfiguration": {"bucketName": "documents"}}
    world.server.data_source().update(type="S3", configuration=configuration)
    assert world.adopt("--force").code == 0
    assert called | {*world.server.calls} == set(ACTIONS["adopt"])


def test_denied_listing_of_applications_causes_warning(world: World):
    world.make()
    world.reject("qbusiness:ListApplications", code="AccessDeniedException")
    said = world.adopt("--dry-run", "--application", APPLICATION_ID)
    assert said.code == 0
    assert (
        "warning: other applications' data sources may use the role, but they could not be listed: "
        "qbusiness:ListApplications is not allowed\n"
    ) in said.err
