"""Test that the sandbox's provider behaves like pulumi-aws; each test names the real function.

`tfbridge` is a package of https://github.com/pulumi/pulumi-terraform-bridge; `role.go` and the other
files of IAM are in `internal/service/iam` of https://github.com/hashicorp/terraform-provider-aws.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from evidence.examples import REGION
from sandbox.provider import configuration, lifecycle
from sandbox.provider.calls import ProviderError
from sandbox.provider.configuration import Configuration, Properties
from sandbox.provider.lifecycle import DEFAULTS, AutomaticName, Lifecycle
from sandbox.provider.policy_equivalence import are_equivalent, normalize
from sandbox.provider.resources import (
    Exclusive,
    Role,
    RolePoliciesExclusive,
    RolePolicyAttachmentsExclusive,
)
from tests.helpers.faults import Proxy, proxy
from tests.helpers.stacks import ATTACHED, Aws, NewStack, Stack

NAME = "qbusiness-provider"
TRUST = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "One", "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"},
    {"Sid": "Two", "Effect": "Allow", "Principal": {"Service": "qbusiness.amazonaws.com"},
     "Action": ["sts:AssumeRole"]}
  ]
}"""
POLICY = """{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}]
}"""
ROLE = "aws:iam/role:Role"
PROGRAM = f"""
import pulumi
import pulumi_aws as aws

TRUST = '''{TRUST}'''
POLICY = '''{POLICY}'''
ROLE = dict(name="{NAME}", assume_role_policy=TRUST)
"""


@pytest.fixture
def new_program(new_stack: NewStack) -> NewStack:
    """Create stacks without `refresh: always`."""

    def create(body: str) -> Stack:
        stack = new_stack({"aws:region": REGION}, PROGRAM + body)
        project = stack.directory / "Pulumi.yaml"
        project.write_text(project.read_text().partition("\noptions:\n")[0])
        return stack

    return create


@pytest.fixture
def iam(environment: dict[str, str]) -> Iterator[Proxy]:
    with proxy(environment["AWS_ENDPOINT_URL"]) as running:
        yield running


def through(iam: Proxy, stack: Stack) -> None:
    """Make the stack's operations start their own providers, whose calls use the proxy."""
    del stack.environment[ATTACHED]
    stack.environment |= {"AWS_ENDPOINT_URL": iam.url, "AWS_MAX_ATTEMPTS": "1"}


def role(stack: Stack) -> dict[str, Any]:
    return stack.resource(ROLE)


def refresh(stack: Stack) -> None:
    stack.operate("refresh", "--yes")


def changes(stack: Stack, *options: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [step for step in stack.preview(*options).steps if step[0] != "same"]


def policy(**statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "A", **statement}]})


def answering(**answers: dict[str, Any]) -> Mock:
    """Return an IAM client with fixed responses that records its calls."""
    return Mock(**{f"{call}.return_value": answer for call, answer in answers.items()})


def having_role(**members: object) -> Mock:
    """Return an IAM client of an account with one role, which has no policies."""
    role = {
        "RoleName": NAME,
        "Path": "/",
        "MaxSessionDuration": 3600,
        "Arn": "arn",
        "RoleId": "id",
        "AssumeRolePolicyDocument": json.loads(TRUST),
        "CreateDate": dt.datetime.now(dt.UTC),
    }
    return answering(
        get_role={"Role": {**role, **members}},
        list_role_policies={"PolicyNames": []},
        list_attached_role_policies={"AttachedPolicies": []},
    )


def planned(olds: Properties, **news: str) -> Properties:
    """Return the inputs of a role after Check."""
    role = Lifecycle(Role(), Configuration(REGION))
    inputs, failures = role.check(
        olds, {"assumeRolePolicy": TRUST, **news}, AutomaticName("role", b"seed")
    )
    assert failures == []
    return inputs


# Policies in the state of a role.


def test_a_role_shows_its_real_policies_after_a_refresh_and_in_the_inputs_after_an_import(
    new_program: NewStack, aws: Aws, managed_policy: str
):
    # resourceRoleRead in role.go; extractSchemaInputsObject in tfbridge/schema.go.
    stack = new_program('aws.iam.Role("role", **ROLE)')
    stack.up()
    assert role(stack)["outputs"]["inlinePolicies"] == []
    assert role(stack)["outputs"]["managedPolicyArns"] == []
    aws.iam.put_role_policy(RoleName=NAME, PolicyName="by-hand", PolicyDocument=POLICY)
    aws.iam.attach_role_policy(RoleName=NAME, PolicyArn=managed_policy)
    refresh(stack)
    inline = [{"name": "by-hand", "policy": normalize(POLICY)}]
    assert role(stack)["outputs"]["inlinePolicies"] == inline
    assert role(stack)["outputs"]["managedPolicyArns"] == [managed_policy]
    assert "inlinePolicies" not in role(stack)["inputs"]
    assert changes(stack) == []
    other = new_program("")
    imported = ("--yes", "--protect=false", "--generate-code=false")
    other.operate("import", ROLE, "role", NAME, *imported)
    assert role(other)["inputs"]["inlinePolicies"] == inline
    assert role(other)["inputs"]["managedPolicyArns"] == [managed_policy]


def test_policies_set_as_properties_of_the_role_are_its_only_ones(new_program: NewStack, aws: Aws):
    # resourceRoleCreate and resourceRoleUpdate in role.go.
    stack = new_program(
        'aws.iam.Role("role", **ROLE, inline_policies=[{"name": "own", "policy": POLICY}])'
    )
    stack.up()
    aws.iam.put_role_policy(RoleName=NAME, PolicyName="by-hand", PolicyDocument=POLICY)
    assert stack.up("--refresh").changes["update"] == 1
    assert list(aws.role_policies(NAME)) == ["own"]


# Refreshes.


def test_a_refresh_keeps_foreign_tags_out_of_the_inputs_and_the_next_update_removes_them(
    new_program: NewStack, aws: Aws
):
    # extractInputsObject in tfbridge/schema.go.
    stack = new_program('aws.iam.Role("role", **ROLE, tags={"Team": "search"})')
    stack.up()
    aws.iam.tag_role(RoleName=NAME, Tags=[{"Key": "Foreign", "Value": "x"}])
    refresh(stack)
    assert role(stack)["inputs"]["tags"] == {"Team": "search"}
    assert role(stack)["outputs"]["tags"] == {"Team": "search", "Foreign": "x"}
    assert changes(stack) == [("update", "role", ("tags.Foreign", "tagsAll.Foreign"))]


@pytest.mark.parametrize(
    ("ignored", "left"), [(["tags"], ("tagsAll.Foreign",)), (["tags", "tagsAll"], None)], ids=str
)
def test_foreign_tags_are_kept_only_if_tags_all_is_also_ignored(
    new_program: NewStack, aws: Aws, ignored: list[str], left: tuple[str, ...] | None
):
    # applyTags in pulumi-aws, provider/tags.go: Check computes tagsAll from the inputs.
    options = f"opts=pulumi.ResourceOptions(ignore_changes={ignored})"
    stack = new_program(f'aws.iam.Role("role", **ROLE, tags={{"Team": "search"}}, {options})')
    stack.up()
    aws.iam.tag_role(RoleName=NAME, Tags=[{"Key": "Foreign", "Value": "x"}])
    refresh(stack)
    assert changes(stack) == ([("update", "role", left)] if left else [])


def test_tags_all_is_in_the_inputs(new_program: NewStack):
    # applyTags in pulumi-aws, provider/tags.go.
    stack = new_program('aws.iam.Role("role", **ROLE, tags={"Team": "search"})')
    stack.up()
    assert role(stack)["inputs"]["tagsAll"] == {"Team": "search"}


def test_a_document_keeps_its_text_so_that_drift_is_reported_until_it_is_corrected(
    new_program: NewStack, aws: Aws
):
    # extractInputs in tfbridge/schema.go: a property with a StateFunc keeps its old input.
    stack = new_program('aws.iam.Role("role", **ROLE)')
    stack.up()
    edited = TRUST.replace("111122223333", "444455556666")
    aws.iam.update_assume_role_policy(RoleName=NAME, PolicyDocument=edited)
    refresh(stack)
    assert role(stack)["inputs"]["assumeRolePolicy"] == TRUST
    assert role(stack)["outputs"]["assumeRolePolicy"] == normalize(edited)
    assert stack.drift().exit_code != 0
    stack.up()
    assert stack.drift().exit_code == 0


@pytest.mark.parametrize(("name", "corrected"), [("", True), (f"name='{NAME}', path='/p/',", False)])
def test_the_maximum_session_duration_is_corrected_only_if_another_default_is_recorded(
    new_program: NewStack, aws: Aws, name: str, corrected: bool
):
    # deleteDefaultsKey in tfbridge/defaults.go, then useOldDefault in applyDefaults.
    stack = new_program(
        f'pulumi.export("name", aws.iam.Role("role", {name} assume_role_policy=TRUST).name)'
    )
    stack.up()
    role_name = stack.outputs()["name"]
    aws.iam.update_role(RoleName=role_name, MaxSessionDuration=7200)
    stack.up("--refresh")
    assert aws.iam.get_role(RoleName=role_name)["Role"]["MaxSessionDuration"] == (
        3600 if corrected else 7200
    )


@pytest.mark.parametrize(("refreshed", "duration"), [(True, 14400), (False, 3600)])
def test_an_imported_role_keeps_its_maximum_session_duration_only_if_a_refresh_comes_first(
    monkeypatch: pytest.MonkeyPatch, refreshed: bool, duration: int
):
    # An import stores an empty list of defaults (extractSchemaInputsObject in tfbridge/schema.go). A
    # refresh removes the list (Provider.Read in tfbridge/provider.go, deleteDefaultsKey in
    # tfbridge/defaults.go). Without a list, the old value counts as a default (applyDefaults).
    iam = having_role(MaxSessionDuration=14400)
    monkeypatch.setattr(lifecycle, "client", Mock(return_value=iam))

    def read(state: Properties, inputs: Properties) -> tuple[Properties, Properties]:
        found = Lifecycle(Role(), Configuration(REGION)).read(NAME, state, inputs)
        assert found is not None
        return found

    inputs, state = read({}, {})
    assert (inputs["maxSessionDuration"], inputs[DEFAULTS]) == (14400, [])
    if refreshed:
        inputs, _ = read(state, inputs)
    assert planned(inputs, name=NAME)["maxSessionDuration"] == duration


# Differences.


@pytest.mark.parametrize(
    ("one", "other", "equivalent"),
    [
        ({"Effect": "Allow"}, {"Effect": "allow"}, True),
        ({"Action": ["a:B", "a:C"]}, {"Action": ["a:C", "a:B"]}, True),
        ({"Action": ["a:B"]}, {"Action": "a:B"}, True),
        ({"Action": "a:B"}, {"Action": "a:b"}, False),
        (
            {"Principal": {"AWS": "111122223333"}},
            {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
            True,
        ),
        ({"Principal": {"AWS": "111122223333"}}, {"Principal": {"AWS": "444455556666"}}, False),
        ({"Principal": "*"}, {"Principal": {"AWS": "*"}}, False),
        ({"Comment": "x"}, {}, True),
        ({"Sid": "B"}, {"Sid": "b"}, False),
        (
            {"Condition": {"StringLike": {"a:b": "c"}}},
            {"Condition": {"StringLike": {"a:b": ["c"]}}},
            True,
        ),
        (
            {"Condition": {"StringLike": {"a:b": "c"}}},
            {"Condition": {"StringLike": {"a:B": "c"}}},
            False,
        ),
        (
            {"Condition": {"StringLike": {"a:b": "c"}}},
            {"Condition": {"stringlike": {"a:b": "c"}}},
            False,
        ),
        ({"Condition": {"Bool": {"a:b": True}}}, {"Condition": {"Bool": {"a:b": "true"}}}, True),
    ],
    ids=str,
)
def test_documents_are_compared_like_the_provider(
    one: dict[str, object], other: dict[str, object], equivalent: bool
):
    # PoliciesAreEquivalent in hashicorp/awspolicyequivalence.
    assert are_equivalent(policy(**one), policy(**other)) == equivalent


def test_documents_with_other_statements_versions_or_ids_differ():
    one = json.loads(TRUST)
    turned = {**one, "Statement": one["Statement"][::-1]}
    assert are_equivalent(TRUST, json.dumps(turned))
    for other in (
        {**one, "Version": "2008-10-17"},
        {**one, "Id": "x"},
        {**one, "Statement": one["Statement"][:1]},
        {**one, "Statement": [*one["Statement"], one["Statement"][0]]},
    ):
        assert not are_equivalent(TRUST, json.dumps(other))


def test_a_document_is_sent_and_stored_compact_and_sorted(new_program: NewStack):
    # structure.NormalizeJsonString of terraform-plugin-sdk, in resourceRoleCreate and in the StateFunc.
    stack = new_program('aws.iam.Role("role", **ROLE)')
    stack.up()
    assert role(stack)["outputs"]["assumeRolePolicy"] == (
        '{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":"111122223333"},'
        '"Sid":"One"},{"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":'
        '{"Service":"qbusiness.amazonaws.com"},"Sid":"Two"}],"Version":"2012-10-17"}'
    )


def test_a_difference_is_named_by_its_path(new_program: NewStack):
    # makeDetailedDiffV2 in tfbridge/detailed_diff.go.
    tags = {"Team": "search", "cost.center": "1", "Gone": "x"}
    stack = new_program(f'aws.iam.Role("role", **ROLE, tags={tags})')
    stack.up()
    changed = {"Team": "content", "cost.center": "2"}
    stack.write_program(PROGRAM + f'aws.iam.Role("role", **ROLE, tags={changed})')
    paths = ("tags.Gone", "tags.Team", 'tags["cost.center"]')
    both = (*paths, *(path.replace("tags", "tagsAll", 1) for path in paths))
    assert changes(stack) == [("update", "role", tuple(sorted(both)))]


def test_an_attachment_is_deleted_before_it_is_replaced(new_program: NewStack, managed_policy: str):
    # DeleteBeforeReplace of aws_iam_role_policy_attachment in pulumi-aws,
    # provider/resource_overrides.go; Provider.Diff in tfbridge/provider.go.
    body = (
        'role = aws.iam.Role("role", **ROLE)\n'
        'aws.iam.RolePolicyAttachment("attached", role=role.name, policy_arn="{arn}")'
    )
    stack = new_program(body.format(arn=managed_policy))
    stack.up()
    stack.write_program(PROGRAM + body.format(arn="arn:aws:iam::aws:policy/ReadOnlyAccess"))
    steps = [operation for operation, name, _ in stack.up().steps if name == "attached"]
    assert steps == ["delete-replaced", "replace", "create-replacement"]


def test_an_oidc_provider_is_compared_with_its_address_without_the_scheme(new_program: NewStack):
    # resourceOpenIDConnectProviderRead and suppressOpenIDURL in openid_connect_provider.go.
    body = 'aws.iam.OpenIdConnectProvider("one", url="https://one.example", client_id_lists=["a"])'
    stack = new_program(body)
    stack.up()
    refresh(stack)
    assert changes(stack) == []
    stack.write_program(PROGRAM + body.replace("one.example", "two.example"))
    assert [operation for operation, *_ in changes(stack)][:1] == ["create-replacement"]


# Exclusive ownership.


@pytest.mark.parametrize(
    ("exclusive", "call", "members"),
    [
        (RolePoliciesExclusive(), "list_role_policies", "policyNames"),
        (RolePolicyAttachmentsExclusive(), "list_attached_role_policies", "policyArns"),
    ],
    ids=("inline", "attached"),
)
def test_exclusive_resources_list_the_policies_of_a_new_role_only_once(
    exclusive: Exclusive, call: str, members: str
):
    # syncAttachments in role_policies_exclusive.go and role_policy_attachments_exclusive.go.
    missing = ClientError({"Error": {"Code": "NoSuchEntity", "Message": "not yet"}}, call)
    iam = Mock(**{f"{call}.side_effect": missing})
    with pytest.raises(ProviderError, match="couldn't find resource"):
        exclusive.create(iam, {"roleName": NAME, members: []})
    assert len(iam.method_calls) == 1


def test_an_exclusive_policy_that_does_not_exist_fails_before_anything_is_sent(new_program: NewStack):
    # syncAttachments in role_policies_exclusive.go writes it without a document.
    stack = new_program(
        'role = aws.iam.Role("role", **ROLE)\n'
        'aws.iam.RolePoliciesExclusive("all", role_name=role.name, policy_names=["missing"])'
    )
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    assert 'Missing required parameter in input: "PolicyDocument"' in failed.text


def test_exclusive_resources_are_created_before_the_old_ones_are_deleted(new_program: NewStack):
    # Provider.DiffWithContext in pf/tfbridge/provider_diff.go does not request deletion before
    # replacement.
    body = (
        'role = aws.iam.Role("role", name="{name}", assume_role_policy=TRUST)\n'
        'aws.iam.RolePoliciesExclusive("all", role_name="{name}", policy_names=[],\n'
        "    opts=pulumi.ResourceOptions(depends_on=[role]))"
    )
    stack = new_program(body.format(name=f"{NAME}-one"))
    stack.up()
    stack.write_program(PROGRAM + body.format(name=f"{NAME}-two"))
    steps = [operation for operation, name, _ in stack.up().steps if name == "all"]
    assert steps == ["create-replacement", "replace", "delete-replaced"]


# The configuration of the provider.


ACCOUNT = "123456789012"
OTHER = "444455556666"
NOT_ALLOWED = f"error occurred:\n\t* AWS account ID not allowed: {ACCOUNT}"


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"allowedAccountIds": [OTHER, ACCOUNT]}, None),
        ({"allowedAccountIds": [int(ACCOUNT)]}, None),
        ({"allowedAccountIds": []}, None),
        ({"allowedAccountIds": [OTHER]}, NOT_ALLOWED),
        ({"forbiddenAccountIds": [OTHER]}, None),
        ({"forbiddenAccountIds": [ACCOUNT]}, NOT_ALLOWED),
        (
            {"allowedAccountIds": [ACCOUNT], "forbiddenAccountIds": [OTHER]},
            '"allowed_account_ids": conflicts with forbidden_account_ids',
        ),
        ({"allowedAccountIds": ACCOUNT}, "allowedAccountIds: expected a list of account IDs, got 1"),
    ],
    ids=str,
)
def test_an_account_that_is_not_allowed_is_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], refusal: str | None
):
    # ConflictsWith in NewProvider, internal/provider/sdkv2/provider.go of terraform-provider-aws.
    # VerifyAccountIDAllowed in hashicorp/aws-sdk-go-base, which ConfigureProvider in
    # internal/conns/config.go calls. NewConfigEncoding in tfbridge/config_encoding.go: lists are JSON.
    monkeypatch.setattr(configuration, "caller", Mock(return_value={"Account": ACCOUNT}))
    arguments = {name: json.dumps(value) for name, value in settings.items()}
    with nullcontext() if refusal is None else pytest.raises(ProviderError, match=re.escape(refusal)):
        configuration.configure("aws", {"region": REGION, **arguments})


def test_secret_settings_count_like_others(new_program: NewStack):
    # The engine marks secrets in the configuration of a provider that accepts them.
    stack = new_program('aws.iam.Role("role", **ROLE)')
    for path, value in {"defaultTags.tags.Cost": "5", "allowedAccountIds[0]": ACCOUNT}.items():
        stack.run("config", "set", "--secret", "--path", f"aws:{path}", value)
    stack.up()
    assert role(stack)["outputs"]["tagsAll"] == {"Cost": "5"}


def test_json_that_is_nested_too_deeply_counts_as_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(configuration, "caller", Mock(return_value={"Account": ACCOUNT}))
    deep = "[" * 100_000
    with pytest.raises(ProviderError, match="allowedAccountIds: expected a list of account IDs"):
        configuration.configure("aws", {"region": REGION, "allowedAccountIds": deep})


@pytest.mark.parametrize(
    ("configured", "variables", "region"),
    [
        ("eu-west-1", {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-1"}, "eu-west-1"),
        (None, {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-1"}, "us-west-2"),
        (None, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
        (None, {"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
    ],
    ids=str,
)
def test_the_environment_provides_a_region_that_is_not_configured(
    new_program: NewStack, configured: str | None, variables: dict[str, str], region: str
):
    # applyDefaults and multiEnvDefault in tfbridge/schema.go.
    stack = new_program('pulumi.export("region", aws.get_region().region)')
    stack.configure({"aws:region": configured} if configured else {})
    for variable in (ATTACHED, "AWS_REGION", "AWS_DEFAULT_REGION"):
        del stack.environment[variable]
    stack.environment |= variables
    stack.up()
    assert stack.outputs()["region"] == region
    (provider,) = (each for each in stack.resources() if each["type"] == "pulumi:providers:aws")
    assert provider["inputs"].get("region") == configured  # CheckConfig adds no defaults


# Calls.


def test_the_provider_looks_up_the_account_first(new_program: NewStack, iam: Proxy):
    # validateCredentials in pulumi-aws, provider/resources.go.
    stack = new_program('aws.iam.Role("role", **ROLE)')
    through(iam, stack)
    denied = {"error": {"code": "ExpiredToken", "message": "The token has expired", "status": 403}}
    iam.set_rules({"service": "sts", "operation": "GetCallerIdentity", **denied})
    failed = stack.preview(check=False)
    assert failed.exit_code != 0
    assert "The token has expired" in failed.text


def test_destroy_removes_a_role_from_its_instance_profile_and_from_all_policies(
    new_program: NewStack, aws: Aws, managed_policy: str
):
    # deleteRole in role.go.
    stack = new_program('aws.iam.Role("role", **ROLE, force_detach_policies=True)')
    stack.up()
    aws.iam.create_instance_profile(InstanceProfileName=NAME)
    aws.iam.add_role_to_instance_profile(InstanceProfileName=NAME, RoleName=NAME)
    aws.iam.attach_role_policy(RoleName=NAME, PolicyArn=managed_policy)
    aws.iam.put_role_policy(RoleName=NAME, PolicyName="by-hand", PolicyDocument=POLICY)
    stack.destroy()
    assert NAME not in aws.roles()
    assert aws.iam.get_instance_profile(InstanceProfileName=NAME)["InstanceProfile"]["Roles"] == []


def test_a_deletion_removes_managed_policies_before_inline_ones():
    # deleteRole in role.go.
    iam = answering(
        list_instance_profiles_for_role={"InstanceProfiles": [{"InstanceProfileName": "profile"}]},
        list_attached_role_policies={"AttachedPolicies": [{"PolicyArn": "arn"}]},
        list_role_policies={"PolicyNames": ["name"]},
    )
    Role().delete(iam, NAME, {"forceDetachPolicies": True})
    assert [name for name, _, _ in iam.method_calls if not name.startswith("list_")] == [
        "remove_role_from_instance_profile",
        "detach_role_policy",
        "delete_role_policy",
        "delete_role",
    ]


def test_the_deletion_of_a_role_waits_for_the_deletion_of_its_policies():
    # deleteRole in role.go: RetryWhenIsA[DeleteConflictException] within propagationTimeout.
    conflict = ClientError({"Error": {"Code": "DeleteConflict"}}, "DeleteRole")
    iam = answering(list_instance_profiles_for_role={})
    iam.delete_role.side_effect = [conflict, conflict, None]
    Role().delete(iam, NAME, {})
    assert iam.delete_role.call_count == 3


def test_a_role_with_remaining_policies_is_not_deleted():
    conflict = ClientError({"Error": {"Code": "DeleteConflict"}}, "DeleteRole")
    iam = answering(list_instance_profiles_for_role={})
    iam.delete_role.side_effect = conflict
    with pytest.raises(ClientError, match="DeleteConflict"):
        Role().delete(iam, NAME, {})


def test_tags_that_aws_sets_are_ignored():
    # IgnoreSystem in internal/provider/sdkv2/tags_interceptor.go.
    tags = {"aws:cloudformation:stack-name": "x", "Team": "search"}
    iam = having_role(Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    found = Role().read(iam, NAME)
    assert found is not None
    assert found["tagsAll"] == {"Team": "search"}


# Automatic names.


@pytest.mark.parametrize("listed", [{}, {DEFAULTS: []}, {DEFAULTS: ["name"]}], ids=str)
def test_a_role_without_a_name_keeps_its_earlier_one(listed: Properties):
    # applyDefaults in tfbridge/schema.go passes PriorValue to ComputeAutoNameDefault in
    # tfbridge/info/autonaming.go, even if the list of defaults does not contain the name
    # (TestSDKv2Check in tfbridge/provider_test.go).
    inputs = planned({"name": NAME, **listed})
    assert inputs["name"] == NAME
    assert "name" in inputs[DEFAULTS]


@pytest.mark.parametrize(
    ("autonaming", "name"),
    [
        ({"mode": "verbatim"}, "role"),
        ({"pattern": "q-${name}-${stack}"}, "q-role-STACK"),
        ({"providers": {"aws": {"pattern": "aws-${name}"}}}, "aws-role"),
    ],
    ids=str,
)
def test_the_stack_s_autonaming_decides_the_name(
    new_program: NewStack, autonaming: dict[str, object], name: str
):
    # ComputeAutoNameDefault in tfbridge/info/autonaming.go.
    stack = new_program('pulumi.export("name", aws.iam.Role("role", assume_role_policy=TRUST).name)')
    stack.configure({"aws:region": REGION, "pulumi:autonaming": autonaming})
    stack.up()
    assert stack.outputs()["name"] == name.replace("STACK", stack.name)


def test_without_autonaming_a_name_is_required(new_program: NewStack):
    # ComputeAutoNameDefault in tfbridge/info/autonaming.go.
    stack = new_program('aws.iam.Role("role", assume_role_policy=TRUST)')
    stack.configure({"aws:region": REGION, "pulumi:autonaming": {"mode": "disabled"}})
    preview = stack.preview(check=False)
    assert preview.exit_code != 0
    assert "automatic naming is disabled but no explicit name was provided" in preview.text
