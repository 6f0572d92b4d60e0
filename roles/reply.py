"""Read the members of AWS's replies; an ARN, a choice, or a policy that cannot be used is an error."""

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn, cast
from urllib.parse import unquote

from guardrails.iam.documents import MalformedError, parse
from roles.actions import action
from roles.arns import Arn
from roles.errors import OddAnswerError

_ARN: Final = re.compile(
    r"arn:aws(?:-[a-z]+)*:(?P<service>[a-z0-9-]+):[a-z0-9-]*:(?:[0-9]{12}|aws)"
    r":(?P<resource>\S*[^\s/:])"
)


class Reply(dict[str, Any]):
    """A reply of AWS or a structure in it, without null and empty members.

    A missing member raises OddAnswerError; use `get` for an optional member.
    """

    def __init__(self, operation: str, shape: Any, members: Mapping[str, Any]) -> None:
        """Store the operation that was called, and the model of this structure."""
        super().__init__(members)
        self._operation = operation
        self._shape = shape

    def __missing__(self, name: str) -> NoReturn:
        raise self.odd(f"has no valid {name}")

    def odd(self, reason: str) -> OddAnswerError:
        """Return the exception to raise for a reply that cannot be used."""
        return OddAnswerError(operation=action(self._operation), reason=reason)

    def choice(self, name: str) -> str:
        """Return a member; raises OddAnswerError unless it is one of the values in the model."""
        if self[name] not in self._shape.members[name].enum:
            raise self.odd(f"has the {name} {self[name]!r}, which this version of boto3 does not know")
        return self[name]

    def arn(self, name: str, kind: str = "") -> Arn:
        """Return a member that is an ARN whose service and resource begin with `kind`."""
        found = _ARN.fullmatch(self[name])
        if not found or not f"{found['service']}:{found['resource']}".startswith(kind):
            raise self.odd(f"has the {name} {self[name]!r}, which is not an ARN{kind and ' of '}{kind}")
        return Arn.of(found[0])

    def document(self, name: str) -> Mapping[str, Any]:
        """Return a member that is a policy; IAM encodes its JSON like a part of a URL."""
        text: str = self[name]
        try:
            parsed = parse(unquote(text) if text.startswith("%") else text)
        except MalformedError as error:
            raise self.odd(f"has a {name} that is not a policy document: {error}") from None
        if not isinstance(parsed, Mapping):
            raise self.odd(f"has a {name} that is not a policy document: it is not an object")
        return cast("Mapping[str, Any]", parsed)


def read(operation: str, value: Any, shape: Any) -> Any:
    """Convert each structure of a reply that botocore has parsed to a Reply."""
    if shape.type_name == "list":
        return [read(operation, item, shape.member) for item in value]
    if shape.type_name != "structure" or shape.is_document_type:
        return value
    members = {
        name: read(operation, value[name], member)
        for name, member in shape.members.items()
        if value.get(name) not in (None, "")
    }
    return Reply(operation, shape, members)
