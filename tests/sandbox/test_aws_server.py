"""Tests `sandbox/aws_server.py`: which requests the server rejects."""

import json
from collections.abc import Mapping
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from sandbox.environment import PROJECT
from tests.helpers.stacks import Aws
from tests.helpers.support import TIMEOUT, golden

SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, Signature=x"
}
RESET = "/moto-api/reset"


def send(aws: Aws, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Send a request with exactly these headers; return the response's status and text."""
    connection = HTTPConnection(urlsplit(aws.url).netloc, timeout=TIMEOUT)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    with connection.getresponse() as response:
        return response.status, response.read().decode()


def test_requests_of_web_pages_are_rejected(aws: Aws):
    aws.iam.create_role(RoleName="kept", AssumeRolePolicyDocument=golden("trust-policy"))
    host = urlsplit(aws.url).netloc
    port = host.partition(":")[2]
    assert send(aws, "GET", "/qbusiness-files", {**SIGNED, "Host": host})[0] == 200
    for origin in ("https://example.com", f"http://{host}", "null"):
        for method, path in (("GET", "/qbusiness-files"), ("OPTIONS", "/"), ("POST", RESET)):
            rejected = send(aws, method, path, {**SIGNED, "Host": host, "Origin": origin})
            assert rejected == (
                403,
                "The sandbox's AWS server rejects requests from web pages: the header Origin is set.\n",
            )
    for foreign_host in (
        f"example.com:{port}",
        f"localhost:{port}",
        f"qbusiness-files.{host}",
        "127.0.0.1",
    ):
        for method, path in (("GET", "/qbusiness-files"), ("POST", RESET)):
            rejected = send(aws, method, path, {**SIGNED, "Host": foreign_host})
            assert rejected == (
                403,
                f"The sandbox's AWS server rejects the host '{foreign_host}': use {host}.\n",
            )
    assert send(aws, "POST", RESET, {})[0] == 403
    assert aws.roles() == ["kept"]


def test_services_that_the_sandbox_does_not_need_are_rejected(aws: Aws):
    for service, operation, code in (
        ("sns", "list_topics", "InvalidAction"),
        ("lambda", "list_functions", "UnknownOperationException"),
    ):
        with pytest.raises(ClientError, match=f"there is no service {service}") as rejected:
            getattr(aws.client(service), operation)()
        assert rejected.value.response["Error"]["Code"] == code


def test_paths_of_moto_have_no_effect_except_reset(aws: Aws):
    host = {"Host": urlsplit(aws.url).netloc}
    aws.iam.create_role(RoleName="kept", AssumeRolePolicyDocument=golden("trust-policy"))
    for method, path in (
        ("POST", "/moto-api/recorder/start-recording"),
        ("GET", "/moto-api/recorder/download-recording"),
        ("GET", "/moto-api/data.json"),
        ("GET", RESET),
        ("GET", "/latest/meta-data/iam/security-credentials/"),
        ("GET", "/sns_us-east-1/"),
    ):
        status, text = send(aws, method, path, host)
        assert (status, json.loads(text)["message"]) == (
            404,
            "the sandbox does not support this call: the call is not signed",
        )
        # For Amazon S3, these are paths of buckets.
        assert send(aws, method, path, {**SIGNED, **host})[0] >= 400
    assert not (PROJECT / "moto_recording").exists()
    assert aws.roles() == ["kept"]
    assert send(aws, "POST", RESET, host) == (200, "")
    assert aws.roles() == []
