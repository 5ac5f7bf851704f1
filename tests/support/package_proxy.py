"""A road to package mirrors for machines that have none: a forward proxy on one address.

``python -m tests.support.package_proxy ADDRESS PORT`` passes GET requests on and keeps nothing. It
is for plain HTTP, as Debian's archives are read (what comes is signed), and listens on the lab's
own bridge only.
"""

from __future__ import annotations

import shutil
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PASSED_ON = ("If-Modified-Since", "Range", "If-Range", "User-Agent")
PASSED_BACK = ("Content-Length", "Content-Type", "Content-Range", "Last-Modified", "ETag")
TIMEOUT_S = 60


class Forward(BaseHTTPRequestHandler):
    """One request of a machine, asked again by this computer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Ask the origin, stream its answer."""
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        asked = urllib.request.Request(self.path, headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:
                self._head(answer.status, answer.headers)
                shutil.copyfileobj(answer, self.wfile, 1 << 20)
        except urllib.error.HTTPError as error:
            self._head(error.code, {"Content-Length": "0"})
        except OSError as error:
            print(f"{self.path}: {error}", file=sys.stderr, flush=True)
            self._head(502, {"Content-Length": "0"})

    def _head(self, status: int, headers: object) -> None:
        self.send_response(status)
        for name in PASSED_BACK:
            value = headers.get(name)  # type: ignore[attr-defined]
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are not worth a line each."""


def main() -> None:
    """Serve until ended."""
    address, port = sys.argv[1:]
    ThreadingHTTPServer((address, int(port)), Forward).serve_forever()


if __name__ == "__main__":
    main()
