"""Replace the values of secret settings, and values derived from them, with `[secret]`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from components.arguments import HIDDEN
from roles.arns import Arn
from roles.findings import Finding

_NAMED_IN_ARNS: Final[Mapping[str, tuple[str, ...]]] = {
    "secretsmanager": ("secret_id",),
    "kms": ("kms_key_id",),
    "s3": ("bucket_name",),
    "ec2": ("vpc_configuration",),
    "qbusiness": ("application_id", "index_id"),
}
"""The settings that determine each service's ARNs."""
_PLACEHOLDERS: Final[Mapping[str, str]] = {
    "secretsmanager": "SECRET_ARN",
    "kms": "KEY_ARN",
    "ec2": "SUBNET_ARN",
    "qbusiness": "APPLICATION_ARN",
    "policy": "POLICY_ARN",
    "role": "ROLE_ARN",
}
"""Placeholders for hidden ARNs in commands, by service; for IAM, by resource type."""
_RECOGNIZED: Final = re.compile(r"""arn:aws[a-z-]*:[^\s"]*[^\s",;:.`')]|(?<![\w:-])[0-9]{12}(?![\w-])""")
"""A pattern for ARNs and account IDs in text."""


class Secrecy:
    """The values of a stack's secret settings, which are not shown."""

    def __init__(self, secrets: Mapping[str, object]) -> None:
        """Store the values of the secret settings, by the settings' names in the component."""
        self._secrets = secrets
        texts = {name: [*_texts(value)] for name, value in secrets.items()}
        self._given_as_arn = {name for name in texts if any(map(_is_arn, texts[name]))}
        self._arns = {text for held in texts.values() for text in held if _is_arn(text)}
        self._accounts = {Arn.of(arn).account for arn in self._arns} - {""}
        for name in ("account_id", "bucket_account_id"):
            self._accounts.update(texts.get(name, ()))

    def __bool__(self) -> bool:
        """Return whether any setting is secret; if so, AWS messages may contain its value."""
        return bool(self._secrets)

    def show(self, value: str, *settings: str) -> str:
        """Return a value that depends on these settings, with its secret parts hidden.

        Account IDs, and ARNs of resources in the settings, are recognized without `settings`.
        """
        if not _is_arn(value):
            return HIDDEN if value and (self._hides(settings) or value in self._accounts) else value
        _, partition, service, region, account, resource = Arn.of(value)
        settings = (*settings, *_NAMED_IN_ARNS.get(service, ()))
        if resource.startswith("role/"):
            settings = (*settings, "role_name", "role_path")
        if value in self._arns or (self._hides(settings) and self._given_as_arn.intersection(settings)):
            return HIDDEN
        if region and self._hides(["region"]):
            region = HIDDEN
        if account in self._accounts:
            account = HIDDEN
        if self._hides(settings):
            kind = "" if service == "s3" else resource[: len(resource) - len(_name(resource))]
            resource = f"{kind}{HIDDEN}"
        return f"arn:{partition}:{service}:{region}:{account}:{resource}"

    def hide(self, finding: Finding) -> Finding:
        """Hide the secret parts of ARNs and account IDs in a finding; in its fix, use placeholders."""
        return finding._replace(
            text=self._hidden(finding.text),
            fix=tuple(_RECOGNIZED.sub(self._placeholder, step) for step in finding.fix),
            details=tuple(map(self._hidden, finding.details)),
        )

    def _hidden(self, text: str) -> str:
        return _RECOGNIZED.sub(lambda found: self.show(found[0]), text)

    def _placeholder(self, found: re.Match[str]) -> str:
        """Return an ARN or account ID for a fix, or a placeholder if a part of it is secret."""
        value = found[0]
        if self.show(value) == value:
            return value
        if not _is_arn(value):
            return "ACCOUNT_ID"
        arn = Arn.of(value)
        return _PLACEHOLDERS.get(arn.service) or _PLACEHOLDERS.get(arn.resource.partition("/")[0], "ARN")

    def message(self, text: str) -> str:
        """Return an AWS message unless it may contain the value of a secret setting."""
        return "the message is hidden because some settings are secret" if self and text else text

    def error(self, error: Mapping[str, str]) -> str:
        """Return the message of an Amazon Q Business error; if the message is hidden, add the code."""
        text = error.get("errorMessage", "")
        code = f"{error['errorCode']}, " if self and "errorCode" in error else ""
        return f"{code}{self.message(text)}" if text else ""

    def _hides(self, settings: Iterable[str]) -> bool:
        return any(name in self._secrets for name in settings)


def _is_arn(text: str) -> bool:
    return Arn.of(text).partition != ""


def _name(resource: str) -> str:
    """Return the ID or name in an ARN's resource, such as `key/ID` or `secret:NAME`."""
    separator = min((mark for mark in ":/" if mark in resource), key=resource.index, default="")
    return resource.partition(separator)[2] if separator else resource


def _texts(value: object) -> Iterator[str]:
    """Find all text in a setting's value."""
    if isinstance(value, Mapping):
        value = [*cast("Mapping[str, object]", value).values()]
    if isinstance(value, list):
        for member in cast("list[object]", value):
            yield from _texts(member)
    elif isinstance(value, str) and value:
        yield value
