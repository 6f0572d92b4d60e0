"""Tests `components/connector_role.py` and `components/policies.py` with unknown values and secrets."""

import json
from typing import Any, Final

from pages.examples import (
    APPLICATION_ARN,
    APPLICATION_ID,
    BUCKET_NAME,
    INDEX_ID,
    KEY_ID,
    REGION,
    SECRET_ID,
)
from sandbox.provider.configuration import UNKNOWN
from tests.helpers.stacks import UP, Aws, NewStack, Stack
from tests.helpers.support import golden, indented, of_role

FILES: Final[dict[str, Any]] = {"connector": "s3-v2", "bucketName": BUCKET_NAME, "kmsKeyId": KEY_ID}
SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "bucket": {"kmsKeyId": KEY_ID},
    "name": FILES,
    "path": FILES,
    "secret": {},
    "tags": {"secretId": SECRET_ID},
}
SECRETS: Final = {
    "bucket:connector": "s3-v2",
    "bucket:bucketName": "confidential-documents",
    "name:roleName": "confidential-role",
    "path:rolePath": "/confidential/",
    "secret:secretId": "confidential/aem-cloud-a1B2c3",
    "tags:tags.Team": "confidential",
}
PROGRAM: Final = f"""
import pulumi
import pulumi_aws as aws
from components.connector_role import ConnectorRole

for namespace in {[*SETTINGS]}:
    ConnectorRole.from_config(namespace, pulumi.Config(namespace))

AEM = {{
    "application_id": "{APPLICATION_ID}",
    "index_id": "{INDEX_ID}",
    "secret_id": "{SECRET_ID}",
}}
first = ConnectorRole("first", AEM)
account = first.role_arn.apply(lambda arn: arn.split(":")[4])
late = aws.Provider("late", region="{REGION}", allowed_account_ids=[account])
ConnectorRole("sibling", {{**AEM, "role_description": first.role_name}})
ConnectorRole("late-bucket", {{
    **AEM,
    "connector": "s3-v2",
    "kms_key_id": "{KEY_ID}",
    "bucket_name": account.apply(lambda _: "{BUCKET_NAME}"),
    "secret_id": "",
}})
ConnectorRole("late-provider", AEM, pulumi.ResourceOptions(providers=[late]))
ConnectorRole(
    "late-provider-arn",
    {{**AEM, "application_id": "{APPLICATION_ARN}"}},
    pulumi.ResourceOptions(providers=[late]),
)
"""


def planned(stack: Stack) -> dict[str, dict[str, Any]]:
    """Preview an update; return the inputs of each resource."""
    preview = json.loads(stack.run("preview", "--json", "--stack", stack.name).stdout)
    return {
        step["urn"].rpartition("::")[2]: step["newState"].get("inputs", {}) for step in preview["steps"]
    }


def in_plaintext(stack: Stack) -> set[tuple[str, str]]:
    """Return the resource and the property of each place where the state contains `confidential`."""
    return {
        (resource["urn"].rpartition("::")[2], f"{part}.{key}" if key else part)
        for resource in stack.resources()
        for part, value in resource.items()
        for key, text in (value.items() if isinstance(value, dict) else [("", value)])
        if "confidential" in json.dumps(text)
    }


def test_unknown_values_are_resolved_and_secrets_are_encrypted(new_stack: NewStack, aws: Aws):
    common = {"applicationId": APPLICATION_ARN, "indexId": INDEX_ID}
    settings = {
        f"{namespace}:{key}": value
        for namespace, own in SETTINGS.items()
        for key, value in {**common, **own}.items()
    }
    stack = new_stack({"aws:region": REGION, **settings}, PROGRAM)
    options = [f"--secret={path}={value}" for path, value in SECRETS.items()]
    stack.run("config", "set-all", "--stack", stack.name, "--path", *options)

    trust, aem, files = (
        golden(name) for name in ("trust-policy", "minimal-role-policy", "s3-v2-role-policy")
    )
    inputs = planned(stack)
    assert "confidential" not in stack.preview("--diff").text
    expected: dict[str, tuple[str, str]] = {
        "sibling": (trust, aem),
        "late-bucket": (trust, UNKNOWN),
        "late-provider": (UNKNOWN, UNKNOWN),
        "late-provider-arn": (trust, aem),
    }
    for name, documents in expected.items():
        role, policy = (inputs[f"{name}-qbusiness-{kind}"] for kind in ("role", "policy"))
        found = (role["assumeRolePolicy"], policy["policy"])
        assert tuple(each if each == UNKNOWN else indented(each) for each in found) == documents, name

    for command in (UP, ("refresh", "--yes", "--skip-preview"), (*UP, "--expect-no-changes")):
        assert "confidential" not in stack.operate(*command).text
        assert in_plaintext(stack) == {
            # The component keeps the ARN in plaintext: resource IDs contain the role's name anyway.
            *((f"{name}-qbusiness-role", "outputs.arn") for name in ("name", "path")),
            *((name, "outputs.roleArn") for name in ("name", "path")),
            *(
                (f"name-qbusiness-{kind}", place)
                for kind in ("role", "policy")
                for place in ("id", "outputs.id")
            ),
            # The provider computes tagsAll, and no resource option can make an input secret.
            ("tags-qbusiness-role", "inputs.tagsAll"),
        }
    roles = (each for each in stack.resources() if each["type"] == "aws:iam/role:Role")
    names: dict[str, str] = {
        each["urn"].rpartition("::")[2].removesuffix("-qbusiness-role"): each["id"] for each in roles
    }
    assert {aws.trust_policy(name) for name in names.values()} == {trust}
    policies = {name: policy for name in names for policy in aws.role_policies(names[name]).values()}
    assert policies == {
        "bucket": of_role(files, names["bucket"]).replace(BUCKET_NAME, "confidential-documents"),
        "name": of_role(files, "confidential-role"),
        "path": of_role(files, f"confidential/{names['path']}"),
        "secret": aem.replace(SECRET_ID, SECRETS["secret:secretId"]),
        "late-bucket": of_role(files, names["late-bucket"]),
        **dict.fromkeys(("tags", "first", "sibling", "late-provider", "late-provider-arn"), aem),
    }
    assert aws.role(names["sibling"])["description"] == names["first"]
