"""Test that each connector, with each option that it accepts, gets its documents on the real engine."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.stack_config import config_key
from evidence.connector_calls import Options
from evidence.examples import APPLICATION_ID, REGION
from tests.helpers import expected
from tests.helpers.connector_facts import FACTS, Facts, shapes
from tests.helpers.stacks import NewStack
from tests.helpers.support import golden, in_one_line

PROGRAM = """
import pulumi
from components.connector_role import ConnectorRole

for namespace in {}:
    ConnectorRole.from_config(namespace, pulumi.Config(namespace))
"""
DEFAULTS = {"ingest_scope": "applicationAndIndex", "allow_network_interface_deletion": False}


def given(options: Options) -> set[str]:
    """Return the options that are given, or not the default."""
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
    """Return a role without options, one with each, and one with all that the connector accepts."""
    possible = [*shapes(facts)]
    required = set[str].intersection(*map(given, possible))
    for options in possible:
        optional = given(options) - required
        if len(optional) <= 1 or optional == {"VPC", "deletion"}:
            yield options
    most = max(possible, key=lambda options: len(given(options)))
    bucket = f"{most.bucket} of another account" if most.bucket_arn else most.bucket
    yield most._replace(bucket=bucket)


def configuration(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as stack configuration."""
    return {
        config_key(name): configuration(value) if isinstance(value, dict) else value
        for name, value in arguments.items()
        if DEFAULTS.get(name) != value
    }


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
        # The ID alone, since the engine passes all configuration in one variable of at most 128 KiB.
        changes = {"connector": facts.name, "application_id": APPLICATION_ID}
        keys = configuration({**options.arguments, **changes})
        settings |= {f"{namespace}:{key}": value for key, value in keys.items()}
    stack = new_stack(settings, PROGRAM.format([*declared]))
    stack.preview()
    events = map(json.loads, (stack.directory / "events.json").read_text().splitlines())
    steps = [event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event]
    inputs = {step["urn"].rpartition("::")[2]: step["new"]["inputs"] for step in steps}
    for namespace, (_, options) in declared.items():
        role, policy = inputs[f"{namespace}-qbusiness-role"], inputs[f"{namespace}-qbusiness-policy"]
        assert in_one_line(role["assumeRolePolicy"]) == golden("trust-policy"), namespace
        assert json.loads(policy["policy"]) == expected.role_policy(options, role["name"]), namespace
    counts = {f"{len(FACTS)} connectors": len(declared)}
    record_property("figure", {"roles previewed by the engine": counts})
