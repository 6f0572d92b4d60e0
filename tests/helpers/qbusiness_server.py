"""Replace AWS for `qbusiness-roles` with the sandbox's Amazon Q Business and, for other services, moto.

Calls are recorded, and a test can set other responses. Calls to Amazon Q Business, its responses, and
the responses that a test sets must match botocore's service model; otherwise, the test fails. The
responses from `Server.rejections`, `Server.pages`, and `Server.spoil` are not checked.
"""

import functools
import io
import json
import re
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import parse_qsl

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from botocore.validate import ParamValidator
from moto.core.botocore_stubber import MockRawResponse
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto.iam.models import get_account_id_from
from moto.kms import models as kms
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION
from sandbox.qbusiness import QBusiness, parse
from tests.helpers.moto_gaps import (
    COMPLETED,
    Caller,
    has_secret,
    reason_not_to_assume,
    remember_keys,
)

DATA_SOURCE_ID = "c3d4e5f6-7890-12ab-cdef-333333333333"
# Create moto's applications and RSA keys only once, because that takes a long time. They keep no state.
_moto = functools.cache(create_backend_app)
kms.generate_private_key = functools.cache(kms.generate_private_key)  # pyright: ignore[reportPrivateImportUsage]

_BUCKET_ACTIONS = {
    "encryption": "GetEncryptionConfiguration",
    "location": "GetBucketLocation",
    "policy": "GetBucketPolicy",
}
"""The IAM names for the operations on a bucket, by the query in the URL."""


class Simulation(NamedTuple):
    """One call to iam:SimulatePrincipalPolicy, with only one resource."""

    principal: str
    actions: Sequence[str]
    resource: str
    context: Mapping[str, str | list[str]]

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> "Simulation":
        """Read the call's parameters in the query protocol's format."""

        def entries(prefix: str) -> list[str]:
            pattern = re.compile(rf"{re.escape(prefix)}\.member\.\d+")
            return [value for name, value in parameters.items() if pattern.fullmatch(name)]

        context: dict[str, str | list[str]] = {}
        for name, key in parameters.items():
            if found := re.fullmatch(r"(ContextEntries\.member\.\d+)\.ContextKeyName", name):
                values = entries(f"{found[1]}.ContextKeyValues")
                single = parameters[f"{found[1]}.ContextKeyType"] == "string"
                if single:
                    (context[key],) = values
                else:
                    context[key] = values
        (resource,) = entries("ResourceArns")
        return cls(parameters["PolicySourceArn"], entries("ActionNames"), resource, context)


Decide = Callable[[Simulation], Mapping[str, Mapping[str, Any]]]


class Server:
    """A server that stands in for AWS, and records the calls to all services.

    As in moto, the access key determines the account: a key that a call created belongs to the account
    of its role or user, and any other key belongs to ACCOUNT.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._places: dict[tuple[str, str], QBusiness] = {}
        self.qbusiness = self.elsewhere()
        self.unreadable: set[str] = set()
        """The Regions in which access to Amazon Q Business is denied."""
        self.qbusiness.add(APPLICATION_ID, displayName="Docs")
        self.qbusiness.add(APPLICATION_ID, INDEX_ID, displayName="Main")
        self.rejections: dict[str, tuple[int, str]] = {}
        """The status and error code with which calls are rejected, by action.

        A key such as `444455556666 iam:GetRole` rejects an account's calls.
        """
        self.said = "by the test"
        """The text that ends every rejection's message."""
        self.answers: dict[str, Mapping[str, Any]] = {}
        """Responses to use in place of moto's, by action."""
        self.bucket_owner = ACCOUNT
        """The account that owns every bucket; moto does not check which owner a call expects."""
        self.decide: Decide = lambda _: {}
        """Returns the results of a simulation by action; actions that have no result are allowed."""
        self.pages: dict[str, int] = {}
        """The status of an HTML page that is sent in place of the API's response, by action."""
        self.spoil: dict[str, Callable[[bytes], bytes]] = {}
        """Functions that change a response's body, which then need not match the model, by action."""
        self.fill: dict[str, Callable[[], None]] = {}
        """Functions that create a service's resources on the first call to the service, by service."""
        self._filling = threading.Lock()
        self.resets: set[str] = set()
        """Actions for which the connection ends without a response."""
        self.calls: list[str] = []
        """The action of each call, such as `iam:GetRole`."""
        self.signed: list[tuple[str, str]] = []
        """The caller's account and the action of each call."""
        self.misfits: list[str] = []
        """Messages about calls and responses that do not match the model, and about other errors."""

    def add(self, identifier: str = DATA_SOURCE_ID, kind: str = "AEM", **more: Any) -> None:
        """Add a data source to the index."""
        self.qbusiness.add(
            APPLICATION_ID, INDEX_ID, identifier, **{"displayName": "Pages", "type": kind, **more}
        )

    def data_source(self, identifier: str = DATA_SOURCE_ID) -> dict[str, Any]:
        """Return GetDataSource's response, for the test to change."""
        return self.qbusiness.resources[APPLICATION_ID, INDEX_ID, identifier]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        environ["wsgi.input"] = io.BytesIO(request.get_data())  # moto reads it again
        scope = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")
        access_key, _, region, service = scope[:4] if len(scope) > 3 else ("", "", REGION, "unsigned")
        caller = Caller(get_account_id_from(access_key), region, access_key)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = caller.account
        operation = _operation(service, request)
        action = f"{service}:{operation}"
        self.calls.append(action)
        self.signed.append((caller.account, action))
        with self._filling:
            self.fill.pop(service, int)()
            if service == "secretsmanager":
                remember_keys(caller)
        if action in self.resets:
            start_response("200 OK", [])
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        try:
            answer = self._answer(caller, service, operation, request) or _moto(service)
            if (complete := COMPLETED.get(action)) and action not in self.answers:
                answer = Response.from_app(answer, environ)
                if answer.status_code == 200:
                    asked, said = json.loads(request.get_data()), json.loads(answer.get_data())
                    answer.set_data(json.dumps(complete(caller, asked, said)))
            if spoil := self.spoil.get(action):
                answer = Response.from_app(answer, environ)
                answer.set_data(spoil(answer.get_data()))
        except Exception as error:
            self.misfits.append(repr(error))  # the code under test may mistake it for an outage
            raise
        return answer(environ, start_response)

    def _answer(self, caller: Caller, service: str, operation: str, request: Request) -> Response | None:
        """Return this server's own response, or None to leave the call to moto."""
        action = f"{service}:{operation}"
        owner = request.headers.get("x-amz-expected-bucket-owner", self.bucket_owner)
        if action in self.pages:
            return Response("<!doctype html><p>Sign in", self.pages[action], mimetype="text/html")
        of_account = f"{caller.account} {action}"
        named = of_account if of_account in self.rejections else action
        rejected = self.rejections.get(named) if named in self.rejections else None
        is_listing = action == "secretsmanager:ListSecretVersionIds" and action not in self.answers
        if is_listing and not has_secret(caller, request.get_data()):
            rejected = rejected or (400, "ResourceNotFoundException")
        if rejected or owner != self.bucket_owner:
            return _rejection(service, *(rejected or (403, "AccessDenied")), self.said)
        if service == "qbusiness":
            return self._answer_for_qbusiness(caller, request)
        if action == "iam:SimulatePrincipalPolicy":
            return self._simulate(request)
        if action == "sts:AssumeRole":
            asked = dict(parse_qsl(request.get_data(as_text=True)))
            if reason := reason_not_to_assume(caller, asked["RoleArn"], asked.get("ExternalId")):
                return _rejection(service, 403, "AccessDenied", reason)
        answer = self.answers.get(action)
        return None if answer is None else self._by_model(service, operation, answer)

    def elsewhere(self, region: str = REGION, account: str = ACCOUNT) -> QBusiness:
        """Return Amazon Q Business in a Region and account, without resources if it is new."""
        return self._places.setdefault((account, region), QBusiness(account, region))

    def _answer_for_qbusiness(self, caller: Caller, request: Request) -> Response:
        if caller.region in self.unreadable:
            return _rejection("qbusiness", 403, "AccessDenied", self.said)
        answer = self.elsewhere(caller.region, caller.account).answer(request)
        if answer.headers.get("x-amzn-ErrorType") in ("InternalServerException", "ValidationException"):
            self.misfits.append(answer.get_data(as_text=True))
        return answer

    def _simulate(self, request: Request) -> Response:
        """Respond with a decision for each action on the call's resource."""
        simulation = Simulation.read(dict(parse_qsl(request.get_data(as_text=True))))
        decided = self.decide(simulation)
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": simulation.resource,
                "EvalDecision": "allowed",
                **decided.get(action, {}),
            }
            for action in simulation.actions
        ]
        return self._by_model("iam", "SimulatePrincipalPolicy", {"EvaluationResults": results})

    def _by_model(self, service: str, operation: str, answer: Mapping[str, Any]) -> Response:
        """Return a response in the service's protocol; record a mismatch with the service's model."""
        service_model: Any = get_service_model(service)
        model = service_model.operation_model(operation)
        report = ParamValidator().validate(answer, model.output_shape)
        if report.has_errors():
            self.misfits.append(f"answer of {operation}: {report.generate_report()}")
        serializer = get_serializer_class(service, service_model.resolved_protocol)(model)
        written = serializer.serialize(answer)
        return Response(written["body"], written["status_code"], written["headers"])


def _operation(service: str, request: Request) -> str:
    if service == "qbusiness":
        return parse(request)[0].name
    if service == "s3":
        query = request.query_string.decode().partition("&")[0].rstrip("=")
        return _BUCKET_ACTIONS.get(query, f"{request.method} {request.full_path}")
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    return target or dict(parse_qsl(request.get_data(as_text=True)))["Action"]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 werkzeug's name
        """Log nothing, because the calls are recorded."""


def _rejection(service: str, status: int, code: str, said: str) -> Response:
    message = f"{code} {said}"
    if service == "s3":
        text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        return Response(text, status, mimetype="text/xml")
    if service == "ec2":
        text = (
            f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
            "</Error></Errors><RequestID>test</RequestID></Response>"
        )
        return Response(text, status, mimetype="text/xml")
    if service in ("iam", "sts"):
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code>"
            f"<Message>{escape(message)}</Message></Error><RequestId>test</RequestId></ErrorResponse>"
        )
        return Response(text, status, mimetype="text/xml")
    body = json.dumps({"__type": code, "message": message})
    return Response(body, status, {"x-amzn-ErrorType": code}, mimetype="application/json")


class Front:
    """An address that serves the running test's account."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.server = Server(url)

    def new_server(self) -> Server:
        """Serve a new account, without data sources, from now on; return the account's server."""
        moto_api_backend.reset()
        # In 1 of 200 cases, the six random characters in a secret's ARN look like part of its name.
        mock_random.seed(0)
        self.server = Server(self.url)
        return self.server


@contextmanager
def listening() -> Generator[Front]:
    """Listen on loopback until the context ends.

    Meanwhile, this process's SDK calls the server without a connection if possible; see `_sending_to`.
    """

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return front.server(environ, start_response)

    with make_server("127.0.0.1", 0, answer, threaded=True, request_handler=_Quiet) as listener:
        front = Front(f"http://127.0.0.1:{listener.server_port}")
        threading.Thread(target=listener.serve_forever, args=[0.02]).start()
        try:
            with patch.object(URLLib3Session, "send", _sending_to(front, answer)):
                yield front
        finally:
            listener.shutdown()


def _sending_to(
    front: Front, answer: Callable[[dict[str, Any], Any], Iterable[bytes]]
) -> Callable[[URLLib3Session, AWSPreparedRequest], AWSResponse]:
    """Return a `URLLib3Session.send` that calls the server directly.

    Connecting would take a third of a call's time. It is still necessary for calls to other addresses,
    and for all calls while `Server.resets` contains an action.
    """
    client = Client(answer, use_cookies=False)
    send = URLLib3Session.send

    def call(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        path = request.url.removeprefix(front.url)
        if path == request.url or front.server.resets:
            return send(session, request)
        # botocore encodes some headers' values as bytes.
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        said = client.open(
            path, base_url=front.url, method=request.method, headers=headers, data=request.body
        )
        raw = MockRawResponse(said.get_data())
        return AWSResponse(request.url, said.status_code, said.headers, raw)

    return call
