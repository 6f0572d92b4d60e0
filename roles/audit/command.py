"""Compare the roles of all data sources with what the program would write for them.

The result is a table and the statements that differ, a JSON document, or a page for the records of a
security team. docs/audit.md describes all.
"""

import argparse
import json
from pathlib import Path
from typing import Final

from roles.account import Account
from roles.audit import page, table
from roles.audit.survey import Finding, State, Survey, survey
from roles.errors import COULD_NOT_LOOK, FINE, PROBLEMS
from roles.notes import Notes

HELP: Final = "compare the role of every data source with the one that the program would create"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("--region", help="Region of the applications; default: that of the profile")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with all findings, in one file"
    )


def run(options: argparse.Namespace, notes: Notes) -> int:
    """Print and write what was found, and return the exit code."""
    if options.html:
        page.check_writable(options.html)
    found = survey(Account(options.region, notes), notes)
    if options.html:
        page.write(found, options.html)
    print(json.dumps(_document(found), indent=2) if options.json else "\n".join(table.lines(found)))
    if options.html:
        notes(f"{options.html} is written")
    for skipped in found.skipped:
        notes(f"skipped: {skipped}")
    for denied in found.denied:
        notes(f"{denied} is not allowed, at least for some resources: docs/audit.md has the policy")
    return _exit_code(found)


def _exit_code(found: Survey) -> int:
    states = {result.state for result in found.data_sources}
    if states & {State.DIFFERENT, State.INVALID, State.UNKNOWN}:
        return PROBLEMS
    return COULD_NOT_LOOK if State.SKIPPED in states or found.skipped or found.denied else FINE


def _document(found: Survey) -> dict[str, object]:
    users = found.users()
    return {
        "account": found.account,
        "region": found.region,
        "caller": found.caller,
        "date": f"{found.date:%Y-%m-%dT%H:%M:%SZ}",
        "states": found.counts(),
        "dataSources": [
            {
                **result.data_source.document(),
                "applicationName": result.data_source.application_name,
                "indexName": result.data_source.index_name,
                "connector": result.connector or None,
                "role": result.role_arn or None,
                "state": result.state,
                "result": result.text,
                "remarks": result.remarks,
            }
            for result in found.data_sources
        ],
        "roles": [
            {
                "role": role.arn,
                "state": role.state,
                "result": role.text,
                "dataSources": [user.data_source.id for user in users[role.arn]],
                "findings": [_plain(finding) for finding in role.findings],
                "remarks": role.remarks,
            }
            for role in found.roles
        ],
        "skipped": found.skipped,
        "denied": found.denied,
    }


def _plain(finding: Finding) -> dict[str, object]:
    return {
        "finding": finding.kind,
        "policy": finding.policy,
        "statement": finding.statement,
        "access": [access._asdict() for access in finding.access],
        "dataSources": [data_source.id for data_source in finding.data_sources],
    }
