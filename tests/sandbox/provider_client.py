"""Call a provider in the sandbox's server as the engine does, without the engine."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from sandbox.provider.configuration import SECRET, Properties
from tests.helpers.stacks import ATTACHED


class RefusedError(Exception):
    """Raised with the message that the engine would show."""

    def __init__(self, message: str, *, stored: bool = False) -> None:
        super().__init__(message)
        self.stored = stored
        """Whether the engine would still store the planned values."""


class Provider:
    """A connection to a package's provider."""

    def __init__(self, environment: Mapping[str, str], package: str, **settings: object) -> None:
        """Connect to the running provider and configure the connection."""
        ports = dict(each.split(":") for each in environment[ATTACHED].split(","))
        channel = grpc.insecure_channel(f"127.0.0.1:{ports[package]}")
        self._provider = provider_pb2_grpc.ResourceProviderStub(channel)
        self.ask("Configure", provider_pb2.ConfigureRequest(args=_encode(settings)))

    def ask(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._provider, method)(request)
        except grpc.RpcError as error:
            metadata: Any = error.trailing_metadata()
            stored = "grpc-status-details-bin" in dict(metadata)
            raise RefusedError(str(error.details()), stored=stored) from error

    def invoke(self, token: str) -> Properties:
        answer = self.ask("Invoke", provider_pb2.InvokeRequest(tok=token))
        return json_format.MessageToDict(getattr(answer, "return"))


class Resource:
    """A resource in a stack."""

    def __init__(self, provider: Provider, token: str) -> None:
        self.provider = provider
        self.token = token
        self.id = ""
        self.inputs: Properties = {}
        """The inputs in the state, after Check."""
        self.outputs: Properties = {}

    def check(self, inputs: Properties, **options: Any) -> Properties:
        """Return a program's inputs as the state would contain them."""
        answer = self.provider.ask(
            "Check",
            provider_pb2.CheckRequest(
                type=self.token,
                name="resource",
                randomSeed=b"seed",
                olds=_encode(self.inputs),
                news=_encode(inputs),
                **options,
            ),
        )
        if answer.failures:
            raise RefusedError("\n".join(failure.reason for failure in answer.failures))
        return json_format.MessageToDict(answer.inputs)

    def diff(self, *ignored: str, **inputs: object) -> Any:
        """Return the difference between the state and a program's inputs."""
        return self.provider.ask(
            "Diff",
            provider_pb2.DiffRequest(
                type=self.token,
                id=self.id,
                olds=_encode(self.outputs),
                news=_encode(self.check(inputs)),
                ignoreChanges=ignored,
            ),
        )

    def up(self, **inputs: object) -> None:
        news = self.check(inputs)
        if not self.id:
            request = provider_pb2.CreateRequest(type=self.token, properties=_encode(news))
            answer = self.provider.ask("Create", request)
            self.id = answer.id
        elif self.diff(**inputs).changes != provider_pb2.DiffResponse.DIFF_NONE:
            request = provider_pb2.UpdateRequest(
                type=self.token, id=self.id, olds=_encode(self.outputs), news=_encode(news)
            )
            answer = self.provider.ask("Update", request)
        else:
            return
        self.inputs, self.outputs = news, json_format.MessageToDict(answer.properties)

    def read(self, identifier: str = "") -> None:
        """Refresh the resource, or import the resource with an ID."""
        request = provider_pb2.ReadRequest(
            type=self.token,
            id=identifier or self.id,
            properties=_encode(self.outputs),
            inputs=_encode(self.inputs),
        )
        answer = self.provider.ask("Read", request)
        self.id = answer.id  # empty if the resource does not exist
        self.inputs, self.outputs = map(json_format.MessageToDict, (answer.inputs, answer.properties))

    def delete(self) -> None:
        request = provider_pb2.DeleteRequest(
            type=self.token, id=self.id, properties=_encode(self.outputs)
        )
        self.provider.ask("Delete", request)


def _encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Encode properties, without secret markers, for a provider that does not accept secrets."""
    plain = {
        name: value["value"] if isinstance(value, dict) and value.keys() >= SECRET.keys() else value
        for name, value in properties.items()
    }
    return json_format.ParseDict(plain, struct_pb2.Struct())
