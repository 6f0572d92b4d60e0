"""Compose the expected role policy for any options from the statements in golden/."""

import copy
import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from pages.example_calls import INDEX_ARN, OPTIONS, ROLE_NAME, Options
from roles.check.connector_calls import OWN_CALLS
from tests.helpers.support import golden

Statement = dict[str, Any]


def role_policy(options: Options, role_name: str = ROLE_NAME, connector: str = "") -> dict[str, Any]:
    """Return the role policy for `connector` or, without it, for any connector with these options."""
    page = statements("s3-v1" if options.bucket_is_source else "confluence-server")
    included = filled([*page, *statements("own")], options)
    for statement in included:
        if statement["Sid"] == "AllowsAmazonQToIngestDocuments" and options.ingest_scope == "index":
            statement["Resource"] = INDEX_ARN
        if statement["Sid"] == "AllowsAmazonQToPassCustomerRole":
            (arn,) = statement["Resource"]
            statement["Resource"] = [arn.replace(ROLE_NAME, role_name)]
    own = statements(f"{connector}-own") if connector in OWN_CALLS else ()
    return {"Version": "2012-10-17", "Statement": [*included, *own]}


@cache
def statements(name: str, part_of_sid: str = "") -> Sequence[Statement]:
    """Return a golden role policy's statements whose Sids contain `part_of_sid`."""
    policy = json.loads(golden(f"{name}-role-policy"))
    return [statement for statement in policy["Statement"] if part_of_sid in statement["Sid"]]


def filled(written_out: Iterable[Statement], options: Options) -> list[Statement]:
    """Return the statements that the options require, with the options' ARNs and bucket account."""
    objects = f"{options.bucket_arn}/*"
    # `changing` maps a Sid to the option that requires the statement, and to the statement's resources
    # if they depend on the options. Other statements are required if the options contain network ARNs.
    changing: dict[str, tuple[object, list[str | None] | None]] = {
        **{
            option.statement: (options.arns(name), [*options.arns(name)])
            for name, option in OPTIONS.items()
        },
        "GetS3Objects": (options.bucket_arn, [objects]),
        "GetObjectfromS3": (options.bucket_arn, [objects]),
        "ListS3Buckets": (options.bucket_arn, [options.bucket_arn]),
        "IngestDocuments": (True, None),
        "IngestPrincipalMapping": (True, None),
        "PassCustomerRole": (options.bucket_is_source, None),
        "DeleteTaggedNI": (options.deletion, None),
    }
    included: list[Statement] = []
    for statement in copy.deepcopy([*written_out]):
        sid = statement["Sid"].removeprefix("AllowsAmazonQTo")
        is_included, resource = changing.get(sid, (options.network_arns, None))
        if is_included:
            statement["Resource"] = resource or statement["Resource"]
            if "S3" in sid:
                statement["Condition"]["StringEquals"]["aws:ResourceAccount"] = options.bucket_account
            included.append(statement)
    return included


FULL_ROLE_POLICY: Final = golden("default-role-policy")
"""The expected role policy for the arguments in `samples.FULL`."""
