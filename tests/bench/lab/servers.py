"""Servers made through the APIs, and when each was accepted and ACTIVE."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openstack.connection import Connection

EVERY_S = 0.1
GIVEN_UP_S = 240.0


@dataclass(frozen=True)
class Made:
    """One server: its id, and seconds of the epoch when it was asked for, accepted, ACTIVE."""

    id: str
    asked: float
    accepted: float
    active: float

    @property
    def took_s(self) -> float:
        """From the request to ACTIVE, as a tenant waits."""
        return self.active - self.asked


class Tenant:
    """The lab's tenant with room for many servers of flavor ``small`` and image ``tiny``."""

    def __init__(self, admin: Connection, tenant: Connection) -> None:
        self._compute = tenant.compute
        project = tenant.current_project_id
        admin.set_compute_quotas(project, instances=200, cores=400, ram=400_000)
        admin.set_network_quotas(project, port=500)
        self._wanted = {
            "imageRef": tenant.image.find_image("tiny").id,
            "flavorRef": tenant.compute.find_flavor("small").id,
            "networks": [{"uuid": tenant.network.find_network("private").id}],
        }

    def make(self, count: int) -> list[Made]:
        """Ask for as many at once as one request after the other can; wait for the last."""
        asked = [self._ask(f"bench-{number}") for number in range(count)]
        active: dict[str, float] = {}
        while len(active) < count:
            for server in self._all():
                if server["status"] == "ERROR":
                    raise RuntimeError(f"server {server['id']}: {server['fault']['message']}")
                if server["status"] == "ACTIVE":
                    active.setdefault(server["id"], time.time())
            if time.time() - asked[0][1] > GIVEN_UP_S:
                raise RuntimeError(
                    f"{len(active)} of {count} servers are ACTIVE after {GIVEN_UP_S} s"
                )
            time.sleep(EVERY_S)
        return [Made(id_, begun, accepted, active[id_]) for id_, begun, accepted in asked]

    def remove(self) -> None:
        """Delete what was made, and wait until it is gone."""
        for server in self._all():
            self._compute.delete(f"/servers/{server['id']}").raise_for_status()
        while self._all():
            time.sleep(EVERY_S)

    def _ask(self, name: str) -> tuple[str, float, float]:
        begun = time.time()
        answer = self._compute.post("/servers", json={"server": {"name": name, **self._wanted}})
        answer.raise_for_status()
        return answer.json()["server"]["id"], begun, time.time()

    def _all(self) -> list[dict[str, Any]]:
        answer = self._compute.get("/servers/detail", params={"name": "^bench-"})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["servers"]
        return found


def spread(seconds: Sequence[float]) -> tuple[float, float]:
    """Median, and the 95th of a hundred (of few, the slowest)."""
    ordered = sorted(seconds)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
