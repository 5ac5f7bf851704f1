# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The logical network as a target of the lifecycle: one OVN northbound database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    Document,
    Resource,
    Verdict,
)
from ansible_collections.freehold.cloud.plugins.module_utils.lifecycle import Applied, Plan
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.facts import Question
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.plan import (
    Decision,
    decide,
    unknown,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import (
    COLUMNS,
    DATABASE,
    OWNER,
    from_wire,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.steps import transaction
from ansible_collections.freehold.cloud.plugins.module_utils.ovsdb_client import (
    OvsdbClient,
    Refused,
)

# Somebody else changed what we had read, that many times in a row.
ATTEMPTS = 4

# A resource of a removed kind is looked at in this order when each goes alone.
_REMOVAL_ORDER = ("floating_ip", "router", "port", "security_group", "subnet", "network")


@dataclass(frozen=True)
class Observation:
    """What was read, and what the planner makes of it."""

    decision: Decision
    owners: frozenset[str]


class NetworkTarget:
    """Converges a network document; one instance for one run of the module."""

    def __init__(self, client: OvsdbClient) -> None:
        self._client = client

    def observe(self, document: Document) -> Observation:
        """Read what the planner asks for, round by round, until it asks no more.

        Rounds are few (a resource, its rows, their rows) and do not grow with the document.
        """
        answers: dict[Question, Any] = {}
        while True:
            decision = decide(document, answers)
            if not decision.questions:
                break
            answers.update(self._ask(sorted(decision.questions, key=repr)))
        owners = self._owners() if document.wants_everything else frozenset()
        return Observation(decision, owners)

    def plan(self, document: Document, have: Observation) -> Plan:
        return have.decision.steps

    def apply(self, document: Document, plan: Plan, have: Observation) -> Applied:
        """One transaction for the whole document.

        When somebody changed the rows meanwhile, look and plan again. When the server refuses the
        document for another reason, every resource goes alone, so that one cannot stop the others.
        """
        for _attempt in range(ATTEMPTS):
            try:
                return self._commit(plan)
            except Refused:
                plan = self.observe(document).decision.steps
        return self._one_by_one(document)

    def verdict(self, resource: Resource, have: Observation) -> Verdict:
        return have.decision.verdicts[resource.key]

    def unknown(self, document: Document, have: Observation) -> list[dict[str, str]]:
        return unknown(document, have.owners)

    def facts(self) -> Mapping[str, Any]:
        return {}

    def _commit(self, plan: Plan) -> Applied:
        operations = transaction(step for steps in plan.values() for step in steps)
        applied = Applied()
        if operations:
            self._client.transact(DATABASE, operations)
        for key, steps in plan.items():
            for step in steps:
                applied.did(key, step)
        return applied

    def _one_by_one(self, document: Document) -> Applied:
        refused = self.observe(document).decision.refused
        sound = [one for one in document.resources if one.key not in refused]
        removed = [one for one in sound if one.removed]
        removed.sort(key=lambda one: _REMOVAL_ORDER.index(one.type))
        present = [one for one in sound if not one.removed]
        together = Applied()
        for resource in [*removed, *present]:
            alone = Document(document.kind, document.name, "changes", (resource,))
            try:
                applied = self._commit(self.observe(alone).decision.steps)
            except Refused as error:
                together.failed(
                    resource.key,
                    CloudError(
                        "OVN_REFUSED",
                        f"The northbound database refused {resource.type} {resource.id}: {error}",
                    ),
                )
            else:
                together.done.update(applied.done)
        return together

    def _ask(self, questions: list[Question]) -> dict[Question, Any]:
        results = self._read([one.operation() for one in questions])
        return {
            question: question.answer(result["rows"])
            for question, result in zip(questions, results, strict=True)
        }

    def _read(self, selects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            return self._client.transact(DATABASE, selects)
        except Refused as error:
            raise CloudError(
                "OVN_REFUSED",
                f"The server at {self._client.remote} cannot be read as {DATABASE}: {error}. "
                "It must be OVN 23.03 or newer, with its schema converted",
            ) from None

    def _owners(self) -> frozenset[str]:
        """All resources of ours; reads whole tables, so only for a document of everything."""
        operations = [
            {"op": "select", "table": table, "where": [], "columns": ["external_ids"]}
            for table in COLUMNS
        ]
        ids = [
            from_wire("map", row["external_ids"])
            for result in self._read(operations)
            for row in result["rows"]
        ]
        return frozenset(one[OWNER] for one in ids if OWNER in one)
