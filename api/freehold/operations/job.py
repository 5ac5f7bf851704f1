"""Jobs over HTTP: list, show, cancel, and the live story as server-sent events.

The stream follows the WHATWG form (``id``, ``event``, ``data`` lines); a client that comes back
with ``Last-Event-ID`` goes on where it was. It ends with an ``end`` event that carries the job.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from freehold.access import Rule
from freehold.errors import BadRequest, Conflict, NotFound
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.jobs.job import RUNNING, Job, JobEvent, Seal, events_after
from freehold.store import Store

RULES = [
    Rule("jobs:get", "rule:admin_required", "GET /v1/jobs, /v1/jobs/{id} and its events"),
    Rule("jobs:cancel", "rule:admin_required", "POST /v1/jobs/{id}/cancel"),
    Rule("jobs:document", "rule:admin_required", "GET /v1/jobs/{id}/document (holds secrets)"),
]
POLL_S = 0.3
LISTING = Listing(
    id=Job.id,
    columns={
        "id": Job.id,
        "state": Job.state,
        "kind": Job.kind,
        "name": Job.name,
        "started_at": Job.started_at,
    },
    default_sort=(SortKey("started_at", descending=True),),
    maximum=1000,
)
FILTERS = ("state", "kind", "name")


def wire(job: Job) -> dict[str, Any]:
    """One job in its wire form, without its document."""
    return {
        "id": job.id,
        "target": f"{job.kind}/{job.name}",
        "playbook": job.playbook,
        "limit": job.limit,
        "scope": job.scope,
        "state": job.state,
        "summary": job.summary,
        "changed": job.changed,
        "started_at": job.started_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "resources": job.resources,
    }


def event_wire(event: JobEvent) -> dict[str, Any]:
    """One event in its wire form."""
    return {
        "number": event.number,
        "at": event.at.isoformat(),
        "event": event.event,
        "host": event.host,
        "task": event.task,
        "facts": event.facts,
    }


def _job(call: Call, job_id: str) -> Job:
    job = call.session.get(Job, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def list_jobs(call: Call) -> dict[str, Any]:
    """Jobs, newest first; filters state, kind, name; limit and marker."""
    statement = LISTING.filtered(select(Job), {name: call.many(name) for name in FILTERS})
    page = LISTING.page(
        call.session,
        statement,
        limit=LISTING.limit(call.params.get("limit")),
        marker=call.params.get("marker"),
    )
    body: dict[str, Any] = {"jobs": [wire(job) for job in page.rows]}
    if page.more:
        body["next"] = call.url(f"/v1/jobs?marker={page.rows[-1].id}&limit={len(page.rows)}")
    return body


def show_job(call: Call, job_id: str) -> dict[str, Any]:
    """One job with what became of each resource."""
    return {"job": wire(_job(call, job_id))}


def show_document(call: Call, job_id: str) -> dict[str, Any]:
    """The job's document as it was run. It holds what tenants gave us: for operators only."""
    job = _job(call, job_id)
    call.enforce("jobs:document")
    seal: Seal = call.request.app.state.seal
    return {"document": seal.open(job.sealed)}


def cancel_job(call: Call, job_id: str) -> Reply:
    """End a running job; its target stays due and is run again after a pause."""
    job = _job(call, job_id)
    if job.state != RUNNING:
        raise Conflict(f"Job {job_id} is not running: it is {job.state}.")
    job.cancel_requested = True
    call.audit("cancel", "job", job_id)
    return Reply({"job": wire(job)}, 202)


def follow_job(call: Call, job_id: str) -> StreamingResponse:
    """The job's events as they happen."""
    _job(call, job_id)
    last = call.request.headers.get("last-event-id", "0")
    if not last.isascii() or not last.isdigit():
        raise BadRequest(f"Last-Event-ID {last!r} is not a number.")
    stream = _stream(call.store, job_id, int(last[:12]))
    return StreamingResponse(
        stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _stream(store: Store, job_id: str, last: int) -> AsyncIterator[str]:
    while True:
        events, job = await run_in_threadpool(_look, store, job_id, last)
        for event in events:
            last = event["number"]
            yield f"id: {last}\nevent: {event['event']}\ndata: {json.dumps(event)}\n\n"
        if job is None or job["state"] != RUNNING:
            yield f"event: end\ndata: {json.dumps(job)}\n\n"
            return
        await anyio.sleep(POLL_S)


def _look(
    store: Store, job_id: str, last: int
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    with store.read() as session:
        job = session.get(Job, job_id)
        events = [event_wire(event) for event in events_after(session, job_id, last)]
        return events, wire(job) if job is not None else None


def routes(table: Routes) -> None:
    """Add the routes of jobs."""
    table.add("GET", "/jobs", list_jobs, policy="jobs:get")
    table.add("GET", "/jobs/{job_id}", show_job, policy="jobs:get")
    table.add("GET", "/jobs/{job_id}/document", show_document, policy="jobs:document")
    table.add(
        "GET",
        "/jobs/{job_id}/events",
        follow_job,
        policy="jobs:get",
        media_type="text/event-stream",
    )
    table.add("POST", "/jobs/{job_id}/cancel", cancel_job, policy="jobs:cancel", status=202)
