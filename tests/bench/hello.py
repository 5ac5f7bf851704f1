"""The least that the same server can be asked for: what its figures are compared with in a run."""

from __future__ import annotations

from typing import Any

_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"17")]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer every request with a constant."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": b'{"hello":"world"}'})
