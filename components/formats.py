"""Define the formats of text values, and AWS's limits.

No identifier format allows a wildcard, a policy variable, a quote, whitespace, or a control character,
so in a policy, a value matches only the resource that it identifies.
"""

import re
from collections.abc import Collection
from typing import Final

from .connectors import CONNECTORS
from .kinds import Format

# AWS's current names are within these limits. Without limits, a Region could make a policy too long.
_PARTITION = r"aws(?:-[a-z]{1,16}){0,3}"
_REGION = r"[a-z]{2,5}(?:-[a-z]{1,16}){1,3}-[0-9]{1,2}"
_ACCOUNT = r"[0-9]{12}"
# IAM allows all printable ASCII in a path. This pattern excludes wildcards, quotes, backquotes, $, and
# backslashes.
_PATH = r"/(?:[!#%&()+,./0-9:;<=>@A-Z\[\]^_a-z{|}~-]+/)?"
_ENTITY_NAME = r"[A-Za-z0-9_+=,.@-]"
_QBUSINESS_ID = r"[a-zA-Z0-9][a-zA-Z0-9-]{35}"
SERVICE: Final = "qbusiness.amazonaws.com"
"""Amazon Q Business's service principal, which assumes the role."""
APPLICATION_ARN: Final = "arn:PARTITION:qbusiness:REGION:ACCOUNT:application/"
SECRET_ARN: Final = "arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:"
KEY_ARN: Final = "arn:PARTITION:kms:REGION:ACCOUNT:key/"
SUBNET_ARN: Final = "arn:PARTITION:ec2:REGION:ACCOUNT:subnet/"
SECURITY_GROUP_ARN: Final = "arn:PARTITION:ec2:REGION:ACCOUNT:security-group/"
"""ARNs with placeholders, without the ID at the end."""


def fill_arn(arn: str, partition: str, region: str, account: str) -> str:
    """Replace the placeholders in an ARN, such as KEY_ARN, with the partition, Region, and account."""
    return arn.replace("PARTITION", partition).replace("REGION", region).replace("ACCOUNT", account)


def _id_or_arn(arn: str, id_: str) -> str:
    """Return a pattern, with named groups, that matches an ID or an ARN that ends with an ID."""
    partition, region = f"(?P<partition>{_PARTITION})", f"(?P<region>{_REGION})"
    return f"(?:{fill_arn(arn, partition, region, f'(?P<account>{_ACCOUNT})')})?(?P<id>{id_})"


def _one_of(name: str, choices: Collection[str], placeholder: str) -> Format:
    pattern = "|".join(map(re.escape, choices))
    return Format(name, pattern, f"one of {', '.join(choices)}", placeholder, choices)


REGION: Final = Format("a Region", f"(?P<region>{_REGION})", "a Region such as us-east-1", "REGION")
ACCOUNT_ID: Final = Format(
    "an account ID",
    f"(?P<account>{_ACCOUNT})",
    "12 digits; quote them in YAML, because YAML changes an unquoted number that begins with 0",
    "ACCOUNT_ID",
)
APPLICATION: Final = Format(
    "an application ID or ARN",
    _id_or_arn(APPLICATION_ARN, _QBUSINESS_ID),
    f"36 letters, digits, and hyphens, not beginning with a hyphen; or {APPLICATION_ARN}ID",
    "APPLICATION_ID",
)
"""https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetApplication.html"""
INDEX_ID: Final = Format(
    "an index ID",
    _QBUSINESS_ID,
    "36 letters, digits, and hyphens, not beginning with a hyphen (the ID, not the ARN)",
    "INDEX_ID",
)
"""https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetIndex.html"""
SECRET: Final = Format(
    "a secret ARN or NAME-XXXXXX",
    _id_or_arn(SECRET_ARN, r"[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}"),
    f"{SECRET_ARN}NAME-XXXXXX, or NAME-XXXXXX, where XXXXXX is the suffix that Secrets Manager added. "
    "For the full ARN, see 'Secret ARN' in the console, or run "
    "`aws secretsmanager describe-secret --secret-id NAME --query ARN`",
    "SECRET_ARN",
)
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html"""
CONNECTOR: Final = _one_of("a connector", CONNECTORS, "CONNECTOR")
BUCKET: Final = Format(
    "the name of an S3 bucket",
    (
        r"(?!xn--|sthree-|amzn-s3-demo-)"  # reserved prefixes
        r"(?!.*(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)\Z)"  # reserved suffixes
        r"(?![0-9]+\.[0-9]+\.[0-9]+\.[0-9]+\Z)"  # an IP address
        r"(?!.*\.\.)"
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
    ),
    "3 to 63 lowercase letters, digits, hyphens, and single periods, beginning and ending with a letter "
    "or digit; not an ARN, an IP address, an alias, a directory or table bucket, or a name with a "
    "reserved prefix (xn--, sthree-, amzn-s3-demo-)",
    "BUCKET_NAME",
)
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
KEY: Final = Format(
    "a KMS key ID or ARN",
    _id_or_arn(
        KEY_ARN,
        r"(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})",
    ),
    "a key ID (a lowercase UUID, or mrk- and 32 hexadecimal digits), or "
    f"{KEY_ARN}ID; not an alias, because policies do not resolve aliases. To get the ARN, run "
    "`aws kms describe-key --key-id ALIAS --query KeyMetadata.Arn`",
    "KEY_ID",
)
"""https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id"""
SUBNET: Final = Format(
    "a subnet ID or ARN",
    _id_or_arn(SUBNET_ARN, r"subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})"),
    f"subnet- and 8 or 17 hexadecimal digits, or {SUBNET_ARN}ID for a subnet that another account "
    "shares",
    "SUBNET_ID",
)
SECURITY_GROUP: Final = Format(
    "a security group ID",
    r"(?P<id>sg-(?:[0-9a-f]{8}|[0-9a-f]{17}))",
    "sg- and 8 or 17 hexadecimal digits",
    "SECURITY_GROUP_ID",
)
"""https://docs.aws.amazon.com/amazonq/latest/api-reference/API_DataSourceVpcConfiguration.html"""
INGEST_APPLICATION_AND_INDEX: Final = "applicationAndIndex"
INGEST_SCOPES: Final = (INGEST_APPLICATION_AND_INDEX, "index")
"""Resources in the ingest statement: as on AWS's current page (the default), or as on an older page."""
INGEST_SCOPE: Final = _one_of("an ingest scope", INGEST_SCOPES, "INGEST_SCOPE")
MAXIMUM_ROLE_NAME_LENGTH: Final = 64
ROLE_NAME: Final = Format(
    "a valid role name",
    rf"{_ENTITY_NAME}{{1,{MAXIMUM_ROLE_NAME_LENGTH}}}",
    f"1 to {MAXIMUM_ROLE_NAME_LENGTH} letters, digits, and _+=,.@-",
    "ROLE_NAME",
)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
ROLE_NAME_SUFFIX: Final = "-qbusiness-role"
POLICY_NAME_SUFFIX: Final = "-qbusiness-policy"
"""The suffixes after the component's name in the resource names of the role and its policy."""
_AUTOMATIC_SUFFIX = "-1234567"
"""An example of the random suffix that Pulumi adds to an automatic name; only its length matters."""
MAXIMUM_COMPONENT_NAME_LENGTH: Final = MAXIMUM_ROLE_NAME_LENGTH - len(
    ROLE_NAME_SUFFIX + _AUTOMATIC_SUFFIX
)
COMPONENT_NAME: Final = Format(
    "a component name",
    rf"{_ENTITY_NAME}{{1,{MAXIMUM_COMPONENT_NAME_LENGTH}}}",
    f"a component name of 1 to {MAXIMUM_COMPONENT_NAME_LENGTH} letters, digits, and _+=,.@-",
    "NAME",
)
ROLE_PATH: Final = Format(
    "a valid role path",
    rf"(?=.{{1,512}}\Z)(?!/aws-service-role/){_PATH}",
    "/ or /.../, at most 512 printable ASCII characters, without spaces, quotes, backticks, \\, *, ?, "
    "or $; not beginning with /aws-service-role/, which IAM reserves for service-linked roles",
    "ROLE_PATH",
)
ROLE_DESCRIPTION: Final = Format(
    "a valid role description",
    r"[\t\n\r\x20-\x7e\xa1-\xff]{1,1000}",
    "at most 1,000 printable Latin-1 characters, tabs, and line breaks",
    "ROLE_DESCRIPTION",
)
PERMISSIONS_BOUNDARY: Final = Format(
    "the ARN of an IAM policy",
    (
        rf"(?=.{{20,2048}}\Z)arn:(?P<partition>{_PARTITION}):iam::(?P<account>{_ACCOUNT}|aws)"
        rf":policy{_PATH}{_ENTITY_NAME}{{1,128}}"
    ),
    "arn:PARTITION:iam::ACCOUNT:policy/NAME, 20 to 2,048 characters, without wildcards, quotes, or $",
    "POLICY_ARN",
)
_TAG_CHARACTERS = "letters, digits, spaces, and _.:/=+-@"
# \w matches letters, digits, and _; the spaces are Unicode's separators.
_TAG_CHARACTER = r"[\w.:/=+@ \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000-]"
TAG_KEY: Final = Format(
    "a valid tag key", rf"{_TAG_CHARACTER}{{1,128}}", f"1 to 128 {_TAG_CHARACTERS}", "TAG_KEY"
)
TAG_VALUE: Final = Format(
    "a valid tag value",
    rf"{_TAG_CHARACTER}{{0,256}}",
    f"at most 256 {_TAG_CHARACTERS}",
    "TAG_VALUE",
)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html"""

SUPPORTED_REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2")
"""https://docs.aws.amazon.com/general/latest/gr/amazonq.html"""
MAXIMUM_SECURITY_GROUPS: Final = 10
MAXIMUM_CONSOLE_SUBNETS: Final = 6
MAXIMUM_TAGS: Final = 50
LISTED_NAMES: Final = ("qbusiness", "QBusiness")
"""The Amazon Q Business console lists only roles with one of these in their names."""
MAXIMUM_INLINE_SIZE: Final = 10_240
"""The maximum size of all of a role's inline policies together, in characters without whitespace.

This quota cannot be increased:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
