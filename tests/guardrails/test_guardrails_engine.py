"""Test on the engine that the policy pack stops roles that allow too much, usually before creation."""

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import indent
from typing import Any, Final, NamedTuple

import pytest
from rules import RULES

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECRET_ID,
)
from sandbox.environment import PROJECT
from tests.guardrails.guardrail_roles import (
    ADMINISTRATOR,
    POLICY,
    RIGHT,
    SECRETS,
    TOO_WIDE,
    TRUST,
    Declared,
    policy,
    trust,
)
from tests.helpers.page import blocks, prose
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import PROJECT_NAME, REQUIRED

ANY_SECRET: Final = policy("AllowsAmazonQToGetSecret", Resource=f"{SECRETS}*")
PROGRAM: Final = """
import json
import pulumi_aws as aws

# Automatic names could have characters that IAM does not accept.
for name, declared in json.loads({roles!r}).items():
    role = aws.iam.Role(name, name=declared["name"], assume_role_policy=declared["trust"])
    document = declared["policy"]
    if declared["managed"]:
        policy = aws.iam.Policy(f"{{name}}-policy", name=declared["name"], policy=document)
        aws.iam.RolePolicyAttachment(f"{{name}}-attached", role=role.name, policy_arn=policy.arn)
    else:
        aws.iam.RolePolicy(
            f"{{name}}-policy", name=declared["name"], role=role.name, policy=document
        )
    if declared["attached"]:
        aws.iam.RolePolicyAttachment(
            f"{{name}}-other", role=role.name, policy_arn=declared["attached"]
        )
    if declared["exclusively"]:
        aws.iam.RolePolicyAttachmentsExclusive(
            f"{{name}}-others", role_name=role.name, policy_arns=declared["exclusively"]
        )
"""


INSIDE: Final = """
trust = json.dumps({trust!r})
for name, declared in json.loads({roles!r}).items():
    aws.iam.Role(
        name,
        name="qbusiness-" + name,
        assume_role_policy=trust,
        inline_policies=[
            {{"name": f"inline-{{number}}", "policy": json.dumps(document)}}
            for number, document in enumerate(declared["inline"])
        ] or None,
        managed_policy_arns=declared["managed"] or None,
    )
"""
"""A declaration of roles whose policies are properties."""
ADOPTED: Final = f"""
import pulumi
from components.connector_role import ConnectorRole

def keep(resource):
    if resource.type_ == "aws:iam/role:Role":
        importing = pulumi.ResourceOptions(
            import_=resource.props["name"], ignore_changes=["forceDetachPolicies"]
        )
        return pulumi.ResourceTransformResult(
            resource.props, pulumi.ResourceOptions.merge(resource.opts, importing)
        )

for name, exclusive in (("shared", False), ("owned", True)):
    given = { {"application_id": APPLICATION_ARN, "index_id": INDEX_ID, "secret_id": SECRET_ID} }
    given |= dict(role_name="qbusiness-" + name, exclusive_policies=exclusive)
    ConnectorRole(name, given, pulumi.ResourceOptions(transforms=[keep]))
"""
"""The import of two roles; the stack owns all of the second role's policies."""


class Violation(NamedTuple):
    """The engine's report about a finding."""

    role: str
    """The role's name in the program."""
    rule: str
    level: str


def raw(
    new_stack: NewStack,
    roles: Mapping[str, Declared],
    inside: Mapping[str, Mapping[str, Any]] | None = None,
    program: str = PROGRAM,
) -> Stack:
    """Create a stack that declares roles directly, as templates do.

    For the roles in `inside`, the policies are properties of the role.
    """
    texts = {
        name.replace(" ", "_"): declared.as_text(number)
        for number, (name, declared) in enumerate(roles.items())
    }
    text = program.format(roles=json.dumps(texts))
    if inside:
        declared = {name: {"inline": [], "managed": [], **role} for name, role in inside.items()}
        text += INSIDE.format(trust=TRUST, roles=json.dumps(declared))
    return new_stack({"aws:region": REGION}, text)


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the pack to a different directory, with the tests' packages in place of an installation."""
    copy = tmp_path_factory.mktemp("guardrails") / "pack"
    shutil.copytree(PROJECT / "guardrails", copy, ignore=shutil.ignore_patterns("venv", "__pycache__"))
    (copy / "venv").symlink_to(PROJECT / "venv")
    return copy


def up(stack: Stack, pack: Path, *options: str) -> tuple[int, str]:
    done = stack.operate("up", "--yes", "--policy-pack", str(pack), *options, check=False)
    return done.exit_code, done.text


def violations(stack: Stack) -> list[Violation]:
    """Return the violations from the last operation on the stack, except those with an exception."""
    events = map(json.loads, (stack.directory / "events.json").read_text().splitlines())
    return [
        Violation(
            event["resourceUrn"].rpartition("::")[2].partition("-")[0].replace("_", " "),
            event["policyName"],
            event["enforcementLevel"],
        )
        for event in (event["policyEvent"] for event in events if "policyEvent" in event)
        if not event.get("exceptions")
    ]


def rules_by_role(stack: Stack, level: str) -> dict[str, set[str]]:
    rules: dict[str, set[str]] = defaultdict(set)
    for violation in violations(stack):
        if violation.level == level:
            rules[violation.role].add(violation.rule)
    return rules


@pytest.mark.thorough
def test_expected_violations_stop_creation_of_every_role(
    new_stack: NewStack, aws: Aws, pack: Path, record_property: Callable[[str, object], None]
):
    administrator = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    inside: dict[str, Mapping[str, Any]] = {
        "administrator": {"inline": [administrator]},
        "second": {"inline": [POLICY, ANY_SECRET]},
        "managed": {"managed": [ADMINISTRATOR]},
    }
    stack = raw(new_stack, {name: declared for name, (declared, _) in TOO_WIDE.items()}, inside)
    exit_code, text = up(stack, pack)
    assert exit_code != 0
    assert rules_by_role(stack, "mandatory") == {
        **{name: rules for name, (_, rules) in TOO_WIDE.items()},
        "administrator": {"excess"},
        "second": {"secret"},
        "managed": {"excess"},
    }
    assert rules_by_role(stack, "advisory") == {}
    assert text.count("  fix: ") == len(violations(stack))
    assert aws.roles() == []
    assert stack.resources() == []
    record_property(
        "figure", {"too wide, stopped before anything is created": dict.fromkeys(TOO_WIDE, 1)}
    )


@pytest.mark.thorough
def test_each_correct_role_passes(
    new_stack: NewStack, aws: Aws, pack: Path, record_property: Callable[[str, object], None]
):
    elsewhere = aws.iam.create_policy(PolicyName="elsewhere", PolicyDocument=json.dumps(POLICY))
    arn = elsewhere["Policy"]["Arn"]
    roles = {
        name: declared._replace(attached=arn) if declared.attached else declared
        for name, (declared, _) in RIGHT.items()
    }
    stack = raw(new_stack, roles)
    # As the page says, a role that the stack only reads is not checked.
    everybody = json.dumps(trust(Principal="*"))
    aws.iam.create_role(RoleName="qbusiness-read", AssumeRolePolicyDocument=everybody)
    stack.write_program(f'{stack.program}\naws.iam.Role.get("read", "qbusiness-read")\n')
    exit_code, text = up(stack, pack)
    assert exit_code == 0, text
    assert rules_by_role(stack, "mandatory") == {}
    assert rules_by_role(stack, "advisory") == {
        name: rules for name, (_, rules) in RIGHT.items() if rules
    }
    assert len(aws.roles()) == len(RIGHT) + 1
    record_property("figure", {"right, let through": dict.fromkeys(RIGHT, 1)})


def test_the_stack_of_this_project_passes(new_stack: NewStack, pack: Path):
    own = {"secretId": SECRET_ID, "kmsKeyId": KEY_ID}
    data_sources = {
        "default": own,
        "index": {**own, "ingestScope": "index"},
        "files": {"connector": "s3-v1", "bucketName": "example-documents", "kmsKeyId": KEY_ID},
    }
    top = {name: value for name, value in REQUIRED.items() if name != "secretId"}
    stack = new_stack({**top, "exclusivePolicies": True, "dataSources": data_sources})
    exit_code, text = up(stack, pack)
    assert exit_code == 0, text
    assert rules_by_role(stack, "mandatory") == {}
    assert rules_by_role(stack, "advisory") == {"index": {"ingest"}}


def test_value_unknown_in_preview_is_checked_in_update(new_stack: NewStack, aws: Aws, pack: Path):
    unknown = PROGRAM.replace(
        'document = declared["policy"]',
        'other = aws.iam.Policy("other", policy=declared["policy"])\n'
        '    document = other.arn.apply(lambda _: declared["policy"])',
    )
    stack = raw(new_stack, {"role": Declared(policy=ANY_SECRET)}, program=unknown)
    exit_code, text = up(stack, pack)
    assert exit_code != 0
    assert text.count("allows secretsmanager:GetSecretValue on") == 1
    # As the page says, this is too late: values that the preview does not know are checked after
    # creation.
    assert aws.roles() == ["qbusiness-0"]


def test_allowed_account_tells_account_of_new_role(new_stack: NewStack, aws: Aws, pack: Path):
    its_trust, its_policy = (
        json.dumps(each).replace(ACCOUNT, OTHER_ACCOUNT) for each in (TRUST, POLICY)
    )
    program = PROGRAM.format(roles=json.dumps({"role": Declared(its_trust, its_policy).as_text(0)}))
    stack = new_stack({"aws:region": REGION, "aws:allowedAccountIds": [ACCOUNT]}, program)
    exit_code, _ = up(stack, pack)
    assert exit_code != 0
    assert rules_by_role(stack, "mandatory") == {"role": {"trust-account", "trust-application"}}
    assert aws.roles() == []


def test_undeclared_policies_do_not_stop_import_of_roles(new_stack: NewStack, aws: Aws, pack: Path):
    for name in ("qbusiness-shared", "qbusiness-owned"):
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        aws.iam.put_role_policy(
            RoleName=name, PolicyName="console", PolicyDocument=json.dumps(ANY_SECRET)
        )
    stack = raw(new_stack, {}, {"inside": {"inline": [POLICY]}})
    stack.write_program(stack.program + ADOPTED)
    exit_code, text = up(stack, pack)
    assert exit_code == 0, text
    assert rules_by_role(stack, "mandatory") == {}
    assert rules_by_role(stack, "advisory") == {"shared": {"undeclared"}, "owned": {"undeclared"}}
    assert "console" in aws.role_policies("qbusiness-shared")
    assert "console" not in aws.role_policies("qbusiness-owned")
    stack.operate("refresh", "--yes")
    stack.preview("--policy-pack", str(pack))
    assert rules_by_role(stack, "mandatory") == {}
    assert rules_by_role(stack, "advisory") == {"shared": {"undeclared"}}


def test_manually_widened_role_is_found_in_refreshed_state(
    new_stack: NewStack, aws: Aws, pack: Path, tmp_path: Path
):
    stack = new_stack(REQUIRED)
    stack.up()
    stack.write_program("raise NotImplementedError")
    role = stack.outputs()["roleName"]
    (own,) = aws.role_policies(role)
    for name in (own, "by-hand"):
        aws.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(ANY_SECRET))

    def analyze(*source: str) -> tuple[int, list[str]]:
        done = stack.run("policy", "analyze", "--policy-pack", str(pack), *source, check=False)
        return done.returncode, re.findall(r"- \[(.*?)\]  (\S+)", done.stdout)

    # The state contains only the values that an update or a refresh has read.
    assert analyze("--stack", stack.name) == (0, [])
    stack.operate("refresh", "--yes")
    exit_code, found = analyze("--stack", stack.name)
    assert exit_code != 0
    assert found == [("mandatory", "secret"), ("advisory", "undeclared")]
    file = tmp_path / "state.json"
    stack.run("stack", "export", "--stack", stack.name, "--file", str(file))
    assert analyze("--file", str(file)) == (exit_code, found)


def test_preview_lists_undeclared_policies_to_be_removed(new_stack: NewStack, aws: Aws, pack: Path):
    stack = new_stack(REQUIRED)
    stack.up()
    own = {"RoleName": stack.outputs()["roleName"], "PolicyName": "by-hand"}
    aws.iam.put_role_policy(**own, PolicyDocument=json.dumps(ANY_SECRET))
    stack.configure({**REQUIRED, "exclusivePolicies": True})
    preview = stack.preview("--policy-pack", str(pack))
    (shown,) = blocks("text", prose("exclusivePolicies", PROJECT / "docs" / "configuration.md"))
    assert indent(shown, " " * 8) in preview.text


def test_preview_names_declared_policy_to_be_removed(new_stack: NewStack, pack: Path):
    page = PROJECT / "docs" / "own-project.md"
    (role,) = blocks("python", prose("Use the component in your own program", page))
    section = prose("Add a policy of your own", page)
    policy_of_page, _ = blocks("python", section)
    program = role.replace("qbusiness_connector", "components") + policy_of_page
    exclusive = program.replace('"secret_id"', '"exclusive_policies": True, "secret_id"')
    stack = new_stack({"aws:region": REGION}, exclusive)
    (shown,) = blocks("text", section)
    assert indent(shown, " " * 8) in stack.preview("--policy-pack", str(pack)).text
    stack.write_program(program)
    stack.preview("--policy-pack", str(pack))
    assert rules_by_role(stack, "advisory") == {}


# The page.

PAGE: Final = PROJECT / "docs" / "guardrails.md"


EXAMPLE: Final = """
import json

import pulumi_aws as aws

service = {"Service": "qbusiness.amazonaws.com"}
trust = {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}
secrets = "arn:aws:secretsmanager:us-east-1:111122223333:secret:*"
statements = [
    {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secrets},
    {"Sid": "Documents", "Effect": "Allow", "Action": "s3:*", "Resource": "*"},
]
role = aws.iam.Role(
    "role",
    name="qbusiness-connector",
    assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
)
policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
aws.iam.RolePolicy("policy", role=role.name, policy=policy)
"""
"""A role like the ones in many templates."""


def test_guardrails_page_shows_part_of_report_on_example(new_stack: NewStack, pack: Path):
    stack = new_stack({"aws:region": REGION}, EXAMPLE)
    preview = stack.preview("--policy-pack", str(pack), check=False)
    assert preview.exit_code != 0
    shown = preview.text[preview.text.index("Policies:") :]
    # The pack's directory, the project, and the stack have different names here.
    shown = shown.replace(str(pack), "guardrails").replace(stack.name, "dev")
    shown = shown.replace("qbusiness-aem-connector", "PROJECT")
    shown = "\n".join(line.rstrip() for line in shown.splitlines())
    (expected,) = blocks("text", PAGE.read_text())
    first, second = expected.split("...\n")
    assert shown.startswith(first)
    assert second in shown
    assert shown.count("[mandatory]") == 4


def test_table_on_guardrails_page_contains_every_rule():
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (mandatory|advisory) \| (.*?) \|", PAGE.read_text(), re.MULTILINE
    )
    assert rows == [
        (rule.name, "advisory" if rule.advisory else "mandatory", rule.description.rstrip("."))
        for rule in RULES
    ]


def test_levels_and_exceptions_are_configurable(new_stack: NewStack, pack: Path, tmp_path: Path):
    roles = {"role": Declared(policy=ANY_SECRET), "other": Declared(trust(Condition=None), ANY_SECRET)}
    stack = raw(new_stack, roles)
    (configuration,) = blocks("json", PAGE.read_text())
    assert configuration.count("urn:pulumi:prod::other-project::") == 1
    urn = f"urn:pulumi:{stack.name}::{PROJECT_NAME}::"
    file = tmp_path / "config.json"
    settings = json.loads(configuration.replace("urn:pulumi:prod::other-project::", urn))
    settings["policies"]["trust-account"] = "disabled"
    file.write_text(json.dumps(settings))
    exit_code, _ = up(stack, pack, "--policy-pack-config", str(file))
    assert exit_code != 0
    assert rules_by_role(stack, "mandatory") == {"other": {"secret"}}
    assert rules_by_role(stack, "advisory") == {"other": {"trust-application"}}
