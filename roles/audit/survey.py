"""Read all data sources of an account and Region, and compare the role of each with the program's.

A role is compared with what the program writes for all data sources that use it: access that none of
them needs is in excess. Access that only some of them need is a finding of its own, a shared role.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple

from botocore.exceptions import ClientError, ParamValidationError

from components.errors import SettingsError
from guardrails.iam.documents import Statement
from roles.account import Account, DataSource, Role
from roles.actions import action
from roles.connection import Connection, read_connection
from roles.connector import connectors_of, find_connector, find_uses
from roles.difference import Access, compare, program_statements, role_statements
from roles.errors import InputError, explain, is_bad_credentials, is_denied, is_gone, is_throttled
from roles.notes import Notes

VERB: Final = "audit"
_NOUNS: Final[Mapping[str, str]] = {
    "DescribeKey": "key",
    "DescribeSecret": "secret",
    "GetBucketEncryption": "bucket",
    "GetDataSource": "data source",
    "GetRole": "role",
}
"""What an operation reads."""


class State(StrEnum):
    """How a role compares, for one data source or for all that use it."""

    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    INVALID = "invalid"
    """A data source that cannot work as it is, or whose settings the program refuses."""
    UNKNOWN = "unknown connector"
    NO_ROLE = "without a role"
    """An unknown connector without a role, such as a custom connector, which needs none."""
    SKIPPED = "not compared"
    """Something could not be read."""


class Kind(StrEnum):
    """What a finding says of a statement."""

    EXCESS = "excess"
    """The role has it, and none of its data sources needs it."""
    DENIES = "denies"
    """The role has it, and the program denies nothing."""
    MISSING = "missing"
    """The program writes it, and the role does not have it."""
    SHARED = "shared"
    """The role has it, and only some of its data sources need it."""


LABELS: Final[Mapping[Kind, str]] = {
    Kind.EXCESS: "in excess",
    Kind.DENIES: "denying",
    Kind.MISSING: "missing",
    Kind.SHARED: "shared",
}


class Finding(NamedTuple):
    """One statement that makes a role different."""

    kind: Kind
    policy: str
    statement: str
    access: tuple[Access, ...]
    data_sources: tuple[DataSource, ...] = ()
    """Those for which the program writes the statement."""


class DataSourceResult(NamedTuple):
    """A data source, and how its role compares with the one that the program creates for it."""

    data_source: DataSource
    connector: str
    """Blank if it is unknown."""
    role_arn: str
    """Blank without a role."""
    state: State
    text: str
    """The state in a few words."""
    remarks: tuple[str, ...] = ()


class RoleResult(NamedTuple):
    """A role, and how it compares with what its data sources need."""

    arn: str
    state: State
    text: str
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name, without the path."""
        return self.arn.rpartition("/")[2]

    @property
    def has_details(self) -> bool:
        """Whether there is more to say than the text."""
        return bool(self.findings or self.remarks)


class Survey(NamedTuple):
    """All that was found."""

    account: str
    region: str
    caller: str
    """ARN of the credentials."""
    date: datetime
    data_sources: tuple[DataSourceResult, ...]
    roles: tuple[RoleResult, ...]
    """In the order of the data sources."""
    skipped: tuple[str, ...]
    """What could not be listed, and why."""
    denied: tuple[str, ...]
    """The actions that were not allowed."""

    @property
    def total(self) -> str:
        """The number of data sources and roles."""
        data_sources, roles = len(self.data_sources), len(self.roles)
        return (
            f"{data_sources} data source{'s' * (data_sources != 1)} under "
            f"{roles} role{'s' * (roles != 1)}"
        )

    def users(self) -> dict[str, list[DataSourceResult]]:
        """Return the data sources by the ARN of their role."""
        found: dict[str, list[DataSourceResult]] = {}
        for result in self.data_sources:
            found.setdefault(result.role_arn, []).append(result)
        return found

    def by_index(self) -> list[list[DataSourceResult]]:
        """Return the data sources of each index, in the order in which they were found."""
        groups = groupby(self.data_sources, lambda result: result.data_source[:4])
        return [list(results) for _, results in groups]

    def counts(self) -> dict[State, int]:
        """Return the number of data sources in each state."""
        states = [result.state for result in self.data_sources]
        return {state: states.count(state) for state in State}


class _Needs(NamedTuple):
    """What the program writes for one data source, and the role that the data source has."""

    role: Role
    program: tuple[Statement, ...]
    optional: tuple[Statement, ...]
    """What `allowNetworkInterfaceDeletion` adds: only the role tells whether it is set."""


class _Remarks(Notes):
    """The warnings about one data source, which are shown with it."""

    def __init__(self) -> None:
        super().__init__(VERB)
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        self.texts.append(text)


def survey(account: Account, notes: Notes) -> Survey:
    """Read and compare everything.

    What AWS does not find or not allow is part of the result. Errors that concern every call are raised.
    """
    caller = account.caller()
    skipped: list[str] = []
    listed = [*_data_sources(account, notes, skipped)]
    users: dict[str, list[tuple[DataSourceResult, _Needs | None]]] = {}
    for number, data_source in enumerate(listed, start=1):
        result, needs = _read(account, data_source)
        users.setdefault(result.role_arn, []).append((result, needs))
        notes.progress("data sources", number, len(listed))
    results: dict[DataSource, DataSourceResult] = {}
    roles: list[RoleResult] = []
    for role_arn, readings in users.items():
        role, compared = _compare(role_arn, readings)
        results |= {result.data_source: result for result in compared}
        roles += [role] if role_arn else []
    return Survey(
        caller["Account"],
        account.region,
        caller["Arn"],
        datetime.now(UTC),
        tuple(results[data_source] for data_source in listed),
        tuple(roles),
        tuple(skipped),
        tuple(account.denied),
    )


def _data_sources(account: Account, notes: Notes, skipped: list[str]) -> Iterator[DataSource]:
    """Find the data sources of all applications; add to `skipped` those that cannot be listed."""
    try:
        applications = account.applications()
    except InputError as error:
        notes(str(error))
        return
    if len(applications) > 1:
        notes(f"looking through {len(applications)} applications")
    for identifier, name in applications.items():
        try:
            for data_source in account.data_sources(identifier):
                yield data_source._replace(application_name=name)
        except ClientError as error:
            skipped.append(f"application {f'{name} {identifier}'.strip()}: {_explain(error)}")


def _explain(error: ClientError) -> str:
    """Say why one resource could not be read; raise an error that concerns every call."""
    if is_bad_credentials(error) or is_throttled(error):
        raise error
    if is_denied(error):
        return f"{action(error.operation_name)} is not allowed"
    return explain(error, VERB)


def _read(account: Account, data_source: DataSource) -> tuple[DataSourceResult, _Needs | None]:
    """Read what a data source uses; it has a result already if its role cannot be compared."""
    remarks = _Remarks()
    result = DataSourceResult(data_source, "", "", State.INVALID, "")
    needs = None
    text = ""
    try:
        found = account.data_source(data_source)
        result = result._replace(role_arn=found.get("roleArn", ""))
        uses = find_uses(found)
        if connectors_of(uses.type):
            result = result._replace(connector=find_connector(uses).name)
            connection = read_connection(account, data_source, remarks)
            if connection.role.arn == result.role_arn:
                needs = _needs(connection)
            else:
                text = "role does not exist"
                remarks.warn(f"the role of this name is {connection.role.arn}")
        else:
            result = result._replace(state=State.UNKNOWN if result.role_arn else State.NO_ROLE)
    except (InputError, ParamValidationError) as error:
        remarks.warn(" ".join(str(error).split()))
    except SettingsError as error:
        for problem in error.problems:
            remarks.warn(f"{problem.name}: {problem.message}; expected {problem.expected}")
    except ClientError as error:
        said = _explain(error)
        if is_gone(error):
            text = f"{_NOUNS.get(error.operation_name, 'policy')} does not exist"
        else:
            result = result._replace(state=State.SKIPPED)
            remarks.warn(said)
    return result._replace(text=text or result.state, remarks=tuple(remarks.texts)), needs


def _needs(connection: Connection) -> _Needs:
    """Render what the program writes; raises SettingsError if it would refuse."""
    *documents, _ = connection.render()
    program = tuple(program_statements(*map(str, documents)))
    if not connection.vpc_configuration:
        return _Needs(connection.role, program, ())
    *documents, _ = connection.render(allow_network_interface_deletion=True)
    more = program_statements(*map(str, documents))
    return _Needs(
        connection.role, program, tuple(statement for statement in more if statement not in program)
    )


def _compare(
    role_arn: str, readings: Sequence[tuple[DataSourceResult, _Needs | None]]
) -> tuple[RoleResult, list[DataSourceResult]]:
    """Compare a role with what the program writes for its data sources."""
    compared = [(result, needs) for result, needs in readings if needs]
    others = [result for result, needs in readings if not needs]
    if not compared:
        return RoleResult(role_arn, others[0].state, others[0].text), others
    role = compared[0][1].role
    findings = tuple(_findings(compared, role_statements(role)))
    remarks: list[str] = []
    if others:
        names = ", ".join(other.data_source.id for other in others)
        remarks.append(
            f"also used by {names}, which could not be compared: what is in excess may be needed there"
        )
    if role.denied:
        remarks.append(f"{role.denied} is not allowed: the policies that it reads were not compared")
    results: list[DataSourceResult] = []
    for result, _ in compared:
        own = [
            finding
            for finding in findings
            if finding.kind is not Kind.MISSING or result.data_source in finding.data_sources
        ]
        state, text = _judge(own, role)
        results.append(result._replace(state=state, text=text))
    state, text = _judge(findings, role)
    return RoleResult(role_arn, state, text, findings, tuple(remarks)), [*others, *results]


def _findings(
    compared: Sequence[tuple[DataSourceResult, _Needs]], actual: Sequence[Statement]
) -> Iterator[Finding]:
    """Compare the statements of a role with those that the program writes for its data sources."""
    possible = dict.fromkeys(
        statement for _, needs in compared for statement in (*needs.program, *needs.optional)
    )
    verdicts = dict(zip(possible, compare([*possible], actual).program, strict=True))
    covered = {statement for statement, verdict in verdicts.items() if verdict.verdict == "covered"}
    program: dict[Statement, list[DataSource]] = {}
    for result, needs in compared:
        for statement in (*needs.program, *(covered & {*needs.optional})):
            program.setdefault(statement, []).append(result.data_source)
    for verdict in compare([*program], actual).role:
        if verdict.verdict in (Kind.EXCESS, Kind.DENIES):
            yield Finding(Kind(verdict.verdict), verdict.policy, verdict.statement, verdict.access)
    for statement, data_sources in program.items():
        named = (statement.policy, statement.name)
        if statement not in covered:
            yield Finding(Kind.MISSING, *named, verdicts[statement].access, tuple(data_sources))
        elif len(data_sources) < len(compared):
            access = Access(statement.actions.values, statement.targets.values, condition=False)
            yield Finding(Kind.SHARED, *named, (access,), tuple(data_sources))


def _judge(findings: Sequence[Finding], role: Role) -> tuple[State, str]:
    """Return the state that follows from findings, and their number."""
    kinds = [finding.kind for finding in findings]
    text = ", ".join(f"{kinds.count(kind)} {LABELS[kind]}" for kind in LABELS if kind in kinds)
    # What is missing may be in a policy that could not be read.
    if {*kinds} - {Kind.MISSING} or (kinds and role.complete):
        return State.DIFFERENT, text
    if role.complete:
        return State.EQUIVALENT, State.EQUIVALENT
    return State.SKIPPED, f"{text}{', ' * bool(text)}not completely compared"
