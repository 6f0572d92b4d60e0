"""List the requests that connectors make.

To authorize an API call, AWS evaluates one request for each resource that the call needs:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from guardrails.iam.patterns import Text
from roles.arns import Arn
from roles.check.connector_calls import OWN_CALLS, ConnectorCall, Resources, calls
from roles.needs import Needs

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
        """The service that receives the requests, such as `kms`."""
        return self.actions[0].partition(":")[0]

    @property
    def account(self) -> str:
        """The resource's account; empty if it is unknown or if the requests have no resource."""
        owner = self.context.get("aws:ResourceAccount")
        return owner if isinstance(owner, str) else Arn.of(self.resource.known).account


def connector_requests(every: Iterable[Needs], role_arn: str) -> list[RequestGroup]:
    """Return the requests that connectors with these needs make, grouped by resource and context."""
    groups: dict[tuple[Text, str, str], RequestGroup] = {}
    for group in (group for needs in every for group in _requests(needs, role_arn)):
        like = groups.setdefault((group.resource, group.region, repr(group.context)), group)
        if group.actions[0] not in like.actions:
            like.actions.append(group.actions[0])
    return [*groups.values()]


def _requests(needs: Needs, role_arn: str) -> Iterator[RequestGroup]:
    """Yield each of a connector's requests in a separate group."""
    own = [
        ConnectorCall[Text](
            each.sid, each.title, each.action, [*map(Text, each.resources)], {**each.context}
        )
        for each in OWN_CALLS.get(needs.connector.name, ())
    ]
    for call in [*calls(_resources(needs, role_arn)), *own]:
        for resource in call.resources:
            region = _region_of(needs, resource, call.action.partition(":")[0])
            encrypted = [
                {ENCRYPTED_SECRET: secret.arn}
                for secret in needs.secrets
                if call.action == "kms:Decrypt" and secret.key_arn == resource.known
            ]
            for more in encrypted or [{}]:
                yield RequestGroup([call.action], resource, region, {**call.context, **more})


def _resources(needs: Needs, role_arn: str) -> Resources[Text]:
    home, is_source = Arn.of(needs.application_arn), needs.connector.bucket_is_source
    buckets = [Text(bucket.arn) for bucket in needs.buckets]
    objects = [Text(f"{bucket.arn}/", "document") for bucket in needs.buckets]
    keys = dict.fromkeys(key_arn for bucket in needs.buckets for key_arn in bucket.key_arns)
    owner = next((bucket.owner for bucket in needs.buckets), None)  # all buckets have the same owner
    ec2 = f"arn:{home.partition}:ec2:{home.region}:{home.account}"
    interface = Text(f"{ec2}:network-interface/", "eni-00000000000000000")
    return Resources(
        region=home.region,
        applications=[Text(needs.application_arn)],
        indices=[Text(f"{needs.application_arn}/index/{needs.index_id}")],
        secrets=[Text(secret.arn) for secret in needs.secrets],
        secret_keys=[*map(Text, dict.fromkeys(each.key_arn for each in needs.secrets if each.key_arn))],
        bucket_account=owner or Text("", _SOME_ACCOUNT),
        file_objects=[] if is_source else objects,
        source_buckets=buckets if is_source else [],
        source_objects=objects if is_source else [],
        source_keys=[*map(Text, keys)],
        passed_roles=[Text(role_arn)] if is_source and role_arn else [],
        network=[*map(Text, needs.network)],
        described=[Text("*")] if needs.network else [],
        network_interfaces=[interface] if needs.network else [],
        deletable_network_interfaces=[interface] if needs.network and needs.deletes else [],
        tag=Text(f"qbusiness_{home.account}_{home.name}_", "1"),
    )


def _region_of(needs: Needs, resource: Text, service: str) -> str:
    """Return the Region of a request; empty if it is unknown."""
    # A bucket with files may be in any Region. AWS does not document the Region of iam:PassRole.
    if service == "iam" or (service == "s3" and not needs.connector.bucket_is_source):
        return ""
    return Arn.of(str(resource)).region or Arn.of(needs.application_arn).region
