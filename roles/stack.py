"""Read a stack's settings and outputs, and render its policies.

The Pulumi CLI does the reading, so every backend, secrets provider, and Pulumi ESC environment works.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

import pulumi
from pulumi.runtime import Settings, configure, set_all_config

from components.configuration import DATA_SOURCES, REGION_KEY, config_key, has_data_sources, read_roles
from components.connectors import Connector, find_connector
from components.formats import ROLE_NAME_SUFFIX, Location
from components.problems import HIDDEN, Place, Source, camel_case, show_path
from components.rules import render as render_documents
from components.settings import SETTINGS
from roles.arns import Arn
from roles.commands import change_command, quote_argument
from roles.errors import InputError
from roles.policies import Policies
from roles.project import COMPONENT, project_name, run_pulumi

_PROVIDERS: Final = ("aws", "aws-native", "pulumi")
"""Configuration namespaces that do not belong to a project."""
_OTHER_PROJECT: Final = (
    "run the command in that project's directory, or pass one of this project's stacks with --stack; "
    "`pulumi stack ls` lists them"
)


class RoleSettings(NamedTuple):
    """A role and its settings, from a stack or a data source."""

    stack: str
    component: str
    """The name of the component that declares the role, and its key in `dataSources`, if any."""
    settings: Mapping[str, Any]
    """The plain values, by their names in the component, such as `index_id`."""
    role_arn: str | None
    """None until the stack is deployed."""
    data_source_id: str | None = None
    """The data source whose settings were read, if the role is outside any stack; otherwise, None."""
    places: Mapping[str, Place] = MappingProxyType({})
    """The places of the settings in the stack's configuration, by their names."""
    bucket_account_is_known: bool = True
    """False only if neither the data source's configuration nor Amazon S3 says who owns the bucket."""

    def get(self, name: str) -> Any:
        """Return a setting by its name in the component, such as `index_id`; None if empty or unset."""
        return self.settings.get(name) or None

    @property
    def region(self) -> str | None:
        """The application's Region."""
        return self.get("region")

    @property
    def connector(self) -> Connector:
        """The connector that the role is for."""
        return find_connector(self.settings.get("connector"))

    @property
    def accounts(self) -> Iterator[str]:
        """The accounts in the role's ARN and in the settings; an unknown account is an empty string."""
        yield Arn.of(self.role_arn or "").account
        yield Arn.of(str(self.get("application_id"))).account or self.get("account_id") or ""

    @property
    def role_name(self) -> str:
        """The name of the role; before the stack is deployed, a name that the role may get."""
        if self.role_arn:
            return Arn.of(self.role_arn).name
        return self.get("role_name") or f"{self.component}{ROLE_NAME_SUFFIX}"

    def command(self, name: str, value: str | None, *keys: str | int) -> str:
        """Return the command that sets a setting, or its entry at `keys`; None as the value removes it.

        If no command can do this, return the instruction to edit the stack's file.
        """
        place = self.places[name]
        for key in keys:
            place = place.part(camel_case(key) if isinstance(key, str) else key)
        return change_command(place, value)

    def own_path(self, name: str) -> str:
        """Return the path that sets a setting only for this role, even if the stack has a default."""
        *entry, _ = self.places["secret_id"].path  # secretId is never a stack's default
        return show_path((*entry, camel_case(name)))


class Stack(NamedTuple):
    """A stack's roles and their settings."""

    roles: Sequence[RoleSettings]
    has_data_sources: bool
    """Whether each role's settings are in an entry of `dataSources`."""


class DeployedRoles(NamedTuple):
    """The roles in a stack's outputs."""

    stack: str
    region: str | None
    """The applications' Region; None if it is not set."""
    arns: Mapping[str, str]
    """The roles' ARNs by component, as in `RoleSettings`."""


def read_stack(name: str, *, show_secrets: bool) -> Stack:
    """Read a stack of the project in the current directory.

    Unless `show_secrets` is true, raises InputError if a setting or a role's ARN is secret. Also raises
    InputError if the stack belongs to another project, or Pulumi cannot read it, for example because
    its secrets cannot be decrypted; and SettingsError if the program rejects a setting. Replaces
    Pulumi's configuration in this process with the stack's configuration.
    """
    project = project_name()
    config = _read_config(name, project, show_secrets=show_secrets)
    arns = _read_role_arns(name, show_secrets=show_secrets)
    if not show_secrets:
        keys = {setting: config_key(setting, f"{project}:") for setting in SETTINGS}
        secrets = [setting for setting, key in keys.items() if key in config and config[key].secret]
        _check_plain(name, secrets, role_is_secret=HIDDEN in arns.values())
    entries = config.get(f"{project}:{DATA_SOURCES}")
    if entries and entries.secret and not entries.value:
        # The program rejects secret `dataSources`, with a message that contains no value.
        config = _read_config(name, project, show_secrets=True)
    # The program reads its settings from these globals of Pulumi.
    configure(Settings(project, name))
    set_all_config(
        {key: entry.value for key, entry in config.items()},
        [key for key, entry in config.items() if entry.secret],
    )
    project_config = pulumi.Config(project)
    has_entries = has_data_sources(project_config)
    declared, _ = read_roles(project_config, owns_stack=False, only=None if has_entries else COMPONENT)
    roles = [
        RoleSettings(
            name,
            role.name,
            {setting: value.given for setting, value in role.values.items()},
            arns.get(role.name),
            places={setting: value.place for setting, value in role.values.items()},
        )
        for role in declared
    ]
    return Stack(roles, has_entries)


def read_deployed_roles(name: str) -> DeployedRoles:
    """Read the roles of a stack of the project in the current directory.

    Of the settings, only the Region is read, so an invalid or a secret setting does not matter. Raises
    InputError if the stack belongs to another project or Pulumi cannot read it.
    """
    project = project_name()
    config = _read_config(name, project, show_secrets=False)
    if REGION_KEY in config and config[REGION_KEY].secret:
        config = _read_config(name, project, show_secrets=True)
    arns = _read_role_arns(name, show_secrets=False)
    if HIDDEN in arns.values():
        arns = _read_role_arns(name, show_secrets=True)
    return DeployedRoles(name, config[REGION_KEY].value if REGION_KEY in config else None, arns)


class _ConfigValue(NamedTuple):
    value: str
    """Empty if it is secret and was read without `show_secrets`."""
    secret: bool


def _read_config(name: str, project: str, *, show_secrets: bool) -> dict[str, _ConfigValue]:
    """Return a stack's configuration by key.

    Raises InputError if the stack belongs to another project or Pulumi cannot read it.
    """
    _check_project(name, project)
    config = {
        key: _ConfigValue(entry.get("value", ""), bool(entry.get("secret")))
        for key, entry in _query_pulumi(name, "config", show_secrets=show_secrets).items()
    }
    _check_namespace(name, project, config)
    return config


def _read_role_arns(name: str, *, show_secrets: bool) -> dict[str, str]:
    """Return the roles' ARNs in a stack's outputs, by component.

    Unless `show_secrets` is true, HIDDEN stands in for a secret ARN. After an update with
    --continue-on-error, an output can be a placeholder, which is left out.
    """
    outputs = _query_pulumi(name, "stack", "output", show_secrets=show_secrets)
    arns = outputs.get("roleArns", {COMPONENT: outputs.get("roleArn")})
    if not isinstance(arns, dict):  # all of them are secret
        arns = {COMPONENT: arns}
    found = {component: str(arn) for component, arn in cast("dict[str, object]", arns).items()}
    return {component: arn for component, arn in found.items() if arn.startswith(("arn:", HIDDEN))}


def _check_plain(name: str, secrets: Sequence[str], *, role_is_secret: bool) -> None:
    """Raise InputError if a setting or a role's ARN is secret.

    The error has the commands or edits that make these values plain.
    """
    if not (secrets or role_is_secret):
        return
    stack = quote_argument(name)
    lines: list[str] = []
    if secrets:
        lines.append(
            "Settings are names, IDs, and ARNs. They identify a secret or another resource, but contain "
            "no credentials, so they do not need to be secret. To make them plain:"
        )
        lines += [f"  {_make_plain(name, setting)}" for setting in secrets]
    if role_is_secret:
        lines.append(f"To make the role's ARN plain, run `pulumi up --stack {stack}`.")
    lines.append(
        "Or pass --show-secrets: then the output of check, and an issue that CI opens with it, show "
        "these values."
    )
    hidden = [*map(config_key, secrets), *(["the ARN of a role"] if role_is_secret else [])]
    raise InputError(
        f"stack {name} has secret values, which check would show: {', '.join(hidden)}", *lines
    )


def _make_plain(name: str, setting: str) -> str:
    """Return the command or edit that makes a secret setting plain; it does not contain the value."""
    stack, key = quote_argument(name), config_key(setting)
    get = f"pulumi config get --stack {stack} -- {key}"
    # The engine rejects the JSON text of an object or a list.
    if not isinstance(SETTINGS[setting].kind.blank, (str, bool)):
        file = f"Pulumi.{name.rpartition('/')[2]}.yaml"
        return f"in {file}, replace each `secure` entry of {key} with its value, which `{get}` prints"
    return f'pulumi config set --stack {stack} --plaintext -- {key} "$({get})"'  # the shell runs `get`


def _check_project(name: str, project: str) -> None:
    """Raise InputError if a stack's full name contains another project."""
    match name.split("/"):
        case [_, other, _] if other != project:
            raise InputError(
                f"stack {name} belongs to another project, {other}, but Pulumi.yaml in this directory "
                f"is for {project}: {_OTHER_PROJECT}"
            )
        case _:
            return


def _check_namespace(name: str, project: str, keys: Collection[str]) -> None:
    """Raise InputError if a stack has settings for other projects, but none for this project."""
    namespaces = {key.partition(":")[0] for key in keys}
    others = namespaces - {*_PROVIDERS, project}
    if others and project not in namespaces:
        raise InputError(
            f"stack {name} seems to belong to another project: its settings are for "
            f"{', '.join(sorted(others))}, but Pulumi.yaml in this directory is for {project}: "
            f"{_OTHER_PROJECT}"
        )


def check_account(stack: str, wanted: Iterable[str], account_id: str) -> None:
    """Raise InputError if an account in `wanted` is not `account_id`, the account of the credentials.

    Empty strings in `wanted` are ignored.
    """
    for account in wanted:
        if account and account != account_id:
            raise InputError(
                f"stack {stack} is in account {account}, but the credentials are for account "
                f"{account_id}: set AWS_PROFILE to a profile for the stack's account; `aws sts "
                "get-caller-identity` shows who you are"
            )


def render(settings: RoleSettings, credentials: Location) -> Policies:
    """Return the policies that the program would write; raise SettingsError for invalid settings."""
    given = {camel_case(name): value for name, value in settings.settings.items()}
    trust_policy, role_policy, _ = render_documents(
        settings.component, given, settings.role_name, credentials, Source.PACKAGE
    )
    return Policies(trust_policy, role_policy)


def _query_pulumi(stack: str, *command: str, show_secrets: bool) -> dict[str, Any]:
    """Run a read-only Pulumi command and return the JSON object that it prints.

    Raises InputError if Pulumi is not on PATH or the command fails.
    """
    options = ["--json", "--show-secrets"] if show_secrets else ["--json"]
    try:
        done = run_pulumi(*command, "--stack", stack, *options)
    except FileNotFoundError:
        raise InputError(
            "pulumi is not on PATH: install it (https://www.pulumi.com/docs/install/), or, in a "
            "clone of the program, run the command in the sandbox: "
            "venv/bin/python -m sandbox run -- COMMAND"
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.replace("error: ", "").split())
        raise InputError(
            f"`pulumi {' '.join(command)}` failed ({said}): `pulumi stack ls` lists this project's "
            "stacks, and `pulumi whoami -v` shows the backend"
        )
    return json.loads(done.stdout or "{}")
