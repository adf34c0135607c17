"""Killed in the middle of a thousand sends: what was acknowledged is there once and in order, and is seen once.

Senders over WebSocket keep several sends on the way, senders over HTTP one. Each send has an idempotency key and is
sent again, under that key, until it is acknowledged. Watchers resume by offset: with the SDK over WebSocket, and over
`/events` with `Last-Event-ID`.
"""

import asyncio
import http.client
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from centrifuge import CentrifugeError, Client

from tests.e2e.event_stream import EventStream
from tests.e2e.sdk import Watch, connected, run, until, watching
from tests.e2e.server import Server, wait_until

WEBSOCKET_SENDERS, HTTP_SENDERS, SENDS_EACH = 5, 5, 100
WINDOW = 8  # sends of one WebSocket sender on the way at once
KILL_AT = 400  # acknowledged sends of 1,000
WATCHERS, STREAMS = 3, 2


@dataclass
class Tally:
    """What has been acknowledged, and at which offset; strikes when there are enough."""

    strike: Callable[[], None]
    offsets: dict[str, int] = field(default_factory=dict)
    struck: bool = False
    retried: int = 0

    def acknowledge(self, text: str, offset: int) -> None:
        assert text not in self.offsets
        self.offsets[text] = offset
        if len(self.offsets) >= KILL_AT and not self.struck:
            self.struck = True
            self.strike()


@pytest.mark.parametrize("victim", ["server", "postgres", "valkey"])
def test_a_kill_in_the_middle_of_a_thousand_sends(mortal_server: Server, room: str, victim: str) -> None:
    server = mortal_server
    killed = {"server": lambda: server.pid, "postgres": server.postgres_pid, "valkey": server.valkey_pid}[victim]()
    assert killed is not None
    tally = Tally(strike=lambda: os.kill(killed, signal.SIGKILL))
    server.command(room, "join", user="owner")
    streams = [EventStream(server, room) for _ in range(STREAMS)]
    watches: list[Watch] = []

    async def scenario() -> None:
        # The default of asyncio is fewer threads than this test blocks at once.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(STREAMS + HTTP_SENDERS + 4))
        async with asyncio.TaskGroup() as group:
            for stream in streams:
                group.create_task(asyncio.to_thread(stream.follow))
            group.create_task(revive())
            group.create_task(watch_and_send())

    async def revive() -> None:
        await until(lambda: tally.struck, "the kill", within_s=60.0)
        if victim == "server":
            await asyncio.to_thread(server.restart, kill=True)

    async def watch_and_send() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                ended = asyncio.Event()
                ready = [asyncio.Event() for _ in range(WATCHERS)]
                for number, event in enumerate(ready):
                    group.create_task(keep_watching(f"watcher{number}", event, ended))
                for event in ready:
                    await event.wait()
                async with asyncio.TaskGroup() as sending:
                    for number in range(WEBSOCKET_SENDERS):
                        sending.create_task(send_by_websocket(server, room, f"ws{number}", tally))
                    for number in range(HTTP_SENDERS):
                        sending.create_task(asyncio.to_thread(send_by_http, server, room, f"http{number}", tally))
                last = server.history(room)[-1]["offset"]
                for watch in watches:

                    def watched(watch: Watch = watch) -> bool:
                        return bool(watch.offsets[-1:] == [last])

                    await until(watched, "a watcher to have seen the last")
                ended.set()
                for stream in streams:

                    def streamed(stream: EventStream = stream) -> bool:
                        return stream.offsets[-1:] == [last]

                    await until(streamed, "a stream to have seen the last")
        finally:
            for stream in streams:
                stream.end_soon()

    async def keep_watching(user: str, ready: asyncio.Event, ended: asyncio.Event) -> None:
        async with connected(server, user) as client:
            _, watch = await watching(client, room, recoverable=True)
            watches.append(watch)
            ready.set()
            await ended.wait()

    run(scenario)

    everything = server.history(room)
    assert [one["offset"] for one in everything] == list(range(1, len(everything) + 1))
    messages = {one["offset"]: one["data"] for one in everything if one["data"]["type"] == "room.message"}

    # Every acknowledged message is in the history exactly once, where the acknowledgement said; nothing else is.
    assert len(tally.offsets) == (WEBSOCKET_SENDERS + HTTP_SENDERS) * SENDS_EACH
    assert {offset: message["text"] for offset, message in messages.items()} == {
        offset: text for text, offset in tally.offsets.items()
    }
    assert set(Counter(message["text"] for message in messages.values()).values()) == {1}

    # In order for each sender.
    for sender in {message["author"] for message in messages.values()}:
        numbers = [int(message["text"].split()[1]) for message in messages.values() if message["author"] == sender]
        assert numbers == list(range(SENDS_EACH)), sender

    # Whoever watched has seen each exactly once, and what the history holds.
    for watch in watches:
        assert watch.offsets == list(range(2, len(everything) + 1))  # the join was before
        assert [pub.data for pub in watch.publications if pub.offset] == [one["data"] for one in everything[1:]]
        assert all(context.recovered for context in watch.subscribed[1:])
    for stream in streams:
        assert stream.offsets == list(range(2, len(everything) + 1))
        assert stream.views == 1  # every later connection resumed

    if victim == "server":
        assert tally.retried > 0, "the kill has hit nobody: it came too late or too early"
        assert all(len(watch.subscribed) == 2 for watch in watches)
    else:  # started again, by the server that needs it
        pid_of = server.postgres_pid if victim == "postgres" else server.valkey_pid
        wait_until(lambda: pid_of() not in (None, killed), f"another {victim}")
        whole = {"store": "ok", "redis": "ok", "draining": False}
        wait_until(lambda: server.request("GET", "/ready").body == whole, "the server to be ready again")


async def send_by_websocket(server: Server, room: str, sender: str, tally: Tally) -> None:
    """Several on the way at once; after an error those without an answer again, in their order."""

    async def send(client: Client, number: int) -> None:
        text = f"{sender} {number}"
        answer = await client.rpc(f"{room}/send", {"text": text, "idempotency_key": text})
        tally.acknowledge(text, answer.data["offset"])

    waiting = list(range(SENDS_EACH))
    async with connected(server, sender) as client:
        while waiting:
            batch = waiting[:WINDOW]
            outcomes = await asyncio.gather(*(send(client, number) for number in batch), return_exceptions=True)
            for number, outcome in zip(batch, outcomes, strict=True):
                if outcome is None:
                    waiting.remove(number)
                elif isinstance(outcome, CentrifugeError | TimeoutError):
                    tally.retried += 1
                else:
                    raise outcome
            if any(outcomes):
                await asyncio.sleep(0.02)  # as a client's backoff; the SDK waits for its connection by itself


def send_by_http(server: Server, room: str, sender: str, tally: Tally) -> None:
    """One after the other, each again until it is acknowledged."""
    connection = server.connection()
    for number in range(SENDS_EACH):
        text = f"{sender} {number}"
        while True:
            try:
                answer = server.request(
                    "POST",
                    f"/api/{room.replace(':', '/')}/send",
                    {"text": text},
                    user=sender,
                    headers={"Idempotency-Key": text},
                    connection=connection,
                )
            except (OSError, http.client.HTTPException):
                connection.close()  # it connects again by itself
                tally.retried += 1
                time.sleep(0.02)  # as a client's backoff
                continue
            if answer.status == 200:
                tally.acknowledge(text, answer.body["offset"])
                break
            assert answer.status in (503, 504), answer
            assert answer.body["error"]["temporary"], answer
            tally.retried += 1
            time.sleep(0.02)
    connection.close()
