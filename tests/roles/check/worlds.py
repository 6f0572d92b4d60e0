"""Worlds in which policies decide about a connector's requests, and the expected answers of `check`.

A world is the account of the stack `dev`, in which nothing is wrong, with some policies changed. Each is
checked with the stack, and, unless it concerns a bucket, without it. worlds.txt has the outputs about
all worlds; pytest's option `--rewrite` writes it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pages.examples import ACCOUNT, APPLICATION_ID, OTHER_ACCOUNT
from tests.helpers.gallery import gallery
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import KEY_ARN, OWN, ROLE_ARN, ROLE_NAME, SECRET_ARN, Output
from tests.roles.check.recording import BASE, replaced, run
from tests.roles.check.responses import (
    CALLS,
    DELEGATION,
    EVERYTHING,
    FOREIGN_SECRET,
    KEY_POLICY,
    ROOT,
    Document,
    aem,
    allow,
    asked,
    bucket,
    data_sources,
    deny,
    identifier,
    inline,
    kms,
    lacking,
    managed,
    own_role,
    policy,
    rejected,
    secret,
    simulated,
    without,
)

GOLDEN: Final = Path(__file__).with_name("worlds.txt")
STACK: Final = ("--stack", "dev")
DATA_SOURCE: Final = ("--application", APPLICATION_ID, "--data-source-id", identifier(0))
PERIMETER: Final = f"arn:aws:iam::{ACCOUNT}:policy/perimeter"
UNREADABLE: Final = f"arn:aws:iam::{ACCOUNT}:policy/unreadable"
FOREIGN: Final = {"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}}
FROM_ELSEWHERE: Final = {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
ROLE: Final = {"AWS": ROLE_ARN}
DELETED: Final = {"AWS": "AROAEXAMPLEDELETED001"}
CALLER: Final = f"arn:aws:iam::{ACCOUNT}:user/deployer"
READ: Final = "secretsmanager:GetSecretValue"


class World(NamedTuple):
    """Differences from an account in which nothing is wrong; in WORLDS, also the expected states."""

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
    """AWS's other responses."""
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


EXPLICIT: Final = {"EvalDecision": "explicitDeny", "MatchedStatements": [{"SourcePolicyId": "scp"}]}
IMPLICIT: Final = {"EvalDecision": "implicitDeny"}
BY_ORGANIZATION: Final = {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}
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
        "a policy denies reading all secrets but two others",
        DENIED,
        guard=deny(READ, NotResource=[FOREIGN_SECRET, f"{SECRET_ARN}2"]),
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
        "a policy denies reading secrets until 2199",
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
        calls=rejected(asked("iam.list_attached_role_policies", RoleName=ROLE_NAME)),
        outside={"role policy": "skipped", "requests allowed": "skipped"},
    ),
    World(
        "one of the attached policies cannot be read, and the other denies reading the secret",
        {"other policies": "problem skipped note", "requests allowed": "problem"},
        attached=deny(READ),
        calls={
            asked("iam.list_attached_role_policies", RoleName=ROLE_NAME): [
                {"PolicyArn": PERIMETER, "PolicyName": "perimeter"},
                {"PolicyArn": UNREADABLE, "PolicyName": "unreadable"},
            ],
            **rejected(asked("iam.get_policy", PolicyArn=UNREADABLE)),
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
        settings={"secretId": FOREIGN_SECRET},
    ),
    World(
        "another account's secret, whose policy lacks the role",
        {"secret policy": "problem", "requests allowed": "problem"},
        own=[*without("AllowsAmazonQToGetSecret"), allow(READ, FOREIGN_SECRET)],
        secret=[],
        settings={"secretId": FOREIGN_SECRET},
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
        calls=rejected("iam.simulate_principal_policy"),
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
    in_stack = arguments[0] == STACK[0]
    settings = dict(world.settings)
    secret_arn = settings.get("secretId") or SECRET_ARN
    calls = {**CALLS, **_role(world, in_stack=in_stack), **_secret(world, secret_arn)}
    calls[KEY_POLICY] = {"Policy": policy(world.key)}
    if world.boundary:
        settings["permissionsBoundaryArn"] = world.boundary_arn
    if world.organization:
        organization = {"Organization": {"Id": world.organization}}
        calls[asked("organizations.describe_organization")] = organization
    if world.bucket is not None:
        calls |= _bucket(world, world.bucket)
        lacked = ("secretId", "vpcConfiguration", "allowNetworkInterfaceDeletion")
        settings = dict.fromkeys(lacked) | settings | {"connector": "s3-v2", "bucketName": "documents"}
    if not in_stack:
        calls |= data_sources(aem(secretArn=secret_arn))
    changed = {
        f"{PROJECT_NAME}:{name}": {"value": its, "secret": False} for name, its in settings.items()
    }
    config = {
        name: entry for name, entry in (BASE["config"] | changed).items() if entry["value"] is not None
    }
    return {**calls, **world.calls}, {"config": config, "stack": BASE["outputs"] | world.outputs}


def _role(world: World, *, in_stack: bool) -> dict[str, Any]:
    own = world.own or without(bucket_owner=world.bucket_owner)
    if not in_stack:  # a data source does not contain the option for this statement
        own = [each for each in own if each.get("Sid") != "AllowsAmazonQToDeleteTaggedNI"]
    tags = [{"Key": key, "Value": value} for key, value in world.role_tags.items()]
    limit = {"PermissionsBoundary": {"PermissionsBoundaryArn": world.boundary_arn}}
    document = {"PolicyDocument": policy(own)}
    arn = world.attached_arn
    listed = [{"PolicyArn": arn, "PolicyName": arn.rpartition("/")[2]}] if world.attached else []
    return {
        **own_role(Tags=tags, **(limit if world.boundary else {})),
        **(inline("guard", *world.guard) if world.guard else {}),
        asked("iam.get_role_policy", PolicyName=OWN, RoleName=ROLE_NAME): document,
        asked("iam.list_attached_role_policies", RoleName=ROLE_NAME): listed,
        **managed(arn, *world.attached),
        **managed(world.boundary_arn, *world.boundary),
    }


def _secret(world: World, arn: str) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in world.secret_tags.items()]
    found = {"ARN": arn} | ({"ResourcePolicy": policy(world.secret)} if world.secret else {})
    return {
        **secret(arn, Tags=tags),
        asked("secretsmanager.get_resource_policy", SecretId=arn): found,
    }


def _bucket(world: World, statements: Document) -> dict[str, Any]:
    owned = {"Bucket": "documents", "ExpectedBucketOwner": world.bucket_owner}
    foreign = world.bucket_owner != ACCOUNT
    found = {asked("s3.get_bucket_policy", Bucket="documents"): {"Policy": policy(statements)}}
    return {
        **bucket(owner=world.bucket_owner, default=kms(KEY_ARN)),
        **(rejected(asked("s3.get_bucket_encryption", **owned)) if foreign else {}),
        **(found if statements else {}),
    }


def ask(world: World, arguments: Sequence[str]) -> Output:
    """Run `check` in a world."""
    with replaced(*change(world, arguments)):
        return run(arguments)


def states(world: World, arguments: Sequence[str]) -> tuple[int, dict[str, str]]:
    """Return the exit code, and the different states of the questions that are not `ok`.

    Without a stack, two questions are always skipped.
    """
    said = ask(world, (*arguments, "--json"))
    found: dict[str, list[str]] = {}
    for answer in said.json["answers"]:
        if answer["state"] != "ok" and "--stack" not in answer["text"]:
            found.setdefault(answer["question"], []).append(answer["state"])
    return said.code, {question: " ".join(dict.fromkeys(its)) for question, its in found.items()}


def outputs() -> str:
    """Return the outputs about all worlds."""
    rows: list[tuple[str, list[str]]] = []
    for world in WORLDS:
        for how, arguments in (("with the stack", STACK), ("without it", DATA_SOURCE)):
            if arguments == STACK or not world.is_of_bucket:
                said = ask(world, arguments)
                *answers, counts = answers_in(said)
                rows.append((f"{world.name}, {how}: exit code {said.code}, {counts.strip()}", answers))
    return gallery(rows)


def answers_in(said: Output) -> list[str]:
    """Return the answers, and the line after them."""
    return re.findall(r"^\S.*\n(?: .*\n)*", said.out, re.MULTILINE)
