"""Check a role's settings against each other, its connector, and the credentials.

Each rule reads a role and adds problems to a report, and warnings about questionable values.
"""

from collections.abc import Callable
from typing import Final

from . import formats
from .commands import quote, switch_credentials
from .connectors import ANY, Need
from .fields import is_unknown
from .kinds import Format
from .report import Report
from .role import Role
from .settings import SETTINGS


def check_presence(role: Role, report: Report) -> None:
    """Reject a required setting that is not set."""
    connector, needs = role.connector, role.connector.needs
    for name, field in role.arguments.fields.items():
        if field.is_set:
            continue
        if SETTINGS[name].required or (name == "region" and field.in_stack):
            message = "is required but not set"
        elif needs.get(name) is Need.REQUIRED:
            message = (
                f"is not set, but the {connector.name} connector requires it (see {connector.page})"
            )
        else:
            continue
        kind = SETTINGS[name].kind
        fix = field.set(kind.placeholder) if isinstance(kind, Format) else ""
        report.reject(field, message, kind.expected, fix)


def check_support(role: Role, report: Report) -> None:
    """Reject a setting that the connector does not support; warn if only earlier versions support it."""
    fields, connector = role.arguments.fields, role.connector
    for name, need in connector.needs.items():
        field = fields[name]
        if need is Need.NOT_SUPPORTED and field.is_set and field.is_known:
            report.reject(
                field,
                f"is not supported by the {connector.name} connector (see {connector.page})",
                f"no {field.name}, or another {fields['connector'].name}",
                field.remove(),
            )
        if need is Need.EARLIER_VERSIONS and name in role.values:
            report.warnings.append(
                f"{field.name}: only earlier versions of the {connector.name} connector support it "
                f"(see {connector.page})"
            )


def check_outputs(role: Role, report: Report) -> None:
    """Reject an Output for a setting that determines which resources exist."""
    for name, field in role.arguments.fields.items():
        if SETTINGS[name].structural and is_unknown(field.value):
            report.reject(
                field,
                "is an Output, but this setting determines which statements and resources exist",
                "a plain value, not an Output or a secret",
            )


def check_requirements(role: Role, report: Report) -> None:
    """Reject a setting that has no effect because another setting is not set."""
    fields, connector = role.arguments.fields, role.connector
    requirements = [
        ("allow_network_interface_deletion", "vpc_configuration", ""),
        ("bucket_account_id", "bucket_name", ""),
    ]
    if connector.secret is Need.OPTIONAL and connector is not ANY:
        use = (
            f", because the {connector.name} connector uses the key only for the secret "
            f"(see {connector.page})"
        )
        requirements.append(("kms_key_id", "secret_id", use))
    for name, other, reason in requirements:
        need = connector.need(other)
        # If a required setting is missing, `check_presence` reports that.
        if role.values.get(name) and other not in role.given and need is not Need.REQUIRED:
            field, required = fields[name], fields[other].name
            without = f"no {field.name}"
            # If the connector does not support the other setting, the only fix is to remove this one.
            expected = without if need is Need.NOT_SUPPORTED else f"{required}, or {without}"
            report.reject(field, f"requires {required}{reason}", expected, field.remove())


def check_credentials(role: Role, report: Report) -> None:
    """Reject credentials for a partition or account other than the application's."""
    application = role.text("application_id")
    for part in ("partition", "account"):
        wanted, actual = getattr(role.location, part), getattr(role.credentials, part)
        if wanted and actual and wanted != actual:
            name = "application_id" if getattr(application, part) else "account_id"
            shown = getattr(role.shown, part)
            report.reject(
                role.arguments.fields[name],
                f"the application is in {part} {shown}, but the credentials are for {part} {actual}; a "
                "role can be passed only within its own account",
                f"credentials for {part} {shown}",
                switch_credentials(f"{part} {shown}"),
            )
            return


def check_region(role: Role, report: Report) -> None:
    """Warn about a Region where Amazon Q Business is not available."""
    region = role.location.region
    if region and region not in formats.SUPPORTED_REGIONS:
        report.warnings.append(
            f"Amazon Q Business is not available in {role.shown.region}; it is available in "
            f"{', '.join(formats.SUPPORTED_REGIONS)}"
        )


_SAME_ACCOUNT: Final = ("account_id", "permissions_boundary_arn")
"""Settings whose account must be the application's. Other resources may be in other accounts."""


def check_arns(role: Role, report: Report) -> None:
    """Reject values whose partition or Region differs from the application's.

    For the settings in `_SAME_ACCOUNT`, also reject values whose account differs, except the ARN of an
    AWS managed policy.
    """
    for field, text in role.texts():
        # In the ARN of an AWS managed policy, the account is `aws`.
        any_account = field.setting not in _SAME_ACCOUNT or text.account == "aws"
        for part in ("partition", "region") if any_account else role.location._fields:
            given, wanted = getattr(text, part), getattr(role.location, part)
            if given and wanted and given != wanted:
                title, shown = "Region" if part == "region" else part, getattr(role.shown, part)
                # If the setting is only a Region or an account, the command can contain the right one,
                # unless it is hidden. For an ARN, the user must find the right ARN.
                whole_value = given == text.text and shown == wanted
                report.reject(
                    field,
                    f"{field.quote(text.text)} does not match the application's {title}",
                    f"the {title} {shown}",
                    field.set(shown if whole_value else "VALUE"),
                )


def check_secret(role: Role, report: Report) -> None:
    """Warn about a secret name that seems to lack Secrets Manager's suffix.

    A value that is hidden or that AWS returned causes no warning.
    """
    field, suffix = role.arguments.fields["secret_id"], role.text("secret_id").id.rpartition("-")[2]
    if field.secret or role.arguments.secret_exists:
        return
    if suffix.isalpha() and suffix.islower():
        report.warnings.append(
            f"{field.name}: the value ends in six lowercase letters, which look like part of "
            "the secret's name, not the suffix that Secrets Manager adds. "
            "`aws secretsmanager describe-secret --secret-id NAME --query ARN` shows the full ARN"
        )


def check_key(role: Role, report: Report) -> None:
    """Check the key of a secret or bucket in another account.

    Such a secret needs a customer managed key, but such a bucket does not. A key ID causes a warning,
    because it contains no account.
    """
    fields, own = role.arguments.fields, role.location.account
    encrypted, name = "secret", "secret_id"
    if role.connector.bucket_is_source:
        encrypted, name = "bucket", "bucket_account_id"
    owner = role.text(name).account
    if not own or owner in ("", own):
        return
    field, key = fields["kms_key_id"], role.text("kms_key_id")
    place = f"the {encrypted} is in account {fields[name].show(owner)}"
    if key.text and not key.account:
        report.warnings.append(
            f"{field.name}: a key ID refers to a key in account {role.shown.account}, but {place}; if "
            "the key is also there, use its ARN"
        )
    elif encrypted == "secret" and "kms_key_id" not in role.given:
        report.reject(
            field,
            f"is not set, but {place}, and an AWS managed key cannot be used from another account",
            f"the ARN of the customer managed key that encrypts the secret, {formats.KEY_ARN}ID",
            field.set("KEY_ARN"),
        )


def check_role_name(role: Role, report: Report) -> None:
    """Warn if the console does not list a role with the name in `role_name`.

    If `role_name` is not set, reject the component's name if no role name can be derived from it.
    """
    field, name = role.arguments.fields["role_name"], role.text("role_name").text
    if name and not any(word in name for word in formats.LISTED_NAMES):
        report.warnings.append(
            f"{field.name}: the Amazon Q Business console lists only roles whose name contains "
            f"{' or '.join(formats.LISTED_NAMES)}, so it does not list {field.quote(name)}"
        )
    if "role_name" not in role.given and not formats.COMPONENT_NAME.parse(role.name):
        report.reject(
            field,
            "is not set and cannot be derived from the component's name "
            f"{quote(role.name)} ({len(role.name)} characters)",
            f"a role name, or {formats.COMPONENT_NAME.expected}",
            field.set(formats.ROLE_NAME.placeholder),
        )


RULES: Final[tuple[Callable[[Role, Report], None], ...]] = (
    check_presence,
    check_support,
    check_outputs,
    check_requirements,
    check_credentials,
    check_region,
    check_arns,
    check_secret,
    check_key,
    check_role_name,
)
