"""Select the data sources to adopt: one, or several data sources of an application."""

import argparse
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from components.connectors import Connector
from components.formats import SUPPORTED_REGIONS
from roles.account import Account, DataSource, Reply
from roles.concurrency import read_each
from roles.detection import connectors_of, enrichment_roles, find_connector, find_uses
from roles.errors import InputError, OddAnswerError, concerns_every_call, explain, is_gone, reason
from roles.output import Notes, Output

_ID: Final = re.compile("[a-zA-Z0-9][a-zA-Z0-9-]{35}")
"""https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetDataSource.html"""


def read_excluded(values: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the IDs in `--exclude` options, and the names of files by the IDs in them.

    Raises InputError for a file that cannot be read, or has a line that is not an ID or a comment.
    """
    kept: dict[str, str] = {}
    for name in (value[1:] for value in values if value.startswith("@")):
        try:
            lines = Path(name).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            text = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise InputError(f"--exclude: {name or 'the file after @'} cannot be read: {text}") from None
        for number, line in enumerate(lines, start=1):
            identifier = line.partition("#")[0].strip()
            if identifier and not _ID.fullmatch(identifier):
                raise InputError(
                    f"{name}, line {number}: {identifier!r} is not the ID of a data source, such as "
                    "c3d4e5f6-7890-12ab-cdef-333333333333"
                )
            kept[identifier] = name
    kept.pop("", None)
    return [value for value in values if not value.startswith("@")], kept


def without_excluded(
    sources: Sequence[DataSource],
    everything: Sequence[DataSource],
    options: argparse.Namespace,
    output: Output,
) -> list[DataSource]:
    """Return the data sources except the excluded ones.

    Raises InputError for unknown IDs in options. An ID in a file that is not in `everything` causes only
    a note, because the data source may have been deleted since.
    """
    existing = {source.id for source in everything}
    for identifier, name in options.kept.items():
        if identifier not in existing:
            output(f"{name}: no data source {identifier} was found, so the line has no effect")
    if unknown := {*options.exclude, *options.take} - {source.id for source in sources}:
        raise InputError(
            f"data source {min(unknown)} was not found: check --exclude, --take, --application, and "
            "--region"
        )
    return [source for source in sources if source.id not in {*options.exclude, *options.kept}]


def choose(found: Sequence[DataSource], options: argparse.Namespace, output: Output) -> DataSource:
    """Return the only data source that matches the options, or the one that the user chooses.

    Raises InputError if none matches, or if several match and the user cannot be asked.
    """
    connector: Connector | None = next(iter(options.connector), None)
    choices = [source for source in found if _is_offered(source, options.data_source, connector)]
    if not choices:
        if options.data_source:
            missing = options.data_source
            advice = "check --data-source, --application, --region, and --exclude"
        else:
            missing = f"of the {connector.name} connector" if connector else "of a supported type"
            advice = "check --application, --region, --connector, and --exclude, or pass --data-source"
        types = ", ".join(sorted({source.type for source in found})) or "none"
        raise InputError(
            f"no data source {missing} matches the options (data sources considered: {len(found)}, "
            f"types: {types}): {advice}"
        )
    if len(choices) == 1:
        if not options.data_source:
            output(f"selected the only match: {_named(choices[0])}")
        return choices[0]
    if options.json or not output.can_ask:
        raise InputError(
            "which data source? Pass one of these:",
            *(f"  {_named(choice)}" for choice in choices),
            details={"choices": [choice.document() for choice in choices]},
        )
    menu = [f"{number:3}  {_named(choice)}" for number, choice in enumerate(choices, start=1)]
    while True:
        answer = output.ask(f"Which data source, 1 to {len(choices)}? ", *menu)
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
        menu = []


def _is_offered(source: DataSource, identifier: str | None, connector: Connector | None) -> bool:
    """Return whether the options select the data source; only --data-source selects an unknown type."""
    if identifier:
        return source.id == identifier
    if connector:
        return source.type.upper() in connector.types.split()
    return bool(connectors_of(source.type))


def _named(source: DataSource) -> str:
    kind = f"{source.type}, {source.status}"
    return f"--data-source {source.id}  {source.name} ({kind}) of application {source.application_label}"


def of_one_application(
    sources: Sequence[DataSource], options: argparse.Namespace
) -> Sequence[DataSource]:
    """Return the data sources of `--application`, or all data sources if the option is not set.

    Raises InputError if they belong to several applications.
    """
    if options.application:
        sources = [source for source in sources if source.application_id == options.application]
    applications = {source.application_id: source.application_name for source in sources}
    if len(applications) > 1:
        raise InputError(
            "which application? A stack can have roles for only one application. Pass one of these:",
            *(f"  --application {identifier}  {name}" for identifier, name in applications.items()),
            details={"applications": [*applications]},
        )
    return sources


def of_connectors(
    account: Account, sources: Sequence[DataSource], connectors: Sequence[Connector]
) -> Sequence[DataSource]:
    """Return the data sources of these connectors, or all data sources if no connector is given.

    If a data source's connector cannot be determined, its type decides. Raises InputError if there are
    no such data sources.
    """

    def is_selected(source: DataSource) -> bool:
        try:
            return find_connector(find_uses(account.data_source(source))) in connectors
        except (ClientError, InputError, OddAnswerError):
            return any(connector in connectors for connector in connectors_of(source.type))

    if connectors:
        sources = [*filter(is_selected, sources)]
    if not sources:
        raise InputError(
            "no data source is selected: check --application, --region, --connector, and --exclude"
        )
    return sources


class Users(NamedTuple):
    """The data sources that use each role."""

    by_role: Mapping[str, Sequence[DataSource]]
    """Data sources of all Regions, by the role's ARN."""
    hooks: Collection[str]
    """The ARNs of the roles with which data sources enrich documents."""
    complete: bool
    """Whether all data sources could be read."""


def find_users(account: Account, sources: Sequence[DataSource], output: Output) -> Users:
    """Find the data sources that use each role.

    `sources` are the data sources that could be listed in the account's Region. If that Region is
    supported, look in the other supported Regions, too. Warn about data sources, and about other
    Regions, that cannot be read.
    """
    users: dict[str, list[DataSource]] = {}
    hooks: set[str] = set()
    complete = True
    # Credentials for another partition are not valid in these Regions.
    others = SUPPORTED_REGIONS if account.region in SUPPORTED_REGIONS else ()
    for region in dict.fromkeys((account.region, *others)):
        there = account.in_region(region)
        try:
            every = sources if there is account else [*there.data_sources()]
            found = [*_replies(there, every, output)]
        except InputError:
            continue  # the Region has no application
        except (BotoCoreError, ClientError) as error:
            if there is account:
                raise
            complete = False
            output.warn(
                f"data sources in {region} may use the roles, but they could not be read: "
                f"{reason(error)}"
            )
            continue
        for source, reply in found:
            if reply is None:
                complete = False
            else:
                users.setdefault(str(reply.get("roleArn")), []).append(source)
                hooks |= {*enrichment_roles(reply)}
    return Users(users, hooks, complete)


def _replies(
    account: Account, sources: Sequence[DataSource], notes: Notes
) -> Iterator[tuple[DataSource, Reply | None]]:
    """Yield each data source with AWS's reply; if it cannot be read, warn, and yield None as the reply.

    Raises ClientError for bad credentials or throttling.
    """

    def read(source: DataSource) -> Reply | ClientError | OddAnswerError:
        try:
            return account.data_source(source)
        except (ClientError, OddAnswerError) as error:
            if concerns_every_call(error):
                raise
            return error

    for source, found in zip(sources, read_each(read, sources, notes, "data sources"), strict=True):
        if isinstance(found, ClientError) and is_gone(found):
            notes(source.deleted)
            continue
        if isinstance(found, ClientError | OddAnswerError):
            notes.warn(
                f"data source {source.id} could not be read ({explain(found)}). If it uses one of the "
                "adopted roles, it may lose access"
            )
            yield source, None
        else:
            yield source, found
