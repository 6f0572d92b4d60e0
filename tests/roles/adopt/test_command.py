"""Tests `roles/adopt/command.py`, `requirements.py`, and `report.py`."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from moto.iam.models import iam_backends

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID
from roles.account import Account, DataSource
from roles.actions import ACTIONS
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import size
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    NAME,
    OTHER_ID,
    OWN,
    PAGES_SECRET,
    TRUST,
    VPC,
    World,
    allow,
    deny,
    own_policy,
    policy,
)

pytestmark = pytest.mark.slow

NAMED = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"


def test_file_names_for_organization_stack_contain_no_slash(world: World):
    world.make()
    said = world.run("adopt", "--stack", "acme/test", "--application", APPLICATION_ID)
    files = ["adopted-acme-test.json", "import-acme-test.json", "Pulumi.test.yaml"]
    assert f"Written for stack acme/test: {', '.join(files)}. Next steps: docs/adopt.md.\n" in said.out
    assert "\npulumi import --stack acme/test --file import-acme-test.json --yes " in said.out
    assert world.files == sorted([*files, "Pulumi.yaml"])


def test_dry_run_prints_same_report_and_writes_nothing(world: World):
    world.make()
    dry = world.adopt("--dry-run", "--json").json
    assert world.adopt("--dry-run").out.endswith("Nothing was written.\n")
    assert world.files == ["Pulumi.yaml"]
    files = ["adopted-prod.json", "import-prod.json", "Pulumi.prod.yaml"]
    assert world.adopt("--json").json == {**dry, "files": files}


def test_shared_role_is_adopted_only_with_take(world: World):
    world.make()
    for role_arn, shared in ((world.role_arn, True), (f"{world.role_arn}2", False)):
        world.server.add(OTHER_ID, "S3", configuration={}, roleArn=role_arn)
        said = world.adopt("--dry-run", "--data-source", DATA_SOURCE_ID)
        assert said.code == 0
        users = f"Pages {DATA_SOURCE_ID}, Pages {OTHER_ID}"
        because = f"\npages gets a new role, because {NAMED} is used by {users}."
        assert (because in said.out) is shared
        taken = world.adopt("--dry-run", "--data-source", DATA_SOURCE_ID, "--take", DATA_SOURCE_ID)
        assert f"  {NAME}  new" in taken.out
        warning = f"warning: {NAMED} is used by {users}: with --take, the update can remove"
        assert (warning in taken.out) is shared


def test_use_of_role_in_another_application_or_region_is_found(world: World):
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
    said = world.adopt("--dry-run")
    assert (
        f"\npages gets a new role, because {NAMED} is used by Pages {DATA_SOURCE_ID}, Wiki {OTHER_ID}, "
        f"Blog {third} in eu-west-1.\n"
    ) in said.out


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
def test_role_that_another_specific_principal_can_assume_is_not_adopted(
    world: World, trust: dict[str, Any], named: str
):
    world.make(trust=policy({"Effect": "Allow", "Action": "sts:AssumeRole", **trust}))
    because = f"\npages gets a new role, because {NAMED} can be assumed by {named}."
    assert (because in world.adopt("--dry-run").out) is bool(named)


def test_enrichment_role_is_not_adopted(world: World):
    world.make()
    hook = {"roleArn": world.role_arn, "s3BucketName": "hooks", "lambdaArn": "arn:aws:lambda:::f"}
    enrichment = {"preExtractionHookConfiguration": hook}
    world.server.data_source()["documentEnrichmentConfiguration"] = enrichment
    said = world.adopt()
    label = f"Pages {DATA_SOURCE_ID}"
    because = f"because {NAMED} is used by {label}, {label} to enrich documents.\n"
    assert f"\npages gets a new role, {because}" in said.out


def test_unreadable_region_causes_warning(world: World):
    world.make()
    world.server.unreadable.add("eu-west-1")
    assert (
        "warning: cannot tell whether data sources in eu-west-1 use any of the roles: "
        "qbusiness:ListApplications is not allowed\n"
    ) in world.adopt("--dry-run").err


def test_failed_read_stops_adoption_unless_permission_is_missing(world: World):
    world.make()
    text = f"data source {DATA_SOURCE_ID} could not be read "
    world.reject("qbusiness:GetDataSource", code="ThrottlingException")
    assert world.adopt("--dry-run").last.startswith("adopt: AWS is throttling qbusiness:GetDataSource: ")
    world.reject("qbusiness:GetDataSource")
    said = world.adopt("--dry-run")
    assert (said.code, f"warning: {text}(qbusiness:GetDataSource is not allowed " in said.err) == (
        1,
        True,
    )


def test_data_source_deleted_during_the_run_is_left_out(world: World):
    world.make()
    listed = Account.data_sources

    def data_sources(account: Account) -> Iterator[DataSource]:
        for each in listed(account):
            yield from (each, each._replace(id=OTHER_ID))

    world.patch.setattr(Account, "data_sources", data_sources)
    said = world.adopt("--dry-run", "--data-source", DATA_SOURCE_ID)
    assert said.code == 0
    assert f"{OTHER_ID} was deleted after it was listed\n" in said.err
    assert "warning: " not in said.err


@pytest.mark.parametrize("action", [it for it in ACTIONS["adopt"] if it.startswith("qbusiness:List")])
def test_no_file_is_written_if_a_list_request_is_denied(world: World, action: str):
    world.make()
    world.reject(action, code="AccessDeniedException")
    line = world.adopt().last
    assert line.startswith("adopt: ")
    assert f"{action} is not allowed" in line
    assert "docs/read-permissions.md lists the required permissions" in line
    assert world.files == ["Pulumi.yaml"]


# Inline policies must be readable, because an update would overwrite an unimported role policy.
@pytest.mark.parametrize(
    "action",
    [
        *("qbusiness:GetDataSource", "secretsmanager:DescribeSecret"),
        *("iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy"),
    ],
)
def test_data_source_is_left_out_if_a_required_read_is_denied(world: World, action: str):
    world.make(policies={OWN: own_policy()})
    world.reject(action, code="AccessDenied" if "iam" in action else "AccessDeniedException")
    said = world.adopt()
    assert (said.code, world.files) == (1, ["Pulumi.yaml"])
    assert f": {action} is not allowed" in said.out


@pytest.mark.parametrize("action", ["iam:ListAttachedRolePolicies", "iam:GetPolicyVersion"])
def test_unread_attached_policy_makes_comparison_incomplete(world: World, action: str):
    world.make(policies={OWN: own_policy()})
    world.attach(NAME, "managed")
    world.reject(action)
    said = world.adopt("--json")
    assert said.code == 0
    entry = said.json["entries"]["pages"]
    assert entry["warnings"][0].startswith(f"{action} is not allowed, so the comparison may omit")
    assert (entry["complete"], entry["result"]) == (False, "some policies could not be read")


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (
            {"vpcConfiguration": {**VPC, "subnetIds": ["subnet-1"]}},
            'vpcConfiguration.subnetIds[0]: "subnet-1"',
        ),
        # Pulumi would mistake these tags for a secret value.
        ({"role": {"Tags": [{"Key": "secure", "Value": "yes"}]}}, "add another tag"),
        ({"configuration": {"type": "CUSTOM"}}, "this program has no connector of type CUSTOM"),
    ],
)
def test_unsuitable_data_source_is_left_out(world: World, made: dict[str, Any], line: str):
    world.make(**made)
    said = world.adopt()
    assert (said.code, world.files) == (0 if "connector" in line else 1, ["Pulumi.yaml"])
    assert line in said.out


def test_all_reasons_against_import_are_reported_together(world: World):
    world.make()
    world.delete_secret(PAGES_SECRET)
    world.reject("iam:GetRole")
    (line,) = [line for line in world.adopt().out.splitlines() if DATA_SOURCE_ID in line]
    reasons = line.partition(f"{DATA_SOURCE_ID}): ")[2].split("; ")
    assert reasons[0].startswith(f"there is no secret {world.secret_arn}")
    assert reasons[-1].startswith("iam:GetRole is not allowed")


def test_tags_that_only_aws_can_set_cause_warning(world: World):
    world.make()
    # Only AWS services can set such a tag, so the test sets it in moto.
    tags = [{"Key": "aws:servicecatalog:portfolioArn", "Value": "q"}, {"Key": "Team", "Value": "web"}]
    role: Any = iam_backends[ACCOUNT]["aws"].get_role(NAME)
    world.patch.setattr(role, "tags", tags)
    assert world.adopted()["tags"] == {"Team": "web"}
    assert "tags that only AWS can set (aws:servicecatalog:portfolioArn)" in world.adopt("--dry-run").out


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
    assert world.adopt().code == 0
    assert called | {*world.server.calls} == set(ACTIONS["adopt"])


# The update's changes.


def test_report_lists_access_and_denials_that_a_rewritten_policy_loses(world: World):
    more = allow("s3:GetObject", "*"), deny("sqs:*", "*")
    world.make(policies={OWN: own_policy("SECRET", *more)})
    assert (
        "Data sources that may lose access: 1\n"
        f"  pages ({NAME})\n"
        "      s3:GetObject\n        on *\n"
        "Data sources that may gain access: 1\n"
        f"  pages ({NAME})\n"
        "      no longer denied: sqs:*\n        on *\n"
    ) in world.adopt().out
    assert "rolePolicy:RolePolicy" in world.path("import-prod.json").read_text()


ROLE_POLICY_SIZE: Final = size(own_policy()) - len("SECRET")
"""The size of the role policy without the secret's ARN."""


@pytest.mark.parametrize("over", [0, 359])
def test_policies_over_size_quota_cause_warning_with_sizes(world: World, over: int):
    world.make()
    own = ROLE_POLICY_SIZE + len(world.secret_arn)
    most = 10_240 - own + over
    # IAM counts characters, not bytes.
    bucket = "arn:aws:s3:::"
    resource = bucket + "\xfc" * (most - size(policy(allow("s3:GetObject", bucket))))
    world.put_policy(policy(allow("s3:GetObject", resource)), "full", NAME)
    warning = (
        "pages: warning: there is no room for the role policy: a role's inline policies can have at "
        "most 10,240 characters in total, but these would have 359 more "
        f"(full {most:,}, {OWN} {own:,}), so `pulumi up` would fail with LimitExceeded. First make "
        "room, as docs/adopt.md describes\n"
    )
    assert (warning in world.adopt().out) is bool(over)


def test_number_of_calls_grows_linearly_with_data_sources(world: World):
    counts: list[int] = []
    for number in range(1, 13):
        secret = world.secret(f"qbusiness/{number}")
        role = world.role(f"QBusiness-DataSource-{number:05}", own_policy(secret))
        world.add(f"Source-{number}", role, secret)
        if number in (4, 8, 12):
            assert world.adopt("--dry-run").code == 0
            counts.append(len(world.server.calls))
    # Each ListDataSources call returns at most ten data sources.
    assert 0 <= (counts[2] - counts[1]) - (counts[1] - counts[0]) <= 1
    assert (counts[1] - counts[0]) / 4 <= 7
