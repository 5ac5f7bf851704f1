"""Runs Tempest against a cloud and compares what passed with the lists of this folder.

``python -m tests.conformance.run`` (``make conformance``). Exit code 1 is a regression: a test that
must pass did not, be it that it failed, was skipped or never ran. Settings, logs and
``results.json`` are kept in ``.lab/conformance/<cloud>``.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.conformance import lists, settings

CHECKOUT = Path(__file__).resolve().parents[2]
TEMPEST = CHECKOUT / ".lab/tempest-venv/bin"
CHOICES = ("must-pass", "fast", "not-yet", "all", "every")
STESTR = """[DEFAULT]
test_path={packages}/tempest/test_discover
top_dir={packages}
group_regex=([^\\.]*\\.)*
"""


@dataclass(frozen=True)
class Result:
    """What became of one test; status is success, fail or skip, as stestr says it."""

    name: str
    status: str
    seconds: float
    reason: str


def chosen(which: str, match: str | None) -> list[str]:
    """Names of the tests of a list that match a regular expression; every: all that Tempest has."""
    must, others = lists.must_pass(), list(lists.not_yet())
    names = {
        "must-pass": lambda: must,
        "fast": lambda: lists.fast(must),
        "not-yet": lambda: others,
        "all": lambda: must + others,
        "every": tempest_has,
    }[which]()
    return [name for name in names if re.search(match or "", name)]


def tempest(folder: Path, names: Sequence[str], at_once: int) -> Iterator[Result]:
    """Run tests by name; gives each result as it comes, those of set-ups that failed too."""
    _configure_stestr(folder)
    # A name stands before the attributes in brackets, which change from release to release.
    wanted = folder / "wanted.txt"
    wanted.write_text("".join(f"^{re.escape(name)}(\\[|$)\n" for name in names))
    environment = {
        "PATH": f"{TEMPEST}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "TEMPEST_CONFIG_DIR": str(folder),
        "PYTHONWARNINGS": "ignore",
    }
    command = [TEMPEST / "stestr", "run", "--subunit", "--include-list", wanted]
    with (
        (folder / "stestr.err").open("w") as errors,
        subprocess.Popen(
            [*map(str, command), "--concurrency", str(at_once)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as running,
        subprocess.Popen(
            [str(TEMPEST / "python"), str(Path(__file__).with_name("results.py"))],
            stdin=running.stdout,
            stdout=subprocess.PIPE,
            text=True,
        ) as reading,
    ):
        assert reading.stdout is not None
        for line in reading.stdout:
            yield Result(**json.loads(line))


def _configure_stestr(folder: Path) -> None:
    (packages,) = (TEMPEST.parent / "lib").glob("python3*/site-packages")
    (folder / ".stestr.conf").write_text(STESTR.format(packages=packages))


def tempest_has() -> list[str]:
    """Names of all tests that Tempest comes with."""
    with tempfile.TemporaryDirectory() as folder:
        _configure_stestr(Path(folder))
        environment = {"PATH": f"{TEMPEST}:/usr/bin:/bin", "HOME": folder}
        for verb in ("init", "list"):
            told = subprocess.run(
                [str(TEMPEST / "stestr"), verb],
                cwd=folder,
                env=environment | {"PYTHONWARNINGS": "ignore"},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
    return sorted({word.partition("[")[0] for word in told.split() if word.startswith("tempest.")})


def show(number: int, total: int, result: Result) -> None:
    """One line of progress; of a failure also the end of what it said."""
    print(f"{number:4}/{total} {result.status:8} {result.seconds:6.1f}s {result.name}", flush=True)
    if result.status != "success":
        said = result.reason.strip().splitlines()
        print("".join(f"{'':12}{line}\n" for line in said[-8:]), end="", flush=True)


def report(names: Sequence[str], results: dict[str, Result]) -> int:
    """Say what it comes to; gives the exit code."""
    passed = [name for name in names if name in results and results[name].status == "success"]
    print(f"\n{len(passed)} of {len(names)} passed")
    for path in lists.UPSTREAM:
        whole = lists.upstream(path)
        known = set(passed) if len(names) > len(whole) else set(passed) | set(lists.must_pass())
        print(f"{path.stem}: {len(known & set(whole))} of {len(whole)} pass or are held to pass")
    missing = [name for name in lists.must_pass() if name in names and name not in passed]
    for name in missing:
        what = results[name].status if name in results else "did not run"
        print(f"REGRESSION {what}: {name}")
    for name in sorted(set(passed) & set(lists.not_yet())):
        print(f"passes now: {name}")
    return 1 if missing else 0


def main() -> int:
    """Prepare the cloud, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clouds", type=Path, default=CHECKOUT / "clouds.yaml")
    parser.add_argument("--cloud", default="freehold-admin", help="an administrator's cloud there")
    parser.add_argument("--list", choices=CHOICES, default="must-pass", help="which tests")
    parser.add_argument("--match", help="only those whose name has this regular expression")
    parser.add_argument("--at-once", type=int, default=2, help="test classes at the same time")
    parser.add_argument("--image", type=Path, default=CHECKOUT / ".lab/images/tiny.qcow2")
    parser.add_argument("--no-guests", action="store_true", help="blank images, no ssh to guests")
    parser.add_argument("--promote", action="store_true", help="what passes now must pass from now")
    options = parser.parse_args()
    names = chosen(options.list, options.match)
    folder = CHECKOUT / ".lab/conformance" / options.clouds.resolve().parent.name
    cloud = settings.connect(options.clouds, options.cloud)
    guests = not options.no_guests
    settings.write(folder / "tempest.conf", cloud, options.image if guests else None, guests)
    results: dict[str, Result] = {}
    for number, result in enumerate(tempest(folder, names, options.at_once), 1):
        results[result.name] = result
        show(number, len(names), result)
    told = [asdict(result) for result in results.values()]
    (folder / "results.json").write_text(json.dumps(told, indent=1))
    code = report(names, results)
    if options.promote:
        passed = [name for name, result in results.items() if result.status == "success"]
        keep = lists.hold if options.list == "every" else lists.promote
        print(f"{len(keep(passed))} moved to {lists.MUST_PASS.name}")
    return code


if __name__ == "__main__":
    sys.exit(main())
