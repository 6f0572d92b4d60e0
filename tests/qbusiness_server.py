"""Replace AWS for `python -m roles`: Amazon Q Business by its service model, the rest by moto.

moto does not implement Amazon Q Business. Each call and its answer must fit the service model that
botocore uses, or the test fails. Calls are recorded, and a test can set other answers.
"""

import io
import json
import re
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

import botocore.session
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION

DATA_SOURCE_ID = "c3d4e5f6-7890-12ab-cdef-333333333333"


def _models(*services: str) -> dict[str, ServiceModel]:
    session = botocore.session.get_session()
    return {service: session.get_service_model(service) for service in services}


MODELS = _models("qbusiness", "iam", "kms", "secretsmanager")
_BUCKET_ACTIONS = {"encryption": "GetEncryptionConfiguration"}
"""What IAM calls the operations on a bucket, by their query."""


class Server:
    """One account's applications, and the calls of all services."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.page_size = 100
        self.applications: dict[str, str] = {APPLICATION_ID: "Docs"}
        self.indexes: dict[str, str] = {INDEX_ID: "Main"}
        """The same in each application."""
        self.data_sources: dict[str, dict[str, Any]] = {}
        """By ID, in each index: the answer of GetDataSource."""
        self.refusals: dict[str, tuple[int, str]] = {}
        """Status and error code, by action."""
        self.answers: dict[str, Mapping[str, Any]] = {}
        """Answer of a JSON service instead of moto's, by action."""
        self.pages: dict[str, int] = {}
        """Status of an HTML page that answers instead of an API, by action."""
        self.calls: list[str] = []
        """Actions such as `iam:GetRole`."""
        self.misfits: list[str] = []
        """Calls and answers that do not fit the model."""
        self.url = ""
        self._moto = DomainDispatcherApplication(create_backend_app)

    def add(self, identifier: str = DATA_SOURCE_ID, kind: str = "AEM", **more: Any) -> None:
        self.data_sources[identifier] = {
            "displayName": "Pages",
            "type": kind,
            "status": "ACTIVE",
            **more,
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        environ["wsgi.input"] = io.BytesIO(request.get_data())  # moto reads it again
        scope = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")
        service = scope[3] if len(scope) > 3 else "unsigned"
        operation, parameters = self._operation(service, request)
        action = f"{service}:{operation}"
        self.calls.append(action)
        if action in self.pages:
            page = Response("<!doctype html><p>Sign in", self.pages[action], mimetype="text/html")
            return page(environ, start_response)
        if action in self.refusals:
            return _refusal(service, *self.refusals[action])(environ, start_response)
        if service == "qbusiness":
            return self._qbusiness(operation, parameters)(environ, start_response)
        if action in self.answers:
            answer = self._fitting(MODELS[service].operation_model(operation), self.answers[action])
            return answer(environ, start_response)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.account
        return self._moto(environ, start_response)

    def _operation(self, service: str, request: Request) -> tuple[str, dict[str, Any]]:
        if service == "qbusiness":
            return self._route(request)
        if service == "s3":
            query = request.query_string.decode().partition("&")[0].rstrip("=")
            return _BUCKET_ACTIONS.get(query, f"{request.method} {request.full_path}"), {}
        target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        return target or dict(parse_qsl(request.get_data(as_text=True)))["Action"], {}

    def _route(self, request: Request) -> tuple[str, dict[str, Any]]:
        """Return the operation of a request and its parameters, according to the model."""
        model: Any = MODELS["qbusiness"]
        query = {key: value for key, (value,) in parse_qs(request.query_string.decode()).items()}
        for name in model.operation_names:
            operation: Any = model.operation_model(name)
            uri = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"].partition("?")[0])
            found = re.fullmatch(uri, request.path)
            if found and operation.http["method"] == request.method and operation.input_shape:
                given = {key: unquote(value) for key, value in found.groupdict().items()} | query
                return name, self._parameters(operation, given)
        self.misfits.append(f"no operation is {request.method} {request.path}")
        return "Unknown", {}

    def _parameters(self, operation: Any, given: Mapping[str, str]) -> dict[str, Any]:
        members = operation.input_shape.members
        names = {shape.serialization.get("name", name): name for name, shape in members.items()}
        parameters = {
            names.get(key, key): int(value)
            if key in names and members[names[key]].type_name == "integer"
            else value
            for key, value in given.items()
        }
        self._check(operation.name, parameters, operation.input_shape)
        return parameters

    def _check(self, what: str, value: Any, shape: Any) -> None:
        report = ParamValidator().validate(value, shape)
        if report.has_errors():
            self.misfits.append(f"{what}: {report.generate_report()}")

    def _fitting(self, operation: Any, answer: Mapping[str, Any]) -> Response:
        self._check(f"answer of {operation.name}", answer, operation.output_shape)
        return Response(json.dumps(answer), mimetype="application/json")

    def _qbusiness(self, operation: str, given: Mapping[str, Any]) -> Response:
        lists: dict[str, Callable[[], tuple[str, list[dict[str, Any]]]]] = {
            "ListApplications": lambda: (
                "applications",
                [
                    {"applicationId": identifier, "displayName": name}
                    for identifier, name in self.applications.items()
                ],
            ),
            "ListIndices": lambda: (
                "indices",
                [
                    {"indexId": identifier, "displayName": name}
                    for identifier, name in self.indexes.items()
                ],
            ),
            "ListDataSources": lambda: (
                "dataSources",
                [
                    {
                        "dataSourceId": identifier,
                        **{key: data_source[key] for key in ("displayName", "type", "status")},
                    }
                    for identifier, data_source in self.data_sources.items()
                ],
            ),
        }
        if given.get("applicationId") not in (None, *self.applications):
            return _refusal("qbusiness", 404, "ResourceNotFoundException")
        model = MODELS["qbusiness"].operation_model(operation)
        if operation in lists:
            key, items = lists[operation]()
            start = int(given.get("nextToken", "0"))
            end = start + self.page_size
            more = {"nextToken": str(end)} if end < len(items) else {}
            return self._fitting(model, {key: items[start:end], **more})
        if operation == "GetDataSource":
            parts = [given[name] for name in ("applicationId", "indexId", "dataSourceId")]
            path = "application/{}/index/{}/data-source/{}".format(*parts)
            arn = f"arn:aws:qbusiness:{REGION}:{self.account}:{path}"
            return self._fitting(model, {**self.data_sources[parts[2]], "dataSourceArn": arn, **given})
        self.misfits.append(f"{operation} is not served")
        return _refusal("qbusiness", 500, "InternalServerException")


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 werkzeug's name
        """Log nothing: the calls are recorded."""


def _refusal(service: str, status: int, code: str) -> Response:
    message = f"{code} by the test"
    if service == "s3":
        text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        return Response(text, status, mimetype="text/xml")
    if service == "iam":
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code>"
            f"<Message>{escape(message)}</Message></Error><RequestId>test</RequestId></ErrorResponse>"
        )
        return Response(text, status, mimetype="text/xml")
    body = json.dumps({"__type": code, "message": message})
    return Response(body, status, {"x-amzn-ErrorType": code}, mimetype="application/json")


@contextmanager
def served(account: str = ACCOUNT) -> Generator[Server]:
    """Serve on loopback until the context ends; fail if a call or an answer does not fit the model."""
    moto_api_backend.reset()
    mock_random.seed(0)  # a secret's six characters look like part of its name once in 200 times
    server = Server(account)
    listening = make_server("127.0.0.1", 0, server, threaded=True, request_handler=_Quiet)
    server.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, args=[0.02])
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
    assert not server.misfits
