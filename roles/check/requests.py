"""List the requests that connectors make.

For one API call, AWS checks one request for each resource that the call needs:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from components.formats import SERVICE
from guardrails.iam.patterns import Text
from roles.arns import Arn
from roles.check.connector_calls import ConnectorCall, Resources, calls
from roles.check.subject import Subject

ENCRYPTED_SECRET: Final = "kms:EncryptionContext:SecretARN"
"""The condition key for the ARN of the secret that KMS decrypts:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"""


_SOME_ACCOUNT: Final = 12 * "0"


class RequestGroup(NamedTuple):
    """Requests that IAM simulates together: several actions on one resource, with the same context."""

    actions: list[str]
    resource: Text
    region: str
    """The value of aws:RequestedRegion; empty if it is unknown."""
    context: Mapping[str, str | Text | list[str]]
    """The condition keys that are specific to these requests."""

    @property
    def service(self) -> str:
        """The service to which these are requests, such as `kms`."""
        return self.actions[0].partition(":")[0]

    @property
    def account(self) -> str:
        """The resource's account; empty if it is unknown, or the requests have no resource."""
        owner = self.context.get("aws:ResourceAccount")
        return owner if isinstance(owner, str) else Arn.of(self.resource.known).account


def connector_requests(subject: Subject) -> list[RequestGroup]:
    """Return the requests that the connector makes, grouped by resource and context."""
    groups: list[RequestGroup] = []
    for call, secret_arn in _calls(subject):
        context = {**call.context}
        if secret_arn and call.action == "kms:Decrypt":
            context[ENCRYPTED_SECRET] = secret_arn
        for resource in call.resources:
            for group in groups:
                if (group.resource, group.context) == (resource, context):
                    group.actions.append(call.action)
                    break
            else:
                region = _region_of(subject, resource, call.action.partition(":")[0])
                groups.append(RequestGroup([call.action], resource, region, context))
    return groups


def _calls(subject: Subject) -> Iterator[tuple[ConnectorCall[Text], str | None]]:
    """Yield the connector's calls, then the calls that read each of `other_secrets`.

    With each of the connector's calls, yield the ARN of the secret in the settings, or None if there is
    none; with each later call, yield the ARN of the other secret.
    """
    resources = _resources(subject)
    for call in calls(resources):
        yield call, subject.secret_arn
    for secret in subject.other_secrets:
        keys = [Text(secret.key_arn)] if secret.key_arn else []
        of_secret = resources._replace(secrets=[Text(secret.arn)], secret_keys=keys)
        for call in calls(of_secret):
            if call.action.startswith(("secretsmanager:", "kms:")):
                yield call, secret.arn


def _resources(subject: Subject) -> Resources[Text]:
    """Return the resources that the connector uses, according to the settings and expected policies."""
    policies, settings = subject.policies, subject.settings
    partition, account_id, region = subject.partition, subject.account_id, subject.region
    bucket_name, is_source = subject.bucket, settings.connector.bucket_is_source
    buckets = [f"arn:{partition}:s3:::{bucket_name}"] if bucket_name else []
    objects = [Text(f"{arn}/", "document") for arn in buckets]
    secrets = [*map(Text, policies.resources("secretsmanager:GetSecretValue"))]
    keys = [*map(Text, policies.resources("kms:Decrypt"))]
    network = [*map(Text, policies.resources("ec2:CreateNetworkInterface"))]
    interface = Text(
        f"arn:{partition}:ec2:{region}:{account_id}:network-interface/", "eni-00000000000000000"
    )
    deletes = network and settings.get("allow_network_interface_deletion")
    return Resources(
        region=region,
        applications=[Text(policies.application_arn)],
        indices=[Text(f"{policies.application_arn}/index/{subject.index_id}")],
        secrets=secrets,
        secret_keys=keys if secrets else [],
        bucket_account=subject.bucket_owner or Text("", _SOME_ACCOUNT),
        file_objects=[] if is_source else objects,
        source_buckets=[*map(Text, buckets)] if is_source else [],
        source_objects=objects if is_source else [],
        source_keys=[] if secrets else keys,
        passed_roles=[*map(Text, policies.resources("iam:PassRole"))],
        network=network,
        described=[Text("*")] if network else [],
        network_interfaces=[interface] if network else [],
        deletable_network_interfaces=[interface] if deletes else [],
        tag=Text(f"qbusiness_{account_id}_{subject.application_id}_", "1"),
    )


def pass_request(role_arn: str) -> RequestGroup:
    """Return the request to pass a role to Amazon Q Business."""
    # IAM does not document a Region for iam:PassRole.
    return RequestGroup(["iam:PassRole"], Text(role_arn), "", {"iam:PassedToService": SERVICE})


def _region_of(subject: Subject, resource: Text, service: str) -> str:
    """Return the Region of a request; empty if it is unknown."""
    # A bucket with files may be in another Region. IAM does not document a Region for iam:PassRole.
    if service == "iam" or (service == "s3" and not subject.settings.connector.bucket_is_source):
        return ""
    return Arn.of(str(resource)).region or subject.region
