"""How does the engine talk to the stand-in provider?

By the ResourceProvider protocol over gRPC, on loopback. Property bags stay as they come: plain JSON
values, with one marker string for what is not known yet. Secrets are the engine's business: a
provider that does not accept them gets plain values, and the engine marks its answers.
https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

import functools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
from google.protobuf import json_format, struct_pb2
from google.protobuf.empty_pb2 import Empty

from sandbox.provider import resources, schema
from sandbox.provider.calls import CALLS_AT_ONCE, ProviderError, warm_up
from sandbox.provider.lifecycle import Configuration, HalfDoneError, Properties
from sandbox.provider.protocol import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

_PARENT_CHECK: Final = 1.0
"""Seconds between two looks at whether the engine that started this process is still there."""


def _decode(bag: struct_pb2.Struct) -> Properties:
    return json_format.MessageToDict(bag)


def _encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(properties), struct_pb2.Struct())


def _answer(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our refusals into errors of the protocol, which the engine shows as they are."""

    @functools.wraps(method)
    def answer(self: "Provider", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self.connected(context.peer()), request)
        except HalfDoneError as error:
            _keep(context, error)
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return answer


def _keep(context: grpc.ServicerContext, error: HalfDoneError) -> None:
    """Fail in the way that lets the engine write down what there is nonetheless."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.identifier, properties=_encode(error.state), reasons=[str(error)]
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One configured provider; what it does not override is not implemented.

    A process usually serves one. An engine that attaches to one that runs (PULUMI_DEBUG_PROVIDERS)
    connects once for each provider of its program, and configures each connection.
    """

    def __init__(self, version: str) -> None:
        """Wait for the engine to configure it."""
        self.version = version
        self.configuration = Configuration()
        self._connected: dict[str, Provider] = {}

    def connected(self, engine: str) -> "Provider":
        """Return the provider of a connection, by the address at its other end."""
        return self._connected.setdefault(engine, Provider(self.version))

    @_answer
    def Attach(self, request: plugin_pb2.PluginAttach) -> Empty:
        del request
        return Empty()

    @_answer
    def GetPluginInfo(self, request: Empty) -> plugin_pb2.PluginInfo:
        del request
        return plugin_pb2.PluginInfo(version=self.version)

    @_answer
    def GetSchema(self, request: provider_pb2.GetSchemaRequest) -> provider_pb2.GetSchemaResponse:
        del request
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema.schema(self.version)))

    @_answer
    def CheckConfig(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    @_answer
    def DiffConfig(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        same = request.olds == request.news
        changes = provider_pb2.DiffResponse.DIFF_NONE if same else provider_pb2.DiffResponse.DIFF_SOME
        return provider_pb2.DiffResponse(changes=changes)

    @_answer
    def Configure(self, request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
        self.configuration = resources.configure(_decode(request.args))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @_answer
    def Invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:
        result = resources.invoke(self.configuration, request.tok)
        response = provider_pb2.InvokeResponse()
        # The generated stubs name this field by a Python keyword.
        getattr(response, "return").CopyFrom(_encode(result))
        return response

    @_answer
    def Check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        kind = resources.find(request.type)
        inputs, failures = kind.check(
            request.name, _decode(request.olds), _decode(request.news), request.randomSeed
        )
        response = provider_pb2.CheckResponse(inputs=_encode(inputs))
        for name, reason in failures:
            response.failures.add(property=name, reason=reason)
        return response

    @_answer
    def Diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        kind = resources.find(request.type)
        diff = kind.diff(self.configuration, _decode(request.olds), _decode(request.news))
        response = provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME
            if diff.changed
            else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=diff.replaces,
            deleteBeforeReplace=diff.delete_first,
            diffs=[*diff.changed],
            hasDetailedDiff=True,
        )
        for name, change in diff.changed.items():
            suffix = "_REPLACE" if name in diff.replaces else ""
            kind_of_change = provider_pb2.PropertyDiff.Kind.Value(f"{change}{suffix}")
            response.detailedDiff[name].kind = kind_of_change
        return response

    @_answer
    def Create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        kind = resources.find(request.type)
        inputs = _decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(
                properties=_encode(kind.preview(self.configuration, inputs, {}))
            )
        identifier, state = kind.create(self.configuration, inputs)
        return provider_pb2.CreateResponse(id=identifier, properties=_encode(state))

    @_answer
    def Read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        kind = resources.find(request.type)
        found = kind.read(
            self.configuration, request.id, _decode(request.properties), _decode(request.inputs)
        )
        if found is None:
            return provider_pb2.ReadResponse()  # without an ID: it is gone
        inputs, state = found
        return provider_pb2.ReadResponse(
            id=request.id, inputs=_encode(inputs), properties=_encode(state)
        )

    @_answer
    def Update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        kind = resources.find(request.type)
        olds, news = _decode(request.olds), _decode(request.news)
        if request.preview:
            state = kind.preview(self.configuration, news, olds)
        else:
            state = kind.update(self.configuration, request.id, olds, news)
        return provider_pb2.UpdateResponse(properties=_encode(state))

    @_answer
    def Delete(self, request: provider_pb2.DeleteRequest) -> Empty:
        kind = resources.find(request.type)
        kind.delete(self.configuration, request.id, _decode(request.properties))
        return Empty()

    @_answer
    def Cancel(self, request: Empty) -> Empty:
        del request
        return Empty()


def _end_with(parent: int) -> None:
    """End the process once the engine is gone: one that was killed cannot say so."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK)
    os._exit(1)


def main() -> None:
    """Serve the engine that started this process: `python -m sandbox.provider VERSION ENGINE`."""
    # The engine ends a provider by SIGINT: at once, since it waits, and without Python's traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    server = grpc.server(ThreadPoolExecutor(max_workers=CALLS_AT_ONCE))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(sys.argv[1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)  # the engine reads it from the first line
    warm_up()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
