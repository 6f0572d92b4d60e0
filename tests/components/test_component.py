"""Tests `components/connector_role.py` with mocks in place of the engine."""

from collections import UserDict
from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import product
from types import MappingProxyType
from typing import Any, cast
from unittest.mock import Mock

import pulumi
import pytest
from pulumi.output import Unknown

from components.connector_role import ConnectorRole, ConnectorRoleArgs
from components.problems import SettingsError
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SUBNET_ID,
)
from tests.helpers.expected import FULL_ROLE_POLICY
from tests.helpers.mocked import STACK, Deployment, Registration, Upstream
from tests.helpers.samples import EXAMPLES, FULL, OF_THE_ROLE, ROLE_INPUTS, SAMPLES
from tests.helpers.support import MINIMAL, PROJECT_NAME, S3, VPC, golden, indented, of_role

IN_STACK = f"urn:pulumi:{STACK}::{PROJECT_NAME}::pulumi:pulumi:Stack$"
COMPONENT_URN = f"{IN_STACK}qbusiness-connector:index:ConnectorRole::aem"
FULL_DOCUMENTS = (golden("trust-policy"), FULL_ROLE_POLICY)
CALLER_IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"
GET_REGION = "aws:index/getRegion:getRegion"


def component(args: Mapping[str, Any], name: str = "aem", **options: Any) -> ConnectorRole:
    opts = pulumi.ResourceOptions(**options)
    return ConnectorRole(name, cast("ConnectorRoleArgs", dict(args)), opts)


def deploy(args: Mapping[str, Any], **how: Any) -> Deployment:
    return Deployment(lambda: component(args), **how)


def output_of(value: object, name: str = "upstream") -> pulumi.Output[Any]:
    return Upstream(name, value).value


def types(deployment: Deployment) -> list[str]:
    return [registration.type for registration in deployment.registrations]


def dependencies(registration: Registration) -> set[str]:
    return {urn.rpartition("::")[2] for urn in registration.request.dependencies}


def test_documents_and_settings_become_resource_inputs():
    deployment = deploy({**FULL, **OF_THE_ROLE})
    assert {**deployment.role, "assumeRolePolicy": indented(deployment.role["assumeRolePolicy"])} == {
        **ROLE_INPUTS,
        "forceDetachPolicies": True,
        "assumeRolePolicy": golden("trust-policy"),
    }
    assert {**deployment.role_policy, "policy": indented(deployment.role_policy["policy"])} == {
        "name": "qbusiness-aem-connector",
        "role": "qbusiness-aem",
        "policy": FULL_ROLE_POLICY,
    }
    (policy,) = deployment.of_type("aws:iam/rolePolicy:RolePolicy")
    assert policy.request.deleteBeforeReplaceDefined  # a role in use must always have a policy
    assert not policy.request.deleteBeforeReplace


def test_exclusive_policies_setting_covers_inline_and_attached_policies():
    exclusive = deploy({**MINIMAL, "exclusive_policies": True, "role_name": "qbusiness-aem"})
    children = exclusive.registrations[1:]
    assert [child.request.parent for child in children] == [COMPONENT_URN] * 4
    (inline,) = exclusive.of_type("aws:iam/rolePoliciesExclusive:RolePoliciesExclusive")
    (attached,) = exclusive.of_type(
        "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive"
    )
    assert (inline.name, dict(inline.inputs)) == (
        "aem-qbusiness-policies-exclusive",
        {"roleName": "qbusiness-aem", "policyNames": ["qbusiness-aem-connector"]},
    )
    assert (attached.name, dict(attached.inputs)) == (
        "aem-qbusiness-policy-attachments-exclusive",
        {"roleName": "qbusiness-aem", "policyArns": []},
    )
    # An imported role keeps its old policies until the new policy exists.
    for resource in (inline, attached):
        assert dependencies(resource) == {"aem-qbusiness-policy", "aem-qbusiness-role"}


def test_role_arn_output_depends_on_role_and_policy():
    def program() -> None:
        Upstream("data-source", component(MINIMAL).role_arn)

    data_source = Deployment(program).registrations[-1]
    assert dependencies(data_source) == {"aem-qbusiness-policy", "aem-qbusiness-role"}


def test_components_use_their_provider_and_query_it_once():
    import pulumi_aws as aws  # noqa: PLC0415 slow, and few tests need it

    def program() -> None:
        one, other = (aws.Provider(name, region=REGION) for name in ("one", "other"))
        for name, provider in (("first", one), ("second", one), ("third", other)):
            component({**MINIMAL, "application_id": APPLICATION_ARN}, name, providers=[provider])

    deployment = Deployment(program)
    assert deployment.error is None
    children = [each for each in deployment.registrations if each.type.startswith("aws:iam")]
    used = [each.request.provider.rpartition("::")[2] for each in children]
    assert sorted(used) == ["one-id"] * 4 + ["other-id"] * 2
    asked = [(request.tok, request.provider.rpartition("::")[2]) for request in deployment.invokes]
    questions = product((CALLER_IDENTITY, GET_REGION), ("one-id", "other-id"))
    assert sorted(asked) == [*questions]


# Account and Region lookups.


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"application_id": APPLICATION_ID},
        {"application_id": APPLICATION_ID, "region": REGION},
        {"application_id": APPLICATION_ID, "account_id": ACCOUNT},
    ],
)
def test_provider_supplies_missing_location(args: dict[str, str]):
    deployment = deploy({**FULL, **args})
    assert {invoke.version for invoke in deployment.invokes} == {version("pulumi-aws")}
    assert deployment.documents == FULL_DOCUMENTS


def test_both_policies_use_partition_of_provider():
    args = {**S3, "application_id": APPLICATION_ID, "region": REGION}
    deployment = deploy(args, partition="aws-us-gov")
    assert deployment.error is None
    expected = of_role(golden("s3-v2-role-policy"), "aem-qbusiness-role-1234567")
    assert deployment.documents == tuple(
        document.replace('"arn:aws:', '"arn:aws-us-gov:')
        for document in (golden("trust-policy"), expected)
    )


# Values that become known only during the update.


def all_later() -> dict[str, Any]:
    """Return the full settings with an Output for every value, including nested values."""
    vpc = {
        entry: [output_of(item, f"{entry}-{i}") for i, item in enumerate(items)]
        for entry, items in VPC.items()
    }
    plain = {name: value for name, value in FULL.items() if name != "vpc_configuration"}
    return {name: output_of(value, name) for name, value in plain.items()} | {
        "vpc_configuration": vpc,
        "role_name": output_of("qbusiness-aem", "role"),
        "role_path": output_of("/connectors/", "path"),
        "tags": {"Team": output_of("search", "team")},
    }


def test_top_level_and_nested_values_can_be_outputs():
    deployment = Deployment(lambda: component(all_later()))
    assert deployment.error is None
    assert deployment.documents == FULL_DOCUMENTS
    assert deployment.role["name"] == "qbusiness-aem"
    assert deployment.role["path"] == "/connectors/"
    assert deployment.role["tags"] == {"Team": "search"}


@pytest.mark.parametrize(
    ("args", "name"),
    [(S3, "secret_id"), (S3, "vpc_configuration"), (MINIMAL, "bucket_name")],
    ids=["secret", "VPC", "bucket"],
)
def test_output_for_unsupported_setting_is_rejected_before_it_is_known(
    args: Mapping[str, Any], name: str
):
    deployment = Deployment(lambda: component({**args, name: output_of("")}), preview=True)
    assert isinstance(deployment.error, SettingsError)
    (problem,) = deployment.error.problems
    assert problem.place.name == name
    assert problem.given.startswith("is not supported by the ")
    assert types(deployment) == ["test:index:Upstream"]


def test_application_arn_makes_documents_known_before_provider_is_configured():
    deployment = deploy(FULL, preview=True, account=None)
    assert deployment.error is None
    assert deployment.documents == FULL_DOCUMENTS


@pytest.mark.parametrize("location", [{}, {"region": REGION, "account_id": ACCOUNT}])
def test_unconfigured_provider_makes_documents_unknown_without_application_arn(
    location: dict[str, str],
):
    args = {**MINIMAL, **location, "application_id": APPLICATION_ID, "role_name": "aem"}
    deployment = deploy(args, preview=True, account=None)
    assert deployment.error is None
    (warning,) = deployment.warnings  # each warning is reported once
    assert "lists only roles" in warning
    assert pulumi.contains_unknowns(deployment.role["assumeRolePolicy"])
    assert pulumi.contains_unknowns(deployment.role_policy["policy"])


def test_unknown_role_name_makes_only_policy_with_its_arn_unknown():
    files = deploy(S3, preview=True)  # the role's name is unknown in a preview
    assert not pulumi.contains_unknowns(files.role["assumeRolePolicy"])
    assert pulumi.contains_unknowns(files.role_policy["policy"])
    assert not pulumi.contains_unknowns(deploy(MINIMAL, preview=True).role_policy["policy"])


def test_failed_lookup_ends_program_with_provider_message(monkeypatch: pytest.MonkeyPatch):
    said = (
        "it returned an error: 1 error occurred:\n\t* AWS account ID not allowed: 210987654321\x1b\n\n"
    )
    failed: tuple[dict[str, Any], list[tuple[str, str]]] = {}, [("", said)]
    monkeypatch.setattr(Deployment, "call", Mock(return_value=failed))
    deployment = deploy({**MINIMAL, "application_id": APPLICATION_ID})
    assert type(deployment.error) is pulumi.RunError
    assert str(deployment.error) == (
        "no role that uses the AWS provider was created or changed, because the provider cannot look up "
        "its account or Region: 1 error occurred: * AWS account ID not allowed: 210987654321\\x1b ()\n"
        "    fix: use other credentials; `aws sts get-caller-identity` shows their account"
    )
    assert types(deployment) == ["qbusiness-connector:index:ConnectorRole"]


BOTH = {"trust policy", "role policy"}
OF_BOTH_POLICIES = ("region", "application_id", "account_id")
IN_S3_POLICY = {"role_name": "qbusiness-files", "role_path": "/connectors/", "kms_key_id": KEY_ID}
STRUCTURAL = ("connector", "exclusive_policies")
OF_THE_ROLE_POLICY = SAMPLES.keys() - OF_THE_ROLE.keys() - {*OF_BOTH_POLICIES, *STRUCTURAL}


@pytest.mark.parametrize(
    ("args", "name", "value", "expected"),
    [
        *((FULL, name, value, set()) for name, value in OF_THE_ROLE.items()),
        *((FULL, name, EXAMPLES[name], {"role policy"}) for name in sorted(OF_THE_ROLE_POLICY)),
        *((FULL, name, EXAMPLES[name], BOTH) for name in OF_BOTH_POLICIES),
        (FULL, "application_id", APPLICATION_ID, BOTH),
        *((S3, name, value, {"role policy"}) for name, value in IN_S3_POLICY.items()),
        (S3, "role_description", "Files", set()),
    ],
)
def test_only_policies_with_secret_value_are_secret(
    args: Mapping[str, Any], name: str, value: object, expected: set[str]
):
    given = {**args, **SAMPLES[name].others} if args is FULL else args
    for preview in (False, True):  # the role's name is unknown in a preview
        deployment = deploy({**given, name: pulumi.Output.secret(value)}, preview=preview)
        assert deployment.error is None
        assert deployment.secret_documents == expected


def test_secret_entry_makes_only_its_setting_secret():
    tags = deploy({**FULL, "tags": {"Team": pulumi.Output.secret("search")}})
    assert tags.secret_documents == set()
    vpc = deploy({**FULL, "vpc_configuration": {**VPC, "subnet_ids": pulumi.Output.secret([SUBNET_ID])}})
    assert vpc.secret_documents == {"role policy"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"tags": {"Team": "search"}}, []),
        ({"tags": {"Team": pulumi.Output.secret("search")}}, ["inlinePolicies", "tagsAll"]),
        ({"kms_key_id": pulumi.Output.secret(KEY_ID)}, ["inlinePolicies", "tagsAll"]),
    ],
)
def test_secret_setting_makes_computed_role_outputs_secret(given: dict[str, Any], expected: list[str]):
    (role,) = deploy({**MINIMAL, **given}).of_type("aws:iam/role:Role")
    assert [*role.request.additionalSecretOutputs] == expected


LOCATED = {**FULL, "application_id": APPLICATION_ID, "region": REGION}


@pytest.mark.parametrize(
    ("args", "name", "expected"),
    [
        *((FULL, name, set()) for name in OF_THE_ROLE),
        *((FULL, name, {"role policy"}) for name in ("index_id", "secret_id", "kms_key_id")),
        *((LOCATED, name, BOTH) for name in OF_BOTH_POLICIES),
        # The unknown Region might be the secret's Region.
        (
            {**LOCATED, "secret_id": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:aem-a1B2c3"},
            "region",
            BOTH,
        ),
        *(
            (S3, name, {"role policy"})
            for name in ("bucket_name", "bucket_account_id", "kms_key_id", "role_name", "role_path")
        ),
    ],
)
def test_only_policies_with_unknown_value_are_unknown(
    args: Mapping[str, Any], name: str, expected: set[str]
):
    def program() -> None:
        component({"role_description": "AEM", **args, name: output_of("x")})

    deployment = Deployment(program, preview=True, existing=True)
    assert deployment.error is None
    sent = {
        "trust policy": deployment.role["assumeRolePolicy"],
        "role policy": deployment.role_policy["policy"],
    }
    assert {policy for policy, text in sent.items() if pulumi.contains_unknowns(text)} == expected
    assert (deployment.role.get("description") == "AEM") == (name != "role_description")
    assert deployment.outputs[COMPONENT_URN]["roleArn"].startswith("arn:")


def test_account_is_checked_while_application_is_unknown():
    def rejection(**given: object) -> Exception | None:
        args = {**MINIMAL, "application_id": pulumi.UNKNOWN, **given}
        return deploy(args, preview=True).error

    found = rejection(account_id=OTHER_ACCOUNT)
    assert isinstance(found, SettingsError)
    assert [problem.place.name for problem in found.problems] == ["account_id"]
    # The application might be in the secret's Region.
    secret = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:aem-a1B2c3"
    assert rejection(secret_id=secret) is None


class EarlierState(Deployment):
    """A deployment in whose state the role's ARN is a secret."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        identifier, state = super().new_resource(args)
        return identifier, state | (
            {"arn": pulumi.Output.secret(state["arn"])} if "arn" in state else {}
        )


def test_role_arn_recorded_as_secret_becomes_plain():
    deployment = EarlierState(lambda: component({**FULL, "role_name": "qbusiness-aem"}))
    role_arn = deployment.raw_outputs[COMPONENT_URN].fields["roleArn"]
    assert role_arn.string_value == f"arn:aws:iam::{ACCOUNT}:role/qbusiness-aem"


# Invalid settings.


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
def test_invalid_plain_value_among_outputs_is_rejected(preview: bool):
    def program() -> None:
        tags = {"a": output_of("a"), "b": 1}
        component({**FULL, "tags": tags, "index_id": "x"})

    deployment = Deployment(program, preview=preview)
    assert isinstance(deployment.error, SettingsError)
    assert [problem.place.name for problem in deployment.error.problems] == ["index_id", "tags.b"]
    assert types(deployment) == ["test:index:Upstream"]


@pytest.mark.parametrize(
    ("args", "name", "value", "rejected"),
    [
        (FULL, "application_id", "x", "application_id"),
        (FULL, "account_id", OTHER_ACCOUNT, "account_id"),
        (FULL, "tags", {"aws:x": "v"}, 'tags["aws:x"]'),
        (FULL, "vpc_configuration", {**VPC, "subnet_ids": []}, "vpc_configuration.subnet_ids"),
        (MINIMAL, "secret_id", "", "secret_id"),
        ({**S3, "bucket_account_id": OTHER_ACCOUNT}, "bucket_name", "", "bucket_name"),
        ({**FULL, "connector": "webcrawler"}, "secret_id", "", "secret_id"),
    ],
)
def test_invalid_or_blank_output_prevents_role_creation(
    args: Mapping[str, Any], name: str, value: object, rejected: str
):
    deployment = Deployment(lambda: component({**args, name: output_of(value)}))
    assert isinstance(deployment.error, SettingsError)
    assert [problem.place.name for problem in deployment.error.problems] == [rejected]
    assert not [kind for kind in types(deployment) if kind.startswith("aws:iam")]


@pytest.mark.parametrize(("content", "shown"), [("", '""'), (None, "null")])
@pytest.mark.parametrize("make", [pulumi.Output.from_input, pulumi.Output.secret])
def test_output_must_not_resolve_to_blank(
    make: Callable[[object], pulumi.Output[Any]], content: object, shown: str
):
    for name in SAMPLES.keys() - {*STRUCTURAL}:
        deployment = deploy({**FULL, **SAMPLES[name].others, name: make(content)})
        assert isinstance(deployment.error, SettingsError), name
        (problem,) = deployment.error.problems
        assert problem.place.name == name
        assert problem.given == f'is an Output that resolved to {shown}; only a plain "" means not set'
        assert types(deployment) == ["qbusiness-connector:index:ConnectorRole"]
    deployment = deploy({**FULL, "vpc_configuration": {**VPC, "subnet_ids": make(content)}})
    assert isinstance(deployment.error, SettingsError)
    (problem,) = deployment.error.problems
    assert problem.place.name == "vpc_configuration.subnet_ids"
    assert problem.given == "is not set or is empty"


@pytest.mark.parametrize(
    ("name", "value"),
    [("exclusive_policies", True), ("connector", "aem-cloud"), ("connector", "")],
)
@pytest.mark.parametrize("make", [output_of, pulumi.Output.secret, pulumi.Output.from_input])
def test_exclusive_policies_and_connector_must_be_plain_values(
    make: Callable[[object], pulumi.Output[Any]], name: str, value: object
):
    deployment = Deployment(lambda: component({**MINIMAL, name: make(value)}))
    assert isinstance(deployment.error, SettingsError)
    assert [problem.place.name for problem in deployment.error.problems] == [name]
    assert set(types(deployment)) <= {"test:index:Upstream"}


# Credentials. A role can be passed only within its own account.


@pytest.mark.parametrize(
    ("given", "credentials", "name"),
    [
        ({}, {"account": OTHER_ACCOUNT}, "application_id"),
        ({}, {"partition": "aws-cn"}, "application_id"),
        (
            {"application_id": APPLICATION_ID, "region": REGION, "account_id": ACCOUNT},
            {"account": OTHER_ACCOUNT},
            "account_id",
        ),
    ],
    ids=["account of the ARN", "partition", "account"],
)
@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize("make", [str, output_of], ids=["plain key", "key from an Output"])
def test_credentials_for_another_account_or_partition_prevent_creation(
    given: dict[str, Any],
    credentials: dict[str, Any],
    name: str,
    make: Callable[[str], object],
    preview: bool,
):
    deployment = Deployment(
        lambda: component({**FULL, **given, "kms_key_id": make(KEY_ID)}), preview=preview, **credentials
    )
    assert isinstance(deployment.error, SettingsError)
    assert [problem.place.path for problem in deployment.error.problems] == [(name,)]
    assert not [kind for kind in types(deployment) if kind.startswith("aws:iam")]


def test_account_of_secret_application_is_not_shown():
    secret = {**MINIMAL, "application_id": pulumi.Output.secret(APPLICATION_ARN)}
    for deployment in (
        deploy(secret, account=OTHER_ACCOUNT),
        deploy({**secret, "account_id": OTHER_ACCOUNT}),
    ):
        assert isinstance(deployment.error, SettingsError)
        assert ACCOUNT not in str(deployment.error)


# Unknown values, types of containers, and invalid arguments.


@pytest.mark.parametrize(
    ("name", "args"),
    [(5, MINIMAL), ("aem", None), ("aem", "text"), (None, MINIMAL)],
)
def test_invalid_name_or_arguments_cause_no_traceback(name: Any, args: Any):
    deployment = Deployment(lambda: ConnectorRole(name, args))
    assert isinstance(deployment.error, pulumi.RunError)
    assert str(deployment.error) == "ConnectorRole takes a string name and a dictionary of arguments"


@pytest.mark.parametrize("mapping", [dict, MappingProxyType, UserDict])
@pytest.mark.parametrize("sequence", [list, tuple])
@pytest.mark.parametrize("preview", [False, True])
def test_outputs_in_any_container_reach_policy(
    mapping: Callable[..., Any], sequence: Callable[..., Any], preview: bool
):
    def program() -> None:
        groups = [FULL["vpc_configuration"]["security_group_ids"][0]]
        subnets = sequence([output_of(SUBNET_ID, "subnet")])
        vpc = mapping({"subnet_ids": subnets, "security_group_ids": groups})
        component({**MINIMAL, "vpc_configuration": vpc})

    deployment = Deployment(program, preview=preview)
    assert deployment.error is None
    policy = deployment.role_policy["policy"]
    assert isinstance(policy, Unknown) if preview else SUBNET_ID in policy


@pytest.mark.parametrize(
    "unknown",
    [
        {**MINIMAL, "index_id": pulumi.UNKNOWN},
        {**S3, "bucket_name": pulumi.UNKNOWN},
        {
            **MINIMAL,
            "connector": "webcrawler",
            "bucket_name": pulumi.UNKNOWN,
            "bucket_account_id": OTHER_ACCOUNT,
        },
        {**MINIMAL, "connector": "gmail", "vpc_configuration": pulumi.UNKNOWN},
    ],
)
def test_plain_unknown_value_makes_role_policy_unknown(unknown: dict[str, Any]):
    deployment = deploy(unknown, preview=True)
    assert deployment.error is None
    assert deployment.warnings == []  # an unknown VPC causes no warning about earlier versions
    assert isinstance(deployment.role_policy["policy"], Unknown)
