"""Tests `guardrails/iam/conditions`, `containment`, `documents`, `operators`, `patterns`, and `truth`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from collections.abc import Sequence
from typing import Final

from guardrails.iam.conditions import Condition, Context, find_variables, meets
from guardrails.iam.containment import certain_values, is_implied, is_never_met
from guardrails.iam.documents import Kind, read_document
from guardrails.iam.operators import parse_operator
from guardrails.iam.patterns import Patterns, Text
from guardrails.iam.truth import Truth

YES, NO, CANNOT_TELL = Truth.YES, Truth.NO, Truth.CANNOT_TELL
ROLE: Final = "arn:aws:iam::123456789012:role/role"
KEY: Final = "aws:PrincipalTag/k"

# An operator, a value in the condition, a value in the request, and whether the condition is met.
COMPARISONS: Final = (
    ("StringEquals", "we*", "web", NO),
    ("StringNotEqualsIgnoreCase", "WEB", "web", NO),
    ("StringLike", "a?c", "a\nc", YES),
    ("StringLike", "a*", "a\nc", YES),
    ("StringLike", "a.c", "abc", NO),
    ("StringLike", "a\\*", "a*", NO),
    ("StringLike", "ab*ba", "aba", NO),
    ("StringLike", "a*b*b", "ab", NO),
    ("StringNotLike", "W*", "web", YES),
    ("ArnEquals", "arn:aws:iam::*:role/rol?", ROLE, YES),
    ("ArnEquals", "arn:aws:iam:*::role/role", ROLE, NO),
    ("ArnLike", "*", ROLE, CANNOT_TELL),
    ("ArnLike", "ARN:aws:iam::*:role/*", ROLE, NO),
    ("ArnLike", ROLE, "web", NO),
    ("ArnLike", "web", ROLE, NO),
    # AWS does not document whether a string that is not an ARN satisfies a negated operator.
    ("ArnNotEquals", ROLE, "web", CANNOT_TELL),
    ("NumericEquals", "ten", "10", CANNOT_TELL),
    ("NumericNotEquals", "10", "10", NO),
    ("NumericLessThan", "10", "10", NO),
    ("NumericLessThanEquals", "10", "10", YES),
    ("NumericGreaterThan", "10", "10", NO),
    ("NumericGreaterThanEquals", "10", "10", YES),
    ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", YES),
    ("DateEquals", "2026-01-01", "2026-01-01T00:00:00Z", YES),
    ("DateEquals", "1767225600", "2026-01-01T00:00:00Z", YES),
    ("DateEquals", "20260101", "2026-01-01T00:00:00Z", CANNOT_TELL),
    ("DateLessThan", "99999999999999999", "2026-01-01T00:00:00Z", CANNOT_TELL),
    ("DateLessThan", "9" * 400, "2026-01-01T00:00:00Z", CANNOT_TELL),
    ("DateNotEquals", "2026-01-01", "2026-01-02", YES),
    ("DateLessThan", "2026-01-01", "2026-01-01", NO),
    ("DateLessThanEquals", "2026-01-01", "2026-01-01", YES),
    ("DateGreaterThan", "2026-01-01", "2026-01-01", NO),
    ("DateGreaterThanEquals", "2026-01-01", "2026-01-01", YES),
    ("Bool", "TRUE", "true", YES),
    ("Bool", "false", "true", NO),
    ("Bool", "yes", "true", CANNOT_TELL),
    ("BinaryEquals", "QUJD", "QUJD", YES),
    ("BinaryEquals", "QUJD", "?", CANNOT_TELL),
    ("IpAddress", "192.0.2.7/24", "192.0.2.9", YES),
    ("IpAddress", "192.0.2.9", "192.0.2.9", YES),
    ("IpAddress", "192.0.2.0/255.255.255.0", "192.0.2.9", CANNOT_TELL),
    ("IpAddress", "web", "192.0.2.9", CANNOT_TELL),
    ("NotIpAddress", "192.0.2.0/24", "192.0.2.9", NO),
)


def met(operator: str, value: str, *given: Text | str, key: str = KEY) -> Truth:
    texts = tuple(each if isinstance(each, Text) else Text(each) for each in given)
    return meets(Condition(operator, key, (value,)), Context({key.lower(): texts}))


def test_operators_work_as_documented():
    for operator, value, given, expected in COMPARISONS:
        assert met(operator, value, given) is expected, (operator, value, given)


# An operator, a value in the condition, the values in the request, and whether the condition is met.
SEVERAL: Final[Sequence[tuple[str, str, tuple[str, ...], Truth]]] = (
    ("StringEquals", "a", (), NO),
    ("StringNotEquals", "a", (), YES),
    ("StringEquals", "a", ("a", "a"), CANNOT_TELL),
    ("ForAllValues:StringEquals", "a", ("a", "a"), YES),
    ("ForAllValues:StringEquals", "a", ("a", "b"), NO),
    ("ForAllValues:StringEquals", "a", ("",), CANNOT_TELL),
    ("ForAllValues:StringLike", "*", ("",), YES),
    ("ForAnyValue:StringEqualsIfExists", "a", (), CANNOT_TELL),
    ("ForAnyValue:StringEquals", "a", ("b", "a"), YES),
    ("ForAnyValue:StringNotEquals", "a", ("a", "b"), YES),
    ("Null", "TRUE", (), YES),
    ("Null", "no", ("a",), CANNOT_TELL),
)


def test_operators_handle_absent_and_multivalued_keys():
    for operator, value, given, expected in SEVERAL:
        assert met(operator, value, *given) is expected, (operator, given)
    # AWS does not document how an operator without a quantifier compares a multivalued key.
    for key in (
        "aws:TagKeys",
        "AWS:calledVia",
        "aws:PrincipalOrgPaths",
        "aws:ResourceOrgPaths",
        "aws:SourceOrgPaths",
        "aws:PrincipalServiceNamesList",
        "kms:EncryptionContextKeys",
        "kms:ResourceAliases",
        "kms:GrantOperations",
    ):
        assert met("StringEquals", "a", "a", key=key) is CANNOT_TELL, key
    for key in ("aws:CalledViaFirst", "aws:PrincipalServiceName", "kms:EncryptionContext:a"):
        assert met("StringEquals", "a", "a", key=key) is YES, key


def test_operators_handle_several_condition_values():
    for operator, values, given, expected in (
        ("StringEquals", ("a", "b"), ("b",), YES),
        ("StringNotEquals", ("a", "b"), ("b",), NO),
        ("StringEquals", (), ("a",), CANNOT_TELL),
        ("Null", ("false", "true"), ("a",), YES),
    ):
        condition = Condition(operator, KEY, values)
        context = Context({KEY.lower(): tuple(map(Text, given))})
        assert meets(condition, context) is expected, condition
    assert not Condition("Null", KEY, ("false", "true")).requires_key
    assert Condition("Null", KEY, ("False",)).requires_key


def test_unknown_key_makes_result_uncertain():
    for operator, value in (
        ("StringEquals", "a"),
        ("StringEqualsIfExists", "a"),
        ("ForAllValues:StringEquals", "a"),
        ("Null", "true"),
        ("Null", "false"),
    ):
        assert meets(Condition(operator, KEY, (value,)), Context({})) is CANNOT_TELL, (operator, value)


def test_invalid_operator_makes_result_uncertain():
    for text in (
        "StringEqual",
        "stringEquals",
        ":StringEquals",
        "ForSome:StringEquals",
        "NullIfExists",
        "ForAnyValue:Null",
        "NumericLike",
    ):
        assert parse_operator(text) is None
        assert met(text, "a", "a") is CANNOT_TELL


def test_known_part_of_a_value_is_compared():
    partial = Text("arn:aws:s3:::b/", "x")
    for operator, value, expected in (
        ("ArnLike", "arn:aws:s3:::b/*", YES),
        ("ArnLike", "arn:aws:s3:::b/x", CANNOT_TELL),
        ("ArnLike", "arn:aws:s3:::c/*", NO),
        ("StringEquals", "ARN:aws:s3:::b/y", NO),
        ("StringEqualsIgnoreCase", "ARN:aws:s3:::b/y", CANNOT_TELL),
    ):
        assert met(operator, value, partial) is expected, (operator, value)
    assert met("ArnLike", "arn:aws:s3:::b/*", Text("arn:aws:", "s3:::b/x")) is CANNOT_TELL
    assert met("ArnNotLike", "arn:aws:s3:::b/*", partial) is NO
    assert met("NumericEquals", "1", Text("1", "0")) is CANNOT_TELL
    assert met("IpAddress", "0.0.0.0/0", Text("192.0.2.7", "1")) is CANNOT_TELL


def test_variable_is_resolved_only_if_its_value_is_certain():
    tag = "aws:PrincipalTag/t"

    def found(
        *values: Text | None, pattern: str = f"a${{{tag} , 'z,y'}}", variables: bool = True
    ) -> Truth:
        known = {tag.lower(): tuple(each for each in values if each)} if values else {}
        given = {KEY.lower(): (Text("ab"), Text("az,y"))}
        condition = Condition("ForAnyValue:StringEquals", KEY, (pattern,))
        return meets(condition, Context({**given, **known}), variables=variables)

    assert found(Text("b")) is YES
    assert found(Text("c")) is NO
    assert found(None) is YES  # with the default, the pattern is az,y
    assert found(None, pattern=f"a${{{tag}, 'z'}}") is NO
    assert found(None, pattern=f"a${{{tag}, 'z*'}}") is CANNOT_TELL
    assert found() is CANNOT_TELL
    for unclear in (
        (Text("b", "c"),),
        (Text("b"), Text("c")),
        (Text("*"),),
        (Text("?"),),
        (Text("${x"),),
    ):
        assert found(*unclear) is CANNOT_TELL, unclear
    # A variable without a value or default is not an empty string: patterns that use it match nothing.
    assert found(None, pattern=f"ab${{{tag}}}") is NO
    assert found(Text(""), pattern=f"ab${{{tag}}}") is YES
    assert found(Text("b"), variables=False) is CANNOT_TELL
    assert found(pattern="ab", variables=False) is YES


def test_variables_are_found_without_their_defaults():
    patterns = (f"a${{{KEY}, 'x,y'}}/${{ aws:username }}", "${*}${?}${$}", f"${{{KEY}}}")
    assert find_variables(patterns) == (KEY, "aws:username")


def test_key_is_absent_only_if_all_keys_with_its_prefix_are_known():
    context = Context({}, complete=("aws:principaltag/",))
    assert context.get(KEY) == ()
    assert context.get("aws:SourceArn") is None


def test_condition_values_are_read_as_strings():
    conditions = {"Bool": {"aws:SecureTransport": True}, "NumericEquals": {"aws:x": [5, "6"]}}
    statement = {"Effect": "Allow", "Action": "a:b", "Resource": "*", "Condition": conditions}
    (read,) = read_document({"Statement": [statement]}).statements
    assert [condition.values for condition in read.conditions] == [("true",), ("5", "6")]


# A list of patterns, a single pattern, whether the list covers it, and whether the list overlaps it.
PATTERNS: Final[Sequence[tuple[tuple[str, ...], str, bool, bool]]] = (
    (("a",), "A", False, False),
    (("a*",), "A*", False, False),
    (("a",), "?", False, True),
    (("?",), "a", True, True),
    (("a*b",), "ac", False, False),
    (("*a",), "*b", False, False),
    (("ab*",), "a*", False, True),
    (("a*",), "a?", True, True),
    (("a?",), "a*", False, True),
    (("?",), "??", False, False),
    (("a*b",), "a?b", True, True),
    (("x", "b*"), "bc", True, True),
    (("b", "c"), "?", False, True),
    ((), "a", False, False),
    # A variable can have any value.
    (("a*",), "a${aws:username}", True, True),
    (("a${aws:username}",), "ab", False, True),
    (("a${aws:username}",), "a${aws:username}", True, True),
    (("a${aws:username}",), "b*", False, False),
)


def test_patterns_cover_or_overlap_other_patterns():
    for values, pattern, covers, meets_it in PATTERNS:
        listed, others = Patterns(values), Patterns(values, negated=True)
        assert (listed.covers(pattern), listed.meets(pattern)) == (covers, meets_it), (values, pattern)
        # Negation turns "does not overlap" into "covers" and "does not cover" into "overlaps".
        assert (others.covers(pattern), others.meets(pattern)) == (not meets_it, not covers), values


def test_resources_but_not_actions_are_case_sensitive():
    statement = {"Effect": "Allow", "Action": ["S3:GetObject", "KMS:*"], "Resource": "arn:aws:s3:::B/é*"}
    (read,) = read_document({"Statement": statement}).statements
    assert read.resources.covers("arn:aws:s3:::B/é1")
    assert not read.resources.meets("arn:aws:s3:::b/é1")
    actions = read.actions
    denied = actions._replace(negated=True)
    for action, covers, meets_it in (
        ("s3:getobject", True, True),
        ("S3:GETOBJECT", True, True),
        ("kms:Decrypt", True, True),
        ("s3:PutObject", False, False),
        ("S3:g*", False, True),
    ):
        assert (actions.covers(action), actions.meets(action)) == (covers, meets_it), action
        assert (denied.covers(action), denied.meets(action)) == (not meets_it, not covers), action


def test_variables_require_policy_version_2012_10_17():
    statement = {"Effect": "Allow", "Action": "a:b", "Resource": "${aws:username}"}
    for version, expected in (
        ({"Version": "2012-10-17"}, True),
        ({"Version": "2008-10-17"}, False),
        ({}, False),
    ):
        (read,) = read_document({**version, "Statement": statement}).statements
        assert read.variables == expected, version


def test_resource_policy_can_repeat_a_sid_but_needs_a_principal():
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    of_key = [{**statement, "Sid": "a key", "Principal": "*"}] * 2
    assert [each.name for each in read_document({"Statement": of_key}, Kind.RESOURCE).statements] == [
        "a key"
    ] * 2
    without_principal = read_document({"Statement": [statement]}, Kind.RESOURCE)
    assert (
        without_principal.problem
        == "statement 1 must have either Principal or NotPrincipal, but not both"
    )
    # An empty Sid counts as no Sid.
    read = read_document({"Statement": [{**statement, "Sid": ""}] * 2})
    assert [(each.name, each.has_sid) for each in read.statements] == [
        ("statement 1", False),
        ("statement 2", False),
    ]


ARN_KEY: Final = "aws:SourceArn"
# A condition, another condition, and whether the first certainly implies the second.
IMPLICATIONS: Final = (
    (("StringEquals", KEY, ("web",)), ("StringLike", KEY, ("w*",)), True),
    (("StringEquals", KEY, ("a", "b")), ("StringEquals", KEY, ("a",)), False),
    (("StringEquals", KEY, ()), ("StringEquals", KEY, ("a",)), False),
    (("StringEquals", KEY, ("a",)), ("StringNotEquals", KEY, ()), False),
    # A condition with an unknown operator implies only itself.
    (("stringEquals", KEY, ("a",)), ("StringEqualsIfExists", KEY, ("a",)), False),
    (("StringEquals", KEY, ("a",)), ("stringEquals", KEY, ("a",)), False),
    (("stringEquals", KEY, ("a",)), ("stringEquals", KEY, ("a",)), True),
    (("StringEquals", KEY, ("a",)), ("StringNotEquals", KEY, ("A",)), False),
    (("StringEquals", KEY, ("a", "b")), ("StringNotEquals", KEY, ("b", "c")), False),
    (("NumericEquals", KEY, ("1",)), ("StringNotEquals", KEY, ("1.0",)), False),
    (("StringNotEquals", KEY, ("a",)), ("StringEqualsIfExists", KEY, ("a",)), False),
    (("StringEquals", KEY, ("a",)), ("ArnNotEquals", KEY, (ROLE,)), False),
    (("StringNotEquals", KEY, ("a", "b")), ("StringNotEquals", KEY, ("a",)), True),
    (("StringNotEquals", KEY, ("a",)), ("StringNotEquals", KEY, ("a", "b")), False),
    (("StringEquals", KEY, ("a",)), ("Null", KEY, ("false",)), True),
    (("Null", KEY, ("TRUE",)), ("Null", KEY, ("true",)), True),
    (("Null", KEY, ("false",)), ("Null", KEY, ("true",)), False),
    (("Bool", KEY, ("true",)), ("Null", KEY, ("true",)), False),
    (("Null", KEY, ("true",)), ("StringEqualsIfExists", KEY, ("a",)), True),
    (("StringEquals", "aws:RequestTag/T", ("x",)), ("Null", "aws:TagKeys", ("false",)), True),
    (("StringEquals", "aws:RequestTag/T", ("x",)), ("Null", "aws:TagKeys", ("true",)), False),
    (("StringEqualsIfExists", "aws:RequestTag/T", ("x",)), ("Null", "aws:TagKeys", ("false",)), False),
    (("StringEquals", KEY, ("x",)), ("Null", "aws:TagKeys", ("false",)), False),
    (("StringEquals", "aws:RequestTag/T", ("x",)), ("Null", KEY, ("false",)), False),
    (("StringEquals", "aws:RequestTag/T", ("x",)), ("StringEquals", "aws:TagKeys", ("false",)), False),
    # Without quantifiers, a positive condition on a multivalued key does not imply a negated condition.
    (("StringEquals", "aws:TagKeys", ("a",)), ("StringLike", "aws:TagKeys", ("a*",)), True),
    (("StringEquals", "aws:TagKeys", ("a",)), ("StringNotEquals", "aws:TagKeys", ("b",)), False),
    (
        ("ForAnyValue:StringEquals", "aws:TagKeys", ("a",)),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", ("b",)),
        True,
    ),
    # For types other than strings and ARNs, an implication requires the same operator and value.
    (("Bool", KEY, ("true",)), ("StringEquals", KEY, ("true",)), False),
    (("StringEquals", KEY, ("x",)), ("NumericEquals", KEY, ("x",)), False),
    (("NumericEquals", KEY, ("5",)), ("NumericEquals", KEY, ("6",)), False),
    # In StringEquals, wildcards are ordinary characters.
    (("StringEquals", KEY, ("a*",)), ("StringEquals", KEY, ("b", "a*")), True),
    (("StringLike", KEY, ("a*",)), ("StringEquals", KEY, ("a*",)), False),
    (("StringEquals", KEY, ("a*",)), ("StringEqualsIgnoreCase", KEY, ("A*",)), True),
    (("StringEquals", KEY, ("WEB",)), ("StringEqualsIgnoreCase", KEY, ("b", "web")), True),
    (("StringEquals", KEY, ("a",)), ("StringEqualsIgnoreCase", KEY, ("b",)), False),
    (("StringLike", KEY, ("a*",)), ("StringEqualsIgnoreCase", KEY, ("a*",)), False),
    (("StringEqualsIgnoreCase", KEY, ("web",)), ("StringLike", KEY, ("w*",)), False),
    (("StringEqualsIgnoreCase", KEY, ("11",)), ("StringLike", KEY, ("1*",)), True),
    (("StringLike", KEY, ("A?",)), ("StringLike", KEY, ("a*",)), False),
    # A variable can have any value.
    (("StringLike", KEY, ("${aws:username}",)), ("StringLike", KEY, ("?*",)), False),
    (("StringEquals", KEY, ("${A:b}",)), ("StringEqualsIgnoreCase", KEY, ("${a:b}",)), False),
    (("ArnLike", ARN_KEY, ("web", ROLE)), ("StringEquals", ARN_KEY, (ROLE,)), True),
    (("StringLike", ARN_KEY, (ROLE,)), ("ArnLike", ARN_KEY, ("arn:aws:iam::*:role/*",)), True),
    (("StringEquals", ARN_KEY, ("a:b:c:d:e:f",)), ("ArnLike", ARN_KEY, ("*:*:*:*:*:*",)), False),
    (("ArnLike", ARN_KEY, ("arn:aws:iam::*:role/a",)), ("ArnLike", ARN_KEY, (ROLE,)), False),
    (("ArnEquals", ARN_KEY, (ROLE,)), ("ArnLike", ARN_KEY, ("arn:aws:*:role/role",)), False),
    (("ArnLike", ARN_KEY, (f"{ROLE}${{a:b}}",)), ("ArnLike", ARN_KEY, (ROLE, f"{ROLE}${{a:b}}")), True),
    (("ArnLike", ARN_KEY, (f"{ROLE}${{a:b}}",)), ("ArnLike", ARN_KEY, (f"{ROLE}*",)), False),
    # An asterisk in StringLike can match several parts of an ARN.
    (("StringLike", ARN_KEY, ("arn:aws:s3:::b*",)), ("ArnLike", ARN_KEY, ("arn:aws:s3:::*",)), False),
    (("ArnNotLike", ARN_KEY, ("arn:aws:iam::*:role/*",)), ("ArnNotLike", ARN_KEY, (ROLE,)), True),
    (("StringNotEquals", ARN_KEY, (ROLE,)), ("ArnNotEquals", ARN_KEY, (ROLE,)), False),
    (("ArnNotEquals", ARN_KEY, ("web", "b")), ("ArnNotEquals", ARN_KEY, ("web",)), True),
    (("ArnNotEquals", ARN_KEY, ("b",)), ("ArnNotEquals", ARN_KEY, ("web",)), False),
)


def test_arn_condition_without_possible_arns_is_never_met():
    for operator, values, expected in (
        ("ArnLike", ("web", "b"), True),
        ("ForAnyValue:ArnEquals", ("web",), True),
        ("ArnLike", ("web", ROLE), False),
        ("ArnLike", (), False),
        ("ArnLikeIfExists", ("web",), False),
        ("ForAnyValue:ArnNotLike", ("web",), False),
    ):
        assert is_never_met(Condition(operator, KEY, values)) == expected, (operator, values)
    never = Condition("ArnLike", ARN_KEY, ("web",))
    assert is_implied([never], [Condition("StringEquals", KEY, ("a",))])


def test_values_are_certain_only_if_no_other_value_meets_condition():
    for operator, values, expected in (
        ("StringEquals", ("a", "b"), [("a", "b")]),
        ("StringEqualsIgnoreCase", ("1", "2"), [("1", "2")]),
        ("StringEqualsIgnoreCase", ("1", "a"), []),
        ("ArnEquals", ("web", ROLE), [(ROLE,)]),
        ("ForAnyValue:StringNotEquals", ("a",), []),
        ("NumericEquals", ("1",), []),
        ("StringEqualsIfExists", ("a",), []),
    ):
        condition = Condition(operator, KEY.upper(), values)
        assert certain_values([condition], KEY) == expected, operator
    every = [Condition("StringEquals", KEY, ("a",)), Condition("stringEquals", KEY, ("b",))]
    assert certain_values(every, KEY) == [("a",)]
    assert certain_values(every, ARN_KEY) == []


def test_value_is_certain_if_another_condition_requires_the_key():
    wanted = [Condition("StringLike", KEY, ("w*",))]
    for operator in ("ForAllValues:StringEquals", "StringEqualsIfExists"):
        have = Condition(operator, KEY, ("web",))
        assert is_implied([have, Condition("Null", KEY.upper(), ("false",))], wanted), operator
        assert not is_implied([have, Condition("Null", KEY, ("true",))], wanted), operator
        assert not is_implied([have, Condition("Null", ARN_KEY, ("false",))], wanted), operator


def test_only_certain_implications_are_recognized():
    for ours, theirs, expected in IMPLICATIONS:
        assert is_implied([Condition(*ours)], [Condition(*theirs)]) == expected, (ours, theirs)


def test_quantifier_is_redundant_only_for_single_valued_keys():
    for key, expected in (
        ("aws:SourceAccount", True),
        ("aws:ResourceAccount", True),
        ("aws:SecureTransport", True),
        ("aws:PrincipalArn", True),
        ("aws:ResourceTag/k", True),
        ("ec2:CreateAction", True),
        ("iam:PassedToService", True),
        ("kms:CallerAccount", True),
        ("kms:EncryptionContextKeys", False),
        ("aws:PrincipalOrgPaths", False),
    ):
        have = Condition("ForAnyValue:StringEquals", key, ("a",))
        assert is_implied([have], [Condition("StringEquals", key, ("a",))]) == expected, key
