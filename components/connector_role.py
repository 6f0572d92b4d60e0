"""Which resources are the role of the AEM connector?

The component makes an IAM role, its role policy and, where the stack is to own every policy of the role,
the two resources that say so; nothing else. It makes no provider, reads no configuration of its own
accord (`from_config` does), and writes no document before all settings are valid: a role without its
policy, or with half of it, would fail at the next sync and not here.

AWS: https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/aem-cloud-iam-role.html
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple, NotRequired, TypedDict, cast

import pulumi
import pulumi_aws as aws

from components import documents
from components.configuration import StackConfiguration, autonaming_warning
from components.examination import LATER, Place, examine, has_later
from components.outputs import lift, map_outputs
from components.settings import OF_THE_ROLE, ROLE_NAME_SUFFIX, Arguments, SettingsError, Source

TOKEN: Final = "qbusiness-connector:index:ConnectorRole"
POLICY_NAME: Final = "qbusiness-aem-connector"
"""Fixed: a second attempt after a crash overwrites the policy and does not add another."""


class VpcConfiguration(TypedDict):
    """The VPC through which the connector reaches AEM, as in CreateDataSource."""

    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Subnet IDs, at least one; an ARN for a subnet that another account shares."""
    security_group_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Security group IDs, 1 to 10."""


class ConnectorRoleArgs(TypedDict):
    """The settings of a ConnectorRole; "" and {} mean left out."""

    application_id: pulumi.Input[str]
    """Amazon Q Business application: its ID (36 characters) or its ARN."""
    index_id: pulumi.Input[str]
    """Index ID (36 characters)."""
    secret_id: pulumi.Input[str]
    """Secrets Manager secret with the AEM credentials: its ARN, or NAME-XXXXXX."""
    region: NotRequired[pulumi.Input[str]]
    """Region of the application. Default: from its ARN, else the provider's."""
    account_id: NotRequired[pulumi.Input[str]]
    """Account of the application, 12 digits. Default: from its ARN, else the provider's."""
    kms_key_id: NotRequired[pulumi.Input[str]]
    """Customer managed key that encrypts the secret: key ID or ARN. Default: no KMS statement."""
    vpc_configuration: NotRequired[VpcConfiguration]
    """Subnets and security groups of the data source. Default: no network statements."""
    ingest_scope: NotRequired[pulumi.Input[str]]
    """Resources of the ingest statement: applicationAndIndex (default) or index."""
    allow_network_interface_deletion: NotRequired[pulumi.Input[bool]]
    """Whether to allow deleting the connector's network interfaces; needs a VPC. Default: false."""
    exclusive_policies: NotRequired[pulumi.Input[bool]]
    """Whether the stack owns every policy of the role and removes others. Default: false."""
    role_name: NotRequired[pulumi.Input[str]]
    """Role name, at most 64 characters. Default: from the component's name (at most 41)."""
    role_path: NotRequired[pulumi.Input[str]]
    """Role path, / or /…/, at most 512 characters. Default: /."""
    role_description: NotRequired[pulumi.Input[str]]
    """Role description, at most 1,000 characters. Default: none."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """ARN of the IAM policy that bounds the role's permissions. Default: none."""
    tags: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Tags of the role, at most 50. Default: none."""


class ConnectorRole(pulumi.ComponentResource):
    """The IAM role of an Amazon Q Business data source connector for AEM Cloud."""

    role_arn: pulumi.Output[str]
    """ARN of the role; resolves once the role's policy is in place."""
    role_name: pulumi.Output[str]
    """Name of the role."""

    def __init__(
        self,
        name: str,
        args: ConnectorRoleArgs,
        opts: pulumi.ResourceOptions | None = None,
        *,
        _source: Source | None = None,
    ) -> None:
        """Declare the role and its policy.

        Raises SettingsError, before anything is registered for values that are known, and during
        the update, before the role is made, for Outputs.
        """
        source = _source or Arguments()
        _check_types(name, args)
        given: dict[str, Any] = map_outputs(args, lambda output: output)
        draft = _draft(name, map_outputs(given, lambda _: LATER), source, Place())
        super().__init__(TOKEN, name, None, opts)
        for warning in draft.warnings:
            pulumi.warn(warning, self)
        given |= {key: pulumi.Output.secret(given[key]) for key in source.secrets}
        final = self._finish(name, given, source, draft)

        children = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}{ROLE_NAME_SUFFIX}",
            name=lift(given.get("role_name"), _left_out),
            path=lift(given.get("role_path"), _left_out),
            description=lift(given.get("role_description"), _left_out),
            permissions_boundary=lift(given.get("permissions_boundary_arn"), _left_out),
            tags=lift(given.get("tags"), _left_out),
            assume_role_policy=lift(final, lambda draft: draft.trust_policy),
            force_detach_policies=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                additional_secret_outputs=_filled_in_with_secrets(given),
            ),
        )
        policy = aws.iam.RolePolicy(
            f"{name}-qbusiness-policy",
            name=POLICY_NAME,
            role=role.name,
            policy=lift(final, lambda draft: draft.role_policy),
            # Its name is fixed, and the provider would delete it before the role that comes in
            # place of this one is there.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        )
        if given.get("exclusive_policies"):
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
                # What an adopted role had is detached only once it has the new policy.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
            )
        self.role_arn = pulumi.Output.all(role.arn, policy.id).apply(lambda known: known[0])
        self.role_name = role.name
        self.register_outputs({"role_arn": self.role_arn, "role_name": self.role_name})

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
        With `refuse_unknown_keys`, a key of that namespace that is no setting is a problem too: for
        a program to which the whole namespace belongs.

        Raises SettingsError, with the keys' names and the commands that mend them.
        """
        source = StackConfiguration(config or pulumi.Config(), refuse_unknown_keys=refuse_unknown_keys)
        role = cls(name, cast("ConnectorRoleArgs", source.arguments), opts, _source=source)
        if not source.arguments["role_name"] and (warning := autonaming_warning(source)):
            pulumi.warn(warning, role)
        return role

    def _finish(
        self, name: str, given: dict[str, object], source: Source, draft: "_Draft"
    ) -> "pulumi.Output[_Draft]":
        """Draft again once the Outputs, and what the provider says of itself, are known."""
        plain = map_outputs(given, lambda _: LATER)
        later = {key: value for key, value in given.items() if has_later(plain[key])}
        secret = {key: pulumi.Output.from_input(value).is_secret() for key, value in later.items()}
        later["provider"] = pulumi.Output.all(**self._ask_provider(given))
        unknown = pulumi.Output.all(**later)

        def finish(values: dict[str, object]) -> "pulumi.Input[_Draft]":
            facts, secrets = values.pop("provider"), cast("dict[str, bool]", values.pop("secret"))
            place = Place(**cast("dict[str, str]", facts)) if facts is not LATER else Place()
            hidden = [key for key, is_secret in secrets.items() if is_secret]
            final = _draft(name, {**given, **values}, source, place, hidden)
            for warning in final.warnings:
                if warning not in draft.warnings:
                    pulumi.warn(warning, self)
            # During a preview something is still unknown here, and so are the documents.
            return final if final.complete else cast("pulumi.Output[_Draft]", unknown)

        marked = map_outputs(later, lambda output: output.apply(_mark, run_with_unknowns=True))
        return pulumi.Output.all(**cast("dict[str, object]", marked), secret=secret).apply(finish)

    def _ask_provider(self, given: dict[str, object]) -> dict[str, pulumi.Output[str]]:
        """Ask the provider whose credentials it has, and for its Region where no setting has one."""
        options = pulumi.InvokeOptions(parent=self)
        caller = aws.get_caller_identity_output(opts=options)
        facts = {
            "account": caller.account_id,
            "partition": caller.arn.apply(lambda arn: arn.split(":")[1]),
        }
        application = given["application_id"]
        if not given.get("region") and not (
            isinstance(application, str) and application.startswith("arn:")
        ):
            facts["region"] = aws.get_region_output(opts=options).region
        return facts


class _Draft(NamedTuple):
    """The documents, as far as the settings are known."""

    complete: bool
    """Whether the documents hold; if not, something is still unknown."""
    warnings: tuple[str, ...]
    trust_policy: str = ""
    role_policy: str = ""


def _draft(
    name: str,
    given: Mapping[str, object],
    source: Source,
    provider: Place,
    hidden: Collection[str] = (),
) -> _Draft:
    """Examine the settings and write the documents; raises SettingsError."""
    settings, complete, warnings = examine(name, given, source, provider, hidden)
    if settings is None:
        return _Draft(complete, warnings)
    trust_policy, role_policy = documents.write(settings)
    if problem := documents.excess(role_policy, settings):
        raise SettingsError([problem], source)
    return _Draft(complete, warnings, trust_policy, role_policy)


def _mark(value: object) -> object:
    return LATER if pulumi.contains_unknowns(value) else value


def _filled_in_with_secrets(given: Mapping[str, object]) -> list[str]:
    """Name the properties that the provider fills in with what may be secret; the engine cannot know.

    Whether an Output is secret is not known yet. Without one, nothing is hidden from a preview.
    """
    outputs = {name for name, value in given.items() if has_later(map_outputs(value, lambda _: LATER))}
    found = {"inlinePolicies": outputs - {*OF_THE_ROLE}, "tagsAll": outputs & {"tags"}}
    return [name for name, reached_by in found.items() if reached_by]


def _left_out(value: object) -> object:
    return None if value in ("", {}) else value


def _check_types(name: object, args: object) -> None:
    """Refuse what no setting can be read from; nobody checks the types of a program that runs."""
    if isinstance(name, str) and isinstance(args, Mapping):
        keys = cast("Mapping[object, object]", args)
        if all(isinstance(key, str) for key in keys):
            return
    raise pulumi.RunError("ConnectorRole takes a name and a dictionary of arguments by their names")
