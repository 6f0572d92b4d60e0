"""Tests `examples/ci-roles/`, `pages/connector_policy.py`, and `pages/statements.py`."""

import importlib
import itertools
import json
import re
import runpy
import shutil
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pulumi
import pytest
import yaml

from pages.examples import ACCOUNT
from sandbox.environment import PROJECT
from tests.authorization.simulator import ask
from tests.helpers.boundary import boundary
from tests.helpers.mocked import STACK, Deployment
from tests.helpers.page import blocks, read_actions
from tests.helpers.recorder import recorder
from tests.helpers.stacks import DESTROY, OTHER_ACCOUNT, UP, Aws, NewStack, running_provider
from tests.helpers.support import PROJECT_NAME, REQUIRED, as_pulumi_config

EXAMPLE = PROJECT / "examples" / "ci-roles"
MANIFEST: dict[str, Any] = yaml.safe_load((EXAMPLE / "Pulumi.yaml").read_text())
SETTINGS: dict[str, Any] = {
    key.replace("qbusiness-ci-roles:", ""): value
    for key, value in yaml.safe_load((EXAMPLE / "Pulumi.example.yaml").read_text())["config"].items()
}
# One of these names is a prefix of another.
STACKS = ("staging", "prod", "prod-eu")
PATHS: dict[str, dict[str, Any]] = {stack: {"rolePath": f"/connectors/{stack}/"} for stack in STACKS}
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/connector-boundary-prod"
BUCKET = f"arn:aws:s3:::{SETTINGS['stateBucket']}"
ISSUER = "token.actions.githubusercontent.com"
EVERYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


class Program(Deployment):
    """A run of the example without an engine; by default, each environment has secrets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, partition: str = "aws", **changed: Any) -> None:
        settings = {
            key: each["default"] for key, each in MANIFEST["config"].items() if "default" in each
        }
        settings |= SETTINGS
        settings["environments"] = {
            stack: {**path, "secrets": f"qbusiness/{stack}/*"} for stack, path in PATHS.items()
        }
        config = {
            key if ":" in key else f"{PROJECT_NAME}:{key}": value
            for key, value in {**settings, **changed}.items()
        }
        monkeypatch.setenv("PULUMI_CONFIG", as_pulumi_config(config))
        monkeypatch.syspath_prepend(EXAMPLE)
        for module in ("policies", "settings"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        self.exported: dict[str, Any] = {}
        super().__init__(self._run_program, partition=partition)

    def _run_program(self) -> None:
        runpy.run_path(str(EXAMPLE / "__main__.py"))
        stack: Any = pulumi.runtime.get_root_resource()
        self.exported = stack.outputs

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Return the permissions of a role, such as `deploy-prod`."""
        texts = (
            each.inputs["policy"]
            for each in self.registrations
            if re.fullmatch(rf"connector-ci-{role}(-\d+)?", each.name) and "policy" in each.inputs
        )
        return [each for text in texts for each in json.loads(text)["Statement"]]

    def named(self, name: str) -> Mapping[str, Any]:
        """Return the inputs of the role or policy with this name in AWS."""
        return next(each.inputs for each in self.registrations if each.inputs.get("name") == name)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    program = Program(monkeypatch)
    assert program.error is None
    return program


def decisions(
    statements: list[dict[str, Any]],
    requests: Iterable[tuple[str, str]],
    context: Mapping[str, object],
    principal: str | None = None,
    **policies: Any,
) -> list[str]:
    """Return the simulator's decisions on requests, which are pairs of an action and a resource."""
    asked = [
        {"action": action, "resource": resource, "context": {**context}, "principal": principal}
        for action, resource in requests
    ]
    policies["policy"] = {"Version": "2012-10-17", "Statement": statements}
    (answer,) = ask([{**policies, "requests": asked}])
    return answer["decisions"]


def role_arn(environment: str, name: str = "wiki-qbusiness-role-1234567") -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/connectors/{environment}/{name}"


def secret_arn(name: str, account: str = ACCOUNT, region: str = "us-east-1") -> str:
    return f"arn:aws:secretsmanager:{region}:{account}:secret:{name}"


def key_arn(number: int) -> str:
    return f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-12345678900{number}"


def state_objects(stack: str) -> list[str]:
    """Return the S3 objects that an update of a stack writes, including compressed ones."""
    checkpoint = f"{BUCKET}/.pulumi/stacks/{PROJECT_NAME}/{stack}.json"
    return [
        *(f"{checkpoint}{ending}" for ending in ("", ".bak", ".gz", ".zst")),
        f"{BUCKET}/.pulumi/backups/{PROJECT_NAME}/{stack}/{stack}.1795684812150126764.json",
        f"{BUCKET}/.pulumi/history/{PROJECT_NAME}/{stack}/{stack}-1795684812133281807.history.json",
        f"{BUCKET}/.pulumi/locks/organization/{PROJECT_NAME}/{stack}/4b1a.json",
    ]


# Trust policies.


def test_each_role_trusts_only_its_jobs(program: Program):
    repository = f"repo:{SETTINGS['repository']}"
    main = f"{repository}:ref:refs/heads/main"
    for environment in STACKS:
        for kind, subjects in (
            ("deploy", [f"{repository}:environment:{environment}"]),
            ("preview", [f"{repository}:pull_request", main]),
            ("audit", [main]),
        ):
            name = f"connector-ci-{kind}-{environment}"
            assert program.exported[f"{kind}Roles"][environment] == f"arn:aws:iam::{ACCOUNT}:role/{name}"
            (statement,) = json.loads(program.named(name)["assumeRolePolicy"])["Statement"]
            assert statement == {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": subjects}
                },
            }


def test_existing_oidc_provider_is_used(program: Program, monkeypatch: pytest.MonkeyPatch):
    kind = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    (created,) = program.of_type(kind)
    assert created.inputs == {"url": f"https://{ISSUER}", "clientIdLists": ["sts.amazonaws.com"]}
    existing = Program(monkeypatch, createOidcProvider=False)
    assert existing.of_type(kind) == []
    assert existing.named("connector-ci-deploy-prod") == program.named("connector-ci-deploy-prod")


# Permissions.


def test_every_arn_is_in_partition_of_credentials(monkeypatch: pytest.MonkeyPatch):
    reads = {"secrets": ["wiki"], "buckets": ["docs"], "keys": ["alias/wiki"]}
    environments = {"prod": {"rolePath": "/connectors/prod/", **reads}}
    program = Program(monkeypatch, "aws-us-gov", environments=environments, kmsKeyArn="")
    assert program.error is None
    written = json.dumps([program.exported, *(each.inputs for each in program.registrations)])
    assert {*re.findall(r"\barn:([\w-]+):", written)} == {"aws-us-gov"}


def test_boundary_has_exactly_the_actions_of_connectors():
    def actions(policy: dict[str, Any]) -> set[str]:
        return {action for statement in policy["Statement"] for action in statement["Action"]}

    widest = json.loads((PROJECT / "guardrails" / "connector_policy.json").read_text())["policy"]
    of_all = actions(boundary(secrets=["x/*"], buckets=["docs"], keys=["alias/x"]))
    assert of_all == actions(widest), "examples/ci-roles/policies.py: render_boundary()"
    assert "*" not in "".join(of_all)


# The actions that the AWS provider uses for a role and its inline policies.
READ = {"iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"}
GIVING = {
    *("iam:CreateRole", "iam:PutRolePermissionsBoundary"),
    *("iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"),
}
REMOVING = {"iam:DeleteRolePermissionsBoundary"}
# The stack never attaches managed policies; with exclusivePolicies, it detaches them.
WRITE = {
    *("iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:TagRole", "iam:UntagRole"),
    *("iam:ListInstanceProfilesForRole", "iam:UpdateRole", "iam:UpdateRoleDescription"),
    *(*GIVING, *REMOVING),
}


@pytest.mark.parametrize("limit", [f"arn:aws:iam::{ACCOUNT}:policy/their-boundary", ""])
def test_deploy_and_preview_roles_allow_exactly_provider_calls(
    monkeypatch: pytest.MonkeyPatch, limit: str
):
    program = Program(
        monkeypatch,
        environments=PATHS,
        permissionsBoundaryArn=limit,
        requirePermissionsBoundary=bool(limit),
    )
    assert program.exported["boundaries"].get("prod", "") == limit
    for role, called in (
        ("deploy-prod", READ | WRITE - (REMOVING if limit else set())),
        ("preview-prod", READ),
    ):
        statements = program.statements(role)
        granted = {action for statement in statements for action in statement["Action"]}
        assert {action for action in granted if action.startswith("iam:")} == called
        context = {"iam:PermissionsBoundary": limit} if limit else {}
        requests = [(action, role_arn("prod")) for action in sorted(called)]
        assert {*decisions(statements, requests, context)} == {"Allowed"}


def test_audit_role_can_audit_check_and_preview(program: Program):
    roles, missing, *preview = program.statements("preview-prod")
    *state, last, accounts = program.statements("audit-prod")
    assert state == preview
    assert last["Resource"] == ["*"]
    assert set(last["Action"]) == read_actions("Audit") | read_actions("Check")
    assert set(last["Action"]) >= {*roles["Action"], *missing["Action"]}
    # The other statement in docs/read-permissions.md is only for --organization.
    *_, caller = blocks("json", (PROJECT / "docs" / "read-permissions.md").read_text())
    (shown, _) = json.loads(caller)["Statement"]
    assert accounts == {**shown, "Action": [shown["Action"]], "Resource": [shown["Resource"]]}


class Row(NamedTuple):
    """Requests that IAM allows or denies for each of the roles."""

    roles: str
    actions: set[str]
    resources: list[str]
    context: Mapping[str, object] = MappingProxyType({"iam:PermissionsBoundary": BOUNDARY})


STATE = {"s3:DeleteObject", "s3:GetObject", "s3:PutObject"}
POLICIES = {
    *("iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy"),
    *("iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion"),
}
DEPLOY, PREVIEW = "deploy-prod", "preview-prod"
CONNECTOR = "connector"
"""A connector's role. A deployment can grant this role all permissions in its boundary."""
READERS = f"{PREVIEW} audit-prod"
EVERY = f"{DEPLOY} {READERS}"
OWN = [role_arn("prod"), f"arn:aws:iam::{ACCOUNT}:role/service-role/QBusiness-DataSource-a1b2c"]
MISSING = [
    f"arn:aws:iam::{ACCOUNT}:role/{name}"
    for name in ("wiki-qbusiness-role-1234567", "QBusiness-DataSource-a1b2c")
]
ITSELF = f"arn:aws:iam::{ACCOUNT}:role/connector-ci-deploy-prod"
OTHERS = [
    *(role_arn("staging", "wiki"), role_arn("prod-eu", "wiki"), ITSELF),
    f"arn:aws:iam::{ACCOUNT}:role/admin",
    f"arn:aws:iam::{OTHER_ACCOUNT}:role/connectors/prod/x",
]
OWN_STATE = state_objects("prod")
OTHER_STATES = [*state_objects("staging"), *state_objects("prod-eu")]
OF_ALL_STACKS = [f"{BUCKET}/.pulumi/meta.yaml", OWN_STATE[0].replace("json", "pulumi-tags")]
STATE_KEY = [SETTINGS["kmsKeyArn"]]
READ_SECRET, DECRYPT = {"secretsmanager:GetSecretValue"}, {"kms:Decrypt"}
READS = {
    "secrets": ["qbusiness/prod/*", "wiki", "jira-a1B2c3", "ab-c", secret_arn("abroad", OTHER_ACCOUNT)],
    "buckets": ["docs"],
    "keys": [key_arn(1), "alias/qbusiness"],
}
# A name that ends with a hyphen and six characters can include Secrets Manager's suffix.
READ_SECRETS = [
    *(
        secret_arn(f"{name}-a1B2c3")
        for name in ("qbusiness/prod/x", "wiki", "jira", "jira-a1B2c3", "ab-c")
    ),
    *(secret_arn("wiki-c3D4e5", region="eu-west-1"), secret_arn("abroad-a1B2c3", OTHER_ACCOUNT)),
]
OTHER_SECRETS = [
    *(secret_arn(f"{name}-c3D4e5") for name in ("qbusiness/staging/x", "wiki-admin", "x/wiki", "jira")),
    *(
        secret_arn("qbusiness/prod/x-a1B2c3", OTHER_ACCOUNT),
        secret_arn("abroad-a1B2c3"),
        secret_arn("ab-c"),
    ),
]
VIA: dict[str, object] = {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}
ALLOWED = [
    Row(f"{DEPLOY} {PREVIEW}", READ, [*OWN, *MISSING]),
    Row(DEPLOY, WRITE - REMOVING, OWN),
    Row(DEPLOY, STATE, OWN_STATE),
    Row("deploy-prod-eu", STATE, state_objects("prod-eu")),
    Row(EVERY, {"s3:GetObject"}, [OWN_STATE[0], *OF_ALL_STACKS]),
    Row(EVERY, {"s3:ListBucket"}, [BUCKET]),
    Row(EVERY, DECRYPT, STATE_KEY),
    Row(DEPLOY, {"kms:Encrypt"}, STATE_KEY),
    Row(CONNECTOR, READ_SECRET, READ_SECRETS),
    Row(CONNECTOR, {"s3:GetObject"}, ["arn:aws:s3:::docs/a"]),
    Row(CONNECTOR, {"s3:ListBucket"}, ["arn:aws:s3:::docs"]),
    Row(CONNECTOR, DECRYPT, [key_arn(1)], VIA),
    Row(CONNECTOR, DECRYPT, [key_arn(2)], VIA | {"kms:ResourceAliases": ["alias/x", "alias/qbusiness"]}),
]
DENIED = [
    Row(f"{DEPLOY} {PREVIEW}", WRITE, MISSING),
    Row(f"{DEPLOY} {PREVIEW}", READ | WRITE, OTHERS),
    Row(READERS, WRITE, OWN),
    Row(DEPLOY, REMOVING, OWN),
    *(
        Row(DEPLOY, GIVING | REMOVING, OWN, {"iam:PermissionsBoundary": other} if other else {})
        for other in ("", f"{BOUNDARY}-2", "arn:aws:iam::aws:policy/AdministratorAccess")
    ),
    Row(EVERY, POLICIES, [BOUNDARY, f"{BOUNDARY}-1"]),
    Row(EVERY, {"iam:AttachRolePolicy", "iam:DetachRolePolicy", *GIVING}, [ITSELF]),
    Row(EVERY, {"iam:AttachRolePolicy", "iam:PassRole", *REMOVING}, OWN),
    Row(f"{EVERY} {CONNECTOR}", {"sts:AssumeRole"}, [role_arn("staging")]),
    Row(EVERY, {*READ_SECRET, "secretsmanager:PutResourcePolicy"}, READ_SECRETS),
    Row(DEPLOY, STATE, OTHER_STATES),
    Row("deploy-prod-eu", STATE, OWN_STATE),
    Row(DEPLOY, STATE - {"s3:GetObject"}, OF_ALL_STACKS),
    Row(READERS, {"s3:PutObject"}, OWN_STATE),
    Row(READERS, {"kms:Encrypt"}, STATE_KEY),
    Row(CONNECTOR, READ_SECRET, OTHER_SECRETS),
    Row(CONNECTOR, {"s3:GetObject"}, ["arn:aws:s3:::docs-2/a"]),
    Row(CONNECTOR, {"s3:PutObject"}, ["arn:aws:s3:::docs/a"]),
    Row(CONNECTOR, DECRYPT, [key_arn(1)]),
    Row(CONNECTOR, DECRYPT, [key_arn(1)], {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}),
    Row(CONNECTOR, DECRYPT, [key_arn(2)], VIA | {"kms:ResourceAliases": ["alias/other"]}),
    Row(CONNECTOR, DECRYPT, [key_arn(2)], VIA),
    Row(CONNECTOR, {"iam:PassRole"}, OWN, {"iam:PassedToService": "ec2.amazonaws.com"}),
    Row(CONNECTOR, {"iam:PutRolePolicy"}, OWN),
    Row(CONNECTOR, {"ec2:CreateTags"}, [f"arn:aws:ec2:us-east-1:{ACCOUNT}:network-interface/eni-1"]),
]


@pytest.mark.parametrize("role", [*EVERY.split(), "deploy-prod-eu", CONNECTOR])
def test_each_role_has_exactly_the_permissions_in_the_table(monkeypatch: pytest.MonkeyPatch, role: str):
    environments = {stack: {**path, "secrets": "x"} for stack, path in PATHS.items()}
    environments["prod"] |= {**READS, "roleArns": OWN[1]}
    program = Program(monkeypatch, environments=environments)
    limit = json.loads(program.named("connector-boundary-prod")["policy"])
    policies = {"boundary": limit} if role == CONNECTOR else {}
    for rows, expected in ((ALLOWED, "Allowed"), (DENIED, "ImplicitlyDenied")):
        for row in (row for row in rows if role in row.roles.split()):
            requests = [*itertools.product(sorted(row.actions), row.resources)]
            statements = program.statements(role) or EVERYTHING
            decided = decisions(statements, requests, row.context, **policies)
            found = [each for each in zip(requests, decided, strict=True) if each[1] != expected]
            assert found == [], row


def test_only_deploy_roles_can_write_cross_account_state(program: Program):
    key = SETTINGS["kmsKeyArn"].replace(ACCOUNT, OTHER_ACCOUNT)
    staging, prod = state_objects("staging")[0], OWN_STATE[0]
    requests = [("s3:PutObject", staging), ("s3:PutObject", prod), ("kms:Encrypt", key)]
    # The role's policy allows all requests, so the bucket policy or the key policy decides.
    given = [*program.exported["bucketPolicyStatements"], *program.exported["keyPolicyStatements"]]
    for role, expected in (
        ("deploy-prod", {prod, key}),
        ("deploy-staging", {staging, key}),
        ("preview-prod", set[str]()),
    ):
        arn = f"arn:aws:iam::{ACCOUNT}:role/connector-ci-{role}"
        context = {"aws:PrincipalArn": arn, "aws:ResourceAccount": OTHER_ACCOUNT}
        trust = {"Version": "2012-10-17", "Statement": given}
        decided = decisions(EVERYTHING, requests, context, arn, trust=trust)
        allowed = ["Allowed" if each in expected else "ImplicitlyDenied" for _, each in requests]
        assert decided == allowed, role


def test_deploy_and_preview_roles_without_state_bucket_allow_only_iam(monkeypatch: pytest.MonkeyPatch):
    program = Program(monkeypatch, stateBucket="", kmsKeyArn="")
    for role in (DEPLOY, PREVIEW):
        granted = [each["Action"] for each in program.statements(role)]
        assert {action.partition(":")[0] for actions in granted for action in actions} == {"iam"}


# IAM's quotas.


def test_size_beyond_quota_is_rejected_before_anything_is_created(monkeypatch: pytest.MonkeyPatch):
    def imported(count: int, path: str) -> list[str]:
        """Return ARNs of console-created roles with names of the maximum length."""
        return [f"arn:aws:iam::{ACCOUNT}:role/{path}/{f'QBusiness-{n}-':x<64}" for n in range(count)]

    def run(**changed: Any) -> Program:
        secrets = {**PATHS["prod"], "secrets": "qbusiness/prod/*", **changed}
        return Program(monkeypatch, environments={"prod": secrets})

    most = run(roleArns=imported(40, "p" * 510))
    deploying = [
        each.inputs["policy"]
        for each in most.of_type("aws:iam/policy:Policy")
        if each.name.startswith("connector-ci-deploy")
    ]
    # IAM doesn't count whitespace toward the quota.
    assert [len("".join(policy.split())) <= 6_144 for policy in deploying] == [True] * 10
    attachments = most.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    attached = [each.inputs["role"] for each in attachments]
    assert attached.count("connector-ci-deploy-prod") == 10
    assert attached.count("connector-ci-preview-prod") == 5
    rejected = run(roleArns=imported(41, "p" * 510))
    assert str(rejected.error) == (
        "environments.prod.roleArns: 41 ARNs need 11 policies, but a role can have at most 10; "
        "nothing was created or changed\n"
        "  fix: divide the data sources between two stacks, each with its own environment"
    )
    assert rejected.registrations == []

    rejected = run(secrets=[f"wiki-{number:03}" for number in range(99)])
    assert re.match(
        r"environments\.prod: the boundary has \d+ characters, but IAM allows 6144; .*\n"
        r"  fix: replace names of secrets with patterns, such as qbusiness/prod/\*, ",
        str(rejected.error),
    )
    assert rejected.registrations == []


# The settings.


def test_ci_page_lists_every_setting_of_manifest_and_example():
    page = (PROJECT / "docs" / "ci.md").read_text()
    table = page.partition("| Setting | Value |")[2].partition("```")[0]
    listed = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)))
    required = MANIFEST["config"].keys() - {"requirePermissionsBoundary"}  # part of the boundary's row
    assert {*listed} == required
    assert {key for key in SETTINGS if ":" not in key} <= required


ARN = f"arn:aws:iam::{ACCOUNT}:"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:"
# For each setting, values in the right format and values in the wrong format.
FORMATS: dict[str, tuple[list[str], list[str]]] = {
    "repository": (["o/a.b_c-d", "octo-org@123456/connectors@456789"], ["o", "o/*", "o@1/r", "o/r@1"]),
    "permissionsBoundaryArn": ([f"arn:aws-cn:iam::{ACCOUNT}:policy/a/b/x"], [f"{ARN}policy/*"]),
    "project": (["a.b_c-d"], ["a/b", "é"]),
    "stateBucket": (["a.b", "a" * 63], ["a" * 64, "s3://abc", "ab*"]),
    "kmsKeyArn": ([f"{KEY}mrk-1"], [f"{KEY}*", f"{KEY[:-4]}alias/x"]),
    "environment": (["a_B-1", "e" * 43], ["e" * 44, "eu.prod"]),
    "rolePath": (
        [f"/{'p' * 510}/", "/service-roles/", "/a/service-role/"],
        ["/", "/a", "/*/", f"/{'p' * 511}/", "/service-role/", "/aws-service-role/x/"],
    ),
    "roleArns": ([f"{ARN}role/service-role/x"], [f"{ARN}role/*", f"{ARN}role/a/"]),
    "secrets": (["w?ki", f"{SECRET}wiki-*"], ["?iki", f"{SECRET}*", "${aws:username}"]),
    "buckets": (["a" * 63], ["a" * 64, "abc*", "s3://abc"]),
    "keys": (["alias/awsome", f"{KEY}1"], [f"{KEY}*", "alias/aws/s3", "alias/*"]),
}


def test_values_must_have_format_of_their_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    settings = importlib.import_module("settings")
    forms = {
        **settings.STRING_FORMATS,
        **settings.LIST_FORMATS,
        "environment": settings.ENVIRONMENT_NAME_FORMAT,
        "rolePath": settings.ROLE_PATH_FORMAT,
    }
    assert forms.keys() == FORMATS.keys()
    for name, (right, wrong) in FORMATS.items():
        assert [each for each in right if not forms[name].fits(each)] == [], name
        assert [each for each in [*wrong, f"{right[0]}\n", 1] if forms[name].fits(each)] == [], name


ROLES = f"{ARN}role"
ABROAD = f"arn:aws:iam::{OTHER_ACCOUNT}"
# Settings, the number of errors, and their messages.
PROBLEMS: list[tuple[dict[str, Any], str, str]] = [
    (
        {
            "repository": "octo-org@123456/connectors",
            "environments": {
                "eu.prod": {"rolePath": "/", "secrets": ["*"], "buckets": "b*"},
                "a": {"rolePath": "/a/", "roleArn": "x"},
                "b": {"rolePath": "/a/b/", "roleArns": f"{ABROAD}:role/x"},
                "c": {
                    "rolePath": "/c/",
                    "roleArns": [f"{ROLES}/a/x", f"{ROLES}/connector-ci-deploy-prod"],
                },
                "e": {"rolePath": "/e/f/", "roleArns": f"{ROLES}/g/x"},
                "f": {"rolePath": "/e/", "roleArns": [f"{ROLES}/e/its-own", f"{ROLES}/g-x"]},
                "g": {"rolePath": "/g/"},
                "h": None,
            },
            "permissionsBoundaryArn": "arn:aws:iam::aws:policy/AdministratorAccess",
            "kmsKeyArn": "alias/state",
            "stateBukcet": "state",
        },
        "17 errors",
        f"""\
            stateBukcet: is not a setting
            repository: "octo-org@123456/connectors" has the wrong format
            permissionsBoundaryArn: "arn:aws:iam::aws:policy/AdministratorAccess" has the wrong format
            fix: pulumi config set --stack {STACK} permissionsBoundaryArn POLICY_ARN
            environments.eu.prod.secrets[0]: "*" has the wrong format
            environments.eu.prod.buckets[0]: "b*" has the wrong format
            environments.eu.prod.secrets: has no effect with permissionsBoundaryArn
            kmsKeyArn: "alias/state" has the wrong format
            environments.eu.prod: "eu.prod" has the wrong format
            environments.eu.prod.rolePath: "/" has the wrong format
            environments.a.roleArn: is not a setting
            b.rolePath: "{ROLES}/a/b/*" overlaps with "{ROLES}/a/*", which belongs to a
            c.roleArns[0]: "{ROLES}/a/x" overlaps with "{ROLES}/a/*", which belongs to a
            c.roleArns[1]: "{ROLES}/connector-ci-deploy-prod" overlaps with
            f.rolePath: "{ROLES}/e/*" overlaps with "{ROLES}/e/f/*", which belongs to e
            g.rolePath: "{ROLES}/g/*" overlaps with "{ROLES}/g/x", which belongs to e
            environments.h.rolePath: is not set
            environments.b.roleArns[0]: "{ABROAD}:role/x" is not in {ACCOUNT}, the credentials' account
            fix: edit Pulumi.{STACK}.yaml
        """,
    ),
    (
        {"repository": "", "project": "", "environments": {}},
        "3 errors",
        "repository: is not set\nproject: is not set\nenvironments: is empty",
    ),
    (
        {
            "permissionsBoundaryArn": f"{ABROAD}:policy/x",
            "kmsKeyArn": SETTINGS["kmsKeyArn"].replace(ACCOUNT, OTHER_ACCOUNT),  # not an error
            "environments": PATHS,
        },
        "1 error",
        f"""\
            permissionsBoundaryArn: "{ABROAD}:policy/x" is not in {ACCOUNT}, the credentials' account
            must not allow IAM actions that the roles do not need
        """,
    ),
    (
        {"environments": {"prod": {"rolePath": "/prod/"}}},
        "1 error",
        "environments.prod.secrets: is not set, and neither is environments.prod.buckets",
    ),
    (
        {"environments": {name: {"rolePath": f"/{name}/", "secrets": "x"} for name in ("prod", "Prod")}},
        "2 errors",
        """\
            environments.prod: "prod" differs from another environment's name only in case
            environments.Prod: "Prod" differs from another environment's name only in case
        """,
    ),
]


@pytest.mark.parametrize(("settings", "errors", "texts"), PROBLEMS)
def test_every_problem_is_reported_and_nothing_is_created(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], errors: str, texts: str
):
    rejected = Program(monkeypatch, **settings)
    assert isinstance(rejected.error, pulumi.RunError)  # Pulumi prints it without a traceback
    message = str(rejected.error)
    assert message.startswith(f"invalid configuration: {errors}; nothing was created or changed\n")
    assert [text for text in texts.splitlines() if text.strip() not in message] == []
    assert rejected.registrations == []


# Tests on the engine.


def test_preview_after_role_creation_shows_no_changes(new_stack: NewStack):
    stack = new_stack(SETTINGS, (EXAMPLE / "__main__.py").read_text())
    (stack.directory / "Pulumi.yaml").write_text(yaml.safe_dump({**MANIFEST, "name": PROJECT_NAME}))
    for module in ("actions.json", "policies.py", "settings.py"):
        shutil.copy(EXAMPLE / module, stack.directory)
    assert stack.up().changes == {"create": 20}
    assert stack.preview("--expect-no-changes").changes == {"same": 20}


def requested(calls: Iterable[tuple[str, Mapping[str, str]]]) -> set[tuple[str, str]]:
    """Return the actions and resource ARNs of calls to IAM and S3; only the role `in-s3` has a path."""
    found: set[tuple[str, str]] = set()
    for operation, parameters in calls:
        method, _, path = operation.partition(" ")
        bucket, _, name = unquote(urlsplit(path).path).lstrip("/").partition("/")
        if "RoleName" in parameters:
            role = parameters["RoleName"]
            path = "connectors/" * (role == "in-s3")
            found.add((f"iam:{operation}", f"arn:aws:iam::{ACCOUNT}:role/{path}{role}"))
        elif name:
            verb = {"HEAD": "Get", "GET": "Get", "PUT": "Put", "DELETE": "Delete"}[method]
            found.add((f"s3:{verb}Object", f"arn:aws:s3:::{bucket}/{name}"))
        elif bucket:
            assert method == "GET"
            found.add(("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
    return found


def test_roles_allow_all_pulumi_calls_with_state_in_s3(
    new_stack: NewStack, aws: Aws, managed_policy: str, monkeypatch: pytest.MonkeyPatch
):
    settings = {
        **REQUIRED,
        "roleName": "in-s3",
        "rolePath": "/connectors/",
        "permissionsBoundaryArn": managed_policy,
        "exclusivePolicies": True,
        "tags": {"Team": "search"},
    }
    stack = new_stack(settings)
    aws.client("s3").create_bucket(Bucket=SETTINGS["stateBucket"])
    environments = {stack.name: {"rolePath": "/connectors/"}}
    program = Program(monkeypatch, environments=environments, permissionsBoundaryArn=managed_policy)
    upstream = stack.environment["AWS_ENDPOINT_URL"]

    def backend(endpoint: str) -> str:
        return f"s3://{SETTINGS['stateBucket']}?region=us-east-1&endpoint={endpoint}&use_path_style=true"

    # A person creates the stack before CI uses it.
    stack.environment["PULUMI_BACKEND_URL"] = backend(upstream)
    stack.run("stack", "init", stack.name)
    stack.configure(settings)
    with recorder(upstream) as recorded:
        called = {"AWS_ENDPOINT_URL": recorded.url, "PULUMI_BACKEND_URL": backend(recorded.url)}
        stack.environment |= called
        with running_provider(stack.environment) as provider:
            stack.environment |= provider
            for role, command, expected in (
                ("deploy", UP, {"iam:CreateRole", "s3:PutObject", "s3:DeleteObject"}),
                ("preview", ("refresh", "--preview-only"), {"iam:GetRole", "s3:ListBucket"}),
                ("deploy", DESTROY, {"iam:DeleteRole", "iam:DeleteRolePolicy"}),
            ):
                recorded.calls.clear()
                stack.operate(*command)
                requests = sorted(requested(recorded.calls))
                assert {action for action, _ in requests} >= expected
                statements = program.statements(f"{role}-{stack.name}")
                decided = decisions(statements, requests, {"iam:PermissionsBoundary": managed_policy})
                assert {*decided} == {"Allowed"}, [*zip(requests, decided, strict=True)]
