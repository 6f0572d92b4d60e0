"""Print the processor time of the guardrails' rules and of an audit's comparison, as JSON.

`benchmarks/policies.py` runs this file with the modules of a checkout, which may be an older one.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from declared_roles import roles_of
from rules import RULES

from components.connector_role import POLICY_NAME
from evidence.examples import ACCOUNT, SECRET_ID
from roles.account import DataSource, Role
from roles.audit import survey
from roles.difference import program_statements
from tests.guardrails.test_guardrails import role, role_policy
from tests.helpers.support import golden

_DATA_SOURCES: Final = 500
_TRUST_POLICY: Final = golden("trust-policy")
_TOO_WIDE: Final = 5
"""Each fifth role allows more than a connector needs."""


def _policy(number: int, *, excess: bool = False) -> str:
    """Return a role policy that no other role has."""
    text = golden("default-role-policy").replace(SECRET_ID, f"pages-{number:05}-a1B2c3")
    document = json.loads(text)
    if excess:
        more = {"Effect": "Allow", "Action": ["s3:Get*", "kms:*"], "Resource": ["*"]}
        document["Statement"].append(more)
    return json.dumps(document)


def _rules(number: int) -> Callable[[], object]:
    """Return a run of all rules over a stack with a number of roles, as the pack runs them."""
    resources = [
        declaration
        for each in range(number)
        for declaration in (
            role(_TRUST_POLICY, f"qbusiness-{number}-{each}", f"role-{each}"),
            role_policy(
                _policy(number * 10 + each, excess=each % _TOO_WIDE == 0),
                f"qbusiness-{number}-{each}",
                f"policy-{each}",
            ),
        )
    ]
    return lambda: [[*rule.check(found)] for rule in RULES for found in roles_of(resources, {})]


def _audit(number: int) -> Callable[[], object]:
    """Return a comparison of all data sources with a number of roles, read already."""
    roles = [_role(each) for each in range(number)]

    def run() -> None:
        readings: dict[str, list[Any]] = {}
        for each in range(_DATA_SOURCES):
            source = DataSource("application", "", "index", "", f"{each}", "Pages", "AEM", "ACTIVE")
            found = roles[each % number]
            needs = survey._Needs(  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
                found, tuple(program_statements(_TRUST_POLICY, _policy(each % number))), ()
            )
            state = survey.State.INVALID
            result = survey.DataSourceResult(source, "aem-cloud", found.arn, state, "")
            readings.setdefault(found.arn, []).append((result, needs))
        for arn, members in readings.items():
            survey._compare(arn, members)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    return run


def _role(number: int) -> Role:
    name = f"qbusiness-{number}"
    policy = json.loads(_policy(number, excess=number % _TOO_WIDE == 0))
    members: dict[str, Any] = {
        "arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "id": "AROA",
        "name": name,
        "path": "/",
        "description": "",
        "permissions_boundary_arn": "",
        "maximum_session_duration": 3600,
        "tags": {},
        "trust_policy": json.loads(_TRUST_POLICY),
        "inline_policies": {POLICY_NAME: policy},
        "attached": (),
        "attached_policies": {},
        "denied": None,
    }
    # An older checkout may not have all of them.
    return Role(**{member: members[member] for member in Role._fields})


def _seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


if __name__ == "__main__":
    figures = {f"guardrails, {number} roles": _seconds(_rules(number)) for number in (50, 500)}
    figures |= {
        f"audit, {_DATA_SOURCES} data sources under {number} roles": _seconds(_audit(number))
        for number in (20, 500)
    }
    print(json.dumps(figures))  # noqa: T201
