"""Stopping: SIGTERM drains and loses nothing, a second one is obeyed at once, and nobody needs our output."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.e2e.server import READY, ROOT, Server, wait_until
from tests.faults.load import under_load
from tests.faults.peer import Closed, connected


def test_sigterm_drains_and_clients_resume_where_they_were(fresh_server: Server, room: str) -> None:
    """Under load: what was acknowledged is there at the next start, and a client that comes back misses nothing."""
    fresh_server.start()
    seen: list[int] = []
    with connected(fresh_server, "watcher") as watcher:
        subscribed = watcher.ask(subscribe={"channel": room})["subscribe"]
        with under_load(fresh_server, room) as load:
            assert fresh_server.stop() == 0
            for message in watcher.messages(pong=True):
                if isinstance(message, Closed):
                    assert message == Closed(3001, "shutdown")
                elif "pub" in message.get("push", {}):
                    seen.append(message["push"]["pub"]["offset"])
            assert seen == list(range(1, len(seen) + 1))
            acknowledged = max(load.acknowledged.values())
            assert seen[-1] >= acknowledged  # the last words were heard before the goodbye
            fresh_server.start()
    last = max(load.acknowledged.values())
    with connected(fresh_server, "watcher") as watcher:
        position = {"recover": True, "epoch": subscribed["epoch"], "offset": seen[-1]}
        again = watcher.ask(subscribe={"channel": room, **position})["subscribe"]
        assert again["recovered"] is True and again["epoch"] == subscribed["epoch"]
        seen += [one["offset"] for one in again.get("publications", ())]
        assert seen == list(range(1, last + 1))


def test_a_drain_waits_for_nobody_for_ever(fresh_server: Server) -> None:
    """An entity that works for minutes, idle connections of both kinds, half a head: it stops all the same."""
    fresh_server._settings |= {"GREENROOM_DRAIN_S": "1"}
    fresh_server.start()
    idle = fresh_server.connection()
    idle.connect()
    with connected(fresh_server) as peer, connected(fresh_server):
        peer.command(rpc={"method": "slow:x/work", "data": {"name": "w", "seconds": 600}})
        began = time.monotonic()
        assert fresh_server.stop() == 0
        assert time.monotonic() - began < 15
        messages = list(peer.messages(pong=True))
    idle.close()
    assert messages[-1] == Closed(3001, "shutdown")


def test_a_second_signal_is_obeyed_at_once(fresh_server: Server) -> None:
    fresh_server._settings |= {"GREENROOM_DRAIN_S": "600"}
    fresh_server.start()
    own = [fresh_server.postgres_pid(), fresh_server.valkey_pid()]
    with connected(fresh_server) as peer:
        # Two pieces of work: the second holds up the drain for as long as the handler may take.
        for name in ("one", "two", "three"):
            peer.command(rpc={"method": "slow:x/work", "data": {"name": name, "seconds": 600}})
        process = fresh_server._process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: '"draining"' in fresh_server.log(), "the drain to begin")

        def insist() -> bool:
            """Half a second after the first: until then it counts as the same wish, passed on by somebody."""
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            return process.poll() is not None

        wait_until(insist, "the second signal to be obeyed")
        assert process.wait(10) == 1
        assert "second signal" in fresh_server.log()
    wait_until(lambda: not any(psutil.pid_exists(pid) and _alive(pid) for pid in own if pid), "our own servers to end")
    fresh_server.start()


def _alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def test_sigterm_during_the_start_ends_it(new_server: Server) -> None:
    """While the database is being made: no server stays behind, and the next start is as if nothing had been."""
    process = subprocess.Popen(
        [sys.executable, "-m", "greenroom.supervisors", "serve", "--port", "0"],
        cwd=ROOT,
        env=new_server._environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    wait_until(lambda: (new_server.data / "lock").exists(), "the start to begin", within_s=60)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode != 0 and READY.encode() not in out
    assert b"Traceback" not in out
    new_server.start()


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_a_server_whose_output_is_closed_serves_all_the_same(fresh_server: Server, closed: str) -> None:
    """Closed from the start, as `>&-` does it."""
    redirects = {"stdout": ">&-", "stderr": "2>&-", "both": ">&- 2>&-"}[closed]
    port = _free_port()
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$0" -m greenroom.supervisors serve --port {port} {redirects}', sys.executable],
        cwd=ROOT,
        env=fresh_server._environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _serves(fresh_server, port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_reader_of_the_output_that_goes_away_is_not_missed(fresh_server: Server) -> None:
    """As with `greenroom serve | head -1`."""
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "greenroom.supervisors", "serve", "--port", str(port)],
        cwd=ROOT,
        env=fresh_server._environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    process.stdout.close()
    try:
        _serves(fresh_server, port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def _serves(server: Server, port: int, process: "subprocess.Popen[bytes]") -> None:
    server.port, server.url = port, f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert process.poll() is None, f"ended with {process.returncode}"
        with contextlib.suppress(OSError):
            return server.request("GET", "/ready").status == 200
        return False

    wait_until(ready, "the server to be ready", within_s=60)
    server.command("room:x", "send", {"text": "hi"})
    with connected(server) as peer:  # logs a line about the bad command
        peer.send_text(b"{")
        assert peer.end().code == 3501
    assert server.history("room:x")[-1]["data"]["text"] == "hi"


def _free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_ctrl_c_is_a_drain_too(fresh_server: Server) -> None:
    fresh_server.start()
    process = fresh_server._process
    assert process is not None
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(30) == 0
    assert "drained" in fresh_server.log()
