"""Replace the AWS CLI in the sandbox on machines where the AWS CLI is not installed.

This command supports API operations, their own options, `--region`, `--query`, `--cli-input-json`, and
`--output json` or `text`. It does not support high-level commands, such as `aws s3 ls`, or shorthand
syntax: structures must be JSON. Unlike the AWS CLI, it returns only the first page of a list.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import jmespath
from botocore import xform_name
from botocore.exceptions import BotoCoreError, UnknownServiceError
from jmespath.exceptions import JMESPathError

from sandbox.environment import REGION
from sandbox.provider.calls import ProviderError, call, client


def main() -> None:
    """Call an AWS operation, and print the result or exit with an error message."""
    parser = argparse.ArgumentParser(
        prog="aws",
        usage="aws SERVICE OPERATION [--OPTION VALUE …]",
        description="Call an AWS operation in the sandbox, like the AWS CLI.",
        allow_abbrev=False,
    )
    parser.add_argument("service")
    parser.add_argument("operation")
    parser.add_argument("--query", default="@", help="a JMESPath expression that selects the output")
    parser.add_argument("--output", choices=["json", "text"], default="json")
    parser.add_argument("--cli-input-json", default="{}", help="parameters that options can override")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", REGION))
    arguments, options = parser.parse_known_args()
    try:
        found = jmespath.search(arguments.query, _ask(arguments, options))
    except (BotoCoreError, JMESPathError, OSError, ProviderError) as error:
        sys.exit(f"aws: {error}")
    if arguments.output == "text":
        print(_text(found))
    elif found != {}:
        print(json.dumps(found, default=str, indent=4))


def _ask(arguments: argparse.Namespace, options: list[str]) -> dict[str, Any]:
    named = f"{arguments.service} {arguments.operation}"
    try:
        # In the AWS CLI, the API operations of Amazon S3 are under `aws s3api`.
        name = "s3" if arguments.service == "s3api" else arguments.service
        service = client(name, arguments.region)
    except UnknownServiceError:
        raise ProviderError(
            f"the sandbox does not support the service {arguments.service}; the AWS CLI may support it"
        ) from None
    method = arguments.operation.replace("-", "_")
    operations = service.meta.method_to_api_mapping
    if method not in operations:
        raise ProviderError(f"the sandbox does not support `aws {named}`; the AWS CLI may support it")
    shape = service.meta.service_model.operation_model(operations[method]).input_shape
    parameters = {xform_name(name, "-"): name for name in shape.members} if shape else {}
    given: dict[str, Any] = _json("--cli-input-json", _read(arguments.cli_input_json))
    while options:
        option = options.pop(0)
        name = parameters.get(option.removeprefix("--").removeprefix("no-"))
        if not option.startswith("--") or name is None:
            expected = ", ".join(f"--{each}" for each in parameters)
            raise ProviderError(f"{named}: unknown option {option}; expected {expected or 'none'}")
        words: list[str] = []
        while options and not options[0].startswith("--"):
            words.append(options.pop(0))
        given[name] = _value(option, shape.members[name], words)
    answer = call(named, lambda: getattr(service, method)(**given))
    del answer["ResponseMetadata"]
    return answer


def _value(option: str, shape: Any, words: list[str]) -> Any:
    """Convert the words after an option to a value for the option's parameter."""
    if shape.type_name == "boolean":
        return not option.startswith("--no-")
    text = _read(words[0] if words else "")
    if shape.type_name in ("blob", "string", "timestamp"):
        return text
    if shape.type_name == "list" and shape.member.type_name == "string" and not text.startswith("["):
        return words
    return _json(option, text)


def _read(text: str) -> str:
    """Return an option's text or, if it is the URL of a file, the content of the file."""
    return Path(text.removeprefix("file://")).read_text() if text.startswith("file://") else text


def _json(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ProviderError(f"{option}: expected JSON, got {text!r}") from None


def _text(found: Any) -> str:
    """Return the output for `--output text`: one line or, for a list of lists, a line for each item."""
    rows = found if isinstance(found, list) and any(isinstance(row, list) for row in found) else [found]
    return "\n".join("\t".join(map(str, row if isinstance(row, list) else [row])) for row in rows)


if __name__ == "__main__":
    main()
