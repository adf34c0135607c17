"""What links promise, each once, to be kept over every carrier: `test_carried_links.py` has them kept
over memory, `test_carrier_redis.py` over Redis."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import pytest
import trio

from greenroom.actors.model.errors import Overloaded, Unavailable
from greenroom.config.limits import BusConfig
from greenroom.transports.bus.carrier import Carrier
from tests.transports.bus.ends import ANN, BEN, End, two_ends

CONFIG = BusConfig(silent_s=1.5, absent_s=0.5)
PATIENT = BusConfig(silent_s=60.0, absent_s=60.0)


class Surroundings(Protocol):
    """A carrier to try links over, and what can be done to it."""

    def carrier(self, node: int) -> Carrier: ...

    async def wipe(self) -> None: ...

    async def go(self) -> None:
        """Away, until it comes back."""

    async def come_back(self) -> None: ...

    async def depth(self, node: int) -> int: ...


async def frames_arrive_in_order_and_once(around: Surroundings) -> None:
    async with two_ends(around.carrier, CONFIG) as (ann, ben):
        there = [b"there %d" % number for number in range(500)]
        back = [b"back %d" % number for number in range(500)]
        for number in range(500):
            ann.links.send(BEN, there[number])
            ben.links.send(ANN, back[number])
            if not number % 50:
                await trio.sleep(0.0002)
        await ben.hears(*there)
        await ann.hears(*back)
        assert not ann.partings + ben.partings


async def frames_of_any_size_arrive(around: Surroundings) -> None:
    async with two_ends(around.carrier, BusConfig(entry_bytes_max=4096, window_bytes=8192)) as (ann, ben):
        sizes = (0, 1, 100, 4096, 3 << 20, 5000, 0, 1 << 20, 8)
        frames = [bytes([number]) * size for number, size in enumerate(sizes)]
        for frame in frames:
            ann.links.send(BEN, frame)
        await ben.hears(*frames)


async def what_was_read_is_gone_from_the_inbox(around: Surroundings) -> None:
    async with two_ends(around.carrier, CONFIG) as (ann, ben):
        for number in range(300):
            ann.links.send(BEN, b"%d" % number)
            await trio.lowlevel.checkpoint()
        await ben.until(lambda: len(ben.frames) == 300)
        with trio.fail_after(10):
            while await around.depth(BEN) > 1:  # noqa: ASYNC110 - the last is removed with the next read
                await trio.sleep(0.05)


async def an_answer_may_be_sent_as_a_frame_comes(around: Surroundings) -> None:
    async with two_ends(around.carrier, CONFIG) as (ann, ben):
        ben.on_frame = lambda node, frame: ben.links.send(node, b"re: " + frame)
        answers = [b"re: %d" % number for number in range(20)]
        for number in range(20):
            ann.links.send(BEN, b"%d" % number)
            await ann.hears(*answers[: number + 1])


async def a_forgotten_node_parts_once_and_is_not_heard_again(around: Surroundings) -> None:
    async with two_ends(around.carrier, CONFIG) as (ann, ben):
        ann.links.send(BEN, b"before")
        await ben.hears(b"before")
        ann.links.forget(BEN)
        ann.links.forget(BEN)
        assert ann.heard == [(BEN, None)]
        with pytest.raises(Unavailable):
            ann.links.send(BEN, b"after")
        ben.links.send(ANN, b"of the dead")
        await ben.until(lambda: ben.partings > 0)  # its acknowledgement never comes
        assert ann.heard == [(BEN, None)]


async def who_was_never_heard_of_may_be_forgotten(around: Surroundings) -> None:
    async with two_ends(around.carrier, CONFIG) as (ann, _):
        ann.links.forget(BEN)
        assert not ann.heard
        with pytest.raises(Unavailable):
            ann.links.send(BEN, b"after")


async def a_wiped_carrier_loses_nothing(around: Surroundings) -> None:
    ann, ben = End(ANN, around.carrier(ANN), PATIENT), End(BEN, around.carrier(BEN), PATIENT)
    frames = [b"%d" % number for number in range(200)]
    async with trio.open_nursery() as nursery:  # owner: the test
        await nursery.start(ann.links.run)
        for frame in frames[:100]:
            ann.links.send(BEN, frame)
        with trio.fail_after(20):
            while not await around.depth(BEN):  # noqa: ASYNC110 - somebody else's clock
                await trio.sleep(0.01)
        await around.wipe()
        await nursery.start(ben.links.run)
        for frame in frames[100:]:
            ann.links.send(BEN, frame)
        await ben.hears(*frames)
        assert not ann.partings + ben.partings
        nursery.cancel_scope.cancel()


async def a_carrier_that_is_away_for_a_moment_costs_latency_only(around: Surroundings) -> None:
    async with two_ends(around.carrier, BusConfig(silent_s=15.0, absent_s=10.0)) as (ann, ben):
        ann.links.send(BEN, b"before")
        await ben.hears(b"before")
        await around.go()
        await trio.sleep(0.3)
        ann.links.send(BEN, b"meanwhile")
        await around.come_back()
        ann.links.send(BEN, b"after")
        await ben.hears(b"before", b"meanwhile", b"after")
        assert not ann.partings + ben.partings


async def a_carrier_that_stays_away_parts_the_link_and_it_begins_anew(around: Surroundings) -> None:
    async with two_ends(around.carrier, CONFIG) as (ann, ben):
        ann.links.send(BEN, b"before")
        await ben.hears(b"before")
        await around.go()
        with trio.fail_after(20):
            while True:
                try:
                    ann.links.send(BEN, b"refused or lost")
                except Unavailable:
                    break
                await trio.sleep(0.05)
        await ann.until(lambda: ann.partings > 0)
        await around.come_back()
        with trio.fail_after(20):
            while True:
                try:
                    ann.links.send(BEN, b"after")
                    break
                except Unavailable:
                    await trio.sleep(0.05)
        await ben.until(lambda: (ANN, b"after") in ben.heard)
        assert ben.heard == [(ANN, b"before"), (ANN, None), (ANN, b"after")]
        assert ann.partings == 1


async def what_is_queued_has_a_bound(around: Surroundings) -> None:
    config = BusConfig(queue_frames_max=100, queue_bytes_max=1 << 20)
    async with two_ends(around.carrier, config) as (ann, ben):
        for number in range(100):
            ann.links.send(BEN, b"%d" % number)
        with pytest.raises(Overloaded):
            ann.links.send(BEN, b"one too many")
        await ann.links.drained()
        ann.links.send(BEN, bytes(2 << 20))
        with pytest.raises(Overloaded):
            ann.links.send(BEN, b"")
        await ben.until(lambda: len(ben.frames) == 101)
        assert not ben.partings


async def drained_means_arrived(around: Surroundings) -> None:
    async with two_ends(around.carrier, CONFIG) as (ann, ben):
        await ann.links.drained()  # nothing was
        for _ in range(1000):
            ann.links.send(BEN, bytes(1000))
        with trio.fail_after(20):
            await ann.links.drained()
        await ben.until(lambda: len(ben.frames) == 1000)


async def drained_is_of_what_was_queued_before(around: Surroundings) -> None:
    """Who stops goes on to send for its clients: it would else wait as long as they speak."""
    async with two_ends(around.carrier, CONFIG) as (ann, ben), trio.open_nursery() as nursery:

        async def send_on() -> None:
            while True:
                with suppress(Overloaded):
                    ann.links.send(BEN, b"more")
                await trio.sleep(0.0002)

        for number in range(100):
            ann.links.send(BEN, b"%d" % number)
        nursery.start_soon(send_on)
        with trio.fail_after(5):
            await ann.links.drained()
        assert (ANN, b"99") in ben.heard
        nursery.cancel_scope.cancel()


async def three_nodes_keep_their_links_apart(around: Surroundings) -> None:
    cat = 0xCA7
    async with two_ends(around.carrier, CONFIG) as (ann, ben):
        ann.links.send(cat, b"to nobody")
        ben.links.send(cat, b"to nobody")
        for number in range(100):
            ann.links.send(BEN, b"%d" % number)
        await ben.hears(*[b"%d" % number for number in range(100)])
        ann.links.forget(cat)
        assert ann.heard == [(cat, None)]


Promise = Callable[[Surroundings], Awaitable[None]]
PROMISES: tuple[Promise, ...] = (
    frames_arrive_in_order_and_once,
    frames_of_any_size_arrive,
    what_was_read_is_gone_from_the_inbox,
    an_answer_may_be_sent_as_a_frame_comes,
    a_forgotten_node_parts_once_and_is_not_heard_again,
    who_was_never_heard_of_may_be_forgotten,
    a_wiped_carrier_loses_nothing,
    a_carrier_that_is_away_for_a_moment_costs_latency_only,
    a_carrier_that_stays_away_parts_the_link_and_it_begins_anew,
    what_is_queued_has_a_bound,
    drained_means_arrived,
    drained_is_of_what_was_queued_before,
    three_nodes_keep_their_links_apart,
)
