"""One stack on the real engine adopts the data sources of more than thirty roles of every shape.

IAM and the data sources are compared before, after, and after the way back: only the changes in the
output of `roles adopt` happen, and the script undoes them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID
from tests.helpers.page import page_path
from tests.helpers.stacks import Aws, Stack
from tests.helpers.support import indented
from tests.helpers.world import OWN, ROOT, TRUST, WIDE, Maker, allow, own_policy, policy, s3_policy
from tests.roles.adopt.help import console_s3_policy, on_the_engine

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

FROM_CONSOLE: Final[dict[str, Any]] = {
    "Path": "/service-role/",
    "Description": "Made by the console",
    "Tags": [{"Key": "CostCentre", "Value": "0893"}],
    "MaxSessionDuration": 14400,
}
READ: Final = "secretsmanager:GetSecretValue"
LIKE: Final = TRUST.replace("ArnEquals", "ArnLike")
WITHOUT_CONDITIONS: Final = policy(
    {
        "Effect": "Allow",
        "Principal": {"Service": "qbusiness.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
)
DELETED: Final = f"arn:aws:iam::{ACCOUNT}:role/deleted"


def trusting(**principal: str) -> str:
    """Return the console's trust policy with another statement for a principal."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return policy(*json.loads(LIKE)["Statement"], statement)


class Shape(NamedTuple):
    """A role; the string OWN stands for the program's role policy with other Sids."""

    trust: str = LIKE
    inline: Mapping[str, str] = {}
    attached: str = ""
    kind: str = "AEM"
    is_moved: bool = False
    """Whether the data source gets a new role."""
    abroad: bool = False
    """Whether a data source in another Region uses the role, too."""


CONSOLE: Final = {"console": "OWN"}
SHAPES: Final[Mapping[str, Shape]] = {
    "inline": Shape(inline=CONSOLE),
    "managed": Shape(attached="OWN"),
    "root": Shape(trusting(**ROOT), CONSOLE, is_moved=True),
    "lambda": Shape(trusting(Service="lambda.amazonaws.com"), CONSOLE, is_moved=True),
    "abroad": Shape(inline=CONSOLE, is_moved=True, abroad=True),
    "deleted": Shape(trusting(AWS=DELETED), CONSOLE),
    "open": Shape(WITHOUT_CONDITIONS, {OWN: "OWN"}),
    "wide": Shape(inline={"console": WIDE}),
    "own": Shape(inline={OWN: WIDE}),
    "two": Shape(inline={"console": "OWN", "more": "OWN"}),
    "files": Shape(inline=CONSOLE, kind="S3V2"),
    "foreign": Shape(inline=CONSOLE, kind="S3"),
}
NAMED: Final = {f"{shape}-{number}": SHAPES[shape] for number in (1, 2) for shape in SHAPES}
PAIRS: Final = ("pair-0", "pair-1", "pair-2", "pair-3")
"""Data sources that share two roles; the second role has two policies and reads the proxies' secrets."""
MOVED: Final = (*(name for name, shape in NAMED.items() if shape.is_moved), *PAIRS)
"""Data sources that get new roles."""


class Console(Maker):
    """The sandbox's console, with several data sources."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws)
        self.aws = aws
        self.qbusiness = aws.client("qbusiness")
        self.expected: dict[str, str] = {}
        """The program's role policy by the data source's name."""

    def source(self, name: str, shape: Shape) -> str:
        """Create a data source with its own role and return the ARN of the role."""
        role = f"QBusiness-DataSource-{name}"
        if shape.kind == "S3":
            bucket = {"repositoryEndpointMetadata": {"BucketName": "qbusiness-documents"}}
            configuration: dict[str, Any] = {"connectionConfiguration": bucket}
            own = s3_policy(f"service-role/{role}", "s3-v1").replace("documents", "qbusiness-documents")
            own = own.replace(
                f'"aws:ResourceAccount": "{ACCOUNT}"', '"aws:ResourceAccount": "210987654321"'
            )
            self.expected[name], own = own, own.replace("AllowsAmazonQTo", "")
        elif shape.kind == "S3V2":
            bucket = {"bucketName": "documents", "bucketOwnerAccountId": ACCOUNT}
            configuration = {"connectionConfiguration": bucket}
            self.expected[name], own = s3_policy(f"service-role/{role}"), console_s3_policy()
        else:
            secret = self.secret(f"qbusiness/console/{name}")
            configuration = {"secretArn": secret}
            self.expected[name] = own_policy(secret)
            own = self.expected[name].replace("AllowsAmazonQTo", "")
        arn = self.role(role, trust=shape.trust, **FROM_CONSOLE)
        for policy_name, document in shape.inline.items():
            self.put_policy(document.replace("OWN", own, 1), policy_name, role)
        if shape.attached:
            document, tags = shape.attached.replace("OWN", own), FROM_CONSOLE["Tags"]
            more = {"Description": "Made by the console", "Tags": tags}
            self.attach(role, f"Q-{name}", document, Path="/service-role/", **more)
        self.under(arn, name, shape.kind, configuration)
        if shape.abroad:
            self.under_abroad(arn, configuration)
        return arn

    def under_abroad(self, arn: str, configuration: dict[str, Any]) -> None:
        """Create a data source in another Region that uses a role."""
        elsewhere = self.aws.client("qbusiness", "eu-west-1")
        application = elsewhere.create_application(displayName="Europe")["applicationId"]
        index = elsewhere.create_index(applicationId=application, displayName="Main")["indexId"]
        elsewhere.create_data_source(
            applicationId=application,
            indexId=index,
            displayName="abroad",
            configuration={"type": "AEM", **configuration},
            roleArn=arn,
        )

    def under(self, arn: str, name: str, kind: str, configuration: dict[str, Any]) -> None:
        """Create a data source that uses a role."""
        self.qbusiness.create_data_source(
            applicationId=APPLICATION_ID,
            indexId=INDEX_ID,
            displayName=name,
            configuration={"type": kind, **configuration},
            roleArn=arn,
        )

    def roles_of_data_sources(self) -> dict[str, str]:
        """Return the ARN of each data source's role, by the data source's name."""
        ids = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}
        listed = self.qbusiness.get_paginator("list_data_sources").paginate(**ids).search("dataSources")
        found = (
            self.qbusiness.get_data_source(**ids, dataSourceId=each["dataSourceId"]) for each in listed
        )
        return {each["displayName"]: each["roleArn"] for each in found}


class Snapshot(NamedTuple):
    """A role and its policies in IAM."""

    properties: Mapping[str, Any]
    """The properties that no import or update of a role may change."""
    trust: str
    inline: Mapping[str, str]
    attached: Mapping[str, str]
    """Documents by ARN."""
    attached_properties: Mapping[str, Any]
    """Description and tags by ARN."""


def snapshot(aws: Aws, name: str) -> Snapshot:
    role = aws.iam.get_role(RoleName=name)["Role"]
    keys = ("RoleId", "Arn", "Description", "MaxSessionDuration", "Tags", "PermissionsBoundary")
    attached: dict[str, str] = {}
    about: dict[str, Any] = {}
    for each in aws.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        arn = each["PolicyArn"]
        its = aws.iam.get_policy(PolicyArn=arn)["Policy"]
        about[arn] = its.get("Description"), its.get("Tags")
        found = aws.iam.get_policy_version(PolicyArn=arn, VersionId=its["DefaultVersionId"])
        attached[arn] = json.dumps(found["PolicyVersion"]["Document"])
    properties = {key: role.get(key) for key in keys}
    inline = aws.role_policies(name)
    return Snapshot(properties, aws.trust_policy(name), inline, attached, about)


def snapshots(aws: Aws) -> dict[str, Snapshot]:
    return {name: snapshot(aws, name) for name in aws.roles()}


Triple = tuple[str, str, str]
"""An action, a resource or principal, and the condition as JSON."""


def access(role: Snapshot, *, trust: bool = True) -> set[Triple]:
    """Return the access that a role's policies allow, read independently of the program."""
    documents = [*([role.trust] if trust else []), *role.inline.values(), *role.attached.values()]
    return {triple for document in documents for triple in _triples(json.loads(document))}


def _triples(document: Any) -> Iterator[Triple]:
    for statement in document["Statement"]:
        condition = json.dumps(statement.get("Condition", {}), sort_keys=True)
        condition = condition.replace("ArnLike", "ArnEquals")
        principal = statement.get("Principal", {})
        principals = [f"{kind}:{value}" for kind, value in principal.items()]
        targets = principals or statement["Resource"]
        for action in _listed(statement["Action"]):
            yield from ((action, target, condition) for target in _listed(targets))


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def missing(some: set[Triple], others: set[Triple]) -> set[tuple[str, str]]:
    """Return the actions and targets of the first set that the other set does not cover."""
    return {
        (action, target)
        for action, target, condition in some
        if not any(
            fnmatchcase(action, other_action)
            and fnmatchcase(target, other_target)
            and other_condition in (condition, "{}")
            for other_action, other_target, other_condition in others
        )
    }


def said_access(verdicts: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Return the actions and targets that `adopt --json` lists."""
    accesses = [each for verdict in verdicts for each in verdict["access"]]
    return {
        (action, target) for each in accesses for action in each["actions"] for target in each["targets"]
    }


def run_commands(stack: Stack, *commands: str) -> None:
    """Run commands as `adopt` prints them."""
    for command in commands:
        stack.execute("sh", "-euc", command, PATH=page_path(stack))


OWNER: Final = f"""\
import pulumi_aws as aws

aws.iam.Role("owned", name="owned", assume_role_policy={LIKE!r})
"""


def thirty(console: Console, owner: Stack) -> dict[str, str]:
    """Create more than thirty data sources and their roles; return the ARNs of the roles in NAMED."""
    console.bucket()
    console.role("deleted", trust=LIKE)
    boundary = console.managed("boundary")
    arns = {name: console.source(name, shape) for name, shape in NAMED.items()}
    console.iam.delete_role(RoleName="deleted")
    for name in ("inline-1", "root-1"):
        role = f"QBusiness-DataSource-{name}"
        console.iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
    shared = [console.role(f"shared-{number}", trust=LIKE) for number in (0, 1)]
    console.put_policy(WIDE, OWN, "shared-0")
    sites = console.secret("qbusiness/sites")
    proxies = [console.secret(f"qbusiness/proxy-{number}") for number in (1, 3)]
    console.put_policy(own_policy(sites), "console", "shared-1")
    console.put_policy(policy(allow(READ, proxies)), "proxies", "shared-1")
    for number, name in enumerate(PAIRS):
        secret = console.secret(f"qbusiness/{name}") if number % 2 == 0 else sites
        configuration: dict[str, Any] = {"secretArn": secret}
        if number % 2:
            proxy = {"proxy": {"secretArn": proxies[number // 2]}}
            configuration["additionalProperties"] = proxy
        console.expected[name] = own_policy(secret)
        kind = "WEBCRAWLERV2" if number % 2 else "JIRA"
        console.under(shared[number % 2], name, kind, configuration)
    console.under(console.role("custom"), "custom", "CUSTOM", {})
    owner.up()
    secret = console.secret("qbusiness/owned")
    console.under(f"arn:aws:iam::{ACCOUNT}:role/owned", "owned", "JIRA", {"secretArn": secret})
    return arns


def assert_changed_as_said(was: Snapshot, now: Snapshot, change: Any, role_policy: str) -> None:
    """Compare a role in IAM before and after with the output of `adopt`."""
    assert now.properties == was.properties
    assert indented(now.trust) == TRUST
    assert indented(now.inline[OWN]) == indented(role_policy)
    assert missing(access(was), access(now)) == said_access(change["lost"])
    assert missing(access(now), access(was)) == said_access(change["gained"])
    kept = {*was.inline, *was.attached} - {*change["replaced"], OWN}
    assert {*now.inline, *now.attached} == {*kept, OWN}
    assert all(now.inline[name] == was.inline[name] for name in kept)
    assert change["onlyText"] is not bool(change["lost"] or change["gained"])


def assert_moved_as_said(was: Snapshot, now: Snapshot, change: Any, role_policy: str) -> None:
    """Compare a data source's earlier role and its new one with the output of `adopt`."""
    earlier, later = access(was, trust=False), access(now, trust=False)
    assert missing(earlier, later) == said_access(change["lost"])
    assert missing(later, earlier) == said_access(change["gained"])
    assert indented(now.inline[OWN]) == indented(role_policy)
    for name in {*now.inline} - {OWN}:
        assert name.startswith("secret-qbusiness-proxy")
    same = ("Description", "Tags", "PermissionsBoundary")
    if was.properties["Tags"]:  # not the shared roles, which the stack's settings do not describe
        assert [now.properties[name] for name in same] == [was.properties[name] for name in same]


def without_deleted(role: Snapshot) -> Snapshot:
    """Return the role as the script can restore it: without deleted principals."""
    document = json.loads(role.trust)
    kept = [each for each in document["Statement"] if "AROA" not in json.dumps(each["Principal"])]
    return role._replace(trust=json.dumps({**document, "Statement": kept}, indent=2))


def assert_restored(aws: Aws, before: dict[str, Snapshot]) -> None:
    """Compare the roles that existed before, except their deleted principals."""
    now = snapshots(aws)
    for name, role in before.items():
        assert now[name] == without_deleted(role), name


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Return the environment with a backend of its own: `roles adopt` reads all stacks of a backend."""
    backend = tmp_path / "backend"
    backend.mkdir()
    return {**environment, "PULUMI_BACKEND_URL": f"{backend.as_uri()}?metadata=skip"}


def test_one_stack_adopts_roles_of_every_shape_as_reported(new_stack: Callable[..., Stack], aws: Aws):
    stack, owner, console = on_the_engine(new_stack), new_stack({}, OWNER), Console(aws)
    arns = thirty(console, owner)
    before, earlier = snapshots(aws), console.roles_of_data_sources()
    adopt = ["venv/bin/python", "-m", "roles", "adopt", "--all", "--stack", stack.name]
    document = stack.execute(*adopt, "--json", "--dry-run", check=False).stdout
    said = json.loads(document[document.index("{\n") :])
    shown = stack.execute(*adopt, check=False).stdout
    assert {each["dataSource"]["displayName"] for each in said["leftOut"]} == {"custom", "owned"}

    (importing,) = re.findall("^pulumi import .*", shown, flags=re.MULTILINE)
    run_commands(stack, importing)
    assert snapshots(aws) == before

    stack.up()
    later = (
        shown.partition("\nAfter `pulumi up`, run these commands, and ")[2]
        .partition("\n\n")[2]
        .partition("\n\n")[0]
        .splitlines()
    )
    *managed, shared_0, shared_1 = shown.partition("such as a plugin, uses them:\n\n")[2].splitlines()
    later += [f"sh assign-{stack.name}-1.sh", *managed]
    assert len(later) == 2 + 2 + 2
    run_commands(stack, *later)
    assert stack.up("--expect-no-changes").exit_code == 0
    assert stack.drift().exit_code == 0

    after, outputs = snapshots(aws), stack.outputs()["roleArns"]
    assert outputs.items() <= console.roles_of_data_sources().items()
    assert len(after) == len(before) + len(MOVED)
    imported = {name: arn for name, arn in arns.items() if name not in MOVED}
    assert imported.items() <= outputs.items()
    changed = {arn.rpartition("/")[2]: name for name, arn in imported.items()}
    for role, was in before.items():
        if name := changed.get(role):
            change = said["entries"][name]["change"]
            assert_changed_as_said(was, after[role], change, console.expected[name])
        else:
            assert after[role] == was
    for name in MOVED:
        was, now = (after[its[name].rpartition("/")[2]] for its in (earlier, outputs))
        assert_moved_as_said(was, now, said["entries"][name]["change"], console.expected[name])

    run_commands(stack, f"sh restore-{stack.name}-1.sh")
    assert_restored(aws, before)
    assert console.roles_of_data_sources() == earlier
    stack.up()
    run_commands(stack, *later)
    for role, now in snapshots(aws).items():
        if role in changed:
            assert (now.trust, now.inline[OWN]) == (after[role].trust, after[role].inline[OWN])

    # A data source that is created later joins the others, and the new roles keep their names.
    stack.run("config", "set", "--path", "dataSources.wide-1.protect", "true", "--type", "bool")
    console.source("later", SHAPES["inline"])
    again = stack.execute(*adopt, "--force", check=False)
    assert "\nRoles whose policies change without a change of access: 1\n" in again.stdout
    run_commands(stack, importing)
    changing = [name for operation, name, _ in stack.up().steps if operation not in ("same", "update")]
    assert {*changing} == {"later-qbusiness-policy"}
    run_commands(stack, shared_0, shared_1)
    assert {"shared-0", "shared-1"}.isdisjoint(aws.roles())
    assert stack.outputs()["roleArns"] == {**outputs, "later": console.roles_of_data_sources()["later"]}
    assert '"protect": true\n' in stack.config_file.read_text()
