"""Write docs/configuration.md from Pulumi.yaml and the messages of the program.

What a setting expects is quoted from the message that refuses an invalid value.
"""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from components.errors import SettingsError
from components.formats import SETTINGS, VPC_MEMBERS
from components.stack_config import KEYS, PACKAGE_INPUTS, camel_case
from components.validation import validate
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
from pages.markdown import table
from sandbox.environment import PROJECT


def page() -> str:
    """Return the text of the page."""
    sections = [_section(name) for name in SETTINGS]
    return "\n".join([_INTRODUCTION, _table(), *sections])


def _table() -> str:
    """Return the table of all settings, as Pulumi.yaml declares them."""
    region = ("`aws:region`", "string, required", _REGION)
    declared = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
    rows = [(f"`{key}`", _type(setting), setting["description"]) for key, setting in declared.items()]
    return table(("key", "type", "meaning"), [region, *rows])


def _type(declared: dict[str, Any]) -> str:
    return declared["type"] if "default" in declared else f"{declared['type']}, required"


def _section(name: str) -> str:
    """Return the section of one setting."""
    paragraphs = [f"## {KEYS.get(name, 'aws:region')}", *_expected(name)]
    if name in _NOTES:
        paragraphs.append(_NOTES[name])
    return "".join(f"{paragraph}\n\n" for paragraph in paragraphs).removesuffix("\n")


def _expected(name: str) -> Iterator[str]:
    """Ask the program what it expects in place of an invalid value."""
    if name == "vpc_configuration":
        invalid: object = {camel_case(member): [_INVALID] for member in VPC_MEMBERS}
    elif name == "tags":
        invalid = {"KEY": 1}
    else:
        invalid = _INVALID
    try:
        validate("docs", {**REQUIRED_INPUTS, camel_case(name): invalid}, PACKAGE_INPUTS)
    except SettingsError as error:
        for problem in error.problems:
            member = f"`{problem.name}`: " if len(problem.path) > 1 else "Expected: "
            example = _EXAMPLES.get(str(problem.path[1 if len(problem.path) > 1 else 0]))
            yield f"{member}{problem.expected}." + (f" Example: `{example}`." if example else "")


_INVALID: Final = "\0"
"""A value that no format allows."""
_NOTES: Final = {
    "kms_key_id": """\
Leave it out if the secret is under the AWS managed key `aws/secretsmanager`. The policy of a customer
managed key must also let the role, or IAM in its account, use the key: see
[FAQ](faq.md#access-denied-to-the-kms-key).""",
    "ingest_scope": """\
AWS's current page names the application and the index as resources of the ingest statement; an older
edition of it named the index alone. Both actions require both resource types.""",
    "allow_network_interface_deletion": """\
AWS's page grants `ec2:DeleteNetworkInterface` only under a condition that a deletion cannot meet. This
adds one statement that grants it for network interfaces with the application's tag.""",
    "exclusive_policies": """\
Without it, policies that somebody adds to the role by hand are not the stack's: drift does not show them
and an update leaves them alone.""",
}
_EXAMPLES: Final = {
    "region": REGION,
    "applicationId": APPLICATION_ID,
    "indexId": INDEX_ID,
    "secretId": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET_ID}",
    "connector": "confluence-cloud",
    "bucketName": "aem-files",
    "bucketAccountId": ACCOUNT,
    "kmsKeyId": KEY_ID,
    "subnetIds": SUBNET_ID,
    "securityGroupIds": SECURITY_GROUP_ID,
    "accountId": ACCOUNT,
    "roleName": "qbusiness-aem-connector",
    "rolePath": "/qbusiness/",
    "roleDescription": "Amazon Q Business, AEM connector",
    "permissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
}
_REGION: Final = "Region of the application; every ARN among the settings has to agree with it"

_INTRODUCTION: Final = """\
# Configuration

Every setting of this program. The keys are in the project's namespace,
`qbusiness-aem-connector`, but for `aws:region`. The same settings are the arguments of the component, in
snake case, and the inputs of the [package](other-languages.md); there the Region is `region`.

A value that is not of the format below is refused before anything is created, all of them at once, with
the command that fixes each. A key of this namespace that is not in the table is refused too, so that a
misspelt `kmsKeyId` does not silently drop the KMS statement. Put numbers and dates in quotes: YAML reads
an unquoted `012345670123` as another number, and an unquoted `2024-05-01` as a time. Members of objects
are set by their path:

```sh
pulumi config set --path 'vpcConfiguration.subnetIds[0]' --type string subnet-0a1b2c3d4e5f60718 &&
pulumi config set --path 'vpcConfiguration.securityGroupIds[0]' --type string sg-0c3d4e5f607182930 &&
pulumi config set --path 'tags.CostCenter' --type string search
```
"""
