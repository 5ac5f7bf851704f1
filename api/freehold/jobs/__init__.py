"""The only road from a row to a machine: targets, leases, documents, runs, write-back, events.

A service makes rows that want something (``Converged``), marks the target that has to move
(``want``),
and registers once how a target of its kind is written as a document and how a result is written
back
(``TargetKind``). This room knows no resource.
"""

from freehold.jobs.converged import Converged, Fault, settle
from freehold.jobs.document import Entry, Result
from freehold.jobs.kinds import Ask, Question, Scope, TargetKind
from freehold.jobs.restored import resume
from freehold.jobs.target import Target, want

__all__ = [
    "Ask",
    "Converged",
    "Entry",
    "Fault",
    "Question",
    "Result",
    "Scope",
    "Target",
    "TargetKind",
    "resume",
    "settle",
    "want",
]
