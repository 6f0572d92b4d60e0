"""Tests `examples/ci-roles/policies.py`: every connector's role works under the boundary."""

from typing import Any

import pytest

from components.connectors import CONNECTORS
from pages.example_calls import Options, connector_calls, every_option
from tests.authorization.cases import mismatches, render, requests_of
from tests.authorization.simulator import ask
from tests.helpers.boundary import boundary

pytestmark = pytest.mark.slow


def boundary_of(options: Options) -> dict[str, Any]:
    """Return the boundary of an environment whose settings list the resources in the options."""
    bucket = (options.bucket_arn or "").removeprefix("arn:aws:s3:::")
    named = {"secrets": options.secret_arn, "buckets": bucket, "keys": options.key_arn}
    return boundary(**{key: [value] for key, value in named.items() if value})


def test_every_connector_role_works_under_boundary():
    roles = {every_option(connector) for connector in CONNECTORS.values()}
    roles |= {
        options._replace(
            secret=options.secret.replace("this account", "another account"),
            key="key of another account",
            bucket=options.bucket
            if options.bucket == "no bucket"
            else f"{options.bucket} of another account",
        )
        for options in roles
    }
    for options in roles:
        calls = connector_calls(options)
        question = {
            "policy": render(options).role_policy,
            "boundary": boundary_of(options),
            "requests": requests_of(calls),
        }
        (answer,) = ask([question])
        assert mismatches(calls, answer["decisions"]) == [], options
