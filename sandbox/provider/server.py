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
from typing import Any, TypeVar

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
from sandbox.provider.schema import schema

_Entry = TypeVar("_Entry")


def _decode(bag: struct_pb2.Struct) -> Properties:
    return json_format.MessageToDict(bag)


def _encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(properties), struct_pb2.Struct())


def _answer(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that calls a protocol method with the connection and handles exceptions.

    Each ProviderError becomes a protocol error, whose message the engine shows unchanged. The traceback
    of any other exception is printed.
    """

    @functools.wraps(method)
    def answer(self: "Provider", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context.peer())
        except ResourceInitError as error:
            _abort_and_store(context, error)
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception:
            traceback.print_exc()  # the engine shows only the message
            raise

    return answer


def supported(kind: str, token: str, table: Mapping[str, _Entry]) -> _Entry:
    """Return a token's entry in a table; raise ProviderError if the table has none."""
    if token not in table:
        names = ", ".join(table) or "none"
        raise ProviderError(f"the sandbox does not support the {kind} {token}; it supports {names}")
    return table[token]


def _abort_and_store(context: grpc.ServicerContext, error: ResourceInitError) -> None:
    """Fail a request with an error that still makes the engine store the resource."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.identifier, properties=_encode(error.state), reasons=[str(error)]
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

    def __init__(self, name: str) -> None:
        """Start without configured connections; `name` is the name of the package."""
        self.name = name
        self.package: Any = native if name == "aws-native" else resources
        self._configurations: dict[str, Configuration] = {}

    def _configuration(self, connection: str) -> Configuration:
        if connection not in self._configurations:
            raise ProviderError(f"the provider {self.name} is not configured: run the command again")
        return self._configurations[connection]

    @_answer
    def Attach(self, _request: plugin_pb2.PluginAttach, _connection: str) -> Empty:
        return Empty()

    @_answer
    def GetPluginInfo(self, _request: Empty, _connection: str) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._version())

    def _version(self) -> str:
        """Return the version of the installed SDK, which an upgrade can change while a sandbox runs."""
        return importlib.metadata.version(f"pulumi-{self.name}")

    @_answer
    def GetSchema(
        self, _request: provider_pb2.GetSchemaRequest, _connection: str
    ) -> provider_pb2.GetSchemaResponse:
        document = schema(self.name, self._version(), self.package.SCHEMA, self.package.FUNCTIONS)
        return provider_pb2.GetSchemaResponse(schema=json.dumps(document))

    @_answer
    def CheckConfig(
        self, request: provider_pb2.CheckRequest, _connection: str
    ) -> provider_pb2.CheckResponse:
        settings, problems = check_settings(self.name, _decode(request.news))
        if not problems and settings.get("skipCredentialsValidation") == "false":
            problems = check_credentials()
        response = provider_pb2.CheckResponse(inputs=_encode(settings))
        for reason in problems:
            response.failures.add(reason=reason)
        return response

    @_answer
    def DiffConfig(
        self, request: provider_pb2.DiffRequest, _connection: str
    ) -> provider_pb2.DiffResponse:
        same = request.olds == request.news
        changes = provider_pb2.DiffResponse.DIFF_NONE if same else provider_pb2.DiffResponse.DIFF_SOME
        return provider_pb2.DiffResponse(changes=changes)

    @_answer
    def Configure(
        self, request: provider_pb2.ConfigureRequest, connection: str
    ) -> provider_pb2.ConfigureResponse:
        self._configurations[connection] = configure_provider(self.name, _decode(request.args))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @_answer
    def Invoke(
        self, request: provider_pb2.InvokeRequest, connection: str
    ) -> provider_pb2.InvokeResponse:
        function = supported("function", request.tok, self.package.FUNCTIONS)
        result = function(self._configuration(connection))
        response = provider_pb2.InvokeResponse()
        # In the generated stubs, this field's name is a Python keyword.
        getattr(response, "return").CopyFrom(_encode(result))
        return response

    def _lifecycle(self, token: str, connection: str) -> Lifecycle | native.DataSource:
        # For a component's child, the token begins with the parents' types: PARENT$CHILD.
        create = supported("resource", token.rpartition("$")[2], self.package.RESOURCES)
        return create(self._configuration(connection))

    @_answer
    def Check(self, request: provider_pb2.CheckRequest, connection: str) -> provider_pb2.CheckResponse:
        suffix = random.Random(request.randomSeed).getrandbits(28)  # noqa: S311 a name, not a secret
        inputs, failures = self._lifecycle(request.type, connection).check(
            _decode(request.olds), _decode(request.news), f"{request.name}-{suffix:07x}"
        )
        response = provider_pb2.CheckResponse(inputs=_encode(inputs))
        for key, reason in failures:
            response.failures.add(property=key, reason=reason)
        return response

    @_answer
    def Diff(self, request: provider_pb2.DiffRequest, connection: str) -> provider_pb2.DiffResponse:
        diff = self._lifecycle(request.type, connection).diff(
            _decode(request.olds), _decode(request.news), request.ignoreChanges
        )
        if diff.changes is None:
            return provider_pb2.DiffResponse(
                changes=provider_pb2.DiffResponse.DIFF_UNKNOWN,
                deleteBeforeReplace=diff.delete_before_replace,
            )
        response = provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME
            if diff.changes
            else provider_pb2.DiffResponse.DIFF_NONE,
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

    @_answer
    def Create(
        self, request: provider_pb2.CreateRequest, connection: str
    ) -> provider_pb2.CreateResponse:
        lifecycle, inputs = self._lifecycle(request.type, connection), _decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_encode(lifecycle.preview({}, inputs, ())))
        identifier, state = lifecycle.create(inputs)
        return provider_pb2.CreateResponse(id=identifier, properties=_encode(state))

    @_answer
    def Read(self, request: provider_pb2.ReadRequest, connection: str) -> provider_pb2.ReadResponse:
        found = self._lifecycle(request.type, connection).read(
            request.id, _decode(request.properties), _decode(request.inputs)
        )
        if found is None:
            return provider_pb2.ReadResponse()  # no ID means that the resource does not exist
        inputs, state = found
        return provider_pb2.ReadResponse(
            id=request.id, inputs=_encode(inputs), properties=_encode(state)
        )

    @_answer
    def Update(
        self, request: provider_pb2.UpdateRequest, connection: str
    ) -> provider_pb2.UpdateResponse:
        lifecycle = self._lifecycle(request.type, connection)
        olds, news, ignored = _decode(request.olds), _decode(request.news), request.ignoreChanges
        if request.preview:
            state = lifecycle.preview(olds, news, ignored)
        else:
            state = lifecycle.update(request.id, olds, news, ignored)
        return provider_pb2.UpdateResponse(properties=_encode(state))

    @_answer
    def Delete(self, request: provider_pb2.DeleteRequest, connection: str) -> Empty:
        self._lifecycle(request.type, connection).delete(request.id, _decode(request.properties))
        return Empty()

    @_answer
    def Cancel(self, _request: Empty, _connection: str) -> Empty:
        return Empty()


def serve(package_name: str) -> tuple[grpc.Server, int]:
    """Start a server for a package's provider; return the server and its port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=MAXIMUM_CONCURRENT_CALLS))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(package_name), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
