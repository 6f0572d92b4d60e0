"""Declare the IAM role for an Amazon Q Business data source connector.

The component registers an IAM role, its role policy, and, with `exclusive_policies`, the two resources
that make the stack own all of the role's policies. It creates no provider and reads configuration only
in `from_config` and `all_from_config`. If it finds an invalid setting, it does not create the role; many
such mistakes would otherwise surface only at the data source's next sync.

AWS: https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles.html
"""

import importlib.metadata
from collections.abc import Collection, Mapping
from typing import Any, Final, NotRequired, TypedDict, cast
from uuid import uuid4
from weakref import WeakKeyDictionary

import pulumi
import pulumi_aws as aws

from . import data_sources, default_provider, policies, stack_config
from .arguments import Arguments
from .fields import Field, is_unknown
from .formats import POLICY_NAME_SUFFIX, ROLE_NAME_SUFFIX
from .role import Location
from .settings import ROLE_SETTINGS, TRUST_POLICY_SETTINGS, role_policy_settings
from .validation import validate

TOKEN: Final = "qbusiness-connector:index:ConnectorRole"
POLICY_NAME: Final = "qbusiness-aem-connector"
"""The name of every role policy.

Because the name is fixed, a retry after a crash overwrites the policy and does not add another one.
Changing the name would replace the policy of every existing role.
"""
_GET_CALLER_IDENTITY: Final = "aws:index/getCallerIdentity:getCallerIdentity"
_GET_REGION: Final = "aws:index/getRegion:getRegion"
_AWS_VERSION: Final = importlib.metadata.version("pulumi-aws")
"""The provider's version for function calls, so that they do not start another version."""
_callers: Final[WeakKeyDictionary[pulumi.Resource, pulumi.Output[Location]]] = WeakKeyDictionary()
"""The caller's partition and account by provider; the key for the default provider is the stack."""


class VpcConfiguration(TypedDict):
    """The VPC through which the connector reaches the data source, as in CreateDataSource."""

    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Subnet IDs, at least one; use the ARN for a subnet that another account shares."""
    security_group_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Security group IDs, 1 to 10."""


class ConnectorRoleArgs(TypedDict):
    """The settings of a ConnectorRole; "" means not set."""

    application_id: pulumi.Input[str]
    """Amazon Q Business application: ID (36 characters) or ARN."""
    index_id: pulumi.Input[str]
    """Index ID (36 characters)."""
    secret_id: NotRequired[pulumi.Input[str]]
    """Secrets Manager secret with the credentials: ARN or NAME-XXXXXX. Most connectors require it."""
    connector: NotRequired[str]
    """Connector, named as in the URL of its IAM role page. Default: aem-cloud."""
    bucket_name: NotRequired[pulumi.Input[str]]
    """S3 bucket that is the data source (s3-v1, s3-v2) or has its files. Default: no S3 statement."""
    bucket_account_id: NotRequired[pulumi.Input[str]]
    """Account ID of the bucket's owner, 12 digits. Default: the application's account."""
    region: NotRequired[pulumi.Input[str]]
    """Region of the application. Default: the Region in its ARN, or else the provider's."""
    account_id: NotRequired[pulumi.Input[str]]
    """Account ID of the application, 12 digits. Default: the one in its ARN, or the provider's."""
    kms_key_id: NotRequired[pulumi.Input[str]]
    """Customer managed key for the secret or S3 data source: ID or ARN. Default: no KMS statement."""
    vpc_configuration: NotRequired[VpcConfiguration]
    """Subnets and security groups for reaching the data source. Default: no network statements."""
    ingest_scope: NotRequired[pulumi.Input[str]]
    """Resources in the ingest statement: applicationAndIndex or index. Default: applicationAndIndex."""
    allow_network_interface_deletion: NotRequired[pulumi.Input[bool]]
    """Whether the role can delete the application's network interfaces; needs a VPC. Default: false."""
    exclusive_policies: NotRequired[bool]
    """Whether the stack owns all of the role's policies and removes undeclared ones. Default: false."""
    role_name: NotRequired[pulumi.Input[str]]
    """Role name, at most 64 characters. Default: derived from the component's name (at most 41)."""
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
    """ARN of the role; resolves once the role's policy is in place."""
    role_name: pulumi.Output[str]
    """Name of the role."""

    def __init__(
        self, name: str, args: ConnectorRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the role and its policy.

        When the provider deletes the role, it also removes policies, inline and attached, that were
        added outside the stack (`force_detach_policies`).

        Raises SettingsError for invalid settings before anything is registered. Problems with Outputs,
        or with the provider's account or Region, are raised later, but before the role is created.
        """
        _check_types(name, args)
        arguments = Arguments.of(args)
        validate(name, arguments)  # to raise problems; `_policies` validates again and prints warnings
        if arguments.protect:
            opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=True))
        super().__init__(TOKEN, name, None, opts)
        for warning in arguments.warnings:  # from reading the configuration
            pulumi.warn(warning, self)

        fields = arguments.fields
        trust_policy, role_policy = self._policies(name, arguments)
        exclusive = fields["exclusive_policies"].value
        warns = exclusive and pulumi.runtime.is_dry_run()
        role_hook, exclusive_hook = _make_removal_hooks(self) if warns else (None, None)
        role = aws.iam.Role(
            f"{name}{ROLE_NAME_SUFFIX}",
            assume_role_policy=trust_policy,
            force_detach_policies=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                # The provider computes these two properties from others, and the engine does not mark
                # them as secret. Any Output might be secret, which is not known here.
                additional_secret_outputs=["inlinePolicies", "tagsAll"]
                if arguments.unresolved() or arguments.are_secret(fields)
                else None,
                hooks=role_hook,
            ),
            **{setting.role_property: _as_role_input(fields[setting.name]) for setting in ROLE_SETTINGS},
        )
        if arguments.connector.bucket_is_source:
            # The policy contains the role's ARN. In a new role's preview, the name is known but
            # `role.arn` is not.
            role_policy = pulumi.Output.all(role_policy, role.name).apply(
                lambda document_and_name: policies.with_role_name(*document_and_name)
            )
        policy = aws.iam.RolePolicy(
            f"{name}{POLICY_NAME_SUFFIX}",
            name=POLICY_NAME,
            role=role.name,
            policy=role_policy,
            # Because the name is fixed, the old policy would by default be deleted before the new one is
            # created. A role that is being replaced but is still in use would lose its policy too soon.
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
        # argument, or had one in an earlier update. `unsecret` removes the mark, which hides nothing,
        # because the state's IDs contain the role's name in any case.
        self.role_arn = policy.id.apply(lambda _: pulumi.Output.unsecret(role.arn))
        self.role_name = role.name
        self.register_outputs({"roleArn": self.role_arn, "roleName": self.role_name})

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

        `config` is the namespace to read, by default the project's. The Region comes from `aws:region`.
        `reject_unknown_keys` is for a program that owns the whole stack. If it is true, keys in the
        namespace that are not settings are rejected, and the default provider's configuration is also
        checked.

        Raises SettingsError, with the invalid keys and how to fix each problem, before anything is
        registered. Problems with the provider's account or Region are raised later, as in the
        constructor.
        """
        arguments = stack_config.read(config or pulumi.Config(), reject_unknown_keys=reject_unknown_keys)
        # The constructor also accepts Arguments, which keep the keys for messages.
        return cls(name, cast("ConnectorRoleArgs", arguments), opts)

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
        entry, so if you rename an entry, the next update deletes its role and creates another one.
        Returns the components by name.

        Raises SettingsError, with the problems in all entries, before anything is registered. Problems
        with the provider's account or Region are raised later, as in the constructor.
        """
        entries, report = data_sources.read(
            config or pulumi.Config(), reject_unknown_keys=reject_unknown_keys
        )
        for warning in report.warnings:
            pulumi.warn(warning)
        for note in report.notes:
            pulumi.info(note)
        return {
            name: cls(name, cast("ConnectorRoleArgs", entry), opts) for name, entry in entries.items()
        }

    def _policies(
        self, name: str, arguments: Arguments
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """Return the trust and role policies; validate the settings again when all Outputs resolve.

        In a preview, validation skips a value that is still unknown, and a policy that depends on it is
        also unknown.
        """
        location = self._lookup_credentials(arguments)

        def render(found: Any) -> tuple[object, object]:
            found_location, values, are_secret = found
            resolved = arguments.resolved(values, are_secret) if values else arguments
            lookup_is_known = not is_unknown(found_location)
            # `Output.all` turns the location into a list.
            credentials = Location(*found_location) if lookup_is_known else Location()
            trust_policy, role_policy, warnings = validate(name, resolved, credentials)
            for warning in warnings:
                pulumi.warn(warning, self)

            def mark(policy: str | None, settings: Collection[str]) -> object:
                # Until the credentials are known, their partition and account have not been compared
                # with the application's. So do not show a policy, although there may be one.
                value = policy if policy and lookup_is_known else pulumi.UNKNOWN
                return pulumi.Output.secret(value) if resolved.are_secret(settings) else value

            settings = role_policy_settings(arguments.connector)
            return mark(trust_policy, TRUST_POLICY_SETTINGS), mark(role_policy, settings)

        both: pulumi.Output[Any]
        if outputs := arguments.unresolved():
            # `apply` gets only the values, but messages must hide the secret ones.
            are_secret = {
                key: pulumi.Output.from_input(each).is_secret() for key, each in outputs.items()
            }
            # If one setting is secret, `Output.all` would make both policies secret. Remove the mark
            # here; `mark` puts it on the policies that depend on a secret setting.
            found = pulumi.Output.unsecret(pulumi.Output.all(location, outputs, are_secret))
            both = found.apply(render, run_with_unknowns=True)
        else:  # the same with fewer Outputs, because each takes time
            both = location.apply(lambda found: render((found, {}, {})), run_with_unknowns=True)
        # Indexing unwraps the Output in which `mark` may have put a policy.
        return both[0], both[1]

    def _lookup_credentials(self, arguments: Arguments) -> pulumi.Output[Location]:
        """Look up the provider's account and partition, and its Region unless a setting overrides it."""
        caller = self._lookup_caller()
        application = arguments.fields["application_id"].value
        region = arguments.fields["region"].value
        in_arn = isinstance(application, str) and application.startswith("arn:")
        # An Output may resolve to an empty string, or to an ID without a Region. Then, the provider's
        # Region applies.
        if in_arn or (region and not isinstance(region, pulumi.Output)):
            return caller
        return pulumi.Output.all(caller, _look_up(_GET_REGION, "region", self)).apply(
            lambda known: Location(*known[0])._replace(region=known[1])
        )

    def _lookup_caller(self) -> pulumi.Output[Location]:
        """Look up a partition and account once for all components of a program that share a provider."""
        provider_or_stack = self.get_provider(_GET_CALLER_IDENTITY) or pulumi.runtime.get_root_resource()
        if provider_or_stack is None:  # in a component package, whose program runs in another process
            return _caller(self)
        if provider_or_stack not in _callers:
            _callers[provider_or_stack] = _caller(self)
        return _callers[provider_or_stack]


def _caller(component: pulumi.Resource) -> pulumi.Output[Location]:
    """Return the partition and account of the component's provider."""
    return _look_up(_GET_CALLER_IDENTITY, "arn", component).apply(
        lambda arn: Location(arn.split(":")[1], account=arn.split(":")[4])
    )


def _look_up(function: str, result: str, component: pulumi.Resource) -> pulumi.Output[str]:
    """Call a function of the component's provider and return one of its results.

    During a preview, the engine returns no result for a provider whose configuration is unknown
    (`provider.Invoke` in pkg/resource/plugin); the Output is then unknown. If the call fails, the Output
    fails with a RunError, which Pulumi shows without a traceback, unlike the error of
    `aws.get_caller_identity_output`.
    """
    options = pulumi.InvokeOptions(parent=component, version=_AWS_VERSION)

    async def call() -> Any:
        try:
            return await pulumi.runtime.invoke_async(function, {}, options) or {}
        except Exception as error:  # noqa: BLE001 the SDK raises no narrower exception
            provider = component.get_provider(function)
            text = default_provider.explain_failed_lookup(str(error), provider)
            raise pulumi.RunError(text) from None

    return pulumi.Output.from_input(call()).apply(lambda results: results.get(result, pulumi.UNKNOWN))


def _make_removal_hooks(component: pulumi.Resource) -> list[pulumi.ResourceHookBinding]:
    """Return hooks that warn that an existing role will lose any policies from outside the stack.

    The first hook, for the role, notes whether the role is new. The second one, for the exclusive
    policies, warns. Without the warning, a preview would show only that two resources will be created.
    """
    role_is_new = False

    def note(_: pulumi.ResourceHookArgs) -> None:
        nonlocal role_is_new
        role_is_new = True

    def warn(_: pulumi.ResourceHookArgs) -> None:
        if not role_is_new:
            pulumi.warn(
                "the stack now owns all of the role's policies: this update removes every policy, "
                "inline or managed, except the component's; `pulumi preview --refresh` with the policy "
                "pack lists the policies that the stack does not declare (docs/guardrails.md)",
                component,
            )

    # A hook's name must be unique, even across a package's processes. Previews do not store it.
    options = pulumi.ResourceHookOptions(on_dry_run=True)
    # The exclusive policies depend on the role, so `note` runs before `warn`.
    hooks = (pulumi.ResourceHook(str(uuid4()), each, options) for each in (note, warn))
    return [pulumi.ResourceHookBinding(before_create=[hook]) for hook in hooks]


def _check_types(name: object, args: object) -> None:
    """Require a string and a mapping with string keys, because Python does not enforce annotations."""
    keys = cast("Mapping[object, object]", args) if isinstance(args, Mapping) else [None]
    is_valid = isinstance(args, Arguments) or all(isinstance(key, str) for key in keys)
    if not isinstance(name, str) or not is_valid:
        raise pulumi.RunError(
            "ConnectorRole takes a string name and a dictionary of arguments with string keys"
        )


def _as_role_input(field: Field) -> Any:
    """Return a setting as an input of the role: None if it is blank, and secret if the field is."""
    if isinstance(field.value, pulumi.Output):
        return cast("pulumi.Output[object]", field.value).apply(lambda value: value or None)
    value = field.value or None
    return pulumi.Output.secret(value) if field.secret and value else value
