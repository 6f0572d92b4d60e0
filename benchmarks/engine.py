"""Measure previews and first updates of 1 role and of 100 roles with Pulumi's engine."""

from functools import partial

from benchmarks.measuring import Command, measure, ratio, spread
from benchmarks.programs import BASE, PROGRAMS, laboratory
from tests.helpers.stacks import UP, Stack


def rows(number: int, rounds: int) -> list[str]:
    """Measure programs with `number` roles in several rounds; return the table's rows."""
    with laboratory() as create:
        stacks = {name: create(program(number)) for name, program in PROGRAMS.items()}
        for stack in stacks.values():
            stack.preview()  # also compiles the program
        found: list[str] = []
        for title, arguments in (("`pulumi preview`", ("preview",)), ("first `pulumi up`", UP)):
            commands = {name: _operation(stack, *arguments) for name, stack in stacks.items()}
            runs = measure(commands, rounds)
            for name, measured in runs.items():
                wall = spread([run.wall for run in measured])
                ratios = (f"{ratio(measured, runs[BASE], each):.2f}" for each in ("wall", "processor"))
                what = f"{number} role{'s' * (number > 1)}, {title}, {name}"
                figure = f"{wall.median:.2f} s ({wall.minimum:.2f} to {wall.maximum:.2f})"
                found.append(f"| {what} | {figure} | {' | '.join(ratios)} |")
    return found


def _operation(stack: Stack, *arguments: str) -> Command:
    """Return an operation that first restores the stack's state, because a destroy takes minutes."""
    command = ["pulumi", "--non-interactive", *arguments, "--stack", stack.name]
    forget = partial(stack.state_file.write_text, stack.state_file.read_text())
    return Command(command, stack.directory, stack.environment, forget)
