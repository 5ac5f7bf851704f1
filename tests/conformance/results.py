"""Turns stestr's binary stream on standard input into one JSON line for each test that ended.

Runs with Tempest's own Python, which has the reader of that stream; knows nothing of this checkout.
"""

import json
import sys

from subunit import ByteStreamToStreamResult
from testtools import StreamToDict


def tell(test):
    """One line: name, status, seconds, and what was said of a failure or a skip."""
    if test["status"] == "exists":  # told of every test before the run
        return
    begun, ended = test["timestamps"]
    said = {name: content.as_text() for name, content in test["details"].items()}
    line = {
        "name": test["id"].partition("[")[0],
        "status": test["status"],
        "seconds": round((ended - begun).total_seconds(), 2) if begun and ended else 0.0,
        "reason": said.get("reason", "") or said.get("traceback", "")[-4000:],
    }
    print(json.dumps(line), flush=True)


results = StreamToDict(tell)
results.startTestRun()
ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name="stdout").run(results)
results.stopTestRun()
