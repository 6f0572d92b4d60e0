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

program_properties_by_urn: dict[str, Collection[str]] = {}
"""The properties that the program sets, by resource URN."""


def record_program_properties(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
    """Record the properties that the program sets, because stack policies receive only outputs."""
    del report_violation
    program_properties_by_urn[args.urn] = frozenset(args.props)


def validate_stack(rule: Rule, args: StackValidationArgs, report_violation: ReportViolation) -> None:
    """Apply a rule to a stack's roles; report each violation on the resource that has the problem."""
    config = args.get_config()
    options = {option: config[option] for option in rule.option_schemas if option in config}
    for role in find_roles(args.resources, program_properties_by_urn):
        for violation in rule.check(role, **options):
            report_violation(violation.report, violation.urn)


if __name__ == "__main__":
    PolicyPack(
        name="qbusiness-roles",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[
            ResourceValidationPolicy(
                name="declared",
                description="Records the properties that the program sets; reports nothing.",
                validate=record_program_properties,
                enforcement_level=EnforcementLevel.ADVISORY,
            ),
            *(
                StackValidationPolicy(
                    name=rule.name,
                    description=rule.description,
                    validate=partial(validate_stack, rule),
                    enforcement_level=EnforcementLevel.ADVISORY if rule.advisory else None,
                    config_schema=PolicyConfigSchema(dict(rule.option_schemas)),
                )
                for rule in RULES
            ),
        ],
    )
