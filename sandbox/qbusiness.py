"""Implement operations of Amazon Q Business, which moto does not support.

Requests, responses, and errors have the format in botocore's service model. Operations that are
asynchronous on AWS finish immediately: a new data source is active at once.
"""

import functools
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

import botocore.session
from botocore.validate import ParamValidator
from werkzeug.wrappers import Request, Response

Path = tuple[str, ...]
"""Zero to three IDs: those of an application, an index, and a data source, in this order."""

_LEVELS: Final = ("application", "index", "data-source")
_IDS: Final = ("applicationId", "indexId", "dataSourceId")
_ARNS: Final = ("applicationArn", "indexArn", "dataSourceArn")


class QBusinessError(Exception):
    """Raised when Amazon Q Business rejects a call."""

    def __init__(self, code: str, message: str, **entries: str) -> None:
        """Store the error's name from the service model, and the contents of the response's body."""
        super().__init__(message)
        self.code = code
        self.body = {"message": message, **entries}


class QBusiness:
    """The applications, indexes, and data sources of one account and Region."""

    def __init__(
        self, account: str, region: str, check_role: Callable[[str], None] = lambda _: None
    ) -> None:
        """Start without resources; `check_role` raises QBusinessError for a role that cannot be used."""
        self.arn = f"arn:aws:qbusiness:{region}:{account}:"
        self.check_role = check_role
        self.resources: dict[Path, dict[str, Any]] = {}
        """The properties of each resource; Get and List operations return a selection of them."""
        self.sync_jobs: dict[Path, list[dict[str, Any]]] = {}
        """The sync jobs of each data source, latest first."""
        self.page_size = 10
        """Maximum number of list entries in one response, unless the call specifies `maxResults`."""
        self.keeps_omitted = True
        """Whether an update keeps the properties that the request omits; AWS does not document this."""
        self._operations: Mapping[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
            "CreateDataSource": self._create_data_source,
            "DeleteDataSource": self._delete_data_source,
            "GetApplication": self._get,
            "GetDataSource": self._get,
            "GetIndex": self._get,
            "ListApplications": self._list,
            "ListDataSourceSyncJobs": self._list_sync_jobs,
            "ListDataSources": self._list,
            "ListIndices": self._list,
            "UpdateDataSource": self._update_data_source,
        }

    def add(self, *path: str, **entries: Any) -> dict[str, Any]:
        """Add the application, index, or data source with these IDs, and return its properties."""
        arn = self.arn + "/".join(f"{level}/{name}" for level, name in zip(_LEVELS, path, strict=False))
        now = time.time()
        self.resources[path] = {
            **dict(zip(_IDS, path, strict=False)),
            _ARNS[len(path) - 1]: arn,
            "status": "ACTIVE",
            "createdAt": now,
            "updatedAt": now,
            **entries,
        }
        return self.resources[path]

    def answer(self, request: Request) -> Response:
        """Return the response to a request; a rejected request gets an error response."""
        try:
            answer = self._answer(*parse(request))
        except QBusinessError as error:
            status = _model().shape_for(error.code).metadata["error"]["httpStatusCode"]
            headers = {"x-amzn-ErrorType": error.code}
            return Response(json.dumps(error.body), status, headers, mimetype="application/json")
        return Response(json.dumps(answer), mimetype="application/json")

    def _answer(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation.name not in self._operations:
            served = ", ".join(self._operations)
            raise _invalid(
                f"the sandbox does not support {operation.name}; it supports {served}",
                "UNKNOWN_OPERATION",
            )
        if misfits := _misfits(parameters, operation.input_shape):
            raise _invalid(misfits)
        answer = self._operations[operation.name](operation, parameters)
        if misfits := _misfits(answer, operation.output_shape):
            raise QBusinessError("InternalServerException", f"{operation.name}: {misfits}")
        return answer

    def _find(self, path: Path) -> dict[str, Any]:
        """Return a resource's properties; raise QBusinessError if it or a parent does not exist."""
        for length in range(1, len(path) + 1):
            if path[:length] not in self.resources:
                kind, name = _LEVELS[length - 1], path[length - 1]
                raise QBusinessError(
                    "ResourceNotFoundException",
                    f"there is no {kind} {name}",
                    resourceId=name,
                    resourceType=kind,
                )
        return self.resources[path]

    def _get(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        return _select_entries(self._find(_path(parameters)), operation.output_shape)

    def _list(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        parent = _path(parameters)
        if parent:
            self._find(parent)
        children = [resource for path, resource in self.resources.items() if path[:-1] == parent]
        return self._page(operation, parameters, children)

    def _list_sync_jobs(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        path = _path(parameters)
        self._find(path)
        return self._page(operation, parameters, self.sync_jobs.get(path, []))

    def _page(
        self, operation: Any, parameters: dict[str, Any], found: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Return a response with one page of `found`, and with `nextToken` if more entries follow."""
        (key,) = (
            name for name, shape in operation.output_shape.members.items() if shape.type_name == "list"
        )
        entry_shape = operation.output_shape.members[key].member
        start = int(parameters.get("nextToken", "0"))
        end = start + parameters.get("maxResults", self.page_size)
        more = {"nextToken": str(end)} if end < len(found) else {}
        return {key: [_select_entries(resource, entry_shape) for resource in found[start:end]], **more}

    def _create_data_source(self, _: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        parent = _path(parameters)
        self._find(parent)
        given = {name: value for name, value in parameters.items() if name not in (*_IDS, "clientToken")}
        self._check(given)
        identifier = str(uuid.uuid4())
        created = self.add(*parent, identifier, **given, type=_type(given["configuration"]))
        return {"dataSourceId": identifier, "dataSourceArn": created["dataSourceArn"]}

    def _update_data_source(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        """Change the properties in the request; unless `keeps_omitted`, remove the omitted ones."""
        found = self._find(_path(parameters))
        given = {name: value for name, value in parameters.items() if name not in _IDS}
        self._check(given)
        if not self.keeps_omitted:
            for name in operation.input_shape.members.keys() - parameters.keys():
                found.pop(name, None)
        found |= given
        found |= {"type": _type(found["configuration"]), "updatedAt": time.time()}
        return {}

    def _check(self, given: Mapping[str, Any]) -> None:
        if "roleArn" in given:
            self.check_role(given["roleArn"])

    def _delete_data_source(self, _: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        path = _path(parameters)
        self._find(path)
        del self.resources[path]
        self.sync_jobs.pop(path, None)
        return {}


def parse(request: Request) -> tuple[Any, dict[str, Any]]:
    """Return the model's operation that a request calls, and the request's parameters.

    Raises QBusinessError if no operation has the request's method and path, or if the body is not JSON.
    """
    for method, pattern, operation in _routes():
        found = pattern.fullmatch(request.path)
        if not found or method != request.method:
            continue
        shapes = operation.input_shape.members
        names = {shape.serialization.get("name", name): name for name, shape in shapes.items()}
        query = {
            names[key]: int(value)
            if shapes[names[key]].type_name == "integer" and value.isdecimal()
            else value
            for key, value in request.args.items()
            if key in names
        }
        try:
            body = json.loads(request.get_data() or "{}")
        except ValueError:
            raise _invalid("the body is not a JSON document", "CANNOT_PARSE") from None
        return operation, {**body, **query, **found.groupdict()}
    raise _invalid(f"there is no operation {request.method} {request.path}", "UNKNOWN_OPERATION")


def _type(configuration: Mapping[str, Any]) -> str:
    """Return the connector type in a configuration, or CUSTOM if the configuration contains none."""
    return str(configuration.get("type", "CUSTOM"))


def _path(parameters: Mapping[str, Any]) -> Path:
    return tuple(parameters[name] for name in _IDS if name in parameters)


def _select_entries(resource: Mapping[str, Any], shape: Any) -> dict[str, Any]:
    """Return the resource's properties that the shape contains."""
    return {name: resource[name] for name in shape.members if name in resource}


@functools.cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("qbusiness")


@functools.cache
def _routes() -> list[tuple[str, re.Pattern[str], Any]]:
    """For each operation, return its HTTP method, a pattern for its path, and the operation itself."""
    operations = [_model().operation_model(name) for name in _model().operation_names]
    return [
        (
            operation.http["method"],
            re.compile(
                re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"].partition("?")[0])
            ),
            operation,
        )
        for operation in operations
    ]


def _misfits(value: Mapping[str, Any], shape: Any) -> str:
    """Return the mismatches between a value and the shape, as text; empty if there are none."""
    report = ParamValidator().validate(value, shape)
    patterns = {name: entry.metadata.get("pattern") for name, entry in shape.members.items()}
    unmatched = (
        f"{name} does not match {patterns[name]}"
        for name, text in value.items()
        if patterns.get(name) and isinstance(text, str) and not re.fullmatch(patterns[name], text)
    )
    return "; ".join(filter(None, (report.generate_report(), *unmatched)))


def _invalid(message: str, reason: str = "FIELD_VALIDATION_FAILED") -> QBusinessError:
    return QBusinessError("ValidationException", message, reason=reason)
