"""Tests sandbox/provider/calls, configuration, lifecycle, policy_equivalence, resources, and schema.

Comments in most tests cite the real provider's functions. `tfbridge` is a package in
https://github.com/pulumi/pulumi-terraform-bridge; `role.go` and the other IAM files are in
`internal/service/iam` in https://github.com/hashicorp/terraform-provider-aws.
"""

import datetime as dt
import json
import re
from typing import Any
from unittest.mock import Mock, call

import pytest
from botocore.exceptions import ClientError

from pages.examples import REGION
from sandbox.provider import configuration, lifecycle
from sandbox.provider.calls import ProviderError
from sandbox.provider.configuration import SECRET, UNKNOWN, Configuration, Properties
from sandbox.provider.lifecycle import DEFAULTS, Lifecycle, Property
from sandbox.provider.policy_equivalence import are_equivalent, normalize_policy
from sandbox.provider.resources import FUNCTION_BY_TOKEN, LIFECYCLE_BY_TOKEN, Role
from sandbox.provider.schema import render_package_schema
from sandbox.provider.server import get_supported

NAME = "qbusiness-provider"
ACCOUNT = "123456789012"
OTHER = "444455556666"
TRUST = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "One", "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"},
    {"Sid": "Two", "Effect": "Allow", "Principal": {"Service": "qbusiness.amazonaws.com"},
     "Action": ["sts:AssumeRole"]}
  ]
}"""


def policy(**statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "A", **statement}]})


def having(operator: str, value: object) -> dict[str, object]:
    return {"Condition": {operator: {"a:b": value}}}


def answering(**answers: dict[str, Any]) -> Mock:
    """Return an IAM client that records its calls and returns fixed responses."""
    return Mock(**{f"{name}.return_value": answer for name, answer in answers.items()})


def test_refresh_adds_no_keys_or_entries_to_inputs(monkeypatch: pytest.MonkeyPatch):
    # See extractInputsObject and extractSchemaInputsObject in tfbridge/schema.go, applyTags in
    # pulumi-aws, and IgnoreSystem in internal/provider/sdkv2/tags_interceptor.go.
    tags = {"Owner": "platform", "Stage": "default", "Team": "search", "Foreign": "x"}
    found_tags = {**tags, "aws:cloudformation:stack-name": "x"}
    actual_role = {
        "RoleName": NAME,
        "Path": "/",
        "Description": "AEM",
        "MaxSessionDuration": 3600,
        "Arn": "arn",
        "RoleId": "id",
        "AssumeRolePolicyDocument": json.loads(TRUST),
        "CreateDate": dt.datetime.now(dt.UTC),
        "Tags": [{"Key": key, "Value": value} for key, value in found_tags.items()],
    }
    iam = answering(
        get_role={"Role": actual_role},
        list_role_policies={"PolicyNames": []},
        list_attached_role_policies={"AttachedPolicies": [{"PolicyArn": arn} for arn in ("a", "b")]},
    )
    monkeypatch.setattr(lifecycle, "get_client", Mock(return_value=iam))
    role = Lifecycle(Role(), Configuration(REGION, {"Owner": "platform", "Stage": "default"}))
    inputs = {
        "assumeRolePolicy": TRUST,
        "managedPolicyArns": ["a"],
        "maxSessionDuration": 7200,
        "path": "/",
        "tags": {"Stage": "default", "Team": "old", "Gone": "x"},
        DEFAULTS: ["maxSessionDuration", "path"],
    }
    state = {**STATE, "assumeRolePolicy": TRUST, "tags": inputs["tags"], "forceDetachPolicies": True}
    found = role.read(NAME, state, inputs)
    assert found is not None
    assert found[0] == {
        "assumeRolePolicy": TRUST,
        "managedPolicyArns": ["a"],
        "maxSessionDuration": 3600,
        "path": "/",
        "tags": {"Stage": "default", "Team": "search"},
        DEFAULTS: ["path"],
    }
    assert found[1]["assumeRolePolicy"] == TRUST
    assert found[1]["tags"] == {"Stage": "default", "Team": "search", "Foreign": "x"}
    assert found[1]["tagsAll"] == tags
    assert found[1]["forceDetachPolicies"] is True
    # A refresh of a resource without inputs is not an import.
    assert role.read(NAME, state, {}) == ({}, found[1])
    imported = role.read(NAME, {}, {})
    assert imported is not None
    assert imported[0] == {
        "name": NAME,
        "description": "AEM",
        "assumeRolePolicy": normalize_policy(TRUST),
        "managedPolicyArns": ["a", "b"],
        "forceDetachPolicies": False,
        DEFAULTS: [],
        "tags": {"Team": "search", "Foreign": "x"},
        "tagsAll": tags,
    }


# Differences.


@pytest.mark.parametrize(
    ("one", "other", "equivalent"),
    [
        ({"Effect": "Allow"}, {"Effect": "allow"}, True),
        ({"Action": ["a:B", "a:C"]}, {"Action": ["a:C", "a:B"]}, True),
        ({"Action": ["a:B"]}, {"Action": "a:B"}, True),
        ({"Action": "a:B"}, {"Action": "a:b"}, False),
        *(
            ({name: ["a", "b"]}, {name: other}, equivalent)
            for name in ("NotAction", "Resource", "NotResource")
            for other, equivalent in ((["b", "a"], True), (["a"], False))
        ),
        ({"Principal": {"AWS": OTHER}}, {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}}, True),
        ({"Principal": {"AWS": OTHER}}, {"Principal": {"AWS": "111122223333"}}, False),
        ({"Principal": "*"}, {"Principal": {"AWS": "*"}}, False),
        ({"Principal": {"AWS": [OTHER, "*"]}}, {"Principal": {"AWS": ["*", OTHER]}}, True),
        ({"Sid": "B"}, {"Sid": "b"}, False),
        (having("StringLike", "c"), having("StringLike", ["c"]), True),
        (having("StringLike", ["c", "d"]), having("StringLike", ["d", "c"]), True),
        (having("StringLike", ["c", "d"]), having("StringLike", "c"), False),
        (having("Bool", [True]), having("Bool", "true"), True),
        (having("NumericEquals", 5), having("NumericEquals", "5"), True),
        ({"Condition": {}}, {}, False),
    ],
    ids=str,
)
def test_documents_are_compared_as_in_the_real_provider(
    one: dict[str, object], other: dict[str, object], equivalent: bool
):
    # See PoliciesAreEquivalent in hashicorp/awspolicyequivalence.
    assert are_equivalent(policy(**one), policy(**other)) == equivalent


def test_documents_differ_by_statements_version_or_id():
    one = json.loads(TRUST)
    first, second = one["Statement"]
    without_version = {"Statement": one["Statement"]}
    for other, equivalent in (
        ({**one, "Statement": [second, first]}, True),
        ({**one, "Id": ""}, True),
        ({**one, "Version": "2008-10-17"}, False),
        (without_version, False),
        ({**one, "Id": "x"}, False),
        ({**one, "Statement": [first]}, False),
        ({**one, "Statement": [first, second, first]}, False),
    ):
        assert are_equivalent(TRUST, json.dumps(other)) == equivalent, other
    # The real function compares the number of statements, and then looks for each statement.
    twice = [{**one, "Statement": [first, second, each]} for each in (first, second)]
    assert are_equivalent(*map(json.dumps, twice))


STATE: Properties = {
    "name": NAME,
    "path": "/",
    "description": "",
    "permissionsBoundary": "",
    "tagsAll": {},
    "assumeRolePolicy": normalize_policy(TRUST),
    "maxSessionDuration": 3600,
    "arn": "arn",
    "forceDetachPolicies": False,
    "inlinePolicies": [],
    "managedPolicyArns": [],
}
"""The state of a role that has only a name and a trust policy."""


@pytest.mark.parametrize(
    ("state", "inputs", "expected"),
    [
        ({}, {}, {}),
        ({}, {"description": "AEM"}, {"description": "UPDATE"}),
        ({"description": None}, {"description": "AEM"}, {"description": "ADD"}),
        ({"description": None}, {"description": ""}, {}),
        ({"description": "AEM"}, {}, {"description": "DELETE"}),
        ({"maxSessionDuration": 7200}, {}, {"maxSessionDuration": "UPDATE"}),
        ({}, {"assumeRolePolicy": UNKNOWN}, {"assumeRolePolicy": "UPDATE"}),
        ({"managedPolicyArns": ["a"]}, {}, {}),
        ({"managedPolicyArns": ["a", "b"]}, {"managedPolicyArns": ["b", "a"]}, {}),
        (
            {"managedPolicyArns": ["a", "b"]},
            {"managedPolicyArns": ["b", "c"]},
            {"managedPolicyArns[0]": "DELETE", "managedPolicyArns[1]": "ADD"},
        ),
        # See isPresent in tfbridge/detailed_diff.go: a tag with an empty value counts as present.
        ({}, {"tags": {"A": "", "b.c": "1"}}, {"tags.A": "ADD", 'tags["b.c"]': "ADD"}),
        ({"tags": {"A": "", "B": "1"}}, {"tags": {"B": "2"}}, {"tags.A": "DELETE", "tags.B": "UPDATE"}),
        ({"tags": {"A": ""}}, {}, {"tags.A": "DELETE"}),
        ({"tags": {}}, {}, {}),
    ],
)
def test_each_difference_is_an_addition_update_or_deletion(
    state: Properties, inputs: Properties, expected: dict[str, str]
):
    # See makeDetailedDiffV2 in tfbridge/detailed_diff.go.
    role = Lifecycle(Role(), Configuration(REGION))
    news = {"name": NAME, "assumeRolePolicy": TRUST, **inputs}
    assert role.diff({**STATE, **state}, news, ()).changes == expected
    assert role.diff({**STATE, **state}, news, [*inputs, *state]).changes == {}


@pytest.mark.parametrize(
    ("kind", "required", "replacing"),
    [
        ("Role", "assumeRolePolicy", "name path"),
        ("RolePolicy", "role policy", "name role"),
        ("Policy", "policy", "name policy"),
        ("RolePolicyAttachment", "role policyArn", "policyArn role"),
        ("OpenIdConnectProvider", "url clientIdLists", "clientIdLists url"),
        ("RolePoliciesExclusive", "roleName policyNames", "roleName"),
        ("RolePolicyAttachmentsExclusive", "roleName policyArns", "roleName"),
    ],
)
def test_inputs_can_be_required_and_their_changes_can_replace_a_resource(
    kind: str, required: str, replacing: str
):
    token = f"aws:iam/{kind[0].lower()}{kind[1:]}:{kind}"
    resource = LIFECYCLE_BY_TOKEN[token](Configuration(REGION))
    _, failures = resource.check({}, {"name": None}, "role-1")
    assert failures == [(name, f"{name} is required") for name in required.split()]
    old, new = (dict.fromkeys(resource.resource.properties, f'{{"Id": "{text}"}}') for text in "ab")
    diff = resource.diff(old, new, ())
    assert diff.replaces == replacing.split()
    is_attachment = kind == "RolePolicyAttachment"
    assert diff.delete_before_replace == is_attachment
    for defaults, first in ((["name"], is_attachment), ([], is_attachment or "name" in replacing)):
        assert resource.diff(old, {**new, DEFAULTS: defaults}, ()).delete_before_replace == first
        assert not resource.diff(old, {**old, DEFAULTS: defaults}, ()).delete_before_replace
    # For resources of Terraform's plugin framework, the provider reports no property paths.
    assert diff.detailed == (not kind.endswith("Exclusive"))


def checked(olds: Properties, **inputs: object) -> tuple[Properties, list[tuple[str, str]]]:
    """Return a role's inputs after Check, and the failures."""
    role = Lifecycle(Role(), Configuration(REGION, {"Owner": "platform", "Team": "default"}))
    return role.check(olds, {"assumeRolePolicy": TRUST, **inputs}, "role-1")


def test_check_reports_invalid_inputs_and_computes_all_tags():
    # See Provider.Check in tfbridge/provider.go, and applyTags in provider/tags.go in pulumi-aws.
    for text in ("no JSON", "[]", 5, {}):
        assert checked({}, assumeRolePolicy=text)[1] == [
            ("assumeRolePolicy", "assumeRolePolicy contains an invalid JSON policy")
        ]
    ((name, message),) = checked({}, namePrefix="x")[1]
    assert name == "namePrefix"
    assert "aws:iam/role:Role has no namePrefix; it has assumeRolePolicy, " in message
    given = {"name": NAME, "assumeRolePolicy": UNKNOWN, "description": None, "tags": {"Team": "search"}}
    assert checked({}, **given) == (
        {
            "name": NAME,
            "assumeRolePolicy": UNKNOWN,
            "path": "/",
            "maxSessionDuration": 3600,
            "tags": {"Team": "search"},
            "tagsAll": {"Owner": "platform", "Team": "search"},
            DEFAULTS: ["maxSessionDuration", "path"],
        },
        [],
    )
    for tags in (UNKNOWN, {"Team": UNKNOWN}):
        assert checked({}, tags=tags)[0]["tagsAll"] == UNKNOWN


def test_role_without_name_setting_keeps_earlier_name():
    # applyDefaults in tfbridge/schema.go passes PriorValue to ComputeAutoNameDefault in
    # tfbridge/info/autonaming.go, even if the list of defaults does not contain the name
    # (TestSDKv2Check in tfbridge/provider_test.go).
    assert checked({})[0]["name"] == "role-1"
    for listed in ({}, {DEFAULTS: []}, {DEFAULTS: ["name"]}):
        inputs, _ = checked({"name": NAME, **listed})
        assert (inputs["name"], "name" in inputs[DEFAULTS]) == (NAME, True), listed


def test_url_of_oidc_provider_includes_scheme():
    # See resourceOpenIDConnectProviderRead and suppressOpenIDURL in openid_connect_provider.go.
    iam = answering(get_open_id_connect_provider={"Url": "one.example", "ClientIDList": ["a"]})
    oidc = LIFECYCLE_BY_TOKEN["aws:iam/openIdConnectProvider:OpenIdConnectProvider"](
        Configuration(REGION)
    )
    found = oidc.resource.read(iam, "arn")
    assert found == {"url": "https://one.example", "clientIdLists": ["a"], "arn": "arn"}


# The provider's configuration.


def secret(value: object) -> dict[str, object]:
    return {**SECRET, "value": value}


NOT_ALLOWED = f"error occurred:\n\t* AWS account ID not allowed: {ACCOUNT}"
SECRETS = {
    "allowedAccountIds": secret(secret(json.dumps([secret(ACCOUNT)]))),
    # default_tags is a map of strings: see NewProvider in internal/provider/sdkv2/provider.go.
    "defaultTags": secret(json.dumps({"tags": {"Cost": secret(5), "Live": True}})),
}
"""The engine marks secrets in a provider's configuration if the provider accepts them."""


@pytest.mark.parametrize(
    ("package", "settings", "expected"),
    [
        # ConfigureProvider in internal/conns/config.go calls VerifyAccountIDAllowed in
        # hashicorp/aws-sdk-go-base. NewConfigEncoding in tfbridge/config_encoding.go parses JSON lists.
        ("aws", {"allowedAccountIds": [OTHER, ACCOUNT]}, Configuration(REGION)),
        ("aws", {"allowedAccountIds": [int(ACCOUNT)]}, Configuration(REGION)),
        ("aws", {"allowedAccountIds": [], "forbiddenAccountIds": ""}, Configuration(REGION)),
        ("aws", {"allowedAccountIds": None, "forbiddenAccountIds": [OTHER]}, Configuration(REGION)),
        ("aws", SECRETS, Configuration(REGION, {"Cost": "5", "Live": "true"})),
        ("aws", {"allowedAccountIds": [OTHER]}, NOT_ALLOWED),
        ("aws", {"forbiddenAccountIds": [OTHER, ACCOUNT]}, NOT_ALLOWED),
        ("aws", {"allowedAccountIds": ACCOUNT}, "aws:allowedAccountIds: expected a list of account IDs"),
        (
            "aws",
            {"forbiddenAccountIds": 4},
            "forbiddenAccountIds: expected a list of account IDs, got 4",
        ),
        # See validateAccountId in provider/provider.go of pulumi-aws-native.
        ("aws-native", {"allowedAccountIds": [OTHER]}, f"account ID not allowed ({ACCOUNT})"),
        (
            "aws-native",
            {"allowedAccountIds": [ACCOUNT], "forbiddenAccountIds": [ACCOUNT]},
            f"forbidden account ID ({ACCOUNT})",
        ),
        # See Provider.CheckConfig in tfbridge/provider.go.
        *(("aws", {"maxRetries": number}, Configuration(REGION, {}, number)) for number in (7, 0)),
        *(("aws", {"maxRetries": empty}, Configuration(REGION)) for empty in ("", None)),
        *(
            ("aws", {"maxRetries": value}, "malformed resource inputs: aws:maxRetries: expected a whole")
            for value in ("many", -1, 1.5, True)
        ),
    ],
    ids=str,
)
def test_configuration_is_read_or_rejected(
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    settings: dict[str, object],
    expected: Configuration | str,
):
    monkeypatch.setattr(configuration, "read_caller_identity", Mock(return_value={"Account": ACCOUNT}))
    texts = {
        name: value if isinstance(value, dict) else json.dumps(value) for name, value in settings.items()
    }
    if isinstance(expected, Configuration):
        assert configuration.configure_provider(package, {"region": REGION, **texts}) == expected
    else:
        with pytest.raises(ProviderError, match=re.escape(expected)):
            configuration.configure_provider(package, {"region": REGION, **texts})


def test_environment_provides_unconfigured_region(monkeypatch: pytest.MonkeyPatch):
    # See applyDefaults and multiEnvDefault in tfbridge/schema.go.
    monkeypatch.setattr(configuration, "read_caller_identity", Mock(return_value={"Account": ACCOUNT}))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for configured, variable, region in (
        ({"region": "eu-west-1"}, "us-west-2", "eu-west-1"),
        ({}, "us-west-2", "us-west-2"),
        ({}, "", "us-east-1"),
    ):
        monkeypatch.setenv("AWS_REGION", variable)
        assert configuration.configure_provider("aws", configured).region == region


# Calls.


UNCHANGED = {
    "assumeRolePolicy": "1",
    "description": "Pages",
    "maxSessionDuration": 3600,
    "permissionsBoundary": "arn",
}


@pytest.mark.parametrize(
    ("state", "desired", "calls"),
    [
        # The state contains an unset description as "". Tests in tests/engine change each property.
        ({"description": "", "permissionsBoundary": "", "tagsAll": {}}, {}, []),
        (UNCHANGED, UNCHANGED, []),
        (
            {"tagsAll": {"Gone": "x", "Kept": "x", "Team": "x"}},
            {"tagsAll": {"Kept": "x", "Team": "search"}},
            [
                call.untag_role(RoleName=NAME, TagKeys=["Gone"]),
                call.tag_role(RoleName=NAME, Tags=[{"Key": "Team", "Value": "search"}]),
            ],
        ),
        (
            {"inlinePolicies": [{"name": name, "policy": "1"} for name in ("gone", "kept", "changed")]},
            {
                "inlinePolicies": [
                    {"name": name, "policy": text}
                    for name, text in (("new", "1"), ("changed", "2"), ("kept", "1"))
                ]
            },
            [
                call.delete_role_policy(RoleName=NAME, PolicyName="gone"),
                call.put_role_policy(RoleName=NAME, PolicyName="changed", PolicyDocument="2"),
                call.put_role_policy(RoleName=NAME, PolicyName="new", PolicyDocument="1"),
            ],
        ),
        (
            {"managedPolicyArns": ["gone", "kept"]},
            {"managedPolicyArns": ["kept", "new"]},
            [
                call.detach_role_policy(RoleName=NAME, PolicyArn="gone"),
                call.attach_role_policy(RoleName=NAME, PolicyArn="new"),
            ],
        ),
    ],
)
def test_update_changes_only_differing_properties(
    state: Properties, desired: Properties, calls: list[Any]
):
    # See resourceRoleUpdate in role.go.
    iam = answering()
    Role().update(iam, NAME, state, desired)
    assert iam.method_calls == calls


DETACH = [call.detach_role_policy(RoleName=NAME, PolicyArn="arn")]
DELETE = [call.delete_role_policy(RoleName=NAME, PolicyName="name")]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"forceDetachPolicies": True}, DETACH + DELETE),
        ({"managedPolicyArns": ["arn"], "inlinePolicies": [], "forceDetachPolicies": False}, DETACH),
        ({"managedPolicyArns": [], "inlinePolicies": [{"name": "name"}]}, DELETE),
        ({}, []),
    ],
)
def test_deletion_removes_managed_then_inline_policies_and_is_retried(
    monkeypatch: pytest.MonkeyPatch, state: Properties, expected: list[Any]
):
    # See deleteRole in role.go: RetryWhenIsA[DeleteConflictException] within propagationTimeout.
    monkeypatch.setattr("sandbox.provider.calls.time.sleep", Mock())
    conflict = ClientError({"Error": {"Code": "DeleteConflict"}}, "DeleteRole")
    iam = answering(
        list_instance_profiles_for_role={"InstanceProfiles": [{"InstanceProfileName": "profile"}]},
        list_attached_role_policies={"AttachedPolicies": [{"PolicyArn": "arn"}]},
        list_role_policies={"PolicyNames": ["name"]},
    )
    iam.delete_role.side_effect = [conflict, conflict, None]
    Role().delete(iam, NAME, state)
    assert [each for each in iam.method_calls if not each[0].startswith("list_")] == [
        call.remove_role_from_instance_profile(RoleName=NAME, InstanceProfileName="profile"),
        *expected,
        *[call.delete_role(RoleName=NAME)] * 3,
    ]


# The sandbox's limits.


def test_unsupported_resource_or_function_is_rejected():
    with pytest.raises(ProviderError, match="does not support the resource aws:s3/bucket:Bucket; it s"):
        get_supported("resource", "aws:s3/bucket:Bucket", LIFECYCLE_BY_TOKEN)
    with pytest.raises(ProviderError, match="does not support the function aws:index/getZones:getZones"):
        get_supported("function", "aws:index/getZones:getZones", FUNCTION_BY_TOKEN)


def test_schema_has_the_type_of_each_property():
    # See https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/
    text = {"type": "string"}
    texts = {"type": "array", "items": text}
    types = {
        **{kind: {"type": kind} for kind in ("string", "boolean", "integer")},
        "any": {"$ref": "pulumi.json#/Any"},
        "array": texts,
        "object": {"type": "object", "additionalProperties": text},
        "lists": {"type": "object", "additionalProperties": texts},
        "policies": {"type": "array", "items": {"type": "object", "additionalProperties": text}},
    }
    properties = {kind: Property(kind, required=kind == "array") for kind in types}
    properties["arn"] = Property(output_only=True)
    assert render_package_schema("aws", "1.0.0", {"r": properties}, ["f"])["resources"]["r"] == {
        "inputProperties": types,
        "requiredInputs": ["array"],
        "properties": {**types, "arn": text},
        "required": ["array", "arn"],
    }
