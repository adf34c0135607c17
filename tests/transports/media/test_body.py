"""What a request brings."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.transports.media.body import WAIT_S, Body, Gone, TooSlow


def body(*pieces: bytes, then: str = "end", every_s: float = 0.0, until: float = 1e9) -> Body:
    messages: list[Any] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if then != "nothing":
        last = {"end": {"type": "http.request", "body": b""}, "gone": {"type": "http.disconnect"}}
        messages.append(last[then])

    async def receive() -> Any:
        await trio.sleep(every_s if messages else 1e8)
        return messages.pop(0)

    return Body(receive, until=until)


async def read(one: Body) -> list[bytes]:
    return [piece async for piece in one.pieces()]


async def test_it_comes_piece_by_piece(autojump_clock: MockClock) -> None:
    assert await read(body(b"a", b"", b"b")) == [b"a", b"b"]
    assert await body(b"ab", b"c").read(3) == b"abc" and await body(b"ab", b"c").read(2) is None
    with pytest.raises(Gone):
        await read(body(b"a", then="gone"))
    await body(b"a", then="gone").gone()


@pytest.mark.bound("time of a request for media")
async def test_one_that_comes_too_slowly_is_ended(autojump_clock: MockClock) -> None:
    with pytest.raises(TooSlow):
        await read(body(b"a", then="nothing"))
    assert trio.current_time() == pytest.approx(WAIT_S)
    begun = trio.current_time()
    with pytest.raises(TooSlow):  # never long without a word, and never at its end
        await read(body(*[b"a"] * 1_000, every_s=WAIT_S - 1, until=begun + 100))
    assert trio.current_time() == pytest.approx(begun + 100)


async def test_what_still_comes_goes_by_for_a_while(autojump_clock: MockClock) -> None:
    one = body(b"a" * 10, b"b" * 10, b"c")
    await one.drain(15, 1.0)
    assert await read(one) == [b"c"], "no more than that"
    await body(then="nothing").drain(15, 1.0)
    assert trio.current_time() == pytest.approx(1.0)
    await body(then="gone").drain(15, 1.0)
