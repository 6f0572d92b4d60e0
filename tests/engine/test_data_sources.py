"""Tests docs/data-sources: the lifecycle of a stack with several data sources."""

from typing import Any, Final

from pages.examples import ACCOUNT, BUCKET_NAME, KEY_ID, SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.page import blocks, prose, run_section
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import PROJECT_NAME, REQUIRED

PAGE: Final = PROJECT / "docs" / "data-sources.md"
TOP: Final = {key: value for key, value in REQUIRED.items() if key != "secretId"} | {
    "aws:allowedAccountIds": [ACCOUNT]
}
AEM: Final[dict[str, Any]] = {"secretId": SECRET_ID}
FILES: Final[dict[str, Any]] = {"connector": "s3-v2", "bucketName": BUCKET_NAME, "kmsKeyId": KEY_ID}


def with_entries(**settings: object) -> dict[str, Any]:
    return {**TOP, "dataSources": settings}


def test_single_role_is_kept_while_entries_are_added_renamed_and_removed(new_stack: NewStack, aws: Aws):
    intranet = {"connector": "sharepoint-cloud", "secretId": "qbusiness/intranet-b2C3d4"}
    stack = new_stack({**TOP, **intranet})
    stack.up()
    single = stack.outputs()
    arn = single["roleArn"]

    moved = run_section(stack, "Turn a single role into an entry", PAGE).stdout
    assert "    4 unchanged\n" in moved
    assert stack.outputs() == {
        **single,
        "roleArns": {"aem-connector": arn},
        "roleNames": {"aem-connector": single["roleName"]},
    }

    added = run_section(stack, "Add a data source", PAGE).stdout
    assert "    + 3 created\n    4 unchanged\n" in added
    outputs = stack.outputs()
    assert outputs["roleArns"].keys() == outputs["roleNames"].keys() == {"aem-connector", "wiki"}
    assert {*aws.roles()} == {*outputs["roleNames"].values()}

    values = {"STACK": stack.name, "PROJECT": PROJECT_NAME, "OLD": "aem-connector", "NEW": "confluence"}
    run_section(stack, "Rename a data source", PAGE, check=True, **values)
    wiki = {"connector": "confluence-cloud", "secretId": "qbusiness/wiki-c3D4e5"}
    stack.configure(with_entries(confluence=intranet, wiki={**wiki, "protect": True}))
    (keep,) = blocks("python", prose("Rename a data source", PAGE))
    program = stack.program
    stack.write_program(program + keep.replace('"wiki"', '"aem-connector"'))
    assert stack.up().changes == {"same": 7}
    renamed = {"confluence": arn, "wiki": outputs["roleArns"]["wiki"]}
    assert stack.outputs()["roleArns"] == {**renamed, "aem-connector": arn}
    assert "roleArn" not in stack.outputs()
    stack.write_program(program)

    rejected = run_section(stack, "Remove a data source", PAGE, check=False)
    assert rejected.returncode != 0
    assert "protected" in rejected.stdout
    assert {*aws.roles()} == {*outputs["roleNames"].values()}
    stack.configure(with_entries(confluence=intranet, wiki={**wiki, "protect": False}))
    assert stack.up().changes == {"same": 7}
    assert stack.outputs()["roleArns"] == renamed
    removed = run_section(stack, "Remove a data source", PAGE).stdout
    assert "    - 3 deleted\n    4 unchanged\n" in removed
    assert stack.outputs()["roleArns"] == {"confluence": arn}
    assert aws.roles() == [single["roleName"]]


def move(source: Stack, target: Stack, name: str) -> None:
    stacks = {"SOURCE": source.name, "TARGET": target.name, "PROJECT": PROJECT_NAME, "NEW": name}
    run_section(source, "Move a role to another stack", PAGE, check=True, **stacks)


def test_role_moves_to_another_stack_and_forgotten_steps_are_detected(new_stack: NewStack, aws: Aws):
    wiki = {**AEM, "protect": True}
    source = new_stack(with_entries(wiki=wiki, docs=AEM))
    target = new_stack(with_entries(files=FILES))
    source.up()
    target.up()
    before, roles = source.outputs()["roleArns"], {*aws.roles()}
    both, without = with_entries(files=FILES, wiki=wiki), with_entries(docs=AEM)

    target.configure(both)
    assert target.preview().changes == {"create": 3, "same": 4}

    move(source, target, "wiki")
    assert source.preview().changes == {"create": 3, "same": 4}
    target.configure(with_entries(files=FILES))
    forgotten = target.up(check=False)
    assert forgotten.exit_code != 0
    assert "cannot be deleted\nbecause it is protected" in forgotten.errors[0][1]
    assert {*aws.roles()} == roles

    target.configure(both)
    assert target.up().changes == {"same": 7}
    assert target.outputs()["roleArns"]["wiki"] == before["wiki"]
    source.configure(without)
    assert source.up().changes == {"same": 4}
    assert source.outputs()["roleArns"] == {"docs": before["docs"]}

    move(source, target, "docs")
    target.configure(with_entries(files=FILES, wiki=wiki, docs=AEM))
    assert target.up().changes == {"same": 10}
    source.run("stack", "rm", "--yes", "--force", source.name)
    assert not source.config_file.exists()
    assert target.outputs()["roleArns"].items() >= before.items()
    assert {*aws.roles()} == roles
