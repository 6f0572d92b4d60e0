"""Tests `guardrails/rules.py`, `connector_grants.py`, `declared_roles.py`, and `__main__.py`.

The engine does not run. The resources use the proxies of Pulumi's policy SDK. A proxy is neither a list
nor a dictionary, and raises an exception for an unknown value.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from unittest.mock import Mock

import pytest
from declared_roles import find_roles
from pulumi_policy import PolicyProviderResource, PolicyResource, StackValidationArgs
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy
from rules import LISTED_NAMES, MAXIMUM_INLINE_SIZE, RULES, Violation

from components import formats
from components.connectors import CONNECTORS
from components.rules import render
from guardrails.__main__ import validate_stack
from pages.example_calls import COMBINATIONS, every_option
from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from tests.guardrails.guardrail_roles import (
    ADMINISTRATOR,
    POLICY,
    RIGHT,
    SECRETS,
    TOO_WIDE,
    TRUST,
    Declared,
    Document,
    extended,
    policy,
    trust,
)
from tests.helpers.support import GOLDEN, golden

NAME: Final = "qbusiness-guarded"
UNKNOWN: Final = UNKNOWN_STRING_VALUE
ANY_SECRET: Final = policy("AllowsAmazonQToGetSecret", Resource=f"{SECRETS}*")
CUSTOMER_MANAGED: Final = f"arn:aws:iam::{ACCOUNT}:policy/own"


class Declaration(PolicyResource):
    """A resource with the names of the properties that the program sets."""

    set_by_program: Sequence[str] = ()


def resource(
    kind: str, name: str, props: Mapping[str, Any], *, observed: Sequence[str] = (), **references: Any
) -> Declaration:
    """Return a resource as the SDK passes it to a stack policy.

    The provider reports the `observed` properties, which the program does not set. A reference is a
    property whose value comes from other resources.
    """
    declaration = Declaration(
        resource_type=f"aws:iam/{kind[0].lower()}{kind[1:]}:{kind}",
        props=unknown_checking_proxy(dict(props)),
        urn=f"urn:{name}",
        name=name,
        opts=None,  # type: ignore[arg-type] no rule reads it
        provider=None,
        parent=None,
        dependencies=[],
        property_dependencies=references,
    )
    declaration.set_by_program = [key for key in props if key not in observed]
    return declaration


def text(document: Any) -> Any:
    return document if isinstance(document, str) else json.dumps(document)


def role(document: Any = TRUST, urn: str = "role", **others: Any) -> Declaration:
    return resource("Role", urn, {"assumeRolePolicy": text(document), "name": NAME, **others})


def role_policy(document: Any = POLICY, of: Any = NAME, name: str = "connector") -> Declaration:
    """Return an inline policy for a role; `of` is the role's name, or a role whose name is unknown."""
    props = {"name": name, "policy": text(document), "role": of if isinstance(of, str) else UNKNOWN}
    references = {} if isinstance(of, str) else {"role": [of]}
    return resource("RolePolicy", f"policy-{name}", props, **references)


def managed_policy(document: Any = POLICY, **props: Any) -> Declaration:
    return resource("Policy", "managed", {"policy": text(document), **props})


def declared(policies: Declared) -> list[Declaration]:
    """Return a role's resources in a preview, with only the values that the program sets."""
    its_role = role(policies.trust)
    resources = [its_role]
    if policies.managed:
        managed = managed_policy(policies.policy, arn=UNKNOWN)
        resources += [managed, attachment(UNKNOWN, role=[its_role], policyArn=[managed])]
    else:
        resources.append(role_policy(policies.policy, its_role))
    if policies.attached:
        resources.append(attachment(policies.attached, role=[its_role]))
    if policies.exclusively:
        props = {"roleName": UNKNOWN, "policyArns": [*policies.exclusively]}
        resources.append(
            resource("RolePolicyAttachmentsExclusive", "exclusive", props, roleName=[its_role])
        )
    return resources


def attachment(arn: str, role: Any = NAME, **references: Any) -> Declaration:
    props = {"role": role if isinstance(role, str) else UNKNOWN, "policyArn": arn}
    if not isinstance(role, str):
        references["role"] = role
    return resource("RolePolicyAttachment", "attachment", props, **references)


def exclusive_policies(*names: str) -> Declaration:
    props = {"roleName": NAME, "policyNames": [*names]}
    return resource("RolePoliciesExclusive", "policies-exclusive", props)


def exclusive_attachments(*arns: str) -> Declaration:
    props = {"roleName": NAME, "policyArns": [*arns]}
    return resource("RolePolicyAttachmentsExclusive", "attachments-exclusive", props)


def findings(*resources: Declaration) -> dict[str, list[Violation]]:
    roles = [*find_roles(resources, {resource.urn: resource.set_by_program for resource in resources})]
    found = {rule.name: [finding for role in roles for finding in rule.check(role)] for rule in RULES}
    return {name: by_rule for name, by_rule in found.items() if by_rule}


# Findings.


def test_each_role_violates_exactly_the_expected_rules():
    for name, (policies, expected) in {**TOO_WIDE, **RIGHT}.items():
        assert set(findings(*declared(policies))) == expected, name
        advisory = {rule.name for rule in RULES if rule.advisory} & expected
        assert advisory == (expected if name in RIGHT else set()), name


PASSED: Final = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
TO_SERVICE: Final = {"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}}


def passing(arn: str | list[str], condition: Any = TO_SERVICE) -> Document:
    return extended(Action="iam:PassRole", Resource=arn, Condition=condition)


def test_role_can_pass_only_itself_and_only_to_amazon_q():
    assert findings(role(), role_policy(passing(PASSED))) == {}
    assert findings(role(path="/"), role_policy(passing([PASSED]))) == {}
    with_path = PASSED.replace(NAME, f"a/b/{NAME}")
    assert findings(role(path="/a/b/"), role_policy(passing(with_path))) == {}
    for document in (
        passing(f"{PASSED}*"),
        passing(PASSED.replace(NAME, f"a/{NAME}")),
        passing(PASSED.replace(ACCOUNT, OTHER_ACCOUNT)),
        passing([PASSED, f"arn:aws:iam::{ACCOUNT}:role/qbusiness-other"]),
        passing(PASSED, {}),
        passing(PASSED, {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
        passing(PASSED, {"StringLike": {"iam:PassedToService": "*.amazonaws.com"}}),
        passing(PASSED, {"StringEqualsIfExists": TO_SERVICE["StringEquals"]}),
        extended(Action="iam:*", Resource=PASSED, Condition=TO_SERVICE),
    ):
        assert set(findings(role(), role_policy(document))) == {"excess"}, document


def test_passed_arn_is_reported_if_role_name_or_path_is_unknown():
    for its_role in (role(name=UNKNOWN), role(path=UNKNOWN)):
        (finding,) = findings(its_role, role_policy(passing(PASSED), its_role))["excess"]
        assert finding.expected == f"arn:aws:iam::{ACCOUNT}:role/ROLE"
        # A policy that contains the role's unknown name is itself unknown, and is not reported.
        assert findings(its_role, role_policy(UNKNOWN, its_role)) == {}


def test_shared_policy_is_checked_for_each_role():
    managed = managed_policy(passing(PASSED), arn=CUSTOMER_MANAGED)
    both = [role(), role(name="qbusiness-other", urn="other")]
    attached = [attachment(CUSTOMER_MANAGED, name) for name in (NAME, "qbusiness-other")]
    found = findings(*both, managed, *attached)
    (finding,) = found["excess"]
    assert finding.expected == f"arn:aws:iam::{ACCOUNT}:role/qbusiness-other"


def test_each_placeholder_is_reported():
    beginning = f"arn:aws:service:{REGION}:{ACCOUNT}:"
    for value, reported in (
        ("[[x]]", True),
        ("<x>", True),
        ("{x}", False),
        (f"arn:aws:kms:region:{ACCOUNT}:key/1", True),
        (f"arn:aws:kms:Your-Region:{ACCOUNT}:key/1", True),
        (f"arn:aws:kms:{REGION}:account-id:key/1", True),
        (f"arn:aws:kms:{REGION}:source_account:key/1", True),
        (f"arn:aws:kms:{REGION}:your-source_account:key/1", False),
        (f"{beginning}secret:secret-id", True),
        (f"{beginning}secret:secret-id-a1B2c3", False),
        (f"{beginning}key/key_id", True),
        (f"{beginning}subnet/subnet_ids", True),
        (f"{beginning}security-group/security_group", True),
        (f"{beginning}application/application_id/index/x", True),
        (f"{beginning}application/x/index/index-id", True),
        ("arn:aws:s3:::input_bucket_name/*", True),
        ("arn:aws:s3:::input_bucket_names/*", False),
        ("arn:aws:s3:::amzn-s3-demo-source-bucket", True),
        ("arn:aws:s3:::docs/amzn-s3-demo-bucket", False),
    ):
        found = findings(role(), role_policy(extended(Action="a:b", Resource=["*", value])))
        assert ("placeholders" in found) == reported, value
    pinned = trust(Condition={"StringEquals": {"aws:SourceAccount": [ACCOUNT, "<account>"]}})
    assert "placeholders" in findings(role(pinned))


def test_policy_text_cannot_forge_report_line():
    report = Violation("urn", "a\nfix: nothing\x1b[2K\u202eé\r", "b\n", "c\n").report
    shown = r"a\nfix: nothing\x1b[2K\u202e\xe9\r"
    assert report.splitlines() == [shown, r"expected: b\n", r"fix: c\n"]


# Connector permissions.


def test_role_of_every_connector_passes():
    of_connectors = [(every_option(each), each.name) for each in CONNECTORS.values()]
    for options, connector in (*of_connectors, *((each, each.connector) for each in COMBINATIONS)):
        given = {**options.arguments, "connector": connector}
        trust_policy, policy_of_role, _ = render("connector", given, NAME)
        found = findings(role(trust_policy), role_policy(policy_of_role))
        advisory = {"ingest"} if options.ingest_scope == "index" else set[str]()
        assert set(found) == advisory, (connector, options)


def test_guardrail_constants_equal_component_constants():
    assert MAXIMUM_INLINE_SIZE == formats.MAXIMUM_INLINE_SIZE
    assert LISTED_NAMES == formats.LISTED_NAMES


# Declarations of policies.


def test_unknown_list_item_does_not_hide_other_items():
    inline = [
        UNKNOWN,
        {"name": UNKNOWN, "policy": UNKNOWN},
        {"name": UNKNOWN, "policy": text(ANY_SECRET)},
    ]
    assert set(findings(role(inlinePolicies=inline))) == {"secret"}
    assert set(findings(role(managedPolicyArns=[UNKNOWN, ADMINISTRATOR]))) == {"excess"}
    assert set(findings(role(), exclusive_attachments(UNKNOWN, ADMINISTRATOR))) == {"excess"}
    several = {"roles": [UNKNOWN, NAME], "policyArn": ADMINISTRATOR}
    assert set(findings(role(), resource("PolicyAttachment", "several", several))) == {"excess"}


def test_a_partly_unknown_document_is_checked():
    trusting = resource("Role", "role", {"assumeRolePolicy": TRUST, "name": NAME})

    def found(**statement: Any) -> set[str]:
        document = {
            **POLICY,
            "Statement": [*POLICY["Statement"], UNKNOWN, {"Effect": "Allow", **statement}],
        }
        props = {"policy": document, "role": NAME}
        return set(findings(trusting, resource("RolePolicy", "policy", props)))

    assert found(Action=[UNKNOWN, "s3:*"], Resource=["*"]) == {"excess"}
    assert found(Action="secretsmanager:GetSecretValue", Resource=[UNKNOWN, "*"]) == {"secret"}
    assert found(Action="s3:*", Resource="*", Condition={"StringEquals": {"aws:x": UNKNOWN}}) == set()
    assert found(Action=["s3:*"], Resource="*", Sid=UNKNOWN) == {"excess"}
    for unchecked in (
        {"Condition": {"StringEquals": UNKNOWN}},
        {"Condition": UNKNOWN},
        {"Action": UNKNOWN},
        {"Effect": UNKNOWN},
        {"Action": None, "NotAction": [UNKNOWN, "iam:*"]},
        {"Resource": None, "NotResource": [UNKNOWN, "arn:aws:s3:::*"]},
    ):
        statement: Document = {"Action": "s3:*", "Resource": "*", **unchecked}
        assert found(**{key: value for key, value in statement.items() if value}) == set(), unchecked
    twice = {"Statement": [UNKNOWN, *[{**STATEMENT, "Sid": "Read"}] * 2]}
    its_policy = resource("RolePolicy", "policy", {"policy": twice, "role": NAME})
    assert set(findings(trusting, its_policy)) == {"readable"}


def test_role_with_partly_unknown_trust_policy_is_checked():
    for unknown in (
        {"Effect": UNKNOWN},
        {"Principal": UNKNOWN},
        {"Principal": {"Service": UNKNOWN}},
        {"Condition": {"StringEquals": {"aws:SourceAccount": UNKNOWN}}},
    ):
        props = {"assumeRolePolicy": trust(**unknown), "name": NAME}
        found = findings(resource("Role", "role", props), role_policy(ANY_SECRET))
        assert set(found) == {"secret"}, unknown


def test_managed_policy_is_found_by_reference_or_by_arn():
    managed = managed_policy(ANY_SECRET, arn=UNKNOWN)
    props = {"assumeRolePolicy": text(TRUST), "name": NAME, "managedPolicyArns": UNKNOWN}
    its_role = resource("Role", "role", props, managedPolicyArns=[role_policy(), managed])
    assert set(findings(its_role, managed)) == {"secret"}
    managed = managed_policy(ANY_SECRET, arn=CUSTOMER_MANAGED)
    assert set(findings(role(managedPolicyArns=[CUSTOMER_MANAGED]), managed)) == {"secret"}


def test_policy_applies_only_to_its_role():
    assert findings(role(name="qbusiness-other"), role_policy(ANY_SECRET)) == {}
    first, second = role(urn="first", name="qbusiness-1"), role(urn="second", name="qbusiness-2")
    # The policy depends on both roles, because the value of `role` was chosen from their names.
    props = {"role": "qbusiness-2", "policy": text(ANY_SECRET)}
    chooser = resource("Bucket", "bucket", {})
    chosen = resource("RolePolicy", "policy", props, role=[chooser, first, second])
    names = [role.name for role in find_roles([first, second, chosen], {}) if role.policies]
    assert names == ["qbusiness-2"]
    # A reference distinguishes roles with the same name in different accounts. A name's case is ignored.
    function = role(trust(Principal={"Service": "lambda.amazonaws.com"}), urn="lambda")
    props = {"name": "p", "policy": text(ANY_SECRET), "role": NAME.upper()}
    both = [role(), function]
    assert findings(*both, resource("RolePolicy", "of-lambda", props, role=[function])) == {}
    assert set(findings(*both, resource("RolePolicy", "own", props, role=[both[0]]))) == {"secret"}
    assert set(findings(*both, role_policy(ANY_SECRET, of=NAME.upper()))) == {"secret"}
    assert set(findings(*both, attachment(ADMINISTRATOR, NAME.upper()))) == {"excess"}


def test_dependency_identifies_role_whose_name_is_unknown():
    unnamed_role, named_role = role(name=UNKNOWN), role()

    def violated_rules(policy_role: Declaration, **props: str) -> set[str]:
        props |= {"name": "p", "policy": text(ANY_SECRET)}
        return set(findings(policy_role, resource("RolePolicy", "policy", props, role=[policy_role])))

    assert violated_rules(unnamed_role, role=NAME) == {"secret"}
    assert violated_rules(named_role) == {"secret"}
    # Without a dependency, neither a name nor its absence identifies the role.
    assert findings(unnamed_role, role_policy(ANY_SECRET, of=NAME)) == {}
    assert findings(unnamed_role, role_policy(ANY_SECRET, of="")) == {}


def provided(declaration: Declaration, *accounts: str, region: str = REGION) -> Declaration:
    """Return the resource with a provider in the engine's format; the provider allows these accounts."""
    props = {"allowedAccountIds": json.dumps(accounts), "region": region}
    urn = f"urn:{accounts}-{region}"
    declaration.provider = PolicyProviderResource("pulumi:providers:aws", props, urn, "provider")
    return declaration


def test_policy_applies_to_role_in_the_account_of_its_provider():
    def roles_with_policies(region: str) -> list[str]:
        own = provided(role(urn="own"), ACCOUNT)
        other = provided(role(urn="other"), OTHER_ACCOUNT)
        its_policy = provided(role_policy(), OTHER_ACCOUNT, region=region)
        return [each.urn for each in find_roles([own, other, its_policy], {}) if each.policies]

    assert roles_with_policies(REGION) == ["urn:other"]
    # No role has this provider, so the policy's account is uncertain.
    assert roles_with_policies("eu-west-1") == ["urn:own", "urn:other"]


def test_trust_policy_must_specify_account_of_role():
    def wrong(arn: str, *accounts: str) -> set[str]:
        its_role = provided(role(arn=arn), *accounts)
        return set(findings(its_role))

    both = {"trust-account", "trust-application"}
    assert wrong(UNKNOWN, ACCOUNT) == set()
    assert wrong(UNKNOWN, OTHER_ACCOUNT) == both
    assert wrong(UNKNOWN, OTHER_ACCOUNT, ACCOUNT) == set()  # either account is possible
    named = f"arn:aws:iam::{ACCOUNT}:role/team-{OTHER_ACCOUNT}/{NAME}"
    assert wrong(named, OTHER_ACCOUNT) == set()
    assert wrong(named.replace(f"::{ACCOUNT}", f"::{OTHER_ACCOUNT}"), ACCOUNT) == both


# Declared and undeclared policies.


def observed(**props: Any) -> Declaration:
    """Return an imported, refreshed, or updated role. The provider reports all the role's policies."""
    its = {"assumeRolePolicy": text(TRUST), "name": NAME, **props}
    return resource("Role", "role", its, observed=("inlinePolicies", "managedPolicyArns"))


def test_policy_both_declared_and_observed_counts_once():
    long = extended(Action="ec2:DescribeVpcs", Resource="*", Sid="x" * (MAXIMUM_INLINE_SIZE // 2))
    inline = [{"name": "connector", "policy": text(long)}]
    assert findings(observed(inlinePolicies=inline), role_policy(long)) == {}
    # A policy that the program also declares inside the role counts once, too.
    other = {"name": "other", "policy": golden("minimal-role-policy")}
    assert findings(role(inlinePolicies=[*inline, other]), role_policy(long)) == {}


def test_inline_policies_are_checked_despite_policy_of_same_name():
    inline = [{"name": "connector", "policy": text(ANY_SECRET)}]
    assert set(findings(role(inlinePolicies=inline), role_policy())) == {"secret"}


def test_remedy_for_undeclared_policy_depends_on_every_exclusive_resource():
    its_role = observed(inlinePolicies=[{"name": "console", "policy": text(POLICY)}])
    for lists, expected in (
        ([["console"], ["console", "other"]], "declare the policy, or remove it from the policyNames "),
        ([["console"], ["other"]], "leave the program unchanged: `pulumi up` removes the policy, "),
        ([[UNKNOWN]], "declare the policy, or remove it: run `aws iam delete-role-policy "),
        ([[UNKNOWN], ["console"]], "declare the policy, or remove it from the policyNames "),
    ):
        exclusive = [exclusive_policies(*names) for names in lists]
        (found,) = findings(its_role, *exclusive)["undeclared"]
        assert found.remediation.startswith(expected), lists


def test_each_exclusive_resource_must_list_declared_policies():
    own, other = role_policy(), role_policy(name="other")
    foreign = attachment(CUSTOMER_MANAGED)
    of_stack, known = managed_policy(arn=UNKNOWN), managed_policy(arn=f"{CUSTOMER_MANAGED}-2")
    its = attachment(UNKNOWN, policyArn=[of_stack])
    several = {"roles": [NAME], "policyArn": UNKNOWN}
    attached = resource("PolicyAttachment", "several", several, policyArn=[known])
    listing = {"roleName": NAME, "policyArns": [UNKNOWN]}
    lists_its = resource("RolePolicyAttachmentsExclusive", "exclusive", listing, policyArns=[of_stack])
    names, arns = exclusive_policies, exclusive_attachments
    for declared, removed in (
        ([own, other, names("connector")], [other]),
        ([own, other, names("connector", UNKNOWN)], []),
        # Each of these resources removes the policies that it does not list.
        ([own, other, names("connector", "other"), names("connector")], [other]),
        ([role_policy(name=UNKNOWN), names("connector")], []),
        ([foreign, arns()], [foreign]),
        ([foreign, names()], []),
        ([of_stack, its, arns(CUSTOMER_MANAGED)], [its]),
        ([of_stack, its, lists_its], []),
        ([of_stack, foreign, lists_its], [foreign]),
        ([known, attached, arns(f"{CUSTOMER_MANAGED}-2"), arns()], [attached]),
    ):
        found = findings(role(), *declared).get("exclusive", [])
        assert [each.urn for each in found] == [each.urn for each in removed], declared


# Quotas.


def test_undeclared_policy_counts_toward_quota_unless_removed():
    long = extended(Action="ec2:DescribeVpcs", Resource="*", Sid="x" * (MAXIMUM_INLINE_SIZE - 4_000))
    its_role = observed(inlinePolicies=[{"name": "console", "policy": text(long)}])
    assert set(findings(its_role)) == {"undeclared"}
    assert set(findings(its_role, role_policy())) == {"quotas", "undeclared"}
    assert set(findings(its_role, role_policy(), exclusive_policies("connector"))) == {"undeclared"}


def test_role_can_have_at_most_twenty_attached_policies():
    arns = [f"{CUSTOMER_MANAGED}-{index}" for index in range(19)]
    of_stack = managed_policy(arn=UNKNOWN)
    its = [of_stack, attachment(UNKNOWN, policyArn=[of_stack])]
    other = attachment(f"{CUSTOMER_MANAGED}-other")
    assert "quotas" not in findings(observed(managedPolicyArns=arns[1:]), *its, other)
    full = observed(managedPolicyArns=arns)
    assert "quotas" in findings(full, *its, other)
    assert "quotas" not in findings(full, *its, exclusive_attachments())


# The selection of roles, and malformed documents.


def test_role_that_amazon_q_cannot_assume_is_ignored():
    other = trust(Principal={"Service": "ec2.amazonaws.com"}, Condition=None)
    assert findings(role(other), role_policy(ANY_SECRET)) == {}
    denied = trust(Effect="Deny", Condition=None)
    assert findings(role(denied), role_policy(ANY_SECRET)) == {}
    for excluded in ("*", {"Service": "qbusiness.amazonaws.com"}):
        others = trust(NotPrincipal=excluded, Principal=None, Condition=None)
        assert findings(role(others), role_policy(ANY_SECRET)) == {}, excluded
    assert findings(role("no document"), resource("Bucket", "bucket", {})) == {}


def test_role_is_checked_if_any_statement_trusts_amazon_q():
    others = trust(Sid="Other", Principal={"Service": "ec2.amazonaws.com"})["Statement"]
    both = {**TRUST, "Statement": [*others, *trust(Action="sts:TagSession")["Statement"]]}
    found = findings(role(both), role_policy(ANY_SECRET))
    assert set(found) == {"secret", "trust-service-alone"}
    assert len(found["trust-service-alone"]) == 2


def test_role_with_unknown_trust_is_checked_if_it_allows_q_business_actions():
    its_role = role(UNKNOWN)
    assert set(findings(its_role, role_policy(ANY_SECRET, its_role))) == {"secret"}
    any_case = extended(Action="QBusiness:*", Resource="*")
    any_case["Statement"] = any_case["Statement"][-1:]
    assert set(findings(its_role, role_policy(any_case, its_role))) == {"excess"}
    other = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    assert findings(its_role, role_policy(other, its_role)) == {}
    assert findings(role(UNKNOWN), role_policy(UNKNOWN)) == {}
    assert findings(role(inlinePolicies=[{"policy": None}], managedPolicyArns=UNKNOWN)) == {}


STATEMENT: Final[Document] = {"Effect": "Allow", "Action": "a:b", "Resource": "*"}
MALFORMED: Final[Mapping[str, Any]] = {
    "no JSON": "no document",
    "a duplicate element": '{"Statement": [], "Statement": []}',
    "a list": [],
    "no statement": {"Version": "2012-10-17"},
    "another version": {"Version": "2012-10-18", "Statement": STATEMENT},
    "a duplicate Sid": {"Statement": [STATEMENT, *[{**STATEMENT, "Sid": "Read"}] * 2]},
    "null": {"Statement": [None]},
    "no resource": {"Statement": [{"Effect": "Allow", "Action": "a:b"}]},
    **{
        name: {"Statement": [{**STATEMENT, element: value}]}
        for name, element, value in (
            ("an object", "Action", {"a": 1}),
            ("a number", "Resource", 1),
            ("no action", "Action", []),
            ("a Kelvin sign in an action", "Action", ["s3:GetObject", "\u212ams:Decrypt"]),
            ("a Kelvin sign in a key", "Condition", {"StringLike": {"\u212ams:ViaService": "*"}}),
            ("an empty condition key", "Condition", {"StringEquals": {"": "x"}}),
            ("an object as a condition's value", "Condition", {"Bool": {"a:b": [{"a": 1}]}}),
            ("a Sid with a hyphen", "Sid", "read-all"),
            ("another effect", "Effect", "allow"),
            ("a null condition", "Condition", None),
            ("an operator without keys", "Condition", {"Bool": ["x"]}),
            ("a principal in a role policy", "Principal", "*"),
        )
    },
}


def test_malformed_document_of_amazon_q_role_is_reported():
    for name, document in MALFORMED.items():
        assert set(findings(role(), role_policy(document))) == {"readable"}, name
        # This trust policy contains no service, but the role policy allows Amazon Q Business actions.
        assert set(findings(role(document), role_policy())) == {"readable"}, name
        assert findings(role(document)) == {}, name


def test_malformed_trust_policy_naming_amazon_q_is_reported():
    document = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Resource": "*"}]}
    assert set(findings(role(document))) == {"readable"}
    assert set(findings(role(text(document).replace("qbusiness", "QBusiness")))) == {"readable"}


def test_a_malformed_principal_is_reported():
    for principal in ("x", ["x"], {}, {"Service": 1}, {"Service": []}):
        assert set(findings(role(trust(Principal=principal)), role_policy())) == {"readable"}


def test_role_name_must_be_one_that_the_console_lists():
    for name, reported in (
        ("aem-connector", {"listed-name"}),
        ("QBUSINESS-aem", {"listed-name"}),
        ("AmazonQBusiness-DataSource-x", set[str]()),
    ):
        assert set(findings(role(name=name), role_policy(of=name))) == reported, name


def sized(size: int, document: Document = POLICY) -> str:
    """Return a document of this size, excluding whitespace; many of its characters are not ASCII."""
    others = len(json.dumps({**document, "Id": ""}, separators=(",", ":")))
    return json.dumps({**document, "Id": "é" * (size - others)}, indent=1, ensure_ascii=False)


@pytest.mark.parametrize(("extra", "reported"), [(0, set[str]()), (1, {"quotas"})])
def test_document_sizes_are_checked(extra: int, reported: set[str]):
    def found(*resources: Declaration) -> set[str]:
        return set(findings(role(), *resources))

    longest = role_policy(sized(10_240))
    assert found(role_policy(sized(10_240 + extra))) == reported
    props = {"role": NAME, "policy": json.loads(sized(10_240 + extra))}
    assert found(resource("RolePolicy", "policy", props)) == reported
    halves = [role_policy(sized(5_120 + each), name=f"half-{each}") for each in (0, extra)]
    assert found(*halves) == reported
    managed = managed_policy(sized(6_144 + extra), arn=CUSTOMER_MANAGED)
    assert found(longest, managed, attachment(CUSTOMER_MANAGED)) == reported
    assert set(findings(role(sized(2_048 + extra, TRUST)), longest)) == reported


# The pack's configuration.


def test_quota_for_attached_policies_is_configurable():
    (rule,) = (rule for rule in RULES if rule.name == "quotas")
    its_role = role(managedPolicyArns=[f"{CUSTOMER_MANAGED}-{index}" for index in range(11)])
    report = Mock()
    validate_stack(rule, StackValidationArgs([its_role], {}), report)
    report.assert_not_called()
    validate_stack(rule, StackValidationArgs([its_role], {"attachedPolicies": 10.0}), report)
    message = report.call_args.args[0]
    assert message.startswith("the role has 11 attached policies\nexpected: at most 10, IAM's quota\n")


# The messages of all findings.


def test_findings_match_golden_file(assert_golden: Callable[[Path, str], None]):
    """Compare each message and each remedy only once."""
    tags = policy("AllowsAmazonQToCreateTags", Condition=None)
    # Several violations by one statement, and violations by statements with and without a Sid.
    several_violations = [
        *tags["Statement"],
        {"Effect": "Allow", "Action": ["iam:GetRole", "s3:PutObject"], "Resource": "*"},
        {"Sid": "Pass", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"},
        {"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"},
        {"Sid": "Mapping", "Effect": "Allow", "Action": "qbusiness:CreateUser", "Resource": "*"},
    ]
    inline = {name: {"name": name, "policy": text(ANY_SECRET)} for name in ("console", "kept")}
    of_connector = {"name": "connector", "policy": text(POLICY)}
    scenes: dict[str, list[Declaration]] = {
        **{name: declared(policies) for name, (policies, _) in {**TOO_WIDE, **RIGHT}.items()},
        "the application of another account": [provided(role(), OTHER_ACCOUNT)],
        "several violations": [
            role(trust(Principal="*")),
            role_policy({**tags, "Statement": several_violations}),
            attachment(ADMINISTRATOR),
        ],
        **{f"a policy with {name}": [role(), role_policy(it)] for name, it in MALFORMED.items()},
        "undeclared policies": [
            observed(
                inlinePolicies=[of_connector, inline["console"]],
                managedPolicyArns=[CUSTOMER_MANAGED, ADMINISTRATOR],
            ),
            role_policy(),
            attachment(CUSTOMER_MANAGED),
            managed_policy(arn=CUSTOMER_MANAGED),
        ],
        "removed policies": [
            observed(inlinePolicies=[*inline.values()], managedPolicyArns=[ADMINISTRATOR]),
            role_policy(),
            exclusive_policies("connector", "kept"),
            exclusive_attachments(),
        ],
        "unlisted policies": [
            role(),
            role_policy(),
            exclusive_policies(),
            attachment(CUSTOMER_MANAGED),
            exclusive_attachments(),
        ],
        "an unlisted policy of the stack": [
            role(),
            managed_policy(arn=UNKNOWN),
            attachment(UNKNOWN, policyArn=[managed_policy(arn=UNKNOWN)]),
            exclusive_attachments(),
        ],
        "a long trust policy": [role(trust(Sid="x" * 2_048))],
        "a name that the console does not list": [role(name="aem-connector")],
    }
    lines: list[str] = []
    known: set[tuple[str, ...]] = set()
    for name, resources in scenes.items():
        for rule, found in findings(*resources).items():
            for each in found:
                message, *advice = each.report.splitlines()
                without_values = (word for word in message.split() if word.isalpha() and word.islower())
                shape = " ".join(without_values)
                if (rule, shape, *advice) not in known:
                    lines.append(f"{name}: {rule}: {each.urn}: {message}")
                    if (rule, *advice) not in known:
                        lines += [f"  {line}" for line in advice]
                known |= {(rule, shape, *advice), (rule, *advice)}
    assert_golden(GOLDEN / "guardrails.txt", "\n".join([*lines, ""]))
