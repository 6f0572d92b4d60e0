"""Run a Pulumi program without an engine, with mocks that record its requests."""

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from unittest import mock

import pulumi
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import resource_pb2, source_pb2

from pages.examples import ACCOUNT, REGION
from tests.helpers.support import PROJECT_NAME, indented

STACK: Final = "test"
_LOOP: Final = asyncio.new_event_loop()
# An Output belongs to the event loop that is set when the Output is created, possibly before a run.
asyncio.set_event_loop(_LOOP)
# A failed program leaves futures with its error, which Deployment has recorded. Do not report the error
# again when Python collects the futures, possibly during another test. (Printing tracebacks even breaks
# code that Python 3.11 is compiling at that moment: python/cpython#106905.)
_LOOP.set_exception_handler(lambda _loop, _context: None)
# No test reads a resource's position in the source, and finding it would take a third of a run's time.
mock.patch("pulumi.runtime.resource._get_stack_trace", source_pb2.StackTrace).start()


class Registration(NamedTuple):
    """A resource that the program registered."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    request: resource_pb2.RegisterResourceRequest


class Upstream(pulumi.CustomResource):
    """A resource whose Output is a component's argument; in a preview, the Output's value is unknown."""

    value: pulumi.Output[Any]

    def __init__(self, name: str, value: object) -> None:
        super().__init__("test:index:Upstream", name, {"given": value, "value": None})


class Deployment(pulumi.runtime.Mocks):
    """A recorded run of a program, as an update or a preview."""

    def __init__(
        self,
        program: Callable[[], object],
        *,
        preview: bool = False,
        existing: bool = False,
        account: str | None = ACCOUNT,
        partition: str = "aws",
    ) -> None:
        self.preview = preview
        self.existing = existing
        """Whether the resources exist, so that previews contain their IDs and the role's outputs."""
        self.account = account
        """None means an unknown provider configuration; the provider's functions then return nothing."""
        self.partition = partition
        self.registrations: list[Registration] = []
        self.outputs: dict[str, Mapping[str, Any]] = {}
        self.raw_outputs: dict[str, Any] = {}
        """The outputs as sent, with secret markers."""
        self.invokes: list[resource_pb2.ResourceInvokeRequest] = []
        self.warnings: list[str] = []
        self.infos: list[str] = []
        self.error: Exception | None = None
        # Run in a copy of the context, because Pulumi keeps settings, configuration, and stack in it.
        contextvars.copy_context().run(self._run, program)

    def _run(self, program: Callable[[], object]) -> None:
        logger = mock.Mock(warning=self.warnings.append, info=self.infos.append)
        pulumi.runtime.set_mocks(
            self, PROJECT_NAME, STACK, preview=self.preview, logger=logger, monitor=_Monitor(self)
        )
        try:
            pulumi.runtime.test(program)()
        except Exception as error:  # noqa: BLE001 record whatever the program raises
            self.error = error
        finally:
            tasks = asyncio.all_tasks(_LOOP)
            for task in tasks:
                task.cancel()
            _LOOP.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        state = dict(args.inputs)
        if args.typ == "test:index:Upstream":
            return f"{args.name}-id", {} if self.preview else {"value": state["given"]}
        known = self.existing or not self.preview
        if args.typ == "aws:iam/role:Role" and known:
            state.setdefault("name", f"{args.name}-1234567")
            state["arn"] = f"arn:{self.partition}:iam::{self.account}:role/{state['name']}"
        return f"{args.name}-id" if known else None, state

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        answers = {
            "aws:index/getCallerIdentity:getCallerIdentity": {
                "accountId": self.account,
                "arn": f"arn:{self.partition}:sts::{self.account}:assumed-role/deployer/session",
            },
            "aws:index/getRegion:getRegion": {"region": REGION},
        }
        return answers[args.token] if self.account else {}, []

    def of_type(self, kind: str) -> list[Registration]:
        return [registration for registration in self.registrations if registration.type == kind]

    @property
    def documents(self) -> tuple[str, str]:
        """The trust policy and the role policy, with one value on each line."""
        return indented(self.role["assumeRolePolicy"]), indented(self.role_policy["policy"])

    @property
    def secret_documents(self) -> set[str]:
        """The names of the documents that were sent as secrets."""
        names = {"assumeRolePolicy": "trust policy", "policy": "role policy"}
        sent = (fields for each in self.registrations for fields in each.request.object.fields.items())
        return {names[key] for key, value in sent if key in names and value.HasField("struct_value")}

    @property
    def role(self) -> Mapping[str, Any]:
        (role,) = self.of_type("aws:iam/role:Role")
        return role.inputs

    @property
    def role_policy(self) -> Mapping[str, Any]:
        (policy,) = self.of_type("aws:iam/rolePolicy:RolePolicy")
        return policy.inputs


class _Monitor(MockMonitor):
    """A mock monitor that also records the requests."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self.deployment = deployment

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        response = super().RegisterResource(request)
        inputs = pulumi.runtime.rpc.deserialize_properties(request.object, keep_unknowns=True)
        if request.type != "pulumi:pulumi:Stack":
            registration = Registration(request.type, request.name, inputs, request)
            self.deployment.registrations.append(registration)
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        outputs = pulumi.runtime.rpc.deserialize_properties(request.outputs, keep_unknowns=True)
        self.deployment.outputs[request.urn] = outputs
        self.deployment.raw_outputs[request.urn] = request.outputs
        return super().RegisterResourceOutputs(request)

    def Invoke(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        self.deployment.invokes.append(request)
        return super().Invoke(request)
