"""Check settings against each other and the credentials, and warn about questionable values.

Each rule reads one role's settings and adds problems or warnings to a report.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from . import formats
from .arguments import Arguments
from .commands import quote
from .connectors import Connector, Need
from .fields import Field, is_unknown
from .formats import ParsedText
from .report import Report
from .settings import TRUST_POLICY_SETTINGS, Network


class Location(NamedTuple):
    """The partition, Region, and account of an application or provider; None for unknown parts."""

    partition: str | None = None
    region: str | None = None
    account: str | None = None


class ReadSettings(NamedTuple):
    """One role's settings for the rules to check, as each setting's `kind.read` returned them."""

    component_name: str
    connector: Connector | None
    """None if the connector is invalid or an Output."""
    credentials: Location
    """The provider's partition, account, and Region, as far as they are known."""
    given: Collection[str]
    """The settings that are set and supported by the connector, valid or not."""
    valid: Mapping[str, Any]
    """The result of `read` for each setting that is set, known, and not invalid as a whole."""
    arguments: Arguments

    def text(self, name: str) -> ParsedText | None:
        """Return a text setting; None if it is unset, unknown, or invalid."""
        return self.valid.get(name)

    @property
    def network(self) -> Network | None:
        """The valid entries of the VPC's lists; None if the VPC is unset, unknown, or not an object."""
        return self.valid.get("vpc_configuration")

    @property
    def location(self) -> Location:
        """The known parts of the application's location.

        If the application is unset, unknown, or invalid, the parts come only from other settings,
        because its ARN may contain any location.
        """
        application, region = self.text("application_id"), self.text("region")
        account = self.text("account_id")
        if application is None:
            return Location(None, region and region.text, account and account.text)
        provider = self.credentials
        # A Region that is not known yet can turn out to differ from the provider's, so it stays unknown.
        # An account cannot, because validation rejects any account other than the provider's.
        default_region = None if is_unknown(self.arguments.fields["region"].value) else provider.region
        return Location(
            application.partition or provider.partition,
            application.region or (region.text if region else default_region),
            application.account or (account.text if account else provider.account),
        )

    def texts(self) -> Iterator[tuple[Field, ParsedText]]:
        """Yield each valid text setting and each valid entry of the VPC's lists, with its field."""
        for name, value in self.valid.items():
            if isinstance(value, ParsedText):
                yield self.arguments.fields[name], value
        if self.network:
            vpc = self.arguments.fields["vpc_configuration"]
            for name, texts in self.network.items():
                for index, text in texts.items():
                    yield vpc.part(vpc.spell(name)).entry(index), text


def show_location(part: str, arguments: Arguments) -> str:
    """Return a part of the application's location, or HIDDEN if it may come from a secret."""
    return arguments.show(part, *TRUST_POLICY_SETTINGS)


def check_requirements(settings: ReadSettings, report: Report) -> None:
    """Reject a setting that has no effect because another setting is not set."""
    connector = settings.connector
    requirements = [
        ("allow_network_interface_deletion", "vpc_configuration", ""),
        ("bucket_account_id", "bucket_name", ""),
    ]
    if connector and connector.secret is Need.OPTIONAL:
        use = (
            f", because the {connector.name} connector uses the key only for the secret "
            f"(see {connector.page})"
        )
        requirements.append(("kms_key_id", "secret_id", use))
    for name, other, reason in requirements:
        need = connector.need(other) if connector else Need.OPTIONAL
        if need is Need.REQUIRED:  # if it is missing, that has already been reported
            continue
        if settings.valid.get(name) and other not in settings.given:
            fields = settings.arguments.fields
            field, required = fields[name], fields[other].name
            without = f"no {field.name}"
            # If the connector does not support the other setting, the only fix is to remove this one.
            expected = without if need is Need.NOT_SUPPORTED else f"{required}, or {without}"
            report.reject(field, f"requires {required}{reason}", expected, field.remove())


def check_credentials(settings: ReadSettings, report: Report) -> None:
    """Reject credentials for a partition or account other than the application's."""
    arguments, application = settings.arguments, settings.text("application_id")
    location, credentials = settings.location, settings.credentials
    for part in ("partition", "account"):
        wanted, actual = getattr(location, part), getattr(credentials, part)
        if wanted and actual and wanted != actual:
            in_arn = application and getattr(application, part)
            shown = show_location(wanted, arguments)
            report.reject(
                arguments.fields["application_id" if in_arn else "account_id"],
                f"the application is in {part} {shown}, but the credentials are for {part} {actual}; a "
                "role can be passed only within its own account",
                f"credentials for {part} {shown}; `aws sts get-caller-identity` shows the account "
                "and, in the ARN, the partition of the default credentials",
                f"deploy with credentials for {part} {shown}",
            )
            return


def check_region(settings: ReadSettings, report: Report) -> None:
    """Warn about a Region where Amazon Q Business is not available."""
    region = settings.location.region
    if region and region not in formats.SUPPORTED_REGIONS:
        supported = ", ".join(formats.SUPPORTED_REGIONS)
        report.warnings.append(
            f"Amazon Q Business is not available in {show_location(region, settings.arguments)}; it is "
            f"available in {supported}"
        )


_SAME_ACCOUNT: Final = ("account_id", "permissions_boundary_arn")
"""Settings whose account must be the application's. Other resources may be in other accounts."""


def check_arns(settings: ReadSettings, report: Report) -> None:
    """Reject values whose partition or Region differs from the application's.

    For the settings in `_SAME_ACCOUNT`, also reject values whose account differs, except the ARN of an
    AWS managed policy.
    """
    location = settings.location
    for field, text in settings.texts():
        # In the ARN of an AWS managed policy, the account is `aws`.
        any_account = field.setting not in _SAME_ACCOUNT or text.account == "aws"
        for part in ("partition", "region", "account"):
            given, wanted = getattr(text, part), getattr(location, part)
            if part == "account" and any_account:
                continue
            if given and wanted and given != wanted:
                title = "Region" if part == "region" else part
                shown = show_location(wanted, settings.arguments)
                # If the setting is only a Region or an account, the command can contain the right one,
                # unless it is hidden. For an ARN, the user must find the right ARN.
                whole_value = given == text.text and shown == wanted
                report.reject(
                    field,
                    f"{field.quote(text.text)} does not match the application's {title}",
                    f"the {title} {shown}",
                    field.set(shown if whole_value else "VALUE"),
                )


def check_secret(settings: ReadSettings, report: Report) -> None:
    """Warn about a secret name that seems to lack Secrets Manager's suffix.

    A value that is hidden or that AWS returned causes no warning.
    """
    field, text = settings.arguments.fields["secret_id"], settings.text("secret_id")
    if text is None or text.id is None or field.secret or settings.arguments.secret_exists:
        return
    suffix = text.id.rpartition("-")[2]
    if suffix.isalpha() and suffix.islower():
        report.warnings.append(
            f"{field.name}: the value ends in six lowercase letters, which look like part of "
            "the secret's name, not the suffix that Secrets Manager adds. "
            "`aws secretsmanager describe-secret --secret-id NAME --query ARN` shows the full ARN"
        )


def check_key(settings: ReadSettings, report: Report) -> None:
    """Check the key of a secret or bucket in another account.

    Such a secret needs a customer managed key, but such a bucket does not. A key ID causes a warning,
    because it contains no account.
    """
    arguments, connector, own = settings.arguments, settings.connector, settings.location.account
    if connector and connector.bucket_is_source:
        encrypted, name = "bucket", "bucket_account_id"
    else:
        encrypted, name = "secret", "secret_id"
    owner = settings.text(name)
    if own is None or owner is None or owner.account in (None, own):
        return
    field, key = arguments.fields["kms_key_id"], settings.text("kms_key_id")
    place = f"the {encrypted} is in account {arguments.fields[name].show(owner.account)}"
    if key and key.account is None:
        report.warnings.append(
            f"{field.name}: a key ID refers to a key in account {show_location(own, arguments)}, but "
            f"{place}; if the key is also there, use its ARN"
        )
    elif encrypted == "secret" and "kms_key_id" not in settings.given:
        report.reject(
            field,
            f"is not set, but {place}, and an AWS managed key cannot be used from another account",
            f"the ARN of the customer managed key that encrypts the secret, {formats.KEY_ARN}ID",
            field.set("KEY_ARN"),
        )


def check_role_name(settings: ReadSettings, report: Report) -> None:
    """Warn if the console does not list a role with the name in `role_name`.

    If `role_name` is not set, reject the component's name if no role name can be derived from it.
    """
    field, name = settings.arguments.fields["role_name"], settings.text("role_name")
    if name and not any(word in name.text for word in formats.LISTED_NAMES):
        report.warnings.append(
            f"{field.name}: the Amazon Q Business console lists only roles whose name contains "
            f"{' or '.join(formats.LISTED_NAMES)}, so it does not list {field.quote(name.text)}"
        )
    component_name = settings.component_name
    if "role_name" not in settings.given and not formats.COMPONENT_NAME.parse(component_name):
        report.reject(
            field,
            "is not set and cannot be derived from the component's name "
            f"{quote(component_name)} ({len(component_name)} characters)",
            f"a role name, or {formats.COMPONENT_NAME.expected}",
            field.set(formats.ROLE_NAME.placeholder),
        )


RULES: Final[tuple[Callable[[ReadSettings, Report], None], ...]] = (
    check_requirements,
    check_credentials,
    check_region,
    check_arns,
    check_secret,
    check_key,
    check_role_name,
)
