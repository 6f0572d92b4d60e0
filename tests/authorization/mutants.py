"""Generate a policy's mutants: documents with one part dropped, widened, or changed."""

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Statement = dict[str, Any]


class Mutant(NamedTuple):
    """A document with one change."""

    title: str
    policy: dict[str, Any]
    position: int
    """Index of the statement that was changed or dropped."""


def mutants(policy: dict[str, Any]) -> Iterator[Mutant]:
    for position, statement in enumerate(policy["Statement"]):
        sid = statement["Sid"]
        changed = copy.deepcopy(policy)
        del changed["Statement"][position]
        yield Mutant(f"{sid}: dropped", changed, position)
        for change, mutate in _changes(statement):
            changed = copy.deepcopy(policy)
            mutate(changed["Statement"][position])
            yield Mutant(f"{sid}: {change}", changed, position)


def _changes(statement: Statement) -> Iterator[tuple[str, Callable[[Statement], object]]]:
    yield "Effect Deny", lambda statement: statement.update(Effect="Deny")
    yield from _changes_of_values(statement, "Action", _wider_actions)
    yield from _changes_of_values(statement, "Resource", _wider_resources)
    if "Principal" in statement:
        for principal in _OTHER_PRINCIPALS:
            yield (
                f"Principal {principal}",
                lambda statement, new=principal: statement.update(Principal=new),
            )
    yield from _changes_of_conditions(statement)


def _changes_of_values(
    statement: Statement, element: str, wider: Callable[[str], list[str]]
) -> Iterator[tuple[str, Callable[[Statement], object]]]:
    if element not in statement:
        return
    values: list[str] = _listed(statement[element])
    for value in values:
        others = [other for other in values if other != value]
        if others:
            yield (
                f"{element} {value} dropped",
                lambda statement, new=others: statement.update({element: new}),
            )
        for other in wider(value):
            if other != value:
                new = [*others, other]
                yield (
                    f"{element} {value} -> {other}",
                    lambda statement, new=new: statement.update({element: new}),
                )


def _wider_actions(action: str) -> list[str]:
    service, _, name = action.partition(":")
    return [f"{service}:*", f"{service}:{name[:4]}*", "*"]


def _wider_resources(arn: str) -> list[str]:
    if arn == "*":
        return []
    head, partition, service, region, account, resource = arn.split(":", 5)
    type_, separator, _ = resource.partition("/" if "/" in resource.split(":")[0] else ":")
    wider = [
        (partition, service, region, account, f"{type_}{separator}*"),
        (partition, service, region, "*", resource),
        (partition, service, "*", account, resource),
        (partition, service, region, account, "*"),
    ]
    return [
        *(":".join((head, *parts)) for parts in wider if sum("*" in part for part in parts) == 1),
        *([f"{arn}*"] if "*" not in arn else []),
        *([f"{arn[:-2]}*"] if arn.endswith("/*") else []),
        "*",
    ]


_OTHER_PRINCIPALS: tuple[Any, ...] = (
    "*",
    {"AWS": "*"},
    {"Service": "ec2.amazonaws.com"},
    {"Service": ["qbusiness.amazonaws.com", "lambda.amazonaws.com"]},
    {"AWS": "arn:aws:iam::123456789012:root"},
)


def _changes_of_conditions(
    statement: Statement,
) -> Iterator[tuple[str, Callable[[Statement], object]]]:
    condition = statement.get("Condition")
    if not condition:
        return
    yield "Condition dropped", lambda statement: statement.pop("Condition")
    for operator, keys in condition.items():
        others = {name: tests for name, tests in condition.items() if name != operator}
        if others:
            yield f"{operator} dropped", lambda statement, new=others: statement.update(Condition=new)
        # ForAllValues is true for an absent key, so IfExists would change nothing.
        all_values = operator.startswith("ForAllValues")
        other = operator.replace("All", "Any") if all_values else f"{operator}IfExists"
        new = {**others, other: keys}
        yield f"{operator} -> {other}", lambda statement, new=new: statement.update(Condition=new)
        like = operator.replace("Equals", "Like")
        for key, values in keys.items():
            for value in _listed(values):
                for pattern in ("*", f"{value[:10]}*", *([f"{value}*"] if "*" not in value else [])):
                    new = {**others, like: {key: pattern}}
                    yield (
                        f"{key} {value} -> {like} {pattern}",
                        lambda statement, new=new: statement.update(Condition=new),
                    )


def _listed(values: Any) -> list[str]:
    return [values] if isinstance(values, str) else values
