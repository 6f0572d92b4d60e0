"""Decide each request of a role once, for all questions about the requests."""

from collections.abc import Mapping, Sequence

from guardrails.iam.patterns import Text
from roles.check.collection import Collected, collect
from roles.check.context import with_context
from roles.check.decisions import Decision, decide
from roles.check.requests import RequestGroup, connector_requests
from roles.check.subject import Subject

Decided = list[tuple[RequestGroup, list[Decision]]]
"""Decisions in groups of requests that IAM can simulate together."""


class Case:
    """A role, all roles of its stack, and the decisions about the role's requests."""

    def __init__(
        self, subject: Subject, entries: Sequence[Subject], stated: Mapping[str, tuple[Text, ...]]
    ) -> None:
        """Store the role, all roles of its stack, and the condition keys that the user specified."""
        self.subject, self.entries = subject, entries
        self._stated = stated
        self._collected: Collected | None = None
        self._by_group: Decided | None = None

    # Not a cached_property, because its lock in Python 3.11 would make roles wait for one another.
    @property
    def collected(self) -> Collected:
        """The policies that apply to the role's requests, and other facts about the requests."""
        if self._collected is None:
            self._collected = collect(self.subject, self._stated)
        return self._collected

    @property
    def by_group(self) -> Decided:
        """The decisions about the connector's requests, by group."""
        if self._by_group is None:
            groups = connector_requests(self.subject)
            self._by_group = [(group, self._decide(group)) for group in groups]
        return self._by_group

    @property
    def decisions(self) -> list[Decision]:
        """The decisions about the connector's requests."""
        return [decision for _, found in self.by_group for decision in found]

    def _decide(self, group: RequestGroup) -> list[Decision]:
        facts, policies = self.collected.facts, self.collected.applicable(group)
        return [
            decide(with_context(facts, group, action), policies, facts.now()) for action in group.actions
        ]
