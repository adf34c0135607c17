"""Nobody reads the log: a full pipe on stderr, from the very first line on."""

import contextlib
import os
import signal
import subprocess
import sys

from tests.e2e.server import READY, ROOT, Server


def test_a_server_whose_log_nobody_reads_starts_serves_and_ends(new_server: Server) -> None:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writes, bytes(4096))
    os.set_blocking(writes, True)  # as a service manager gives it
    environment = new_server._environment() | {"GREENROOM_LOG_LEVEL": "debug"}
    process = subprocess.Popen(
        [sys.executable, "-m", "greenroom.supervisors", "serve", "--port", "0"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writes,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line.startswith(READY)
        new_server.port = int(line.rstrip("/\n").rpartition(":")[2])
        for _ in range(20):
            answer = new_server.request("POST", "/api/room/lobby/send", {"text": "hi"})
            assert answer.status == 200
        assert new_server.request("GET", "/health").status == 200
        assert b"greenroom_log_lines_dropped_total" in new_server.request("GET", "/metrics").body
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        for descriptor in (reads, writes):
            os.close(descriptor)
