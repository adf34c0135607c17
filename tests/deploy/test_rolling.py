"""Nodes between nginx and PgBouncer are restarted one after the other while clients go on, as docs/run/deploying.md has
it; then one is killed."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.deploy.nginx import NAME, PROGRAM, Nginx
from tests.deploy.pgbouncer import PgBouncer
from tests.deploy.test_nginx import Client
from tests.e2e.conftest import need
from tests.e2e.server import Server, wait_until

ROOMS = 4
REPEAT_S = 0.1  # as a client waits before it sends again
WAITS_S = 15.0  # a client gives up; a busy machine takes its time


@pytest.fixture
def nodes(narrow: PgBouncer, redis_url: str) -> Iterator[list[Server]]:
    need("nginx", Path(PROGRAM).exists())
    with ExitStack() as made:
        servers = [
            Server(
                GREENROOM_DATABASE_URL=narrow.url,
                GREENROOM_REDIS_URL=redis_url,
                GREENROOM_NODES="0",
                GREENROOM_ALLOWED_ORIGINS=f"https://{NAME}",  # by which name nginx asks
            )
            for _ in range(2)
        ]
        for server in servers:
            made.callback(server.remove)
            server.launch()
        for server in servers:
            server.until_ready(0)
        yield servers


class Sender(threading.Thread):
    """Sends to one room, over a new connection each time, until told to stop; each text until it is acknowledged."""

    def __init__(self, client: Client, room: str) -> None:
        super().__init__()
        self._client, self._room = client, room
        self.stop = threading.Event()
        self.acknowledged: list[str] = []
        self.refused: list[int] = []
        self.waited_s = 0.0

    def run(self) -> None:
        while not self.stop.is_set():
            text = str(len(self.acknowledged))
            began = time.monotonic()
            body = {"text": text, "idempotency_key": text}
            while (status := self._client.ask("POST", f"/api/room/{self._room}/send", body).status) != 200:
                self.refused.append(status)
                assert time.monotonic() - began < WAITS_S, f"{status} for too long"
                self.stop.wait(REPEAT_S)
            self.waited_s = max(self.waited_s, time.monotonic() - began)
            self.acknowledged.append(text)
            self.stop.wait(0.02)


def commands(node: Server) -> float:
    """That it has answered."""
    lines = node.request("GET", "/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("greenroom_commands_total"))


def go_on(senders: list[Sender]) -> None:
    """Each has been heard a few times more."""
    before = [len(sender.acknowledged) for sender in senders]
    for sender, heard in zip(senders, before, strict=True):
        wait_until(lambda sender=sender, heard=heard: len(sender.acknowledged) > heard + 5, "senders", within_s=30)  # type: ignore[misc]


def test_a_rolling_restart_and_a_kill_lose_and_double_nothing(nodes: list[Server]) -> None:
    with Nginx(*(node.port for node in nodes)) as nginx:
        client = Client(nginx, "")
        senders = [Sender(client, f"rolled-{number}") for number in range(ROOMS)]
        for sender in senders:
            sender.start()
        try:
            for node in nodes:
                go_on(senders)
                node.restart()
                wait_until(lambda node=node: commands(node) > 0, "nginx to ask it again", within_s=30)  # type: ignore[misc]
            go_on(senders)
            assert all(len(sender.refused) <= len(nodes) for sender in senders), "once, where a connection just closed"
            nodes[0].kill()  # what it had, the other wakes from the journal
            go_on(senders)
        finally:
            for sender in senders:
                sender.stop.set()
            for sender in senders:
                sender.join()
        for number, sender in enumerate(senders):
            said = [one["data"]["text"] for one in nodes[1].history(f"room:rolled-{number}") if "text" in one["data"]]
            assert said == sender.acknowledged
            assert sender.waited_s < WAITS_S
            assert set(sender.refused) <= {429, 502, 503, 504}, "nothing but: come again"
            first = {"text": "0", "idempotency_key": "0"}
            assert client.ask("POST", f"/api/room/rolled-{number}/send", first).status == 200
            assert len(nodes[1].history(f"room:rolled-{number}")) == len(said) + 1, "a repeat is known"
    assert nodes[1].request("GET", "/ready").status == 200
    assert nodes[1].greenroom("dead-letters", "list").strip()
