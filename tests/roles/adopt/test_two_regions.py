"""Two stacks of one project adopt the data sources of two Regions, some of which share a role.

IAM and the data sources are compared before, after each adoption, and after each way back, because
neither stack may change anything of the other.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, REGION
from tests.helpers.stacks import Aws, Stack
from tests.helpers.world import TRUST, own_policy
from tests.roles.adopt.help import on_the_engine
from tests.roles.adopt.test_thirty import Snapshot, run_commands, snapshots

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

ABROAD: Final = "eu-west-1"
ADOPT: Final = ("venv/bin/python", "-m", "roles", "adopt", "--all")


class Side:
    """One Region: an application with data sources that have their own role, or the shared one."""

    def __init__(self, aws: Aws, region: str, stack: str, application: str, index: str) -> None:
        self.aws, self.region, self.stack = aws, region, stack
        self.qbusiness = aws.client("qbusiness", region)
        self.ids = {"applicationId": application, "indexId": index}
        self.arn = f"arn:aws:qbusiness:{region}:{ACCOUNT}:application/{application}"

    def fill(self, shared: str) -> None:
        secrets = self.aws.client("secretsmanager", self.region)
        for name in ("own", "first", "second"):
            secret = secrets.create_secret(Name=f"qbusiness/{name}", SecretString="{}")["ARN"]
            role = f"QBusiness-{self.region}-{name}"
            document = own_policy(secret).replace(APPLICATION_ARN, self.arn).replace("Allows", "Lets")
            trust = TRUST.replace(APPLICATION_ARN, self.arn).replace("ArnEquals", "ArnLike")
            arn = shared
            if name == "own":
                arn = self.aws.iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"][
                    "Arn"
                ]
                self.aws.iam.put_role_policy(
                    RoleName=role,
                    PolicyName="console",
                    PolicyDocument=document.replace(INDEX_ID, self.index),
                )
            configuration: dict[str, Any] = {"type": "AEM", "secretArn": secret}
            self.qbusiness.create_data_source(
                **self.ids, displayName=name, configuration=configuration, roleArn=arn
            )

    @property
    def index(self) -> str:
        return self.ids["indexId"]

    def data_sources(self) -> dict[str, Any]:
        """Return each data source by its name, without the time of its last update."""
        listed = self.qbusiness.list_data_sources(**self.ids)["dataSources"]
        found = [
            self.qbusiness.get_data_source(**self.ids, dataSourceId=each["dataSourceId"])
            for each in listed
        ]
        left_out = ("updatedAt", "ResponseMetadata")
        return {
            each["displayName"]: {key: value for key, value in each.items() if key not in left_out}
            for each in found
        }


def adopt(project: Stack, side: Side) -> None:
    """Adopt a Region's data sources: import, update, and assign, with the printed commands."""
    shown = project.execute(*ADOPT, "--stack", side.stack, "--region", side.region).stdout
    assert (
        f"\nWritten for stack {side.stack}: Pulumi.{side.stack}.yaml, import-{side.stack}.json, "
        in shown
    )
    assert "\nfirst, second get new roles, because " in shown
    (importing,) = re.findall("^pulumi import .*", shown, flags=re.MULTILINE)
    (assigning,) = re.findall("^qbusiness-roles assign .*", shown, flags=re.MULTILINE)
    assert "delete-role " not in shown  # the other Region may go back
    run_commands(project, importing)
    done = project.run("up", "--yes", "--skip-preview", "--stack", side.stack).stdout
    assert " deleted\n" not in done
    run_commands(project, assigning, f"sh assign-{side.stack}-1.sh")


def roles(aws: Aws, names: set[str]) -> dict[str, Snapshot]:
    return {name: role for name, role in snapshots(aws).items() if name in names}


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Return the environment with a backend of its own: `roles adopt` reads all stacks of a backend."""
    backend = tmp_path / "backend"
    backend.mkdir()
    return {**environment, "PULUMI_BACKEND_URL": f"{backend.as_uri()}?metadata=skip"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["America first", "Europe first"])
def test_neither_of_two_stacks_changes_anything_of_the_other(
    new_stack: Callable[..., Stack], aws: Aws, order: tuple[int, int]
):
    project = on_the_engine(new_stack)
    project.config_file.unlink()
    elsewhere = aws.client("qbusiness", ABROAD)
    application = elsewhere.create_application(displayName="Europe")["applicationId"]
    index = elsewhere.create_index(applicationId=application, displayName="Main")["indexId"]
    sides = (
        Side(aws, REGION, "america", APPLICATION_ID, INDEX_ID),
        Side(aws, ABROAD, "europe", application, index),
    )
    document = json.loads(TRUST)
    condition = document["Statement"][0]["Condition"]["ArnEquals"]
    condition["aws:SourceArn"] = [side.arn for side in sides]
    trust = json.dumps(document)
    shared = aws.iam.create_role(RoleName="shared", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    aws.iam.put_role_policy(RoleName="shared", PolicyName="console", PolicyDocument=own_policy("*"))
    for side in sides:
        side.fill(shared)
        project.run("stack", "init", side.stack)
    before, sources = snapshots(aws), [side.data_sources() for side in sides]

    for number in order:
        this, other = sides[number], sides[1 - number]
        untouched = roles(aws, {"shared", f"QBusiness-{other.region}-own"})
        others = other.data_sources()
        adopt(project, this)
        assert roles(aws, {*untouched}) == untouched
        assert other.data_sources() == others
        now = this.data_sources()
        assert {each["roleArn"] for each in now.values()}.isdisjoint({shared})
        assert now["own"] == sources[number]["own"]
    for side in sides:
        project.run("preview", "--expect-no-changes", "--stack", side.stack)

    for number in order:
        this, other = sides[number], sides[1 - number]
        others = other.data_sources()
        run_commands(project, f"sh restore-{this.stack}-1.sh")
        assert this.data_sources() == sources[number]
        assert other.data_sources() == others
        mine = {"shared", f"QBusiness-{this.region}-own"}
        assert roles(aws, mine) == {name: before[name] for name in mine}
    assert roles(aws, {*before}) == before
