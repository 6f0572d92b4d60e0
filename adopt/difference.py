"""What does the role allow too much, or too little, compared with what the program will write?

Two sets of statements are compared by what they allow: an action on a resource under a condition, or by
a principal in a trust policy. Sids, order, case of actions, and one value in place of a list of one
make no difference. The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, cast

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
        """Tell whether all that the pattern stands for is meant."""
        if self.negated:
            return not any(_overlap(own, pattern, self.flags) for own in self.patterns)
        return any(_covers(own, pattern, self.flags) for own in self.patterns)

    def meets(self, pattern: str) -> bool:
        """Tell whether some of what the pattern stands for is meant."""
        if self.negated:
            return not any(_covers(own, pattern, self.flags) for own in self.patterns)
        return any(_overlap(own, pattern, self.flags) for own in self.patterns)

    def listed(self) -> tuple[str, ...]:
        """Return the patterns; a negated side can only be compared as everything."""
        return ("*",) if self.negated else self.patterns


class Condition(NamedTuple):
    """One key that a request is asked for."""

    operator: str
    key: str
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


class Excess(NamedTuple):
    """Actions on targets that one side allows and the other does not."""

    actions: tuple[str, ...]
    targets: tuple[str, ...]
    condition: bool
    """Whether the other side allows them under another condition, and not otherwise."""


class Verdict(NamedTuple):
    """What became of one statement."""

    policy: str
    statement: str
    verdict: Literal["covered", "missing", "same", "no more", "too much", "denies"]
    """The first two are of the program's statements, the others of the role's."""
    what: tuple[Excess, ...] = ()
    """What is missing, too much or denied."""


class Difference(NamedTuple):
    """The verdicts of all statements."""

    program: tuple[Verdict, ...]
    role: tuple[Verdict, ...]

    @property
    def nothing(self) -> bool:
        """Whether the role allows neither more nor less than the program's documents."""
        return all(it.verdict in ("covered", "same", "no more") for it in (*self.program, *self.role))


def compare(program: Sequence[Statement], role: Sequence[Statement]) -> Difference:
    """Compare the statements that the program will write with those that the role has."""
    denials = [it for it in role if not it.allows]
    present = [it for it in role if it.allows]
    # A statement that denies under a condition may never apply: it is shown, and takes nothing away.
    always = [it for it in denials if not it.conditions]
    missing = [(it, _uncovered(it, _kin(it, present), _kin(it, always))) for it in program]
    return Difference(
        tuple(
            Verdict(it.policy, it.name, "missing" if what else "covered", what) for it, what in missing
        ),
        tuple(_judge(it, _kin(it, program)) for it in role),
    )


def statements(policy: str, document: Mapping[str, Any]) -> Iterator[Statement]:
    """Return the statements of a document; `TRUST_POLICY` as `policy` says that it is one."""
    for number, it in enumerate(_listed(document.get("Statement")), start=1):
        yield Statement(
            policy,
            it.get("Sid") or f"statement {number}",
            it.get("Effect") == "Allow",
            _side(it, "Action"),
            _side(it, "Principal" if policy == TRUST_POLICY else "Resource"),
            tuple(
                Condition(operator, key.lower(), frozenset(map(_text, _listed(values))))
                for operator, keys in (it.get("Condition") or {}).items()
                for key, values in keys.items()
            ),
        )


def _kin(statement: Statement, others: Iterable[Statement]) -> list[Statement]:
    """Return the statements of the same kind: those of trust policies, or of the others."""
    trust = statement.policy == TRUST_POLICY
    return [it for it in others if (it.policy == TRUST_POLICY) == trust]


def _judge(statement: Statement, program: Sequence[Statement]) -> Verdict:
    policy, name = statement.policy, statement.name
    if not statement.allows:
        return Verdict(policy, name, "denies", _uncovered(statement, ()))
    if what := _uncovered(statement, program):
        return Verdict(policy, name, "too much", what)
    same = any(not _uncovered(it, [statement]) and not _uncovered(statement, [it]) for it in program)
    return Verdict(policy, name, "same" if same else "no more")


def _uncovered(
    statement: Statement, others: Sequence[Statement], denials: Sequence[Statement] = ()
) -> tuple[Excess, ...]:
    """Return what of a statement none of the others allows, or one denies; like targets together."""
    groups: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for action in statement.actions.listed():
        left: dict[bool, list[str]] = {}
        for target in statement.targets.listed():
            reach = [it for it in others if it.covers(action, target)]
            denied = any(it.meets(action, target) for it in denials)
            if denied or not any(_implied(statement.conditions, it.conditions) for it in reach):
                left.setdefault(bool(reach) and not denied, []).append(target)
        for condition, targets in left.items():
            groups.setdefault((condition, tuple(targets)), []).append(action)
    return tuple(
        Excess(
            _shown(statement.actions, actions),
            _shown(statement.targets, targets),
            condition,
        )
        for (condition, targets), actions in groups.items()
    )


def _shown(side: Side, patterns: Iterable[str]) -> tuple[str, ...]:
    return (f"everything but {', '.join(side.patterns)}",) if side.negated else tuple(patterns)


def _implied(strict: Sequence[Condition], lax: Sequence[Condition]) -> bool:
    """Tell whether a request that meets the first conditions meets the others too."""
    return all(any(_implies(have, wanted) for have in strict) for wanted in lax)


def _implies(strict: Condition, lax: Condition) -> bool:
    if strict.key != lax.key:
        return False
    ours, theirs = map(_operator, (strict, lax))
    theirs = theirs if ours.endswith("IfExists") else theirs.removesuffix("IfExists")
    wider = (ours.replace("StringEquals", like) for like in ("StringLike", "ArnLike"))
    if theirs not in (ours, *wider):
        return False
    if "Not" in theirs:
        return strict.values >= lax.values
    if theirs.removesuffix("IfExists").endswith("Like"):
        return all(any(_covers(it, value) for it in lax.values) for value in strict.values)
    return strict.values <= lax.values


def _operator(condition: Condition) -> str:
    """Name the operator by what it does to these values."""
    base = condition.operator.removesuffix("IfExists")
    exact = base in _EXACT and not any(sign in value for value in condition.values for sign in "*?")
    name = "StringEquals" if exact else base.replace("ArnEquals", "ArnLike")
    return name + condition.operator.removeprefix(base)


def _covers(pattern: str, other: str, flags: re.RegexFlag = re.NOFLAG) -> bool:
    """Tell whether the pattern stands for all that the other stands for."""
    parts = (".*" if it == "*" else "[^*]" if it == "?" else re.escape(it) for it in pattern)
    return re.fullmatch("".join(parts), other, re.DOTALL | flags) is not None


def _overlap(one: str, other: str, flags: re.RegexFlag) -> bool:
    """Tell whether something fits both patterns; a policy variable may stand for anything."""
    first, second = (
        _VARIABLE.sub("*", it.casefold() if flags & re.IGNORECASE else it) for it in (one, other)
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
            "*" if (kind, it) == ("AWS", "*") else f"{kind}:{it}"
            for kind, listed in cast("Mapping[str, Any]", values).items()
            for it in _listed(listed)
        ]
    flags = re.IGNORECASE if name == "Action" else re.NOFLAG
    return Side(tuple(map(str, _listed(values))), negated, flags)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
