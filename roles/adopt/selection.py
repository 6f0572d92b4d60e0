"""Select the data sources to adopt, and find the data sources that use each role."""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from components.formats import INDEX_ID, SUPPORTED_REGIONS
from roles.account import Account, DataSource
from roles.concurrency import read_each
from roles.detection import enrichment_roles
from roles.errors import THROTTLED, InputError, reason
from roles.findings import Finding, State
from roles.output import Output
from roles.sources import read_source

Users = Mapping[str, Mapping[str, str]]
"""The labels of each role's users, by the role's ARN and then by data source ID or `ID enrichment`."""


def select(found: Sequence[DataSource], options: argparse.Namespace, output: Output) -> list[DataSource]:
    """Return the application's data sources that the options select; by default, all of them.

    Raises InputError if an ID in an option is unknown, an ID in a file is invalid, or no data source is
    selected. An unknown ID in a file causes only a note, because the data source may have been deleted.
    """
    listed = [f"  {each.label} ({each.type}, {each.status})" for each in found]
    existing = {each.id for each in found}
    excluded = [value for value in options.exclude if not value.startswith("@")]
    in_files: set[str] = set()
    for name in (value[1:] for value in options.exclude if value.startswith("@")):
        # Bytes that are not valid UTF-8 make the line's ID invalid.
        for line in Path(name).read_text(encoding="utf-8-sig", errors="replace").splitlines():
            identifier = line.partition("#")[0].strip()
            in_files.add(identifier)
            if identifier and not INDEX_ID.parse(identifier):
                raise InputError(f"{name}: {identifier!r} is not the ID of a data source")
            if identifier and identifier not in existing:
                output(f"{name}: no data source {identifier} was found, so the line has no effect")
    if unknown := [
        each for each in (*options.data_source, *excluded, *options.take) if each not in existing
    ]:
        raise InputError(
            f"data source {unknown[0]} is not in the application: pass the ID of one of these", *listed
        )
    wanted = {*(options.data_source or existing)} - {*excluded, *in_files}
    selected = [each for each in found if each.id in wanted]
    if not selected:
        raise InputError(
            "no data source is selected: check --application, --region, and --exclude", *listed
        )
    return selected


def find_users(account: Account, sources: Sequence[DataSource], output: Output) -> Users:
    """Find the data sources that use each role.

    `sources` contains the data sources that could be listed in the account's Region. If this Region is
    supported, search the other supported Regions, too. Warn about data sources and other Regions that
    cannot be read. If a data source's read is throttled, raise the error: repeating the command helps.
    """
    users: dict[str, dict[str, str]] = {}
    # Credentials for another partition are not valid in these Regions.
    others = SUPPORTED_REGIONS if account.region in SUPPORTED_REGIONS else ()
    for region in dict.fromkeys((account.region, *others)):
        there = account.in_region(region)
        try:
            every = sources if there is account else [*there.data_sources()]
        except InputError:
            continue  # the Region has no application
        except (BotoCoreError, ClientError) as error:
            output.warn(
                f"cannot tell whether data sources in {region} use any of the roles: {reason(error)}"
            )
            continue
        read = partial(read_source, there, raises=THROTTLED)
        for each in read_each(read, every, output, "data sources"):
            if isinstance(each.uses, Finding) and each.uses.state is State.NOTE:
                output(each.uses.text)  # the data source was deleted after it was listed
            elif not each.details and isinstance(each.uses, Finding):
                output.warn(
                    f"data source {each.data_source.id} could not be read ({each.uses.text}). If it "
                    "uses one of the adopted roles, it may lose access"
                )
            identifier = each.data_source.id
            label = each.data_source.label + (f" in {region}" if there is not account else "")
            users.setdefault(each.role_arn, {})[identifier] = label
            for arn in enrichment_roles(each.details):
                users.setdefault(arn, {})[f"{identifier} enrichment"] = f"{label} to enrich documents"
    return users
