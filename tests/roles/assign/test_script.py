"""The script of `roles assign` changes the role and nothing else, or undoes the change."""

import json
import os
import re
import signal
import subprocess
import time
from typing import Any

import pytest
from botocore.session import get_session

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, OTHER_ACCOUNT
from roles.role_changes import functions
from sandbox.environment import PROJECT
from tests.helpers.page import prose
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import ROLE_ARN, SECRET_ARN, World
from tests.roles.assign.help import (
    SCRIPT,
    WIKI_ROLE,
    add_wiki,
    deploy_two,
    on_update,
    run_script,
    saved,
    updates,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed", "aws_cli")]

LABEL = f"aem-connector (Pages {DATA_SOURCE_ID})"
OLD_ROLE = f"arn:aws:iam::{ACCOUNT}:role/old"
EVERYTHING: dict[str, Any] = {
    "description": 'The team\'s "pages", $HOME `and` \\n',
    "syncSchedule": "cron(0 12 * * ? *)",
    "configuration": {
        "type": "AEM",
        "secretArn": SECRET_ARN,
        "connectionConfiguration": {"aemUrl": "https://example.com/a b", "depth": 1.5, "none": None},
        "filters": ["it's", '"quoted"', "", True],
        "empty": {},
    },
    "documentEnrichmentConfiguration": {
        "inlineConfigurations": [
            {"condition": {"key": "day", "operator": "EQUALS", "value": {"dateValue": 1764547200}}}
        ]
    },
    "mediaExtractionConfiguration": {
        "imageExtractionConfiguration": {"imageExtractionStatus": "ENABLED"}
    },
}


def write_script(world: World, *, role: str = OLD_ROLE, **more: Any) -> dict[str, Any]:
    """Add a data source with this role, and write the script that gives it the stack's role.

    Return the properties of the data source.
    """
    world.role("old")
    source = world.add_data_source(roleArn=role, **more)
    assert world.assign(f"aem-connector={DATA_SOURCE_ID}").code == 0
    world.server.calls.clear()
    return dict(source)


def assert_only_role_changed(world: World, before: dict[str, Any], role: str = ROLE_ARN) -> None:
    after = world.server.data_source()
    assert {**before, "roleArn": role, "updatedAt": 0} == {**after, "updatedAt": 0}


def test_two_runs_change_the_role_once_and_nothing_else(world: World):
    before = write_script(world, **EVERYTHING)
    model: Any = get_session().get_service_model("qbusiness").operation_model("UpdateDataSource")
    assert before.keys() >= model.input_shape.members.keys()
    world.server.qbusiness.keeps_omitted = False  # an update drops what it omits
    world.patch.setenv("AWS_REGION", "eu-west-1")  # not the data source's Region
    directory = world.path('it\'s "here"')
    directory.mkdir()
    world.path(SCRIPT).rename(directory / SCRIPT)
    for said in (f"{LABEL}: has {ROLE_ARN}\n", f"{LABEL}: already has {ROLE_ARN}\n"):
        done = run_script(world, f"'it'\\''s \"here\"/{SCRIPT}'")
        assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
        assert_only_role_changed(world, before)
    assert updates(world) == 1
    assert [path.name for path in directory.iterdir()] == [SCRIPT]


def test_empty_structure_is_not_sent(world: World):
    write_script(world)
    del world.server.data_source()["vpcConfiguration"]
    empty = {"vpcConfiguration": {"subnetIds": [], "securityGroupIds": []}}

    def add_empty(body: bytes) -> bytes:
        return json.dumps({**json.loads(body), **empty}).encode()

    world.server.spoil["qbusiness:GetDataSource"] = add_empty
    assert run_script(world).returncode == 0


def test_script_waits_while_data_source_is_updating(world: World):
    before = write_script(world)
    reads: list[bytes] = []

    def finish_after_two_reads(body: bytes) -> bytes:
        if json.loads(body)["status"] == "UPDATING":
            reads.append(body)
        if len(reads) == 2:
            world.server.data_source()["status"] = "ACTIVE"
        return body

    world.server.spoil["qbusiness:GetDataSource"] = finish_after_two_reads
    on_update(world, lambda source: source.update(status="UPDATING"))
    assert run_script(world).returncode == 0
    assert len(reads) == 2
    assert_only_role_changed(world, before)


def drop_vpc(source: dict[str, Any]) -> None:
    """Drop the VPC while the data source has the new role."""
    if source["roleArn"] == ROLE_ARN:
        del source["vpcConfiguration"]


def test_dropped_property_is_undone(world: World):
    before = write_script(world)
    on_update(world, drop_vpc)
    done = run_script(world)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{LABEL}: the new role is not all that changed:\n  vpcConfiguration.")
    assert " found null\n" in done.stderr
    assert done.stderr.endswith(f"{LABEL}: undone: ACTIVE, with {OLD_ROLE} and all earlier properties\n")
    assert_only_role_changed(world, before, OLD_ROLE)
    assert not world.path("assign-dev-1").exists()


def test_property_that_stays_lost_is_in_saved_file(world: World):
    write_script(world)
    on_update(world, lambda source: source.pop("vpcConfiguration", None))
    done = run_script(world)
    assert done.returncode == 1
    assert f"\n{LABEL}: not undone; the earlier properties are in assign-dev-1/" in done.stderr
    assert saved(world, DATA_SOURCE_ID)["vpcConfiguration"]
    # Nothing is sent again until somebody has looked at the difference.
    count = updates(world)
    again = run_script(world)
    assert (again.returncode, updates(world)) == (1, count)
    assert "unchanged, because it has changed since it was saved" in again.stderr


@pytest.mark.parametrize("role", [OLD_ROLE, None], ids=["deleted role", "no role"])
def test_without_earlier_role_nothing_is_undone(world: World, role: str | None):
    world.server.add(DATA_SOURCE_ID, configuration={"type": "AEM", "secretArn": SECRET_ARN})
    source = world.server.data_source()
    source |= {"description": "Ours"} | ({"roleArn": role} if role else {})
    assert world.assign().code == 0
    on_update(world, lambda source: source.pop("description"))
    done = run_script(world)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "there is no earlier role to go back to; the earlier properties are in "
        f"assign-dev-1/{DATA_SOURCE_ID}.json\n"
    )
    assert saved(world, DATA_SOURCE_ID)["description"] == "Ours"
    assert updates(world) == 1


def test_update_that_fails_later_is_undone(world: World):
    before = write_script(world)

    def fail(source: dict[str, Any]) -> None:
        failed = source["roleArn"] == ROLE_ARN
        source |= {"status": "FAILED"} if failed else {"status": "ACTIVE"}

    on_update(world, fail)
    done = run_script(world)
    assert done.returncode == 1
    assert "\n  status: FAILED" in done.stderr
    assert_only_role_changed(world, before, OLD_ROLE)


def test_rejected_update_changes_nothing(world: World):
    before = write_script(world)
    world.reject("qbusiness:UpdateDataSource")
    done = run_script(world)
    assert done.returncode == 1
    assert "AccessDenied" in done.stderr
    assert done.stderr.endswith(f"{LABEL}: unchanged: ACTIVE, with {OLD_ROLE}\n")
    assert_only_role_changed(world, before, OLD_ROLE)
    assert not world.path("assign-dev-1").exists()


def test_update_that_worked_despite_an_error_counts(world: World):
    before = write_script(world)
    world.server.spoil["qbusiness:UpdateDataSource"] = lambda _: b"cut"
    assert run_script(world).returncode == 0
    assert_only_role_changed(world, before)


def test_outage_in_the_middle_is_completed_by_second_run(world: World):
    before = write_script(world)
    on_update(world, lambda _: world.reject("qbusiness:GetDataSource"))
    done = run_script(world)
    assert done.returncode == 1
    assert f"{LABEL}: cannot be read (account: {ACCOUNT})" in done.stderr
    world.server.rejections.clear()
    assert run_script(world).returncode == 0
    assert updates(world) == 1
    assert_only_role_changed(world, before)
    assert not world.path("assign-dev-1").exists()


def interrupt(world: World, stop: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Interrupt the script while it waits for the update."""
    sleep = world.path("bin/sleep")
    sleep.write_text("#!/bin/sh\ntouch waiting && exec /bin/sleep 30\n")
    sleep.chmod(0o755)
    path = f"{sleep.parent}:{os.environ['PATH']}"
    with subprocess.Popen(
        ["sh", SCRIPT],
        cwd=world.directory,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as script:
        while not world.path("waiting").exists():
            time.sleep(0.05)
        os.killpg(script.pid, stop)
        out, err = script.communicate()
    return subprocess.CompletedProcess([], script.returncode, out, err)


@pytest.mark.parametrize(
    ("stop", "is_dropped"),
    [(signal.SIGINT, False), (signal.SIGTERM, True), (signal.SIGKILL, False)],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_interrupted_change_is_completed_or_undone_by_second_run(
    world: World, stop: signal.Signals, *, is_dropped: bool
):
    before = write_script(world)
    on_update(world, drop_vpc if is_dropped else dict)
    done = interrupt(world, stop)
    if stop != signal.SIGKILL:
        assert done.returncode == 130
        assert done.stderr.endswith("interrupted: run this script again\n")
    assert saved(world, DATA_SOURCE_ID)["roleArn"] == OLD_ROLE
    again = run_script(world)
    assert again.returncode == int(is_dropped)
    assert_only_role_changed(world, before, OLD_ROLE if is_dropped else ROLE_ARN)
    assert not world.path("assign-dev-1").exists()


def test_role_that_changed_in_the_meantime_is_kept(world: World):
    write_script(world)
    world.server.data_source()["roleArn"] = WIKI_ROLE
    done = run_script(world)
    assert (done.returncode, updates(world)) == (1, 0)
    assert f"it now has another role ({WIKI_ROLE})" in done.stderr


def test_a_failure_does_not_stop_the_next_data_source(world: World):
    deploy_two(world)
    world.add_data_source(roleArn=OLD_ROLE)
    identifier = add_wiki(world)
    assert world.assign().code == 0
    world.server.qbusiness.resources.pop((APPLICATION_ID, INDEX_ID, DATA_SOURCE_ID))
    done = run_script(world)
    assert done.returncode == 1
    assert "ResourceNotFoundException" in done.stderr
    assert world.server.data_source(identifier)["roleArn"] == WIKI_ROLE


def test_script_needs_credentials_of_its_account(world: World):
    write_script(world)
    key, secret, _ = world.administrator(OTHER_ACCOUNT).credentials
    world.patch.setenv("AWS_ACCESS_KEY_ID", key)
    world.patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    done = run_script(world)
    assert (done.returncode, updates(world)) == (1, 0)
    assert f"cannot be read (account: {ACCOUNT})" in done.stderr


@pytest.mark.parametrize("program", ["aws", "jq"])
def test_missing_program_is_reported_before_any_call(world: World, program: str):
    write_script(world)
    programs = world.path("programs")
    programs.mkdir()
    (programs / ({"aws", "jq"} - {program}).pop()).symlink_to("/bin/true")
    (programs / "rm").symlink_to("/bin/rm")
    run = subprocess.run(
        ["/bin/sh", SCRIPT],
        cwd=world.directory,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (2, f"{program} is not on PATH: install it\n")


def test_page_quotes_messages_of_script():
    rows = re.findall(
        r"^\| (`.+?) \|", prose("Run the script", PROJECT / "docs" / "assign.md"), re.MULTILINE
    )
    quoted = [text.strip(" …") for row in rows for text in re.findall("`(.+?)`", row)]
    assert len(quoted) == 11
    script = re.sub(r"\$\{?\w+(:-\w+)?\}?", "", functions())
    for text in quoted:
        assert text.removesuffix(" UPDATING") in script
