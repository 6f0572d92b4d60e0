"""Tests docs/adopt: existing roles are imported, updated in place, and restored."""

import json
import re
import shlex
from typing import Any

from pages.examples import APPLICATION_ARN, APPLICATION_ID, INDEX_ID
from tests.helpers.page import blocks, commands, prose
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import POLICY, REQUIRED, ROLE, golden
from tests.helpers.world import TRUST, own_policy
from tests.roles.adopt.help import on_the_engine

NAME = "AmazonQBusiness-DataSource-x1y2z"
SETTINGS: dict[str, Any] = {
    **REQUIRED,
    "roleName": NAME,
    "rolePath": "/service-role/",
    "roleDescription": "Created by the console",
    "tags": {"CreatedBy": "console"},
    "exclusivePolicies": True,
}


def test_imported_role_and_policy_are_updated_in_place(new_stack: NewStack, aws: Aws):
    created = aws.iam.create_role(
        RoleName=NAME,
        Path="/service-role/",
        Description="Created by the console",
        Tags=[{"Key": "CreatedBy", "Value": "console"}],
        AssumeRolePolicyDocument=json.dumps(json.loads(golden("trust-policy")), indent=8),
    )["Role"]
    wide = golden("minimal-role-policy").replace(":GetSecretValue", ":*")
    for policy in ("qbusiness-aem-connector", "console"):
        aws.iam.put_role_policy(RoleName=NAME, PolicyName=policy, PolicyDocument=wide)
    stack = new_stack(SETTINGS)
    documents = blocks("json", prose("Write the import file by hand"))
    file, entry = (json.loads(document.replace("ROLE", NAME)) for document in documents)
    file["resources"].append(entry)
    (stack.directory / f"import-{stack.name}.json").write_text(json.dumps(file))
    imported, *_ = commands("Import the roles").splitlines()
    stack.run(*imported.replace("$STACK", stack.name).replace('"', "").split()[1:])
    done = stack.up()
    *updates, _, removal = [step for step in done.steps if step[0] != "same"]
    assert updates == [
        # The import has set forceDetachPolicies to false.
        ("update", ROLE, ("forceDetachPolicies",)),
        ("update", POLICY, ("policy",)),
    ]
    # The role gets its new policy before the other policy is removed.
    assert removal[0] == "create"
    assert done.changes == {"same": 2, "update": 2, "create": 2}
    assert aws.iam.get_role(RoleName=NAME)["Role"]["RoleId"] == created["RoleId"]
    assert aws.role_policies(NAME) == {"qbusiness-aem-connector": golden("minimal-role-policy")}


OWN = "QBusiness-DataSource-own"
SHARED = "QBusiness-DataSource-shared"
LIKE = TRUST.replace("ArnEquals", "ArnLike")


def iam(aws: Aws, names: list[str]) -> dict[str, Any]:
    """Return each role with its trust policy, inline policies, and attached policies."""
    found: dict[str, Any] = {}
    for name in names:
        role = aws.iam.get_role(RoleName=name)["Role"]
        attached = aws.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        found[name] = role, aws.trust_policy(name), aws.role_policies(name), attached
    return found


def data_sources(aws: Aws) -> dict[str, Any]:
    """Return the application's data sources by name, without the time of the last update."""
    qbusiness, ids = aws.client("qbusiness"), {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}
    found = [
        qbusiness.get_data_source(**ids, dataSourceId=each["dataSourceId"])
        for each in qbusiness.list_data_sources(**ids)["dataSources"]
    ]
    left_out = ("updatedAt", "ResponseMetadata")
    return {
        each["displayName"]: {key: its for key, its in each.items() if key not in left_out}
        for each in found
    }


def make_application(aws: Aws) -> None:
    """Create one data source with its own role and two that share a role, as the console allows."""
    for name, secrets in ((OWN, ["own"]), (SHARED, ["first", "second"])):
        arn = aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=LIKE)["Role"]["Arn"]
        arns = [
            aws.client("secretsmanager").create_secret(Name=f"console/{each}", SecretString="{}")["ARN"]
            for each in secrets
        ]
        document = own_policy().replace('["SECRET"]', json.dumps(arns)).replace("AllowsAmazonQTo", "")
        aws.iam.put_role_policy(RoleName=name, PolicyName="console", PolicyDocument=document)
        for each, secret in zip(secrets, arns, strict=True):
            aws.client("qbusiness").create_data_source(
                applicationId=APPLICATION_ID,
                indexId=INDEX_ID,
                displayName=each,
                configuration={"type": "AEM", "secretArn": secret, "number": 12345678901234567891},
                roleArn=arn,
            )


def test_adoption_of_application_with_shared_role_can_be_undone(new_stack: NewStack, aws: Aws):
    make_application(aws)
    stack, names = on_the_engine(new_stack), [OWN, SHARED]

    def run(*arguments: str) -> str:
        return stack.execute("venv/bin/python", "-m", "roles", *arguments).stdout

    roles, sources = iam(aws, names), data_sources(aws)
    shown = run("adopt", "--stack", stack.name, "--application", APPLICATION_ARN)
    (importing,) = re.findall("^pulumi (import .*)", shown, flags=re.MULTILINE)
    (assigning,) = re.findall("^qbusiness-roles (assign .*)", shown, flags=re.MULTILINE)
    (restoring,) = re.findall("^qbusiness-roles (adopt --restore .*)", shown, flags=re.MULTILINE)
    stack.run(*shlex.split(importing))
    assert iam(aws, names) == roles
    assert stack.up().changes == {"same": 2, "update": 1, "create": 7}
    assert stack.up("--expect-no-changes").exit_code == 0
    run(*shlex.split(assigning), "--yes")
    after = data_sources(aws)
    used = {name: its["roleArn"].rpartition("/")[2] for name, its in after.items()}
    assert used["own"] == OWN
    assert all(used[name].startswith(f"{name}-qbusiness-role-") for name in ("first", "second"))
    assert {name: {**its, "roleArn": ""} for name, its in after.items()} == {
        name: {**its, "roleArn": ""} for name, its in sources.items()
    }
    assert iam(aws, [SHARED]) == {SHARED: roles[SHARED]}
    run("check", "--stack", stack.name)  # the command fails if it finds a problem
    run(*shlex.split(restoring), "--yes")
    assert (iam(aws, names), data_sources(aws)) == (roles, sources)
    stack.state_file.unlink()
