"""Tests the output on the page about `adopt`."""

import json
import re

import pytest

from tests.helpers.page import ADOPT, blocks, prose
from tests.helpers.world import TRUST, World, allow, own_policy

pytestmark = pytest.mark.slow

LIKE = TRUST.replace("ArnEquals", "ArnLike")
"""The trust policy of a role from the console."""


def add_data_sources(world: World) -> None:
    """Add two data sources with separate roles, and two data sources that share a role."""
    world.add_own(name="Pages", trust=LIKE)
    secret = world.secret("wiki")
    role = world.role("QBusiness-wiki", trust=LIKE, Path="/service-role/")
    document = own_policy(secret, allow("secretsmanager:GetSecretValue", "*"))
    world.put_policy(document, "console", "QBusiness-wiki")
    world.add("Wiki", role, secret, kind="CONFLUENCE")
    shared = world.role("QBusiness-shared", trust=LIKE)
    secrets = {name: world.secret(name.lower()) for name in ("Tickets", "Intranet")}
    document = own_policy("SECRET").replace('["SECRET"]', json.dumps([*secrets.values()]))
    world.put_policy(document, "console", "QBusiness-shared")
    world.add("Tickets", shared, secrets["Tickets"], kind="JIRA")
    world.add("Intranet", shared, secrets["Intranet"], kind="SHAREPOINT")


@pytest.mark.usefixtures("project")
def test_output_matches_the_page(world: World):
    add_data_sources(world)
    said = world.adopt().out
    shown = re.sub(r"(:secret:[\w/-]+)-\w{6}\b", r"\1-a1B2c3", said)
    assert shown == blocks("text", prose("Read the output", ADOPT))[0]
