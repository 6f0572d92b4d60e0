"""Define the formats of text values, and AWS's limits.

No identifier format allows a wildcard, a policy variable, a quote, whitespace, or a control character,
so in a policy, a value matches only the resource that it identifies.
"""

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from .connectors import CONNECTORS
from .problems import Place, Problems, similar, suggest


class Location(NamedTuple):
    """The partition, Region, and account of an application, a resource, or a provider's credentials."""

    partition: str = ""
    region: str = ""
    account: str = ""

    def arn(self, service: str, resource: str, account: str = "") -> str:
        """Return a resource's ARN in this location, with a different account if `account` is given."""
        return f"arn:{self.partition}:{service}:{self.region}:{account or self.account}:{resource}"


NOWHERE: Final = Location()


class Text(NamedTuple):
    """Valid text, and its parts: the named groups of its format's pattern. A missing part is ""."""

    text: str = ""
    id: str = ""  # the end of an ARN, or the whole text if it is just an ID
    partition: str = ""
    region: str = ""
    account: str = ""


class Format(NamedTuple):
    """The format of text, the most common kind of value in a setting."""

    name: str
    pattern: str  # matches the entire text; the named groups are fields of Text
    expected: str
    placeholder: str = ""  # the command that sets the value contains this text, which is never valid
    choices: Collection[str] = ()  # all valid values, if they can be listed
    blank = ""

    def parse(self, text: object) -> Text | None:
        """Return valid text with its parts; None for any other value."""
        match = re.fullmatch(self.pattern, text) if isinstance(text, str) else None
        return Text(match[0], **match.groupdict("")) if match and text != self.placeholder else None

    def read(self, given: object, place: Place, problems: Problems) -> Text | None:
        """Return valid text; reject any other value and return None."""
        if text := self.parse(given):
            return text
        if given == self.placeholder != "":
            problem = f"{given} is a placeholder"
        elif isinstance(given, str):
            near = [] if place.is_secret else similar(given, self.choices)
            problem = f"{place.show(given)} is not {self.name}{suggest(near)}"
        else:  # YAML reads some text as a number or a boolean
            advice = "; if the value is right, quote it" if isinstance(given, (int, float)) else ""
            problem = f"expected a string, got {place.show(given)}{advice}"
        problems.add(place, problem, self.expected, place.fix("set", self.placeholder))
        return None


SERVICE: Final = "qbusiness.amazonaws.com"  # the service principal that assumes the role
# Patterns for the parts of an ARN. They limit the lengths of partitions and Regions, because long names
# could make a policy too long; AWS's current names are short enough.
_PATTERNS: Final = Location(
    r"(?P<partition>aws(?:-[a-z]{1,16}){0,3})",
    r"(?P<region>[a-z]{2,5}(?:-[a-z]{1,16}){1,3}-[0-9]{1,2})",
    r"(?P<account>[0-9]{12})",
)
SHOWN: Final = Location("PARTITION", "REGION", "ACCOUNT")
# IAM allows all printable ASCII. This pattern excludes wildcards, quotes, backticks, $, and backslashes.
_PATH: Final = r"/(?:[!#%&()+,./0-9:;<=>@A-Z\[\]^_a-z{|}~-]+/)?"
_ENTITY_NAME: Final = r"[A-Za-z0-9_+=,.@-]"
_QBUSINESS_ID: Final = r"[a-zA-Z0-9][a-zA-Z0-9-]{35}"


def _id_or_arn(service: str, resource: str, id_: str) -> str:
    """Return a pattern that matches an ID or an ARN that ends with an ID."""
    return f"(?:{_PATTERNS.arn(service, resource)})?(?P<id>{id_})"


def _one_of(name: str, choices: Collection[str], placeholder: str) -> Format:
    pattern = "|".join(map(re.escape, choices))
    return Format(name, pattern, f"one of {', '.join(choices)}", placeholder, choices)


REGION: Final = Format("a Region", _PATTERNS.region, "a Region such as us-east-1", "REGION")
ACCOUNT_ID: Final = Format(
    "an account ID",
    _PATTERNS.account,
    "12 digits; quote them in YAML, because YAML changes an unquoted number that begins with 0",
    "ACCOUNT_ID",
)
APPLICATION: Final = Format(
    "an application ID or ARN",
    _id_or_arn("qbusiness", "application/", _QBUSINESS_ID),
    "36 letters, digits, and hyphens, not beginning with a hyphen; or "
    f"{SHOWN.arn('qbusiness', 'application/ID')}",
    "APPLICATION_ID",
)  # https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetApplication.html
INDEX_ID: Final = Format(
    "an index ID",
    f"(?P<id>{_QBUSINESS_ID})",
    "36 letters, digits, and hyphens, not beginning with a hyphen (the ID, not the ARN)",
    "INDEX_ID",
)  # https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetIndex.html
SECRET: Final = Format(
    "a secret ARN or NAME-XXXXXX",
    _id_or_arn("secretsmanager", "secret:", r"[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}"),
    f"{SHOWN.arn('secretsmanager', 'secret:NAME-XXXXXX')}, or NAME-XXXXXX, where XXXXXX is the suffix "
    "that Secrets Manager added. For the full ARN, see 'Secret ARN' in the console, or run "
    "`aws secretsmanager describe-secret --secret-id NAME --query ARN`",
    "SECRET_ARN",
)  # https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
CONNECTOR: Final = _one_of("a connector", CONNECTORS, "CONNECTOR")
BUCKET: Final = Format(
    "the name of an S3 bucket",
    (
        r"(?!xn--|sthree-|amzn-s3-demo-)"  # reserved prefixes
        r"(?!.*(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)\Z)"  # reserved suffixes
        r"(?![0-9]+\.[0-9]+\.[0-9]+\.[0-9]+\Z)"  # an IP address
        r"(?!.*\.\.)"
        r"(?P<id>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])"
    ),
    "3 to 63 lowercase letters, digits, hyphens, and single periods, beginning and ending with a letter "
    "or digit; not an ARN, an IP address, an alias, a directory or table bucket, or a name with a "
    "reserved prefix (xn--, sthree-, amzn-s3-demo-)",
    "BUCKET_NAME",
)  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
KEY: Final = Format(
    "a KMS key ID or ARN",
    _id_or_arn(
        "kms",
        "key/",
        r"(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})",
    ),
    "a key ID (a lowercase UUID, or mrk- and 32 hexadecimal digits), or "
    f"{SHOWN.arn('kms', 'key/ID')}; not an alias, because policies do not resolve aliases. To get the "
    "ARN, run `aws kms describe-key --key-id ALIAS --query KeyMetadata.Arn`",
    "KEY_ID",
)  # https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
SUBNET: Final = Format(
    "a subnet ID or ARN",
    _id_or_arn("ec2", "subnet/", r"subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})"),
    f"subnet- and 8 or 17 hexadecimal digits, or {SHOWN.arn('ec2', 'subnet/ID')} for a subnet that "
    "another account shares",
    "SUBNET_ID",
)
SECURITY_GROUP: Final = Format(
    "a security group ID",
    r"(?P<id>sg-(?:[0-9a-f]{8}|[0-9a-f]{17}))",
    "sg- and 8 or 17 hexadecimal digits",
    "SECURITY_GROUP_ID",
)  # https://docs.aws.amazon.com/amazonq/latest/api-reference/API_DataSourceVpcConfiguration.html
# The resources in the ingest statement. Some of AWS's pages list only the index.
INGEST_SCOPES: Final = ("applicationAndIndex", "index")
INGEST_SCOPE: Final = _one_of("an ingest scope", INGEST_SCOPES, "INGEST_SCOPE")
MAXIMUM_ROLE_NAME_LENGTH: Final = 64
ROLE_NAME: Final = Format(
    "a valid role name",
    f"{_ENTITY_NAME}{{1,{MAXIMUM_ROLE_NAME_LENGTH}}}",
    f"1 to {MAXIMUM_ROLE_NAME_LENGTH} letters, digits, and _+=,.@-",
    "ROLE_NAME",
)  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
# The suffixes after the component's name in the resource names of the role and its policy.
ROLE_NAME_SUFFIX: Final = "-qbusiness-role"
POLICY_NAME_SUFFIX: Final = "-qbusiness-policy"
# An automatic role name also has a random suffix, such as -1234567.
MAXIMUM_COMPONENT_NAME_LENGTH: Final = MAXIMUM_ROLE_NAME_LENGTH - len(ROLE_NAME_SUFFIX) - 8
COMPONENT_NAME: Final = Format(
    "a component name",
    f"{_ENTITY_NAME}{{1,{MAXIMUM_COMPONENT_NAME_LENGTH}}}",
    f"a component name of 1 to {MAXIMUM_COMPONENT_NAME_LENGTH} letters, digits, and _+=,.@-",
)
# An entry's name is also its component's name. In Pulumi's stack files, the key `secure` marks a secret.
ENTRY_NAME: Final = Format(
    "a valid data source name",
    rf"(?!secure\Z)[a-z][a-z0-9-]{{0,{MAXIMUM_COMPONENT_NAME_LENGTH - 1}}}",
    f"a lowercase letter followed by up to {MAXIMUM_COMPONENT_NAME_LENGTH - 1} lowercase letters, "
    "digits, and hyphens; the name `secure` is reserved",
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
        rf"(?=.{{20,2048}}\Z)arn:{_PATTERNS.partition}:iam::(?P<account>[0-9]{{12}}|aws)"
        rf":policy{_PATH}{_ENTITY_NAME}{{1,128}}"
    ),
    "arn:PARTITION:iam::ACCOUNT:policy/NAME, 20 to 2,048 characters, without wildcards, quotes, or $",
    "POLICY_ARN",
)
_TAG_CHARACTERS: Final = "letters, digits, spaces, and _.:/=+-@"
# \w matches letters, digits, and _; the spaces are Unicode's separators.
_TAG_CHARACTER: Final = r"[\w.:/=+@ \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000-]"
TAG_KEY: Final = Format("a valid tag key", f"{_TAG_CHARACTER}{{1,128}}", f"1 to 128 {_TAG_CHARACTERS}")
TAG_VALUE: Final = Format(
    "a valid tag value",
    f"{_TAG_CHARACTER}{{0,256}}",
    f"at most 256 {_TAG_CHARACTERS}",
    "TAG_VALUE",
)  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html

# https://docs.aws.amazon.com/general/latest/gr/amazonq.html
SUPPORTED_REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2")
MAXIMUM_SECURITY_GROUPS: Final = 10
MAXIMUM_CONSOLE_SUBNETS: Final = 6
MAXIMUM_TAGS: Final = 50
# The Amazon Q Business console lists only roles with one of these words in their names.
LISTED_NAMES: Final = ("qbusiness", "QBusiness")
# The maximum total size of a role's inline policies, in characters other than whitespace. This quota
# cannot be increased: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAXIMUM_INLINE_SIZE: Final = 10_240
