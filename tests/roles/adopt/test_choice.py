"""`roles adopt` finds the account's data sources and asks which one to adopt."""

from types import SimpleNamespace

import pytest

from pages.examples import APPLICATION_ID, INDEX_ID
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import NAME, OTHER_ID, WIDE, World, allow, policy

pytestmark = pytest.mark.slow


def test_question_repeats_until_answer_is_valid(world: World):
    world.make()
    world.server.add(OTHER_ID, configuration={}, roleArn=world.role_arn)
    answers = iter(["first", "1"])

    def answer(question: str = "") -> str:
        assert question == ""  # the question is on standard error
        if (text := next(answers, None)) is None:
            raise EOFError  # the terminal was closed
        return text

    world.patch.setattr("builtins.input", answer)
    world.patch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    world.patch.setattr("sys.stderr.isatty", lambda: True)
    world.patch.setenv("TERM", "dumb")  # no progress bar
    said = world.adopt("--dry-run")
    assert said.code == 0
    assert f"  2  --data-source {OTHER_ID}" in said.err
    assert said.err.count("Which data source, 1 to 2? ") == 2
    assert said.out.startswith("role: ")
    said = world.adopt()
    assert said.code == 130
    assert said.err.endswith("Which data source, 1 to 2? \nadopt: interrupted\n")


def in_order(last: str) -> list[str]:
    """Return five IDs in ascending order."""
    return [*(f"{number}{last[1:]}" for number in range(4)), last]


def test_long_lists_are_read_completely_and_progress_is_shown(world: World):
    world.make(policies={f"policy-{number}": WIDE for number in range(3)})
    qbusiness = world.server.qbusiness
    qbusiness.page_size = 2
    qbusiness.resources.clear()
    for application in in_order(APPLICATION_ID):
        qbusiness.add(application, displayName="Docs")
        for index in in_order(INDEX_ID):
            qbusiness.add(application, index, displayName="Main")
            for number, source in enumerate(in_order(DATA_SOURCE_ID)):
                kind = "CUSTOM" if number < 4 else "AEM"
                qbusiness.add(application, index, source, displayName="Pages", type=kind)
    said = world.adopt("--application", APPLICATION_ID, "--json")
    assert said.code == 2
    assert len(said.json["choices"]) == 5
    assert "reading indices: 4 so far" in said.err
    assert "reading data sources: 4 so far" in said.err
    said = world.adopt("--json")
    assert "reading applications: 4 so far" in said.err
    assert "looking through 5 applications" in said.err
    assert len(said.json["choices"]) == 25


def test_all_pages_of_attached_policies_are_read(world: World):
    world.make()
    for number in range(101):
        world.attach(NAME, f"p{number}", policy(allow("s3:GetObject", f"arn:aws:s3:::b/{number}")))
    said = world.adopt("--json")
    assert "reading attached role policies: 100 so far" in said.err
    assert len(said.json["keptPolicies"]) == 101
