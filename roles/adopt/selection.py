"""Select the data sources to adopt, and find the data sources that use each role."""

import argparse
import re
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from components.formats import SUPPORTED_REGIONS
from roles.account import Account, DataSource, Reply
from roles.concurrency import read_each
from roles.detection import enrichment_roles
from roles.errors import (
    THROTTLED,
    InputError,
    OddAnswerError,
    code,
    explain,
    is_bad_credentials,
    is_gone,
    reason,
)
from roles.output import Output

_ID: Final = re.compile("[a-zA-Z0-9][a-zA-Z0-9-]{35}")
"""https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetDataSource.html"""


def _read_excluded(values: Sequence[str]) -> tuple[list[str], dict[str, str]]:
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


def select(found: Sequence[DataSource], options: argparse.Namespace, output: Output) -> list[DataSource]:
    """Return the data sources of the application that the options select, by default all.

    Raises InputError for unknown IDs in options, and if none is selected. An unknown ID in a file causes
    only a note, because the data source may have been deleted since.
    """
    listed = [f"  {each.label} ({each.type}, {each.status})" for each in found]
    existing = {each.id for each in found}
    excluded, kept = _read_excluded(options.exclude)
    for identifier, name in kept.items():
        if identifier not in existing:
            output(f"{name}: no data source {identifier} was found, so the line has no effect")
    if unknown := [
        each for each in (*options.data_source, *excluded, *options.take) if each not in existing
    ]:
        raise InputError(
            f"data source {unknown[0]} is not in the application: pass the ID of one of these", *listed
        )
    wanted = {*(options.data_source or existing)} - {*excluded, *kept}
    selected = [each for each in found if each.id in wanted]
    if not selected:
        raise InputError(
            "no data source is selected: check --application, --region, and --exclude", *listed
        )
    return selected


class Users(NamedTuple):
    """The data sources that use each role."""

    by_role: Mapping[str, Sequence[DataSource]]
    """Data sources of all Regions, by the role's ARN."""
    hooks: Collection[str]
    """The ARNs of the roles with which data sources enrich documents."""


def find_users(account: Account, sources: Sequence[DataSource], output: Output) -> Users:
    """Find the data sources that use each role.

    `sources` are the data sources that could be listed in the account's Region. If that Region is
    supported, look in the other supported Regions, too. Warn about data sources, and about other
    Regions, that cannot be read.
    """
    users: dict[str, list[DataSource]] = {}
    hooks: set[str] = set()
    # Credentials for another partition are not valid in these Regions.
    others = SUPPORTED_REGIONS if account.region in SUPPORTED_REGIONS else ()
    for region in dict.fromkeys((account.region, *others)):
        there = account.in_region(region)
        try:
            every = sources if there is account else [*there.data_sources()]
            replies = read_each(partial(_read, there), every, output, "data sources")
        except InputError:
            continue  # the Region has no application
        except (BotoCoreError, ClientError) as error:
            if there is account:
                raise
            output.warn(
                f"data sources in {region} may use the roles, but they could not be read: "
                f"{reason(error)}"
            )
            continue
        for source, reply in zip(every, replies, strict=True):
            if isinstance(reply, Mapping):
                users.setdefault(str(reply.get("roleArn")), []).append(source)
                hooks |= {*enrichment_roles(reply)}
            elif isinstance(reply, ClientError) and is_gone(reply):
                output(source.deleted)
            else:
                output.warn(
                    f"data source {source.id} could not be read ({explain(reply)}). If it uses one of "
                    "the adopted roles, it may lose access"
                )
    return Users(users, hooks)


def concerns_every_call(error: ClientError | OddAnswerError) -> bool:
    """Return whether bad credentials or throttling caused an error, so other calls would also fail."""
    return isinstance(error, ClientError) and (is_bad_credentials(error) or code(error) in THROTTLED)


def _read(account: Account, source: DataSource) -> Reply | ClientError | OddAnswerError:
    """Return AWS's reply, or the error; raise errors of bad credentials and throttling."""
    try:
        return account.data_source(source)
    except (ClientError, OddAnswerError) as error:
        if concerns_every_call(error):
            raise
        return error
