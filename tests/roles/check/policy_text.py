"""Read policies from text, such as `allow * + deny kms:* for ROLE if Bool aws:ViaAWSService=true`.

A statement is `allow|deny ACTION [on RESOURCE] [for PRINCIPAL] [if CONDITION & ...] [as SID]`. Negated
elements are `all but ACTION`, `not on`, and `not for`; `A|B` is a list, and `#true` is JSON. NAMES
defines the names in capitals. `own` stands for the role policy; `own-SID` leaves out one statement.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from pages.examples import ACCOUNT, APPLICATION_ARN, BUCKET_NAME, INDEX_ID, OTHER_ACCOUNT, REGION
from tests.helpers.support import golden, of_role
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    INGEST,
    KEY_ARN,
    ROLE_ARN,
    ROLE_NAME,
    SECRET_ARN,
    TRUST,
)

Policy = str | Sequence[Any]
"""Statements as text, as documents, or as both."""

SECRETS: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"
EXPECTED: Final[dict[str, Any]] = json.loads(TRUST)["Statement"][0]
NAMES: Final[dict[str, Any]] = {
    "READ": "secretsmanager:GetSecretValue",
    "INGEST": INGEST,
    "SECRET": SECRET_ARN,
    "SECRETS": SECRETS,
    "PROXY": f"{SECRETS}:proxy-a1B2c3",
    "FOREIGN_SECRET": SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT),
    "KEY": KEY_ARN,
    "FOREIGN_KEY": FOREIGN_KEY_ARN,
    "APPLICATION": APPLICATION_ARN,
    "INDEX": f"{APPLICATION_ARN}/index/{INDEX_ID}",
    "OTHER_APPLICATION": f"{APPLICATION_ARN[:-1]}2",
    "ACCOUNT": ACCOUNT,
    "OTHER_ACCOUNT": OTHER_ACCOUNT,
    "ROLE": ROLE_ARN,
    "OTHER_ROLE": f"arn:aws:iam::{ACCOUNT}:role/other",
    "ADMIN": f"arn:aws:iam::{ACCOUNT}:role/admin",
    "SESSION": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/sync",
    "ROOT": f"arn:aws:iam::{ACCOUNT}:root",
    "DELETED": "AROAEXAMPLEDELETED001",
    "APPLICATION_ROLE": f"arn:aws:iam::{ACCOUNT}:role/application",
    "ROLE_NAME": ROLE_NAME,
    "SECRETS_MANAGER": f"secretsmanager.{REGION}.amazonaws.com",
    "INTERFACES": f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface",
    "REGION": REGION,
    "PAST": "2020-01-01T00:00:00Z",
    "ELSEWHERE": "192.0.2.0/24",
    "ORG": "o-a1b2c3d4e5",
}
_NAME: Final = re.compile(rf"\b(?:{'|'.join(sorted(NAMES, key=len, reverse=True))})\b")
_STATEMENT: Final = re.compile(
    r"(?P<effect>allow|deny)(?P<not> all but)?(?: (?P<action>\S+))?"
    r"(?: (?P<on>not on|on) (?P<resource>\S+))?(?: (?P<to>not for|for) (?P<principal>\S+))?"
    r"(?: if (?P<conditions>.+?))?(?: as (?P<sid>\w+))?"
)


def _value(text: str) -> Any:
    if text.startswith("#"):
        return json.loads(text[1:])
    if text in NAMES:
        return NAMES[text]
    found = [_NAME.sub(lambda name: NAMES[name[0]], each) for each in text.split("|")]
    return found if len(found) > 1 else found[0]


def _principal(text: str) -> Any:
    """Return a principal; a name that ends with `.com` is a service."""
    if text in ("*", "AWS:*"):
        return {"AWS": "*"} if text == "AWS:*" else text
    found: dict[str, list[str]] = {}
    for each in text.split("|"):
        value = _value(each)
        kind = "CanonicalUser" if re.fullmatch("[0-9a-f]{32}", value) else "AWS"
        kind = "Service" if value.endswith(".com") else kind
        found.setdefault(kind, []).append(value)
    return {kind: its if len(its) > 1 else its[0] for kind, its in found.items()}


def statement(text: str, lock: str = "Lock") -> dict[str, Any]:
    """Return the statement that a text describes; by default, the Sid of a denial is Lock."""
    found = _STATEMENT.fullmatch(text)
    assert found, text
    made: dict[str, Any] = {"Sid": lock} if found["effect"] == "deny" else {}
    made |= {"Effect": found["effect"].title()}
    made["NotAction" if found["not"] else "Action"] = _value(found["action"])
    if not found["action"].startswith("sts:"):
        made["NotResource" if found["on"] == "not on" else "Resource"] = _value(found["resource"] or "*")
    if found["principal"]:
        made["NotPrincipal" if found["to"] == "not for" else "Principal"] = _principal(
            found["principal"]
        )
    for each in found["conditions"].split(" & ") if found["conditions"] else ():
        operator, pair = each.split(" ", 1)
        key, value = pair.split("=", 1)
        made.setdefault("Condition", {}).setdefault(operator, {})[key] = _value(value)
    return made | ({"Sid": found["sid"]} if found["sid"] else {})


def own_statements(bucket_owner: str) -> list[dict[str, Any]]:
    """Return the role policy's statements for a secret, or for a bucket if `bucket_owner` is set."""
    of_secret = golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT)
    of_bucket = of_role(golden("s3-v2-role-policy"), ROLE_NAME).replace(BUCKET_NAME, "documents")
    found = json.loads(of_bucket if bucket_owner else of_secret)["Statement"]
    for statement in found:
        if "aws:ResourceAccount" in json.dumps(statement.get("Condition")):
            statement["Condition"] = {"StringEquals": {"aws:ResourceAccount": bucket_owner}}
    return found


def statements(policy: Policy, bucket_owner: str = "") -> list[dict[str, Any]]:
    """Return the statements of a policy."""
    found: list[dict[str, Any]] = []
    for each in filter(None, policy.split(" + ")) if isinstance(policy, str) else policy:
        if not isinstance(each, str):
            found.append(each)
        elif each == "delegation":
            found.append(statement("allow kms:* for ROOT"))
        elif each == "trust":
            found.append(EXPECTED)
        elif each == "trust-OTHER":
            other = {"ArnEquals": {"aws:SourceArn": NAMES["OTHER_APPLICATION"]}}
            found.append({**EXPECTED, "Sid": "Other", "Condition": other})
        elif each == "own" or each.startswith("own-"):
            without = {f"AllowsAmazonQTo{sid}" for sid in each.split("-")[1:]}
            found += [it for it in own_statements(bucket_owner) if it["Sid"] not in without]
        else:
            locks = sum(it.get("Sid", "").startswith("Lock") for it in found)
            found.append(statement(each, f"Lock{locks + 1 if locks else ''}"))
    return found


def document(policy: Policy, version: str = "2012-10-17") -> str:
    """Return a policy as JSON."""
    return json.dumps({"Version": version, "Statement": statements(policy)})
