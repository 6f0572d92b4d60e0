"""Check settings against each other, and against the credentials.

Each rule reads the settings of one role and adds problems or warnings to its report.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from . import formats
from .connectors import Connector, Need
from .errors import quote
from .formats import Text
from .report import REMOVE, Place, Report
from .settings import TRUST_POLICY_SETTINGS, Network


class Location(NamedTuple):
    """The partition, Region, and account of a resource or a provider; None if not known."""

    partition: str | None = None
    region: str | None = None
    account: str | None = None


class Reading(NamedTuple):
    """The settings of one role, each read by itself."""

    component_name: str
    connector: Connector | None
    """None if its name is invalid."""
    credentials: Location
    """The provider's partition, account, and Region."""
    given: Collection[str]
    """The settings that are set and that the connector supports, valid or not."""
    valid: Mapping[str, Any]
    """The settings that are known and valid, each in the form that its kind returns."""
    report: Report

    def text(self, name: str) -> Text | None:
        """Return a text setting; None if it is not set, not known, or invalid."""
        return self.valid.get(name)

    @property
    def network(self) -> Network | None:
        """The VPC; None if it is not set, not known, or invalid."""
        return self.valid.get("vpc_configuration")

    @property
    def location(self) -> Location:
        """The location of the application, as far as it is known."""
        application, region = self.text("application_id"), self.text("region")
        account = self.text("account_id")
        if application is None:
            return Location(None, region and region.text, account and account.text)
        provider = self.credentials
        # A Region that is not known yet may differ from the provider's.
        default_region = None if "region" in self.report.unknown else provider.region
        return Location(
            application.partition or provider.partition,
            application.region or (region.text if region else default_region),
            application.account or (account.text if account else provider.account),
        )

    def texts(self) -> Iterator[tuple[Place, Text]]:
        """Return every valid text, members of the VPC included, with its place."""
        for name, value in self.valid.items():
            at = self.report.at(name)
            if isinstance(value, Text):
                yield at, value
            elif isinstance(value, Network):
                for member, items in value._asdict().items():
                    for index, text in cast("Mapping[int, Text]", items).items():
                        yield at.member(self.report.source.spell(member), index), text


def show_location(part: str, report: Report) -> str:
    """Return a part of the application's location, hidden if it may come from a secret."""
    return report.show(part, *TRUST_POLICY_SETTINGS)


def check_requirements(reading: Reading) -> None:
    """Reject a setting that has no effect without another one."""
    connector = reading.connector
    requirements = [
        ("allow_network_interface_deletion", "vpc_configuration", ""),
        ("bucket_account_id", "bucket_name", ""),
    ]
    if connector and connector.secret is Need.OPTIONAL:
        use = f": the connector {connector.name} uses it only for the secret, see {connector.page}"
        requirements.append(("kms_key_id", "secret_id", use))
    for name, other, reason in requirements:
        need = connector.need(other) if connector else Need.OPTIONAL
        if need is Need.REQUIRED:  # its absence is a problem of its own, reported before
            continue
        if reading.valid.get(name) and other not in reading.given:
            at, required = reading.report.at(name), reading.report.name(other)
            without = f"no {reading.report.name(name)}"
            # If the connector does not support the other setting, only the removal of this one helps.
            expected = without if need is Need.NOT_SUPPORTED else f"{required}, or {without}"
            at.refuse(f"requires {required}{reason}", expected, REMOVE)


def check_credentials(reading: Reading) -> None:
    """Reject credentials for another partition or account than the application's."""
    report, application = reading.report, reading.text("application_id")
    location, credentials = reading.location, reading.credentials
    for part in ("partition", "account"):
        wanted, actual = getattr(location, part), getattr(credentials, part)
        if wanted and actual and wanted != actual:
            in_arn = application and getattr(application, part)
            shown = show_location(wanted, report)
            report.at("application_id" if in_arn else "account_id").refuse(
                f"the application is in {part} {shown}, but the credentials are for {part} {actual}; a "
                "role can be passed only to a service in its own account",
                f"credentials for {part} {shown}; `aws sts get-caller-identity` shows yours",
                fix=f"deploy with credentials for {part} {shown}",
            )
            return


def check_region(reading: Reading) -> None:
    """Warn about a Region in which AWS does not offer Amazon Q Business."""
    region = reading.location.region
    if region and region not in formats.SUPPORTED_REGIONS:
        supported = ", ".join(formats.SUPPORTED_REGIONS)
        reading.report.warnings.append(
            f"Amazon Q Business is not available in {show_location(region, reading.report)}; it is "
            f"available in {supported}"
        )


_SAME_ACCOUNT: Final = ("account_id", "permissions_boundary_arn")
"""Settings whose account must be the application's; secrets, keys, and subnets may be shared."""


def check_arns(reading: Reading) -> None:
    """Reject an ARN, Region, or account that is not the application's."""
    location = reading.location
    for at, text in reading.texts():
        # The ARN of a policy that AWS manages has the account `aws`.
        any_account = at.setting not in _SAME_ACCOUNT or text.account == "aws"
        for part in ("partition", "region", "account"):
            given, wanted = getattr(text, part), getattr(location, part)
            if part == "account" and any_account:
                continue
            if given and wanted and given != wanted:
                title, shown = part.replace("region", "Region"), show_location(wanted, reading.report)
                # A command can set a Region or an account; an ARN also has other parts.
                whole_value = given == text.text and shown == wanted
                at.refuse(
                    f"{at.show(quote(text.text))} does not match the {title} of the application",
                    f"the {title} {shown}",
                    shown if whole_value else "VALUE",
                )


def check_secret(reading: Reading) -> None:
    """Warn about a secret's name that seems to lack the suffix of Secrets Manager."""
    at, secret = reading.report.at("secret_id"), reading.text("secret_id")
    if secret is None or secret.id is None or at.secret:
        return
    suffix = secret.id.rpartition("-")[2]
    if suffix.isalpha() and suffix.islower():
        reading.report.warnings.append(
            f"{at.name}: the value ends in six lowercase letters, which look like part of "
            "the secret's name rather than the suffix that Secrets Manager adds. "
            "`aws secretsmanager describe-secret --secret-id NAME --query ARN` shows the full ARN"
        )


def check_key(reading: Reading) -> None:
    """Require the key of a secret in another account; warn about a key ID without an account.

    A bucket in another account need not use a customer managed key.
    """
    report, connector, own = reading.report, reading.connector, reading.location.account
    if connector and connector.bucket_is_source:
        encrypted, name = "bucket", "bucket_account_id"
    else:
        encrypted, name = "secret", "secret_id"
    owner = reading.text(name)
    if own is None or owner is None or owner.account in (None, own):
        return
    at, key = report.at("kms_key_id"), reading.text("kms_key_id")
    place = f"the {encrypted} is in account {report.show(owner.account, name)}"
    if key and key.account is None:
        report.warnings.append(
            f"{at.name}: a key ID means a key in account {show_location(own, report)}, but "
            f"{place}; give the key's ARN if the key is there, too"
        )
    elif encrypted == "secret" and "kms_key_id" not in reading.given:
        at.refuse(
            "is required and not set: an AWS managed key cannot be used from another account, and "
            f"{place}",
            "the ARN of the customer managed key that encrypts the secret, "
            "arn:PARTITION:kms:REGION:ACCOUNT:key/ID",
            "KEY_ARN",
        )


def check_role_name(reading: Reading) -> None:
    """Warn about a name that the console hides; reject a component's name that no role can have."""
    at, name = reading.report.at("role_name"), reading.text("role_name")
    if name and not any(word in name.text for word in formats.LISTED_NAMES):
        reading.report.warnings.append(
            f"{at.name}: the Amazon Q Business console lists only roles whose name contains "
            f"{' or '.join(formats.LISTED_NAMES)}, so it does not list {at.show(quote(name.text))}"
        )
    component_name = reading.component_name
    if "role_name" not in reading.given and not formats.COMPONENT_NAME.parse(component_name):
        at.refuse(
            "is not set, and cannot be derived from the component's name "
            f"{quote(component_name)} ({len(component_name)} characters)",
            f"a role name, or {formats.COMPONENT_NAME.expected}",
            formats.ROLE_NAME.placeholder,
        )


RULES: Final[tuple[Callable[[Reading], None], ...]] = (
    check_requirements,
    check_credentials,
    check_region,
    check_arns,
    check_secret,
    check_key,
    check_role_name,
)
