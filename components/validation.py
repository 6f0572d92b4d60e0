"""Validate the settings of a connector role.

`validate` returns the two policies that the settings ask for, or raises every problem at once. It
registers no resource, reads no configuration and calls nothing. A value that is not known yet (an
Output, or what an Output holds during a preview) is skipped; the same function validates it once it is.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple, cast

import pulumi
from pulumi.output import Unknown

from . import formats, policies
from .errors import REMOVE, Naming, Path, Problem, SettingsError, property_path, quote
from .formats import SETTINGS, VPC_MEMBERS, Format
from .policies import Application, Settings


class Location(NamedTuple):
    """Where a resource is, or what credentials are for; None where that is not known."""

    partition: str | None = None
    region: str | None = None
    account: str | None = None


class ValidationResult(NamedTuple):
    """The policies, each None while a setting that it depends on is not known."""

    trust_policy: str | None
    role_policy: str | None
    warnings: Sequence[str]


def validate(
    component_name: str,
    args: Mapping[str, object],
    naming: Naming | None = None,
    credentials: Location | None = None,
    secret_names: Collection[str] = (),
) -> ValidationResult:
    """Return both policies, or raise every problem in the settings.

    `args` has the settings by their names in `naming`, by default those of the component's arguments;
    None, "" and no tags mean not set. `credentials` is where the caller may act: it has to be the
    application's account, and is its location where no setting says more. Values of the settings in
    `secret_names` are never shown.

    Raises SettingsError.
    """
    validator = _Validator(args, naming or Naming(), secret_names)
    for name, kind in SETTINGS.items():
        validator.check_setting(name, kind)
    location = validator.check_location(credentials or Location())
    validator.check_parts(location)
    validator.check_secret(location)
    validator.check_deletion()
    validator.check_role_name(component_name)
    validator.raise_problems()
    return validator.render(location)


def is_unknown(value: object) -> bool:
    """Return whether a value is not known yet."""
    return isinstance(value, (pulumi.Output, Unknown))


_SHORTEST_LOCATION: Final = {"partition": "aws", "region": "us-east-1", "account": 12 * "0"}
_KINDS: Final[Mapping[type, str]] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}


def _text(key: object) -> str:
    return key if isinstance(key, str) else quote(key)


class _Validator:
    """One pass over the settings, which collects problems and warnings."""

    def __init__(
        self, args: Mapping[str, object], naming: Naming, secret_names: Collection[str]
    ) -> None:
        self.naming = naming
        self.secret_names = secret_names
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.unknown: set[str] = set()
        """The settings that are not known yet, or have a member that is not."""
        self.matches: dict[Path, re.Match[str]] = {}
        """Every text that is known and valid."""
        self.args = self.check_names((), args, SETTINGS)
        """The settings that are set, by our names."""

    # Names, and how to write messages.

    def path(self, *names: str) -> Path:
        return tuple(map(self.naming.spell, names))

    def name(self, *names: str) -> str:
        return property_path(self.path(*names))

    def is_secret(self, *names: str) -> bool:
        return any(self.naming.spell(name) in self.secret_names for name in names)

    def show(self, path: Path, value: object, quoted: Callable[[object], str] = quote) -> str:
        """Write a value that was given, or that follows from it, unless it is a secret."""
        return "[secret]" if path[0] in self.secret_names else quoted(value)

    def show_application(self, part: str) -> str:
        """Write a part of the application's location, unless a secret may have it."""
        return "[secret]" if self.is_secret(*formats.TRUST_POLICY_SETTINGS) else part

    def add_error(
        self, path: Path, message: str, expected: str, value: str | None = None, fix: str | None = None
    ) -> None:
        """Add a problem; `value` is for the command that fixes it."""
        if path[0] in self.secret_names:
            path = path[:1]  # what follows may be a key of the secret
        if self.naming.fix and not fix:
            fix = self.naming.fix(path, value)
        self.problems.append(Problem(path, message, expected, fix))

    def add_type_error(
        self, path: Path, kind: str, value: object, expected: str, placeholder: str | None = None
    ) -> None:
        got = "null"
        if value is not None:
            got = _KINDS.get(type(value), f"a Python {type(value).__name__}")
            got += f" ({self.show(path, value)})"
        advice = "; quote it" if kind == "a string" and isinstance(value, (int, float)) else ""
        self.add_error(path, f"expected {kind}, got {got}{advice}", expected, placeholder)

    def raise_problems(self) -> None:
        """Raise all problems, in the order of the settings; unknown names come first."""
        if self.problems:
            order = {self.naming.spell(name): place for place, name in enumerate(SETTINGS)}
            raise SettingsError(sorted(self.problems, key=lambda it: order.get(str(it.path[0]), -1)))

    # Each setting by itself.

    def check_names(
        self, parent: Path, given: Mapping[str, object], known: Collection[str]
    ) -> dict[str, object]:
        """Return what is set, by our names; refuse names that are not in the table."""
        names = {self.naming.spell(name): name for name in known}
        for key in (_text(key) for key in given if key not in names):
            path, shown = (*parent, key), {name: property_path((*parent, name)) for name in names}
            near = [] if path[0] in self.secret_names else get_close_matches(key, names, 1, 0.5)
            advice = f"; did you mean {shown[near[0]]}?" if near else ""
            self.add_error(path, f"is not a setting{advice}", ", ".join(shown.values()), REMOVE)
        values = {names[key]: value for key, value in given.items() if key in names}
        return {name: value for name, value in values.items() if value is not None and value != ""}

    def check_setting(self, name: str, kind: Format | type) -> None:
        path, value = self.path(name), self.args.get(name)
        if value is None:
            if name in self.naming.required and isinstance(kind, Format):
                self.add_error(path, "is required and not set", kind.expected, kind.placeholder)
        elif isinstance(kind, Format):
            self.check_text(name, path, value, kind)
        elif is_unknown(value):
            self.unknown.add(name)
            if name == "exclusive_policies":
                message = "is an Output, and decides which resources exist"
                self.add_error(path, message, "True or False")
        elif kind is bool:
            if not isinstance(value, bool):
                self.add_type_error(path, "a boolean", value, "true or false", "false")
        elif not isinstance(value, Mapping):
            members = " and ".join(self.name(name, member) for member in VPC_MEMBERS)
            expected = "an object of strings" if name == "tags" else f"an object of {members}"
            self.add_type_error(path, "an object", value, expected)
        elif name == "tags":
            self.check_tags(path, cast("Mapping[object, object]", value))
        else:
            self.check_vpc(path, cast("Mapping[str, object]", value))

    def check_text(self, name: str, path: Path, value: object, form: Format) -> None:
        if is_unknown(value):
            self.unknown.add(name)
        elif not isinstance(value, str):
            self.add_type_error(path, "a string", value, form.expected, form.placeholder)
        elif value == form.placeholder:
            self.add_error(path, f"{value} is a placeholder", form.expected, value)
        elif match := form.pattern.fullmatch(value):
            self.matches[path] = match
        else:
            message = f"{self.show(path, value)} is not {form.name}"
            self.add_error(path, message, form.expected, form.placeholder)

    def check_vpc(self, path: Path, value: Mapping[str, object]) -> None:
        members = self.check_names(path, value, VPC_MEMBERS)
        for name, form in VPC_MEMBERS.items():
            member, items = (*path, self.naming.spell(name)), members.get(name)
            expected = f"a list, each {form.expected}"
            if is_unknown(items):
                self.unknown.add("vpc_configuration")
            elif items in (None, [], ()):
                message = "is required and not set" if items is None else "the list is empty"
                self.add_error((*member, 0), message, expected, form.placeholder)
            elif not isinstance(items, (list, tuple)):
                self.add_type_error(member, "a list", items, expected)
            else:
                for place, item in enumerate(cast("Sequence[object]", items)):
                    self.check_text("vpc_configuration", (*member, place), item, form)
        groups = {match[0] for match in self.members("vpc_configuration", "security_group_ids")}
        if len(groups) > formats.MAXIMUM_SECURITY_GROUPS:
            count = f"has {self.show(path, len(groups))} security groups"
            expected = f"1 to {formats.MAXIMUM_SECURITY_GROUPS} security groups"
            self.add_error(self.path("vpc_configuration", "security_group_ids"), count, expected)
        subnets = {match[0] for match in self.members("vpc_configuration", "subnet_ids")}
        if len(subnets) > formats.MAXIMUM_CONSOLE_SUBNETS:
            self.warnings.append(
                f"{self.name('vpc_configuration', 'subnet_ids')} has {self.show(path, len(subnets))} "
                "subnets; the Amazon Q Business console takes at most "
                f"{formats.MAXIMUM_CONSOLE_SUBNETS}"
            )

    def check_tags(self, path: Path, tags: Mapping[object, object]) -> None:
        if len(tags) > formats.MAXIMUM_TAGS:
            count = f"has {self.show(path, len(tags))} tags"
            self.add_error(path, count, f"at most {formats.MAXIMUM_TAGS}")
        spelling: dict[str, str] = {}
        for key, value in tags.items():
            tag, shown = (*path, _text(key)), self.show(path, key)
            if not isinstance(key, str):
                self.add_type_error(tag, "a key that is a string", key, "a string", REMOVE)
                continue
            if not formats.TAG_KEY.pattern.fullmatch(key):
                self.add_error(tag, f"{shown} is not a tag key", formats.TAG_KEY.expected, REMOVE)
            if key.lower().startswith("aws:"):
                expected = "a key that does not begin with aws:"
                self.add_error(tag, f"{shown} is reserved", expected, REMOVE)
            if (twin := spelling.setdefault(key.lower(), key)) != key:
                message = f"{shown} and {self.show(path, twin)} differ in case alone"
                expected = "keys that differ in more: IAM ignores the case of tag keys"
                self.add_error(tag, message, expected, REMOVE)
            self.check_text("tags", tag, value, formats.TAG_VALUE)

    # Settings that have to agree with one another.

    def match(self, name: str) -> re.Match[str] | None:
        """Return the match of a text; None if it is not set, not known or refused."""
        return self.matches.get(self.path(name))

    def members(self, *names: str) -> list[re.Match[str]]:
        """Return the matches of the texts in a list."""
        parent = self.path(*names)
        return [match for path, match in self.matches.items() if path[:-1] == parent]

    def check_location(self, credentials: Location) -> Location:
        """Return the application's location; refuse credentials that are not for it."""
        application = self.match("application_id")
        region, account = self.match("region"), self.match("account_id")
        location = Location(None, region and region[0], account and account[0])
        if application:
            location = Location(
                application["partition"] or credentials.partition,
                application["region"] or location.region or credentials.region,
                application["account"] or location.account or credentials.account,
            )
        for part, ours, theirs in (
            ("partition", location.partition, credentials.partition),
            ("account", location.account, credentials.account),
        ):
            if ours and theirs and ours != theirs:
                shown = self.show_application(ours)
                in_arn = application and application["account"]
                given = account and part == "account" and not in_arn
                name = "account_id" if given else "application_id"
                self.add_error(
                    self.path(name),
                    f"the application is in {part} {shown}, the credentials are for {part} {theirs}; a "
                    "role can be passed only to a service of its own account",
                    f"credentials for {part} {shown}; `aws sts get-caller-identity` shows yours",
                    fix=f"deploy with credentials for {part} {shown}",
                )
                break
        if location.region and location.region not in formats.SUPPORTED_REGIONS:
            supported = ", ".join(formats.SUPPORTED_REGIONS)
            shown = self.show_application(location.region)
            self.warnings.append(f"Amazon Q Business is not offered in {shown}: {supported}")
        return location

    def check_parts(self, application: Location) -> None:
        """Refuse an ARN, Region or account that is not the application's."""
        # Secrets, keys and subnets may be another account's.
        same_account = (self.path("account_id"), self.path("permissions_boundary_arn"))
        for path, match in self.matches.items():
            for part, ours in zip(("partition", "Region", "account"), application, strict=True):
                theirs = match.groupdict().get(part.lower())
                if part == "account" and (path not in same_account or theirs == "aws"):
                    continue
                if theirs and ours and theirs != ours:
                    shown = self.show_application(ours)
                    self.add_error(
                        path,
                        f"{self.show(path, match[0])} does not match the {part} of the application",
                        f"the {part} {shown}",
                        shown if theirs == match[0] and shown == ours else "VALUE",
                    )

    def check_secret(self, application: Location) -> None:
        secret = self.match("secret_id")
        if secret is None:
            return
        suffix = secret["id"].rpartition("-")[2]
        if suffix.isalpha() and suffix.islower() and not self.is_secret("secret_id"):
            self.warnings.append(
                f"{self.name('secret_id')}: the value ends in six lower-case letters, which looks like "
                "part of the secret's name and not like the six characters that Secrets Manager adds. "
                "`aws secretsmanager describe-secret --secret-id NAME --query ARN` shows the full ARN"
            )
        account = secret["account"] or application.account
        if application.account and account != application.account and "kms_key_id" not in self.args:
            self.add_error(
                self.path("kms_key_id"),
                "is required and not set: an AWS managed key cannot be used from another account, and "
                f"the secret is in account {self.show(self.path('secret_id'), account, str)}",
                f"the customer managed key that encrypts the secret: {formats.KEY.expected}",
                formats.KEY.placeholder,
            )

    def check_deletion(self) -> None:
        name = "allow_network_interface_deletion"
        if self.args.get(name) is True and "vpc_configuration" not in self.args:
            vpc = self.name("vpc_configuration")
            self.add_error(self.path(name), f"requires {vpc}", f"false, or true with {vpc}", "false")

    def check_role_name(self, component_name: str) -> None:
        path, name = self.path("role_name"), self.match("role_name")
        if name and not any(word in name[0] for word in formats.LISTED_NAMES):
            self.warnings.append(
                f"{self.name('role_name')}: the Amazon Q Business console lists only roles whose name "
                f"contains {' or '.join(formats.LISTED_NAMES)}, so not {self.show(path, name[0])}"
            )
        if "role_name" in self.args or formats.COMPONENT_NAME.pattern.fullmatch(component_name):
            return
        self.add_error(
            path,
            "is not set, and cannot be derived from the component's name "
            f"{quote(component_name)} ({len(component_name)} characters)",
            f"a role name, or {formats.COMPONENT_NAME.expected}",
            formats.ROLE_NAME.placeholder,
        )

    # Policies.

    def render(self, location: Location) -> ValidationResult:
        """Render the policies whose settings are known; raises SettingsError for a policy too long."""
        application_id, index_id = self.match("application_id"), self.match("index_id")
        secret, key = self.match("secret_id"), self.match("kms_key_id")
        if application_id is None:
            return ValidationResult(None, None, self.warnings)
        # What is not known of the location is replaced by what is as short as any, to check the size.
        parts = {part: found or _SHORTEST_LOCATION[part] for part, found in location._asdict().items()}
        application = Application(**parts, id=application_id["id"])
        trust_policy = policies.trust_policy(application) if all(location) else None
        if not (index_id and secret and self.unknown.isdisjoint(formats.ROLE_POLICY_SETTINGS)):
            return ValidationResult(trust_policy, None, self.warnings)

        def arn(service: str, kind: str, resource: re.Match[str]) -> str:
            given = {name: part for name, part in resource.groupdict().items() if part}
            at = {**parts, **given}
            return f"arn:{at['partition']}:{service}:{at['region']}:{at['account']}:{kind}{at['id']}"

        vpc = "vpc_configuration"
        subnets = [arn("ec2", "subnet/", subnet) for subnet in self.members(vpc, "subnet_ids")]
        groups = self.members(vpc, "security_group_ids")
        group_arns = [arn("ec2", "security-group/", group) for group in groups]
        ingest_scope = self.match("ingest_scope")
        role_policy = policies.role_policy(
            Settings(
                application=application,
                index_id=index_id[0],
                secret_arn=arn("secretsmanager", "secret:", secret),
                key_arn=arn("kms", "key/", key) if key else None,
                network_arns=[*dict.fromkeys(subnets + group_arns)],
                ingest_scope=ingest_scope[0] if ingest_scope else formats.INGEST_SCOPES[0],
                allow_network_interface_deletion=(
                    self.args.get("allow_network_interface_deletion") is True
                ),
            )
        )
        self.check_size(role_policy)
        return ValidationResult(trust_policy, role_policy if all(location) else None, self.warnings)

    def check_size(self, role_policy: str) -> None:
        """Refuse a policy that IAM would refuse; only subnets can be so many, the rest has limits."""
        size = len("".join(role_policy.split()))
        if size > formats.MAXIMUM_INLINE_SIZE:
            path = self.path("vpc_configuration", "subnet_ids")
            shown = self.show(path, f"{size:,}", str)
            message = f"the role policy has {shown} characters without white space"
            expected = f"at most {formats.MAXIMUM_INLINE_SIZE:,} characters, so fewer subnets"
            self.add_error(path, message, expected)
            self.raise_problems()
