"""Whatever AWS answers, a command of `roles` says which answer it could not use, and ends with 2.

The output of each command is stated here, by the call that gets an odd answer. The answers are those of
a world in which nothing is wrong, spoiled on their way.
"""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from itertools import count, cycle, repeat
from typing import Any, Final

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ID, OTHER_ACCOUNT
from roles.actions import ACTIONS
from tests.helpers.qbusiness_server import Server
from tests.helpers.support import golden
from tests.helpers.world import OTHER_ID, ROLE_ARN, ROOT, WIDE, Output, World, allow_key, data_source_id
from tests.roles.adopt.help import large
from tests.roles.audit.help import complete_world
from tests.roles.check.help import OF_ORGANIZATION, ROLE_ID

pytestmark = pytest.mark.slow

Spoil = Callable[[bytes], bytes]

EVERYTHING: Final = "everything"
"""The unanswered questions if the run ends."""
ROLE: Final = (
    "key policy, secret policy, role, trust policy, application ARN, role policy, other policies, "
    "permissions boundary, requests allowed, requests denied"
)
"""The policies of key and secret and the boundary are decided for the ID and the tags of the role."""
SOURCES: Final = "data source, other data source"
APPLICATION: Final = f"application, index, application ARN, {SOURCES}"
SECRET: Final = "secret, encryption, secret policy"
KEY: Final = "KMS key, key policy, key principals"
KEY_POLICY: Final = "key policy, key principals"

SIMULATED: Final = "requests allowed, requests denied, iam:PassRole"
DEFAULT_ENCRYPTION: Final = "ApplyServerSideEncryptionByDefault"

BOUNDARY: Final = "permissions boundary"
POLICY_VALIDATION: Final = "policy validation"
# The questions that `check` skips if the answer of a call, or a named member, cannot be used; then the
# questions about other members. `PascalCase|camelCase` names: as the answer does, and as botocore.
ANSWERS: Final[Mapping[str, tuple[str, str, Mapping[str, str]]]] = {
    "sts:GetCallerIdentity": (EVERYTHING, "Arn Account", {}),
    "qbusiness:GetApplication": (APPLICATION, "applicationArn", {"status": "application"}),
    "qbusiness:GetIndex": ("index", "indexArn status", {}),
    "qbusiness:ListIndices": (SOURCES, "indices indexId", {}),
    "qbusiness:ListDataSources": (SOURCES, "dataSources dataSourceId", {}),
    "qbusiness:ListDataSourceSyncJobs": ("data source", "history startTime status", {}),
    "qbusiness:GetDataSource": (
        SOURCES,
        "dataSourceArn",
        {"configuration": "data source", "status": "data source"},
    ),
    "secretsmanager:DescribeSecret": (SECRET, "ARN", {}),
    "kms:DescribeKey": (
        KEY,
        "KeyMetadata Arn",
        {"KeyId": KEY_POLICY, "KeyState": "KMS key", "KeySpec|CustomerMasterKeySpec": "KMS key"},
    ),
    "iam:GetRole": (
        ROLE,
        "Role Arn RoleId RoleName Path MaxSessionDuration AssumeRolePolicyDocument",
        {},
    ),
    "iam:ListRolePolicies": (ROLE, "PolicyNames", {}),
    "iam:GetRolePolicy": (ROLE, "PolicyDocument", {}),
    "iam:ListAttachedRolePolicies": (ROLE, "AttachedPolicies", {}),
    "iam:GetPolicy": (BOUNDARY, "Policy DefaultVersionId", {}),
    "iam:GetPolicyVersion": (BOUNDARY, "PolicyVersion Document", {}),
    "s3:GetEncryptionConfiguration": ("encryption", f"Rule {DEFAULT_ENCRYPTION} SSEAlgorithm", {}),
    # An answer without KmsKeyIds does not name an earlier key.
    "secretsmanager:ListSecretVersionIds": ("encryption", "Versions", {}),
    # An answer without ResourcePolicy is the one for a secret that has none.
    "secretsmanager:GetResourcePolicy": ("secret policy", "ARN", {}),
    "kms:GetKeyPolicy": (KEY_POLICY, "Policy", {}),
    "ec2:DescribeSubnets": (
        "subnets, security groups",
        "subnetSet subnetId vpcId",
        dict.fromkeys(("subnetArn", "availabilityZoneId", "availableIpAddressCount"), "subnets"),
    ),
    "ec2:DescribeSecurityGroups": ("security groups", "securityGroupInfo groupId vpcId", {}),
    # An answer without LocationConstraint is the one for us-east-1.
    "s3:GetBucketLocation": ("bucket", "", {}),
    # The answer is the policy itself.
    "s3:GetBucketPolicy": ("bucket policy", "", {}),
    "organizations:DescribeOrganization": ("key policy", "Organization Id", {}),
    "iam:SimulatePrincipalPolicy": (SIMULATED, "EvaluationResults EvalActionName EvalDecision", {}),
    "access-analyzer:ValidatePolicy": (
        POLICY_VALIDATION,
        "findings findingType issueCode findingDetails learnMoreLink",
        {},
    ),
}
IN_BOTOCORE: Final = {
    "KeySpec|CustomerMasterKeySpec": "CustomerMasterKeySpec",
    "Rule": "Rules",
    "subnetSet": "Subnets",
    "securityGroupInfo": "SecurityGroups",
}
"""The names of members in botocore; in answers of EC2, it also capitalizes the first letter."""


def members(action: str) -> Mapping[str, str]:
    """Return the members that `check` needs, as the answer names them, with their questions."""
    questions, names, others = ANSWERS[action]
    return {**dict.fromkeys(names.split(), questions), **others}


def questions_of(action: str, member: str) -> str:
    """Return the questions about a member, which may be optional."""
    for names, questions in members(action).items():
        if member in names.split("|"):
            return questions
    return ANSWERS[action][0]


def in_botocore(action: str, member: str) -> str:
    named = IN_BOTOCORE.get(member, member)
    return f"{named[0].upper()}{named[1:]}" if action.startswith("ec2:") else named


# Members whose values decide: one that is not known is not taken for another one.
UNKNOWN_VALUES: Final = {
    "sts:GetCallerIdentity": "Arn Account",
    "qbusiness:GetApplication": "applicationArn status",
    "qbusiness:GetIndex": "status",
    "qbusiness:ListDataSourceSyncJobs": "status",
    "qbusiness:GetDataSource": "status roleArn",
    "secretsmanager:DescribeSecret": "ARN",
    "kms:DescribeKey": "Arn KeyState KeySpec",
    "iam:GetRole": "Arn Path PermissionsBoundaryArn AssumeRolePolicyDocument",
    "iam:GetRolePolicy": "PolicyDocument",
    "iam:GetPolicyVersion": "Document",
    "s3:GetEncryptionConfiguration": "SSEAlgorithm",
    "s3:GetBucketLocation": "LocationConstraint",
    "secretsmanager:GetResourcePolicy": "ResourcePolicy",
    "kms:GetKeyPolicy": "Policy",
    "organizations:DescribeOrganization": "Id",
    "iam:SimulatePrincipalPolicy": "EvalDecision",
    "access-analyzer:ValidatePolicy": "findingType",
}
LISTS_IN_XML: Final = (
    *("PolicyNames", "AttachedPolicies", "Policies"),
    *("subnetSet", "securityGroupInfo"),
)
"""Their blank element is an empty list, which is an answer."""

DATA_SOURCES: Final = ("Pages", "Files")
# The comparisons that `audit` cannot make, or skips, if the answer of a call cannot be used.
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


def changed(pattern: str, value: Callable[[Any], Any], element: Callable[[Any], Any]) -> Spoil:
    """Change members: their values in JSON, their elements in XML."""

    def change(item: Any) -> Any:
        if not _is_xml(item):
            return value(item)
        element(item)
        return item

    return lambda body: replace(body, pattern, change)


def null(pattern: str) -> Spoil:
    return changed(pattern, lambda _: None, lambda item: item.clear())


def wrong_type(pattern: str) -> Spoil:
    """Replace a structure or list with a text, and a text or number with a structure."""

    def element(item: Any) -> None:
        children = len(item)
        item.clear()
        if children:
            item.text = "odd"
        else:
            ET.SubElement(item, "odd")

    return changed(
        pattern, lambda it: "odd" if isinstance(it, dict | list) else {"odd": ["odd"]}, element
    )


def text(pattern: str, text: str) -> Spoil:
    return changed(pattern, lambda _: text, lambda item: setattr(item, "text", text))


def unknown(pattern: str) -> Spoil:
    return text(pattern, "SLEEPING")


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
    "qbusiness:ListIndices": "nextToken",
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
        # botocore takes text that is not XML for an outage of S3.
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
    """Remove each member of the answer in turn, and give the first another type."""
    needed = [wire for wire in members(action) if wire not in NOT_READ] if action in ANSWERS else []
    needed += MORE_MEMBERS.get(action, ())
    for wire in needed:
        server.spoil = {action: absent(wire)}
        yield f"{wire} absent"
    for member in needed[:1]:
        if member not in LISTS_IN_XML:
            server.spoil = {action: null(member)}
            yield "null"
        server.spoil = {action: wrong_type(member)}
        yield "another type"
    server.spoil = {}


def not_known(action: str, wire: str) -> tuple[str, ...]:
    return (
        f"an answer of {action} has the {wire} 'SLEEPING'",
        f"an answer of {action} has a {wire} that is not a policy document",
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
    """Give every page of a list a token for the next one."""

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
def full(world: World, request: pytest.FixtureRequest) -> World:
    """Return a stack that needs the action of the test, with no other fault."""
    action: str = request.getfixturevalue("action")
    world.deploy()
    if action in FOUND:
        world.server.answers[action] = FOUND[action]
    if action.startswith("s3:"):
        world.put_bucket_policy({"AWS": [ROLE_ARN, ACCOUNT]})
    elif action.startswith("ec2:"):
        world.add_data_source()
    else:
        world.set(vpcConfiguration=None, allowNetworkInterfaceDeletion=None)
        document = json.loads(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT))
        kept = [each for each in document["Statement"] if "ec2:" not in json.dumps(each)]
        world.put_policy(json.dumps({**document, "Statement": kept}))
        del world.add_data_source()["vpcConfiguration"]
        world.add_sync("SUCCEEDED")
        world.put_secret_policy({"AWS": ROLE_ARN})
        if action.startswith("organizations:"):
            world.key_policy(allow_key(ROOT, Condition=OF_ORGANIZATION))
            organization = {"Id": OF_ORGANIZATION["StringEquals"]["aws:PrincipalOrgID"]}
            world.server.answers[action] = {"Organization": organization}
        world.bound(WIDE)
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
def test_a_question_that_aws_does_not_answer_is_skipped(full: World, action: str):
    server, used = full.server, f"an answer of {action} "
    unanswered = ANSWERS[action][0]

    def expect(kind: str, questions: str, *reasons: str) -> None:
        expect_skipped(full.check("--json"), action, kind, questions, *reasons)

    assert full.check("--json").code == (action in FOUND)
    for kind, reason in cases(server, action):
        expect(kind, unanswered, reason)
    for wire, questions in members(action).items():
        server.spoil = {action: absent(wire)}
        expect(wire, questions, f"{used}has no valid {in_botocore(action, wire)}")
    for kind in member_cases(server, action):
        if "absent" not in kind:
            expect(kind, unanswered, used)
    for wire in UNKNOWN_VALUES.get(action, "").split():
        server.spoil = {action: unknown(wire)}
        expect(wire, questions_of(action, wire), *not_known(action, wire))
    server.spoil = {}
    server.resets = {action}
    expect("reset", EVERYTHING, RESET)


@pytest.mark.parametrize(
    ("action", "wire"),
    [
        ("sts:GetCallerIdentity", "Arn"),
        ("iam:SimulatePrincipalPolicy", "EvalActionName"),
        ("ec2:DescribeSubnets", "subnetArn"),
        ("ec2:DescribeSecurityGroups", "vpcId"),
    ],
)
def test_a_repeated_element_is_not_valid(full: World, action: str, wire: str):
    full.server.spoil = {action: twice(wire)}
    name = f"{wire[0].upper()}{wire[1:]}"
    reason = f"an answer of {action} has no valid {name}, by "
    expect_skipped(full.check("--json"), action, wire, questions_of(action, wire), reason)


@pytest.mark.usefixtures("deployed")
def test_fewer_other_and_repeated_decisions_are_no_answer(world: World):
    action = "iam:SimulatePrincipalPolicy"
    for change in (absent("member"), unknown("EvalActionName"), twice("member")):
        world.server.spoil = {action: change}
        reason = f"an answer of {action} "
        expect_skipped(world.check("--json"), action, action, SIMULATED, reason)


READABLE: Final = {"Effect": "Allow", "Principal": {"AWS": ROLE_ID}, "Action": "kms:*", "Resource": "*"}
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
"""The member that holds a policy, and the questions that `check` cannot answer without it."""


def malformed(action: str, statement: Any) -> Spoil:
    """Replace the policy in an answer."""
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    member, _ = DOCUMENTS[action]
    return text(member, document) if member else lambda _: document.encode()


@pytest.mark.parametrize("action", DOCUMENTS)
def test_a_policy_that_does_not_follow_the_grammar_is_not_an_answer(full: World, action: str):
    for kind, statement in MALFORMED.items():
        full.server.spoil = {action: malformed(action, statement)}
        reason = f"an answer of {action} has the policy "
        expect_skipped(full.check("--json"), action, kind, DOCUMENTS[action][1], reason)


@pytest.mark.parametrize("action", [each for each in DOCUMENTS if each in ACTIONS["audit"]])
def test_a_role_whose_policy_does_not_follow_the_grammar_is_not_compared(world: World, action: str):
    complete_world(world)
    for statement in MALFORMED.values():
        world.server.spoil = {action: malformed(action, statement)}
        said = world.audit("--json")
        assert said.code == 2
        pages, files = said.json["dataSources"]
        assert pages["state"] == "not compared"
        assert files["state"] == ("not compared" if "Files" in NOT_COMPARED[action] else "equivalent")
        (remark,) = pages["remarks"]
        assert remark.startswith(f"an answer of {action} has the policy ")


@pytest.mark.usefixtures("deployed")
def test_an_odd_data_source_does_not_hide_another_one(world: World):
    world.add_data_source()
    world.add_data_source(OTHER_ID, status="FAILED", displayName="Broken")
    world.server.spoil = {
        "qbusiness:GetDataSource": lambda body: (
            body.replace(b'"roleArn": "arn:aws:iam::', b'"roleArn": "') if b'"Pages"' in body else body
        )
    }
    said = world.check()
    assert said.code == 1
    assert "skipped  data source c3d4e5f6-7890-12ab-cdef-333333333333: an answer of qb" in said.out
    assert f"problem  data source {OTHER_ID}: Broken is FAILED" in said.out


@pytest.mark.parametrize("action", [each for each in PAGED if each in ACTIONS["check"]])
def test_an_endless_list_is_not_read_forever(full: World, action: str):
    full.patch.setattr("roles.account._MAXIMUM_PAGES", 20)
    for kind, (tokens, reason) in ENDLESS.items():
        full.server.spoil = {action: paged(tokens())}
        begin = f"an answer of {action} {reason.format(PAGED[action])}, by "
        expect_skipped(full.check("--json"), action, kind, ANSWERS[action][0], begin)


@pytest.mark.parametrize(
    ("action", "command"), [("qbusiness:ListApplications", "audit"), ("qbusiness:ListIndices", "adopt")]
)
@pytest.mark.usefixtures("project")
def test_an_endless_list_that_everything_needs_ends_the_command(world: World, action: str, command: str):
    complete_world(world)
    world.patch.setattr("roles.account._MAXIMUM_PAGES", 20)
    run = {"audit": world.audit, "adopt": world.adopt}[command]
    for tokens, reason in ENDLESS.values():
        world.server.spoil = {action: paged(tokens())}
        said = run("--json")
        assert said.code == 2
        assert said.json["error"].startswith(f"an answer of {action} {reason.format('nextToken')}, by ")


# Audit.


@pytest.mark.parametrize("action", ACTIONS["audit"])
def test_a_data_source_about_which_aws_does_not_answer_is_not_compared(world: World, action: str):
    complete_world(world)
    server = world.server

    def expect(kind: str, expected: tuple[str, ...] | str, *reasons: str) -> None:
        said = world.audit("--json")
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

    assert world.audit("--json").code == 0
    for kind, reason in cases(server, action):
        expect(kind, EVERYTHING if kind == "429" else NOT_COMPARED[action], reason)
    for kind in member_cases(server, action):
        expect(kind, NOT_COMPARED[action], f"an answer of {action} ")
    server.resets = {action}
    expect("reset", EVERYTHING, RESET)


# Adopt.


@pytest.mark.parametrize("action", ACTIONS["adopt"])
@pytest.mark.usefixtures("project")
def test_nothing_is_adopted_if_aws_does_not_answer(world: World, action: str):
    options, server = ["--json", "--dry-run"], world.server
    if action == "iam:ListPolicies":  # which only a role without room needs
        world.make(policies={"a": large("a", 4_400), "b": large("b", 5_022)})
        world.managed("odd")
    else:
        complete_world(world)
        options += ["--data-source", data_source_id(2 if action.startswith("s3:") else 1)]

    def expect(kind: str, *reasons: str) -> None:
        said = world.adopt(*options)
        assert (kind, said.code) == (kind, 2)
        assert set(said.json) == {"error"}
        assert said.json["error"].startswith(reasons), (kind, said.json)
        assert said.err.splitlines()[-1] == f"adopt: {said.json['error']}"

    assert world.adopt(*options).code == 0
    for kind, reason in cases(server, action):
        expect(kind, reason)
    for wire in MORE_MEMBERS.get(action, ()):
        server.spoil = {action: absent(wire)}
        expect(wire, f"an answer of {action} has no valid {wire}, by ")
    server.spoil = {}
    server.resets = {action}
    expect("reset", RESET)
    assert world.files == ["Pulumi.yaml"]


def test_every_action_is_in_the_tables():
    assert set(ANSWERS) == set(ACTIONS["check"])
    assert set(NOT_COMPARED) == set(ACTIONS["audit"])
    assert {*NOT_COMPARED, "iam:ListPolicies"} - {"sts:GetCallerIdentity"} == set(ACTIONS["adopt"])
