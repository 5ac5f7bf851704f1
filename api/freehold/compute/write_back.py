"""What a host's run found goes into rows; what failed or is late becomes a fault that speaks."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.compute import instance_action
from freehold.compute.server import POWER_OFF, POWER_ON, Server
from freehold.compute.server_snapshot import expire_snapshots, write_snapshots
from freehold.config import Config
from freehold.hosts import write_facts
from freehold.jobs import Entry, Fault, Result, settle
from freehold.network import ports_bound, unplug

TIMED_OUT = "TIMED_OUT"


def write_back(session: Session, name: str, result: Result, now: datetime) -> bool:
    """Write one host's result; True when all that it was about is settled.

    A server counts as settled here when this result settled it or when it has been asked for
    something newer since (then the target is due anyway).
    """
    write_facts(session, name, result.facts, now)
    entries = result.of("server")
    servers = session.scalars(
        select(Server)
        .where(Server.host == name, Server.id.in_(entries))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    unmade = _image_faults(result, now)
    bound: dict[str, bool] = {}
    everything_settled = write_snapshots(session, result.of("snapshot"), now)
    for server in servers:
        entry = entries[server.id]
        if server.generation == entry.generation:  # else its ports may be another's by now
            bound |= {port: bool(seen.get("bound")) for port, seen in _ports(entry).items()}
        everything_settled &= _write_entry(session, server, entry, unmade, now)
    if bound:
        ports_bound(session, bound, now)
    return everything_settled


def _write_entry(
    session: Session, server: Server, entry: Entry, unmade: dict[str, Fault], now: datetime
) -> bool:
    """Write what became of one server; True when the host need not be asked again for it."""
    before = (server.satisfied, server.fault, server.found)
    is_newer = server.generation != entry.generation
    if server.settled and not is_newer and _passes(entry):
        server.found = entry.found
    else:
        settle(server, entry, now)
    if not server.settled and server.image_id in unmade and _waits_for_image(server):
        _blame_image(server, unmade[server.image_id])
    if server.settled and server.fault and server.fault["retry"] == "later" and _runs(server):
        # Its time was over with this very answer.
        _leave(session, server, now, server.fault["message"])
    if before != (server.satisfied, server.fault, server.found):
        server.updated_at = now
    if server.settled and not is_newer:
        _settled(session, server, entry, now)
    return server.settled or is_newer


def _runs(server: Server) -> bool:
    """Whether it is as wanted in everything but its interfaces (or its name and drive)."""
    return (
        server.found.get("power") == server.power
        and 0 < server.booted_serial >= server.boot_serial
        and server.made_serial >= server.disk_serial
    )


def _leave(session: Session, server: Server, now: datetime, heard: str | None) -> None:
    """A guest that runs is not in ERROR because of an interface: what failed is the action.

    What is wanted stays wanted: each look at the host tries it again.
    """
    server.fault, server.satisfied, server.deadline = None, server.generation, None
    last = f" The last thing heard was: {heard.rstrip('.')}." if heard else ""
    instance_action.finish(
        session,
        [server.id],
        now,
        f"The interfaces of server {server.id} did not follow in time on host {server.host}.{last} "
        "An interface that was detached carries nothing any more; reboot the server hard to have "
        "the guest's interfaces as they are wanted.",
    )


def _waits_for_image(server: Server) -> bool:
    return server.booted_serial == 0 or server.made_serial < server.disk_serial


def _passes(entry: Entry) -> bool:
    """A look at a settled server that failed but may go well the next time is no fault of the
    server's: nobody asked for anything."""
    return entry.outcome == "failed" and entry.error is not None and entry.error.retry == "later"


def _ports(entry: Entry) -> dict[str, dict[str, object]]:
    return dict(entry.found.get("ports", {}))


def _image_faults(result: Result, now: datetime) -> dict[str, Fault]:
    """Why images could not be put on the host, by image."""
    return {
        id_: Fault(
            code=entry.error.code, message=entry.error.message, at=now, retry=entry.error.retry
        )
        for id_, entry in result.of("image").items()
        if entry.outcome == "failed" and entry.error is not None
    }


def _blame_image(server: Server, fault: Fault) -> None:
    """A server that waits for an image shows why the image is not there.

    When trying again cannot help, the server is given up now; else the message waits with it, for
    its deadline.
    """
    if server.removed:
        return
    server.fault = fault.model_dump(mode="json")
    if fault.retry != "later":
        server.satisfied, server.deadline = server.generation, None


def _settled(session: Session, server: Server, entry: Entry, now: datetime) -> None:
    problem = server.fault["message"] if server.fault else None
    instance_action.finish(session, [server.id], now, problem)
    if server.fault:
        return
    if server.removed:
        unplug(session, server.id, now)
        session.delete(server)
        return
    server.made_serial = server.disk_serial
    if server.power == POWER_ON and server.booted_serial < server.boot_serial:
        server.booted_serial = server.boot_serial
        server.launched_at = server.launched_at or now


def run_failed(session: Session, name: str, fault: Fault, now: datetime, *, config: Config) -> None:
    """A whole run failed (host unreachable, playbook error).

    Servers that have time left wait for the next try and keep the reason for their deadline; the
    others are given up.
    """
    waiting = session.scalars(
        select(Server).where(Server.host == name, Server.unsettled()).with_for_update()
    ).all()
    for server in waiting:
        is_late = server.deadline is not None and server.deadline < now
        if is_late:
            _give_up(session, server, now, config, fault.message)
        elif not server.removed:
            server.fault = fault.model_dump(mode="json")


def expire(session: Session, now: datetime, *, config: Config) -> None:
    """Give a fault to every server whose time is over, whatever its host does."""
    overdue = session.scalars(select(Server).where(Server.overdue(now)).with_for_update()).all()
    for server in overdue:
        heard = server.fault["message"] if server.fault else None
        _give_up(session, server, now, config, heard)
    expire_snapshots(session, now)


def _give_up(
    session: Session, server: Server, now: datetime, config: Config, heard: str | None
) -> None:
    """Give an overdue server its fault.

    One that is being deleted keeps being deleted: it shows the fault and gets a new deadline.
    """
    server.updated_at = now
    if server.removed:
        if server.fault is None or server.fault["code"] != TIMED_OUT:
            server.fault = _late(server, now, config, heard).model_dump(mode="json")
        server.deadline = now + timedelta(seconds=config.build_time_limit_s)
        return
    if _runs(server):
        _leave(session, server, now, heard or server.found.get("waiting_for"))
        return
    fault = _late(server, now, config, heard)
    server.fault = fault.model_dump(mode="json")
    server.satisfied, server.deadline = server.generation, None
    instance_action.finish(session, [server.id], now, fault.message)


def _late(server: Server, now: datetime, config: Config, heard: str | None) -> Fault:
    """What was not reached, where, the last thing heard of it, and what to do."""
    if server.removed:
        wish, advice = "deleted", "mend the host: the deletion goes on by itself"
    elif server.booted_serial == 0:
        wish, advice = "built", "delete it and create it again, or reboot it hard to try again"
    else:
        verbs = {POWER_ON: "running", POWER_OFF: "stopped"}
        wish, advice = verbs.get(server.power, server.power), "reboot it hard to try again"
    last = f" The last problem was: {heard}" if heard else ""
    return Fault(
        code=TIMED_OUT,
        message=(
            f"Server {server.id} was not {wish} on host {server.host} within "
            f"{config.build_time_limit_s} s.{last} Look at the host's jobs (freehold job list), "
            f"then {advice}."
        ),
        at=now,
        retry="later",
    )
