"""Sample roles that the policy pack accepts or rejects."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pages import examples
from pages.examples import ACCOUNT, APPLICATION_ARN, KEY_ID, OTHER_ACCOUNT, REGION
from tests.helpers.support import golden

Document = dict[str, Any]

TRUST: Final[Document] = json.loads(golden("trust-policy"))
POLICY: Final[Document] = json.loads(golden("default-role-policy"))
INDEX_ARN: Final = f"{APPLICATION_ARN}/index/{examples.INDEX_ID}"
OTHER_APPLICATION: Final = APPLICATION_ARN.replace("111111111111", "222222222222")
SECRETS: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
KEYS: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/"
ADMINISTRATOR: Final = "arn:aws:iam::aws:policy/AdministratorAccess"
BUCKET_ARN: Final = "arn:aws:s3:::example-documents"
PINNED: Final = TRUST["Statement"][0]["Condition"]


class Declared(NamedTuple):
    """A role that a program declares. With the default values, no rule reports it."""

    trust: Document | str = TRUST
    policy: Document | str = POLICY
    managed: bool = False
    """True if the policy is a managed policy in the same stack."""
    attached: str = ""
    """The ARN of another attached managed policy."""
    exclusively: Sequence[str] = ()
    """ARNs of managed policies in RolePolicyAttachmentsExclusive."""

    def as_text(self, number: int) -> dict[str, Any]:
        """Return the attributes, with the documents as JSON, and a name for the role."""
        texts = {
            name: document if isinstance(document, str) else json.dumps(document)
            for name, document in (("trust", self.trust), ("policy", self.policy))
        }
        return {**self._asdict(), **texts, "name": f"qbusiness-{number}"}


def trust(**changes: Any) -> Document:
    """Return the component's trust policy with changes to its statement; None removes an element."""
    return {**TRUST, "Statement": [_changed(TRUST["Statement"][0], changes)]}


def policy(sid: str = "", **changes: Any) -> Document:
    """Return the component's role policy with changes to one statement; None removes an element."""
    return {
        **POLICY,
        "Statement": [
            _changed(statement, changes) if statement["Sid"] == sid else statement
            for statement in POLICY["Statement"]
        ],
    }


def extended(**statement: Any) -> Document:
    """Return the component's role policy with an additional statement."""
    return {**POLICY, "Statement": [*POLICY["Statement"], {"Effect": "Allow", **statement}]}


def _changed(statement: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    return {name: value for name, value in {**statement, **changes}.items() if value is not None}


def _trusting(*conditions: Document) -> Declared:
    statements = [
        {**TRUST["Statement"][0], "Sid": f"Trust{number}", "Condition": condition}
        for number, condition in enumerate(conditions)
    ]
    return Declared({**TRUST, "Statement": statements})


def _pinned(account: object = ACCOUNT, arn: object = APPLICATION_ARN) -> Document:
    return {"StringEquals": {"aws:SourceAccount": account}, "ArnEquals": {"aws:SourceArn": arn}}


def _like(key: str, *patterns: str) -> Document:
    return {"StringLike": {key: patterns[0] if len(patterns) == 1 else [*patterns]}}


def _equals(key: str, value: str) -> Document:
    return {"StringEquals": {key: value}}


def _account_by(operator: str) -> Document:
    """Return the component's trust conditions with this operator for the account."""
    return {operator: PINNED["StringEquals"], "ArnEquals": PINNED["ArnEquals"]}


def _elsewhere(document: Document) -> Document:
    """Return the document with its ARNs in the partition `aws-us-gov`."""
    return json.loads(json.dumps(document).replace("arn:aws:", "arn:aws-us-gov:"))


def _allowing(action: object, resource: object = "*", **others: Any) -> Declared:
    return Declared(policy=extended(Action=action, Resource=resource, **others))


# The Sids of the statements that the rows below change. The component's role policy does not contain
# the last three statements; the rows add these.
_TRUST: Final = "AllowsAmazonQServicePrincipal"
_SECRET: Final = "AllowsAmazonQToGetSecret"
_KEY: Final = "AllowsAmazonQToDecryptSecret"
_INGEST: Final = "AllowsAmazonQToIngestDocuments"
_MAPPING: Final = "AllowsAmazonQToIngestPrincipalMapping"
_SUBNETS: Final = "AllowsAmazonQToCreateAndDeleteNI"
_INTERFACES: Final = "AllowsAmazonQToCreateAndDeleteNIForSpecificTag"
_TAGS: Final = "AllowsAmazonQToCreateTags"
_PERMISSION: Final = "AllowsAmazonQToCreateNetworkInterfacePermission"
_OBJECTS: Final = "AllowsAmazonQToGetS3Objects"
_BUCKET: Final = "AllowsAmazonQToListS3Buckets"
_NEW: Final = "new"

_ADDED: Final[Mapping[str, Document]] = {
    _OBJECTS: {
        "Sid": _OBJECTS,
        "Action": ["s3:GetObject"],
        "Resource": [f"{BUCKET_ARN}/*"],
        "Condition": _equals("aws:ResourceAccount", ACCOUNT),
    },
    _BUCKET: {
        "Sid": _BUCKET,
        "Action": ["s3:ListBucket"],
        "Resource": [BUCKET_ARN],
        "Condition": _equals("aws:ResourceAccount", ACCOUNT),
    },
    _NEW: {"Action": "ec2:DescribeVpcs", "Resource": "*"},
}

Row = tuple[str, str, str, object, str]
"""A name, a statement's Sid, the element to change, its new value, and the violated rules."""


def _roles(*rows: Row) -> dict[str, tuple[Declared, set[str]]]:
    return {
        name: (_role(sid, element, value), {*rules.split()}) for name, sid, element, value, rules in rows
    }


def _role(sid: str, element: str, value: object) -> Declared:
    """Return a role with one element of a statement changed, such as Action replaced with NotAction."""
    changes = {element: value}
    if element.startswith("Not"):
        changes[element.removeprefix("Not")] = None
    if sid == _TRUST:
        return Declared(trust(**changes))
    if sid in _ADDED:
        return Declared(policy=extended(**_changed(_ADDED[sid], changes)))
    return Declared(policy=policy(sid, **changes))


_SERVICE: Final = "qbusiness.amazonaws.com"
_TWO_SERVICES: Final = {"Service": [_SERVICE, "lambda.amazonaws.com"]}
_USER: Final = f"arn:aws:iam::{ACCOUNT}:user/me"
_ASSUME: Final = "sts:AssumeRole"
_NOBODY: Final = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sts:*",
    "Condition": {"Null": {"aws:x": "false"}},
}
_EVERYBODY: Final = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": _ASSUME}
_SOURCE_ACCOUNT: Final = {"StringEquals": PINNED["StringEquals"]}
_BY_ID: Final = _pinned(arn=examples.APPLICATION_ID)
_APPLICATIONS: Final = f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application"
_EVERY_APPLICATION: Final = f"{_APPLICATIONS}/*"
_EVERY_INDEX: Final = f"{APPLICATION_ARN}/index/*"
_TWO: Final = [APPLICATION_ARN, OTHER_APPLICATION]
_WIDE: Final = {"StringLike": {"aws:SourceArn": "*", "aws:SourceAccount": ["*"]}}
_PLACEHOLDER: Final = _pinned(arn=f"{_APPLICATIONS}/application-id")
_SECRET_OF_OTHER_ACCOUNT: Final = f"{SECRETS.replace(ACCOUNT, OTHER_ACCOUNT)}aem-a1B2c3"
_SECRETS_LIKE_PLACEHOLDERS: Final = [
    f"{SECRETS}{name}-a1B2c3" for name in ("secret_id", "team/your-app/index_id", "prod/index_id")
]
_VIA: Final = "kms:ViaService"
_MANAGER: Final = "secretsmanager.*.amazonaws.com"
_S3: Final = "s3.*.amazonaws.com"
_SECRET_ELSEWHERE: Final = f"{SECRETS.replace(REGION, 'eu-west-1')}aem-a1B2c3"
_KEY_ELSEWHERE: Final = f"{KEYS.replace(REGION, 'eu-west-1')}{KEY_ID}"
_OWNER: Final = "aws:ResourceAccount"
_BRACES: Final = "arn:aws:s3:::{{input_bucket_name}}/*"
_REQUEST_TAG: Final = "aws:RequestTag/AMAZON_Q"
_ANY_TAG: Final = _like("aws:ResourceTag/AMAZON_Q", "qbusiness_*")
_GROUP_ABROAD: Final = (
    f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:security-group/{examples.SECURITY_GROUP_ID}"
)

TOO_WIDE: Final[Mapping[str, tuple[Declared, set[str]]]] = {
    # The trust policy.
    **_roles(
        ("no conditions", _TRUST, "Condition", None, "trust-account trust-application"),
        ("account alone", _TRUST, "Condition", _SOURCE_ACCOUNT, "trust-application"),
        ("application alone", _TRUST, "Condition", {"ArnEquals": PINNED["ArnEquals"]}, "trust-account"),
        ("every application", _TRUST, "Condition", _pinned(arn=_EVERY_APPLICATION), "trust-application"),
        ("application elsewhere", _TRUST, "Condition", _pinned(OTHER_ACCOUNT), "trust-application"),
        ("every account", _TRUST, "Condition", _pinned("*"), "trust-account"),
        ("application by its ID", _TRUST, "Condition", _BY_ID, "trust-application"),
        ("account compared as an ARN", _TRUST, "Condition", _account_by("ArnLike"), "trust-account"),
        ("account if any", _TRUST, "Condition", _account_by("StringEqualsIfExists"), "trust-account"),
        ("unknown operator", _TRUST, "Condition", _account_by("stringEquals"), "readable trust-account"),
        ("two accounts", _TRUST, "Condition", _pinned([ACCOUNT, OTHER_ACCOUNT]), "trust-account"),
        ("two applications", _TRUST, "Condition", _pinned(arn=_TWO), "trust-application"),
        ("everybody", _TRUST, "Principal", "*", "trust-service-alone"),
        ("every AWS principal", _TRUST, "Principal", {"AWS": "*"}, "trust-service-alone"),
        ("another service", _TRUST, "Principal", _TWO_SERVICES, "trust-service-alone"),
        ("everybody but a user", _TRUST, "NotPrincipal", {"AWS": _USER}, "trust-service-alone"),
        ("every action of STS", _TRUST, "Action", "sts:*", "trust-service-alone"),
        ("every action but the right one", _TRUST, "NotAction", _ASSUME, "trust-service-alone"),
        ("unknown effect", _TRUST, "Effect", "allow", "readable"),
        ("application placeholder", _TRUST, "Condition", _PLACEHOLDER, "placeholders trust-application"),
    ),
    "two accounts in two statements": (
        _trusting(_pinned(), _pinned(OTHER_ACCOUNT, APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT))),
        {"trust-account", "trust-application"},
    ),
    "two applications in two statements": (
        _trusting(_pinned(), _pinned(arn=OTHER_APPLICATION)),
        {"trust-application"},
    ),
    "everybody in another statement": (
        Declared({**TRUST, "Statement": [*TRUST["Statement"], _EVERYBODY]}),
        {"trust-account", "trust-application", "trust-service-alone"},
    ),
    # Secrets and keys.
    "every secret, with an action in another case": (
        _allowing("SecretsManager:getsecretvalue", f"{SECRETS}*"),
        {"secret"},
    ),
    **_roles(
        ("every secret", _SECRET, "Resource", f"{SECRETS}*", "secret"),
        ("secret without its suffix", _SECRET, "Resource", f"{SECRETS}aem", "secret"),
        ("all but a secret", _SECRET, "NotResource", f"{SECRETS}x-a1B2c3", "secret"),
        ("secret placeholder", _SECRET, "Resource", f"{SECRETS}[[secret_id]]", "placeholders secret"),
        ("secrets with a wildcard", _NEW, "Action", "secretsmanager:Get*", "excess"),
        ("secret of another Region", _SECRET, "Resource", _SECRET_ELSEWHERE, "secret"),
        ("every key", _KEY, "Resource", f"{KEYS}*", "key"),
        ("alias", _KEY, "Resource", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aem", "key"),
        ("key of another Region", _KEY, "Resource", _KEY_ELSEWHERE, "key"),
        ("key through any service", _KEY, "Condition", None, "key"),
    ),
    # Buckets.
    **_roles(
        ("objects of every bucket", _OBJECTS, "Resource", "arn:aws:s3:::*/*", "bucket"),
        ("every object", _OBJECTS, "Resource", "*", "bucket"),
        ("objects in braces", _OBJECTS, "Resource", _BRACES, "placeholders bucket"),
        ("objects of unknown accounts", _OBJECTS, "Condition", None, "bucket"),
        ("objects written", _OBJECTS, "Action", ["s3:GetObject", "s3:PutObject"], "excess"),
        ("lists of all buckets", _BUCKET, "Resource", "*", "bucket"),
    ),
    # The application.
    **_roles(
        ("ingest into every application", _INGEST, "Resource", _EVERY_APPLICATION, "application"),
        ("another application", _INGEST, "Resource", OTHER_APPLICATION, "application"),
        ("every index", _MAPPING, "Resource", [APPLICATION_ARN, _EVERY_INDEX], "application"),
    ),
    # The network.
    **_roles(
        ("every subnet", _SUBNETS, "Resource", f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/*", "excess"),
        ("another account's groups", _SUBNETS, "Resource", _GROUP_ABROAD, "excess"),
        ("subnets with a tag", _SUBNETS, "Condition", _like(_REQUEST_TAG, "qbusiness_*"), "subnets"),
        ("interfaces without tags", _INTERFACES, "Condition", None, "excess"),
        ("every application's interfaces", _PERMISSION, "Condition", _ANY_TAG, "excess"),
        ("tags on everything", _TAGS, "Condition", None, "excess"),
        ("deletion of every interface", "AllowsAmazonQToDeleteTaggedNI", "Condition", None, "excess"),
    ),
    # Other actions.
    **_roles(
        ("everything", _NEW, "Action", "*", "excess"),
        ("all but some actions", _NEW, "NotAction", "iam:*", "excess"),
    ),
    "every role of the console passed, as on the pages for S3": (
        _allowing(
            ["iam:PassRole"],
            [f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-*"],
            Condition=_equals("iam:PassedToService", _SERVICE),
        ),
        {"excess"},
    ),
    # Documents that IAM rejects.
    **_roles(
        ("unknown element", _NEW, "action", "s3:*", "readable"),
        ("a Sid with a space", _NEW, "Sid", "Read Documents", "readable"),
        ("too long", _NEW, "Sid", "x" * 10_240, "quotas"),
    ),
    "no document": (Declared(policy={"Statements": []}), {"readable"}),
    "too long for a managed policy": (
        _role(_NEW, "Sid", "x" * 6_144)._replace(managed=True),
        {"quotas"},
    ),
    # Managed policies.
    "every secret in a managed policy": (
        _role(_SECRET, "Resource", f"{SECRETS}*")._replace(managed=True),
        {"secret"},
    ),
    "a policy for administrators": (Declared(attached=ADMINISTRATOR), {"excess"}),
    "a policy for administrators in a list": (Declared(exclusively=[ADMINISTRATOR]), {"excess"}),
}
"""Roles that the pack rejects, each with the mandatory rules that report it."""


def _statement(sid: str, **changes: Any) -> Document:
    """Return a statement from the component's role policy with some elements changed."""
    (found,) = (statement for statement in POLICY["Statement"] if statement["Sid"] == sid)
    return _changed(found, changes)


_S3_SOURCE: Final[Document] = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", **_ADDED[_OBJECTS], "Sid": "AllowsAmazonQToGetObjectfromS3"},
        {"Effect": "Allow", **_ADDED[_BUCKET]},
        _statement(_KEY, Condition=_like(_VIA, _S3)),
        _statement(_INGEST, Resource=INDEX_ARN),
        _statement(_MAPPING, Sid="AllowsAmazonQToCallPrincipalMappingAPIs"),
        _statement(_SUBNETS, Sid="AllowsAmazonQToCreateAndDeleteENI"),
        _statement(_INTERFACES, Sid="AllowsAmazonQToCreateDeleteENI"),
        _statement(_TAGS),
        _statement(_PERMISSION),
        _statement("AllowsAmazonQToDescribeResourcesForVPC", Sid="AllowsAmazonQToConnectToVPC"),
    ],
}
"""https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/s3-v1-iam-role.html, without iam:PassRole."""

RIGHT: Final[Mapping[str, tuple[Declared, set[str]]]] = {
    "the role of the component": (Declared(), set()),
    "no key and no VPC": (Declared(policy=json.loads(golden("minimal-role-policy"))), set()),
    "a managed policy": (Declared(managed=True), set()),
    "a managed policy outside of the stack": (
        Declared(attached=f"arn:aws:iam::{ACCOUNT}:policy/elsewhere"),
        {"unchecked"},
    ),
    "a denial in the trust policy": (
        Declared({**TRUST, "Statement": [_NOBODY, *TRUST["Statement"]]}),
        set(),
    ),
    "a denial of everything": (_allowing("*", Effect="Deny"), set()),
    "another partition": (Declared(_elsewhere(TRUST), _elsewhere(POLICY)), set()),
    **_roles(
        ("trust by pattern and name", _TRUST, "Condition", _WIDE | _pinned(), ""),
        ("the ingest statement of some pages", _INGEST, "Resource", INDEX_ARN, "ingest"),
        ("subnets over TLS", _SUBNETS, "Condition", {"Bool": {"aws:SecureTransport": "true"}}, ""),
        ("secret of another account", _SECRET, "Resource", _SECRET_OF_OTHER_ACCOUNT, ""),
        ("secrets named like placeholders", _SECRET, "Resource", _SECRETS_LIKE_PLACEHOLDERS, ""),
        ("multi-Region key", _KEY, "Resource", f"{KEYS}mrk-1234abcd12ab34cd56ef1234567890ab", ""),
        ("key in one Region", _KEY, "Condition", _equals(_VIA, _MANAGER.replace("*", REGION)), ""),
        ("key of secret and bucket", _KEY, "Condition", _like(_VIA, _MANAGER, _S3), ""),
        ("one data source", _MAPPING, "Resource", f"{INDEX_ARN}/data-source/{examples.INDEX_ID}", ""),
        ("files in a bucket", _OBJECTS, "Action", "s3:GetObject", ""),
        ("objects by S3's key", _OBJECTS, "Condition", _equals("s3:ResourceAccount", ACCOUNT), ""),
        ("bucket of another account", _OBJECTS, "Condition", _like(_OWNER.lower(), OTHER_ACCOUNT), ""),
    ),
    "a bucket as the data source, as on its page": (
        Declared(
            trust(
                Sid="AllowsAmazonQToAssumeRoleForServicePrincipal",
                Condition={**_SOURCE_ACCOUNT, "ArnLike": PINNED["ArnEquals"]},
            ),
            _S3_SOURCE,
        ),
        {"ingest"},
    ),
}
"""Roles that the pack accepts, each with the advisory rules that report it."""
