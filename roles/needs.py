"""Read the resources that a role must reach for a data source, and their states.

`Needs.faults` contains the reasons why resources cannot be used.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from components.connectors import Connector, Need
from components.formats import SECRET
from roles.account import Account, Reply, is_aws_alias
from roles.arns import Arn
from roles.detection import Uses, is_named
from roles.errors import PERMISSIONS_PAGE
from roles.findings import Finding, State, attempt, cannot_tell, note, problem, skipped
from roles.policies import Secret

_USABLE: Final = ("Enabled", "Updating")
"""The states in which KMS decrypts with a key:
https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html"""
_UNUSABLE: Final = (
    *("Creating", "Disabled", "PendingDeletion", "PendingImport"),
    *("PendingReplicaDeletion", "Unavailable"),
)
_S3_KEYS_CONNECTORS: Final = ("webcrawler",)
"""Connectors that read files only from buckets that use SSE-S3.
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connector-webcrawler.html"""
_ZONES: Final[Mapping[str, Sequence[str]]] = {
    "us-east-1": ("use1-az1", "use1-az2", "use1-az4"),
    "us-west-2": ("usw2-az1", "usw2-az2", "usw2-az3"),
    "eu-west-1": ("euw1-az1", "euw1-az2", "euw1-az3"),
    "ap-southeast-2": ("apse2-az1", "apse2-az2", "apse2-az3"),
}
"""IDs of the Availability Zones in which Amazon Q Business creates network interfaces, by Region.
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connector-vpc-steps.html"""
_AWS_MANAGED: Final = "a key that AWS manages"
_NOT_ACROSS_ACCOUNTS: Final = "which no other account can use"
_T = TypeVar("_T")


class NetworkKind(NamedTuple):
    """A kind of resource in a VPC configuration."""

    noun: str
    setting: str
    """The name of the list in the API and in the settings."""
    identifier: str
    """The name of the ID in EC2's responses."""
    title: str
    """The name of the resource type in EC2's API."""
    filter: str
    """The name of EC2's filter for IDs."""

    @property
    def prefix(self) -> str:
        """The prefix of the ARN's resource part, such as `security-group/`."""
        return f"{self.noun.replace(' ', '-')}/"


SUBNETS: Final = NetworkKind("subnet", "subnetIds", "SubnetId", "Subnet", "subnet-id")
SECURITY_GROUPS: Final = NetworkKind(
    "security group", "securityGroupIds", "GroupId", "SecurityGroup", "group-id"
)


class Bucket(NamedTuple):
    """A bucket that a role must read."""

    arn: str
    owner: str | None
    """The account that owns the bucket; None if the account is unknown."""
    key_arns: tuple[str, ...] = ()
    """The customer managed keys that may encrypt the documents in the bucket."""


class Needs(NamedTuple):
    """A data source's resources or, if no data source uses the role, those in the role policy."""

    application_arn: str
    index_id: str
    connector: Connector
    secrets: tuple[Secret, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    network: tuple[str, ...] = ()
    """The ARNs of the subnets and security groups."""
    deletes: bool = False
    """Whether the role must be able to delete network interfaces; data sources do not specify this."""
    later_keys: tuple[str, ...] = ()
    """The present keys of the secrets whose current versions are encrypted with earlier keys."""
    faults: tuple[Finding, ...] = ()
    """The reasons why resources cannot be used or read."""
    is_complete: bool = True
    """Whether all resources are known, even if some of them cannot be used."""

    @property
    def key_arns(self) -> list[str]:
        """The ARNs of the customer managed keys."""
        keys = [each.key_arn for each in self.secrets]
        keys += [key for each in self.buckets for key in each.key_arns]
        return [*dict.fromkeys(filter(None, keys))]


class Known(NamedTuple):
    """Facts in a role policy about the resources in a data source's configuration."""

    account: str | None = None
    """The default for the account that owns a bucket; None for a role that no stack owns."""
    bucket_accounts: Mapping[str, str] = MappingProxyType({})
    """The accounts that own the buckets in the role policy, by bucket name."""
    secrets: Mapping[str, str | None] = MappingProxyType({})
    """The keys of the secrets in the role policy, by the secrets' exact ARNs."""
    keys: tuple[str, ...] = ()
    """The KMS keys for the objects in the buckets; these may be earlier keys of the buckets."""
    network: tuple[str, ...] = ()
    """The ARNs of subnets and security groups, which may belong to other accounts."""
    entry: str = ""
    """The stack's entry, if its settings are checked because no data source uses its role."""


def read_needs(
    account: Account,
    needs: Needs,
    uses: Uses,
    known: Known = Known(),  # noqa: B008 it is immutable
    *,
    closely: bool = True,
) -> Needs:
    """Add the resources in `uses` to `needs`, which contains only the application, index, and connector.

    Unless `closely` is true, read neither the network nor the Regions of buckets.
    """
    reader, connector = _Reader(account, needs, known, closely=closely), needs.connector
    for name, has in (("secret", uses.secret_ids), ("bucket", uses.buckets)):
        if getattr(connector, name) is Need.REQUIRED and not has:
            text = f"the data source has no {name}, which the {connector.name} connector requires"
            reader.fault("data source", problem(text, f"see {connector.page}"))
    secrets = [] if connector.secret is Need.NOT_SUPPORTED else uses.secret_ids
    buckets = [] if connector.bucket is Need.NOT_SUPPORTED else uses.buckets
    return needs._replace(
        secrets=tuple(dict.fromkeys(filter(None, map(reader.secret, secrets)))),
        buckets=tuple(filter(None, [reader.bucket(each, uses.bucket_account) for each in buckets])),
        network=tuple(reader.network(uses.vpc)),
        later_keys=tuple(reader.later_keys),
        faults=tuple(dict.fromkeys(reader.faults)),
        is_complete=reader.is_complete,
    )


class _Reader:
    """Reads resources and collects their faults."""

    def __init__(self, account: Account, needs: Needs, known: Known, *, closely: bool) -> None:
        self.account, self.known, self.closely = account, known, closely
        self.home, self.connector = Arn.of(needs.application_arn), needs.connector
        self.faults: list[Finding] = []
        self.later_keys: list[str] = []
        self.is_complete = True

    def fault(self, question: str, finding: Finding) -> None:
        self.faults.append(finding._replace(question=question))

    def find(self, question: str, name: str, read: Callable[[], _T]) -> _T | None:
        """Return the result; if the resource is missing or unreadable, add a fault and return None."""
        found = attempt(read, problem(f"there is no {question.removeprefix('KMS ')} {name}"))
        if not isinstance(found, Finding):
            return found
        named = found._replace(text=f"{found.text} ({name})") if found.state is State.SKIPPED else found
        self.fault(question, named)
        self.is_complete = False
        return None

    # Secrets.

    def secret(self, secret_id: str) -> Secret | None:
        found = self.find("secret", secret_id, lambda: self.account.secret(secret_id))
        if found is None:
            return self._unseen_secret(secret_id)
        arn = found["ARN"]
        if secret_id in self.known.secrets and arn != secret_id:
            # Secrets Manager also accepts an ARN without the suffix, but IAM compares the complete ARN.
            self.fault("secret", problem(f"there is no secret {secret_id}"))
            return self._unseen_secret(secret_id)
        if "DeletedDate" in found:
            text = f"the secret {arn} is scheduled for deletion on {str(found['DeletedDate'])[:10]}"
            self.fault("secret", problem(text))
        elif not any("AWSCURRENT" in each for each in found.get("VersionIdsToStages", {}).values()):
            self.fault("secret", problem(f"the secret {arn} has no value"))
        return Secret(arn, self._key_of_secret(found), is_deleted="DeletedDate" in found)

    def _unseen_secret(self, secret_id: str) -> Secret | None:
        """Return an unreadable secret; to a missing secret's fault, add any secret of the same name."""
        fault = self.faults[-1]
        if fault.state is not State.PROBLEM:
            own = [arn for arn in self.known.secrets if is_named(arn, secret_id, self.home.account)]
            arn = next(iter(own), secret_id)
            return Secret(arn, self.known.secrets.get(arn)) if SECRET.parse(arn) else None
        if new := self._same_name(secret_id):
            remedy = f"set secretId of {self.known.entry} to {new}" if self.known.entry else ""
            text = f"{fault.text}, but {new} has the same name"
            self.faults[-1] = fault._replace(text=text, remedy=remedy)
        return None

    def _same_name(self, arn: str) -> str:
        """Return the ARN of an existing secret with the same name as a nonexistent secret."""
        prefix, _, name = arn.rpartition(":secret:")
        names = (name, name[:-7]) if Arn.of(arn).account == self.home.account else (arn, arn[:-7])
        for each in names if prefix else ():
            found = attempt(partial(self.account.secret, each))
            new = "" if isinstance(found, Finding) else str(found["ARN"])
            if new != arn and new[:-7] in (arn, arn[:-7]):
                return new
        return ""

    def _key_of_secret(self, found: Reply) -> str | None:
        """Return the key of a secret's current version, even if it is an earlier key of the secret."""
        arn, key_id = found["ARN"], found.get("KmsKeyId")
        versions = attempt(lambda: self.account.secret_versions(arn))
        if isinstance(versions, Finding):
            text = f"the current version of {arn} may be encrypted with an earlier key: {versions.text}"
            remedy = f"allow secretsmanager:ListSecretVersionIds ({PERMISSIONS_PAGE})"
            self.fault("encryption", cannot_tell(text, remedy))
            versions = []
        current = [each for each in versions if "AWSCURRENT" in each.get("VersionStages", ())]
        keys = [key for each in current for key in each["KmsKeyIds"]]
        faults = len(self.faults)
        key_arn = self.key(key_id if key_id in keys or not keys else keys[0])
        if key_arn is None and len(self.faults) == faults and Arn.of(arn).account != self.home.account:
            text = f"{arn} is encrypted with {_AWS_MANAGED}, {_NOT_ACROSS_ACCOUNTS}"
            self.fault("encryption", problem(text))
        if key_id and keys and key_id not in keys and not is_aws_alias(key_id):
            self.later_keys.append(key_id)
        return key_arn

    # Keys.

    def key(self, key_id: str | None) -> str | None:
        """Return the ARN of a customer managed key, readable or not; None if there is no such key."""
        if not key_id or is_aws_alias(key_id):
            return None
        found = self.find("KMS key", key_id, lambda: self.account.get("kms:DescribeKey", key_id))
        if found is None:
            may_exist = self.faults[-1].state is State.SKIPPED and ":key/" in key_id
            return key_id if may_exist else None
        if found.get("KeyManager") == "AWS":
            return None
        arn, state = found["Arn"], found.get("KeyState", "unknown")
        spec = found.get("KeySpec") or found.get("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT")
        usage = found.get("KeyUsage", "ENCRYPT_DECRYPT")
        if state in _UNUSABLE:
            self.fault("KMS key", problem(f"{arn} cannot decrypt: its state is {state}"))
        elif state not in _USABLE:
            self.fault("KMS key", cannot_tell(f"{arn} may be unable to decrypt: its state is {state}"))
        if (spec, usage) != ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"):
            self.fault("KMS key", problem(f"{arn} is not a symmetric encryption key: {spec}, {usage}"))
        return arn

    # Buckets.

    def bucket(self, name: str, owner: str | None) -> Bucket | None:
        owner = owner or self.known.bucket_accounts.get(name) or self.known.account
        arn, expected = f"arn:{self.home.partition}:s3:::{name}", owner or self.home.account
        is_known = self.connector.bucket_is_source and name in self.known.bucket_accounts
        keys = self.known.keys if is_known else ()
        gone = problem(f"there is no bucket {name}")
        if self.closely:
            found = attempt(lambda: self.account.bucket_region(name, expected), gone)
            if isinstance(found, Finding):
                return self._unseen_bucket("bucket", Bucket(arn, owner, keys), found, gone)
            if found != self.home.region and self.connector.bucket_is_source:
                text = f"the bucket {name} is in {found}, but the index is in {self.home.region}"
                self.fault("bucket", problem(text))
        default = attempt(lambda: self.account.bucket_key(name, expected), gone)
        if isinstance(default, Finding):
            known = Bucket(arn, expected if self.closely else owner, keys)
            return self._unseen_bucket("encryption" if self.closely else "bucket", known, default, gone)
        key = self._default_key(name, expected, default) if default else None
        return Bucket(arn, expected, tuple(dict.fromkeys(filter(None, (*keys, key)))))

    def _unseen_bucket(
        self, question: str, bucket: Bucket, error: Finding, gone: Finding
    ) -> Bucket | None:
        """Add a fault for an unreadable bucket; return the bucket, or None if it does not exist."""
        name, owner = Arn.of(bucket.arn).resource, bucket.owner
        unread = skipped(f"the bucket {name}: {error.text}")._replace(denied=error.denied)
        found = error if error is gone else unread
        if error.denied:
            located = self.closely and question == "bucket"
            if owner is None:
                found = cannot_tell(f"the account that owns the bucket {name} is unknown")
            elif located and not isinstance(attempt(lambda: self.account.bucket_region(name)), Finding):
                found = problem(f"the bucket {name} does not belong to account {owner}")
            elif owner != self.home.account:
                found = cannot_tell(f"account {owner} owns the bucket {name}: {error.text}")
        self.is_complete = False
        self.fault(question, found)
        return None if error is gone else bucket

    def _default_key(self, name: str, owner: str, key_id: str) -> str | None:
        """Return a bucket's default key if the bucket is the source and the key is customer managed."""
        is_source, at = self.connector.bucket_is_source, Arn.of(key_id)
        # Keys in other accounts and Regions may be unreadable. Aliases identify AWS managed keys.
        is_here = (at.region, at.account) == (self.home.region, self.home.account)
        key = None if is_aws_alias(at.text) else key_id
        key = self.key(key) if is_source or is_here else key
        encrypted = f"by default, the bucket {name} is encrypted with {key or _AWS_MANAGED}"
        if key is None and owner != self.home.account:
            self.fault("encryption", problem(f"{encrypted}, {_NOT_ACROSS_ACCOUNTS}"))
        elif not is_source and (key or self.connector.name in _S3_KEYS_CONNECTORS):
            text = "but this connector's role can decrypt only files that use SSE-S3"
            self.fault("encryption", problem(f"{encrypted}, {text}"))
        return key if is_source else None

    # The network.

    def network(self, vpc: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """Yield the ARNs of subnets and security groups; a subnet may belong to another account."""
        here = f"arn:{self.home.partition}:ec2:{self.home.region}:{self.home.account}:"
        known = {Arn.of(arn).name: arn for arn in self.known.network}
        vpcs: list[list[str]] = []
        for kind in (SUBNETS, SECURITY_GROUPS):
            ids = [*vpc.get(kind.setting, ())]
            asked = [{"Name": kind.filter, "Values": ids}]
            read = partial(self.account.items, f"ec2:Describe{kind.title}s", asked)
            found = attempt(read) if ids and self.closely else ()
            by_id = {} if isinstance(found, Finding) else {each[kind.identifier]: each for each in found}
            if isinstance(found, Finding):
                self.fault(f"{kind.noun}s", found)
            for each in ids:
                if self.closely and not isinstance(found, Finding):
                    self._check(kind, each, by_id.get(each))
                default = known.get(each, f"{here}{kind.prefix}{each}")
                arn = by_id.get(each, {}).get(f"{kind.title}Arn", default)
                if not self.closely and Arn.of(arn).account != self.home.account:
                    text = f"{arn} is in a policy of the role, but the subnet's owner was not checked"
                    self.fault(f"{kind.noun}s", note(text))
                yield arn
            vpcs.append([*dict.fromkeys(each["VpcId"] for each in by_id.values() if "VpcId" in each)])
        of_subnets, of_groups = vpcs
        others = [each for each in of_groups if of_subnets and each not in of_subnets]
        if len(of_subnets) > 1:
            self.fault("subnets", problem(f"the subnets are in several VPCs: {', '.join(of_subnets)}"))
        if others:
            where = f"in {', '.join(others)}, but the subnets are in {', '.join(of_subnets)}"
            text = f"there are security groups {where}"
            self.fault("security groups", cannot_tell(text, "check the groups' VPC associations"))

    def _check(self, kind: NetworkKind, name: str, found: Reply | None) -> None:
        """Add a fault with the first reason why a subnet or security group cannot be used."""
        region, its = self.home.region, found or {}
        state, zone = its.get("State", "available"), its.get("AvailabilityZoneId", "")
        zones = _ZONES.get(region, (zone,))
        faults = (
            (found is None, f"there is no {kind.noun} {name} in {region}"),
            (state != "available", f"{name} is {state}, not available"),
            (
                zone and zone not in zones,
                f"{name} is in {zone}, but Amazon Q Business supports only {', '.join(zones)}",
            ),
            (its.get("AvailableIpAddressCount") == 0, f"{name} has no free IP address"),
        )
        for text in [text for is_true, text in faults if is_true][:1]:
            self.fault(f"{kind.noun}s", problem(text))
