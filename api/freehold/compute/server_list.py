"""Reading servers: ``GET /servers``, ``/servers/detail``, ``/servers/{id}``."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from sqlalchemy import select, true
from sqlalchemy.orm import InstrumentedAttribute, lazyload, load_only, undefer
from sqlalchemy.sql.base import ExecutableOption

from freehold.access import Rule
from freehold.compute.server import Server, find_server
from freehold.compute.server_filter import filtered, is_true
from freehold.compute.server_status import power_state_sql, task_state_sql, vm_state_sql
from freehold.compute.server_wire import EXTENDED, around, basic_wire, wire
from freehold.errors import BadRequest, Forbidden
from freehold.http import Call, Listing, Page, Routes, SortKey

POLICY = "os_compute_api:servers"
RULES = [
    Rule(f"{POLICY}:index", "rule:admin_or_reader", "List servers"),
    Rule(f"{POLICY}:detail", "rule:admin_or_reader", "List servers with details"),
    Rule(f"{POLICY}:index:get_all_tenants", "rule:admin_required", "List servers of all projects"),
    Rule(f"{POLICY}:detail:get_all_tenants", "rule:admin_required", "The same with details"),
    Rule(f"{POLICY}:allow_all_filters", "rule:admin_required", "Use every filter of server lists"),
    Rule(f"{POLICY}:show", "rule:admin_or_reader", "Show a server"),
]


def _computed(expression: Any) -> InstrumentedAttribute[Any]:
    # A computed column sorts like one of the table's.
    return cast("InstrumentedAttribute[Any]", expression)


LISTING = Listing(
    id=Server.id,
    columns={
        "created_at": Server.created_at,
        "updated_at": Server.updated_at,
        "launched_at": Server.launched_at,
        "display_name": Server.name,
        "display_description": Server.description,
        "hostname": Server.hostname,
        "host": Server.host,
        "node": Server.host,
        "image_ref": Server.image_id,
        "instance_type_id": Server.flavor_id,
        "key_name": Server.key_name,
        "launch_index": Server.launch_index,
        "locked": Server.locked_by,
        "locked_by": Server.locked_by,
        "project_id": Server.project_id,
        "user_id": Server.user_id,
        "uuid": Server.id,
        "access_ip_v4": Server.access_ip_v4,
        "access_ip_v6": Server.access_ip_v6,
        "auto_disk_config": Server.disk_config,
        "availability_zone": Server.availability_zone,
        "vm_state": _computed(vm_state_sql()),
        "task_state": _computed(task_state_sql()),
        "power_state": _computed(power_state_sql()),
        "progress": _computed(power_state_sql()),
    },
    default_sort=(SortKey("created_at", descending=True),),
)
CONSTANT_SORT_KEYS = frozenset(
    {"config_drive", "kernel_id", "ramdisk_id", "root_device_name", "terminated_at"}
)
"""Valid, but the same for every server here."""
IGNORED_SORT_KEYS = frozenset(
    [
        "architecture",
        "cell_name",
        "cleaned",
        "default_ephemeral_device",
        "default_swap_device",
        "deleted",
        "deleted_at",
        "disable_terminate",
        "ephemeral_gb",
        "ephemeral_key_uuid",
        "id",
        "key_data",
        "launched_on",
        "memory_mb",
        "os_type",
        "reservation_id",
        "root_gb",
        "shutdown_terminate",
        "user_data",
        "vcpus",
        "vm_mode",
    ]
)
"""Refused from 2.75, left out in silence before (API reference, "List servers")."""
ADMIN_SORT_KEYS = frozenset({"host", "node"})


def list_servers(call: Call) -> dict[str, Any]:
    """Servers of the caller's project by id and name."""
    page = _page(call, "index", load_only(Server.name), lazyload(Server.tag_rows))
    shown: dict[str, Any] = {"servers": [basic_wire(call, server) for server in page.rows]}
    return shown | _next(call, page, "/servers")


def list_servers_detail(call: Call) -> dict[str, Any]:
    """The same with everything; three queries, however many servers."""
    page = _page(call, "detail", *_read(call))
    near = around(call.session, page.rows)
    shown: dict[str, Any] = {
        "servers": [wire(call, server, near, in_list=True) for server in page.rows]
    }
    return shown | _next(call, page, "/servers/detail")


def _read(call: Call) -> list[ExecutableOption]:
    """User data is read for operators only, who alone are shown it; tags from 2.26 on."""
    options: list[ExecutableOption] = []
    if call.at_least("2.3") and call.may(EXTENDED):
        options.append(undefer(Server.user_data))
    if not call.at_least("2.26"):
        options.append(lazyload(Server.tag_rows))
    return options


def show_server(call: Call, server_id: str) -> dict[str, Any]:
    """One server."""
    server = find_server(call, server_id, f"{POLICY}:show")
    return {"server": wire(call, server, around(call.session, [server]))}


def _page(call: Call, verb: str, *options: ExecutableOption) -> Page[Server]:
    may_all = call.may(f"{POLICY}:allow_all_filters")
    limit = LISTING.limit(call.params.get("limit"))
    sort = _sort(call)
    if "all_tenants" in call.params and _every_project(call):
        call.enforce(f"{POLICY}:{verb}:get_all_tenants")
        project_id = call.params.get("project_id") or call.params.get("tenant_id")
        visible = select(Server).where(Server.project_id == project_id if project_id else true())
    else:
        visible = select(Server).where(Server.project_id == call.caller.project_id)
    statement = filtered(call, visible, may_all=may_all)
    if statement is None or limit == 0:
        return Page([], more=False)
    return LISTING.page(
        call.session,
        statement.options(*options),
        sort=sort,
        limit=limit,
        marker=call.params.get("marker"),
    )


def _every_project(call: Call) -> bool:
    text = call.params["all_tenants"]
    return text == "" or is_true("all_tenants", text)


def _sort(call: Call) -> list[SortKey]:
    """Nova's sort keys: constant and ignored ones drop out together with their direction."""
    keys, directions = call.many("sort_key"), call.many("sort_dir")
    kept: list[str] = []
    kept_directions: list[str] = []
    for position, key in enumerate(keys):
        direction = directions[position] if position < len(directions) else "desc"
        if key in ADMIN_SORT_KEYS and not call.may(f"{POLICY}:allow_all_filters"):
            raise Forbidden(f"Only administrators can sort servers by {key}")
        ignored = key in IGNORED_SORT_KEYS or (key == "locked" and not call.at_least("2.73"))
        if ignored and call.at_least("2.75"):
            raise BadRequest(f"Invalid input for query parameters sort_key: {key!r}.")
        if not ignored and key not in CONSTANT_SORT_KEYS:
            kept.append(key)
            kept_directions.append(direction)
    return LISTING.sort_keys(kept, kept_directions)


def _next(call: Call, page: Page[Server], path: str) -> dict[str, Any]:
    if not page.more:
        return {}
    kept = [(key, value) for key, value in call.params.multi_items() if key != "marker"]  # type: ignore[attr-defined]
    query = urlencode([*kept, ("marker", page.rows[-1].id)])
    return {"servers_links": [{"rel": "next", "href": call.url(f"/compute/v2.1{path}?{query}")}]}


def routes(table: Routes) -> None:
    """Serve them."""
    table.add("GET", "/servers", list_servers, policy=f"{POLICY}:index")
    table.add("GET", "/servers/detail", list_servers_detail, policy=f"{POLICY}:detail")
    table.add("GET", "/servers/{server_id}", show_server, policy=f"{POLICY}:show")
