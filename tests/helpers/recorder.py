"""Record a program's calls to the sandbox, and replace some responses."""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from html import escape
from urllib.parse import parse_qsl

from tests.helpers.loopback import Handler, serving

Answer = Callable[[Mapping[str, str]], tuple[int, str]]
"""A function that receives a call's parameters and returns the HTTP status and the response."""


class Recorder:
    """The recorded calls, and the responses that a test sets for operations."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[tuple[str, Mapping[str, str]]] = []
        """The operation and parameters of each call."""
        self.answers: dict[str, Answer] = {}

    def reject(self, operation: str, code: str, status: int = 403) -> None:
        """Make an IAM operation fail with a code and AWS's message for a missing permission."""
        message = (
            f"User: arn:aws:iam::123456789012:user/jane is not authorized to perform: iam:{operation}"
        )
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        self.answers[operation] = lambda _: (status, f"<ErrorResponse>{error}</ErrorResponse>")

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]


@contextmanager
def recorder(upstream: str) -> Generator[Recorder]:
    recorded = Recorder()

    class RecordingHandler(Handler):
        def handle_any(self) -> None:
            body = self.body()
            operation, parameters = _call(f"{self.command} {self.path}", body)
            recorded.calls.append((operation, parameters))
            answer = recorded.answers.get(operation)
            if answer:
                status, text = answer(parameters)
                self.answer(status, text.encode())
            else:
                self.answer(*self.forward(upstream, body))

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 names of http.server

    with serving(RecordingHandler) as recorded.url:
        yield recorded


def _call(request: str, body: bytes) -> tuple[str, Mapping[str, str]]:
    if request == "POST /" and not body.startswith(b"{"):  # a call to IAM, STS, or EC2
        parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return parameters["Action"], parameters
    return request, json.loads(body) if request.startswith("POST ") and body else {}


def simulation(decide: Callable[[str, str], str]) -> Answer:
    """Return an Answer to SimulateCustomPolicy: a decision on each action for the first resource."""

    def answer(parameters: Mapping[str, str]) -> tuple[int, str]:
        resource = parameters["ResourceArns.member.1"]
        actions = [value for name, value in parameters.items() if name.startswith("ActionNames.")]
        entries = (
            f"<member><EvalActionName>{action}</EvalActionName>"
            f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
            f"<EvalDecision>{decide(action, resource)}</EvalDecision></member>"
            for action in actions
        )
        results = f"<EvaluationResults>{''.join(entries)}</EvaluationResults>"
        name = "SimulateCustomPolicy"
        return 200, (
            f"<{name}Response><{name}Result><IsTruncated>false</IsTruncated>{results}"
            f"</{name}Result></{name}Response>"
        )

    return answer


def validation(findings: Mapping[str, tuple[str, str, str]]) -> Answer:
    """Return an Answer to ValidatePolicy: one finding, which depends on the type of the policy.

    `findings` contains a finding's type, code, and text for each type of policy.
    """

    def answer(parameters: Mapping[str, str]) -> tuple[int, str]:
        kind, code, text = findings[parameters["policyType"]]
        finding = {"findingType": kind, "issueCode": code, "findingDetails": text}
        return 200, json.dumps({"findings": [finding]})

    return answer
