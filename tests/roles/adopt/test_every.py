"""`roles adopt --all` adopts the roles of all data sources of an application into one stack."""

import json
from typing import Any, Final

import pytest
import yaml

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    REGION,
)
from tests.helpers.boundary import boundary
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import OTHER_ID, World, data_source_id, own_policy

pytestmark = pytest.mark.slow

APPLICATION: Final = "e5f6a7b8-9012-34ab-cdef-555555555555"


def add(world: World, number: int, name: str, kind: str = "AEM") -> None:
    """Add a data source with a secret and a role of its own."""
    secret = world.secret(f"qbusiness/{number}")
    role = world.role(f"QBusiness-DataSource-{number:05}", own_policy(secret))
    world.add(name, role, secret, kind)


def read_entries(said: Any) -> dict[str, Any]:
    return said.json["config"][f"{PROJECT_NAME}:dataSources"]


def test_data_sources_sharing_role_get_own_roles(world: World):
    add(world, 1, "Fine", "SLACK")
    add(world, 2, "Mixed", "SLACK")
    shared = world.server.data_source(data_source_id(2))["roleArn"]
    world.add("Wiki", shared, world.secret("qbusiness/3"), "CONFLUENCE")
    add(world, 4, "Alone", "SLACK")
    elsewhere = world.server.data_source(data_source_id(4))["roleArn"]
    world.server.qbusiness.add(APPLICATION, displayName="Other")
    world.server.qbusiness.add(APPLICATION, INDEX_ID, displayName="Main")
    source = {"displayName": "Other", "type": "AEM", "roleArn": elsewhere}
    world.server.qbusiness.add(APPLICATION, INDEX_ID, OTHER_ID, **source)
    options = ("--all", "--connector", "slack", "--application", APPLICATION_ID)
    said = world.adopt(*options, "--json")
    assert said.code == 0
    sources = read_entries(said)
    assert {name: its.get("roleName") for name, its in sources.items()} == {
        "fine": "QBusiness-DataSource-00001",
        "mixed": None,
        "alone": None,
    }
    assert sources["mixed"]["rolePath"] == "/"
    entries = said.json["import"]["resources"]
    assert {entry.get("parent", entry["name"]) for entry in entries} == {"fine"}
    assert [said.json["entries"][name]["sharedRole"] for name in sources] == [None, shared, elsewhere]
    # The file now has the new roles' entries.
    shown = world.adopt(*options, "--force").out
    users = f"Mixed {data_source_id(2)}, Wiki {data_source_id(3)}"
    because = f"mixed gets a new role, because {shared} is used by {users}."
    assert f"\n{because} The old role does not change.\n" in shown
    assert (
        "\nAfter `pulumi up`, run these commands, and the script that `assign` writes:\n\n"
        f"qbusiness-roles assign --stack prod mixed={data_source_id(2)} alone={data_source_id(4)}\n"
    ) in shown


def test_region_of_application_arn_overrides_aws_region(world: World):
    world.make()
    world.patch.setenv("AWS_REGION", "eu-west-1")
    said = world.adopt("--all", "--application", APPLICATION_ARN, "--dry-run", "--json")
    assert said.json["config"]["aws:region"] == REGION


def test_role_declared_in_stack_file_is_never_dropped(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    add(world, 2, "Odd", "CUSTOM")
    text = "config:\n  qbusiness-aem-connector:"
    path = world.path("Pulumi.prod.yaml")
    path.write_text(f"{text}dataSources: {{wiki: {{roleName: gone}}}}\n")
    said = world.adopt("--all", "--force")
    assert said.code == 2
    dropped = "and if the stack owns them, the next `pulumi up` would"
    assert f"roles that this command would not adopt (wiki), {dropped}" in said.err
    assert "\n  pulumi config rm --stack prod --path dataSources.wiki\n" in said.err
    assert "\n  left out: Odd (CUSTOM, " in said.err
    assert "config set" not in said.err
    for option in ("--force", "--dry-run"):
        assert "declares roles in dataSources (wiki), and" in world.adopt(option).last


def test_warning_names_data_sources_that_boundary_of_settings_might_cut_off(world: World):
    add(world, 1, "Wiki", "CONFLUENCE")
    add(world, 2, "Desk", "JIRA")
    secrets = [
        each["ARN"]
        for each in world.secrets.list_secrets(MaxResults=100)["SecretList"]
        if each["Name"] == "qbusiness/1"
    ]
    for reads, effect in (
        ({"secrets": secrets}, "It might cut off desk."),
        ({"secrets": ["q*"]}, "It allows all that these roles need."),
        ({}, "It could not be read: iam:GetPolicy found nothing "),
    ):
        arn = f"arn:aws:iam::{ACCOUNT}:policy/none"
        if reads:
            arn = world.managed(f"boundary-{len(effect)}", json.dumps(boundary(**reads)))
        config = {f"{PROJECT_NAME}:permissionsBoundaryArn": arn}
        world.path("Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
        said = world.adopt("--all", "--force", "--dry-run").err
        assert (
            f"permissionsBoundaryArn {arn} is dropped from Pulumi.prod.yaml, because an import " in said
        )
        assert effect in said


def test_calls_grow_linearly_with_data_sources(world: World):
    counts: list[int] = []
    for number in range(1, 13):
        add(world, number, f"Source-{number}")
        if number in (4, 8, 12):
            assert world.adopt("--all", "--dry-run").code == 0
            counts.append(len(world.server.calls))
    # One ListDataSources call reads ten data sources.
    assert 0 <= (counts[2] - counts[1]) - (counts[1] - counts[0]) <= 1
    assert (counts[1] - counts[0]) / 4 <= 7


def test_data_sources_in_a_file_are_left_out_even_if_they_are_gone(world: World):
    for number in (1, 2, 3):
        add(world, number, f"Wiki-{number}")
    text = f"# handed back\n{data_source_id(2)}  # Wiki-2\n\n{data_source_id(9)}\n"
    world.path("kept.txt").write_text(text)
    said = world.adopt("--all", "--exclude", "@kept.txt", "--exclude", data_source_id(3), "--json")
    assert [*read_entries(said)] == ["wiki-1"]
