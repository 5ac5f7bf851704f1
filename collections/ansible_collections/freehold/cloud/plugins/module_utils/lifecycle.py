# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one lifecycle of every converge module: observe, plan, apply, observe again.

Nothing else in the collection knows check mode or diff. Because check mode is "stop after the
plan", what it says and what a real run does cannot disagree.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    Document,
    Resource,
    Section,
    Step,
    Verdict,
    read_document,
    result_entry,
)

# Arguments of every converge module. The paths are the controller's, where the action plugin makes
# the text of ``src``: one string, so that no part of it is shown or scrubbed alone.
DOCUMENT_ARGUMENTS = {
    "src": {"type": "path", "required": True},
    "result": {"type": "path", "required": True},
    "document": {"type": "str", "no_log": True},
}

# Sentences that a task's return may carry; the result file holds all of them.
_STEPS_SHOWN = 200

Key = tuple[str, str]
Plan = Mapping[Key, Sequence[Step]]
Have = TypeVar("Have")


class Applied:
    """What applying a plan did: sentences of the steps that were done, and errors, by resource."""

    def __init__(self) -> None:
        self.done: dict[Key, list[str]] = {}
        self.errors: dict[Key, CloudError] = {}

    def did(self, key: Key, step: Step) -> None:
        self.done.setdefault(key, []).append(step.sentence)

    def failed(self, key: Key, error: CloudError) -> None:
        self.errors[key] = error


class Laps:
    """When the module began and how long each part took: where a job's time goes."""

    def __init__(self) -> None:
        self.began = time.time()
        self._last = time.monotonic()
        self._took: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """The part that began with the lap before is over."""
        now = time.monotonic()
        self._took[part] = round(now - self._last, 3)
        self._last = now

    def told(self) -> dict[str, float]:
        """``began`` as seconds of the epoch on the target's clock, and seconds by part."""
        return {"began": round(self.began, 3), **self._took}


class Target(Protocol, Generic[Have]):
    """What a module must offer to be converged. ``Have`` is its own snapshot of the world."""

    def observe(self, document: Document) -> Have:
        """Look at what the document names (with scope ``all``: at everything of ours)."""

    def plan(self, document: Document, have: Have) -> Plan:
        """Decide what is to do, without touching anything; idle resources may be left out.

        A resource that cannot be converged gets no steps; its verdict says what it waits for, or
        the error.
        """

    def apply(self, document: Document, plan: Plan, have: Have) -> Applied:
        """Do the steps. One resource's failure must not stop the others."""

    def verdict(self, resource: Resource, have: Have) -> Verdict:
        """Say what was found of a resource, and what it still waits for."""

    def unknown(self, document: Document, have: Have) -> list[dict[str, str]]:
        """Name things of ours that the document does not (asked only with scope ``all``)."""

    def facts(self) -> Mapping[str, Any]:
        """Say what the target is (cheap; may be empty)."""


def converge(
    module: Any,
    kind: str,
    sections: tuple[Section, ...],
    open_target: Callable[[Document], Target[Any]],
) -> None:
    """Run the lifecycle for an AnsibleModule whose spec is ``DOCUMENT_ARGUMENTS``, and exit."""
    where, laps = kind, Laps()
    try:
        document = read_document(module.params["document"] or "", kind, sections)
        where = f"{kind}/{document.name}"
        target = open_target(document)
        result, diff = run(document, target, check=module.check_mode, laps=laps)
    except CloudError as error:
        module.fail_json(msg=f"{where}: {error.message}", error=error.entry())
    except Exception as error:  # noqa: BLE001 - the edge: told as a failure, with the place but no values
        place = traceback.extract_tb(error.__traceback__)[-1]
        # Only the system's own errors name no value of the document, which has tenants' secrets.
        words = f": {error}" if isinstance(error, OSError) else ""
        module.fail_json(
            msg=f"{where}: {type(error).__name__} in {place.name} "
            f"({place.filename}:{place.lineno}){words}",
            error={"code": "INTERNAL", "message": type(error).__name__, "retry": "later"},
        )
    else:
        returned = {**summary(result), "times": laps.told()}
        if module._diff:
            returned["diff"] = diff
        module.exit_json(result=json.dumps(result), **returned)


def run(
    document: Document, target: Target[Any], check: bool, laps: Laps | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Converge the target; return the result and the diff."""
    laps = laps or Laps()
    before = target.observe(document)
    laps.lap("observe")
    plan = target.plan(document, before)
    laps.lap("plan")
    if check:
        applied = Applied()
        applied.done = {key: [step.sentence for step in steps] for key, steps in plan.items()}
        after = before
    elif any(plan.values()):
        applied = target.apply(document, plan, before)
        laps.lap("apply")
        after = target.observe(document)
        laps.lap("observe_again")
    else:
        applied, after = Applied(), before
    entries = [
        result_entry(
            resource,
            target.verdict(resource, after),
            applied.done.get(resource.key, []),
            applied.errors.get(resource.key),
        )
        for resource in document.resources
    ]
    result = {
        "format": 1,
        "target": {"kind": document.kind, "name": document.name},
        "check": check,
        "changed": any(entry["steps"] for entry in entries),
        "resources": entries,
        "unknown": target.unknown(document, after) if document.wants_everything else [],
        "facts": dict(target.facts()),
    }
    return result, difference(plan)


def summary(result: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a result that may be seen in events and logs: counts, steps and errors."""
    counts: dict[str, int] = {}
    for entry in result["resources"]:
        counts[entry["outcome"]] = counts.get(entry["outcome"], 0) + 1
    steps = [
        f"{entry['type']} {entry['id']}: {sentence}"
        for entry in result["resources"]
        for sentence in entry["steps"]
    ]
    return {
        "changed": result["changed"],
        "counts": counts,
        "steps": steps[:_STEPS_SHOWN],
        "errors": {
            f"{entry['type']} {entry['id']}": entry["error"]
            for entry in result["resources"]
            if entry["error"]
        },
    }


def difference(plan: Plan) -> dict[str, Any]:
    """The plan as Ansible's diff: for each resource the fields that change."""
    sides: dict[str, dict[str, dict[str, Any]]] = {"before": {}, "after": {}}
    for (type_, id_), steps in plan.items():
        for step in steps:
            if step.field:
                sides["before"].setdefault(f"{type_} {id_}", {}).setdefault(step.field, step.before)
                sides["after"].setdefault(f"{type_} {id_}", {})[step.field] = step.after
    return sides
