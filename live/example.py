"""Move the examples of docs/permissions.md to the account and Region of a run.

None of the resources that they name exists. No application has its ID, so nothing can assume the roles.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from components.stack_config import config_key
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
    # The connector has no VPC.
    "s3-v2": FULL_OF_SOURCE._replace(vpc="no VPC", deletion=False),
}
"""Every statement of these connectors is included."""


class Example:
    """The settings, the policies that they ask for, and requests that IAM has to allow or deny."""

    def __init__(self, connector: str, role_name: str, account: str, region: str) -> None:
        """Take a connector, its role, and the account and Region in which the resources would be."""
        self.role_name = role_name
        self._options = _OPTIONS[connector]
        # Some requests that have to be denied are for another Region: the two change places.
        self._moved = {ACCOUNT: account, REGION: region, region: REGION, ROLE_NAME: role_name}
        arguments = {**self._options.arguments, "connector": connector, "region": REGION}
        self._arguments: Mapping[str, Any] = self._move(arguments)

    def settings(self, namespace: str) -> dict[str, Any]:
        """Return the stack's configuration, with the keys of the program in a namespace."""
        return {
            config_key(setting, namespace): {config_key(name): member for name, member in value.items()}
            if isinstance(value, Mapping)
            else value
            for setting, value in self._arguments.items()
        }

    def policies(self, component: str) -> ValidationResult:
        """Return the policies that a component of this name writes."""
        return validate(component, self._arguments).of_role(self.role_name)

    def requests(self, *, allowed: bool) -> list[Request]:
        """Return what the connector does, or what it does not and must be denied."""
        calls = connector_calls(self._options)
        calls += [other for call in calls if call.allowed for other in deviations(call, self._options)]
        calls.append(PASS_OTHER_ROLE)
        requests: list[Request] = []
        for call in calls:
            for request in call.requests:
                # IAM knows no resources of another partition. Two calls can have the same request.
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
