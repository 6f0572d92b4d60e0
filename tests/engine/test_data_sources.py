"""Test the life of a stack with several data sources on the real engine."""

from typing import Any, Final

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ARN, BUCKET_NAME, INDEX_ID, KEY_ID, REGION, SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.page import run_section
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import PROJECT_NAME, REQUIRED

PAGE: Final = PROJECT / "docs" / "data-sources.md"
TOP: Final[dict[str, Any]] = {
    "aws:region": REGION,
    "aws:allowedAccountIds": ["123456789012"],
    "applicationId": APPLICATION_ARN,
    "indexId": INDEX_ID,
}
AEM: Final[dict[str, Any]] = {"secretId": SECRET_ID}
FILES: Final[dict[str, Any]] = {"connector": "s3-v2", "bucketName": BUCKET_NAME, "kmsKeyId": KEY_ID}


SLACK_SECRET_ARN: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:qbusiness/slack-a1B2c3"


def members(**settings: object) -> dict[str, Any]:
    return {**TOP, "dataSources": {name.replace("_", "-"): value for name, value in settings.items()}}


def changes(stack: Stack) -> list[tuple[str, str]]:
    return [(operation, name) for operation, name, _ in stack.preview().steps if operation != "same"]


def rename(stack: Stack, old: str, new: str) -> None:
    run_section(stack, "Rename a member", PAGE, STACK=stack.name, PROJECT=PROJECT_NAME, OLD=old, NEW=new)


def test_a_stack_exports_the_role_of_each_member_and_adds_one_without_touching_the_others(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack(members(wiki={**AEM, "connector": "confluence-cloud"}))
    stack.up()
    before = stack.outputs()["roleArns"]["wiki"]
    stack.configure(members(wiki={**AEM, "connector": "confluence-cloud"}, files=FILES))
    assert changes(stack) == [
        ("create", "files"),
        ("create", "files-qbusiness-role"),
        ("create", "files-qbusiness-policy"),
    ]
    stack.up()
    outputs = stack.outputs()
    assert outputs["roleArns"]["wiki"] == before
    assert outputs["roleArns"].keys() == outputs["roleNames"].keys() == {"wiki", "files"}
    assert set(aws.roles()) >= set(outputs["roleNames"].values())
    assert "roleArn" not in outputs
    assert stack.drift().exit_code == 0


def test_one_role_becomes_one_of_several_without_a_change_and_keeps_its_outputs(new_stack: NewStack):
    stack = new_stack({**TOP, **REQUIRED})
    stack.up()
    before = stack.outputs()
    stack.configure(members(aem_connector=AEM))
    assert changes(stack) == []
    stack.up()
    assert stack.outputs() == {
        **before,
        "roleArns": {"aem-connector": before["roleArn"]},
        "roleNames": {"aem-connector": before["roleName"]},
    }


def test_a_member_is_renamed_in_the_state_without_a_change(new_stack: NewStack):
    stack = new_stack(members(wiki=AEM, files=FILES))
    stack.up()
    arn = stack.outputs()["roleArns"]["wiki"]
    rename(stack, "wiki", "pages")
    stack.configure(members(pages=AEM, files=FILES))
    assert changes(stack) == []
    stack.up()
    assert stack.outputs()["roleArns"]["pages"] == arn


def test_a_protected_member_is_removed_only_after_its_protection(new_stack: NewStack, aws: Aws):
    stack = new_stack(members(wiki={**AEM, "protect": True}, files=FILES))
    stack.up()
    stack.configure(members(files=FILES))
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    assert "protected" in failed.text
    stack.configure(members(wiki={**AEM, "protect": False}, files=FILES))
    stack.up()
    name = stack.outputs()["roleNames"]["wiki"]
    stack.configure(members(files=FILES))
    assert {operation for operation, _ in changes(stack)} == {"delete"}
    stack.up()
    assert name not in aws.roles()
    assert stack.outputs()["roleArns"].keys() == {"files"}


def test_the_role_of_another_stack_moves_into_one_with_several(new_stack: NewStack):
    target, source = new_stack(members(files=FILES)), new_stack({**TOP, **REQUIRED})
    target.up()
    source.up()
    arn = source.outputs()["roleArn"]
    rename(source, "aem-connector", "wiki")
    run_section(
        source,
        "From several stacks to one",
        PAGE,
        SOURCE=source.name,
        TARGET=target.name,
        PROJECT=PROJECT_NAME,
        NEW="wiki",
    )
    target.configure(members(files=FILES, wiki=AEM))
    assert changes(target) == []
    target.up()
    assert target.outputs()["roleArns"]["wiki"] == arn
    assert [each["type"] for each in source.resources() if "iam" in each["type"]] == []
    assert source.run("stack", "rm", "--yes", source.name, check=False).returncode != 0
    source.run("stack", "rm", "--yes", "--force", source.name)
    assert not source.config_file.exists()


def test_a_member_is_added_as_the_page_says(new_stack: NewStack):
    stack = new_stack(members(wiki=AEM))
    stack.up()
    run_section(stack, "Add a member", PAGE, SECRET_ID=SLACK_SECRET_ARN)
    assert stack.outputs()["roleArns"].keys() == {"wiki", "slack"}
    run_section(stack, "Remove a member", PAGE)
    assert stack.outputs()["roleArns"].keys() == {"wiki"}


def test_the_command_in_the_message_replaces_a_secret_by_plain_text(new_stack: NewStack):
    stack = new_stack(members(wiki=AEM))
    stack.run("config", "set", "--path", "--secret", "dataSources.wiki.secretId", SLACK_SECRET_ARN)
    text = stack.preview(check=False).text
    assert "dataSources: has a secret value" in text
    fix = text.partition("and for secretId pulumi ")[2].splitlines()[0]
    stack.run(*fix.replace("NAME", "wiki").replace("VALUE", SLACK_SECRET_ARN).split())
    assert stack.preview().exit_code == 0


def test_one_invalid_member_stops_all(new_stack: NewStack, aws: Aws):
    before = set(aws.roles())
    stack = new_stack(members(wiki=AEM, files={**FILES, "bucketName": "No Bucket"}))
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    assert "  dataSources.files.bucketName: " in failed.text
    assert set(aws.roles()) == before


def test_the_commands_in_the_message_turn_the_text_of_a_member_into_a_boolean(new_stack: NewStack):
    stack = new_stack(members(wiki={**AEM, "protect": "false"}))
    text = stack.preview(check=False).text
    assert "dataSources.wiki.protect: expected a boolean" in text
    for command in text.partition("fix: ")[2].splitlines()[0].split(" && "):
        stack.run(*command.split()[1:])
    assert stack.preview().exit_code == 0


@pytest.mark.parametrize("value", ["text", 5, ["x"]])
def test_another_type_is_refused_by_the_engine(new_stack: NewStack, value: object):
    failed = new_stack({**TOP, "dataSources": value}).preview(check=False)
    assert failed.exit_code != 0
    assert "dataSources" in failed.text
