"""`make cloud-down` leaves no trace on the computer."""

from __future__ import annotations

from pathlib import Path

from tests.support.lab import Lab, run

LAB = "freehold-lab/labs/fh"


def traces() -> list[str]:
    """What this lab could leave: links, mounts, control groups, processes, folders.

    Another lab of this computer (another prefix) is not this one's trace.
    """
    links = [link.name for link in Path("/sys/class/net").iterdir()]
    found = [f"link {name}" for name in links if "fh-" in name or name.startswith("fhlab")]
    mounts = Path("/proc/mounts").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if LAB in line]
    for group in Path("/sys/fs/cgroup").glob("**/freehold-lab/fh-*"):
        found.append(f"cgroup {group}")
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if LAB.encode() in words:
                found.append(f"process {process.name} {words!r}")
    found += [f"folder {path}" for path in Path("/var/lib").glob(LAB)]
    return found


def test_taking_the_cloud_down_leaves_no_trace(cloud: Lab) -> None:
    assert traces(), "there was a cloud"
    run("make", "cloud-down", timeout=300)
    assert traces() == []
