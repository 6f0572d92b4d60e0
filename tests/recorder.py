"""Record what AWS is asked, between a program and the sandbox, and answer some of it otherwise."""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import parse_qsl
from urllib.request import Request, urlopen

from tests.support import PATIENCE

Answer = Callable[[Mapping[str, str]], tuple[int, str]]
"""Takes the parameters of a call; returns the HTTP status and the document."""


class Recorder:
    """What was called, and what is answered by the test itself."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[tuple[str, Mapping[str, str]]] = []
        """Operation and parameters of each call."""
        self.answers: dict[str, Answer] = {}

    def refuse(self, operation: str, code: str, status: int = 403) -> None:
        """Let an operation fail, with the message that AWS has for denied permissions."""
        message = (
            f"User: arn:aws:iam::123456789012:user/jane is not authorized to perform: iam:{operation}"
        )
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        self.answers[operation] = lambda _: (status, f"<ErrorResponse>{error}</ErrorResponse>")

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]


@contextmanager
def recorder(upstream: str) -> Generator[Recorder]:
    """Run a recorder for as long as the context lasts."""
    recorded = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation, parameters = _call(self.path, body)
            recorded.calls.append((operation, parameters))
            answer = recorded.answers.get(operation)
            status, content = answer(parameters) if answer else self.forward(body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content.encode())

        def forward(self, body: bytes) -> tuple[int, str]:
            call = Request(upstream + self.path, body, dict(self.headers))  # noqa: S310 our own address
            try:
                with urlopen(call, timeout=PATIENCE) as response:  # noqa: S310 our own address
                    return 200, response.read().decode()
            except HTTPError as refusal:
                return refusal.code, refusal.read().decode()

        def log_message(self, format: str, *_: object) -> None: ...  # noqa: A002 as it is called there

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recorded.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield recorded
        finally:
            server.shutdown()


def _call(path: str, body: bytes) -> tuple[str, Mapping[str, str]]:
    if path == "/":  # IAM and STS
        parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return parameters["Action"], parameters
    return path, json.loads(body)


def simulation(decide: Callable[[str, str], str]) -> Answer:
    """Answer SimulatePrincipalPolicy, with the decision on an action and a resource."""

    def answer(parameters: Mapping[str, str]) -> tuple[int, str]:
        resource = parameters["ResourceArns.member.1"]
        actions = [value for name, value in parameters.items() if name.startswith("ActionNames.")]
        members = (
            f"<member><EvalActionName>{action}</EvalActionName>"
            f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
            f"<EvalDecision>{decide(action, resource)}</EvalDecision></member>"
            for action in actions
        )
        results = f"<EvaluationResults>{''.join(members)}</EvaluationResults>"
        name = "SimulatePrincipalPolicy"
        return 200, (
            f"<{name}Response><{name}Result><IsTruncated>false</IsTruncated>{results}"
            f"</{name}Result></{name}Response>"
        )

    return answer


def validation(findings: Mapping[str, tuple[str, str, str]]) -> Answer:
    """Answer ValidatePolicy, with type, code and text of a finding for each type of policy."""

    def answer(parameters: Mapping[str, str]) -> tuple[int, str]:
        kind, code, text = findings[parameters["policyType"]]
        finding = {"findingType": kind, "issueCode": code, "findingDetails": text}
        return 200, json.dumps({"findings": [finding]})

    return answer
