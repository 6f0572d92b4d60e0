"""Preview a stack, and write report.md, which the workflow also posts as a comment on the pull request.

    python -m roles.preview TITLE pulumi preview --stack STACK...

The report, which is also the job summary, has the findings of policy packs, the errors, the steps, the
policies of new and changed roles, and the other changed properties. It omits the values of a refresh,
because that includes policies that are secret. Blocks that exceed GitHub's limit are left out and
counted by name; the log has all of them. The script exits with the command's code.
"""

import difflib
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

LIMIT: Final = 64_000
"""Maximum bytes of a report: GitHub accepts 65,536 characters in a comment."""
NAMES: Final = 2_500
"""Maximum characters in a list of names."""
SECRET: Final = "[secret]"
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that the preview does not know: UnknownStringValue in sdk/go/common/resource."""
POLICIES: Final[Mapping[str, str]] = {"assumeRolePolicy": "trust policy", "policy": "policy"}
"""Properties that contain a policy."""
ORDER: Final = "Effect Principal NotPrincipal Action NotAction Resource NotResource Condition"
"""Elements of a statement, in the order of AWS's pages."""
SIGNS: Final[Mapping[str, str]] = {
    "replace": "±",
    "delete": "-",
    "update": "~",
    "import": "=",
    "create": "+",
}
"""Operations, with those that take something away first."""

Step = Mapping[str, Any]


class Section(NamedTuple):
    """A code block of the report."""

    title: str
    blocks: list[tuple[str, str]]
    """The names and the texts of its parts."""


def main() -> None:
    """Run the command, and write the report."""
    title, *command = sys.argv[1:]
    title = re.sub(r"[^\w. -]", "?", title)  # a branch can name a stack's file after a person
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "events.json"
        done = subprocess.run(
            [*command, "--json", "--event-log", str(log)],
            env={**os.environ, "PULUMI_DEBUG_COMMANDS": "true"},  # for --event-log
            capture_output=True,
            text=True,
            check=False,
        )
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    preview: dict[str, Any]
    try:
        preview = json.loads(done.stdout)
    except ValueError:
        preview = {"diagnostics": [{"message": done.stdout}]}
    steps = shown(preview.get("steps", []))
    sections = [
        Section("Findings of the policy pack", list(findings(events, steps))),
        Section("Errors and warnings", list(messages(preview.get("diagnostics", []), done.stderr))),
        Section("Steps", list(table(steps, preview.get("changeSummary", {})))),
        Section("Policies of new and changed roles", list(policies(steps))),
        Section("Other properties", list(properties(steps))),
    ]
    end = f"\n[The log]({os.environ['RUN']}), commit {os.environ['COMMIT']}\n"
    print(render(title, sections, end, sys.maxsize))
    report = render(title, sections, end, LIMIT)
    Path("report.md").write_text(report)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a") as file:
            file.write(report)
    sys.exit(done.returncode)


def render(title: str, sections: Sequence[Section], end: str, limit: int) -> str:
    """Return the report, without the blocks that exceed a number of bytes."""
    text = f"### {title}\n"
    room = limit - len(text) - len(end) - (NAMES + 200) * sum(bool(each.blocks) for each in sections)
    for section in sections:
        fitting: list[str] = []
        omitted: list[str] = []
        for name, block in section.blocks:
            size = len(block.encode()) + 1
            if size <= room:
                fitting.append(block)
                room -= size
            else:
                omitted.append(name)
        if fitting:
            block = "\n".join(fitting)
            text += f"\n{section.title}:\n\n~~~diff\n{block}\n~~~\n"
        if omitted:
            names = ", ".join("`" + name.replace("`", "'") + "`" for name in omitted)
            if len(names) > NAMES:
                names = names[:NAMES].rpartition(",")[0] + ", …"
            text += f"\n{section.title}: {len(omitted)} left out, see the log: {names}\n"
    return text + end


def shown(steps: Iterable[Step]) -> list[Step]:
    """Return the steps that change something, sorted by operation and name."""
    order = ["", *SIGNS]
    return sorted(
        (step for step in steps if step["op"] not in ("same", "refresh", "read")),
        key=lambda step: (order.index(step["op"] if step["op"] in SIGNS else ""), place(step)),
    )


def findings(events: Iterable[Mapping[str, Any]], steps: Iterable[Step]) -> Iterator[tuple[str, str]]:
    """Return the policy pack's findings, without the details of a resource with a secret policy."""
    secret = {step["urn"] for step in steps if any(SECRET in both(step, key) for key in POLICIES)}
    for event in events:
        if finding := event.get("policyEvent"):
            urn = finding.get("resourceUrn") or "::::::the stack"
            message = finding["message"].strip()
            if urn in secret:
                rule = message.partition("\n")[0]
                message = f"{rule}\nThe details are hidden, because the policy is secret."
            resource = name({"urn": urn})
            heading = f"[{finding['enforcementLevel']}] {finding['policyName']}: {resource}"
            yield resource, f"{clean(heading)}\n{indented(message)}"


def messages(diagnostics: Iterable[Mapping[str, Any]], errors: str) -> Iterator[tuple[str, str]]:
    """Return the texts of the engine, with a maximum length."""
    for text in (*(each["message"] for each in diagnostics), errors):
        if text.strip():
            yield "message", indented(text.strip()[:10_000], "")


def table(steps: Iterable[Step], counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Return a line for each step, and the number of steps."""
    for step in steps:
        changed = ", ".join(changes(step))
        line = f"{SIGNS.get(step['op'], '!')} {step['op']:7} {kind(step):18} {name(step)}"
        yield name(step), f"{line} ({clean(changed)})" if changed else line
    yield "total", ", ".join(f"{clean(name)} {count}" for name, count in sorted(counts.items()))


def policies(steps: Iterable[Step]) -> Iterator[tuple[str, str]]:
    """Return the policies of new roles, and the differences of changed ones.

    A statement is complete where it first appears. After that, a line refers to that policy.
    """
    seen: dict[str, str] = {}
    for step in steps:
        for key, title in POLICIES.items():
            before, after = both(step, key)
            if (
                step["op"] == "delete"
                or after is None
                or (before is not None and key not in changes(step))
            ):
                continue
            state = "changed" if before is not None else "new"
            if SECRET in (before, after):
                lines = [f"  {state}, hidden"]
            elif before is not None:
                lines = differences(document(before), document(after), name(step), seen)
            else:
                lines = [f"+ {line}" for line in abbreviated(document(after), name(step), seen)]
            yield name(step), "\n".join([f"@@ {name(step)}: {title}, {state} @@", *lines])


def abbreviated(statements: Iterable[list[str]], place: str, seen: dict[str, str]) -> Iterator[str]:
    """Return the lines of statements, or one line for those that another policy has, too."""
    found = [(seen.setdefault("\n".join(statement), place), statement) for statement in statements]
    for first, group in itertools.groupby(found, key=lambda each: each[0]):
        if first == place:
            yield from (line for _, statement in group for line in statement)
        else:
            yield f"{', '.join(statement[0] for _, statement in group)}: as in {first}"


def differences(
    old: list[list[str]], new: list[list[str]], place: str, seen: dict[str, str]
) -> Iterator[str]:
    """Return the lines of removed, changed, and added statements, and a line for each of the others."""
    removed = {statement[0]: statement for statement in old if statement not in new}
    changed = {statement[0]: removed.pop(statement[0]) for statement in new if statement[0] in removed}
    yield from (f"- {line}" for statement in removed.values() for line in statement)
    for statement in new:
        if statement in old:
            yield f"  {statement[0]}: unchanged"
        elif statement[0] in changed:
            compared = difflib.ndiff(changed[statement[0]], statement)
            yield from (line for line in compared if not line.startswith("?"))
        else:
            yield from (f"+ {line}" for line in abbreviated([statement], place, seen))


def document(text: Any) -> list[list[str]]:
    """Return the lines of each of a policy's statements, the same for equivalent forms of JSON."""
    if text == UNKNOWN:
        return [["[unknown] until the update"]]
    try:
        policy = json.loads(text)
        statements = policy.pop("Statement")
    except (TypeError, ValueError, AttributeError, KeyError):
        return [list(leaves(text, "not a policy"))]
    found: list[list[str]] = []
    if policy != {"Version": "2012-10-17"}:
        found.append(list(leaves(policy, "policy")))
    for number, statement in enumerate(statements if isinstance(statements, list) else [statements], 1):
        fields: dict[str, Any] = dict(statement) if isinstance(statement, dict) else {"": statement}
        heading = clean(fields.pop("Sid", f"statement {number}"))
        keys = sorted(fields, key=lambda key: (ORDER.find(key), key))
        found.append([heading, *(f"  {line}" for key in keys for line in leaves(fields[key], key))])
    return found


def leaves(value: Any, path: str) -> Iterator[str]:
    """Return a line for each leaf of a value, with its path."""
    if isinstance(value, dict) and value:
        for key, each in sorted(value.items()):
            yield from leaves(each, f"{path} {key}")
    elif isinstance(value, list) and len(value) > 1:
        yield f"{clean(path)}:"
        yield from (f"  {clean(each)}" for each in value)
    else:
        yield f"{clean(path)}: {clean(value[0] if isinstance(value, list) and value else value)}"


def properties(steps: Iterable[Step]) -> Iterator[tuple[str, str]]:
    """Return the properties of new resources, and the differences of changed ones, without policies."""
    for step in steps:
        lines: list[str] = []
        for key in changes(step) or (step.get("newState") or {}).get("inputs", {}):
            if key in POLICIES or key.startswith("__"):
                continue
            before, after = both(step, key)
            if before == after != SECRET:
                continue
            if SECRET in (before, after):
                lines.append(f"  {clean(key)}: {'changed' if changes(step) else 'new'}, hidden")
                continue
            lines += [f"- {line}" for line in leaves(before, key) if before is not None]
            lines += [f"+ {line}" for line in leaves(after, key) if after is not None]
        if lines:
            yield name(step), "\n".join([f"@@ {name(step)} @@", *lines])


def both(step: Step, key: str) -> tuple[Any, Any]:
    """Return a property before and after a step; None if it is not set, and SECRET for both if one is.

    Before the step, the outputs have the value in AWS, which a refresh has read; the inputs have the
    program's. A new or imported resource has no value before.
    """
    old, new = (step.get(state) or {} for state in ("oldState", "newState"))
    inputs, outputs = old.get("inputs", {}), old.get("outputs", {})
    values = inputs.get(key), outputs.get(key, inputs.get(key)), new.get("inputs", {}).get(key)
    if f'"{SECRET}"' in json.dumps(values):
        values = tuple(None if value is None else SECRET for value in values)
    _, before, after = (None if value in ("", [], {}) else value for value in values)
    return None if step["op"] in ("create", "import") else before, after


def changes(step: Step) -> list[str]:
    """Return the names of the properties that an update or a replacement changes."""
    found = (*step.get("replaceReasons", ()), *step.get("diffReasons", ()))
    return list(dict.fromkeys(re.split(r"[.\[]", key)[0] for key in found))


def name(step: Step) -> str:
    """Return a resource's name, which may contain `::`."""
    return clean(step["urn"].split("::", 3)[3])


def kind(step: Step) -> str:
    """Return a resource's type as Pulumi shows it, such as `aws:iam:Role`."""
    own = step["urn"].split("::", 3)[2].rpartition("$")[2]
    return clean(re.sub(r"/\w+:", ":", own))


def place(step: Step) -> tuple[str, str]:
    """Return a sort key that puts a component's resources after the component."""
    parent = (step.get("newState") or step["oldState"]).get("parent", "")
    component = "" if "::pulumi:pulumi:Stack::" in parent else parent
    return component or step["urn"], step["urn"] if component else ""


def indented(text: str, indent: str = "  ") -> str:
    """Return the lines of a text, clean and indented."""
    return "\n".join(indent + clean(line) for line in text.splitlines())


def clean(value: Any) -> str:
    """Return a value as text that stays in its line and code block, and hides no characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if text == UNKNOWN:
        return "[unknown]"
    text = text.replace("~~~", "---")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


if __name__ == "__main__":
    main()
