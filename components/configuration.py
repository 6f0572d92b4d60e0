"""Read roles from a stack's configuration.

The keys are `aws:region`, `protect`, `dataSources`, and the other settings' names in camel case. Without
`dataSources`, a stack has one role. With `dataSources`, each entry has the settings of one role;
settings at the top level apply to all entries, or are defaults for entries that leave them out. This
project's `Pulumi.yaml` declares the required keys and the YAML types of the project's keys. The engine
enforces both: https://www.pulumi.com/docs/iac/concepts/config/
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import pulumi

from .connectors import DEFAULT, LEGACY_SUPPORT_END, Need, find_connector
from .formats import ACCOUNT_ID, ENTRY_NAME
from .problems import HIDDEN, Place, Problems, SettingsError, Source, camel_case, escape, stack_name
from .rules import check_role
from .settings import SETTINGS, Flag, Role, State, Value, is_list, is_mapping

# The settings' keys, without the project's namespace. The Region's key is REGION_KEY.
KEYS: Final = {name: camel_case(name) for name in SETTINGS if name != "region"}
REGION_KEY: Final = "aws:region"
DATA_SOURCES: Final = "dataSources"
PROTECT: Final = "protect"  # this key protects the stack's roles, or an entry's role, from deletion
ALLOWED_ACCOUNTS: Final = "aws:allowedAccountIds"
DEFAULT_TAGS: Final = "aws:defaultTags"
MAXIMUM_ENTRIES: Final = 100
# The configuration's maximum size in bytes. The engine passes the configuration in one environment
# variable, which Linux limits to 128 KiB (MAX_ARG_STRLEN).
MAXIMUM_SIZE: Final = 100 * 1024


def config_key(name: str, prefix: str = "") -> str:
    """Return the key of a setting or of `protect`; the prefix is a namespace and a colon."""
    return REGION_KEY if name == "region" else prefix + camel_case(name)


def size_in_bytes(config: Mapping[str, str]) -> int:
    """Return the size of a configuration in the environment variable that the engine sets."""
    return len(json.dumps(dict(config), ensure_ascii=False).encode())


def read_key(key: str, blank: object = None, setting: str = "") -> Value:
    """Read the value of a key that includes its namespace.

    `blank`, the key's default in `Pulumi.yaml`, means not set. If `blank` is a string, the value is
    text. Otherwise, the value is parsed, because the engine passes it as JSON; text that Python
    cannot parse, for example because it is nested too deeply, is returned unchanged.
    """
    namespace, _, name = key.partition(":")
    given: Any = pulumi.Config(namespace).get(name)
    if given and not isinstance(blank, str):
        with suppress(ValueError, RecursionError):
            given = json.loads(given)
    place = Place((_show(key),), Source.STACK, setting, pulumi.runtime.is_config_secret(key))
    return Value(place, _without_blank(given, blank))


def _without_blank(given: Any, blank: object) -> Any:
    """Return the value; None if it is "" or `blank`. Compare types too, because 0 == False."""
    return None if given == "" or (given == blank and type(given) is type(blank)) else given


def _show(key: str) -> str:
    """Return a key without the project's own namespace, which Pulumi's commands do not need."""
    return key.removeprefix(f"{pulumi.get_project()}:")


def has_data_sources(config: pulumi.Config) -> bool:
    """Return whether `dataSources` is set; `{}`, the default in `Pulumi.yaml`, means not set."""
    return read_key(f"{config.name}:{DATA_SOURCES}", {}).given is not None


def read_roles(
    config: pulumi.Config | None, *, owns_stack: bool, only: str | None = None
) -> tuple[Sequence[Role], Problems]:
    """Return the roles of a stack, and the warnings and notes about the whole stack.

    `config` is the namespace, by default the project's. `only` is the component's name in a stack
    without `dataSources`. `owns_stack` is for a program that owns the whole stack and uses only the
    default provider: unknown keys in the namespace are rejected, and that provider's configuration is
    checked. Raises SettingsError with all problems.
    """
    problems, prefix = Problems(), f"{(config or pulumi.Config()).name}:"
    top = {
        name: read_key(config_key(name, prefix), setting.kind.blank, name)
        for name, setting in SETTINGS.items()
    }
    if owns_stack:
        _check_stack(prefix, top, problems)
    protect = _read_protect(read_key(prefix + PROTECT, blank=False), problems)
    entries = read_key(prefix + DATA_SOURCES, {})
    if only is not None:
        if entries.given is not None:
            given = "is set, but ConnectorRole.from_config reads a single role from the other keys"
            expected = f"no {entries.place.name}, or a program that calls ConnectorRole.all_from_config"
            problems.add(entries.place, given, expected, entries.place.fix("rm"))
        roles = [check_role(Role(only, top, protect=protect), problems)]
    else:
        roles = _read_entries(entries, top, problems, protect=protect)
    for role in roles if owns_stack else ():  # `_check_stack` checks the tags at the top level
        own = _as_mapping(_as_mapping(entries.given).get(role.name)).get(KEYS["tags"])
        _check_tags(role.values["tags"]._replace(given=own), problems)
    if problems.found:
        raise SettingsError(problems.found)
    if default := [role.name for role in roles if not role.values["connector"].is_set]:
        names = escape(", ".join(default))
        problems.notes.append(
            f"{names}: connector is not set; the default is {DEFAULT}. AWS supported it until "
            f"{LEGACY_SUPPORT_END}, only for existing customers: docs/after-q-business.md lists the "
            "successors"
        )
    return roles, problems


def _check_stack(prefix: str, top: Mapping[str, Value], problems: Problems) -> None:
    """Reject every unknown key in a namespace; check the default provider's configuration."""
    keys = [_show(key) for key in pulumi.runtime.get_config_env() if key.startswith(prefix)]
    # A component can read its settings from the namespace `aws`, which also contains the Region.
    known = [REGION_KEY, *(_show(prefix + key) for key in (*KEYS.values(), PROTECT, DATA_SOURCES))]
    problems.check_keys(keys, known, Place((), Source.STACK))
    # Use this role only for the application's account; problems with settings are reported later.
    located = Role("", {name: value.read(Problems()) for name, value in top.items()})
    _check_accounts(read_key(ALLOWED_ACCOUNTS), located, problems)
    _check_tags(top["tags"], problems)


def _check_accounts(value: Value, role: Role, problems: Problems) -> None:
    """Warn if there is no list of allowed accounts; reject an invalid or incomplete list.

    Without the list, a refresh with credentials for the wrong account removes roles from the state. The
    program cannot prevent this, because `pulumi up --refresh` refreshes before the program runs, and by
    default, `pulumi refresh` and `pulumi destroy` do not run the program at all.
    """
    place, given, shown = value.place, value.given, role.shown.account
    if given in (None, "", []):
        options = f"--stack {stack_name()} --path --type string -- '{ALLOWED_ACCOUNTS}[0]'"
        own = ACCOUNT_ID.placeholder if shown in ("", HIDDEN) else shown
        problems.warnings.append(
            f"{ALLOWED_ACCOUNTS} is not set or is empty: with credentials for another account, a "
            "refresh can drop roles from the stack's state, and a destroy can remove them from the "
            "state without deleting them. Set the list to the application's account "
            f"(`pulumi config set {options} {own}`), make sure that `aws sts get-caller-identity` shows "
            "this account, and run `pulumi up`. If the stack sets aws:forbiddenAccountIds, remove it, "
            "because it conflicts with the list"
        )
        return
    if not is_list(given):
        problems.add_type(place, given, "a list", "a list of 12-digit account IDs")
        return
    accounts = [*map(str, given)]  # Pulumi may have written an account ID as a number
    valid = [ACCOUNT_ID.read(each, place.part(at), problems) for at, each in enumerate(accounts)]
    if all(valid) and role.location.account not in ("", *accounts):
        problem = f"the list does not include the application's account, {shown}"
        problems.add(place, problem, f"a list that includes {shown}")


def _check_tags(tags: Value, problems: Problems) -> None:
    """Reject `aws:defaultTags` without `tags`, and tag keys that differ from default keys only in case.

    The provider's merge of tags is case-sensitive (`DefaultConfig.MergeTags` in internal/tags in
    terraform-provider-aws), but IAM ignores the case of keys and rejects the result:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
    """
    default = read_key(DEFAULT_TAGS)
    given = _as_mapping(default.given)
    if given and "tags" not in given:
        place = default.place
        problems.add(place, f"{place.show(given)} has no key `tags`", "an object with the key `tags`")
    defaults = _as_mapping(given.get("tags"))
    regardless_of_case = {key.lower(): key for key in defaults}
    place = tags.place._replace(is_secret=tags.place.is_secret or default.place.is_secret)
    for key in _as_mapping(tags.given):
        if key not in defaults and (other := regardless_of_case.get(key.lower())):
            problems.add(
                place.entry(key),
                f"{place.show(key)} differs only in case from {place.show(other)} in {DEFAULT_TAGS}",
                "keys that are unique regardless of case, including the default tags' keys, because IAM "
                "ignores the case of tag keys",
            )


def _as_mapping(value: object) -> Mapping[str, Any]:
    return value if is_mapping(value) else {}


def _read_protect(value: Value, problems: Problems) -> bool:
    return value.given not in (None, "") and bool(Flag().read(value.given, value.place, problems))


def _read_entries(
    entries: Value, top: Mapping[str, Value], problems: Problems, *, protect: bool
) -> Sequence[Role]:
    """Return the roles of the valid entries of `dataSources`; reject invalid entries and settings."""
    defaults = _read_defaults(top, problems)
    roles: list[Role] = []
    for name, entry in _find_entries(entries, problems).items():
        values = _read_entry(entry, defaults, problems)
        own = Value(entry.place.part(PROTECT), entry.given.get(PROTECT))  # "" turns off the default
        is_protected = _read_protect(own, problems) if PROTECT in entry.given else protect
        roles.append(check_role(Role(name, values, protect=is_protected), problems))
    _check_role_names(roles, problems)
    key = KEYS["vpc_configuration"]
    unused = [
        role.name
        for role in roles
        if not role.values["vpc_configuration"].is_set and key not in entries.given[role.name]
    ]
    if top["vpc_configuration"].given is not None and unused:
        problems.notes.append(
            f"{', '.join(unused)}: {key} does not apply, because the current versions of their "
            "connectors do not support a VPC"
        )
    return roles


def _find_entries(value: Value, problems: Problems) -> Mapping[str, Value]:
    """Return the entries that are objects with valid names; reject other entries and values."""
    place, given = value.place, value.given
    expected = "an object that maps each data source's name to its settings"
    size = size_in_bytes(pulumi.runtime.get_config_env())
    if place.is_secret:
        problems.add(
            place,
            "has a secret value, so Pulumi treats the whole object as a secret, and previews hide it; "
            "`pulumi config` shows [secret] in place of the value",
            "plaintext values, because IDs and ARNs are not secret",
        )
        return {}
    if given is None:
        expected += "; to delete the last role, see docs/operate.md"
        problems.add(place, "is required but not set", expected)
    elif not is_mapping(given):
        problems.add_type(place, given, "an object", expected)
    elif len(given) > MAXIMUM_ENTRIES:
        most = f"at most {MAXIMUM_ENTRIES}; use another stack for the other entries"
        problems.add(place, f"has {len(given)} entries", most)
    elif size > MAXIMUM_SIZE:
        most = (
            f"at most {MAXIMUM_SIZE:,} bytes, because the engine passes the configuration in one "
            "environment variable; use another stack for some of the entries"
        )
        problems.add(place, f"the configuration is {size:,} bytes", most)
    valid: dict[str, Value] = {}
    for name, settings in _as_mapping(given).items():
        at = place.part(name)
        is_named = ENTRY_NAME.read(name, at, problems)
        if is_named and is_mapping(settings):
            valid[name] = Value(at, settings)
        elif is_named:
            problems.add_type(at, settings, "an object", "the settings of one data source")
    return valid


def _read_defaults(top: Mapping[str, Value], problems: Problems) -> Mapping[str, Value]:
    """Return the top-level settings that entries can inherit; reject the settings of one data source.

    An invalid default is rejected even if no entry uses it, because a future entry might.
    """
    for name, value in top.items():
        if SETTINGS[name].scope == "entry" and value.given is not None:
            # Say where to move the setting; if it is only removed, a role in use could lose permissions.
            expected = f"{DATA_SOURCES}.NAME.{KEYS[name]}, as in docs/data-sources.md"
            problems.add(value.place, "is a setting for a single data source", expected)
    return {name: it.read(problems) for name, it in top.items() if SETTINGS[name].scope != "entry"}


def _read_entry(entry: Value, defaults: Mapping[str, Value], problems: Problems) -> dict[str, Value]:
    """Return one entry's settings, including those that it inherits; reject invalid keys and nulls."""
    given, place = entry.given, entry.place
    of_stack = [config_key(name) for name in SETTINGS if SETTINGS[name].scope == "stack"]
    known = [key for key in (*KEYS.values(), PROTECT) if key not in of_stack]
    problems.check_keys([key for key in given if key not in of_stack], known, place)
    for key, value in given.items():
        if key in of_stack:
            problems.add(place.part(key), "is a setting for the whole stack", f"{key} at the top level")
        elif value is None and key in known:
            problems.add(place.part(key), "is null", "a value; '' or {} turns off a default")
    values = {name: _read_setting(name, entry, defaults) for name in SETTINGS}
    default, own = defaults["tags"], values["tags"]
    if is_mapping(own.given):
        # The entry's tags are added to the top-level tags, and are secret if the top-level tags are.
        place = own.place._replace(is_secret=default.place.is_secret)
        inherited: Mapping[str, Any] = default.given if default.state is State.VALID else {}
        values["tags"] = Value(place, {**inherited, **own.given})
    return values


def _read_setting(name: str, entry: Value, defaults: Mapping[str, Value]) -> Value:
    """Return an entry's setting, or the default that it inherits; "" or {} turns off a default."""
    key, scope, given = config_key(name), SETTINGS[name].scope, entry.given
    is_inherited = scope == "stack" or (scope == "default" and key not in given)
    if is_inherited and (name != "vpc_configuration" or _may_use_vpc(given)):
        return defaults[name]
    place, own = entry.place.part(key)._replace(setting=name), given.get(key, "")
    state = State.INVALID if own is None else State.GIVEN  # `_read_entry` rejects null
    return Value(place, _without_blank(own, SETTINGS[name].kind.blank), state)


def _may_use_vpc(given: Mapping[str, Any]) -> bool:
    """Return whether the current version of an entry's connector supports a VPC."""
    vpc = find_connector(given.get(KEYS["connector"])).vpc
    return vpc not in (Need.NOT_SUPPORTED, Need.EARLIER_VERSIONS)


def _check_role_names(roles: Sequence[Role], problems: Problems) -> None:
    """Reject a role name that another entry already has; IAM ignores the case of names."""
    owners: dict[str, str] = {}
    for role in roles:
        place, name = role.values["role_name"].place, role.text("role_name").text
        owner = owners.setdefault(name.lower(), role.name)
        if name and owner != role.name:
            problems.add(
                place,
                f"{place.show(name)} is also the role name of the entry {owner}",
                "a name that is unique regardless of case, because IAM ignores the case of names",
            )
