"""`roles audit --markdown` prints Markdown for a job's summary and an issue on GitHub."""

import html
import re
from typing import Any, Final

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ID, OTHER_ACCOUNT, REGION
from roles.account import Account
from roles.audit.accepted import Acceptance
from roles.audit.markdown import LIMIT, render
from roles.audit.survey import survey
from roles.output import Notes
from tests.helpers.world import OWN, World, allow, data_source_id, deny, own_policy
from tests.roles.audit.help import shared_role

pytestmark = pytest.mark.slow

MARKUP: Final = "<img src=x> | `*b*` @octocat [a](https://example.com) ``"


def test_the_result_comes_first_then_the_tables_then_the_details(world: World):
    world.add_own()
    secret_arn = world.secret("assets")
    document = own_policy(
        secret_arn,
        allow("sqs:*", "*", Sid="Queues"),
        deny("s3:*", "*"),
        without="AllowsAmazonQToIngestPrincipalMapping",
    )
    role_arn = world.role("qbusiness-assets", document)
    world.add("Assets", role_arn, secret_arn)
    shared_role(world, "jira", "wiki")
    world.add("Box", f"arn:aws:iam::{ACCOUNT}:role/gone", secret_arn, "BOX")
    world.add("Slack", f"arn:aws:iam::{OTHER_ACCOUNT}:role/slack", secret_arn, "SLACK")
    world.add("Feed", None, kind="CUSTOM")
    world.reject("iam:ListAttachedRolePolicies")
    said = world.audit("--markdown")
    assert said.code == 1
    first, *lines = said.out.splitlines()
    assert first == (
        f"**7 data sources with 5 roles in us-east-1, account {ACCOUNT}: 2 invalid, 3 different, "
        "1 not compared, 1 without a role**"
    )
    assert "- not allowed on at least some resources: `iam:ListAttachedRolePolicies`" in lines
    assert (
        f"Application `Docs {APPLICATION_ID}`, index `Main b2c3d4e5-6789-01ab-cdef-222222222222`"
        in lines
    )
    ids = [data_source_id(number) for number in range(1, 8)]
    for line in (
        "| data source | connector | role | used by | last used | result |",
        f"| `Assets {ids[1]}` | `aem-cloud` | `qbusiness-assets` | 1 | none | 1 missing, 1 in exc",
        f"| `jira {ids[2]}` | `aem-cloud` | `qbusiness-shared` | 2 | none | 2 shared |",
        f"| `Feed {ids[6]}` | `(CUSTOM)` |  |  |  | without a role |",
        f"<details><summary><code>{role_arn}: 1 missing, 1 in excess, 1 denying",
        f"- used by `Assets {ids[1]}`",
        f"- in excess: `{OWN}`, `Queues`",
        "  - `sqs:*` on `*`",
        f"- denying: `{OWN}`, `statement 4`",
        f"- shared: `{OWN}`, `AllowsAmazonQToGetSecret`, for `wiki {ids[3]}`",
    ):
        assert [shown for shown in lines if shown.startswith(line)], line
    assert said.out.count("<details>") == said.out.count("</details>")


OWN_WORDS: Final = {"state", "text", "last_used", "verdict", "danger", "until", "finding"}
"""The members of a result that contain the program's own words."""


def with_markup(value: Any) -> Any:
    """Return the same result with markup in every text from AWS or the user."""
    if isinstance(value, str):
        return f"{value}{MARKUP}" if value else value
    if hasattr(value, "_asdict"):
        marked = {name: with_markup(it) for name, it in value._asdict().items() if name not in OWN_WORDS}
        return value._replace(**marked)
    return tuple(map(with_markup, value)) if isinstance(value, tuple) else value


def test_markup_in_any_name_stays_text(world: World):
    world.add_own(allow("sqs:*", "*"))
    shared_role(world, "jira", "wiki")
    world.add_own(allow("*", "*", Sid="Known"), name="Known")
    known = Acceptance(world.role_arn, OWN, "Known", "reason", "2999-12-31")
    notes = Notes("audit")
    found = survey([Account(REGION, notes)], notes, acceptances=[known])
    found = found._replace(skipped=("skipped",), denied=("iam:GetRole",), unmatched=(known,))
    text = render(with_markup(found)._replace(regions=found.regions, account=found.account))
    # The fence is longer than any in the text; in a table, a pipe is escaped even in code.
    assert f"- skipped: ``` skipped{MARKUP} ```\n".replace("``` s", "```s") in text.replace(
        "``` s", "```s"
    )
    assert r"<img src=x> \| `*b*`" in text
    outside = re.sub(r"(?s)```.*?[^`]```(?!`)", "", text)
    for markup in ("<img", "@octocat", "https:", "*b*"):
        assert markup not in outside.replace(html.escape(MARKUP), "")
    assert [line for line in text.splitlines() if line.startswith("|") and line.count(" | ") > 6] == []


def test_parts_beyond_github_s_limit_are_omitted_and_counted(world: World):
    role_arn = world.role("qbusiness-many", own_policy(world.secret("many")))
    for number in range(12):
        world.add(f"{number}-{'x' * 90}", role_arn, world.secret_arn)
    for number in range(50):
        statements = [allow("s3:*", f"arn:aws:s3:::{number}-{index:0100}/*") for index in range(20)]
        arn = world.role(f"qbusiness-{number}", own_policy(world.secret_arn, *statements))
        world.add(f"Wide-{number}", arn, world.secret_arn)
    said = world.audit("--markdown")
    assert len(said.out.encode()) <= LIMIT + 200
    *_, last = said.out.splitlines()
    assert re.fullmatch(
        r"\*\*Omitted: \d+ roles\.\*\* `audit` without `--markdown` prints everything\.", last
    )
