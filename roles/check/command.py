"""Check whether the sync of a data source under a stack's role will work.

Read the settings and outputs of the stack through Pulumi, then ask AWS one question after another.
docs/check.md describes the questions.
"""

import argparse
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from roles.account import Account
from roles.check import data_sources, permissions, resource_policies, resources
from roles.check.subject import MissingError, Subject
from roles.errors import (
    CANNOT_TELL,
    COULD_NOT_LOOK,
    FINE,
    PROBLEMS,
    InputError,
    OddAnswerError,
    explain,
    failed_action,
    is_bad_credentials,
    is_denied,
    is_unanswered,
)
from roles.findings import Finding, State, not_allowed, skipped, unread
from roles.output import Line, Output, Part
from roles.project import stack_name
from roles.reading import read_each
from roles.secrecy import Secrecy
from roles.stack import Stack, check_settings, read_stack

HELP: Final = "ask AWS whether the sync of a data source under the stack's role will work"
QUESTIONS: Final[Sequence[tuple[str, Callable[[Subject], Finding | Iterable[Finding]]]]] = (
    ("credentials", resources.credentials),
    ("application", resources.application),
    ("index", resources.index),
    ("secret", resources.secret),
    ("encryption", resources.secret_encryption),
    ("encryption", resources.bucket_encryption),
    ("KMS key", resources.key),
    ("key policy", resource_policies.key_policy),
    ("secret policy", resource_policies.secret_policy),
    ("key principals", resource_policies.key_principals),
    ("subnets", resources.subnets),
    ("security groups", resources.security_groups),
    ("bucket", resources.bucket),
    ("bucket policy", resource_policies.bucket_policy),
    ("role", permissions.role),
    ("trust policy", permissions.trust_policy),
    ("application ARN", permissions.application_arn),
    ("role policy", permissions.role_policy),
    ("other policies", permissions.other_policies),
    ("permissions boundary", permissions.permissions_boundary),
    ("requests allowed", permissions.requests_allowed),
    ("requests denied", permissions.requests_denied),
    ("policy validation", permissions.policy_findings),
    ("iam:PassRole", permissions.passing),
    ("data source", data_sources.data_sources),
    ("other data source", data_sources.other_data_sources),
)
"""The questions in the order of the answers. Two may have the same name."""
_COLORS: Final[Mapping[State, str]] = {
    State.OK: "green",
    State.PROBLEM: "red",
    State.NOTE: "",
    State.SKIPPED: "",
    State.CANNOT_TELL: "yellow",
}
_UNANSWERED: Final = "the sandbox does not support this question: ask it on AWS"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("--stack", type=stack_name, required=True, help="the stack that owns the role")
    parser.add_argument(
        "--data-source",
        metavar="NAME",
        help="check only this member of dataSources; default: all members",
    )
    parser.add_argument(
        "--context",
        metavar="KEY=VALUE",
        type=_context,
        action="append",
        default=[],
        help="the value of a condition key in the connector's requests that cannot be read from AWS, "
        "such as aws:SourceVpc=vpc-1; an empty VALUE means that the key is absent; can be repeated",
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """Ask all questions about each role, print the answers, and return the exit code."""
    stated = _stated(options.context)
    stack = read_stack(options.stack)
    selected = [role for role in stack.roles if options.data_source in (None, role.component)]
    if not stack.has_data_sources and options.data_source is not None:
        raise InputError(f"stack {options.stack} has one role and no dataSources: omit --data-source")
    if not selected:
        names = ", ".join(role.component for role in stack.roles)
        raise InputError(
            f"dataSources of stack {options.stack} has no {options.data_source!r}: it has {names}"
        )
    for role in stack.roles:
        check_settings(role)
    account = Account(selected[0].region, output)
    # The first subject asks for the caller in the main thread, where a profile with MFA asks for a code.
    entries: list[Subject] = []
    for role in stack.roles:
        with _hidden(role.secrecy):
            entries.append(Subject(role, account, output, stated, entries))

    def check(subject: Subject) -> _Check:
        stream = None if options.json or stack.has_data_sources else output
        return _check(subject, stream)

    subjects = [subject for subject in entries if subject.settings in selected]
    found = read_each(check, subjects, output, "roles")
    checks = {role.component: each for role, each in zip(selected, found, strict=True)}
    _report(checks, stack, stated, options, output)
    unanswered = any(check.unanswered for check in checks.values())
    if unanswered:
        output("not every question was answered: docs/read-permissions.md contains the whole policy")
    return _exit_code(_total(checks.values()), unanswered=unanswered)


class _Check(NamedTuple):
    """The answers about one role, each with its question."""

    answers: list[tuple[str, Finding]]

    @property
    def counts(self) -> dict[State, int]:
        return {state: sum(answer.state == state for _, answer in self.answers) for state in State}

    @property
    def unanswered(self) -> bool:
        return any(answer.action for _, answer in self.answers)


def _total(checks: Collection[_Check]) -> dict[State, int]:
    return {state: sum(check.counts[state] for check in checks) for state in State}


def _check(subject: Subject, output: Output | None) -> _Check:
    """Ask all questions about one role, and print each answer as it arrives."""
    check = _Check([])
    with _hidden(subject.settings.secrecy):
        for question, ask in QUESTIONS:
            for answer in map(subject.settings.secrecy.hide, _answers(ask, subject)):
                check.answers.append((question, answer))
                if output:
                    output.show(*_parts(question, answer))
    return check


@contextmanager
def _hidden(secrecy: Secrecy) -> Generator[None]:
    """Hide AWS's messages, which may contain values of secret settings."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        if not secrecy:
            raise
        raise InputError(explain(error, secrecy.message)) from None


def _report(
    checks: Mapping[str, _Check],
    stack: Stack,
    stated: Mapping[str, Sequence[str]],
    options: argparse.Namespace,
    output: Output,
) -> None:
    """Print the totals.

    For several roles, the totals of each come before its answers, and the sum of all comes last.
    """
    if options.json:
        documents = {
            name: {
                **check.counts,
                "answers": [_plain(question, answer) for question, answer in check.answers],
            }
            for name, check in checks.items()
        }
        given = {"context": stated} if stated else {}
        shown = {"dataSources": documents} if stack.has_data_sources else next(iter(documents.values()))
        output.json({"stack": options.stack, **given, **shown})
        return
    if stack.has_data_sources:
        for name, check in checks.items():
            output.show(f"{name}: {_summary(check.counts)}")
        for name, check in checks.items():
            output.show("", f"== {name} ==")
            for question, answer in check.answers:
                output.show(*_parts(question, answer))
    of_all = "all: " if stack.has_data_sources else ""
    output.show("", f"{of_all}{_summary(_total(checks.values()))}")
    for key, values in stated.items():
        output.show(f"with --context: {key} is {', '.join(values) or 'absent'}")


def _stated(context: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the values of each key, in its first spelling: IAM ignores the case of keys.

    Raises InputError for a key that is both absent and has a value.
    """
    given: dict[str, tuple[str, list[str]]] = {}
    for key, value in context:
        given.setdefault(key.lower(), (key, []))[1].append(value)
    for key, values in given.values():
        if "" in values and any(values):
            raise InputError(
                f"--context states that {key} is absent, and that it has a value: pass only one"
            )
    return {key: [*filter(None, values)] for key, values in given.values()}


def _exit_code(counts: Mapping[State, int], *, unanswered: bool) -> int:
    if counts[State.PROBLEM]:
        return PROBLEMS
    if unanswered:
        return COULD_NOT_LOOK
    return CANNOT_TELL if counts[State.CANNOT_TELL] else FINE


def _context(text: str) -> tuple[str, str]:
    """Return a condition key and its value; raises argparse's error for other text."""
    key, separator, value = text.partition("=")
    # The key of a tag may contain spaces.
    if not separator or not re.fullmatch(r"[A-Za-z0-9-]+:\S(?:.*\S)?", key):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a condition key with a value: expected KEY=VALUE, such as "
            "aws:SourceVpc=vpc-1"
        )
    return key, value


def _summary(counts: Mapping[State, int]) -> str:
    problems, notes = counts[State.PROBLEM], counts[State.NOTE]
    text = f"{counts[State.OK]} ok, {problems} problem{'s' * (problems != 1)}"
    text += f", {counts[State.SKIPPED]} skipped"
    if notes:
        text += f", {notes} note{'s' * (notes != 1)}"
    unclear = counts[State.CANNOT_TELL]
    return f"{text}, {unclear} cannot tell" if unclear else text


def _answers(
    ask: Callable[[Subject], Finding | Iterable[Finding]], subject: Subject
) -> Iterator[Finding]:
    """Return the answers to a question; without what it needs, or an answer of AWS, it is skipped."""
    try:
        found = ask(subject)
        if isinstance(found, Finding):
            yield found
        else:
            yield from found
    except MissingError as missing:
        yield missing.answer
    except OddAnswerError as error:
        yield unread(error, subject.settings.secrecy.message)
    except ClientError as error:
        if is_bad_credentials(error):
            raise
        if is_unanswered(error):
            yield skipped(_UNANSWERED)
        elif is_denied(error):
            yield not_allowed(failed_action(error))
        else:
            yield unread(error, subject.settings.secrecy.message)


def _parts(question: str, answer: Finding) -> Iterator[Part]:
    name, state = f"{question} {answer.subject}".strip(), f"{answer.state:8} "
    yield Line(f"{state}{name}: {answer.text}", len(state), _COLORS[answer.state])
    yield from (Line(f"{'':9}  {detail}", 11) for detail in answer.details)
    if answer.fix:
        label = "find out" if answer.state is State.CANNOT_TELL else "fix"
        yield f"{'':9}{label}: {answer.fix}"


def _plain(question: str, answer: Finding) -> dict[str, object]:
    shown = {"question": question, **answer._asdict()}
    return {name: value for name, value in shown.items() if value}
