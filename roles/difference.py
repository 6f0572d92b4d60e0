"""Compare what a role allows with what the program's policies will allow.

Statements are compared by what they allow: an action on a resource under a condition, or by a principal
in a trust policy. Sids, order, case of actions and condition keys, and one value in place of a list of
one make no difference; the case of condition operators does. The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, cast

from components.connector_role import POLICY_NAME
from roles.account import Role

TRUST_POLICY: Final = "trust policy"
_VARIABLE: Final = re.compile(r"\$\{[^}]*\}")
_EXACT: Final = ("StringEquals", "StringLike", "ArnEquals", "ArnLike")
"""Operators that mean the same for values without a wildcard."""


class Side(NamedTuple):
    """The actions, resources or principals of a statement, with wildcards."""

    patterns: tuple[str, ...]
    negated: bool = False
    """Whether everything but these is meant, as in NotAction."""
    flags: re.RegexFlag = re.NOFLAG
    """IGNORECASE for actions."""

    def covers(self, pattern: str) -> bool:
        """Tell whether all that the pattern matches is meant."""
        if self.negated:
            return not any(_overlap(own, pattern, self.flags) for own in self.patterns)
        return any(_covers(own, pattern, self.flags) for own in self.patterns)

    def meets(self, pattern: str) -> bool:
        """Tell whether some of what the pattern matches is meant."""
        if self.negated:
            return not any(_covers(own, pattern, self.flags) for own in self.patterns)
        return any(_overlap(own, pattern, self.flags) for own in self.patterns)

    def listed(self) -> tuple[str, ...]:
        """Return the patterns; a negated side can only be compared as everything."""
        return ("*",) if self.negated else self.patterns


class Condition(NamedTuple):
    """One condition key with the values that a request needs."""

    operator: str
    key: str
    """In lower case."""
    values: frozenset[str]


class Statement(NamedTuple):
    """One statement of one policy."""

    policy: str
    """The trust policy, or the name or ARN of a policy."""
    name: str
    """Its Sid, or its place in the policy."""
    allows: bool
    actions: Side
    targets: Side
    """Resources; in a trust policy, principals such as `Service:qbusiness.amazonaws.com`."""
    conditions: tuple[Condition, ...]

    def covers(self, action: str, target: str) -> bool:
        """Tell whether the action on the target is meant, leaving conditions aside."""
        return self.actions.covers(action) and self.targets.covers(target)

    def meets(self, action: str, target: str) -> bool:
        """Tell whether some of the action on the target is meant."""
        return self.actions.meets(action) and self.targets.meets(target)


class Access(NamedTuple):
    """Actions on targets that one side allows and the other does not."""

    actions: tuple[str, ...]
    targets: tuple[str, ...]
    condition: bool
    """Whether the other side allows them under another condition, and not otherwise."""


class Verdict(NamedTuple):
    """How one statement compares with the statements of the other side."""

    policy: str
    statement: str
    verdict: Literal["covered", "missing", "equivalent", "subset", "excess", "denies"]
    """The first two are for the program's statements, the others for the role's."""
    access: tuple[Access, ...] = ()
    """What is missing, in excess or denied."""


class Difference(NamedTuple):
    """The verdicts of all statements."""

    program: tuple[Verdict, ...]
    role: tuple[Verdict, ...]

    @property
    def equivalent(self) -> bool:
        """Whether the role allows exactly what the program's documents allow."""
        verdicts = {verdict.verdict for verdict in (*self.program, *self.role)}
        return verdicts <= {"covered", "equivalent", "subset"}


def compare_role(role: Role, trust_policy: str, role_policy: str) -> Difference:
    """Compare a role with the policies that the program writes."""
    return compare(program_statements(trust_policy, role_policy), role_statements(role))


def program_statements(trust_policy: str, role_policy: str) -> list[Statement]:
    """Return the statements that the program writes."""
    return [
        *statements(TRUST_POLICY, json.loads(trust_policy)),
        *statements(POLICY_NAME, json.loads(role_policy)),
    ]


def role_statements(role: Role) -> list[Statement]:
    """Return the statements of a role's policies, inline and attached."""
    policies = {**role.inline_policies, **role.attached_policies}
    return [
        *statements(TRUST_POLICY, role.trust_policy),
        *(statement for name, document in policies.items() for statement in statements(name, document)),
    ]


def compare(program: Sequence[Statement], role: Sequence[Statement]) -> Difference:
    """Compare the statements that the program will write with those that the role has."""
    denials = [statement for statement in role if not statement.allows]
    allowed = [statement for statement in role if statement.allows]
    # A statement that denies under a condition may never apply: it is shown, and takes nothing away.
    always = [statement for statement in denials if not statement.conditions]
    verdicts: list[Verdict] = []
    for statement in program:
        missing = _uncovered(
            statement, _of_same_kind(statement, allowed), _of_same_kind(statement, always)
        )
        verdict = "missing" if missing else "covered"
        verdicts.append(Verdict(statement.policy, statement.name, verdict, missing))
    return Difference(
        tuple(verdicts),
        tuple(_role_verdict(statement, _of_same_kind(statement, program)) for statement in role),
    )


def statements(policy: str, document: Mapping[str, Any]) -> Iterator[Statement]:
    """Return the statements of a document; `TRUST_POLICY` as `policy` marks a trust policy."""
    for number, statement in enumerate(as_list(document.get("Statement")), start=1):
        yield Statement(
            policy,
            statement.get("Sid") or f"statement {number}",
            statement.get("Effect") == "Allow",
            _side(statement, "Action"),
            _side(statement, "Principal" if policy == TRUST_POLICY else "Resource"),
            tuple(
                Condition(operator, key.lower(), frozenset(map(_text, as_list(values))))
                for operator, keys in (statement.get("Condition") or {}).items()
                for key, values in keys.items()
            ),
        )


def as_list(value: Any) -> list[Any]:
    """Return the values of a policy's member, which may be one value in place of a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _of_same_kind(statement: Statement, others: Iterable[Statement]) -> list[Statement]:
    """Return the statements of the same kind: those of trust policies, or of the others."""
    trust = statement.policy == TRUST_POLICY
    return [other for other in others if (other.policy == TRUST_POLICY) == trust]


def _role_verdict(statement: Statement, program: Sequence[Statement]) -> Verdict:
    policy, name = statement.policy, statement.name
    if not statement.allows:
        return Verdict(policy, name, "denies", _uncovered(statement, ()))
    if excess := _uncovered(statement, program):
        return Verdict(policy, name, "excess", excess)
    equivalent = any(
        not _uncovered(other, [statement]) and not _uncovered(statement, [other]) for other in program
    )
    return Verdict(policy, name, "equivalent" if equivalent else "subset")


def _uncovered(
    statement: Statement, others: Sequence[Statement], denials: Sequence[Statement] = ()
) -> tuple[Access, ...]:
    """Return the access of a statement that none of the others allows, or one denies."""
    groups: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for action in statement.actions.listed():
        left: dict[bool, list[str]] = {}
        for target in statement.targets.listed():
            reach = [other for other in others if other.covers(action, target)]
            denied = any(denial.meets(action, target) for denial in denials)
            if denied or not any(implied(statement.conditions, other.conditions) for other in reach):
                left.setdefault(bool(reach) and not denied, []).append(target)
        for condition, targets in left.items():
            groups.setdefault((condition, tuple(targets)), []).append(action)
    return tuple(
        Access(
            _shown(statement.actions, actions),
            _shown(statement.targets, targets),
            condition,
        )
        for (condition, targets), actions in groups.items()
    )


def _shown(side: Side, patterns: Iterable[str]) -> tuple[str, ...]:
    return (f"everything but {', '.join(side.patterns)}",) if side.negated else tuple(patterns)


def implied(strict: Sequence[Condition], lax: Sequence[Condition]) -> bool:
    """Tell whether a request that meets the first conditions meets the others too."""
    return all(any(_implies(have, wanted) for have in strict) for wanted in lax)


def _implies(strict: Condition, lax: Condition) -> bool:
    if strict.key != lax.key:
        return False
    ours, theirs = map(_operator, (strict, lax))
    theirs = theirs if ours.endswith("IfExists") else theirs.removesuffix("IfExists")
    negated = "Not" in theirs
    have, wanted = strict.values, lax.values
    # StringEquals implies StringEqualsIgnoreCase, StringNotEqualsIgnoreCase implies StringNotEquals.
    exact, loose = (theirs, ours) if negated else (ours, theirs)
    if "IgnoreCase" in exact and "IgnoreCase" not in loose:
        return False
    if "IgnoreCase" in loose:
        ours, theirs = (name.replace("IgnoreCase", "") for name in (ours, theirs))
        have, wanted = (frozenset(map(str.casefold, values)) for values in (have, wanted))
    wider = (ours.replace("StringEquals", like) for like in ("StringLike", "ArnLike"))
    if theirs not in (ours, *wider):
        return False
    if negated:
        return have >= wanted
    if theirs.removesuffix("IfExists").endswith("Like"):
        return all(any(_covers(pattern, value) for pattern in wanted) for value in have)
    return have <= wanted


def _operator(condition: Condition) -> str:
    """Name the operator by its effect on these values."""
    base = condition.operator.removesuffix("IfExists")
    exact = base in _EXACT and not any(sign in value for value in condition.values for sign in "*?")
    name = "StringEquals" if exact else base.replace("ArnEquals", "ArnLike")
    return name + condition.operator.removeprefix(base)


def _covers(pattern: str, other: str, flags: re.RegexFlag = re.NOFLAG) -> bool:
    """Tell whether the pattern matches all that the other matches."""
    return _expression(pattern, flags).fullmatch(other) is not None


@functools.cache
def _expression(pattern: str, flags: re.RegexFlag) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "[^*]"}
    parts = (wildcards.get(character) or re.escape(character) for character in pattern)
    return re.compile("".join(parts), re.DOTALL | flags)


def _overlap(one: str, other: str, flags: re.RegexFlag) -> bool:
    """Tell whether a text can match both patterns; a policy variable matches any text."""
    first, second = (
        _VARIABLE.sub("*", pattern.casefold() if flags & re.IGNORECASE else pattern)
        for pattern in (one, other)
    )
    # Whether the rest of the first from here, and the rest of the second from each place, can agree.
    rows = [[False] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in range(len(first), -1, -1):
        for j in range(len(second), -1, -1):
            ours, theirs = first[i : i + 1], second[j : j + 1]
            if "*" in (ours, theirs):
                rows[i][j] = (ours == "*" and (rows[i + 1][j] or (theirs != "" and rows[i][j + 1]))) or (
                    theirs == "*" and (rows[i][j + 1] or (ours != "" and rows[i + 1][j]))
                )
            elif ours and theirs:
                rows[i][j] = (ours == theirs or "?" in (ours, theirs)) and rows[i + 1][j + 1]
            else:
                rows[i][j] = not ours and not theirs
    return rows[0][0]


def _side(statement: Mapping[str, Any], name: str) -> Side:
    negated = f"Not{name}" in statement
    values = statement.get(f"Not{name}" if negated else name)
    if isinstance(values, Mapping):
        # {"AWS": "*"} is everybody, as "*" is.
        values = [
            "*" if (kind, name) == ("AWS", "*") else f"{kind}:{name}"
            for kind, names in cast("Mapping[str, Any]", values).items()
            for name in as_list(names)
        ]
    flags = re.IGNORECASE if name == "Action" else re.NOFLAG
    return Side(tuple(map(str, as_list(values))), negated, flags)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
