"""What holds for all tests: an Output in an f-string is an error and not a surprise in AWS."""

import os

os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "1"
