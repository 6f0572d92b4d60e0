"""Replace AWS for `qbusiness-roles` with the sandbox's Amazon Q Business and, for other services, moto.

Calls are recorded, and a test can set other responses. Calls to Amazon Q Business, its responses, and
the responses that a test sets must match botocore's service model; otherwise, the test fails. The
responses from `Server.rejections` and `Server.spoil` are not checked.
"""

import functools
import io
import json
import logging
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import parse_qsl

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from botocore.validate import ParamValidator
from moto.core.botocore_stubber import MockRawResponse
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto.iam.models import get_account_id_from, iam_backends
from moto.kms import models as kms
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from moto.sts.models import sts_backends
from werkzeug.serving import make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION
from sandbox.iam_rules import as_list
from sandbox.qbusiness import QBusiness, parse_request

DATA_SOURCE_ID = "c3d4e5f6-7890-12ab-cdef-333333333333"
# Create moto's applications and RSA keys only once, because they are slow to create and keep no state.
_moto = functools.cache(create_backend_app)
logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the log would repeat the recorded calls
kms.generate_private_key = functools.cache(kms.generate_private_key)  # pyright: ignore[reportPrivateImportUsage]

_BUCKET_ACTIONS = {
    "abac": "GetBucketAbac",
    "encryption": "GetEncryptionConfiguration",
    "location": "GetBucketLocation",
    "policy": "GetBucketPolicy",
    "tagging": "GetBucketTagging",
}
"""The IAM names for the operations on a bucket, by the query in the URL."""


class Caller(NamedTuple):
    """The account, Region, and access key of a call, according to its signature."""

    account: str
    region: str
    access_key: str


class Server:
    """A server that stands in for AWS and records the calls to all services.

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
        """By action, the status and error code of rejections; an empty code stands for an HTML page.

        A key such as `444455556666 iam:GetRole` rejects the calls from one account.
        """
        self.answers: dict[str, Mapping[str, Any]] = {}
        """Responses to use in place of moto's, by action."""
        self.bucket_owner = ACCOUNT
        """The account that owns every bucket; moto does not check which owner a call expects."""
        self.spoil: dict[str, Callable[[bytes], bytes]] = {}
        """By action, functions that change a response's body, which then need not match the model."""
        self.fill: dict[str, Callable[[], None]] = {}
        """By service, functions that create the service's resources on the first call to the service."""
        self._filling = threading.Lock()
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
        """Return GetDataSource's response, which the test can change."""
        return self.qbusiness.resources[APPLICATION_ID, INDEX_ID, identifier]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        environ["wsgi.input"] = io.BytesIO(request.get_data())  # moto reads the body again
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
        try:
            answer = self._answer(caller, service, operation, request) or _moto(service)
            if spoil := self.spoil.get(action):
                answer = Response.from_app(answer, environ)
                answer.set_data(spoil(answer.get_data()))
        except Exception as error:
            self.misfits.append(repr(error))  # the code under test may mistake the error for an outage
            raise
        return answer(environ, start_response)

    def _answer(self, caller: Caller, service: str, operation: str, request: Request) -> Response | None:
        """Return this server's own response, or None to leave the call to moto."""
        action = f"{service}:{operation}"
        owner = request.headers.get("x-amz-expected-bucket-owner", self.bucket_owner)
        rejected = self.rejections.get(f"{caller.account} {action}") or self.rejections.get(action)
        answer = self.answers.get(action)
        asked = parse_qsl(request.get_data(as_text=True))
        if owner != self.bucket_owner or (
            action == "sts:AssumeRole" and not _trusts(caller, dict(asked))
        ):
            rejected = rejected or (403, "AccessDenied")
        elif action == "iam:SimulatePrincipalPolicy":
            actions = [value for name, value in asked if name.startswith("ActionNames.")]
            results = [{"EvalActionName": each, "EvalDecision": "allowed"} for each in actions]
            answer = {"EvaluationResults": results}
        elif action == "secretsmanager:ListSecretVersionIds" and answer is None:
            answer = _versions(caller, json.loads(request.get_data())["SecretId"])
            rejected = rejected or (None if answer else (400, "ResourceNotFoundException"))
        if rejected:
            return _rejection(service, *rejected)
        if service == "qbusiness":
            if caller.region in self.unreadable:
                return _rejection(service, 403, "AccessDenied")
            said = self.elsewhere(caller.region, caller.account).answer(request)
            if said.headers.get("x-amzn-ErrorType") in (
                "InternalServerException",
                "ValidationException",
            ):
                self.misfits.append(said.get_data(as_text=True))
            return said
        return None if answer is None else self._by_model(service, operation, answer)

    def elsewhere(self, region: str = REGION, account: str = ACCOUNT) -> QBusiness:
        """Return the stand-in for Amazon Q Business in a Region and account; a new stand-in is empty."""
        return self._places.setdefault((account, region), QBusiness(account, region))

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
        return parse_request(request)[0].name
    if service == "s3":
        query = request.query_string.decode().partition("&")[0].rstrip("=")
        return _BUCKET_ACTIONS.get(query, f"{request.method} {request.full_path}")
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    return target or dict(parse_qsl(request.get_data(as_text=True)))["Action"]


def _rejection(service: str, status: int, code: str) -> Response:
    if not code:
        return Response("<!doctype html><p>Sign in", status, mimetype="text/html")
    message = f"{code} by the test"
    if service in ("ec2", "iam", "s3", "sts"):
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        text = f"<ErrorResponse>{error}<RequestId>test</RequestId></ErrorResponse>"
        return Response(text, status, mimetype="text/xml")
    body = json.dumps({"__type": code, "message": message})
    return Response(body, status, {"x-amzn-ErrorType": code}, mimetype="application/json")


def _versions(caller: Caller, secret_id: str) -> dict[str, Any] | None:
    """Return a secret's versions with their keys, which moto omits; None if the secret doesn't exist.

    `DefaultEncryptionKey` is the AWS managed key; https://github.com/mondoohq/mql/pull/8927 shows this
    name in a response from AWS.
    """
    secrets: Any = secretsmanager_backends[caller.account][caller.region].secrets
    if secret_id not in secrets:
        return None
    secret = secrets[secret_id]
    managed = secret.kms_key_id in (None, "alias/aws/secretsmanager")
    keys = ["DefaultEncryptionKey" if managed else secret.kms_key_id]
    return {
        "Versions": [
            {"VersionId": name, "VersionStages": version["version_stages"], "KmsKeyIds": keys}
            for name, version in secret.versions.items()
        ]
    }


def _trusts(caller: Caller, asked: Mapping[str, str]) -> bool:
    """Return whether the role exists and trusts the caller; moto does not check this.

    A condition is met if one of its values equals its key's value: the external ID or the caller's ARN.
    """
    sts: Any = sts_backends[caller.account]["aws"]
    _, arn, account = sts.get_caller_identity(caller.access_key, caller.region)
    given = {"sts:ExternalId": asked.get("ExternalId"), "aws:PrincipalArn": arn}
    return any(
        {arn, account, f"arn:aws:iam::{account}:root"} & {*as_list(statement["Principal"]["AWS"])}
        and all(
            given[key] in as_list(values)
            for condition in statement.get("Condition", {}).values()
            for key, values in condition.items()
        )
        for role in iam_backends[asked["RoleArn"].split(":")[4]]["aws"].roles.values()
        if role.arn == asked["RoleArn"]
        for statement in as_list(json.loads(role.assume_role_policy_document)["Statement"])
    )


@contextmanager
def listening() -> Generator[Callable[[], Server]]:
    """Listen on loopback until the context ends; yield a function that replaces the server.

    This process's SDK calls the server without a connection, which would take a third of a call's time.
    """

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return server(environ, start_response)

    def new_server() -> Server:
        """Replace the server with one for a new account without data sources; return the new server."""
        nonlocal server
        moto_api_backend.reset()
        # Without a seed, 1 in 200 secret ARNs would end with characters that look like part of the name.
        mock_random.seed(0)
        server = Server(url)
        return server

    def call(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        if not request.url.startswith(url):
            return send(session, request)
        # botocore encodes some headers' values as bytes.
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        path, method = request.url.removeprefix(url), request.method
        said = client.open(path, base_url=url, method=method, headers=headers, data=request.body)
        raw = MockRawResponse(said.get_data())
        return AWSResponse(request.url, said.status_code, said.headers, raw)

    client, send = Client(answer, use_cookies=False), URLLib3Session.send
    with make_server("127.0.0.1", 0, answer, threaded=True) as listener:
        url = f"http://127.0.0.1:{listener.server_port}"
        server = Server(url)
        threading.Thread(target=listener.serve_forever, args=[0.02]).start()
        try:
            with patch.object(URLLib3Session, "send", call):
                yield new_server
        finally:
            listener.shutdown()
