"""`roles check` reports each problem with a stack's resources, and the command that fixes it."""

import pytest

from tests.helpers.world import World
from tests.roles.check.breaks import BREAKS, BUCKET_BREAKS, Break

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.text[:60])
def test_resource_problem_is_printed_with_fix_command(world: World, broken: Break):
    broken.apply(world)
    said = world.check(only=[broken.question])
    assert said.code == 1
    answer = said.answer(broken.question)
    assert answer.startswith(f"problem  {broken.question}: ")
    assert broken.text in answer
    assert f"fix: {broken.fix}" in answer or broken.fix in answer.partition("fix: ")[2]


@pytest.mark.parametrize("broken", BUCKET_BREAKS, ids=lambda broken: broken.text[:60])
def test_bucket_problem_is_printed_with_fix_command(world: World, broken: Break):
    world.use_bucket()
    broken.apply(world)
    answer = world.ask(broken.question)
    assert answer.startswith(f"problem  {broken.question}: {broken.text}")
    assert f"fix: {broken.fix}" in answer
