"""List roles that the policy pack lets through, and roles that it stops."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from evidence.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SUBNET_ID,
)
from tests.helpers.support import golden

Document = dict[str, Any]

TRUST: Final[Document] = json.loads(golden("trust-policy"))
POLICY: Final[Document] = json.loads(golden("default-role-policy"))
INDEX_ARN: Final = f"{APPLICATION_ARN}/index/{INDEX_ID}"
OTHER_APPLICATION: Final = APPLICATION_ARN.replace("111111111111", "222222222222")
SECRETS: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
KEYS: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/"
INTERFACES: Final = f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/*"
ADMINISTRATOR: Final = "arn:aws:iam::aws:policy/AdministratorAccess"
THROUGH_SECRETS_MANAGER: Final = {
    "StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}
}
BUCKET_ARN: Final = "arn:aws:s3:::example-documents"
PINNED: Final = TRUST["Statement"][0]["Condition"]


class Declared(NamedTuple):
    """A role as a program declares it; without arguments it is right."""

    trust: Document | str = TRUST
    policy: Document | str = POLICY
    managed: bool = False
    """Whether the policy is a managed one of the same stack."""
    attached: str = ""
    """The ARN of a managed policy that is attached, too."""
    exclusively: Sequence[str] = ()
    """ARNs of managed policies in RolePolicyAttachmentsExclusive."""

    def as_text(self, number: int) -> dict[str, Any]:
        """Return the members with the documents as JSON, and a name for the role."""
        texts = {
            name: document if isinstance(document, str) else json.dumps(document)
            for name, document in (("trust", self.trust), ("policy", self.policy))
        }
        return {**self._asdict(), **texts, "name": f"qbusiness-{number}"}


def trust(**changes: Any) -> Document:
    """Return the right trust policy with members of its statement changed; None removes one."""
    return {**TRUST, "Statement": [_changed(TRUST["Statement"][0], changes)]}


def policy(sid: str = "", **changes: Any) -> Document:
    """Return the right role policy with members of one statement changed; None removes one."""
    return {
        **POLICY,
        "Statement": [
            _changed(statement, changes) if statement["Sid"] == sid else statement
            for statement in POLICY["Statement"]
        ],
    }


def extended(**statement: Any) -> Document:
    """Return the right role policy with another statement."""
    return {**POLICY, "Statement": [*POLICY["Statement"], {"Effect": "Allow", **statement}]}


def of_another_partition(document: Document) -> Document:
    return json.loads(json.dumps(document).replace("arn:aws:", "arn:aws-us-gov:"))


def _changed(statement: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    return {name: value for name, value in {**statement, **changes}.items() if value is not None}


def _trusting(*conditions: Document) -> Declared:
    statements = [
        {**TRUST["Statement"][0], "Sid": f"Trust{number}", "Condition": condition}
        for number, condition in enumerate(conditions)
    ]
    return Declared({**TRUST, "Statement": statements})


def _condition(account: object = ACCOUNT, arn: object = APPLICATION_ARN) -> Document:
    return {"StringEquals": {"aws:SourceAccount": account}, "ArnEquals": {"aws:SourceArn": arn}}


def _principal(principal: object, **changes: Any) -> Declared:
    return Declared(trust(Principal=principal, **changes))


def _allowing(action: object, resource: object = "*", **others: Any) -> Declared:
    return Declared(policy=extended(Action=action, Resource=resource, **others))


def _objects(**changes: Any) -> Declared:
    """Add the statement for the files of a data source, with members changed."""
    return Declared(policy=extended(**_changed(_GET_OBJECTS, changes)))


def _trust_statements(*more: Document) -> Declared:
    return Declared({**TRUST, "Statement": [*TRUST["Statement"], *more]})


_SERVICE: Final = {"Service": "qbusiness.amazonaws.com"}
_TAGGED: Final = f"qbusiness_{ACCOUNT}_{APPLICATION_ID}_*"
_UNPINNED: Final = {"trust-account", "trust-application"}
_OF_ACCOUNT: Final = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
_GET_OBJECTS: Final[Document] = {
    "Sid": "AllowsAmazonQToGetS3Objects",
    "Action": ["s3:GetObject"],
    "Resource": [f"{BUCKET_ARN}/*"],
    "Effect": "Allow",
    "Condition": _OF_ACCOUNT,
}
_LIST_BUCKET: Final[Document] = {
    "Sid": "AllowsAmazonQToListS3Buckets",
    "Action": ["s3:ListBucket"],
    "Resource": [BUCKET_ARN],
    "Effect": "Allow",
    "Condition": _OF_ACCOUNT,
}

TOO_WIDE: Final[Mapping[str, tuple[Declared, set[str]]]] = {
    # Who may assume the role.
    "no conditions": (Declared(trust(Condition=None)), _UNPINNED),
    "account alone": (
        Declared(trust(Condition={"StringEquals": PINNED["StringEquals"]})),
        {"trust-application"},
    ),
    "application alone": (
        Declared(trust(Condition={"ArnEquals": PINNED["ArnEquals"]})),
        {"trust-account"},
    ),
    "any application may assume it": (
        _trusting(_condition(arn=f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/*")),
        {"trust-application"},
    ),
    "an application of another account": (
        _trusting(_condition(account=OTHER_ACCOUNT)),
        {"trust-application"},
    ),
    "any account": (_trusting(_condition(account="*")), _UNPINNED),
    "the account if there is one": (
        Declared(
            trust(
                Condition={
                    "StringEqualsIfExists": PINNED["StringEquals"],
                    "ArnEquals": PINNED["ArnEquals"],
                }
            )
        ),
        {"trust-account"},
    ),
    "an operator that IAM does not know": (
        Declared(
            trust(Condition={"stringEquals": PINNED["StringEquals"], "ArnEquals": PINNED["ArnEquals"]})
        ),
        {"trust-account"},
    ),
    "two accounts in a condition": (
        _trusting(_condition(account=[ACCOUNT, OTHER_ACCOUNT])),
        {"trust-account"},
    ),
    "two accounts in two statements": (
        _trusting(
            _condition(), _condition(OTHER_ACCOUNT, APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT))
        ),
        _UNPINNED,
    ),
    "two applications in a condition": (
        _trusting(_condition(arn=[APPLICATION_ARN, OTHER_APPLICATION])),
        {"trust-application"},
    ),
    "two applications in two statements": (
        _trusting(_condition(), _condition(arn=OTHER_APPLICATION)),
        {"trust-application"},
    ),
    "everybody": (_principal("*"), {"trust-service-alone"}),
    "everybody as an AWS principal": (_principal({"AWS": "*"}), {"trust-service-alone"}),
    "everybody without conditions": (
        _principal({"AWS": "*"}, Condition=None),
        {*_UNPINNED, "trust-service-alone"},
    ),
    "everybody in a list": (
        _principal({**_SERVICE, "AWS": [f"arn:aws:iam::{ACCOUNT}:root", "*"]}),
        {"trust-service-alone"},
    ),
    "every service": (_principal({"Service": "*"}), {"trust-service-alone"}),
    "another service": (
        _principal({"Service": ["qbusiness.amazonaws.com", "lambda.amazonaws.com"]}),
        {"trust-service-alone"},
    ),
    "a user": (
        _principal({**_SERVICE, "AWS": f"arn:aws:iam::{ACCOUNT}:user/me"}),
        {"trust-service-alone"},
    ),
    "everybody in another statement": (
        _trust_statements({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}),
        {*_UNPINNED, "trust-service-alone"},
    ),
    "everybody but a user": (
        _principal(None, NotPrincipal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/me"}),
        {"trust-service-alone"},
    ),
    "every action of STS": (Declared(trust(Action="sts:*")), {"trust-service-alone"}),
    "every action but one": (
        Declared(trust(Action=None, NotAction="sts:TagSession")),
        {"trust-service-alone"},
    ),
    "an effect that IAM does not know": (Declared(trust(Effect="allow")), {"readable"}),
    # Secrets and keys.
    "any secret": (
        Declared(policy=policy("AllowsAmazonQToGetSecret", Resource=f"{SECRETS}*")),
        {"secret"},
    ),
    "any secret of a name": (
        Declared(policy=policy("AllowsAmazonQToGetSecret", Resource=[f"{SECRETS}aem-*"])),
        {"secret"},
    ),
    "a secret without its last characters": (
        Declared(policy=policy("AllowsAmazonQToGetSecret", Resource=f"{SECRETS}aem")),
        {"secret"},
    ),
    "all but a secret": (
        Declared(
            policy=policy("AllowsAmazonQToGetSecret", Resource=None, NotResource=f"{SECRETS}x-a1B2c3")
        ),
        {"secret"},
    ),
    "a secret by a variable": (
        _allowing("secretsmanager:GetSecretValue", f"{SECRETS}${{aws:PrincipalTag/name}}-a1B2c3"),
        {"secret"},
    ),
    "an action by a wildcard": (_allowing("secretsmanager:Get*"), {"excess"}),
    "the policies of secrets": (_allowing("secretsmanager:PutResourcePolicy"), {"excess"}),
    "any key": (Declared(policy=policy("AllowsAmazonQToDecryptSecret", Resource=f"{KEYS}*")), {"key"}),
    "an alias": (
        Declared(
            policy=policy(
                "AllowsAmazonQToDecryptSecret", Resource=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aem"
            )
        ),
        {"key"},
    ),
    "decryption for whoever asks": (
        Declared(policy=policy("AllowsAmazonQToDecryptSecret", Condition=None)),
        {"key"},
    ),
    "decryption through any service": (
        Declared(
            policy=policy(
                "AllowsAmazonQToDecryptSecret",
                Condition={"StringLike": {"kms:ViaService": "*.amazonaws.com"}},
            )
        ),
        {"key"},
    ),
    "decryption through Secrets Manager if there is one": (
        Declared(
            policy=policy(
                "AllowsAmazonQToDecryptSecret",
                Condition={"StringLikeIfExists": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}},
            )
        ),
        {"key"},
    ),
    "decryption through another service": (
        _allowing(
            "kms:Decrypt",
            f"{KEYS}{KEY_ID}",
            Condition={"StringLike": {"kms:ViaService": ["s3.*.amazonaws.com", "ec2.*.amazonaws.com"]}},
        ),
        {"key"},
    ),
    "grants on keys": (_allowing("kms:CreateGrant", f"{KEYS}{KEY_ID}"), {"excess"}),
    "the policies of keys": (_allowing("kms:PutKeyPolicy"), {"excess"}),
    "encryption by a wildcard": (_allowing("kms:ReEncrypt*"), {"excess"}),
    "decryption by a wildcard": (
        _allowing("kms:Decryp?", f"{KEYS}{KEY_ID}", Condition=THROUGH_SECRETS_MANAGER),
        {"excess"},
    ),
    # Buckets.
    "objects of any bucket": (_objects(Resource="arn:aws:s3:::*/*"), {"bucket"}),
    "objects of everything": (_objects(Resource="*"), {"bucket"}),
    "objects of any bucket of a name": (_objects(Resource="arn:aws:s3:::example-*/*"), {"bucket"}),
    "objects of a bucket by a variable": (
        _objects(Resource="arn:aws:s3:::${aws:PrincipalTag/name}/*"),
        {"bucket"},
    ),
    "objects of a bucket of whatever account": (_objects(Condition=None), {"bucket"}),
    "objects of a bucket of any account": (
        _objects(Condition={"StringLike": {"aws:ResourceAccount": "*"}}),
        {"bucket"},
    ),
    "objects of a bucket of an account if there is one": (
        _objects(Condition={"StringEqualsIfExists": {"aws:ResourceAccount": ACCOUNT}}),
        {"bucket"},
    ),
    "objects of a bucket under a condition on another key": (
        _objects(Condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}),
        {"bucket"},
    ),
    "objects written": (_objects(Action=["s3:GetObject", "s3:PutObject"]), {"excess"}),
    "objects read by a wildcard": (_objects(Action="s3:Get*"), {"excess"}),
    "every action of S3 on a bucket": (_objects(Action="s3:*"), {"excess"}),
    "every action of S3, said otherwise": (_allowing("s3:**"), {"excess"}),
    "every action of S3, in a third way": (_allowing("S3:?*"), {"excess"}),
    "lists of all buckets": (
        Declared(policy=extended(**_changed(_LIST_BUCKET, {"Resource": "*"}))),
        {"bucket"},
    ),
    "lists of a bucket of whatever account": (
        Declared(policy=extended(**_changed(_LIST_BUCKET, {"Condition": None}))),
        {"bucket"},
    ),
    "names of all buckets": (_allowing("s3:ListAllMyBuckets"), {"excess"}),
    # The application.
    "any application": (
        Declared(
            policy=policy(
                "AllowsAmazonQToIngestDocuments",
                Resource=f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/*",
            )
        ),
        {"application"},
    ),
    "any index": (
        Declared(
            policy=policy(
                "AllowsAmazonQToIngestPrincipalMapping",
                Resource=[APPLICATION_ARN, f"{APPLICATION_ARN}/index/*"],
            )
        ),
        {"application"},
    ),
    "another application": (
        Declared(policy=policy("AllowsAmazonQToIngestDocuments", Resource=OTHER_APPLICATION)),
        {"application"},
    ),
    "data sources without an index": (
        _allowing("qbusiness:DeleteGroup", f"{APPLICATION_ARN}/data-source/*"),
        {"application"},
    ),
    "every action of Amazon Q": (_allowing("qbusiness:*", APPLICATION_ARN), {"excess"}),
    "every action of Amazon Q, said otherwise": (_allowing("qbusiness:?*", APPLICATION_ARN), {"excess"}),
    "deletion by a wildcard": (_allowing("qbusiness:Delete*", APPLICATION_ARN), {"excess"}),
    "deletion of the index": (_allowing("qbusiness:DeleteIndex", INDEX_ARN), {"excess"}),
    # The network.
    "any subnet": (
        Declared(
            policy=policy(
                "AllowsAmazonQToCreateAndDeleteNI",
                Resource=f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/*",
            )
        ),
        {"excess"},
    ),
    "untagged network interfaces": (
        Declared(policy=policy("AllowsAmazonQToCreateAndDeleteNIForSpecificTag", Condition=None)),
        {"excess"},
    ),
    "network interfaces with any tags besides": (
        Declared(
            policy=policy(
                "AllowsAmazonQToCreateAndDeleteNIForSpecificTag",
                Condition={"StringLike": {"aws:RequestTag/AMAZON_Q": _TAGGED}},
            )
        ),
        {"excess"},
    ),
    "network interfaces with a tag of this name among others": (
        Declared(
            policy=policy(
                "AllowsAmazonQToCreateAndDeleteNIForSpecificTag",
                Condition={
                    "StringLike": {"aws:RequestTag/AMAZON_Q": _TAGGED},
                    "ForAnyValue:StringEquals": {"aws:TagKeys": ["AMAZON_Q"]},
                },
            )
        ),
        {"excess"},
    ),
    "network interfaces of any application": (
        Declared(
            policy=policy(
                "AllowsAmazonQToCreateNetworkInterfacePermission",
                Condition={"StringLike": {"aws:ResourceTag/AMAZON_Q": "qbusiness_*"}},
            )
        ),
        {"excess"},
    ),
    "network interfaces of another application": (
        Declared(
            policy=policy(
                "AllowsAmazonQToCreateNetworkInterfacePermission",
                Condition={
                    "StringLike": {
                        "aws:ResourceTag/AMAZON_Q": _TAGGED.replace("111111111111", "222222222222")
                    }
                },
            )
        ),
        {"excess"},
    ),
    "tags on whatever exists": (
        Declared(policy=policy("AllowsAmazonQToCreateTags", Condition=None)),
        {"excess"},
    ),
    "deletion of any network interface": (
        _allowing("ec2:DeleteNetworkInterface", INTERFACES),
        {"excess"},
    ),
    "descriptions by a wildcard": (_allowing("ec2:Describe*"), {"excess"}),
    "every action of EC2, said otherwise": (_allowing("ec2:?*"), {"excess"}),
    "subnets under a tag of the request": (
        Declared(
            policy=policy(
                "AllowsAmazonQToCreateAndDeleteNI",
                Condition={"StringLike": {"aws:RequestTag/AMAZON_Q": "qbusiness_*"}},
            )
        ),
        {"subnets"},
    ),
    # Everything else.
    "everything": (_allowing("*"), {"excess"}),
    "everything, said otherwise": (_allowing("**"), {"excess"}),
    "every role of the console passed, as on the pages for S3": (
        _allowing(
            ["iam:PassRole"],
            [f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-*"],
            Condition={"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}},
        ),
        {"excess"},
    ),
    "commands": (_allowing("ssm:SendCommand"), {"excess"}),
    "code of functions": (_allowing("lambda:UpdateFunctionCode"), {"excess"}),
    "all but some actions": (
        Declared(policy=extended(NotAction="iam:*", Resource="*")),
        {"excess"},
    ),
    "a right action and another one": (
        _allowing(["ec2:DescribeVpcs", "ec2:RunInstances"]),
        {"excess"},
    ),
    "a name that forges a line of the report": (
        _allowing("s3:*", Sid="Documents\nfix: nothing to do"),
        {"excess"},
    ),
    # Placeholders, as AWS's pages have them.
    "a placeholder in square brackets": (
        Declared(policy=policy("AllowsAmazonQToGetSecret", Resource=f"{SECRETS}[[secret_id]]")),
        {"placeholders", "secret"},
    ),
    "a placeholder in braces": (
        _objects(Resource="arn:aws:s3:::{{input_bucket_name}}/*"),
        {"placeholders", "bucket"},
    ),
    "a placeholder in angle brackets": (
        _objects(Condition={"StringEquals": {"aws:ResourceAccount": "<Account ID Here>"}}),
        {"placeholders", "bucket"},
    ),
    "the bucket of AWS's examples": (
        _objects(Resource="arn:aws:s3:::amzn-s3-demo-bucket/*"),
        {"placeholders"},
    ),
    "a Region by a placeholder": (
        _allowing(
            "kms:Decrypt",
            f"arn:aws:kms:your-region:{ACCOUNT}:key/{KEY_ID}",
            Condition=THROUGH_SECRETS_MANAGER,
        ),
        {"placeholders", "key"},
    ),
    "a key by a placeholder": (
        _allowing("kms:Decrypt", f"{KEYS}key-id", Condition=THROUGH_SECRETS_MANAGER),
        {"placeholders", "key"},
    ),
    "an application by a placeholder": (
        _trusting(_condition(arn=f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/application-id")),
        {"placeholders", "trust-application"},
    ),
    # What IAM refuses.
    "an element that IAM does not know": (
        Declared(policy=extended(action="s3:*", Resource="*")),
        {"readable"},
    ),
    "no document": (Declared(policy={"Statements": []}), {"readable"}),
    "too long": (
        Declared(policy=extended(Action="ec2:DescribeVpcs", Resource="*", Sid="x" * 10_240)),
        {"quotas"},
    ),
    "too long for a managed policy": (
        Declared(
            policy=extended(Action="ec2:DescribeVpcs", Resource="*", Sid="x" * 6_144), managed=True
        ),
        {"quotas"},
    ),
    # Policies that are not inline.
    "a managed policy of the stack": (
        Declared(policy=policy("AllowsAmazonQToGetSecret", Resource=f"{SECRETS}*"), managed=True),
        {"secret"},
    ),
    "a policy for administrators": (Declared(attached=ADMINISTRATOR), {"excess"}),
    "a policy for administrators in a list": (Declared(exclusively=[ADMINISTRATOR]), {"excess"}),
}
"""Roles that are stopped, each with the mandatory rules that stop it."""

_MINIMAL: Final[Document] = json.loads(golden("minimal-role-policy"))


def _without(*sids: str) -> Document:
    return {
        **POLICY,
        "Statement": [statement for statement in POLICY["Statement"] if statement["Sid"] not in sids],
    }


def _sids(statements: Iterable[Mapping[str, Any]], containing: str) -> list[str]:
    return [statement["Sid"] for statement in statements if containing in json.dumps(statement)]


def _statement(sid: str, **changes: Any) -> Document:
    """Return a statement of the right role policy with members changed."""
    (found,) = (statement for statement in POLICY["Statement"] if statement["Sid"] == sid)
    return _changed(found, changes)


_S3_SOURCE: Final[Document] = {
    "Version": "2012-10-17",
    "Statement": [
        {**_GET_OBJECTS, "Sid": "AllowsAmazonQToGetObjectfromS3"},
        _LIST_BUCKET,
        _statement(
            "AllowsAmazonQToDecryptSecret",
            Condition={"StringLike": {"kms:ViaService": ["s3.*.amazonaws.com"]}},
        ),
        _statement("AllowsAmazonQToIngestDocuments", Resource=INDEX_ARN),
        _statement(
            "AllowsAmazonQToIngestPrincipalMapping", Sid="AllowsAmazonQToCallPrincipalMappingAPIs"
        ),
        _statement("AllowsAmazonQToCreateAndDeleteNI", Sid="AllowsAmazonQToCreateAndDeleteENI"),
        _statement(
            "AllowsAmazonQToCreateAndDeleteNIForSpecificTag", Sid="AllowsAmazonQToCreateDeleteENI"
        ),
        _statement("AllowsAmazonQToCreateTags"),
        _statement("AllowsAmazonQToCreateNetworkInterfacePermission"),
        _statement("AllowsAmazonQToDescribeResourcesForVPC", Sid="AllowsAmazonQToConnectToVPC"),
    ],
}
"""https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/s3-v1-iam-role.html, without iam:PassRole."""


RIGHT: Final[Mapping[str, tuple[Declared, set[str]]]] = {
    "the role of this project": (Declared(), set()),
    "no key and no VPC": (Declared(policy=_MINIMAL), set()),
    "no key": (Declared(policy=_without("AllowsAmazonQToDecryptSecret")), set()),
    "no VPC": (Declared(policy=_without(*_sids(POLICY["Statement"], "ec2:"))), set()),
    "a managed policy": (Declared(managed=True), set()),
    "the policy of an older page": (
        Declared(policy=policy("AllowsAmazonQToIngestDocuments", Resource=INDEX_ARN)),
        {"ingest"},
    ),
    "a condition that requests for subnets meet": (
        Declared(
            policy=policy(
                "AllowsAmazonQToCreateAndDeleteNI",
                Condition={"StringNotEquals": {"aws:RequestTag/Stage": "prod"}},
            )
        ),
        set(),
    ),
    "trust in a single statement": (
        Declared({"Version": "2012-10-17", "Statement": TRUST["Statement"][0]}),
        set(),
    ),
    "trust by set operators": (
        Declared(
            trust(
                Condition={
                    "ForAnyValue:StringEquals": PINNED["StringEquals"],
                    "ForAnyValue:ArnLike": PINNED["ArnEquals"],
                }
            )
        ),
        set(),
    ),
    "trust with keys in another case": (
        Declared(
            trust(
                Condition={
                    "StringEqualsIgnoreCase": {"AWS:sourceAccount": [ACCOUNT]},
                    "StringLike": {"aws:sourcearn": [APPLICATION_ARN]},
                }
            )
        ),
        set(),
    ),
    "trust in two statements": (_trusting(_condition(), _condition()), set()),
    "actions in another case": (
        _allowing("SecretsManager:getsecretvalue", f"{SECRETS}prod/index_id-a1B2c3"),
        set(),
    ),
    "a secret of another account": (
        _allowing(
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:aem-a1B2c3",
        ),
        set(),
    ),
    "a key of several Regions": (
        _allowing(
            "kms:Decrypt",
            f"{KEYS}mrk-1234abcd12ab34cd56ef1234567890ab",
            Condition={"StringLike": {"KMS:viaservice": "secretsmanager.*.amazonaws.com"}},
        ),
        set(),
    ),
    "a key through Secrets Manager of one Region": (
        _allowing("kms:Decrypt", f"{KEYS}{KEY_ID}", Condition=THROUGH_SECRETS_MANAGER),
        set(),
    ),
    "another condition besides": (
        Declared(
            policy=policy(
                "AllowsAmazonQToCreateAndDeleteNI",
                Condition={"Null": {"aws:RequestTag/AMAZON_Q": "true"}},
            )
        ),
        set(),
    ),
    "one data source": (
        _allowing("qbusiness:PutGroup", f"{INDEX_ARN}/data-source/{INDEX_ID}"),
        set(),
    ),
    "one network interface": (
        _allowing(
            "ec2:CreateTags",
            INTERFACES.replace("*", "eni-0a1b2c3d4e5f60718"),
            Condition={"StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"}},
        ),
        set(),
    ),
    "a description of one subnet": (
        _allowing("ec2:DescribeSubnets", f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{SUBNET_ID}"),
        set(),
    ),
    "a denial of everything": (_allowing("*", Effect="Deny"), set()),
    "another partition": (
        Declared(of_another_partition(TRUST), of_another_partition(POLICY)),
        set(),
    ),
    "a policy whose text is elsewhere": (
        Declared(attached=f"arn:aws:iam::{ACCOUNT}:policy/elsewhere"),
        {"unchecked"},
    ),
    # Other connectors.
    "files in a bucket": (_objects(), set()),
    "one file in a bucket of another account": (
        _objects(
            Resource=f"{BUCKET_ARN}/certificates/aem.pem",
            Condition={"StringLike": {"AWS:resourceAccount": OTHER_ACCOUNT}},
        ),
        set(),
    ),
    "one key for the secret and a bucket": (
        Declared(
            policy=policy(
                "AllowsAmazonQToDecryptSecret",
                Condition={
                    "StringLike": {
                        "kms:ViaService": ["secretsmanager.*.amazonaws.com", "s3.*.amazonaws.com"]
                    }
                },
            )
        ),
        set(),
    ),
    "no secret": (Declared(policy=_without(*_sids(POLICY["Statement"], "secretsmanager"))), set()),
    "a bucket as the data source, as on its page": (
        Declared(
            trust(
                Sid="AllowsAmazonQToAssumeRoleForServicePrincipal",
                Condition={
                    "StringEquals": PINNED["StringEquals"],
                    "ArnLike": PINNED["ArnEquals"],
                },
            ),
            _S3_SOURCE,
        ),
        {"ingest"},
    ),
    # Names that contain what could be a placeholder.
    "a secret with words of placeholders in its name": (
        _allowing(
            "secretsmanager:GetSecretValue",
            [f"{SECRETS}secret_id-a1B2c3", f"{SECRETS}team/your-app/index_id-a1B2c3"],
        ),
        set(),
    ),
    "objects with words of placeholders in their names": (
        _objects(Resource=f"{BUCKET_ARN}/region/account_id/key/key_id/*"),
        set(),
    ),
}
"""Roles that are let through, each with the advisory rules that report it."""
