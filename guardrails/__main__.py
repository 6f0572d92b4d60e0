"""Serve the policy pack: its rules, and how they are enforced."""

from collections.abc import Collection
from functools import partial

from declared_roles import roles_of
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

EXEMPT = PolicyConfigSchema(
    {
        "exempt": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "URNs of roles that the rule ignores",
        }
    }
)

set_by_program: dict[str, Collection[str]] = {}
"""The properties that the program sets, by the URNs of the resources."""


def record(args: ResourceValidationArgs, report: ReportViolation) -> None:
    """Record what the program sets: the rules check a whole stack, and see only outputs."""
    del report
    set_by_program[args.urn] = frozenset(args.props)


def validate(rule: Rule, args: StackValidationArgs, report: ReportViolation) -> None:
    """Report the rule's findings in the roles of a stack, each on its resource."""
    exempt = args.get_config().get("exempt", [])
    for role in roles_of(args.resources, set_by_program):
        if role.urn not in exempt:
            for finding in rule.check(role):
                report(finding.report, finding.urn)


PolicyPack(
    name="qbusiness-roles",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        ResourceValidationPolicy(
            name="declared",
            description="Records what the program declares, for the other rules; finds nothing itself.",
            validate=record,
            enforcement_level=EnforcementLevel.ADVISORY,
        ),
        *(
            StackValidationPolicy(
                name=rule.name,
                description=rule.description,
                validate=partial(validate, rule),
                enforcement_level=EnforcementLevel.ADVISORY if rule.advisory else None,
                config_schema=EXEMPT,
            )
            for rule in RULES
        ),
    ],
)
