"""``python -m tests.bench.api``: measure all rows and write them into docs/measurements.md."""

from __future__ import annotations

import argparse
import tempfile
import tomllib
from pathlib import Path

from tests.bench import report
from tests.bench.api.cloud import Cloud, cloud
from tests.bench.api.rows import Row, rows
from tests.bench.load import Connection, Measured, Operation, load
from tests.bench.process import cpu_s, resident_mib, serving
from tests.support.service import free_port

BASELINE = Path(__file__).parents[1] / "baseline.toml"
HEAD = (
    "request",
    "1 client: /s · p50 ms · p99 ms",
    "× OpenStack",
    "8 clients: /s · p50 ms · p99 ms",
    "× OpenStack",
    "CPU ms",
    "share of bare server",
    "afresh, 8 clients: /s · × OpenStack · CPU ms",
)


def main() -> None:
    """Measure and report."""
    options = _options()
    baseline = tomllib.loads(BASELINE.read_text())
    bare = _bare(options.seconds)
    shown = [(*_cells("a constant from the same server, bare", bare, bare[1], None), "–")]
    with (
        tempfile.TemporaryDirectory(prefix="freehold-bench-") as folder,
        cloud(Path(folder)) as made,
    ):
        idle = resident_mib(made.pid)
        for row in rows(made):
            if options.only and options.only not in row.name:
                continue
            results = [
                _measure(made, row, row.operation, clients, options.seconds)
                for clients in row.clients
            ]
            beside = baseline.get(row.baseline or "")
            cells = _cells(row.name, results, bare[1], beside)
            shown.append((*cells, _afresh(made, row, options.seconds, beside)))
            print("  ".join(shown[-1]), flush=True)
        loaded = resident_mib(made.pid)
    memory = f"Resident memory of the service: {idle:.0f} MiB idle, {loaded:.0f} MiB after all."
    print(memory)
    if not options.only:
        head = report.circumstances("make bench")
        report.write("api", [head, "", *report.table(HEAD, shown), "", memory])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="a row and number of clients")
    parser.add_argument("--only", help="rows whose name has this; writes nothing into the page")
    return parser.parse_args()


def _bare(seconds: float) -> list[Measured]:
    port = free_port()
    command = ["uvicorn", "tests.bench.hello:app", "--no-access-log", "--log-level", "warning"]
    with serving([*command, "--port", str(port)], port, {}) as pid:
        return [
            load(
                lambda: Connection(port),
                lambda client: client.ask("GET", "/"),
                clients=clients,
                seconds=seconds,
                most=1_000_000,
                cpu_s=lambda: cpu_s(pid),
            )
            for clients in (1, 8)
        ]


def _measure(made: Cloud, row: Row, operation: Operation, clients: int, seconds: float) -> Measured:
    return load(
        lambda: made.connect(row.project),
        operation,
        clients=clients,
        seconds=seconds,
        most=row.most,
        cpu_s=lambda: cpu_s(made.pid),
    )


def _afresh(made: Cloud, row: Row, seconds: float, baseline: list[list[float]] | None) -> str:
    """What a read costs after a change, when its answer is not remembered."""
    if row.afresh is None:
        return "–"
    result = _measure(made, row, row.afresh, row.clients[1], seconds)
    ratio = _short(result.rate / baseline[1][0]) if baseline else "–"
    return f"{_short(result.rate)} · {ratio} · {result.cpu_ms:.2f}"


def _cells(
    name: str, results: list[Measured], bare: Measured, baseline: list[list[float]] | None
) -> tuple[str, ...]:
    cells = [name]
    for number, result in enumerate(results):
        cells.append(f"{_short(result.rate)} · {_short(result.p50_ms)} · {_short(result.p99_ms)}")
        cells.append(_short(result.rate / baseline[number][0]) if baseline else "–")
    share = results[1].rate / bare.rate
    return (*cells, f"{results[1].cpu_ms:.2f}", f"{share:.3f}")


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


if __name__ == "__main__":
    main()
