"""Check whether a data source's sync will work with its role.

Read the settings from a stack through Pulumi, or from a data source. Then ask AWS each question in
`QUESTIONS`. docs/check.md describes the questions.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Final

from guardrails.iam.decisions import Kind
from guardrails.iam.patterns import Text
from roles.account import Account
from roles.arns import application
from roles.check import causes, data_sources, network, permissions, resources, simulation
from roles.check.answers import Answers, ask_each
from roles.check.case import Case, collect
from roles.check.subject import Subject
from roles.check.updates import Lost, lost_requests, withhold
from roles.concurrency import read_each
from roles.detection import legacy_note
from roles.errors import (
    CANNOT_TELL,
    COULD_NOT_LOOK,
    FINE,
    PERMISSIONS_PAGE,
    PROBLEMS,
    InputError,
)
from roles.findings import Finding, State
from roles.output import Line, Output, Part
from roles.project import COMPONENT, stack_name
from roles.stack import RoleSettings, Stack, read_stack

HELP: Final = "ask AWS whether a data source's sync will work with its role"
QUESTIONS: Final[Sequence[tuple[str, Callable[[Case], Answers]]]] = (
    ("credentials", resources.credentials),
    ("application", resources.application),
    ("index", resources.index),
    ("secret", resources.secret),
    ("encryption", resources.encryption),
    ("KMS key", resources.key),
    ("key policy", partial(causes.resource_policies, Kind.KEY)),
    ("secret policy", partial(causes.resource_policies, Kind.SECRET)),
    ("subnets", network.subnets),
    ("security groups", network.security_groups),
    ("bucket", resources.bucket),
    ("bucket policy", partial(causes.resource_policies, Kind.BUCKET)),
    ("role", permissions.role),
    ("trust policy", permissions.trust_policy),
    ("role policy", permissions.role_policy),
    ("other policies", permissions.other_policies),
    ("permissions boundary", causes.permissions_boundary),
    ("requests allowed", causes.requests_allowed),
    ("iam:PassRole", simulation.passing),
    ("data source", data_sources.data_sources),
    ("other data source", data_sources.other_data_sources),
)
"""The questions, in the order of the answers."""
Answer = tuple[str, Finding]
"""A question's name, and an answer to the question."""
_STYLES: Final[Mapping[State, tuple[str, str]]] = {
    State.PROBLEM: ("red", "fix: "),
    State.CANNOT_TELL: ("yellow", "to find out: "),
    State.SKIPPED: ("", "fix: "),
    State.NOTE: ("", "to change this: "),
    State.OK: ("green", ""),
}
"""The color of an answer in each state, and the label of its steps."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--stack", type=stack_name, help="the stack that owns the role")
    parser.add_argument(
        "--data-source",
        metavar="NAME",
        help="with --stack: check only this entry of dataSources; default: all entries",
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
        help="with --stack: also check a stack that has secret settings, and show their values",
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
    """Ask all questions about each selected role, print the answers, and return the exit code."""
    stated_context = _by_key(options.context)
    _check_options(options)
    answers: dict[str, list[Answer]] = {}
    if options.stack:
        stack = read_stack(options.stack, show_secrets=options.show_secrets)
        selected = _selected(stack, options)
        account = Account(selected[0].region, output)
    else:
        account = Account(options.application.region, output)
        _check_account(options.application.account, account)
        settings, findings = data_sources.read_settings(
            account, options.application.id, options.data_source_id
        )
        selected = [settings] if settings else []
        stack = Stack(selected, has_data_sources=False)
        answers[COMPONENT] = [("data source", finding) for finding in findings]
    # The first Subject looks up the caller. In this thread, a profile with MFA can ask for a code.
    entries = [Subject(role, account) for role in stack.roles]
    stated = {key.lower(): tuple(map(Text, values)) for key, values in stated_context.items()}
    subjects = [subject for subject in entries if subject.settings in selected]

    def ask(subject: Subject) -> tuple[Case, list[Answer]]:
        case = collect(subject, entries, stated)
        return case, [*ask_each((name, partial(question, case)) for name, question in QUESTIONS)]

    asked = read_each(ask, subjects, output, "roles")
    cases = [case for case, _ in asked]

    @cache
    def read_lost() -> Sequence[Lost]:
        others = (collect(each, entries, stated) for each in entries if each not in subjects)
        return [*lost_requests([*cases, *others])]

    for case, found in asked:
        safe = ((name, withhold(name, finding, entries, read_lost)) for name, finding in found)
        answers.setdefault(case.subject.settings.component, []).extend(safe)
    if options.json:
        of = {"stack": options.stack} if options.stack else {"dataSource": options.data_source_id}
        context = {"context": stated_context} if stated_context else {}
        shown = _document(answers, subjects, has_entries=stack.has_data_sources)
        output.json({**of, **context, **shown})
    else:
        _report(answers, output, verbose=options.verbose)
        named = {key for case in cases for key in case.keys}
        for key, values in stated_context.items():
            unused = "" if key.lower() in named else ", but no policy that was read names this key"
            output.show(f"with --context: {key} is {', '.join(values) or 'absent'}{unused}")
    every = [answer for found in answers.values() for answer in found]
    incomplete = any(finding.action for _, finding in every)
    if note := legacy_note(case.subject.settings.connector.name for case in cases):
        output(note)
    if incomplete:
        output(
            "not every question was answered: the skipped answers show the causes, and "
            f"{PERMISSIONS_PAGE} lists the required permissions"
        )
    return _exit_code(_counts(every), incomplete=incomplete)


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
        raise InputError(
            "--data-source selects an entry of the stack's dataSources: with --application, omit it"
        )


def _selected(stack: Stack, options: argparse.Namespace) -> Sequence[RoleSettings]:
    """Return the stack's roles that the options select; raise InputError if they select none."""
    if not stack.has_data_sources and options.data_source is not None:
        raise InputError(f"stack {options.stack} has one role and no dataSources: omit --data-source")
    selected = [role for role in stack.roles if options.data_source in (None, role.component)]
    if not selected:
        names = ", ".join(role.component for role in stack.roles)
        raise InputError(
            f"stack {options.stack} has no entry {options.data_source!r} in dataSources; its entries: "
            f"{names}"
        )
    return selected


def _check_account(wanted: str, account: Account) -> None:
    """Raise InputError if the wanted account is known and the credentials are for another one."""
    caller = account.caller()["Account"]
    if wanted and wanted != caller:
        raise InputError(
            f"--application is in account {wanted}, but the credentials are for account {caller}: "
            f"set AWS_PROFILE to a profile for account {wanted}"
        )


def _document(
    answers: Mapping[str, Sequence[Answer]], subjects: Sequence[Subject], *, has_entries: bool
) -> dict[str, object]:
    """Return the answers for `--json`; for a role outside any stack, add the policies that it needs."""
    documents: dict[str, dict[str, object]] = {
        name: {**_counts(found), "answers": [_plain(*answer) for answer in found]}
        for name, found in answers.items()
    }
    if has_entries:
        return {"dataSources": documents}
    (document,) = documents.values()
    for policies in (each.needed_policies for each in subjects if not each.settings.stack):
        separate = {each.name: json.loads(each.document) for each in policies.separate}
        document["trustPolicy"] = json.loads(policies.trust_policy)
        document["rolePolicy"] = json.loads(policies.role_policy)
        document |= {"separatePolicies": separate} if separate else {}
    return document


def _plain(question: str, answer: Finding) -> dict[str, object]:
    shown = {"question": question, **answer._asdict(), "fix": "\n".join(answer.fix)}
    return {name: value for name, value in shown.items() if value}


def _report(answers: Mapping[str, Sequence[Answer]], output: Output, *, verbose: bool) -> None:
    """Print the answers, then the number of answers in each state.

    Unless `verbose`, print only the answers that matter, the most serious first.
    """
    # Entries that share a key or an index get the same answers about it, so print each answer once.
    entries: dict[Answer, list[str]] = {}
    for name, found in answers.items():
        for answer in found:
            entries.setdefault(answer, []).append(name)
    shown = [*entries]
    if not verbose:  # a question is skipped silently if it depends on something that does not exist
        shown = [
            each for each in entries if each[1].action or each[1].state not in (State.OK, State.SKIPPED)
        ]
        shown.sort(key=lambda answer: answer[1].state.rank)
    for answer in shown:
        output.show(*_parts(*answer, entries[answer] if len(answers) > 1 else ()))
    output.show(*([""] if shown else []), _summary(_counts(entries)))


def _parts(question: str, answer: Finding, entries: Sequence[str]) -> Iterator[Part]:
    name, state = f"{question} {answer.subject}".strip(), f"{answer.state:8} "
    color, label = _STYLES[answer.state]
    yield Line(f"{state}{name}: {answer.text}", len(state), color)
    if entries:
        yield Line(f"{'':9}  for {', '.join(entries)}", 11)
    yield from (Line(f"{'':9}  {detail}", 11) for detail in answer.details)
    for number, step in enumerate(answer.fix, start=1):
        before = label if number == 1 else " " * len(label)
        yield f"{'':9}{before}{f'{number}. ' if len(answer.fix) > 1 else ''}{step}"


def _counts(answers: Iterable[Answer]) -> dict[State, int]:
    states = [finding.state for _, finding in answers]
    return {state: states.count(state) for state in State}


def _summary(counts: Mapping[State, int]) -> str:
    nouns = (State.PROBLEM, State.NOTE)
    always = (State.OK, State.PROBLEM, State.SKIPPED)
    return ", ".join(
        f"{counts[state]} {state}{'s' * (state in nouns and counts[state] != 1)}"
        for state in (*always, State.NOTE, State.CANNOT_TELL)
        if counts[state] or state in always
    )


def _exit_code(counts: Mapping[State, int], *, incomplete: bool) -> int:
    if counts[State.PROBLEM]:
        return PROBLEMS
    if incomplete:
        return COULD_NOT_LOOK
    return CANNOT_TELL if counts[State.CANNOT_TELL] else FINE
