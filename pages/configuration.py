"""Generate docs/configuration.md from the declared settings, the connectors, and the program's messages.

The expected values are those in the program's messages about invalid values, except the text for
`connector`, which is in this module.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from components.configuration import ALLOWED_ACCOUNTS, DATA_SOURCES, KEYS, PROTECT, config_key
from components.connectors import CONNECTORS, LEGACY_SUPPORT_END, Connector, Need
from components.problems import SettingsError, Source, camel_case
from components.rules import render
from components.settings import SETTINGS, Vpc
from pages.declarations import declarations
from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    INDEX_ID,
    KEY_ID,
    REGION,
    REQUIRED_INPUTS,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from pages.markdown import bullets, table


def page() -> str:
    """Return the page's text."""
    notes = [f"## {KEYS[name]}\n\n{note}\n" for name, note in _NOTES.items()]
    return "\n".join(
        [
            *(_INTRODUCTION, _table(), _OUTPUTS, _PLACES, _places(), *notes),
            *(_SECRETS, _CONNECTORS, _needs(), _connectors()),
        ]
    )


def _table() -> str:
    """Return the table of all settings."""
    rows = [
        *_rows("aws:region", "region", "string, required", _REGION),
        (f"`{ALLOWED_ACCOUNTS}`<br>list of strings, recommended", _ACCOUNTS, "", ""),
        ("`aws:defaultTags.tags`<br>object", _DEFAULT_TAGS, "", ""),
    ]
    declared = declarations()
    for name, key in KEYS.items():
        meaning = " ".join(filter(None, (declared[key]["description"], _REMARKS.get(name))))
        rows += _rows(key, name, _type(key, declared[key]), meaning)
    for key in (PROTECT, DATA_SOURCES):
        meaning = f"{declared[key]['description']} See [Several data sources](data-sources.md)."
        rows.append((f"`{key}`<br>{declared[key]['type']}", meaning, "", ""))
    return table(("Setting", "Meaning", "Expected", "Example"), rows)


def _rows(key: str, name: str, kind: str, meaning: str) -> Iterator[tuple[str, ...]]:
    """Yield a setting's row, and the rows of its entries."""
    (entry, expected, example), *others = _expected(name)
    if entry == key:
        yield f"`{key}`<br>{kind}", meaning, expected, example
    else:
        yield f"`{key}`<br>{kind}", meaning, "", ""
        others.insert(0, (entry, expected, example))
    for entry, expected, example in others:
        yield f"`{entry}`", "", expected, example


def _type(key: str, declared: Mapping[str, Any]) -> str:
    """Return a setting's type, with a note if the setting is required."""
    if "default" not in declared:
        return f"{declared['type']}, required"
    by_connector = key in (KEYS["secret_id"], KEYS["bucket_name"], KEYS["vpc_configuration"])
    return f"{declared['type']}, [by connector](#connectors)" if by_connector else declared["type"]


def _places() -> str:
    """Return the table of the settings by place."""

    def keys(settings: Iterable[str]) -> Iterator[str]:
        for name in settings:
            required = " (required)" if SETTINGS[name].required or name == "region" else ""
            yield f"`{config_key(name)}`{required}"

    rows: list[tuple[str, str]] = []
    for scope, place in _SCOPES.items():
        own = [*keys(name for name, setting in SETTINGS.items() if setting.scope == scope)]
        own += [f"`{PROTECT}`"] if scope == "default" else []
        rows.append((place, ", ".join(own)))
    return table(("Place", "Settings"), rows)


def _connectors() -> str:
    """Return the table of all connectors."""
    columns = ("Connector", "Bucket", "Status", "`type`")
    return table(columns, map(_connector, CONNECTORS.values()))


def _needs() -> str:
    """Return the list of the connectors' needs for a secret and a VPC, with the exceptions."""
    items: list[str] = []
    for name, kind, usual in (("Secret", "secret", Need.REQUIRED), ("VPC", "vpc", Need.OPTIONAL)):
        exceptions: dict[Need, list[str]] = {}
        for connector in CONNECTORS.values():
            if (need := getattr(connector, kind)) is not usual:
                exceptions.setdefault(need, []).append(f"`{connector.name}`")
        texts = [f"**{name}:** usually {usual}"]
        for need, its in exceptions.items():
            earlier = need is Need.EARLIER_VERSIONS
            text = "supported only in earlier versions of" if earlier else f"{need} for"
            texts.append(f"{text} {', '.join(its)}")
        items.append("; ".join(texts))
    return bullets(items)


def _connector(connector: Connector) -> tuple[str, ...]:
    """Return one connector's row."""
    return (
        f"`{connector.name}`<br>[{connector.title}]({connector.page})",
        "no" if connector.bucket is Need.NOT_SUPPORTED else connector.bucket,
        connector.status,
        connector.types.replace(" ", ", "),
    )


def _expected(name: str) -> Iterator[tuple[str, str, str]]:
    """Yield each key of a setting or of its entries, with the expected value and an example."""
    if name == "connector":
        yield "connector", "a name from the table of [connectors](#connectors)", f"`{_CONNECTOR}`"
        return
    if name == "vpc_configuration":
        invalid: object = {camel_case(entry): [_INVALID] for entry in Vpc.lists}
    elif name == "tags":
        invalid = {"KEY": 1}
    else:
        invalid = _INVALID
    try:
        inputs = {**REQUIRED_INPUTS, "connector": _CONNECTOR, camel_case(name): invalid}
        render("docs", inputs, "", source=Source.PACKAGE)
    except SettingsError as error:
        for problem in error.problems:
            path = problem.place.path
            key = problem.place.name if name in KEYS else "aws:region"
            example = _EXAMPLES.get(str(path[1 if len(path) > 1 else 0]))
            yield key, problem.expected, f"`{example}`" if example else ""


_SCOPES: Final = {
    "stack": "Top level only",
    "default": "Top level, as a default that an entry can override",
    "entry": "Entry of `dataSources` only",
}
_PLACES: Final = """\
## Where each setting goes

With [`dataSources`](data-sources.md), a stack has a role for each entry, and the table shows each setting's place.
Without `dataSources`, a stack in a clone has one role, `aem-connector`, with all settings at the top level:

```yaml
config:
  aws:region: us-east-1
  aws:allowedAccountIds: ["123456789012"]
  qbusiness-aem-connector:applicationId: a1b2c3d4-5678-90ab-cdef-111111111111
  qbusiness-aem-connector:indexId: b2c3d4e5-6789-01ab-cdef-222222222222
  qbusiness-aem-connector:connector: confluence-cloud
  qbusiness-aem-connector:secretId: qbusiness/wiki-c3D4e5
```
"""
_INVALID: Final = "\0"
"""A value that no format allows."""
_CONNECTOR: Final = "webcrawler"
"""A connector that accepts every setting."""
_REMARKS: Final = {
    "secret_id": "Web Crawler needs it only if a site or proxy requires sign-in.",
    "connector": "Changing the connector updates the role policy but keeps the role.",
    "vpc_configuration": (
        "If only earlier versions of a connector support a VPC, the program prints a warning."
    ),
}
"""Remarks that follow a setting's description."""
_NOTES: Final = {
    "secret_id": """\
A Web Crawler data source can have two secrets: `secretArn` for the sites, and `additionalProperties.proxy.secretArn` for
a web proxy. If it has both, set `secretId` to the first secret, and add [another
policy](own-project.md#add-a-policy-of-your-own) for the second.""",
    "bucket_name": """\
The role can read every object in the bucket, so keep unrelated files in another bucket. For `s3-v1` and `s3-v2`, the
role can also list the bucket. For other connectors, set `bucketName` only if the data source's configuration refers to
a file in S3, such as a certificate or Web Crawler's seed or sitemap file.""",
    "bucket_account_id": """\
Set `bucketAccountId` if the bucket is in another account. The [bucket
policy](troubleshooting.md#a-bucket-in-another-account) must also grant the role access.""",
    "kms_key_id": """\
Set `kmsKeyId` if a customer managed key encrypts the secret or, for `s3-v1` and `s3-v2`, the bucket's objects. The role
can use the key only through Secrets Manager or, for these two connectors, Amazon S3. The [key
policy](troubleshooting.md#access-to-kms-is-not-allowed) must also grant the role access or delegate to IAM policies.

Don't set `kmsKeyId` for an AWS managed key, such as `aws/secretsmanager`. No setting grants access to the key of a
bucket that isn't the data source. Encrypt such a bucket's files with SSE-S3, which [Web Crawler
requires](https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connector-webcrawler.html).""",
    "ingest_scope": """\
Leave `ingestScope` unset. The role can then ingest documents into the application and the index. The value `index`
matches [six of AWS's pages](permissions.md#differences-from-awss-pages), but according to AWS's IAM documentation,
it isn't sufficient for ingestion.""",
    "allow_network_interface_deletion": """\
Set `allowNetworkInterfaceDeletion` if the data source uses a VPC. The role can then delete the application's
tagged network interfaces, which are otherwise [left behind](permissions.md#differences-from-awss-pages).""",
    "permissions_boundary_arn": """\
If your organization has no permissions boundary for these roles,
[`examples/ci-roles/`](ci.md#the-permissions-boundary) can create one for each environment.""",
    "exclusive_policies": """\
If you set `exclusivePolicies`, [drift detection](operate.md#find-drift) finds manually added policies, and
`pulumi up` removes them. Don't set it if the role needs a policy from another source, such as [your own
program](own-project.md#add-a-policy-of-your-own).

If the role already exists, the next preview shows two resources to create, and warns that the update removes the role's
other policies. A preview with the [policy pack](guardrails.md) lists these policies.""",
}
_EXAMPLES: Final = {
    "region": REGION,
    "applicationId": APPLICATION_ID,
    "indexId": INDEX_ID,
    "secretId": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET_ID}",
    "bucketName": "qbusiness-files",
    "bucketAccountId": ACCOUNT,
    "kmsKeyId": KEY_ID,
    "subnetIds": SUBNET_ID,
    "securityGroupIds": SECURITY_GROUP_ID,
    "accountId": ACCOUNT,
    "roleName": "qbusiness-aem-connector",
    "rolePath": "/qbusiness/",
    "roleDescription": "Amazon Q Business, connector for AEM Cloud",
    "permissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
}
_ACCOUNTS: Final = (
    "[Accounts whose credentials the AWS provider accepts](index.md#guard-against-the-wrong-account), "
    "including the application's account."
)
_DEFAULT_TAGS: Final = "Tags for all of the stack's resources. The tags in `tags` take precedence."
_REGION: Final = "Region of the application. Settings can't contain ARNs from other Regions."

_INTRODUCTION: Final = """\
# Configuration

Look up a stack's settings and outputs. To set a value, edit `Pulumi.STACK.yaml` or use `pulumi config set`:

```sh
pulumi config set --plaintext kmsKeyId 1234abcd-12ab-34cd-56ef-1234567890ab &&
pulumi config set --path 'vpcConfiguration.subnetIds[0]' --type string subnet-0a1b2c3d4e5f60718 &&
pulumi config set --path 'vpcConfiguration.securityGroupIds[0]' --type string sg-0c3d4e5f607182930 &&
pulumi config set --path 'tags.CostCenter' --type string search
```

In the file, each key begins with the project's name, except for the AWS provider's settings, which begin with `aws:`.
For a setting in an [entry](data-sources.md#entries), begin the key with `dataSources.NAME.` and add `--path`.

The program checks all settings before it creates anything, and prints a fix for each problem. It also rejects unknown
keys, so a misspelled `kmsKeyId` doesn't silently omit the KMS statement. In the file, quote numbers and dates, because
YAML converts unquoted values such as `012345670123`.

## Settings
"""

_OUTPUTS: Final = """\
## Outputs

| Output | Meaning |
|---|---|
| `roleArns`, `roleNames` | [Objects](data-sources.md#read-the-outputs) with the ARN or the name of each entry's role; only with `dataSources` |
| `roleArn`, `roleName` | ARN or name of the single role, or of the `aem-connector` entry's role |
"""
_SECRETS: Final = """\
## Secret settings

No setting needs to be secret, because names, IDs, and ARNs contain no credentials. The program rejects secrets in
`dataSources`. If you set a top-level setting with `--secret`, each policy that contains it is secret. Previews then
show `[secret]` instead of a change, and [`check`](check.md#secret-settings) skips the role unless you pass
`--show-secrets`. The state still contains some plaintext copies, such as the ARN of a role with a secret `roleName`.
"""
_CONNECTORS: Final = f"""\
## Connectors

The titles link to AWS's IAM role pages, whose URLs contain the connectors' names. AWS supported *legacy* connectors
until {LEGACY_SUPPORT_END}, only for existing customers; the program still creates their roles. `type` is the data source
configuration's `type`.
"""
