"""Greenroom as process 1, as in a container without an init: what a killed Postgres leaves behind is buried."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.server import Server, wait_until

UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def may_unshare() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def children(pid: int) -> dict[int, str]:
    """The state of each child of `pid`, by its number out here."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid:
            found[int(folder.name)] = state
    return found


@pytest.mark.skipif(not may_unshare(), reason="needs to be allowed to make a PID namespace")
def test_no_zombies_are_left_of_a_postgres_that_was_killed() -> None:
    server = Server(program=(*UNSHARE, sys.executable, "-m", "greenroom.supervisors"))
    try:
        server.start()
        server.command("room:x", "send", {"text": "hi"})
        (one,) = children(server.pid)  # process 1 of the namespace
        (postmaster,) = [pid for pid in children(one) if b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(children(postmaster)) > 3
        os.kill(postmaster, signal.SIGKILL)

        def answers() -> bool:
            return server.request("POST", "/api/room/x/send", {"text": "again"}).status == 200

        wait_until(answers, "Postgres to be back", within_s=30.0)
        time.sleep(5.0)  # the bound that is promised
        assert "Z" not in children(one).values()
    finally:
        server.kill()  # which ends all of the namespace; `unshare` passes no other signal on
        server.remove()
