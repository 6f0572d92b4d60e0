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

ResourcePath = tuple[str, ...]
"""Zero to three IDs: those of an application, an index, and a data source, in this order."""

_RESOURCE_TYPES: Final = ("application", "index", "data-source")
_ID_KEYS: Final = ("applicationId", "indexId", "dataSourceId")
_ARN_KEYS: Final = ("applicationArn", "indexArn", "dataSourceArn")


class QBusinessError(Exception):
    """Raised when Amazon Q Business rejects a call."""

    def __init__(self, code: str, message: str, **details: str) -> None:
        """Store the error's name from the service model, and the contents of the response's body."""
        super().__init__(message)
        self.code = code
        self.body = {"message": message, **details}


class QBusiness:
    """The applications, indexes, and data sources of one account and Region."""

    def __init__(
        self,
        account_id: str,
        region: str,
        check_role: Callable[[str], None] = lambda _role_arn: None,
    ) -> None:
        """Start without resources; `check_role` raises QBusinessError for a role that cannot be used."""
        self.arn_prefix = f"arn:aws:qbusiness:{region}:{account_id}:"
        self.check_role = check_role
        self.resources: dict[ResourcePath, dict[str, Any]] = {}
        """The properties of each resource; Get and List operations return a selection of them."""
        self.sync_jobs: dict[ResourcePath, list[dict[str, Any]]] = {}
        """The sync jobs of each data source, latest first."""
        self.page_size = 10
        """Maximum number of list entries in one response, unless the call specifies `maxResults`."""
        self.keeps_omitted = True
        """Whether an update keeps the properties that the request omits; AWS does not document this."""
        self._handler_by_operation: Mapping[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
            "CreateDataSource": self._create_data_source,
            "DeleteDataSource": self._delete_data_source,
            "GetApplication": self._read_resource,
            "GetDataSource": self._read_resource,
            "GetIndex": self._read_resource,
            "ListApplications": self._list_resources,
            "ListDataSourceSyncJobs": self._list_sync_jobs,
            "ListDataSources": self._list_resources,
            "ListIndices": self._list_resources,
            "UpdateDataSource": self._update_data_source,
        }

    def add(self, *path: str, **properties: Any) -> dict[str, Any]:
        """Add the application, index, or data source with these IDs, and return its properties."""
        arn_parts = (
            f"{resource_type}/{resource_id}"
            for resource_type, resource_id in zip(_RESOURCE_TYPES, path, strict=False)
        )
        created_at = time.time()
        self.resources[path] = {
            **dict(zip(_ID_KEYS, path, strict=False)),
            _ARN_KEYS[len(path) - 1]: self.arn_prefix + "/".join(arn_parts),
            "status": "ACTIVE",
            "createdAt": created_at,
            "updatedAt": created_at,
            **properties,
        }
        return self.resources[path]

    def answer(self, request: Request) -> Response:
        """Return the response to a request; a rejected request gets an error response."""
        try:
            operation, parameters = parse_request(request)
            response_body = self._call_operation(operation, parameters)
        except QBusinessError as error:
            error_shape = _load_service_model().shape_for(error.code)
            http_status = error_shape.metadata["error"]["httpStatusCode"]
            headers = {"x-amzn-ErrorType": error.code}
            return Response(json.dumps(error.body), http_status, headers, mimetype="application/json")
        return Response(json.dumps(response_body), mimetype="application/json")

    def _call_operation(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return an operation's response; raise QBusinessError if the request or response is invalid."""
        if operation.name not in self._handler_by_operation:
            supported_operations = ", ".join(self._handler_by_operation)
            raise _build_validation_error(
                f"the sandbox does not support {operation.name}; it supports {supported_operations}",
                "UNKNOWN_OPERATION",
            )
        if request_mismatches := _format_mismatches(parameters, operation.input_shape):
            raise _build_validation_error(request_mismatches)
        response_body = self._handler_by_operation[operation.name](operation, parameters)
        if response_mismatches := _format_mismatches(response_body, operation.output_shape):
            raise QBusinessError("InternalServerException", f"{operation.name}: {response_mismatches}")
        return response_body

    def _get_resource(self, path: ResourcePath) -> dict[str, Any]:
        """Return a resource's properties; raise QBusinessError if it or a parent does not exist."""
        for length in range(1, len(path) + 1):
            if path[:length] not in self.resources:
                resource_type, resource_id = _RESOURCE_TYPES[length - 1], path[length - 1]
                raise QBusinessError(
                    "ResourceNotFoundException",
                    f"there is no {resource_type} {resource_id}",
                    resourceId=resource_id,
                    resourceType=resource_type,
                )
        return self.resources[path]

    def _read_resource(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        resource = self._get_resource(_get_resource_path(parameters))
        return _select_properties(resource, operation.output_shape)

    def _list_resources(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the resources directly under the request's application, index, or account."""
        parent = _get_resource_path(parameters)
        if parent:
            self._get_resource(parent)
        children = [resource for path, resource in self.resources.items() if path[:-1] == parent]
        return self._render_page(operation, parameters, children)

    def _list_sync_jobs(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        path = _get_resource_path(parameters)
        self._get_resource(path)
        return self._render_page(operation, parameters, self.sync_jobs.get(path, []))

    def _render_page(
        self, operation: Any, parameters: dict[str, Any], list_entries: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Return a response with one page of a list, and with `nextToken` if more entries follow."""
        (list_key,) = (
            key for key, shape in operation.output_shape.members.items() if shape.type_name == "list"
        )
        entry_shape = operation.output_shape.members[list_key].member
        start = int(parameters.get("nextToken", "0"))
        end = start + parameters.get("maxResults", self.page_size)
        page = [_select_properties(properties, entry_shape) for properties in list_entries[start:end]]
        if end < len(list_entries):
            return {list_key: page, "nextToken": str(end)}
        return {list_key: page}

    def _create_data_source(self, _operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        parent = _get_resource_path(parameters)
        self._get_resource(parent)
        stored_keys = parameters.keys() - {*_ID_KEYS, "clientToken"}
        properties = {key: parameters[key] for key in parameters if key in stored_keys}
        self._check_role_in(properties)
        data_source_id = str(uuid.uuid4())
        connector_type = _get_connector_type(properties["configuration"])
        data_source = self.add(*parent, data_source_id, **properties, type=connector_type)
        return {"dataSourceId": data_source_id, "dataSourceArn": data_source["dataSourceArn"]}

    def _update_data_source(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        """Change the properties in the request; unless `keeps_omitted`, remove the omitted ones."""
        data_source = self._get_resource(_get_resource_path(parameters))
        properties = {key: parameters[key] for key in parameters if key not in _ID_KEYS}
        self._check_role_in(properties)
        if not self.keeps_omitted:
            for omitted_key in operation.input_shape.members.keys() - parameters.keys():
                data_source.pop(omitted_key, None)
        data_source |= properties
        data_source["type"] = _get_connector_type(data_source["configuration"])
        data_source["updatedAt"] = time.time()
        return {}

    def _check_role_in(self, properties: Mapping[str, Any]) -> None:
        if "roleArn" in properties:
            self.check_role(properties["roleArn"])

    def _delete_data_source(self, _operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        path = _get_resource_path(parameters)
        self._get_resource(path)
        del self.resources[path]
        self.sync_jobs.pop(path, None)
        return {}


def parse_request(request: Request) -> tuple[Any, dict[str, Any]]:
    """Return the model's operation that a request calls, and the request's parameters.

    Raises QBusinessError if no operation has the request's method and path, or if the body is not JSON.
    """
    for method, path_pattern, operation in _build_routes():
        path_match = path_pattern.fullmatch(request.path)
        if not path_match or method != request.method:
            continue
        query_parameters = _parse_query(request.args, operation.input_shape)
        try:
            body_parameters = json.loads(request.get_data() or "{}")
        except ValueError:
            raise _build_validation_error("the body is not a JSON document", "CANNOT_PARSE") from None
        return operation, {**body_parameters, **query_parameters, **path_match.groupdict()}
    raise _build_validation_error(
        f"there is no operation {request.method} {request.path}", "UNKNOWN_OPERATION"
    )


def _parse_query(query: Mapping[str, str], input_shape: Any) -> dict[str, Any]:
    """Return the parameters in a request's query; keys that the operation does not have are ignored."""
    parameters: dict[str, Any] = {}
    for parameter_name, shape in input_shape.members.items():
        query_key = shape.serialization.get("name", parameter_name)
        if query_key in query:
            query_text = query[query_key]
            is_number = shape.type_name == "integer" and query_text.isdecimal()
            parameters[parameter_name] = int(query_text) if is_number else query_text
    return parameters


def _get_connector_type(configuration: Mapping[str, Any]) -> str:
    """Return the connector type in a configuration, or CUSTOM if the configuration contains none."""
    return str(configuration.get("type", "CUSTOM"))


def _get_resource_path(parameters: Mapping[str, Any]) -> ResourcePath:
    return tuple(parameters[id_key] for id_key in _ID_KEYS if id_key in parameters)


def _select_properties(properties: Mapping[str, Any], shape: Any) -> dict[str, Any]:
    """Return the properties that the shape contains."""
    return {key: properties[key] for key in shape.members if key in properties}


@functools.cache
def _load_service_model() -> Any:
    return botocore.session.get_session().get_service_model("qbusiness")


@functools.cache
def _build_routes() -> list[tuple[str, re.Pattern[str], Any]]:
    """For each operation, return its HTTP method, a pattern for its path, and the operation itself."""
    service_model = _load_service_model()
    routes: list[tuple[str, re.Pattern[str], Any]] = []
    for operation_name in service_model.operation_names:
        operation = service_model.operation_model(operation_name)
        path_template = operation.http["requestUri"].partition("?")[0]
        path_pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path_template))
        routes.append((operation.http["method"], path_pattern, operation))
    return routes


def _format_mismatches(properties: Mapping[str, Any], shape: Any) -> str:
    """Return the mismatches between a request or response and its shape; empty if there are none."""
    report = ParamValidator().validate(properties, shape)
    mismatches = [report.generate_report()]
    pattern_by_key = {key: member.metadata.get("pattern") for key, member in shape.members.items()}
    for key, content in properties.items():
        pattern = pattern_by_key.get(key)
        if pattern and isinstance(content, str) and not re.fullmatch(pattern, content):
            mismatches.append(f"{key} does not match {pattern}")
    return "; ".join(filter(None, mismatches))


def _build_validation_error(message: str, reason: str = "FIELD_VALIDATION_FAILED") -> QBusinessError:
    return QBusinessError("ValidationException", message, reason=reason)
