"""The filters of server lists: query parameter → condition.

Which of them a caller may use depends on role and microversion, as in nova: what is not allowed
is left out in silence, what nobody knows is refused from 2.75.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, false, func, select
from sqlalchemy.orm import InstrumentedAttribute

from freehold.compute.safe_pattern import safe_pattern
from freehold.compute.server import Server, ServerTag
from freehold.compute.server_status import (
    has_status,
    power_state_sql,
    task_state_sql,
    vm_state_sql,
)
from freehold.compute.times import parse_time
from freehold.errors import BadRequest, Forbidden
from freehold.hosts import all_hosts
from freehold.http import Call
from freehold.network import ports_of

Condition = Callable[[Call, str], ColumnElement[bool]]
TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
FALSE = frozenset({"0", "f", "false", "off", "n", "no"})


def is_true(name: str, text: str) -> bool:
    """Read a boolean query parameter.

    Raises:
        BadRequest: Neither.
    """
    word = text.strip().lower()
    if word not in TRUE | FALSE:
        raise BadRequest(f"Invalid value for query parameter {name}: {text[:40]!r} is no boolean.")
    return word in TRUE


def _equal(column: Any) -> Condition:
    return lambda call, text: column == text


def _number(column: Any) -> Condition:
    def condition(call: Call, text: str) -> ColumnElement[bool]:
        is_number = text.isascii() and text.isdigit() and len(text) < 10
        return column == int(text) if is_number else false()

    return condition


def _pattern(name: str, column: InstrumentedAttribute[Any]) -> Condition:
    return lambda call, text: column.regexp_match(safe_pattern(name, text))


def _moment(name: str, column: InstrumentedAttribute[Any]) -> Condition:
    return lambda call, text: column == parse_time(name, text)


def _since(call: Call, text: str) -> ColumnElement[bool]:
    return Server.updated_at >= parse_time("changes-since", text)


def _before(call: Call, text: str) -> ColumnElement[bool]:
    before = parse_time("changes-before", text)
    since = call.params.get("changes-since")
    if since and parse_time("changes-since", since) > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    return Server.updated_at <= before


def _zone(call: Call, text: str) -> ColumnElement[bool]:
    names = [host.name for host in all_hosts(call.session) if host.availability_zone == text]
    return Server.host.in_(names)


def _locked(call: Call, text: str) -> ColumnElement[bool]:
    held = Server.locked_by.is_not(None)
    return held if is_true("locked", text) else ~held


def _progress(call: Call, text: str) -> ColumnElement[bool]:
    done = vm_state_sql() == "active"
    return {"100": done, "0": ~done}.get(text, false())


def _config_drive(call: Call, text: str) -> ColumnElement[bool]:
    # Every server has one.
    return Server.id.is_not(None) if is_true("config_drive", text) else false()


def _no_deleted(call: Call, text: str) -> ColumnElement[bool]:
    # A deleted server leaves no row, so "only deleted ones" are none.
    return false() if text.strip().lower() in TRUE else Server.id.is_not(None)


def _tagged(text: str) -> tuple[list[str], Any]:
    tags = sorted({tag for tag in text.split(",") if tag})
    number = (
        select(func.count())
        .select_from(ServerTag)
        .where(ServerTag.server_id == Server.id, ServerTag.tag.in_(tags))
        .scalar_subquery()
    )
    return tags, number


def _all_tags(call: Call, text: str) -> ColumnElement[bool]:
    tags, number = _tagged(text)
    return number == len(tags)  # type: ignore[no-any-return]


def _any_tag(call: Call, text: str) -> ColumnElement[bool]:
    return _tagged(text)[1] > 0  # type: ignore[no-any-return]


def _not_all_tags(call: Call, text: str) -> ColumnElement[bool]:
    return ~_all_tags(call, text)


def _no_tag(call: Call, text: str) -> ColumnElement[bool]:
    return _tagged(text)[1] == 0  # type: ignore[no-any-return]


def _task_state(call: Call, text: str) -> ColumnElement[bool]:
    return task_state_sql() == text


CONDITIONS: dict[str, Condition] = {
    "name": _pattern("name", Server.name),
    "display_name": _pattern("display_name", Server.name),
    "description": _pattern("description", Server.description),
    "display_description": _pattern("display_description", Server.description),
    "hostname": _pattern("hostname", Server.hostname),
    "image": _equal(Server.image_id),
    "image_ref": _equal(Server.image_id),
    "flavor": _equal(Server.flavor_id),
    "reservation_id": _equal(Server.reservation_id),
    "uuid": _equal(Server.id),
    "user_id": _equal(Server.user_id),
    "key_name": _equal(Server.key_name),
    "host": _equal(Server.host),
    "node": _equal(Server.host),
    "locked_by": _equal(Server.locked_by),
    "access_ip_v4": _equal(Server.access_ip_v4),
    "access_ip_v6": _equal(Server.access_ip_v6),
    "launch_index": _number(Server.launch_index),
    "vm_state": lambda call, text: vm_state_sql() == text,
    "task_state": _task_state,
    "power_state": lambda call, text: _number(power_state_sql())(call, text),
    "progress": _progress,
    "config_drive": _config_drive,
    "created_at": _moment("created_at", Server.created_at),
    "launched_at": _moment("launched_at", Server.launched_at),
    "terminated_at": lambda call, text: false(),
    "availability_zone": _zone,
    "changes-since": _since,
    "changes-before": _before,
    "locked": _locked,
    "deleted": _no_deleted,
    "soft_deleted": _no_deleted,
    "tags": _all_tags,
    "tags-any": _any_tag,
    "not-tags": _not_all_tags,
    "not-tags-any": _no_tag,
}

ANYBODY = ("reservation_id", "name", "image", "flavor", "changes-since")
ANYBODY_SINCE: dict[str, tuple[str, ...]] = {
    "2.26": ("tags", "tags-any", "not-tags", "not-tags-any"),
    "2.66": ("changes-before",),
    "2.73": ("locked",),
    "2.83": (
        *("availability_zone", "config_drive", "key_name", "created_at", "launched_at"),
        *("terminated_at", "power_state", "task_state", "vm_state", "progress", "user_id"),
    ),
    "2.90": ("hostname",),
}
ELSEWHERE = (
    *("status", "ip", "ip6", "all_tenants", "project_id", "tenant_id"),
    *("limit", "marker", "sort_key", "sort_dir"),
)
IGNORED = ("kernel_id", "ramdisk_id", "root_device_name", "auto_disk_config")
NEVER = (
    *("block_device_mapping", "services", "metadata", "system_metadata", "info_cache"),
    *("security_groups", "pci_devices"),
)


def filtered(call: Call, statement: Select[Any], *, may_all: bool) -> Select[Any] | None:
    """Narrow a select of servers to what the request asks for; None when that is nothing at all.

    Args:
        statement: Already limited to the projects that the caller may see.
        may_all: The caller may use every filter (policy ``allow_all_filters``).

    Raises:
        BadRequest: A filter that cannot be, or (from 2.75) one that nobody knows.
        Forbidden: Deleted servers are asked for by somebody who may not.
    """
    names = dict.fromkeys(call.params.keys())
    _check_names(call, names)
    allowed = set(CONDITIONS) if may_all else _for_anybody(call)
    for name in names:
        if name in allowed and name in CONDITIONS:
            statement = statement.where(CONDITIONS[name](call, call.params[name]))
    if "status" in names:
        status = _status(call, may_all)
        if status is None:
            return None
        statement = statement.where(status)
    return _by_address(call, statement, names, may_all)


def _check_names(call: Call, names: Iterable[str]) -> None:
    for name in names:
        if any("\0" in text for text in call.many(name)):
            raise BadRequest(f"Invalid input for query parameters {name[:40]!r}: it contains NUL.")
        if name in NEVER or name.startswith("_"):
            raise BadRequest(f"Invalid filter field: {name}.")
        known = name in CONDITIONS or name in ELSEWHERE or name in IGNORED
        if not known and call.at_least("2.75"):
            raise BadRequest(
                f"Invalid input for query parameters. Additional properties are not allowed "
                f"({name!r} was unexpected)."
            )


def _for_anybody(call: Call) -> set[str]:
    later = (
        name for since, names in ANYBODY_SINCE.items() if call.at_least(since) for name in names
    )
    return {*ANYBODY, *later}


def _status(call: Call, may_all: bool) -> ColumnElement[bool] | None:
    wanted = [text.upper() for text in call.many("status")]
    condition = has_status(wanted)
    if condition is None and call.at_least("2.38"):
        raise BadRequest("Invalid status value")
    if wanted == ["DELETED"] and not may_all:
        raise Forbidden("Only administrators may list deleted instances")
    return condition


def _by_address(
    call: Call, statement: Select[Any], names: Iterable[str], may_all: bool
) -> Select[Any]:
    """Keep servers with a fixed address that matches; addresses belong to the network room."""
    versions = {"ip": 4, "ip6": 6}
    wanted = [name for name in versions if name in names]
    if "ip6" in wanted and not (may_all or call.at_least("2.5")):
        wanted.remove("ip6")
    if not wanted:
        return statement
    patterns = {
        versions[name]: re.compile(safe_pattern(name, call.params[name])) for name in wanted
    }
    ids = call.session.scalars(statement.with_only_columns(Server.id)).all()
    ports = ports_of(call.session, ids)
    kept = [
        server_id
        for server_id in ids
        if all(
            any(
                pattern.match(fixed.address)
                for port in ports.get(server_id, ())
                for fixed in port.fixed_ips
                if fixed.version == version
            )
            for version, pattern in patterns.items()
        )
    ]
    return statement.where(Server.id.in_(kept))
