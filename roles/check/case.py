"""Collect the policies that determine whether AWS allows a role's requests, and decide each request.

If a policy cannot be read, its `Policy` contains a finding instead of statements, so that the other
policies can still be evaluated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from components.connector_role import POLICY_NAME
from guardrails.iam import documents
from guardrails.iam.decisions import Applicable, Decision, Kind, Policy, decide
from guardrails.iam.evaluation import RolePrincipal
from guardrails.iam.patterns import Text
from guardrails.iam.truth import Truth, every
from roles import ingestion
from roles.account import Role
from roles.arns import Arn
from roles.aws_commands import as_owner, aws_command, remove_policy
from roles.check.answers import MissingError, attempt, attempt_or, needed
from roles.check.context import OF_ORGANIZATION, Facts, assume_request, keys_in, with_context
from roles.check.requests import RequestGroup, connector_requests
from roles.check.subject import Subject
from roles.difference import TRUST_POLICY, readable, statements
from roles.errors import code, is_denied
from roles.findings import Finding, cannot_tell, not_allowed, skipped
from roles.grants import may_decrypt

_OPERATIONS: Final = {
    Kind.KEY: "kms:GetKeyPolicy",
    Kind.SECRET: "secretsmanager:GetResourcePolicy",
    Kind.BUCKET: "s3:GetBucketPolicy",
}
"""The actions that read the policies of resources."""


class Case(NamedTuple):
    """A role, the policies that apply to its requests, and the decisions about the requests."""

    subject: Subject
    entries: Sequence[Subject]
    """All roles of the stack."""
    policies: Sequence[Policy]
    """The role's own policies; if the role does not exist, the one that the program would write."""
    boundary: Policy | None
    trust: Decision
    """Whether Amazon Q Business can assume the role for the application, by the trust policy alone."""
    resources: Sequence[Policy]
    """The policies of the keys, secrets, and buckets."""
    facts: Facts
    by_group: Sequence[tuple[RequestGroup, Sequence[Decision]]]
    """The decisions about the connector's requests, in groups that IAM can simulate together."""

    @property
    def keys(self) -> set[str]:
        """The condition keys in the policies, in lowercase."""
        every = (*self.policies, *self.resources, *self.trust.policies.role, self.boundary)
        return {key.lower() for policy in filter(None, every) for key in keys_in(policy.statements)}

    @property
    def decisions(self) -> list[Decision]:
        """The decisions about the connector's requests."""
        return [decision for _, found in self.by_group for decision in found]


def collect(
    subject: Subject, entries: Sequence[Subject], stated: Mapping[str, tuple[Text, ...]]
) -> Case:
    """Collect the policies and other facts about a role's requests, and decide the requests.

    `stated` has the values from `--context`, by lowercase condition key. Raises errors about the
    credentials.
    """
    role = attempt(subject.find_role)
    boundary: Policy | None = None
    if isinstance(role, Finding):
        policies = [Policy(Kind.ROLE, POLICY_NAME, unread=role)]
        boundary = Policy(Kind.BOUNDARY, Kind.BOUNDARY, unread=role)
        trust_policy = Policy(Kind.TRUST, Kind.TRUST, unread=role)
        role = None
    elif role is None:
        policies = [expected_policy(subject)]
        trust_policy = _trust_policy(subject, subject.policies.trust_policy)
    else:
        policies = _of_role(role, in_stack=bool(subject.settings.stack))
        trust_policy = _trust_policy(subject, role.trust_policy)
        boundary = _boundary(subject, role) if role.permissions_boundary else None
    readers = {
        Kind.KEY: (_key_policy, subject.key_arns),
        Kind.SECRET: (_secret_policy, [each.arn for each in subject.secrets]),
        Kind.BUCKET: (_bucket_policy, [each.arn for each in subject.buckets]),
    }
    resources = [
        _read(Policy(kind, kind, resource=arn), partial(read, subject, arn))
        for kind, (read, arns) in readers.items()
        for arn in dict.fromkeys(arns)
    ]
    facts = _facts(subject, role, [*policies, *filter(None, [boundary]), *resources], stated)
    assume = assume_request(facts, facts.principal.arn, subject.policies.application_arn)
    trust = decide(assume, Applicable([trust_policy]), facts.now())
    case = Case(subject, entries, policies, boundary, trust, resources, facts, by_group=())
    groups = connector_requests(subject, subject.needs)
    return case._replace(by_group=[(group, _decide(case, group, policies)) for group in groups])


def is_disputed(case: Case, decision: Decision) -> bool:
    """Return whether the policies deny a request of which AWS's pages disagree whether it is needed.

    The policies must allow the action on the index, and lack only an Allow on the application. A sync
    that failed because it could not ingest documents settles this.
    """
    action, resource = decision.request.action, decision.request.resource.known
    if action not in ingestion.ACTIONS or not ingestion.is_application(resource):
        return False
    of_index = [
        each for each in case.decisions if each.request.action == action and each is not decision
    ]
    is_allowed_on_index = all(each.allowed is Truth.YES for each in of_index)
    return decision.lacks_allow and is_allowed_on_index and not evidence(case).is_denied


def evidence(case: Case) -> ingestion.Evidence:
    """Return what the last syncs of the role's data sources say about ingestion."""
    users = [source for source, _ in case.subject.users]
    found = attempt(lambda: ingestion.read_evidence(case.subject.account, users))
    return ingestion.Evidence(found.text) if isinstance(found, Finding) else found


def stay_allowed(case: Case, groups: Iterable[RequestGroup]) -> Truth:
    """Return whether AWS allows all these requests, now and once `pulumi up` has written its policy."""
    return every(
        decision.allowed
        for group in groups
        for policies in (case.policies, _after_update(case))
        for decision in _decide(case, group, policies)
    )


def _after_update(case: Case) -> Sequence[Policy]:
    """Return the role's own policies once `pulumi up` has written its policy."""
    if not case.subject.settings.stack:
        return case.policies
    is_exclusive = case.subject.settings.get("exclusive_policies")
    others = [] if is_exclusive else [each for each in case.policies if each.name != POLICY_NAME]
    return [expected_policy(case.subject), *others]


def with_boundary(case: Case, arn: str) -> Case:
    """Return the case once `pulumi up` has given the role another boundary and written its policy."""
    subject = case.subject

    def edited(edit: str) -> tuple[str, ...]:
        return (f"in this policy, {edit}, then {subject.up_command}",)

    empty, read = Policy(Kind.BOUNDARY, arn, edited=edited), subject.account.managed_policy
    boundary = _read(empty, lambda: empty._replace(statements=statements(arn, read(arn))))
    principal = case.facts.principal._replace(bounded=True)
    after = case._replace(boundary=boundary, facts=case.facts._replace(principal=principal))
    policies = _after_update(case)
    return after._replace(
        by_group=[(group, _decide(after, group, policies)) for group, _ in case.by_group]
    )


def expected_policy(subject: Subject) -> Policy:
    """Return the role policy that the program writes."""
    return Policy(Kind.ROLE, POLICY_NAME, statements(POLICY_NAME, subject.policies.role_policy))


def _trust_policy(subject: Subject, document: Any) -> Policy:
    def edited(edit: str) -> tuple[str, ...]:
        name = subject.settings.role_name
        if subject.settings.stack:
            return (subject.up_command,)
        file = {"policy_document": "file://trust-policy.json"}
        get = aws_command("iam get-role", role_name=name, query="Role.AssumeRolePolicyDocument")
        return (
            f"{get} > trust-policy.json",
            f"in trust-policy.json, {edit}",
            aws_command("iam update-assume-role-policy", role_name=name, **file),
        )

    policy = Policy(Kind.TRUST, Kind.TRUST, edited=edited)
    return _read(policy, lambda: policy._replace(statements=statements(TRUST_POLICY, document)))


def _read(without: Policy, read: Callable[[], Policy]) -> Policy:
    """Return the policy that `read` returns or, if it cannot be read, `without` with the answer."""
    found = attempt(read)
    return without._replace(unread=found) if isinstance(found, Finding) else found


def _decide(case: Case, group: RequestGroup, of_role: Sequence[Policy]) -> list[Decision]:
    """Return the decision about each request of a group, given the role's own policies.

    A key's grants count, too. They are read only if the policies lack an Allow.
    """
    facts, role = case.facts, case.facts.role
    resource = next((each for each in case.resources if _applies(each, group)), None)
    policies = Applicable(of_role, case.boundary, resource, is_foreign=group.account != facts.account)
    requests = [with_context(facts, group, action) for action in group.actions]
    found = [decide(each, policies, facts.now()) for each in requests]
    if role and group.service == "kms" and any(each.lacks_allow for each in found):
        account, key_arn = case.subject.account, group.resource.known
        grant = attempt_or(Truth.CANNOT_TELL, lambda: may_decrypt(account, key_arn, role.arn))
        found = [decide(each, policies._replace(grant=grant), facts.now()) for each in requests]
    return found


def _applies(policy: Policy, group: RequestGroup) -> bool:
    """Return whether a resource's policy applies to a group of requests."""
    arn = group.resource.known
    return policy.resource == (arn.partition("/")[0] if policy.kind is Kind.BUCKET else arn)


def _facts(
    subject: Subject,
    role: Role | None,
    policies: Sequence[Policy],
    stated: Mapping[str, tuple[Text, ...]],
) -> Facts:
    keys = keys_in(statement for policy in policies for statement in policy.statements)
    named = subject.settings.role_arn or f"arn:{subject.partition}:iam::{subject.account_id}:role/"
    # Reading the organization needs a permission that most callers do not need.
    is_needed = any(key.lower() in OF_ORGANIZATION for key in keys)
    return Facts(
        account=subject.account_id,
        role=role,
        principal=RolePrincipal(role.arn, role.id, bool(role.permissions_boundary))
        if role
        else RolePrincipal(named, ""),
        secret_tags=attempt_or({}, lambda: _secret_tags(subject)),
        organization=attempt_or(None, subject.account.organization) if is_needed else None,
        time=datetime.now(UTC),
        stated=stated,
    )


def _secret_tags(subject: Subject) -> dict[str, list[tuple[str, str]]]:
    """Return the keys and values of each existing secret's tags, by the secret's ARN."""
    found = (subject.find_secret(each.arn) for each in subject.secrets)
    return {
        secret["ARN"]: [(tag["Key"], tag.get("Value", "")) for tag in secret.get("Tags", [])]
        for secret in filter(None, found)
    }


# The role's policies.


def _of_role(role: Role, *, in_stack: bool) -> list[Policy]:
    """Return the policies of the role; the program's is the first, and empty if it does not exist.

    A missing Allow is reported for the first one.
    """

    def policy(name: str, document: Any) -> Policy:
        empty = Policy(
            Kind.ROLE if name == POLICY_NAME else other,
            name,
            edited=partial(_edit_policy_of_role, role.name, name),
            is_shared=name in role.attached_policies,
        )
        if document is None:
            return empty
        return _read(empty, lambda: empty._replace(statements=statements(name, document)))

    other = Kind.OTHER if in_stack else Kind.ROLE
    documents = {POLICY_NAME: None, **role.inline_policies, **role.attached_policies}
    found = [policy(name, document) for name, document in documents.items()]
    if role.denied:
        found.append(Policy(other, "attached policies", unread=not_allowed(role.denied)))
    return found


def _edit_policy_of_role(role_name: str, policy: str, edit: str) -> tuple[str, ...]:
    is_of_aws = Arn.of(policy).account == "aws"  # nobody can edit it
    return (remove_policy(role_name, policy) if is_of_aws else f"in the policy {policy}, {edit}",)


def _boundary(subject: Subject, role: Role) -> Policy:
    arn = role.permissions_boundary
    put, place = "iam put-role-permissions-boundary", "POLICY_ARN"
    another = (
        subject.edit("permissions_boundary_arn", place)
        if subject.settings.stack
        else aws_command(put, role_name=role.name, permissions_boundary=place)
    )

    def edited(edit: str) -> tuple[str, ...]:
        if arn != subject.settings.get("permissions_boundary_arn"):
            return (subject.up_command,)
        is_of_aws = Arn.of(arn).account == "aws"
        return (another if is_of_aws else f"in this policy, {edit}; or use another boundary: {another}",)

    empty, read = Policy(Kind.BOUNDARY, arn, edited=edited), subject.account.managed_policy
    return _read(empty, lambda: empty._replace(statements=statements(arn, read(arn))))


# The policies of the key, the secret, and the bucket.


def _key_policy(subject: Subject, arn: str) -> Policy:
    key = needed(subject.find_key(arn), skipped("the key was not found"))
    _require_own(subject, Kind.KEY, Arn.of(key["Arn"]).account)
    region = Arn.of(key["Arn"]).region
    options = {"region": region, "key_id": key["KeyId"], "policy_name": "default"}
    get = aws_command("kms get-key-policy", **options, query="Policy", output="text")
    put = f"{aws_command('kms put-key-policy', **options)} --policy"
    return _of_resource(Kind.KEY, arn, subject.account.key_policy(key["Arn"]), get, put)


def _secret_policy(subject: Subject, arn: str) -> Policy:
    if "DeletedDate" in needed(subject.find_secret(arn), skipped("the secret was not found")):
        raise MissingError(skipped("the secret is scheduled for deletion"))
    owner = Arn.of(arn).account
    try:
        document = subject.account.secret_policy(arn)
    except ClientError as error:
        if is_denied(error):
            _require_own(subject, Kind.SECRET, owner)
        raise
    options = {"region": Arn.of(arn).region, "secret_id": arn}
    get = "secretsmanager get-resource-policy"
    get = aws_command(get, **options, query="ResourcePolicy", output="text")
    put = f"{aws_command('secretsmanager put-resource-policy', **options)} --resource-policy"
    put = as_owner(subject.account_id, arn, put)
    return _of_resource(Kind.SECRET, arn, document, get, put)


def _bucket_policy(subject: Subject, arn: str) -> Policy:
    bucket = Arn.of(arn).resource
    owners = (each.owner for each in subject.buckets if each.arn == arn)
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html
    _require_own(subject, Kind.BUCKET, next(filter(None, owners), None))
    try:
        document = subject.account.bucket_policy(bucket)
    except ClientError as error:
        if code(error) == "NoSuchBucket":
            raise MissingError(skipped("the bucket was not found")) from None
        raise
    get = aws_command("s3api get-bucket-policy", bucket=bucket, query="Policy", output="text")
    put = f"{aws_command('s3api put-bucket-policy', bucket=bucket)} --policy"
    return _of_resource(Kind.BUCKET, arn, document, get, put)


def _of_resource(kind: Kind, arn: str, document: Any, get: str, put: str) -> Policy:
    """Return a policy; `get` prints it, and `put`, which lacks its last argument, the file, replaces it.

    `document` is None if the resource has no policy.
    """
    file = f"{kind.replace(' ', '-')}.json"

    def edited(edit: str) -> tuple[str, ...]:
        first = () if document is None else (f"{get} > {file}",)
        return (*first, f"in {file}, {edit}", f"{put} file://{file}")

    operation = _OPERATIONS[kind]
    found = () if document is None else readable(document, documents.Kind.RESOURCE, kind, operation)
    return Policy(kind, kind, found, edited=edited, resource=arn)


def _require_own(subject: Subject, kind: Kind, owner: str | None) -> None:
    """Unless the role's account owns the policy, raise MissingError with what it must grant."""
    if owner == subject.account_id:
        return
    service = _OPERATIONS[kind].partition(":")[0]
    groups = connector_requests(subject, subject.needs)
    actions = dict.fromkeys(name for each in groups if each.service == service for name in each.actions)
    answer = cannot_tell(
        f"the {kind} {f'in account {owner} must' if owner else 'of another account would have to'} "
        f"grant {', '.join(actions)} to {subject.settings.role_arn or 'the role'}, but "
        f"{'these credentials cannot read the policy' if owner else 'the owner is unknown'}",
        "read the policy in that account; if the role was recreated, save the policy again with the "
        "role's ARN",
    )
    raise MissingError(answer)
