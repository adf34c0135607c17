"""Postgres and Valkey restarted, killed and stopped under load: a pause, and nothing that was acknowledged is lost."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.e2e.server import Server, wait_until
from tests.faults.load import under_load
from tests.faults.peer import Closed, Peer, connected


class Watcher:
    """A client that stays connected through it all."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.offsets: list[int] = []
        self.others: list[Any] = []  # whatever came that is no publication

    def read(self) -> None:
        try:
            for message in self._peer.messages(pong=True, within_s=120):
                if not isinstance(message, Closed) and "pub" in message.get("push", {}):
                    self.offsets.append(message["push"]["pub"]["offset"])
                else:
                    self.others.append(message)
        except EOFError as error:
            self.others.append(error)

    def sees(self, last: int) -> None:
        """Every publication up to `last`, once and in order, and nothing else."""
        done = lambda: bool(self.others) or (bool(self.offsets) and self.offsets[-1] >= last)  # noqa: E731
        wait_until(done, f"the watcher to see {last}")
        assert not self.others
        assert self.offsets == list(range(1, len(self.offsets) + 1))


@contextlib.contextmanager
def watching(server: Server, room: str) -> Iterator[Watcher]:
    with connected(server, "watcher") as peer:
        peer.ask(subscribe={"channel": room})
        watcher = Watcher(peer)
        reading = threading.Thread(target=watcher.read)
        reading.start()
        try:
            yield watcher
        finally:
            peer.close()
            reading.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["fast shutdown", "killed"])
def test_postgres_restarted_under_load(server: Server, room: str, number: signal.Signals) -> None:
    """SIGINT is what `pg_ctl stop -m fast` sends. Whoever watches sees it through, without a gap."""
    before = server.postgres_pid()
    assert before is not None
    with watching(server, room) as watcher:
        with under_load(server, room) as load:
            os.kill(before, number)
            wait_until(lambda: _new_postgres(server, before), "Postgres to be started again", within_s=60)
        watcher.sees(max(load.acknowledged.values()))
    assert server.request("GET", "/ready").status == 200


def _new_postgres(server: Server, before: int) -> bool:
    try:
        return server.postgres_pid() != before
    except (OSError, IndexError, ValueError):  # gone, or being written
        return False


def test_a_stopped_postgres_is_waited_for(server: Server, room: str) -> None:
    """Every process of it, for three seconds: as when a disk hangs. Deadlines tell the senders, nobody else notices."""
    postgres = server.postgres_pid()
    assert postgres is not None
    processes = [postgres, *_children(postgres)]
    with connected(server, "zoe") as peer:  # she and the room are awake
        assert "rpc" in peer.rpc("room:no-store-needed/typing")
    with under_load(server, room):
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped_at = time.monotonic()
        try:
            with connected(server, "zoe") as peer:  # what needs no store goes on
                assert "subscribe" in peer.ask(subscribe={"channel": "room:no-store-needed"})
                assert "rpc" in peer.rpc("room:no-store-needed/typing")
            assert server.request("GET", "/health").status == 200
            wait_until(lambda: server.request("GET", "/ready").status == 503, "not to be ready")  # a second old at most
            wait_until(lambda: time.monotonic() - stopped_at > 3.0, "three seconds")
        finally:
            for pid in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: server.request("GET", "/ready").status == 200, "to be ready again")


def _children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_without_postgres_the_deadline_answers_and_nothing_is_done_later_unasked(server: Server, room: str) -> None:
    """Refused for now, with a status that says so; what was refused may be in the history, but never twice."""
    with under_load(server, room, retry=False, timeout_s=0.2) as load:
        postgres = server.postgres_pid()
        assert postgres is not None
        os.kill(postgres, signal.SIGKILL)
        wait_until(lambda: load.attempts_failed > 0, "senders to feel it", within_s=30)
    wait_until(lambda: server.request("GET", "/ready").status == 200, "the store to be back", within_s=60)
    load.check()
    assert set(load.refused.values()) <= {"unavailable", "outcome_unknown", "deadline_exceeded", "overloaded"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_valkey_restarted_under_load(server: Server, room: str, number: signal.Signals) -> None:
    """It holds hints only: no sender and no watcher feels anything."""
    before = server.valkey_pid()
    assert before is not None
    with watching(server, room) as watcher:
        with under_load(server, room) as load:
            os.kill(before, number)
            wait_until(lambda: server.valkey_pid() != before, "Valkey to be started again", within_s=30)
        assert load.attempts_failed == 0
        watcher.sees(max(load.acknowledged.values()))
    wait_until(lambda: server.request("GET", "/health").body["redis"] == "reached", "Valkey to be reached", within_s=30)
