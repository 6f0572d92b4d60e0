"""Validate the settings of a connector role, and render its policies.

`validate` returns both policies, or raises every problem at once. It registers no resource, reads no
configuration, and calls nothing. It skips a value that is not known yet (an Output, or the contents of
one during a preview); call it again once the value is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from . import formats, policies
from .connectors import CONNECTORS, DEFAULT, Connector, Need
from .errors import SettingsError
from .formats import Text
from .report import BLANK, REMOVE, Report
from .rules import RULES, Location, Reading
from .settings import SETTINGS, Arguments, Setting, is_unknown, role_policy_settings


class ValidationResult(NamedTuple):
    """The policies; a policy is None until all settings that it depends on are known."""

    trust_policy: str | None
    role_policy: str | None
    """If the role passes itself, `policies.ROLE_NAME_PLACEHOLDER` stands for its name."""
    warnings: Sequence[str]

    def of_role(self, name: str) -> "ValidationResult":
        """Return the policies of the role with this name."""
        role_policy = self.role_policy and policies.with_role_name(self.role_policy, name)
        return self._replace(role_policy=role_policy)


def validate(
    component_name: str, args: Mapping[str, object], credentials: Location | None = None
) -> ValidationResult:
    """Return both policies, or raise every problem in the settings.

    `args` are the arguments of a component, or Arguments that were given elsewhere. None, "", and no
    tags mean not set. `credentials` are the provider's partition, account, and Region. The partition and
    the account must be the application's; the Region applies if no setting specifies one.

    Raises SettingsError.
    """
    arguments = Arguments.of(args)
    report = Report(arguments.source, arguments.secrets)
    report.problems += arguments.problems
    report.warnings += arguments.warnings
    reading = _read(component_name, arguments, credentials or Location(), report)
    for rule in RULES:
        rule(reading)
    _raise_problems(reading)
    result = _render(reading)
    _raise_problems(reading)  # the size of the policy, which only rendering shows
    return result


def _read(component_name: str, arguments: Arguments, credentials: Location, report: Report) -> Reading:
    """Read each setting by itself."""
    given = {name: value for name in SETTINGS if (value := arguments.get(name)) not in (None, BLANK)}
    name = given.get("connector", DEFAULT)
    connector = CONNECTORS.get(name) if isinstance(name, str) else None
    valid: dict[str, object] = {}
    for setting in SETTINGS.values():
        if setting.name not in given:
            _check_presence(setting, connector, report)
        elif is_unknown(given[setting.name]):
            _skip_unknown(setting, report)
        elif connector and connector.need(setting.name) is Need.NOT_SUPPORTED:
            _reject_unsupported(setting, connector, report)
            del given[setting.name]  # the rules treat it as not set
        else:
            if connector and connector.need(setting.name) is Need.EARLIER_VERSIONS:
                report.warnings.append(
                    f"{report.name(setting.name)}: only earlier versions of the connector "
                    f"{connector.name} support it, see {connector.page}"
                )
            value = setting.kind.read(given[setting.name], report.at(setting.name))
            if value is not None:
                valid[setting.name] = value
    return Reading(component_name, connector, credentials, tuple(given), valid, report)


def _check_presence(setting: Setting, connector: Connector | None, report: Report) -> None:
    """Report a setting that is required and not set."""
    if setting.required or setting.name in report.source.required:
        reason = ""
    elif connector and connector.need(setting.name) is Need.REQUIRED:
        reason = f": the connector {connector.name} needs it, see {connector.page}"
    else:
        return
    report.at(setting.name).refuse(
        f"is required and not set{reason}", setting.kind.expected, setting.kind.placeholder
    )


def _skip_unknown(setting: Setting, report: Report) -> None:
    """Note a setting that is not known yet; report one that must be."""
    report.unknown.add(setting.name)
    if setting.structural:
        report.at(setting.name).refuse(
            "is an Output, and determines which statements and resources exist",
            "a plain value: neither an Output nor a secret",
        )


def _reject_unsupported(setting: Setting, connector: Connector, report: Report) -> None:
    """Report a setting that the connector does not support."""
    name = report.name(setting.name)
    report.at(setting.name).refuse(
        f"is not supported by the connector {connector.name}: see {connector.page}",
        f"no {name}, or another {report.name('connector')}",
        REMOVE,
    )


def _raise_problems(reading: Reading) -> None:
    """Raise all problems, if any: those of the source, then those of the settings in their order."""
    report = reading.report
    if report.problems:
        ranks = {name: rank for rank, name in enumerate(SETTINGS, start=1)}
        problems = sorted(report.problems, key=lambda problem: ranks.get(problem.setting or "", 0))
        named = report.source.belongs_to_component
        raise SettingsError(problems, reading.component_name if named else None)


def _render(reading: Reading) -> ValidationResult:
    """Render the policies whose settings are known, and check their size."""
    application, index, location = (
        reading.text("application_id"),
        reading.text("index_id"),
        reading.location,
    )
    connector = reading.connector
    if application is None or application.id is None or connector is None:
        return ValidationResult(None, None, reading.report.warnings)
    # A part that is not known yet gets the shortest possible value, for the size check below: it must
    # not reject a policy that may turn out to be short enough.
    target = policies.Application(
        location.partition or "aws",
        location.region or "us-east-1",
        location.account or 12 * "0",
        application.id,
    )
    trust_policy = policies.trust_policy(target) if all(location) else None
    if index is None or not reading.report.unknown.isdisjoint(role_policy_settings(connector)):
        return ValidationResult(trust_policy, None, reading.report.warnings)
    role_policy = policies.role_policy(_resources(reading, connector, target, index))
    _check_size(role_policy, reading)
    return ValidationResult(
        trust_policy, role_policy if all(location) else None, reading.report.warnings
    )


def _resources(
    reading: Reading, connector: Connector, application: policies.Application, index: Text
) -> policies.Resources:
    """Return the resources that the role policy names, each as an ARN in the application's Region."""

    def arn(service: str, kind: str, resource: Text) -> str:
        owner = resource.account or application.account
        return f"arn:{application.partition}:{service}:{application.region}:{owner}:{kind}{resource.id}"

    def optional_arn(service: str, kind: str, name: str) -> str | None:
        resource = reading.text(name)
        return resource and arn(service, kind, resource)

    def network_arns() -> Iterator[str]:
        if network := reading.network:
            for subnet in network.subnet_ids.values():
                yield arn("ec2", "subnet/", subnet)
            for group in network.security_group_ids.values():
                yield arn("ec2", "security-group/", group)

    def text(name: str, default: str) -> str:
        value = reading.text(name)
        return value.text if value else default

    bucket = reading.text("bucket_name")
    bucket_account = text("bucket_account_id", application.account)
    return policies.Resources(
        application=application,
        index_id=index.text,
        ingest_scope=text("ingest_scope", formats.INGEST_APPLICATION_AND_INDEX),
        bucket=bucket and policies.Bucket(bucket.text, bucket_account, connector.bucket_is_source),
        secret_arn=optional_arn("secretsmanager", "secret:", "secret_id"),
        key_arn=optional_arn("kms", "key/", "kms_key_id"),
        role_path=text("role_path", "/"),
        network_arns=[*dict.fromkeys(network_arns())],
        allow_network_interface_deletion=reading.valid.get("allow_network_interface_deletion", False),
    )


def _check_size(role_policy: str, reading: Reading) -> None:
    """Reject a policy that IAM would reject. Only the subnets can make it too long."""
    role_name = reading.text("role_name")
    # Without a role name, the automatic one is at most this long. An unknown name does not get here.
    name = role_name.text if role_name else formats.MAXIMUM_ROLE_NAME_LENGTH * "n"
    size = len("".join(policies.with_role_name(role_policy, name).split()))
    if size > formats.MAXIMUM_INLINE_SIZE:
        vpc = reading.report.at("vpc_configuration")
        vpc.member(reading.report.source.spell("subnet_ids")).refuse(
            f"the role policy has {vpc.show(f'{size:,}')} characters without whitespace",
            f"at most {formats.MAXIMUM_INLINE_SIZE:,} characters; use fewer subnets",
        )
