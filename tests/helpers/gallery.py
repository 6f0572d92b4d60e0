"""Compose galleries: golden files with the messages about many invalid settings."""

import re
from collections.abc import Mapping


def gallery(messages: Mapping[str, str], fix: str = "") -> str:
    """Return each message with its title, without repeated parts.

    Leave out an expectation that the setting's previous problem also has, and a fix that equals `fix`
    with the setting's path in place of `{}`.
    """
    lines: list[str] = []
    last: dict[str, str] = {}
    for title, message in messages.items():
        summary, *problems = message.split("\n\n")
        lines.append(f"{title}: {summary}")
        for problem in problems:
            given, expected, *fixes = problem.splitlines()
            place = given.strip().partition(": ")[0]
            setting = re.sub(r"\[.*", "", place).rpartition(".")[2]
            lines += [given, *([] if last.get(setting) == expected else [expected])]
            last[setting] = expected
            if "".join(fixes).removeprefix("    fix: ") != fix.format(place):
                lines += fixes or ["    no fix"]
    return "\n".join([*lines, ""])
