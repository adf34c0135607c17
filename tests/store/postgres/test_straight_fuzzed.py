"""The straight way against a peer that cuts, splits, errs and goes at every byte: an answer is the statement's own or
an error that says what it must, and whatever comes next is answered as ever."""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from greenroom.store.errors import DataRefused, OutcomeLost, StoreUnavailable
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from tests.store.postgres.peers.scripted_peer import READY, Peer, answer, message, problem, row, scripted, status

ASK = "SELECT $1::int4 AS number"
WHOLE = answer(struct.pack("!i", 1))
FATAL = problem("FATAL", "57P01")
NOTICE = message(b"N", b"SNOTICE\0VNOTICE\0C00000\0MEEE\0\0")


class Scripted:
    """A connection to such a peer. `parts` is what the next statement is answered with, each part by itself."""

    def __init__(self) -> None:
        self.connection: Connection
        self.parts: list[bytes] | None = None
        self.goes = False  # after them
        self.said = trio.Event()  # all of them
        self.looks = False  # at the socket, between two of them
        self._asked = 0

    async def script(self, peer: Peer, value: bytes) -> None:
        parts, self.parts = self.parts, None
        if parts is None:
            await peer.say(answer(value))
            return
        try:
            for number, part in enumerate(parts):
                if number:
                    await trio.testing.wait_all_tasks_blocked()
                await peer.say(part)
                if number and self.looks and self.connection._straight is not None:
                    self.connection._straight.is_closed()
            if self.goes:
                await peer.stream.aclose()
        finally:
            self.said.set()

    async def is_well(self) -> None:
        """The next statement has its own answer."""
        self.goes = False
        self._asked += 1
        found = await self.connection.fetch(ASK, 1_000 + self._asked, write=True)
        assert [tuple(one) for one in found] == [(1_000 + self._asked,)]

    async def hear(self, *parts: bytes, goes: bool = False) -> list[tuple[object, ...]]:
        self.parts, self.goes, self.said = list(parts), goes, trio.Event()
        try:
            return [tuple(one) for one in await self.connection.fetch(ASK, 1, write=True)]
        finally:
            await self.said.wait()


@asynccontextmanager
async def speaking() -> AsyncIterator[Scripted]:
    found = Scripted()
    with trio.fail_after(30):
        async with Bridge() as bridge, scripted(found.script) as url:
            found.connection = Connection(bridge, url, application_name="scripted")
            await found.is_well()  # it is prepared from now on
            yield found
            await found.connection.aclose()


def splits(said: bytes) -> list[list[bytes]]:
    return [[said[:at], said[at:]] for at in range(1, len(said))]


@pytest.mark.parametrize("before", [b"", NOTICE, status("application_name", "E")])
async def test_an_answer_may_come_in_two_parts(before: bytes) -> None:
    async with speaking() as peer:
        for parts in splits(before + WHOLE):
            assert await peer.hear(*parts) == [(1,)]
        await peer.hear(*(WHOLE[at : at + 1] for at in range(len(WHOLE))))
        await peer.is_well()
        assert peer.connection.connects == 1


async def test_an_answer_that_is_cut_is_none() -> None:
    async with speaking() as peer:
        for at in range(len(WHOLE)):
            with pytest.raises(OutcomeLost):
                await peer.hear(WHOLE[:at] or message(b"2"), goes=True)
            await peer.is_well()


@pytest.mark.parametrize("before", [b"", message(b"2"), message(b"2") + row(bytes(4)) * 3])
async def test_an_error_amid_an_answer_is_its_end(before: bytes) -> None:
    async with speaking() as peer:
        for parts in splits(before + problem("ERROR", "23505") + READY):
            with pytest.raises(DataRefused):
                await peer.hear(*parts)
        await peer.is_well()
        assert peer.connection.connects == 1


@pytest.mark.parametrize(("late", "goes"), [(FATAL, True), (NOTICE, False), (NOTICE + FATAL, True)])
@pytest.mark.parametrize("looks", [False, True])
async def test_what_is_said_behind_an_answer_is_no_part_of_the_next(late: bytes, goes: bool, looks: bool) -> None:
    """However much of it comes along with the answer, and however much each look at the socket finds."""
    async with speaking() as peer:
        peer.looks = looks
        for at in range(1, len(late) + 1):
            assert await peer.hear(WHOLE + late[:at], late[at:], goes=goes) == [(1,)]
            await peer.is_well()
            assert await peer.hear(WHOLE, late[:at], late[at:], goes=goes) == [(1,)]
            await peer.is_well()


async def test_a_last_word_that_came_with_an_answer_is_heard_before_the_peer_is_gone() -> None:
    """Or what is written next would be lost with it."""
    async with speaking() as peer:
        for number, at in enumerate((1, 5, len(FATAL) // 2, len(FATAL)), 2):
            assert await peer.hear(WHOLE + FATAL[:at]) == [(1,)]
            await peer.is_well()
            assert peer.connection.connects == number


@pytest.mark.parametrize(
    "said",
    [
        READY,
        b"D\0\0\0\0",
        b"\xff" * 64,
        b"N\0\0\0\x06\xff\xff",
        message(b"S", b"\xff"),
    ],
)
async def test_what_is_not_the_protocol_ends_the_session_alone(said: bytes) -> None:
    async with speaking() as peer:
        for parts in ([WHOLE, said], [WHOLE + said], [said + WHOLE]):
            with suppress(StoreUnavailable, OutcomeLost):
                await peer.hear(*parts, goes=True)
            await peer.is_well()
