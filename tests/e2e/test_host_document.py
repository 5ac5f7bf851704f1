"""One host document after another on a lab hypervisor, by the playbooks that workers call.

Needs the lab (`make cloud`), and touches nothing there but servers and an image of its own.
"""

from __future__ import annotations

import functools
import hashlib
import html
import http.server
import ipaddress
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500), pytest.mark.usefixtures("cloud")]

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
HOST = "hv1"
NETWORK = ipaddress.ip_network(os.environ.get("FREEHOLD_LAB_NETWORK", "10.77.0.0/24"))
COMPUTER = str(NETWORK[1])
TOKEN = "planted-secret-token"
PASSWORD = "planted-secret-password"
HOSTILE = "{{ lookup('pipe', 'touch /tmp/freehold-template-ran') }} </title>&\u0001"
SCHEMAS = CHECKOUT / "docs/reference/documents"


class ImageHandler(http.server.SimpleHTTPRequestHandler):
    """Serves the folder of the image to those who bring the token."""

    def do_GET(self) -> None:
        if self.headers["Authorization"] == f"Bearer {TOKEN}":
            super().do_GET()
        else:
            self.send_error(401)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def image(cloud: object) -> Iterator[dict[str, Any]]:
    path = CHECKOUT / ".lab/images/tiny.qcow2"
    content = path.read_bytes()
    handler = functools.partial(ImageHandler, directory=str(path.parent))
    with http.server.ThreadingHTTPServer((COMPUTER, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        yield {
            "id": str(uuid.uuid4()),
            "generation": 1,
            "state": "present",
            "disk_format": "qcow2",
            "size_bytes": len(content),
            "checksum": {"algorithm": "sha512", "value": hashlib.sha512(content).hexdigest()},
            "url": f"http://{COMPUTER}:{server.server_port}/tiny.qcow2",
            "token": TOKEN,
        }
        server.shutdown()
        thread.join()


def new_server(image_id: str, name: str, hostname: str, **fields: Any) -> dict[str, Any]:
    id_ = str(uuid.uuid4())
    return {
        "id": id_,
        "generation": 1,
        "state": "present",
        "name": name,
        "description": None,
        "project_id": "0" * 32,
        "flavor": {"name": "m1.tiny", "vcpus": 1, "memory_mib": 96, "root_gib": 1},
        "image_id": image_id,
        "power": "on",
        "boot_serial": 1,
        "disk_serial": 1,
        "reboot": "soft",
        "shutdown_timeout_s": 120,
        "ports": [],
        "config_drive": {
            "meta_data": {
                "uuid": id_,
                "name": name,
                "hostname": hostname,
                "admin_pass": PASSWORD,
            },
            "network_data": {},
            "user_data": None,
        },
        **fields,
    }


@dataclass
class Lab:
    """Runs playbooks on the host, and keeps all that they print."""

    folder: Path
    printed: list[str] = field(default_factory=list)

    def play(self, playbook: str, variables: dict[str, Any], *options: str) -> dict[str, Any]:
        result = self.folder / "result.json"
        result.unlink(missing_ok=True)
        given = json.dumps({**variables, "freehold_result": str(result)})
        command = ["ansible-playbook", "-i", "inventories/lab", f"playbooks/{playbook}"]
        self.run(*command, "--limit", HOST, "-e", given, "-v", *options)
        assert result.stat().st_mode & 0o777 == 0o600
        read = json.loads(result.read_text())
        assert isinstance(read, dict)
        return read

    def converge(
        self, images: list[Any], servers: list[Any], *options: str, scope: str = "changes"
    ) -> dict[str, Any]:
        document = {
            "format": 1,
            "target": {"kind": "host", "name": HOST},
            "scope": scope,
            "images": images,
            "snapshots": [],
            "servers": servers,
        }
        jsonschema.validate(document, json.loads((SCHEMAS / "host.schema.json").read_text()))
        path = self.folder / "document.json"
        path.write_text(json.dumps(document))
        result = self.play("converge/host.yml", {"freehold_document": str(path)}, *options)
        jsonschema.validate(result, json.loads((SCHEMAS / "result.schema.json").read_text()))
        return result

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [BIN / program, *arguments],
            cwd=CHECKOUT,
            env={**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        self.printed.append(done.stdout + done.stderr)
        assert done.returncode == 0, self.printed[-1]
        return done.stdout

    def ask(self, shell: str) -> str:
        """Run a command on the host; failing is an answer too."""
        return self.run(
            "ansible", "-i", "inventories/lab", HOST, "-b", "-m", "shell", "-a", f"{shell} || true"
        )

    def console(self, server_id: str, lines: int | None = None) -> str:
        variables = {"freehold_server_id": server_id, "freehold_lines": lines}
        return str(self.play("ask/console_log.yml", variables)["output"])

    def wait_for_console(self, server_id: str, words: str, timeout_s: float = 90) -> str:
        deadline = time.monotonic() + timeout_s
        while words not in (log := self.console(server_id)):
            assert time.monotonic() < deadline, f"no {words!r} in:\n{log[-2000:]}"
        return log


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def outcomes(result: dict[str, Any]) -> list[str]:
    return [entry["outcome"] for entry in result["resources"]]


def powers(result: dict[str, Any]) -> list[str]:
    return [entry["found"]["power"] for entry in result["resources"] if entry["type"] == "server"]


def test_servers_live_and_leave_as_documents_say(lab: Lab, image: dict[str, Any]) -> None:
    port = {"id": str(uuid.uuid4()), "mac": "fa:16:3e:12:34:56", "mtu": 1450}
    one = new_server(image["id"], HOSTILE, "guest-one")
    two = new_server(image["id"], "two", "guest-two", ports=[port])
    gone = [{"id": entry["id"], "generation": 9, "state": "removed"} for entry in (image, one, two)]
    try:
        _make(lab, image, one, two, port["id"])
        _one_that_fails_stops_no_other(lab, image, one)
        lab.wait_for_console(two["id"], "guest-two login:")
        _change_while_it_runs(lab, two)
        _reboot_and_stop(lab, one, two)
    finally:
        lab.converge(gone[:1], gone[1:])
    _nothing_is_left(lab, gone, port["id"])
    printed = "".join(lab.printed)
    assert "planted-secret" not in printed
    assert "guest-one login" not in printed, "a guest's output is in the events"
    assert not Path("/tmp/freehold-template-ran").exists()


def _make(lab: Lab, image: Any, one: Any, two: Any, port_id: str) -> None:
    planned = lab.converge([image], [one, two], "--check", "--diff")
    assert planned["check"]
    assert "config_drive" in lab.printed[-1], "the diff is not shown"
    assert one["id"] not in lab.ask("virsh list --all --name; ls /var/lib/freehold/servers")

    made = lab.converge([image], [one, two])
    assert [entry["steps"] for entry in made["resources"]] == [
        entry["steps"] for entry in planned["resources"]
    ], [entry["error"] for entry in made["resources"]]
    # Nobody told OVN of the port, so it cannot be bound.
    assert outcomes(made) == ["changed", "changed", "pending"], made
    assert powers(made) == ["on", "on"]
    assert made["resources"][2]["found"]["ports"] == {port_id: {"bound": False}}
    assert made["facts"]["vcpus"] >= 1
    assert made["facts"]["virt_type"] in ("qemu", "kvm")

    again = lab.converge([image], [one, two])
    assert outcomes(again) == ["unchanged", "unchanged", "pending"]
    assert not again["changed"]
    title = html.unescape(lab.ask(f"virsh dumpxml fh-{one['id']} | grep '<title>'"))
    assert HOSTILE.replace("\u0001", "\ufffd") in title
    assert port_id in lab.ask("ovs-vsctl list interface")
    assert one["id"] not in json.dumps(lab.converge([], [two], scope="all")["resources"])
    assert {"type": "server", "id": one["id"]} in lab.converge([], [two], scope="all")["unknown"]


def _one_that_fails_stops_no_other(lab: Lab, image: Any, one: Any) -> None:
    other = {**image, "id": str(uuid.uuid4()), "size_bytes": 5}
    waiting = new_server(other["id"], "waiting", "waiting")
    result = lab.converge([other], [waiting, one])
    assert outcomes(result) == ["failed", "pending", "unchanged"]
    failed, pending, _ = result["resources"]
    assert failed["error"]["code"] == "IMAGE_DIFFERS"
    assert other["id"] in pending["found"]["waiting_for"]
    assert pending["steps"] == []


def _change_while_it_runs(lab: Lab, server: dict[str, Any]) -> None:
    port = server["ports"][0]
    changed = {**server, "ports": [], "name": "renamed"}
    changed["flavor"] = {**server["flavor"], "root_gib": 2}
    result = lab.converge([], [changed])
    assert result["resources"][0]["error"] is None
    assert f"unplug port {port['id']}" in result["resources"][0]["steps"]
    size = lab.ask(f"virsh domblkinfo fh-{server['id']} vda | grep Capacity")
    assert str(2 * 1024**3) in size
    deadline = time.monotonic() + 20
    assert port["id"] not in lab.ask("ovs-vsctl list interface")
    while port["id"] in lab.ask(f"virsh dumpxml fh-{server['id']}"):
        assert time.monotonic() < deadline, "the guest did not let its interface go"

    plugged = lab.converge([], [{**changed, "ports": [port]}])
    assert f"plug port {port['id']}" in plugged["resources"][0]["steps"]
    assert port["id"] in lab.ask("ovs-vsctl list interface")
    again = lab.converge([], [{**changed, "ports": [port]}])
    assert not again["changed"], again
    server.update(changed, ports=[port])


def _reboot_and_stop(lab: Lab, one: Any, two: Any) -> None:
    log = lab.wait_for_console(one["id"], "guest-one login:")
    assert "Linux version" in log
    assert lab.console(one["id"], lines=3).count("\n") <= 3

    one.update(boot_serial=2, generation=2)
    rebooted = lab.converge([], [one])
    assert rebooted["resources"][0]["steps"] == ["reboot the guest, soft (boot 2)"]
    serials = {"boot_serial": 2, "disk_serial": 1}
    assert rebooted["resources"][0]["found"] == {"power": "on", **serials, "ports": {}}
    lab.wait_for_console(one["id"], "guest-one login:")

    started = time.monotonic()
    one.update(power="off", generation=3)
    two.update(power="off", shutdown_timeout_s=0, generation=3)
    stopped = lab.converge([], [one, two])
    assert outcomes(stopped) == ["changed", "changed"]
    assert powers(stopped) == ["off", "off"]
    assert time.monotonic() - started < 100, "the guest did not hear the power button"


def _nothing_is_left(lab: Lab, gone: list[Any], port_id: str) -> None:
    left = lab.ask(
        "virsh list --all --name; ls -a /var/lib/freehold/servers /var/lib/freehold/images; "
        "ovs-vsctl list interface"
    )
    for id_ in [entry["id"] for entry in gone] + [port_id]:
        assert id_ not in left
    again = lab.converge(gone[:1], gone[1:])
    assert outcomes(again) == ["unchanged"] * 3
    assert powers(again) == ["absent", "absent"]
