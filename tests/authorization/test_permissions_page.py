"""docs/permissions.md says what the program does."""

import pytest

from tests.authorization.cases import FULL, render
from tests.authorization.permissions_page import PAGE, page

pytestmark = pytest.mark.slow


def test_the_page_is_the_one_that_make_pages_writes():
    assert PAGE.read_text() == page()


def test_the_page_explains_every_statement():
    text = PAGE.read_text()
    for policy in render(FULL):
        for statement in policy["Statement"]:
            assert f'"Sid": "{statement["Sid"]}"' in text
            for action in [statement["Action"]] if "Principal" in statement else statement["Action"]:
                assert action in text
