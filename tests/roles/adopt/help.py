"""Policies for the tests of `roles adopt`."""

import json
from typing import Any

from evidence.examples import ACCOUNT
from tests.helpers.support import size
from tests.helpers.world import INDEX_ARN, allow, policy, s3_policy

ANY_CONSOLE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-*"


def console_s3_policy() -> str:
    """Return the policy of AWS's page for such a role."""
    document = json.loads(s3_policy("QBusiness-DataSource-*"))
    for statement in document["Statement"]:
        if "IngestDocuments" in statement["Sid"]:
            statement["Resource"] = INDEX_ARN
    return json.dumps(document)


def large(name: str, characters: int, statements: int = 1) -> str:
    """Return a policy of that many characters, white space not counted, in equal statements."""
    resource = f"arn:aws:s3:::{name}-%02d/%04d"
    count = (characters - 150 * statements) // (statements * (len(resource % (0, 0)) + 3))

    def document(extra: str = "") -> str:
        return policy(
            *(
                allow(
                    ["s3:GetObject"],
                    [
                        resource % (statement, number) + extra * (statement == number == 0)
                        for number in range(count)
                    ],
                    Sid=f"Part{statement}",
                )
                for statement in range(statements)
            )
        )

    text = document("x" * (characters - size(document())))
    assert size(text) == characters
    return text


def accesses(*documents: Any) -> set[tuple[str, str]]:
    """Return each action on each resource that the statements allow."""
    return {
        (action, resource)
        for document in documents
        for statement in document["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
