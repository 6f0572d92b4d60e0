"""Is what was given right?

`examine` looks at values and returns `Settings`, ready for the two documents, or raises
`SettingsError` with all problems at once. It makes no resource, reads no configuration and asks AWS
nothing. A value that is not known yet is `LATER`; the whole is examined again once it is known, by
the same rules.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple, TypeVar, cast

from components import settings
from components.settings import (
    Form,
    Path,
    Problem,
    Reference,
    Settings,
    SettingsError,
    Source,
    printable,
)

T = TypeVar("T")


class Later:
    """The type of `LATER`."""


LATER: Final = Later()
"""Stands for a value that is not known yet, or was refused already: nothing to examine."""


class Place(NamedTuple):
    """Where the application is, or what the provider says of itself."""

    partition: str | Later = LATER
    region: str | Later = LATER
    account: str | Later = LATER


# Until the provider has told the partition and account, these stand in for them. They are no longer
# than the real ones, so that a policy drafted with them is never longer than the one written.
_STAND_IN: Final = Place(partition="par", region="re-gion-1", account="0" * 12)


_SHOWN: Final = 120
"""Characters of a refused value that a message repeats."""


class Examined(NamedTuple):
    """What an examination without problems found."""

    settings: Settings | None
    """None while a value that was given is `LATER`."""
    complete: bool
    """False while parts of the settings' ARNs are stand-ins for what the provider has yet to say."""
    warnings: tuple[str, ...]


class _Network(NamedTuple):
    subnets: tuple[Reference | Later, ...] = ()
    security_groups: tuple[str | Later, ...] = ()


def examine(
    component_name: str,
    given: Mapping[str, object],
    source: Source,
    provider: Place | None = None,
    hidden: Collection[str] = (),
) -> Examined:
    """Return the settings that were given, or raise every problem found in them.

    `given` maps the names in `settings.NAMES` to values of any type; None, "" and {} mean left out,
    `LATER` may stand for any value or member. `provider` is asked only for what the application
    leaves open. Values of the settings in `hidden` are secrets and are never shown.

    Raises SettingsError.
    """
    hidden = {*hidden, *source.secrets}
    return _Examination(component_name, given, source, provider or Place(), hidden).result()


def unknown_name(source: Source, path: Path, known: Iterable[Path]) -> Problem:
    """Return the problem of a name that is not in the table, with the nearest one that is."""
    # What stands before a member is the same for all, and would make everything near.
    same = len(source.name(path[:1])) if len(path) > 1 else 0
    names = {source.name(other)[same:]: printable(source.name(other)) for other in known}
    near = get_close_matches(source.name(path)[same:], names, n=1, cutoff=0.5)
    what = f"is not a setting; did you mean {names[near[0]]}?" if near else "is not a setting"
    return Problem(path, what, ", ".join(names.values()))


def has_later(value: object) -> bool:
    """Tell whether a value, or a member of it at any depth, is `LATER`."""
    match value:
        case Later():
            return True
        case Mapping():
            return any(map(has_later, cast("Mapping[object, object]", value).values()))
        case list() | tuple():
            return any(map(has_later, cast("Sequence[object]", value)))
        case _:
            return False


def _quote(value: object) -> str:
    """Quote a value for a message: ASCII only, on one line, shortened."""
    try:
        text = json.dumps(value, default=lambda _: "...")
    except (TypeError, ValueError, RecursionError):
        text = _kind(value)
    return printable(text[:_SHOWN]) + "..." * (len(text) > _SHOWN)


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, (str, Mapping)) and not value)


_KINDS: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), f"a Python {type(value).__name__}")


def _tag(maximum: int) -> str:
    return f"at most {maximum} {settings.TAG_CHARACTERS}"


def _known(value: T | Later | None) -> T:
    """Narrow the type of a value that is present and known by now."""
    if value is None or isinstance(value, Later):
        raise AssertionError
    return value


class _Examination:
    """One pass over the settings, which collects problems and warnings on its way."""

    def __init__(
        self,
        component_name: str,
        given: Mapping[str, object],
        source: Source,
        provider: Place,
        hidden: Collection[str],
    ) -> None:
        self.component_name = component_name
        self.given = {name: value for name, value in given.items() if not _blank(value)}
        self.source = source
        self.provider = provider
        self.hidden = hidden
        self.problems = list(source.problems)
        self.warnings: list[str] = []

    def result(self) -> Examined:
        self._names()
        application = self._required_reference("application_id", settings.APPLICATION)
        place = self._place(application)
        index_id = self._required("index_id", settings.INDEX_ID)
        secret = self._secret(place)
        key = self._key(secret, place)
        network = self._network(place)
        ingest_scope = self._text("ingest_scope", settings.INGEST_SCOPE)
        deletion = self._deletion()
        self._exclusive_policies()
        self._role(place)
        self._tags()
        if self.problems:
            raise SettingsError(self.problems, self.source)
        if has_later(self.given):
            return Examined(None, complete=False, warnings=tuple(self.warnings))

        known = Place(*(_STAND_IN[i] if part is LATER else part for i, part in enumerate(place)))
        partition, region, account = map(_known, known)

        def arn(service: str, kind: str, reference: Reference) -> str:
            return (
                f"arn:{reference.partition or partition}:{service}:{reference.region or region}"
                f":{reference.account or account}:{kind}{reference.id}"
            )

        found = Settings(
            partition=partition,
            region=region,
            account=account,
            application_id=_known(application).id,
            index_id=_known(index_id),
            secret_arn=arn("secretsmanager", "secret:", _known(secret)),
            key_arn=arn("kms", "key/", _known(key)) if key else None,
            network_arns=tuple(
                dict.fromkeys(
                    [arn("ec2", "subnet/", _known(subnet)) for subnet in network.subnets]
                    + [
                        arn("ec2", "security-group/", Reference(_known(group)))
                        for group in network.security_groups
                    ]
                )
            ),
            ingest_scope=_known(ingest_scope or settings.INGEST_SCOPES[0]),
            allow_network_interface_deletion=_known(deletion),
        )
        return Examined(found, known == place, tuple(self.warnings))

    # What was given, by form.

    def _show(self, name: str, value: object) -> str:
        return "[secret]" if name in self.hidden else _quote(value)

    def _mistyped(self, name: str, value: object) -> str:
        advice = "; quote it" if isinstance(value, (int, float)) else ""
        return f"{self._show(name, value)} is {_kind(value)}, not a string{advice}"

    def _refuse(self, path: Path, what: str, allowed: str, example: str | None = None) -> None:
        self.problems.append(Problem(path, what, allowed, example))

    def _string(self, path: Path, value: object, form: Form) -> str | Later:
        """Return the text, LATER if it is not known or refused here."""
        if isinstance(value, Later):
            return value
        if not isinstance(value, str):
            what = self._mistyped(path[0], value)
        elif not form.pattern.fullmatch(value):
            what = f"{self._show(path[0], value)} is not {form.name}"
        else:
            return value
        self._refuse(path, what, form.allowed, form.example)
        return LATER

    def _text(self, name: str, form: Form) -> str | Later | None:
        return self._string((name,), self.given[name], form) if name in self.given else None

    def _required(self, name: str, form: Form) -> str | Later:
        if name in self.given:
            return self._string((name,), self.given[name], form)
        self._refuse((name,), "is required and not set", form.allowed, form.example)
        return LATER

    def _reference(self, text: str | Later, form: Form) -> Reference | Later:
        if isinstance(text, Later):
            return text
        return Reference(**_known(form.pattern.fullmatch(text)).groupdict())

    def _required_reference(self, name: str, form: Form) -> Reference | Later:
        return self._reference(self._required(name, form), form)

    def _boolean(self, name: str) -> bool | Later:
        if name not in self.given:
            return False
        value = self.given[name]
        if isinstance(value, (bool, Later)):
            return value
        self._refuse((name,), f"{self._show(name, value)} is {_kind(value)}", "true or false", "false")
        return LATER

    # What was given, by setting.

    def _names(self) -> None:
        known = [(name,) for name in settings.NAMES]
        self.problems += [
            unknown_name(self.source, (name,), known)
            for name in self.given
            if name not in settings.NAMES
        ]

    def _place(self, application: Reference | Later) -> Place:
        """Say where the application is, and refuse what disagrees with its ARN."""
        region = self._text("region", settings.REGION)
        if region is None and self.source.region_required:
            region = self._required("region", settings.REGION)
        account = self._text("account_id", settings.ACCOUNT_ID)
        if isinstance(application, Later):
            return Place(region=region or LATER, account=account or LATER)
        for name, given, expected in (
            ("region", region, application.region),
            ("account_id", account, application.account),
        ):
            if isinstance(given, str) and expected and given != expected:
                what = f"{self._show(name, given)} is not where the application's ARN says it is"
                if "application_id" in self.hidden:
                    self._refuse((name,), what, "that of the application, or nothing")
                else:
                    self._refuse((name,), what, expected, expected)
        place = Place(
            application.partition or self.provider.partition,
            application.region or region or self.provider.region,
            application.account or account or self.provider.account,
        )
        self._credentials(place)
        if isinstance(place.region, str) and place.region not in settings.SUPPORTED_REGIONS:
            supported = ", ".join(settings.SUPPORTED_REGIONS)
            self.warnings.append(f"Amazon Q Business is not offered in {place.region}: {supported}")
        return place

    def _credentials(self, application: Place) -> None:
        """Refuse credentials of another partition or account: their role could never be used."""
        for what, ours, theirs in (
            ("partition", application.partition, self.provider.partition),
            ("account", application.account, self.provider.account),
        ):
            if isinstance(ours, str) and isinstance(theirs, str) and ours != theirs:
                of_arn = not isinstance(self.given.get("account_id"), str)
                name = "application_id" if of_arn or what == "partition" else "account_id"
                shown = "[secret]" if {"application_id", "account_id"} & {*self.hidden} else ours
                self.problems.append(
                    Problem(
                        (name,),
                        f"the application is in {what} {shown}, the credentials are of {what} {theirs}; "
                        "a role can be passed only to a service of its own account",
                        f"credentials of {what} {shown}, which `aws sts get-caller-identity` shows",
                        remedy=f"deploy with credentials of {what} {shown}",
                    )
                )
                return

    def _agree(
        self, path: Path, given: object, where: tuple[str | None, str | None, str | None], place: Place
    ) -> None:
        """Refuse an ARN of another partition, Region or account than the application's."""
        expected = (place.partition, place.region, place.account)
        for what, theirs, ours in zip(("partition", "Region", "account"), where, expected, strict=True):
            if theirs and isinstance(ours, str) and theirs != ours:
                there = "[secret]" if path[0] in self.hidden else theirs
                here = "[secret]" if "application_id" in self.hidden else ours
                self._refuse(
                    path,
                    f"{self._show(path[0], given)} is in {what} {there}; the application is in {here}",
                    f"an ARN of {what} {here}",
                    "ARN",
                )

    def _located(self, path: Path, value: object, form: Form, place: Place) -> Reference | Later:
        reference = self._reference(self._string(path, value, form), form)
        if isinstance(reference, Reference):
            self._agree(path, value, (reference.partition, reference.region, None), place)
        return reference

    def _secret(self, place: Place) -> Reference | Later:
        name = "secret_id"
        if name not in self.given:
            return self._required_reference(name, settings.SECRET)
        secret = self._located((name,), self.given[name], settings.SECRET, place)
        if isinstance(secret, Reference):
            suffix = secret.id.rpartition("-")[2]
            if suffix.isalpha() and suffix.islower():
                self.warnings.append(
                    f"{self.source.name((name,))}: the value ends in six lower-case letters, "
                    "which looks like part of the secret's name and not like the six characters "
                    "that Secrets Manager adds. The full ARN stands in `aws secretsmanager "
                    "describe-secret --secret-id NAME --query ARN`"
                )
        return secret

    def _key_of_another_account(self, secret: Reference | Later, place: Place) -> None:
        """Refuse a secret of another account without a key: the AWS managed key stays in its own."""
        theirs = secret.account if isinstance(secret, Reference) else None
        if theirs and isinstance(place.account, str) and theirs != place.account:
            where = "another account" if "secret_id" in self.hidden else f"account {theirs}"
            self._refuse(
                ("kms_key_id",),
                f"is not set, and the secret is in {where}, where the AWS managed key cannot be used",
                f"the customer managed key that encrypts the secret: {settings.KEY.allowed}",
                settings.KEY.example,
            )

    def _key(self, secret: Reference | Later, place: Place) -> Reference | Later | None:
        name = "kms_key_id"
        if name not in self.given:
            self._key_of_another_account(secret, place)
            return None
        value = self.given[name]
        if isinstance(value, str) and "alias/" in value:
            self._refuse(
                (name,),
                f"{self._show(name, value)} is an alias; a policy that names an alias does not cover "
                "its key",
                f"{settings.KEY.allowed}; `aws kms describe-key --key-id ALIAS "
                "--query KeyMetadata.Arn` tells it",
                settings.KEY.example,
            )
            return LATER
        return self._located((name,), value, settings.KEY, place)

    def _network(self, place: Place) -> _Network:
        name = "vpc_configuration"
        value = self.given.get(name, LATER)
        if isinstance(value, Later):
            return _Network()
        if not isinstance(value, Mapping):
            expected = " and ".join(self.source.name((name, member)) for member in settings.VPC_MEMBERS)
            self._refuse(
                (name,), f"{self._show(name, value)} is {_kind(value)}", f"an object: {expected}"
            )
            return _Network()
        members = cast("Mapping[object, object]", value)
        known = [(name, member) for member in settings.VPC_MEMBERS]
        self.problems += [
            unknown_name(self.source, (name, str(member)), known)
            for member in members
            if member not in settings.VPC_MEMBERS
        ]
        subnets = [
            self._located(path, subnet, settings.SUBNET, place)
            for path, subnet in self._list((name, "subnet_ids"), members, settings.SUBNET)
        ]
        groups = [
            self._string(path, group, settings.SECURITY_GROUP)
            for path, group in self._list((name, "security_group_ids"), members, settings.SECURITY_GROUP)
        ]
        network = _Network(tuple(dict.fromkeys(subnets)), tuple(dict.fromkeys(groups)))
        if len(network.security_groups) > settings.MAXIMUM_SECURITY_GROUPS:
            self._refuse(
                (name, "security_group_ids"),
                f"there are {len(network.security_groups)} security groups",
                f"1 to {settings.MAXIMUM_SECURITY_GROUPS} security groups",
            )
        if len(network.subnets) > settings.MAXIMUM_CONSOLE_SUBNETS:
            self.warnings.append(
                f"{self.source.name((name, 'subnet_ids'))} has {len(network.subnets)} subnets; the "
                f"Amazon Q Business console takes at most {settings.MAXIMUM_CONSOLE_SUBNETS}"
            )
        return network

    def _list(
        self, path: Path, members: Mapping[object, object], form: Form
    ) -> list[tuple[Path, object]]:
        """Return the members of a list that must not be empty, each with its path."""
        value = members.get(path[-1])
        if isinstance(value, Later):
            return []
        allowed = f"a list, each {form.allowed}"
        if value is None or value == []:
            what = "is required and not set" if value is None else "the list is empty"
            self._refuse((*path, 0), what, allowed, form.example)
        elif isinstance(value, (list, tuple)):
            return [((*path, i), item) for i, item in enumerate(cast("Sequence[object]", value))]
        else:
            self._refuse(path, f"{self._show(path[0], value)} is {_kind(value)}", allowed)
        return []

    def _deletion(self) -> bool | Later:
        name = "allow_network_interface_deletion"
        deletion = self._boolean(name)
        if deletion is True and "vpc_configuration" not in self.given:
            vpc = self.source.name(("vpc_configuration",))
            self._refuse((name,), f"true without {vpc}", f"false, or true beside {vpc}", "false")
        return deletion

    def _exclusive_policies(self) -> None:
        name = "exclusive_policies"
        if self._boolean(name) is LATER and self.given.get(name) is LATER:
            self._refuse((name,), "is an Output; it decides which resources exist", "True or False")

    def _role(self, place: Place) -> None:
        name = self._text("role_name", settings.ROLE_NAME)
        if name is None:
            self._automatic_name()
        elif isinstance(name, str) and not any(word in name for word in settings.LISTED_NAMES):
            listed = " or ".join(settings.LISTED_NAMES)
            self.warnings.append(
                f"{self.source.name(('role_name',))}: the Amazon Q Business console lists only roles "
                f"whose name contains {listed}, so not {self._show('role_name', name)}"
            )
        self._text("role_path", settings.ROLE_PATH)
        self._text("role_description", settings.ROLE_DESCRIPTION)
        boundary = self._text("permissions_boundary_arn", settings.PERMISSIONS_BOUNDARY)
        if isinstance(boundary, str):
            parts = _known(settings.PERMISSIONS_BOUNDARY.pattern.fullmatch(boundary))
            account = None if parts["account"] == "aws" else parts["account"]
            where = (parts["partition"], None, account)
            self._agree(("permissions_boundary_arn",), boundary, where, place)

    def _automatic_name(self) -> None:
        name = self.component_name
        if len(name) > settings.MAXIMUM_COMPONENT_NAME:
            what = f"has {len(name)} characters"
        elif not settings.ROLE_NAME.pattern.fullmatch(name):
            what = f"is not all {settings.ROLE_NAME.allowed}"
        else:
            return
        self._refuse(
            ("role_name",),
            f"is left out, and the component's name {_quote(name)}, from which it would follow, {what}",
            f"a component's name of at most {settings.MAXIMUM_COMPONENT_NAME} letters, digits and "
            "_+=,.@-, or a role name",
            settings.ROLE_NAME.example,
        )

    def _tags(self) -> None:
        value = self.given.get("tags", LATER)
        if isinstance(value, Later):
            return
        if not isinstance(value, Mapping):
            self._refuse(
                ("tags",), f"{self._show('tags', value)} is {_kind(value)}", "an object of strings"
            )
            return
        tags = cast("Mapping[object, object]", value)
        if len(tags) > settings.MAXIMUM_TAGS:
            allowed = f"at most {settings.MAXIMUM_TAGS}"
            self._refuse(("tags",), f"there are {len(tags)} tags", allowed)
        seen: dict[str, str] = {}
        for key, item in tags.items():
            path = ("tags", str(key))
            if isinstance(key, str):
                self._tag_key(path, key, seen.setdefault(key.lower(), key))
                self._tag_value(path, item)
            else:
                self._refuse(path, f"{_quote(key)} is {_kind(key)}", "a key that is a string")

    def _tag_key(self, path: Path, key: str, twin: str) -> None:
        if not key or not settings.is_tag_text(key, settings.MAXIMUM_TAG_KEY):
            self._refuse(path, f"{_quote(key)} is not a tag key", _tag(settings.MAXIMUM_TAG_KEY))
        if key.lower().startswith("aws:"):
            self._refuse(path, f"{_quote(key)} is reserved", "a key that does not begin with aws:")
        if twin != key:
            what = f"{_quote(key)} and {_quote(twin)} differ in case alone"
            self._refuse(path, what, "keys that differ in more: IAM ignores case in tag keys")

    def _tag_value(self, path: Path, value: object) -> None:
        if isinstance(value, Later):
            return
        if not isinstance(value, str):
            what = self._mistyped("tags", value)
        elif not settings.is_tag_text(value, settings.MAXIMUM_TAG_VALUE):
            what = f"{self._show('tags', value)} is not a tag value"
        else:
            return
        self._refuse(path, what, _tag(settings.MAXIMUM_TAG_VALUE), "VALUE")
