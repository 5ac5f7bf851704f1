"""What this Image service can do: ways of import and stores, as clients ask before they upload."""

from __future__ import annotations

from typing import Any

from freehold.http import Call, Routes


def show_import(call: Call) -> dict[str, Any]:
    """Ways of import: none yet; images are uploaded."""
    return {
        "import-methods": {
            "description": "Import methods available.",
            "type": "array",
            "value": [],
        }
    }


def list_stores(call: Call) -> dict[str, Any]:
    """The one store: files of the service."""
    store = {"id": "file", "description": "Files on the control host's own disk", "default": "true"}
    return {"stores": [store]}


def routes(table: Routes) -> None:
    """Add the routes of discovery."""
    table.add("GET", "/info/import", show_import, policy="get_images")
    table.add("GET", "/info/stores", list_stores, policy="get_images")
