"""On the real engine, the configuration of a stack gives each connector the documents of its page."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from pages.connector_calls import Options
from pages.examples import (
    APPLICATION_ID,
    BUCKET_NAME,
    FILES_BUCKET_NAME,
    KEY_ID,
    REGION,
    SECRET_ID,
)
from tests import written_out
from tests.connector_facts import FACTS, Facts, shapes
from tests.stacks import Aws, Stack
from tests.support import POLICY, REQUIRED, golden, in_one_line

NewStack = Callable[..., Stack]

PROGRAM = """
import pulumi
from components.connector_role import ConnectorRole

for namespace in {}:
    ConnectorRole.from_config(namespace, pulumi.Config(namespace))
"""
KEYS = {
    "connector": "connector",
    "application_id": "applicationId",
    "index_id": "indexId",
    "secret_id": "secretId",
    "bucket_name": "bucketName",
    "bucket_account_id": "bucketAccountId",
    "kms_key_id": "kmsKeyId",
    "vpc_configuration": "vpcConfiguration",
    "ingest_scope": "ingestScope",
    "allow_network_interface_deletion": "allowNetworkInterfaceDeletion",
    "subnet_ids": "subnetIds",
    "security_group_ids": "securityGroupIds",
}


def configuration(facts: Facts, options: Options) -> dict[str, Any]:
    """Return the settings of a role as they stand in a stack's configuration, without defaults."""
    arguments = {**options.arguments, "connector": facts.name, "application_id": APPLICATION_ID}
    defaults = {"ingest_scope": "applicationAndIndex", "allow_network_interface_deletion": False}
    return in_camel_case({name: it for name, it in arguments.items() if defaults.get(name) != it})


def in_camel_case(arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        KEYS[name]: in_camel_case(value) if isinstance(value, dict) else value
        for name, value in arguments.items()
    }


def policies(aws: Aws, role: str) -> list[str]:
    return [in_one_line(text) for text in aws.role_policies(role).values()]


def given(options: Options) -> set[str]:
    """Return the options of a role that not every role has."""
    everything = {
        "secret": options.secret_arn,
        "bucket": options.bucket_arn,
        "key": options.key_arn,
        "VPC": options.network_arns,
        "deletion": options.deletion,
        "index": options.ingest_scope == "index",
    }
    return {name for name, is_given in everything.items() if is_given}


def roles(facts: Facts) -> Iterator[Options]:
    """Return a role without options, with each option alone, and with all that the connector takes."""
    possible = [*shapes(facts)]
    required = set[str].intersection(*map(given, possible))
    for options in possible:
        optional = given(options) - required
        if len(optional) < 2 or optional == {"VPC", "deletion"}:
            yield options
    most = max(possible, key=lambda options: len(given(options)))
    bucket = f"{most.bucket} of another account" if most.bucket_arn else most.bucket
    yield most._replace(bucket=bucket)


def test_each_connector_has_the_documents_of_its_page_with_each_option_that_it_takes(
    new_stack: NewStack, record_property: Callable[[str, object], None]
):
    declared = {
        f"{facts.name}-{number}": (facts, options)
        for facts in FACTS.values()
        for number, options in enumerate(roles(facts))
    }
    settings: dict[str, Any] = {"aws:region": REGION}
    for namespace, (facts, options) in declared.items():
        keys = configuration(facts, options)
        settings |= {f"{namespace}:{key}": value for key, value in keys.items()}
    stack = new_stack(settings, PROGRAM.format([*declared]))
    stack.take_required_keys_away()
    stack.preview()
    events = map(json.loads, (stack.directory / "events.json").read_text().splitlines())
    steps = [event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event]
    inputs = {step["urn"].rpartition("::")[2]: step["new"]["inputs"] for step in steps}
    for namespace, (_, options) in declared.items():
        role, policy = inputs[f"{namespace}-qbusiness-role"], inputs[f"{namespace}-qbusiness-policy"]
        assert in_one_line(role["assumeRolePolicy"]) == golden("trust-policy"), namespace
        assert json.loads(policy["policy"]) == written_out.role_policy(options), namespace
    counts = {f"{len(FACTS)} connectors": len(declared)}
    record_property("figure", {"roles previewed by the engine": counts})


def test_another_connector_updates_the_policy_in_place(new_stack: NewStack, aws: Aws):
    source = {
        **{key: value for key, value in REQUIRED.items() if key != "secretId"},
        "connector": "s3-v2",
        "bucketName": BUCKET_NAME,
        "kmsKeyId": KEY_ID,
    }
    files = {"connector": "smartsheet", "secretId": SECRET_ID, "bucketName": FILES_BUCKET_NAME}
    stack = new_stack(source)
    stack.up()
    role = stack.outputs()["roleName"]
    assert policies(aws, role) == [golden("s3-v2-role-policy")]
    stack.configure({**source, **files})
    assert [step for step in stack.up().steps if step[0] != "same"] == [("update", POLICY, ("policy",))]
    assert policies(aws, role) == [golden("smartsheet-role-policy")]
    assert in_one_line(aws.trust_policy(role)) == golden("trust-policy")
