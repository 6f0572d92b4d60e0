"""Define rows, each with the differences from a healthy account and the expected answers of `check`.

A row is `row(expected, *changes, alone=..., **given)`. `expected` lists the questions whose answers
are not `ok`, by state, as in `problem: key policy, secret; note: index`. If quoted text follows a
question, an answer in this state must contain the text. `secret of wiki` is the question `secret` about
the entry `wiki`, and `rejected "text"` is an error in place of answers.

`alone` specifies the answers without the stack: True for the same answers, except that "role policy"
replaces "other policies"; False if `check` does not run without the stack. The default is True for rows
that change only policies. If `expected` is None, `check` runs only without the stack.
"""

import re
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.helpers.world import Output
from tests.roles.check.account import ALONE, STACK, Account, World, ask

STATES: Final = {"problem": 1, "skipped": 2, "cannot tell": 3, "note": 0}
"""The exit code for each state, the most serious first."""


class Row(NamedTuple):
    """The differences from a healthy account, the expected answers, and the place in the source code."""

    world: World
    path: Path
    line: int
    ways: Sequence[tuple[str, Sequence[str]]]
    """The expected answers, each with the options for `check`."""


def row(
    expected: str | None = "",
    *changes: Account,
    alone: str | bool | None = None,
    context: Sequence[str] = (),
    entry: str = "",
    **given: Any,
) -> Row:
    """Return a row. If `entry` is set, `check` evaluates only this entry."""
    caller = traceback.extract_stack(limit=2)[0]
    world = World(**given, changes=changes)
    if alone is None:  # by default, rows that change more than policies run only with the stack
        alone = expected is not None and {*given} <= {*_POLICIES} and not (changes or context)
    as_above = (expected or "").replace("other policies", "role policy")
    without = {True: as_above, False: None}[alone] if isinstance(alone, bool) else alone
    options = [option for each in context for option in ("--context", each)]
    options += ["--data-source", entry] if entry else []
    asked = ((expected, [*STACK, *options]), (without, [*ALONE, *options]))
    ways = [(text, its) for text, its in asked if text is not None]
    return Row(world, Path(caller.filename), caller.lineno or 0, ways)


_POLICIES: Final = ("guard", "attached", "own", "boundary", "key", "secret", "secret_tags")


def answers_of(each: Row, said: Output) -> list[dict[str, Any]]:
    """Return the answers; for a row without a data source, omit `no data source uses ...`."""
    document, has_none = said.json, not each.world.has_data_source
    of = document.get("entries", {"": document})
    return [
        {"entry": entry, **finding}
        for entry, its in of.items()
        for finding in its.get("findings", ())
        if not (has_none and finding["text"].startswith("no data source uses"))
    ]


def shown(answer: Mapping[str, Any]) -> list[str]:
    """Return an answer as lines of text."""
    about = " ".join(filter(None, [answer["question"], answer.get("subject")]))
    lines = [f"{answer['state']} {about}: {answer['text']}"]
    lines += [f"  {each}" for each in answer.get("details", ())]
    return lines + [f"  > {each}" for each in str(answer.get("remedy", "")).splitlines()]


_said: Final[dict[tuple[Path, int, bool], Output]] = {}


def said_in(each: Row, options: Sequence[str]) -> Output:
    """Return the output of `check --json` for a row, with or without the stack; cache the output."""
    key = each.path, each.line, options[0] == STACK[0]
    if key not in _said:
        _said[key] = ask(each.world, (*options, "--json"))
    return _said[key]


def judge(each: Row) -> str:
    """Return a description of a row's wrong answers; empty if all answers are correct."""
    wrong: list[str] = []
    for text, options in each.ways:
        said = said_in(each, options)
        if error := re.fullmatch(r'rejected "(.*)"', text):
            fine = said.code == 2 and error[1] in said.err and '"findings"' not in said.out
            lines = [] if fine else [said.out, said.err]
        else:
            lines = _differences(text, each, said) if said.out else [said.err]
        if lines:
            head = f"{each.path.name}:{each.line}, {' '.join(options)}:"
            wrong += [head, f"  expected  {text or 'ok'}", *(f"  {line}" for line in lines)]
    return "\n".join(wrong)


def _differences(text: str, row: Row, said: Output) -> list[str]:
    expected: set[tuple[str, str]] = set()
    texts: list[tuple[str, str, str]] = []
    for part in filter(None, text.split("; ")):
        state, _, questions = part.partition(": ")
        for name, quoted in re.findall(r'([^",]+[^", ])((?: "[^"]*")*)', questions):
            expected.add((name.strip(), state))
            texts += [(name.strip(), state, each) for each in re.findall(r'"(.*?)"', quoted)]
    answers = answers_of(row, said)
    # Include the entry in the question, unless all entries have this state.
    entries = {each["entry"] for each in answers}
    found = {(it["question"], it["state"], it["entry"]) for it in answers if it["state"] != "ok"}
    states = {
        (question if common else f"{question} of {entry}", state)
        for question, state, entry in found
        for common in [all((question, state, each) in found for each in entries)]
    }
    code = next((STATES[state] for state in STATES if any(state == its for _, its in expected)), 0)

    def about(name: str) -> list[Mapping[str, Any]]:
        question, _, entry = name.partition(" of ")
        return [it for it in answers if it["question"] == question and entry in ("", it["entry"])]

    unsaid = [
        (name, part)
        for name, state, part in texts
        if not any(it["state"] == state and part in "\n".join(shown(it)) for it in about(name))
    ]
    if (states, said.code) == (expected, code) and not unsaid:
        return []
    names = {name for name, _ in (*states ^ expected, *unsaid)}
    return [
        f"exit code {said.code}, not {code}",
        *(f"not said  {name}: {part}" for name, part in unsaid),
        *(line for name in sorted(names) for it in about(name) for line in shown(it)),
    ]


# The sentences.

_PARTICULAR: Final = re.compile(
    r"(?<=has the status FAILED: ).*|(?<=state is )[A-Z]\w+|'[^']*'|\{.*\}|\"[^\"]*\""
    r"|\barn:[^\s,;:)]+(?::[^\s,;)]+)*|\b[\w.-]*\d[\w.:-]*|\S*[=/_]\S*|\b[a-z0-9]+:[A-Z]\w+"
    r"|\b[A-Z]\w*[A-Z]\w*|\b(?:Lock|Admin|Other|documents|maps|guard|perimeter|wiki|tickets|later|statement)\b"
)
"""The account-specific parts of a sentence: names, numbers, ARNs, actions, and documents."""


def one_of_each(rows: Sequence[Row]) -> str:
    """Return each sentence once, by question; omit a repeated answer, but not its new details."""
    seen: set[str] = set()
    found: dict[str, list[str]] = {}
    for each in rows:
        for _, options in each.ways:
            said = said_in(each, options)
            for answer in answers_of(each, said) if said.out else ():
                head, *lines = shown(answer)
                its = found.setdefault(answer["question"], [])
                whole = f"{answer['state']} {answer['text']}"
                for line, sentence in ((head, whole), *zip(lines, lines, strict=True)):
                    words = re.split(r"[\s,;()]+", _PARTICULAR.sub("*", sentence))
                    if (general := " ".join(dict.fromkeys(words))) not in seen:
                        seen.add(general)
                        its.append(line)
    return "\n".join(f"# {question}\n" + "\n".join(its) + "\n" for question, its in found.items() if its)
