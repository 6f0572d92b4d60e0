"""What stands in for the AWS CLI where tests run docs/operations.md? Its commands on IAM, by boto3."""

import argparse
import json
import sys

import boto3
import jmespath
from botocore.exceptions import ClientError

parser = argparse.ArgumentParser()
parser.add_argument("service", choices=["iam"])
parser.add_argument("operation")
parser.add_argument("--role-name")
parser.add_argument("--query", default="@")
parser.add_argument("--output", choices=["json", "text"], default="json")
arguments = parser.parse_args()
given = {"RoleName": arguments.role_name} if arguments.role_name else {}
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
