"""Whatever AWS answers, a command of `roles` says which answer it could not use, and ends with 2.

What each command then says is stated here, by the call that gets an odd answer. The answers are those of
a world in which nothing is wrong, spoiled on their way.
"""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from itertools import count, cycle, repeat
from pathlib import Path
from typing import Any, Final

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ID, KEY_ID, OTHER_ACCOUNT
from roles.actions import ACTIONS
from tests.helpers.qbusiness_server import Server
from tests.helpers.roles_command import Output
from tests.helpers.support import golden
from tests.roles import test_adopt, test_audit, test_check

pytestmark = pytest.mark.slow

server = test_check.server
world = test_check.world
check = test_check.check
audit = test_audit.audit
adopt = test_adopt.adopt

Spoil = Callable[[bytes], bytes]
Run = Callable[..., Output]

EVERYTHING: Final = "everything"
"""What is not known if the run ends."""
ROLE: Final = (
    "key policy, secret policy, role, trust policy, application ARN, role policy, other policies, "
    "permissions boundary, requests allowed, requests denied"
)
"""The policies of key and secret and the boundary are decided for the ID and the tags of the role."""
SOURCES: Final = "data source, other data source"
INDEX: Final = f"index, {SOURCES}"
APPLICATION: Final = f"application, index, application ARN, {SOURCES}"
SECRET: Final = "secret, encryption, secret policy"
KEY: Final = "KMS key, key policy, key principals"
KEY_POLICY: Final = "key policy, key principals"

SIMULATED: Final = "requests allowed, requests denied, iam:PassRole"
DEFAULT_ENCRYPTION: Final = "ApplyServerSideEncryptionByDefault"

# What `check` cannot answer if the answer of a call cannot be used.
UNANSWERED: Final[Mapping[str, str]] = {
    "sts:GetCallerIdentity": EVERYTHING,
    "qbusiness:GetApplication": APPLICATION,
    "qbusiness:GetIndex": INDEX,
    "qbusiness:ListDataSources": SOURCES,
    "qbusiness:ListDataSourceSyncJobs": "data source",
    "qbusiness:GetDataSource": SOURCES,
    "secretsmanager:DescribeSecret": SECRET,
    "kms:DescribeKey": KEY,
    "iam:GetRole": ROLE,
    "iam:ListRolePolicies": ROLE,
    "iam:GetRolePolicy": ROLE,
    "iam:ListAttachedRolePolicies": ROLE,
    "iam:GetPolicy": "permissions boundary",
    "iam:GetPolicyVersion": "permissions boundary",
    "s3:GetEncryptionConfiguration": "encryption",
    "secretsmanager:GetResourcePolicy": "secret policy",
    "kms:GetKeyPolicy": KEY_POLICY,
    "ec2:DescribeSubnets": "subnets, security groups",
    "ec2:DescribeSecurityGroups": "security groups",
    "s3:GetBucketLocation": "bucket",
    "s3:GetBucketPolicy": "bucket policy",
    "organizations:DescribeOrganization": "key policy",
    "iam:SimulatePrincipalPolicy": SIMULATED,
    "access-analyzer:ValidatePolicy": "policy validation",
}
# The same for one member: how the answer calls it, how botocore does, and the questions.
MEMBERS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "sts:GetCallerIdentity": (("Arn", "Arn", EVERYTHING), ("Account", "Account", EVERYTHING)),
    "qbusiness:GetApplication": (
        ("applicationArn", "applicationArn", APPLICATION),
        ("status", "status", "application"),
    ),
    "qbusiness:GetIndex": (
        ("indexArn", "indexArn", INDEX),
        ("status", "status", "index"),
    ),
    "qbusiness:ListDataSources": (
        ("dataSources", "dataSources", SOURCES),
        ("dataSourceId", "dataSourceId", SOURCES),
    ),
    "qbusiness:ListDataSourceSyncJobs": (
        ("history", "history", "data source"),
        ("startTime", "startTime", "data source"),
        ("status", "status", "data source"),
    ),
    "qbusiness:GetDataSource": (
        ("dataSourceArn", "dataSourceArn", SOURCES),
        ("configuration", "configuration", "data source"),
        ("status", "status", "data source"),
    ),
    "secretsmanager:DescribeSecret": (("ARN", "ARN", SECRET),),
    "kms:DescribeKey": (
        ("KeyMetadata", "KeyMetadata", KEY),
        ("Arn", "Arn", KEY),
        ("KeyId", "KeyId", KEY_POLICY),
        ("KeyState", "KeyState", "KMS key"),
        ("KeySpec|CustomerMasterKeySpec", "CustomerMasterKeySpec", "KMS key"),
    ),
    "iam:GetRole": tuple(
        (name, name, ROLE)
        for name in (
            *("Role", "Arn", "RoleId", "RoleName", "Path", "MaxSessionDuration"),
            "AssumeRolePolicyDocument",
        )
    ),
    "iam:ListRolePolicies": (("PolicyNames", "PolicyNames", ROLE),),
    "iam:GetRolePolicy": (("PolicyDocument", "PolicyDocument", ROLE),),
    "iam:ListAttachedRolePolicies": (("AttachedPolicies", "AttachedPolicies", ROLE),),
    "iam:GetPolicy": (
        ("Policy", "Policy", "permissions boundary"),
        ("DefaultVersionId", "DefaultVersionId", "permissions boundary"),
    ),
    "iam:GetPolicyVersion": (
        ("PolicyVersion", "PolicyVersion", "permissions boundary"),
        ("Document", "Document", "permissions boundary"),
    ),
    "s3:GetEncryptionConfiguration": (
        ("Rule", "Rules", "encryption"),
        (DEFAULT_ENCRYPTION, DEFAULT_ENCRYPTION, "encryption"),
        ("SSEAlgorithm", "SSEAlgorithm", "encryption"),
    ),
    # An answer without ResourcePolicy is the one for a secret that has none.
    "secretsmanager:GetResourcePolicy": (("ARN", "ARN", "secret policy"),),
    "kms:GetKeyPolicy": (("Policy", "Policy", KEY_POLICY),),
    "ec2:DescribeSubnets": (
        ("subnetSet", "Subnets", "subnets, security groups"),
        ("subnetId", "SubnetId", "subnets, security groups"),
        ("vpcId", "VpcId", "subnets, security groups"),
        ("subnetArn", "SubnetArn", "subnets"),
        ("availabilityZoneId", "AvailabilityZoneId", "subnets"),
        ("availableIpAddressCount", "AvailableIpAddressCount", "subnets"),
    ),
    "ec2:DescribeSecurityGroups": (
        ("securityGroupInfo", "SecurityGroups", "security groups"),
        ("groupId", "GroupId", "security groups"),
        ("vpcId", "VpcId", "security groups"),
    ),
    # An answer without it is the one for us-east-1.
    "s3:GetBucketLocation": (),
    # The answer is the policy itself.
    "s3:GetBucketPolicy": (),
    "organizations:DescribeOrganization": (
        ("Organization", "Organization", "key policy"),
        ("Id", "Id", "key policy"),
    ),
    "iam:SimulatePrincipalPolicy": (
        ("EvaluationResults", "EvaluationResults", SIMULATED),
        ("EvalActionName", "EvalActionName", SIMULATED),
        ("EvalDecision", "EvalDecision", SIMULATED),
    ),
    "access-analyzer:ValidatePolicy": tuple(
        (name, name, "policy validation")
        for name in ("findings", "findingType", "issueCode", "findingDetails", "learnMoreLink")
    ),
}
# Members whose values decide: one that is not known is not taken for another one.
UNKNOWN_VALUES: Final = (
    ("sts:GetCallerIdentity", "Arn", EVERYTHING),
    ("sts:GetCallerIdentity", "Account", EVERYTHING),
    ("qbusiness:GetApplication", "applicationArn", APPLICATION),
    ("qbusiness:GetApplication", "status", "application"),
    ("qbusiness:GetIndex", "status", "index"),
    ("qbusiness:ListDataSourceSyncJobs", "status", "data source"),
    ("qbusiness:GetDataSource", "status", "data source"),
    ("qbusiness:GetDataSource", "roleArn", SOURCES),
    ("secretsmanager:DescribeSecret", "ARN", SECRET),
    ("kms:DescribeKey", "Arn", KEY),
    ("kms:DescribeKey", "KeyState", "KMS key"),
    ("kms:DescribeKey", "KeySpec", "KMS key"),
    ("iam:GetRole", "Arn", ROLE),
    ("iam:GetRole", "Path", ROLE),
    ("iam:GetRole", "PermissionsBoundaryArn", ROLE),
    ("iam:GetRole", "AssumeRolePolicyDocument", ROLE),
    ("iam:GetRolePolicy", "PolicyDocument", ROLE),
    ("iam:GetPolicyVersion", "Document", "permissions boundary"),
    ("s3:GetEncryptionConfiguration", "SSEAlgorithm", "encryption"),
    ("s3:GetBucketLocation", "LocationConstraint", "bucket"),
    ("secretsmanager:GetResourcePolicy", "ResourcePolicy", "secret policy"),
    ("kms:GetKeyPolicy", "Policy", KEY_POLICY),
    ("organizations:DescribeOrganization", "Id", "key policy"),
    ("iam:SimulatePrincipalPolicy", "EvalDecision", SIMULATED),
    ("access-analyzer:ValidatePolicy", "findingType", "policy validation"),
)
LISTS_IN_XML: Final = (
    *("PolicyNames", "AttachedPolicies", "Policies"),
    *("subnetSet", "securityGroupInfo"),
)
"""Their blank element is an empty list, which is an answer."""

DATA_SOURCES: Final = ("Pages", "Files")
# What `audit` cannot compare, or what it skips, if the answer of a call cannot be used.
NOT_COMPARED: Final[Mapping[str, tuple[str, ...] | str]] = {
    "sts:GetCallerIdentity": EVERYTHING,
    "qbusiness:ListApplications": EVERYTHING,
    "qbusiness:ListIndices": f"application Docs {APPLICATION_ID}",
    "qbusiness:ListDataSources": f"application Docs {APPLICATION_ID}",
    "qbusiness:GetDataSource": DATA_SOURCES,
    "secretsmanager:DescribeSecret": ("Pages",),
    "kms:DescribeKey": ("Pages",),
    "iam:GetRole": DATA_SOURCES,
    "iam:ListRolePolicies": DATA_SOURCES,
    "iam:GetRolePolicy": DATA_SOURCES,
    "iam:ListAttachedRolePolicies": DATA_SOURCES,
    "iam:GetPolicy": ("Pages",),
    "iam:GetPolicyVersion": ("Pages",),
    "s3:GetEncryptionConfiguration": ("Files",),
}
# Members that `audit` and `adopt` need, and `check` does not, as the answers call them.
MORE_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "qbusiness:ListApplications": ("applications", "applicationId"),
    "qbusiness:ListIndices": ("indices", "indexId"),
    "iam:ListPolicies": ("Policies", "PolicyName"),
    "kms:DescribeKey": ("KeyManager",),
}
NOT_READ: Final = ("KeyId", "KeyState", "KeySpec|CustomerMasterKeySpec", "status")
"""Members that only `check` reads."""


# How an answer is spoiled.


def replace(body: bytes, pattern: str, change: Callable[[Any], Any]) -> bytes:
    """Change the members of these names; a change to None removes them."""
    if body.lstrip().startswith(b"<"):
        root = ET.fromstring(body)  # noqa: S314 the test's own
        for parent in list(root.iter()):
            for child in list(parent):
                if re.fullmatch(pattern, child.tag.rpartition("}")[2]) and change(child) is None:
                    parent.remove(child)
        if re.fullmatch(pattern, root.tag.rpartition("}")[2]):
            change(root)
        return ET.tostring(root)
    return json.dumps(_replaced(json.loads(body), pattern, change)).encode()


def _replaced(value: Any, pattern: str, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_replaced(item, pattern, change) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {
        name: change(item) if re.fullmatch(pattern, name) else _replaced(item, pattern, change)
        for name, item in value.items()
    }
    return {name: item for name, item in changed.items() if item is not _REMOVED}


_REMOVED: Final = object()


def absent(pattern: str) -> Spoil:
    return lambda body: replace(body, pattern, lambda item: None if _is_xml(item) else _REMOVED)


def null(pattern: str) -> Spoil:
    def change(item: Any) -> Any:
        if not _is_xml(item):
            return None
        item.clear()
        return item

    return lambda body: replace(body, pattern, change)


def wrong_type(pattern: str) -> Spoil:
    """Put a text in the place of a structure or list, and a structure in that of a text or number."""

    def change(item: Any) -> Any:
        if not _is_xml(item):
            return "odd" if isinstance(item, dict | list) else {"odd": ["odd"]}
        children = len(item)
        item.clear()
        if children:
            item.text = "odd"
        else:
            ET.SubElement(item, "odd")
        return item

    return lambda body: replace(body, pattern, change)


def unknown(pattern: str) -> Spoil:
    def change(item: Any) -> Any:
        if not _is_xml(item):
            return "SLEEPING"
        item.text = "SLEEPING"
        return item

    return lambda body: replace(body, pattern, change)


def _is_xml(item: object) -> bool:
    return isinstance(item, ET.Element)


def empty(body: bytes) -> bytes:
    """Return an answer without any member."""
    if not body.lstrip().startswith(b"<"):
        return b"{}"
    root = ET.fromstring(body)  # noqa: S314 the test's own
    for child in list(root):
        root.remove(child)
    root.text = "odd" if root.tag.endswith("LocationConstraint") else ""
    return ET.tostring(root)


WHOLE: Final[Mapping[str, Spoil]] = {
    "empty": empty,
    "a list": lambda _: b"[]",
    "not in the format": lambda _: b"<odd",
}
REFUSALS: Final = (
    (429, "ThrottlingException", "AWS throttles {}: wait a minute"),
    (500, "InternalServerException", "{} failed (InternalServerException: "),
    (503, "ServiceUnavailable", "{} failed (ServiceUnavailable: "),
)
PAGED: Final = {
    "qbusiness:ListDataSources": "nextToken",
    "iam:ListRolePolicies": "Marker",
    "iam:ListAttachedRolePolicies": "Marker",
    "ec2:DescribeSubnets": "NextToken",
    "ec2:DescribeSecurityGroups": "NextToken",
    "iam:SimulatePrincipalPolicy": "Marker",
    "access-analyzer:ValidatePolicy": "nextToken",
}
ENDLESS: Final[Mapping[str, tuple[Callable[[], Iterator[str]], str]]] = {
    "the same token": (lambda: repeat("0"), "has the {} of a page before it"),
    "a cycle": (lambda: cycle(("0", "00", "000")), "has the {} of a page before it"),
    "other tokens": (lambda: map(str, count(1_000)), "has a {} after 20 pages"),
}
"""The tokens, which are numbers in the sandbox, and the reason."""
RESET: Final = "AWS cannot be reached (Connection was closed before we received a valid response"


def cases(server: Server, action: str) -> Iterator[tuple[str, str]]:
    """Let the server answer an action in one odd way after another; return how, and the reason."""
    operation = action.partition(":")[2]
    for kind, spoil in WHOLE.items():
        # botocore takes what is no XML for an outage of S3.
        readable = kind == "empty" or action != "s3:GetEncryptionConfiguration"
        server.spoil = {action: spoil}
        yield kind, f"an answer of {action} " if readable else f"{action} was answered with HTTP 500"
    server.spoil = {}
    server.pages = {action: 200}
    if not action.startswith("s3:"):
        yield "page", f"{operation} was answered with an HTML page"
    server.pages = {}
    for status, code, reason in REFUSALS:
        server.refusals = {action: (status, code)}
        yield str(status), reason.format(action)
    server.refusals = {}


def member_cases(server: Server, action: str) -> Iterator[str]:
    """Take one member after another out of the answer, and let the first have another type."""
    members = [wire for wire, *_ in MEMBERS.get(action, ()) if wire not in NOT_READ]
    members += MORE_MEMBERS.get(action, ())
    for wire in members:
        server.spoil = {action: absent(wire)}
        yield f"{wire} absent"
    for member in members[:1]:
        if member not in LISTS_IN_XML:
            server.spoil = {action: null(member)}
            yield "null"
        server.spoil = {action: wrong_type(member)}
        yield "another type"
    server.spoil = {}


def not_known(action: str, wire: str) -> tuple[str, ...]:
    return (
        f"an answer of {action} has the {wire} 'SLEEPING'",
        f"an answer of {action} has a {wire} that is no JSON object",
        f"an answer of {action} has no valid {wire}",  # an ARN is longer
    )


def twice(pattern: str) -> Spoil:
    """Repeat an element of XML, which botocore then takes for a list."""

    def spoil(body: bytes) -> bytes:
        root = ET.fromstring(body)  # noqa: S314 the test's own
        for parent in list(root.iter()):
            parent.extend([child for child in parent if child.tag.rpartition("}")[2] == pattern])
        return ET.tostring(root)

    return spoil


def paged(tokens: Iterator[str]) -> Spoil:
    """Let every page of a list have a token for the next one."""

    def spoil(body: bytes) -> bytes:
        token = next(tokens)
        if not body.lstrip().startswith(b"<"):
            return json.dumps({**json.loads(body), "nextToken": token}).encode()
        root = ET.fromstring(body)  # noqa: S314 the test's own
        result = next((child for child in root if child.tag.endswith("Result")), None)
        namespace = root.tag.rpartition("}")[0] + "}" * root.tag.startswith("{")
        if result is None:
            ET.SubElement(root, f"{namespace}nextToken").text = token
        else:
            for name, text in {"IsTruncated": "true", "Marker": token}.items():
                for old in result.findall(f"{namespace}{name}"):
                    result.remove(old)
                ET.SubElement(result, f"{namespace}{name}").text = text
        return ET.tostring(root)

    return spoil


# Check.


FOUND: Final[Mapping[str, Mapping[str, Any]]] = {
    "access-analyzer:ValidatePolicy": {
        "findings": [
            {
                "findingType": "ERROR",
                "issueCode": "ODD",
                "findingDetails": "It is odd.",
                "learnMoreLink": "https://docs.aws.amazon.com",
                "locations": [],
            }
        ]
    }
}
"""Without a problem, its members are not read."""


@pytest.fixture
def full(world: test_check.World, request: pytest.FixtureRequest) -> test_check.World:
    """Return a stack that needs the action of the test, with nothing wrong but what needs it."""
    action: str = request.getfixturevalue("action")
    if action in FOUND:
        world.server.answers[action] = FOUND[action]
    if action.startswith("s3:"):
        test_check.put_bucket_policy(world, {"AWS": [test_check.ROLE_ARN, ACCOUNT]})
    elif action.startswith("ec2:"):
        world.add_data_source()
    else:
        world.set(vpcConfiguration=None, allowNetworkInterfaceDeletion=None)
        document = json.loads(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT))
        kept = [each for each in document["Statement"] if "ec2:" not in json.dumps(each)]
        world.put_policy(json.dumps({**document, "Statement": kept}))
        del world.add_data_source()["vpcConfiguration"]
        world.add_sync("SUCCEEDED")
        test_check.put_secret_policy(world, {"AWS": test_check.ROLE_ARN})
        if action.startswith("organizations:"):
            condition = test_check.OF_ORGANIZATION
            test_check.key_policy(world, test_check.allow_key(test_check.ROOT, Condition=condition))
            organization = {"Id": condition["StringEquals"]["aws:PrincipalOrgID"]}
            world.server.answers[action] = {"Organization": organization}
        world.set(permissionsBoundaryArn=test_check.boundary(world, test_check.WIDE))
    return world


def expect_skipped(said: Output, action: str, kind: str, questions: str, *reasons: str) -> None:
    """Assert that these questions have no answer for one of the reasons, and the others are fine."""
    assert (kind, said.code) == (kind, 2)
    if questions == EVERYTHING:
        assert set(said.json) == {"error"}
        assert said.json["error"].startswith(reasons), (kind, said.json)
        return
    skipped = [answer for answer in said.json["answers"] if answer["state"] == "skipped"]
    assert (kind, ", ".join(answer["question"] for answer in skipped)) == (kind, questions)
    assert said.json["problem"] == 0
    assert {answer["action"] for answer in skipped} == {action}
    assert all(answer["text"].startswith(reasons) for answer in skipped), (kind, skipped)


@pytest.mark.parametrize("action", ACTIONS["check"])
def test_a_question_that_aws_does_not_answer_is_skipped(full: test_check.World, check: Run, action: str):
    server, used = full.server, f"an answer of {action} "
    assert check("--json").code == (action in FOUND)
    for kind, reason in cases(server, action):
        expect_skipped(check("--json"), action, kind, UNANSWERED[action], reason)
    for wire, name, questions in MEMBERS[action]:
        server.spoil = {action: absent(wire)}
        expect_skipped(check("--json"), action, wire, questions, f"{used}has no valid {name}")
    for kind in member_cases(server, action):
        if "absent" not in kind:
            expect_skipped(check("--json"), action, kind, UNANSWERED[action], used)
    for unknown_action, wire, questions in UNKNOWN_VALUES:
        if unknown_action == action:
            server.spoil = {action: unknown(wire)}
            expect_skipped(check("--json"), action, wire, questions, *not_known(action, wire))
    server.spoil = {}
    server.resets = {action}
    expect_skipped(check("--json"), action, "reset", EVERYTHING, RESET)


@pytest.mark.parametrize(
    ("action", "wire", "questions"),
    [
        ("sts:GetCallerIdentity", "Arn", EVERYTHING),
        ("iam:SimulatePrincipalPolicy", "EvalActionName", SIMULATED),
        ("ec2:DescribeSubnets", "subnetArn", "subnets"),
        ("ec2:DescribeSecurityGroups", "vpcId", "security groups"),
    ],
)
def test_an_element_that_is_there_twice_is_not_valid(
    full: test_check.World, check: Run, action: str, wire: str, questions: str
):
    full.server.spoil = {action: twice(wire)}
    name = f"{wire[0].upper()}{wire[1:]}"
    reason = f"an answer of {action} has no valid {name}, by "
    expect_skipped(check("--json"), action, wire, questions, reason)


def test_fewer_other_and_repeated_decisions_are_no_answer(world: test_check.World, check: Run):
    action = "iam:SimulatePrincipalPolicy"
    changes = (absent("member"), unknown("EvalActionName"), twice("member"))
    for change in changes:
        world.server.spoil = {action: change}
        reason = f"an answer of {action} "
        expect_skipped(check("--json"), action, action, SIMULATED, reason)


READABLE: Final = {
    "Effect": "Allow",
    "Principal": {"AWS": test_check.ROLE_ID},
    "Action": "kms:*",
    "Resource": "*",
}
MALFORMED: Final[Mapping[str, Any]] = {
    "a number": 5,
    "no Effect": [READABLE, {**READABLE, "Effect": None}],
    "a Principal that is a number": [READABLE, {**READABLE, "Principal": 5}],
    "a Condition that is a list": [READABLE, {**READABLE, "Condition": ["odd"]}],
    "a Statement in a Statement": [READABLE, [READABLE]],
}
"""Statements that do not follow IAM's grammar, though some of them name a deleted role."""
DOCUMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "iam:GetRole": ("AssumeRolePolicyDocument", "trust policy, application ARN"),
    "iam:GetRolePolicy": ("PolicyDocument", "role policy"),
    "iam:GetPolicyVersion": ("Document", "permissions boundary"),
    "secretsmanager:GetResourcePolicy": ("ResourcePolicy", "secret policy"),
    "kms:GetKeyPolicy": ("Policy", KEY_POLICY),
    "s3:GetBucketPolicy": ("", "bucket policy"),
}
"""The member that holds a policy, and what `check` cannot answer without it."""


def malformed(action: str, statement: Any) -> Spoil:
    """Put a policy in the place of the one in an answer."""
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    member, _ = DOCUMENTS[action]

    def change(item: Any) -> Any:
        if not _is_xml(item):
            return text
        item.text = text
        return item

    return lambda body: replace(body, member, change) if member else text.encode()


@pytest.mark.parametrize("action", DOCUMENTS)
def test_a_policy_that_does_not_follow_the_grammar_is_no_answer(
    full: test_check.World, check: Run, action: str
):
    for kind, statement in MALFORMED.items():
        full.server.spoil = {action: malformed(action, statement)}
        reason = f"an answer of {action} has the policy "
        expect_skipped(check("--json"), action, kind, DOCUMENTS[action][1], reason)


@pytest.mark.parametrize("action", [each for each in DOCUMENTS if each in ACTIONS["audit"]])
def test_a_role_whose_policy_does_not_follow_the_grammar_is_not_compared(
    server: Server, audit: Run, action: str
):
    complete_world(server)
    for statement in MALFORMED.values():
        server.spoil = {action: malformed(action, statement)}
        said = audit("--json")
        assert said.code == 2
        pages, files = said.json["dataSources"]
        assert pages["state"] == "not compared"
        assert files["state"] == ("not compared" if "Files" in NOT_COMPARED[action] else "equivalent")
        (remark,) = pages["remarks"]
        assert remark.startswith(f"an answer of {action} has the policy ")


def test_an_odd_data_source_does_not_hide_another_one(
    server: Server, world: test_check.World, check: Run
):
    world.add_data_source()
    world.add_data_source(test_check.OTHER_ID, status="FAILED", displayName="Broken")
    server.spoil = {
        "qbusiness:GetDataSource": lambda body: (
            body.replace(b'"roleArn": "arn:aws:iam::', b'"roleArn": "') if b'"Pages"' in body else body
        )
    }
    said = check()
    assert said.code == 1
    assert "skipped  data source c3d4e5f6-7890-12ab-cdef-333333333333: an answer of qb" in said.out
    assert f"problem  data source {test_check.OTHER_ID}: Broken is FAILED" in said.out


@pytest.mark.parametrize("action", [each for each in PAGED if each in ACTIONS["check"]])
def test_a_list_without_end_is_not_read_forever(
    full: test_check.World, check: Run, monkeypatch: pytest.MonkeyPatch, action: str
):
    monkeypatch.setattr("roles.account._MAXIMUM_PAGES", 20)
    for kind, (tokens, reason) in ENDLESS.items():
        full.server.spoil = {action: paged(tokens())}
        begin = f"an answer of {action} {reason.format(PAGED[action])}, by "
        expect_skipped(check("--json"), action, kind, UNANSWERED[action], begin)


@pytest.mark.parametrize(
    ("action", "command"),
    [("qbusiness:ListApplications", "audit"), ("qbusiness:ListIndices", "adopt")],
)
def test_a_list_without_end_ends_what_cannot_do_without(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, action: str, command: str
):
    server: Server = request.getfixturevalue("server")
    run: Run = request.getfixturevalue(command)
    complete_world(server)
    monkeypatch.setattr("roles.account._MAXIMUM_PAGES", 20)
    for tokens, reason in ENDLESS.values():
        server.spoil = {action: paged(tokens())}
        said = run("--json")
        assert said.code == 2
        assert said.json["error"].startswith(f"an answer of {action} {reason.format('nextToken')}, by ")


# Audit.


def complete_world(server: Server) -> None:
    """Add data sources that need every permission, one with a bucket that AWS encrypts."""
    world = test_audit.World(server)
    test_audit.complete_world(world)
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    configuration = {"Rules": [default]}
    world.s3.put_bucket_encryption(
        Bucket="qbusiness-documents", ServerSideEncryptionConfiguration=configuration
    )
    server.calls.clear()


@pytest.mark.parametrize("action", ACTIONS["audit"])
def test_a_data_source_about_which_aws_does_not_answer_is_not_compared(
    server: Server, audit: Run, action: str
):
    complete_world(server)
    key = {"KeyId": KEY_ID, "Arn": test_audit.KEY_ARN, "KeyManager": "CUSTOMER", "KeyState": "Enabled"}
    server.answers["kms:DescribeKey"] = {"KeyMetadata": key}

    def expect(kind: str, expected: tuple[str, ...] | str, *reasons: str) -> None:
        said = audit("--json")
        found = said.json
        assert (kind, said.code) == (kind, 2)
        if expected == EVERYTHING:
            assert set(found) == {"error"}
            texts = [found["error"]]
        elif isinstance(expected, str):
            (text,) = found["skipped"]
            assert text.startswith(f"{expected}: ")
            texts = [text.removeprefix(f"{expected}: ")]
        else:
            states = {each["displayName"]: each["state"] for each in found["dataSources"]}
            compared = dict.fromkeys(DATA_SOURCES, "equivalent")
            assert (kind, states) == (kind, {**compared, **dict.fromkeys(expected, "not compared")})
            remarks = [text for each in found["dataSources"] for text in each["remarks"]]
            texts = [text for text in remarks if not text.startswith("access to its ")]
            assert len(texts) == len(expected), (kind, remarks)
        assert all(text.startswith(reasons) for text in texts), (kind, texts)

    assert audit("--json").code == 0
    for kind, reason in cases(server, action):
        expect(kind, EVERYTHING if kind == "429" else NOT_COMPARED[action], reason)
    for kind in member_cases(server, action):
        expect(kind, NOT_COMPARED[action], f"an answer of {action} ")
    server.resets = {action}
    expect("reset", EVERYTHING, RESET)


# Adopt.


@pytest.mark.parametrize("action", ACTIONS["adopt"])
def test_nothing_is_adopted_if_aws_does_not_answer(
    server: Server, adopt: Run, tmp_path: Path, action: str
):
    options = ["--json", "--dry-run"]
    if action == "iam:ListPolicies":  # which only a role without room needs
        policies = {"a": test_adopt.large("a", 4_400), "b": test_adopt.large("b", 5_022)}
        console = test_adopt.Console(server)
        console.make(policies=policies)
        console.iam.create_policy(PolicyName="odd", PolicyDocument=test_adopt.WIDE)
        server.calls.clear()
    else:
        complete_world(server)
        chosen = 2 if action.startswith("s3:") else 1
        options += ["--data-source", test_audit.data_source_id(chosen)]

    def expect(kind: str, *reasons: str) -> None:
        said = adopt(*options)
        assert (kind, said.code) == (kind, 2)
        assert set(said.json) == {"error"}
        assert said.json["error"].startswith(reasons), (kind, said.json)
        assert said.err.splitlines()[-1] == f"adopt: {said.json['error']}"

    assert adopt(*options).code == 0
    for kind, reason in cases(server, action):
        expect(kind, reason)
    for wire in MORE_MEMBERS.get(action, ()):
        server.spoil = {action: absent(wire)}
        expect(wire, f"an answer of {action} has no valid {wire}, by ")
    server.spoil = {}
    server.resets = {action}
    expect("reset", RESET)
    assert [path.name for path in tmp_path.iterdir()] == ["Pulumi.yaml"]


def test_every_action_is_in_the_tables():
    assert set(UNANSWERED) == set(MEMBERS) == set(ACTIONS["check"])
    assert set(NOT_COMPARED) == set(ACTIONS["audit"])
    assert {*NOT_COMPARED, "iam:ListPolicies"} - {"sts:GetCallerIdentity"} == set(ACTIONS["adopt"])
