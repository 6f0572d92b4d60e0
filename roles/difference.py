"""Compare the access that a role allows with the access that the program's policies allow.

Statements are compared by the access that they allow under conditions: actions on resources or, in a
trust policy, by principals. The comparison ignores Sids, order, and the case of actions and condition
keys, but not the case of condition operators; `x` equals `["x"]`. AWS's pages describe these rules:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from guardrails.iam.conditions import Condition
from guardrails.iam.containment import is_implied
from guardrails.iam.documents import Kind, Statement, read_document
from guardrails.iam.patterns import Patterns
from roles.account import Role
from roles.errors import OddAnswerError

TRUST_POLICY: Final = "trust policy"


class Access(NamedTuple):
    """The actions and targets that a verdict is about."""

    actions: tuple[str, ...]
    targets: tuple[str, ...]
    condition: bool
    """Whether the other side allows these actions on the targets, but under different conditions."""
    conditions: tuple[str, ...] = ()
    """The differences in the role's conditions, such as `no condition on aws:SourceAccount`."""


class Verdict(NamedTuple):
    """The result of comparing a statement with the other side's statements.

    The two sides are the program and the role.
    """

    policy: str
    statement: str
    verdict: Literal["covered", "missing", "equivalent", "subset", "excess", "denies"]
    """The first two values are for the program's statements; the other values are for the role's."""
    access: tuple[Access, ...] = ()
    """The access that is missing, in excess, or denied."""
    danger: str = ""
    """The reason why an excess statement is dangerous; `roles.danger` adds it."""

    @property
    def preposition(self) -> str:
        """The word between the actions and their targets, which are principals in a trust policy."""
        return "by" if self.policy == TRUST_POLICY else "on"

    def document(self) -> dict[str, object]:
        """Return the verdict's entries in the output of `adopt --json`."""
        return {
            "policy": self.policy,
            "statement": self.statement,
            "verdict": self.verdict,
            "danger": self.danger or None,
            "access": [access._asdict() for access in self.access],
        }


class Difference(NamedTuple):
    """The verdicts on all statements of the program and of a role."""

    program: tuple[Verdict, ...]
    role: tuple[Verdict, ...]

    @property
    def equivalent(self) -> bool:
        """Whether the role allows exactly the access in the program's policies and denies nothing."""
        verdicts = {verdict.verdict for verdict in (*self.program, *self.role)}
        return verdicts <= {"covered", "equivalent", "subset"}


def role_statements(role: Role) -> list[Statement]:
    """Return the statements of a role's trust policy, inline policies, and attached policies."""
    policies = {TRUST_POLICY: role.trust_policy, **role.inline_policies, **role.attached_policies}
    return [each for name, document in policies.items() for each in statements(name, document)]


def simplify(statement: Statement) -> Statement:
    """Omit a condition that all requests meet; change `s3:ResourceAccount` to `aws:ResourceAccount`."""
    always = Condition("Bool", "aws:SecureTransport", ("true",))
    conditions = (
        each._replace(key="aws:ResourceAccount") if each.is_on("s3:ResourceAccount") else each
        for each in statement.conditions
        if each != always or not statement.allows
    )
    return statement._replace(conditions=tuple(conditions))


def compare(program: Sequence[Statement], role: Sequence[Statement]) -> Difference:
    """Compare the program's statements with those of a role."""
    denials = [statement for statement in role if not statement.allows]
    allowed = [statement for statement in role if statement.allows]
    # A statement that denies under a condition might never apply, so it is reported but not subtracted.
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


def statements(policy: str, document: Any) -> tuple[Statement, ...]:
    """Return a document's statements.

    `policy` is TRUST_POLICY, an inline policy's name, or a managed policy's ARN. Raises OddAnswerError
    for a document that does not follow IAM's grammar.
    """
    if policy == TRUST_POLICY:
        return readable(document, Kind.TRUST, policy, "iam:GetRole")
    managed = policy.startswith("arn:")
    operation = "iam:GetPolicyVersion" if managed else "iam:GetRolePolicy"
    return readable(document, Kind.IDENTITY, policy, operation)


def readable(document: Any, kind: Kind, policy: str, operation: str) -> tuple[Statement, ...]:
    """Return the statements in a document that an operation returned.

    Raises OddAnswerError for a document that does not follow IAM's grammar.
    """
    found = read_document(document, kind, policy)
    if found.problem:
        reason = f"has a policy that cannot be read ({policy}): {found.problem}"
        raise OddAnswerError(operation=operation, reason=reason)
    return found.statements


def _of_same_kind(statement: Statement, others: Iterable[Statement]) -> list[Statement]:
    """Return those of `others` in the same kind of policy as `statement`, a trust policy or not."""
    trust = statement.policy == TRUST_POLICY
    return [other for other in others if (other.policy == TRUST_POLICY) == trust]


def _role_verdict(statement: Statement, program: Sequence[Statement]) -> Verdict:
    policy, name = statement.policy, statement.name
    if not statement.allows:
        return Verdict(policy, name, "denies", _uncovered(statement, ()))
    if excess := _uncovered(statement, program, of_role=True):
        return Verdict(policy, name, "excess", excess)
    equivalent = any(
        not _uncovered(other, [statement]) and not _uncovered(statement, [other]) for other in program
    )
    return Verdict(policy, name, "equivalent" if equivalent else "subset")


def _uncovered(
    statement: Statement,
    others: Sequence[Statement],
    denials: Sequence[Statement] = (),
    *,
    of_role: bool = False,
) -> tuple[Access, ...]:
    """Return a statement's access that `others` do not certainly allow or that `denials` may remove.

    `of_role` is True if the statement belongs to the role and `others` belong to the program.
    """
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for action in statement.actions.listed():
        left: dict[tuple[str, ...], list[str]] = {}
        of_action = [other for other in others if other.actions.covers(action)]
        for target in statement.targets.listed():
            reach = [other for other in of_action if other.targets.covers(target)]
            denied = any(_meets(denial, action, target) for denial in denials)
            if denied or not any(is_implied(statement.conditions, other.conditions) for other in reach):
                conditions = (
                    _differing(statement, reach, of_role=of_role) if reach and not denied else ()
                )
                left.setdefault(conditions, []).append(target)
        for conditions, targets in left.items():
            groups.setdefault((conditions, tuple(targets)), []).append(action)
    return tuple(
        Access(
            _shown(statement.actions, actions),
            _shown(statement.targets, targets),
            condition=bool(conditions),
            conditions=conditions,
        )
        for (conditions, targets), actions in groups.items()
    )


def _differing(statement: Statement, others: Sequence[Statement], *, of_role: bool) -> tuple[str, ...]:
    """Return the differences between the conditions of `statement` and of the closest of `others`."""
    closest = min(others, key=lambda other: len(_unmet(statement, other)))
    role, program = (statement, closest) if of_role else (closest, statement)
    keys = {condition.key.lower(): condition.key for condition in _unmet(statement, closest)}
    return tuple(_explain(key, role.conditions, program.conditions) for key in keys.values())


def _unmet(statement: Statement, other: Statement) -> list[Condition]:
    """Return the conditions of `other` that the conditions of `statement` do not certainly imply."""
    return [each for each in other.conditions if not is_implied(statement.conditions, [each])]


def _explain(key: str, role: Iterable[Condition], program: Iterable[Condition]) -> str:
    """Return the difference between the role's and the program's conditions on a key."""
    have, want = ([each for each in side if each.is_on(key)] for side in (role, program))
    if not have:
        return f"no condition on {key}"
    if not want:
        return f"only under the condition {_written(have)}"
    return f"under {_written(have)}, not {_written(want)}"


def _written(conditions: Iterable[Condition]) -> str:
    return " and ".join(f"{each.operator} {each.key} {', '.join(each.values)}" for each in conditions)


def _shown(side: Patterns, patterns: Iterable[str]) -> tuple[str, ...]:
    return (f"everything except {', '.join(side.values)}",) if side.negated else tuple(patterns)


def _meets(statement: Statement, action: str, target: str) -> bool:
    """Return whether a statement may apply to a request that matches the action and the target."""
    return statement.actions.meets(action) and statement.targets.meets(target)
