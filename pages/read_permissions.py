"""Generate the policy in docs/read-permissions.md from the actions that the commands need."""

import re

from pages import PROJECT
from pages.markdown import compact_json
from roles.actions import ACTIONS


def page() -> str:
    """Return the page with a statement for each set of commands that need the same actions."""
    users: dict[tuple[str, ...], list[str]] = {}
    for action in sorted({each for actions in ACTIONS.values() for each in actions}):
        users.setdefault(tuple(name for name, its in ACTIONS.items() if action in its), []).append(
            action
        )
    statements = [
        {"Sid": "".join(map(str.title, names)), "Effect": "Allow", "Action": actions, "Resource": "*"}
        for names, actions in sorted(users.items(), key=lambda each: (-len(each[0]), each[0]))
    ]
    policy = compact_json({"Version": "2012-10-17", "Statement": statements})
    text = (PROJECT / "docs" / "read-permissions.md").read_text(encoding="utf-8")
    return re.sub(r"(?<=```json\n).*?(?=\n```)", lambda _: policy, text, count=1, flags=re.DOTALL)
