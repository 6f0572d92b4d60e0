"""`roles check` reads key policies and permissions boundaries in the forms in which companies have them.

A tool that often cannot tell is ignored. `PUBLISHED` has 20 forms of AWS's documentation and sample
repositories, chosen because they are common. What each answers follows from IAM's documented rules.
`INVENTED` has policies that are easily misread.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pytest

from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from tests import test_check
from tests.page import prose
from tests.test_check import (
    PAGE,
    ROLE_ARN,
    ROOT,
    SECRET_ARN,
    Check,
    World,
    answer_to,
    boundary,
)

pytestmark = pytest.mark.slow

server = test_check.server
world = test_check.world
check = test_check.check

Statement = dict[str, Any]
Condition = Mapping[str, Mapping[str, object]]

ORGANIZATION: Final = "o-a1b2c3d4e5"
UNIT: Final = f"{ORGANIZATION}/r-ab12/ou-ab12-11111111/"
ADMIN: Final = f"arn:aws:iam::{ACCOUNT}:role/admin"
APPLICATION_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/application"
POLICY_OF_ROLES: Final = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
SECRETS_MANAGER: Final = f"secretsmanager.{REGION}.amazonaws.com"
ADDRESSES: Final = ["192.0.2.0/24", "203.0.113.0/24"]


def _statement(effect: str, action: object, members: Mapping[str, Any]) -> Statement:
    resource = {} if "NotResource" in members else {"Resource": "*"}
    actions = {} if "NotAction" in members else {"Action": action}
    return {"Effect": effect, **actions, **resource, **members}


def allow(action: object = "*", **members: Any) -> Statement:
    """Return a statement that allows actions, with other members."""
    return _statement("Allow", action, members)


def deny(condition: Condition | None = None, action: object = "*", **members: Any) -> Statement:
    """Return a statement that denies actions under a condition, with other members."""
    return _statement("Deny", action, {**({"Condition": condition} if condition else {}), **members})


def key(statement: Statement, principal: object = "*") -> Statement:
    """Return a statement for a key, with its principal."""
    return {**({} if "NotPrincipal" in statement else {"Principal": principal}), **statement}


OF_ACCOUNT: Final = key(allow("kms:*", Sid="EnableIAMPolicies"), ROOT)
ADMINISTRATION: Final = key(
    allow(
        ["kms:Create*", "kms:Describe*", "kms:Enable*", "kms:Put*", "kms:ScheduleKeyDeletion"],
        Sid="KeyAdministrators",
    ),
    {"AWS": ADMIN},
)
USE: Final = key(
    allow(
        ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        Sid="KeyUsers",
    ),
    {"AWS": [APPLICATION_ROLE]},
)
GRANTS: Final = key(
    allow(
        ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
        Sid="GrantsForServices",
        Condition={"Bool": {"kms:GrantIsForAWSResource": True}},
    ),
    {"AWS": [APPLICATION_ROLE]},
)


class Published(NamedTuple):
    """A form in which policies are published."""

    name: str
    source: str
    """The page or the repository that has the form."""
    statements: Sequence[Statement]
    state: str
    """The answer without `--context`."""
    context: Sequence[str] = ()
    """What a user may state, so that the answer is "ok"."""


KEY_POLICIES: Final = (
    Published(
        "the account",
        "KMS guide, Default key policy",
        [OF_ACCOUNT],
        "ok",
    ),
    Published(
        "the account, administrators, users, and grants for services",
        "KMS guide, Default key policy, in the console's form",
        [OF_ACCOUNT, ADMINISTRATION, USE, GRANTS],
        "ok",
    ),
    Published(
        "administrators and users, without the account",
        "KMS guide, Key policies",
        [ADMINISTRATION, USE, GRANTS],
        "problem",
    ),
    Published(
        "everybody of the account, through a service",
        "KMS guide, kms:CallerAccount",
        [
            key(
                allow(
                    ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:CreateGrant"],
                    Condition={
                        "StringEquals": {
                            "kms:CallerAccount": ACCOUNT,
                            "kms:ViaService": SECRETS_MANAGER,
                        }
                    },
                ),
                {"AWS": "*"},
            ),
            key(allow(["kms:Describe*", "kms:Get*", "kms:List*"]), ROOT),
        ],
        "ok",
    ),
    Published(
        "the role, for one secret",
        "Secrets Manager guide, Secret encryption and decryption; KMS guide, kms:EncryptionContext",
        [
            ADMINISTRATION,
            key(
                allow(
                    ["kms:Decrypt", "kms:DescribeKey"],
                    Condition={
                        "StringEquals": {
                            "kms:ViaService": SECRETS_MANAGER,
                            "kms:EncryptionContext:SecretARN": SECRET_ARN,
                        }
                    },
                ),
                {"AWS": ROLE_ARN},
            ),
        ],
        "ok",
    ),
    Published(
        "the organization",
        "IAM guide, aws:PrincipalOrgID",
        [
            ADMINISTRATION,
            key(
                allow(
                    ["kms:Decrypt", "kms:DescribeKey"],
                    Condition={"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}},
                )
            ),
        ],
        "ok",
    ),
    Published(
        "an organizational unit",
        "IAM guide, aws:PrincipalOrgPaths",
        [
            ADMINISTRATION,
            key(
                allow(
                    ["kms:Decrypt", "kms:DescribeKey"],
                    Condition={"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{UNIT}*"}},
                )
            ),
        ],
        "cannot tell",
        [f"aws:PrincipalOrgPaths={UNIT}"],
    ),
    Published(
        "identity perimeter, and encrypted transport",
        "aws-samples/data-perimeter-policy-examples, resource control policies",
        [
            OF_ACCOUNT,
            key(
                deny(
                    {
                        "StringNotEqualsIfExists": {
                            "aws:PrincipalOrgID": ORGANIZATION,
                            "aws:PrincipalAccount": [OTHER_ACCOUNT],
                            "aws:ResourceTag/dp:exclude:identity": "true",
                        },
                        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
                    },
                    "kms:*",
                )
            ),
            key(
                deny(
                    {
                        "StringNotEqualsIfExists": {"aws:SourceOrgID": ORGANIZATION},
                        "Null": {"aws:SourceAccount": "false"},
                        "Bool": {"aws:PrincipalIsAWSService": "true"},
                    },
                    "kms:*",
                )
            ),
            key(deny({"BoolIfExists": {"aws:SecureTransport": "false"}}, "kms:*")),
        ],
        "ok",
    ),
    Published(
        "network perimeter, except calls of services",
        "aws-samples/data-perimeter-policy-examples, network_perimeter_sourcevpc_rcp.json",
        [
            OF_ACCOUNT,
            key(
                deny(
                    {
                        "NotIpAddressIfExists": {"aws:SourceIp": ADDRESSES},
                        "StringNotEqualsIfExists": {
                            "aws:SourceVpc": "vpc-0d4e5f60718293041",
                            "aws:PrincipalTag/dp:exclude:network": "true",
                        },
                        "BoolIfExists": {
                            "aws:PrincipalIsAWSService": "false",
                            "aws:ViaAWSService": "false",
                        },
                        "ArnNotLikeIfExists": {
                            "aws:PrincipalArn": ["arn:aws:iam::*:role/aws:ec2-infrastructure"]
                        },
                    },
                    "kms:*",
                )
            ),
        ],
        "ok",
    ),
    Published(
        "one VPC endpoint, without exception",
        "KMS guide, Using a VPC endpoint in a policy statement",
        [
            OF_ACCOUNT,
            key(
                deny(
                    {"StringNotEquals": {"aws:SourceVpce": "vpce-1234abcdf5678c90a"}},
                    ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"],
                )
            ),
        ],
        "problem",
    ),
    Published(
        "nobody but some roles, by aws:PrincipalArn",
        "IAM guide, NotPrincipal, which recommends aws:PrincipalArn",
        [
            OF_ACCOUNT,
            key(
                deny(
                    {"ArnNotLike": {"aws:PrincipalArn": [ADMIN, APPLICATION_ROLE]}},
                    ["kms:Decrypt", "kms:GenerateDataKey*"],
                )
            ),
        ],
        "problem",
    ),
    Published(
        "nobody but some roles, by aws:userid",
        "AWS Security Blog, How to restrict Amazon S3 bucket access to a specific IAM role",
        [
            OF_ACCOUNT,
            key(deny({"StringNotLike": {"aws:userid": ["AROAEXAMPLEADMIN:*", ACCOUNT]}}, "kms:*")),
        ],
        "problem",
    ),
)
BOUNDARIES: Final = (
    Published(
        "everything but IAM and the organization",
        "AWS managed policy PowerUserAccess",
        [
            allow(NotAction=["iam:*", "organizations:*", "account:*"]),
            allow(
                ["iam:CreateServiceLinkedRole", "iam:ListRoles", "organizations:DescribeOrganization"]
            ),
        ],
        "ok",
    ),
    Published(
        "everything, and IAM only under the same boundary",
        "AWS CDK guide, Create and apply permissions boundaries",
        [
            allow(Sid="ExplicitAllowAll"),
            deny(
                {"StringNotEquals": {"iam:PermissionsBoundary": POLICY_OF_ROLES}},
                ["iam:CreateUser", "iam:CreateRole", "iam:PutRolePermissionsBoundary"],
            ),
            deny(
                None,
                ["iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:SetDefaultPolicyVersion"],
                Resource=POLICY_OF_ROLES,
            ),
            deny(None, ["iam:DeleteUserPermissionsBoundary", "iam:DeleteRolePermissionsBoundary"]),
        ],
        "ok",
    ),
    Published(
        "no session that says that it is without MFA",
        "awslabs/landing-zone-accelerator-on-aws, boundary-policy.json",
        [
            allow(),
            deny(
                {"Bool": {"aws:MultiFactorAuthPresent": "false"}},
                NotAction=["iam:ChangePassword", "iam:EnableMFADevice", "iam:ListMFADevices"],
            ),
        ],
        "ok",
    ),
    Published(
        "nothing without MFA",
        "IAM guide, AWS: Allows MFA-authenticated IAM users to manage their own MFA device",
        [
            allow(),
            deny(
                {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
                NotAction=["iam:EnableMFADevice", "iam:ListMFADevices", "sts:GetSessionToken"],
            ),
        ],
        "problem",
    ),
    Published(
        "some services",
        "IAM guide, Permissions boundaries, XCompanyBoundaries",
        [
            allow(["s3:*", "cloudwatch:*", "ec2:*", "dynamodb:*"], Sid="ServiceBoundaries"),
            allow(
                ["iam:*AccessKey*", "iam:ChangePassword"],
                Resource=["arn:aws:iam::*:user/${aws:username}"],
            ),
            deny(None, "s3:*", Resource=["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]),
        ],
        "problem",
    ),
    Published(
        "some Regions",
        "IAM guide, AWS: Denies access to AWS based on the requested Region; AWS Control Tower",
        [
            allow(),
            deny(
                {
                    "StringNotEquals": {"aws:RequestedRegion": [REGION, "eu-west-1"]},
                    "ArnNotLike": {"aws:PrincipalARN": ["arn:*:iam::*:role/AWSControlTowerExecution"]},
                },
                NotAction=["cloudfront:*", "iam:*", "route53:*", "sts:*", "support:*"],
            ),
        ],
        "ok",
    ),
    Published(
        "some addresses, except calls of services",
        "IAM guide, AWS: Denies access to AWS based on the source IP",
        [
            allow(),
            deny(
                {
                    "NotIpAddress": {"aws:SourceIp": ADDRESSES},
                    "Bool": {"aws:ViaAWSService": "false"},
                }
            ),
        ],
        "cannot tell",
        ["aws:SourceIp=192.0.2.10"],
    ),
    Published(
        "a period of time",
        "IAM guide, AWS: Allows access based on date and time",
        [
            allow(
                Condition={
                    "DateGreaterThan": {"aws:CurrentTime": "2020-04-01T00:00:00Z"},
                    "DateLessThan": {"aws:CurrentTime": "2199-06-30T23:59:59Z"},
                }
            )
        ],
        "ok",
    ),
)
PUBLISHED: Final = (
    *(("key policy", published) for published in KEY_POLICIES),
    *(("permissions boundary", published) for published in BOUNDARIES),
)


def apply(world: World, question: str, document: Mapping[str, Any]) -> None:
    """Give the key its policy, or the role its boundary."""
    text = json.dumps(document)
    if question == "key policy":
        world.server.answers["kms:GetKeyPolicy"] = {"Policy": text}  # moto refuses some
    else:
        world.set(permissionsBoundaryArn=boundary(world, text))


def state_of(question: str, world: World, check: Check, *options: str) -> str:
    organization = {"Organization": {"Id": ORGANIZATION}}
    world.server.answers["organizations:DescribeOrganization"] = organization
    (state,) = re.findall(r"^(ok|problem|cannot tell) ", answer_to(question, check(*options)))
    return state


@pytest.mark.parametrize(("question", "published"), PUBLISHED, ids=lambda value: str(value)[:60])
def test_policies_in_published_forms_are_answered(
    world: World, check: Check, question: str, published: Published
):
    apply(world, question, {"Version": "2012-10-17", "Statement": published.statements})
    assert state_of(question, world, check) == published.state
    if published.context:
        options = [option for stated in published.context for option in ("--context", stated)]
        assert state_of(question, world, check, *options) == "ok"


def test_few_of_the_published_forms_cannot_be_told():
    states = Counter(published.state for _, published in PUBLISHED)
    assert states.total() == 20
    assert states["cannot tell"] <= 2


def test_the_page_lists_the_published_forms_with_their_answers():
    section = prose("When check cannot tell", PAGE)
    assert [*_rows()] == re.findall(r"^\| .* \| .* \| .* \| .* \|$", section, flags=re.MULTILINE)[1:]
    states = Counter(published.state for _, published in PUBLISHED)
    counts = (
        f"{states['ok']} are `ok`, {states['problem']} a problem, {states['cannot tell']} `cannot tell`"
    )
    assert counts in " ".join(section.split())


def _rows() -> Iterator[str]:
    for question, published in PUBLISHED:
        yield f"| {question} | {published.name} | {published.source} | {published.state} |"
