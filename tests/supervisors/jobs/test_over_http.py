"""A queue over HTTP: what is sent, what an answer becomes, and connections that are kept."""

import json
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import h11
import msgspec
import pytest
import trio

from greenroom.actors.jobs.queue.messages import Finished, Leave, Take, Taken
from greenroom.actors.model.errors import InvalidCommand, Refused, Unavailable
from greenroom.actors.model.message import Done
from greenroom.supervisors.jobs import over_http
from greenroom.supervisors.jobs.over_http import OverHttp


class Server:
    """Answers as the test says: status and body, or None to hang up."""

    def __init__(self, answers: list[tuple[int, bytes] | None]) -> None:
        self.answers = answers
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.connections = 0
        self.url = ""

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        protocol = h11.Connection(h11.SERVER)
        while True:
            event: Any = protocol.next_event()
            if event is h11.NEED_DATA:
                protocol.receive_data(bytes(await stream.receive_some(65_536)))
            elif isinstance(event, h11.Request):
                target, body = event.target.decode(), b""
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.requests.append((target, headers, json.loads(body)))
                answer = self.answers.pop(0)
                if answer is None:
                    return
                said = h11.Response(status_code=answer[0], headers=[("Content-Length", str(len(answer[1])))])
                await stream.send_all((protocol.send(said) or b"") + (protocol.send(h11.Data(data=answer[1])) or b""))
                protocol.send(h11.EndOfMessage())
                protocol.start_next_cycle()
            else:
                return


@asynccontextmanager
async def server(*answers: tuple[int, bytes] | None) -> AsyncIterator[Server]:
    one = Server(list(answers))
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, one.serve, 0, host="127.0.0.1"))
        one.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield one
        nursery.cancel_scope.cancel()


def token() -> str:
    return "secret"


TAKE: Take = Take(worker="w", most=2)
TAKEN = b'{"token":5,"jobs":[{"id":"x","job":"job.x","arguments":{"n":1},"attempt":1,"attempts_max":5}]}'


async def test_a_message_is_the_command_of_its_entity_and_the_answer_its_reply() -> None:
    async with server((200, TAKEN), (200, b"{}")) as one:
        ask = OverHttp(one.url + "/below/", token)
        taken = await ask("queue:a b/c", TAKE)
        assert isinstance(taken, Taken) and taken.token == 5 and bytes(taken.jobs[0].arguments) == b'{"n":1}'
        assert await ask("queue:q", Leave(worker="w")) == Done()
        await ask.aclose()
    (target, headers, body), (second, _, _) = one.requests
    assert (target, second) == ("/below/api/queue/a%20b%2Fc/take", "/below/api/queue/q/leave")
    assert headers["authorization"] == "Bearer secret" and float(headers["x-request-timeout"]) > 30
    assert msgspec.convert(body, Take) == TAKE
    assert one.connections == 1, "it was kept"


@pytest.mark.parametrize(
    ("status", "answer", "wanted"),
    [
        (409, b'{"error":{"code":409,"name":"queue.lease_over","message":"gone","temporary":false}}', Refused),
        (429, b'{"error":{"code":429,"name":"overloaded","message":"later","temporary":true}}', Unavailable),
        (503, b'{"error":{"code":503,"name":"unavailable","message":"later","temporary":true}}', Unavailable),
        (502, b"<html>", Unavailable),
        (404, b"<html>", Refused),
        (200, b"<html>", Unavailable),
    ],
)
async def test_what_the_server_says_no_with(status: int, answer: bytes, wanted: type[Exception]) -> None:
    async with server((status, answer)) as one:
        with pytest.raises(wanted):
            await OverHttp(one.url, token)("queue:q", TAKE)


async def test_a_connection_that_was_kept_and_is_closed_is_made_anew() -> None:
    async with server((200, TAKEN), None, (200, TAKEN)) as one:
        ask = OverHttp(one.url, token)
        await ask("queue:q", TAKE)
        await ask("queue:q", TAKE)
        assert one.connections == 2 and len(one.requests) == 3


async def test_a_server_that_is_away_or_hangs_up_is_out_of_reach() -> None:
    async with server(None) as one:
        with pytest.raises(Unavailable):
            await OverHttp(one.url, token)("queue:q", TAKE)
    with pytest.raises(Unavailable):
        await OverHttp(one.url, token)("queue:q", TAKE)


async def test_another_token_is_asked_for_when_one_does_not_count() -> None:
    tokens = iter(["old", "new"])
    async with server((401, b"{}"), (200, TAKEN)) as one:
        await OverHttp(one.url, lambda: next(tokens))("queue:q", TAKE)
        assert [headers["authorization"] for _, headers, _ in one.requests] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("bad", ["sec\nret", "secr\u00e9t", " \x00secret"])
async def test_a_token_that_is_no_header_is_not_shown(bad: str) -> None:
    async with server() as one:
        with pytest.raises(Unavailable) as raised:
            await OverHttp(one.url, lambda: bad)("queue:q", TAKE)
    shown = "".join(traceback.format_exception(raised.value))
    assert "sec" not in str(raised.value) and repr(bad)[1:-1] not in shown and raised.value.__cause__ is None


async def test_what_is_no_json_is_refused_and_not_sent() -> None:
    async with server() as one:
        message: Take = Take(worker="w", finished=[Finished("0" * 32, 1, error="half \ud83d")])
        with pytest.raises(InvalidCommand, match="can't be sent"):
            await OverHttp(one.url, token)("queue:q", message)
        assert not one.requests


@pytest.mark.parametrize("status", [401, 403, 404, 302])
async def test_a_server_that_never_let_us_in_is_not_asked_for_ever(status: int) -> None:
    answer = b'{"error":{"code":401,"name":"unauthorized","message":"no","temporary":false}}'
    async with server((status, answer), (status, answer)) as one:
        ask = OverHttp(one.url, token)
        with pytest.raises(Refused):
            await ask("queue:q", TAKE)
        assert ask.denied.is_set() and str(status) in ask.denied_why


async def test_one_that_had_let_us_in_is_asked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    no = (403, b"{}")
    async with server((200, TAKEN), no, (200, TAKEN), no, no) as one:
        ask = OverHttp(one.url, token)
        await ask("queue:q", TAKE)
        for is_last in (False, True):
            with pytest.raises(Refused):
                await ask("queue:q", TAKE)
            if not is_last:
                await ask("queue:q", TAKE)
        assert not ask.denied.is_set()
        monkeypatch.setattr(over_http, "DENIED_S", 0.0)
        with pytest.raises(Refused):
            await ask("queue:q", TAKE)
        assert ask.denied.is_set()


async def test_who_does_not_wait_any_more_leaves_no_connection_half_used() -> None:
    async with server((200, TAKEN), (200, TAKEN)) as one:
        ask = OverHttp(one.url, token)
        with trio.CancelScope() as scope:
            scope.cancel()
            await ask("queue:q", TAKE)
        await ask("queue:q", TAKE)
        assert scope.cancelled_caught
