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
from sandbox.provider.calls import ProviderError, call_aws, get_client


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
        response = _call_operation(arguments, options)
        output = jmespath.search(arguments.query, response)
    except (BotoCoreError, JMESPathError, OSError, ProviderError) as error:
        sys.exit(f"aws: {error}")
    if arguments.output == "text":
        print(_format_as_text(output))
    elif output != {}:
        print(json.dumps(output, default=str, indent=4))


def _call_operation(arguments: argparse.Namespace, options: list[str]) -> dict[str, Any]:
    command = f"{arguments.service} {arguments.operation}"
    # In the AWS CLI, the API operations of Amazon S3 are under `aws s3api`.
    service = "s3" if arguments.service == "s3api" else arguments.service
    try:
        client = get_client(service, arguments.region)
    except UnknownServiceError:
        raise ProviderError(
            f"the sandbox does not support the service {arguments.service}; the AWS CLI may support it"
        ) from None
    method = arguments.operation.replace("-", "_")
    operation_by_method = client.meta.method_to_api_mapping
    if method not in operation_by_method:
        raise ProviderError(f"the sandbox does not support `aws {command}`; the AWS CLI may support it")
    operation = client.meta.service_model.operation_model(operation_by_method[method])
    parameters = _parse_json("--cli-input-json", _read_option_text(arguments.cli_input_json))
    parameters |= _parse_options(command, options, operation.input_shape)
    response = call_aws(command, lambda: getattr(client, method)(**parameters))
    del response["ResponseMetadata"]
    return response


def _parse_options(command: str, options: list[str], input_shape: Any) -> dict[str, Any]:
    """Return the parameters in an operation's options; raise ProviderError if an option is unknown.

    `input_shape` is None if the operation has no parameters. The options are removed from the list.
    """
    shape_by_parameter = input_shape.members if input_shape else {}
    parameter_by_option = {xform_name(parameter, "-"): parameter for parameter in shape_by_parameter}
    parameters: dict[str, Any] = {}
    while options:
        option = options.pop(0)
        parameter = parameter_by_option.get(option.removeprefix("--").removeprefix("no-"))
        if not option.startswith("--") or parameter is None:
            expected = ", ".join(f"--{option_name}" for option_name in parameter_by_option) or "none"
            raise ProviderError(f"{command}: unknown option {option}; expected {expected}")
        words: list[str] = []
        while options and not options[0].startswith("--"):
            words.append(options.pop(0))
        parameters[parameter] = _parse_option(option, shape_by_parameter[parameter], words)
    return parameters


def _parse_option(option: str, shape: Any, words: list[str]) -> Any:
    """Convert the words after an option to a value for the option's parameter."""
    if shape.type_name == "boolean":
        return not option.startswith("--no-")
    option_text = _read_option_text(words[0] if words else "")
    if shape.type_name in ("blob", "string", "timestamp"):
        return option_text
    is_list_of_texts = shape.type_name == "list" and shape.member.type_name == "string"
    if is_list_of_texts and not option_text.startswith("["):
        return words
    return _parse_json(option, option_text)


def _read_option_text(text_or_url: str) -> str:
    """Return an option's text or, if it is the URL of a file, the content of the file."""
    if text_or_url.startswith("file://"):
        return Path(text_or_url.removeprefix("file://")).read_text()
    return text_or_url


def _parse_json(option: str, json_text: str) -> Any:
    try:
        return json.loads(json_text)
    except ValueError:
        raise ProviderError(f"{option}: expected JSON, got {json_text!r}") from None


def _format_as_text(output: Any) -> str:
    """Return the output for `--output text`: one line or, for a list of lists, a line for each list."""
    has_rows = isinstance(output, list) and any(isinstance(row, list) for row in output)
    rows = output if has_rows else [output]
    lines = ["\t".join(map(str, row if isinstance(row, list) else [row])) for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
