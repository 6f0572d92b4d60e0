"""`roles adopt --all` adopts the roles of all data sources of an application into one stack."""

import json
from typing import Any, Final

import pytest
import yaml

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    REGION,
)
from tests.helpers.boundary import boundary
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import OTHER_ID, World, own_policy

pytestmark = pytest.mark.slow

GONE: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:gone-a1B2c3"
APPLICATION: Final = "e5f6a7b8-9012-34ab-cdef-555555555555"


def identifier(number: int) -> str:
    return f"{number:08x}{OTHER_ID[8:]}"


def add(world: World, number: int, name: str, kind: str = "AEM", **more: Any) -> None:
    """Add a data source with a secret and a role of its own."""
    secret = world.secret(f"qbusiness/{number}")
    role = world.role(f"QBusiness-DataSource-{number:05}", own_policy(secret))
    configuration = {"type": kind, "secretArn": secret}
    source = {"displayName": name, "configuration": configuration, "roleArn": role, **more}
    world.server.add(identifier(number), kind, **source)


def read_entries(said: Any) -> dict[str, Any]:
    return said.json["config"][f"{PROJECT_NAME}:dataSources"]


def test_each_data_source_gets_valid_unique_entry_name(world: World):
    world.make(displayName="Pages")
    add(world, 1, "Wiki_EU-", "CONFLUENCE")
    add(world, 2, "wiki-EU", "JIRA")
    add(world, 3, "2024", "SLACK")
    add(world, 4, "secure", "BOX")
    add(world, 5, "x" * 60, "QUIP")
    for number in (6, 7):
        add(world, number, f"{'y' * 38}-zz", "QUIP")
    said = world.adopt("--all", "--json", "--dry-run")
    assert said.code == 0, said
    assert [*read_entries(said)] == [
        "pages",
        "wiki-eu",
        "wiki-eu-2",
        "source-2024",
        "secure-source",
        "x" * 41,
        f"{'y' * 38}-zz",
        f"{'y' * 38}-2",
    ]
    assert read_entries(said)["wiki-eu"] == {
        "connector": "confluence-cloud",
        "secretId": world.secrets.describe_secret(SecretId="qbusiness/1")["ARN"],
        "roleName": "QBusiness-DataSource-00001",
        "rolePath": "/",
    }
    config = {key: value for key, value in said.json["config"].items() if "dataSources" not in key}
    assert config == {
        "aws:region": REGION,
        "aws:allowedAccountIds": [ACCOUNT],
        f"{PROJECT_NAME}:applicationId": APPLICATION_ARN,
        f"{PROJECT_NAME}:indexId": INDEX_ID,
    }
    chosen = world.adopt("--all", "--json", "--dry-run", "--name", f"{identifier(1)}=europe")
    assert [*read_entries(chosen)][:3] == ["pages", "europe", "wiki-eu"]
    twice = (option for number in (1, 2) for option in ("--name", f"{identifier(number)}=europe"))
    line = world.adopt("--all", "--dry-run", *twice).last
    assert line == "adopt: several data sources would have the name europe: change --name"


def test_data_sources_sharing_role_get_own_roles(world: World):
    add(world, 1, "Fine", "SLACK")
    add(world, 2, "Mixed", "SLACK")
    shared = world.server.data_source(identifier(2))["roleArn"]
    add(world, 3, "Wiki", "CONFLUENCE", roleArn=shared)
    add(world, 4, "Alone", "SLACK")
    elsewhere = world.server.data_source(identifier(4))["roleArn"]
    world.server.qbusiness.add(APPLICATION, displayName="Other")
    world.server.qbusiness.add(APPLICATION, INDEX_ID, displayName="Main")
    source = {"displayName": "Other", "type": "AEM", "roleArn": elsewhere}
    world.server.qbusiness.add(APPLICATION, INDEX_ID, OTHER_ID, **source)
    options = ("--all", "--connector", "slack", "--application", APPLICATION_ID)
    said = world.adopt(*options, "--json")
    assert said.code == 0
    sources = read_entries(said)
    assert {name: its.get("roleName") for name, its in sources.items()} == {
        "fine": "QBusiness-DataSource-00001",
        "mixed": None,
        "alone": None,
    }
    assert sources["mixed"]["rolePath"] == "/"
    entries = said.json["import"]["resources"]
    assert {entry.get("parent", entry["name"]) for entry in entries} == {"fine"}
    assert [said.json["entries"][name]["sharedRole"] for name in sources] == [None, shared, elsewhere]
    # The file now has the new roles' entries.
    shown = world.adopt(*options, "--force").out
    users = f"Mixed {identifier(2)}, Wiki {identifier(3)}"
    because = f"mixed gets a new role, because {shared} is used by {users}."
    assert f"\n{because} The old role does not change.\n" in shown
    assert (
        "\nAfter `pulumi up`, run these commands, and the script that `assign` writes:\n\n"
        f"qbusiness-roles assign --stack prod mixed={identifier(2)} alone={identifier(4)}\n"
    ) in shown


def test_shared_role_declared_in_stack_file_stops_adoption(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    wiki = {"roleName": "QBusiness-DataSource-00001"}
    config = {f"{PROJECT_NAME}:dataSources": {"wiki": wiki}}
    world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    shared = world.server.data_source(identifier(1))["roleArn"]
    add(world, 2, "Tickets", "JIRA", roleArn=shared)
    add(world, 3, "Fine")
    said = world.adopt("--all", "--force")
    assert said.code == 2
    assert "roles that this command would not adopt (wiki)" in said.err
    users = f"Wiki {identifier(1)}, Tickets {identifier(2)}"
    assert f"{shared} is used by {users}, and Pulumi.prod.yaml declares it" in said.err


def test_new_role_does_not_drop_declared_role_of_same_entry(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    add(world, 2, "Tickets", "JIRA", roleArn=world.server.data_source(identifier(1))["roleArn"])
    config = {f"{PROJECT_NAME}:dataSources": {"wiki": {"roleName": "another"}}}
    world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    assert "roles that this command would not adopt (wiki)" in world.adopt("--all", "--force").err


def test_nothing_is_written_without_a_role_to_adopt(world: World):
    world.server.add(DATA_SOURCE_ID, "CUSTOM")
    said = world.adopt("--all")
    assert said.code == 2
    assert "adopt: no role can be adopted:" in said.err
    assert world.files == ["Pulumi.yaml"]


def test_throttling_ends_command_without_warnings(world: World):
    add(world, 1, "Pages")
    add(world, 2, "Wiki", "CONFLUENCE")
    world.reject("qbusiness:GetDataSource", status=429, code="ThrottlingException")
    said = world.adopt("--all", "--connector", "aem-cloud")
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith("adopt: AWS is throttling qbusiness:GetDataSource: wait a minute")


def test_data_source_with_unreadable_secret_is_left_out(world: World):
    world.make()
    world.reject("secretsmanager:DescribeSecret", status=400, code="InvalidRequestException")
    assert "secretsmanager:DescribeSecret failed (InvalidRequest" in world.adopt("--all").err


def test_all_option_requires_choice_among_applications(world: World):
    world.make()
    world.server.qbusiness.add(APPLICATION, displayName="Other")
    world.server.qbusiness.add(APPLICATION, INDEX_ID, displayName="Main")
    world.server.qbusiness.add(APPLICATION, INDEX_ID, OTHER_ID, displayName="Other-pages", type="AEM")
    said = world.adopt("--all")
    assert said.code == 2
    assert f"  --application {APPLICATION}  Other" in said.err
    assert world.adopt("--all", "--application", APPLICATION_ID, "--dry-run").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--all", "--name", f"{OTHER_ID}=wiki"], f"--name: {OTHER_ID} is not one of the adopted"),
        (
            ["--all", *["--name", f"{DATA_SOURCE_ID}=wiki"] * 2],
            "several --name options are for data source c3d4",
        ),
        (["--all", "--connector", "box"], "no data source is selected: check --application"),
        (["--all", "--exclude", OTHER_ID], f"data source {OTHER_ID} was not found: check --exclude"),
        (["--take", OTHER_ID], f"data source {OTHER_ID} was not found: check --exclude"),
    ],
)
def test_inapplicable_options_are_rejected(world: World, options: list[str], message: str):
    world.make()
    assert message in world.adopt(*options).last


def test_region_of_application_arn_overrides_aws_region(world: World):
    world.make()
    world.patch.setenv("AWS_REGION", "eu-west-1")
    said = world.adopt("--all", "--application", APPLICATION_ARN, "--dry-run", "--json")
    assert said.json["config"]["aws:region"] == REGION
    assert world.adopt("--application", APPLICATION_ARN, "--region", "eu-west-1").last == (
        f"adopt: --application is in {REGION}, but --region is eu-west-1: omit --region"
    )


def test_entries_in_stack_file_keep_names_and_protection(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    add(world, 2, "Tickets", "JIRA")
    automatic = world.role("slack-qbusiness-role-0a1b2c3", own_policy(world.secret("qbusiness/9")))
    add(world, 3, "Channels", "SLACK", roleArn=automatic)
    add(world, 4, "New", "QUIP")
    add(world, 5, "Box", "BOX")
    before = {
        "europe": {"roleName": "qbusiness-DATASOURCE-00001", "protect": True},
        "wiki": {"roleName": "QBusiness-DataSource-00002", "protect": ""},
        "box": {"roleName": "QBusiness-DataSource-00005", "protect": "false"},
        "slack": {"secretId": "s"},
    }
    config = {f"{PROJECT_NAME}:protect": "true", f"{PROJECT_NAME}:dataSources": before}
    world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    said = world.adopt("--all", "--json", "--force")
    assert said.code == 0, said
    found = yaml.safe_load(world.path("Pulumi.prod.yaml").read_text())["config"]
    assert found == said.json["config"]
    assert found[f"{PROJECT_NAME}:protect"] == "true"
    own = found[f"{PROJECT_NAME}:dataSources"]
    assert {name: each.get("protect") for name, each in own.items()} == {
        "europe": True,
        "wiki": "",
        "box": "false",
        "slack": None,
        "new": None,
    }
    assert own["slack"]["roleName"] == "slack-qbusiness-role-0a1b2c3"
    assert world.adopt("--all", "--json", "--force", "--name", f"{identifier(1)}=europe").code == 0
    line = world.adopt("--all", "--force", "--name", f"{identifier(1)}=wiki").err
    assert "declares this role as europe" in line
    assert "`pulumi state rename`: docs/data-sources.md" in line
    assert line.endswith("\n  pulumi config rm --stack prod dataSources\n")
    for option in ("--force", "--dry-run"):
        assert "declares roles in dataSources (europe, wiki," in world.adopt(option).last


def test_role_declared_in_stack_file_is_never_dropped(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    add(world, 2, "Odd", "CUSTOM")
    text = "config:\n  qbusiness-aem-connector:"
    path = world.path("Pulumi.prod.yaml")
    path.write_text(f"{text}dataSources: {{wiki: {{roleName: gone}}}}\n")
    said = world.adopt("--all", "--force")
    assert said.code == 2
    dropped = "and if the stack owns them, the next `pulumi up` would"
    assert f"roles that this command would not adopt (wiki), {dropped}" in said.err
    assert "\n  pulumi config rm --stack prod --path dataSources.wiki\n" in said.err
    assert "\n  left out: Odd (CUSTOM, " in said.err
    assert "config set" not in said.err
    path.write_text(f"{text}roleName: gone\n")
    assert f"(aem-connector), {dropped}" in world.adopt("--all", "--force").err
    path.write_text(f"{text}roleName: QBusiness-DataSource-00001\n")
    name = f"{identifier(1)}=wiki"
    assert "declares this role as aem-connector" in world.adopt("--all", "--force", "--name", name).last
    assert [*read_entries(world.adopt("--all", "--force", "--json"))] == ["aem-connector"]
    for entries in ("{secure: v1}", "{no: {}}", "{2024: {}}"):
        path.write_text(f"{text}dataSources: {entries}\n")
        assert (
            "dataSources in Pulumi.prod.yaml does not map names" in world.adopt("--all", "--force").last
        )
    path.write_text(f"{text}connector: webcrawler\n")
    assert f"(aem-connector), {dropped}" in world.adopt("--all", "--force").err


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({"dataSources": {"wiki-eu": {"secretId": "s"}}}, "'dataSources[\"wiki-eu\"].roleName'"),
        ({"secretId": "s"}, "roleName"),
    ],
    ids=["entries", "one role"],
)
def test_adoption_requires_role_names_of_declared_roles(
    world: World, config: dict[str, object], setting: str
):
    add(world, 1, "Wiki", "CONFLUENCE")
    spelled = {f"{PROJECT_NAME}:{key}": value for key, value in config.items()}
    world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": spelled}))
    said = world.adopt("--all", "--force")
    assert said.code == 2
    assert (
        "first set the name from the ARN that `pulumi stack output --stack prod` shows:\n"
        f"  pulumi config set --stack prod --path {setting} NAME\n"
    ) in said.err


def test_single_role_in_stack_file_is_never_replaced(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    add(world, 2, "Tickets", "JIRA")
    assert world.adopt("--data-source", identifier(1)).code == 0
    before = world.path("Pulumi.prod.yaml").read_text()
    said = world.adopt("--force", "--data-source", identifier(2))
    assert said.code == 2
    dropped = "and if the stack owns them, the next `pulumi up` would"
    assert f"would not adopt (aem-connector), {dropped}" in said.err
    assert said.err.endswith(
        "If `pulumi stack --stack prod` does not list the role, first run:\n"
        "  pulumi config rm --stack prod --path roleName\n"
        "  pulumi config rm --stack prod --path secretId\n"
        "  pulumi config rm --stack prod --path connector\n"
    )
    assert world.path("Pulumi.prod.yaml").read_text() == before
    assert world.adopt("--force", "--data-source", identifier(1)).code == 0


def test_warning_lists_dropped_and_replaced_settings(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    role = "QBusiness-DataSource-00001"
    assert "not kept" not in world.adopt("--all").err
    wiki = {"roleName": role, "ingestScope": "index", "allowNetworkInterfaceDeletion": False}
    keys = {"dataSources": {"wiki": wiki}, "exclusivePolicies": True, "rolePath": "/"}
    keys["allowNetworkInterfaceDeletion"] = "false"
    config = {f"{PROJECT_NAME}:{key}": value for key, value in keys.items()}
    config |= {"aws:region": REGION, "aws:profile": "prod"}
    world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    said = world.adopt("--all", "--force")
    assert "replaced (aws:profile, exclusivePolicies, dataSources.wiki.ingestScope): before" in said.err


def test_warning_names_data_sources_that_boundary_of_settings_might_cut_off(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    add(world, 2, "Desk", "JIRA")
    secrets = [
        each["ARN"]
        for each in world.secrets.list_secrets(MaxResults=100)["SecretList"]
        if each["Name"] == "qbusiness/1"
    ]
    for reads, effect in (
        ({"secrets": secrets}, "It might cut off desk."),
        ({"secrets": ["q*"]}, "It allows all that these roles need."),
        ({}, "It could not be read: iam:GetPolicy found nothing "),
    ):
        arn = f"arn:aws:iam::{ACCOUNT}:policy/none"
        if reads:
            arn = world.managed(f"boundary-{len(effect)}", json.dumps(boundary(**reads)))
        config = {f"{PROJECT_NAME}:permissionsBoundaryArn": arn}
        world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
        said = world.adopt("--all", "--force", "--dry-run").err
        assert (
            f"permissionsBoundaryArn {arn} is dropped from Pulumi.prod.yaml, because an import " in said
        )
        assert effect in said


def test_split_is_suggested_for_too_many_data_sources(world: World):
    world.patch.setattr("roles.adopt.configuration.MAXIMUM_ENTRIES", 10)
    world.patch.setattr("roles.output._STEP", 10)
    for number in range(11):
        add(
            world,
            number,
            f"Source-{number}",
            ("BOX", "JIRA", "JIRA", "SLACK", "JIRA", "JIRA")[number % 6],
        )
    said = world.adopt("--all")
    assert said.code == 2
    assert "  --connector jira --connector box  (9 data sources)\n  --connector slack  (2 " in said.err
    assert "adopt: data sources: 10 of 11\n" in said.err
    assert "adopt: roles: 10 of 11\n" in said.err
    error = world.adopt("--all", "--json").json
    assert (error["connectors"], error["stacks"]) == (
        {"jira": 7, "slack": 2, "box": 2},
        [["jira", "box"], ["slack"]],
    )
    options = ("--connector", "jira", "--connector", "box")
    said = world.adopt("--all", "--dry-run", "--json", *options)
    assert said.code == 0
    assert len(read_entries(said)) == 9
    for number in range(11, 15):
        add(world, number, f"Source-{number}", "JIRA")
    assert "  --connector jira  (11 data sources, too many: adopt each role" in world.adopt("--all").err


def test_calls_grow_linearly_with_data_sources(world: World):
    counts: list[int] = []
    for number in range(1, 13):
        add(world, number, f"Source-{number}")
        if number in (4, 8, 12):
            assert world.adopt("--all", "--dry-run").code == 0
            counts.append(len(world.server.calls))
    # One ListDataSources call reads ten data sources.
    assert 0 <= (counts[2] - counts[1]) - (counts[1] - counts[0]) <= 1
    assert (counts[1] - counts[0]) / 4 <= 7


def test_data_sources_in_a_file_are_left_out_even_if_they_are_gone(world: World):
    for number in (1, 2, 3):
        add(world, number, f"Wiki-{number}")
    text = f"# handed back\n{identifier(2)}  # Wiki-2\n\n{identifier(9)}\n"
    world.path("kept.txt").write_text(text)
    said = world.adopt("--all", "--exclude", "@kept.txt", "--exclude", identifier(3), "--json")
    assert [*read_entries(said)] == ["wiki-1"]
    note = f"adopt: kept.txt: no data source {identifier(9)} was found, so the line has no effect\n"
    assert said.err.endswith(note)
    said = world.adopt("--all", "--force", "--exclude", identifier(9))
    assert f"data source {identifier(9)} was not found" in said.last


def test_automatic_name_becomes_role_name_with_a_warning(world: World):
    world.make()
    role = world.role("auto-qbusiness-role-1234567", own_policy(world.secret_arn))
    world.add("Auto", role, world.secret_arn)
    config = {f"{PROJECT_NAME}:dataSources": {"auto": {"secretId": "x"}}}
    world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    said = world.adopt("--all", "--force", "--json", "--exclude", DATA_SOURCE_ID)
    assert "warning: roleName becomes the automatic name of auto: the role keeps" in said.err
