"""Check a role's settings against each other, the connector, and the provider; render the policies.

Each rule reads a role and adds problems, and warnings about questionable values. Rules skip values that
are not known yet, and run again when Outputs and the provider's location are known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pulumi

from . import formats, policies
from .connectors import ANY, Need
from .formats import NOWHERE, Location, Text
from .problems import Place, Problems, SettingsError, Source, quote
from .settings import SETTINGS, Role, State, Value, as_input, is_mapping

OTHER_CREDENTIALS: Final = "use other credentials; `aws sts get-caller-identity` shows their account"
_SHORTEST: Final = Location("aws", "us-east-1", "000000000000")


def check_presence(role: Role, problems: Problems) -> None:
    """Reject a missing required setting, and an Output in a setting that must be plain."""
    needs = role.connector.needs
    for name, value in role.values.items():
        setting, place, state = SETTINGS[name], value.place, value.state
        if state is State.UNKNOWN and setting.structural:
            given = "is an Output, but this setting determines which statements and resources exist"
            problems.add(place, given, "a plain value, not an Output or a secret")
        in_stack = name == "region" and place.source is Source.STACK
        if state is State.UNSET and (setting.required or in_stack or needs.get(name) is Need.REQUIRED):
            by_connector = f"is not set, but {role.connector.label} requires it"
            given = by_connector if name in needs else "is required but not set"
            fix = place.fix("set", getattr(setting.kind, "placeholder", ""))
            problems.add(place, given, setting.kind.expected, fix)


def check_support(role: Role, problems: Problems) -> None:
    """Reject a setting that the connector does not support; warn if only earlier versions support it."""
    for name, need in role.connector.needs.items():
        value, label = role.values[name], role.connector.label
        if value.state is State.UNSUPPORTED:
            expected = f"no {value.place.name}, or a different {role.values['connector'].place.name}"
            problems.add(value.place, f"is not supported by {label}", expected, value.place.fix("rm"))
        if need is Need.EARLIER_VERSIONS and value.parsed:
            problems.warnings.append(f"{value.place.name}: only earlier versions of {label} support it")


def check_requirements(role: Role, problems: Problems) -> None:
    """Reject a setting that has no effect because another setting is not set."""
    requirements = [
        ("allow_network_interface_deletion", "vpc_configuration", ""),
        ("bucket_account_id", "bucket_name", ""),
    ]
    if role.connector.secret is Need.OPTIONAL and role.connector is not ANY:
        reason = f", because {role.connector.label} uses the key only for the secret"
        requirements.append(("kms_key_id", "secret_id", reason))
    for name, other, reason in requirements:
        value, required, need = role.values[name], role.values[other], role.connector.needs.get(other)
        is_missing = required.state in (State.UNSET, State.UNSUPPORTED)
        # `check_presence` reports a missing required setting.
        if value.parsed and is_missing and need is not Need.REQUIRED:
            # If the other setting is not supported, the only fix is to remove this one.
            other_name = "" if need is Need.NOT_SUPPORTED else f"{required.place.name}, or "
            place, expected = value.place, f"{other_name}no {value.place.name}"
            problems.add(place, f"requires {required.place.name}{reason}", expected, place.fix("rm"))


def check_credentials(role: Role, problems: Problems) -> None:
    """Reject credentials for a partition or account other than the application's."""
    for part in ("partition", "account"):
        wanted, actual = getattr(role.location, part), getattr(role.caller, part)
        if wanted and actual and wanted != actual:
            in_arn = getattr(role.text("application_id"), part)
            shown = f"{part} {getattr(role.shown, part)}"
            problems.add(
                role.values["application_id" if in_arn else "account_id"].place,
                f"the application is in {shown}, but the credentials are for {part} {actual}; a role "
                "can be passed only within its own account",
                f"credentials for {shown}",
                OTHER_CREDENTIALS,
            )
            return


def check_region(role: Role, problems: Problems) -> None:
    """Warn about a Region where Amazon Q Business is not available."""
    if role.location.region not in ("", *formats.SUPPORTED_REGIONS):
        problems.warnings.append(
            f"Amazon Q Business is not available in {role.shown.region}; it is available in "
            f"{', '.join(formats.SUPPORTED_REGIONS)}"
        )


def check_arns(role: Role, problems: Problems) -> None:
    """Reject values whose partition or Region differs from the application's.

    If a setting has `same_account`, the account must also match. AWS managed policies have no account.
    """
    texts = [(it.place, it.parsed) for it in role.values.values() if isinstance(it.parsed, Text)]
    for place, text in [*texts, *(each for listed in role.vpc.values() for each in listed)]:
        is_same = SETTINGS[place.setting].same_account and text.account != "aws"
        for part in Location._fields if is_same else ("partition", "region"):
            given, wanted = getattr(text, part), getattr(role.location, part)
            if given and wanted and given != wanted:
                title, shown = part.replace("region", "Region"), getattr(role.shown, part)
                problem = f"{place.show(text.text)} does not match the application's {title}"
                value = wanted if given == text.text and shown == wanted else "VALUE"
                problems.add(place, problem, f"the {title} {shown}", place.fix("set", value))


def check_secret(role: Role, problems: Problems) -> None:
    """Warn about a secret name that seems to lack Secrets Manager's suffix."""
    place, suffix = role.values["secret_id"].place, role.text("secret_id").id.rpartition("-")[2]
    if suffix.isalpha() and suffix.islower() and not place.is_secret:
        problems.warnings.append(
            f"{place.name}: the value ends in six lowercase letters, which look like part of "
            "the secret's name, not the suffix that Secrets Manager adds. "
            "`aws secretsmanager describe-secret --secret-id NAME --query ARN` shows the full ARN"
        )


def check_key(role: Role, problems: Problems) -> None:
    """Check the key of a secret or bucket in another account.

    A secret in another account needs a customer managed key, but a bucket does not. A key ID causes a
    warning, because it does not contain an account.
    """
    of_bucket = role.connector.bucket_is_source
    name, encrypted = ("bucket_account_id", "bucket") if of_bucket else ("secret_id", "secret")
    owner, own = role.text(name).account, role.location.account
    if not own or owner in ("", own):
        return
    key = role.values["kms_key_id"]
    there = f"the {encrypted} is in account {role.values[name].place.hide(owner)}"
    if key.parsed and not key.parsed.account:
        problems.warnings.append(
            f"{key.place.name}: a key ID refers to a key in account {role.shown.account}, but {there}; "
            "if the key is also there, use its ARN"
        )
    elif not (of_bucket or key.is_set):
        problems.add(
            key.place,
            f"is not set, but {there}, and an AWS managed key cannot be used from another account",
            "the ARN of the customer managed key that encrypts the secret, "
            f"{formats.SHOWN.arn('kms', 'key/ID')}",
            key.place.fix("set", "KEY_ARN"),
        )


def check_role_name(role: Role, problems: Problems) -> None:
    """Warn about a role name that the console does not list.

    If the role name is not set, reject a component's name from which no role name can be derived.
    """
    value, name = role.values["role_name"], role.text("role_name").text
    place = value.place
    if name and not any(word in name for word in formats.LISTED_NAMES):
        problems.warnings.append(
            f"{place.name}: the Amazon Q Business console lists only roles whose names contain "
            f"{' or '.join(formats.LISTED_NAMES)}, so it does not list {place.show(name)}"
        )
    if not value.is_set and not formats.COMPONENT_NAME.parse(role.name):
        problems.add(
            place,
            f"is not set and cannot be derived from the component's name {quote(role.name)}",
            f"a role name, or {formats.COMPONENT_NAME.expected}",
            place.fix("set", formats.ROLE_NAME.placeholder),
        )


def check_subnets(role: Role, problems: Problems) -> None:
    """Warn if there are more subnets than the console accepts."""
    place = role.values["vpc_configuration"].place
    count = len({text for _, text in role.vpc.get("subnet_ids", ())})
    if count > formats.MAXIMUM_CONSOLE_SUBNETS:
        name = place.part(place.source.spell("subnet_ids")).name
        problems.warnings.append(
            f"{name} has {place.show(count)} subnets; the Amazon Q Business console accepts at most "
            f"{formats.MAXIMUM_CONSOLE_SUBNETS}"
        )


def check_size(role: Role, problems: Problems) -> None:
    """Reject a role policy that is too long for IAM; only a long list of subnets can make it too long.

    Until the provider's location is known, assume the shortest location, so that a policy that may turn
    out to be short enough is not rejected. Assume that an automatic role name has the maximum length.
    """
    if problems.found or len(role.vpc.get("subnet_ids", ())) <= formats.MAXIMUM_CONSOLE_SUBNETS:
        return
    if {role.values[name].state for name in role.policy_settings} & {State.INVALID, State.UNKNOWN}:
        return
    located = replace(role, caller=role.caller if role.caller.account else _SHORTEST)
    name = role.text("role_name").text or formats.MAXIMUM_ROLE_NAME_LENGTH * "n"
    size = len("".join(policies.role_policy(located, name).split()))
    if size > formats.MAXIMUM_INLINE_SIZE:
        vpc = role.values["vpc_configuration"].place
        problems.add(
            vpc.part(vpc.source.spell("subnet_ids")),
            f"the role policy has {vpc.hide(f'{size:,}')} characters, not counting whitespace",
            f"at most {formats.MAXIMUM_INLINE_SIZE:,} characters; use fewer subnets",
        )


RULES: Final = (
    check_presence,
    check_support,
    check_requirements,
    check_credentials,
    check_subnets,
    check_region,
    check_arns,
    check_secret,
    check_key,
    check_role_name,
    check_size,
)


def check_role(role: Role, problems: Problems) -> Role:
    """Return the role with its parsed values and its warnings; add its problems to `problems`."""
    own = Problems()
    needs = role.connector.needs
    values = {
        name: value.read(own, is_supported=needs.get(name) is not Need.NOT_SUPPORTED)
        for name, value in role.values.items()
    }
    checked = Role(role.name, values, role.caller, role.protect, own.warnings)
    for rule in RULES:
        rule(checked, own)
    order = ["", *SETTINGS]  # problems with other keys come first
    problems.extend(sorted(own.found, key=lambda problem: order.index(problem.place.setting)))
    return checked


def read_role(name: object, args: object, source: Source, caller: Location = NOWHERE) -> Role:
    """Return the role with a program's or a package's arguments; raise SettingsError for problems."""
    given, problems = as_input(args, levels=3), Problems()  # the first level is the arguments themselves
    if not (isinstance(name, str) and is_mapping(given)):  # Python does not enforce annotations
        raise pulumi.RunError("ConnectorRole takes a string name and a dictionary of arguments")
    keys = {source.spell(setting): setting for setting in SETTINGS}
    problems.check_keys(given, keys, Place((), source))
    values = {
        setting: Value(Place((key,), source, setting), given.get(key)) for key, setting in keys.items()
    }
    role = check_role(Role(name, values, caller), problems)
    if problems.found:
        raise SettingsError(problems.found, name)
    return role


def resolve_role(
    role: Role, caller: Location, values: Mapping[str, object], are_secret: Mapping[str, bool]
) -> Role:
    """Return a checked role with the provider's location and the values of its Outputs.

    Raises SettingsError for problems with these values.
    """
    resolved_values = {
        name: Value(
            role.values[name].place._replace(is_secret=are_secret[name]), as_input(value), State.RESOLVED
        )
        for name, value in values.items()
    }
    problems = Problems()
    unchecked_role = replace(role, values={**role.values, **resolved_values}, caller=caller)
    checked_role = check_role(unchecked_role, problems)
    if problems.found:
        raise SettingsError(problems.found, role.name)
    return checked_role


def render(
    name: str,
    settings: Mapping[str, object],
    role_name: str,
    caller: Location = NOWHERE,
    source: Source = Source.PYTHON,
) -> tuple[str, str, Sequence[str]]:
    """For tools, return a role's trust policy, its role policy, and the warnings about its settings.

    `name` is the component's name. The settings are plain values, named as `source` spells them.
    `caller` completes the application's location, as the provider's location does in a program. Raises
    SettingsError for settings that the component rejects.
    """
    role = read_role(name, settings, source, caller)
    return policies.trust_policy(role), policies.role_policy(role, role_name), role.warnings
