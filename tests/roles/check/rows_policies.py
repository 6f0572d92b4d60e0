"""Rows about policies, IAM's simulation, and the role. table.py explains the form."""

from functools import partial
from typing import Any, Final

from pages.examples import ACCOUNT, OTHER_ACCOUNT
from tests.helpers.world import KEY_ARN, ROLE_ARN, SECRET_ARN
from tests.roles.check.account import PERIMETER, Account, at, data_sources, gone, rejected
from tests.roles.check.policy_text import NAMES, document, statement
from tests.roles.check.table import row

READ: Final = NAMES["READ"]
UNREADABLE: Final = f"arn:aws:iam::{ACCOUNT}:policy/unreadable"
FOREIGN: Final = {"secretId": NAMES["FOREIGN_SECRET"]}
OF_OTHER: Final = {"bucketAccountId": OTHER_ACCOUNT}
ADMIN: Final = f"arn:aws:iam::{ACCOUNT}:role/team/admin"
EXPLICIT: Final = {"EvalDecision": "explicitDeny", "MatchedStatements": [{"SourcePolicyId": "scp"}]}
BOTH: Final = {"MatchedStatements": [{"SourcePolicyId": name} for name in ("first", "second", "first")]}
IMPLICIT: Final = {"EvalDecision": "implicitDeny"}
BY_ORGANIZATION: Final = {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}
BY_BOUNDARY: Final = {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}}
NO_KEY_USE: Final = "allow kms:Put* for ROOT"
GRANT: Final[dict[str, Any]] = {"Operations": ["GenerateDataKey", "Decrypt"]}
TO_ENCRYPT: Final = {"Operations": ["Encrypt"]}
ADMINISTRATION: Final = (
    "allow kms:Create*|kms:Describe*|kms:Enable*|kms:Put*|kms:ScheduleKeyDeletion for ADMIN"
)
USE: Final = "allow kms:Encrypt|kms:Decrypt|kms:ReEncrypt*|kms:DescribeKey for APPLICATION_ROLE"
GRANTS: Final = (
    "allow kms:CreateGrant|kms:ListGrants|kms:RevokeGrant for APPLICATION_ROLE "
    "if Bool kms:GrantIsForAWSResource=#true"
)
BY_KEY_TAG: Final = "allow * + deny kms:* if StringNotEquals aws:ResourceTag/team=search"
BY_BUCKET_TAG: Final = "allow * + deny s3:* if StringEquals aws:ResourceTag/data=secret"
OF_SEARCH: Final = at(KEY_ARN, tags={"team": "search"})
SECRET_TAG: Final = {"data": "secret"}
CLASSIFIED: Final = at("documents", abac="Enabled", tags=SECRET_TAG)
BY_TAG: Final = "allow * + deny secretsmanager:* if StringNotEquals aws:ResourceTag/team=search"
FROM_ELSEWHERE: Final = "delegation + deny kms:* for * if NotIpAddress aws:SourceIp=ELSEWHERE"
BY_VARIABLE: Final = (
    "StringNotEquals aws:PrincipalArn=arn:aws:iam::${aws:PrincipalAccount}:role/ROLE_NAME"
)
OTHERS: Final = "allow kms:Decrypt|qbusiness:*|ec2:*"

# Expected answers.
DENIED: Final = "problem: other policies"
UNSURE: Final = "cannot tell: other policies"
UNBOUNDED: Final = "problem: permissions boundary"
MAYBE_UNBOUNDED: Final = "cannot tell: permissions boundary"
NO_KEY: Final = "problem: key policy"
MAYBE_NO_KEY: Final = "cannot tell: key policy"
LACKING: Final = "problem: role policy"
UNREAD: Final = "skipped: role"
NO_ROLE: Final = "problem: role"
NOT_ACCEPTED: Final = 'rejected "AWS rejects the credentials (Expired"'

published: Final = partial(row, alone=False)


def simulated(action: str, resource: str, decision: Any) -> Account:
    """Return the response to one simulation."""
    return {f"simulate_principal_policy {ROLE_ARN} {action} {resource}": decision}


def denying(condition: str) -> str:
    """Return a key policy that delegates to IAM, but denies decryption under a condition."""
    return f"delegation + deny kms:Decrypt for * if {condition}"


def allowing(condition: str) -> str:
    """Return a key policy that delegates all actions to the account under a condition."""
    return f"allow kms:* for ROOT if {condition}"


def with_tag(operator: str) -> str:
    """Return a boundary that allows decryption only with a key whose tag meets this operator."""
    return f"allow all but kms:* + allow kms:Decrypt if {operator} aws:ResourceTag/team=search"


def trusting(policy: Any) -> Account:
    return at(ROLE_ARN, trust=policy)


def trusted(condition: str, service: str = "qbusiness.amazonaws.com") -> str:
    """Return the trust policy's statement with this condition and service."""
    return f"allow sts:AssumeRole for {service} if {condition} as AllowsAmazonQServicePrincipal"


def web_identity(provider: str, subject: str) -> dict[str, Any]:
    """Return a statement that trusts a provider's tokens with matching subjects."""
    return {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {f"{provider}:sub": subject}},
    }


def lacking(*keys: str) -> dict[str, Any]:
    """Return the entry in a simulation's response that lists missing condition keys."""
    return {"MissingContextValues": [*keys]}


def on_resource(decision: str, **more: Any) -> dict[str, Any]:
    """Return a response with this decision on the secret, and a denial for another resource."""
    found = {"EvalResourceName": SECRET_ARN, "EvalResourceDecision": decision, **more}
    other = {"EvalResourceName": "other", "EvalResourceDecision": "explicitDeny"}
    return {"EvalDecision": "allowed", "ResourceSpecificResults": [other, found]}


EVERY_APPLICATION: Final = "aws:SourceArn=arn:aws:qbusiness:REGION:ACCOUNT:application/*"
IN_APPLICATION: Final = "StringEquals aws:SourceAccount=ACCOUNT & ArnEquals aws:SourceArn=APPLICATION"
# fmt: off
ROWS: Final = (
    # Policies of the role, apart from the role policy.
    row(DENIED, guard="deny READ not on FOREIGN_SECRET|SECRETS:qbusiness/aem-cloud-a1B2c32"),
    row(DENIED, attached="deny * if StringEquals aws:PrincipalAccount=ACCOUNT"),
    row("problem: other policies", guard="allow READ if StringEquals aws:ResourceAccount=ACCOUNT"),
    row("skipped: other policies", rejected("list_attached_role_policies"),
        alone=True),
    row("problem: other policies; skipped: other policies", at(ROLE_ARN, attached=[PERIMETER,
        UNREADABLE]), rejected(f"get_policy {UNREADABLE}"), attached="deny READ",
        alone="problem: role policy; skipped: role policy"),
    row(UNSURE, at(ROLE_ARN, Tags=[{"Key": "team", "Value": "search"}]), bucket="",
        guard="deny iam:PassRole if StringNotEquals aws:ResourceTag/team=search"),
    # A data perimeter.
    row("problem: other policies; cannot tell: encryption, bucket policy",
        guard="deny s3:* if StringNotEquals aws:ResourceAccount=ACCOUNT", bucket="", settings=OF_OTHER),
    row("problem: permissions boundary; cannot tell: encryption, bucket policy",
        boundary="allow * + deny s3:* if StringNotEquals aws:ResourceAccount=ACCOUNT", bucket="",
        settings=OF_OTHER),
    # Key policies.
    row("cannot tell: bucket policy",
        bucket="deny s3:* for 79a59df900b949e55d96a1e698fbaced"),
    row(MAYBE_NO_KEY,
        key="allow kms:* for ROOT if IpAddress aws:SourceIp=ELSEWHERE + allow kms:* for ROLE if "
        "StringEquals aws:UserAgent=sync"),
    # Several policies.
    row("problem: role policy; cannot tell: role policy",
        own="own-GetSecret + allow READ on SECRET if IpAddress aws:SourceIp=ELSEWHERE",
        alone="cannot tell: role policy"),
    row(LACKING,
        own="own-GetSecret + allow READ on SECRET if StringEquals aws:ResourceTag/temporary=yes"),
    row("problem: role policy",
        own="own-GetSecret + allow READ on SECRET if StringEquals aws:ResourceAccount=ACCOUNT",
        alone=""),
    row(LACKING, own="own + deny READ"),
    # A deleted role.
    row(NO_KEY, key="allow kms:Put* for ROOT + allow kms:Decrypt for DELETED"),
    # Denials in IAM's simulation.
    row("cannot tell: simulation", simulated(READ, SECRET_ARN, EXPLICIT | BY_ORGANIZATION),
        alone=True),
    row("cannot tell: simulation",
        simulated(READ, SECRET_ARN, IMPLICIT | BY_ORGANIZATION | lacking("aws:SourceIp")), alone=True),
    row("problem: other policies; skipped: simulation",
        rejected("simulate_principal_policy"), guard="allow *", alone=True),
    row('problem: simulation "scp denies it"', simulated(READ, SECRET_ARN, EXPLICIT), alone=True),
    row('problem: simulation "first and second deny it"',
        simulated(READ, SECRET_ARN, EXPLICIT | BOTH), alone=True),
    row("cannot tell: simulation",
        simulated(READ, SECRET_ARN, EXPLICIT | lacking("aws:SourceIp")), alone=True),
    row("problem: simulation", simulated(READ, SECRET_ARN, IMPLICIT | lacking("kms:ViaService")),
        alone=True),
    row("problem: simulation", simulated(READ, SECRET_ARN, on_resource("explicitDeny")),
        alone=True),
    # Trust policies.
    row("problem: trust policy", trusting("trust-OTHER"), alone=True),
    row("problem: trust policy", trusting(trusted("StringEquals aws:SourceAccount=OTHER_ACCOUNT"))),
    row("problem: trust policy", trusting("trust + deny sts:AssumeRole for *"), alone=True),
    row("note: trust policy", trusting("trust + deny sts:AssumeRole not for qbusiness.amazonaws.com")),
    row("problem: trust policy; cannot tell: trust policy",
        trusting(trusted(f"{IN_APPLICATION} & IpAddress aws:SourceIp=ELSEWHERE")),
        alone="cannot tell: trust policy"),
    row("problem: trust policy", trusting(trusted(f"{IN_APPLICATION} & Bool aws:SecureTransport=true")),
        alone=""),
    row("problem: trust policy",
        trusting(trusted(f"{IN_APPLICATION} & DateLessThan aws:CurrentTime=PAST"))),
    row("problem: trust policy; cannot tell: trust policy",
        trusting(trusted("StringEquals aws:SourceOrgID=ORG")), alone="cannot tell: trust policy"),
    row('problem: trust policy "trusts a service in other accounts"; cannot tell: trust policy',
        trusting(trusted("StringLike aws:SourceOrgID=o-*")), alone=True),
    row("problem: trust policy",
        trusting(trusted(f"{IN_APPLICATION} & StringEquals sts:ExternalId=EXAMPLE")), alone=True),
    row("problem: trust policy", trusting(trusted(f"{IN_APPLICATION} & Null sts:ExternalId=true")),
        alone=""),
    row("note: trust policy",
        trusting(trusted(f"StringEquals aws:SourceAccount=ACCOUNT & StringLike {EVERY_APPLICATION}"))),
    row("",
        trusting(trusted("StringEquals aws:SourceAccount=ACCOUNT & ArnLike aws:SourceArn=APPLICATION"))),
    row("problem: trust policy; note: trust policy",
        trusting("allow sts:AssumeRole for qbusiness.amazonaws.com")),
    row("problem: trust policy; note: trust policy", trusting("allow sts:AssumeRole for *")),
    row("note: trust policy",
        trusting(f"trust + allow sts:AssumeRole for ADMIN if {IN_APPLICATION} as Admin")),
    row(UNREAD, at(ROLE_ARN, AssumeRolePolicyDocument="{")),
    row("problem: trust policy; note: trust policy",
        trusting(["trust", web_identity("gitlab.com", "project_path:*:ref:main")])),
    row("note: trust policy",
        trusting(["trust", web_identity("gitlab.com", "project_path:acme/web:ref:main")])),
    # The role.
    row(UNREAD, rejected("get_role")),
    # An unknown caller, rejected credentials, and a sandbox that does not support an action.
    row('rejected "sts:GetCallerIdentity is not allowed"', rejected("get_caller_identity")),
    row(NOT_ACCEPTED, rejected("get_caller_identity", code="ExpiredToken")),
    row(NOT_ACCEPTED, rejected("get_application", code="ExpiredToken")),
    row(NOT_ACCEPTED, rejected("simulate_principal_policy", code="ExpiredToken")),
    row('note: simulation "the server at AWS_ENDPOINT_URL does not support this check: use AWS"',
        rejected("simulate_principal_policy", code="UnknownOperationException")),
    row(NO_ROLE, gone(ROLE_ARN)),
    # Several policies of the role.
    row('problem: other policies "perimeter"; cannot tell: other policies "guard"',
        guard="deny READ if NotIpAddress aws:SourceIp=ELSEWHERE", attached="deny kms:*"),
    row('problem: other policies "perimeter"; note: other policies "guard"', guard="allow sqs:*",
        attached="allow iam:CreateAccessKey", alone="problem: role policy; note: role policy"),
    row('problem: other policies "guard"; note: other policies "perimeter"',
        guard="allow s3:GetObject + allow iam:PutRolePolicy on ROLE + allow iam:CreateAccessKey",
        attached="allow sqs:*", alone="problem: role policy; note: role policy"),
    row('problem: other policies "dangerous"', attached=f"allow iam:CreatePolicyVersion on {PERIMETER}"),
    row("problem: other policies; skipped: data source; note: other data source", data_sources({}),
        rejected("get_data_source"), guard="allow *"),
    # The role's permissions boundary. `check` does not compare it with the boundary in the settings.
    row("skipped: permissions boundary", rejected("get_policy"), boundary="allow *"),
    row("cannot tell: key policy",
        boundary="allow all but kms:*",
        key="delegation + allow kms:Decrypt for * if StringEquals kms:CallerAccount=ACCOUNT"),
    # Key policies and grants.
    row("", key="allow kms:* not for arn:aws:iam::ACCOUNT:user/x"),
    row(MAYBE_NO_KEY, key="allow kms:* on arn:aws:kms:*:*:key/${aws:SourceIp} for ROOT"),
    row("", at(KEY_ARN, grants=[TO_ENCRYPT, GRANT, TO_ENCRYPT]), key=NO_KEY_USE),
    row(MAYBE_NO_KEY, at(KEY_ARN, grants=[GRANT | {"Constraints": {"a": "b"}}]), key=NO_KEY_USE),
    row(MAYBE_NO_KEY, at(KEY_ARN, grants=[GRANT]), key=NO_KEY_USE, boundary="allow *"),
    row(MAYBE_NO_KEY, rejected("list_grants"), key=NO_KEY_USE),
    # IAM's simulation.
    row("skipped: data source; note: other data source", data_sources({}),
        rejected("get_data_source", code="ThrottlingException")),
    row("problem: simulation", simulated(READ, SECRET_ARN, IMPLICIT | BY_BOUNDARY)),
    row("cannot tell: simulation",
        simulated(READ, SECRET_ARN,
        on_resource("explicitDeny", **lacking("aws:SourceIp", "KMS:viaservice")))),
    # Values from --context.
    row(NO_KEY, key=FROM_ELSEWHERE, context=["AWS:sourceip=198.51.100.1", "aws:SourceVpc=vpc-1"]),
    row(NO_KEY, key=denying("Bool aws:ViaAWSService=true"), context=["aws:ViaAWSService="]),
    row("", key=denying("DateGreaterThan aws:EpochTime=7226582400"), context=["aws:SourceIp=192.0.2.1"]),
    # The organization, tags, and the version of the policy language.
    row("skipped: secret; cannot tell: key policy",
        rejected("describe_organization", "describe_secret"),
        key=allowing("StringEquals aws:PrincipalOrgID=ORG")),
    row("", {f"get_key_policy {KEY_ARN}": {"Policy": document("delegation", "2008-10-17")}}),
    row(UNBOUNDED, boundary=BY_TAG, secret_tags={"team": ""}),
    # The tags of a key.
    row("", OF_SEARCH, boundary=BY_KEY_TAG),
    row("", at(KEY_ARN, tags={"TEAM": "search"}), boundary=BY_KEY_TAG),
    row(MAYBE_UNBOUNDED, at(KEY_ARN, tags={"Team": "search", "team": "ads"}), boundary=BY_KEY_TAG),
    row(UNBOUNDED, at(KEY_ARN, tags={"team": "ads"}), boundary=BY_KEY_TAG),
    row(UNBOUNDED, boundary=BY_KEY_TAG),
    row(UNBOUNDED, boundary="allow * + deny kms:* if Null aws:ResourceTag/team=true"),
    row(UNBOUNDED, boundary=with_tag("StringEquals")),
    row("", OF_SEARCH, boundary=with_tag("StringEquals")),
    row("", boundary=with_tag("StringEqualsIfExists")),
    row("", boundary=with_tag("ForAllValues:StringEquals")),
    row(UNBOUNDED, at(KEY_ARN, tags={"team": ""}), boundary=with_tag("StringEqualsIfExists")),
    row("", OF_SEARCH, at(ROLE_ARN, Tags=[{"Key": "team", "Value": "search"}]),
        boundary="allow * + "
        "deny kms:* if StringNotEquals aws:PrincipalTag/team=${aws:ResourceTag/team}"),
    row('cannot tell: permissions boundary "to decide this, allow kms:ListResourceTags"',
        rejected("list_resource_tags"), boundary=BY_KEY_TAG),
    row('cannot tell: permissions boundary "AWS is throttling kms:ListResourceTags"',
        rejected("list_resource_tags", code="ThrottlingException"), boundary=BY_KEY_TAG),
    row("", rejected("list_resource_tags"), boundary=BY_KEY_TAG,
        context=["aws:ResourceTag/team=search"]),
    # AWS does not document how key policies evaluate tags.
    row(MAYBE_NO_KEY, OF_SEARCH, key=allowing("StringEquals aws:ResourceTag/team=search")),
    row(MAYBE_NO_KEY, OF_SEARCH, boundary=BY_KEY_TAG, key=denying("Null aws:ResourceTag/team=true")),
    row("", key=allowing("StringEquals aws:ResourceTag/team=search"),
        context=["aws:ResourceTag/team=search"]),
    # The tags of a bucket.
    row("", at("documents", tags=SECRET_TAG), boundary=BY_BUCKET_TAG, bucket=""),
    row('problem: permissions boundary "s3:GetObject" "s3:ListBucket"', CLASSIFIED,
        boundary=BY_BUCKET_TAG, bucket=""),
    row("problem: bucket policy", CLASSIFIED,
        bucket="deny s3:GetObject for * if StringEquals s3:BucketTag/data=secret"),
    row("", at("documents", abac="Enabled"), boundary=BY_BUCKET_TAG, bucket=""),
    row('cannot tell: permissions boundary "to decide this, allow s3:GetBucketAbac"',
        rejected("get_bucket_abac"), boundary=BY_BUCKET_TAG, bucket=""),
    row('cannot tell: permissions boundary "to decide this, allow s3:GetBucketTagging"', CLASSIFIED,
        rejected("get_bucket_tagging"), boundary=BY_BUCKET_TAG, bucket=""),
    row('cannot tell: permissions boundary "has the unknown status"', at("documents", abac="Paused"),
        boundary=BY_BUCKET_TAG, bucket=""),
    row("cannot tell: encryption, bucket policy, permissions boundary", CLASSIFIED,
        boundary=BY_BUCKET_TAG, bucket="", settings=OF_OTHER),
    # Policies from AWS's pages and sample repositories. At most one in ten should remain undecided.
    published("", key="delegation"),
    published("", key=f"delegation + {ADMINISTRATION} + {USE} + {GRANTS}"),
    published(NO_KEY, key=f"{ADMINISTRATION} + {USE} + {GRANTS}"),
    published("",
        key="allow kms:Encrypt|kms:Decrypt|kms:ReEncrypt*|kms:CreateGrant for AWS:* if "
        "StringEquals kms:CallerAccount=ACCOUNT & StringEquals kms:ViaService=SECRETS_MANAGER + "
        "allow kms:Describe*|kms:Get*|kms:List* for ROOT"),
    published("",
        key=f"{ADMINISTRATION} + allow kms:Decrypt|kms:DescribeKey for ROLE if "
        "StringEquals kms:ViaService=SECRETS_MANAGER & "
        "StringEquals kms:EncryptionContext:SecretARN=SECRET"),
    published("",
        key=f"{ADMINISTRATION} + allow kms:Decrypt|kms:DescribeKey for * if "
        "StringEquals aws:PrincipalOrgID=ORG"),
    published(MAYBE_NO_KEY,
        key=f"{ADMINISTRATION} + allow kms:Decrypt|kms:DescribeKey for * if "
        "ForAnyValue:StringLike aws:PrincipalOrgPaths=ORG/r-ab12/ou-ab12-11111111/*"),
    published("",
        key=f"{ADMINISTRATION} + allow kms:Decrypt|kms:DescribeKey for * if "
        "ForAnyValue:StringLike aws:PrincipalOrgPaths=ORG/r-ab12/ou-ab12-11111111/*",
        context=["aws:PrincipalOrgPaths=o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"]),
    published("",
        key="delegation + deny kms:* for * if StringNotEqualsIfExists aws:PrincipalOrgID=ORG & "
        "StringNotEqualsIfExists aws:PrincipalAccount=OTHER_ACCOUNT & "
        "StringNotEqualsIfExists aws:ResourceTag/dp:exclude:identity=true & "
        "BoolIfExists aws:PrincipalIsAWSService=false + deny kms:* for * if "
        "StringNotEqualsIfExists aws:SourceOrgID=ORG & Null aws:SourceAccount=false & "
        "Bool aws:PrincipalIsAWSService=true + deny kms:* for * if "
        "BoolIfExists aws:SecureTransport=false"),
    published("",
        key="delegation + deny kms:* for * if NotIpAddressIfExists aws:SourceIp=ELSEWHERE|"
        "203.0.113.0/24 & StringNotEqualsIfExists aws:SourceVpc=vpc-0d4e5f60718293041 & "
        "StringNotEqualsIfExists aws:PrincipalTag/dp:exclude:network=true & "
        "BoolIfExists aws:PrincipalIsAWSService=false & BoolIfExists aws:ViaAWSService=false & "
        "ArnNotLikeIfExists aws:PrincipalArn=arn:aws:iam::*:role/aws:ec2-infrastructure"),
    published(NO_KEY,
        key="delegation + deny kms:Encrypt|kms:Decrypt|kms:ReEncrypt*|kms:GenerateDataKey* for * if "
        "StringNotEquals aws:SourceVpce=vpce-1234abcdf5678c90a"),
    published(NO_KEY,
        key="delegation + deny kms:Decrypt|kms:GenerateDataKey* for * if "
        "ArnNotLike aws:PrincipalArn=ADMIN|APPLICATION_ROLE"),
    published(NO_KEY,
        key="delegation + deny kms:* for * if StringNotLike aws:userid=AROAEXAMPLEADMIN:*|ACCOUNT"),
    published("",
        boundary="allow all but iam:*|organizations:*|account:* + allow iam:CreateServiceLinkedRole|"
        "iam:ListRoles|organizations:DescribeOrganization"),
    published("",
        boundary="allow * as ExplicitAllowAll + deny iam:CreateUser|iam:CreateRole|"
        "iam:PutRolePermissionsBoundary if "
        "StringNotEquals iam:PermissionsBoundary=arn:aws:iam::ACCOUNT:policy/boundary + "
        "deny iam:CreatePolicyVersion|iam:DeletePolicy|"
        "iam:SetDefaultPolicyVersion on arn:aws:iam::ACCOUNT:policy/boundary + "
        "deny iam:DeleteUserPermissionsBoundary|iam:DeleteRolePermissionsBoundary"),
    published("",
        boundary="allow * + deny all but iam:ChangePassword|iam:EnableMFADevice|"
        "iam:ListMFADevices if Bool aws:MultiFactorAuthPresent=false"),
    published(UNBOUNDED,
        boundary="allow * + deny all but iam:EnableMFADevice|iam:ListMFADevices|"
        "sts:GetSessionToken if BoolIfExists aws:MultiFactorAuthPresent=false"),
    published(UNBOUNDED,
        boundary="allow s3:*|cloudwatch:*|ec2:*|dynamodb:* as ServiceBoundaries + "
        "allow iam:*AccessKey*|iam:ChangePassword on arn:aws:iam::*:user/${aws:username} + "
        "deny s3:* on arn:aws:s3:::logs|arn:aws:s3:::logs/*"),
    published("",
        boundary="allow * + deny all but cloudfront:*|iam:*|route53:*|sts:*|support:* if "
        "StringNotEquals aws:RequestedRegion=REGION|eu-west-1 & "
        "ArnNotLike aws:PrincipalARN=arn:*:iam::*:role/AWSControlTowerExecution"),
    published(MAYBE_UNBOUNDED,
        boundary="allow * + deny * if NotIpAddress aws:SourceIp=ELSEWHERE|203.0.113.0/24 & "
        "Bool aws:ViaAWSService=false"),
    published("",
        boundary="allow * + deny * if NotIpAddress aws:SourceIp=ELSEWHERE|203.0.113.0/24 & "
        "Bool aws:ViaAWSService=false", context=["aws:SourceIp=192.0.2.10"]),
    published("",
        boundary="allow * if DateGreaterThan aws:CurrentTime=2020-04-01T00:00:00Z & "
        "DateLessThan aws:CurrentTime=2199-06-30T23:59:59Z"),
    # Policies that are easily misread.
    published("", key="delegation + deny kms:* for OTHER_ACCOUNT"),
    published("", key="allow kms:* for ADMIN|ROLE"),
    row('problem: other policies "the statement Lock and the statement Second"',
        guard="deny kms:* as Lock + deny kms:Decrypt as Second"),
    published("", key="delegation + deny * not on KEY for *"),
    published("", key=allowing("StringEqualsIfExists aws:SourceVpce=vpce-1")),
    published("", key=denying("Null aws:principalorgid=true")),
    published("", key=denying("ForAllValues:StringNotLike aws:principalorgpaths=ORG/*")),
    published("", key=denying(BY_VARIABLE)),
    published(NO_KEY, key="delegation + deny * not for ADMIN"),
    published(NO_KEY, key="delegation + deny kms:* for ACCOUNT"),
    published(NO_KEY, key="allow kms:* for arn:aws-cn:iam::ACCOUNT:root"),
    published(NO_KEY, key="allow kms:* for arn:aws:iam::OTHER_ACCOUNT:role/ROLE_NAME"),
    published(NO_KEY, key="allow kms:* for secretsmanager.amazonaws.com"),
    published(NO_KEY, key="allow all but kms:Decrypt for ROOT"),
    published(NO_KEY, key=f"allow kms:* on {KEY_ARN}0 for ROOT"),
    published(NO_KEY, key=["delegation", statement("deny * for *") | {"Condition": {}}]),
    published(NO_KEY,
        key=denying("StringNotEquals aws:PrincipalArn=ADMIN & Null kms:ViaService=false")),
    published(NO_KEY, key=denying("StringEqualsIfExists aws:PrincipalTag/team=search")),
    published(NO_KEY, key=allowing("NumericLessThan aws:MultiFactorAuthAge=#3600")),
    published(NO_KEY,
        key=denying("ForAllValues:StringEquals kms:EncryptionContextKeys=SecretARN|SecretVersionId|"
        "aws:s3:arn")),
    published(NO_KEY, key=allowing("ForAllValues:StringEquals kms:EncryptionContextKeys=SecretARN")),
    published(NO_KEY, key=allowing("StringLike kms:EncryptionContext:aws:s3:arn=*")),
    published(NO_KEY, key=denying("Null kms:ViaService=false")),
    published(NO_KEY, key=denying("ForAllValues:StringNotLike aws:PrincipalOrgPaths=o-another123/*")),
    published(NO_KEY,
        key=denying("ArnNotLike aws:PrincipalArn=arn:aws:sts::ACCOUNT:assumed-role/ROLE_NAME/*")),
    published(NO_KEY, key=denying("StringEquals aws:PrincipalAccount=${aws:ResourceAccount}")),
    published(NO_KEY, key=allowing("StringEquals kms:ViaService=secretsmanager.amazonaws.com")),
    published(MAYBE_NO_KEY, key="delegation + deny * not for ADMIN|ROOT"),
    published(MAYBE_NO_KEY, key=denying("StringNotEquals aws:PrincipalArn=${aws:SourceIp}")),
    published(MAYBE_NO_KEY, key="delegation + deny kms:* for SESSION"),
    published(MAYBE_NO_KEY, key=allowing("StringEquals kms:EncryptionContext:SecretVersionId=EXAMPLE1")),
    published(MAYBE_NO_KEY,
        key=allowing("ForAnyValue:StringEquals aws:CalledVia=secretsmanager.amazonaws.com")),
    published(MAYBE_NO_KEY, key=denying("StringLike aws:userid=*:sync-?")),
    published("", boundary=f"{OTHERS} + allow secretsmanager:Get* on SECRETS:qbusiness/*"),
    published("",
        boundary="allow * + deny ec2:CreateTags if ForAnyValue:StringEquals aws:TagKeys=owner"),
    published("",
        boundary="allow * + deny secretsmanager:*|kms:* if "
        "StringNotEquals aws:ResourceAccount=${aws:PrincipalAccount}"),
    published("", boundary="allow * + deny kms:* if BoolIfExists aws:ViaAWSService=false"),
    published(UNBOUNDED, boundary=f"{OTHERS} + allow secretsmanager:* on SECRETS:qbusiness/aem-cloud"),
    published(UNBOUNDED,
        boundary=f"{OTHERS} + allow secretsmanager:* on arn:aws-us-gov:secretsmanager:*"),
    published("problem: permissions boundary; cannot tell: permissions boundary",
        boundary="allow secretsmanager:*|kms:*|ec2:* + "
        "allow qbusiness:* on arn:aws:qbusiness:*:*:application/*/index/*"),
    published(UNBOUNDED, boundary="allow all but ec2:* + allow ec2:* on arn:aws:ec2:REGION:*:*"),
    published(UNBOUNDED, boundary="allow * + deny ec2:* not on arn:aws:ec2:*:ACCOUNT:subnet/*"),
    published("", boundary="allow * + deny ec2:* if StringNotEquals ec2:Region=REGION|eu-west-1"),
    published(UNBOUNDED,
        boundary="allow * + deny ec2:* if StringNotEqualsIfExists ec2:Region=eu-west-1"),
    published(UNBOUNDED, boundary="allow * if StringEquals ec2:Region=REGION"),
    published(UNBOUNDED,
        boundary="allow * + deny ec2:CreateNetworkInterface on INTERFACES/* if "
        "Null aws:RequestTag/cost-center=true"),
    published(UNBOUNDED, boundary="allow * + deny READ if StringNotEquals aws:ResourceTag/app=q"),
    published(UNBOUNDED, boundary="allow * + deny secretsmanager:* if Bool aws:ViaAWSService=false"),
    published("problem: permissions boundary; cannot tell: permissions boundary",
        boundary="allow * if ForAnyValue:StringEquals aws:CalledVia=cloudformation.amazonaws.com"),
    published(UNBOUNDED, boundary="allow * + deny * on arn:aws:secretsmanager:*:secret:qbusiness/*"),
    published(MAYBE_UNBOUNDED, boundary="allow * + deny ec2:* on INTERFACES/eni-0a*"),
)
