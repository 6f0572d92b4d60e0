"""Which rules does the policy pack hold, and how are they enforced?"""

from functools import partial

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)
from roles import roles_of
from rules import RULES, Rule

EXEMPT = PolicyConfigSchema(
    {
        "exempt": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "URNs of roles that the rule leaves alone",
        }
    }
)


def validate(rule: Rule, args: StackValidationArgs, report: ReportViolation) -> None:
    """Report what the rule finds in the roles of a stack, each at the resource that it is about."""
    exempt = args.get_config().get("exempt", [])
    for role in roles_of(args.resources):
        if role.urn not in exempt:
            for finding in rule.check(role):
                report(f"{finding.what}. Mend it: {finding.mend}", finding.urn)


PolicyPack(
    name="qbusiness-roles",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        StackValidationPolicy(
            name=rule.name,
            description=rule.description,
            validate=partial(validate, rule),
            enforcement_level=EnforcementLevel.ADVISORY if rule.advisory else None,
            config_schema=EXEMPT,
        )
        for rule in RULES
    ],
)
