"""Validate a connector role's settings and render its policies.

`validate` returns the policies or raises an error with every problem that it finds. It does not
register resources, read configuration, or call a provider. It skips values that are not known yet
(Outputs, or their contents in a preview), except that it rejects an Output for a structural setting. The
component calls `validate` again once the values are known.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from . import formats, policies
from .arguments import Arguments
from .connectors import CONNECTORS, DEFAULT, Connector, Need
from .fields import REJECTED, Field, is_unknown
from .formats import Format, ParsedText, fill_arn
from .report import Report, SettingsError
from .rules import RULES, Location, ReadSettings
from .settings import SETTINGS, TRUST_POLICY_SETTINGS, Setting, role_policy_settings


class ValidationResult(NamedTuple):
    """The policies and warnings for a role.

    A policy is None until its settings and the application's partition, Region, and account are known.
    """

    trust_policy: str | None
    role_policy: str | None
    """If the role can pass itself, `policies.ROLE_NAME_PLACEHOLDER` stands in for its name."""
    warnings: Sequence[str]

    def of_role(self, name: str) -> "ValidationResult":
        """Return a copy with this name in place of ROLE_NAME_PLACEHOLDER in the role policy."""
        role_policy = self.role_policy and policies.with_role_name(self.role_policy, name)
        return self._replace(role_policy=role_policy)


def validate(
    component_name: str,
    args: Mapping[str, object] | Arguments,
    credentials: Location | None = None,
) -> ValidationResult:
    """Return the policies or raise SettingsError with every problem that is found in the settings.

    `args` is a component's arguments, as a mapping or as Arguments. None and "" mean not set.
    `credentials` has the provider's partition, account, and Region. The partition and account must match
    the application's; the Region applies if no setting specifies one.
    """
    arguments = Arguments.of(args)
    report = Report(arguments.problems)
    settings = _read(component_name, arguments, credentials or Location(), report)
    for rule in RULES:
        rule(settings, report)
    _raise_problems(settings, report)
    result = _render(settings, report)
    _raise_problems(settings, report)  # the policy's size, which is known only after rendering
    return result


def _read(
    component_name: str, arguments: Arguments, credentials: Location, report: Report
) -> ReadSettings:
    """Read each setting; apart from the connector, no setting affects how another one is read."""
    given = {name: field.value for name, field in arguments.fields.items() if field.is_set}
    name = given.get("connector", DEFAULT)
    connector = CONNECTORS.get(name) if isinstance(name, str) else None
    valid: dict[str, object] = {}
    for setting in SETTINGS.values():
        field = arguments.fields[setting.name]
        if setting.name not in given:
            _check_presence(setting, connector, field, report)
        elif field.value is REJECTED:
            continue
        elif is_unknown(given[setting.name]):
            if setting.structural:
                report.reject(
                    field,
                    "is an Output, but this setting determines which statements and resources exist",
                    "a plain value, not an Output or a secret",
                )
        elif connector and connector.need(setting.name) is Need.NOT_SUPPORTED:
            _reject_unsupported(field, connector, arguments, report)
            del given[setting.name]  # the rules treat it as not set
        else:
            if connector and connector.need(setting.name) is Need.EARLIER_VERSIONS:
                report.warnings.append(
                    f"{field.name}: only earlier versions of the "
                    f"{connector.name} connector support it (see {connector.page})"
                )
            value = setting.kind.read(field, report)
            if value is not None:
                valid[setting.name] = value
    return ReadSettings(component_name, connector, credentials, tuple(given), valid, arguments)


def _check_presence(setting: Setting, connector: Connector | None, field: Field, report: Report) -> None:
    """Reject a required setting that is not set."""
    if setting.required or (setting.name == "region" and field.in_stack):
        message = "is required but not set"
    elif connector and connector.need(setting.name) is Need.REQUIRED:
        message = f"is not set, but the {connector.name} connector requires it (see {connector.page})"
    else:
        return
    kind = setting.kind
    fix = field.set(kind.placeholder) if isinstance(kind, Format) else ""
    report.reject(field, message, kind.expected, fix)


def _reject_unsupported(
    field: Field, connector: Connector, arguments: Arguments, report: Report
) -> None:
    report.reject(
        field,
        f"is not supported by the {connector.name} connector (see {connector.page})",
        f"no {field.name}, or another {arguments.fields['connector'].name}",
        field.remove(),
    )


def _raise_problems(settings: ReadSettings, report: Report) -> None:
    """Raise SettingsError if there are problems.

    The error lists keys that are not settings first, and then the settings in the order of SETTINGS.
    """
    if report.problems:
        ranks = {name: rank for rank, name in enumerate(SETTINGS, start=1)}
        problems = sorted(report.problems, key=lambda problem: ranks.get(problem.setting, 0))
        only_role = settings.arguments.only_role
        raise SettingsError(problems, None if only_role else settings.component_name)


def _render(settings: ReadSettings, report: Report) -> ValidationResult:
    """Render the policies whose settings are known; check the size of the role policy."""
    application, index, location = (
        settings.text("application_id"),
        settings.text("index_id"),
        settings.location,
    )
    connector = settings.connector
    if application is None or application.id is None or connector is None:
        return ValidationResult(None, None, report.warnings)
    # An unknown part gets a short value, because the size check below must not reject a policy that may
    # turn out to be short enough. No Region of Amazon Q Business is shorter than this one.
    target = policies.Application(
        location.partition or "aws",
        location.region or "us-east-1",
        location.account or 12 * "0",
        application.id,
    )
    unknown = settings.arguments.unresolved().keys()
    trust_is_known = all(location) and unknown.isdisjoint(TRUST_POLICY_SETTINGS)
    trust_policy = policies.trust_policy(target) if trust_is_known else None
    if index is None or not unknown.isdisjoint(role_policy_settings(connector)):
        return ValidationResult(trust_policy, None, report.warnings)
    role_policy = policies.role_policy(_resources(settings, connector, target, index))
    _check_size(role_policy, settings, report)
    return ValidationResult(trust_policy, role_policy if all(location) else None, report.warnings)


def _resources(
    settings: ReadSettings, connector: Connector, application: policies.Application, index: ParsedText
) -> policies.PolicyResources:
    """Return the resources that the role policy names, with ARNs in the application's Region."""

    def arn(form: str, resource: ParsedText) -> str:
        account = resource.account or application.account
        return f"{fill_arn(form, application.partition, application.region, account)}{resource.id}"

    def optional_arn(form: str, name: str) -> str | None:
        resource = settings.text(name)
        return resource and arn(form, resource)

    def network_arns() -> Iterator[str]:
        if network := settings.network:
            for subnet in network["subnet_ids"].values():
                yield arn(formats.SUBNET_ARN, subnet)
            for group in network["security_group_ids"].values():
                yield arn(formats.SECURITY_GROUP_ARN, group)

    def text(name: str, default: str) -> str:
        value = settings.text(name)
        return value.text if value else default

    bucket = settings.text("bucket_name")
    return policies.PolicyResources(
        application=application,
        index_id=index.text,
        ingest_scope=text("ingest_scope", formats.INGEST_APPLICATION_AND_INDEX),
        bucket=bucket and bucket.text,
        bucket_account=text("bucket_account_id", application.account),
        bucket_is_source=connector.bucket_is_source,
        secret_arn=optional_arn(formats.SECRET_ARN, "secret_id"),
        key_arn=optional_arn(formats.KEY_ARN, "kms_key_id"),
        role_path=text("role_path", "/"),
        network_arns=[*dict.fromkeys(network_arns())],
        allow_network_interface_deletion=settings.valid.get("allow_network_interface_deletion", False),
    )


def _check_size(role_policy: str, settings: ReadSettings, report: Report) -> None:
    """Reject a policy that is too long for IAM; only a long list of subnets can cause this."""
    role_name = settings.text("role_name")
    # An automatic name is not known before the role is created, so no later check can replace this one,
    # which assumes the longest name. A policy that contains an unknown `roleName` is not rendered.
    name = role_name.text if role_name else formats.MAXIMUM_ROLE_NAME_LENGTH * "n"
    size = len("".join(policies.with_role_name(role_policy, name).split()))
    if size > formats.MAXIMUM_INLINE_SIZE:
        vpc = settings.arguments.fields["vpc_configuration"]
        report.reject(
            vpc.part(vpc.spell("subnet_ids")),
            f"the role policy has {vpc.show(f'{size:,}')} characters, not counting whitespace",
            f"at most {formats.MAXIMUM_INLINE_SIZE:,} characters; use fewer subnets",
        )
