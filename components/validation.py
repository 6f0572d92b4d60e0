"""Validate a connector role's settings and render its policies.

`validate` returns the policies or raises an error with every problem that it finds. It does not
register resources, read configuration, or call a provider. It skips values that are not known yet
(Outputs, or their contents in a preview), except that it rejects an Output for a structural setting. The
component calls `validate` again once the values are known.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from . import formats, policies
from .arguments import Arguments
from .report import Report, SettingsError
from .role import Location, Role, read_role
from .rules import RULES
from .settings import SETTINGS, TRUST_POLICY_SETTINGS, role_policy_settings


class ValidationResult(NamedTuple):
    """The policies and warnings for a role.

    A policy is None unless its settings, and the application's partition, Region, and account, are
    known.
    """

    trust_policy: str | None
    role_policy: str | None
    """If the role can pass itself, `policies.ROLE_NAME_PLACEHOLDER` stands in for its name."""
    warnings: Sequence[str]

    def of_role(self, name: str) -> "ValidationResult":
        """Return a copy with this name in place of ROLE_NAME_PLACEHOLDER in the role policy."""
        role_policy = self.role_policy and policies.with_role_name(self.role_policy, name)
        return self._replace(role_policy=role_policy)


def validate(
    component_name: str, args: Mapping[str, object] | Arguments, credentials: Location | None = None
) -> ValidationResult:
    """Return the policies or raise SettingsError with every problem that is found in the settings.

    `args` is a component's arguments, as a mapping or as Arguments. None and "" mean not set.
    `credentials` has the provider's partition, account, and Region. The partition and account must match
    the application's; the Region applies if no setting specifies one.

    The error lists keys that are not settings first, and then the settings in the order of SETTINGS.
    """
    arguments = Arguments.of(args)
    report = Report(arguments.problems)
    role = read_role(component_name, arguments, credentials or Location(), report)
    for rule in RULES:
        rule(role, report)
    rendered = (None, None) if report.problems else _render(role, report)
    if report.problems:
        ranks = {name: rank for rank, name in enumerate(SETTINGS, start=1)}
        problems = sorted(report.problems, key=lambda problem: ranks.get(problem.setting, 0))
        raise SettingsError(problems, None if arguments.only_role else component_name)
    return ValidationResult(*rendered, report.warnings)


def _render(role: Role, report: Report) -> tuple[str | None, str | None]:
    """Return the policies whose settings are known; check the size of the role policy."""
    unknown = role.arguments.unresolved().keys()
    is_located = all(role.location)
    trust_policy, role_policy = None, None
    if is_located and unknown.isdisjoint(TRUST_POLICY_SETTINGS):
        trust_policy = policies.trust_policy(role)
    if unknown.isdisjoint(role_policy_settings(role.connector)):
        # An unknown part of the location gets a short value, because the size check must not reject a
        # policy that may turn out to be short enough. No Region of Amazon Q Business is shorter.
        shortest = Location("aws", "us-east-1", 12 * "0")
        known = (part or short for part, short in zip(role.location, shortest, strict=True))
        role_policy = policies.role_policy(role._replace(location=Location(*known)))
        _check_size(role, role_policy, report)
    return trust_policy, (role_policy if is_located else None)


def _check_size(role: Role, role_policy: str, report: Report) -> None:
    """Reject a policy that is too long for IAM; only a long list of subnets can cause this."""
    # An automatic name is not known before the role is created, so assume the longest one. (A policy
    # that contains an unknown `roleName` is not rendered.)
    name = role.text("role_name", formats.MAXIMUM_ROLE_NAME_LENGTH * "n").text
    size = len("".join(policies.with_role_name(role_policy, name).split()))
    if size > formats.MAXIMUM_INLINE_SIZE:
        vpc = role.arguments.fields["vpc_configuration"]
        report.reject(
            vpc.part(vpc.spell("subnet_ids")),
            f"the role policy has {vpc.show(f'{size:,}')} characters, not counting whitespace",
            f"at most {formats.MAXIMUM_INLINE_SIZE:,} characters; use fewer subnets",
        )
