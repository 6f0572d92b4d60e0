"""List values that each setting accepts or rejects, for all tests that need them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pulumi

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    BUCKET_NAME,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers.support import MINIMAL, VPC

OTHER_REGION: Final = "us-west-2"
_TAG_CHARACTERS: Final = "_.:/=+-@ \u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"
"""The characters, except for letters and digits, that are allowed in tags."""


class Samples(NamedTuple):
    """Valid and invalid values of one setting."""

    example: Any
    """A valid value; for a setting in `FULL`, the value in the expected policies in `golden/`."""
    mistyped: object
    """A value of a type that the setting does not accept, for `golden/messages.txt`."""
    malformed: str | None = None
    """Text in the wrong format, for `golden/messages.txt`; None if the setting has no format."""
    accepted: Sequence[object] = ()
    """Other valid values."""
    rejected: Sequence[object] = ()
    """Other invalid values."""
    others: Mapping[str, object] = {}
    """Other settings that this setting requires, with their values."""
    role_property: str = ""
    """The name of the role's input that contains the setting's value; empty if no input does."""

    @property
    def every_rejected(self) -> Sequence[object]:
        """Every invalid value."""
        return [self.mistyped, *([self.malformed] if self.malformed else []), *self.rejected]


SAMPLES: Final[Mapping[str, Samples]] = {
    "region": Samples(
        example=REGION,
        mistyped=1,
        malformed="us",
        accepted=["eusc-de-east-1", f"abcde{3 * ('-' + 16 * 'w')}-99", "", None],
        rejected=[
            *("us_east_1", "US-east-1", "us-1", "u-east-1", "abcdef-east-1", "us-a-b-c-d-1"),
            *(f"us-{17 * 'w'}-1", "us-east-100", "us-east-\u0661"),
        ],
        # If `application_id` were an ARN, `region` would have to match the ARN's Region.
        others={"application_id": APPLICATION_ID},
    ),
    "application_id": Samples(
        example=APPLICATION_ARN,
        mistyped=12,
        malformed="docs",
        accepted=[APPLICATION_ID, "A" + "-" * 35],
        rejected=[
            *(None, "", "a" * 35, "a" * 37, "-" + "a" * 35, "é" + "a" * 35, ["a" * 36]),
            f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/{APPLICATION_ID}/index/{INDEX_ID}",
            f"arn:aws:qbusiness:{REGION}:12345:application/{APPLICATION_ID}",
            f"arn:aws:qbusiness::{ACCOUNT}:application/{APPLICATION_ID}",
            f"arn:aws:kendra:{REGION}:{ACCOUNT}:application/{APPLICATION_ID}",
        ],
    ),
    "index_id": Samples(
        example=INDEX_ID,
        mistyped=1,
        malformed="x" * 200,
        accepted=["0" * 36, "zZ9-" * 9],
        rejected=[None, "", f"{APPLICATION_ARN}/index/{INDEX_ID}"],
    ),
    "secret_id": Samples(
        example=SECRET_ID,
        mistyped=["a"],
        malformed="aem",
        accepted=[
            "a/b_c+d=e.f@g-h-a1B2c3",
            "n" * 512 + "-a1B2c3",
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:team/aem-a1B2c3",
        ],
        rejected=[
            *(None, "", "aem-a1B2c", "aem-a1B2c34", "aem-a1B2_3", "-a1B2c3", "aem-*", "a!-a1B2c3"),
            "n" * 513 + "-a1B2c3",
            f"arn:aws:secretsmanager:{OTHER_REGION}:{ACCOUNT}:secret:aem-a1B2c3",
            f"arn:aws-cn:secretsmanager:{REGION}:{ACCOUNT}:secret:aem-a1B2c3",
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:aem",
        ],
    ),
    "connector": Samples(
        example="aem-cloud",
        mistyped=5,
        malformed="Confluence",
        accepted=["Asana", "confluence-cloud", "sharepoint-server-subscription", "", None],
        rejected=[
            *("asana", "aem-cloud ", "s3", "CONFLUENCEV2", "JDBC", "x" * 1000, ["box"], pulumi.UNKNOWN),
        ],
    ),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    "bucket_name": Samples(
        example=BUCKET_NAME,
        mistyped=123,
        malformed="arn:aws:s3:::aem-files",
        accepted=[
            *("123", "team.documents", "a" * 63, "192.168.5", "x-y--z", "s3alias-docs", "docs--x-s3-a"),
            *("192.168.5.4a", "xn-docs", "amzn-s3-demo", "docs-mrap", "docs-ol-s3", "docs-table-s3"),
        ],
        rejected=[
            *("ab", "a" * 64, "Documents", "team_documents", "-docs", "docs-", ".docs", "docs.", "a..b"),
            *("192.168.5.4", "xn--docs", "sthree-docs", "amzn-s3-demo-bucket", "docs-s3alias"),
            *("docs--ol-s3", "docs.mrap", "docs--use1-az4--x-s3", "docs--table-s3", "docs/*", "*"),
            *("${aws:username}", "docs\n", "BUCKET_NAME", ["docs"]),
        ],
        others={"connector": "webcrawler"},
    ),
    "bucket_account_id": Samples(
        example=ACCOUNT,
        mistyped=0o12345670123,
        malformed="1402433619",
        accepted=[OTHER_ACCOUNT, "012345670123", "", None],
        rejected=[
            *(444455556666, [OTHER_ACCOUNT], "1" * 11, "1" * 13, "\u0661" * 12),
        ],
        others={"connector": "webcrawler", "bucket_name": BUCKET_NAME},
    ),
    "kms_key_id": Samples(
        example=KEY_ID,
        mistyped=1.5,
        malformed="key",
        accepted=[
            "mrk-" + "0123456789abcdef" * 2,
            f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/{KEY_ID}",
            *("", None),
        ],
        rejected=[
            *("alias/aem", KEY_ID.upper(), f"0{KEY_ID}", f"{KEY_ID}0", KEY_ID[:-1], "g" + KEY_ID[1:]),
            *("mrk-" + "0" * 31, "mrk-" + "0" * 33, "mrk-" + "g" * 32),
            f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aem",
            f"arn:aws:kms:{OTHER_REGION}:{ACCOUNT}:key/{KEY_ID}",
        ],
    ),
    "vpc_configuration": Samples(
        example=VPC,
        mistyped="vpc",
        accepted=[
            None,
            # Ten security groups, one of which is listed twice.
            {"subnet_ids": (SUBNET_ID,), "security_group_ids": [f"sg-{n % 10:017x}" for n in range(11)]},
        ],
        # More invalid values of `subnet_ids` and `security_group_ids` are in `test_settings.py`.
        rejected=[
            *({}, [SUBNET_ID], {"subnet_ids": [SUBNET_ID]}, {"security_group_ids": [SECURITY_GROUP_ID]})
        ],
    ),
    "account_id": Samples(
        example=ACCOUNT,
        mistyped=True,
        malformed="12",
        accepted=["", None],
        rejected=["1402433619", "12345678901a", "1" * 13, 123456789012, OTHER_ACCOUNT],
    ),
    "ingest_scope": Samples(
        example="applicationAndIndex",
        mistyped=True,
        malformed="all",
        accepted=["index", "", None],
        rejected=["Index", "both", "application"],
    ),
    "allow_network_interface_deletion": Samples(
        example=True,
        mistyped="yes",
        accepted=[False, None],
        rejected=["true", 0],
        others={"vpc_configuration": VPC},
    ),
    "exclusive_policies": Samples(
        example=True, mistyped=1, accepted=[False, None], rejected=["yes", "true", pulumi.UNKNOWN]
    ),
    "role_name": Samples(
        example="qbusiness-aem",
        mistyped={"a": 1},
        malformed="my role",
        accepted=["qbusiness", "a" * 55 + "QBusiness", "qbusiness_+=,.@-", "", None],
        rejected=["r" * 65, "a/b", "a:b", "rôle", 5],
        role_property="name",
    ),
    "role_path": Samples(
        example="/connectors/",
        mistyped=("a",),
        malformed="x",
        accepted=[
            *("/", "/a/", "/a//Z/", "/service-role/", "/aws-service-roles/", "/" + "p" * 510 + "/", ""),
            "/!#%&()+,-.0123456789:;<=>@[]^_{|}~/",
        ],
        rejected=[
            *("/a", "a/", "/" + "p" * 511 + "/", "/ä/", "/\x7f/", "/aws-service-role/a/"),
            *(f"/{character}/" for character in " \"$'*?\\`"),
        ],
        role_property="path",
    ),
    "role_description": Samples(
        example="AEM",
        mistyped=object,
        malformed="\u20ac",
        accepted=["Grüße, Tab\tund\r\nZeile", "~\u00a1\u00ff", "ü" * 1000, ""],
        rejected=["d" * 1001, "\x00", "\x0b", "\x7f", "\u00a0", "\u0100", 5],
        role_property="description",
    ),
    "permissions_boundary_arn": Samples(
        example=f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        mistyped=False,
        malformed="boundary",
        accepted=[
            "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
            f"arn:aws:iam::{ACCOUNT}:policy/" + "p" * 128,
            f"arn:aws:iam::{ACCOUNT}:policy/" + "p" * 2013 + "/b",  # 2,048 characters
            "",
        ],
        rejected=[
            f"arn:aws:iam::{ACCOUNT}:policy/" + "p" * 2014 + "/b",
            *(f"arn:aws:iam::{ACCOUNT}:policy/a/", f"arn:aws:iam::{ACCOUNT}:role/boundary"),
            *(f"arn:aws:iam::{ACCOUNT}:policy/*", f"arn:aws-cn:iam::{ACCOUNT}:policy/boundary"),
            f"arn:aws:iam::{OTHER_ACCOUNT}:policy/boundary",
            f"arn:aws:iam::{ACCOUNT}:policy/" + "p" * 129,
        ],
        role_property="permissionsBoundary",
    ),
    "tags": Samples(
        example={"Team": "search"},
        mistyped=["a"],
        accepted=[
            {},
            {"ü" * 128: "ü" * 256},
            {_TAG_CHARACTERS: _TAG_CHARACTERS, "aws": "v", "awsx:y": "v"},
            {f"k{n}": "v" for n in range(50)},
            None,
        ],
        rejected=[
            *("text", {"aws:x": "v"}, {"AWS:x": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}),
            *({"k": 1}, {"k": None}, {"k": ["v"]}, {"k!": "v"}, {"k": "a,b"}, {"k": "\u200b"}),
            *({"": "v"}, {1: "v"}, {"Team": "a", "team": "b"}, {f"k{n}": "v" for n in range(51)}),
        ],
        role_property="tags",
    ),
}
"""Samples of every setting, by its name in ConnectorRoleArgs."""
EXAMPLES: Final[Mapping[str, Any]] = {name: each.example for name, each in SAMPLES.items()}
OF_THE_ROLE: Final[Mapping[str, Any]] = {
    name: each.example for name, each in SAMPLES.items() if each.role_property
}
"""The examples of the settings that are inputs of the role."""
ROLE_INPUTS: Final[Mapping[str, Any]] = {
    each.role_property: each.example for each in SAMPLES.values() if each.role_property
}
"""The examples of these settings, by the names of the role's inputs."""
_NOT_OF_DEFAULT: Final = {"region", "account_id", "connector", "ingest_scope", "exclusive_policies"}
FULL: Final[Mapping[str, Any]] = {
    **MINIMAL,
    **{
        name: each.example
        for name, each in SAMPLES.items()
        if not (each.role_property or "connector" in each.others or name in _NOT_OF_DEFAULT)
    },
}
"""Every argument on which the default connector's role policy depends."""
