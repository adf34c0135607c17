"""One idempotency key, many senders at once: one event, and for all of them the first answer. Also through a kill."""

import asyncio
import http.client
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from centrifuge import CentrifugeError

from tests.e2e.sdk import connected, run
from tests.e2e.server import Server

REPEATS = 50
KEY = "one-key"
FIELDS = {"text": "once"}


def send(server: Server, room: str, fields: Any, key: str = KEY) -> tuple[int, Any]:
    """Until it is answered for good: status and body."""
    while True:
        try:
            answer = server.request(
                "POST",
                f"/api/{room.replace(':', '/')}/send",
                fields,
                user="ann",
                headers={"Idempotency-Key": key},
            )
        except (OSError, http.client.HTTPException):
            pass
        else:
            if answer.status not in (503, 504):
                return answer.status, answer.body
        time.sleep(0.02)  # as a client's backoff


async def send_by_websocket(client: Any, room: str, fields: Any, key: str = KEY) -> Any:
    while True:
        try:
            return (await client.rpc(f"{room}/send", {**fields, "idempotency_key": key})).data
        except (CentrifugeError, TimeoutError):
            await asyncio.sleep(0.02)


def all_at_once(server: Server, room: str, *, by_http: int, by_websocket: int, kill: bool = False) -> list[Any]:
    """The answers of so many senders, of whom each sends until it has one."""

    answers: list[Any] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(by_http + 4))
        async with connected(server, "ann") as one, connected(server, "ann") as other:
            sending = [
                *(asyncio.to_thread(send, server, room, FIELDS) for _ in range(by_http)),
                *(send_by_websocket((one, other)[number % 2], room, FIELDS) for number in range(by_websocket)),
            ]
            if kill:
                tasks = [asyncio.ensure_future(each) for each in sending[::2]]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                os.kill(server.pid, signal.SIGKILL)
                tasks += [asyncio.ensure_future(each) for each in sending[1::2]]
                await asyncio.to_thread(server.restart, kill=True)
            else:
                tasks = [asyncio.ensure_future(each) for each in sending]
            for answer in await asyncio.gather(*tasks):
                answers.append(answer[1] if isinstance(answer, tuple) and answer[0] == 200 else answer)

    run(scenario)
    return answers


def sent(server: Server, room: str) -> list[int]:
    return [one["offset"] for one in server.history(room) if one["data"].get("text") == FIELDS["text"]]


@pytest.mark.parametrize(("by_http", "by_websocket"), [(REPEATS, 0), (0, REPEATS), (REPEATS // 2, REPEATS // 2)])
def test_repeats_at_the_same_time_wait_for_the_first(
    server: Server, room: str, by_http: int, by_websocket: int
) -> None:
    answers = all_at_once(server, room, by_http=by_http, by_websocket=by_websocket)
    (offset,) = sent(server, room)
    assert answers[0]["offset"] == offset
    assert answers == [answers[0]] * REPEATS


def test_repeats_through_a_kill_of_the_server_get_the_first_answer(mortal_server: Server, room: str) -> None:
    """Some are answered before it, some not, and half of them come while no server runs."""
    server = mortal_server
    answers = all_at_once(server, room, by_http=REPEATS, by_websocket=REPEATS, kill=True)
    (offset,) = sent(server, room)
    assert answers[0]["offset"] == offset
    assert answers == [answers[0]] * (2 * REPEATS)
    assert send(server, room, FIELDS) == (200, answers[0])


def test_the_same_key_with_other_fields_is_refused_also_by_the_next_server(mortal_server: Server, room: str) -> None:
    server = mortal_server

    def refused() -> None:
        status, body = send(server, room, {"text": "another"})
        assert (status, body["error"]["name"], body["error"]["temporary"]) == (409, "command_id.reused", False)

        async def by_websocket() -> None:
            async with connected(server, "ann") as client:
                with pytest.raises(CentrifugeError) as caught:
                    await client.rpc(f"{room}/send", {"text": "another", "idempotency_key": KEY})
                assert "command_id.reused" in str(caught.value)

        run(by_websocket)

    first = send(server, room, FIELDS)
    refused()
    server.restart(kill=True)
    refused()
    assert send(server, room, FIELDS) == first
    assert sent(server, room) == [first[1]["offset"]]
    assert send(server, room, {"text": "another"}, key="another key")[0] == 200
