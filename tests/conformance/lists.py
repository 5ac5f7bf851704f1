"""The lists of conformance tests: what upstream asks for, what must pass here, what cannot yet.

``interop-2022.11.txt`` and ``smoke.txt`` are upstream's, kept as they are. Each test in them stands
in exactly one of ``must-pass.txt`` (which only grows) and ``not-yet.txt`` (with a reason); further
tests of Tempest may stand there, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
MUST_PASS = HERE / "must-pass.txt"
NOT_YET = HERE / "not-yet.txt"
UPSTREAM = (HERE / "interop-2022.11.txt", HERE / "smoke.txt")

WITHOUT_SERVERS = (
    "tempest.api.identity.",
    "tempest.api.image.",
    "tempest.api.network.",
    "tempest.api.compute.flavors.",
    "tempest.api.compute.keypairs.",
    "tempest.api.compute.security_groups.test_security_groups_negative.",
    "tempest.api.compute.security_groups.test_security_group_rules.",
    "tempest.api.compute.servers.test_availability_zone.",
    "tempest.api.compute.test_quotas.",
    "tempest.api.compute.test_versions.",
)
"""Where the tests are that need no guest: the fast part."""


def _lines(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def upstream(path: Path) -> list[str]:
    """Names in one of upstream's lists, without the attributes in brackets."""
    return [line.partition("[")[0] for line in _lines(path)]


def must_pass() -> list[str]:
    """Names of the tests that must pass."""
    return _lines(MUST_PASS)


def not_yet() -> dict[str, str]:
    """The tests that do not pass yet, and why."""
    pairs = (line.partition(" ") for line in _lines(NOT_YET))
    return {name: reason.strip() for name, _, reason in pairs}


def fast(names: Iterable[str]) -> list[str]:
    """Those that need no guest."""
    return [name for name in names if name.startswith(WITHOUT_SERVERS)]


def write(passing: Iterable[str], reasons: Mapping[str, str]) -> None:
    """Write both lists, sorted; each keeps the comment it begins with."""
    _write(MUST_PASS, sorted(passing))
    _write(NOT_YET, [f"{name} {reason}" for name, reason in sorted(reasons.items())])


def _write(path: Path, lines: Iterable[str]) -> None:
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    path.write_text("\n".join([*head, *lines]) + "\n")


def promote(passed: Iterable[str]) -> list[str]:
    """Move tests that passed to the list of those that must; gives the names that moved."""
    return hold(set(passed) & set(not_yet()))


def hold(passed: Iterable[str]) -> list[str]:
    """Let tests that passed be of those that must, also ones that upstream's lists do not name;
    gives the names that are new there.
    """
    known = must_pass()
    new = sorted(name for name in set(passed) - set(known) if name.startswith("tempest."))
    reasons = {name: reason for name, reason in not_yet().items() if name not in new}
    write([*known, *new], reasons)
    return new
