"""Move the examples of docs/permissions.md to the account and Region of a run.

None of their resources exist. Since their application does not exist, nothing can assume the roles.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from components.stack_config import camel_case, config_key
from components.validation import ValidationResult, validate
from evidence.connector_calls import (
    FULL,
    FULL_OF_SOURCE,
    PASS_OTHER_ROLE,
    ROLE_NAME,
    Options,
    Request,
    connector_calls,
    deviations,
)
from evidence.examples import ACCOUNT, REGION

_OPTIONS: Final[Mapping[str, Options]] = {
    "aem-cloud": FULL._replace(vpc="VPC"),
    # This connector does not support a VPC.
    "s3-v2": FULL_OF_SOURCE._replace(vpc="no VPC", deletion=False),
}
"""The options that produce every statement of these connectors."""


class Example:
    """The settings of a role, its policies, and requests that IAM must allow or deny."""

    def __init__(self, connector: str, role_name: str, account: str, region: str) -> None:
        """Use a connector, the name of its role, and the account and Region of the resources."""
        self.role_name = role_name
        self._options = _OPTIONS[connector]
        # Some requests that IAM must deny are for another Region: swap the two Regions.
        self._moved = {ACCOUNT: account, REGION: region, region: REGION, ROLE_NAME: role_name}
        arguments = {**self._options.arguments, "connector": connector, "region": REGION}
        self._arguments: Mapping[str, Any] = self._move(arguments)

    def settings(self, namespace: str) -> dict[str, Any]:
        """Return the stack configuration with the program's keys in a namespace."""
        return {
            config_key(setting, namespace): {camel_case(name): member for name, member in value.items()}
            if isinstance(value, Mapping)
            else value
            for setting, value in self._arguments.items()
        }

    def policies(self, component: str) -> ValidationResult:
        """Return the policies that a component with this name creates."""
        return validate(component, self._arguments).of_role(self.role_name)

    def requests(self, *, allowed: bool) -> list[Request]:
        """Return the requests of the connector, or similar requests that IAM must deny."""
        calls = connector_calls(self._options)
        calls += [other for call in calls if call.allowed for other in deviations(call, self._options)]
        calls.append(PASS_OTHER_ROLE)
        requests: list[Request] = []
        for call in calls:
            for request in call.requests:
                # IAM refuses resources of another partition. Two calls can contain the same request.
                if (
                    call.allowed == allowed
                    and request.resource.startswith(("arn:aws:", "*"))
                    and request not in requests
                ):
                    requests.append(request)
        return [Request(*self._move(request)) for request in requests]

    def _move(self, value: Any) -> Any:
        match value:
            case str():
                names = "|".join(map(re.escape, self._moved))
                return re.sub(names, lambda name: self._moved[name[0]], value)
            case Mapping():
                return {self._move(key): self._move(member) for key, member in value.items()}
            case list() | tuple():
                return [self._move(member) for member in value]
            case _:
                return value
