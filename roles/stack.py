"""Read a stack's settings and outputs; render its policies.

The Pulumi CLI does the reading, so every backend, secrets provider, and Pulumi ESC environment works.
The values of secret settings are read, to ask AWS about their resources, but are hidden in the output,
except for the connector's name.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple, cast

import pulumi
from pulumi.runtime import Settings, configure, set_all_config

from components import data_sources, stack_config
from components.arguments import HIDDEN, Arguments
from components.commands import property_path
from components.connectors import CONNECTORS, DEFAULT, Connector
from components.formats import ROLE_NAME_SUFFIX
from components.rules import Location
from components.stack_config import camel_case
from components.validation import validate
from guardrails.iam.documents import listed
from roles.arns import Arn
from roles.errors import InputError
from roles.project import project_name, run_pulumi
from roles.requirements import COMPONENT
from roles.secrecy import Secrecy

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
    """The name of the component that declares the role: its entry in `dataSources`, if any."""
    args: Arguments
    secrecy: Secrecy
    role_arn: str | None
    """None until the stack is deployed."""
    data_source_id: str | None = None
    """The data source whose settings were read, if the role is outside any stack; otherwise, None."""

    def get(self, name: str) -> Any:
        """Return a setting by its name in the component, such as `index_id`; None if it is not set."""
        return self.args.get(name) or None

    @property
    def region(self) -> str | None:
        """The application's Region."""
        return self.get("region")

    @property
    def connector(self) -> Connector:
        """The connector that the role is for."""
        return CONNECTORS[self.get("connector") or DEFAULT]

    @property
    def application_account(self) -> str | None:
        """The account in the settings; None if they do not contain one."""
        return Arn.of(str(self.get("application_id"))).account or self.get("account_id")

    @property
    def role_name(self) -> str:
        """The name of the role; before the stack is deployed, a name that the role may get."""
        if self.role_arn:
            return Arn.of(self.role_arn).name
        return self.get("role_name") or f"{self.component}{ROLE_NAME_SUFFIX}"

    def command(self, name: str, value: str | None, *members: str | int) -> str:
        """Return the command that sets a setting or a member of it, or removes it if `value` is None."""
        paths = self.args.paths
        spelled = (paths[member][-1] if isinstance(member, str) else member for member in members)
        at = self.args.at(name).entry(*spelled)
        return at.remove() if value is None else at.set(value)

    def own_path(self, name: str) -> str:
        """Return the path that sets a setting only for this role, even if it has the stack's default."""
        *entry, _ = self.args.paths["secret_id"]  # never a default
        return property_path((*entry, camel_case(name)))


class Policies(NamedTuple):
    """The policies that the program would write, and the resources in them."""

    trust_policy: str
    role_policy: str

    def resources(self, action: str) -> list[str]:
        """Return the resources of the first statement for an action; empty if no statement allows it."""
        for statement in json.loads(self.role_policy)["Statement"]:
            if action in listed(statement["Action"]):
                return listed(statement["Resource"])
        return []

    def resource(self, action: str) -> str | None:
        """Return the first resource for an action; None if no statement allows it."""
        return next(iter(self.resources(action)), None)

    @property
    def application_arn(self) -> str:
        """ARN of the application."""
        (statement,) = json.loads(self.trust_policy)["Statement"]
        return statement["Condition"]["ArnEquals"]["aws:SourceArn"]


class Stack(NamedTuple):
    """A stack's roles."""

    roles: Sequence[RoleSettings]
    has_data_sources: bool
    """Whether each role's settings are in an entry of `dataSources`."""


def read_stack(name: str) -> Stack:
    """Read a stack of the project in the current directory.

    Raises InputError if the stack belongs to another project or Pulumi cannot read it, for example
    because its secrets cannot be decrypted; SettingsError if it has `dataSources` and the program
    rejects a setting.
    """
    project = project_name()
    _check_project(name, project)
    config = _pulumi(name, "config", show_secrets=True)
    _check_namespace(name, project, config)
    # The program reads its settings from these globals of Pulumi.
    configure(Settings(project, name))
    set_all_config(
        {key: entry.get("value", "") for key, entry in config.items()},
        [key for key, entry in config.items() if entry.get("secret")],
    )
    project_config = pulumi.Config(project)
    has_data_sources = data_sources.are_set(project_config)
    if has_data_sources:
        arguments = data_sources.read(project_config, refuse_unknown_keys=False).entries
    else:
        arguments = {COMPONENT: stack_config.read(project_config, refuse_unknown_keys=False)}

    def role_arns(*, show_secrets: bool = False) -> dict[str, str]:
        outputs = _pulumi(name, "stack", "output", show_secrets=show_secrets)
        if not has_data_sources:
            return {COMPONENT: str(outputs.get("roleArn"))}
        found = outputs.get("roleArns")
        if not isinstance(found, dict):
            return dict.fromkeys(arguments, str(found))
        return {member: str(arn) for member, arn in cast("dict[str, object]", found).items()}

    shown = arns = role_arns()
    if HIDDEN in shown.values():
        arns = role_arns(show_secrets=True)
    roles: list[RoleSettings] = []
    for component, args in arguments.items():
        secrets = {setting: args.get(setting) for setting in args.secrets}
        # A setting in the ARN may have been secret when the stack was deployed.
        role_is_secret = shown.get(component) == HIDDEN
        secrecy = Secrecy({"role_name": None, **secrets} if role_is_secret else secrets)
        arn = arns.get(component, "")
        roles.append(
            # After an update with --continue-on-error, an output can be a placeholder.
            RoleSettings(name, component, args, secrecy, arn if arn.startswith("arn:") else None)
        )
    return Stack(roles, has_data_sources)


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
    """Raise InputError if all of a stack's settings belong to other projects."""
    namespaces = {key.partition(":")[0] for key in keys}
    others = namespaces - {*_PROVIDERS, project}
    if others and project not in namespaces:
        raise InputError(
            f"stack {name} seems to belong to another project: its settings are for "
            f"{', '.join(sorted(others))}, but Pulumi.yaml in this directory is for {project}: "
            f"{_OTHER_PROJECT}"
        )


def check_settings(settings: RoleSettings) -> None:
    """Raise SettingsError for settings that the program rejects regardless of the credentials."""
    validate(settings.component, settings.args)


def check_account(settings: RoleSettings, account_id: str) -> None:
    """Raise InputError if the credentials are not for the stack's account."""
    for wanted, setting in (
        (Arn.of(settings.role_arn or "").account, "role_name"),
        (settings.application_account, "application_id"),
    ):
        if wanted and wanted != account_id:
            show = settings.secrecy.show
            raise InputError(
                f"stack {settings.stack} is in account {show(wanted, setting)}, but the credentials are "
                f"for account {show(account_id)}: set AWS_PROFILE to a profile for the stack's account; "
                "`aws sts get-caller-identity` shows who you are"
            )


def render(settings: RoleSettings, credentials: Location) -> Policies:
    """Return the policies that the program would write; raise SettingsError for invalid settings."""
    result = validate(settings.component, settings.args, credentials)
    result = result.of_role(settings.role_name)
    assert result.trust_policy is not None  # noqa: S101 every setting is known
    assert result.role_policy is not None  # noqa: S101 every setting is known
    return Policies(result.trust_policy, result.role_policy)


def _pulumi(stack: str, *command: str, show_secrets: bool = False) -> dict[str, Any]:
    """Run a read-only Pulumi command and return the JSON document that it prints."""
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
