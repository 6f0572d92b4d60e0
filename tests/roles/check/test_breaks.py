"""`roles check` reports each resource of a stack that does not exist, and the command that fixes it."""

from collections.abc import Callable
from typing import Final

import pytest

from pages.examples import APPLICATION_ID, INDEX_ID, REGION
from tests.helpers.world import OTHER_KEY_ARN, SECRET_ARN, SECRET_NAME, World
from tests.roles.check.help import set_up

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


def use_deleted_key(world: World) -> None:
    """Encrypt the secret with a key that has since been deleted, and name it in the settings."""
    world.describe_secret(KmsKeyId=OTHER_KEY_ARN)
    version = {"VersionId": 32 * "a", "VersionStages": ["AWSCURRENT"], "KmsKeyIds": [OTHER_KEY_ARN]}
    versions = {"ARN": SECRET_ARN, "Name": SECRET_NAME, "Versions": [version]}
    world.server.answers["secretsmanager:ListSecretVersionIds"] = versions
    world.set(kmsKeyId=OTHER_KEY_ARN)


def use_missing_bucket(world: World) -> None:
    world.use_bucket()
    world.set(bucketName="nothing")


BREAKS: Final[list[tuple[str, Callable[[World], object], str, str]]] = [
    (
        "application",
        lambda world: world.server.qbusiness.resources.pop((APPLICATION_ID,)),
        f"there is no application {APPLICATION_ID} in {REGION}: `aws qbusiness list-applications",
        set_up("applicationId", "APPLICATION_ID"),
    ),
    (
        "index",
        lambda world: world.server.qbusiness.resources.pop((APPLICATION_ID, INDEX_ID)),
        f"there is no index {INDEX_ID} in this application: `aws qbusiness list-indices",
        set_up("indexId", "INDEX_ID"),
    ),
    (
        "secret",
        lambda world: world.delete_secret(SECRET_ARN),
        f"there is no secret {SECRET_ARN}: `aws secretsmanager list-secrets --region us-east-1` ",
        set_up("secretId", "SECRET_ARN"),
    ),
    ("KMS key", use_deleted_key, f"there is no key {OTHER_KEY_ARN}", set_up("kmsKeyId", "KEY_ID")),
    (
        "bucket",
        use_missing_bucket,
        "there is no bucket nothing",
        set_up("bucketName", "BUCKET_NAME"),
    ),
]


@pytest.mark.parametrize(
    ("question", "apply", "text", "fix"), BREAKS, ids=[question for question, *_ in BREAKS]
)
def test_missing_resource_is_printed_with_fix_command(
    world: World, question: str, apply: Callable[[World], object], text: str, fix: str
):
    apply(world)
    said = world.check(only=[question])
    assert said.code == 1
    answer = said.answer(question)
    assert answer.startswith(f"problem  {question}: {text}")
    assert fix in answer.partition("fix: ")[2]
