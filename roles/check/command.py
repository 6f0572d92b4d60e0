"""Check whether a data source's sync will work with its role.

Read a `View` of each role, and ask all `QUESTIONS` about it. docs/check.md describes the questions.
"""

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from guardrails.iam.patterns import Text
from guardrails.iam.truth import Truth
from roles.account import Account
from roles.arns import Arn, application
from roles.check.context import keys_in
from roles.check.questions import QUESTIONS
from roles.concurrency import read_each
from roles.credentials import check_account, open_accounts
from roles.declared import Declared, Stack, read_stack
from roles.detection import legacy_note
from roles.errors import CANNOT_TELL, COULD_NOT_LOOK, FINE, PERMISSIONS_PAGE, PROBLEMS, InputError
from roles.findings import Finding, State, attempt, cannot_tell, ok, skipped
from roles.output import Line, Output, Part
from roles.project import stack_name
from roles.sources import read_sources
from roles.view import Stated, View, view_of_entry, view_of_source

HELP: Final = "check whether a data source's sync will work with its role"
_NOUNS: Final = (State.PROBLEM, State.NOTE)
_NOT_CHECKED: Final = "resource control policies and VPC endpoint policies were not checked"
_LABELS: Final[Mapping[State, str]] = {
    State.PROBLEM: "remedy: ",
    State.CANNOT_TELL: "to find out: ",
    State.SKIPPED: "remedy: ",
    State.NOTE: "more: ",
    State.OK: "",
}
"""The labels of remedies, by the state of the finding."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--stack", type=stack_name, help="the stack that owns the role")
    parser.add_argument(
        "--data-source",
        metavar="NAME",
        help="with --stack: check only this entry; default: all entries",
    )
    parser.add_argument(
        "--application",
        metavar="ID",
        type=application,
        help="the application of a data source whose role no stack owns",
    )
    parser.add_argument("--data-source-id", metavar="ID", help="with --application: the data source")
    parser.add_argument(
        "--context",
        metavar="KEY=VALUE",
        type=_context,
        action="append",
        default=[],
        help="the value of a condition key that check cannot read, such as aws:SourceVpc=vpc-1; an "
        "empty VALUE means that the key is absent; repeatable",
    )
    parser.add_argument(
        "--show-secrets",
        action="store_true",
        help="with --stack: also check roles with secret settings, and show the settings' values",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="print all answers, in the order of the questions"
    )


def _context(text: str) -> tuple[str, str]:
    """Parse KEY=VALUE into a condition key and its value; raise ArgumentTypeError for other text."""
    key, separator, value = text.partition("=")
    # In a key such as aws:ResourceTag/Cost Center, the tag key may contain spaces.
    if not separator or not re.fullmatch(r"[A-Za-z0-9-]+:\S(?:.*\S)?", key):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a condition key with a value: expected KEY=VALUE, such as "
            "aws:SourceVpc=vpc-1"
        )
    return key, value


def run(options: argparse.Namespace, output: Output) -> int:
    """Ask all questions about each selected role, print the findings, and return the exit code."""
    given = _by_key(options.context)
    stated = {key.lower(): tuple(map(Text, values)) for key, values in given.items()}
    _check_options(options)
    if options.stack:
        stack = read_stack(options.stack, show_secrets=options.show_secrets)
        names = _selected(stack, options.data_source)
        selected = [each for each in stack.roles if each.name in names]
        heading = f"stack {stack.name}, last deployed on {stack.time}"
        views = _read_entries(selected, stated, output)
        left_out = {name: text for name, text in stack.left_out.items() if name in names}
    else:
        account = Account(options.application.region, output)
        check_account(
            f"--application {options.application.text}", [options.application.account], account
        )
        heading, left_out = f"data source {options.data_source_id}", {}
        views = [view_of_source(account, options.application.id, options.data_source_id, stated)]
    found = dict(zip([each.name for each in views], read_each(ask, views, output, "roles"), strict=True))
    found |= {name: [skipped(text)._replace(question="deployment")] for name, text in left_out.items()}
    if options.json:
        output.json(_document(options, heading, given, found, views))
    else:
        _report(heading, found, views, output, verbose=options.verbose)
        output.show(*_of_context(given, views))
    if text := legacy_note(each.connector.name for view in views for _, each in view.users):
        output(text)
    all_found = [each for its in found.values() for each in its]
    if any(each.state is State.SKIPPED and each.question != "deployment" for each in all_found):
        output(f"not everything could be read: {PERMISSIONS_PAGE} lists the required permissions")
    return _exit_code({each.state for each in all_found})


def _read_entries(roles: Sequence[Declared], stated: Stated, output: Output) -> list[View]:
    """Read the roles of a stack."""
    accounts = open_accounts(roles, output)
    for arn in dict.fromkeys(Arn.of(each.application_arn) for each in roles):
        # Read data sources here, because only the main thread reads in parallel. `Account` caches them.
        attempt(lambda: read_sources(accounts[arn.region], arn.name))  # noqa: B023 it is called at once
    regions = {each.role_arn: accounts[Arn.of(each.application_arn).region] for each in roles}
    return read_each(
        lambda each: view_of_entry(regions[each.role_arn], each, stated), roles, output, "roles"
    )


def ask(view: View) -> list[Finding]:
    """Return the findings about a role; a question without findings gets an `ok` finding."""
    found: list[Finding] = []
    for name, question in QUESTIONS:
        its = [each if each.question else each._replace(question=name) for each in question(view)]
        found += its or [ok("nothing to report")._replace(question=name)]
    states = {each.state for each in found}
    undecided = [each for each in (view.trust, *view.decisions) if each.allowed is not Truth.YES]
    if states <= {State.OK, State.NOTE} and undecided:
        unnamed = cannot_tell("a request may be denied, but no finding names a reason", "start a sync")
        found.append(unnamed._replace(question="requests"))
    return [*dict.fromkeys(found)]


def _by_key(context: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Group the values by key, ignoring the case of keys as IAM does; keep each key's first spelling.

    An empty value means that the key is absent. Raises InputError if such a key also has a value.
    """
    given: dict[str, tuple[str, list[str]]] = {}
    for key, value in context:
        given.setdefault(key.lower(), (key, []))[1].append(value)
    for key, values in given.values():
        if "" in values and any(values):
            raise InputError(
                f"--context has both an empty value and another value for {key}: pass only one"
            )
    return {key: [*filter(None, values)] for key, values in given.values()}


def _check_options(options: argparse.Namespace) -> None:
    """Raise InputError unless the options specify either a stack or one data source.

    Also raises InputError for `--data-source` without a stack.
    """
    given = sum(map(bool, (options.application, options.data_source_id)))
    if given != (0 if options.stack else 2):
        raise InputError("pass either --stack, or --application and --data-source-id")
    if options.data_source is not None and not options.stack:
        raise InputError("--data-source selects an entry of a stack: with --application, omit it")


def _selected(stack: Stack, entry: str | None) -> list[str]:
    """Return the names of the selected entries; raise InputError if `entry` does not exist."""
    names = [*(each.name for each in stack.roles), *stack.left_out]
    if entry is not None and entry not in names:
        raise InputError(f"stack {stack.name} has no entry {entry!r}; its entries: {', '.join(names)}")
    return names if entry is None else [entry]


def _document(
    options: argparse.Namespace,
    heading: str,
    context: Mapping[str, Sequence[str]],
    found: Mapping[str, Sequence[Finding]],
    views: Sequence[View],
) -> dict[str, object]:
    """Return the document for `--json`; without a stack, it has the policies that the role needs."""
    of: dict[str, object] = {"checked": heading, **({"context": context} if context else {})}
    decided = {view.name: [view.trust, *view.decisions] for view in views}
    entries = {
        name: {
            **_counts(its),
            "findings": [*map(_plain, its)],
            "requests": [
                {
                    "action": each.request.action,
                    "resource": str(each.request.resource),
                    "allowed": each.allowed.name.lower().replace("_", " "),
                }
                for each in decided.get(name, ())
            ],
        }
        for name, its in found.items()
    }
    if options.stack:
        return {"stack": options.stack, **of, "entries": entries}
    (view,), (document,) = views, entries.values()
    policies = (
        {
            "trustPolicy": json.loads(view.expected.trust_policy),
            "rolePolicy": json.loads(view.expected.role_policy),
        }
        if view.expected
        else {}
    )
    return {"dataSource": options.data_source_id, **of, **document, **policies}


def _plain(finding: Finding) -> dict[str, object]:
    shown = {"question": finding.question, "subject": finding.subject, **finding._asdict()}
    return {name: value for name, value in shown.items() if value}


def _report(
    heading: str,
    found: Mapping[str, Sequence[Finding]],
    views: Sequence[View],
    output: Output,
    *,
    verbose: bool,
) -> None:
    """Print the findings, the most serious first, and then the number of findings in each state."""
    # Entries that share a key or an index have the same findings about it, so print each finding once.
    entries: dict[Finding, list[str]] = {}
    for name, its in found.items():
        for each in its:
            entries.setdefault(each, []).append(name)
    output.show(f"{heading}:")
    shown = [each for each in entries if verbose or each.state is not State.OK]
    for each in sorted(shown, key=lambda each: each.state.rank):
        output.show(*_parts(each, entries[each] if len(found) > 1 else ()))
    counts = _counts(entries)
    output.show(*([""] if shown else []), _summary(counts))
    if _exit_code({state for state in State if counts[state]}) == FINE:
        number = sum(len(view.decisions) + 1 for view in views)
        asked = any(each.question == "simulation" and each.state is State.OK for each in entries)
        allowed = f"allow all {number} requests"
        confirmed = f"the policies and IAM's simulation {allowed}"
        unconfirmed = f"the policies {allowed} (not confirmed by IAM's simulation)"
        output.show(Line(f"{confirmed if asked else unconfirmed}; {_NOT_CHECKED}", 0))


def _parts(finding: Finding, entries: Sequence[str]) -> Iterator[Part]:
    subject = "" if finding.subject in finding.text else f" {finding.subject}"
    name, state = f"{finding.question}{subject}", f"{finding.state:11} "
    yield Line(f"{state}{name}: {finding.text}", len(state))
    if entries:
        yield Line(f"{'':12}  for {', '.join(entries)}", 14)
    yield from (Line(f"{'':12}  {detail}", 14) for detail in finding.details)
    yield from [f"{'':12}{_LABELS[finding.state]}{finding.remedy}"] if finding.remedy else []


def _of_context(given: Mapping[str, Sequence[str]], views: Sequence[View]) -> Iterator[str]:
    """Yield a line for each key in --context."""
    policies = [policy for view in views for policy in view.policies]
    named = {key.lower() for policy in policies for key in keys_in(policy.statements)}
    for key, values in given.items():
        unused = "" if key.lower() in named else ", but no policy that was read contains this key"
        yield f"with --context: {key} is {', '.join(values) or 'absent'}{unused}"


def _counts(found: Iterable[Finding]) -> dict[State, int]:
    states = [each.state for each in found]
    return {state: states.count(state) for state in State}


def _summary(counts: Mapping[State, int]) -> str:
    shown = [state for state in State if state is not State.OK and counts[state]]
    named = (f"{counts[each]} {each}{'s' * (each in _NOUNS and counts[each] != 1)}" for each in shown)
    return ", ".join(named) or "no problems"


def _exit_code(states: Iterable[State]) -> int:
    """Return the exit code for findings in these states; the most serious state determines it."""
    codes = {State.PROBLEM: PROBLEMS, State.SKIPPED: COULD_NOT_LOOK, State.CANNOT_TELL: CANNOT_TELL}
    return next((code for state, code in codes.items() if state in states), FINE)
