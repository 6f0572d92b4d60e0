"""Ask whether the resources that the role needs exist, and whether the connectors can use them."""

from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from guardrails.iam.truth import Truth
from roles.account import S3_KEYS_ALGORITHM, Reply, is_aws_alias
from roles.actions import action
from roles.arns import Arn
from roles.aws_commands import as_owner, aws_command, remove_policy
from roles.check.answers import (
    ABOUT_DIFFERENCE,
    NO_APPLICATION,
    NO_BUCKET,
    NO_KEY,
    NO_SECRET,
    about_each,
    ignore,
    needed,
)
from roles.check.case import Case, stay_allowed
from roles.check.requests import RequestGroup
from roles.check.subject import Bucket, Subject
from roles.detection import is_named
from roles.errors import PERMISSIONS_PAGE, code, failed_action, is_denied, is_gone, unknown_status
from roles.findings import Finding, State, cannot_tell, not_allowed, note, ok, problem, skipped
from roles.policies import Secret, SeparatePolicy
from roles.role_changes import use_secret

_S3_KEYS_CONNECTORS: Final = ("webcrawler",)
"""Connectors that read files only from buckets with Amazon S3 managed keys.
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connector-webcrawler.html"""
_AWS_MANAGED: Final = "a key that AWS manages"
_USABLE_STATES: Final = ("Enabled", "Updating")
"""The states in which kms:Decrypt can use a key, by `_KEY_STATES_PAGE`."""
_KEY_STATES_PAGE: Final = "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html"
_NOT_ACROSS_ACCOUNTS: Final = "which no other account can use"


def credentials(case: Case) -> Finding:
    """Show the account, Region, and caller."""
    subject = case.subject
    return ok(f"account {subject.account_id} in {subject.region}, {subject.caller.text}")


# Amazon Q Business.


def application(case: Case) -> Finding:
    """Ask whether the application exists, has the expected ARN, and is active."""
    subject, found = case.subject, case.subject.find_application()
    identifier, region = subject.application_id, subject.region
    if found is None:
        return problem(
            f"there is no application {identifier} in {region}: "
            f"`{aws_command('qbusiness list-applications', region=region)}` lists the applications",
            f"{subject.set_command('application_id', 'APPLICATION_ID')}; "
            f"or, if it is in another Region, {subject.set_command('region', 'REGION')}",
        )
    if (arn := found["applicationArn"]) != subject.policies.application_arn:  # IAM compares the case
        text = f"the application's ARN in AWS is {arn}, which the expected trust policy does not allow"
        return problem(text, subject.set_command("application_id", arn))
    return _active(subject, "application", identifier, found, "")


def index(case: Case) -> list[Finding]:
    """Ask whether each index exists, is active, and belongs to the application."""
    subject = case.subject
    own = subject.index_id
    used = dict.fromkeys([own, *(needs.index_id for needs in subject.needs)])
    return about_each(((each, partial(_index, subject, each)) for each in used), NO_APPLICATION, own)


def _index(subject: Subject, identifier: str) -> Finding:
    needed(subject.find_application(), NO_APPLICATION)
    found = ignore(is_gone, lambda: subject.account.index(subject.application_id, identifier))
    if found is None:
        of = {"region": subject.region, "application_id": subject.application_id}
        lists = aws_command("qbusiness list-indices", **of)
        return problem(
            f"there is no index {identifier} in this application: `{lists}` lists the indexes",
            subject.set_command("index_id", "INDEX_ID"),
        )
    return _active(subject, "index", identifier, found, " and belongs to the application")


def _active(subject: Subject, kind: str, identifier: str, found: Reply, more: str) -> Finding:
    status, error = found["status"], found.get("error", {}).get("errorMessage")
    if status in ("ACTIVE", "UPDATING"):
        return ok(f"{found.get('displayName') or identifier} is {status.lower()}{more}")
    if status not in ("CREATING", "DELETING", "FAILED"):
        raise unknown_status(f"qbusiness:Get{kind.title()}", status)
    reason = f": {error}" if error else ""
    return problem(
        f"{kind} {identifier} is {status}{reason}",
        f"wait until the {kind} is ACTIVE"
        if status == "CREATING"
        else f"create another {kind}, then {subject.set_command(f'{kind}_id', f'{kind.upper()}_ID')}",
    )


# The secret, and the keys of the secret and the bucket.


def secret(case: Case) -> list[Finding]:
    """Ask whether each secret exists, has a value, and is not scheduled for deletion.

    The ARN of the secret in the settings must be exact, because the role policy needs the suffix.
    """
    subject = case.subject
    own = next((each.arn for each in subject.secrets if each.arn == subject.secret_arn), "")
    named = dict.fromkeys(each for _, uses in subject.users for each in uses.secret_ids)
    others = [each for each in named if not (own and is_named(own, each, subject.account_id))]
    questions = [(own, partial(_own_secret, subject, own))] if own else []
    questions += [(each, partial(_other_secret, subject, each)) for each in others]
    return about_each(questions, NO_SECRET, own)


def _usable(subject: Subject, secret: Reply) -> Finding:
    """Ask whether a secret has a value and is not scheduled for deletion."""
    arn = secret["ARN"]
    if "DeletedDate" in secret:
        restore = aws_command("secretsmanager restore-secret", region=Arn.of(arn).region, secret_id=arn)
        return problem(f"{arn} is scheduled for deletion", as_owner(subject.account_id, arn, restore))
    if not any("AWSCURRENT" in stages for stages in secret.get("VersionIdsToStages", {}).values()):
        return problem(f"{arn} has no value", _put_secret_value(subject, arn))
    return ok(f"{arn} exists and has a value")


def _other_secret(subject: Subject, secret_id: str) -> Finding:
    """Ask about a data source's secret, by its ARN or name, that is in no setting."""
    found = ignore(is_gone, lambda: subject.account.secret(secret_id))
    if found is None:
        return problem(
            f"there is no secret {secret_id}, which the data source names",
            "point the data source to an existing secret",
        )
    return _usable(subject, found)


def _put_secret_value(subject: Subject, arn: str) -> str:
    """Return the command that writes a new version of a secret."""
    command = aws_command(
        "secretsmanager put-secret-value",
        region=Arn.of(arn).region,
        secret_id=arn,
        secret_string="file://SECRET_FILE",  # noqa: S106 a placeholder
    )
    return as_owner(subject.account_id, arn, command)


def _encrypt_secret(subject: Subject, arn: str, key_arn: str) -> tuple[str, ...]:
    """Return the steps that change a secret's key."""
    region = Arn.of(arn).region
    options = {"region": region, "secret_id": arn, "kms_key_id": key_arn}
    command = aws_command("secretsmanager update-secret", **options)
    others = "let everybody else who reads the secret decrypt with the new key, too"
    return others, as_owner(subject.account_id, arn, command)


def _own_secret(subject: Subject, arn: str) -> Finding:
    """Ask about the secret in the settings; if it does not exist, suggest one with the same name."""
    if found := subject.find_secret(arn):
        return _usable(subject, found)
    # By the name first, because AWS may find another secret by an ARN without its suffix.
    named = arn.rpartition(":secret:")[2] if Arn.of(arn).account == subject.account_id else arn
    found = ignore(is_gone, lambda: subject.account.secret(named))
    if found and found["ARN"].startswith(f"{arn}-"):
        return problem(
            f"there is no secret {arn}, but there is {found['ARN']}: secretId lacks the hyphen and six "
            "characters that Secrets Manager added to the name",
            subject.set_command("secret_id", found["ARN"]),
        )
    if new := subject.recreated_secret:
        updates = (
            step
            for source, uses in subject.users
            if arn in uses.secret_ids
            for step in use_secret(source, arn, new)
        )
        return problem(
            f"there is no secret {arn}, but {new} has the same name: the secret was recreated, or "
            "secretId has the wrong suffix",
            (subject.set_command("secret_id", new), *updates),
        )
    lists = aws_command("secretsmanager list-secrets", region=subject.region)
    return problem(
        f"there is no secret {arn}: `{lists}` lists the secrets",
        subject.set_command("secret_id", "SECRET_ARN"),
    )


def encryption(case: Case) -> list[Finding]:
    """Ask whether the role can decrypt each secret, and objects with the bucket's default encryption.

    The key of a secret and the key of its current version can differ.
    """
    subject = case.subject
    of_secrets = ((each.arn, partial(_encryption_of_secret, case, each)) for each in subject.secrets)
    of_buckets = ((each.name, partial(_encryption_of_bucket, case, each)) for each in subject.buckets)
    none = ok("the role reads neither a secret nor a bucket")
    return about_each([*of_secrets, *of_buckets], none, subject.secret_arn, subject.bucket)


def _encryption_of_secret(case: Case, secret: Secret) -> Finding:
    subject, arn, wanted = case.subject, secret.arn, case.subject.key_arn
    key_id = needed(subject.find_secret(arn), skipped("the secret was not found")).get("KmsKeyId")
    actual = subject.key_in_use(key_id)
    is_here = Arn.of(arn).account == subject.account_id
    if actual is None and not is_here:
        fix = _encrypt_secret(subject, arn, wanted or "KEY_ARN")
        return problem(f"the secret is encrypted with {_AWS_MANAGED}, {_NOT_ACROSS_ACCOUNTS}", fix)
    answer = ok(f"the secret is encrypted with {actual or _AWS_MANAGED}")
    if arn == subject.secret_arn:  # for other secrets' keys, there is no setting
        answer = _same_key(case, arn, "the secret", actual)
    if secret.key_arn != actual:
        return _encryption_of_version(case, secret, actual, answer)
    versions = ignore(is_denied, lambda: subject.account.secret_versions(arn))
    if versions is None and answer.state is not State.PROBLEM:
        return cannot_tell(
            f"{answer.text}, but its current version may still be encrypted with an earlier key",
            f"allow {action('ListSecretVersionIds')} ({PERMISSIONS_PAGE})",
        )
    return answer


def _encryption_of_version(case: Case, secret: Secret, later: str | None, answer: Finding) -> Finding:
    """Ask about the current version of a secret, whose later versions will have another key."""
    text = f"the secret's current version is still encrypted with {secret.key_arn or _AWS_MANAGED}"
    allowed = stay_allowed(case, _groups_on(case, secret.key_arn))
    is_foreign = Arn.of(secret.arn).account != case.subject.account_id
    if allowed is Truth.NO or (secret.key_arn is None and is_foreign):
        return problem(text, _put_secret_value(case.subject, secret.arn))
    if allowed is Truth.CANNOT_TELL:
        return cannot_tell(text, 'see "KMS key" and "key policy"')
    if later == case.subject.key_arn:
        return answer
    if later is None:
        return note(f"{text}: keep the role's access to it until somebody writes a new version")
    both = SeparatePolicy.for_key(later, "secretsmanager")
    steps = (*_use_both(case.subject, both), _put_secret_value(case.subject, secret.arn))
    is_shared = _is_used_elsewhere(case.subject, secret.arn)
    change = () if is_shared else _change_setting(case.subject, both, later)
    return note(f"{text}, but the next version will be encrypted with {later}", (*steps, *change))


def _groups_on(case: Case, arn: str | None) -> list[RequestGroup]:
    """Return the requests for a resource."""
    return [group for group, _ in case.by_group if group.resource.known == arn]


def _encryption_of_bucket(case: Case, bucket: Bucket) -> Finding:
    subject, owner = case.subject, bucket.owner or case.subject.account_id
    try:
        algorithm, key_id = subject.account.bucket_encryption(bucket.name, owner)
    except ClientError as error:
        return _unseen_bucket(subject, bucket.owner, error)
    encrypted = f"by default, bucket {bucket.name}"
    connector = bucket.connector
    is_source = connector.bucket_is_source
    if connector.name in _S3_KEYS_CONNECTORS and algorithm != S3_KEYS_ALGORITHM:
        return problem(
            f"{encrypted} is encrypted with {key_id or _AWS_MANAGED} ({algorithm}), but the "
            f"{connector.name} connector reads only buckets with Amazon S3 managed keys",
            _encrypt_bucket(bucket.name),
        )
    actual = subject.key_in_use(key_id) if is_source else _key_of_files(subject, key_id)
    if actual is None and algorithm != S3_KEYS_ALGORITHM and owner != subject.account_id:
        or_key = ("or use a customer managed key and set kmsKeyId",) if is_source else ()
        return problem(
            f"{encrypted} is encrypted with {_AWS_MANAGED}, {_NOT_ACROSS_ACCOUNTS}",
            (*_encrypt_bucket(bucket.name), *or_key),
        )
    if is_source and bucket.name == subject.bucket:
        return _same_key(case, bucket.arn, encrypted, actual)
    if is_source or actual is None:  # for another bucket's key, there is no setting
        return ok(f"{encrypted} is encrypted with {actual or _AWS_MANAGED}")
    return problem(
        f"{encrypted} is encrypted with {actual}, but no setting lets the role use this key for files",
        _encrypt_bucket(bucket.name),
    )


def _key_of_files(subject: Subject, key_id: str | None) -> str | None:
    """Return the ARN or alias ARN of the key of a bucket that is not the data source.

    Return None if AWS manages the key.
    """
    key = Arn.of(key_id or "")
    is_here = (key.region, key.account) == (subject.region, subject.account_id)
    # Only a key in this account and Region can be looked up. Elsewhere, an alias identifies AWS's keys.
    if is_here:
        return subject.account.customer_managed_key(key_id)
    return None if not key_id or is_aws_alias(key_id) else key_id


def _encrypt_bucket(bucket: str, default: str = '{"SSEAlgorithm":"AES256"}') -> tuple[str, ...]:
    """Return the steps that change a bucket's encryption, by default to Amazon S3 managed keys."""
    command = aws_command(
        "s3api put-bucket-encryption",
        bucket=bucket,
        server_side_encryption_configuration=(
            f'{{"Rules":[{{"ApplyServerSideEncryptionByDefault":{default}}}]}}'
        ),
    )
    again = "upload the objects again, because existing objects keep their encryption"
    return command, again


def _same_key(case: Case, arn: str, encrypted: str, actual: str | None) -> Finding:
    """Ask whether the key of a secret or bucket is the one in the settings.

    None stands for a key that AWS manages.

    Another key is a problem only if the role cannot use it.
    """
    subject, wanted = case.subject, case.subject.key_arn
    if actual == wanted:
        return ok(f"{encrypted} is encrypted with {wanted or _AWS_MANAGED}")
    text = f"{encrypted} is encrypted with {actual or _AWS_MANAGED}, but kmsKeyId is "
    allowed = stay_allowed(case, _groups_on(case, actual))
    service = "secretsmanager" if subject.secret_arn else "s3"  # without a secret, the bucket's key
    both = SeparatePolicy.for_key(actual, service) if actual and wanted else None
    steps = _change_setting(subject, both, actual)
    if _is_used_elsewhere(subject, arn):
        steps = () if allowed is Truth.YES else _use_both(subject, both)
    elif wanted and service == "s3":
        upload = f"upload the objects that are encrypted with {wanted} again"
        steps = (*_use_both(subject, both), upload, *steps)
    return ABOUT_DIFFERENCE[allowed](f"{text}{wanted or 'not set'}", steps)


def _is_used_elsewhere(subject: Subject, arn: str) -> bool:
    """Return whether the role needs the key in the settings for any other secret or bucket."""
    keys = {each.key_arn for each in subject.secrets if each.arn != arn}
    keys.update(key for each in subject.buckets if each.arn != arn for key in each.key_arns)
    return subject.key_arn in keys - {None}


def _use_both(subject: Subject, other: SeparatePolicy | None) -> tuple[str, ...]:
    """Return the steps that let the role use another key, in addition to the one in the settings."""
    return (other.put(subject.settings.role_name), *subject.keep_other_policies) if other else ()


def _change_setting(
    subject: Subject, other: SeparatePolicy | None, key_arn: str | None
) -> tuple[str, ...]:
    """Return the steps that set the key once nothing needs the key in the settings."""
    remove = (remove_policy(subject.settings.role_name, other.name),) if other else ()
    return (subject.set_command("kms_key_id", key_arn), *remove)


def key(case: Case) -> list[Finding]:
    """Ask whether each key exists, is enabled, and is a symmetric encryption key."""
    subject = case.subject
    keys = ((arn, partial(_key, subject, arn)) for arn in subject.key_arns)
    return about_each(keys, NO_KEY, subject.key_arn)


def _key(subject: Subject, arn: str) -> Finding:
    found = subject.find_key(arn)
    if found is None:
        return problem(f"there is no key {arn}", _change_key(subject, arn, "KEY_ID"))
    if (state := found["KeyState"]) not in _USABLE_STATES:
        return problem(f"{arn} is not usable: {state}", _make_usable(subject, found))
    spec = found.get("KeySpec") or found["CustomerMasterKeySpec"]
    if spec != "SYMMETRIC_DEFAULT" or found.get("KeyUsage", "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT":
        return problem(
            f"{arn} is not a symmetric encryption key: its spec is {spec}, and its usage is "
            f"{found.get('KeyUsage')}",
            _change_key(subject, arn, "SYMMETRIC_KEY_ARN"),
        )
    return ok(f"{arn} is usable and symmetric")


def _make_usable(subject: Subject, found: Reply) -> str:
    """Return how to make a key usable, which only the account that owns the key can do."""
    owner = Arn.of(found["Arn"]).account
    if owner != subject.account_id:
        return f"account {owner}, which owns the key, must make it usable: {_KEY_STATES_PAGE}"
    of = {"region": Arn.of(found["Arn"]).region, "key_id": found["KeyId"]}
    enable = aws_command("kms enable-key", **of)
    commands = {
        "Disabled": enable,
        "PendingDeletion": f"{aws_command('kms cancel-key-deletion', **of)} && {enable}",
    }
    return commands.get(found["KeyState"], f"make the key usable: {_KEY_STATES_PAGE}")


def _change_key(subject: Subject, arn: str, new: str) -> tuple[str, ...]:
    """Return the steps that replace a key with another one, for the secrets and buckets.

    If kmsKeyId is the replaced key, the last step sets it to the new key.
    """
    secrets = [each.arn for each in subject.secrets if each.key_arn == arn]
    steps = [step for each in secrets for step in _encrypt_secret(subject, each, new)]
    default = f'{{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"{new}"}}'
    buckets = [each.name for each in subject.buckets if arn in each.key_arns]
    steps += [step for each in buckets for step in _encrypt_bucket(each, default)]
    if arn == subject.key_arn:
        steps.append(subject.set_command("kms_key_id", new))
    return tuple(dict.fromkeys(steps))


# The bucket.


def bucket(case: Case) -> list[Finding]:
    """Ask whether each bucket exists in the expected account.

    If a bucket is the data source, also ask whether it is in the index's Region.
    """
    subject = case.subject
    questions = ((each.name, partial(_bucket, subject, each)) for each in subject.buckets)
    return about_each(questions, NO_BUCKET, subject.bucket)


def _bucket(subject: Subject, bucket: Bucket) -> Finding:
    name, owner = bucket.name, needed(bucket.owner, _unknown_owner(subject, bucket.name))
    point = "point the data source to"
    set_owner = f"{point} a bucket of account {owner}"
    set_bucket = f"{point} an existing bucket in {subject.region}"
    if name == subject.bucket:
        set_owner = subject.set_command("bucket_account_id", "ACCOUNT_ID")
        set_bucket = subject.set_command("bucket_name", "BUCKET_NAME")
    try:
        region = ignore(is_gone, lambda: subject.account.bucket_region(name))
    except ClientError as error:
        if is_denied(error) and owner == subject.account_id and subject.settings.stack:
            fix = f"if another account owns the bucket, {set_owner}"
            return not_allowed(failed_action(error))._replace(fix=(fix,))
        return _unseen_bucket(subject, owner, error)
    if region is None:
        return problem(f"there is no bucket {name}", set_bucket)
    if ignore(is_denied, lambda: subject.account.bucket_region(name, owner)) is None:
        text = f"bucket {name} does not belong to account {owner}, the account in the role policy"
        return problem(text, set_owner)
    if region != subject.region and bucket.connector.bucket_is_source:
        return problem(
            f"bucket {name} is in {region}, but the index is in {subject.region}: Amazon Q Business "
            "reads only buckets in the index's Region",
            (
                f"aws s3 sync s3://{name} s3://BUCKET_NAME",
                set_bucket,
            ),
        )
    return ok(f"{name} exists in account {owner}, {region}")


def _unknown_owner(subject: Subject, name: str) -> Finding:
    """Return the answer if neither the data source nor Amazon S3 says which account owns the bucket."""
    head = aws_command("s3api head-bucket", bucket=name, expected_bucket_owner="ACCOUNT_ID")
    return cannot_tell(
        f"the account that owns the bucket {name} is unknown: the data source's configuration does not "
        f"contain it, and Amazon S3 does not confirm that it is {subject.account_id}",
        f"`{head}` succeeds only for the owner",
    )


def _unseen_bucket(subject: Subject, owner: str | None, error: ClientError) -> Finding:
    """Return the answer if the bucket does not exist, or access to another account's bucket is denied.

    A bucket whose account is unknown counts as another account's bucket. Raises other errors.
    """
    if code(error) == "NoSuchBucket":
        return skipped("the bucket was not found")
    if not is_denied(error) or owner == subject.account_id:
        raise error
    if owner is None:
        return skipped('the account that owns the bucket is unknown: see "bucket"')
    return cannot_tell(
        f"access to the bucket is denied; according to the settings, account {owner} owns it",
        f"allow {action(error.operation_name)} for the caller, {subject.caller.text}, in the bucket "
        "policy and in the caller's own policies; if the account is wrong, correct bucketAccountId",
    )
