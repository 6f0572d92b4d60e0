"""Find the data sources that fit a role of a stack, by its role policy."""

from guardrails.iam.evaluation import applies
from guardrails.iam.truth import Truth
from roles.arns import Arn
from roles.check.context import with_context
from roles.check.requests import connector_requests
from roles.declared import Declared
from roles.detection import is_named
from roles.findings import Finding
from roles.sources import Source
from roles.view import View


def may_fit(declared: Declared, source: Source) -> bool:
    """Return whether a data source has a role policy's index, and its secret or bucket, if any."""
    ours, theirs, account = declared.uses, source.uses, Arn.of(declared.application_arn).account
    if isinstance(theirs, Finding) or source.fault or source.data_source.index_id != declared.index_id:
        return False
    named = any(
        is_named(ours_, each, account) for ours_ in ours.secret_ids for each in theirs.secret_ids
    )
    is_shared = named or not {*ours.buckets}.isdisjoint(theirs.buckets)
    return is_shared or not (*ours.secret_ids, *ours.buckets, *theirs.secret_ids, *theirs.buckets)


def fits(declared: Declared, view: View) -> bool:
    """Return whether a declared role policy allows all requests of a data source."""
    groups = connector_requests([needs for _, needs in view.users], declared.role_arn)
    requests = [with_context(view.facts, group, action) for group in groups for action in group.actions]
    return all(
        any(applies(each, request) is Truth.YES for each in declared.policies.of_role)
        for request in requests
    )
