"""Define the steps of a run; a step raises StepError if it fails."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from components.connector_role import POLICY_NAME
from components.default_provider import ALLOWED_ACCOUNTS
from components.formats import ROLE_NAME_SUFFIX
from evidence.connector_calls import Request
from live.account import CALL_ERRORS, DENY_ALL, Account, wait_until
from live.example import Example
from live.names import Names
from live.stack import Stack, StepError
from roles.account import Role
from roles.errors import is_denied, is_unanswered

_NAMESPACE: Final = "qbusiness-aem-connector:"
"""The namespace of the program's keys in the stack configuration: the name in `Pulumi.yaml`."""
_COMPONENT: Final = "aem-connector"
"""The component's name in `__main__.py`."""
_ROLE: Final = f"{_COMPONENT}{ROLE_NAME_SUFFIX}"
_POLICY: Final = f"{_COMPONENT}-qbusiness-policy"
_POLICIES: Final = f"{_COMPONENT}-qbusiness-policies-exclusive"
_TAGS: Final = {"Purpose": "acceptance run"}
_DESCRIPTION: Final = "Created by an acceptance run"
_SERIOUS: Final = ("ERROR", "SECURITY_WARNING")
"""The types of findings that fail the step."""
_UP: Final = ("up", "--yes", "--skip-preview", "--suppress-progress")


class SkipError(Exception):
    """Raised when the account cannot answer a question; the message contains the reason."""


class Step(NamedTuple):
    """A step of a run."""

    title: str
    run: Callable[[], str | None]
    """Run the step and return a note for the transcript, if any."""
    is_question: bool = False
    """Whether the next steps are independent of the result."""


class Steps:
    """The steps of a run on one account and stack."""

    def __init__(
        self, account: Account, stack: Stack, names: Names, record: Callable[[str], None]
    ) -> None:
        """Use an account, a stack, the names of the resources, and a function that records details."""
        self._account = account
        self._stack = stack
        self._names = names
        self._record = record
        location = account.identity["Account"], account.region
        self._example = Example("aem-cloud", names.role, *location)
        self._s3_example = Example("s3-v2", names.s3, *location)
        policies = self._example.policies(_COMPONENT)
        self._trust_policy = policies.trust_policy or ""
        self._role_policy = policies.role_policy or ""
        self._s3_role_policy = self._s3_example.policies(_COMPONENT).role_policy or ""

    def all(self) -> list[Step]:
        """Return the steps in order."""
        return [
            Step("A preview creates nothing", self._preview),
            Step("An update creates the role with its two policies", self._create),
            Step("The next update changes nothing", self._update_again),
            Step("Access Analyzer finds no error in the policies", self._analyze, is_question=True),
            Step(
                "IAM allows the connector's requests, and denies similar ones",
                partial(self._simulate, self._example),
                is_question=True,
            ),
            Step("Manual changes are found", self._find_drift),
            Step("An update corrects them", self._correct_drift),
            Step("An update fails: its permissions boundary does not exist", self._fail),
            Step("With the boundary, the same update applies the remaining changes", self._repeat),
            Step("Another name replaces the role", self._rename),
            Step("A destroy deletes the role", partial(self._destroy, self._names.renamed)),
            Step("A manually created role is imported, and updated in place", self._take_over),
            Step("A destroy deletes that role too", partial(self._destroy, self._names.imported)),
            Step(
                "An update creates the role of an S3 data source, which may pass itself", self._create_s3
            ),
            Step(
                "IAM allows the S3 connector's requests, and denies similar ones",
                partial(self._simulate, self._s3_example),
                is_question=True,
            ),
            Step("A destroy deletes the S3 role", partial(self._destroy, self._names.s3)),
        ]

    # Create.

    def _create_stack(self, example: Example) -> None:
        self._stack.create(
            {
                **example.settings(_NAMESPACE),
                ALLOWED_ACCOUNTS: [self._account.identity["Account"]],
                f"{_NAMESPACE}roleName": example.role_name,
                f"{_NAMESPACE}tags": _TAGS,
                f"{_NAMESPACE}exclusivePolicies": True,
            }
        )

    def _preview(self) -> None:
        self._create_stack(self._example)
        self._stack.run("preview", "--diff")
        if self._account.role_id(self._names.role):
            raise StepError("the preview created the role")

    def _create(self) -> None:
        self._stack.run(*_UP)
        role = self._expect_role(self._names.role)
        if role.arn not in self._stack.run("stack", "output", "roleArn"):
            raise StepError(f"the stack's output roleArn is not {role.arn}")

    def _update_again(self) -> None:
        self._stack.run(*_UP, "--expect-no-changes")

    # Ask.

    def _analyze(self) -> str:
        trust_policy = {"validatePolicyResourceType": "AWS::IAM::AssumeRolePolicyDocument"}
        try:
            findings = [
                *self._account.reader.policy_findings(
                    self._trust_policy, "RESOURCE_POLICY", **trust_policy
                ),
                *self._account.reader.policy_findings(self._role_policy, "IDENTITY_POLICY"),
                *self._account.reader.policy_findings(self._s3_role_policy, "IDENTITY_POLICY"),
            ]
        except CALL_ERRORS as error:
            raise _skip_or(error) from error
        listed = "; ".join(
            f"{finding['findingType']} {finding['issueCode']}: {finding['findingDetails']}"
            for finding in findings
        )
        if any(finding["findingType"] in _SERIOUS for finding in findings):
            raise StepError(listed)
        return listed or "no finding"

    def _simulate(self, example: Example) -> str:
        arn = self._role(example.role_name).arn
        counts: list[str] = []
        wrong: list[str] = []
        try:
            for allowed in (True, False):
                requests = example.requests(allowed=allowed)
                for request, result in self._account.decisions(arn, requests):
                    if (result["EvalDecision"] == "allowed") != allowed:
                        wrong.append(_described(request, result))
                counts.append(f"{len(requests)} {'allowed' if allowed else 'denied'}")
        except CALL_ERRORS as error:
            raise _skip_or(error) from error
        if wrong:
            self._record("\n".join(wrong))
            raise StepError(f"{len(wrong)} wrong decisions, such as: {wrong[0]}")
        return ", ".join(counts)

    # Drift.

    def _find_drift(self) -> None:
        name = self._names.role
        shorter = json.loads(self._role_policy)
        del shorter["Statement"][1:]
        self._account.put_policy(name, POLICY_NAME, json.dumps(shorter))
        self._account.put_policy(name, "by-hand", DENY_ALL)
        self._account.tag(name, "Purpose", "changed by hand")
        output = self._stack.try_to("refresh", "--preview-only", "--expect-no-changes", "--diff")
        if not output.exit_code:
            raise StepError("pulumi refresh found no change")
        for resource in (_ROLE, _POLICY, _POLICIES):
            if f"::{resource}]" not in output.text:
                raise StepError(f"pulumi refresh did not find the change to {resource}")

    def _correct_drift(self) -> None:
        self._stack.run(*_UP, "--refresh")
        self._expect_role(self._names.role)

    # A failed update.

    def _fail(self) -> None:
        boundary = self._account.boundary_arn(self._names)
        output = self._stack.try_to(
            *_UP,
            *("--config", f"{_NAMESPACE}permissionsBoundaryArn={boundary}"),
            *("--config", f"{_NAMESPACE}roleDescription={_DESCRIPTION}"),
        )
        if not output.exit_code:
            raise StepError("the update succeeded, although the boundary does not exist")
        if "NoSuchEntity" not in output.text:
            raise StepError("the update failed for a reason other than NoSuchEntity")

    def _repeat(self) -> None:
        self._account.create_boundary(self._names)
        self._stack.run(*_UP)
        boundary = self._account.boundary_arn(self._names)
        self._expect_role(self._names.role, _DESCRIPTION, boundary)

    # Another role.

    def _rename(self) -> None:
        self._stack.run(
            *_UP,
            *("--config", f"{_NAMESPACE}permissionsBoundaryArn="),
            *("--config", f"{_NAMESPACE}roleName={self._names.renamed}"),
        )
        role = self._expect_role(self._names.renamed, _DESCRIPTION)
        self._expect_none(self._names.role)
        if role.arn not in self._stack.run("stack", "output", "roleArn"):
            raise StepError(f"the stack's output roleArn is not {role.arn}")

    def _destroy(self, name: str) -> None:
        self._stack.destroy()
        self._expect_none(name)

    def _take_over(self) -> None:
        name = self._names.imported
        self._account.create_role(name, self._trust_policy)
        self._account.put_policy(name, "by-hand", DENY_ALL)
        before = self._account.role_id(name)
        self._stack.run("config", "set", "--plaintext", f"{_NAMESPACE}roleName", name)
        component = {"type": "qbusiness-connector:index:ConnectorRole", "name": _COMPONENT}
        role = {"type": "aws:iam/role:Role", "name": _ROLE, "id": name, "parent": _COMPONENT}
        self._stack.write("import.json", {"resources": [{**component, "component": True}, role]})
        self._stack.run(
            *("import", "--file", "import.json", "--yes", "--protect=false", "--generate-code=false")
        )
        self._stack.run(*_UP)
        self._expect_role(name, _DESCRIPTION)
        if self._account.role_id(name) != before:
            raise StepError("the role was replaced")

    # Another connector.

    def _create_s3(self) -> None:
        self._stack.run("stack", "rm", "--yes")
        self._create_stack(self._s3_example)
        self._stack.run(*_UP)
        self._expect_role(self._names.s3, role_policy=self._s3_role_policy)

    # Check the role in AWS.

    def _role(self, name: str) -> Role:
        role = self._account.role_if_any(name)
        if role is None:
            raise StepError(f"there is no role {name}")
        return role

    def _expect_role(
        self, name: str, description: str = "", boundary: str = "", role_policy: str = ""
    ) -> Role:
        """Wait until a role matches the program and return it; raises StepError after the timeout."""
        expected: Mapping[str, Any] = {
            "description": description,
            "permissions_boundary_arn": boundary,
            "tags": _TAGS,
            "trust_policy": json.loads(self._trust_policy),
            "inline_policies": {POLICY_NAME: json.loads(role_policy or self._role_policy)},
            "attached": (),
        }

        def differences() -> list[str]:
            role = self._account.role_if_any(name)
            actual = role._asdict() if role else {}
            return [part for part, value in expected.items() if actual.get(part) != value]

        if not wait_until(lambda: not differences()):
            raise StepError(f"the role {name} differs in AWS: {', '.join(differences())}")
        return self._role(name)

    def _expect_none(self, name: str) -> None:
        if not wait_until(lambda: self._account.role_id(name) is None):
            raise StepError(f"the role {name} still exists")


def _described(request: Request, result: Mapping[str, Any]) -> str:
    """Describe a decision, and whether a policy of the organization caused it."""
    organization = result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
    reason = "" if organization else ", by a policy of the organization"
    context = f" with {dict(request.context)}" if request.context else ""
    return f"{request.action} on {request.resource}{context}: {result['EvalDecision']}{reason}"


def _skip_or(error: BotoCoreError | ClientError | ResponseParserError) -> Exception:
    """Return SkipError if the question is not allowed or not supported, otherwise the error."""
    if isinstance(error, ClientError) and is_denied(error):
        return SkipError(f"not allowed: {error}")
    if isinstance(error, ClientError) and is_unanswered(error):
        return SkipError(f"the endpoint does not support it: {error}")
    return error
