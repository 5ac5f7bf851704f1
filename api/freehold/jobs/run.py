"""What a run is, apart from how Ansible is called: the port between the worker and the runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Run:
    """One playbook run.

    Args:
        id: Names the run folder.
        playbook: Below ``playbooks/``, such as ``converge/host.yml``.
        limit: Value of ``--limit``, or None.
        document: Written as a file for the playbook; None for questions.
        variables: Extra vars besides the two paths: our own ids and numbers only (invariant 1).
        time_limit_s: After this the run is ended.
        check: Ansible's check mode.
    """

    id: str
    playbook: str
    limit: str | None
    document: Mapping[str, Any] | None = None
    variables: Mapping[str, str | int] = field(default_factory=dict)
    time_limit_s: int = 300
    check: bool = False


@dataclass(frozen=True)
class RunEvent:
    """Something that Ansible told while running."""

    number: int
    event: str
    host: str | None
    task: str | None
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        status: ``successful``, ``failed``, ``timeout`` or ``canceled``, as ansible-runner says.
        result: What the module wrote, unchecked; None when it never came to that.
        failure: What failed and where, for a person; empty when nothing did.
    """

    status: str
    result: dict[str, Any] | None
    failure: str = ""


class Runner(Protocol):
    """Runs playbooks. The one real implementation is ``runner.AnsibleRunner``."""

    def __call__(
        self,
        run: Run,
        on_event: Callable[[RunEvent], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Run to the end; never raises for what happens on machines."""

    def clear(self) -> None:
        """End and remove what runs left behind, before the first run and after the last."""
