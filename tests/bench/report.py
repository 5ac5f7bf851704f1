"""A part of docs/measurements.md that a run writes anew: what stands between its two marks."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "measurements.md"


def write(part: str, lines: Sequence[str], page: Path = PAGE) -> None:
    """Replace the part between ``<!-- bench: part -->`` and ``<!-- end: part -->``.

    Raises:
        ValueError: The page does not have the two marks.
    """
    begin, end = f"<!-- bench: {part} -->", f"<!-- end: {part} -->"
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no part {begin} … {end}")
    page.write_text("\n".join([f"{before}{begin}", *lines, f"{end}{after}"]))


def circumstances(command: str) -> str:
    """When, on what and by which command a part was measured."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{datetime.date.today().isoformat()}, `{command}`, {os.cpu_count()} cores ({cpu}), "
        f"{gib:.0f} GiB, Python {platform.python_version()}; load average at the end {load:.1f}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
