"""Write docs/permissions.md from the program and its evidence; `make pages` runs it.

Reasons are the docstrings of the statements, the statements are the rendered ones, and what proved them
are the requests and properties that the tests of this folder use.
"""

import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from components import policies
from sandbox.environment import PROJECT
from tests.authorization.cases import (
    ASSUME,
    COMBINATIONS,
    FULL,
    Call,
    Options,
    connector_calls,
    deviations,
    render,
)
from tests.authorization.known import INERT, KNOWN_FINDINGS, UNCOVERED
from tests.authorization.proofs import Request
from tests.authorization.properties import forbidden, forbidden_trust

PAGE: Final = PROJECT / "docs" / "permissions.md"
EXAMPLE: Final = FULL._replace(vpc="VPC")

_CONDITIONS: Final[dict[str, Callable[[Options], bool]]] = {
    "always": lambda _: True,
    "with `kmsKeyId`": lambda options: options.key_arn is not None,
    "with `vpcConfiguration`": lambda options: bool(options.network_arns),
    "with `allowNetworkInterfaceDeletion` (and `vpcConfiguration`)": lambda options: options.deletion,
}


def page() -> str:
    """Return the whole page."""
    return "\n".join(_page())


def _page() -> Iterator[str]:
    rendered = render(EXAMPLE)
    yield _INTRODUCTION
    yield _picture()
    yield "## Who may assume the role\n"
    trust = rendered.trust_policy["Statement"][0]
    yield from _statement(trust, policies.trust_statement, "always", [ASSUME])
    yield "Proved for all possible requests, by the solver Z3: the role is never assumed\n"
    yield from (f"- {what}" for what in forbidden_trust(Request()))
    yield ""
    yield "## What the role may do\n"
    calls = connector_calls(EXAMPLE)
    for builder, statement in zip(policies.STATEMENTS, rendered.role_policy["Statement"], strict=True):
        yield f"### {statement['Sid']}\n"
        proved_by = [call for call in calls if call.sid == statement["Sid"]]
        yield from _statement(statement, builder, _when(statement["Sid"]), proved_by)
    yield "## What the role may never do\n"
    yield _NEVER
    yield from (f"- {what}" for what in forbidden(EXAMPLE, Request()))
    yield _GAPS
    yield "| action | resource | why the pair is there |\n|---|---|---|"
    yield from (f"| `{action}` | `{arn}` | {reason} |" for (action, arn), reason in INERT.items())
    yield "\nWith `ingestScope: index`, these required resource types are not covered:\n"
    yield from (f"- `{action}` on `{kind}`: {reason}" for (action, kind), reason in UNCOVERED.items())
    yield "\nWhat the linter parliament objects to, and why it stays:\n"
    yield from (f"- {kind}, `{action}`: {why}" for (kind, action), why in KNOWN_FINDINGS.items())
    yield _EVIDENCE


def _picture() -> str:
    """Return the picture of the README with its legend."""
    readme = (PROJECT / "README.md").read_text()
    picture = readme[readme.index("![") : readme.index(" The picture is")]
    return f"{picture.replace('docs/assets/', 'assets/')}\n"


def _statement(
    statement: dict[str, Any],
    builder: Callable[..., Any],
    when: str,
    calls: list[Call],
) -> Iterator[str]:
    denied = sum(1 for call in calls for _ in deviations(call, EXAMPLE))
    yield f"{inspect.getdoc(builder)}\n"
    yield f"- **Included:** {when}."
    yield f"- **Evidence:** {'; '.join(call.what for call in calls)}."
    if denied:
        yield f"- **Denied:** {denied} requests that differ from these in one thing."
    yield f"\n```json\n{json.dumps(statement, indent=2)}\n```\n"


def _when(sid: str) -> str:
    """Say with which options a statement is there, from all combinations of them."""
    there = [
        sid in {it["Sid"] for it in render(options).role_policy["Statement"]} for options in COMBINATIONS
    ]
    return next(when for when, holds in _CONDITIONS.items() if [*map(holds, COMBINATIONS)] == there)


_INTRODUCTION: Final = """# Permissions

<!-- Written by `make pages`; a test keeps it true. -->

For the reviewer who has to approve the role. Every statement stands here as the program renders it, with the
reason for it, the option that brings it, and the requests that proved it: what the connector does is allowed,
and the same request with another secret, key, application, index, account, Region, partition, subnet, security
group, tag, service or principal is denied. The values are examples; the form is what counts.

The statements are those of AWS's page [IAM role for Amazon Q AEM (Cloud)
connector](https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/aem-cloud-iam-role.html), to the letter, but for
the last one, which is not on the page and has to be asked for.
"""

_NEVER: Final = """Proved for all possible requests, and not for samples: the role policy as formulas, for
which the solver Z3 finds no request that is allowed and is one of these:
"""

_GAPS: Final = """
The same way it is proved that the role policy allows what AWS's page does, no more and no less, but for two listed
differences: documents may be ingested into the application as well as the index (AWS's current page; not with
`ingestScope: index`), and tagged network interfaces may be deleted (with `allowNetworkInterfaceDeletion`).

There are 120 combinations of the options. The decisions of the simulator cover all of them; the proofs one of each
kind, which differ from the others in the text of ARNs alone, and the one on this page.

## What remains possible

What AWS's page grants, and this role with it:

- Any data source of the application may run under the role: the trust policy names the application.
- The connector may put, change and delete users and groups of the application, and so decide who may see which
  document. The actions have no narrower resource.
- `ec2:CreateNetworkInterfacePermission` does not say to whom the network interface may be attached: the page has no
  condition on `ec2:AuthorizedService`. It holds for network interfaces with the application's tag alone.
- `kms:ViaService` is a pattern over Regions, `secretsmanager.*.amazonaws.com`; the key itself is of one Region.

Outside of the role, and not checked here: the policies of the secret and of the key (one in another account has to let
the role in), a permissions boundary and service control policies (they only take away), and who may pass the role:
grant `iam:PassRole` for this role's ARN, with the condition `iam:PassedToService` = `qbusiness.amazonaws.com`, to
whoever makes the data source, and to nobody else.

## What AWS's page leaves open

1. **Ingestion.** An older edition of the page names the index alone as the resource of
   `AllowsAmazonQToIngestDocuments`. By the Service Authorization Reference both actions require the application
   and the index, so that the simulator denies ingestion under that edition. The current edition names both, and so
   does this program, unless `ingestScope: index` asks for the older one.
2. **Network interfaces that are left behind.** The page grants `ec2:DeleteNetworkInterface` under
   `aws:RequestTag/AMAZON_Q`, a key that a deletion does not carry: it is never allowed.
   `allowNetworkInterfaceDeletion` adds a statement that allows it for network interfaces with the application's tag.
3. **Pairs without effect.** Some actions do not take some of the resources that the page names beside them. They are
   AWS's text, and harmless:
"""

_EVIDENCE: Final = """
## How to check this yourself

`make test` runs all of it, and prints how many requests and proofs there were; `make mutation` drops or widens each
part of both documents in turn, and fails if a change goes unnoticed.

| evidence | where |
|---|---|
| decisions of a policy simulator, for each combination of the options | `tests/authorization/test_decisions.py` |
| every action of AWS, on the role's own and on foreign resources | `tests/authorization/test_all_of_aws.py` |
| proofs over all requests, by Z3 | `tests/authorization/test_never.py` |
| a linter, and the resource types that each action takes | `tests/authorization/test_lint.py` |
| documents with one part dropped or widened | `tests/authorization/test_mutants.py` |

The simulator is [iam-simulate](https://github.com/cloud-copilot/iam-simulate) with its copy of the Service
Authorization Reference. It is licensed under the AGPL-3.0: the tests alone use it, and nothing of it is part of the
program. It decides as AWS documents that IAM does; no request was made to AWS.
"""


if __name__ == "__main__":
    PAGE.write_text(page())
