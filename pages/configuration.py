"""Write docs/configuration.md from Pulumi.yaml, the connectors, and the messages of the program.

What a setting expects is quoted from the message that refuses an invalid value.
"""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from components.connectors import CONNECTORS, Connector, Need
from components.default_provider import ALLOWED_ACCOUNTS
from components.errors import SettingsError
from components.settings import SETTINGS, VPC_MEMBERS, Arguments
from components.stack_config import KEYS, PACKAGE_INPUTS, camel_case
from components.validation import validate
from evidence.examples import (
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
from pages.markdown import table
from sandbox.environment import PROJECT


def page() -> str:
    """Return the text of the page."""
    sections = [_section(name) for name in SETTINGS]
    return "\n".join([_INTRODUCTION, _table(), *sections, _CONNECTORS, _connectors()])


def _table() -> str:
    """Return the table of all settings, as Pulumi.yaml declares them."""
    region = ("`aws:region`", "string, required", _REGION)
    accounts = (f"`{ALLOWED_ACCOUNTS}`", "list of strings, recommended", _ACCOUNTS)
    declared = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
    rows = [
        (f"`{key}`", _type(key, setting), setting["description"]) for key, setting in declared.items()
    ]
    return table(("key", "type", "meaning"), [region, accounts, *rows])


def _type(key: str, declared: dict[str, Any]) -> str:
    """Return the type of a setting, and whether it is required."""
    if "default" not in declared:
        return f"{declared['type']}, required"
    by_connector = key in (KEYS["secret_id"], KEYS["bucket_name"], KEYS["vpc_configuration"])
    return f"{declared['type']}, [by connector](#connectors)" if by_connector else declared["type"]


def _connectors() -> str:
    """Return the table of all connectors."""
    columns = ("connector", "secret", "bucket", "VPC", "status", "`type`")
    return table(columns, map(_connector, CONNECTORS.values()))


def _connector(connector: Connector) -> tuple[str, ...]:
    """Return the row of one connector."""
    needs = (connector.secret, connector.bucket, connector.vpc)
    return (
        f"`{connector.name}`<br>[{connector.title}]({connector.page})",
        *(_NEEDS.get(need, need) for need in needs),
        connector.status,
        connector.types.replace(" ", ", "),
    )


def _section(name: str) -> str:
    """Return the section of one setting."""
    paragraphs = [f"## {KEYS.get(name, 'aws:region')}", *_expected(name)]
    if name in _NOTES:
        paragraphs.append(_NOTES[name])
    return "".join(f"{paragraph}\n\n" for paragraph in paragraphs).removesuffix("\n")


def _expected(name: str) -> Iterator[str]:
    """Let the program report what it expects instead of an invalid value."""
    if name == "connector":
        yield f"Expected: a name from the table of [connectors](#connectors). Example: `{_CONNECTOR}`."
        return
    if name == "vpc_configuration":
        invalid: object = {camel_case(member): [_INVALID] for member in VPC_MEMBERS}
    elif name == "tags":
        invalid = {"KEY": 1}
    else:
        invalid = _INVALID
    try:
        inputs = {**REQUIRED_INPUTS, "connector": _CONNECTOR, camel_case(name): invalid}
        validate("docs", Arguments.of(inputs, PACKAGE_INPUTS))
    except SettingsError as error:
        for problem in error.problems:
            member = f"`{problem.name}`: " if len(problem.path) > 1 else "Expected: "
            example = _EXAMPLES.get(str(problem.path[1 if len(problem.path) > 1 else 0]))
            yield f"{member}{problem.expected}." + (f" Example: `{example}`." if example else "")


_INVALID: Final = "\0"
"""A value that no format allows."""
_CONNECTOR: Final = "webcrawler"
"""A connector that takes every setting."""
_NEEDS: Final = {Need.EARLIER_VERSIONS: "earlier versions", Need.NOT_SUPPORTED: "no"}
"""How the table writes what the program describes at length."""
_NOTES: Final = {
    "secret_id": """\
Most [connectors](#connectors) require it. The Amazon S3 connectors refuse it, because they need no credentials. Web
Crawler needs it only for sites or a proxy with a sign-in.""",
    "connector": """\
It decides whether `secretId`, `bucketName`, and `vpcConfiguration` are required, optional, or refused, and with that,
which statements the role policy has. If you change it, the next update changes the role policy and keeps the role.""",
    "bucket_name": """\
For `s3-v1` and `s3-v2`, the bucket is the data source: the role can list it and read its objects. For the other
connectors that take a bucket, set it only if the data source's configuration names a file in S3: a certificate, for
example, or the seed and sitemap files of Web Crawler. The role can then read each object of this bucket, so keep
other files elsewhere.""",
    "bucket_account_id": """\
Set it if the bucket is in another account than the application. The role can then read the bucket only in this
account, and the bucket policy there must allow the role.""",
    "kms_key_id": """\
Set it if a customer managed key encrypts the secret. For `s3-v1` and `s3-v2`, which have no secret, it is the
customer managed key of the bucket's objects. Do not set it for an AWS managed key, such as `aws/secretsmanager`. The
policy of a customer managed key must also allow the role, or IAM in its account: see the
[FAQ](faq.md#access-denied-to-the-kms-key). No setting covers the key of a bucket that is not the data source: encrypt
a certificate there with keys of Amazon S3 (SSE-S3).""",
    "vpc_configuration": """\
Some [connectors](#connectors) refuse it. Where only earlier versions of a connector support a VPC, the program prints a
warning.""",
    "ingest_scope": """\
The resources of the ingest statement: the application and the index, as on most of AWS's pages, or only the index, as
on [the other pages](permissions.md#differences-from-awss-pages) and on older editions. Both actions require both
resource types.""",
    "allow_network_interface_deletion": """\
AWS's pages grant `ec2:DeleteNetworkInterface` only under a condition that a deletion cannot meet. This setting adds
one statement that grants it for network interfaces with the application's tag.""",
    "exclusive_policies": """\
Without it, policies that somebody adds to the role by hand do not belong to the stack: drift detection does not find
them, and an update does not remove them.""",
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
    "Accounts that the AWS provider may use, the application's among them: [which "
    "account](environments.md#which-account)"
)
_REGION: Final = "Region of the application; each ARN in the settings must be of this Region"

_INTRODUCTION: Final = """\
# Configuration

All settings of this program. The keys are in the project's namespace, `qbusiness-aem-connector`, except for `aws:region`
and `aws:allowedAccountIds`, which belong to the AWS provider. The same settings are the arguments of the component, in
snake case, and the inputs of the [package](other-languages.md). There, the Region is `region`. The
[connector](#connectors) decides whether it needs a secret, a bucket, and a VPC.

Pulumi itself first reports required keys that are missing, and values of another YAML type. The program then validates
all settings before it creates anything, and reports all errors at once, each with the command that fixes it. It also refuses unknown keys in its namespace: a misspelled `kmsKeyId` does not silently remove the KMS
statement. Put numbers and dates in quotes: YAML reads an unquoted `012345670123` as another number, and an unquoted
`2024-05-01` as a time. Set members of objects by their path:

```sh
pulumi config set --path 'vpcConfiguration.subnetIds[0]' --type string subnet-0a1b2c3d4e5f60718 &&
pulumi config set --path 'vpcConfiguration.securityGroupIds[0]' --type string sg-0c3d4e5f607182930 &&
pulumi config set --path 'tags.CostCenter' --type string search
```
"""

_CONNECTORS: Final = """\
## Connectors

Set `connector` to a name from the first column. The names are those in the addresses of AWS's IAM role pages, to which
the titles lead. "no" means that the connector refuses the setting. AWS supported *legacy* connectors for existing
customers until 31 May 2026. `type` is the value in the configuration of the data source, `JDBC` for every database.
"""
