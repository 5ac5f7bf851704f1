"""``python -m tests.bench.lab``: from nothing to fifty servers, into docs/measurements.md.

Makes the lab of the environment anew (its base stays, so that packages are not counted), and leaves
it running.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import openstack

from tests.bench import report
from tests.bench.lab.parts import BEFORE_MODULE, PARTS, medians, parts_of
from tests.bench.lab.servers import Tenant, spread
from tests.support.lab import CHECKOUT, Lab, run

PLAY = (".venv/bin/ansible-playbook", "-i", "inventories/lab")
PHASES = (
    ("three machines (base system cached)", "playbooks/lab.yml"),
    ("`site.yml`: from machines to a cloud", "playbooks/site.yml"),
    ("first contents, first server ACTIVE and answering ssh", "playbooks/demo.yml"),
)
SINGLE = 10
MIB_PER_SERVER = 260  # QEMU with a guest of flavor small that has booted image tiny

# Resident memory of the service's processes: rss in KiB.
MEMORY = "ps -u freehold -o rss=,args= | awk '/serve|prefork/ {sum += $1} END {print sum}'"


def main() -> None:
    """All parts in order, then the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="measure the lab that runs; no page")
    parser.add_argument("--at-once", type=int, nargs="*", default=[10, 50], metavar="SERVERS")
    options = parser.parse_args()
    rows = [] if options.keep else deployment()
    rows += second_deployment() if not options.keep else []
    lab = Lab.of_inventory()
    rows.append(("resident memory of the service, idle", f"{memory_mib(lab):.0f} MiB"))
    found, inside = servers(lab, options.at_once)
    rows += found
    print("\n".join(" | ".join(row) for row in [*rows, *inside]))
    if not options.keep:
        head = report.circumstances("make bench-lab")
        lines = [head, "", *report.table(("what", "figure"), rows), ""]
        report.write("lab", [*lines, *report.table(("one server: part", "p50"), inside)])


def timed(*words: str) -> float:
    """Run a command; gives its seconds."""
    begun = time.monotonic()
    run(*words, timeout=1500)
    return time.monotonic() - begun


def deployment() -> list[tuple[str, str]]:
    """From a computer without a cloud to a server that lets its key in."""
    run(*PLAY, "playbooks/lab.yml", "-e", "lab_machine_state=absent")
    run(*PLAY, "playbooks/images/tiny.yml", timeout=600)
    run(*PLAY, "playbooks/lab.yml", timeout=900)  # builds the base, if there is none
    run(*PLAY, "playbooks/lab.yml", "-e", "lab_machine_state=absent")
    took = [(name, timed(*PLAY, playbook)) for name, playbook in PHASES]
    whole = sum(seconds for _, seconds in took)
    rows = [("nothing → first server lets its key in (packages, image apart)", f"{whole:.0f} s")]
    return rows + [(f"… {name}", f"{seconds:.0f} s") for name, seconds in took]


def second_deployment() -> list[tuple[str, str]]:
    """``site.yml`` where nothing is to be done."""
    return [("second `site.yml`", f"{timed(*PLAY, 'playbooks/site.yml'):.0f} s")]


def servers(
    lab: Lab, at_once: Sequence[int]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """POST /servers → ACTIVE, alone and many at once; the parts of one."""
    clouds = str(CHECKOUT / "clouds.yaml")
    config = openstack.config.OpenStackConfig(config_files=[clouds])
    admin, tenant = (
        openstack.connection.Connection(config=config.get_one(cloud=name))
        for name in ("freehold-admin", "demo")
    )
    maker = Tenant(admin, tenant)
    maker.remove()  # what a run that was cut off has left
    alone, parts = [], []
    for _ in range(SINGLE):
        (made,) = maker.make(1)
        alone.append(made.took_s)
        parts.append(parts_of(admin, made))
        maker.remove()
    rows = [(f"POST /servers → ACTIVE, one, p50 · p95 of {SINGLE}", seconds(spread(alone)))]
    for count in at_once:
        if available_mib() < count * MIB_PER_SERVER:
            rows.append((f"{count} at once", "left out: the computer's memory is in use"))
            continue
        many = [made.took_s for made in maker.make(count)]
        rows.append((f"{count} at once, p50 · p95", seconds(spread(many))))
        rows.append((f"{count} at once, the last", f"{max(many):.1f} s"))
        said = f"resident memory of the service with {count} more servers"
        rows.append((said, f"{memory_mib(lab):.0f} MiB"))
        maker.remove()
    middle = medians(parts)
    inside = [(name, f"{max(took, 0.0):.2f} s") for name, took in zip(PARTS, middle, strict=True)]
    before = f"{sum(middle[:BEFORE_MODULE]):.2f} s"
    return [*rows, ("accepted → module begun, p50", before)], inside


def seconds(found: tuple[float, float]) -> str:
    """Two figures in one cell."""
    return " · ".join(f"{one:.1f} s" for one in found)


def memory_mib(lab: Lab) -> float:
    """Of the service and the program beside it that has Ansible imported."""
    return int(lab.shell("control", MEMORY)) / 1024


def available_mib() -> int:
    """What the computer can still give."""
    with open("/proc/meminfo") as file:
        told = dict(line.split(":") for line in file)
    return int(told["MemAvailable"].split()[0]) // 1024


if __name__ == "__main__":
    main()
