"""Validate the settings of a connector role.

`validate` returns the two policies that the settings ask for, or raises every problem at once. It
registers no resource, reads no configuration and calls nothing. A value that is not known yet (an
Output, or what an Output holds during a preview) is skipped; the same function validates it once it is.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, cast

import pulumi
from pulumi.output import Unknown

from . import formats, policies
from .connectors import CONNECTORS, DEFAULT, Connector, Need
from .errors import NOT_SET, Naming, Path, Problem, SettingsError, property_path, quote
from .formats import SETTINGS, VPC_MEMBERS, Format
from .policies import Application, Bucket, Settings


class Location(NamedTuple):
    """Where a resource is, or what credentials are for; None where that is not known."""

    partition: str | None = None
    region: str | None = None
    account: str | None = None


class ValidationResult(NamedTuple):
    """The policies, each None while a setting that it depends on is not known.

    The role policy has `policies.ROLE_NAME` in place of the role's name.
    """

    trust_policy: str | None
    role_policy: str | None
    warnings: Sequence[str]

    def of_role(self, name: str) -> "ValidationResult":
        """Return the policies of the role with this name."""
        role_policy = self.role_policy and policies.with_role_name(self.role_policy, name)
        return self._replace(role_policy=role_policy)


def validate(  # noqa: PLR0913 most callers need the first two
    component_name: str,
    args: Mapping[str, object],
    naming: Naming | None = None,
    credentials: Location | None = None,
    secret_names: Collection[str] = (),
    *,
    problems: Collection[Problem] = (),
) -> ValidationResult:
    """Return both policies, or raise every problem in the settings.

    `args` has the settings by their names in `naming`, by default those of the component's arguments;
    None, "" and no tags mean not set. `credentials` is where the caller may act: it has to be the
    application's account, and is its location where no setting says more. Values of the settings in
    `secret_names` are never shown. `problems` are raised with those that are found here.

    Raises SettingsError.
    """
    validator = _Validator(component_name, args, naming or Naming(), secret_names, problems)
    connector = validator.check_connector()
    validator.check_settings()
    validator.check_requirements(connector)
    location = validator.check_location(credentials or Location())
    validator.check_arns(location)
    validator.check_secret()
    validator.check_key(connector, location)
    validator.check_role_name()
    validator.raise_problems()
    return validator.render(connector, location)


def is_unknown(value: object) -> bool:
    """Return whether a value is not known yet."""
    return isinstance(value, (pulumi.Output, Unknown))


class _Validator:
    """One pass over the settings, which collects problems and warnings."""

    def __init__(
        self,
        component_name: str,
        args: Mapping[str, object],
        naming: Naming,
        secret_names: Collection[str],
        problems: Collection[Problem],
    ) -> None:
        self.component_name = component_name
        self.naming = naming
        self.secret_names = secret_names
        self.problems: list[Problem] = [*problems]
        self.warnings: list[str] = []
        self.unknown: set[str] = set()
        """The settings that are not known yet, or have a member that is not."""
        self.matches: dict[Path, re.Match[str]] = {}
        """Every text that is known and valid, by its path."""
        self.args = self.read_members((), args, SETTINGS)
        """The settings that are set, by our names."""

    # How messages are written.

    def path(self, *names: str) -> Path:
        return tuple(map(self.naming.name, names))

    def show(self, path: Path, value: object) -> str:
        """Write a value that was given, or what follows from it, unless it is a secret."""
        return "[secret]" if path[0] in self.secret_names else str(value)

    def show_location(self, part: str) -> str:
        """Write a part of the application's location, unless a secret may have it."""
        secret = any(name in self.secret_names for name in self.path(*formats.TRUST_POLICY_SETTINGS))
        return "[secret]" if secret else part

    def suggest(self, path: Path, given: str, names: Collection[str], parent: Path = ()) -> str:
        """Ask for the names that begin like the given one, or else for the nearest one."""
        if not given or path[0] in self.secret_names:
            return ""
        begin = given.lower()
        near = [name for name in names if name.lower().startswith(begin)]
        near = near or get_close_matches(begin, names, 1)
        shown = " or ".join(property_path((*parent, name)) for name in near)
        return f"; did you mean {shown}?" if near else ""

    def add_error(
        self, path: Path, message: str, expected: str, value: str | None = None, fix: str | None = None
    ) -> None:
        """Add a problem; the command that fixes it sets the path to `value`."""
        secret = path[0] in self.secret_names
        if secret and len(path) > 1:
            path = (path[0], "KEY")  # which member it is must not be shown
        if self.naming.command and not fix:
            fix = self.naming.command(path, value)
        self.problems.append(Problem(path[:1] if secret else path, message, expected, fix))

    def add_type_error(
        self, path: Path, kind: str, value: object, expected: str, example: str | None = None
    ) -> None:
        got = self.show(path, quote(value))
        advice = "; quote it" if kind == "a string" and isinstance(value, (int, float)) else ""
        self.add_error(path, f"expected {kind}, got {got}{advice}", expected, example)

    def raise_problems(self) -> None:
        """Raise all problems, in the order of the settings; unknown names come first."""
        if self.problems:
            order = [None, *self.path(*SETTINGS)]
            self.problems.sort(
                key=lambda each: order.index(each.path[0]) if each.path[0] in order else 0
            )
            # Arguments are called the same in every component. A key belongs to one component alone, and
            # the engine names the component of a package.
            arguments = self.naming == Naming()
            raise SettingsError(self.problems, self.component_name if arguments else None)

    # What the connector takes.

    def check_connector(self) -> Connector:
        """Return the connector; require what it needs, refuse and forget what it does not take."""
        name = self.args.get("connector", DEFAULT)
        connector = CONNECTORS.get(name) if isinstance(name, str) else None
        if connector is None:
            return CONNECTORS[DEFAULT]  # check_settings refuses the name
        title, page = f"the connector {connector.name}", f"see {connector.page}"
        for setting, need in (
            ("secret_id", connector.secret),
            ("bucket_name", connector.bucket),
            ("vpc_configuration", connector.vpc),
        ):
            path, value, kind = self.path(setting), self.args.get(setting), SETTINGS[setting]
            if need is Need.REQUIRED and value is None and isinstance(kind, Format):
                message = f"is required and not set: {title} needs it, {page}"
                self.add_error(path, message, kind.expected, kind.placeholder)
            if value is None or is_unknown(value):
                continue  # the value of an Output may be blank
            if need is Need.NOT_SUPPORTED:
                message = f"is not supported by {title}: {page}"
                expected = f"no {path[0]}, or another {self.path('connector')[0]}"
                self.add_error(path, message, expected, NOT_SET)
                del self.args[setting]
            elif need is Need.EARLIER_VERSIONS:
                self.warnings.append(f"{path[0]}: only earlier versions of {title} support it, {page}")
        return connector

    # Each setting by itself.

    def read_members(
        self, parent: Path, given: Mapping[Any, object], names: Collection[str]
    ) -> dict[str, object]:
        """Return the members that are set, by our names; refuse those with other names."""
        ours = {self.naming.name(name): name for name in names}
        for key in given:
            if key not in ours:
                self.refuse_name(parent, key if isinstance(key, str) else quote(key), ours)
        values = {name: given.get(key) for key, name in ours.items()}
        return {name: value for name, value in values.items() if value not in (None, NOT_SET)}

    def refuse_name(self, parent: Path, key: str, names: Collection[str]) -> None:
        path = (*parent, key)
        expected = ", ".join(property_path((*parent, name)) for name in names)
        advice = self.suggest(path, key, names, parent)
        self.add_error(path, f"is not a setting{advice}", expected, NOT_SET)

    def check_settings(self) -> None:
        for name, kind in SETTINGS.items():
            path, value = self.path(name), self.args.get(name)
            if value is None:
                if name in self.naming.required and isinstance(kind, Format):
                    self.add_error(path, "is required and not set", kind.expected, kind.placeholder)
            elif is_unknown(value):
                if name in formats.PLAIN:
                    message = "is an Output, and decides which statements and resources there are"
                    self.add_error(path, message, "a plain value: neither an Output nor a secret")
                self.unknown.add(name)
            elif isinstance(kind, Format):
                self.check_text(name, path, value, kind)
            elif kind is dict:
                self.check_object(name, path, value)
            elif not isinstance(value, bool):
                self.add_type_error(path, "a boolean", value, "true or false", "false")

    def check_object(self, name: str, path: Path, value: object) -> None:
        if not isinstance(value, Mapping):
            members = " and ".join(property_path(self.path(name, member)) for member in VPC_MEMBERS)
            expected = "an object of strings" if name == "tags" else f"an object of {members}"
            self.add_type_error(path, "an object", value, expected)
        elif name == "tags":
            self.check_tags(path, cast("Mapping[object, object]", value))
        elif name == "vpc_configuration":
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
            advice = self.suggest(path, value, form.choices)
            message = f"{self.show(path, quote(value))} is not {form.name}{advice}"
            self.add_error(path, message, form.expected, form.placeholder)

    def check_vpc(self, path: Path, value: Mapping[str, object]) -> None:
        members = self.read_members(path, value, VPC_MEMBERS)
        for name, form in VPC_MEMBERS.items():
            member, items = (*path, self.naming.name(name)), members.get(name)
            expected = f"a list, each {form.expected}"
            if is_unknown(items):
                self.unknown.add("vpc_configuration")
            elif items in (None, [], ()):
                message = "is required and not set" if items is None else "the list is empty"
                self.add_error((*member, 0), message, expected, form.placeholder)
            elif not isinstance(items, (list, tuple)):
                self.add_type_error(member, "a list", items, expected)
            else:
                for index, item in enumerate(cast("Sequence[object]", items)):
                    self.check_text("vpc_configuration", (*member, index), item, form)
        subnets, groups = (
            len({match[0] for match in self.vpc_members(name)})
            for name in ("subnet_ids", "security_group_ids")
        )
        if groups > formats.MAXIMUM_SECURITY_GROUPS:
            self.add_error(
                self.path("vpc_configuration", "security_group_ids"),
                f"has {self.show(path, groups)} security groups",
                f"1 to {formats.MAXIMUM_SECURITY_GROUPS} security groups",
            )
        if subnets > formats.MAXIMUM_CONSOLE_SUBNETS:
            self.warnings.append(
                f"{property_path(self.path('vpc_configuration', 'subnet_ids'))} has "
                f"{self.show(path, subnets)} subnets; the Amazon Q Business console takes at most "
                f"{formats.MAXIMUM_CONSOLE_SUBNETS}"
            )

    def check_tags(self, path: Path, tags: Mapping[object, object]) -> None:
        if len(tags) > formats.MAXIMUM_TAGS:
            count = f"has {self.show(path, len(tags))} tags"
            self.add_error(path, count, f"at most {formats.MAXIMUM_TAGS}")
        keys: dict[str, str] = {}
        for key, value in tags.items():
            shown = self.show(path, quote(key))
            if not isinstance(key, str):
                self.add_error((*path, quote(key)), f"{shown} is not a string", "a string", NOT_SET)
                continue
            tag = (*path, key)
            if not formats.TAG_KEY.pattern.fullmatch(key):
                self.add_error(tag, f"{shown} is not a tag key", formats.TAG_KEY.expected, NOT_SET)
            if key.lower().startswith("aws:"):
                expected = "a key that does not begin with aws:"
                self.add_error(tag, f"{shown} is reserved", expected, NOT_SET)
            if (other := keys.setdefault(key.lower(), key)) != key:
                message = f"{shown} and {self.show(path, quote(other))} differ in case alone"
                expected = "keys that differ in more: IAM ignores the case of tag keys"
                self.add_error(tag, message, expected, NOT_SET)
            self.check_text("tags", tag, value, formats.TAG_VALUE)

    # Settings that have to agree with one another.

    def match(self, name: str) -> re.Match[str] | None:
        """Return the match of a text; None if it is not set, not known or refused."""
        return self.matches.get(self.path(name))

    def vpc_members(self, name: str) -> list[re.Match[str]]:
        """Return the matches of the subnets or the security groups."""
        parent = self.path("vpc_configuration", name)
        return [match for path, match in self.matches.items() if path[:-1] == parent]

    def check_requirements(self, connector: Connector) -> None:
        """Refuse a setting that means nothing without another."""
        self.check_requirement("allow_network_interface_deletion", "vpc_configuration", connector.vpc)
        self.check_requirement("bucket_account_id", "bucket_name", connector.bucket)
        if connector.secret is Need.OPTIONAL:
            use = f": the connector {connector.name} uses it only for the secret, see {connector.page}"
            self.check_requirement("kms_key_id", "secret_id", connector.secret, use)

    def check_requirement(self, name: str, required: str, need: Need, reason: str = "") -> None:
        if required in self.args or need is Need.REQUIRED:
            return  # what the connector needs is reported already
        if self.args.get(name) is True or self.match(name):
            (path, other) = self.path(name), self.path(required)[0]
            alternative = "" if need is Need.NOT_SUPPORTED else f"{other}, or "
            self.add_error(path, f"requires {other}{reason}", f"{alternative}no {path[0]}", NOT_SET)

    def check_location(self, credentials: Location) -> Location:
        """Return the application's location; refuse credentials that are not for it."""
        application = self.match("application_id")
        region, account = self.match("region"), self.match("account_id")
        location = Location(None, region and region[0], account and account[0])
        if application:
            # The provider's Region counts only if no setting has another, which may be unknown yet.
            default_region = None if "region" in self.unknown else credentials.region
            location = Location(
                application["partition"] or credentials.partition,
                application["region"] or location.region or default_region,
                application["account"] or location.account or credentials.account,
            )
        for part in ("partition", "account"):
            ours, theirs = getattr(location, part), getattr(credentials, part)
            if ours and theirs and ours != theirs:
                in_arn = application and application[part]
                self.add_credentials_error(
                    "application_id" if in_arn else "account_id", part, ours, theirs
                )
                break
        if location.region and location.region not in formats.SUPPORTED_REGIONS:
            supported = ", ".join(formats.SUPPORTED_REGIONS)
            shown = self.show_location(location.region)
            self.warnings.append(f"Amazon Q Business is not offered in {shown}: {supported}")
        return location

    def add_credentials_error(self, name: str, part: str, ours: str, theirs: str) -> None:
        shown = self.show_location(ours)
        self.add_error(
            self.path(name),
            f"the application is in {part} {shown}, the credentials are for {part} {theirs}; a role can "
            "be passed only to a service of its own account",
            f"credentials for {part} {shown}; `aws sts get-caller-identity` shows yours",
            fix=f"deploy with credentials for {part} {shown}",
        )

    def check_arns(self, application: Location) -> None:
        """Refuse an ARN, Region or account that is not the application's."""
        # Secrets, keys and subnets may be another account's.
        same_account = self.path("account_id", "permissions_boundary_arn")
        for path, match in self.matches.items():
            for part, ours in zip(("partition", "Region", "account"), application, strict=True):
                theirs = match.groupdict().get(part.lower())
                if part == "account" and (path[0] not in same_account or theirs == "aws"):
                    continue
                if theirs and ours and theirs != ours:
                    shown = self.show_location(ours)
                    self.add_error(
                        path,
                        f"{self.show(path, quote(match[0]))} does not match the {part} of the "
                        "application",
                        f"the {part} {shown}",
                        shown if theirs == match[0] and shown == ours else "VALUE",
                    )

    def check_secret(self) -> None:
        path, secret = self.path("secret_id"), self.match("secret_id")
        if secret is None or path[0] in self.secret_names:
            return
        suffix = secret["id"].rpartition("-")[2]
        if suffix.isalpha() and suffix.islower():
            self.warnings.append(
                f"{path[0]}: the value ends in six lower-case letters, which looks like part of the "
                "secret's name and not like the six characters that Secrets Manager adds. "
                "`aws secretsmanager describe-secret --secret-id NAME --query ARN` shows the full ARN"
            )

    def check_key(self, connector: Connector, application: Location) -> None:
        """Require the key of a secret in another account; warn of a key that is elsewhere."""
        secret, bucket_account = self.match("secret_id"), self.match("bucket_account_id")
        encrypted, name, account = "secret", "secret_id", secret and secret["account"]
        if connector.bucket_is_source:
            encrypted, name, account = (
                "bucket",
                "bucket_account_id",
                bucket_account and bucket_account[0],
            )
        if not application.account or account in (None, application.account):
            return
        path, key = self.path("kms_key_id"), self.match("kms_key_id")
        place = f"the {encrypted} is in account {self.show(self.path(name), account)}"
        if key and not key["account"]:
            own = self.show_location(application.account)
            self.warnings.append(
                f"{path[0]}: a key ID means a key of account {own}, and {place}; give the key's ARN if "
                "the key is there too"
            )
        elif secret and "kms_key_id" not in self.args:
            self.add_error(
                path,
                "is required and not set: an AWS managed key cannot be used from another account, and "
                f"{place}",
                "the ARN of the customer managed key that encrypts the secret, "
                "arn:PARTITION:kms:REGION:ACCOUNT:key/ID",
                "KEY_ARN",
            )

    def check_role_name(self) -> None:
        path, name = self.path("role_name"), self.match("role_name")
        if name and not any(word in name[0] for word in formats.LISTED_NAMES):
            self.warnings.append(
                f"{path[0]}: the Amazon Q Business console lists only roles whose name contains "
                f"{' or '.join(formats.LISTED_NAMES)}, so not {self.show(path, quote(name[0]))}"
            )
        component_name = self.component_name
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

    def render(self, connector: Connector, location: Location) -> ValidationResult:
        """Render the policies whose settings are known; raises SettingsError for a policy too long."""
        application, index = self.match("application_id"), self.match("index_id")
        secret, key, bucket = map(self.match, ("secret_id", "kms_key_id", "bucket_name"))
        if application is None:
            return ValidationResult(None, None, self.warnings)
        # To check the size of the policy, what is not known yet is as short as it can be.
        partition = location.partition or "aws"
        region, account = location.region or "us-east-1", location.account or 12 * "0"
        target = Application(partition, region, account, application["id"])
        trust_policy = policies.trust_policy(target) if all(location) else None
        if index is None or not self.unknown.isdisjoint(formats.role_policy_settings(connector)):
            return ValidationResult(trust_policy, None, self.warnings)

        def arn(service: str, kind: str, resource: re.Match[str]) -> str:
            # Partition and Region are the application's, also in an ARN that was given.
            owner = resource.groupdict().get("account") or account
            return f"arn:{partition}:{service}:{region}:{owner}:{kind}{resource['id']}"

        subnets = [arn("ec2", "subnet/", each) for each in self.vpc_members("subnet_ids")]
        groups = [arn("ec2", "security-group/", each) for each in self.vpc_members("security_group_ids")]
        bucket_account, ingest_scope = self.match("bucket_account_id"), self.match("ingest_scope")
        role_path = self.match("role_path")
        role_policy = policies.role_policy(
            Settings(
                application=target,
                index_id=index[0],
                ingest_scope=ingest_scope[0] if ingest_scope else formats.INGEST_APPLICATION_AND_INDEX,
                bucket=bucket
                and Bucket(
                    bucket[0],
                    bucket_account[0] if bucket_account else account,
                    is_source=connector.bucket_is_source,
                ),
                secret_arn=secret and arn("secretsmanager", "secret:", secret),
                key_arn=key and arn("kms", "key/", key),
                role_path=role_path[0] if role_path else "/",
                network_arns=[*dict.fromkeys(subnets + groups)],
                allow_network_interface_deletion=bool(self.args.get("allow_network_interface_deletion")),
            )
        )
        self.check_size(role_policy)
        return ValidationResult(trust_policy, role_policy if all(location) else None, self.warnings)

    def check_size(self, role_policy: str) -> None:
        """Refuse a policy that IAM would refuse; only subnets can be so many, the rest has limits."""
        role_name = self.match("role_name")
        longest_name = role_name[0] if role_name else formats.MAXIMUM_ROLE_NAME_LENGTH * "n"
        size = len("".join(policies.with_role_name(role_policy, longest_name).split()))
        if size > formats.MAXIMUM_INLINE_SIZE:
            path = self.path("vpc_configuration", "subnet_ids")
            message = (
                f"the role policy has {self.show(path, f'{size:,}')} characters without white space"
            )
            expected = f"at most {formats.MAXIMUM_INLINE_SIZE:,} characters, so fewer subnets"
            self.add_error(path, message, expected)
            self.raise_problems()
