"""Worlds in which policies decide about a connector's requests, and the expected answers of `check`.

A world is the account of the stack `dev`, in which nothing is wrong, with some policies changed. Each is
checked with the stack, and, unless it concerns a bucket, without it. worlds.txt has the outputs about
all worlds; pytest's option `--rewrite` writes it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    BUCKET_NAME,
    INDEX_ID,
    OTHER_ACCOUNT,
    SUBNET_ID,
)
from pages.examples import SECURITY_GROUP_ID as GROUP_ID
from tests.helpers.gallery import gallery
from tests.helpers.support import PROJECT_NAME, golden, of_role
from tests.helpers.world import KEY_ARN, OWN, ROLE_ARN, ROLE_NAME, SECOND_SUBNET_ID, SECRET_ARN
from tests.roles.check.recording import BASE, replaced, run

GOLDEN: Final = Path(__file__).with_name("worlds.txt")
Document = Sequence[dict[str, Any]]

STACK: Final = ("--stack", "dev")
DATA_SOURCE_ID: Final = "c3d4e5f6-7890-12ab-cdef-333333333333"
DATA_SOURCE: Final = ("--application", APPLICATION_ID, "--data-source-id", DATA_SOURCE_ID)
PERIMETER: Final = f"arn:aws:iam::{ACCOUNT}:policy/perimeter"
UNREADABLE: Final = f"arn:aws:iam::{ACCOUNT}:policy/unreadable"
OTHER_SECRET_ARN: Final = SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
FOREIGN: Final = {"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}}
FROM_ELSEWHERE: Final = {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
ROOT: Final = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
ROLE: Final = {"AWS": ROLE_ARN}
DELETED: Final = {"AWS": "AROAEXAMPLEDELETED001"}
CALLER: Final = f"arn:aws:iam::{ACCOUNT}:user/deployer"
READ: Final = "secretsmanager:GetSecretValue"


def allow(action: object = "*", resource: object = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: object = "*", condition: Mapping[str, Any] | None = None, **more: Any) -> Document:
    """Return the statement Lock, which denies an action."""
    given = {"Condition": condition} if condition else {}
    return [{"Sid": "Lock", "Effect": "Deny", "Action": action, "Resource": "*", **given, **more}]


def document(statements: Document) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def policy(statements: Document) -> str:
    return json.dumps(document(statements))


OWN_OF_SECRET: Final = golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT)
OWN_OF_BUCKET: Final = of_role(golden("s3-v2-role-policy"), ROLE_NAME).replace(BUCKET_NAME, "documents")


def without(*sids: str, bucket_owner: str = "") -> Document:
    """Return the statements of the role policy, of a bucket if it has an owner, except some."""
    document = json.loads(OWN_OF_BUCKET if bucket_owner else OWN_OF_SECRET)
    for statement in document["Statement"]:
        if "aws:ResourceAccount" in json.dumps(statement.get("Condition")):
            statement["Condition"] = {"StringEquals": {"aws:ResourceAccount": bucket_owner}}
    return [each for each in document["Statement"] if each["Sid"] not in sids]


DELEGATION: Final = allow("kms:*", Principal=ROOT)
EVERYTHING: Final = [allow()]


class World(NamedTuple):
    """An account's differences from the one in which nothing is wrong, and the expected answers."""

    name: str
    wrong: Mapping[str, str] = MappingProxyType({})
    """The state of each question that is not `ok`."""
    guard: Document = ()
    """An inline policy of the role, besides the program's."""
    attached: Document = ()
    attached_arn: str = PERIMETER
    own: Document | None = None
    """The role policy, if it is not the program's."""
    boundary: Document = ()
    boundary_arn: str = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    key: Document = (DELEGATION,)
    secret: Document = ()
    bucket: Document | None = None
    """The policy of a bucket that is the data source; None for a data source with a secret."""
    settings: Mapping[str, Any] = MappingProxyType({})
    """None for a setting that the stack lacks."""
    outputs: Mapping[str, Any] = MappingProxyType({})
    secret_tags: Mapping[str, str] = MappingProxyType({})
    role_tags: Mapping[str, str] = MappingProxyType({})
    organization: str = ""
    calls: Mapping[str, Any] = MappingProxyType({})
    """AWS's other answers."""
    options: Sequence[str] = STACK
    """The options of `check`, for situations."""
    outside: Mapping[str, str] | None = None
    """The state of each question that is not `ok` without the stack; by default, as with the stack."""

    @property
    def bucket_owner(self) -> str:
        """The bucket's account; empty if the data source is not a bucket."""
        return self.settings.get("bucketAccountId", ACCOUNT) if self.is_of_bucket else ""

    @property
    def is_of_bucket(self) -> bool:
        """Whether the data source is a bucket."""
        return self.bucket is not None

    def wrong_with(self, arguments: Sequence[str]) -> Mapping[str, str]:
        """Return the states with or without the stack, in which case "role policy" has all policies."""
        if arguments == STACK:
            return self.wrong
        if self.outside is not None:
            return self.outside
        names = {"other policies": "role policy"}
        return {names.get(question, question): state for question, state in self.wrong.items()}


def exit_code(states: Iterable[str]) -> int:
    """Return the exit code for answers in these states."""
    every = " ".join(states)
    codes = {"problem": 1, "skipped": 2, "cannot tell": 3}
    return next((code for state, code in codes.items() if state in every), 0)


def simulated(
    action: str, resource: str, answer: Mapping[str, Any], principal: str = ROLE_ARN
) -> dict[str, Any]:
    """Return the answer of one simulation."""
    names = {"EvalActionName": action, "EvalResourceName": resource}
    return {f"simulate {principal} {action} {resource}": names | dict(answer)}


def lacking(*keys: str) -> dict[str, Any]:
    """Return the part of an answer that says which keys the simulation lacked."""
    return {"MissingContextValues": [*keys]}


EXPLICIT: Final = {"EvalDecision": "explicitDeny", "MatchedStatements": [{"SourcePolicyId": "scp"}]}
IMPLICIT: Final = {"EvalDecision": "implicitDeny"}
BY_ORGANIZATION: Final = {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}
NOT_ALLOWED: Final = {
    "$client": [
        {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}},
        "ListAttachedRolePolicies",
    ]
}
NOT_SIMULATED: Final = {"$client": [NOT_ALLOWED["$client"][0], "SimulatePrincipalPolicy"]}
DENIED: Final = {"other policies": "problem", "requests allowed": "problem"}
UNKNOWN: Final = {"other policies": "cannot tell", "requests allowed": "cannot tell"}
UNBOUNDED: Final = {"permissions boundary": "problem", "requests allowed": "problem"}
HARMLESS: Final = {"other policies": "note"}
TAGGED: Final = {"StringEquals": {"aws:ResourceTag/temporary": "yes"}}
AS_OWN: Final[Mapping[str, str]] = MappingProxyType({})

WORLDS: Final = (
    World("nothing is wrong"),
    # Another policy of the role.
    World(
        "a policy denies reading secrets with a tag, which the secret has",
        DENIED,
        guard=deny(READ, TAGGED),
        secret_tags={"temporary": "yes"},
    ),
    World(
        "a policy denies reading secrets with a tag, which the secret lacks",
        HARMLESS,
        guard=deny(READ, TAGGED),
        outside=AS_OWN,
    ),
    World(
        "a policy denies decryption through a service",
        DENIED,
        guard=deny("kms:Decrypt", {"Bool": {"aws:ViaAWSService": "true"}}),
    ),
    World(
        "a policy denies direct decryption",
        HARMLESS,
        guard=deny("kms:Decrypt", {"Bool": {"aws:ViaAWSService": "false"}}),
        outside=AS_OWN,
    ),
    World(
        "an attached policy denies everything in the account",
        DENIED,
        attached=deny(condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}),
    ),
    World(
        "a policy denies everything in another account",
        HARMLESS,
        guard=deny(condition={"StringEquals": {"aws:PrincipalAccount": OTHER_ACCOUNT}}),
        outside=AS_OWN,
    ),
    World(
        "a policy denies reading secrets from unknown addresses",
        UNKNOWN,
        guard=deny(READ, FROM_ELSEWHERE),
    ),
    World(
        "an attached policy denies reading secrets from unknown addresses",
        UNKNOWN,
        attached=deny(READ, FROM_ELSEWHERE),
    ),
    World(
        "a policy denies everything until 2199",
        DENIED,
        guard=deny(READ, {"DateLessThan": {"aws:CurrentTime": "2199-01-01T00:00:00Z"}}),
    ),
    World(
        "a policy allows everything",
        HARMLESS,
        guard=EVERYTHING,
    ),
    World(
        "a policy lets the role read every secret of the account",
        HARMLESS,
        guard=[allow(READ, Condition={"StringEquals": {"aws:ResourceAccount": ACCOUNT}})],
    ),
    World(
        "a policy lets the role read other secrets with a tag",
        HARMLESS,
        guard=[allow(READ, Condition=TAGGED)],
    ),
    World(
        "the attached policies cannot be listed",
        {"other policies": "skipped", "requests allowed": "skipped"},
        calls={f'iam.list_attached_role_policies {{"RoleName": "{ROLE_NAME}"}}': NOT_ALLOWED},
        outside={"role policy": "skipped", "requests allowed": "skipped"},
    ),
    World(
        "one of the attached policies cannot be read, and the other denies reading the secret",
        {"other policies": "problem skipped note", "requests allowed": "problem"},
        attached=deny(READ),
        calls={
            f'iam.list_attached_role_policies {{"RoleName": "{ROLE_NAME}"}}': [
                {"PolicyArn": PERIMETER, "PolicyName": "perimeter"},
                {"PolicyArn": UNREADABLE, "PolicyName": "unreadable"},
            ],
            f'iam.get_policy {{"PolicyArn": "{UNREADABLE}"}}': NOT_ALLOWED,
        },
        outside={"role policy": "skipped problem", "requests allowed": "problem"},
    ),
    World(
        "AWS's policy that denies everything",
        DENIED,
        attached=deny(),
        attached_arn="arn:aws:iam::aws:policy/AWSDenyAll",
    ),
    World(
        "a policy denies sessions that say that they are without MFA",
        HARMLESS,
        guard=deny(condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
        outside=AS_OWN,
    ),
    World(
        "a policy denies sessions without MFA",
        DENIED,
        guard=deny(condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}),
    ),
    World(
        "a policy denies sessions from before it was written",
        HARMLESS,
        guard=deny(condition={"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}}),
        outside=AS_OWN,
    ),
    World(
        "a policy denies passing roles without a tag",
        UNKNOWN,
        guard=deny("iam:PassRole", {"StringNotEquals": {"aws:ResourceTag/team": "search"}}),
        bucket=[],
        role_tags={"team": "search"},
    ),
    World(
        "a policy has many wildcards",
        HARMLESS,
        guard=[*deny("s3:*", Resource=f"{'*?' * 12}Z")],
        outside=AS_OWN,
    ),
    # A data perimeter.
    World("a data perimeter in a policy", HARMLESS, guard=deny(condition=FOREIGN), outside=AS_OWN),
    World("a data perimeter in the boundary", boundary=[*EVERYTHING, *deny(condition=FOREIGN)]),
    World(
        "a data perimeter by the organization",
        HARMLESS,
        guard=deny(condition={"StringNotEquals": {"aws:ResourceOrgID": "o-a1b2c3d4e5"}}),
        organization="o-a1b2c3d4e5",
        outside=AS_OWN,
    ),
    World(
        "a data perimeter in a policy, and a bucket of another account",
        {
            "bucket policy": "cannot tell",
            "encryption": "cannot tell",
            "other policies": "problem",
            "requests allowed": "problem",
        },
        guard=deny("s3:*", FOREIGN),
        bucket=[],
        settings={"bucketAccountId": OTHER_ACCOUNT},
    ),
    World(
        "a data perimeter in the boundary, and a bucket of another account",
        {"bucket policy": "cannot tell", "encryption": "cannot tell"} | UNBOUNDED,
        boundary=[*EVERYTHING, *deny("s3:*", FOREIGN)],
        bucket=[],
        settings={"bucketAccountId": OTHER_ACCOUNT},
    ),
    # The permissions boundary.
    World(
        "a boundary lacks iam:PassRole",
        UNBOUNDED,
        boundary=[{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
        bucket=[],
    ),
    World(
        "a boundary lacks decryption",
        UNBOUNDED,
        boundary=[{"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}],
    ),
    World(
        "a boundary lacks reading secrets and network interfaces",
        UNBOUNDED,
        boundary=[allow(["kms:*", "qbusiness:*", "ec2:Describe*"])],
    ),
    World(
        "a boundary allows everything until 2199",
        boundary=[allow(Condition={"DateLessThan": {"aws:CurrentTime": "2199-01-01T00:00:00Z"}})],
    ),
    World("a boundary denies decryption", UNBOUNDED, boundary=[*EVERYTHING, *deny("kms:Decrypt")]),
    World(
        "a boundary of AWS lacks requests",
        UNBOUNDED,
        boundary=[allow(["s3:*", "ec2:*"])],
        boundary_arn="arn:aws:iam::aws:policy/job-function/SystemAdministrator",
    ),
    World(
        "a boundary beside a key policy that denies everybody else",
        {"key policy": "problem", "requests allowed": "problem"},
        boundary=EVERYTHING,
        key=[DELEGATION, *deny("kms:*", NotPrincipal={"AWS": [ROLE_ARN, ROOT["AWS"]]})],
    ),
    World(
        "a key policy that denies everybody else, without a boundary",
        {"key policy": "cannot tell", "requests allowed": "cannot tell"},
        key=[DELEGATION, *deny("kms:*", NotPrincipal={"AWS": [ROLE_ARN, ROOT["AWS"]]})],
    ),
    World(
        "a boundary lacks decryption, which the key policy allows a session of the role",
        {
            "key policy": "cannot tell",
            "permissions boundary": "cannot tell",
            "requests allowed": "cannot tell",
        },
        boundary=[{"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}],
        key=[
            DELEGATION,
            allow(
                "kms:Decrypt",
                Sid="Session",
                Principal={"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/sync"},
            ),
        ],
    ),
    World(
        "a boundary lacks decryption, which the key policy allows the role",
        UNBOUNDED,
        boundary=[{"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}],
        key=[DELEGATION, allow("kms:Decrypt", Principal=ROLE)],
    ),
    World(
        "the bucket's policy denies a canonical user",
        {"bucket policy": "cannot tell", "requests allowed": "cannot tell"},
        bucket=deny("s3:*", Principal={"CanonicalUser": "79a59df900b949e55d96a1e698fbaced"}),
    ),
    World(
        "a key policy depends on two keys",
        {"key policy": "cannot tell", "requests allowed": "cannot tell"},
        key=[
            allow("kms:*", Principal=ROOT, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            allow("kms:*", Principal=ROLE, Condition={"StringEquals": {"aws:UserAgent": "sync"}}),
        ],
    ),
    World(
        "a key policy names the role of another stack",
        {"key policy": "problem", "requests allowed": "problem"},
        key=[
            allow("kms:Put*", Principal=ROOT),
            allow(
                "kms:Decrypt",
                Sid="AllowsConnectorRoles0123456789abcdef",
                Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/prod-connector"},
            ),
        ],
    ),
    # Several policies.
    World(
        "a policy denies decryption, and the key policy does not delegate it",
        DENIED | {"key policy": "problem"},
        guard=deny("kms:Decrypt"),
        key=[allow("kms:Put*", Principal=ROOT)],
    ),
    World(
        "a policy denies decryption, and the boundary lacks it",
        DENIED | UNBOUNDED,
        guard=deny("kms:Decrypt"),
        boundary=[{"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}],
    ),
    World(
        "no policy allows reading the secret, and the boundary may deny it",
        {
            "role policy": "problem",
            "permissions boundary": "cannot tell",
            "requests allowed": "problem",
        },
        own=without("AllowsAmazonQToGetSecret"),
        boundary=[*EVERYTHING, *deny(READ, FROM_ELSEWHERE)],
    ),
    World(
        "no policy allows decryption, which the key policy delegates to some addresses",
        {"role policy": "problem", "key policy": "cannot tell", "requests allowed": "problem"},
        own=without("AllowsAmazonQToDecryptSecret"),
        key=[DELEGATION | {"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}],
    ),
    World(
        "the role policy allows reading the secret from some addresses",
        {"role policy": "problem", "requests allowed": "cannot tell"},
        own=[
            *without("AllowsAmazonQToGetSecret"),
            allow(READ, SECRET_ARN, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        ],
        outside={"role policy": "cannot tell", "requests allowed": "cannot tell"},
    ),
    World(
        "the role policy allows reading the secret only with a tag, which it lacks",
        {"role policy": "problem", "requests allowed": "problem"},
        own=[*without("AllowsAmazonQToGetSecret"), allow(READ, SECRET_ARN, Condition=TAGGED)],
    ),
    World(
        "the role policy allows reading the secret only in its account",
        {"role policy": "problem"},
        own=[
            *without("AllowsAmazonQToGetSecret"),
            allow(READ, SECRET_ARN, Condition={"StringEquals": {"aws:ResourceAccount": ACCOUNT}}),
        ],
        outside={"role policy": "note"},
    ),
    World(
        "the role policy itself denies reading the secret",
        {"role policy": "problem", "requests allowed": "problem"},
        own=[*without(), *deny(READ)],
    ),
    # Only a resource policy allows a request.
    World(
        "only the secret's policy allows reading the secret",
        {"role policy": "problem"},
        own=without("AllowsAmazonQToGetSecret"),
        secret=[allow(READ, Principal=ROLE)],
        calls=simulated(READ, SECRET_ARN, IMPLICIT),
        outside={"role policy": "note"},
    ),
    World(
        "no policy allows reading the secret",
        {"role policy": "problem", "requests allowed": "problem"},
        own=without("AllowsAmazonQToGetSecret"),
    ),
    World(
        "only the bucket's policy allows listing the bucket",
        {"role policy": "problem"},
        own=without("AllowsAmazonQToListS3Buckets", bucket_owner=ACCOUNT),
        bucket=[allow("s3:ListBucket", "arn:aws:s3:::documents", Principal=ROLE)],
    ),
    World(
        "only the policy of another account's secret allows reading it",
        {"role policy": "problem", "requests allowed": "problem"},
        own=without("AllowsAmazonQToGetSecret"),
        secret=[allow(READ, Principal=ROLE)],
        settings={"secretId": OTHER_SECRET_ARN},
    ),
    World(
        "another account's secret, whose policy lacks the role",
        {"secret policy": "problem", "requests allowed": "problem"},
        own=[*without("AllowsAmazonQToGetSecret"), allow(READ, OTHER_SECRET_ARN)],
        secret=[],
        settings={"secretId": OTHER_SECRET_ARN},
    ),
    # A deleted role.
    World(
        "a key policy denies a deleted role",
        {"key policy": "note"},
        key=[DELEGATION, *deny("kms:*", Principal=DELETED)],
    ),
    World(
        "a key policy lets a deleted role administer the key",
        {"key policy": "note"},
        key=[DELEGATION, allow("kms:Put*", Principal=DELETED)],
    ),
    World(
        "a key policy lets a deleted role decrypt, and delegates",
        {"key policy": "note"},
        key=[DELEGATION, allow("kms:Decrypt", Principal=DELETED)],
    ),
    World(
        "a key policy lets only a deleted role decrypt",
        {"key policy": "problem", "requests allowed": "problem"},
        key=[allow("kms:Put*", Principal=ROOT), allow("kms:Decrypt", Principal=DELETED)],
    ),
    World(
        "a key policy names a deleted role and neither allows nor delegates decryption",
        {"key policy": "problem", "requests allowed": "problem"},
        key=[allow("kms:Put*", Principal=ROOT), allow("kms:Put*", Principal=DELETED)],
    ),
    World(
        "a key policy lets only two deleted roles decrypt",
        {"key policy": "problem", "requests allowed": "problem"},
        key=[
            allow("kms:Put*", Principal=ROOT),
            allow("kms:Decrypt", Principal={"AWS": [*DELETED.values(), "AROAEXAMPLEDELETED002"]}),
        ],
    ),
    World(
        "a key policy names two deleted roles, of which one could decrypt",
        {"key policy": "problem", "requests allowed": "problem"},
        key=[
            allow("kms:Put*", Principal={"AWS": "AROAEXAMPLEDELETED002"}),
            allow("kms:Decrypt", Principal=DELETED),
        ],
    ),
    World(
        "the secret's policy names a deleted role",
        {"secret policy": "note"},
        secret=[allow(READ, Principal=DELETED)],
    ),
    World(
        "only for a deleted role does the secret's policy allow reading the secret",
        {"role policy": "problem", "requests allowed": "problem", "secret policy": "problem"},
        own=without("AllowsAmazonQToGetSecret"),
        secret=[allow(READ, Principal=DELETED)],
    ),
    World(
        "the bucket's policy denies a deleted role",
        {"bucket policy": "note"},
        bucket=deny("s3:*", Principal=DELETED),
    ),
    # Denials that only IAM knows.
    World(
        "the organization denies a request",
        {"requests allowed": "cannot tell"},
        calls=simulated(READ, SECRET_ARN, EXPLICIT | BY_ORGANIZATION),
    ),
    World(
        "the organization denies a request, and keys are missing",
        {"requests allowed": "cannot tell"},
        calls=simulated(READ, SECRET_ARN, IMPLICIT | BY_ORGANIZATION | lacking("aws:SourceIp")),
    ),
    World(
        "a policy allows everything, and IAM's simulation is not allowed",
        {
            "iam:PassRole": "skipped",
            "other policies": "note",
            "requests allowed": "skipped",
        },
        guard=EVERYTHING,
        calls={"simulate": NOT_SIMULATED},
        outside={
            "iam:PassRole": "skipped",
            "role policy": "note",
            "requests allowed": "skipped",
        },
    ),
    World(
        "IAM denies a request explicitly, and no key is missing",
        {"requests allowed": "problem"},
        calls=simulated(READ, SECRET_ARN, EXPLICIT),
    ),
    World(
        "IAM denies a request, and lacks a key that nobody knows",
        {"requests allowed": "cannot tell"},
        calls=simulated(READ, SECRET_ARN, EXPLICIT | lacking("aws:SourceIp")),
    ),
    World(
        "IAM denies a request, and lacks a key of another service",
        {"requests allowed": "problem"},
        calls=simulated(READ, SECRET_ARN, IMPLICIT | lacking("kms:ViaService")),
    ),
    World(
        "IAM allows one resource but denies another",
        {"requests allowed": "problem"},
        calls=simulated(
            READ,
            SECRET_ARN,
            {
                "EvalDecision": "allowed",
                "ResourceSpecificResults": [
                    {"EvalResourceName": SECRET_ARN, "EvalResourceDecision": "explicitDeny"}
                ],
            },
        ),
    ),
    World(
        "the caller cannot pass a role with this tag",
        {"iam:PassRole": "problem"},
        role_tags={"protected": "yes"},
        calls=simulated("iam:PassRole", ROLE_ARN, EXPLICIT, CALLER),
        outside=AS_OWN,  # a data source already uses the role
    ),
)


def change(world: World, arguments: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return AWS's answers in a world, and Pulumi's output."""
    calls, config = deepcopy(BASE["calls"]), deepcopy(BASE["config"])
    settings = dict(world.settings)
    in_stack = arguments[0] == STACK[0]
    _change_role(calls, world, in_stack=in_stack)
    if world.boundary:
        settings["permissionsBoundaryArn"] = world.boundary_arn
    key = json.dumps({"KeyId": KEY_ARN, "PolicyName": "default"})
    calls[f"kms.get_key_policy {key}"] = {"Policy": policy(world.key)}
    secret_arn = world.settings.get("secretId") or SECRET_ARN
    _change_secret(calls, secret_arn, world)
    if world.organization:
        organization = {"Organization": {"Id": world.organization}}
        calls["organizations.describe_organization {}"] = organization
    if world.bucket is not None:
        _use_bucket(calls, settings, world.bucket)
        for name in ("secretId", "vpcConfiguration", "allowNetworkInterfaceDeletion"):
            del config[f"{PROJECT_NAME}:{name}"]
    for name, value in settings.items():
        config[f"{PROJECT_NAME}:{name}"] = {"value": value, "secret": False}
        if value is None:
            del config[f"{PROJECT_NAME}:{name}"]
    if not in_stack:
        _add_data_source(calls, secret_arn)
    return {**calls, **world.calls}, {"config": config, "stack": BASE["outputs"] | world.outputs}


def _change_role(calls: dict[str, Any], world: World, *, in_stack: bool) -> None:
    own = world.own or without(bucket_owner=world.bucket_owner)
    if not in_stack:  # a data source does not contain the option for this statement
        own = [each for each in own if each.get("Sid") != "AllowsAmazonQToDeleteTaggedNI"]
    inline = {OWN: own, **({"guard": world.guard} if world.guard else {})}
    for name, statements in inline.items():
        parameters = json.dumps({"PolicyName": name, "RoleName": ROLE_NAME})
        calls[f"iam.get_role_policy {parameters}"] = {"PolicyDocument": policy(statements)}
    calls[f'iam.list_role_policies {{"RoleName": "{ROLE_NAME}"}}'] = [*inline]
    if world.attached:
        arn = world.attached_arn
        listed = [{"PolicyArn": arn, "PolicyName": arn.rpartition("/")[2]}]
        calls[f'iam.list_attached_role_policies {{"RoleName": "{ROLE_NAME}"}}'] = listed
        _put_managed(calls, arn, world.attached)
    role = calls[f'iam.get_role {{"RoleName": "{ROLE_NAME}"}}']["Role"]
    role["Tags"] = [{"Key": key, "Value": value} for key, value in world.role_tags.items()]
    if world.boundary:
        role["PermissionsBoundary"] = {"PermissionsBoundaryArn": world.boundary_arn}
        _put_managed(calls, world.boundary_arn, world.boundary)


def _change_secret(calls: dict[str, Any], arn: str, world: World) -> None:
    for name in [name for name in calls if SECRET_ARN in name]:
        answer = json.dumps(calls.pop(name)).replace(SECRET_ARN, arn)
        calls[name.replace(SECRET_ARN, arn)] = json.loads(answer)
    described = calls[f'secretsmanager.describe_secret {{"SecretId": "{arn}"}}']
    described["Tags"] = [{"Key": key, "Value": value} for key, value in world.secret_tags.items()]
    answer = {"ARN": arn} | ({"ResourcePolicy": policy(world.secret)} if world.secret else {})
    calls[f'secretsmanager.get_resource_policy {{"SecretId": "{arn}"}}'] = answer


def _put_managed(calls: dict[str, Any], arn: str, statements: Document) -> None:
    calls[f'iam.get_policy {{"PolicyArn": "{arn}"}}'] = {"Policy": {"DefaultVersionId": "v1"}}
    parameters = json.dumps({"PolicyArn": arn, "VersionId": "v1"})
    calls[f"iam.get_policy_version {parameters}"] = {"PolicyVersion": {"Document": policy(statements)}}


def _use_bucket(calls: dict[str, Any], settings: dict[str, str], statements: Document) -> None:
    settings |= {"connector": "s3-v2", "bucketName": "documents"}
    owner = settings.get("bucketAccountId", ACCOUNT)
    foreign = owner != ACCOUNT
    location = json.dumps({"Bucket": "documents", "ExpectedBucketOwner": owner})
    calls[f"s3.get_bucket_location {location}"] = {"LocationConstraint": None}
    calls['s3.get_bucket_location {"Bucket": "documents"}'] = {"LocationConstraint": None}
    denied = {"$client": [{"Error": {"Code": "AccessDenied"}}, "GetBucketEncryption"]}
    default = {"KMSMasterKeyID": KEY_ARN, "SSEAlgorithm": "aws:kms"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    answer = denied if foreign else {"ServerSideEncryptionConfiguration": rules}
    calls[f"s3.get_bucket_encryption {location}"] = answer
    missing = {"$client": [{"Error": {"Code": "NoSuchBucketPolicy"}}, "GetBucketPolicy"]}
    found = {"Policy": policy(statements)} if statements else missing
    calls['s3.get_bucket_policy {"Bucket": "documents"}'] = found


def _add_data_source(calls: dict[str, Any], secret_arn: str) -> None:
    """Add the data source whose settings the stack has."""
    index = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}
    listed = {"dataSourceId": DATA_SOURCE_ID, "displayName": "Pages", "status": "ACTIVE", "type": "AEM"}
    calls[f"qbusiness.list_data_sources {json.dumps(index)}"] = [listed]
    ids = json.dumps(dict(sorted({**index, "dataSourceId": DATA_SOURCE_ID}.items())))
    calls[f"qbusiness.get_data_source {ids}"] = {
        **listed,
        **index,
        "dataSourceArn": f"arn:aws:qbusiness:us-east-1:{ACCOUNT}:application/{APPLICATION_ID}"
        f"/index/{INDEX_ID}/data-source/{DATA_SOURCE_ID}",
        "configuration": {"type": "AEM", "secretArn": secret_arn},
        "roleArn": ROLE_ARN,
        "vpcConfiguration": {
            "subnetIds": [SUBNET_ID, SECOND_SUBNET_ID],
            "securityGroupIds": [GROUP_ID],
        },
    }
    calls[f"qbusiness.list_data_source_sync_jobs {ids}"] = {"history": []}


def states(world: World, arguments: Sequence[str]) -> tuple[int, dict[str, str]]:
    """Return the exit code, and the different states of the questions that are not `ok`.

    Without a stack, two questions are always skipped.
    """
    with replaced(*change(world, arguments)):
        code, out = run([*arguments, "--json"])
    found: dict[str, list[str]] = {}
    for answer in json.loads(out)["answers"]:
        if answer["state"] != "ok" and "--stack" not in answer["text"]:
            found.setdefault(answer["question"], []).append(answer["state"])
    return code, {question: " ".join(dict.fromkeys(its)) for question, its in found.items()}


def outputs() -> str:
    """Return the outputs about all worlds."""
    rows: list[tuple[str, list[str]]] = []
    for world in WORLDS:
        for how, arguments in (("with the stack", STACK), ("without it", DATA_SOURCE)):
            if arguments == STACK or not world.is_of_bucket:
                code, (*answers, counts) = answers_in(world, arguments)
                rows.append((f"{world.name}, {how}: exit code {code}, {counts.strip()}", answers))
    return gallery(rows)


def answers_in(world: World, arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Return the exit code and the answers, of which the last one has the counts."""
    with replaced(*change(world, arguments)):
        code, out = run(arguments)
    return code, re.findall(r"^\S.*\n(?: .*\n)*", out, re.MULTILINE)
