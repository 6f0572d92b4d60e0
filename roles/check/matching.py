"""Match the entries of a stack with the data sources of its application."""

from collections.abc import Sequence

from roles.check.subject import Source, Subject
from roles.detection import Uses, shared_secrets
from roles.findings import Finding
from roles.policy_settings import differences


def entries_for(entries: Sequence[Subject], source: Source) -> list[Subject]:
    """Return the entries that a data source matches or, if there are none, the entries that it fits."""
    fitting = [entry for entry in entries if _fits(entry, source)]
    matching = [entry for entry in fitting if matches(entry, source)]
    return matching or fitting


def matches(entry: Subject, source: Source) -> bool:
    """Return whether a data source has all resources in the settings of an entry, and no others."""
    # `differences` does not report that a data source lacks the settings' bucket, so compare this here.
    uses = source.uses
    return (
        isinstance(uses, Uses)
        and bool(entry.uses.buckets) == bool(uses.buckets)
        and not any(differences(entry.uses, uses, entry.account_id))
    )


def _fits(entry: Subject, source: Source) -> bool:
    """Return whether a data source has the entry's index, connector, and secret or bucket.

    If the entry has no secret or bucket, many data sources fit. Then the data source must match all
    settings, and an entry that already has a data source claims no other.
    """
    ours, (data_source, _, uses) = entry.uses, source
    if isinstance(uses, Finding) or data_source.index_id != entry.index_id:
        return False
    if entry.settings.connector not in uses.connectors:
        return False
    if not (ours.secret_ids or ours.buckets):
        return matches(entry, source) and not entry.data_sources
    is_same_bucket = not {*ours.buckets}.isdisjoint(uses.buckets)
    return is_same_bucket or bool(shared_secrets(ours, uses, entry.account_id))
