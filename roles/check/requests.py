"""List the requests that connectors make.

For one API call, AWS checks one request for each resource that the call needs:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from components.formats import SERVICE
from guardrails.iam.patterns import Text
from roles.arns import Arn
from roles.check.connector_calls import Resources, calls
from roles.check.subject import Needs, Subject

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


def connector_requests(subject: Subject, needs: Iterable[Needs]) -> list[RequestGroup]:
    """Return the requests that connectors with these needs make, grouped by resource and context."""
    groups: list[RequestGroup] = []
    for group in (group for each in needs for group in _requests(subject, each)):
        like = next((known for known in groups if known.is_like(group)), None)
        if like is None:
            groups.append(group)
        elif group.actions[0] not in like.actions:
            like.actions.append(group.actions[0])
    return groups


def _requests(subject: Subject, needs: Needs) -> Iterator[RequestGroup]:
    """Yield each request of one connector in a group of its own."""
    for call in calls(_resources(subject, needs)):
        for resource in call.resources:
            region = _region_of(subject, needs, resource, call.action.partition(":")[0])
            is_decryption = call.action == "kms:Decrypt"
            encrypted = [
                {ENCRYPTED_SECRET: secret.arn}
                for secret in needs.secrets
                if is_decryption and secret.key_arn == resource.known
            ]
            for more in encrypted or [{}]:
                yield RequestGroup([call.action], resource, region, {**call.context, **more})


def _resources(subject: Subject, needs: Needs) -> Resources[Text]:
    policies, is_source = subject.policies, needs.connector.bucket_is_source
    partition, account_id, region = subject.partition, subject.account_id, subject.region
    buckets = [Text(bucket.arn) for bucket in needs.buckets]
    objects = [Text(f"{bucket.arn}/", "document") for bucket in needs.buckets]
    keys = dict.fromkeys(key_arn for bucket in needs.buckets for key_arn in bucket.key_arns)
    owner = next((bucket.owner for bucket in needs.buckets), None)  # it is the same for all of them
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
        secrets=[Text(secret.arn) for secret in needs.secrets],
        secret_keys=[*map(Text, dict.fromkeys(each.key_arn for each in needs.secrets if each.key_arn))],
        bucket_account=owner or Text("", _SOME_ACCOUNT),
        file_objects=[] if is_source else objects,
        source_buckets=buckets if is_source else [],
        source_objects=objects if is_source else [],
        source_keys=[*map(Text, keys)],
        passed_roles=[Text(role_arn)] if is_source and role_arn else [],
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


def _region_of(subject: Subject, needs: Needs, resource: Text, service: str) -> str:
    """Return the Region of a request; empty if it is unknown."""
    # A bucket with files may be in another Region. IAM does not document a Region for iam:PassRole.
    if service == "iam" or (service == "s3" and not needs.connector.bucket_is_source):
        return ""
    return Arn.of(str(resource)).region or subject.region
