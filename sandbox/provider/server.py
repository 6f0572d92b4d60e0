"""Serve the sandbox's providers on loopback, with the ResourceProvider protocol over gRPC.

Properties are plain JSON values, with a marker string for unknown values. Because these providers do not
accept secrets, the engine sends them plain values and marks the corresponding outputs as secret. See
https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

import functools
import importlib.metadata
import json
import random
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import grpc
from google.protobuf import json_format, struct_pb2
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.provider import native, resources
from sandbox.provider.calls import MAXIMUM_CONCURRENT_CALLS, ProviderError
from sandbox.provider.configuration import (
    Configuration,
    Properties,
    check_credentials,
    check_settings,
    configure_provider,
)
from sandbox.provider.lifecycle import Lifecycle, ResourceInitError, top_level
from sandbox.provider.schema import render_package_schema

_NO_CHANGES: Final = provider_pb2.DiffResponse.DIFF_NONE
_SOME_CHANGES: Final = provider_pb2.DiffResponse.DIFF_SOME
_Supported = TypeVar("_Supported")


def _decode_properties(struct: struct_pb2.Struct) -> Properties:
    return json_format.MessageToDict(struct)


def _encode_properties(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(properties), struct_pb2.Struct())


def _handle_errors(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that calls a protocol method with the connection and handles exceptions.

    Each ProviderError becomes a protocol error, whose message the engine shows unchanged. The traceback
    of any other exception is printed.
    """

    @functools.wraps(method)
    def handle_request(self: "Provider", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context.peer())
        except ResourceInitError as error:
            _abort_and_store(context, error)
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception:
            traceback.print_exc()  # the engine shows only the message
            raise

    return handle_request


def get_supported(kind: str, token: str, supported_by_token: Mapping[str, _Supported]) -> _Supported:
    """Return a token's resource or function; raise ProviderError if the sandbox does not support it.

    `kind`, in the error's message, is resource or function.
    """
    if token not in supported_by_token:
        supported_tokens = ", ".join(supported_by_token) or "none"
        raise ProviderError(
            f"the sandbox does not support the {kind} {token}; it supports {supported_tokens}"
        )
    return supported_by_token[token]


def _abort_and_store(context: grpc.ServicerContext, error: ResourceInitError) -> None:
    """Fail a request with an error that still makes the engine store the resource."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.resource_id, properties=_encode_properties(error.state), reasons=[str(error)]
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """A package's provider, with the protocol methods that the sandbox needs.

    An engine opens and configures a connection for each provider in its program. Each method receives
    the address of the engine's end of the connection. This address identifies the configuration.
    """

    def __init__(self, package: str) -> None:
        """Start without configured connections; `package` is the name of the package."""
        self.package = package
        self.package_module: Any = native if package == "aws-native" else resources
        self._configuration_by_connection: dict[str, Configuration] = {}

    def _get_configuration(self, connection: str) -> Configuration:
        if connection not in self._configuration_by_connection:
            raise ProviderError(f"the provider {self.package} is not configured: run the command again")
        return self._configuration_by_connection[connection]

    @_handle_errors
    def Attach(self, _request: plugin_pb2.PluginAttach, _connection: str) -> Empty:
        return Empty()

    @_handle_errors
    def GetPluginInfo(self, _request: Empty, _connection: str) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._get_sdk_version())

    def _get_sdk_version(self) -> str:
        """Return the version of the installed SDK, which an upgrade can change while a sandbox runs."""
        return importlib.metadata.version(f"pulumi-{self.package}")

    @_handle_errors
    def GetSchema(
        self, _request: provider_pb2.GetSchemaRequest, _connection: str
    ) -> provider_pb2.GetSchemaResponse:
        package_schema = render_package_schema(
            self.package,
            self._get_sdk_version(),
            self.package_module.PROPERTIES_BY_TOKEN,
            self.package_module.FUNCTION_BY_TOKEN,
        )
        return provider_pb2.GetSchemaResponse(schema=json.dumps(package_schema))

    @_handle_errors
    def CheckConfig(
        self, request: provider_pb2.CheckRequest, _connection: str
    ) -> provider_pb2.CheckResponse:
        settings, problems = check_settings(self.package, _decode_properties(request.news))
        if not problems and settings.get("skipCredentialsValidation") == "false":
            problems = check_credentials()
        response = provider_pb2.CheckResponse(inputs=_encode_properties(settings))
        for reason in problems:
            response.failures.add(reason=reason)
        return response

    @_handle_errors
    def DiffConfig(
        self, request: provider_pb2.DiffRequest, _connection: str
    ) -> provider_pb2.DiffResponse:
        is_unchanged = request.olds == request.news
        return provider_pb2.DiffResponse(changes=_NO_CHANGES if is_unchanged else _SOME_CHANGES)

    @_handle_errors
    def Configure(
        self, request: provider_pb2.ConfigureRequest, connection: str
    ) -> provider_pb2.ConfigureResponse:
        self._configuration_by_connection[connection] = configure_provider(
            self.package, _decode_properties(request.args)
        )
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @_handle_errors
    def Invoke(
        self, request: provider_pb2.InvokeRequest, connection: str
    ) -> provider_pb2.InvokeResponse:
        function = get_supported("function", request.tok, self.package_module.FUNCTION_BY_TOKEN)
        outputs = function(self._get_configuration(connection))
        response = provider_pb2.InvokeResponse()
        # In the generated stubs, this field's name is a Python keyword.
        getattr(response, "return").CopyFrom(_encode_properties(outputs))
        return response

    def _create_lifecycle(self, token: str, connection: str) -> Lifecycle | native.DataSourceLifecycle:
        # For a component's child, the token begins with the parents' types: PARENT$CHILD.
        type_token = token.rpartition("$")[2]
        lifecycle_type = get_supported("resource", type_token, self.package_module.LIFECYCLE_BY_TOKEN)
        return lifecycle_type(self._get_configuration(connection))

    @_handle_errors
    def Check(self, request: provider_pb2.CheckRequest, connection: str) -> provider_pb2.CheckResponse:
        suffix = random.Random(request.randomSeed).getrandbits(28)  # noqa: S311 a name, not a secret
        automatic_name = f"{request.name}-{suffix:07x}"
        lifecycle = self._create_lifecycle(request.type, connection)
        old_inputs = _decode_properties(request.olds)
        new_inputs = _decode_properties(request.news)
        inputs, failures = lifecycle.check(old_inputs, new_inputs, automatic_name)
        response = provider_pb2.CheckResponse(inputs=_encode_properties(inputs))
        for key, reason in failures:
            response.failures.add(property=key, reason=reason)
        return response

    @_handle_errors
    def Diff(self, request: provider_pb2.DiffRequest, connection: str) -> provider_pb2.DiffResponse:
        lifecycle = self._create_lifecycle(request.type, connection)
        state = _decode_properties(request.olds)
        inputs = _decode_properties(request.news)
        diff = lifecycle.diff(state, inputs, request.ignoreChanges)
        if diff.changes is None:
            return provider_pb2.DiffResponse(
                changes=provider_pb2.DiffResponse.DIFF_UNKNOWN,
                deleteBeforeReplace=diff.delete_before_replace,
            )
        response = provider_pb2.DiffResponse(
            changes=_SOME_CHANGES if diff.changes else _NO_CHANGES,
            replaces=diff.replaces,
            deleteBeforeReplace=diff.delete_before_replace,
            diffs=sorted(set(map(top_level, diff.changes))),
            hasDetailedDiff=diff.detailed,
        )
        if diff.detailed:
            for path, change in diff.changes.items():
                suffix = "_REPLACE" if top_level(path) in diff.replaces else ""
                kind = provider_pb2.PropertyDiff.Kind.Value(f"{change}{suffix}")
                response.detailedDiff[path].kind = kind
        return response

    @_handle_errors
    def Create(
        self, request: provider_pb2.CreateRequest, connection: str
    ) -> provider_pb2.CreateResponse:
        lifecycle = self._create_lifecycle(request.type, connection)
        inputs = _decode_properties(request.properties)
        if request.preview:
            planned_state = lifecycle.preview({}, inputs, ())
            return provider_pb2.CreateResponse(properties=_encode_properties(planned_state))
        resource_id, state = lifecycle.create(inputs)
        return provider_pb2.CreateResponse(id=resource_id, properties=_encode_properties(state))

    @_handle_errors
    def Read(self, request: provider_pb2.ReadRequest, connection: str) -> provider_pb2.ReadResponse:
        lifecycle = self._create_lifecycle(request.type, connection)
        old_state = _decode_properties(request.properties)
        old_inputs = _decode_properties(request.inputs)
        inputs_and_state = lifecycle.read(request.id, old_state, old_inputs)
        if inputs_and_state is None:
            return provider_pb2.ReadResponse()  # no ID means that the resource does not exist
        inputs, state = inputs_and_state
        return provider_pb2.ReadResponse(
            id=request.id, inputs=_encode_properties(inputs), properties=_encode_properties(state)
        )

    @_handle_errors
    def Update(
        self, request: provider_pb2.UpdateRequest, connection: str
    ) -> provider_pb2.UpdateResponse:
        lifecycle = self._create_lifecycle(request.type, connection)
        old_state = _decode_properties(request.olds)
        inputs = _decode_properties(request.news)
        if request.preview:
            state = lifecycle.preview(old_state, inputs, request.ignoreChanges)
        else:
            state = lifecycle.update(request.id, old_state, inputs, request.ignoreChanges)
        return provider_pb2.UpdateResponse(properties=_encode_properties(state))

    @_handle_errors
    def Delete(self, request: provider_pb2.DeleteRequest, connection: str) -> Empty:
        lifecycle = self._create_lifecycle(request.type, connection)
        lifecycle.delete(request.id, _decode_properties(request.properties))
        return Empty()

    @_handle_errors
    def Cancel(self, _request: Empty, _connection: str) -> Empty:
        return Empty()


def serve_provider(package: str) -> tuple[grpc.Server, int]:
    """Start a server for a package's provider; return the server and its port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=MAXIMUM_CONCURRENT_CALLS))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(package), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
