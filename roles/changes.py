"""Apply a plan that the user has confirmed: make each change, and read the result.

A change contains a resource's earlier and wanted states. Before each change, the data source or each
policy of the role must be in one of these states. If not, somebody else has changed the resource, so the
command shows the difference and skips the change. The command first writes both states to a journal,
which is used to undo changes and, after an interruption, to recognize this program's changes.
"""

import argparse
import difflib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any, Final, NamedTuple, cast

from botocore.exceptions import BotoCoreError, ClientError

from components.connector_role import POLICY_NAME
from components.formats import ACCOUNT_ID, REGION
from roles.account import Account, DataSource, Role, plain_json
from roles.arns import Arn
from roles.credentials import check_account
from roles.difference import TRUST_POLICY
from roles.errors import FINE, NOT_APPLIED, PERMISSIONS_PAGE, PROBLEMS, InputError, explain, is_gone
from roles.findings import Finding
from roles.output import Line, Output, Part
from roles.policies import Policies
from roles.project import file_name, launcher, stack_name
from roles.view import find_role

_NOT_PROPERTIES: Final = ("status", "error", "createdAt", "updatedAt", "ResponseMetadata")
_PAUSE: Final = 5
_UPDATE: Final = 120
"""The maximum number of reads of a data source while it is being updated."""
_READS: Final = 12
"""The maximum number of reads after a write, because AWS can return the earlier state for a while."""
_JOURNALS: Final = {"adopt": "restored", "assign": "assigned"}
_UNFINISHED: Final = "unfinished-"
GONE: Final = "no longer exists, or was recreated"
"""The message about a resource whose unique ID no longer exists."""

Document = Mapping[str, Any]


def same_document(one: object, other: object) -> bool:
    """Return whether two policies are the same, regardless of list order; `x` equals `[x]`."""
    return _in_order(one) == _in_order(other)


def _in_order(value: object) -> Any:
    if isinstance(value, dict):
        return {name: _in_order(its) for name, its in cast("dict[str, object]", value).items()}
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    found = [_in_order(each) if isinstance(each, dict) else each for each in values]
    return sorted(json.dumps(each, sort_keys=True) for each in found)


class DataSourceChange(NamedTuple):
    """A change to a data source's role that keeps the data source's other properties."""

    data_source: DataSource
    before: Document
    """All properties before the change."""
    role: str
    """The ARN of the role that the data source gets."""
    earlier_id: str = ""
    """The unique ID of the earlier role; empty if there was no role or the role no longer existed."""

    @property
    def label(self) -> str:
        """The name of the data source in messages."""
        return self.data_source.label

    @property
    def earlier(self) -> str:
        """The ARN of the earlier role; empty if there was none."""
        return str(self.before.get("roleArn", ""))

    @property
    def after(self) -> Document:
        """The properties with the new role."""
        return {
            **{name: its for name, its in self.before.items() if name != "status"},
            "roleArn": self.role,
        }

    @property
    def plan(self) -> list[str]:
        """The lines of the plan that describe the change."""
        return [f"{self.label} gets {self.role}", f"  in place of {self.earlier or 'none'}"]

    @property
    def result(self) -> str:
        """A description of the data source after the change."""
        return f"has {self.role}"

    def is_same(self, one: Document, other: Document) -> bool:
        """Return whether all properties are the same."""
        return one == other

    def is_possible(self, now: Document) -> bool:
        """Return whether the data source can have these properties before or after this change."""
        return now == self.after or now.get("roleArn") != self.role

    def read(self, account: Account) -> Document:
        """Return the current properties in AWS; empty if the data source no longer exists."""
        account.in_region(self.data_source.region).answers.clear()
        return read_properties(account, self.data_source)

    def write(self, account: Account, _: Document, wanted: Document) -> None:
        """Send all properties; AWS does not document whether an update keeps omitted properties."""
        there = account.in_region(self.data_source.region)
        known = there.parameters("qbusiness", "UpdateDataSource")
        there.change(
            "qbusiness", "update_data_source", **{name: wanted[name] for name in wanted if name in known}
        )
        time.sleep(_PAUSE)

    def can_undo(self, account: Account, now: Document) -> bool:
        """Return whether an update only removed properties and the earlier role still exists."""
        its = {name: each for name, each in now.items() if name not in ("status", "roleArn")}
        is_ours = now.get("roleArn") in (self.role, self.earlier) and _is_part(its, self.after)
        return is_ours and role_id(account, self.earlier) == self.earlier_id != ""


class RoleChange(NamedTuple):
    """A change to a role's trust policy and to its role policy, which may be deleted."""

    arn: str
    id: str
    """The unique ID; a role that is recreated with the same ARN has a different ID."""
    before: Document
    """The documents before the change, by policy name."""
    after: Document
    differing: Sequence[str] = ()
    """The names of the policies that differ from the saved policies but are not changed."""
    unknown: str = ""
    """The policies that could not be compared, and why; empty if all could be compared."""

    @property
    def label(self) -> str:
        """The name of the role."""
        return Arn.of(self.arn).name

    @property
    def plan(self) -> list[str]:
        """The lines of the plan that describe the change."""
        lines = [f"{self.label}:"]
        for name in {**self.before, **self.after}:
            old, new = self.before.get(name), self.after.get(name)
            if not same_document(old, new):
                shown = _difference(old, new) if new else []
                lines += [f"  {'puts back' if new else 'deletes'} {name}", *shown]
        return lines

    @property
    def result(self) -> str:
        """A description of the role after the change."""
        if self.differing:
            return f"put back, except for {', '.join(self.differing)}, which somebody has changed"
        return f"put back; {self.unknown}" if self.unknown else "restored"

    def is_same(self, one: Document, other: Document) -> bool:
        """Return whether all documents are the same."""
        return same_document(one, other)

    def is_possible(self, now: Document) -> bool:
        """Return whether the role can have these documents before, during, or after this change."""
        sides = (self.before, self.after)
        names = {**self.before, **self.after, **now}
        return all(any(same_document(now.get(name), its.get(name)) for its in sides) for name in names)

    def read(self, account: Account) -> Document:
        """Return the current documents in AWS; empty if the role no longer exists."""
        account.answers.clear()
        role = find_role(account, self.arn)
        if isinstance(role, Finding):
            raise InputError(role.text)
        return documents_of(role) if role and role.id == self.id else {}

    def write(self, account: Account, now: Document, wanted: Document) -> None:
        """Write the documents that differ; if the role policy must be deleted, delete it last."""
        role, own = {"RoleName": self.label}, {"PolicyName": POLICY_NAME}
        policy, trust = wanted.get(POLICY_NAME), wanted[TRUST_POLICY]
        if policy and not same_document(now.get(POLICY_NAME), policy):
            account.change("iam", "put_role_policy", **role, **own, PolicyDocument=_text(policy))
        if not same_document(now[TRUST_POLICY], trust):
            account.change("iam", "update_assume_role_policy", **role, PolicyDocument=_text(trust))
        if not policy and POLICY_NAME in now:
            account.change("iam", "delete_role_policy", **role, **own)


Change = DataSourceChange | RoleChange


class Plan(NamedTuple):
    """Changes, and the description that the user reads before confirming them."""

    verb: str
    stack: str
    account: Account
    changes: list[Change]
    lines: list[Part]
    left_out: list[str]
    """The resources that the command cannot change, with the reasons."""
    blocked: str = ""
    """The reason that nothing can be changed; empty if the plan can be applied."""
    next_steps: Sequence[str] = ()
    """The steps that the user must take once the plan has been applied."""

    @property
    def texts(self) -> list[str]:
        """The text of each line."""
        return [line.text if isinstance(line, Line) else str(line) for line in self.lines]

    def document(self) -> dict[str, Any]:
        """Return the plan as an object for a JSON file."""
        return {
            "command": self.verb,
            "stack": self.stack,
            "account": self.account.caller()["Account"],
            "region": self.account.region,
            "dataSources": [
                {**each._asdict(), "data_source": each.data_source._asdict()}
                for each in self.changes
                if isinstance(each, DataSourceChange)
            ],
            "nextSteps": self.next_steps,
            "roles": [each._asdict() for each in self.changes if isinstance(each, RoleChange)],
        }


# Reading data sources and roles.


def read_properties(account: Account, source: DataSource) -> Document:
    """Wait for updates of a data source to end; return its properties and, if it is FAILED, its status.

    The result is empty for a missing data source. Raises InputError if an update could drop a property.
    """
    there, status = account.in_region(source.region), ""
    for _ in range(_UPDATE):
        try:
            found = there.data_source(source)
        except ClientError as error:
            if not is_gone(error):
                raise
            return {}
        status = found["status"]
        if unknown := there.unknown.get(source.id):
            names = ", ".join(unknown)
            raise InputError(
                f"{source.label}: this version of boto3 lacks {names}; changing the data source could "
                "remove them: update boto3"
            )
        if status in ("ACTIVE", "FAILED"):
            plain = json.loads(json.dumps(found, default=str))
            properties = {
                name: its for name, its in plain.items() if name not in _NOT_PROPERTIES and _is_set(its)
            }
            fault = found.get("error", {}).get("errorMessage", "")
            return {**properties, **({"status": f"FAILED {fault}"} if status == "FAILED" else {})}
        if status == "DELETING":
            return {}
        there.answers.clear()
        time.sleep(_PAUSE)
    raise InputError(f"{source.label} is {status}: repeat the command when it is ACTIVE")


def _is_set(value: object) -> bool:
    """Return whether a property is set; UpdateDataSource rejects empty structures."""
    parts = cast("dict[str, object]", value).values() if isinstance(value, dict) else [value]
    return any(each not in (None, []) for each in parts)


def role_id(account: Account, arn: str) -> str:
    """Return the unique ID of the role with this ARN; empty if there is none."""
    try:
        found = account.get("iam:GetRole", Arn.of(arn).name) if arn else {}
    except ClientError as error:
        if not is_gone(error):
            raise
        return ""
    return found["RoleId"] if found.get("Arn") == arn else ""


def trust_policy_of(account: Account, arn: str) -> object:
    """Return the trust policy, in JSON, of an existing role."""
    return plain_json(account.get("iam:GetRole", Arn.of(arn).name)["AssumeRolePolicyDocument"])


def application_in(properties: Document) -> str:
    """Return the ARN of a data source's application."""
    return str(properties["dataSourceArn"]).partition("/index/")[0]


def documents_of(role: Role) -> dict[str, Any]:
    """Return a role's trust policy and, if there is one, its role policy, by policy name."""
    own = role.inline_policies.get(POLICY_NAME)
    return {TRUST_POLICY: role.trust_policy, **({POLICY_NAME: own} if own else {})}


def documents_in(policies: Policies) -> dict[str, Any]:
    """Return the trust policy and role policy that the program writes, by policy name."""
    return {
        TRUST_POLICY: json.loads(policies.trust_policy),
        POLICY_NAME: json.loads(policies.role_policy),
    }


def _is_part(some: Any, whole: Any) -> bool:
    """Return whether `whole` contains all properties and list items of `some`."""
    if isinstance(some, dict) and isinstance(whole, dict):
        inner, its = cast("Document", some), cast("Document", whole)
        return all(name in its and _is_part(each, its[name]) for name, each in inner.items())
    if isinstance(some, list) and isinstance(whole, list):
        parts, every = cast("list[object]", some), cast("list[object]", whole)
        return all(any(_is_part(each, other) for other in every) for each in parts)
    return some == whole


def _difference(old: object, new: object) -> list[str]:
    """Return the lines in which two documents differ."""
    before, after = (
        json.dumps(each, indent=1, sort_keys=True).splitlines() if each else [] for each in (old, new)
    )
    return [f"    {line}" for line in difflib.unified_diff(before, after, lineterm="", n=1)][2:]


def _text(document: object) -> str:
    # Omit whitespace, because it may count toward the size quota of trust policies.
    return json.dumps(document, separators=(",", ":"))


# Files.


def add_options(
    parser: argparse.ArgumentParser,
    either: "argparse._MutuallyExclusiveGroup",  # pyright: ignore[reportPrivateUsage]
) -> None:
    """Add the options for plans."""
    either.add_argument(
        "--apply", metavar="FILE", type=Path, help="apply the plan that --save wrote (needs no Pulumi)"
    )
    parser.add_argument("--yes", action="store_true", help="apply the plan without confirmation")
    parser.add_argument(
        "--save", metavar="FILE", type=Path, help="write the plan to a new file, and change nothing"
    )


def create(path: Path, text: str) -> None:
    """Write a new file that only its owner can read; raise FileExistsError if `path` exists."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(file, "w", encoding="utf-8") as opened:  # noqa: PTH123 a file descriptor
        opened.write(text)
        opened.flush()
        os.fsync(file)


def read_saved(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; raise InputError if the file does not contain one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"{path} is not a complete file from this program: delete it, or pass a different file"
        )
    return cast("dict[str, Any]", found)


def parse_head(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the stack, account, and Region in the document of a file.

    Raises KeyError, TypeError, or ArgumentTypeError if one of them is missing or invalid.
    """
    stack, account_id, region = (document[name] for name in ("stack", "account", "region"))
    if not (ACCOUNT_ID.parse(account_id) and REGION.parse(region)):
        raise KeyError("account")
    return stack_name(stack), account_id, region


def read_plan(path: Path, output: Output) -> Plan:
    """Read a plan or a journal; raise InputError if it is invalid or for a different account."""
    found = read_saved(path)
    try:
        changes: list[Change] = [
            *(RoleChange(**each) for each in found["roles"]),
            *(
                DataSourceChange(**each)._replace(data_source=DataSource(**each["data_source"]))
                for each in found["dataSources"]
            ),
        ]
        verb = found["command"]
        stack, owner, region = parse_head(found)
    except (KeyError, TypeError, argparse.ArgumentTypeError):
        raise InputError(f"{path} is not a plan from this version of the program") from None
    account = Account(region, output)
    check_account(str(path), [owner], account)
    return Plan(
        verb,
        stack,
        account,
        changes,
        lines=[Line(text, 4) for each in changes for text in each.plan],
        left_out=[],
        next_steps=found.get("nextSteps", ()),
    )


@contextmanager
def locked() -> Generator[None]:
    """Lock the current directory; raise InputError if another command has locked it."""
    directory = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InputError("another command is running in this directory: wait until it ends") from None
    finally:
        os.close(directory)


def check_unfinished(stack: str, output: Output) -> list[str]:
    """Return the resources' differences from the possible results of a stack's interrupted runs.

    Rename the journals of runs without differences, because these runs are finished.
    """
    found: list[str] = []
    for path in sorted(Path().glob(f"{_UNFINISHED}*.json")):
        if read_saved(path).get("stack") != stack:
            continue
        plan, before = read_plan(path, output), len(found)
        for each in plan.changes:
            now = each.read(plan.account)
            if now and not each.is_possible(now):
                found += [
                    f"{each.label} differs from the result of an interrupted run: correct it, then",
                    f"  delete {path}, which has the earlier state:",
                    *_difference(each.after, now),
                ]
        if len(found) == before:
            path.rename(path.name.removeprefix(_UNFINISHED))
    return found


# Applying.


def apply_file(options: argparse.Namespace, output: Output) -> int:
    """Apply the plan that `--save` wrote, unless resources have changed since it was written."""
    plan = read_plan(options.apply, output)
    if plan.verb != options.verb:
        raise InputError(f"{options.apply} is a plan for {plan.verb}: pass it to that command")
    if changed := [text for each in plan.changes for text in _changed(each, each.read(plan.account))]:
        raise InputError(
            f"nothing was changed, because the state in AWS differs from {options.apply}:", *changed
        )
    return carry_out(plan._replace(left_out=check_unfinished(plan.stack, output)), options, output)


def carry_out(plan: Plan, options: argparse.Namespace, output: Output) -> int:
    """Show a plan; then save it, or apply it if the user confirms it; return the exit code."""
    left_out = ["Left out:", *(Line(f"  {text}", 4) for text in plan.left_out)] if plan.left_out else []
    if not options.json:
        output.show(*plan.lines, *left_out, *([] if plan.changes else ["Nothing to change."]))
    code, done = PROBLEMS if plan.left_out or plan.blocked else FINE, None
    if plan.blocked:
        output(f"nothing was changed, because {plan.blocked}")
    elif plan.changes and options.save:
        create(options.save, json.dumps(plan.document(), indent=2) + "\n")
        output(f"nothing was changed: to apply this plan, run `{_command(plan, 'apply', options.save)}`")
        code = FINE
    elif plan.changes and _is_confirmed(options, output):
        if options.json:
            output("applying this plan:", *plan.texts)
        done = _apply(plan, output)
        code = PROBLEMS if plan.left_out or not all(done) else FINE
    elif plan.changes:
        code = NOT_APPLIED
    if plan.next_steps and code != NOT_APPLIED and not options.save:
        output(*plan.next_steps)
    if options.json:
        output.json(
            {
                "stack": plan.stack,
                "changes": [line for each in plan.changes for line in each.plan],
                "plan": plan.texts,
                "leftOut": plan.left_out,
                "done": done,
            }
        )
    return code


def _command(plan: Plan, option: str, path: Path) -> str:
    return f"{launcher()} {plan.verb} --{option} {quote(str(path))}"


def _is_confirmed(options: argparse.Namespace, output: Output) -> bool:
    if options.yes or (
        output.can_ask
        and not options.json
        and output.ask("Apply these changes? [y/N] ").strip().lower() in ("y", "yes")
    ):
        return True
    output("nothing was changed: to apply this plan, repeat the command with --yes")
    return False


def _apply(plan: Plan, output: Output) -> list[bool]:
    """Make the changes; return whether each was made."""
    if changed := [text for each in plan.changes for text in _changed(each, each.read(plan.account))]:
        output("nothing was changed, because resources have changed since the plan was made:", *changed)
        return [False]
    number = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    journal = file_name(_JOURNALS[plan.verb], f"{plan.stack}-{number}")
    unfinished = journal.with_name(f"{_UNFINISHED}{journal}")
    create(unfinished, json.dumps(plan.document(), indent=2) + "\n")
    made: dict[str, bool | None] = {}
    try:
        for change in plan.changes:
            role = Arn.of(change.role).name if isinstance(change, DataSourceChange) else ""
            if not made.get(role, True):
                output(f"{change.label}: unchanged, because {role} was not restored")
                made[change.label] = False
            else:
                made[change.label] = _make(plan.account, change, output)
    finally:
        if len(made) < len(plan.changes) or None in made.values():
            output(f"not complete: repeat the command; {unfinished} has the earlier state")
        else:
            unfinished.rename(journal)
    had_role = (each for each in plan.changes if isinstance(each, DataSourceChange) and each.earlier_id)
    if plan.verb == "assign" and journal.exists() and any(made[each.label] for each in had_role):
        output(f"to undo these changes, run `{_command(plan, 'undo', journal)}`")
    return [*map(bool, made.values())]


def _changed(change: Change, now: Document) -> list[str]:
    """Return a resource's differences from its state before a change, unless it has the wanted state."""
    if not now:
        return [f"  {change.label} {GONE}"]
    is_known = (
        change.is_possible(now)  # the plan may have been applied in part
        if isinstance(change, RoleChange)
        else now in (change.before, change.after)
    )
    return [] if is_known else [f"  {change.label}:", *_difference(change.before, now)]


def _make(account: Account, change: Change, output: Output) -> bool | None:
    """Make a change; return whether it was made, or None if its result is unclear or incomplete."""
    try:
        now = change.read(account)
        if changed := _changed(change, now):
            output(f"{change.label}: unchanged, because the plan expects a different state:", *changed)
            return False
        now = _write(account, change, now, change.after, output)
        if change.is_same(now, change.after):
            output(f"{change.label}: {change.result}")
            return True
        if change.is_same(now, change.before):
            output(f"{change.label}: unchanged")
            return False
        output(f"{change.label}: differs from the plan:", *_difference(change.after, now))
        if isinstance(change, DataSourceChange) and change.can_undo(account, now):
            now = _write(account, change, now, change.before, output)
            if change.is_same(now, change.before):
                output(f"{change.label}: undone; all earlier properties are restored")
                return False
            output(f"{change.label}: not undone:", *_difference(change.before, now))
    except InputError as error:
        output(str(error))
    except (BotoCoreError, ClientError) as error:
        output(f"{change.label}: {explain(error, page=PERMISSIONS_PAGE)}")
    return None


def _write(
    account: Account, change: Change, now: Document, wanted: Document, output: Output
) -> Document:
    """Write the wanted document if it differs from `now`; then return the document in AWS.

    If the write fails, show the error. Raises InputError if the resource no longer exists.
    """
    if change.is_same(now, wanted):
        return now
    try:
        change.write(account, now, wanted)
    except (BotoCoreError, ClientError) as error:
        output(f"{change.label}: {explain(error, page=PERMISSIONS_PAGE)}")
    for _ in range(_READS):
        now = change.read(account)
        if not now:
            raise InputError(f"{change.label} {GONE}")
        if change.is_same(now, wanted):
            break
        time.sleep(_PAUSE)
    return now
