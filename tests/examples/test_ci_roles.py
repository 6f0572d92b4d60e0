"""examples/ci-roles, pages/connector_policy, statements: permissions and limits of the roles for CI."""

import importlib
import inspect
import json
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import pulumi
import pytest
import yaml

from pages.examples import ACCOUNT
from sandbox.environment import PROJECT
from sandbox.provider.resources import (
    Role,
    RolePoliciesExclusive,
    RolePolicy,
    RolePolicyAttachmentsExclusive,
    attached_arns,
    inline_names,
    inline_policy,
)
from tests.authorization.simulator import ask
from tests.helpers.boundary import boundary
from tests.helpers.mocked import STACK, Deployment
from tests.helpers.page import blocks, read_actions
from tests.helpers.recorder import recorder
from tests.helpers.stacks import DESTROY, OTHER_ACCOUNT, UP, Aws, NewStack, running_provider
from tests.helpers.support import PROJECT_NAME, REQUIRED, as_pulumi_config

# Pulumi's SDK causes this warning for a property of type Any.
pytestmark = pytest.mark.filterwarnings("ignore:NotImplemented should not be used:DeprecationWarning")

EXAMPLE = PROJECT / "examples" / "ci-roles"
MANIFEST: dict[str, Any] = yaml.safe_load((EXAMPLE / "Pulumi.yaml").read_text())
SETTINGS: dict[str, Any] = {
    key.replace("qbusiness-ci-roles:", ""): value
    for key, value in yaml.safe_load((EXAMPLE / "Pulumi.example.yaml").read_text())["config"].items()
}
# One of these names begins with another.
STACKS = ("staging", "prod", "prod-eu")
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    stack: {"rolePath": f"/connectors/{stack}/", "secrets": [f"qbusiness/{stack}/*"]} for stack in STACKS
}
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/connector-boundary-prod"
BUCKET = f"arn:aws:s3:::{SETTINGS['stateBucket']}"
POLICY = "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ISSUER = "token.actions.githubusercontent.com"

Statements = list[dict[str, Any]]


class Program(Deployment):
    """One run of the example without an engine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, partition: str = "aws", **changed: Any) -> None:
        defaults = {
            key: each["default"] for key, each in MANIFEST["config"].items() if "default" in each
        }
        settings = {**defaults, **SETTINGS, "environments": ENVIRONMENTS, **changed}
        names = {key: key if ":" in key else f"{PROJECT_NAME}:{key}" for key in settings}
        config = {names[key]: value for key, value in settings.items()}
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

    def policies(self, kind: str, environment: str) -> tuple[Any, Statements]:
        """Return a role's trust policy and permissions."""
        name = f"connector-ci-{kind}-{environment}"
        trust = next(each.inputs for each in self.registrations if each.inputs.get("name") == name)
        texts = [
            each.inputs["policy"]
            for each in self.registrations
            if re.fullmatch(rf"{name}(-\d+)?", each.name) and "policy" in each.inputs
        ]
        statements = [each for text in texts for each in json.loads(text)["Statement"]]
        return json.loads(trust["assumeRolePolicy"]), statements

    def decide(self, kind: str, environment: str, *requests: tuple[str, str]) -> list[str]:
        """Return the simulator's decisions on requests with the environment's boundary."""
        boundary = BOUNDARY.replace("-prod", f"-{environment}")
        return decisions(self.policies(kind, environment)[1], requests, boundary)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    program = Program(monkeypatch)
    assert program.error is None
    return program


def decisions(
    statements: Statements, requests: Sequence[tuple[str, str]], boundary: str = ""
) -> list[str]:
    """Return the simulator's decisions on actions and resources."""
    context = {"iam:PermissionsBoundary": boundary} if boundary else {}
    asked = [
        {"action": action, "resource": resource, "context": context} for action, resource in requests
    ]
    (answer,) = ask([{"policy": {"Version": "2012-10-17", "Statement": statements}, "requests": asked}])
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


# Who may assume the roles.


def test_each_role_trusts_only_its_jobs(program: Program):
    repository = f"repo:{SETTINGS['repository']}"
    main = f"{repository}:ref:refs/heads/main"
    for environment in STACKS:
        for kind, subjects in (
            ("deploy", [f"{repository}:environment:{environment}"]),
            ("preview", [f"{repository}:pull_request", main]),
            ("audit", [main]),
        ):
            arn = f"arn:aws:iam::{ACCOUNT}:role/connector-ci-{kind}-{environment}"
            assert program.exported[f"{kind}Roles"][environment] == arn
            trust, _ = program.policies(kind, environment)
            assert trust == {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"},
                        "Action": "sts:AssumeRoleWithWebIdentity",
                        "Condition": {
                            "StringEquals": {
                                f"{ISSUER}:aud": "sts.amazonaws.com",
                                f"{ISSUER}:sub": subjects,
                            }
                        },
                    }
                ],
            }


def test_existing_oidc_provider_is_used(monkeypatch: pytest.MonkeyPatch):
    kind = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    (created,) = Program(monkeypatch).of_type(kind)
    assert created.inputs == {"url": f"https://{ISSUER}", "clientIdLists": ["sts.amazonaws.com"]}
    existing = Program(monkeypatch, createOidcProvider=False)
    assert existing.of_type(kind) == []
    assert existing.policies("deploy", "prod") == Program(monkeypatch).policies("deploy", "prod")


# Permissions.


def test_every_arn_is_in_partition_of_credentials(monkeypatch: pytest.MonkeyPatch):
    reads = {"secrets": ["wiki"], "buckets": ["docs"], "keys": ["alias/wiki"]}
    environments = {"prod": {"rolePath": "/connectors/prod/", **reads}}
    program = Program(monkeypatch, "aws-us-gov", environments=environments, kmsKeyArn="")
    assert program.error is None
    written = json.dumps([program.exported, *(each.inputs for each in program.registrations)])
    assert {*re.findall(r"\barn:([\w-]+):", written)} == {"aws-us-gov"}


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ({"secrets": ["qbusiness/*"]}, {"ReadSecrets": [secret_arn("qbusiness/*", region="*")]}),
        ({"secrets": ["wiki"]}, {"ReadSecrets": [secret_arn("wiki-??????", region="*")]}),
        # Only six characters after a hyphen may be those that Secrets Manager adds.
        (
            {"secrets": ["wiki-a1B2c3", "wiki-a1B2c", "wiki-a1B2c34"]},
            {
                "ReadSecrets": [
                    secret_arn("wiki-a1B2c3", region="*"),
                    secret_arn("wiki-a1B2c3-??????", region="*"),
                    secret_arn("wiki-a1B2c-??????", region="*"),
                    secret_arn("wiki-a1B2c34-??????", region="*"),
                ]
            },
        ),
        (
            {"secrets": [secret_arn("wiki-a1B2c3", OTHER_ACCOUNT)]},
            {
                "ReadSecrets": [
                    secret_arn("wiki-a1B2c3", OTHER_ACCOUNT),
                    secret_arn("wiki-a1B2c3-??????", OTHER_ACCOUNT),
                ]
            },
        ),
        (
            {"buckets": ["docs"]},
            {"ReadObjects": ["arn:aws:s3:::docs/*"], "ListObjects": ["arn:aws:s3:::docs"]},
        ),
        ({"keys": [key_arn(1)]}, {"UseKeys": [key_arn(1)]}),
        ({"keys": ["alias/x"]}, {"UseKeysWithAliases": [f"arn:aws:kms:*:{ACCOUNT}:key/*"]}),
    ],
)
def test_boundary_allows_only_resources_of_settings(
    reads: dict[str, list[str]], expected: dict[str, list[str]]
):
    statements = {each["Sid"]: each["Resource"] for each in boundary(**reads)["Statement"]}
    reading = ("ReadSecrets", "ReadObjects", "ListObjects", "UseKeys", "UseKeysWithAliases")
    assert {sid: statements[sid] for sid in reading if sid in statements} == expected


def test_boundary_has_conditions_on_keys_roles_and_tags():
    services = {"kms:ViaService": ["secretsmanager.*.amazonaws.com", "s3.*.amazonaws.com"]}
    statements = boundary(keys=[key_arn(1), "alias/x"])["Statement"]
    assert {each["Sid"]: each["Condition"] for each in statements if "Condition" in each} == {
        "UseKeys": {"StringLike": services},
        "UseKeysWithAliases": {
            "StringLike": services,
            "ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/x"]},
        },
        "PassRolesToAmazonQBusiness": {
            "StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}
        },
        "TagNewNetworkInterfaces": {"StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"}},
    }


def test_boundary_in_policies_has_every_action_of_connectors():
    def actions(policy: dict[str, Any]) -> set[str]:
        return {action for statement in policy["Statement"] for action in statement["Action"]}

    widest = json.loads((PROJECT / "guardrails" / "connector_policy.json").read_text())["policy"]
    of_all = actions(boundary(secrets=["x/*"], buckets=["docs"], keys=["alias/x"]))
    missing = sorted(actions(widest) - of_all)
    assert not missing, "examples/ci-roles/policies.py: add these actions to a statement in boundary()"
    assert of_all == actions(widest)
    assert "*" not in "".join(of_all)


def calls(*functions: Callable[..., Any]) -> set[str]:
    """Return the IAM actions that these functions of the sandbox's provider call."""
    source = "".join(map(inspect.getsource, functions))
    names = re.findall(r"\biam\.([a-z]+_[a-z_]+)", source)
    return {"iam:" + name.title().replace("_", "") for name in names}


OTHERS_BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/their-boundary"
WITHOUT_READS = {stack: {"rolePath": f"/connectors/{stack}/"} for stack in STACKS}


@pytest.mark.parametrize(
    ("boundary", "changed"),
    [
        (BOUNDARY, {}),
        (OTHERS_BOUNDARY, {"permissionsBoundaryArn": OTHERS_BOUNDARY, "environments": WITHOUT_READS}),
        ("", {"requirePermissionsBoundary": False, "environments": WITHOUT_READS}),
    ],
    ids=["own boundary", "boundary of others", "no boundary"],
)
def test_deploy_and_preview_roles_allow_exactly_provider_calls(
    monkeypatch: pytest.MonkeyPatch, boundary: str, changed: dict[str, Any]
):
    program = Program(monkeypatch, **changed)
    shared = (inline_policy, inline_names, attached_arns)
    exclusive = (RolePoliciesExclusive, RolePolicyAttachmentsExclusive)
    # The stack never attaches policies; it owns them only to detach them. IAM cannot limit
    # RemoveRoleFromInstanceProfile to a role.
    never = {"iam:AttachRolePolicy", "iam:RemoveRoleFromInstanceProfile"}
    called = calls(Role, RolePolicy, *exclusive, *shared) - never
    if boundary:
        called -= {"iam:DeleteRolePermissionsBoundary"}
    for kind, expected in (("deploy", called), ("preview", calls(Role.read, *shared))):
        _, statements = program.policies(kind, "prod")
        granted = [action for statement in statements for action in statement["Action"]]
        assert {action for action in granted if action.startswith("iam:")} == expected
        requests = [(action, role_arn("prod")) for action in sorted(expected)]
        assert {*decisions(statements, requests, boundary)} == {"Allowed"}


def test_audit_role_may_audit_check_and_preview(program: Program):
    roles, missing, *preview = program.policies("preview", "prod")[1]
    *state, last, accounts = program.policies("audit", "prod")[1]
    assert state == preview
    assert last["Resource"] == ["*"]
    assert set(last["Action"]) == read_actions("Audit") | read_actions("Check")
    assert set(last["Action"]) >= {*roles["Action"], *missing["Action"]}
    # The other statement that docs/read-permissions.md lists is only for --organization.
    *_, caller = blocks("json", (PROJECT / "docs" / "read-permissions.md").read_text())
    (shown, _) = json.loads(caller)["Statement"]
    assert accounts == {**shown, "Action": [shown["Action"]], "Resource": [shown["Resource"]]}


def test_each_environment_has_boundary_of_its_own(program: Program):
    boundaries = {
        each.inputs["name"]: json.loads(each.inputs["policy"]) for each in program.of_type(POLICY)
    }
    assert {name: it["Statement"][0]["Resource"] for name, it in boundaries.items()} == {
        f"connector-boundary-{stack}": [secret_arn(f"qbusiness/{stack}/*", region="*")]
        for stack in STACKS
    }


def test_environment_without_boundary_is_rejected_unless_accepted(monkeypatch: pytest.MonkeyPatch):
    environments = {"prod": {"rolePath": "/prod/"}}
    rejected = Program(monkeypatch, environments=environments)
    assert "environments.prod.secrets: is not set, and neither is environments.prod.buckets\n" in str(
        rejected.error
    )
    assert rejected.registrations == []
    accepted = Program(monkeypatch, environments=environments, requirePermissionsBoundary=False)
    assert accepted.error is None
    assert accepted.exported["boundaries"] == {}


@pytest.mark.slow
def test_role_of_an_attacker_reads_only_what_the_settings_name(monkeypatch: pytest.MonkeyPatch):
    """Whoever deploys can trust and allow himself everything, in a role with the boundary."""
    reads = {
        "secrets": ["qbusiness/prod/*", "wiki", "jira-a1B2c3", secret_arn("abroad", OTHER_ACCOUNT)],
        "buckets": ["docs"],
        "keys": [key_arn(1), "alias/qbusiness"],
    }
    program = Program(monkeypatch, environments={"prod": {"rolePath": "/connectors/prod/", **reads}})
    (boundary,) = program.of_type(POLICY)
    assert program.exported["boundaries"] == {"prod": BOUNDARY}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    via: dict[str, Any] = {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}
    passed = {"iam:PassedToService": "ec2.amazonaws.com"}

    def decide(*requests: tuple[str, str, dict[str, Any]]) -> set[str]:
        question = {
            "policy": {"Version": "2012-10-17", "Statement": [everything]},
            "boundary": json.loads(boundary.inputs["policy"]),
            "requests": [
                {"action": action, "resource": resource, "context": context}
                for action, resource, context in requests
            ],
        }
        return set(ask([question])[0]["decisions"])

    read = "secretsmanager:GetSecretValue"
    assert decide(
        *(
            (read, secret_arn(name), {})
            for name in ("qbusiness/prod/x-a1B2c3", "wiki-c3D4e5", "jira-a1B2c3")
        ),
        (read, secret_arn("abroad-a1B2c3", OTHER_ACCOUNT), {}),
        ("s3:GetObject", "arn:aws:s3:::docs/a", {}),
        ("s3:ListBucket", "arn:aws:s3:::docs", {}),
        ("kms:Decrypt", key_arn(1), via),
        ("kms:Decrypt", key_arn(2), via | {"kms:ResourceAliases": ["alias/x", "alias/qbusiness"]}),
    ) == {"Allowed"}
    assert decide(
        *(
            (read, secret_arn(name), {})
            for name in (
                "qbusiness/staging/x-a1B2c3",
                "wiki-admin-c3D4e5",
                "x/wiki-c3D4e5",
                "jira-b2C3d4",
            )
        ),
        (read, secret_arn("qbusiness/prod/x-a1B2c3", OTHER_ACCOUNT), {}),
        ("s3:GetObject", "arn:aws:s3:::docs-2/a", {}),
        ("s3:ListBucket", "arn:aws:s3:::doc", {}),
        ("s3:PutObject", "arn:aws:s3:::docs/a", {}),
        ("kms:Decrypt", key_arn(1), {}),
        ("kms:Decrypt", key_arn(1), {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}),
        ("kms:Decrypt", key_arn(2), via | {"kms:ResourceAliases": ["alias/other"]}),
        ("kms:Decrypt", key_arn(2), via),
        ("iam:PassRole", role_arn("prod"), passed),
        ("iam:PutRolePolicy", role_arn("prod"), {}),
        ("sts:AssumeRole", role_arn("staging"), {}),
        ("ec2:CreateTags", f"arn:aws:ec2:us-east-1:{ACCOUNT}:network-interface/eni-1", {}),
        ("qbusiness:CreateDataSource", f"arn:aws:qbusiness:us-east-1:{ACCOUNT}:application/x", {}),
    ) == {"ImplicitlyDenied"}


READ = calls(Role.read, inline_policy, inline_names, attached_arns)
WRITE = calls(Role, RolePolicy) - READ - {"iam:RemoveRoleFromInstanceProfile"}
GIVING = {
    *("iam:CreateRole", "iam:PutRolePermissionsBoundary"),
    *("iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"),
}
REMOVING = {"iam:DeleteRolePermissionsBoundary"}
STATE = {"s3:DeleteObject", "s3:GetObject", "s3:PutObject"}
POLICIES = {
    *("iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy"),
    *("iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion"),
}
EVERY, READERS = "deploy preview audit", "preview audit"
CONNECTOR = [role_arn("prod")]
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
SECRET_OF_PROD = secret_arn("qbusiness/prod/wiki-c3D4e5")
OWN_STATE = state_objects("prod")
OTHER_STATES = [*state_objects("staging"), *state_objects("prod-eu")]
OF_ALL_STACKS = [f"{BUCKET}/.pulumi/meta.yaml", OWN_STATE[0].replace("json", "pulumi-tags")]
STATE_KEY = [SETTINGS["kmsKeyArn"]]
AWS_MANAGED = "arn:aws:iam::aws:policy/AdministratorAccess"
ALLOWED: list[tuple[str, set[str], list[str]]] = [
    ("deploy preview", READ, [*CONNECTOR, *MISSING]),
    ("deploy", WRITE - REMOVING - {"iam:AttachRolePolicy"}, CONNECTOR),
    ("deploy", STATE, OWN_STATE),
    (EVERY, {"s3:GetObject"}, [OWN_STATE[0], *OF_ALL_STACKS]),
    (EVERY, {"s3:ListBucket"}, [BUCKET]),
    (EVERY, {"kms:Decrypt"}, STATE_KEY),
    ("deploy", {"kms:Encrypt"}, STATE_KEY),
]
DENIED: list[tuple[str, set[str], list[str]]] = [
    ("deploy preview", WRITE, MISSING),
    ("deploy preview", READ | WRITE, OTHERS),
    ("audit", WRITE, OTHERS),
    (READERS, WRITE, CONNECTOR),
    ("deploy", REMOVING, CONNECTOR),
    (EVERY, POLICIES, [BOUNDARY, f"{BOUNDARY}-1"]),
    (EVERY, {"iam:AttachRolePolicy", "iam:DetachRolePolicy", *GIVING}, [ITSELF]),
    (EVERY, {"iam:AttachRolePolicy", "iam:PassRole", *REMOVING}, CONNECTOR),
    (EVERY, {"sts:AssumeRole"}, [role_arn("staging")]),
    (EVERY, {"secretsmanager:GetSecretValue", "secretsmanager:PutResourcePolicy"}, [SECRET_OF_PROD]),
    ("deploy", STATE, OTHER_STATES),
    ("deploy", STATE - {"s3:GetObject"}, OF_ALL_STACKS),
    (READERS, {"s3:PutObject"}, OWN_STATE),
    (READERS, {"kms:Encrypt"}, STATE_KEY),
]
"""Roles of prod, actions, and resources. These denials hold for whoever takes over a job."""


@pytest.mark.parametrize("kind", EVERY.split())
def test_each_role_may_do_what_table_says(monkeypatch: pytest.MonkeyPatch, kind: str):
    program = Program(monkeypatch, environments={**ENVIRONMENTS, **SETTINGS["environments"]})
    for rows, decision in ((ALLOWED, "Allowed"), (DENIED, "ImplicitlyDenied")):
        requests = [
            (action, resource)
            for roles, actions, resources in rows
            for action in sorted(actions)
            for resource in resources
            if kind in roles.split()
        ]
        decided = zip(requests, program.decide(kind, "prod", *requests), strict=True)
        assert [each for each in decided if each[1] != decision] == []


def test_deploy_role_gives_only_the_boundary_and_writes_only_its_state(program: Program):
    _, statements = program.policies("deploy", "prod")
    requests = [(action, CONNECTOR[0]) for action in sorted(GIVING | REMOVING)]
    for other in ("", f"{BOUNDARY}-2", AWS_MANAGED):
        assert {*decisions(statements, requests, other)} == {"ImplicitlyDenied"}
    for stack, decision in (("prod-eu", "Allowed"), ("prod", "ImplicitlyDenied")):
        requests = [(action, each) for action in sorted(STATE) for each in state_objects(stack)]
        assert {*program.decide("deploy", "prod-eu", *requests)} == {decision}


def test_only_deploy_roles_may_write_cross_account_state(program: Program):
    key = SETTINGS["kmsKeyArn"].replace(ACCOUNT, OTHER_ACCOUNT)
    staging, prod = state_objects("staging")[0], OWN_STATE[0]
    # The role's own policy allows everything, so the bucket's or key's policy decides.
    own = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    for role, expected in (
        ("connector-ci-deploy-prod", {prod, key}),
        ("connector-ci-deploy-staging", {staging, key}),
        ("connector-ci-preview-prod", set[str]()),
        ("admin", set[str]()),
    ):
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        by = {
            "principal": arn,
            "context": {"aws:PrincipalArn": arn, "aws:ResourceAccount": OTHER_ACCOUNT},
        }
        for owner, action, resources in (
            ("bucket", "s3:PutObject", [staging, prod]),
            ("key", "kms:Encrypt", [key]),
        ):
            statements = program.exported[f"{owner}PolicyStatements"]
            question = {
                "policy": {"Version": "2012-10-17", "Statement": own},
                "trust": {"Version": "2012-10-17", "Statement": statements},
                "requests": [{**by, "action": action, "resource": each} for each in resources],
            }
            (answer,) = ask([question])
            allowed = ["Allowed" if each in expected else "ImplicitlyDenied" for each in resources]
            assert answer["decisions"] == allowed, role


# IAM's quotas.


def imported(count: int, path: str = "service-role") -> list[str]:
    """Return ARNs of roles that the console created, with the longest names."""
    return [f"arn:aws:iam::{ACCOUNT}:role/{path}/{f'QBusiness-{n}-':x<64}" for n in range(count)]


def sizes(program: Program, name: str) -> list[int]:
    """Return the sizes of the managed policies whose names begin with a name, as IAM counts them."""
    policies = [each for each in program.of_type(POLICY) if each.name.startswith(name)]
    return [len("".join(each.inputs["policy"].split())) for each in policies]


@pytest.mark.slow
def test_sixty_imported_roles_and_a_path_are_within_quotas(monkeypatch: pytest.MonkeyPatch):
    prod = {**ENVIRONMENTS["prod"], "roleArns": imported(60)}
    program = Program(monkeypatch, environments={"prod": prod})
    assert program.error is None
    for each in program.registrations:
        text = each.inputs.get("policy")
        if text:
            is_inline = each.type == "aws:iam/rolePolicy:RolePolicy"
            assert len("".join(text.split())) <= (10_240 if is_inline else 6_144), each.name
    attached = [each.inputs["role"] for each in program.of_type(ATTACHMENT)]
    assert {role: attached.count(role) for role in attached} == {
        "connector-ci-deploy-prod": 4,
        "connector-ci-preview-prod": 3,
    }
    updates = [
        (action, arn)
        for action in (
            "iam:GetRole",
            "iam:PutRolePolicy",
            "iam:UpdateAssumeRolePolicy",
            "iam:DeleteRole",
        )
        for arn in (*imported(60), role_arn("prod"))
    ]
    assert set(program.decide("deploy", "prod", *updates)) == {"Allowed"}
    reads = [(action, arn) for action, arn in updates if action == "iam:GetRole"]
    assert set(program.decide("preview", "prod", *reads)) == {"Allowed"}


def test_size_beyond_a_quota_is_an_error_before_anything_is_created(monkeypatch: pytest.MonkeyPatch):
    def run(**changed: Any) -> Program:
        return Program(monkeypatch, environments={"prod": {**ENVIRONMENTS["prod"], **changed}})

    full = imported(5, "p" * 388)
    full[-1] = full[-1][:-7]
    assert sizes(run(roleArns=full), "connector-ci-deploy-prod-") == [6_144]
    # With one more character, they do not fit into one policy.
    assert len(sizes(run(roleArns=imported(5, "p" * 386)), "connector-ci-deploy-prod-")) == 2

    longest = "p" * 510
    assert len(sizes(run(roleArns=imported(40, longest)), "connector-ci-deploy-prod-")) == 10
    rejected = run(roleArns=imported(41, longest))
    assert str(rejected.error) == (
        "environments.prod.roleArns: 41 ARNs need 11 policies, but IAM attaches at most 10 to a "
        "role; nothing was created or changed\n"
        "  fix: divide the data sources between two stacks, each with an environment of its own"
    )
    assert rejected.registrations == []

    secrets = [f"wiki-{number:03}" for number in range(70)]
    (size,) = sizes(run(secrets=[*secrets, "wiki"]), "connector-boundary-prod")
    longest = f"wiki{'x' * (6_144 - size)}"
    assert sizes(run(secrets=[*secrets, longest]), "connector-boundary-prod") == [6_144]
    rejected = run(secrets=[*secrets, f"{longest}x"])
    assert "environments.prod: the boundary has 6145 characters, but IAM allows 6144; " in str(
        rejected.error
    )
    assert "  fix: replace names of secrets with patterns, such as qbusiness/prod/*, " in str(
        rejected.error
    )
    assert rejected.registrations == []


def test_without_state_bucket_deploy_and_preview_allow_only_iam(monkeypatch: pytest.MonkeyPatch):
    program = Program(monkeypatch, stateBucket="", kmsKeyArn="")
    for kind in ("deploy", "preview"):
        granted = [each["Action"] for each in program.policies(kind, "prod")[1]]
        assert {action.partition(":")[0] for actions in granted for action in actions} == {"iam"}


def test_environments_picture_shows_each_kind_of_role(program: Program):
    names = [each.name for each in program.registrations if each.name.startswith("connector-ci-")]
    picture = (PROJECT / "docs" / "assets" / "environments.svg").read_text()
    shown = re.findall(r"<text[^>]*>(\w+): ", picture)
    assert {*shown} == {name.split("-")[2] for name in names}


def test_ci_page_lists_every_setting_and_example_sets_only_those():
    page = (PROJECT / "docs" / "ci.md").read_text()
    table = page.partition("| Setting | Value |")[2].partition("```")[0]
    listed = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)))
    required = MANIFEST["config"].keys() - {"requirePermissionsBoundary"}  # in the boundary's row
    assert {*listed} == required
    assert {key for key in SETTINGS if ":" not in key} <= required


@pytest.mark.parametrize(
    ("arn", "problem"),
    [
        ("arn:aws:iam::aws:policy/AdministratorAccess", "has the wrong format"),
        (f"arn:aws:iam::{OTHER_ACCOUNT}:policy/x", f"is not in {ACCOUNT}, the credentials' account"),
    ],
    ids=["managed by AWS", "of another account"],
)
def test_boundary_must_be_customer_managed_policy_of_account(
    monkeypatch: pytest.MonkeyPatch, arn: str, problem: str
):
    key = SETTINGS["kmsKeyArn"].replace(ACCOUNT, OTHER_ACCOUNT)  # a key may be in another account
    rejected = Program(
        monkeypatch, permissionsBoundaryArn=arn, kmsKeyArn=key, environments=WITHOUT_READS
    )
    text = str(rejected.error)
    assert text.startswith("invalid configuration: 1 error; ")
    assert f'permissionsBoundaryArn: "{arn}" {problem}' in text
    assert "must not allow more of IAM than the roles need" in text
    assert rejected.registrations == []


ARN = f"arn:aws:iam::{ACCOUNT}:"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:"
# By setting, values with the right format, and values with the wrong one.
FORMATS: dict[str, tuple[list[str], list[str]]] = {
    "repository": (
        ["o/a.b_c-d", f"{'o' * 39}/{'r' * 100}", "octo-org@123456/connectors@456789"],
        [f"{'o' * 40}/r", f"o/{'r' * 101}", "o", "o/r/x", "o/*", "ö/r", "o@1/r", "o/r@1", "o@x/r@1"],
    ),
    "permissionsBoundaryArn": (
        [f"{ARN}policy/x", f"arn:aws-cn:iam::{ACCOUNT}:policy/a/b/x"],
        [f"{ARN}policy/*", f"{ARN}policy/a/", f"{ARN}role/x", "arn:aws:iam::12345678901:policy/x"],
    ),
    "project": (["a.b_c-d", "p" * 100], ["p" * 101, "a/b", "a b", "é"]),
    "stateBucket": (
        ["a.b", "a" * 63, "0-a"],
        ["ab", "a" * 64, "Abc", "-ab", "ab-", "a_b", "s3://abc", "ab*"],
    ),
    "kmsKeyArn": (
        [f"{KEY}1234abcd", f"{KEY}mrk-1234".replace("aws:", "aws-us-gov:")],
        [f"{KEY}*", f"{KEY[:-4]}alias/x", "1234abcd"],
    ),
    "environment": (["a_B-1", "e" * 43], ["e" * 44, "", "eu.prod", "é"]),
    "rolePath": (
        ["/a/", "/a.b/c+d/", f"/{'p' * 510}/", "/service-roles/", "/a/service-role/"],
        [
            *("", "/", "//", "/a", "a/", "/a//b/", "/*/", "/é/", f"/{'p' * 511}/"),
            *("/service-role/", "/service-role/x/", "/aws-service-role/x/"),
        ],
    ),
    "roleArns": (
        [f"{ARN}role/x", f"{ARN}role/service-role/x"],
        [f"{ARN}role/*", f"{ARN}role/a/", f"{ARN}user/x", "x", f"{ARN}role/${{x}}"],
    ),
    "secrets": (
        ["wiki", "qbusiness/prod/*", "w?ki", f"{SECRET}wiki", f"{SECRET}wiki-*"],
        ["*", "?iki", f"{SECRET}*", f"{SECRET}", "${aws:username}", "wíki"],
    ),
    "buckets": (["a.b", "a" * 63], ["ab", "a" * 64, "abc*", "Abc", "s3://abc"]),
    "keys": (
        [f"{KEY}1234abcd", "alias/qbusiness/prod", "alias/awsome"],
        [f"{KEY}*", "alias/aws/s3", "alias/*", "alias/", "1234abcd", f"{KEY[:-4]}alias/x"],
    ),
}


def test_values_must_have_format_of_their_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    settings = importlib.import_module("settings")
    forms = {
        **settings.TEXTS,
        **settings.READS,
        "environment": settings.ENVIRONMENT,
        "rolePath": settings.ROLE_PATH,
        "roleArns": settings.ROLE_ARN,
    }
    assert forms.keys() == FORMATS.keys()
    for name, (right, wrong) in FORMATS.items():
        assert [each for each in right if not forms[name].fits(each)] == [], name
        assert [each for each in [*wrong, f"{right[0]}\n", 1] if forms[name].fits(each)] == [], name


def test_environments_differing_only_in_case_are_rejected(monkeypatch: pytest.MonkeyPatch):
    names = ("prod", "staging", "Prod")
    environments = {name: {"rolePath": f"/{name}/", "secrets": "x/*"} for name in names}
    rejected = Program(monkeypatch, environments=environments)
    message = '"{}" differs from another environment\'s name only in case'
    for name in ("prod", "Prod"):
        assert f"environments.{name}: {message.format(name)}" in str(rejected.error)
    assert "2 errors" in str(rejected.error)
    assert rejected.registrations == []


def test_every_problem_is_reported_and_nothing_created(
    monkeypatch: pytest.MonkeyPatch,
):
    roles = f"arn:aws:iam::{ACCOUNT}:role"
    environments = {
        "eu.prod": {"rolePath": "/", "secrets": ["*"], "buckets": "b*", "keys": ["alias/aws/s3"]},
        "a": {"rolePath": "/a/", "roleArn": "x"},
        "b": {"rolePath": "/a/b/", "roleArns": f"arn:aws:iam::{OTHER_ACCOUNT}:role/x"},
        "c": {"rolePath": "/c/", "roleArns": [f"{roles}/a/x", f"{roles}/connector-ci-deploy-prod"]},
        "d": {"rolePath": "/d/", "roleArns": f"{roles}/c/x"},
        "e": {"rolePath": "/e/f/", "roleArns": f"{roles}/g/x"},
        "f": {"rolePath": "/e/", "roleArns": [f"{roles}/e/its-own", f"{roles}/g-x"]},
        "g": {"rolePath": "/g/"},
        "h": None,
        "i": {"rolePath": 5, "roleArns": [5]},
    }
    wrong: dict[str, Any] = {
        "repository": "octo-org@123456/connectors",
        "environments": environments,
        "permissionsBoundaryArn": "x",
        "kmsKeyArn": "alias/state",
        "stateBukcet": "state",
    }
    rejected = Program(monkeypatch, **wrong)
    assert isinstance(rejected.error, pulumi.RunError)  # without a traceback
    text = str(rejected.error)
    assert text.startswith("invalid configuration: 21 errors; nothing was created or changed\n")
    for line in (
        "stateBukcet: is not a setting",
        'repository: "octo-org@123456/connectors" has the wrong format',
        'permissionsBoundaryArn: "x" has the wrong format',
        f"fix: pulumi config set --stack {STACK} permissionsBoundaryArn POLICY_ARN",
        'environments.eu.prod.secrets[0]: "*" has the wrong format',
        'environments.eu.prod.buckets[0]: "b*" has the wrong format',
        'environments.eu.prod.keys[0]: "alias/aws/s3" has the wrong format',
        "environments.eu.prod.secrets: has no effect with permissionsBoundaryArn",
        'kmsKeyArn: "alias/state" has the wrong format',
        'environments.eu.prod: "eu.prod" has the wrong format',
        'environments.eu.prod.rolePath: "/" has the wrong format',
        "environments.a.roleArn: is not a setting",
        f'environments.b.rolePath: "{roles}/a/b/*" overlaps with "{roles}/a/*", which belongs to a',
        f'environments.c.roleArns[0]: "{roles}/a/x" overlaps with "{roles}/a/*", which belongs to a',
        f'environments.c.roleArns[1]: "{roles}/connector-ci-deploy-prod" overlaps with ',
        f'environments.d.roleArns[0]: "{roles}/c/x" overlaps with "{roles}/c/*", which belongs to c',
        f'environments.f.rolePath: "{roles}/e/*" overlaps with "{roles}/e/f/*", which belongs to e',
        f'environments.g.rolePath: "{roles}/g/*" overlaps with "{roles}/g/x", which belongs to e',
        "environments.h.rolePath: is not set",
        "environments.i.rolePath: 5 has the wrong format",
        "environments.i.roleArns[0]: 5 has the wrong format",
        f'environments.b.roleArns[0]: "arn:aws:iam::{OTHER_ACCOUNT}:role/x" is not in {ACCOUNT}, ',
        f"fix: edit Pulumi.{STACK}.yaml",
    ):
        assert f" {line}" in text
    assert rejected.registrations == []


def test_repository_project_and_environment_are_required(monkeypatch: pytest.MonkeyPatch):
    rejected = Program(monkeypatch, repository="", project="", environments={})
    text = str(rejected.error)
    assert text.startswith("invalid configuration: 3 errors; ")
    for line in ("repository: is not set", "project: is not set", "environments: is empty"):
        assert f"  {line}\n" in text
    assert rejected.registrations == []


# On the engine.


def test_preview_after_role_creation_shows_no_changes(new_stack: NewStack):
    stack = new_stack(SETTINGS, (EXAMPLE / "__main__.py").read_text())
    (stack.directory / "Pulumi.yaml").write_text(yaml.safe_dump({**MANIFEST, "name": PROJECT_NAME}))
    for module in ("connector_actions.json", "policies.py", "settings.py"):
        shutil.copy(EXAMPLE / module, stack.directory)
    assert stack.up().changes == {"create": 20}
    assert stack.preview("--expect-no-changes").changes == {"same": 20}


def requested(
    calls: Iterable[tuple[str, Mapping[str, str]]], roles: Container[str]
) -> set[tuple[str, str]]:
    """Return calls to IAM and S3 as actions and resource ARNs; a role that doesn't exist has no path."""
    found: set[tuple[str, str]] = set()
    for operation, parameters in calls:
        method, _, path = operation.partition(" ")
        bucket, _, name = unquote(urlsplit(path).path).lstrip("/").partition("/")
        if "RoleName" in parameters:
            role = parameters["RoleName"]
            has_path = operation == "CreateRole" or role in roles
            arn = f"arn:aws:iam::{ACCOUNT}:role{'/connectors' * has_path}/{role}"
            found.add((f"iam:{operation}", arn))
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
        stack.environment |= {
            "AWS_ENDPOINT_URL": recorded.url,
            "PULUMI_BACKEND_URL": backend(recorded.url),
        }
        with running_provider(stack.environment) as provider:
            stack.environment |= provider
            for kind, command, expected in (
                (
                    "deploy",
                    UP,
                    {"iam:CreateRole", "iam:PutRolePolicy", "s3:PutObject", "s3:DeleteObject"},
                ),
                (
                    "preview",
                    ("refresh", "--preview-only", "--expect-no-changes"),
                    {"iam:GetRole", "s3:GetObject", "s3:ListBucket"},
                ),
                ("deploy", DESTROY, {"iam:DeleteRole", "iam:DeleteRolePolicy"}),
            ):
                recorded.calls.clear()
                stack.operate(*command)
                requests = sorted(requested(recorded.calls, {"in-s3"}))
                assert {action for action, _ in requests} >= expected
                decided = decisions(program.policies(kind, stack.name)[1], requests, managed_policy)
                assert {*decided} == {"Allowed"}, [*zip(requests, decided, strict=True)]
