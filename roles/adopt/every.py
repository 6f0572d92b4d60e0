"""Prepare the import of the roles of all data sources of an application into one stack.

Each data source becomes a member of `dataSources`. A data source that cannot be adopted is reported and
left out.
"""

import argparse
import itertools
import json
import re
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from components.arguments import SettingsError
from components.connectors import Connector
from components.data_sources import (
    EXPECTED_NAME,
    MAXIMUM_MEMBERS,
    MAXIMUM_SIZE,
    MEMBER_NAME,
    size_in_bytes,
)
from components.formats import MAXIMUM_COMPONENT_NAME_LENGTH
from components.stack_config import DATA_SOURCES, camel_case
from roles.account import Account, DataSource
from roles.adopt import existing, files, report
from roles.adopt.existing import Existing
from roles.adopt.files import Plan
from roles.adopt.room import policy_names
from roles.detection import connectors_of, find_connector, find_uses
from roles.difference import Difference, compare_role
from roles.errors import (
    FINE,
    PROBLEMS,
    InputError,
    OddAnswerError,
    concerns_every_call,
    explain,
)
from roles.findings import State
from roles.output import Line, Notes, Output, Part, Remarks, Row, Table
from roles.project import project_name
from roles.reading import read_each
from roles.requirements import Requirements, read_requirements

_TOP: Final = ("region", "application_id")
"""Settings that all data sources of an application share."""
_HEAD: Final = ("MEMBER", "DATA SOURCE", "CONNECTOR", "ROLE", "COMPARED WITH THE PROGRAM'S ROLE")
_EQUIVALENT: Final = "equivalent"


class _Adopted(NamedTuple):
    data_source: DataSource
    requirements: Requirements
    plan: Plan
    difference: Difference


class _LeftOut(NamedTuple):
    data_source: DataSource
    reason: str


def member_name(text: str) -> tuple[str, str]:
    """Return the ID of a data source and the name of its member; for argparse."""
    identifier, _, name = text.partition("=")
    if not identifier or not MEMBER_NAME.fullmatch(name):
        raise ArgumentTypeError(
            f"{text!r} is not ID=NAME: expected the ID of a data source and the name of its member, "
            f"which is {EXPECTED_NAME}"
        )
    return identifier, name


def run(options: argparse.Namespace, output: Output) -> int:
    """Write the files, print a table, and return the exit code: PROBLEMS if a role is left out."""
    if options.data_source:
        raise InputError("--all adopts every data source: omit --data-source, or omit --all")
    project = project_name()
    before = existing.read(options.stack, project)
    if not options.dry_run:
        files.check(options.stack, overwrite=options.force)
    account = Account(options.region, output)
    everything = [*account.data_sources()]
    of_application = _of_one_application(everything, options)
    users = _users(account, everything, output)
    sources = _of_connectors(account, of_application, options.connector)

    def plan(source: DataSource, notes: Notes) -> _Adopted:
        adopted = _plan(account, source, project, notes)
        arn = adopted.requirements.role.arn
        if users[arn] > 1:
            raise InputError(
                f"{users[arn]} data sources run under {arn}: give each of them its own role"
            )
        return adopted

    adopted, left_out = _read(sources, plan, output)
    if not adopted:
        raise InputError("no role can be adopted:", *(f"  {_line(each)}" for each in left_out))
    roles = [each.requirements.role for each in adopted]
    before.check_kept((role.name for role in roles), [f"  left out: {_line(each)}" for each in left_out])
    for warning in existing.warnings(before, roles):
        output.warn(warning)
    members = dict(zip(_names(adopted, options.name, before), adopted, strict=True))
    configure = partial(_config, before=before, project=project)
    _check_limits(members, configure)
    config = configure(members)
    entries = [
        entry
        for name, each in members.items()
        for entry in files.import_entries(name, each.requirements.role)
    ]
    written: list[str] = []
    if not options.dry_run:
        copies = [copy for each in adopted for copy in each.plan.room.copies]
        contents = (config, {"resources": entries}, copies)
        written = files.write(options.stack, *contents, overwrite=options.force)
    if options.json:
        output.json(_document(members, left_out, config, entries, written))
    else:
        output.show(*_report(members, left_out, options.stack, written))
    return PROBLEMS if left_out else FINE


def _of_one_application(
    sources: Sequence[DataSource], options: argparse.Namespace
) -> Sequence[DataSource]:
    """Return the selected data sources; raises InputError for none, or for several applications."""
    if options.application:
        sources = [source for source in sources if source.application_id == options.application]
    applications = {source.application_id: source.application_name for source in sources}
    if len(applications) > 1:
        raise InputError(
            "which application? A stack has one: pass one of",
            *(f"  --application {identifier}  {name}" for identifier, name in applications.items()),
            details={"applications": [*applications]},
        )
    return sources


def _of_connectors(
    account: Account, sources: Sequence[DataSource], connectors: Sequence[Connector]
) -> Sequence[DataSource]:
    """Return the data sources of the selected connectors; raises InputError for none."""

    def is_selected(source: DataSource) -> bool:
        try:
            return find_connector(find_uses(account.data_source(source))) in connectors
        except (ClientError, InputError, OddAnswerError):
            return any(connector in connectors for connector in connectors_of(source.type))

    if connectors:
        sources = [*filter(is_selected, sources)]
    if not sources:
        raise InputError("there is no data source: check --application, --region, and --connector")
    return sources


def _users(account: Account, sources: Sequence[DataSource], output: Output) -> Counter[str]:
    """Count the data sources of the account, in any application, that run under each role."""

    def role_arn(source: DataSource) -> str | ClientError | OddAnswerError:
        try:
            return str(account.data_source(source).get("roleArn"))
        except (ClientError, OddAnswerError) as error:
            if concerns_every_call(error):
                raise
            return error

    users: Counter[str] = Counter()
    found = read_each(role_arn, sources, output, "data sources")
    for source, arn in zip(sources, found, strict=True):
        if isinstance(arn, str):
            users[arn] += 1
        else:
            output.warn(
                f"data source {source.id} could not be read: it may run under one of the adopted roles, "
                f"and that role would no longer serve it ({explain(arn)})"
            )
    return users


def _read(
    sources: Sequence[DataSource], plan: Callable[[DataSource, Notes], _Adopted], output: Output
) -> tuple[list[_Adopted], list[_LeftOut]]:
    """Plan the import of each data source's role, or keep the reason why it is left out."""

    def read(source: DataSource) -> tuple[_Adopted | _LeftOut, Remarks]:
        remarks = Remarks(output.verb)
        try:
            return plan(source, remarks), remarks
        except InputError as error:
            reason = "; ".join(line.strip() for line in error.lines)
        except SettingsError as error:
            reason = "; ".join(f"{each.name}: {each.message}" for each in error.problems)
        except (ClientError, OddAnswerError) as error:
            if concerns_every_call(error):
                raise
            reason = explain(error)
        return _LeftOut(source, reason), remarks

    adopted: list[_Adopted] = []
    left_out: list[_LeftOut] = []
    for found, remarks in read_each(read, sources, output, "roles"):
        for text in remarks.texts:
            output.warn(text)
        if isinstance(found, _Adopted):
            adopted.append(found)
        else:
            left_out.append(found)
    return _numbered(adopted), left_out


def _numbered(adopted: Sequence[_Adopted]) -> list[_Adopted]:
    """Give the files of copied policies numbers that are unique across all roles."""
    numbers = itertools.count(1)
    return [
        each._replace(plan=each.plan._replace(room=each.plan.room.numbered(numbers))) for each in adopted
    ]


def _plan(account: Account, source: DataSource, project: str, notes: Notes) -> _Adopted:
    """Read one data source and plan its import; raises InputError or SettingsError with the reasons."""
    if not connectors_of(source.type):
        raise InputError(f"no connector of this program has the type {source.type}")
    requirements, findings = read_requirements(account, source)
    for note in findings:
        if note.state is State.NOTE:
            notes.warn(note.text)
    reasons = [line for finding in findings for line in finding.details]
    if requirements is None or reasons:
        raise InputError(*reasons)
    plan = files.plan(requirements, project, partial(policy_names, account, requirements.role, notes))
    return _Adopted(source, requirements, plan, compare_role(requirements.role, *plan.documents))


def _names(adopted: Sequence[_Adopted], given: Sequence[tuple[str, str]], before: Existing) -> list[str]:
    """Return a unique name for each member: the present or chosen one, or one like the display name.

    Raises InputError for chosen names that cannot be used.
    """
    chosen = dict(given)
    if len(chosen) < len(given):
        twice = Counter(identifier for identifier, _ in given).most_common(1)[0][0]
        raise InputError(f"--name is given several times for data source {twice}: give it one name")
    roles = {each.data_source.id: each.requirements.role.name for each in adopted}
    if unknown := set(chosen) - set(roles):
        raise InputError(f"--name {min(unknown)}=...: no role of this data source is adopted")
    for identifier, name in chosen.items():
        before.check_chosen(identifier, name, roles[identifier])
    fixed = [before.name_of(role) or chosen.get(identifier) for identifier, role in roles.items()]
    taken = Counter(filter(None, fixed))
    if doubles := [name for name, count in taken.items() if count > 1]:
        raise InputError(f"several data sources would have the name {doubles[0]}: change --name")
    names: list[str] = []
    for name, each in zip(fixed, adopted, strict=True):
        source = each.data_source
        names.append(name or _free(_valid(source.name or source.type), taken))
        taken[names[-1]] += 1
    return names


def _valid(text: str) -> str:
    """Return a valid name that resembles a display name."""
    name = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
    if not name or not name[0].isalpha():
        name = f"source-{name}".rstrip("-")
    return "secure-source" if name == "secure" else name[:MAXIMUM_COMPONENT_NAME_LENGTH].rstrip("-")


def _free(name: str, taken: Collection[str]) -> str:
    """Return the name, or the first free one with a number."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        suffix = f"-{number}"
        candidate = f"{name[: MAXIMUM_COMPONENT_NAME_LENGTH - len(suffix)].rstrip('-')}{suffix}"
    return candidate


def _config(members: Mapping[str, _Adopted], before: Existing, project: str) -> dict[str, object]:
    """Return the stack's configuration; the most frequent index is the default."""
    first = next(iter(members.values())).requirements
    indexes = Counter(each.requirements.index_id for each in members.values())
    default = {"application_id": first.application_arn, "index_id": indexes.most_common(1)[0][0]}
    sources: dict[str, object] = {}
    for name, each in members.items():
        settings = each.requirements.settings()
        if settings["index_id"] == default["index_id"]:
            del settings["index_id"]
        # A default at the top level, set later, must not replace the role.
        settings.setdefault("role_path", "/")
        own = {camel_case(setting): value for setting, value in settings.items() if setting not in _TOP}
        sources[name] = {**own, **before.protect_of(name)}
    top = files.spelled({**default, **before.protect}, project)
    return {**files.provider_config(first), **top, f"{project}:{DATA_SOURCES}": sources}


def _check_limits(
    members: Mapping[str, _Adopted], configure: Callable[[Mapping[str, _Adopted]], Mapping[str, object]]
) -> None:
    """Raise InputError if one stack cannot have so many members, with a way to split them."""

    def size(some: Mapping[str, _Adopted]) -> int:
        values = configure(some).items()
        passed = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values}
        return size_in_bytes(passed)

    def fit(some: Mapping[str, _Adopted]) -> bool:
        return len(some) <= MAXIMUM_MEMBERS and size(some) <= MAXIMUM_SIZE

    if fit(members):
        return
    by_connector: dict[str, dict[str, _Adopted]] = {}
    for name, each in members.items():
        by_connector.setdefault(each.requirements.connector.name, {})[name] = each
    parts: list[tuple[list[str], dict[str, _Adopted]]] = []
    for connector, own in sorted(by_connector.items(), key=lambda item: -len(item[1])):
        for connectors, some in parts:
            if fit(some | own):
                connectors.append(connector)
                some.update(own)
                break
        else:
            parts.append(([connector], {**own}))
    lines = [
        f"  --connector {' --connector '.join(connectors)}  ({len(some)} data sources"
        f"{'' if fit(some) else ', too many: adopt each of them alone, with --data-source'})"
        for connectors, some in parts
    ]
    raise InputError(
        f"one stack can have {MAXIMUM_MEMBERS} data sources and {MAXIMUM_SIZE:,} bytes of settings; "
        f"these have {len(members)} and {size(members):,}. Use {len(parts)} stacks: repeat the command "
        "for each, with these options:",
        *lines,
        details={
            "connectors": {connector: len(own) for connector, own in by_connector.items()},
            "stacks": [connectors for connectors, _ in parts],
        },
    )


def _report(
    members: Mapping[str, _Adopted], left_out: Sequence[_LeftOut], stack: str, written: Sequence[str]
) -> Iterator[Part]:
    """Report each member and its comparison, the data sources that are left out, and the next step."""
    rows: list[Row] = []
    for name, each in members.items():
        source, result = f"{each.data_source.name} {each.data_source.id}", _compared(each)
        connector, role = each.requirements.connector.name, each.requirements.role.name
        color = "green" if result == _EQUIVALENT else "yellow"
        rows.append(Row((name, source, connector, role, result), color))
    yield Table(_HEAD, [("", rows)])
    if left_out:
        yield ""
        yield f"Left out: {len(left_out)}."
        yield from (Line(f"  {_line(each)}", 4) for each in left_out)
    for name, each in members.items():
        for warning in each.plan.warnings:
            yield Line(f"{name}: warning: {warning}", 2)
    yield ""
    for name, each in members.items():
        if each.plan.room.excess:
            yield f"== {name} =="
            yield from report.make_room(each.plan.room, written=bool(written))
            yield ""
    yield from report.next_steps(stack, written, [each.plan.room for each in members.values()])


def _compared(adopted: _Adopted) -> str:
    """Return the result of the comparison in a few words."""
    if adopted.difference.equivalent and adopted.requirements.role.complete:
        return _EQUIVALENT
    verdicts = Counter(each.verdict for each in (*adopted.difference.program, *adopted.difference.role))
    parts = [f"{verdicts[name]} {name}" for name in ("missing", "excess", "denies") if verdicts[name]]
    if not adopted.requirements.role.complete:
        parts.append("some policies could not be read")
    return ", ".join(parts)


def _line(left_out: _LeftOut) -> str:
    source = left_out.data_source
    return f"{source.name} ({source.type}, {source.id}): {left_out.reason}"


def _document(
    members: Mapping[str, _Adopted],
    left_out: Sequence[_LeftOut],
    config: Mapping[str, object],
    entries: Sequence[Mapping[str, object]],
    written: Sequence[str],
) -> dict[str, Any]:
    return {
        "members": {
            name: {
                "dataSource": each.data_source.document(),
                "connector": each.requirements.connector.name,
                "role": each.requirements.role.arn,
                "result": _compared(each),
                "equivalent": each.difference.equivalent,
                "complete": each.requirements.role.complete,
                "warnings": [*each.plan.warnings],
                "inlinePolicies": report.room_document(each.plan.room),
            }
            for name, each in members.items()
        },
        "leftOut": [
            {"dataSource": each.data_source.document(), "reason": each.reason} for each in left_out
        ],
        "config": config,
        "import": {"resources": [*entries]},
        "files": [*written],
    }
