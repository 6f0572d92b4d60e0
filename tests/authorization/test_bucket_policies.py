"""Tests that the bucket policies in docs/troubleshooting grant only the necessary access."""

import json
from typing import Any

import pytest

from pages.example_calls import BUCKET_ARN, FULL, FULL_OF_SOURCE, ROLE, Options
from pages.examples import FILES_BUCKET_NAME, OTHER_ACCOUNT
from sandbox.environment import PROJECT
from tests.authorization.cases import render
from tests.authorization.simulator import ask
from tests.helpers.page import blocks, prose

FILES_ARN = f"arn:aws:s3:::{FILES_BUCKET_NAME}"
CERTIFICATE = f"{FILES_ARN}/sharepoint.crt"
SOURCE = FULL_OF_SOURCE._replace(bucket="source of another account")
FILES = FULL._replace(bucket="files of another account")


def statements() -> list[dict[str, Any]]:
    """Return the page's bucket policy statements, for a data source and for single files."""
    section = prose("A bucket in another account", PROJECT / "docs" / "troubleshooting.md")
    (block,) = blocks("json", section)
    return json.loads(block)


def decision(
    role_policy: object, granted: list[dict[str, Any]], action: str, resource: str, role: str = ROLE
) -> str:
    """Return the simulator's decision on a request under a role policy and a bucket policy."""
    context = {"aws:ResourceAccount": OTHER_ACCOUNT, "aws:PrincipalArn": role}
    request = {"principal": role, "action": action, "resource": resource, "context": context}
    bucket_policy = {"Version": "2012-10-17", "Statement": granted}
    (answer,) = ask([{"policy": role_policy, "trust": bucket_policy, "requests": [request]}])
    return answer["decisions"][0]


@pytest.mark.parametrize(
    ("options", "action", "resource"),
    [
        (SOURCE, "s3:GetObject", f"{BUCKET_ARN}/handbook/first.pdf"),
        (SOURCE, "s3:ListBucket", BUCKET_ARN),
        (FILES, "s3:GetObject", CERTIFICATE),
    ],
)
def test_bucket_policy_allows_only_the_role(options: Options, action: str, resource: str):
    role_policy = render(options).role_policy
    assert decision(role_policy, statements(), action, resource) == "Allowed"
    assert decision(role_policy, statements(), action, resource, f"{ROLE}-2") == "ImplicitlyDenied"
    assert decision(role_policy, [], action, resource) == "ImplicitlyDenied"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", f"{FILES_ARN}/other.crt"),
        ("s3:GetObject", f"{CERTIFICATE}/below"),
        ("s3:GetObject", f"{FILES_ARN}-2/sharepoint.crt"),
        ("s3:ListBucket", FILES_ARN),
        ("s3:PutObject", CERTIFICATE),
    ],
)
def test_single_file_bucket_policy_denies_other_requests(action: str, resource: str):
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    everything = {"Version": "2012-10-17", "Statement": [statement]}
    assert decision(everything, statements(), "s3:GetObject", CERTIFICATE) == "Allowed"
    assert decision(everything, statements(), action, resource) == "ImplicitlyDenied"


def test_bucket_policy_can_limit_reading_to_one_prefix():
    whole, prefix = f"{BUCKET_ARN}/*", f"{BUCKET_ARN}/PREFIX/*"
    shared = [json.loads(json.dumps(statements()[0]).replace(whole, prefix))]
    role_policy = render(SOURCE).role_policy
    assert decision(role_policy, shared, "s3:GetObject", f"{BUCKET_ARN}/PREFIX/a.pdf") == "Allowed"
    assert decision(role_policy, shared, "s3:GetObject", f"{BUCKET_ARN}/a.pdf") == "ImplicitlyDenied"
    assert decision(role_policy, shared, "s3:ListBucket", BUCKET_ARN) == "Allowed"
