"""A tool that opens a tenant's bytes runs in a jail, or not at all (invariant 10).

That the jail holds is asked of a machine's systemd in tests/e2e/test_hostile_disk.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host.jail import (
    Reach,
    jail_command,
    run_jailed,
)


def words() -> list[str]:
    reach = Reach(read=("/servers/1/disk", "/images/2"), changed=("/servers/1/copy",))
    return jail_command(["qemu-img", "convert"], reach, 5_000_000, 240, "freehold-jail-1")


def properties(name: str) -> list[str]:
    start = f"--property={name}="
    return [word.removeprefix(start) for word in words() if word.startswith(start)]


def test_the_program_stands_behind_the_jails_own_words() -> None:
    said = words()
    assert said[0] == "systemd-run"
    assert {"--wait", "--pipe", "--collect", "--unit=freehold-jail-1"} < set(said)
    assert said[said.index("--") :] == ["--", "qemu-img", "convert"]


def test_the_jail_has_the_program_and_the_named_files_only() -> None:
    assert properties("TemporaryFileSystem") == ["/:ro", "/usr/local:ro"]
    system, *files = properties("BindReadOnlyPaths")
    assert system == "/usr /lib /lib64 -/etc/ld.so.cache"
    assert files == ["/servers/1/disk", "/images/2"]
    assert properties("BindPaths") == ["/servers/1/copy"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User", "freehold-jail"),
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("PrivateNetwork", "yes"),
        ("PrivateDevices", "yes"),
        ("SystemCallFilter", "@system-service"),
        ("LimitFSIZE", "5000000"),
        ("RuntimeMaxSec", "240"),
        ("MemoryMax", "1G"),
        ("LimitAS", "2G"),
    ],
)
def test_the_jail_has_no_rights_and_has_limits(name: str, value: str) -> None:
    assert properties(name) == [value]


def test_without_the_jails_user_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(CloudError, match=r"site\.yml") as error:
        run_jailed(["touch", str(tmp_path / "ran")], Reach(), 1, user="freehold-nobody")
    assert error.value.code == "HOST_NOT_PREPARED"
    assert list(tmp_path.iterdir()) == []


def test_without_systemd_nothing_runs_and_no_file_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    for path in (disk, copy):
        path.touch(mode=0o600)
    monkeypatch.setenv("PATH", str(tmp_path))
    reach = Reach(read=(str(disk),), changed=(str(copy),))
    with pytest.raises(CloudError, match="systemd-run failed") as error:
        run_jailed(["/usr/bin/touch", str(tmp_path / "ran")], reach, 1, user="root")
    assert error.value.code == "JAILED_COMMAND_FAILED"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "disk"]
    assert {path.stat().st_mode & 0o777 for path in (disk, copy)} == {0o600}
