"""Serve stand-ins for AWS and the AWS providers on loopback.

`QBusiness` handles calls to Amazon Q Business. moto handles calls to a few other services, but not to
all that it has, because some of them send requests to other machines. IAM calls are validated first.
Requests that may come from a web page are rejected.

`python -m sandbox.aws_server DIRECTORY SOURCES` starts a server in the background; SOURCES is the digest
of its source files. In DIRECTORY, `server.json` contains the server's process ID, SOURCES, and ports.
`contents.pickle` contains the state of IAM and STS, and the resources of Amazon Q Business, so that the
stacks' resources and the roles' credentials survive if the server is killed; other services start again
with their initial contents. A lock on `server.lock` shows that the server is running; deleting that file
stops the server. The server outlives the command that started it. However, if there is a file
`owner.lock` next to DIRECTORY, the server stops as soon as no process holds an exclusive lock on that
file. The process that holds the lock can be killed, because the system releases a process's locks when
the process ends.
"""

import fcntl
import io
import json
import os
import pickle
import re
import sys
import threading
from collections.abc import Callable, Iterable
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend, get_account_id_from, iam_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition
from werkzeug.serving import make_server
from werkzeug.wrappers import Request

from sandbox.account import ACCOUNT_ID, FILL_FUNCTION_BY_SERVICE, fill_qbusiness, find_bucket_owner
from sandbox.environment import PROVIDER_PACKAGES, REGION, aws_variables
from sandbox.iam_rules import ExistingRole, IamError, as_list, validate_request
from sandbox.provider.server import serve_provider
from sandbox.qbusiness import QBusiness, QBusinessError

_LOCK_CHECK_INTERVAL: Final = 0.1
"""Seconds between checks of `server.lock` while no request arrives."""
_STOP_TIMEOUT: Final = 4.0
"""Seconds to wait for calls in progress when the server is stopped."""
_READ_PREFIXES: Final = ("Get", "List", "Simulate")
_SIGNATURE_PATTERN: Final = re.compile(r"Credential=([^/]+)/\d+/([\w-]+)/([\w-]+)/")
"""Matches the access key, the Region, and the service in a request's signature."""
_AWS_MANAGED_POLICY_PATTERN: Final = re.compile(r"arn:[a-z-]+:iam::aws:policy/(?:.*/)?([^/]+)")
"""Matches the ARN of an AWS managed policy, and captures the policy's name."""
# An XML namespace, not an address. IAM's error documents declare it.
_NAMESPACE: Final = "https://iam.amazonaws.com/doc/2010-05-08/"

_SAVED_BACKENDS: Final = {"iam": iam_backends, "sts": sts_backends}
"""The moto services whose contents are saved, such as roles, policies, and the roles' credentials."""
_MOTO_SERVICES: Final = frozenset({*_SAVED_BACKENDS, *FILL_FUNCTION_BY_SERVICE})
_RESET_PATH: Final = "/moto-api/reset"
"""A POST to this path resets all services to their initial contents, as on moto's own server."""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Aws:
    """A WSGI application that stands in for AWS and saves the state of IAM, STS, and Amazon Q Business.

    As in moto, the access key determines the account: a key that a call created belongs to the account
    of its role or user, and any other key belongs to the sandbox's account.
    """

    def __init__(self, contents_file: Path) -> None:
        """Load the contents that a previous server saved, if any."""
        self.contents_file = contents_file
        self.create_moto_app = cache(create_backend_app)
        # Handle one call at a time, so that nothing changes between a call's validation and execution.
        self.lock = threading.Lock()
        self._reset_contents()
        if contents_file.exists():
            contents = pickle.loads(contents_file.read_bytes())  # noqa: S301 our own file
            for service, backends in _SAVED_BACKENDS.items():
                for (account_id, partition), attributes in contents.get(service, {}).items():
                    vars(backends[account_id][partition]).update(attributes)
            for place, resources in contents.get("applications", {}).items():
                self.qbusiness_by_place[place].resources = resources

    def _reset_contents(self) -> None:
        self.filled_services: set[str] = set()
        """The moto services that already contain their initial resources."""
        self.qbusiness_by_place: dict[tuple[str, str], QBusiness] = _QBusinessByPlace()
        fill_qbusiness(self.qbusiness_by_place[ACCOUNT_ID, REGION])

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        if reason := _describe_foreign_request(environ):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [f"The sandbox's AWS server rejects {reason}.\n".encode()]
        signature = _SIGNATURE_PATTERN.search(environ.get("HTTP_AUTHORIZATION", ""))
        access_key, region, service = signature.groups() if signature else ("", "", "")
        with self.lock:
            if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("POST", _RESET_PATH):
                return self._reset_all(start_response)
            account_id = get_account_id_from(access_key)
            if service == "qbusiness":
                response = self.qbusiness_by_place[account_id, region].answer(Request(environ))
                if environ["REQUEST_METHOD"] != "GET":
                    self._save_contents()
                return response(environ, start_response)
            try:
                _check_service(service)
                if service == "iam":
                    _prepare_iam_call(iam_backends[account_id][get_partition(region)], environ)
                elif service in FILL_FUNCTION_BY_SERVICE and service not in self.filled_services:
                    FILL_FUNCTION_BY_SERVICE[service]()
                    self.filled_services.add(service)
                _check_bucket_owner(environ)
                return self._pass_on(service, environ, start_response)
            except IamError as rejection:
                return _reject_call(rejection, start_response)
            except NotImplementedError as error:
                message = f"the sandbox does not support this call: {error}"
                return _reject_unsupported_call(environ, message, start_response)

    def _pass_on(self, service: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a call to moto, and save its changes."""
        action = _read_parameters(environ).get("Action", "") if service in _SAVED_BACKENDS else ""
        response = [*self.create_moto_app(service)(environ, start_response)]
        if service in _SAVED_BACKENDS and not action.startswith(_READ_PREFIXES):
            self._save_contents()
        return response

    def _reset_all(self, start_response: StartResponse) -> Iterable[bytes]:
        """Reset moto's services and Amazon Q Business to their initial contents."""
        moto_api_backend.reset()
        self._reset_contents()
        self._save_contents()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return []

    def _save_contents(self) -> None:
        contents = {
            service: _collect_attributes(backends) for service, backends in _SAVED_BACKENDS.items()
        }
        resources_by_place = {
            place: qbusiness.resources for place, qbusiness in self.qbusiness_by_place.items()
        }
        unfinished_file = self.contents_file.with_suffix(".unfinished")
        unfinished_file.write_bytes(pickle.dumps({**contents, "applications": resources_by_place}))
        unfinished_file.replace(self.contents_file)


def _describe_foreign_request(environ: Environ) -> str:
    """Describe a request that may come from a web page; return "" for any other request.

    Browsers add the header Origin to requests to other sites, except to GET and HEAD requests that have
    only simple headers and therefore no signature (https://fetch.spec.whatwg.org/#origin-header). To
    make its requests look like requests to its site, a page can resolve the site's host to this machine;
    they then have that host.
    """
    if "HTTP_ORIGIN" in environ:
        return "requests from web pages: the header Origin is set"
    address = f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    host = environ.get("HTTP_HOST", "")
    return "" if host == address else f"the host {host!r}: use {address}"


def _check_service(service: str) -> None:
    """Raise NotImplementedError if the sandbox has no such service; it is "" without a signature."""
    if not service:
        raise NotImplementedError("the call is not signed")
    if service not in _MOTO_SERVICES:
        raise NotImplementedError(f"there is no service {service}")


def _prepare_iam_call(iam: IAMBackend, environ: Environ) -> None:
    """Validate and complete an IAM call; raise IamError if IAM would reject the call."""
    parameters = _read_parameters(environ)
    action = parameters.get("Action", "")
    for parameter in ("PolicyArn", "PermissionsBoundary"):
        _add_aws_managed_policy(iam, parameters.get(parameter, ""))
    try:
        role_by_name = {
            role.name: ExistingRole(role.name, role.policies, tuple(tag["Key"] for tag in role.tags))
            for role in iam.roles.values()
        }
        validate_request(action, parameters, role_by_name, iam.managed_policies)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        # The rules assume a well-formed call.
        raise IamError(400, "ValidationError", f"malformed call: {error!r}") from error
    if action == "UpdateRole":
        body = _complete_role_update(iam, parameters)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _check_bucket_owner(environ: Environ) -> None:
    """Raise IamError if a bucket's owner is not the expected one, because moto does not check this."""
    expected_owner = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    if not expected_owner:
        return
    bucket_name = environ["PATH_INFO"].split("/")[1]
    if find_bucket_owner(bucket_name) not in (expected_owner, None):
        raise IamError(403, "AccessDenied", "Access Denied")


class _QBusinessByPlace(dict[tuple[str, str], QBusiness]):
    """The Amazon Q Business stand-ins, by account and Region."""

    def __missing__(self, place: tuple[str, str]) -> QBusiness:
        account_id, region = place
        self[place] = QBusiness(account_id, region, partial(_check_role, account_id))
        return self[place]


def _check_role(account_id: str, role_arn: str) -> None:
    """Raise QBusinessError if a role is in another account or Amazon Q Business cannot assume it."""
    if role_arn.split(":")[4] != account_id:
        raise QBusinessError("AccessDeniedException", "Cross-account pass role is not allowed.")
    trust_policy_by_arn = {
        role.arn: role.assume_role_policy_document
        for backend in iam_backends[account_id].values()
        for role in backend.roles.values()
    }
    if role_arn not in trust_policy_by_arn or not _trusts_service(trust_policy_by_arn[role_arn]):
        raise QBusinessError(
            "ValidationException",
            f"Amazon Q Business cannot assume the role {role_arn}",
            reason="FIELD_VALIDATION_FAILED",
        )


def _trusts_service(trust_policy: str) -> bool:
    """Return whether a trust policy lets Amazon Q Business assume the role.

    The conditions of Allow statements count as met, and those of Deny statements as not met.
    """
    effects = {
        statement["Effect"]
        for statement in as_list(json.loads(trust_policy)["Statement"])
        if "qbusiness.amazonaws.com" in str(statement.get("Principal"))
        and (statement["Effect"] == "Allow" or "Condition" not in statement)
    }
    return effects == {"Allow"}


def _collect_attributes(backends: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the attributes of a service's backends, by account and partition."""
    return {
        (backend.account_id, backend.partition): vars(backend)
        for account_backends in backends.values()
        for backend in account_backends.values()
    }


def _read_parameters(environ: Environ) -> dict[str, str]:
    """Return the parameters in a request's body, which can still be read afterward."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def _add_aws_managed_policy(iam: IAMBackend, policy_arn: str) -> None:
    """Add an AWS managed policy to an account the first time that a call refers to the policy.

    moto itself can add these policies only all at once, when it starts. If it did so, each change to IAM
    would save more than 1,500 policies again.
    """
    arn_match = _AWS_MANAGED_POLICY_PATTERN.fullmatch(policy_arn)
    if not arn_match or policy_arn in iam.managed_policies:
        return
    policy_name = arn_match[1]
    attributes = json.loads(aws_managed_policies_data).get(policy_name)
    if not attributes:
        return
    policy = AWSManagedPolicy.from_data(policy_name, iam.account_id, iam.region_name, attributes)
    if policy.arn == policy_arn:
        iam.managed_policies[policy_arn] = policy


def _complete_role_update(iam: IAMBackend, parameters: dict[str, str]) -> bytes:
    """Return an UpdateRole call's body with the values that the call omits and moto would delete."""
    role_attributes: dict[str, Any] = {}
    for role in iam.roles.values():
        if role.name == parameters.get("RoleName"):
            role_attributes["Description"] = role.description
            role_attributes["MaxSessionDuration"] = role.max_session_duration
    role_parameters = {key: str(content) for key, content in role_attributes.items() if content}
    return urlencode(role_parameters | parameters).encode()


def _reject_call(rejection: IamError, start_response: StartResponse) -> Iterable[bytes]:
    error_document = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{rejection.code}</Code>'
        f"<Message>{escape(rejection.message)}</Message></Error><RequestId>sandbox</RequestId>"
        "</ErrorResponse>"
    )
    start_response(f"{rejection.status} {rejection.code}", [("Content-Type", "text/xml")])
    return [error_document.encode()]


def _reject_unsupported_call(
    environ: Environ, message: str, start_response: StartResponse
) -> Iterable[bytes]:
    """Return an error for an unsupported call, in XML if the call is a form, and otherwise in JSON."""
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return _reject_call(IamError(400, "InvalidAction", message), start_response)
    code = "UnknownOperationException"
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
    start_response(f"404 {code}", headers)
    return [json.dumps({"__type": code, "message": message}).encode()]


def _end_with_lock_holder(lock_file: Path) -> None:
    """End the process when no process holds an exclusive lock on a file."""
    with lock_file.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    os._exit(0)


def main(directory: Path, sources_digest: str) -> None:
    """Serve in a background process until `server.lock` is deleted or the holder of `owner.lock` ends.

    `sources_digest` is the digest of the server's source files.
    """
    lock = (directory / "server.lock").open("a")
    # Acquire the lock before the fork, so that it is held when the parent ends.
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fork():
        os._exit(0)  # the child keeps the lock
    owner_lock_file = directory.parent / "owner.lock"
    if owner_lock_file.exists():
        threading.Thread(target=_end_with_lock_holder, args=(owner_lock_file,), daemon=True).start()
    with lock:
        aws = Aws(directory / "contents.pickle")
        server = make_server("127.0.0.1", 0, aws, threaded=True, request_handler=MotoRequestHandler)
        # The providers in this process also call this server.
        os.environ |= aws_variables(server.server_port)
        providers = {package: serve_provider(package) for package in PROVIDER_PACKAGES}
        server_state = {
            "process": os.getpid(),
            "sources": sources_digest,
            "port": server.server_port,
            "providers": {package: port for package, (_provider, port) in providers.items()},
        }
        # A process that waits for the file must find it complete.
        unfinished_file = directory / "server.json.unfinished"
        unfinished_file.write_text(json.dumps(server_state))
        unfinished_file.replace(directory / "server.json")
        server.timeout = _LOCK_CHECK_INTERVAL
        while os.fstat(lock.fileno()).st_nlink:  # until the file is deleted
            server.handle_request()
        # Let calls in progress finish, because the engine must receive their results.
        stop_events = [provider.stop(grace=_STOP_TIMEOUT) for provider, _port in providers.values()]
        while not all(stop_event.is_set() for stop_event in stop_events):
            server.handle_request()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
