"""The Compute API's version: its microversion range, its documents, and the one route table.

The range is nova's of 2024.1 (REST API version history, 2.1 to 2.96); each resource file answers in
the form of the microversion that was asked, where a change in the history touches what it serves.
"""

from __future__ import annotations

from freehold.http import ApiVersion, Microversion, Routes, version_routes

VERSION = ApiVersion(
    "compute",
    "v2.1",
    "/compute/v2.1",
    "2013-07-23T11:33:21Z",
    minimum=Microversion(2, 1),
    maximum=Microversion(2, 96),
    legacy_header="X-OpenStack-Nova-API-Version",
)
TABLE = Routes(VERSION)
VERSION_ROUTES = version_routes(VERSION)
