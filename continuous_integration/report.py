"""How does the output of Pulumi reach a pull request or an issue?

python3 report.py comment TITLE FILE    the one comment of that title on $PULL_REQUEST
python3 report.py open TITLE FILE       the one open issue of that title
python3 report.py close TITLE FILE      close that issue, if there is one

Each writes the output to the job's summary too. GitHub is reached by its own command line tool, `gh`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

AUTHOR: Final = "github-actions[bot]"
"""Others may write a comment or an issue of the same title: theirs is left alone."""
MAXIMUM: Final = 60_000
"""Characters of output; GitHub takes 65,536 with all that stands around it."""


def report(title: str, output: str) -> str:
    """Return the output as Markdown, in a block of code that nothing in it can close."""
    shown = output.replace("```", "'''")[-MAXIMUM:]
    left_out = len(output) - len(shown)
    note = f"The first {left_out:,} characters are left out; the log has them.\n\n" if left_out else ""
    run = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format_map(os.environ)
    origin = f"[The run]({run}) at {os.environ['GITHUB_SHA']}"
    return f"### {title}\n\n{note}```text\n{shown.rstrip()}\n```\n\n{origin}\n"


def github(method: str, path: str, **fields: str) -> Any:
    """Call GitHub's REST API for this repository, https://docs.github.com/en/rest."""
    listing = ["--paginate", "--slurp"] if method == "GET" else ["--input", "-"]
    answer = subprocess.run(
        ["gh", "api", "--method", method, f"repos/{os.environ['GITHUB_REPOSITORY']}/{path}", *listing],
        input=json.dumps(fields),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(answer.stdout)


def find(path: str, member: str, line: str) -> dict[str, Any] | None:
    """Return the first of a listing that this author has written and whose first line is that."""
    pages = github("GET", f"{path}per_page=100")
    for item in (item for page in pages for item in page):
        # GitHub names no user whose account is gone.
        author = item["user"]["login"] if item["user"] else None
        if author == AUTHOR and f"{item[member]}\n".startswith(f"{line}\n"):
            return item
    return None


def comment(title: str, body: str) -> None:
    """Write the comment, in place of the one that is there already."""
    comments = f"issues/{os.environ['PULL_REQUEST']}/comments"
    if old := find(f"{comments}?", "body", f"### {title}"):
        github("PATCH", f"issues/comments/{old['id']}", body=body)
    else:
        github("POST", comments, body=body)


def main() -> None:
    """Do what the command line says."""
    verb, title, file = sys.argv[1:]
    body = report(title, Path(file).read_text(errors="replace"))
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a") as summary:
        summary.write(body)
    if verb == "comment":
        comment(title, body)
        return
    issue = find("issues?state=open&", "title", title)
    if verb == "close":
        if issue:
            github("POST", f"issues/{issue['number']}/comments", body=f"It is gone.\n\n{body}")
            github("PATCH", f"issues/{issue['number']}", state="closed")
    elif issue:
        github("PATCH", f"issues/{issue['number']}", body=body)
    else:
        github("POST", "issues", title=title, body=body)


if __name__ == "__main__":
    main()
