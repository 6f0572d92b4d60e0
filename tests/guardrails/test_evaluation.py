"""Tests `guardrails/iam/evaluation.py` with resource patterns and principals of resource policies."""

import json
from typing import Final

import pytest

from guardrails.iam.conditions import Context
from guardrails.iam.documents import Kind as DocumentKind
from guardrails.iam.documents import read_document
from guardrails.iam.evaluation import Grantee, Request, RolePrincipal, applies, grantees
from guardrails.iam.patterns import Text
from guardrails.iam.truth import Truth

ACCOUNT: Final = "123456789012"
KEYS: Final = {"aws:principalaccount": (Text(ACCOUNT),), "aws:principaltag/team": (Text("search"),)}
REQUEST: Final = Request(
    "secretsmanager:GetSecretValue",
    Text(f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:search-a1B2c3"),
    Context(KEYS),
    RolePrincipal(f"arn:aws:iam::{ACCOUNT}:role/role", "AROAEXAMPLE"),
)


@pytest.mark.parametrize(
    ("resource", "fits"),
    [
        ("arn:aws:secretsmanager:*:*:secret:${aws:PrincipalTag/team}-*", Truth.YES),
        ("arn:aws:secretsmanager:*:*:secret:${aws:PrincipalTag/stage, 'search'}-*", Truth.CANNOT_TELL),
        ("arn:aws:secretsmanager:*:${aws:PrincipalAccount}:secret:*", Truth.NO),
        ("arn:aws:secretsmanager:${aws:RequestedRegion}:*:secret:*", Truth.NO),
        ("arn:${aws:PrincipalTag/partition, 'aws'}:secretsmanager:*", Truth.NO),
    ],
)
def test_variable_before_the_fifth_colon_of_a_resource_matches_nothing(resource: str, fits: Truth):
    for element, expected in (("Resource", fits), ("NotResource", fits.opposite)):
        statement = {"Effect": "Allow", "Action": "*", element: resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        (read,) = read_document(document).statements
        assert applies(read, REQUEST) is expected


NO_ID: Final = Text(f"arn:aws:ec2:us-east-1:{ACCOUNT}:network-interface/", "eni-0a1b2c3d")
OBJECT: Final = Text("arn:aws:s3:::documents/", "page.html")


@pytest.mark.parametrize(
    ("pattern", "resource", "fits"),
    [
        ("arn:*:secretsmanager:*:123456789012:secret:search-*", REQUEST.resource, Truth.YES),
        # An asterisk matches a colon only at the end of a part; a question mark never does.
        ("arn:aws:secretsmanager:*:secret:search-*", REQUEST.resource, Truth.YES),
        ("arn:aws:secretsmanager:us-*:search-??????", REQUEST.resource, Truth.CANNOT_TELL),
        ("arn:aws:secretsmanager:us-east-1:*:search-??????", REQUEST.resource, Truth.YES),
        ("arn:aws:secretsmanager:us*2:secret:*", REQUEST.resource, Truth.NO),
        ("arn:aws:*1:123456789012:*:*", REQUEST.resource, Truth.NO),
        ("arn:aws:secretsmanager?us-east-1:123456789012:secret:*", REQUEST.resource, Truth.NO),
        ("arn:aws:secretsmanager:*:*:secret:?earch-*", REQUEST.resource, Truth.YES),
        # The ID of a network interface has no colon, but the key of an object can have several.
        ("arn:aws:ec2:*:123456789012:subnet/*", NO_ID, Truth.NO),
        ("arn:aws:ec2:*:*:network-interface/eni-0a*", NO_ID, Truth.CANNOT_TELL),
        ("arn:aws:s3:*:b:page.html", OBJECT, Truth.CANNOT_TELL),
        ("arn:aws:s3:*:*:documents/*", OBJECT, Truth.YES),
    ],
)
def test_wildcard_matches_within_a_part_or_at_its_end_beyond(pattern: str, resource: Text, fits: Truth):
    for element, expected in (("Resource", fits), ("NotResource", fits.opposite)):
        statement = {"Effect": "Allow", "Action": "*", element: pattern}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        (read,) = read_document(document).statements
        assert applies(read, REQUEST._replace(resource=resource)) is expected


@pytest.mark.parametrize(
    ("pattern", "in_identity_policy", "in_resource_policy"),
    [
        ("arn:aws:secretsmanager", Truth.YES, Truth.CANNOT_TELL),
        ("arn:aws:secretsmanager:*", Truth.YES, Truth.YES),
        ("arn:aws:secretsmanager:eu-west-1", Truth.NO, Truth.NO),
        # IAM completes this ARN, so that `search-*` is the account.
        ("arn:aws:secretsmanager:*:search-*", Truth.CANNOT_TELL, Truth.CANNOT_TELL),
    ],
)
def test_incomplete_arn_is_completed_in_identity_policies(
    pattern: str, in_identity_policy: Truth, in_resource_policy: Truth
):
    statement = {"Effect": "Allow", "Action": "*", "Resource": pattern}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    (read,) = read_document(document).statements
    assert applies(read, REQUEST) is in_identity_policy
    document = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Principal": "*"}]})
    (read,) = read_document(document, DocumentKind.RESOURCE).statements
    assert applies(read, REQUEST) is in_resource_policy


@pytest.mark.parametrize(
    ("principal", "kind"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/role", Grantee.ROLE),
        ("AROAEXAMPLE", Grantee.ROLE),
        ("AROAOTHER", None),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/role/session", Grantee.SESSION),
        (ACCOUNT, Grantee.ACCOUNT),
        ("*", Grantee.EVERYBODY),
    ],
)
def test_resource_policy_principal_determines_kind_of_grantee(principal: str, kind: Grantee | None):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    (read,) = read_document(document, DocumentKind.RESOURCE).statements
    assert grantees(read, REQUEST.principal) == {kind}
