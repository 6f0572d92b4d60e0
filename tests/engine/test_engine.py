"""components/connector_role, policies: when values become known, and which secrets are encrypted."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pages import examples
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

POLICY_NAME: Final = "qbusiness-aem-connector"
VPC: Final = {
    "subnetIds": [examples.SUBNET_ID, examples.SHARED_SUBNET_ARN],
    "securityGroupIds": [examples.SECURITY_GROUP_ID],
}
OPTIONS: Final[dict[str, Any]] = {
    "kmsKeyId": KEY_ID,
    "vpcConfiguration": VPC,
    "allowNetworkInterfaceDeletion": True,
}
FILES: Final[dict[str, Any]] = {"connector": "s3-v2", "bucketName": BUCKET_NAME, "kmsKeyId": KEY_ID}


def documents(aws: Aws, role: str) -> tuple[str, dict[str, str]]:
    return aws.trust_policy(role), aws.role_policies(role)


def planned(stack: Stack) -> dict[str, dict[str, Any]]:
    """Preview an update; return the inputs of each resource."""
    preview = json.loads(stack.run("preview", "--json", "--stack", stack.name).stdout)
    return {
        step["urn"].rpartition("::")[2]: step["newState"].get("inputs", {}) for step in preview["steps"]
    }


COMPONENTS = f"""
import pulumi
import pulumi_aws as aws
from components.connector_role import ConnectorRole

AEM = {{
    "application_id": "{APPLICATION_ID}",
    "index_id": "{INDEX_ID}",
    "secret_id": "{SECRET_ID}",
}}
FILES = {{
    "application_id": "{APPLICATION_ARN}",
    "index_id": "{INDEX_ID}",
    "connector": "s3-v2",
    "kms_key_id": "{KEY_ID}",
}}
with_id = ConnectorRole("with-id", AEM)
account = with_id.role_arn.apply(lambda arn: arn.split(":")[4])
late = aws.Provider("late", region="{REGION}", allowed_account_ids=[account])
china = aws.Provider("china", region="cn-north-1")
roles = [
    with_id,
    ConnectorRole("sibling", {{
        **AEM, "role_description": with_id.role_name, "tags": {{"Sibling": with_id.role_name}},
    }}),
    ConnectorRole("named-in-policy", {{
        **FILES, "bucket_name": "{BUCKET_NAME}", "role_path": "/connectors/",
    }}),
    ConnectorRole("late-bucket", {{
        **FILES,
        "bucket_name": account.apply(lambda _: "{BUCKET_NAME}"),
        "secret_id": account.apply(lambda _: ""),
    }}),
    ConnectorRole("late-provider", AEM, pulumi.ResourceOptions(providers=[late])),
    ConnectorRole("china", AEM, pulumi.ResourceOptions(providers=[china])),
]
pulumi.export("names", pulumi.Output.all(*[role.role_name for role in roles]))
"""


def test_outputs_and_providers_become_known_during_update(new_stack: NewStack, aws: Aws):
    stack = new_stack({"aws:region": REGION}, COMPONENTS)
    inputs = planned(stack)
    trust, aem = golden("trust-policy"), golden("minimal-role-policy")
    files = golden("s3-v2-role-policy")
    in_path = f"connectors/{inputs['named-in-policy-qbusiness-role']['name']}"
    expected: dict[str, tuple[str, ...]] = {
        "with-id": (trust, aem),
        "sibling": (trust, aem),
        "named-in-policy": (trust, of_role(files, in_path)),
        "late-bucket": (trust, UNKNOWN),
        "late-provider": (UNKNOWN, UNKNOWN),
        "china": tuple(
            document.replace("arn:aws:", "arn:aws-cn:").replace(REGION, "cn-north-1")
            for document in (trust, aem)
        ),
    }
    previewed = {
        name: (
            inputs[f"{name}-qbusiness-role"]["assumeRolePolicy"],
            inputs[f"{name}-qbusiness-policy"]["policy"],
        )
        for name in expected
    }
    assert {
        name: tuple(each if each == UNKNOWN else indented(each) for each in both)
        for name, both in previewed.items()
    } == expected

    stack.up()
    names: dict[str, str] = dict(zip(expected, stack.outputs()["names"], strict=True))
    expected |= {
        "named-in-policy": (trust, of_role(files, f"connectors/{names['named-in-policy']}")),
        "late-bucket": (trust, of_role(files, names["late-bucket"])),
        "late-provider": (trust, aem),
    }
    del expected["china"]  # moto has separate roles for each partition
    assert {name: documents(aws, names[name]) for name in expected} == {
        name: (trust, {POLICY_NAME: policy}) for name, (trust, policy) in expected.items()
    }
    sibling = aws.iam.get_role(RoleName=names["sibling"])["Role"]
    assert sibling["Description"] == names["with-id"]
    assert sibling["Tags"] == [{"Key": "Sibling", "Value": names["with-id"]}]
    assert {*stack.preview("--expect-no-changes").changes} == {"same"}


NAMESPACES = """
import pulumi
from components.connector_role import ConnectorRole

for namespace in {}:
    ConnectorRole.from_config(namespace, pulumi.Config(namespace))
"""


def set_secrets(stack: Stack, secrets: Mapping[str, str]) -> None:
    options = [f"--secret={path}={value}" for path, value in secrets.items()]
    stack.run("config", "set-all", "--stack", stack.name, "--path", *options)


def in_plaintext(stack: Stack) -> set[tuple[str, str]]:
    """Return the places where the state contains `confidential`: a resource, and its input or output."""
    return {
        (resource["urn"].rpartition("::")[2], f"{part}.{key}" if key else part)
        for resource in stack.resources()
        for part, value in resource.items()
        for key, text in (value.items() if isinstance(value, dict) else [("", value)])
        if "confidential" in json.dumps(text)
    }


def test_secrets_are_hidden_and_encrypted_with_listed_exceptions(new_stack: NewStack, aws: Aws):
    plain: dict[str, dict[str, Any]] = {
        "bucket": {"kmsKeyId": KEY_ID},
        "name": FILES,
        "path": FILES,
        "secret": OPTIONS,
        "tags": {"secretId": SECRET_ID},
    }
    secrets = {
        "bucket:connector": "s3-v2",
        "bucket:bucketName": "confidential-documents",
        "name:roleName": "confidential-role",
        "path:rolePath": "/confidential/",
        "secret:secretId": "confidential/aem-cloud-a1B2c3",
        "tags:tags.Team": "confidential",
    }
    common = {"applicationId": APPLICATION_ARN, "indexId": INDEX_ID}
    settings = {
        f"{namespace}:{key}": value
        for namespace, own in plain.items()
        for key, value in {**common, **own}.items()
    }
    stack = new_stack({"aws:region": REGION, **settings}, NAMESPACES.format([*plain]))
    set_secrets(stack, secrets)
    assert "confidential" not in stack.preview("--diff").text
    for command in (UP, ("refresh", "--yes", "--skip-preview"), (*UP, "--expect-no-changes")):
        assert "confidential" not in stack.operate(*command).text
        assert in_plaintext(stack) == {
            # No setting makes the ARN secret, because the IDs contain the name anyway.
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
    s3_policy, aem_policy = golden("s3-v2-role-policy"), golden("default-role-policy")
    assert {namespace: aws.role_policies(name)[POLICY_NAME] for namespace, name in names.items()} == {
        "bucket": of_role(s3_policy, names["bucket"]).replace(BUCKET_NAME, "confidential-documents"),
        "name": of_role(s3_policy, "confidential-role"),
        "path": of_role(s3_policy, f"confidential/{names['path']}"),
        "secret": aem_policy.replace(SECRET_ID, secrets["secret:secretId"]),
        "tags": golden("minimal-role-policy"),
    }
