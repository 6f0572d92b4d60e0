"""Check the replies of AWS against the API's model, and read their members.

botocore does not check them: it accepts a reply without a required member, and turns a string in place
of a list into a list of characters. To read an unusable reply raises OddAnswerError.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn, cast
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from guardrails.iam.documents import MalformedError, parse
from roles.actions import action
from roles.arns import Arn
from roles.errors import OddAnswerError

_JSON: Final[Mapping[str, tuple[type, ...]]] = {
    "blob": (str,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
    "integer": (int,),
    "list": (list,),
    "long": (int,),
    "map": (dict,),
    "string": (str,),
    "structure": (dict,),
    "timestamp": (int, float, str),
}
"""The JSON types for each type of a model."""
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


def check_json(operation: str, body: bytes, shape: Any) -> None:
    """Raise OddAnswerError for a body that is not JSON, or whose types differ from the model."""
    try:
        content = json.loads(body or b"{}")
        place = _misfit(content, shape, "its content")
    except (ValueError, RecursionError):
        place = "its content"
    if place:
        raise OddAnswerError(operation=action(operation), reason=f"has the wrong type for {place}")


def _misfit(value: Any, shape: Any, place: str) -> str:
    """Return the place of a value whose type differs from the model; empty if there is none."""
    if type(value) not in _JSON.get(shape.type_name, (type(value),)):
        return place
    parts: list[tuple[Any, Any, str]] = []
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            key = member.serialization.get("name", name)
            if value.get(key) is not None:
                parts.append((value[key], member, key))
    elif shape.type_name == "list":
        parts = [(item, shape.member, f"a member of {place}") for item in value]
    elif shape.type_name == "map":
        parts = [(item, shape.value, f"a value of {place}") for item in value.values()]
    return next(filter(None, (_misfit(*part) for part in parts)), "")


def check_xml(operation: str, body: bytes, shape: Any) -> None:
    """Raise OddAnswerError for text in place of a list, which botocore reads as an empty list."""
    try:
        root = ET.fromstring(body)  # noqa: S314 botocore parses it next, in the same way
    except ET.ParseError:
        return  # botocore reports this
    wrapper = shape.serialization.get("resultWrapper")
    result = root.find(f"{{*}}{wrapper}") if wrapper else root
    if result is not None and (place := _text_for_list(result, shape)):
        raise OddAnswerError(operation=action(operation), reason=f"has the wrong type for {place}")


def _text_for_list(element: Any, shape: Any) -> str:
    """Return the name of a list that contains text; empty if there is none."""
    if shape.type_name == "list":
        if (element.text or "").strip():
            return element.tag.rpartition("}")[2]
        parts = [(child, shape.member) for child in element]
    elif shape.type_name == "structure":
        members = {
            member.serialization.get("name", name): member for name, member in shape.members.items()
        }
        tags = ((child, child.tag.rpartition("}")[2]) for child in element)
        parts = [(child, members[tag]) for child, tag in tags if tag in members]
    else:
        return ""
    return next(filter(None, (_text_for_list(*part) for part in parts)), "")


def read(operation: str, value: Any, shape: Any) -> Any:
    """Convert each structure of a reply that botocore has parsed to a Reply."""
    if shape.type_name == "list":
        if any(_is_missing(item, shape.member) for item in value):
            raise OddAnswerError(
                operation=action(operation), reason=f"has no valid member in a {shape.name}"
            )
        return [read(operation, item, shape.member) for item in value]
    if shape.type_name != "structure" or shape.is_document_type:
        return value
    members = {
        name: read(operation, value[name], member)
        for name, member in shape.members.items()
        if not _is_missing(value.get(name), member)
    }
    return Reply(operation, shape, members)


def _is_missing(value: Any, shape: Any) -> bool:
    """Return whether a member is null, empty, or shorter than the model allows."""
    if isinstance(value, str):
        return len(value) < max(1, shape.metadata.get("min", 0))
    # botocore turns repeated XML elements into a list.
    return value is None or shape.type_name == "string"
