"""How a service tells this room about its kind of target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from freehold.jobs.converged import Fault
from freehold.jobs.document import Result


class Scope(StrEnum):
    """How much of a target a document carries."""

    CHANGES = "changes"
    ALL = "all"


@dataclass(frozen=True)
class TargetKind:
    """One kind of target and its four functions. All run in short transactions, none may block.

    Args:
        kind: ``host``, ``network``, … as in ``host/hv1``.
        playbook: Below ``playbooks/converge/``.
        document: ``(session, name, scope, now)`` → the document's body, or None when nothing is
            wanted
            of this target now (no job is run). Reads only.
        write_back: ``(session, name, result, now)`` writes what is, in the transaction that gives
            the lease
            back. Returns True when everything is settled; False lets the target be tried again
            soon.
        failed: ``(session, name, fault, now)``: the run as a whole failed (host unreachable,
            playbook error).
            Rows past their deadline get the fault; others wait for the next try.
        expire: ``(session, now)``: give a fault to every row of this kind past its deadline.
        limit: ``name`` → the value of ``--limit``; None runs on the playbook's own hosts.
        time_limit_s: The run is ended after this time.
        look_every_s: A settled target is looked at (scope ``all``) this often; None never.
    """

    kind: str
    playbook: str
    document: Callable[[Session, str, Scope, datetime], dict[str, Any] | None]
    write_back: Callable[[Session, str, Result, datetime], bool]
    failed: Callable[[Session, str, Fault, datetime], None]
    expire: Callable[[Session, datetime], None]
    limit: Callable[[str], str | None] = lambda name: name
    time_limit_s: int = 300
    look_every_s: int | None = 600


@dataclass(frozen=True)
class Question:
    """Something read from a machine while a tenant waits: it changes nothing and takes no lease.

    Args:
        playbook: Below ``playbooks/ask/``.
        limit: The host.
        variables: Our own ids and numbers only, never what a tenant wrote (invariant 1).
        time_limit_s: How long the tenant waits at most.
    """

    playbook: str
    limit: str
    variables: Mapping[str, str | int]
    time_limit_s: int = 30


Ask = Callable[[Question], dict[str, Any]]
"""Runs a question, returns its result document; raises Unavailable. In ``app.state.ask``."""
