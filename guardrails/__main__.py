"""Serve the policy pack, in which each rule is a stack policy with its own enforcement level.

An additional policy records the properties that the program sets, and reports nothing.
"""

from collections.abc import Collection
from functools import partial

from declared_roles import find_roles
from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from rules import RULES, Rule

set_by_program: dict[str, Collection[str]] = {}
"""The properties that the program sets, by resource URN."""


def record(args: ResourceValidationArgs, report: ReportViolation) -> None:
    """Record the properties that the program sets, because stack policies receive only outputs."""
    del report
    set_by_program[args.urn] = frozenset(args.props)


def validate(rule: Rule, args: StackValidationArgs, report: ReportViolation) -> None:
    """Apply a rule to a stack's roles; report each finding on the resource that has the problem."""
    config = args.get_config()
    options = {name: config[name] for name in rule.options if name in config}
    for role in find_roles(args.resources, set_by_program):
        for finding in rule.check(role, **options):
            report(finding.report, finding.urn)


if __name__ == "__main__":
    PolicyPack(
        name="qbusiness-roles",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[
            ResourceValidationPolicy(
                name="declared",
                description="Records the properties that the program sets; reports nothing.",
                validate=record,
                enforcement_level=EnforcementLevel.ADVISORY,
            ),
            *(
                StackValidationPolicy(
                    name=rule.name,
                    description=rule.description,
                    validate=partial(validate, rule),
                    enforcement_level=EnforcementLevel.ADVISORY if rule.advisory else None,
                    config_schema=PolicyConfigSchema(dict(rule.options)),
                )
                for rule in RULES
            ),
        ],
    )
