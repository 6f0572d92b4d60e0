"""Define the kinds of values: texts, lists of texts, and booleans.

Each kind owns its declaration in `Pulumi.yaml`, its blank value, how a value is read, and the messages
about invalid values. The kinds of single settings are in `settings.py`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, cast

from .fields import Field, is_unknown
from .report import Report, similar, suggestion


class ParsedText(NamedTuple):
    """Valid text, with the ID, partition, Region, and account that it contains; "" for missing parts."""

    text: str
    id: str = ""
    """The end of an ARN, or the whole text if it is just an ID; "" if the pattern lacks this group."""
    partition: str = ""
    region: str = ""
    account: str = ""


class Format(NamedTuple):
    """The format of a text value, which is the most common kind of value in a setting."""

    name: str
    pattern: str
    """Matches an entire valid value. Its named groups are fields of ParsedText. The pattern is compiled
    on first use, because compiling all patterns would take a third of this package's import time."""
    expected: str
    placeholder: str
    """Shown in the command that sets the value; `read` rejects the placeholder itself."""
    choices: Collection[str] = ()
    """All valid values, if they can be listed."""
    declaration: Mapping[str, object] = MappingProxyType({"type": "string"})
    blank: str = ""

    def parse(self, text: str) -> ParsedText | None:
        """Return the text with its parts; None if it does not match this format."""
        match = re.fullmatch(self.pattern, text)
        return match and ParsedText(text, **match.groupdict(""))

    def read(self, field: Field, report: Report) -> ParsedText | None:
        """Return valid text; reject any other value and return None."""
        value, is_placeholder = field.value, field.value == self.placeholder
        if isinstance(value, str) and not is_placeholder and (text := self.parse(value)):
            return text
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            message = f"expected a string, got {field.quote(value)}; if the value is right, quote it"
        elif not isinstance(value, str):
            message = f"expected a string, got {field.quote(value)}"
        elif is_placeholder:
            message = f"{value} is a placeholder"
        else:
            advice = "" if field.secret else suggestion(similar(value, self.choices))
            message = f"{field.quote(value)} is not {self.name}{advice}"
        report.reject(field, message, self.expected, field.set(self.placeholder))
        return None


FieldText = tuple[Field, ParsedText]
"""A valid entry in a list of texts, with its field."""


class Texts:
    """The kind of a list of strings in one format; a list that is set must not be empty."""

    declaration: Final[Mapping[str, object]] = {"type": "array", "items": {"type": "string"}}
    blank: Final[Sequence[str]] = []

    def __init__(self, form: Format) -> None:
        """Describe the list by the format of its entries."""
        self.form = form
        self.expected = f"a nonempty list; each entry is {form.expected}"

    def read(self, field: Field, report: Report) -> Sequence[FieldText]:
        """Return the valid entries; reject invalid entries, and anything but a nonempty list."""
        texts: list[FieldText] = []
        if is_unknown(field.value):
            return texts
        if not field.is_set or field.value in ([], ()):
            message = "is empty" if field.is_set else "is required but not set"
            report.reject(field, message, self.expected, field.entry(0).set(self.form.placeholder))
        elif not isinstance(field.value, (list, tuple)):
            report.reject_type(field, "a list", self.expected)
        else:
            for index, item in enumerate(cast("Sequence[object]", field.value)):
                entry = field.entry(index, item)
                if not is_unknown(item) and (text := self.form.read(entry, report)):
                    texts.append((entry, text))
        return texts


_TRUE: Final = ("true", "yes", "on", "1", "1.0")
_FALSE: Final = ("false", "no", "off", "0", "0.0")


class Flag:
    """The kind of a boolean setting."""

    declaration: Final[Mapping[str, object]] = {"type": "boolean"}
    blank: Final = False
    expected: Final = "true or false"

    def read(self, field: Field, report: Report) -> bool | None:
        """Return a boolean; reject any other value and return None."""
        if isinstance(field.value, bool):
            return field.value
        # The suggested value must not reveal a secret one.
        text = "" if field.secret else str(field.value).lower()
        is_true, is_false = text in _TRUE, text in _FALSE
        fix = field.set(is_true) if is_true or is_false else field.edit()
        report.reject_type(field, "a boolean", self.expected, fix)
        return None
