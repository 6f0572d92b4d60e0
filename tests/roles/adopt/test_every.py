"""`roles adopt --all` brings the roles of all data sources of an application under one stack."""

import json
import re
import shlex
from collections.abc import Callable
from typing import Any, Final

import pytest
import yaml

from evidence.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, REGION
from sandbox.environment import PROJECT
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.stacks import Aws, Stack
from tests.helpers.support import PROJECT_NAME, in_one_line
from tests.helpers.world import OTHER_ID, OWN, TRUST, WIDE, Maker, World, own_policy, s3_policy
from tests.roles.adopt.help import console_s3_policy, large

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


def members(said: Any) -> dict[str, Any]:
    return said.json["config"][f"{PROJECT_NAME}:dataSources"]


def test_every_data_source_becomes_a_member_with_a_valid_and_unique_name(world: World):
    world.make(displayName="Pages")
    add(world, 1, "Wiki_EU-", "CONFLUENCE")
    add(world, 2, "wiki-EU", "JIRA")
    add(world, 3, "2024", "SLACK")
    add(world, 4, "secure", "BOX")
    add(world, 5, "x" * 60, "QUIP")
    said = world.adopt("--all", "--json", "--dry-run")
    assert said.code == 0, said
    assert [*members(said)] == [
        "pages",
        "wiki-eu",
        "wiki-eu-2",
        "source-2024",
        "secure-source",
        "x" * 41,
    ]
    assert members(said)["wiki-eu"] == {
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
    assert [*members(chosen)][:3] == ["pages", "europe", "wiki-eu"]


def test_a_data_source_that_cannot_be_adopted_is_left_out_with_the_reason(world: World):
    world.make(displayName="Pages")
    add(world, 1, "Shared", roleArn=world.role_arn)
    add(world, 2, "Odd", "CUSTOM")
    add(
        world,
        3,
        "No-secret",
        configuration={
            "type": "AEM",
            "secretArn": GONE,
        },
    )
    add(world, 4, "No-role", roleArn=f"arn:aws:iam::{ACCOUNT}:role/gone")
    add(world, 5, "Fine")
    said = world.adopt("--all")
    assert said.code == 1
    table, _, left_out = said.out.partition("\nLeft out: 5.\n")
    assert [line.split()[0] for line in table.splitlines()] == ["MEMBER", "fine"]
    reasons = dict(
        line.strip().split(" (", 1) for line in left_out.splitlines() if line.startswith("  ")
    )
    assert reasons.keys() == {"Pages", "Shared", "Odd", "No-secret", "No-role"}
    assert f"2 data sources run under {world.role_arn}" in reasons["Pages"]
    assert "no connector of this program has the type CUSTOM" in reasons["Odd"]
    assert f"there is no secret {GONE}" in reasons["No-secret"]
    assert "role/gone" in reasons["No-role"]
    assert world.files == ["Pulumi.prod.yaml", "Pulumi.yaml", "import.json"]
    entries = json.loads(world.path("import.json").read_text())["resources"]
    assert {entry.get("parent", entry["name"]) for entry in entries} == {"fine"}


def test_a_role_that_is_shared_with_another_connector_or_application_is_left_out(world: World):
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
    options = ("--all", "--dry-run", "--json", "--connector", "slack", "--application", APPLICATION_ID)
    said = world.adopt(*options)
    assert said.code == 1
    assert [*members(said)] == ["fine"]
    assert {each["dataSource"]["displayName"] for each in said.json["leftOut"]} == {"Mixed", "Alone"}


def test_without_a_role_to_adopt_nothing_is_written(world: World):
    world.server.add(DATA_SOURCE_ID, "CUSTOM")
    said = world.adopt("--all")
    assert said.code == 2
    assert "adopt: no role can be adopted:" in said.err
    assert world.files == ["Pulumi.yaml"]


def test_a_throttled_account_ends_the_command_without_warnings(world: World):
    add(world, 1, "Pages")
    add(world, 2, "Wiki", "CONFLUENCE")
    world.refuse("qbusiness:GetDataSource", status=429, code="ThrottlingException")
    said = world.adopt("--all", "--connector", "aem-cloud")
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith("adopt: AWS throttles qbusiness:GetDataSource: wait a minute")


def test_a_stack_has_one_application(world: World):
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
        (["--all", "--data-source", DATA_SOURCE_ID], "--all adopts every data source"),
        (["--name", f"{DATA_SOURCE_ID}=wiki"], "--name is for --all"),
        (["--connector", "box", "--connector", "quip"], "several --connector are for --all"),
        (["--all", "--name", f"{OTHER_ID}=wiki"], "no role of this data source is adopted"),
        (["--all", *["--name", f"{DATA_SOURCE_ID}=wiki"] * 2], "several times for data source c3d4"),
        (["--all", "--connector", "box"], "there is no data source: check --application"),
    ],
)
def test_options_that_do_not_fit_are_refused(world: World, options: list[str], message: str):
    world.make()
    assert message in world.adopt(*options).last


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        (
            "--name",
            f"{OTHER_ID}=Wiki",
            "a lowercase letter and at most 40 lowercase letters, digits, and",
        ),
        ("--name", f"{OTHER_ID}=secure", "the name secure is reserved"),
        ("--application", "zzz", "'zzz' is not an application ID or ARN: expected 36 letters, digits,"),
    ],
)
def test_options_of_a_wrong_form_are_refused_before_any_call(
    world: World, option: str, value: str, expected: str
):
    with pytest.raises(SystemExit) as stopped:
        world.adopt("--all", option, value)
    assert stopped.value.code == 2
    assert expected in world.capsys.readouterr().err.splitlines()[-1]
    assert world.server.calls == []


def test_members_of_the_file_keep_their_names_and_their_protection(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    add(world, 2, "Tickets", "JIRA")
    automatic = world.role("slack-qbusiness-role-0a1b2c3", own_policy(world.secret("qbusiness/9")))
    add(world, 3, "Channels", "SLACK", roleArn=automatic)
    add(world, 4, "New", "QUIP")
    before = {
        "europe": {"roleName": "qbusiness-DATASOURCE-00001", "protect": True},
        "wiki": {"roleName": "QBusiness-DataSource-00002", "protect": ""},
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
        "slack": None,
        "new": None,
    }
    assert own["slack"]["roleName"] == "slack-qbusiness-role-0a1b2c3"
    assert world.adopt("--all", "--json", "--force", "--name", f"{identifier(1)}=europe").code == 0
    line = world.adopt("--all", "--force", "--name", f"{identifier(1)}=wiki").err
    assert "this role belongs to the member europe" in line
    assert "`pulumi state rename`: docs/data-sources.md" in line
    assert line.endswith("\n  pulumi config rm --stack prod dataSources\n")
    assert "declares the roles of several data sources (europe, wiki," in world.adopt("--force").last


def test_a_role_of_the_file_is_never_dropped(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    add(world, 2, "Odd", "CUSTOM")
    text = "config:\n  qbusiness-aem-connector:"
    path = world.path("Pulumi.prod.yaml")
    path.write_text(f"{text}dataSources: {{wiki: {{roleName: gone}}}}\n")
    said = world.adopt("--all", "--force")
    assert said.code == 2
    assert "roles that are not among the adopted ones (wiki), and the next `pulumi up` would" in said.err
    assert "\n  pulumi config rm --stack prod --path dataSources.wiki\n" in said.err
    assert "\n  left out: Odd (CUSTOM, " in said.err
    assert "config set" not in said.err
    path.write_text(f"{text}roleName: gone\n")
    assert "(aem-connector), and the next `pulumi up` would" in world.adopt("--all", "--force").err
    path.write_text(f"{text}roleName: QBusiness-DataSource-00001\n")
    name = f"{identifier(1)}=wiki"
    assert "to the member aem-connector" in world.adopt("--all", "--force", "--name", name).last
    assert [*members(world.adopt("--all", "--force", "--json"))] == ["aem-connector"]
    for members_of_file in ("{secure: v1}", "{no: {}}", "{2024: {}}"):
        path.write_text(f"{text}dataSources: {members_of_file}\n")
        assert "dataSources in Pulumi.prod.yaml is not an object" in world.adopt("--all", "--force").last
    path.write_text(f"{text}connector: webcrawler\n")
    assert "(aem-connector), and the next `pulumi up` would" in world.adopt("--all", "--force").err


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({"dataSources": {"wiki-eu": {"secretId": "s"}}}, "'dataSources[\"wiki-eu\"].roleName'"),
        ({"secretId": "s"}, "roleName"),
    ],
    ids=["members", "one role"],
)
def test_the_name_of_a_role_that_may_have_kept_an_earlier_one_is_to_be_set(
    world: World, config: dict[str, object], setting: str
):
    add(world, 1, "Wiki", "CONFLUENCE")
    spelled = {f"{PROJECT_NAME}:{key}": value for key, value in config.items()}
    world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": spelled}))
    said = world.adopt("--all", "--force")
    assert said.code == 2
    assert (
        "`pulumi stack output --stack prod` shows, and repeat:\n"
        f"  pulumi config set --stack prod --path {setting} NAME\n"
    ) in said.err


def test_settings_that_are_not_kept_and_roles_that_may_have_an_owner_are_named(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    role = "QBusiness-DataSource-00001"
    owner = f"a stack may own {role} already"
    said = world.adopt("--all")
    assert owner in said.err
    assert "not kept" not in said.err
    wiki = {"roleName": role, "ingestScope": "index", "allowNetworkInterfaceDeletion": False}
    keys = {"dataSources": {"wiki": wiki}, "exclusivePolicies": True, "rolePath": "/"}
    config = {f"{PROJECT_NAME}:{key}": value for key, value in keys.items()}
    config |= {"aws:region": REGION, "aws:profile": "prod"}
    world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    said = world.adopt("--all", "--force")
    assert owner not in said.err
    assert "not kept (aws:profile, exclusivePolicies, dataSources.wiki.ingestScope): set" in said.err


def test_roles_without_room_are_adopted_with_the_commands_that_make_room(world: World):
    for number in (1, 2):
        add(world, number, f"Wiki-{number}", "CONFLUENCE")
        world.put_policy(large("a", 9_900), "template", f"QBusiness-DataSource-{number:05}")
    said = world.adopt("--all")
    assert said.code == 0
    assert (
        "wiki-1: warning: the role's inline policies leave no room for the role policy, by " in said.out
    )
    for number in (1, 2):
        (section,) = re.findall(rf"\n== wiki-{number} ==\n(.*?)\n\n(?:==|Written)", said.out, re.DOTALL)
        assert section.startswith("No room for the role policy: ")
        name = f"QBusiness-DataSource-{number:05}"
        assert re.findall(r"--policy-name (\S+) --policy-document file://(\S+)", section) == [
            (f"{name}-copy-{copy}", f"policy-copy-{2 * number - 2 + copy}.json") for copy in (1, 2)
        ]
        assert section.endswith(f"delete-role-policy --role-name {name} --policy-name template")
    assert "\nAfter these commands, import the roles, which changes nothing in AWS:\n" in said.out
    assert [file for file in world.files if "copy" in file] == [
        f"policy-copy-{n}.json" for n in (1, 2, 3, 4)
    ]
    shown = world.adopt("--all", "--json", "--force").json["members"]["wiki-1"]
    assert shown["inlinePolicies"]["maximum"] == 10_240


def test_more_data_sources_than_a_stack_can_have_are_split_by_connector(world: World):
    world.patch.setattr("roles.adopt.every.MAXIMUM_MEMBERS", 10)
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
    assert len(members(said)) == 9
    for number in range(11, 15):
        add(world, number, f"Source-{number}", "JIRA")
    assert (
        "  --connector jira  (11 data sources, too many: adopt each of them" in world.adopt("--all").err
    )


def test_the_calls_grow_linearly_with_the_data_sources(world: World):
    counts: list[int] = []
    for number in range(1, 13):
        add(world, number, f"Source-{number}")
        if number in (4, 8, 12):
            assert world.adopt("--all", "--dry-run").code == 0
            counts.append(len(world.server.calls))
    # Pages of ten data sources are read one by one.
    assert 0 <= (counts[2] - counts[1]) - (counts[1] - counts[0]) <= 1
    assert (counts[1] - counts[0]) / 4 <= 7


class Console(Maker):
    """The console of the sandbox, with several data sources."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws)
        self.qbusiness = aws.client("qbusiness")
        self.expected: dict[str, str] = {}
        """The role policy of the program for each role."""

    def source(self, name: str, kind: str, policy: str, own: str, **role: Any) -> str:
        """Create a data source with a policy of its role, and return the ARN of the role."""
        role_name = f"QBusiness-DataSource-{name}"
        if kind == "S3V2":
            bucket = {"bucketName": "documents", "bucketOwnerAccountId": ACCOUNT}
            configuration: dict[str, Any] = {"type": kind, "connectionConfiguration": bucket}
            self.expected[role_name] = s3_policy(f"{role.get('Path', '/')[1:]}{role_name}")
        else:
            secret = self.secret(f"qbusiness/console/{name}")
            configuration = {"type": kind, "secretArn": secret}
            self.expected[role_name] = own_policy(secret)
        arn = self.role(role_name, trust=CONSOLE_TRUST, **role)
        self.put_policy(policy or self.expected[role_name], own, role_name)
        self.qbusiness.create_data_source(
            applicationId=APPLICATION_ID,
            indexId=INDEX_ID,
            displayName=name,
            configuration=configuration,
            roleArn=arn,
        )
        return arn


def kept(aws: Aws) -> dict[str, dict[str, Any]]:
    """Return what no import and no update of a role may change."""
    members = ("RoleId", "Arn", "Description", "MaxSessionDuration", "Tags")
    roles = {name: aws.iam.get_role(RoleName=name)["Role"] for name in aws.roles()}
    return {name: {member: role.get(member) for member in members} for name, role in roles.items()}


CONSOLE_TRUST: Final = json.dumps(json.loads(TRUST.replace("ArnEquals", "ArnLike")), indent=4)
FROM_CONSOLE: Final[dict[str, Any]] = {
    "Path": "/service-role/",
    "Description": "Made by the console",
    "Tags": [{"Key": "CostCentre", "Value": "0893"}],
    "MaxSessionDuration": 14400,
}


def test_roles_of_every_shape_come_under_one_stack_and_change_only_as_documented(
    new_stack: Callable[..., Stack], aws: Aws
):
    stack = new_stack({})
    for package in ("evidence", "guardrails", "roles"):
        (stack.directory / package).symlink_to(PROJECT / package)
    console = Console(aws)
    console.bucket()
    arns = {
        "same": console.source("same", "AEM", "", OWN),
        "wide": console.source("wide", "JIRA", WIDE, OWN, **FROM_CONSOLE),
        "other": console.source("other", "SLACK", WIDE, "console", **FROM_CONSOLE),
        "documents": console.source("documents", "S3V2", console_s3_policy(), OWN, **FROM_CONSOLE),
        "files": console.source("files", "S3V2", console_s3_policy(), "console"),
    }
    console.source("custom", "CUSTOM", WIDE, OWN)
    command = f"venv/bin/python -m roles adopt --all --stack {stack.name} --force"
    adopted = stack.execute(*shlex.split(command), check=False)
    assert adopted.returncode == 1, adopted.stdout
    assert "Left out: 1." in adopted.stdout
    roles, policies = kept(aws), {name: aws.role_policies(name) for name in aws.roles()}
    (importing,) = (line for line in adopted.stdout.splitlines() if line.startswith("pulumi import "))
    stack.execute("sh", "-euc", importing)
    assert {name: aws.role_policies(name) for name in aws.roles()} == policies
    steps = stack.up().steps
    assert {operation for operation, _, _ in steps} <= {"same", "update", "create"}
    assert not [name for operation, name, _ in steps if operation == "create" and "role" in name]
    assert stack.up("--expect-no-changes").exit_code == 0
    assert stack.outputs()["roleArns"] == arns
    assert kept(aws) == roles
    for name in arns:
        role = f"QBusiness-DataSource-{name}"
        found = aws.role_policies(role)
        assert found.keys() == {*policies[role], OWN}
        assert in_one_line(found[OWN]) == console.expected[role], name
        assert in_one_line(aws.trust_policy(role)) == TRUST, name
    # A data source that is created later joins the others, which stay as they are.
    stack.run("config", "set", "--path", "dataSources.wide.protect", "true", "--type", "bool")
    console.source("later", "ZENDESK", "", OWN)
    stack.execute(*shlex.split(command), check=False)
    stack.execute("sh", "-euc", importing)
    assert {operation for operation, _, _ in stack.up().steps} == {"same", "update"}
    assert stack.outputs()["roleArns"].keys() - arns.keys() == {"later"}
    assert '"protect": true\n' in stack.config_file.read_text()
