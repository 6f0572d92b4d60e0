"""Report the entries, the written files, and the next steps, as text or JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Final, NamedTuple

from components.connector_role import POLICY_NAME
from roles.account import DataSource
from roles.adopt.entries import Entry
from roles.adopt.files import config_file
from roles.difference import Verdict
from roles.findings import Finding
from roles.output import Line, Part, Table
from roles.project import launcher

_HEAD: Final = (
    *("ENTRY", "DATA SOURCE", "CONNECTOR", "ROLE", "ROLE POLICY"),
    "COMPARED WITH THE PROGRAM'S ROLE",
)
_WORDS: Final = {
    "dangerous": "dangerous",
    "missing": "missing",
    "excess": "in excess",
    "denies": "denying",
}


class Result(NamedTuple):
    """A stack's entries, left-out data sources, configuration, and import file."""

    stack: str
    entries: Mapping[str, Entry]
    """The entries, by the name of the component that declares the role."""
    left_out: Mapping[DataSource, Finding]
    config: Mapping[str, object]
    import_file: Mapping[str, object]
    paths: Mapping[str, Path]
    """The written files, by kind; empty if none was written."""


def access_lines(verdict: Verdict) -> Iterator[str]:
    """Yield the lines that show a verdict's access."""
    introduction = "no longer denied: " * (verdict.verdict == "denies")
    for access in verdict.access:
        yield f"      {introduction}{', '.join(access.actions)}"
        yield from (f"        {verdict.preposition} {target}" for target in access.targets)
        yield from (f"        {condition}" for condition in access.conditions)


def lines(result: Result) -> Iterator[Part]:
    """Yield the entries, the data sources that are left out, the changes, and the next steps."""
    warnings = [
        Line(f"{name}: warning: {text}", 2)
        for name, its in result.entries.items()
        for text in its.warnings
    ]
    yield from [*warnings, *([""] if warnings else [])]
    if result.entries:
        yield Table(_HEAD, [("", [_row(name, each) for name, each in result.entries.items()])])
        yield ""
    if result.left_out:
        its = (Line(f"  {text}", 4) for text in reasons(result.left_out))
        yield from (f"Left out: {len(result.left_out)}.", *its, "")
    if result.entries:
        yield from _new_roles(result)
        yield from _kept_policies(result)
        yield from _changes(result)
        yield from _next_steps(result)


def reasons(left_out: Mapping[DataSource, Finding]) -> list[str]:
    """Return a line for each data source that is left out, with the reason."""
    return [
        f"{source.name} ({source.type}, {source.id}): {finding.text}"
        for source, finding in left_out.items()
    ]


def _row(name: str, entry: Entry) -> tuple[str, ...]:
    source, compared = f"{entry.data_source.name} {entry.data_source.id}", _compared(entry)
    policy = "imported" if not entry.replaced and POLICY_NAME in entry.role.inline_policies else "new"
    return (
        name,
        source,
        entry.requirements.needs.connector.name,
        entry.role.name or "new",
        policy,
        compared,
    )


def _kept(entry: Entry) -> list[str]:
    """Return the names or ARNs of an imported role's other policies, which the import keeps."""
    policies = () if entry.replaced else (*entry.role.inline_policies, *(entry.role.attached or ()))
    return [policy for policy in policies if policy != POLICY_NAME]


def _compared(entry: Entry) -> str:
    """Return a short description of the comparison's result."""
    if entry.replaced:
        return f"a new role in place of {entry.replaced.name}"
    if entry.difference.equivalent and entry.role.complete:
        return "equivalent"
    every = (*entry.difference.program, *entry.difference.role)
    verdicts = Counter("dangerous" if each.danger else each.verdict for each in every)
    parts = [f"{verdicts[name]} {word}" for name, word in _WORDS.items() if verdicts[name]]
    unread = [] if entry.role.complete else ["some policies could not be read"]
    return ", ".join([*parts, *unread])


def _new_roles(result: Result) -> Iterator[Part]:
    """Yield the data sources that get new roles, with the reasons."""
    moved: dict[str, list[str]] = {}
    for name, each in result.entries.items():
        if each.replaced:
            moved.setdefault(f"because {each.replaced.arn} {each.because}.", []).append(name)
    for because, names in moved.items():
        gets = "gets a new role" if len(names) == 1 else "get new roles"
        yield from (Line(f"{', '.join(names)} {gets}, {because}", 2), "")


def _kept_policies(result: Result) -> Iterator[Part]:
    """Yield the policies that the roles keep, with the danger of each dangerous policy."""
    found: list[Part] = []
    for name, each in result.entries.items():
        dangers = {verdict.policy: verdict.danger for verdict in each.difference.role if verdict.danger}
        for policy in _kept(each):
            danger = f" (dangerous: {dangers[policy]})" if policy in dangers else ""
            found.append(Line(f"  {name}: {policy}{danger}", 4))
    if found:
        yield "Other policies that the roles keep until you set exclusivePolicies:"
        yield from (*found, "")


def _changes(result: Result) -> Iterator[str]:
    """Yield the access that each data source may lose or gain."""
    labeled = [
        (f"{name} ({'new role in place of ' if each.replaced else ''}{each.current.name})", each)
        for name, each in result.entries.items()
    ]
    lost = {label: each.lost for label, each in labeled if each.lost}
    gained = {label: each.gained for label, each in labeled if each.gained}
    for verb, found in (("lose", lost), ("gain", gained)):
        yield f"Data sources that may {verb} access: {len(found)}"
        for label, verdicts in found.items():
            yield f"  {label}"
            yield from (line for verdict in verdicts for line in access_lines(verdict))
    yield ""


def _next_steps(result: Result) -> Iterator[Part]:
    """Yield the written files and the next commands."""
    if not result.paths:
        yield "Nothing was written."
        return
    paths, stack = result.paths, quote(result.stack)
    names, own = ", ".join(map(str, paths.values())), config_file(result.stack)
    yield Line(f"Written for stack {result.stack}: {names}. Next steps: docs/adopt.md.", 0)
    if paths["entries"] != own:
        yield Line(f"{own} has settings: copy the entries in {paths['entries']} to its dataSources.", 0)
    arns = [entry.role.arn for entry in result.entries.values() if not entry.replaced]
    pairs = " ".join(
        f"{name}={entry.data_source.id}" for name, entry in result.entries.items() if entry.replaced
    )
    steps = {
        "Import the roles; this changes nothing in AWS:": arns
        and f"pulumi import --stack {stack} --file {paths['import']} --yes --protect=false "
        "--generate-code=false",
        "If your CI's roles are limited to a path, add the imported roles to the environment:": arns
        and f"roleArns: {json.dumps(arns)}",
        "After `pulumi up`, give the data sources their new roles:": pairs
        and f"{launcher()} assign --stack {stack} {pairs}",
        "To go back later:": f"{launcher()} adopt --restore {paths['adopted']}",
    }
    for title, command in steps.items():
        if command:
            yield from ("", title, "", str(command))


def document(result: Result) -> dict[str, object]:
    """Return the document for `--json`."""
    return {
        "entries": {
            name: {
                "dataSource": entry.data_source.document(),
                "connector": entry.requirements.needs.connector.name,
                "role": None if entry.replaced else entry.role.arn,
                "sharedRole": entry.replaced.arn if entry.replaced else None,
                "because": entry.because,
                "result": _compared(entry),
                "complete": entry.role.complete,
                "program": [verdict.document() for verdict in entry.difference.program],
                "current": [verdict.document() for verdict in entry.difference.role],
                "lost": [verdict.document() for verdict in entry.lost],
                "gained": [verdict.document() for verdict in entry.gained],
                "keptPolicies": _kept(entry),
                "warnings": entry.warnings,
            }
            for name, entry in result.entries.items()
        },
        "leftOut": reasons(result.left_out),
        "config": result.config,
        "import": result.import_file,
        "files": [*map(str, result.paths.values())],
    }
