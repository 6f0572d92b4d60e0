"""Report the entries, the written files, and the next commands, for one role or several."""

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from components.configuration import DATA_SOURCES
from components.connector_role import POLICY_NAME
from roles import ingestion
from roles.account import DataSource, Role
from roles.adopt.access import Change
from roles.adopt.entries import Entry
from roles.adopt.files import import_path
from roles.aws_commands import aws_command, remove_policy
from roles.difference import TRUST_POLICY, Verdict
from roles.findings import Finding
from roles.output import Line, Part, Row, Table
from roles.project import launcher

_HEAD: Final = (
    *("ENTRY", "DATA SOURCE", "CONNECTOR", "ROLE", "ROLE POLICY"),
    "COMPARED WITH THE PROGRAM'S ROLE",
)
_EQUIVALENT: Final = "equivalent"


class Result(NamedTuple):
    """A stack's entries, left-out data sources, configuration, and import file."""

    stack: str
    entries: Mapping[str, Entry]
    """The entries, by the name of the component that declares the role."""
    left_out: Mapping[DataSource, Finding]
    config: Mapping[str, object]
    import_file: Mapping[str, object]
    files: Sequence[str]
    """The names of the written files."""
    unused: Sequence[Role]
    """The replaced roles that no data source will use and that only this application can assume."""
    owners: Mapping[str, str]
    """Texts such as `stack dev owns the role`, by the role's ARN."""

    @property
    def has_entries(self) -> bool:
        """Whether the stack's configuration has `dataSources`."""
        return any(key.endswith(f":{DATA_SOURCES}") for key in self.config)

    @property
    def restoration(self) -> str:
        """The name of the script that restores roles and data sources; empty if it was not written."""
        return next((name for name in self.files if name.endswith(".sh")), "")


def reasons(left_out: Mapping[DataSource, Finding]) -> list[str]:
    """Return a line for each data source that is left out, with the reason."""
    return [
        f"{source.name} ({source.type}, {source.id}): {finding.text}"
        for source, finding in left_out.items()
    ]


def lines(result: Result) -> Iterator[str]:
    """For one role, report the comparison (unless the role is new), the changes, and the next steps."""
    (entry,) = result.entries.values()
    role, difference = entry.role, entry.difference
    if entry.replaced:
        yield f"role: a new one, because {entry.replaced.arn} {entry.because}"
        yield f"connector: {entry.requirements.connector.name}"
        yield ""
        yield from _changes(result)
        yield from _next_steps(result)
        return
    yield f"role: {role.arn}"
    yield f"connector: {entry.requirements.connector.name}"
    yield ""
    yield "Statements that the program will write, and whether the role covers them:"
    yield from _lines(each for each in difference.program if each.policy in (TRUST_POLICY, POLICY_NAME))
    yield ""
    yield "Statements that the role has, compared with the program's:"
    yield from _lines(difference.role)
    yield ""
    if difference.equivalent and role.complete:
        yield "The role and the program's policies are equivalent."
        yield ""
    yield f"Role policy: {_role_policy(entry)}."
    if _kept(entry):
        yield "Other policies are kept until you set exclusivePolicies to true."
    yield ""
    yield from _changes(result)
    yield from _next_steps(result)


def _lines(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        danger = f", dangerous: {verdict.danger}" if verdict.danger else ""
        yield f"  {verdict.policy}, {verdict.statement}: {verdict.verdict}{danger}"
        yield from _access(verdict)
        if ingestion.is_disputed(verdict):
            yield f"      ({ingestion.DISPUTED})"


def _access(verdict: Verdict, introduction: str = "") -> Iterator[str]:
    for access in verdict.access:
        yield f"      {introduction}{', '.join(access.actions)}"
        yield from (f"        {verdict.preposition} {target}" for target in access.targets)
        yield from (f"        {condition}" for condition in access.conditions)


def _role_policy(entry: Entry) -> str:
    """Describe the change to the role policy, and list the kept policies."""
    if entry.replaced:
        return "new"
    change, kept = entry.change, _kept(entry)
    replaced = " and ".join(filter(None, (change.inline, change.attached)))
    action = f"replaces {replaced}" if replaced else ""
    if not action:
        action = "imported" if POLICY_NAME in entry.role.inline_policies else "new"
    return f"{action}; kept: {', '.join(kept)}" if kept else action


def _kept(entry: Entry) -> list[str]:
    """Return the names or ARNs of policies, besides the role policy, that an imported role keeps."""
    if entry.replaced:
        return []
    gone = {POLICY_NAME, entry.change.inline, entry.change.attached}
    policies = (*entry.role.inline_policies, *(entry.role.attached or ()))
    return [policy for policy in policies if policy not in gone]


def lines_of_all(result: Result) -> Iterator[Part]:
    """Report the entries, the data sources that are left out, the changes, and the next steps."""
    for name, each in result.entries.items():
        for warning in each.warnings:
            yield Line(f"{name}: warning: {warning}", 2)
    if any(each.warnings for each in result.entries.values()):
        yield ""
    rows: list[Row] = []
    for name, each in result.entries.items():
        source = f"{each.data_source.name} {each.data_source.id}"
        compared = _compared(each)
        connector, role = each.requirements.connector.name, each.role.name
        color = "green" if compared == _EQUIVALENT else "yellow"
        rows.append(Row((name, source, connector, role or "new", _role_policy(each), compared), color))
    yield Table(_HEAD, [("", rows)])
    if result.left_out:
        yield ""
        yield f"Left out: {len(result.left_out)}."
        yield from (Line(f"  {reason}", 4) for reason in reasons(result.left_out))
    imported = {each.role.arn for each in result.entries.values() if not each.replaced}
    moved: dict[str, list[str]] = {}
    for name, each in result.entries.items():
        if each.replaced:
            stays = "" if each.replaced.arn in imported else " The old role does not change."
            because = f"because {each.replaced.arn} {each.because}.{stays}"
            moved.setdefault(because, []).append(name)
    for because, names in moved.items():
        yield ""
        gets = "gets a new role" if len(names) == 1 else "get new roles"
        yield Line(f"{', '.join(names)} {gets}, {because}", 2)
    yield ""
    yield from _changes(result)
    yield from _next_steps(result)


def _compared(entry: Entry) -> str:
    """Return the result of the comparison in a few words."""
    if entry.replaced:
        return f"a new role in place of {entry.replaced.name}"
    if entry.difference.equivalent and entry.role.complete:
        return _EQUIVALENT
    every = (*entry.difference.program, *entry.difference.role)
    verdicts = Counter("dangerous" if each.danger else each.verdict for each in every)
    words = {
        "dangerous": "dangerous",
        "missing": "missing",
        "excess": "in excess",
        "denies": "denying",
    }
    parts = [f"{verdicts[name]} {word}" for name, word in words.items() if verdicts[name]]
    if not entry.role.complete:
        parts.append("some policies could not be read")
    return ", ".join(parts)


def _changes(result: Result) -> Iterator[str]:
    """Report access that may be lost or gained, and count the roles that keep exactly their access."""
    imported = {
        f"{name} ({entry.role.name})": entry.change
        for name, entry in result.entries.items()
        if not entry.replaced
    }
    moved = {
        f"{name} (new role in place of {entry.replaced.name})": entry.change
        for name, entry in result.entries.items()
        if entry.replaced
    }
    same = sum(change.is_only_text for change in imported.values())
    yield from _lost_and_gained(
        "Roles that may {} access with the first `pulumi up` after the import", imported
    )
    if moved:
        yield from _lost_and_gained("Data sources that may {} access with a new role", moved)
    if any(change.lost for change in moved.values()):
        yield "If a data source needs the lost access, grant it in a separate policy of the new role."
    yield f"Roles whose policies change without a change of access: {same}"
    yield ""


def _lost_and_gained(title: str, changes: Mapping[str, Change]) -> Iterator[str]:
    lost = {name: change.lost for name, change in changes.items() if change.lost}
    gained = {name: change.gained for name, change in changes.items() if change.gained}
    for verb, found in (("lose", lost), ("gain", gained)):
        yield f"{title.format(verb)}: {len(found)}"
        for name, verdicts in found.items():
            yield f"  {name}"
            for verdict in verdicts:
                yield from _access(verdict, "no longer denied: " * (verdict.verdict == "denies"))


def _next_steps(result: Result) -> Iterator[str]:
    """Report the written files, and any commands to import roles, undo changes, and finish adopting."""
    if not result.files:
        yield "Nothing was written."
        return
    yield f"Written for stack {result.stack}: {', '.join(result.files)}. Next steps: docs/adopt.md."
    if count := sum(not entry.replaced for entry in result.entries.values()):
        yield f"Import the {'role' if count == 1 else 'roles'}; this changes nothing in AWS:"
        yield ""
        stack, path = shlex.quote(result.stack), import_path(result.stack)
        options = "--yes --protect=false --generate-code=false"
        yield f"pulumi import --stack {stack} --file {path} {options}"
    if arns := [entry.role.arn for entry in result.entries.values() if not entry.replaced]:
        yield ""
        yield "If the roles of your CI are limited to a path, add the imported roles to the environment:"
        yield ""
        yield f"roleArns: {json.dumps(arns)}"
    if result.restoration:
        yield ""
        yield "To undo the changes in AWS later, for all roles or only for current roles that you name:"
        yield ""
        yield f"sh {result.restoration}"
        changed = {(entry.replaced or entry.role).arn for entry in result.entries.values()}
        if owners := {arn: text for arn, text in result.owners.items() if arn in changed}:
            yield ""
            yield "Other stacks can change or delete these roles, so first coordinate this with them:"
            yield from (f"  {arn}: {text}" for arn, text in owners.items())
    if commands := _later_commands(result):
        yield ""
        yield "After `pulumi up`, run these commands, and the script that `assign` writes:"
        yield ""
        yield from commands
    if commands := _deletions(result):
        yield ""
        yield "After a successful sync, delete the policies and roles that the data sources no longer"
        yield "use. First make sure that nothing else, such as a plugin, uses them:"
        yield ""
        yield from commands


def _deletions(result: Result) -> list[str]:
    """Return the commands that delete replaced attached policies, and roles that will be unused."""
    commands: list[str] = []
    for entry in result.entries.values():
        if arn := entry.change.attached:
            detach = remove_policy(entry.role.name, arn)
            commands.append(f"{detach} && {aws_command('iam delete-policy', policy_arn=arn)}")
    for role in result.unused:
        policies = (*role.inline_policies, *(role.attached or ()))
        steps = [remove_policy(role.name, policy) for policy in policies]
        commands.append(" && ".join((*steps, aws_command("iam delete-role", role_name=role.name))))
    return commands


def _later_commands(result: Result) -> list[str]:
    """Return the commands that add separate policies to new roles, and give data sources these roles."""
    replaced = {name: entry for name, entry in result.entries.items() if entry.replaced}
    commands = [command for name, entry in replaced.items() for command in _puts(result, name, entry)]
    if replaced:
        pairs = " ".join(f"{name}={entry.data_source.id}" for name, entry in replaced.items())
        commands.append(f"{launcher()} assign --stack {shlex.quote(result.stack)} {pairs}")
    return commands


def _puts(result: Result, name: str, entry: Entry) -> Iterator[str]:
    """Yield the commands that add separate policies to a new role."""
    output = f"pulumi stack output --stack {shlex.quote(result.stack)}"
    select = f"roleNames --json | jq -r '.[\"{name}\"]'" if result.has_entries else "roleName"
    for policy in entry.policies.separate:
        yield f'{policy.put()} --role-name "$({output} {select})"'


def document(result: Result) -> dict[str, object]:
    """Return the document that `--json` shows for one role."""
    (entry,) = result.entries.values()
    difference = entry.difference
    return {
        **_entry_document(entry),
        "config": result.config,
        "import": result.import_file,
        "difference": {
            "equivalent": difference.equivalent and not entry.replaced,
            "complete": entry.role.complete,
            "program": [verdict.document() for verdict in difference.program],
            "role": [verdict.document() for verdict in difference.role],
        },
        "change": _change_document(entry.change),
        "keptPolicies": _kept(entry),
        "warnings": entry.warnings,
        "files": result.files,
        "afterUpdate": _later_commands(result),
        "afterSync": _deletions(result),
    }


def _entry_document(entry: Entry) -> dict[str, object]:
    return {
        "dataSource": entry.data_source.document(),
        "connector": entry.requirements.connector.name,
        "role": None if entry.replaced else entry.role.arn,
        "sharedRole": entry.replaced.arn if entry.replaced else None,
        "because": entry.because,
    }


def _change_document(change: Change) -> dict[str, object]:
    return {
        "lost": [verdict.document() for verdict in change.lost],
        "gained": [verdict.document() for verdict in change.gained],
        "onlyText": change.is_only_text,
        "replaced": [*filter(None, (change.inline, change.attached))],
    }


def document_of_all(result: Result) -> dict[str, object]:
    """Return the document that `--json` shows for several roles."""
    return {
        "entries": {
            name: {
                **_entry_document(entry),
                "result": _compared(entry),
                "equivalent": entry.difference.equivalent and not entry.replaced,
                "complete": entry.role.complete,
                "change": _change_document(entry.change),
                "warnings": entry.warnings,
            }
            for name, entry in result.entries.items()
        },
        "leftOut": [
            {"dataSource": source.document(), "reason": finding.text}
            for source, finding in result.left_out.items()
        ],
        "config": result.config,
        "import": result.import_file,
        "files": result.files,
        "afterUpdate": _later_commands(result),
        "afterSync": _deletions(result),
    }
