"""Compare the connector and resources in a role's settings with those of a data source."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from roles.arns import Arn
from roles.detection import Uses


class Difference(NamedTuple):
    """A setting that does not match a data source."""

    setting: str
    """For example `secret_id`."""
    text: str
    values: Sequence[str]
    """The data source's values: all its buckets, its first secret, or its bucket's account.

    The setting can contain only one value. Empty if the data source has none, and for `connector` and
    `vpc_configuration`.
    """


def differences(settings: Uses, data_source: Uses, account_id: str) -> Iterator[Difference]:
    """Find the settings that do not match a data source, which is in the account `account_id`.

    One secret in common is enough. A bucket in the settings is compared only if the data source has one.
    """
    ours, theirs = settings, data_source
    (connector,) = ours.connectors
    if connector not in theirs.connectors:
        types = " or ".join(connector.types.split())
        text = f"its type is {theirs.type}, but the {connector.name} connector has the type {types}"
        yield Difference("connector", text, ())
    if (ours.secret_ids or theirs.secret_ids) and not shared_secrets(ours, theirs, account_id):
        has, named = _describe("secret", theirs.secret_ids), ", ".join(ours.secret_ids) or "not set"
        yield Difference("secret_id", f"{has}, but secretId is {named}", theirs.secret_ids[:1])
    if ours.network != theirs.network:
        has, named = (", ".join(sorted(each.network)) for each in (theirs, ours))
        has = f"its VPC has {has}" if has else "it has no VPC"
        text = f"{has}, but vpcConfiguration {f'has {named}' if named else 'is not set'}"
        yield Difference("vpc_configuration", text, ())
    if theirs.buckets and theirs.buckets != ours.buckets:
        has, named = _describe("bucket", theirs.buckets), ", ".join(ours.buckets) or "not set"
        yield Difference("bucket_name", f"{has}, but bucketName is {named}", theirs.buckets)
    elif theirs.buckets and theirs.bucket_account not in (None, ours.bucket_account):
        text = (
            f"its bucket belongs to account {theirs.bucket_account}, but the role can read only a "
            f"bucket in account {ours.bucket_account}"
        )
        yield Difference("bucket_account_id", text, (theirs.bucket_account,))


def shared_secrets(settings: Uses, data_source: Uses, account_id: str) -> list[str]:
    """Return the data source's secrets that are also in the settings."""
    return [
        theirs
        for ours in settings.secret_ids
        for theirs in data_source.secret_ids
        if is_named(ours, theirs, account_id)
    ]


def is_named(arn: str, secret_id: str, account_id: str) -> bool:
    """Return whether `secret_id` is the name or ARN of the secret `arn`, with or without the suffix.

    A name can refer only to a secret in the data source's account, which is `account_id`.
    """
    texts = [arn]
    if Arn.of(arn).account == account_id:
        texts.append(arn.rpartition(":secret:")[2])
    return secret_id in [name for text in texts for name in (text, text[: -len("-XXXXXX")])]


def _describe(noun: str, names: Sequence[str]) -> str:
    if not names:
        return f"it has no {noun}"
    return f"its {noun}{'s are' if len(names) > 1 else ' is'} {', '.join(names)}"
