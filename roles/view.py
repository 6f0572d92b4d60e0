"""Read a role, its data sources, their needs, and the policies that apply to their requests."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any, Final

from components.connector_role import POLICY_NAME
from components.problems import SettingsError
from guardrails.iam.decisions import Applicable, Cause, Decision, Kind, Policy, decide
from guardrails.iam.documents import Kind as DocumentKind
from guardrails.iam.documents import Statement
from guardrails.iam.evaluation import RolePrincipal, applies
from guardrails.iam.patterns import Text
from guardrails.iam.truth import Truth, some
from roles.account import Account, Role
from roles.arns import Arn
from roles.check.context import (
    OF_ORGANIZATION,
    Facts,
    assume_request,
    is_tag_key,
    keys_in,
    with_context,
)
from roles.check.requests import RequestGroup, connector_requests
from roles.declared import Declared
from roles.detection import Uses, find_connector, is_named
from roles.difference import TRUST_POLICY, readable, role_statements, statements
from roles.errors import InputError
from roles.findings import Finding, attempt, attempt_or, cannot_tell, not_allowed, note, problem
from roles.needs import Known, Needs, read_needs
from roles.policies import Policies
from roles.rendering import expected_policies
from roles.sources import Source, read_sources
from roles.syncs import INGESTION, Evidence, is_application, read_evidence

Stated = Mapping[str, tuple[Text, ...]]
"""The values from `--context`, by lowercase key; empty for a key that is absent."""
_ACTIONS: Final = {
    Kind.KEY: "kms:GetKeyPolicy",
    Kind.SECRET: "secretsmanager:GetResourcePolicy",
    Kind.BUCKET: "s3:GetBucketPolicy",
}
"""The actions that read the policies of resources."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A role to check, before its policies are read."""

    account: Account
    name: str
    """The role's entry in a stack or, for a role outside any stack, the ID of a data source."""
    role_arn: str
    """The ARN of the role; empty if the data source has no role."""
    declared: Declared | None = None
    """The role as a stack's program declares it; None outside any stack."""
    expected: Policies | None
    """The policies that the program writes; None if it rejects the data source's settings."""
    required: Sequence[Statement] | None
    """The statements that the role needs, as far as its needs are known; None if they are unknown."""
    optional: Sequence[Statement] = ()
    """The statements that the role can have in addition to the required ones."""
    everyone: Sequence[Source] | Finding
    """All data sources of the application."""
    users: Sequence[tuple[Source | None, Needs]]
    """The role's data sources and their needs; if no source is known, None and the policy's needs."""
    stated: Stated
    closely: bool = True
    """Whether to read secrets' policies even if the role's own policies allow reading the secrets."""

    @property
    def application_arn(self) -> str:
        """The ARN of the application."""
        return self.users[0][1].application_arn


@dataclass(frozen=True, kw_only=True)
class View(Subject):
    """A role, and the policies and facts that determine the decisions on its requests."""

    role: Role | Finding | None
    """The role, or a finding if it could not be read; None if the role does not exist."""
    own: Sequence[Policy]
    """The role's own policies; if the role does not exist, the one that the program would write."""
    boundary: Policy | None
    resources: Sequence[Policy]
    """The policies of the keys, secrets, and buckets."""
    facts: Facts
    trust: Decision
    """Whether Amazon Q Business can assume the role for the application."""
    by_group: Sequence[tuple[RequestGroup, Sequence[Decision]]] = ()
    """The connector's requests, in groups that IAM can simulate together, with the decisions on them."""

    @property
    def decisions(self) -> list[Decision]:
        """The decisions about the connector's requests."""
        return [decision for _, found in self.by_group for decision in found]

    @property
    def policies(self) -> list[Policy]:
        """All policies, including those that could not be read."""
        return [*self.trust.policies.role, *self.own, *filter(None, [self.boundary]), *self.resources]

    @property
    def evidence(self) -> Evidence:
        """The evidence about ingestion from the last syncs."""
        sources = [source.data_source for source, _ in self.users if source]
        found = attempt(lambda: read_evidence(self.account, sources))
        return Evidence(found.text) if isinstance(found, Finding) else found

    def is_disputed(self, decision: Decision) -> bool:
        """Return whether AWS's pages disagree on whether a request must be allowed.

        They disagree on ingestion into the application. The result is False if the policies do not allow
        the action on the index, or if a sync failed because ingestion was denied.
        """
        action, arn = decision.request.action, decision.request.resource.known
        if action not in INGESTION or not is_application(arn):
            return False
        of_index = [each for each in self.decisions if each.request.action == action]
        allowed = all(each.allowed is Truth.YES for each in of_index if each is not decision)
        return allowed and not self.evidence.is_denied

    def decide(self, group: RequestGroup, own: Sequence[Policy]) -> list[Decision]:
        """Return the decisions on the requests of a group, given the role's own policies.

        A key's or bucket's tags are read only if a decision depends on them. A key's grants are read,
        and can allow requests, only if the policies lack an Allow.
        """
        arn, role = group.resource.known, self.role
        named = (arn, arn.partition("/")[0])  # the ARNs of an object and its bucket
        of_resource = next((each for each in self.resources if each.resource in named), None)
        is_foreign = group.account not in ("", self.facts.account)
        policies = Applicable(own, self.boundary, of_resource, is_foreign)
        requests = [with_context(self.facts, group, action) for action in group.actions]
        decisions = [self._decide_with_tags(group, decide(each, policies)) for each in requests]
        if (
            isinstance(role, Role)
            and group.service == "kms"
            and any(decision.lacks_allow for decision in decisions)
        ):
            grant = attempt_or(Truth.CANNOT_TELL, lambda: may_decrypt(self.account, arn, role.arn))
            decisions = [
                decide(decision.request, decision.policies._replace(grant=grant))
                for decision in decisions
            ]
        return decisions

    def _decide_with_tags(self, group: RequestGroup, decision: Decision) -> Decision:
        """Return the decision after reading the resource's tags, if the decision depends on them."""
        tags = self.read_tags(decision) if any(map(depends_on_tags, decision.causes)) else None
        if tags is None or isinstance(tags, Finding):
            return decision
        facts = self.facts._replace(
            resource_tags={**self.facts.resource_tags, group.resource.known: tags}
        )
        request = with_context(facts, group, decision.request.action)
        policies = decision.policies
        if group.service == "kms":
            policies = policies._replace(resource_context=decision.request.context)
        return decide(request, policies)

    def read_tags(self, decision: Decision) -> list[tuple[str, str]] | Finding | None:
        """Return the tag keys and values of a request's key or bucket.

        The result is None for a resource of another type or account, whose tags are unknown.
        """
        arn, account_id = decision.request.resource.known, self.facts.account
        owner = decision.request.context.get("aws:ResourceAccount")
        if owner != (Text(account_id),) or Arn.of(arn).service not in ("kms", "s3"):
            return None
        return attempt(lambda: self.account.tags(arn, account_id))


def depends_on_tags(cause: Cause) -> bool:
    """Return whether a policy's effect is unknown because a key's or bucket's tags may be unknown.

    The effect of a key policy does not depend on its key's tags: key policies do not support
    aws:ResourceTag, and AWS does not document how they evaluate it:
    https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html
    """
    return cause.policy.kind is not Kind.KEY and any(map(is_tag_key, cause.keys))


def may_decrypt(account: Account, key_arn: str, role_arn: str) -> Truth:
    """Return whether a grant allows a role to decrypt; CANNOT_TELL if the grant has constraints.

    https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
    """
    return some(
        Truth.CANNOT_TELL if grant.get("Constraints") else Truth.YES
        for grant in account.items("kms:ListGrants", key_arn, role_arn)
        if "Decrypt" in grant["Operations"]
    )


def may_fit(declared: Declared, source: Source) -> bool:
    """Return whether a role policy and a source share an index and secret or bucket, or have neither."""
    ours, theirs, account = declared.uses, source.uses, Arn.of(declared.application_arn).account
    if isinstance(theirs, Finding) or source.fault or source.data_source.index_id != declared.index_id:
        return False
    same = [each for each in product(ours.secret_ids, theirs.secret_ids) if is_named(*each, account)]
    return bool(same or {*ours.buckets} & {*theirs.buckets}) or not (
        *ours.secret_ids,
        *ours.buckets,
        *theirs.secret_ids,
        *theirs.buckets,
    )


def fits(declared: Declared, view: View) -> bool:
    """Return whether a declared role policy allows all requests of a data source."""
    requests = [
        with_context(view.facts, group, action)
        for group in connector_requests([needs for _, needs in view.users], declared.role_arn)
        for action in group.actions
    ]
    return all(
        any(applies(each, request) is Truth.YES for each in declared.policies.of_role)
        for request in requests
    )


# Views of a stack's roles, and of data sources.


def view_of_entry(account: Account, declared: Declared, stated: Stated) -> View:
    """Read the role of a stack's entry."""
    arn, known = declared.application_arn, declared.known
    everyone = attempt(lambda: read_sources(account, Arn.of(arn).name))
    sources = () if isinstance(everyone, Finding) else everyone
    having = [each for each in sources if each.role_arn == declared.role_arn]
    users: list[tuple[Source | None, Needs]] = []
    for each in having:
        if isinstance(each.uses, Uses) and not each.fault:
            needs = Needs(arn, each.data_source.index_id, find_connector(each.uses))
            users.append((each, read_needs(account, needs, each.uses, known)))
    if not users:
        needs = Needs(arn, declared.index_id, declared.connector)
        known = known._replace(entry="" if having else declared.name)
        users = [(None, read_needs(account, needs, declared.uses, known))]
    users = [(each, needs._replace(deletes=declared.deletes)) for each, needs in users]
    named = declared.uses.secret_ids
    others = [each for _, needs in users for each in needs.secrets if each.arn not in named]
    needed = declared.policies._replace(other_secrets=tuple(dict.fromkeys(others))).needed
    return _view(
        Subject(
            account=account,
            name=declared.name,
            role_arn=declared.role_arn,
            declared=declared,
            expected=declared.policies,
            required=needed,
            everyone=everyone,
            users=users,
            stated=stated,
        )
    )


def view_of_source(account: Account, application_id: str, data_source_id: str, stated: Stated) -> View:
    """Read the role of a data source, without a stack."""
    everyone = read_sources(account, application_id)
    source = next((each for each in everyone if each.data_source.id == data_source_id), None)
    if source is None:
        has = ", ".join(each.data_source.id for each in everyone) or "none"
        raise InputError(
            f"there is no data source {data_source_id} in this application; its data sources: {has}"
        )
    return view_of_data_source(account, everyone, source, stated)


def view_of_data_source(
    account: Account, everyone: Sequence[Source], source: Source, stated: Stated, *, closely: bool = True
) -> View:
    """Read the role of a data source; `closely` is as in `read_needs` and `Subject`.

    Raises InputError unless the data source's requests are known.
    """
    if source.fault or isinstance(source.uses, Finding):
        raise InputError(source.fault)
    application_arn = source.details["dataSourceArn"].partition("/index/")[0]
    needs = Needs(application_arn, source.data_source.index_id, find_connector(source.uses))
    known = Known() if closely else Known(network=_network_of_role(account, source.role_arn))
    needs = read_needs(account, needs, source.uses, known, closely=closely)
    expected, required, optional = None, None, []
    try:
        expected, required, optional = expected_policies(needs, source.role_arn)
    except SettingsError as error:
        reasons = "; ".join(f"{each.place.name}: {each.given}" for each in error.problems)
        fault = problem(f"the program rejects the settings of this data source: {reasons}")
        needs = needs._replace(faults=(*needs.faults, fault._replace(question="data source")))
    return _view(
        Subject(
            account=account,
            name=source.data_source.id,
            role_arn=source.role_arn,
            expected=expected,
            required=required,
            optional=optional,
            everyone=everyone,
            users=[(source, needs)],
            stated=stated,
            closely=closely,
        )
    )


def _network_of_role(account: Account, role_arn: str) -> tuple[str, ...]:
    """Return the ARNs of the subnets in a role's policies; other accounts may own the subnets."""
    role = find_role(account, role_arn)
    found = attempt_or([], lambda: role_statements(role)) if isinstance(role, Role) else []
    values = [value for each in found for value in each.resources.values]
    return tuple(each for each in values if ":subnet/" in each and "*" not in each)


def find_role(account: Account, arn: str) -> Role | Finding | None:
    """Return the role only if it has exactly this ARN; IAM finds roles by name, whatever the path."""
    gone = note("")
    found = attempt(lambda: account.role(Arn.of(arn).name), gone) if arn else gone
    return None if found is gone or (isinstance(found, Role) and found.arn != arn) else found


def _view(subject: Subject) -> View:
    account, every = subject.account, [needs for _, needs in subject.users]
    home, role = Arn.of(subject.application_arn), find_role(account, subject.role_arn)
    own, trust = _policies_of(subject, role)
    boundary = _boundary(account, role)
    resources = _policies_of_resources(account, home, every, closely=subject.closely)
    policies = [*own, *filter(None, [boundary]), *resources]
    facts = _facts(subject, role, keys_in(each for policy in policies for each in policy.statements))
    assume = assume_request(facts, facts.principal.arn, home.text)
    view = View(
        **vars(subject),
        role=role,
        own=own,
        boundary=boundary,
        resources=resources,
        facts=facts,
        trust=decide(assume, Applicable([trust])),
    )
    groups = connector_requests(every, subject.role_arn)
    view = replace(view, by_group=[(group, view.decide(group, own)) for group in groups])
    is_allowed = all(each.allowed is Truth.YES for each in view.decisions)
    return view if is_allowed or subject.closely else _view(replace(subject, closely=True))


def _policies_of(subject: Subject, role: Role | Finding | None) -> tuple[list[Policy], Policy]:
    """Return the role's own policies, beginning with the program's role policy, and the trust policy.

    A missing Allow is reported for the first policy.
    """
    own, trust = Policy(Kind.ROLE, POLICY_NAME), Policy(Kind.TRUST, TRUST_POLICY)
    if isinstance(role, Finding):
        return [own._replace(unread=role)], trust._replace(unread=role)
    if role is None:
        wanted = subject.expected or Policies("", "")
        return [_parsed(own, wanted.role_policy)], _parsed(trust, wanted.trust_policy)
    other = Kind.OTHER if subject.declared else Kind.ROLE
    found = [_parsed(own, role.inline_policies.get(POLICY_NAME))]
    for name, document in {**role.inline_policies, **role.attached_policies}.items():
        found += [_parsed(Policy(other, name), document)] if name != POLICY_NAME else []
    if role.denied:
        found.append(Policy(other, "attached policies", unread=not_allowed(role.denied)))
    return found, _parsed(trust, role.trust_policy)


def _parsed(empty: Policy, document: Any) -> Policy:
    """Return `empty` with the statements of a document; unchanged if there is no document."""
    return _read(empty, lambda: statements(empty.name, document)) if document else empty


def _boundary(account: Account, role: Role | Finding | None) -> Policy | None:
    if isinstance(role, Finding):
        return Policy(Kind.BOUNDARY, Kind.BOUNDARY, unread=role)
    arn = role.permissions_boundary if role else ""
    empty = Policy(Kind.BOUNDARY, arn)
    return _read(empty, lambda: statements(arn, account.managed_policy(arn))) if arn else None


def _read(empty: Policy, read: Callable[[], tuple[Statement, ...]]) -> Policy:
    found = attempt(read)
    if isinstance(found, Finding):
        return empty._replace(unread=found)
    return empty._replace(statements=found)


def _policies_of_resources(
    account: Account, home: Arn, every: Sequence[Needs], *, closely: bool
) -> list[Policy]:
    """Read the policies of keys, buckets, and secrets; without `closely`, skip the account's secrets."""
    buckets = {each.arn: each.owner or "" for needs in every for each in needs.buckets}
    secrets = [
        each.arn
        for needs in every
        for each in needs.secrets
        if not each.is_deleted and (closely or Arn.of(each.arn).account != home.account)
    ]
    owners = {arn: (Kind.KEY, Arn.of(arn).account) for needs in every for arn in needs.key_arns}
    owners |= {arn: (Kind.SECRET, Arn.of(arn).account) for arn in secrets}
    owners |= {arn: (Kind.BUCKET, owner) for arn, owner in buckets.items()}
    # If a bucket's owner is unknown, a fault reports this.
    faults = [each for needs in every for each in needs.faults if each.question == "bucket"]
    return [
        _of_resource(account, home, Policy(kind, kind, resource=arn), owner)
        if owner
        else Policy(kind, kind, unread=next(iter(faults), None), resource=arn)
        for arn, (kind, owner) in owners.items()
    ]


def _of_resource(account: Account, home: Arn, empty: Policy, owner: str) -> Policy:
    kind, arn = empty.kind, empty.resource
    text = f"account {owner} owns {arn}, so these credentials cannot read the {kind}"
    foreign = empty._replace(unread=cannot_tell(text, f"ask the administrators of account {owner}"))
    is_foreign = owner != home.account
    if is_foreign and kind is not Kind.SECRET:  # AWS returns these policies only to the owner
        return foreign

    def read() -> tuple[Statement, ...]:
        action = _ACTIONS[kind]
        document = account.policy(action, Arn.of(arn).resource if kind is Kind.BUCKET else arn)
        return readable(document, DocumentKind.RESOURCE, kind, action) if document else ()

    policy = _read(empty, read)
    return foreign if is_foreign and policy.unread else policy


def _facts(subject: Subject, role: Role | Finding | None, keys: Iterable[str]) -> Facts:
    # Reading the organization requires a permission that is otherwise unnecessary.
    account, is_needed = subject.account, any(key.lower() in OF_ORGANIZATION for key in keys)
    arns = [each.arn for _, needs in subject.users for each in needs.secrets]
    secrets = [attempt_or({}, partial(account.secret, arn)) for arn in arns]
    home, known = Arn.of(subject.application_arn), role if isinstance(role, Role) else None
    named = subject.role_arn or f"arn:{home.partition}:iam::{home.account}:role/"
    return Facts(
        account=home.account,
        role=known,
        principal=RolePrincipal(known.arn, known.id, bool(known.permissions_boundary))
        if known
        else RolePrincipal(named, ""),
        resource_tags={
            each["ARN"]: [(tag["Key"], tag.get("Value", "")) for tag in each.get("Tags", [])]
            for each in secrets
            if each
        },
        organization=attempt_or(None, partial(account.get, "organizations:DescribeOrganization"))
        if is_needed
        else None,
        time=datetime.now(UTC),
        stated=subject.stated,
    )
