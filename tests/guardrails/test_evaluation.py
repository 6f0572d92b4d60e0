"""Tests `guardrails/iam/evaluation.py` with resource variables and principals of resource policies."""

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
