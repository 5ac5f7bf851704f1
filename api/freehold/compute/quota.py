"""Limits of the Compute API where an operator set none, with nova's names and defaults."""

from __future__ import annotations

from freehold.errors import BadRequest
from freehold.http import Call
from freehold.identity import project_exists

QUOTA_DEFAULTS = {
    "instances": 10,
    "cores": 20,
    "ram": 51200,
    "metadata_items": 128,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    "key_pairs": 100,
    "server_groups": 10,
    "server_group_members": 10,
}
SERVICE = "compute"


def require_project(call: Call, project_id: str) -> None:
    """Refuse (BadRequest, as nova does) to give something to a project that there is not."""
    if not project_exists(call.session, project_id):
        raise BadRequest(f"Project ID {project_id} is not a valid project.")
