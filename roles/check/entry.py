"""Represent a role's settings, the policies that it should have, and commands to change settings."""

from collections.abc import Sequence
from functools import cached_property

from components.commands import quote_argument, show_path
from components.role import Location
from components.stack_config import camel_case
from roles.arns import Arn
from roles.detection import Uses
from roles.policies import Policies, Secret
from roles.stack import RoleSettings, check_account, render


class Entry:
    """A role, as its settings declare it: a stack's role, or a data source's role outside any stack."""

    def __init__(self, settings: RoleSettings, caller: Arn, region: str) -> None:
        """Render the policies for the caller's account.

        Raises InputError for another account's credentials, and SettingsError for settings that the
        program rejects.
        """
        self.settings = settings
        self.region = region
        self.partition, self.account_id = caller.partition, caller.account
        check_account(settings.stack, settings.accounts, self.account_id)
        self.policies = render(settings, Location(self.partition, region, self.account_id))

    @property
    def name(self) -> str:
        """The component's name: the entry in `dataSources`, if any."""
        return self.settings.component

    @property
    def up_command(self) -> str:
        """The command that deploys the stack.

        With `refresh: always` in Pulumi.yaml, as in this project, the command also corrects drift. For a
        role outside any stack, this is advice to update the role's policies.
        """
        if not self.settings.stack:
            return (
                "give the role the policies that this command prints with --json, as trustPolicy and "
                "rolePolicy"
            )
        return f"pulumi up --stack {quote_argument(self.settings.stack)}"

    def set_command(self, name: str, value: str | None, *keys: str | int) -> str:
        """Return the steps that change a setting, or its entry at `keys`, and deploy the stack.

        A value of None removes the setting or entry. For a role outside any stack, return advice.
        """
        if not self.settings.stack:
            if name == "kms_key_id":  # the data source does not contain the key
                change = f"set the key to {value}" if value else "remove kms:Decrypt"
                return f"in the role policy, {change}"
            path = (camel_case(each) if isinstance(each, str) else each for each in (name, *keys))
            setting = show_path(tuple(path))
            change = f"change {setting} to {value}" if value else f"remove {setting}"
            return f"{change} in the data source and in its role's policies"
        command = self.settings.command(name, value, *keys)
        return f"{command}{' &&' if command.startswith('pulumi') else ', then'} {self.up_command}"

    def edit(self, name: str, value: str) -> str:
        """Return the steps to change a setting for this role alone: edit the stack's file and deploy."""
        file = f"Pulumi.{self.settings.stack.rpartition('/')[2]}.yaml"
        return f"in {file}, set {self.settings.own_path(name)} to {value}, then {self.up_command}"

    @property
    def application_id(self) -> str:
        """The ID of the application."""
        return Arn.of(self.policies.application_arn).name

    @property
    def index_id(self) -> str:
        """The ID of the index."""
        return str(self.settings.get("index_id"))

    @property
    def index_options(self) -> dict[str, str]:
        """The options of an AWS CLI command that identify the index."""
        return {"application_id": self.application_id, "index_id": self.index_id}

    @cached_property
    def secret_arn(self) -> str | None:
        """The ARN of the secret in the role policy; None if there is no secret."""
        return self.policies.resource("secretsmanager:GetSecretValue")

    @property
    def key_arn(self) -> str | None:
        """The ARN of the customer managed key in the role policy; None if there is none."""
        return self.policies.resource("kms:Decrypt")

    @cached_property
    def uses(self) -> Uses:
        """The connector and resources in the settings, to compare with those of a data source."""
        network = [*map(Arn.of, self.policies.resources("ec2:CreateNetworkInterface"))]
        kinds = {"subnetIds": "subnet/", "securityGroupIds": "security-group/"}
        return Uses(
            type="",
            connectors=(self.settings.connector,),
            secret_ids=tuple(filter(None, [self.secret_arn])),
            buckets=tuple(filter(None, [self.bucket_name])),
            bucket_account=self.bucket_owner,
            vpc={
                name: [each.name for each in network if each.resource.startswith(kind)]
                for name, kind in kinds.items()
            },
        )

    @property
    def bucket_name(self) -> str | None:
        """The name of the bucket; None if there is none."""
        return self.settings.get("bucket_name")

    @property
    def bucket_owner(self) -> str | None:
        """The bucket's account in the settings, by default the role's account; None if it is unknown."""
        if not self.settings.bucket_account_is_known:
            return None
        return self.settings.get("bucket_account_id") or self.account_id

    @property
    def other_secrets(self) -> Sequence[Secret]:
        """The secrets that the role's data sources use, but no setting contains.

        Empty unless a subclass asks AWS.
        """
        return ()

    @property
    def needed_policies(self) -> Policies:
        """The program's policies for the role, and a separate policy for each of `other_secrets`."""
        return self.policies._replace(other_secrets=(*self.other_secrets,))
