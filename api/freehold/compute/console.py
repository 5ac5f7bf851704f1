"""The console log: ``os-getConsoleOutput``, read from the host while the tenant waits."""

from __future__ import annotations

import re
from typing import Any

from freehold.access import Rule
from freehold.compute.server import Server
from freehold.errors import BadRequest, Conflict
from freehold.http import Call, Later, Reply
from freehold.jobs import Question

POLICY = "os_compute_api:os-console-output"
RULES = [Rule(POLICY, "rule:admin_or_member", "Read a server's console log")]
ALL = -1
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f]")


def output(call: Call, server: Server, argument: Any) -> Later:
    """The last ``length`` lines; without one, or with -1, all that the host gives."""
    lines = _lines(argument)
    if server.host is None:
        raise Conflict(f"Instance {server.id} is not ready: it has no host.")
    question = Question("console_log.yml", server.host, _variables(server, lines))
    ask = call.request.app.state.ask

    def finish() -> Reply:
        text = str(ask(question).get("output", ""))
        return Reply({"output": _CONTROL.sub("", text)}, 200)

    return Later(finish)


def _variables(server: Server, lines: int | None) -> dict[str, str | int]:
    variables: dict[str, str | int] = {"freehold_server_id": server.id}
    return variables if lines is None else {**variables, "freehold_lines": lines}


def _lines(argument: Any) -> int | None:
    if not isinstance(argument, dict) or set(argument) - {"length"}:
        raise BadRequest("Invalid input for os-getConsoleOutput: it has length and nothing else.")
    length = argument.get("length")
    if length is None:
        return None
    if isinstance(length, str) and re.fullmatch(r"-?[0-9]{1,9}", length):
        length = int(length)
    if not isinstance(length, int) or isinstance(length, bool) or length < ALL:
        raise BadRequest("Invalid input for length: a number of lines, or -1 for all.")
    return None if length == ALL else length
