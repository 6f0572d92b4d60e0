"""One stack on the real engine adopts roles of every shape, for 28 of thirty data sources.

IAM is compared before and after: only the changes in the output of `roles adopt` happen.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ID, INDEX_ID
from tests.helpers.page import page_path
from tests.helpers.stacks import Aws, Stack
from tests.helpers.support import in_one_line
from tests.helpers.world import OWN, ROOT, TRUST, WIDE, Maker, own_policy, policy, s3_policy
from tests.roles.adopt.help import console_s3_policy, on_the_engine

pytestmark = pytest.mark.slow

FROM_CONSOLE: Final[dict[str, Any]] = {
    "Path": "/service-role/",
    "Description": "Made by the console",
    "Tags": [{"Key": "CostCentre", "Value": "0893"}],
    "MaxSessionDuration": 14400,
}
LIKE: Final = TRUST.replace("ArnEquals", "ArnLike")
WITHOUT_CONDITIONS: Final = policy(
    {
        "Effect": "Allow",
        "Principal": {"Service": "qbusiness.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
)
WITH_ROOT: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            *json.loads(LIKE)["Statement"],
            {"Effect": "Allow", "Principal": ROOT, "Action": "sts:AssumeRole"},
        ],
    }
)


class Shape(NamedTuple):
    """A role; the string OWN stands for the program's role policy with other Sids."""

    trust: str = LIKE
    inline: Mapping[str, str] = {}
    attached: str = ""
    kind: str = "AEM"
    lost: bool = False
    """Whether the update takes access from the role."""
    role_policy: str = "new"
    """The description of the role policy in the output of `adopt`."""


SHAPES: Final[Mapping[str, Shape]] = {
    "inline": Shape(inline={"console": "OWN"}, role_policy="replaces console"),
    "managed": Shape(attached="OWN", role_policy="replaces arn:aws:iam::"),
    "root": Shape(WITH_ROOT, {"console": "OWN"}, lost=True, role_policy="replaces console"),
    "open": Shape(WITHOUT_CONDITIONS, {OWN: "OWN"}, lost=True, role_policy="imported"),
    "wide": Shape(inline={"console": WIDE}, role_policy="new; kept: console"),
    "own": Shape(inline={OWN: WIDE}, lost=True, role_policy="imported"),
    "two": Shape(inline={"console": "OWN", "more": "OWN"}, role_policy="new; kept: console, more"),
    "files": Shape(inline={"console": "OWN"}, kind="S3V2", role_policy="new; kept: console"),
}


NAMED: Final = {f"{shape}-{number}": SHAPES[shape] for number in (1, 2, 3) for shape in SHAPES}
PAIRS: Final = ("pair-0", "pair-1", "pair-2", "pair-3")
"""Data sources that share two roles."""


class Console(Maker):
    """The sandbox's console, with several data sources."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws)
        self.qbusiness = aws.client("qbusiness")
        self.expected: dict[str, str] = {}
        """The program's role policy by the data source's name."""

    def source(self, name: str, shape: Shape) -> str:
        """Create a data source with its own role and return the ARN of the role."""
        role = f"QBusiness-DataSource-{name}"
        if shape.kind == "S3V2":
            bucket = {"bucketName": "documents", "bucketOwnerAccountId": ACCOUNT}
            configuration: dict[str, Any] = {"connectionConfiguration": bucket}
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
            self.attach(role, f"Q-{name}", shape.attached.replace("OWN", own), Path="/service-role/")
        self.under(arn, name, shape.kind, configuration)
        return arn

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
        listed: list[dict[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            page = self.qbusiness.list_data_sources(**ids, **more)
            listed += page["dataSources"]
            if "nextToken" not in page:
                break
            more = {"nextToken": page["nextToken"]}
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


def snapshot(aws: Aws, name: str) -> Snapshot:
    role = aws.iam.get_role(RoleName=name)["Role"]
    members = ("RoleId", "Arn", "Description", "MaxSessionDuration", "Tags")
    attached: dict[str, str] = {}
    for each in aws.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        arn = each["PolicyArn"]
        version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)
        attached[arn] = json.dumps(found["PolicyVersion"]["Document"])
    properties = {member: role.get(member) for member in members}
    return Snapshot(properties, aws.trust_policy(name), aws.role_policies(name), attached)


def snapshots(aws: Aws) -> dict[str, Snapshot]:
    return {name: snapshot(aws, name) for name in aws.roles()}


Triple = tuple[str, str, str]
"""An action, a resource or principal, and the condition as JSON."""


def access(role: Snapshot) -> set[Triple]:
    """Return the access that a role allows, read independently of the program."""
    documents = [role.trust, *role.inline.values(), *role.attached.values()]
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
    """Create thirty data sources with 28 roles; return the ARNs of the roles in NAMED."""
    console.bucket()
    arns = {name: console.source(name, shape) for name, shape in NAMED.items()}
    shared = [console.role(f"shared-{number}", WIDE, trust=LIKE) for number in (0, 1)]
    for number, name in enumerate(PAIRS):
        secret = console.secret(f"qbusiness/{name}")
        console.expected[name] = own_policy(secret)
        console.under(shared[number % 2], name, "JIRA", {"secretArn": secret})
    console.under(console.role("custom"), "custom", "CUSTOM", {})
    owner.up()
    secret = console.secret("qbusiness/owned")
    console.under(f"arn:aws:iam::{ACCOUNT}:role/owned", "owned", "JIRA", {"secretArn": secret})
    return arns


def assert_said(said: Any, shown: str, owner: Stack) -> None:
    """Check that the JSON document and the text output of `adopt` describe the changes."""
    members = said["members"]
    assert members.keys() == {*NAMED, *PAIRS}
    reasons = {each["dataSource"]["displayName"]: each["reason"] for each in said["leftOut"]}
    assert reasons.keys() == {"custom", "owned"}
    assert f"stack {owner.name} owns the role owned" in reasons["owned"]
    assert "\nRoles that may lose access after the import: 9\n" in shown
    for name, shape in NAMED.items():
        assert bool(members[name]["change"]["lost"]) is shape.lost, name
        (row,) = re.findall(rf"^{name} .*", shown, flags=re.MULTILINE)
        assert f"  {shape.role_policy}" in row


def assert_replaced_in_order(steps: list[tuple[str, str, tuple[str, ...]]]) -> None:
    """Check that the update creates a policy before it deletes the one that it replaces."""
    replaced = [name for operation, name, _ in steps if operation == "create-replacement"]
    assert sorted(replaced) == [
        f"{kind}-{number}-qbusiness-policy" for kind in ("inline", "root") for number in (1, 2, 3)
    ]
    for name in replaced:
        own = [operation for operation, its, _ in steps if its == name]
        assert own.index("create-replacement") < own.index("delete-replaced")


def assert_changed_as_said(was: Snapshot, now: Snapshot, change: Any, role_policy: str) -> None:
    """Compare a role in IAM before and after with the output of `adopt`."""
    assert now.properties == was.properties
    assert in_one_line(now.trust) == TRUST
    assert in_one_line(now.inline[OWN]) == role_policy
    assert missing(access(was), access(now)) == said_access(change["lost"])
    assert missing(access(now), access(was)) == said_access(change["gained"])
    kept = {*was.inline, *was.attached} - {*change["replaced"], OWN}
    assert {*now.inline, *now.attached} == {*kept, OWN}
    assert all(now.inline[name] == was.inline[name] for name in kept)
    assert change["onlyText"] is not bool(change["lost"] or change["gained"])


def test_one_stack_adopts_28_of_thirty_data_sources_and_changes_only_what_the_output_says(
    new_stack: Callable[..., Stack], aws: Aws
):
    stack, owner, console = on_the_engine(new_stack), new_stack({}, OWNER), Console(aws)
    arns = thirty(console, owner)
    before = snapshots(aws)
    adopt = ["venv/bin/python", "-m", "roles", "adopt", "--all", "--stack", stack.name, "--stacks", "1"]
    document = stack.execute(*adopt, "--json", "--dry-run", check=False).stdout
    said = json.loads(document[document.index("{\n") :])
    shown = stack.execute(*adopt, check=False).stdout
    assert_said(said, shown, owner)

    (importing,) = re.findall("^pulumi import .*", shown, flags=re.MULTILINE)
    run_commands(stack, importing)
    assert snapshots(aws) == before

    assert_replaced_in_order(stack.up().steps)
    assert stack.drift().exit_code == 0
    later = shown.partition("\nAfter `pulumi up`:\n\n")[2].splitlines()
    assert len(later) == 3 + len(PAIRS)
    run_commands(stack, *later)
    assert stack.up("--expect-no-changes").exit_code == 0
    assert stack.drift().exit_code == 0

    after, outputs = snapshots(aws), stack.outputs()["roleArns"]
    assert {name: arn for name, arn in outputs.items() if name in arns} == arns
    for name, arn in arns.items():
        role = arn.rpartition("/")[2]
        change = said["members"][name]["change"]
        assert_changed_as_said(before[role], after[role], change, console.expected[name])
    others = [role for role in before if not role.startswith("QBusiness-")]
    assert {role: after[role] for role in others} == {role: before[role] for role in others}
    assert len(after) == len(before) + len(PAIRS)
    data_sources = console.roles_of_data_sources()
    assert {name: data_sources[name] for name in outputs} == outputs

    (restoring,) = re.findall(r"^sh restore-roles-1\.sh .*", shown, flags=re.MULTILINE)
    role = shlex.split(restoring)[-1]
    run_commands(stack, restoring)
    assert snapshot(aws, role) == before[role]
    stack.up()
    assert snapshot(aws, role).inline == {**before[role].inline, OWN: after[role].inline[OWN]}

    # A data source that is created later joins the others, and the new roles keep their names.
    stack.run("config", "set", "--path", "dataSources.wide-1.protect", "true", "--type", "bool")
    console.source("later", SHAPES["inline"])
    again = stack.execute(*adopt, "--force", check=False).stdout
    assert "\nRoles whose policies change only in wording: 1\n" in again
    run_commands(stack, importing)
    steps = stack.up().steps
    assert {name for operation, name, _ in steps if operation not in ("same", "update")} == {
        "later-qbusiness-policy"
    }
    assert stack.outputs()["roleArns"] == {**outputs, "later": console.roles_of_data_sources()["later"]}
    assert '"protect": true\n' in stack.config_file.read_text()
