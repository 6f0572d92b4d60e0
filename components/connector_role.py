"""Declare the IAM role for an Amazon Q Business data source connector.

The component registers an IAM role, its role policy, and, with `exclusive_policies`, the two resources
that make the stack own all of the role's policies. It creates no provider. If it finds an invalid
setting, it does not create the role; many mistakes would otherwise surface only at the next sync.

AWS: https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles.html
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn, NotRequired, TypedDict, cast
from uuid import uuid4
from weakref import WeakKeyDictionary

import pulumi
import pulumi_aws as aws

from . import configuration, policies
from .formats import NOWHERE, POLICY_NAME_SUFFIX, ROLE_NAME_SUFFIX, Location
from .problems import Problems, Source, escape
from .rules import OTHER_CREDENTIALS, read_role, resolve_role
from .settings import SETTINGS, TRUST_POLICY_SETTINGS, Role, Value, is_unknown

TOKEN: Final = "qbusiness-connector:index:ConnectorRole"
# The name of every role policy. Because it is fixed, a retry after a crash overwrites the policy instead
# of adding another one. Changing the name would replace the policy of every existing role.
POLICY_NAME: Final = "qbusiness-aem-connector"


class VpcConfiguration(TypedDict):
    """The VPC through which the connector reaches the data source, as in CreateDataSource."""

    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Subnet IDs, at least one; use the ARN for a subnet that another account shares."""
    security_group_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Security group IDs, 1 to 10."""


class ConnectorRoleArgs(TypedDict):
    """The settings of a ConnectorRole.

    A plain "" means not set. An Output that resolves to "" or None is rejected as a broken reference.
    """

    application_id: pulumi.Input[str]
    """Amazon Q Business application: ID (36 characters) or ARN."""
    index_id: pulumi.Input[str]
    """Index ID (36 characters)."""
    secret_id: NotRequired[pulumi.Input[str]]
    """Secrets Manager secret with the credentials: ARN or NAME-XXXXXX. Most connectors require it."""
    connector: NotRequired[str]
    """Name of the connector, from the URL of its IAM role page. Default: aem-cloud."""
    bucket_name: NotRequired[pulumi.Input[str]]
    """S3 bucket that is the data source (s3-v1, s3-v2) or stores its files. Default: no S3 statement."""
    bucket_account_id: NotRequired[pulumi.Input[str]]
    """Account ID of the bucket's owner, 12 digits. Default: the application's account."""
    region: NotRequired[pulumi.Input[str]]
    """Region of the application. Default: the Region in its ARN, or else the provider's."""
    account_id: NotRequired[pulumi.Input[str]]
    """Account ID of the application, 12 digits. Default: the account in its ARN, or the provider's."""
    kms_key_id: NotRequired[pulumi.Input[str]]
    """Customer managed key for the secret or S3 data source: ID or ARN. Default: no KMS statement."""
    vpc_configuration: NotRequired[VpcConfiguration]
    """Subnets and security groups for reaching the data source. Default: no network statements."""
    ingest_scope: NotRequired[pulumi.Input[str]]
    """Resources in the ingest statement: applicationAndIndex or index. Default: applicationAndIndex."""
    allow_network_interface_deletion: NotRequired[pulumi.Input[bool]]
    """Whether the role can delete the application's network interfaces (needs a VPC). Default: false."""
    exclusive_policies: NotRequired[bool]
    """Whether the stack owns all of the role's policies and removes undeclared ones. Default: false."""
    role_name: NotRequired[pulumi.Input[str]]
    """Role name, at most 64 characters. Default: based on the component's name (up to 41 characters)."""
    role_path: NotRequired[pulumi.Input[str]]
    """Role path, / or /.../, at most 512 characters. Default: /."""
    role_description: NotRequired[pulumi.Input[str]]
    """Role description, at most 1,000 characters. Default: none."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """ARN of the IAM policy that is the role's permissions boundary. Default: none."""
    tags: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Tags for the role, at most 50. Default: none."""


class ConnectorRole(pulumi.ComponentResource):
    """The IAM role for an Amazon Q Business data source connector, AEM Cloud by default."""

    role_arn: pulumi.Output[str]
    """ARN of the role; it resolves once the role's policy is in place."""
    role_name: pulumi.Output[str]
    """Name of the role."""

    def __init__(
        self, name: str, args: ConnectorRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the role and its policy.

        When the provider deletes the role, it also removes policies, inline and attached, that were
        added outside the stack (`force_detach_policies`).

        Raises SettingsError for invalid settings before anything is registered. Problems with Outputs,
        or with the provider's account or Region, are reported later, but before the role is created.
        """
        self._declare(read_role(name, args, Source.PYTHON), opts)

    @classmethod
    def from_inputs(
        cls, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> "ConnectorRole":
        """Declare the role with a package's inputs, which are the arguments in camel case."""
        return cls._of(read_role(name, inputs, Source.PACKAGE), opts)

    @classmethod
    def from_config(
        cls,
        name: str,
        config: pulumi.Config | None = None,
        opts: pulumi.ResourceOptions | None = None,
        *,
        reject_unknown_keys: bool = False,
    ) -> "ConnectorRole":
        """Declare the role with the settings in the stack's configuration.

        `config` is the namespace, by default the project's. The Region comes from `aws:region`. In a
        program that owns the whole stack, set `reject_unknown_keys` to reject keys in the namespace that
        are not settings, and to check the default provider's configuration.

        Raises SettingsError as the constructor does; the message includes a fix for each problem.
        """
        read = configuration.read_roles(config, owns_stack=reject_unknown_keys, only=name)
        return cls._all(*read, opts)[name]

    @classmethod
    def all_from_config(
        cls,
        config: pulumi.Config | None = None,
        opts: pulumi.ResourceOptions | None = None,
        *,
        reject_unknown_keys: bool = False,
    ) -> "dict[str, ConnectorRole]":
        """Declare one role for each entry in `dataSources` in the stack's configuration.

        The parameters have the same meaning as in `from_config`. Each component is named after its
        entry, so if you rename an entry, the next update deletes its role and creates a new one.
        Returns the components by name.

        Raises SettingsError as the constructor does; the message lists the problems in all entries.
        """
        return cls._all(*configuration.read_roles(config, owns_stack=reject_unknown_keys), opts)

    @classmethod
    def _all(
        cls, roles: Sequence[Role], about_stack: Problems, opts: pulumi.ResourceOptions | None
    ) -> "dict[str, ConnectorRole]":
        for warning in about_stack.warnings:
            pulumi.warn(warning)
        # `pulumi up` runs the program again after the preview, in which the user has seen the notes.
        for note in about_stack.notes if pulumi.runtime.is_dry_run() else ():
            # Without a terminal, Pulumi prints a message's first line with each event of the stack, and
            # the whole message at the end (`getInfoColumn` in pkg/backend/display/rows.go).
            pulumi.info(f"\n{note}")
        return {role.name: cls._of(role, opts) for role in roles}

    @classmethod
    def _of(cls, settings: Role, opts: pulumi.ResourceOptions | None) -> "ConnectorRole":
        """Declare the role with settings that, unlike the constructor's, have already been read."""
        component = cls.__new__(cls)
        component._declare(settings, opts)  # noqa: SLF001 of its own class
        return component

    def _declare(self, settings: Role, opts: pulumi.ResourceOptions | None) -> None:
        """Register the component and its resources."""
        if settings.protect:
            opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=True))
        super().__init__(TOKEN, settings.name, None, opts)
        name, values = settings.name, settings.values
        complete = self._complete(settings)
        exclusive = values["exclusive_policies"].parsed
        warns = exclusive and pulumi.runtime.is_dry_run()
        role_hook, exclusive_hook = _make_removal_hooks(self) if warns else (None, None)
        role = aws.iam.Role(
            f"{name}{ROLE_NAME_SUFFIX}",
            assume_role_policy=complete.apply(
                lambda role_settings: _render_known_policy(
                    role_settings, TRUST_POLICY_SETTINGS, policies.trust_policy
                )
            ),
            name=_as_role_input(values["role_name"]),
            path=_as_role_input(values["role_path"]),
            description=_as_role_input(values["role_description"]),
            permissions_boundary=_as_role_input(values["permissions_boundary_arn"]),
            tags=_as_role_input(values["tags"]),
            force_detach_policies=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                # The provider computes these two properties from other properties, and the engine does
                # not mark them as secret. Treat any Output as secret, because its mark is not known yet.
                additional_secret_outputs=["inlinePolicies", "tagsAll"]
                if settings.unknown or settings.are_secret(SETTINGS)
                else None,
                hooks=role_hook,
            ),
        )

        def render_role_policy(role_settings: Role, role_name: Any = "") -> Any:
            return _render_known_policy(
                role_settings,
                role_settings.policy_settings,
                partial(policies.role_policy, role_name=role_name),
                role_name_is_known=not is_unknown(role_name),
            )

        if not settings.connector.bucket_is_source:
            document = complete.apply(render_role_policy)
        else:
            # The policy contains the role's ARN. In the preview of a new role, the name is known but
            # `role.arn` is not. Without `run_with_unknowns`, a secret policy would lose its secrecy.
            document = complete.apply(
                lambda role_settings: role.name.apply(
                    partial(render_role_policy, role_settings), run_with_unknowns=True
                )
            )
        policy = aws.iam.RolePolicy(
            f"{name}{POLICY_NAME_SUFFIX}",
            name=POLICY_NAME,
            role=role.name,
            policy=document,
            # Because the name is fixed, Pulumi would by default delete the old policy first. A role that
            # is being replaced but is still in use would then lose its policy too soon.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        )
        if exclusive:
            aws.iam.RolePoliciesExclusive(
                f"{name}-qbusiness-policies-exclusive",
                role_name=role.name,
                policy_names=[policy.name],
                opts=pulumi.ResourceOptions(parent=self, hooks=exclusive_hook),
            )
            aws.iam.RolePolicyAttachmentsExclusive(
                f"{name}-qbusiness-policy-attachments-exclusive",
                role_name=role.name,
                policy_arns=[],
                # Detach the policies of an imported role only after the new policy is in place.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
            )
        # The ARN resolves once the policy is in place. `role.arn` is secret if the role has a secret
        # argument, or had one in an earlier update. `unsecret` removes the secrecy, because neither the
        # path nor the name is secret; IDs in the state contain the name in any case.
        self.role_arn = policy.id.apply(lambda _: pulumi.Output.unsecret(role.arn))
        self.role_name = role.name
        self.register_outputs({"roleArn": self.role_arn, "roleName": self.role_name})

    def _complete(self, settings: Role) -> pulumi.Output[Role]:
        """Return the settings with the provider's location and the values of Outputs.

        In a preview, some values may still be unknown. The Output fails with SettingsError if the known
        values cause new problems.
        """

        def complete(found: Any, values: Any, are_secret: Any) -> Role:
            # `Output.all` turns the location into a list.
            caller = NOWHERE if is_unknown(found) else Location(*found)
            role = resolve_role(settings, caller, values, are_secret)
            for warning in role.warnings:
                pulumi.warn(warning, self)
            return role

        location, outputs = _look_up(self), settings.unknown
        if not outputs:  # fewer Outputs give the same result in less time
            return location.apply(lambda found: complete(found, {}, {}), run_with_unknowns=True)
        # `apply` receives only the values, but messages must hide secret values.
        are_secret = {name: pulumi.Output.from_input(it).is_secret() for name, it in outputs.items()}
        # If one setting is secret, `Output.all` makes both policies secret. Remove the mark here;
        # `_render_known_policy` marks only the policies that depend on a secret setting.
        known = pulumi.Output.unsecret(pulumi.Output.all(location, outputs, are_secret))
        return known.apply(lambda found: complete(*found), run_with_unknowns=True)


# Each provider's location, which is looked up only once. The default provider's key is the stack.
_LOCATIONS: Final[WeakKeyDictionary[pulumi.Resource, pulumi.Output[Location]]] = WeakKeyDictionary()


def _look_up(component: pulumi.Resource) -> pulumi.Output[Location]:
    """Return the partition, Region, and account of a component's provider; query each provider once.

    During a preview, the engine returns no result for a provider whose configuration is unknown
    (`provider.Invoke` in pkg/resource/plugin), so the Output is unknown. If the call fails, the Output
    fails with a RunError, which Pulumi shows without a traceback.
    """
    provider = component.get_provider("aws:index/getCallerIdentity:getCallerIdentity")
    # A component package has no stack resource, because the program runs in another process.
    asked = provider or pulumi.runtime.get_root_resource() or component
    if asked not in _LOCATIONS:
        options = pulumi.InvokeOutputOptions(parent=component)
        arn = aws.get_caller_identity_output(opts=options).arn
        region = aws.get_region_output(opts=options).region
        _LOCATIONS[asked] = pulumi.Output.all(arn, region).apply(_locate).recover(_fail)
    return _LOCATIONS[asked]


def _locate(found: Sequence[Any]) -> Any:
    arn, region = found
    return Location(arn.split(":")[1], region, arn.split(":")[4]) if arn else pulumi.UNKNOWN


def _fail(error: Exception) -> NoReturn:
    said = escape(" ".join(str(error).rpartition("returned an error: ")[2].split()))
    raise pulumi.RunError(
        "no role that uses the AWS provider was created or changed, because the provider cannot look up "
        f"its account or Region: {said}\n    fix: {OTHER_CREDENTIALS}"
    ) from None


def _render_known_policy(
    role: Role,
    settings: Collection[str],
    render: Callable[[Role], str],
    *,
    role_name_is_known: bool = True,
) -> Any:
    """Return a policy, which is unknown or secret if one of its settings is.

    In a preview, the application's ARN can complete the location while the provider's configuration is
    unknown. The update then compares the provider's account with the ARN before it renders a policy.
    """
    is_known = role_name_is_known and all(role.location) and role.unknown.keys().isdisjoint(settings)
    policy = render(role) if is_known else pulumi.UNKNOWN
    return pulumi.Output.secret(policy) if role.are_secret(settings) else policy


def _as_role_input(value: Value) -> Any:
    """Return a setting as an input of the role: None if it is blank, and secret if it is secret."""
    if isinstance(value.given, pulumi.Output):
        return cast("pulumi.Output[object]", value.given).apply(lambda known: known or None)
    given = value.given or None
    return pulumi.Output.secret(given) if value.place.is_secret and given else given


def _make_removal_hooks(component: pulumi.Resource) -> list[pulumi.ResourceHookBinding]:
    """Return hooks for the role and its exclusive policies; the second one warns unless the role is new.

    Without the warning, a preview would show only that two resources will be created. It would not show
    that the role will lose the policies that were added outside the stack.
    """
    new: list[pulumi.ResourceHookArgs] = []

    def warn(_: pulumi.ResourceHookArgs) -> None:
        if not new:
            pulumi.warn(
                "the stack now owns all of the role's policies: this update removes every policy, "
                "inline or managed, except the component's; `pulumi preview --refresh` with the policy "
                "pack lists the policies that the stack does not declare (docs/guardrails.md)",
                component,
            )

    # A hook's name must be unique, even across a package's processes. Previews do not store the name.
    options = pulumi.ResourceHookOptions(on_dry_run=True)
    # The exclusive policies depend on the role, so `new.append` runs before `warn`.
    hooks = [pulumi.ResourceHook(str(uuid4()), each, options) for each in (new.append, warn)]
    return [pulumi.ResourceHookBinding(before_create=[hook]) for hook in hooks]
