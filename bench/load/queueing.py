"""Commands to a queue, over one connection."""

import http.client
import json
import time
from typing import Any

from bench.server import Server

LOOK_S = 0.02  # between two looks at how many are left
LEFT_S = 120.0
IDLE_S = 5.0  # after which a connection is opened anew


class Queueing:
    """Of one queue."""

    def __init__(self, server: Server, token: str, queue: str) -> None:
        self._connection = http.client.HTTPConnection(*server.address, timeout=60.0)
        # A queue that works on jobs on a busy machine may keep one waiting; that is what is measured, and no failure.
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "X-Request-Timeout": "30",
        }
        self._queue = queue
        self._used_at = 0.0

    def command(self, name: str, **fields: object) -> dict[str, Any]:
        return self._ask("POST", f"/api/queue/{self._queue}/{name}", json.dumps(fields))

    def unfinished(self) -> int:
        count: int = self._ask("GET", f"/api/queue/{self._queue}", "")["view"]["unfinished"]
        return count

    def _ask(self, method: str, path: str, body: str) -> dict[str, Any]:
        if self._used_at + IDLE_S < time.monotonic():
            self._connection.close()  # the server may have done so; the next request opens it again
        self._connection.request(method, path, body or None, self._headers)
        response = self._connection.getresponse()
        said = response.read()
        self._used_at = time.monotonic()
        assert response.status == 200, said[:300]
        found: dict[str, Any] = json.loads(said)
        return found

    def wait_until_done(self, left: int = 0) -> float:
        """The moment when at most so many were left, of the performance counter."""
        until = time.monotonic() + LEFT_S
        while self.unfinished() > left:
            assert time.monotonic() < until, f"jobs were not done within {LEFT_S:g} s"
            time.sleep(LOOK_S)
        return time.perf_counter()

    def work(self, *, left: int = 0) -> float:
        """Jobs a second, until so many are left; the queue was paused."""
        jobs = self.unfinished() - left
        begun = time.perf_counter()
        self.command("resume")
        return jobs / (self.wait_until_done(left) - begun)
