"""`roles adopt` chooses data sources, names entries, and keeps what a stack's file says about them."""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from components.connectors import CONNECTORS
from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT, REGION
from roles.account import DataSource
from roles.adopt import configuration, entries, existing, files, selection
from roles.adopt.entries import Entry
from roles.adopt.existing import Existing
from roles.adopt.principals import without_deleted
from roles.errors import InputError, OddAnswerError
from roles.output import Output
from tests.helpers.world import OTHER_ID, World

PROJECT = "website"


@pytest.fixture
def backend() -> None:
    """Replace the stand-in for Pulumi, which these tests do not run."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the fixture that needs an account."""
    monkeypatch.chdir(tmp_path)


def stack_file(config: Mapping[str, object]) -> Existing:
    """Return what is read from the file of the stack `acme/prod`; keys lack the project."""
    spelled = {key if ":" in key else f"{PROJECT}:{key}": value for key, value in config.items()}
    Path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": spelled}))
    return existing.read("acme/prod", PROJECT)


def of_entries(**its: Any) -> Existing:
    return stack_file({"dataSources": its})


def source(number: int, kind: str = "AEM", name: str = "Pages", application: str = "a1") -> DataSource:
    place = (application, f"Docs {application}", "i1", "Main")
    return DataSource(*place, f"id-{number}", name, kind, "ACTIVE", REGION)


def entry(number: int, name: str, role: str, connector: str = "box") -> Entry:
    """Return the parts of an entry that names and limits depend on."""
    needs = SimpleNamespace(connector=CONNECTORS[connector])
    role_of = SimpleNamespace(name=role)
    planned = SimpleNamespace(data_source=source(number, name=name), role=role_of, requirements=needs)
    return cast("Entry", planned)


@pytest.mark.parametrize(
    ("role_name", "name"),
    [
        ("Own.Name", "named"),
        ("own.name", "named"),
        ("own-name", None),
        ("Own.Name-2", None),
        ("named-qbusiness-role-0a1b2c3", None),
        ("automatic-qbusiness-role-0a1b2C3", "automatic"),
        ("automatic-qbusiness-role-0a1b2c", None),
        ("automatic-qbusiness-role-0a1b2c34", None),
        ("automatic-qbusiness-role-0a1b2cg", None),
        ("automatic-qbusiness-role", None),
        ("secret-qbusiness-role-0a1b2c3", "secret"),
        ("", None),
    ],
)
def test_entry_of_a_role_is_found_by_its_name(role_name: str, name: str | None):
    found = of_entries(
        named={"roleName": "Own.Name"},
        twin={"roleName": "own.name"},  # the first entry counts
        automatic={"roleName": ""},
        secret={"roleName": {"secure": "v1:x"}},
    )
    assert found.name_of(role_name) == name


@pytest.mark.parametrize(
    ("top", "own", "is_protected"),
    [
        (None, True, True),
        (None, "true", True),
        (None, False, False),
        (None, "yes", False),
        (True, None, True),
        ("true", "", False),
        (True, "false", False),
        ("false", "true", True),
    ],
)
def test_protection_of_an_entry_overrides_that_of_the_stack(top: Any, own: Any, is_protected: bool):
    config = {"dataSources": {"wiki": {} if own is None else {"protect": own}}}
    found = stack_file(config | ({} if top is None else {"protect": top}))
    warnings = [*found.warnings({"wiki": {}}, ["wiki"])]
    expected = "protect would stop `pulumi up`, which replaces policies of wiki: remove protect from "
    assert [text.startswith(expected) for text in warnings] == [True] * is_protected
    assert found.protect == ({} if top is None else {"protect": top})
    assert found.protect_of("wiki") == ({} if own is None else {"protect": own})


SECRET = {"secure": "v1:do-not-show"}
SETTINGS = {
    "exclusivePolicies": True,
    "bucketAccountId": "111122223333",
    "kmsKeyId": "k",
    "vpcConfiguration": {"subnetIds": ["s"], "securityGroupIds": ["g"]},
    "ingestScope": "index",
    "allowNetworkInterfaceDeletion": True,
}


@pytest.mark.parametrize(
    ("config", "lost"),
    [
        *(
            ({"dataSources": {"wiki": {name: it}}}, f"dataSources.wiki.{name}")
            for name, it in SETTINGS.items()
        ),
        *(({"dataSources": {"wiki": {"ingestScope": it}}}, None) for it in (None, "", False, "false")),
        # These are read from AWS.
        *(({"dataSources": {"wiki": {name: "x"}}}, None) for name in ("secretId", "connector", "tags")),
        ({"aws:region": REGION, "aws:allowedAccountIds": ["1"], "dataSources": {"wiki": {}}}, None),
        ({"aws:profile": "p", "dataSources": {"wiki": {}}}, "aws:profile"),
        ({"exclusivePolicies": True, "dataSources": {"wiki": {}}}, "exclusivePolicies"),
        ({"exclusivePolicies": True, "roleName": "r"}, "exclusivePolicies"),
        # An encrypted value is lost wherever it is, and is not shown.
        ({"dataSources": {"wiki": {"secretId": SECRET}}}, "encrypted dataSources.wiki.secretId"),
        ({"dataSources": {"wiki": {"tags": {"a": SECRET}}}}, "encrypted dataSources.wiki.tags"),
        (
            {"dataSources": {"wiki": {"vpcConfiguration": {"subnetIds": ["s", SECRET]}}}},
            "encrypted dataSources.wiki.vpcConfiguration",
        ),
        ({"indexId": SECRET, "dataSources": {"wiki": {}}}, "encrypted indexId"),
    ],
)
def test_settings_that_aws_does_not_determine_are_listed(config: dict[str, Any], lost: str | None):
    found = stack_file(config)
    names = [*found.roles]
    warnings = [*found.warnings({name: {"roleName": ""} for name in names}, [])]
    text = f"Pulumi.prod.yaml has settings that are dropped or replaced ({lost}): before `pulumi up`, "
    assert warnings == [f"{text}restore those that you still need"] * bool(lost)


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_with_the_same_value_in_aws_is_not_lost(name: str):
    found = of_entries(wiki={name: SETTINGS[name]}, box={})
    assert [*found.warnings({"wiki": {name: SETTINGS[name]}, "box": {}}, [])] == []
    top = stack_file({name: SETTINGS[name]})
    assert [*top.warnings({"new": {name: SETTINGS[name]}}, [])] == []
    assert len([*top.warnings({"new": {}}, [])]) == 1
    # One of two roles loses the setting of both.
    top = stack_file({name: SETTINGS[name], "dataSources": {"wiki": {}, "box": {}}})
    assert len([*top.warnings({"wiki": {name: SETTINGS[name]}, "box": {}}, [])]) == 1
    # Only the entries in the file lose a setting of all roles.
    top = stack_file({name: SETTINGS[name], "dataSources": {"wiki": {}}})
    assert [*top.warnings({"wiki": {name: SETTINGS[name]}, "new": {}}, [])] == []


def test_automatic_name_that_becomes_a_setting_is_a_warning():
    found = of_entries(a={"roleName": "A"}, b={"roleName": ""}, c={}, d={})
    (warning,) = found.warnings({"a": {"roleName": "A"}, "b": {"roleName": "B"}, "c": {}}, [])
    assert warning.startswith("roleName becomes the automatic name of b: the role keeps this name, but ")


@pytest.mark.parametrize(
    ("config", "adopted", "lost"),
    [
        ({"dataSources": {"wiki": {"roleName": "Wiki"}}}, {"other": ("wiki", {})}, []),
        ({"dataSources": {"wiki": {"roleName": "Wiki"}}}, {"wiki": ("Other", {})}, ["wiki"]),
        ({"dataSources": {"a": {"roleName": "A"}, "b": {}, "c": {}}}, {"a": ("A", {})}, ["b", "c"]),
        ({"roleName": "Wiki"}, {"x": ("Wiki", {})}, []),
        ({"secretId": "s"}, {"x": ("Wiki", {})}, ["aem-connector"]),
        ({"connector": "box", "indexId": "i"}, {"x": ("Wiki", {})}, ["aem-connector"]),
        ({"indexId": "i"}, {"x": ("Wiki", {})}, []),
        # A new role counts as adopted if its entry is for the same data source.
        ({"dataSources": {"wiki": {"secretId": "s"}}}, {"wiki": ("", {"secretId": "s"})}, []),
        ({"dataSources": {"wiki": {"secretId": "s"}}}, {"wiki": ("", {"secretId": "t"})}, ["wiki"]),
        *(
            ({"dataSources": {"wiki": {key: "x"}}}, {"wiki": ("", {key: "y"})}, ["wiki"])
            for key in ("bucketName", "connector")
        ),
        (
            {"dataSources": {"wiki": {"secretId": "s", "roleName": "Wiki"}}},
            {"wiki": ("", {"secretId": "s"})},
            ["wiki"],
        ),
    ],
)
def test_roles_that_would_be_deleted_stop_the_adoption(
    config: dict[str, Any], adopted: dict[str, tuple[str, dict[str, Any]]], lost: list[str]
):
    found = stack_file(config)
    if not lost:
        found.check_kept(adopted, ["left out"])
        return
    with pytest.raises(InputError) as raised:
        found.check_kept(adopted, ["left out"])
    first, *_, last = raised.value.lines
    assert f"declares roles that this command would not adopt ({', '.join(lost)}), " in first
    assert last == "left out"


@pytest.mark.parametrize(
    ("config", "commands"),
    [
        (
            {"dataSources": {"b": {"roleName": "B"}, "wiki-eu": {"secretId": "s"}}},
            [
                "set --stack acme/prod --path 'dataSources[\"wiki-eu\"].roleName' NAME",
                "rm --stack acme/prod --path dataSources.b",
                "rm --stack acme/prod --path 'dataSources[\"wiki-eu\"]'",
            ],
        ),
        (
            {"secretId": "s", "connector": "box"},
            [
                "set --stack acme/prod --path roleName NAME",
                "rm --stack acme/prod --path secretId",
                "rm --stack acme/prod --path connector",
            ],
        ),
        ({"roleName": "r"}, ["rm --stack acme/prod --path roleName"]),
    ],
)
def test_commands_name_or_remove_the_roles_of_the_file(config: dict[str, Any], commands: list[str]):
    with pytest.raises(InputError) as raised:
        stack_file(config).check_kept({}, [])
    shown = [line for line in raised.value.lines if line.startswith("  ")]
    assert shown == [f"  pulumi config {command}" for command in commands]


@pytest.mark.parametrize(
    ("config", "chosen", "lines"),
    [
        ({"dataSources": {"wiki": {"roleName": "Wiki"}}}, "wiki", 0),
        ({"dataSources": {"wiki": {"roleName": "Other"}}}, "new", 0),
        ({"dataSources": {"wiki": {"roleName": "Wiki"}}}, "new", 2),
        ({"roleName": "Wiki"}, "new", 1),
    ],
)
def test_name_option_cannot_rename_the_entry_of_a_role(config: dict[str, Any], chosen: str, lines: int):
    found = stack_file(config)
    if not lines:
        found.check_chosen("id-1", chosen, "Wiki")
        return
    with pytest.raises(
        InputError, match=f"--name id-1={chosen}: Pulumi.prod.yaml declares this"
    ) as raised:
        found.check_chosen("id-1", chosen, "Wiki")
    command = "  pulumi config rm --stack acme/prod dataSources"
    assert (len(raised.value.lines), raised.value.lines[-1] == command) == (lines, lines == 2)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ('{"wiki": {}}', ["wiki"]),
        ({}, []),
        ("", []),
        ("{", None),
        ('["wiki"]', None),
        ({"wiki": "x"}, None),
        ({"secure": "v1:x"}, None),
        ({2024: {}}, None),
        ({True: {}}, None),
    ],
)
def test_entries_are_an_object_or_its_json(given: object, names: list[str] | None):
    if names is None:
        with pytest.raises(InputError, match=r"^dataSources in Pulumi.prod.yaml does not map names"):
            stack_file({"dataSources": given})
        return
    found = stack_file({"dataSources": given})
    assert ([*found.roles], found.has_entries) == (names, bool(names))
    if names:
        with pytest.raises(
            InputError, match=r"declares roles in dataSources \(wiki\), and without --all"
        ):
            existing.reject_entries(found)
    else:
        existing.reject_entries(found)


def test_application_and_boundary_are_read_from_the_file():
    found = stack_file({"applicationId": APPLICATION_ARN, "aws:region": REGION})
    assert found.application
    assert (found.application.text, found.region, found.boundary) == (APPLICATION_ARN, REGION, "")
    assert stack_file({"aws:region": ""}).region is None
    found = stack_file({"applicationId": SECRET, "aws:region": SECRET, "permissionsBoundaryArn": "b"})
    assert (found.application, found.region, found.boundary) == (None, None, "b")


# The names of entries.


@pytest.mark.parametrize(
    ("display_names", "expected"),
    [
        # A name in the file is kept, even if an earlier data source has the same display name.
        (["Kept", "x"], ["kept-2", "kept"]),
        (["Same", "kept", "same"], ["same", "kept", "same-2"]),
        (["A" * 41, "", "a" * 42], ["a" * 41, "kept", f"{'a' * 39}-2"]),
        (["\xc4", "", "Gr\xf6\xdfe \u6587 2"], ["source", "kept", "gr-e-2"]),
        (["", "", "2024"], ["aem", "kept", "source-2024"]),
        (["secure", "", "Secure!"], ["secure-source", "kept", "secure-source-2"]),
        ([f"{'y' * 40}-z", "", "same"], ["y" * 40, "kept", "same"]),
        (["n"] * 1 + [""] + ["n"] * 9, ["n", "kept", *(f"n-{number}" for number in range(2, 11))]),
    ],
)
def test_entries_have_valid_unique_names(display_names: list[str], expected: list[str]):
    found = of_entries(kept={"roleName": "Role-1"})
    planned = [entry(number, name, f"Role-{number}") for number, name in enumerate(display_names)]
    assert entries.names(planned, [], found) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([("id-0", "chosen")], ["chosen", "kept", "wiki"]),
        ([("id-2", "wiki")], ["wiki-2", "kept", "wiki"]),
        ([("id-2", "a"), ("id-0", "a")], "several data sources would have the name a: change --name"),
        ([("id-0", "kept")], "several data sources would have the name kept: change --name"),
        ([("id-1", "new")], "--name id-1=new: Pulumi.prod.yaml declares this role as kept, "),
        (
            [("id-0", "a"), ("id-2", "b"), ("id-2", "c")],
            "several --name options are for data source id-2: pass only one",
        ),
        ([("id-9", "a"), ("id-8", "b")], "--name: id-8 is not one of the adopted data sources"),
    ],
)
def test_chosen_names_come_first(given: list[tuple[str, str]], expected: list[str] | str):
    found = of_entries(kept={"roleName": "Role-1"})
    planned = [entry(number, "Wiki", f"Role-{number}") for number in range(3)]
    if isinstance(expected, list):
        assert entries.names(planned, given, found) == expected
    else:
        with pytest.raises(InputError, match=f"^{expected}"):
            entries.names(planned, given, found)


# The limits of a stack.


def fill(some: Mapping[str, Entry]) -> dict[str, object]:
    """Return a configuration whose size in bytes and in characters differs."""
    return {"keys": "".join(name.partition(" ")[2] for name in some)}


@pytest.mark.parametrize(
    ("number", "each", "fits"),
    [(100, "", True), (101, "", False), (2, "\xe9" * 25_597, True), (2, "\xe9" * 25_598, False)],
)
def test_stack_has_at_most_100_entries_and_100_kib(number: int, each: str, fits: bool):
    planned = {f"{position} {each}": entry(position, "", "") for position in range(number)}
    if fits:
        configuration.check_limits(planned, fill)
        return
    with pytest.raises(InputError, match="at most 100 data sources and 102,400 bytes of settings, but "):
        configuration.check_limits(planned, fill)


def test_most_frequent_index_is_the_default_of_the_stack():
    def planned(*index_ids: str) -> dict[str, Entry]:
        found: dict[str, Any] = {}
        for number, index_id in enumerate(index_ids):
            settings = {"region": REGION, "application_id": APPLICATION_ARN, "index_id": index_id}
            needs = {"region": REGION, "application_arn": APPLICATION_ARN, "index_id": index_id}
            kept = {**settings, "role_name": f"r{number}"}
            needed = SimpleNamespace(settings=partial(dict, kept), **needs)
            found[f"e{number}"] = SimpleNamespace(requirements=needed)
        return found

    before = of_entries(e1={"protect": True})
    assert configuration.configure_several(planned("a", "b", "b"), before, PROJECT) == {
        "aws:region": REGION,
        "aws:allowedAccountIds": [ACCOUNT],
        "website:applicationId": APPLICATION_ARN,
        "website:indexId": "b",
        "website:dataSources": {
            "e0": {"indexId": "a", "roleName": "r0", "rolePath": "/"},
            "e1": {"roleName": "r1", "rolePath": "/", "protect": True},
            "e2": {"roleName": "r2", "rolePath": "/"},
        },
    }
    assert configuration.configure_several(planned("c", "b"), before, PROJECT)["website:indexId"] == "c"


def test_connectors_are_split_among_stacks_the_most_frequent_first():
    counts = {"box": 30, "jira": 101, "slack": 70, "quip": 30, "drupal": 1}
    planned = {
        f"{connector}{number}": entry(number, "", "", connector)
        for connector, count in counts.items()
        for number in range(count)
    }
    with pytest.raises(InputError) as raised:
        configuration.check_limits(planned, fill)
    too_many = "too many: adopt each role into its own stack, with --data-source"
    assert raised.value.lines[1:] == (
        f"  --connector jira  (101 data sources, {too_many})",
        "  --connector slack --connector box  (100 data sources)",
        "  --connector quip --connector drupal  (31 data sources)",
    )
    assert raised.value.details == {
        "connectors": counts,
        "stacks": [["jira"], ["slack", "box"], ["quip", "drupal"]],
    }


# The choice of data sources.


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--all", "--data-source", "x"], "--data-source selects one data source, and --all selects "),
        (["--name", "x=wiki"], "--name requires --all: pass --all as well"),
        (["--connector", "box", "--connector", "quip"], "several --connector options require --all: "),
        (
            ["--application", APPLICATION_ARN, "--region", "eu-west-1"],
            f"--application is in {REGION}, but --region is eu-west-1: omit --region",
        ),
    ],
)
def test_contradicting_options_are_rejected_without_calls(world: World, given: list[str], message: str):
    world.write_project()
    assert world.adopt(*given).rejection.startswith(f"adopt: {message}")
    assert world.server.calls == []


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        (
            "--name",
            f"{OTHER_ID}=Wiki",
            "a lowercase letter followed by up to 40 lowercase letters, digits, and",
        ),
        ("--name", f"{OTHER_ID}=secure", "the name `secure` is reserved"),
        ("--stacks", "-1", "'-1' is not a number of stacks: expected 0 or more"),
        ("--application", "zzz", "'zzz' is not an application ID or ARN: expected 36 letters, digits,"),
    ],
)
def test_invalid_option_values_are_rejected_without_calls(
    world: World, option: str, value: str, expected: str
):
    with pytest.raises(SystemExit) as stopped:
        world.adopt("--all", option, value)
    assert stopped.value.code == 2
    assert expected in world.capsys.readouterr().err.splitlines()[-1]
    assert world.server.calls == []


def test_application_of_another_account_is_rejected_with_both_accounts(world: World):
    world.write_project()
    arn = APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    assert world.adopt("--all", "--application", arn).rejection == (
        f"adopt: the application is in account {OTHER_ACCOUNT}, but the credentials are for account "
        f"{ACCOUNT}: set AWS_PROFILE to a profile for the application's account"
    )
    assert world.files == ["Pulumi.yaml"]


def options(**its: Any) -> argparse.Namespace:
    common = {"connector": [], "data_source": None, "json": True, "application": None}
    lists: dict[str, Any] = {"exclude": [], "take": [], "kept": {}}
    return argparse.Namespace(**{**common, **lists, **its})


LISTED = (
    "  --data-source id-1  Pages (AEM, ACTIVE) of application Docs a1 a1",
    "  --data-source id-2  Pages (box, ACTIVE) of application Docs a1 a1",
)


@pytest.mark.parametrize(
    ("its", "found"),
    [
        ({"data_source": "id-3"}, "id-3"),
        ({"connector": [CONNECTORS["box"]]}, "id-2"),
        ({"connector": [CONNECTORS["aem-server"]]}, "id-1"),
        ({}, "which data source? Pass one of these:"),
        (
            {"data_source": "id-9"},
            "no data source id-9 matches the options (data sources considered: 3, ",
        ),
        (
            {"connector": [CONNECTORS["jira"]]},
            "no data source of the jira connector matches the options (data sources considered: 3, ",
        ),
    ],
)
def test_data_source_is_chosen_by_id_connector_or_type(
    capsys: pytest.CaptureFixture[str], its: dict[str, Any], found: str
):
    every = [source(3, "CUSTOM"), source(1), source(2, "box")]
    if found.startswith("id-"):
        assert selection.choose(every, options(**its), Output("adopt")).id == found
        shown = f"adopt: selected the only match: --data-source {found}  Pages "
        assert capsys.readouterr().err.startswith(shown) is ("data_source" not in its)
        return
    with pytest.raises(InputError) as raised:
        selection.choose(every, options(**its), Output("adopt"))
    assert raised.value.lines[0].startswith(found)
    assert (", types: AEM, CUSTOM, box): check " in raised.value.lines[0]) is bool(its)
    choices = cast("Sequence[Any]", raised.value.details.get("choices", ()))
    # Only --data-source chooses an unknown type.
    assert [each["dataSourceId"] for each in choices] == (["id-1", "id-2"] if not its else [])
    assert raised.value.lines[1:] == (() if its else LISTED)


@pytest.mark.parametrize(("json", "can_ask"), [(False, False), (True, True), (False, True)])
def test_only_a_person_who_sees_the_question_is_asked(
    monkeypatch: pytest.MonkeyPatch, json: bool, can_ask: bool
):
    every = [source(1), source(2)]
    answers = iter(["", "x", "0", "3", "\xb2", "2"])
    monkeypatch.setattr(Output, "can_ask", can_ask)

    def ask(*_: object) -> str:
        return next(answers)

    monkeypatch.setattr(Output, "ask", ask)
    if can_ask and not json:
        assert selection.choose(every, options(json=json), Output("adopt")).id == "id-2"
        return
    with pytest.raises(InputError, match=r"^which data source"):
        selection.choose(every, options(json=json), Output("adopt"))


def test_nothing_to_choose_from_is_one_line():
    of_any = "no data source of a supported type matches the options"
    with pytest.raises(InputError, match=rf"^{of_any} \(data sources considered: 0, types: none"):
        selection.choose([], options(), Output("adopt"))


def test_connectors_select_data_sources_by_configuration_or_type():
    def data_source(its: DataSource) -> dict[str, Any]:
        if its.type == "CUSTOM":
            raise OddAnswerError(operation="x", reason="is odd")
        return {"type": its.type, "configuration": {"type": its.type, "secretArn": "s"}}

    account: Any = SimpleNamespace(data_source=data_source)
    every = [source(1), source(2, "box"), source(3, "CUSTOM")]
    assert selection.of_connectors(account, every, []) == every
    assert selection.of_connectors(account, every, [CONNECTORS["box"]]) == every[1:2]
    with pytest.raises(InputError, match=r"^no data source is selected: check --application, --region"):
        selection.of_connectors(account, every, [CONNECTORS["jira"]])


def test_only_one_application_is_selected():
    every = [source(1), source(2, application="b2")]
    assert selection.of_one_application(every, options(application="b2")) == every[1:]
    assert selection.of_one_application(every[:1] * 2, options()) == every[:1] * 2
    with pytest.raises(InputError) as raised:
        selection.of_one_application(every, options())
    assert raised.value.lines[1:] == ("  --application a1  Docs a1", "  --application b2  Docs b2")
    assert raised.value.details == {"applications": ["a1", "b2"]}


def test_excluded_data_sources_are_left_out(capsys: pytest.CaptureFixture[str]):
    every = [source(number) for number in (1, 2, 3, 4)]
    chosen = options(exclude=["id-1"], kept={"id-2": "kept.txt", "id-4": "kept.txt", "id-9": "kept.txt"})
    # The fourth belongs to another application.
    found = selection.without_excluded(every[:3], every, chosen, Output("adopt"))
    assert [each.id for each in found] == ["id-3"]
    note = "adopt: kept.txt: no data source id-9 was found, so the line has no effect\n"
    assert capsys.readouterr().err == note
    for its in (
        {"exclude": ["id-8", "id-7"]},
        {"take": ["id-7"]},
        {"exclude": ["id-4"], "take": ["id-9"]},
    ):
        unknown = "id-4" if "id-9" in its.get("take", []) else "id-7"
        with pytest.raises(InputError, match=f"^data source {unknown} was not found: check --exclude"):
            selection.without_excluded(every[:3], every, options(**its), Output("adopt"))


IDENTIFIER = "c3d4e5f6-7890-12ab-cdef-333333333333"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"# old\n\n {IDENTIFIER}  # Wiki\r\n".encode(), ""),
        (f"{IDENTIFIER}\n{IDENTIFIER[:-1]}\n".encode(), f"kept.txt, line 2: '{IDENTIFIER[:-1]}' is not"),
        (f"{IDENTIFIER}3\n".encode(), f"kept.txt, line 1: '{IDENTIFIER}3' is not the ID of a data"),
        (f"-{IDENTIFIER[1:]}\n".encode(), f"kept.txt, line 1: '-{IDENTIFIER[1:]}' is not the ID"),
        (b"\xff", "--exclude: kept.txt cannot be read: it is not UTF-8 text"),
        (None, "--exclude: kept.txt cannot be read: No such file or directory"),
    ],
)
def test_file_of_excluded_data_sources_is_read(content: bytes | None, message: str):
    if content is not None:
        Path("kept.txt").write_bytes(content)
    given = ["id-1", "@kept.txt"]
    if not message:
        assert selection.read_excluded(given) == (["id-1"], {IDENTIFIER: "kept.txt"})
        return
    with pytest.raises(InputError, match=f"^{message}"):
        selection.read_excluded(given)


# The files.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "has changes that would be lost: move it, or delete it"),
        ("[]", "has changes that would be lost"),
        ('{"stack": "acme/prod"}', "has changes that would be lost"),
        ('{"stack": "prod", "resources": []}', "belongs to stack prod: move it, or delete it after the"),
        ('{"stack": "acme/prod", "digest": "0", "resources": []}', "has changes that would be lost"),
    ],
)
def test_foreign_or_edited_import_file_is_kept(content: str, message: str):
    Path("import-acme-prod.json").write_text(content)
    with pytest.raises(InputError, match=f"^import-acme-prod.json {message}"):
        files.check("acme/prod", overwrite=True)


def test_own_files_are_overwritten_only_by_force_and_scripts_never():
    document = files.import_document("acme/prod", [{"id": "a"}])
    Path("restore-acme-prod-9").mkdir()
    Path("Pulumi.prod.yaml").write_text("encryptionsalt: s\n")  # without settings
    files.check("acme/prod", overwrite=False)
    written = files.write("acme/prod", {"a:b": "yes"}, document, "script", overwrite=False)
    assert written == ["Pulumi.prod.yaml", "import-acme-prod.json", "restore-acme-prod-10.sh"]
    with pytest.raises(InputError, match=r"^Pulumi.prod.yaml would be overwritten: pass --force"):
        files.check("acme/prod", overwrite=False)
    files.check("acme/prod", overwrite=True)
    Path("Pulumi.prod.yaml").write_text("encryptionsalt: s\nconfig:\n  a:b: old\n")
    written = files.write("acme/prod", {"a:b": "yes", "c": True}, document, "again", overwrite=True)
    assert written[2:] == ["restore-acme-prod-11.sh"]
    text = Path("Pulumi.prod.yaml").read_text()
    assert text == '"encryptionsalt": "s"\n"config":\n  "a:b": "yes"\n  "c": true\n'
    assert files.write("acme/prod", {}, document, "", overwrite=True) == written[:2]


DELETED = "AROAEXAMPLEEXAMPLE123"


@pytest.mark.parametrize(
    ("principal", "kept"),
    [
        ({"AWS": DELETED}, None),
        ({"AWS": [DELETED, "arn:aws:iam::1:root"]}, {"AWS": ["arn:aws:iam::1:root"]}),
        ({"AWS": [DELETED], "Service": "x"}, {"Service": "x"}),
        ({"Service": DELETED}, {"Service": DELETED}),
        ("*", "*"),
    ],
)
@pytest.mark.parametrize("element", ["Principal", "NotPrincipal"])
def test_deleted_principals_are_left_out_of_a_trust_policy(element: str, principal: Any, kept: Any):
    found, deleted = without_deleted({"Statement": [{"Sid": "A", element: principal}]})
    assert deleted == ([] if kept == principal else [DELETED])
    assert found == (kept and {"Statement": [{"Sid": "A", element: kept}]})
