"""`roles check` reads key policies and permissions boundaries in the forms that companies use.

Users ignore a tool that often cannot tell. `PUBLISHED` has 20 forms from AWS's documentation and sample
repositories, chosen because they are common. Each answer follows from IAM's documented rules.
`INVENTED` has policies that are easily misread.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import pytest

from pages.examples import ACCOUNT, KEY_ID, OTHER_ACCOUNT, REGION
from roles.check import command
from tests.helpers.boundary import boundary
from tests.helpers.world import KEY_ARN, ROLE_ARN, ROLE_NAME, ROOT, SECRET_ARN
from tests.roles.check.help import ADMIN, ROLE_ID
from tests.roles.check.responses import DESCRIBED_SECRET, KEY_POLICY, asked, rejected
from tests.roles.check.worlds import STACK, World, states

Statement = dict[str, Any]
Condition = Mapping[str, Mapping[str, object]]

ORGANIZATION: Final = "o-a1b2c3d4e5"
UNIT: Final = f"{ORGANIZATION}/r-ab12/ou-ab12-11111111/"
APPLICATION_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/application"
POLICY_OF_ROLES: Final = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
SECRETS_MANAGER: Final = f"secretsmanager.{REGION}.amazonaws.com"
ADDRESSES: Final = ["192.0.2.0/24", "203.0.113.0/24"]


def _statement(effect: str, action: object, elements: Mapping[str, Any]) -> Statement:
    resource = {} if "NotResource" in elements else {"Resource": "*"}
    actions = {} if "NotAction" in elements else {"Action": action}
    return {"Effect": effect, **actions, **resource, **elements}


def allow(action: object = "*", **elements: Any) -> Statement:
    """Return a statement that allows actions, with other elements."""
    return _statement("Allow", action, elements)


def deny(condition: Condition | None = None, action: object = "*", **elements: Any) -> Statement:
    """Return a statement that denies actions under a condition, with other elements."""
    return _statement("Deny", action, {**({"Condition": condition} if condition else {}), **elements})


def key(statement: Statement, principal: object = "*") -> Statement:
    """Return a statement for a key policy, with a principal unless it has NotPrincipal."""
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
    """A published form of a policy."""

    name: str
    source: str
    """The page or the repository that has the form."""
    statements: Sequence[Statement]
    state: str
    """The answer without `--context`."""
    context: Sequence[str] = ()
    """Context that a user may state to get the answer "ok"."""


KEY_POLICIES: Final = (
    Published("the account", "KMS guide, Default key policy", [OF_ACCOUNT], "ok"),
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
                        "StringEquals": {"kms:CallerAccount": ACCOUNT, "kms:ViaService": SECRETS_MANAGER}
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
            deny({"NotIpAddress": {"aws:SourceIp": ADDRESSES}, "Bool": {"aws:ViaAWSService": "false"}}),
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


LATER: Final = {"DateGreaterThan": {"aws:CurrentTime": "2199-01-01T00:00:00Z"}}
EPOCH: Final = {"DateGreaterThan": {"aws:EpochTime": "7226582400"}}
UNDER_ROLE: Final = "arn:aws:iam::${aws:PrincipalAccount}:role/" + ROLE_NAME


def denying(condition: Condition, **elements: Any) -> list[Statement]:
    """Return a key policy that denies decryption under a condition and delegates the rest to IAM."""
    return [OF_ACCOUNT, key(deny(condition, "kms:Decrypt", **elements))]


def allowing(condition: Condition, **elements: Any) -> list[Statement]:
    """Return a key policy that delegates decryption to the account under a condition."""
    return [key(allow("kms:*", Condition=condition, **elements), ROOT)]


def for_principal(*arns: str, effect: str = "Allow") -> list[Statement]:
    """Return a key policy that allows or denies decryption by principals."""
    return [*([OF_ACCOUNT] * (effect == "Deny")), key(_statement(effect, "kms:*", {}), {"AWS": arns})]


INVENTED_KEY_POLICIES: Final[Mapping[str, Mapping[str, Sequence[Statement]]]] = {
    "ok": {
        "denied: another account by its ID": for_principal(OTHER_ACCOUNT, effect="Deny"),
        "allowed: the role, among others": for_principal(ADMIN, ROLE_ARN),
        "allowed: the role, beside a deleted role": for_principal(ROLE_ID, ROLE_ARN),
        "allowed: Decrypt in capitals": [key(allow("KMS:DECRYPT"), ROOT)],
        "allowed: D?crypt": [key(allow("kms:D?crypt"), ROOT)],
        "denied: all keys but this": [OF_ACCOUNT, key(deny(NotResource=KEY_ARN))],
        "denied: two keys, of which one is not met": denying(
            {"StringNotEquals": {"aws:PrincipalArn": ADMIN, "kms:ViaService": SECRETS_MANAGER}}
        ),
        "denied: a key in capitals": denying({"StringNotEquals": {"AWS:PRINCIPALARN": ROLE_ARN}}),
        "denied: a value in capitals, regardless of case": denying(
            {"StringNotEqualsIgnoreCase": {"aws:PrincipalArn": ROLE_ARN.upper()}}
        ),
        "allowed: an account as a number": allowing(
            {"StringEquals": {"kms:CallerAccount": int(ACCOUNT)}}
        ),
        "allowed: a missing VPC endpoint, by IfExists": allowing(
            {"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}
        ),
        "denied: no organization, by Null": denying({"Null": {"aws:principalorgid": "true"}}),
        "denied: paths outside the organization": denying(
            {"ForAllValues:StringNotLike": {"aws:principalorgpaths": f"{ORGANIZATION}/*"}}
        ),
        "denied: all roles but some, by a wildcard": denying(
            {"StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::1234567890??:role/aem-*"}}
        ),
        "denied: all roles but this, by a variable": denying(
            {"StringNotEquals": {"aws:PrincipalArn": UNDER_ROLE}}
        ),
        "denied: a variable's default": denying(
            {"StringEquals": {"kms:CallerAccount": "${aws:PrincipalTag/account, '444455556666'}"}}
        ),
        "allowed: Secrets Manager of any Region": allowing(
            {"StringLike": {"kms:ViaService": "secretsmanager.*"}}
        ),
        "denied: until a second of 1970": denying({"DateLessThan": {"aws:CurrentTime": "946684799"}}),
    },
    "problem": {
        "denied: everybody except an administrator, by NotPrincipal": [
            OF_ACCOUNT,
            key(deny(NotPrincipal={"AWS": ADMIN})),
        ],
        "denied: the account by its ID": for_principal(ACCOUNT, effect="Deny"),
        "allowed: the account of another partition": for_principal(f"arn:aws-cn:iam::{ACCOUNT}:root"),
        "allowed: a service-linked role": for_principal(
            f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/q.amazonaws.com/{ROLE_NAME}"
        ),
        "allowed: a role of this name in another account": for_principal(
            ROLE_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
        ),
        "allowed: roles by a wildcard, which a principal cannot have": for_principal(
            f"arn:aws:iam::{ACCOUNT}:role/*"
        ),
        "allowed: Secrets Manager itself": [
            key(allow("kms:*"), {"Service": "secretsmanager.amazonaws.com"})
        ],
        "allowed: everything but Decrypt": [key(allow(NotAction="kms:Decrypt"), ROOT)],
        "denied: everything but DescribeKey": [OF_ACCOUNT, key(deny(NotAction="kms:DescribeKey"))],
        "allowed: another key": [key(allow("kms:*", Resource=f"{KEY_ARN}0"), ROOT)],
        "allowed: an alias": [
            key(allow("kms:*", Resource=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/{KEY_ID}"), ROOT)
        ],
        "denied: without conditions": [OF_ACCOUNT, key(deny(Condition={}))],
        "denied: an operator without keys": denying({"StringEquals": {}}),
        "denied: two operators, both met": denying(
            {
                "StringNotEquals": {"aws:PrincipalArn": ADMIN},
                "StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"},
            }
        ),
        "denied: a value in capitals": denying(
            {"StringNotEquals": {"aws:PrincipalArn": ROLE_ARN.upper()}}
        ),
        "denied: true without quotes": denying({"Bool": {"aws:ViaAWSService": True}}),
        "denied: a missing tag, by IfExists": denying(
            {"StringEqualsIfExists": {"aws:PrincipalTag/team": "search"}}
        ),
        "allowed: a session with MFA": allowing({"NumericLessThan": {"aws:MultiFactorAuthAge": 3600}}),
        "denied: one value of many, by ForAnyValue": denying(
            {"ForAnyValue:StringNotEquals": {"aws:PrincipalArn": [ADMIN]}}
        ),
        "denied: all keys of the encryption context": denying(
            {
                "ForAllValues:StringEquals": {
                    "kms:EncryptionContextKeys": ["SecretARN", "SecretVersionId", "aws:s3:arn"]
                }
            }
        ),
        "allowed: one key of the encryption context alone": allowing(
            {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["SecretARN"]}}
        ),
        "allowed: the encryption context of S3": allowing(
            {"StringLike": {"kms:EncryptionContext:aws:s3:arn": "*"}}
        ),
        "denied: calls through a service, by Null": denying({"Null": {"kms:ViaService": "false"}}),
        "denied: another organization's paths": denying(
            {"ForAllValues:StringNotLike": {"aws:PrincipalOrgPaths": "o-another123/*"}}
        ),
        "denied: a wildcard that is none": denying(
            {"StringNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}}
        ),
        "denied: all but sessions of the role, which the key never holds": denying(
            {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/*"}}
        ),
        "denied: the role under a path that it does not have": denying(
            {"ArnNotLike": {"aws:PrincipalArn": ROLE_ARN.replace(":role/", ":role/q/")}}
        ),
        "denied: a variable without a value": denying(
            {"StringNotEquals": {"aws:PrincipalArn": "${aws:PrincipalTag/owner}"}}
        ),
        "denied: the caller's own keys": denying(
            {"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}
        ),
        "allowed: Secrets Manager without a Region": allowing(
            {"StringEquals": {"kms:ViaService": "secretsmanager.amazonaws.com"}}
        ),
    },
    "cannot tell": {
        "denied: everybody except an administrator and the account": [
            OF_ACCOUNT,
            key(deny(NotPrincipal={"AWS": [ADMIN, ROOT["AWS"]]})),
        ],
        "denied: a variable whose value is unknown": denying(
            {"StringNotEquals": {"aws:PrincipalArn": "${aws:SourceIp}"}}
        ),
        "denied: a session of the role": for_principal(
            f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/sync", effect="Deny"
        ),
        "denied: a key without values": denying({"StringEquals": {"kms:ViaService": []}}),
        "allowed: one version of the secret": allowing(
            {"StringEquals": {"kms:EncryptionContext:SecretVersionId": "EXAMPLE1"}}
        ),
        "allowed: calls that name Secrets Manager": allowing(
            {"ForAnyValue:StringEquals": {"aws:CalledVia": "secretsmanager.amazonaws.com"}}
        ),
        "denied: a name that is not an ARN": denying({"ArnNotLike": {"aws:PrincipalArn": ROLE_NAME}}),
        "denied: until a year, or a second of 1970": denying(
            {"DateLessThan": {"aws:CurrentTime": "2199"}}
        ),
        "denied: until a day without hyphens, or a second of 1970": denying(
            {"DateLessThan": {"aws:CurrentTime": "21990101"}}
        ),
        "denied: until a month": denying({"DateLessThan": {"aws:CurrentTime": "2199-01"}}),
        "denied: some sessions": denying({"StringLike": {"aws:userid": "*:sync-?"}}),
    },
}
SECRETS: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
INTERFACES: Final = f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/"
OTHER_SERVICES: Final = allow(["kms:Decrypt", "qbusiness:*", "ec2:*"])
INVENTED_BOUNDARIES: Final[Mapping[str, Mapping[str, Sequence[Statement]]]] = {
    "ok": {
        "secrets of a path": [
            OTHER_SERVICES,
            allow("secretsmanager:Get*", Resource=f"{SECRETS}qbusiness/*"),
        ],
        "a secret with any six characters": [
            OTHER_SERVICES,
            allow("secretsmanager:*", Resource=f"{SECRET_ARN[:-6]}??????"),
        ],
        "another tag denied": [
            allow(),
            deny({"ForAnyValue:StringEquals": {"aws:TagKeys": ["owner"]}}, "ec2:CreateTags"),
        ],
        "resources of the caller's account": [
            allow(),
            deny(
                {"StringNotEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
                ["secretsmanager:*", "kms:*"],
            ),
        ],
        "keys through services alone": [
            allow(),
            deny({"BoolIfExists": {"aws:ViaAWSService": "false"}}, "kms:*"),
        ],
        "an action in another case, and a list of one": [
            allow(["Secretsmanager:getsecretvalue"], Resource=[SECRET_ARN]),
            OTHER_SERVICES,
        ],
    },
    "problem": {
        "a secret without its six characters": [
            OTHER_SERVICES,
            allow("secretsmanager:*", Resource=SECRET_ARN[:-7]),
        ],
        "secrets of another partition": [
            OTHER_SERVICES,
            allow("secretsmanager:*", Resource="arn:aws-us-gov:secretsmanager:*"),
        ],
        "secrets denied by an ARN that is not complete": [
            allow(),
            deny(Resource="arn:aws:secretsmanager"),
        ],
        "indexes without their application": [
            allow(["secretsmanager:*", "kms:*", "ec2:*"]),
            allow("qbusiness:*", Resource="arn:aws:qbusiness:*:*:application/*/index/*"),
        ],
        "resources of EC2, and not those that have none": [
            allow(NotAction="ec2:*"),
            allow("ec2:*", Resource=f"arn:aws:ec2:{REGION}:*:*"),
        ],
        "everything of EC2 except subnets, by NotResource": [
            allow(),
            deny(action="ec2:*", NotResource=f"arn:aws:ec2:*:{ACCOUNT}:subnet/*"),
        ],
        "network interfaces without a tag denied": [
            allow(),
            deny(
                {"Null": {"aws:RequestTag/cost-center": "true"}},
                "ec2:CreateNetworkInterface",
                Resource=f"{INTERFACES}*",
            ),
        ],
        "secrets with a tag": [
            allow(),
            deny({"StringNotEquals": {"aws:ResourceTag/app": "q"}}, "secretsmanager:GetSecretValue"),
        ],
        "secrets through services alone": [
            allow(),
            deny({"Bool": {"aws:ViaAWSService": "false"}}, "secretsmanager:*"),
        ],
        "calls through CloudFormation alone": [
            allow(
                Condition={"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}}
            )
        ],
    },
    "cannot tell": {
        "secrets denied by an ARN that is not complete, with a wildcard for several parts": [
            allow(),
            deny(Resource="arn:aws:secretsmanager:us-*qbusiness*"),
        ],
        "secrets denied by an ARN whose wildcard stands for several parts": [
            allow(),
            deny(Resource="arn:aws:secretsmanager:*:secret:qbusiness/*"),
        ],
        "some network interfaces denied": [
            allow(),
            deny(action="ec2:*", Resource=f"{INTERFACES}eni-0a*"),
        ],
    },
}
INVENTED: Final = [
    (question, state, name, statements)
    for question, states in (
        ("key policy", INVENTED_KEY_POLICIES),
        ("permissions boundary", INVENTED_BOUNDARIES),
    )
    for state, policies in states.items()
    for name, statements in policies.items()
]


def state_of(question: str, statements: Sequence[Statement], *context: str, **more: Any) -> str:
    """Return the state of the answer about a policy of the key, or a boundary of the role."""
    world = World("", organization=ORGANIZATION, **more)
    if question == "key policy":
        world = world._replace(key=statements)
    else:
        world = world._replace(boundary=statements)
    options = [option for stated in context for option in ("--context", stated)]
    asked = [each for each in command.QUESTIONS if each[0] == question]
    with patch.object(command, "QUESTIONS", asked):
        return states(world, (*STACK, *options))[1].get(question, "ok")


@pytest.mark.slow
@pytest.mark.parametrize(("question", "published"), PUBLISHED, ids=lambda value: str(value)[:60])
def test_published_policies_get_expected_answers(question: str, published: Published):
    assert state_of(question, published.statements) == published.state
    if published.context:
        assert state_of(question, published.statements, *published.context) == "ok"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "state", "name", "statements"), INVENTED, ids=[f"{it[0]}: {it[2]}" for it in INVENTED]
)
def test_easily_misread_policies_get_expected_answers(
    question: str, state: str, name: str, statements: Sequence[Statement]
):
    assert (name, state_of(question, statements)) == (name, state)


def test_boundary_of_ci_roles_allows_every_request():
    document = boundary(secrets=[SECRET_ARN], keys=[KEY_ARN])
    assert state_of("permissions boundary", document["Statement"]) == "ok"


@pytest.mark.parametrize(
    ("condition", "stated", "state"),
    [
        ({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}, "aws:SourceVpce=vpce-1", "problem"),
        ({"StringNotEquals": {"aws:PrincipalArn": ADMIN}}, f"aws:PrincipalArn={ADMIN}", "problem"),
        ({"Bool": {"aws:ViaAWSService": "true"}}, "aws:ViaAWSService=", "problem"),
        ({"StringNotEquals": {"aws:PrincipalTag/team": "web"}}, "aws:PrincipalTag/team=web", "problem"),
        # This key is absent only according to the documentation.
        ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, "aws:SourceIp=192.0.2.1", "ok"),
        (
            {"Bool": {"aws:MultiFactorAuthPresent": "false"}},
            "aws:MultiFactorAuthPresent=false",
            "problem",
        ),
        # The rest of this key's value is unknown.
        ({"StringLike": {"aws:userid": "*:me"}}, "aws:userid=AROAEXAMPLE:you", "ok"),
        # The current time is known, too, but another time may be stated.
        (LATER, "aws:SourceIp=192.0.2.1", "ok"),
        (LATER, "aws:CurrentTime=2200-01-01T00:00:00Z", "problem"),
        (EPOCH, "aws:SourceIp=192.0.2.1", "ok"),
        (EPOCH, "aws:EpochTime=2200-01-01T00:00:00Z", "problem"),
    ],
    ids=json.dumps,
)
def test_context_option_overrides_no_known_value_but_the_time(
    condition: Condition, stated: str, state: str
):
    assert state_of("key policy", denying(condition), stated) == state


def test_unread_organization_or_tags_matter_only_to_policies_that_need_them():
    unread = rejected(asked("organizations.describe_organization")) | rejected(DESCRIBED_SECRET)
    of_organization = allowing({"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}})
    assert state_of("key policy", of_organization, calls=unread) == "cannot tell"
    assert state_of("key policy", [OF_ACCOUNT], calls=unread) == "ok"
    tagged = deny({"StringNotEquals": {"aws:ResourceTag/team": "web"}}, "secretsmanager:*")
    assert state_of("permissions boundary", [allow(), tagged], calls=unread) == "cannot tell"
    assert state_of("permissions boundary", [allow()], calls=unread) == "ok"


@pytest.mark.parametrize("version", [{}, {"Version": "2008-10-17"}], ids=json.dumps)
def test_variables_are_literal_text_in_2008_policies(version: dict[str, str]):
    variable = denying({"StringNotEquals": {"aws:PrincipalArn": UNDER_ROLE}})
    for statements, state in (([OF_ACCOUNT], "ok"), (variable, "cannot tell")):
        calls = {KEY_POLICY: {"Policy": json.dumps({**version, "Statement": statements})}}
        assert state_of("key policy", [], calls=calls) == state


@pytest.mark.parametrize(
    ("tags", "state"),
    [
        ({"Team": "search"}, "ok"),
        ({"team": "search", "owner": "docs"}, "ok"),
        ({"team": "docs"}, "problem"),
        ({"team": ""}, "problem"),
        ({}, "problem"),
        ({"team": "docs", "Team": "search"}, "cannot tell"),
        ({"team": "search", "Team": "docs"}, "cannot tell"),
    ],
    ids=json.dumps,
)
def test_secret_tag_keys_are_case_insensitive(tags: dict[str, str], state: str):
    condition = {"StringNotEquals": {"aws:ResourceTag/team": "search"}}
    statements = [allow(), deny(condition, "secretsmanager:*")]
    assert state_of("permissions boundary", statements, secret_tags=tags) == state


@pytest.mark.slow
def test_few_published_policies_are_undecided():
    found = Counter(published.state for _, published in PUBLISHED)
    assert found.total() == 20
    assert found["cannot tell"] <= 2
