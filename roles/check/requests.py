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
from roles.check.subject import Needs, Subject
from roles.policies import Secret

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

    def is_like(self, other: "RequestGroup") -> bool:
        """Return whether both groups are for the same resource, with the same context."""
        return (self.resource, self.region, self.context) == (
            other.resource,
            other.region,
            other.context,
        )

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
    """Return the requests that the connectors make with a role, grouped by resource and context."""
    groups: list[RequestGroup] = []
    for needs in subject.needs:
        for group in requests_of(subject, needs):
            for known in groups:
                if known.is_like(group):
                    known.actions.extend(each for each in group.actions if each not in known.actions)
                    break
            else:
                groups.append(group)
    return groups


def requests_of(subject: Subject, needs: Needs) -> list[RequestGroup]:
    """Return the requests for one data source, or for the settings."""
    groups: list[RequestGroup] = []
    for call, secret in _calls(subject, needs):
        context = {**call.context}
        if secret and call.action == "kms:Decrypt":
            context[ENCRYPTED_SECRET] = secret.arn
        for resource in call.resources:
            for group in groups:
                if (group.resource, group.context) == (resource, context):
                    group.actions.append(call.action)
                    break
            else:
                region = _region_of(subject, needs, resource, call.action.partition(":")[0])
                groups.append(RequestGroup([call.action], resource, region, context))
    return groups


def _calls(subject: Subject, needs: Needs) -> Iterator[tuple[ConnectorCall[Text], Secret | None]]:
    """Yield the connector's calls with its first secret, then the calls that read each other secret."""
    resources = _resources(subject, needs)
    first, *others = needs.secrets or [None]
    for call in calls(resources):
        yield call, first
    for secret in others:
        for call in calls(resources._replace(**_of_secret(secret))):
            if call.action.startswith(("secretsmanager:", "kms:")):
                yield call, secret


def _resources(subject: Subject, needs: Needs) -> Resources[Text]:
    policies, is_source = subject.policies, needs.connector.bucket_is_source
    partition, account_id, region = subject.partition, subject.account_id, subject.region
    buckets = [f"arn:{partition}:s3:::{bucket}" for bucket in needs.buckets]
    objects = [Text(f"{arn}/", "document") for arn in buckets]
    network = [*map(Text, needs.network)]
    interface = Text(
        f"arn:{partition}:ec2:{region}:{account_id}:network-interface/", "eni-00000000000000000"
    )
    deletes = network and subject.settings.get("allow_network_interface_deletion")
    role_arn = subject.settings.role_arn or policies.resource("iam:PassRole")
    return Resources(
        region=region,
        applications=[Text(policies.application_arn)],
        indices=[Text(f"{policies.application_arn}/index/{needs.index_id}")],
        **_of_secret(next(iter(needs.secrets), None)),
        bucket_account=needs.bucket_owner or Text("", _SOME_ACCOUNT),
        file_objects=[] if is_source else objects,
        source_buckets=[*map(Text, buckets)] if is_source else [],
        source_objects=objects if is_source else [],
        source_keys=[*map(Text, needs.bucket_keys)],
        passed_roles=[Text(role_arn)] if is_source and role_arn else [],
        network=network,
        described=[Text("*")] if network else [],
        network_interfaces=[interface] if network else [],
        deletable_network_interfaces=[interface] if deletes else [],
        tag=Text(f"qbusiness_{account_id}_{subject.application_id}_", "1"),
    )


def _of_secret(secret: Secret | None) -> dict[str, list[Text]]:
    """Return the resources of a secret; empty without a secret."""
    key = [Text(secret.key_arn)] if secret and secret.key_arn else []
    return {"secrets": [Text(secret.arn)] if secret else [], "secret_keys": key}


def pass_request(role_arn: str) -> RequestGroup:
    """Return the request to pass a role to Amazon Q Business."""
    # IAM does not document a Region for iam:PassRole.
    return RequestGroup(["iam:PassRole"], Text(role_arn), "", {"iam:PassedToService": SERVICE})


def _region_of(subject: Subject, needs: Needs, resource: Text, service: str) -> str:
    """Return the Region of a request; empty if it is unknown."""
    # A bucket with files may be in another Region. IAM does not document a Region for iam:PassRole.
    if service == "iam" or (service == "s3" and not needs.connector.bucket_is_source):
        return ""
    return Arn.of(str(resource)).region or subject.region
