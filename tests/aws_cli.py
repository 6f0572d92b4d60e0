"""Run commands of the AWS CLI with boto3, for tests that run the pages in docs/."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import boto3
import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError

parser = argparse.ArgumentParser()
parser.add_argument("service")
parser.add_argument("operation")
parser.add_argument("--query", default="@")
parser.add_argument("--output", choices=["json", "text"], default="json")
arguments, options = parser.parse_known_args()
create: Any = boto3.client
client = create(arguments.service, region_name="us-east-1")
operation = arguments.operation.replace("-", "_")
model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
members = {xform_name(name, "-"): (name, shape) for name, shape in model.input_shape.members.items()}
given: dict[str, Any] = {}
while options:
    option = options.pop(0).removeprefix("--")
    name, shape = members[option.removeprefix("no-")]
    if shape.type_name == "boolean":
        given[name] = not option.startswith("no-")
        continue
    value = options.pop(0)
    if value.startswith("file://"):
        value = Path(value.removeprefix("file://")).read_text()
    given[name] = value if shape.type_name == "string" else json.loads(value)
try:
    answer = getattr(client, operation)(**given)
except ClientError as error:
    sys.exit(str(error))
answer.pop("ResponseMetadata")
found = jmespath.search(arguments.query, answer)
if arguments.output == "text":
    sys.stdout.write("\t".join([found] if isinstance(found, str) else found) + "\n")
elif found:
    sys.stdout.write(json.dumps(found, default=str, indent=4) + "\n")
