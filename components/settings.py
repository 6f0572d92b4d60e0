"""What may be set?

Every name, form and limit of a setting has its home here, and the one exception that refuses one.
No form of an identifier admits a wildcard, a policy variable, a quote, white space or a control
character, so that no value can reach beyond the one resource that it names.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import pulumi

Path = tuple[str, *tuple[str | int, ...]]
"""Where a value stands: `("vpc_configuration", "subnet_ids", 2)`."""


class Form(NamedTuple):
    """The form of a text value."""

    name: str
    pattern: re.Pattern[str]
    allowed: str
    example: str


class Reference(NamedTuple):
    """A resource named by its ID, or by its ARN, which says where the resource is as well."""

    id: str
    partition: str | None = None
    region: str | None = None
    account: str | None = None


class Settings(NamedTuple):
    """Valid settings of the two documents, with each resource as its ARN."""

    partition: str
    region: str
    account: str
    application_id: str
    index_id: str
    secret_arn: str
    key_arn: str | None
    """None: the secret is under the AWS managed key."""
    network_arns: tuple[str, ...]
    """Subnets first, then security groups; empty without a VPC."""
    ingest_scope: str
    allow_network_interface_deletion: bool


class Problem(NamedTuple):
    """One thing that is wrong with one setting."""

    path: Path
    what: str
    """What was given and why it is refused."""
    allowed: str
    example: str | None = None
    """A value that would do; None where the setting, or some of its members, have to go."""
    remedy: str | None = None
    """What fixes it, where no change of the setting does."""


class Source(Protocol):
    """Where the settings were written down: decides how they are called and mended."""

    region_required: bool
    """Whether leaving out the Region is a problem: stack configuration has to name it."""
    problems: Sequence[Problem]
    """What reading the settings already brought to light."""
    secrets: Sequence[str]
    """Names of settings that were given in the clear and are to be handled as secrets."""

    def name(self, path: Path) -> str:
        """Return what the person who wrote the setting calls it."""
        ...

    def command(self, problem: Problem) -> str | None:
        """Return the command that mends the problem, if a command can."""
        ...


class Arguments:
    """Settings given to the component in Python."""

    region_required = False
    problems: Sequence[Problem] = ()
    secrets: Sequence[str] = ()  # an argument that is secret is an Output, and says so itself

    def name(self, path: Path) -> str:
        """Return the argument's name, with its members as Python writes them."""
        head = path[0] if path[0].isidentifier() and path[0].isascii() else json.dumps(path[0])
        return head + "".join(f"[{json.dumps(part)}]" for part in path[1:])

    def command(self, problem: Problem) -> str | None:
        """Return None: arguments are mended in the program, not by a command."""
        del problem
        return None


class SettingsError(pulumi.RunError):
    """Raised when a setting is refused; Pulumi shows the message and no traceback."""

    def __init__(self, problems: Sequence[Problem], source: Source) -> None:
        """Phrase every problem for the person who wrote the settings."""
        self.problems = tuple(problems)
        """What is wrong, one entry a problem."""
        count = "a setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        lines = [f"{count} wrong; no role and no policy was made or changed"]
        for problem in problems:
            lines += ["", f"  {printable(source.name(problem.path))}: {problem.what}"]
            lines += [f"    allowed: {problem.allowed}"]
            if command := problem.remedy or source.command(problem):
                lines += [f"    mend it: {command}"]
        super().__init__("\n".join(lines))


def printable(text: str) -> str:
    """Escape everything but printable ASCII, so that no text can look like another part of a message."""
    return "".join(
        character if " " <= character <= "~" else character.encode("unicode_escape").decode()
        for character in text
    )


# Forms. Patterns are matched against the whole text and are ASCII only.

_PARTITION = r"aws(?:-[a-z]+)*"
_REGION = r"[a-z]{2,5}(?:-[a-z]+)+-[0-9]{1,2}"
_ACCOUNT = r"[0-9]{12}"
# IAM allows all of printable ASCII in a path; this leaves out wildcards, quotes, $ and the backslash.
_PATH = r"/(?:[!#%&()+,./0-9:;<=>@A-Z\[\]^_a-z{|}~-]+/)?"
_ENTITY_NAME = r"[A-Za-z0-9_+=,.@-]"


def _id_or_arn(service: str, resource: str, id_: str) -> re.Pattern[str]:
    """Match an ID, or an ARN that ends with it, and name the parts."""
    arn = (
        rf"arn:(?P<partition>{_PARTITION}):{service}:(?P<region>{_REGION})"
        rf":(?P<account>{_ACCOUNT}):{resource}"
    )
    return re.compile(rf"(?:{arn})?(?P<id>{id_})")


REGION: Final = Form("a Region", re.compile(_REGION), "a Region such as us-east-1", "us-east-1")
ACCOUNT_ID: Final = Form(
    "an account ID",
    re.compile(_ACCOUNT),
    "12 digits, as a string: YAML reads an unquoted number that begins with 0 as another number",
    "111122223333",
)
APPLICATION: Final = Form(
    "an application ID or ARN",
    _id_or_arn("qbusiness", "application/", r"[a-zA-Z0-9][a-zA-Z0-9-]{35}"),
    "36 letters, digits and hyphens, not beginning with a hyphen; or "
    "arn:PARTITION:qbusiness:REGION:ACCOUNT:application/ID",
    "a1b2c3d4-5678-90ab-cdef-111111111111",
)
"""https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetApplication.html"""
INDEX_ID: Final = Form(
    "an index ID",
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{35}"),
    "36 letters, digits and hyphens, not beginning with a hyphen (the ID, not the ARN)",
    "b2c3d4e5-6789-01ab-cdef-222222222222",
)
"""https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetIndex.html"""
SECRET: Final = Form(
    "a secret's ARN or NAME-XXXXXX",
    _id_or_arn("secretsmanager", "secret:", r"[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}"),
    "arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX, or NAME-XXXXXX; the six "
    "characters are the secret's own. The full ARN stands in the console under 'Secret ARN', and in "
    "`aws secretsmanager describe-secret --secret-id NAME --query ARN`",
    "arn:aws:secretsmanager:us-east-1:111122223333:secret:NAME-a1B2c3",
)
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html"""
KEY: Final = Form(
    "a KMS key ID or ARN",
    _id_or_arn(
        "kms",
        "key/",
        r"(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})",
    ),
    "a key ID (a UUID in lower case, or mrk- and 32 hexadecimal digits), or "
    "arn:PARTITION:kms:REGION:ACCOUNT:key/ID",
    "1234abcd-12ab-34cd-56ef-1234567890ab",
)
"""https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id"""
SUBNET: Final = Form(
    "a subnet ID or ARN",
    _id_or_arn("ec2", "subnet/", r"subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})"),
    "subnet- and 8 or 17 hexadecimal digits, or arn:PARTITION:ec2:REGION:ACCOUNT:subnet/ID for a "
    "subnet that another account shares",
    "subnet-0123456789abcdef0",
)
SECURITY_GROUP: Final = Form(
    "a security group ID",
    re.compile(r"sg-(?:[0-9a-f]{8}|[0-9a-f]{17})"),
    "sg- and 8 or 17 hexadecimal digits",
    "sg-0123456789abcdef0",
)
"""https://docs.aws.amazon.com/amazonq/latest/api-reference/API_DataSourceVpcConfiguration.html"""
INGEST_SCOPES: Final = ("applicationAndIndex", "index")
"""The resources of the ingest statement: AWS's current page, or the page's older edition."""
INGEST_SCOPE: Final = Form(
    "an ingest scope",
    re.compile("|".join(INGEST_SCOPES)),
    " or ".join(INGEST_SCOPES),
    INGEST_SCOPES[0],
)
ROLE_NAME: Final = Form(
    "a role name",
    re.compile(rf"{_ENTITY_NAME}{{1,64}}"),
    "1 to 64 letters, digits and _+=,.@-",
    "qbusiness-aem-connector",
)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
ROLE_PATH: Final = Form(
    "a role path",
    re.compile(rf"(?={_PATH}\Z).{{1,512}}"),
    "/ or /…/, at most 512 printable ASCII characters, without quotes, \\, *, ? and $",
    "/qbusiness/",
)
ROLE_DESCRIPTION: Final = Form(
    "a role description",
    re.compile(r"[\t\n\r\x20-\x7e\xa1-\xff]{1,1000}"),
    "at most 1,000 characters of Latin-1",
    "Amazon Q Business, AEM connector",
)
PERMISSIONS_BOUNDARY: Final = Form(
    "the ARN of an IAM policy",
    re.compile(
        rf"(?=.{{20,2048}}\Z)arn:(?P<partition>{_PARTITION}):iam::(?P<account>{_ACCOUNT}|aws)"
        r":policy"
        rf"{_PATH}{_ENTITY_NAME}{{1,128}}"
    ),
    "arn:PARTITION:iam::ACCOUNT:policy/NAME, 20 to 2,048 characters",
    "arn:aws:iam::111122223333:policy/boundary",
)

# Limits.

SUPPORTED_REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2")
"""https://docs.aws.amazon.com/general/latest/gr/amazonq.html"""
MAXIMUM_SECURITY_GROUPS: Final = 10
MAXIMUM_CONSOLE_SUBNETS: Final = 6
MAXIMUM_TAGS: Final = 50
MAXIMUM_TAG_KEY: Final = 128
MAXIMUM_TAG_VALUE: Final = 256
TAG_CHARACTERS: Final = "letters, digits, spaces and _.:/=+-@"
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html"""
LISTED_NAMES: Final = ("qbusiness", "QBusiness")
"""The Amazon Q Business console lists only roles whose name contains one of these."""
ROLE_NAME_SUFFIX: Final = "-qbusiness-role"
"""Follows the component's name in the name of the role's resource."""
MAXIMUM_COMPONENT_NAME: Final = 64 - len(ROLE_NAME_SUFFIX) - len("-1234567")
"""Pulumi's automatic name adds a hyphen and seven characters; IAM allows 64."""

NAMES: Final = (
    "region",
    "application_id",
    "index_id",
    "secret_id",
    "kms_key_id",
    "vpc_configuration",
    "account_id",
    "ingest_scope",
    "allow_network_interface_deletion",
    "exclusive_policies",
    "role_name",
    "role_path",
    "role_description",
    "permissions_boundary_arn",
    "tags",
)
"""Every setting, in the order in which problems are told."""
OF_THE_ROLE: Final = NAMES[NAMES.index("role_name") :]
"""Settings that no document depends on."""
OBJECTS: Final = ("vpc_configuration", "tags")
BOOLEANS: Final = ("allow_network_interface_deletion", "exclusive_policies")
VPC_MEMBERS: Final = ("subnet_ids", "security_group_ids")


def is_tag_text(text: str, maximum: int) -> bool:
    """Tell whether IAM takes the text as a tag's key or value of at most `maximum` characters."""
    return len(text) <= maximum and all(
        character in "_.:/=+-@" or unicodedata.category(character)[0] in "LNZ" for character in text
    )
