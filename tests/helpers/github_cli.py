"""Stand in for the GitHub CLI; $TEST_GITHUB is the path of the JSON file with the issues."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT = 65_536
"""The maximum number of characters in the text of a GitHub issue or comment."""


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gh", allow_abbrev=False)
    commands = parser.add_subparsers(dest="object", required=True)
    issue = commands.add_parser("issue", allow_abbrev=False)
    issue.add_argument("command", choices=["close", "create", "edit", "list"])
    issue.add_argument("number", type=int, nargs="?")
    issue.add_argument("--state", choices=["open"])
    issue.add_argument("--limit", type=int, default=30)
    for option in ("--json", "--jq", "--comment", "--title"):
        issue.add_argument(option)
    issue.add_argument("--body-file", type=Path)
    return parser


def main() -> None:
    arguments = command_line().parse_args()
    file = Path(os.environ["TEST_GITHUB"])
    issues: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    if arguments.command == "list":
        newest_first = [issue for issue in reversed(issues) if issue["state"] == "open"]
        fields = arguments.json.split(",")
        shown = [{field: issue[field] for field in fields} for issue in newest_first[: arguments.limit]]
        subprocess.run(
            ["jq", "--raw-output", arguments.jq], input=json.dumps(shown), text=True, check=True
        )
        return
    body = (
        arguments.comment
        if arguments.command == "close"
        else arguments.body_file.read_text(errors="replace")
    )
    if len(body) > LIMIT:
        sys.exit(f"GraphQL: Body is too long (maximum is {LIMIT} characters)")
    if arguments.command == "create":
        author = {"is_bot": True, "login": "app/github-actions"}
        new = {"number": len(issues) + 1, "state": "open", "author": author, "edits": 0, "comments": []}
        issues.append({**new, "title": arguments.title, "body": body})
    else:
        issue = issues[arguments.number - 1]
        if arguments.command == "edit":
            issue.update(body=body, edits=issue["edits"] + 1)
        else:
            issue["state"] = "closed"
            issue["comments"].append(body)
    file.write_text(json.dumps(issues))


if __name__ == "__main__":
    main()
