"""Read the role and the resources that `check` asks about."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from roles.account import Account, DataSource, Reply, Role, is_alias
from roles.arns import Arn
from roles.check.differences import shared_secrets
from roles.check.entry import Entry
from roles.concurrency import read_each
from roles.detection import Uses, find_uses
from roles.errors import OddAnswerError, is_denied, is_gone
from roles.findings import Finding, ok, skipped
from roles.output import Notes
from roles.policies import Secret
from roles.stack import RoleSettings

_T = TypeVar("_T")

NO_APPLICATION: Final = skipped("the application was not found")
NO_ROLE: Final = skipped("the role was not found")
NO_VPC: Final = ok("the settings have no VPC")
"""Answers to questions about a resource that does not exist or is not in the settings."""


class MissingError(Exception):
    """Raised if a question needs a resource that does not exist or is not set; contains the answer."""

    def __init__(self, answer: Finding) -> None:
        """Store the answer."""
        super().__init__(answer.text)
        self.answer = answer


def needed(value: _T | None, without: Finding) -> _T:
    """Return a value; if it is None or empty, raise MissingError with the answer `without`."""
    if not value:
        raise MissingError(without)
    return value


class Subject(Entry):
    """A role, and AWS's answers about it and about the resources in its settings.

    If a resource that a question needs does not exist, properties and methods such as `role` and
    `secret` raise MissingError, which contains the answer. The methods `find_...` return None instead.
    """

    def __init__(self, settings: RoleSettings, account: Account, notes: Notes) -> None:
        """Identify the caller and render the policies. A stack's roles share one `account`.

        Raises InputError for another account's credentials, and SettingsError for settings that the
        program rejects.
        """
        self.account, self.notes = account, notes
        self.caller = Arn.of(account.caller()["Arn"])
        super().__init__(settings, self.caller, account.region)
        self._every_data_source: list[tuple[DataSource, Reply | OddAnswerError]] | None = None
        self._other_secrets: list[Secret] | None = None

    @property
    def application(self) -> Reply:
        """The application's details."""
        return needed(self.find_application(), NO_APPLICATION)

    def find_application(self) -> Reply | None:
        """Return the application's details; None if it does not exist."""
        return ignore(is_gone, lambda: self.account.application(self.application_id))

    def find_index(self) -> Reply | None:
        """Return the index's details; None if it does not exist in the application."""
        return ignore(is_gone, lambda: self.account.index(self.application_id, self.index_id))

    @property
    def role_arn(self) -> str:
        """The ARN of the role, which may have been deleted."""
        return needed(self.settings.role_arn, NO_ROLE)

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return needed(self.bucket_name, ok("the settings have no bucket"))

    @property
    def secrets(self) -> list[Secret]:
        """The secrets that the role must read: the one in the settings, then `other_secrets`."""
        own = [Secret(self.secret_arn, self.key_arn)] if self.secret_arn else []
        return [*own, *self.other_secrets]

    @property
    def key_arns(self) -> list[str]:
        """The ARNs of the customer managed keys that the role must use."""
        keys = (self.key_arn, *(each.key_arn for each in self.other_secrets))
        return [*dict.fromkeys(filter(None, keys))]

    def secret(self, arn: str) -> Reply:
        """Return a secret's metadata."""
        return needed(self.find_secret(arn), skipped("the secret was not found"))

    def find_secret(self, arn: str) -> Reply | None:
        """Return the metadata of the secret with exactly this ARN; None if it does not exist.

        AWS also finds a secret by an ARN without the suffix, but a policy with such an ARN would not
        match the secret.
        """
        found = ignore(is_gone, lambda: self.account.secret(arn))
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
    def secret_tags(self) -> dict[str, list[tuple[str, str]]]:
        """The keys and values of each existing secret's tags, by the secret's ARN."""
        found = (self.find_secret(each.arn) for each in self.secrets)
        return {
            secret["ARN"]: [(tag["Key"], tag.get("Value", "")) for tag in secret.get("Tags", [])]
            for secret in filter(None, found)
        }

    @property
    def other_secret_ids(self) -> list[str]:
        """The ARNs or names of secrets that the role's data sources use, but no setting contains.

        If none of a data source's secrets is in the settings, its first secret is left out, because it
        counts as the one that belongs in the settings.
        """
        found: dict[str, None] = {}
        for _, uses in self.used_by_data_sources:
            used = shared_secrets(self.uses, uses, self.account_id) or uses.secret_ids[:1]
            found |= dict.fromkeys(each for each in uses.secret_ids if each not in used)
        return [*found]

    @property
    def used_by_data_sources(self) -> list[tuple[DataSource, Uses]]:
        """The data sources that use the role, with the resources that they use.

        Data sources that cannot be read are left out; the question "data source" reports them. For a
        role outside any stack, only the data source whose settings were read is included.
        """
        try:
            sources = self.data_sources
        except (MissingError, BotoCoreError, ClientError):
            return []
        own = self.settings.data_source_id
        found: list[tuple[DataSource, Uses]] = []
        for source, reply in sources:
            if not isinstance(reply, OddAnswerError) and own in (None, source.id):
                with suppress(OddAnswerError):
                    found.append((source, find_uses(reply)))
        return found

    @property
    def other_secrets(self) -> list[Secret]:
        """The secrets in `other_secret_ids` whose ARNs are known, except any that do not exist."""
        if self._other_secrets is None:
            self._other_secrets = [*filter(None, map(self._other_secret, self.other_secret_ids))]
        return self._other_secrets

    def _other_secret(self, secret_id: str) -> Secret | None:
        try:
            secret = self.account.secret(secret_id)
        except (BotoCoreError, ClientError) as error:
            # The question "secret" reports the error. A secret that cannot be read may exist.
            is_missing = isinstance(error, ClientError) and is_gone(error)
            return None if is_missing or not secret_id.startswith("arn:") else Secret(secret_id, None)
        key_id = secret.get("KmsKeyId")
        try:
            key_arn = self.account.customer_managed_key(key_id)
        except (BotoCoreError, ClientError):
            key_arn = None if is_alias(str(key_id)) else key_id  # "encryption" reports the error
        return Secret(secret["ARN"], key_arn)

    def key(self, arn: str) -> Reply:
        """Return a key's metadata."""
        return needed(self.find_key(arn), skipped("the key was not found"))

    def find_key(self, arn: str) -> Reply | None:
        """Return a key's metadata; None if it does not exist."""
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
    def data_sources(self) -> list[tuple[DataSource, Reply | OddAnswerError]]:
        """The data sources that use the role or cannot be read, each with its details or the error."""
        every, role_arn = self.every_data_source, self.settings.role_arn
        if role_arn is None:
            return []
        return [
            (source, found)
            for source, found in every
            if isinstance(found, OddAnswerError) or found.get("roleArn") == role_arn
        ]

    @property
    def every_data_source(self) -> list[tuple[DataSource, Reply | OddAnswerError]]:
        """All data sources of the application, each with its details or the error from reading it."""
        if self._every_data_source is not None:
            return self._every_data_source
        needed(self.find_application(), NO_APPLICATION)
        listed = [*self.account.data_sources(self.application_id)]

        def read(source: DataSource) -> tuple[DataSource, Reply | OddAnswerError]:
            try:
                return source, self.account.data_source(source)
            except OddAnswerError as error:
                return source, error

        self._every_data_source = read_each(read, listed, self.notes, "data sources")
        return self._every_data_source


def ignore(is_expected: Callable[[ClientError], bool], read: Callable[[], _T]) -> _T | None:
    """Return the result of a call; None after an error that `is_expected` accepts."""
    try:
        return read()
    except ClientError as error:
        if not is_expected(error):
            raise
        return None
