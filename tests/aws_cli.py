"""Run the AWS CLI's IAM commands with boto3, for tests that run the pages in docs/."""

import argparse
import json
import sys
from pathlib import Path

import boto3
import jmespath
from botocore.exceptions import ClientError

parser = argparse.ArgumentParser()
parser.add_argument("service", choices=["iam"])
parser.add_argument("operation")
PARAMETERS = {
    "role_name": "RoleName",
    "policy_name": "PolicyName",
    "policy_arn": "PolicyArn",
    "policy_document": "PolicyDocument",
}
for option in PARAMETERS:
    parser.add_argument("--" + option.replace("_", "-"))
parser.add_argument("--query", default="@")
parser.add_argument("--output", choices=["json", "text"], default="json")
arguments = parser.parse_args()
options = {name: getattr(arguments, option) for option, name in PARAMETERS.items()}
given = {name: text for name, text in options.items() if text is not None}
if given.get("PolicyDocument", "").startswith("file://"):
    given["PolicyDocument"] = Path(given["PolicyDocument"].removeprefix("file://")).read_text()
operation = arguments.operation.replace("-", "_")
try:
    answer = getattr(boto3.client("iam", region_name="us-east-1"), operation)(**given)
except ClientError as error:
    sys.exit(str(error))
answer.pop("ResponseMetadata")
found = jmespath.search(arguments.query, answer)
if arguments.output == "text":
    sys.stdout.write("\t".join(found) + "\n")
elif found:
    sys.stdout.write(json.dumps(found, default=str, indent=4) + "\n")
