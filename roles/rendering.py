"""Render the policies that the program would write for a data source's needs.

This is the only module in this package that calls the program's renderer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from components.connectors import Need
from components.formats import SERVICE
from components.policies import key_statement
from components.problems import Source
from components.rules import render as render_documents
from guardrails.iam.documents import Statement
from roles.arns import Arn
from roles.needs import SECURITY_GROUPS, SUBNETS, Needs
from roles.policies import Policies, read
from roles.project import COMPONENT

_UNKNOWN: Final = "unknown-000000"
"""A placeholder for a required secret or bucket that is unknown; no required statement contains it."""


class Rendering(NamedTuple):
    """The policies, in JSON, that the program writes for given settings, and the program's warnings."""

    trust_policy: str
    role_policy: str
    warnings: Sequence[str]


def render(settings: Mapping[str, object], role_name: str = "") -> Rendering:
    """Return the policies that the program writes for settings; None means that a setting is not set.

    If `role_name` is empty, the role policy contains `<role name>`. Raises SettingsError for invalid
    settings.
    """
    source = Source.PACKAGE
    given = {source.spell(name): value for name, value in settings.items()}
    trust_policy, role_policy, warnings = render_documents(
        COMPONENT, given, role_name or "<role name>", source=source
    )
    # AWS returned the secret's ARN, so the program's warning about its suffix would be wrong.
    kept = [each for each in warnings if not each.startswith(source.spell("secret_id"))]
    return Rendering(trust_policy, role_policy, kept)


def settings_for(needs: Needs) -> dict[str, Any]:
    """Return the program's settings for a role with these needs; None for a setting without a value.

    The settings specify at most one secret, one bucket, and one key.
    """
    home = Arn.of(needs.application_arn)
    secret, bucket = next(iter(needs.secrets), None), next(iter(needs.buckets), None)
    of_documents = bucket.key_arns if bucket and needs.connector.bucket_is_source else ()
    vpc = {
        kind.setting: [
            arn.name if arn.account == home.account else arn.text
            for arn in map(Arn.of, needs.network)
            if arn.resource.startswith(kind.prefix)
        ]
        for kind in (SUBNETS, SECURITY_GROUPS)
    }
    return {
        "region": home.region,
        "application_id": needs.application_arn,
        "index_id": needs.index_id,
        "connector": needs.connector.name,
        "secret_id": secret and secret.arn,
        "bucket_name": bucket and Arn.of(bucket.arn).resource,
        "bucket_account_id": bucket.owner if bucket and bucket.owner != home.account else None,
        "kms_key_id": next(iter(of_documents), secret and secret.key_arn),
        "vpc_configuration": vpc if needs.network else None,
        "allow_network_interface_deletion": needs.deletes or None,
    }


def expected_policies(needs: Needs, role_arn: str) -> tuple[Policies, list[Statement], list[Statement]]:
    """Return the policies that the program would write, and the required and the optional statements.

    A role can also have the optional statements. No required statement is for an unknown resource.
    """
    name, home, connector = (
        Arn.of(role_arn).name or "role",
        Arn.of(needs.application_arn),
        needs.connector,
    )
    kinds = {"secret_id": connector.secret, "bucket_name": connector.bucket}
    required = [setting for setting, need in kinds.items() if need is Need.REQUIRED]
    unknown = dict.fromkeys(() if needs.is_complete else required, _UNKNOWN)

    def policies(**more: object) -> Policies:
        given = {name: value for name, value in settings_for(needs).items() if value}
        path = Arn.of(role_arn).resource.removeprefix("role").removesuffix(name)
        found = render({**unknown, **given, "role_path": path or "/", **more}, name)
        return Policies(found.trust_policy, found.role_policy, needs.secrets[1:])

    expected = policies()
    needed = [each for each in expected.needed if not any(_UNKNOWN in it for it in each.targets.values)]
    optional = policies(allow_network_interface_deletion=True).needed if needs.network else []
    # The policy on AWS's page allows a role to pass the roles that the console creates:
    # https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/s3-v2-iam-role.html
    prefix = f"arn:{home.partition}:iam::{home.account}:role/"
    passing = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": [f"{prefix}{path}QBusiness-DataSource-*" for path in ("", "service-role/")],
        "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
    }
    later = (key_statement(key, "secretsmanager") for key in needs.later_keys)
    return expected, needed, [*optional, *read([*later, passing])]


def application_statements(role: Arn) -> Sequence[Statement]:
    """Return the statements on AWS's page for an application's role, which a data source can also use.

    https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/create-application-iam-role.html
    """
    group = f"arn:{role.partition}:logs:*:{role.account}:log-group:/aws/qbusiness/*"
    of_metrics = {"StringEquals": {"cloudwatch:namespace": "AWS/QBusiness"}}
    streams = ["logs:DescribeLogStreams", "logs:CreateLogStream", "logs:PutLogEvents"]
    allowed: list[tuple[object, str, object]] = [
        ("cloudwatch:PutMetricData", "*", of_metrics),
        ("logs:DescribeLogGroups", "*", {}),
        ("logs:CreateLogGroup", group, {}),
        (streams, f"{group}:log-stream:*", {}),
    ]
    parts = ("Action", "Resource", "Condition")
    found = [{"Effect": "Allow", **dict(zip(parts, each, strict=True))} for each in allowed]
    return read(found)
