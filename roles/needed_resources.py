"""Read the resources that a data source's role must reach.

`Uses` has the names of the resources in the data source's configuration. This module asks AWS about
these resources, for example for a secret's ARN and key.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from botocore.exceptions import ClientError, ParamValidationError

from components.connectors import Connector, Need
from components.formats import SECRET
from roles.account import Account, DataSource, Encryption, Reply, Role, is_alias
from roles.actions import action
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.detection import Uses, find_connector, find_uses
from roles.errors import OddAnswerError, concerns_every_call, is_denied, is_gone
from roles.findings import Finding, State, note, problem, unread
from roles.policies import Secret
from roles.policy_settings import Requirements
from roles.project import launcher
from roles.role_changes import use_secret

_FIXES_BY_OPERATION: Final[Mapping[str, tuple[str, str]]] = {
    "DescribeKey": ("key", "encrypt the secret or the bucket with an existing key"),
    "DescribeSecret": ("secret", "point the data source to an existing secret"),
    "GetBucketEncryption": ("bucket", "point the data source to an existing bucket"),
    "GetDataSource": ("data source", "it was deleted"),
    "GetRole": ("role", ""),
}
"""By operation: the resource that the operation reads, and a hint if the resource does not exist."""

_T = TypeVar("_T")


def read_requirements(
    account: Account, data_source: DataSource, connector: Connector | None = None
) -> tuple[Requirements | None, list[Finding]]:
    """Read a data source and return the requirements for its role, and the findings.

    The requirements are None if the data source's role is missing, invalid, or not readable. A finding
    is a note, a problem that keeps the data source from working, or a skipped read. All findings except
    notes have a sentence in `details`.

    If `connector` is None, the data source's type and configuration determine the connector, and an
    unknown type raises InputError. Also raises errors of GetDataSource, and the errors that `find`
    raises.
    """
    found = account.data_source(data_source)
    named = f"data source {data_source.id} ({data_source.type})"
    uses = find_uses(found)
    connector = connector or find_connector(uses)
    notes: list[Finding] = []
    faults: list[Finding] = []
    unknown: list[str] = []
    source_arn = Arn.of(found["dataSourceArn"])
    application_account = source_arn.account
    secret, secret_arn, key_id = None, None, None
    secret_id = next(iter(uses.secret_ids), "")
    if secret_id:
        if secret := find(lambda: account.secret(secret_id), secret_id, faults):
            secret_arn, key_id = secret["ARN"], secret.get("KmsKeyId")
        elif faults[0].state is State.SKIPPED and secret_id.startswith("arn:"):
            secret_arn = secret_id  # the secret may exist
        else:
            unknown.append("secret")
            if new := find_recreated(account, secret_id):
                steps = " && ".join(use_secret(data_source, secret_id, new))
                line = f"there is no secret {secret_id}, but {new} has the same name: `{steps}`"
                faults[0] = _missing("secret", line)
    elif connector.secret is Need.REQUIRED:
        unknown.append("secret")
        faults.append(
            invalid(
                f"the configuration of {named} has no secretArn, but the {connector.name} connector "
                f"needs a secret: see {connector.page}"
            )
        )
    bucket = _read_bucket(account, connector, uses, source_arn)
    notes += bucket.notes
    faults += bucket.faults
    if connector.bucket_is_source:
        key_id = bucket.key_id
        unknown += ["bucket"] if bucket.is_missing else []
    key_arn = find(lambda: _customer_managed_key(account, key_id, notes), str(key_id), faults)
    if faults:  # without the secret or bucket, its key is also unknown
        unknown.append("key")
    faults += _deletion(secret)
    others = [_other_secret(account, other, notes, faults) for other in uses.secret_ids[1:]]
    role = _role(account, found, application_account, data_source, faults)
    requirements = role and Requirements(
        source_arn.text.partition("/index/")[0],
        account.region,
        data_source.index_id,
        connector,
        secret_arn,
        bucket.name,
        bucket.account if bucket.account != application_account else None,
        key_arn,
        {name: [*its] for name, its in uses.vpc.items()},
        role,
        secret_id,
        tuple(each for each in others if each and each.arn != secret_arn),
        tuple(unknown),
        bucket_account_is_known=bucket.account_is_known,
    )
    return requirements, [*notes, *faults]


def invalid(line: str) -> Finding:
    """Return a problem that keeps a data source from working, with a line that describes it."""
    return problem("invalid", (), line)


def find(read: Callable[[], _T], name: str, faults: list[Finding], fix: str = "") -> _T | None:
    """Return a call's result; if the call fails, append a finding to `faults` and return None.

    `fix` takes the place of the hint for a resource that does not exist. Raises errors that concern
    every call, and connection errors.
    """
    try:
        return read()
    except ParamValidationError as error:
        faults.append(invalid(" ".join(str(error).split())))
    except OddAnswerError as error:
        faults.append(_unread(error))
    except ClientError as error:
        if concerns_every_call(error):
            raise
        noun, hint = _FIXES_BY_OPERATION.get(error.operation_name, ("", ""))
        if noun and is_gone(error):
            faults.append(_missing(noun, f"there is no {noun} {name}: {fix or hint}"))
        else:
            faults.append(_unread(error))
    return None


def _missing(noun: str, line: str) -> Finding:
    return problem(f"{noun} does not exist", (), line)


def _unread(error: ClientError | OddAnswerError) -> Finding:
    """Return a finding with the state SKIPPED for a resource that could not be read but may be fine."""
    found = unread(error)
    if isinstance(error, ClientError) and is_denied(error):
        return found._replace(text=f"{found.action} is not allowed", details=(found.text,))
    return found._replace(details=(found.text,))


def _deletion(secret: Reply | None) -> Iterator[Finding]:
    """Yield a problem if the secret is scheduled for deletion; DescribeSecret still returns it."""
    if secret and "DeletedDate" in secret:
        arn = secret["ARN"]
        restore = aws_command("secretsmanager restore-secret", region=Arn.of(arn).region, secret_id=arn)
        text = f"the secret {arn} is scheduled for deletion: to keep it, run `{restore}`"
        yield problem("secret is scheduled for deletion", (), text)


def find_recreated(account: Account, arn: str) -> str | None:
    """Return the ARN of the secret with the same name as one that does not exist.

    Return None if there is no such secret, or it cannot be read, or the text is not a secret's ARN.
    """
    name = arn.rpartition("-")[0]
    if not SECRET.parse(arn):
        return None
    try:
        new = str(account.secret(name)["ARN"])
    except (ClientError, OddAnswerError) as error:
        if concerns_every_call(error):
            raise
        return None
    return new if new.startswith(f"{name}-") and new != arn else None


def _role(
    account: Account,
    found: Reply,
    application_account: str,
    data_source: DataSource,
    faults: list[Finding],
) -> Role | None:
    """Return a data source's role; if it cannot be used or read, append a fault and return None.

    GetRole finds a role by its name, so a wrong path in the data source's role ARN is also a fault.
    """
    named = f"data source {data_source.id} ({data_source.type})"
    fix = (
        f"add an entry for the data source to a stack, run `pulumi up`, then `{launcher()} assign "
        f"--stack STACK ENTRY={data_source.id}`"
    )
    if not found.get("roleArn"):
        faults.append(invalid(f"{named} has no role: {fix}"))
        return None
    arn = Arn.of(found["roleArn"])
    if arn.account != application_account:
        faults.append(
            invalid(
                f"{named} is in account {application_account}, but its role is in account "
                f"{arn.account}. A role can be passed only within its own account: {fix}"
            )
        )
        return None
    role = find(lambda: account.role(arn.name), arn.text, faults, fix)
    if role and role.arn != arn.text:
        text = f"there is no role {arn.text}, but {role.arn} has the same name: {fix}"
        faults.append(_missing("role", text))
        return None
    return role


class _Bucket(NamedTuple):
    """The bucket that a role reads."""

    name: str | None
    """None if the data source has no bucket, or the program's role for this connector reads none."""
    account: str
    """The owner in the configuration, or else the application's account."""
    account_is_known: bool = True
    is_missing: bool = False
    key_id: str | None = None
    """The key of the bucket's default encryption."""
    notes: Sequence[Finding] = ()
    faults: Sequence[Finding] = ()


def _read_bucket(account: Account, connector: Connector, uses: Uses, source_arn: Arn) -> _Bucket:
    """Find the bucket in a data source's configuration, and read its encryption."""
    notes: list[Finding] = []
    named = f"data source {source_arn.name} ({uses.type})"
    owner = uses.bucket_account or source_arn.account
    name = _bucket_name(connector, uses, named, notes)
    if name is None:
        return _Bucket(None, source_arn.account, notes=notes)
    faults: list[Finding] = []
    encryption = find(lambda: _encryption(account, connector, name, owner, notes), name, faults)
    is_missing = any(fault.state is State.PROBLEM for fault in faults)
    is_known = bool(uses.bucket_account or encryption or is_missing)
    if connector.bucket_is_source:
        is_known = is_known or bool(faults)
    else:  # the data source may work without the bucket's files
        notes += [note(detail) for fault in faults if is_missing for detail in fault.details]
        faults = []
    if not is_known:
        text = (
            f"the account that owns the bucket {name} is unknown: the configuration of {named} does not "
            f"contain it, and Amazon S3 does not confirm that it is {owner}"
        )
        notes.append(note(text))
    key_id = encryption.key_id if encryption else None
    return _Bucket(name, owner, is_known, is_missing, key_id, notes, faults)


def _bucket_name(connector: Connector, uses: Uses, named: str, notes: list[Finding]) -> str | None:
    """Return the bucket that the program's role reads, if any; append a note about other buckets."""
    if not uses.buckets:
        return None
    if connector.bucket is Need.NOT_SUPPORTED:
        text = (
            f"the configuration of {named} refers to the bucket {uses.buckets[0]}, but the program's "
            f"role for the {connector.name} connector has no access to it: see {connector.page}"
        )
        notes.append(note(text))
        return None
    if len(uses.buckets) > 1:
        text = (
            f"the configuration of {named} refers to several buckets ({', '.join(uses.buckets)}), but "
            f"bucketName is a single bucket: the role policy is only for {uses.buckets[0]}"
        )
        notes.append(note(text))
    return uses.buckets[0]


def _encryption(
    account: Account, connector: Connector, bucket: str, owner: str, notes: list[Finding]
) -> Encryption | None:
    """Return the encryption of a bucket in the account `owner`.

    If access is denied, return None, and append a note if the bucket contains the documents.
    """
    try:
        return account.bucket_encryption(bucket, owner)
    except ClientError as error:
        if not is_denied(error):
            raise
        text = (
            f"{action(error.operation_name)} is not allowed on the bucket {bucket}: if a customer "
            "managed key encrypts its objects, set kmsKeyId"
        )
        if connector.bucket_is_source:
            notes.append(note(text))
        return None


def _other_secret(
    account: Account, secret_id: str, notes: list[Finding], faults: list[Finding]
) -> Secret | None:
    """Return a secret that no setting contains; append any notes and faults.

    Return None unless the secret may exist and its ARN is known.
    """
    secret = find(lambda: account.secret(secret_id), secret_id, faults)
    if secret is None:
        may_exist = faults[-1].state is State.SKIPPED and secret_id.startswith("arn:")
        return Secret(secret_id, None) if may_exist else None
    faults += _deletion(secret)
    key_id = secret.get("KmsKeyId")
    key_arn = find(lambda: _customer_managed_key(account, key_id, notes), str(key_id), faults)
    return Secret(secret["ARN"], key_arn)


def _customer_managed_key(account: Account, key_id: str | None, notes: list[Finding]) -> str | None:
    """Return a customer managed key's ARN; None for no key, or a key that AWS manages.

    If DescribeKey is denied and `key_id` is not an alias, append a note and return `key_id`, as if the
    key were customer managed.
    """
    try:
        return account.customer_managed_key(key_id)
    except ClientError as error:
        # An alias does not identify its key. With a key ID or ARN, only the key's manager is unknown.
        if not is_denied(error) or is_alias(str(key_id)):
            raise
        text = (
            f"{action(error.operation_name)} is not allowed on {key_id}, so the key is assumed to be "
            "customer managed: if AWS manages it (aws/secretsmanager, aws/s3), leave kmsKeyId out"
        )
        notes.append(note(text))
        return key_id
