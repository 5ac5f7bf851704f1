"""The one route table of ``/v1`` in this room."""

from freehold.http import ApiVersion, Routes

TABLE = Routes(ApiVersion("freehold", "v1", "/v1", "2026-11-21T00:00:00Z"))
