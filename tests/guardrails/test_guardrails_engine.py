"""Tests `guardrails/__main__.py` on the engine."""

import json
import re
import shutil
import subprocess
import tarfile
from collections import defaultdict
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
from rules import RULES

from pages.examples import ACCOUNT, APPLICATION_ARN, INDEX_ID, OTHER_ACCOUNT, REGION, SECRET_ID
from sandbox.environment import PROJECT
from tests.guardrails.guardrail_roles import POLICY, SECRETS, TOO_WIDE, TRUST, Declared, policy, trust
from tests.helpers.installing import VERSION
from tests.helpers.loopback import Handler, serving
from tests.helpers.page import blocks, prose, with_values
from tests.helpers.processes import run
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import PROJECT_NAME, REQUIRED

PAGE: Final = PROJECT / "docs" / "guardrails.md"
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
        aws.iam.RolePolicy(f"{{name}}-policy", name=declared["name"], role=role.name, policy=document)
    if arn := declared["attached"]:
        aws.iam.RolePolicyAttachment(f"{{name}}-other", role=role.name, policy_arn=arn)
    if arns := declared["exclusively"]:
        aws.iam.RolePolicyAttachmentsExclusive(f"{{name}}-others", role_name=role.name, policy_arns=arns)
"""
ADOPTED: Final = f"""
import pulumi
from components.connector_role import ConnectorRole

def keep(resource):
    if resource.type_ == "aws:iam/role:Role":
        resource.opts.import_ = resource.props["name"]
        resource.opts.ignore_changes = ["forceDetachPolicies"]
        return pulumi.ResourceTransformResult(resource.props, resource.opts)

for name, exclusive in (("shared", False), ("owned", True)):
    given = { {"application_id": APPLICATION_ARN, "index_id": INDEX_ID, "secret_id": SECRET_ID} }
    given |= dict(role_name="qbusiness-" + name, exclusive_policies=exclusive)
    ConnectorRole(name, given, pulumi.ResourceOptions(transforms=[keep]))
"""
"""The import of two roles; the stack owns all of the second role's policies."""
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
"""A role like those in many published templates."""


def program(roles: Mapping[str, Declared]) -> str:
    """Return a program that declares roles without ConnectorRole, as many published templates do."""
    numbered = enumerate(roles.items())
    texts = {name.replace(" ", "_"): declared.as_text(number) for number, (name, declared) in numbered}
    return PROGRAM.format(roles=json.dumps(texts))


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the pack to a temporary directory, and link the copy's `venv` to the project's."""
    copy = tmp_path_factory.mktemp("guardrails") / "pack"  # a short path, which Pulumi shows in full
    shutil.copytree(PROJECT / "guardrails", copy, ignore=shutil.ignore_patterns("venv", "__pycache__"))
    (copy / "venv").symlink_to(PROJECT / "venv")
    return copy


def up(stack: Stack, pack: Path, *options: str) -> tuple[int, str]:
    done = stack.operate("up", "--yes", "--policy-pack", str(pack), *options, check=False)
    return done.exit_code, done.text


def rules(stack: Stack, level: str) -> dict[str, set[str]]:
    """Return the rules violated in the last operation, by role; omit violations that have exceptions."""
    found: dict[str, set[str]] = defaultdict(set)
    for event in map(json.loads, (stack.directory / "events.json").read_text().splitlines()):
        violation = event.get("policyEvent", {})
        if violation.get("enforcementLevel") == level and not violation.get("exceptions"):
            role = violation["resourceUrn"].rpartition("::")[2].partition("-")[0].replace("_", " ")
            found[role].add(violation["policyName"])
    return found


def test_each_mandatory_rule_prevents_role_creation(
    new_stack: NewStack, aws: Aws, pack: Path, tmp_path: Path
):
    # For each mandatory rule, use the first role that violates it. Add all roles with managed policies.
    mandatory = {rule.name for rule in RULES if not rule.advisory}
    first = {next(name for name, it in TOO_WIDE.items() if rule in it[1]) for rule in mandatory}
    roles = {
        name: (declared, expected)
        for name, (declared, expected) in TOO_WIDE.items()
        if name in first or declared.managed or declared.attached or declared.exclusively
    }
    # Only the provider's configuration contains the account of a new role.
    its_trust, its_policy = (
        json.dumps(each).replace(ACCOUNT, OTHER_ACCOUNT) for each in (TRUST, POLICY)
    )
    roles["abroad"] = (Declared(its_trust, its_policy), {"trust-account", "trust-application"})
    declared = {name: each for name, (each, _) in roles.items()}
    settings = {"aws:region": REGION, "aws:allowedAccountIds": [ACCOUNT]}
    stack = new_stack(settings, program(declared))
    exit_code, text = up(stack, pack)
    assert exit_code != 0
    assert rules(stack, "mandatory") == {name: expected for name, (_, expected) in roles.items()}
    assert rules(stack, "advisory") == {}
    assert text.count("  fix: ") == text.count("[mandatory]")
    assert (aws.roles(), stack.resources()) == ([], [])

    # Test the levels and exceptions on the page, and compare the report on EXAMPLE with the page's.
    pair = {"role": Declared(policy=ANY_SECRET), "other": Declared(trust(Condition=None), ANY_SECRET)}
    stack.write_program(program(pair))
    (configuration,) = blocks("json", PAGE.read_text())
    urn = f"urn:pulumi:{stack.name}::{PROJECT_NAME}::"
    given = json.loads(configuration.replace("urn:pulumi:prod::other-project::", urn))
    given["policies"]["trust-account"] = "disabled"
    file = tmp_path / "config.json"
    file.write_text(json.dumps(given))
    exit_code, _ = up(stack, pack, "--policy-pack-config", str(file))
    assert exit_code != 0
    assert rules(stack, "mandatory") == {"other": {"secret"}}
    assert rules(stack, "advisory") == {"other": {"trust-application"}}

    stack.configure({"aws:region": REGION})
    stack.write_program(EXAMPLE)
    preview = stack.preview("--policy-pack", str(pack), check=False)
    assert preview.exit_code != 0
    # The names of the pack's directory, the project, and the stack differ from those on the page.
    names = {str(pack): "guardrails", stack.name: "dev", PROJECT_NAME: "PROJECT"}
    shown = preview.text[preview.text.index("Policies:") :]
    for name, on_page in names.items():
        shown = shown.replace(name, on_page)
    shown = "\n".join(line.rstrip() for line in shown.splitlines())
    first, second = blocks("text", PAGE.read_text())[0].split("...\n")
    assert shown.startswith(first)
    assert second in shown
    assert shown.count("[mandatory]") == 4


def test_imports_pass_and_unknown_values_are_checked_later(new_stack: NewStack, aws: Aws, pack: Path):
    for name in ("qbusiness-shared", "qbusiness-owned"):
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        document = json.dumps(ANY_SECRET)
        aws.iam.put_role_policy(RoleName=name, PolicyName="console", PolicyDocument=document)
    stack = new_stack({"aws:region": REGION}, program({"whole": Declared()}) + ADOPTED)
    exit_code, text = up(stack, pack)
    assert exit_code == 0, text
    assert rules(stack, "mandatory") == {}
    assert rules(stack, "advisory") == {"shared": {"undeclared"}, "owned": {"undeclared"}}
    assert "console" in aws.role_policies("qbusiness-shared")
    assert "console" not in aws.role_policies("qbusiness-owned")

    # As documented, values that are unknown in a preview are checked after the resources are created.
    unknown = PROGRAM.replace(
        'document = declared["policy"]',
        'other = aws.iam.Policy("other", policy=declared["policy"])\n'
        '    document = other.arn.apply(lambda _: declared["policy"])',
    )
    late = Declared(policy=ANY_SECRET).as_text(1)
    stack.write_program(unknown.format(roles=json.dumps({"late": late})))
    exit_code, text = up(stack, pack)
    assert exit_code != 0
    assert text.count("allows secretsmanager:GetSecretValue on") == 1
    assert "qbusiness-1" in aws.roles()


def test_stack_of_the_component_passes_until_policies_change(
    new_stack: NewStack, aws: Aws, pack: Path, tmp_path: Path
):
    stack = new_stack({**REQUIRED, "ingestScope": "index"})
    exit_code, text = up(stack, pack)
    assert exit_code == 0, text
    assert rules(stack, "mandatory") == {}
    assert [*rules(stack, "advisory").values()] == [{"ingest"}]
    stack.configure(REQUIRED)
    stack.up()
    role = stack.outputs()["roleName"]
    (own,) = aws.role_policies(role)
    widened = json.dumps(ANY_SECRET)
    aws.iam.put_role_policy(RoleName=role, PolicyName="by-hand", PolicyDocument=widened)

    stack.configure({**REQUIRED, "exclusivePolicies": True})
    preview = stack.preview("--policy-pack", str(pack))
    assert "the role has the inline policy by-hand, which this stack does not declare" in preview.text

    def analyze(*source: str) -> tuple[int, list[str]]:
        done = stack.run("policy", "analyze", "--policy-pack", str(pack), *source, check=False)
        return done.returncode, re.findall(r"- \[(.*?)\]  (\S+)", done.stdout)

    # The state contains only values from updates and refreshes.
    stack.configure(REQUIRED)
    aws.iam.put_role_policy(RoleName=role, PolicyName=own, PolicyDocument=widened)
    assert analyze("--stack", stack.name) == (0, [])
    stack.operate("refresh", "--yes")
    exit_code, found = analyze("--stack", stack.name)
    assert exit_code != 0
    assert found == [("mandatory", "secret"), ("advisory", "undeclared")]
    file = tmp_path / "state.json"
    stack.run("stack", "export", "--stack", stack.name, "--file", str(file))
    assert analyze("--file", str(file)) == (exit_code, found)

    # An exclusive resource would remove the policy that the page adds.
    page = PROJECT / "docs" / "own-project.md"
    (declaration,) = blocks("python", prose("Use the component in your own program", page))
    section = prose("Add a policy of your own", page)
    (policy_of_page,) = blocks("python", section)
    text = declaration.replace("qbusiness_connector", "components") + policy_of_page
    stack.write_program(text.replace('"secret_id"', '"exclusive_policies": True, "secret_id"'))
    warned = stack.preview("--policy-pack", str(pack), check=False).text
    assert "inline policy proxy to the role, but a RolePoliciesExclusive removes the policy" in warned
    stack.write_program(text)
    stack.preview("--policy-pack", str(pack), check=False)
    assert "exclusive" not in {rule for found in rules(stack, "advisory").values() for rule in found}


def test_commands_on_page_publish_all_files_of_the_pack_and_add_it_to_a_group(
    environment: dict[str, str], tmp_path: Path
):
    requests: dict[tuple[str, str], bytes] = {}

    class PulumiCloud(Handler):
        """Accept every request as Pulumi Cloud does; see Pulumi's pkg/backend/httpstate/client."""

        def do_GET(self) -> None:  # noqa: N802 http.server calls it
            requests[self.command, self.path] = self.body()
            upload = f"http://{self.headers['Host']}/upload"
            response = {"githubLogin": "user", "uploadURI": upload}
            self.answer(200, json.dumps(response).encode(), {"Content-Type": "application/json"})

        do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815

    clone = tmp_path / "clone"
    shutil.copytree(PROJECT / "guardrails", clone / "guardrails", ignore=shutil.ignore_patterns("venv"))
    (clone / "guardrails" / "venv").symlink_to(PROJECT / "venv")
    shutil.copy(PROJECT / ".gitignore", clone)
    (configuration,) = blocks("json", PAGE.read_text())
    (clone / "guardrails.json").write_text(configuration)
    (script,) = blocks("sh", prose("Enforce the pack for every stack", PAGE))
    script = with_values(script, {"VERSION": VERSION}).replace("pulumi install &&", "")
    with serving(PulumiCloud) as address:
        variables = {
            "PULUMI_BACKEND_URL": address,
            "PULUMI_ACCESS_TOKEN": "token",
            "PULUMI_HOME": str(tmp_path),
        }
        run(clone, ("bash", "-euc", script), {**environment, **variables}, check=True)

    published = json.loads(requests["POST", "/api/orgs/acme/policypacks"])
    assert (published["name"], published["versionTag"]) == ("qbusiness-roles", VERSION)
    assert {policy["name"] for policy in published["policies"]} == {
        "declared",
        *(rule.name for rule in RULES),
    }
    listed = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT / "guardrails", check=True, capture_output=True, text=True
    )
    with tarfile.open(fileobj=BytesIO(requests["PUT", "/upload"])) as archive:
        names = archive.getnames()
    assert sorted(names) == sorted(f"package/{name}" for name in listed.stdout.splitlines())
    added = json.loads(requests["PATCH", "/api/orgs/acme/policygroups/connectors"])["addPolicyPack"]
    assert (added["name"], added["versionTag"]) == ("qbusiness-roles", VERSION)
    levels = {"all": {"enforcementLevel": "advisory"}, "secret": {"enforcementLevel": "mandatory"}}
    assert added["config"] == levels


def test_table_on_guardrails_page_contains_every_rule():
    assert re.findall(r"\n\| `([a-z-]+)` \| (mandatory|advisory) \| (.*?) \|", PAGE.read_text()) == [
        (rule.name, "advisory" if rule.advisory else "mandatory", rule.description.rstrip("."))
        for rule in RULES
    ]
