"""Write docs/permissions.md from the documents of the program and the evidence of the tests."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from components import policies
from components.validation import ValidationResult, validate
from pages.connector_calls import (
    ASSUME,
    COMBINATIONS,
    FULL,
    Call,
    Options,
    connector_calls,
    deviations,
)
from pages.evidence import INERT, KNOWN_FINDINGS, UNCOVERED, NeverAllowed, NeverAssumed
from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION, SECRET_ID
from pages.markdown import bullets, table
from sandbox.environment import PROJECT

EXAMPLE: Final = FULL._replace(vpc="VPC")
"""The options of the role on the page."""

_APPLICATION: Final = policies.Application("aws", REGION, ACCOUNT, APPLICATION_ID)
# Which reason a statement has does not depend on the values.
_STATEMENTS: Final = [
    policies.trust_statement(_APPLICATION),
    *policies.role_statements(
        policies.Settings(
            application=_APPLICATION,
            index_id=INDEX_ID,
            ingest_scope="",
            bucket=None,
            secret_arn=SECRET_ID,
            key_arn="KEY",
            network_arns=["SUBNET"],
            allow_network_interface_deletion=True,
        )
    ),
]
_REASONS: Final = {statement.json["Sid"]: statement.reason for statement in _STATEMENTS}
_CONDITIONS: Final[Mapping[str, Callable[[Options], bool]]] = {
    "always": lambda _: True,
    "with `kmsKeyId`": lambda options: options.key_arn is not None,
    "with `vpcConfiguration`": lambda options: bool(options.network_arns),
    "with `allowNetworkInterfaceDeletion` (and `vpcConfiguration`)": lambda options: options.deletion,
}


def page() -> str:
    """Return the text of the page."""
    return "\n".join(
        [
            _INTRODUCTION,
            _picture(),
            _trust(EXAMPLE),
            _statements(EXAMPLE),
            _NEVER,
            bullets(NeverAllowed),
            _GAPS,
            table(
                ("action", "resource", "why the pair is there"),
                ((f"`{action}`", f"`{arn}`", reason) for (action, arn), reason in INERT.items()),
            ),
            "With `ingestScope: index`, these required resource types are not covered:\n",
            bullets(f"`{action}` on `{kind}`: {reason}" for (action, kind), reason in UNCOVERED.items()),
            "What the linter parliament reports, and the reason to accept it:\n",
            bullets(
                f"{kind}, `{action}`: {reason}" for (kind, action), reason in KNOWN_FINDINGS.items()
            ),
            _EVIDENCE,
        ]
    )


def _picture() -> str:
    """Return the picture of the README with its legend."""
    readme = (PROJECT / "README.md").read_text()
    picture = readme[readme.index("![") : readme.index(" The picture is")]
    return f"{picture.replace('docs/assets/', 'assets/')}\n"


def _trust(options: Options) -> str:
    """Return the section about the trust policy."""
    (statement,) = json.loads(_validated(options).trust_policy or "")["Statement"]
    return "\n".join(
        [
            "## Who may assume the role\n",
            _explained(statement, _REASONS[statement["Sid"]], "always", [ASSUME], options),
            "Proved for all possible requests, by the solver Z3: the role is never assumed\n",
            bullets(NeverAssumed),
        ]
    )


def _statements(options: Options) -> str:
    """Return the section about the role policy."""
    sections = ["## What the role may do\n"]
    calls = connector_calls(options)
    included = {
        combination: _sids(combination)
        for combination in COMBINATIONS
        if combination.connector == options.connector
    }
    for statement in _role_statements(options):
        sid = statement["Sid"]
        of_statement = [call for call in calls if call.sid == sid]
        when = _when({combination: sid in sids for combination, sids in included.items()})
        sections += [f"### {sid}\n", _explained(statement, _REASONS[sid], when, of_statement, options)]
    return "\n".join(sections)


def _validated(options: Options) -> ValidationResult:
    return validate("docs", options.arguments)


def _role_statements(options: Options) -> list[dict[str, Any]]:
    return json.loads(_validated(options).role_policy or "")["Statement"]


def _sids(options: Options) -> set[str]:
    return {statement["Sid"] for statement in _role_statements(options)}


def _when(included: Mapping[Options, bool]) -> str:
    """Return the condition under which a statement is included, for each combination of the options."""
    return next(
        text
        for text, condition in _CONDITIONS.items()
        if all(condition(options) == is_included for options, is_included in included.items())
    )


def _explained(
    statement: Mapping[str, Any],
    reason: str,
    when: str,
    calls: Collection[Call],
    options: Options,
) -> str:
    """Return a statement with its reason, its condition and its evidence."""
    denied = sum(1 for call in calls for _ in deviations(call, options))
    facts = [f"**Included:** {when}.", f"**Evidence:** {'; '.join(call.what for call in calls)}."]
    if denied:
        facts.append(f"**Denied:** {denied} requests that differ from these in one thing.")
    document = f"```json\n{json.dumps(statement, indent=2)}\n```\n"
    return "\n".join([f"{reason}\n", bullets(facts), document])


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

_NEVER: Final = """\
## What the role may never do

Proved for all possible requests, and not for samples: the role policy as formulas, for
which the solver Z3 finds no request that is allowed and is one of these:
"""

_GAPS: Final = """\
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

_EVIDENCE: Final = """\
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
