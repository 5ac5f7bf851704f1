"""The ``freehold`` command: serve, look after the database, register hosts, look at jobs.

For the operator on the control host; it reads the same settings file as the service. Tenants use
the ``openstack`` command.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from sqlalchemy import select

from freehold import app as application
from freehold.access import Tokens, read_secret
from freehold.config import Config, load, settings_file
from freehold.errors import FreeholdError, NotFound, Unavailable
from freehold.hosts import HostWish, register
from freehold.http.application import KEEP_ALIVE_S
from freehold.identity import bootstrap
from freehold.jobs import Target, want
from freehold.jobs.job import RUNNING, Job, JobEvent, Seal, events_after
from freehold.jobs.replay import Replay
from freehold.operations.backup import backup, restore
from freehold.store import Store, migrate, utc_now


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    # The database and backups hold every tenant's things.
    os.umask(0o077)
    try:
        config = load(options.config)
        application.rooms()
        store = Store(config.database)
        status: int = options.function(options, config, store)
        return status
    except FreeholdError as error:
        print(f"freehold: {error.message}", file=sys.stderr)
        return 1
    except (BrokenPipeError, KeyboardInterrupt):
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="freehold", description=__doc__)
    parser.add_argument("--config", type=Path, help="settings file (/etc/freehold/freehold.toml)")
    verbs = parser.add_subparsers(required=True)

    def verb(path: str, function: object, text: str) -> argparse.ArgumentParser:
        group, _, name = path.rpartition(" ")
        place = verbs
        if group:
            if group not in groups:
                made = verbs.add_parser(group, help=f"{group} commands")
                groups[group] = made.add_subparsers(required=True)
            place = groups[group]
        command: argparse.ArgumentParser = place.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        return command

    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    verb("serve", _serve, "Serve all APIs and run jobs.")
    verb("db upgrade", _db_upgrade, "Bring the database's schema to this version.")
    verb("db current", _db_current, "The migration that the database is at.")
    verb("db check", _db_check, "Compare the database's schema with this version's tables.")
    verb("db revision", _db_revision, "Write a migration (developers).").add_argument("message")
    save = verb("backup", _backup, "Write all that the control plane knows into one file.")
    save.add_argument("file", type=Path)
    save.add_argument("--images", action="store_true", help="with the data of images")
    verb("restore", _restore, "Make an empty control plane what it was.").add_argument(
        "file", type=Path
    )
    verb("bootstrap", _bootstrap, "Make the first admin and the catalogue.").add_argument(
        "--admin-password-file", type=Path, required=True
    )
    verb("host sync", _host_sync, "Register the hypervisors of the inventory.")
    job_list = verb("job list", _job_list, "What ran, newest first.")
    job_list.add_argument("--limit", type=int, default=20)
    job_list.add_argument("--target", help="such as host/hv1")
    for name, function, text in (
        ("show", _job_show, "One job and what became of each resource."),
        ("follow", _job_follow, "A job's events as they happen ('-' for the next job)."),
        ("cancel", _job_cancel, "End a running job."),
    ):
        verb(f"job {name}", function, text).add_argument("job")
    replay = verb("job replay", _job_replay, "Run a job's document again by hand.")
    replay.add_argument("job")
    how = replay.add_mutually_exclusive_group()
    how.add_argument("--apply", action="store_true", help="really change things (default: --check)")
    how.add_argument("--save", type=Path, help="only write the document into this folder")
    verb("target list", _target_list, "What is due, leased or backing off.")
    verb("target look", _target_look, "Compare one target as a whole and mend it.").add_argument(
        "target", help="such as host/hv1"
    )
    return parser


def _serve(_options: argparse.Namespace, config: Config, store: Store) -> int:
    migrate.require_head(store)
    worker = application.build_worker(config, store) if config.workers else None
    app = application.create_app(config, store, worker=worker)
    _settle_memory()
    uvicorn.run(
        app,
        host=config.listen_host,
        port=config.listen_port,
        log_level="info",
        access_log=False,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=10,
    )
    return 0


def _settle_memory() -> None:
    """Set up allocation for one long-lived process with many threads.

    The collector leaves alone what stays for the process's life: else each of its full rounds
    walks through all imported code, a tenth of a second in which no request is served, and it
    makes one for every few hundred rows of a list. glibc gets two arenas instead of eight a core,
    as each keeps what its threads once needed (mallopt(3), M_ARENA_MAX).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(-8, 2)


def _said(changed: bool) -> int:
    print("changed" if changed else "unchanged")
    return 0


def _db_upgrade(_options: argparse.Namespace, _config: Config, store: Store) -> int:
    return _said(migrate.upgrade(store))


def _db_current(_options: argparse.Namespace, _config: Config, store: Store) -> int:
    print(f"{migrate.current(store) or 'empty'} (this version: {migrate.head()})")
    return 0


def _backup(options: argparse.Namespace, config: Config, store: Store) -> int:
    settings = settings_file(options.config, os.environ)
    made = backup(store, config, settings, options.file, utc_now(), images=options.images)
    print(f"{options.file}: {made.engine} at migration {made.migration}, {len(made.images)} images")
    for image in made.images:
        if not image.contained:
            print(f"  not contained: data of image {image.id} {image.name or ''}, {image.size} B")
    return 0


def _restore(options: argparse.Namespace, config: Config, store: Store) -> int:
    settings = settings_file(options.config, os.environ)
    made = restore(store, config, settings, options.file, utc_now())
    print(f"restored what was saved at {made.saved_at:%F %T} UTC")
    for image in made.images:
        if not (config.images_dir / image.id).exists():
            print(f"  missing: {config.images_dir / image.id} {image.name or ''}, {image.size} B")
    return 0


def _db_check(_options: argparse.Namespace, _config: Config, store: Store) -> int:
    migrate.check(store)
    return 0


def _db_revision(options: argparse.Namespace, _config: Config, store: Store) -> int:
    migrate.upgrade(store)
    migrate.write_revision(store, options.message)
    return 0


def _bootstrap(options: argparse.Namespace, config: Config, store: Store) -> int:
    migrate.require_head(store)
    password = options.admin_password_file.read_text().strip()
    with store.write() as session:
        changed = bootstrap(
            session,
            admin_password=password,
            region=config.region,
            public_url=config.public_url,
            now=utc_now(),
        )
    return _said(changed)


def _host_sync(_options: argparse.Namespace, config: Config, store: Store) -> int:
    """Read the worker's inventory as Ansible does, and register the group ``hypervisor``."""
    program = Path(sys.executable).with_name("ansible-inventory")
    read = subprocess.run(
        [str(program), "-i", str(config.inventory), "--list"],
        capture_output=True,
        text=True,
        check=False,
        cwd=config.project_dir,
    )
    if read.returncode != 0:
        raise Unavailable(f"ansible-inventory cannot read {config.inventory}: {read.stderr}")
    found = json.loads(read.stdout)
    variables = found.get("_meta", {}).get("hostvars", {})
    changed = False
    with store.write() as session:
        for name in found.get("hypervisor", {}).get("hosts", []):
            about = variables.get(name, {})
            wish = HostWish(
                address=about.get("ansible_host"),
                availability_zone=about.get("availability_zone", "nova"),
            )
            changed |= register(session, name, wish, utc_now())
    return _said(changed)


def _job_list(options: argparse.Namespace, _config: Config, store: Store) -> int:
    statement = select(Job).order_by(Job.started_at.desc()).limit(options.limit)
    if options.target:
        kind, _, name = options.target.partition("/")
        statement = statement.where(Job.kind == kind, Job.name == name)
    with store.read() as session:
        for job in session.scalars(statement):
            took = (
                f"{(job.finished_at - job.started_at).total_seconds():.1f}s"
                if (job.finished_at)
                else "-"
            )
            print(
                f"{job.id}  {job.started_at:%F %T}  {took:>6}  {job.kind}/{job.name:<12} "
                f"{job.state:<10} {job.summary}"
            )
    return 0


def _find(store: Store, prefix: str) -> Job:
    """A job by its id or the beginning of one."""
    with store.read() as session:
        rows = session.scalars(
            select(Job).where(Job.id.startswith(prefix, autoescape=True)).limit(2)
        ).all()
    if len(rows) != 1:
        raise NotFound(f"{'No' if not rows else 'More than one'} job begins with {prefix!r}.")
    return rows[0]


def _job_show(options: argparse.Namespace, _config: Config, store: Store) -> int:
    job = _find(store, options.job)
    print(f"job      {job.id}\ntarget   {job.kind}/{job.name}\nplaybook {job.playbook}")
    print(f"state    {job.state}\nstarted  {job.started_at}\nfinished {job.finished_at}")
    print(f"summary  {job.summary}")
    for entry in job.resources:
        print(
            f"  {entry['type']} {entry['id']} generation {entry['generation']}: {entry['outcome']}"
        )
        for step in entry["steps"]:
            print(f"    - {step}")
        if entry["error"]:
            print(f"    ! {entry['error']['code']}: {entry['error']['message']}")
    return 0


def _job_follow(options: argparse.Namespace, _config: Config, store: Store) -> int:
    job = _next_job(store) if options.job == "-" else _find(store, options.job)
    print(f"{job.kind}/{job.name}  {job.playbook}  {job.id}", flush=True)
    last = 0
    while True:
        with store.read() as session:
            state = session.scalar(select(Job.state).where(Job.id == job.id))
            events = events_after(session, job.id, last)
        for event in events:
            last = event.number
            print(_line(event), flush=True)
        if state != RUNNING:
            print(f"job is {state}")
            return 0 if state == "successful" else 1
        time.sleep(0.3)


def _next_job(store: Store) -> Job:
    started = utc_now()
    while True:
        with store.read() as session:
            job = session.scalars(
                select(Job).where(Job.started_at >= started).order_by(Job.started_at).limit(1)
            ).first()
        if job is not None:
            return job
        time.sleep(0.3)


def _line(event: JobEvent) -> str:
    text = (
        f"{event.at:%T.%f}"[:-3] + f"  {event.event:<24} {event.host or '':<10} {event.task or ''}"
    )
    steps = event.facts.get("steps") or []
    message = event.facts.get("msg")
    return "\n".join([text, *(f"{'':14}- {step}" for step in steps)]) + (
        f"\n{'':14}{message}" if message else ""
    )


def _job_cancel(options: argparse.Namespace, _config: Config, store: Store) -> int:
    found = _find(store, options.job)
    with store.write() as session:
        session.get_one(Job, found.id).cancel_requested = True
    print(f"cancelling {found.id}")
    return 0


def _job_replay(options: argparse.Namespace, config: Config, store: Store) -> int:
    secret = read_secret(config.secret_file)
    tokens = Tokens(secret, config.token_lifetime_s)
    replay = Replay(config, store, Seal(secret), tokens)
    job = _find(store, options.job)
    if options.save:
        return replay.save(job, options.save)
    return replay.run(job, apply=options.apply)


def _target_list(_options: argparse.Namespace, _config: Config, store: Store) -> int:
    with store.read() as session:
        for target in session.scalars(select(Target).order_by(Target.kind, Target.name)):
            state = "due" if target.is_due else "settled"
            if target.lease:
                state = "leased"
            print(
                f"{target.kind}/{target.name:<14} {state:<8} failures {target.failures}  "
                f"looked at {target.looked_at or 'never'}"
            )
    return 0


def _target_look(options: argparse.Namespace, _config: Config, store: Store) -> int:
    kind, _, name = options.target.partition("/")
    with store.write() as session:
        if session.get(Target, (kind, name)) is None:
            raise NotFound(f"There is no target {options.target}.")
        want(session, kind, name, utc_now(), look=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
