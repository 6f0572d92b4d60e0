"""Read the role and the resources that `check` asks about."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, TypeVar

from botocore.exceptions import ClientError

from components.commands import property_path, quote_argument
from components.rules import Location
from components.stack_config import camel_case
from guardrails.iam.patterns import Text
from roles.account import Account, DataSource, Reply, Role
from roles.arns import Arn
from roles.errors import UNREACHABLE, OddAnswerError, is_denied, is_gone
from roles.findings import Finding, ok, skipped
from roles.output import Notes
from roles.reading import read_each
from roles.stack import RoleSettings, check_account, render

_T = TypeVar("_T")

NO_APPLICATION: Final = skipped("the application was not found")
NO_ROLE: Final = skipped("the role was not found")
NO_VPC: Final = ok("the settings have no VPC")
"""Answers to questions about a resource that does not exist or is not in the settings."""


class MissingError(Exception):
    """Raised when a question needs a resource that does not exist; contains the answer."""

    def __init__(self, answer: Finding) -> None:
        """Store the answer."""
        super().__init__(answer.text)
        self.answer = answer


def needed(value: _T | None, without: Finding) -> _T:
    """Return a value; if there is none, raise MissingError with the answer to the question."""
    if not value:
        raise MissingError(without)
    return value


class Subject:
    """A role and the resources in its settings.

    If a resource that a question needs does not exist, properties such as `role` and `secret` raise
    MissingError, which contains the answer. The methods `find_...` return None instead.
    """

    def __init__(
        self,
        settings: RoleSettings,
        account: Account,
        notes: Notes,
        stated_context: Mapping[str, Sequence[str]],
        entries: Sequence["Subject"],
    ) -> None:
        """Identify the caller and render the policies. A stack's roles share one `account`.

        By the time the first question is asked, `entries` contains a Subject for each of the stack's
        roles.

        Raises InputError for another account's credentials, and SettingsError for settings that the
        program rejects.
        """
        self.settings = settings
        self.notes = notes
        self.entries = entries
        self.stated_context = {
            key.lower(): tuple(map(Text, values)) for key, values in stated_context.items()
        }
        self.time = datetime.now(UTC)
        self.account, self.region = account, account.region
        caller = self.account.caller()
        self.caller, self.account_id = Arn.of(caller["Arn"]), caller["Account"]
        check_account(settings.stack, settings.accounts, self.account_id)
        self.partition = self.caller.partition
        self.policies = render(settings, Location(self.partition, self.region, self.account_id))

    @property
    def up_command(self) -> str:
        """The command that deploys the stack.

        With `refresh: always` in Pulumi.yaml, as in this project, the command also corrects drift. For a
        role outside any stack, this is advice to update the role's policies.
        """
        if not self.settings.stack:
            return "give the role the policies that `check --json` prints as trustPolicy and rolePolicy"
        return f"pulumi up --stack {quote_argument(self.settings.stack)}"

    def set_command(self, name: str, value: str | None, *members: str | int) -> str:
        """Return the commands that change a setting, or a member of it, and deploy the stack.

        A value of None removes the setting or member. For a role outside any stack, return advice.
        """
        if not self.settings.stack:
            if name == "permissions_boundary_arn":
                return f"change the role's permissions boundary to {value}"
            if name == "kms_key_id":  # the data source does not contain the key
                change = f"set the key to {value}" if value else "remove kms:Decrypt"
                return f"in the role policy, {change}"
            path = (camel_case(each) if isinstance(each, str) else each for each in (name, *members))
            setting = property_path(tuple(path))
            change = f"change {setting} to {value}" if value else f"remove {setting}"
            return f"{change} in the data source and in its role's policies"
        command = self.settings.command(name, value, *members)
        return f"{command}{' &&' if command.startswith('pulumi') else ', then'} {self.up_command}"

    def edit(self, name: str, value: str) -> str:
        """Return the edit to the stack's configuration that changes a setting for this role alone."""
        file = f"Pulumi.{self.settings.stack.rpartition('/')[2]}.yaml"
        return f"in {file}, set {self.settings.own_path(name)} to {value}, then {self.up_command}"

    @property
    def application_id(self) -> str:
        """The ID of the application."""
        return Arn.of(self.policies.application_arn).name

    @property
    def index_options(self) -> dict[str, str]:
        """The options of an AWS CLI command that identify the index."""
        return {"application_id": self.application_id, "index_id": self.index_id}

    @property
    def index_id(self) -> str:
        """The ID of the index."""
        return str(self.settings.get("index_id"))

    @property
    def application(self) -> Reply:
        """The application."""
        return needed(self.find_application(), NO_APPLICATION)

    def find_application(self) -> Reply | None:
        """Return the application; None if it does not exist."""
        return ignore(is_gone, lambda: self.account.application(self.application_id))

    def find_index(self) -> Reply | None:
        """Return the index; None if it does not exist in the application."""
        return ignore(is_gone, lambda: self.account.index(self.application_id, self.index_id))

    @cached_property
    def secret_arn(self) -> str | None:
        """The ARN of the secret in the policy; None if there is no secret."""
        return self.policies.resource("secretsmanager:GetSecretValue")

    @cached_property
    def network(self) -> set[str]:
        """The IDs of the subnets and security groups in the policy."""
        return {Arn.of(arn).name for arn in self.policies.resources("ec2:CreateNetworkInterface")}

    @property
    def key_arn(self) -> str | None:
        """The ARN of the customer managed key in the policy; None if there is none."""
        return self.policies.resource("kms:Decrypt")

    @property
    def role_arn(self) -> str:
        """The ARN of the role, which may have been deleted."""
        return needed(self.settings.role_arn, NO_ROLE)

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return needed(self.settings.get("bucket_name"), ok("the settings have no bucket"))

    @property
    def bucket_owner(self) -> str:
        """The account that owns the bucket, according to the settings."""
        return self.settings.get("bucket_account_id") or self.account_id

    @property
    def secret(self) -> Reply:
        """The secret in the policy."""
        return needed(self.find_secret(), skipped("the secret was not found"))

    def find_secret(self) -> Reply | None:
        """Return the secret with exactly the ARN in the policy; None if it does not exist.

        AWS also finds a secret by an ARN without the suffix, which the policy would not match.
        """
        arn = self.secret_arn
        found = ignore(is_gone, lambda: self.account.secret(arn)) if arn else None
        return found if found and found["ARN"] == arn else None

    @property
    def recreated_secret(self) -> str | None:
        """The ARN of the secret with the same name as the one in the policy, but a different suffix.

        None if there is no such secret, or it cannot be read.
        """
        name = str(self.secret_arn).rpartition("-")[0]
        found = ignore(is_denied, lambda: ignore(is_gone, lambda: self.account.secret(name)))
        arn = found["ARN"] if found else ""
        return arn if arn.startswith(f"{name}-") and arn != self.secret_arn else None

    @property
    def secret_tags(self) -> list[tuple[str, str]] | None:
        """Keys and values of the secret's tags; None if they cannot be read."""
        secret = ignore(is_denied, self.find_secret)
        if secret is None:
            return None
        return [(tag["Key"], tag.get("Value", "")) for tag in secret.get("Tags", [])]

    @property
    def key(self) -> Reply:
        """The key in the policy."""
        return needed(self.find_key(), skipped("the key was not found"))

    def find_key(self) -> Reply | None:
        """Return the key in the policy; None if it does not exist.

        Raises MissingError if the policy names no key.
        """
        arn = needed(self.key_arn, ok("the settings have no customer managed key"))
        return ignore(is_gone, lambda: self.account.key(arn))

    @property
    def role(self) -> Role:
        """The deployed role."""
        return needed(self.find_role(), NO_ROLE)

    def find_role(self) -> Role | None:
        """Return the deployed role; None if it is not deployed yet or was deleted.

        IAM looks up roles without their path, so the ARN must match too.
        """
        arn = self.settings.role_arn
        found = ignore(is_gone, lambda: self.account.role(Arn.of(arn).name)) if arn else None
        return found if found and found.arn == arn else None

    @property
    def organization(self) -> str | None:
        """The ID of the account's organization; empty if there is none, None if it cannot be read."""
        try:
            return ignore(is_denied, self.account.organization)
        except UNREACHABLE:
            return None

    @property
    def data_sources(self) -> list[tuple[DataSource, Reply | OddAnswerError]]:
        """The data sources that use the role, or whose role could not be read."""
        every, role_arn = self.every_data_source, self.settings.role_arn
        if role_arn is None:
            return []
        return [
            (source, found)
            for source, found in every
            if isinstance(found, OddAnswerError) or found.get("roleArn") == role_arn
        ]

    @cached_property
    def every_data_source(self) -> list[tuple[DataSource, Reply | OddAnswerError]]:
        """All data sources of the application, with their details or the error from reading them."""
        needed(self.find_application(), NO_APPLICATION)
        listed = [*self.account.data_sources(self.application_id)]

        def read(source: DataSource) -> tuple[DataSource, Reply | OddAnswerError]:
            try:
                return source, self.account.data_source(source)
            except OddAnswerError as error:
                return source, error

        return read_each(read, listed, self.notes, "data sources")


def ignore(is_expected: Callable[[ClientError], bool], read: Callable[[], _T]) -> _T | None:
    """Return the result of a call; None after an error that `is_expected` accepts."""
    try:
        return read()
    except ClientError as error:
        if not is_expected(error):
            raise
        return None
