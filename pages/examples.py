"""Define the example values that the pages show and the tests use."""

from collections.abc import Mapping
from typing import Final

REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
OTHER_ACCOUNT: Final = "444455556666"
APPLICATION_ID: Final = "a1b2c3d4-5678-90ab-cdef-111111111111"
APPLICATION_ARN: Final = f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/{APPLICATION_ID}"
INDEX_ID: Final = "b2c3d4e5-6789-01ab-cdef-222222222222"
SECRET_ID: Final = "qbusiness/aem-cloud-a1B2c3"
KEY_ID: Final = "1234abcd-12ab-34cd-56ef-1234567890ab"
SUBNET_ID: Final = "subnet-0a1b2c3d4e5f60718"
SHARED_SUBNET_ARN: Final = f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:subnet/subnet-0b2c3d4e5f6071829"
SECURITY_GROUP_ID: Final = "sg-0c3d4e5f607182930"
BUCKET_NAME: Final = "qbusiness-documents"
FILES_BUCKET_NAME: Final = "qbusiness-files"

REQUIRED_INPUTS: Final[Mapping[str, str]] = {
    "applicationId": APPLICATION_ARN,
    "indexId": INDEX_ID,
    "secretId": SECRET_ID,
}
"""Values of the default connector's required settings except the Region, by camel-case name."""
