"""Decide every request of a role once, for all questions that ask about them."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from guardrails.iam.patterns import Text
from roles.check.collection import Collected, collect
from roles.check.context import with_context
from roles.check.decisions import Applicable, Decision, decide
from roles.check.requests import RequestGroup, connector_requests, foreign_requests
from roles.check.subject import Subject


class Case:
    """A role, the stack's other roles, and the decisions about the role's requests."""

    def __init__(
        self, subject: Subject, entries: Sequence[Subject], stated: Mapping[str, tuple[Text, ...]]
    ) -> None:
        """Store the role, all of its stack's roles, and the condition keys that the user stated."""
        self.subject, self.entries = subject, entries
        self._stated = stated

    @cached_property
    def collected(self) -> Collected:
        """The policies that apply to the role's requests."""
        return collect(self.subject, self._stated)

    @cached_property
    def decisions(self) -> list[tuple[RequestGroup, list[Decision]]]:
        """The decisions about the connector's requests, in groups that IAM can simulate together."""
        return [(group, self._decide(group)) for group in connector_requests(self.subject)]

    @property
    def connector_decisions(self) -> list[Decision]:
        """The decisions about the connector's requests."""
        return [decision for _, decisions in self.decisions for decision in decisions]

    @cached_property
    def foreign_decisions(self) -> list[tuple[RequestGroup, list[Decision]]]:
        """The decisions about requests that no role should be allowed to make.

        The policies of their resources, which may not even exist, are left out.
        """
        policies = Applicable(self.collected.role, self.collected.boundary)
        return [(group, self._decide(group, policies)) for group in foreign_requests(self.subject)]

    def _decide(self, group: RequestGroup, policies: Applicable | None = None) -> list[Decision]:
        facts = self.collected.facts
        policies = policies or self.collected.applicable(group)
        return [
            decide(with_context(facts, group, action), policies, facts.now()) for action in group.actions
        ]
