"""`roles audit` writes an HTML page."""

import re
from itertools import pairwise
from typing import Any, Final

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, OTHER_ACCOUNT, REGION
from roles.account import Account
from roles.audit.page import render
from roles.audit.survey import survey
from roles.notes import Notes
from tests.helpers.chromium import Tab, violations
from tests.helpers.world import OWN, World, allow, data_source_id, deny, own_policy, policy
from tests.roles.audit.help import Page, shared_role

pytestmark = pytest.mark.slow


MARKUP: Final = "<script>x<b title='\"&amp;'>"


def varied_world(world: World) -> None:
    """Add data sources with every kind of result."""
    world.add_own()
    secret_arn = world.secret("assets")
    document = own_policy(
        secret_arn,
        allow("sqs:*", "*", Sid="Queues"),
        deny("s3:*", "*"),
        without="AllowsAmazonQToIngestPrincipalMapping",
    )
    world.add("Assets", world.role("qbusiness-assets", document, TEMPLATE), secret_arn)
    shared_role(world, "jira", "wiki")
    world.add("Box", f"arn:aws:iam::{ACCOUNT}:role/gone", secret_arn, "BOX")
    world.add("Slack", f"arn:aws:iam::{OTHER_ACCOUNT}:role/slack", secret_arn, "SLACK")
    world.add("Queue", world.role("custom", own_policy(secret_arn)), kind="CUSTOM")
    world.add("Feed", None, kind="CUSTOM")


TEMPLATE: Final = policy(
    allow(
        [f"qbusiness:{name}" for name in ("PutFeedback", "ListMessages", "SearchRelevantContent")],
        [f"{APPLICATION_ARN}/index/{INDEX_ID}/data-source/{data_source_id(1)}"] * 2,
        Sid="ATemplateOfTheAccountWithALongNameThatHasNoSpace",
    )
)


@pytest.fixture
def page(world: World) -> Page:
    varied_world(world)
    world.refuse("iam:ListAttachedRolePolicies")
    said = world.audit("--html", "audit.html")
    assert said.code == 1
    assert "audit: audit.html is written" in said.err.splitlines()
    return Page.read(world)


def test_the_page_begins_with_the_account_the_date_and_the_versions(page: Page):
    facts = page.lines.partition(" Summary ")[0]
    assert re.search(
        rf"Account {ACCOUNT} Region {REGION} Date \d{{4}}-\d\d-\d\d \d\d:\d\d UTC "
        rf"Read by arn:aws:sts::{ACCOUNT}:\S+ "
        r"Versions program \d+\.\d+\.\d+.*; Python \d+\.\S+; boto3 \d+\.\S+$",
        facts,
    )


def test_the_page_contains_every_result_and_finding(page: Page):
    assert "There are 8 data sources under 6 roles. 3 different 2 invalid 1 unknown conn" in page.lines
    assert "Not everything could be read. iam:ListAttachedRolePolicies is not allowed" in page.lines
    assert f"Application Docs {APPLICATION_ID}, index Main {INDEX_ID}" in page.lines
    first, second, third, _, fifth, sixth, seventh, eighth = map(data_source_id, range(1, 9))
    for row in (
        f"Pages {first} aem-cloud ACTIVE qbusiness-Pages not completely compared",
        f"Assets {second} aem-cloud ACTIVE qbusiness-assets 2 in excess, 1 denying, 1 missing",
        f"jira {third} aem-cloud ACTIVE qbusiness-shared used by 2 2 shared",
        f"Box {fifth} box ACTIVE gone role does not exist",
        f"Slack {sixth} slack ACTIVE slack invalid data source {sixth} (SLACK) is in account",
        f"Queue {seventh} CUSTOM ACTIVE custom unknown connector",
        f"Feed {eighth} CUSTOM ACTIVE without a role",
        f"in excess Queues {OWN} sqs:* *",
        f"denying statement 4 {OWN} s3:* *",
        f"missing AllowsAmazonQToIngestPrincipalMapping {OWN} qbusiness:PutGroup qbusiness:CreateUser",
        f"shared AllowsAmazonQToGetSecret {OWN} for wiki {data_source_id(4)} secretsmanager:GetSecretV",
    ):
        assert row in page.lines


def test_the_page_loads_nothing_and_runs_nothing(page: Page):
    assert {tag for tag, _ in page.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "article"),
        *("footer", "h1", "h2", "h3", "p", "ul", "li", "dl", "dt", "dd", "a", "code", "span", "strong"),
        *("div", "time", "table", "caption", "thead", "tbody", "tr", "th", "td", "wbr"),
    }
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "style", "srcset")]
    assert all((link["href"] or "").startswith("#") for link in page.all("a"))
    assert "url(" not in page.style
    assert "@import" not in page.style
    contents = [each.get("content") for each in page.all("meta")]
    assert "default-src 'none'; style-src 'unsafe-inline'" in contents


def test_the_page_is_accessible(page: Page):
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("title")) == len(page.all("h1")) == len(page.all("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert {each.get("scope") for each in page.all("th")} == {"col", "row", "rowgroup"}
    assert len(page.all("table")) == len(page.all("caption"))
    identifiers = [each["id"] for _, each in page.elements if "id" in each]
    assert len(identifiers) == len(set(identifiers))
    references = [(link["href"] or "")[1:] for link in page.all("a")]
    references += [each["aria-labelledby"] for _, each in page.elements if "aria-labelledby" in each]
    assert set(references) <= set(identifiers)


def with_markup(value: Any) -> Any:
    """Return the same result with markup in every text."""
    if type(value) is str and value:
        return f"{value}{MARKUP}"
    if isinstance(value, tuple):
        members = [with_markup(member) for member in value]
        return type(value)(*members) if hasattr(value, "_fields") else tuple(members)
    return value


def test_markup_in_any_name_is_text(world: World):
    varied_world(world)
    assert world.audit().code == 1
    found = survey(Account(REGION, Notes("audit")), Notes("audit"))
    found = found._replace(skipped=("application Docs",), denied=("iam:GetRole",))
    plain, marked = Page(render(found)), Page(render(with_markup(found)))
    assert [tag for tag, _ in marked.elements] == [tag for tag, _ in plain.elements]
    assert [[*each] for _, each in marked.elements] == [[*each] for _, each in plain.elements]
    assert MARKUP not in plain.text
    assert marked.text.replace(MARKUP, "") == plain.text
    assert marked.text.count(MARKUP) > 100


def test_invisible_characters_are_escaped(world: World):
    name = "Docs \u202egnp.exe\u2066\u200f\u200b\x1b\x9b\u2028 gr\xf6\xdfer \u6587\u66f8"
    world.rename_application(name)
    world.add_own()
    assert world.audit("--html", "audit.html").code == 0
    text = world.path("audit.html").read_text()
    shown = r"Docs \u202egnp.exe\u2066\u200f\u200b\x1b\x9b\u2028 "
    assert f"{shown}gr\xf6\xdfer \u6587\u66f8" in text
    assert text.replace("\n", "").isprintable()


def test_a_line_breaks_within_names_and_arns_and_a_copy_is_exact(world: World, page: Page, tab: Tab):
    del page  # has written it
    assert "Ingest<wbr>Principal<wbr>Mapping" in world.path("audit.html").read_text()
    tab.open(world.path("audit.html"))
    arn = f"arn:aws:iam::{ACCOUNT}:role/qbusiness-assets"
    select = "getSelection().selectAllChildren(document.body); String(getSelection())"
    assert arn in tab.evaluate(select).splitlines()


def test_markup_that_aws_accepts_is_text(world: World):
    world.rename_application(MARKUP)
    world.add_own(allow("s3:GetObject", f"arn:aws:s3:::b/{MARKUP}"))
    assert world.audit("--html", "audit.html").code == 1
    page = Page.read(world)
    assert f"Application {MARKUP} " in page.lines
    assert f"arn:aws:s3:::b/{MARKUP}" in page.text
    assert page.all("script", "b") == []


CONTRAST: Final = """
(() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const luminance = color => parse(color).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const background = element => {
    const color = parse(getComputedStyle(element).backgroundColor);
    return color[3] === 0 && element.parentElement ? background(element.parentElement)
      : getComputedStyle(element).backgroundColor;
  };
  const texts = [...document.querySelectorAll("body *")].filter(element =>
    [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return Math.min(...texts.map(element => {
    const two = [getComputedStyle(element).color, background(element)].map(luminance);
    return (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
  }));
})()
"""
"""The lowest contrast of a text with its background."""


def test_the_page_can_be_read_on_any_screen_and_on_paper(world: World, page: Page, tab: Tab):
    del page  # has written it
    tab.open(world.path("audit.html"))
    backgrounds: dict[tuple[str, str], str] = {}
    for media, widths in {"screen": (320, 400, 768, 1280), "print": (680,)}.items():
        for scheme in ("light", "dark"):
            for width in widths:
                tab.emulate(width=width, media=media, scheme=scheme)
                assert tab.evaluate("document.documentElement.scrollWidth") == width
                # https://www.w3.org/TR/WCAG22/#contrast-minimum
                assert tab.evaluate(CONTRAST) >= 4.5
            color = tab.evaluate("getComputedStyle(document.body).backgroundColor")
            backgrounds[media, scheme] = color
    assert backgrounds["screen", "light"] == backgrounds["print", "dark"] == "rgb(255, 255, 255)"
    assert backgrounds["screen", "dark"] not in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    assert tab.screenshot().startswith(b"\x89PNG")
    assert tab.pdf().startswith(b"%PDF-")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_finds_the_page_accessible(scheme: str, world: World, page: Page, tab: Tab):
    del page  # has written it
    tab.open(world.path("audit.html"))
    for width in (1280, 360):
        tab.emulate(width=width, scheme=scheme)
        assert violations(tab) == []


def test_a_browser_shows_markup_in_names_and_runs_none(world: World, tab: Tab):
    name = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    world.rename_application(name)
    world.add_own()
    assert world.audit("--html", "audit.html").code == 0
    tab.open(world.path("audit.html"))
    assert tab.evaluate("document.title").startswith("Roles of Amazon Q Business data sources: ")
    assert tab.evaluate("document.querySelectorAll('script, img').length") == 0
    assert name in tab.evaluate("document.body.innerText")
