"""Write docs/permissions.md from the documents of the program and the evidence of the tests."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from components import policies
from components.connectors import CONNECTORS, DEFAULT, Connector, Need
from components.validation import ValidationResult, validate
from evidence.connector_calls import (
    ASSUME,
    COMBINATIONS,
    ROLE_NAME,
    SHAPES,
    Call,
    Options,
    connector_calls,
    deviations,
)
from evidence.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION, SECRET_ID
from evidence.properties import INERT, KNOWN_FINDINGS, UNCOVERED, NeverAllowed, NeverAssumed
from pages.markdown import bullets, compact_json, table
from sandbox.environment import PROJECT

Statement = Mapping[str, Any]

_APPLICATION: Final = policies.Application("aws", REGION, ACCOUNT, APPLICATION_ID)
# The reason for a statement does not depend on the values.
_FILES: Final = policies.Resources(
    application=_APPLICATION,
    index_id=INDEX_ID,
    ingest_scope="",
    bucket=policies.Bucket("BUCKET", ACCOUNT, is_source=False),
    secret_arn=SECRET_ID,
    key_arn="KEY",
    role_path="/",
    network_arns=["SUBNET"],
    allow_network_interface_deletion=True,
)
_SOURCE: Final = _FILES._replace(bucket=policies.Bucket("BUCKET", ACCOUNT, is_source=True))
_STATEMENTS: Final = [
    policies.trust_statement(_APPLICATION),
    *policies.role_statements(_FILES),
    *policies.role_statements(_SOURCE),
]
_REASONS: Final = {statement.json["Sid"]: statement.reason for statement in _STATEMENTS}
_CONDITIONS: Final[Mapping[str, Callable[[Options], bool]]] = {
    "always": lambda _: True,
    "with `secretId`": lambda options: options.secret_arn is not None,
    "with `bucketName`": lambda options: options.bucket_arn is not None,
    "with `kmsKeyId`": lambda options: options.key_arn is not None,
    "with `vpcConfiguration`": lambda options: bool(options.network_arns),
    "with `allowNetworkInterfaceDeletion` (and `vpcConfiguration`)": lambda options: options.deletion,
}


def page() -> str:
    """Return the text of the page: the role of the default connector, and the facts about all roles."""
    return "\n".join(
        [
            _INTRODUCTION,
            _picture(),
            *_role(CONNECTORS[DEFAULT]),
            *_other_statements(),
            _NEVER,
            bullets(NeverAllowed),
            _GAPS,
            table(("finding", "action", "resource", "reason"), _findings()),
            _EVIDENCE,
        ]
    )


def _findings() -> Iterator[tuple[str, ...]]:
    """Return the rows of the accepted findings."""
    inert: dict[tuple[str, str], list[str]] = {}
    for (action, resource), reason in INERT.items():
        inert.setdefault((resource, reason), []).append(f"`{action}`")
    for (resource, reason), actions in inert.items():
        yield "pair without effect", ", ".join(actions), f"`{resource}`", reason
    for (action, kind), reason in UNCOVERED.items():
        yield "required resource type not covered", f"`{action}`", f"`{kind}`", reason
    for (kind, action), reason in KNOWN_FINDINGS.items():
        yield f"{kind} of the linter parliament", f"`{action}`", "", reason


def connector_page(name: str) -> str:
    """Return the statements of one connector, as the page shows those of the default."""
    connector = CONNECTORS[name]
    title = f"# Permissions: {connector.title}\n\nAWS's page: {connector.page}\n"
    rest = (
        "## More\n\ndocs/permissions.md describes the differences from AWS's pages, the limits of every role, "
        "and what remains possible.\n"
    )
    return "\n".join([title, *_role(connector), rest])


def _picture() -> str:
    """Return the picture of the README with its legend."""
    readme = (PROJECT / "README.md").read_text()
    picture = readme[readme.index("![") : readme.index(" The picture is")]
    return f"{' '.join(picture.replace('docs/assets/', 'assets/').split())}\n"


def _example(connector: Connector) -> Options:
    """Return the options with which the role of a connector has every statement."""
    has_vpc = connector.vpc is not Need.NOT_SUPPORTED
    bucket = "source" if connector.bucket_is_source else "files"
    return Options(
        "no secret" if connector.secret is Need.NOT_SUPPORTED else "secret of this account",
        "customer managed key",
        "VPC" if has_vpc else "no VPC",
        "applicationAndIndex",
        deletion=has_vpc,
        bucket="no bucket" if connector.bucket is Need.NOT_SUPPORTED else bucket,
    )


def _role(connector: Connector) -> Iterator[str]:
    """Return the sections about both policies of a connector."""
    options = _example(connector)
    validated = _validated(connector, options)
    trust = json.loads(validated.trust_policy or "")["Statement"]
    yield "## Who can assume the role\n"
    yield bullets([_explained(trust[0], "always", [ASSUME], options)])
    yield _statements(trust)
    *most, last = NeverAssumed
    yield f"The solver Z3 proved, for all possible requests, that the role is never assumed {', '.join(most)}, or {last}.\n"
    yield "## What the role can do\n"
    possible = {shape: _sids(connector, shape) for shape in _shapes(connector)}
    statements = json.loads(validated.role_policy or "")["Statement"]
    yield bullets(
        _explained(
            statement,
            _when({shape: statement["Sid"] in sids for shape, sids in possible.items()}),
            connector_calls(options),
            options,
        )
        for statement in statements
    )
    yield _statements(statements)


def _other_statements() -> Iterator[str]:
    """Return the section about the statements that the default connector does not have."""
    yield _OTHERS
    default = CONNECTORS[DEFAULT]
    shown = {statement["Sid"]: statement for statement in _role_statements(default, _example(default))}
    explained: list[str] = []
    statements: list[Statement] = []
    for name, when in (
        ("webcrawler", "with `bucketName`, unless the bucket is the data source"),
        ("s3-v1", "for `s3-v1` and `s3-v2`"),
    ):
        options = _example(CONNECTORS[name])
        for statement in _role_statements(CONNECTORS[name], options):
            sid = statement["Sid"]
            if statement != shown.get(sid):
                key = ", with `kmsKeyId`" if "kms:Decrypt" in statement["Action"] else ""
                calls = connector_calls(options)
                explained.append(_explained(statement, f"{when}{key}", calls, options))
                statements.append(statement)
    yield bullets(explained)
    yield _statements(statements)


def _shapes(connector: Connector) -> Iterator[Options]:
    """Return the combinations of options that a connector accepts."""
    for shape in SHAPES:
        given = (shape.secret_arn, shape.bucket_arn, shape.network_arns)
        needs = (connector.secret, connector.bucket, connector.vpc)
        if shape.bucket_is_source == connector.bucket_is_source and all(
            need is not Need.NOT_SUPPORTED if value else need is not Need.REQUIRED
            for value, need in zip(given, needs, strict=True)
        ):
            yield shape


def _validated(connector: Connector, options: Options) -> ValidationResult:
    settings = {**options.arguments, "connector": connector.name}
    return validate("docs", settings).of_role(ROLE_NAME)


def _role_statements(connector: Connector, options: Options) -> list[Statement]:
    return json.loads(_validated(connector, options).role_policy or "")["Statement"]


def _sids(connector: Connector, options: Options) -> set[str]:
    return {statement["Sid"] for statement in _role_statements(connector, options)}


def _when(included: Mapping[Options, bool]) -> str:
    """Return the condition under which a statement is included, for each combination of the options."""
    return next(
        text
        for text, condition in _CONDITIONS.items()
        if all(condition(options) == is_included for options, is_included in included.items())
    )


def _explained(statement: Statement, when: str, calls: Collection[Call], options: Options) -> str:
    """Return the condition of a statement, its reason, and the tested requests."""
    sid = statement["Sid"]
    allowed = [call for call in calls if call.sid == sid and call.allowed]
    denied = sum(1 for call in allowed for _ in deviations(call, options))
    tested = f"**Allowed:** {'; '.join(call.title for call in allowed)}."
    if denied:
        tested += f" **Denied:** {denied} similar requests."
    return f"**`{sid}`**, {when}: {' '.join(_REASONS[sid].split())} {tested}"


def _statements(statements: Sequence[Statement]) -> str:
    return f"```json\n{compact_json(statements)}\n```\n"


_INTRODUCTION: Final = """# Permissions

<!-- Generated by `python -m pages`; a test compares it. -->

This page is for the reviewer who approves the role. It shows each statement of the role of the default connector, AEM
Cloud, with its reason, the setting that includes it, and the tested requests. The requests of the connector are
allowed. Similar requests, with another secret, key, bucket, application, index, account, Region, partition, subnet,
security group, tag, service, or principal, are denied. The values are examples.

Most connectors need the same statements. The Amazon S3 connectors need no secret, and several connectors need
[statements for Amazon S3](#statements-of-other-connectors). This command prints the statements of one
[connector](configuration.md#connectors):

```sh
venv/bin/python -m pages permissions --connector s3-v2
```

To see both policies with your own values, run `pulumi preview --diff`.
"""

_OTHERS: Final = """\
## Statements of other connectors

In the policy, the first three of these precede all others, and `AllowsAmazonQToPassCustomerRole` follows
`AllowsAmazonQToIngestPrincipalMapping`.
"""

_NEVER: Final = """\
## What the role can never do

The solver Z3 proved, for all possible requests, that the role policy never allows any of these:
"""

_GAPS: Final = f"""\
The role policy also provably allows exactly the requests that AWS's page allows, with two differences: documents can be
ingested into the application and the index (as on AWS's current page; not with `ingestScope: index`), and tagged
network interfaces can be deleted (with `allowNetworkInterfaceDeletion`). For an S3 data source, the key and the role to
pass are those of [differences 3 and 4](#differences-from-awss-pages).

The roles of all connectors have {len(SHAPES)} shapes. The simulator decided the requests for {len(COMBINATIONS)}
combinations of the options, which include every shape with several values of each option. The list above is proved for
all of these. The comparison with AWS's pages is proved for one role of each shape: the others differ only in the text
of ARNs.

## What remains possible

AWS's pages allow the following, and so does this role:

- Every data source of the application can run under the role, because the trust policy names only the application.
- The connector can create, update, and delete users and groups of the application, and therefore control who can see
  which document. The actions support no narrower resource.
- With `bucketName`, the role can read every object of the bucket.
- For an S3 data source, every process that runs under the role can pass the role itself, and no other, to Amazon Q
  Business. The role's trust policy still admits only the application.
- `ec2:CreateNetworkInterfacePermission` does not restrict who can attach the network interface, because the pages have
  no condition on `ec2:AuthorizedService`. It applies only to network interfaces with the application's tag.
- `kms:ViaService` is a pattern for all Regions, such as `secretsmanager.*.amazonaws.com`; the key itself belongs to one
  Region.

These are outside of the role, and not checked here: the policies of the secret, the key, and the bucket (one in another
account must allow the role), a permissions boundary and service control policies (which only deny), and other
principals that can pass the role. Allow only those who create the data source to [pass
it](faq.md#not-authorized-to-perform-iampassrole).

## Differences from AWS's pages

AWS publishes an IAM role page for each connector. The pages agree on the needs of a connector, and differ in details.
This program renders the statements of the AEM Cloud page for every connector, and the S3 statements of the others.
With `ingestScope: index`, a KMS key, and a VPC, the policies for AEM Cloud equal the older edition of its page, as a
test verifies.

1. **Labels.** Some pages have other Sids, such as `AllowsAmazonQToAssumeRoleForServicePrincipal` or
   `AllowsAmazonQToCallPrincipalMappingAPIs`, and `ArnLike` in the trust policy. This program uses the Sids and the
   `ArnEquals` of AEM Cloud for every connector. The permissions are the same: a Sid is only a label, and IAM [treats
   `ArnEquals` and `ArnLike`
   identically](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN).
2. **Ingestion.** Six pages name only the index as the resource of `AllowsAmazonQToIngestDocuments`: `webcrawler`,
   `smartsheet`, `s3-v1`, `s3-v2`, `googledrive-v2`, and `onedrive-new`. The simulator denies both actions with the
   index alone. This program names the index and the application, unless you set [`ingestScope:
   index`](configuration.md#ingestscope).
3. **KMS key of an S3 data source.** Amazon S3 uses the key to decrypt the objects, so this program allows `kms:Decrypt`
   through `s3.*.amazonaws.com`. The two S3 pages have `secretsmanager.*.amazonaws.com`, which allows no object to be
   decrypted.
4. **iam:PassRole of an S3 data source.** Both S3 pages allow the role to pass `role/QBusiness-DataSource-*`, the form
   of the console's role names. This program names only the role itself.
5. **Buckets.** The configuration of `exchange`, `onedrive-original`, `onedrive-new`, and `github-cloud` can name files
   in S3, which their IAM role pages do not mention. You can set `bucketName` for them too; the statement is the same.
6. **VPC.** If AWS documents that a connector does not support a VPC, the program refuses `vpcConfiguration`. If only
   earlier versions of the connector support it, the program prints a warning.
7. **Network interfaces that are left behind.** The pages allow no deletion, because a deletion never has the key
   `aws:RequestTag/AMAZON_Q`: see [`allowNetworkInterfaceDeletion`](configuration.md#allownetworkinterfacedeletion).
8. **Typing errors.** Most of the policies on the pages are not valid JSON: for example, they have a second comma after
   the version, or blocks that are not closed. One has an example in place of the key's ID. This program renders the
   intended policy.

### Accepted findings
"""

_EVIDENCE: Final = """\
## How to check this yourself

`make test` runs all tests, and prints the number of requests and proofs. `tests/authorization/detect_mutants.py`
removes or widens each part of both policies in turn, and fails if the tests do not notice a change. `tests/authorization/` contains the decisions of a
policy simulator for each combination of the options (`test_decisions.py`) and for every action of the services that a
statement names (`test_all_of_aws.py`), the proofs (`test_never.py`), and a linter (`test_lint.py`).
`tests/components/test_connectors.py` compares the policies of all connectors with the facts of AWS's pages.

The simulator is [iam-simulate](https://github.com/cloud-copilot/iam-simulate) with its copy of the Service Authorization
Reference. Its license is the AGPL-3.0: only the tests use it, and it is not part of the program. It decides as AWS
documents that IAM does. No request was sent to AWS.
"""
