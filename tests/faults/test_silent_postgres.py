"""A whole node whose connections to Postgres go silent at once: open, and nothing passes any more. New ones work."""

import time

import pytest

from greenroom.store.postgres.silence import DOUBTED_S
from tests.e2e.server import Server
from tests.faults.load import under_load
from tests.store.postgres.peers.proxy_thread import proxy_thread

STATEMENT_S = 1.5
# What is promised: a statement's time, and that of those in doubt; then a claim of the entity, on a slow machine.
PROMISED_S = STATEMENT_S + DOUBTED_S + 4.0


@pytest.mark.parametrize("answers_only", [False, True], ids=["nothing passes", "answers are lost"])
def test_commands_are_answered_again_in_time_and_nothing_is_lost_or_done_twice(
    answers_only: bool, database_url: str, redis_url: str, room: str
) -> None:
    """Where the answers alone are lost, what was asked has landed, and whoever asked has to find out."""
    with proxy_thread(database_url) as proxy:
        server = Server(
            GREENROOM_DATABASE_URL=proxy.url,
            GREENROOM_REDIS_URL=redis_url,
            GREENROOM_STORE_STATEMENT_TIMEOUT_S=str(STATEMENT_S),
        )
        try:
            server.start()
            server.command("room:asleep", "send", {"text": "before"})
            with under_load(server, room, timeout_s=1.0) as load:
                before = proxy.wires
                proxy.silence(answers_only=answers_only)
                silent_at = time.monotonic()
                load.wait_for(20)
                assert time.monotonic() - silent_at < PROMISED_S
                assert proxy.wires > before and load.attempts_failed > 0, "it went through new connections"
                # An entity that has to be woken, a read, and the probe: each over connections of other kinds.
                for method, path in (
                    ("POST", f"/api/room/new-{answers_only}/send"),
                    ("GET", "/api/room/asleep/history"),
                    ("GET", "/ready"),
                ):
                    assert server.request(method, path, {"text": "x"} if method == "POST" else None).status == 200
                assert time.monotonic() - silent_at < 2 * PROMISED_S
            assert server.running
        finally:
            print(server.log()[-20_000:])
            server.remove()
