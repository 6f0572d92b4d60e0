"""Declare the IAM role of an Amazon Q Business data source connector.

The component registers an IAM role, its role policy and, with `exclusive_policies`, the two resources
that make the stack own every policy of the role. It creates no provider and reads no configuration
(`from_config` does). Neither role nor policy is created while a setting is invalid: a role without its
policy, or with a wrong one, would fail at the next sync and not here.

AWS: https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles.html
"""

import inspect
from collections.abc import Collection, Mapping
from typing import Any, Final, NotRequired, TypedDict, cast
from weakref import WeakKeyDictionary

import pulumi
import pulumi_aws as aws

from . import policies, stack_config
from .connectors import CONNECTORS, DEFAULT, Connector
from .errors import Naming, Problem
from .formats import ROLE_NAME_SUFFIX, SETTINGS, TRUST_POLICY_SETTINGS, role_policy_settings
from .validation import Location, ValidationResult, is_unknown, validate

TOKEN: Final = "qbusiness-connector:index:ConnectorRole"
POLICY_NAME: Final = "qbusiness-aem-connector"
"""Fixed: a second attempt after a crash overwrites the policy and does not add another."""
_GET_CALLER_IDENTITY: Final = "aws:index/getCallerIdentity:getCallerIdentity"
_callers: Final[WeakKeyDictionary[pulumi.Resource, pulumi.Output[Any]]] = WeakKeyDictionary()
"""The answer to that function by provider, and by stack for the default provider."""


class VpcConfiguration(TypedDict):
    """The VPC through which the connector reaches the data source, as in CreateDataSource."""

    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Subnet IDs, at least one; an ARN for a subnet that another account shares."""
    security_group_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Security group IDs, 1 to 10."""


class ConnectorRoleArgs(TypedDict):
    """The settings of a ConnectorRole; "" means not set."""

    application_id: pulumi.Input[str]
    """Amazon Q Business application: its ID (36 characters) or its ARN."""
    index_id: pulumi.Input[str]
    """Index ID (36 characters)."""
    secret_id: NotRequired[pulumi.Input[str]]
    """Secrets Manager secret with the credentials: ARN or NAME-XXXXXX. Default: none, as for S3."""
    connector: NotRequired[str]
    """Connector, named as in the address of its IAM role page. Default: aem-cloud."""
    bucket_name: NotRequired[pulumi.Input[str]]
    """S3 bucket: the data source (s3-v1, s3-v2) or files for it. Default: no S3 statements."""
    bucket_account_id: NotRequired[pulumi.Input[str]]
    """Account of the bucket, 12 digits. Default: the application's."""
    region: NotRequired[pulumi.Input[str]]
    """Region of the application. Default: from its ARN, else the provider's."""
    account_id: NotRequired[pulumi.Input[str]]
    """Account of the application, 12 digits, which has to be the provider's. Default: the provider's."""
    kms_key_id: NotRequired[pulumi.Input[str]]
    """Customer managed key of the secret, or of an S3 source: ID or ARN. Default: no KMS statement."""
    vpc_configuration: NotRequired[VpcConfiguration]
    """Subnets and security groups of the data source. Default: no network statements."""
    ingest_scope: NotRequired[pulumi.Input[str]]
    """Resources of the ingest statement: applicationAndIndex or index. Default: applicationAndIndex."""
    allow_network_interface_deletion: NotRequired[pulumi.Input[bool]]
    """Whether to allow deleting the connector's network interfaces; requires a VPC. Default: false."""
    exclusive_policies: NotRequired[bool]
    """Whether the stack owns every policy of the role and removes others. Default: false."""
    role_name: NotRequired[pulumi.Input[str]]
    """Role name, at most 64 characters. Default: from the component's name (at most 41)."""
    role_path: NotRequired[pulumi.Input[str]]
    """Role path, / or /.../, at most 512 characters. Default: /."""
    role_description: NotRequired[pulumi.Input[str]]
    """Role description, at most 1,000 characters. Default: none."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """ARN of the IAM policy that bounds the role's permissions. Default: none."""
    tags: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Tags of the role, at most 50. Default: none."""


class ConnectorRole(pulumi.ComponentResource):
    """The IAM role of an Amazon Q Business data source connector, AEM Cloud by default."""

    role_arn: pulumi.Output[str]
    """ARN of the role; resolves once the role's policy is in place."""
    role_name: pulumi.Output[str]
    """Name of the role."""

    # Not annotated, since Pulumi's package host would take it for an output.
    naming = Naming()

    def __init__(
        self,
        name: str,
        args: ConnectorRoleArgs,
        opts: pulumi.ResourceOptions | None = None,
        *,
        _naming: Naming | None = None,
        _secret_names: Collection[str] = (),
        _problems: Collection[Problem] = (),
    ) -> None:
        """Declare the role and its policy.

        A destroy detaches policies that others have attached to the role (`force_detach_policies`).

        Raises SettingsError: before anything is registered for values that are known, and before the
        role is created for Outputs and for what only the provider knows.
        """
        _check_types(name, args)
        naming = _naming or self.naming
        # An awaitable can be awaited only once; an Output can be used again.
        given: dict[str, Any] = {
            key: pulumi.Output.from_input(value) if inspect.isawaitable(value) else value
            for key, value in args.items()
        }
        warnings = validate(name, given, naming, secret_names=_secret_names, problems=_problems).warnings
        super().__init__(TOKEN, name, None, opts)
        for warning in warnings:
            pulumi.warn(warning, self)
        given |= {key: pulumi.Output.secret(given[key]) for key in _secret_names}
        settings = {setting: given.get(naming.name(setting)) for setting in SETTINGS}
        connector = CONNECTORS[settings["connector"] or DEFAULT]
        trust_policy, role_policy = self._policies(name, given, naming, connector, warnings)

        children = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}{ROLE_NAME_SUFFIX}",
            name=_none_if_blank(settings["role_name"]),
            path=_none_if_blank(settings["role_path"]),
            description=_none_if_blank(settings["role_description"]),
            permissions_boundary=_none_if_blank(settings["permissions_boundary_arn"]),
            tags=_none_if_blank(settings["tags"]),
            assume_role_policy=trust_policy,
            force_detach_policies=True,
            opts=pulumi.ResourceOptions(
                parent=self, additional_secret_outputs=_secret_outputs(settings, connector)
            ),
        )
        if connector.bucket_is_source:
            # Not `role.arn`, which previews do not know.
            role_policy = pulumi.Output.all(role_policy, role.name).apply(
                lambda document_and_name: policies.with_role_name(*document_and_name)
            )
        policy = aws.iam.RolePolicy(
            f"{name}-qbusiness-policy",
            name=POLICY_NAME,
            role=role.name,
            policy=role_policy,
            # Its name is fixed, so the provider would delete it before it creates it for another role:
            # the old role, still in use, would lose its policy first.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        )
        if settings["exclusive_policies"]:
            aws.iam.RolePoliciesExclusive(
                f"{name}-qbusiness-policies-exclusive",
                role_name=role.name,
                policy_names=[policy.name],
                opts=children,
            )
            aws.iam.RolePolicyAttachmentsExclusive(
                f"{name}-qbusiness-policy-attachments-exclusive",
                role_name=role.name,
                policy_arns=[],
                # What an imported role had is detached only once it has the new policy.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
            )
        # Resolves once the policy is in place, and is as secret as the settings that it shows.
        arn = pulumi.Output.all(pulumi.Output.unsecret(role.arn), policy.id, _arn_secrecy(settings))
        self.role_arn = arn.apply(lambda values: values[0])
        self.role_name = role.name
        self.register_outputs({"roleArn": self.role_arn, "roleName": self.role_name})

    @classmethod
    def from_config(
        cls,
        name: str,
        config: pulumi.Config | None = None,
        opts: pulumi.ResourceOptions | None = None,
        *,
        refuse_unknown_keys: bool = False,
    ) -> "ConnectorRole":
        """Declare the role with the settings of the stack's configuration.

        `config` is the namespace to read, by default the project's own; the Region is `aws:region`.
        With `refuse_unknown_keys`, a key of that namespace that is no setting is an error too, and the
        default provider's configuration is checked: for a program to which the whole stack belongs.

        Raises SettingsError, with the names of the keys and the commands that fix them.
        """
        stack = stack_config.read(config or pulumi.Config(), refuse_unknown_keys=refuse_unknown_keys)
        args = cast("ConnectorRoleArgs", stack.args)
        role = cls(
            name,
            args,
            opts,
            _naming=stack.naming,
            _secret_names=stack.secret_names,
            _problems=stack.problems,
        )
        for warning in stack.warnings:
            pulumi.warn(warning, role)
        return role

    def _policies(
        self,
        name: str,
        given: Mapping[str, object],
        naming: Naming,
        connector: Connector,
        warned: Collection[str],
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """Return the trust policy and the role policy, once all settings that can be known are valid.

        Each is secret, or unknown during a preview, only if a setting is that it depends on.
        """
        outputs = {key: value for key, value in given.items() if _has_outputs(value)}
        secret = {key: pulumi.Output.from_input(value).is_secret() for key, value in outputs.items()}
        credentials = self._lookup_location(given, naming)

        def validate_known(known: Any) -> ValidationResult:
            parts = {name: part for name, part in known["credentials"].items() if not is_unknown(part)}
            secret_names = [key for key, is_secret in known["secret"].items() if is_secret]
            args = {**given, **known["outputs"]}
            result = validate(name, args, naming, Location(**parts), secret_names)
            for warning in result.warnings:
                if warning not in warned:
                    pulumi.warn(warning, self)
            return result

        everything = pulumi.Output.all(outputs=outputs, secret=secret, credentials=credentials)
        # A secret or unknown tag, say, is validated too, and makes no policy secret or unknown.
        result: Any = pulumi.Output.unsecret(everything.apply(validate_known, run_with_unknowns=True))

        def policy(document: pulumi.Output[str], settings: Collection[str]) -> pulumi.Output[str]:
            inputs = [given.get(naming.name(setting)) for setting in settings]
            return pulumi.Output.all(document, credentials, *inputs).apply(lambda values: values[0])

        return (
            policy(result.trust_policy, TRUST_POLICY_SETTINGS),
            policy(result.role_policy, role_policy_settings(connector)),
        )

    def _lookup_caller(
        self, options: pulumi.InvokeOptions
    ) -> pulumi.Output[aws.GetCallerIdentityResult]:
        """Look up the caller, once for all components of a program that have the same provider."""
        provider = self.get_provider(_GET_CALLER_IDENTITY) or pulumi.runtime.get_root_resource()
        if provider is None:  # in a package, the program is in another process
            return aws.get_caller_identity_output(opts=options)
        if provider not in _callers:
            _callers[provider] = aws.get_caller_identity_output(opts=options)
        return _callers[provider]

    def _lookup_location(
        self, given: Mapping[str, object], naming: Naming
    ) -> dict[str, pulumi.Output[str]]:
        """Look up whose credentials the provider has, and its Region where no setting has one."""
        options = pulumi.InvokeOptions(parent=self)
        caller = self._lookup_caller(options)
        location = {
            "partition": _answer(caller.arn).apply(lambda arn: arn.split(":")[1]),
            "account": _answer(caller.account_id),
        }
        application = given[naming.name("application_id")]
        in_arn = isinstance(application, str) and application.startswith("arn:")
        region = given.get(naming.name("region"))
        # The value of an Output may be blank.
        if not in_arn and (not region or isinstance(region, pulumi.Output)):
            location["region"] = _answer(aws.get_region_output(opts=options).region)
        return location


def _check_types(name: object, args: object) -> None:
    """Refuse what no setting can be read from; nobody checks the types of a program that runs."""
    if isinstance(name, str) and isinstance(args, Mapping):
        keys = cast("Mapping[object, object]", args)
        if all(isinstance(key, str) for key in keys):
            return
    raise pulumi.RunError("ConnectorRole takes a name and a dictionary of arguments by their names")


def _has_outputs(value: object) -> bool:
    """Return whether a valid setting is an Output, or has one in it."""
    if isinstance(value, Mapping):
        value = [*cast("Mapping[str, object]", value).values()]
    if isinstance(value, (list, tuple)):
        return any(map(_has_outputs, cast("list[object]", value)))
    return isinstance(value, pulumi.Output)


_SHOWN_IN_ARN: Final = ("account_id", "role_name", "role_path")
"""With the account of an application's ARN."""


def _secret_outputs(settings: Mapping[str, object], connector: Connector) -> list[str]:
    """Return the outputs of the role into which the provider copies settings that may be secret.

    The engine cannot know that they are. Without Outputs among the settings, previews hide nothing.
    """
    copied = {
        "inlinePolicies": role_policy_settings(connector),
        "tagsAll": ("tags",),
        "arn": ("application_id", *_SHOWN_IN_ARN),
    }
    return [
        output for output, names in copied.items() if any(_has_outputs(settings[name]) for name in names)
    ]


def _arn_secrecy(settings: Mapping[str, Any]) -> pulumi.Output[None]:
    """Return a known Output without a value, as secret as what the role's ARN shows."""
    application = pulumi.Output.from_input(settings["application_id"])
    # An ID does not have the account in it.
    application_arn = pulumi.Output.unsecret(application).apply(
        lambda id_or_arn: application if str(id_or_arn).startswith("arn:") else None
    )
    others = (settings[name] for name in _SHOWN_IN_ARN)
    return pulumi.Output.all(application_arn, *others).apply(lambda _: None, run_with_unknowns=True)


def _answer(output: pulumi.Output[Any]) -> pulumi.Output[str]:
    """Make what a function did not answer unknown.

    During a preview, the engine answers nothing for a provider whose configuration is unknown
    (`provider.Invoke` in pkg/resource/plugin).
    """
    return output.apply(lambda answer: cast("str", pulumi.UNKNOWN) if answer is None else answer)


def _none_if_blank(value: object) -> Any:
    if isinstance(value, pulumi.Output):
        return cast("pulumi.Output[object]", value).apply(_none_if_blank)
    return value or None
