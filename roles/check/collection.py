"""Collect the policies and other facts that determine whether AWS allows a role's requests.

If a policy cannot be read, its `Policy` contains a finding instead of statements, so that the other
policies can still be evaluated.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from components.connector_role import POLICY_NAME
from guardrails.iam.documents import Kind, Statement
from guardrails.iam.patterns import Text
from roles.account import Role
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.check.context import Facts, is_of_organization, keys_in
from roles.check.decisions import Applicable, Owner, Policy
from roles.check.evaluation import RolePrincipal
from roles.check.requests import RequestGroup, requests_for
from roles.check.subject import MissingError, Subject
from roles.difference import readable, statements
from roles.errors import (
    UNREACHABLE,
    OddAnswerError,
    code,
    failed_action,
    is_bad_credentials,
    is_denied,
    is_unanswered,
)
from roles.findings import Finding, cannot_tell, not_allowed, ok, skipped, unread

ROLE_POLICY: Final = "role policy"
OTHER_POLICIES: Final = "other policies"
BOUNDARY: Final = "permissions boundary"
KEY_POLICY: Final = "key policy"
SECRET_POLICY: Final = "secret policy"
BUCKET_POLICY: Final = "bucket policy"
"""The questions that report on each kind of policy."""
_OPERATIONS: Final = {
    KEY_POLICY: "kms:GetKeyPolicy",
    SECRET_POLICY: "secretsmanager:GetResourcePolicy",
    BUCKET_POLICY: "s3:GetBucketPolicy",
}
"""The actions that read the policies of resources, by the question about the policy."""
FAILURES: Final = (MissingError, BotoCoreError, ClientError)
"""The exceptions to pass to `answer_of`, which explains or raises them."""
_T = TypeVar("_T")
_UNANSWERED: Final = "the server at AWS_ENDPOINT_URL does not support this check: use AWS"


class ResourcePolicy(NamedTuple):
    """The policy of a key, secret, or bucket, with the commands that read and replace it."""

    policy: Policy
    resource: str = ""
    """The ARN of the key or secret, because a connector can use several.

    Empty for a bucket, or if the settings have no such resource.
    """
    exists: bool = False
    get: str = ""
    """The command that prints the policy."""
    put: str = ""
    """The command that replaces the policy, without its last argument, the file."""

    @property
    def kind(self) -> str:
        """The kind of resource: `key`, `secret`, or `bucket`."""
        return self.policy.question.partition(" ")[0]

    def applies(self, group: RequestGroup) -> bool:
        """Return whether this policy applies to a group of requests."""
        service = _OPERATIONS[self.policy.question].partition(":")[0]
        is_of_service = group.actions[0].startswith(f"{service}:")
        return is_of_service and self.resource in ("", group.resource.known)

    def edited(self, edit: str) -> tuple[str, ...]:
        """Return the steps that change the policy."""
        file = f"{self.kind}-policy.json"
        if not self.exists:
            return f"in {file}, {edit}", f"{self.put} file://{file}"
        return f"{self.get} > {file}", f"in {file}, {edit}", f"{self.put} file://{file}"


class Collected(NamedTuple):
    """The policies that apply to a role's requests, and other facts about the requests."""

    role: Sequence[Policy]
    """The role's own policies; if the role does not exist, the one that the program would write."""
    boundary: Policy | None
    resources: Sequence[ResourcePolicy]
    """The policies of the keys, secrets, and bucket, or the reason why there are none."""
    facts: Facts

    def applicable(self, group: RequestGroup) -> Applicable:
        """Return the policies that apply to a group of requests."""
        found = next((each for each in self.resources if each.applies(group)), None)
        if found is None:
            return Applicable(self.role, self.boundary)
        if group.account != self.facts.account:
            owner = Owner.ANOTHER_ACCOUNT
        else:
            owner = Owner.ACCOUNT_KEY if found.kind == "key" else Owner.ACCOUNT
        return Applicable(self.role, self.boundary, found.policy, owner)


def collect(subject: Subject, stated: Mapping[str, tuple[Text, ...]]) -> Collected:
    """Collect the policies that apply to a role's requests, and other facts about the requests.

    `stated` has the values from `--context`, by lowercase condition key. Raises errors about the
    credentials.
    """
    role: Role | None = None
    try:
        role = subject.find_role()
        policies = _of_role(subject, role)
        boundary = _boundary(subject, role.permissions_boundary) if role else None
    except FAILURES as error:
        answer = answer_of(error)
        policies = [Policy(ROLE_POLICY, POLICY_NAME, unread=answer)]
        boundary = Policy(BOUNDARY, BOUNDARY, unread=answer)
    keys = [_key_policy(subject, arn) for arn in subject.key_arns]
    secrets = [_secret_policy(subject, each.arn) for each in subject.secrets]
    resources = [
        *(keys or [_without(KEY_POLICY, "the settings have no customer managed key")]),
        *(secrets or [_without(SECRET_POLICY, "the settings have no secret")]),
        _bucket_policy(subject),
    ]
    every = [*policies, *filter(None, [boundary]), *(each.policy for each in resources)]
    keys = keys_in(statement for policy in every for statement in policy.statements)
    named = subject.settings.role_arn or f"arn:{subject.partition}:iam::{subject.account_id}:role/"
    facts = Facts(
        account=subject.account_id,
        role=role,
        principal=RolePrincipal(role.arn, role.id, boundary is not None)
        if role
        else RolePrincipal(named, ""),
        secret_tags=_unless_failed(lambda: subject.secret_tags) or {},
        # Reading the organization needs a permission that most callers do not need.
        organization=_unless_failed(subject.account.organization)
        if any(map(is_of_organization, keys))
        else None,
        time=datetime.now(UTC),
        stated=stated,
    )
    return Collected(policies, boundary, resources, facts)


def answer_of(error: Exception) -> Finding:
    """Return the answer to a question whose resource is missing or whose call to AWS failed.

    Raises other errors, and errors about the credentials.
    """
    match error:
        case MissingError():
            return error.answer
        case ClientError() if is_bad_credentials(error):
            raise error
        case ClientError() if is_unanswered(error):
            return skipped(_UNANSWERED)
        case ClientError() if is_denied(error):
            return not_allowed(failed_action(error))
        case ClientError() | OddAnswerError():
            return unread(error)
        case _ if isinstance(error, UNREACHABLE):
            return unread(error)
        case _:
            raise error


def _read(question: str, name: str, read: Callable[[], Sequence[Statement]]) -> Policy:
    try:
        return Policy(question, name, tuple(read()))
    except FAILURES as error:
        return Policy(question, name, unread=answer_of(error))


def _of_role(subject: Subject, role: Role | None) -> list[Policy]:
    """Return the policies of the role; if it does not exist, the one that the program would write."""
    in_stack = bool(subject.settings.stack)
    if role is None:
        expected = subject.policies.role_policy
        return [Policy(ROLE_POLICY, POLICY_NAME, statements(POLICY_NAME, expected))]

    def policy(name: str, document: Any) -> Policy:
        is_own = name == POLICY_NAME or not in_stack
        question = ROLE_POLICY if is_own else OTHER_POLICIES
        return _read(question, name, lambda: statements(name, document))

    # The program's policy comes first, because a missing Allow is reported for the first one.
    documents = {POLICY_NAME: None, **role.inline_policies, **role.attached_policies}
    found = [policy(name, document) for name, document in documents.items() if document is not None]
    if POLICY_NAME not in role.inline_policies:
        found.insert(0, Policy(ROLE_POLICY, POLICY_NAME))
    if role.denied:
        question = OTHER_POLICIES if in_stack else ROLE_POLICY
        found.append(Policy(question, "attached policies", unread=not_allowed(role.denied)))
    return found


def _boundary(subject: Subject, arn: str) -> Policy | None:
    if not arn:
        return None
    return _read(BOUNDARY, arn, lambda: statements(arn, subject.account.managed_policy(arn)))


def _key_policy(subject: Subject, arn: str) -> ResourcePolicy:
    def read() -> ResourcePolicy:
        key = subject.key(arn)
        owner = Arn.of(key["Arn"]).account
        if owner != subject.account_id:
            return _of_another_account(subject, owner, KEY_POLICY, arn)
        options = {"key_id": key["KeyId"], "policy_name": "default"}
        return _resource_policy(
            KEY_POLICY,
            arn,
            subject.account.key_policy(key["Arn"]),
            aws_command("kms get-key-policy", **options, query="Policy", output="text"),
            f"{aws_command('kms put-key-policy', **options)} --policy",
        )

    return _unless_unread(KEY_POLICY, arn, read)


def _secret_policy(subject: Subject, arn: str) -> ResourcePolicy:
    def read() -> ResourcePolicy:
        if "DeletedDate" in subject.secret(arn):
            raise MissingError(skipped("the secret is scheduled for deletion"))
        owner = Arn.of(arn).account
        try:
            document = subject.account.secret_policy(arn)
        except ClientError as error:
            if is_denied(error) and owner != subject.account_id:
                return _of_another_account(subject, owner, SECRET_POLICY, arn)
            raise
        get = "secretsmanager get-resource-policy"
        put = aws_command("secretsmanager put-resource-policy", secret_id=arn)
        if owner != subject.account_id:
            put = f"with credentials for account {owner}: {put}"
        return _resource_policy(
            SECRET_POLICY,
            arn,
            document,
            aws_command(get, secret_id=arn, query="ResourcePolicy", output="text"),
            f"{put} --resource-policy",
        )

    return _unless_unread(SECRET_POLICY, arn, read)


def _bucket_policy(subject: Subject) -> ResourcePolicy:
    def read() -> ResourcePolicy:
        name, owner = subject.bucket, subject.bucket_owner
        if owner != subject.account_id:
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html
            return _of_another_account(subject, owner, BUCKET_POLICY, "")
        try:
            document = subject.account.bucket_policy(name)
        except ClientError as error:
            if code(error) == "NoSuchBucket":
                raise MissingError(skipped("the bucket was not found")) from None
            raise
        return _resource_policy(
            BUCKET_POLICY,
            "",
            document,
            aws_command("s3api get-bucket-policy", bucket=name, query="Policy", output="text"),
            f"{aws_command('s3api put-bucket-policy', bucket=name)} --policy",
        )

    return _unless_unread(BUCKET_POLICY, "", read)


def _unless_unread(question: str, arn: str, read: Callable[[], ResourcePolicy]) -> ResourcePolicy:
    try:
        return read()
    except FAILURES as error:
        return ResourcePolicy(Policy(question, question, unread=answer_of(error)), arn)


def _without(question: str, reason: str) -> ResourcePolicy:
    return ResourcePolicy(Policy(question, question, unread=ok(reason)))


def _resource_policy(question: str, arn: str, document: Any, get: str, put: str) -> ResourcePolicy:
    operation = _OPERATIONS[question]
    found = readable(document, Kind.RESOURCE, question, operation) if document is not None else ()
    return ResourcePolicy(Policy(question, question, found), arn, document is not None, get, put)


def _of_another_account(subject: Subject, owner: str | None, question: str, arn: str) -> ResourcePolicy:
    """Return an unreadable policy, with a finding that lists the actions that the policy must grant."""
    groups = requests_for(subject, _OPERATIONS[question].partition(":")[0])
    actions = dict.fromkeys(name for each in groups for name in each.actions)
    answer = cannot_tell(
        f"the {question} {f'in account {owner} must' if owner else 'of another account would have to'} "
        f"grant {', '.join(actions)} to {subject.settings.role_arn or 'the role'}, but "
        f"{'these credentials cannot read the policy' if owner else 'the owner is unknown'}",
        "read the policy in that account; if the role was recreated, save the policy again with the "
        "role's ARN",
    )
    return ResourcePolicy(Policy(question, question, unread=answer), arn)


def _unless_failed(read: Callable[[], _T]) -> _T | None:
    """Return the result of a call to AWS; None if it failed. Raises errors about the credentials."""
    try:
        return read()
    except FAILURES as error:
        answer_of(error)
        return None
