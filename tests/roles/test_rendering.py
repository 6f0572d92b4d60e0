"""roles/rendering: the policies that a data source's role needs are rendered."""

import json

from components.connectors import CONNECTORS
from pages.examples import APPLICATION_ARN, INDEX_ID
from roles.needs import Bucket, Needs
from roles.rendering import expected_policies


def test_role_with_a_path_may_pass_itself():
    bucket = Bucket("arn:aws:s3:::qbusiness-documents", "123456789012")
    needs = Needs(APPLICATION_ARN, INDEX_ID, CONNECTORS["s3-v2"], buckets=(bucket,))
    role_arn = "arn:aws:iam::123456789012:role/connectors/prod/files"
    expected, _, _ = expected_policies(needs, role_arn)
    *_, passing = json.loads(expected.role_policy)["Statement"]
    assert (passing["Action"], passing["Resource"]) == (["iam:PassRole"], [role_arn])
