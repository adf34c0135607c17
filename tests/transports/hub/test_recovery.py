from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import NOTED
from greenroom.config.limits import HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub import recovery
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.recovery import from_journal, from_tail, warm_tail
from greenroom.transports.hub.topic import Topic
from tests.transports.world import Note, World

A = "note:a"


def topic_at(made: World, **config: Any) -> Topic:
    """The topic of the entity as it is, without a tail."""
    hub = Hub(Kinds((Note,)), HubConfig(**config), Instruments(), wake=lambda: None, kicked_everywhere=lambda _: None)
    found = made.entity(A)
    return hub.topic(A, found.epoch, found.offset)


def stock(count: int) -> World:
    made = World()
    for _ in range(count):
        made.publish(A)
    return made


def remember(topic: Topic, offset: int) -> None:
    topic.offset = offset
    topic.remember(Publication(StoredEvent(offset, 0, b"{}"), topic.epoch))


def offsets(missed: Any) -> list[int] | None:
    return None if missed.publications is None else [one.offset for one in missed.publications]


@pytest.mark.parametrize(
    ("epoch", "offset", "most", "answer"),
    [
        ("epoch1", 5, 10, []),
        ("", 5, 10, []),
        ("epoch1", 4, 10, [5]),
        ("epoch1", 3, 2, [4, 5]),
        ("epoch1", 3, 1, None),
        ("epoch1", 6, 10, None),
        ("other", 5, 10, None),
        ("other", 4, 10, None),
        ("epoch1", 1, 10, "ask the journal"),
    ],
)
def test_what_the_tail_knows(epoch: str, offset: int, most: int, answer: Any) -> None:
    topic = topic_at(stock(3))
    remember(topic, 4)
    remember(topic, 5)
    missed = from_tail(topic, epoch=epoch, offset=offset, most=most)
    assert (offsets(missed) if missed is not None else "ask the journal") == answer


async def test_the_journal_has_what_the_tail_has_not() -> None:
    made = stock(50)
    for config in ({}, {"tail_events": 0}, {"tail_events": 7}):
        topic = topic_at(made, **config)
        found = await from_journal(made.services.reading, topic, epoch="epoch1", offset=3, most=100, bytes_max=10**6)
        assert offsets(found) == list(range(4, 51))
        assert len(topic.tail) == config.get("tail_events", 50)


async def test_what_is_published_while_the_journal_is_read_comes_too_and_once() -> None:
    made = stock(10)
    topic = topic_at(made, tail_events=3)
    made.journal.hold()
    found: list[Any] = []

    async def read() -> None:
        found.append(await from_journal(made.services.reading, topic, epoch="", offset=0, most=100, bytes_max=10**6))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        for offset in range(11, 16):
            made.publish(A)
            remember(topic, offset)
        made.publish(A)  # durable already, not released yet
        made.journal.release()
    assert offsets(found[0]) == list(range(1, 16))


async def test_a_young_tail_is_filled_once_for_all_who_wait_for_it() -> None:
    made = stock(10)
    topic = topic_at(made)
    made.journal.hold()
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(warm_tail, made.services.reading, topic)
        await wait_all_tasks_blocked()
        made.journal.release()
    assert made.journal.reads == 1
    assert offsets(from_tail(topic, epoch="epoch1", offset=0, most=10)) == list(range(1, 11))


async def test_a_topic_that_begins_anew_meanwhile_leaves_nobody_waiting_and_mixes_nothing() -> None:
    made = stock(10)
    topic = topic_at(made)
    made.journal.hold()
    found: list[Any] = []

    async def read() -> None:
        found.append(
            offsets(await from_journal(made.services.reading, topic, epoch="", offset=2, most=99, bytes_max=10**6))
        )

    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            topic.restart("epoch2", 10)
            made.journal.release()
    assert found == [None, None]


async def test_a_store_that_is_down_says_so_and_the_next_asks_the_journal_itself() -> None:
    made = stock(10)
    topic = topic_at(made)
    made.journal.down = True
    with pytest.raises(StoreUnavailable):
        await warm_tail(made.services.reading, topic)
    made.journal.down = False
    found = await from_journal(made.services.reading, topic, epoch="epoch1", offset=8, most=10, bytes_max=10**6)
    assert offsets(found) == [9, 10]


async def test_holes_are_never_skipped() -> None:
    for missing, known in ((4, None), (3, None), (2, [3, 4, 5])):
        made = stock(5)
        made.entity(A).events = [one for one in made.entity(A).events if one.offset != missing]
        for tail in (0, 512):
            topic = topic_at(made, tail_events=tail)
            found = await from_journal(made.services.reading, topic, epoch="epoch1", offset=2, most=10, bytes_max=10**6)
            assert offsets(found) == known


async def test_more_than_the_bound_is_not_known() -> None:
    made = stock(20)
    for tail in (0, 5, 512):
        topic = topic_at(made, tail_events=tail)
        for most, bytes_max, known in ((17, 10**6, True), (16, 10**6, False), (17, 500, False)):
            found = await from_journal(
                made.services.reading,
                topic,
                epoch="epoch1",
                offset=3,
                most=most,
                bytes_max=bytes_max,
            )
            assert (offsets(found) == list(range(4, 21))) is known


async def test_an_entity_that_nobody_knows_has_no_history() -> None:
    made = World()
    topic = topic_at(made)
    topic.offset = 5
    made.entities.clear()
    found = await from_journal(made.services.reading, topic, epoch="epoch1", offset=3, most=10, bytes_max=10**6)
    assert offsets(found) is None


HIDDEN = StoredEvent(0, 0, NOTED)


def hide(made: World, count: int) -> None:
    """Events that are kept for their command's id alone."""
    found = made.entity(A)
    for _ in range(count):
        found.offset += 1
        found.events.append(msgspec.structs.replace(HIDDEN, offset=found.offset))


@pytest.mark.parametrize("tail_events", [0, 512])
async def test_what_is_hidden_was_not_missed(tail_events: int) -> None:
    made = stock(3)
    hide(made, 40)
    made.publish(A)
    for offset, expected in ((3, [44]), (2, [3, 44]), (1, None), (43, [44]), (44, [])):
        topic = topic_at(made, tail_events=tail_events)
        found = await from_journal(made.services.reading, topic, epoch="epoch1", offset=offset, most=2, bytes_max=10**6)
        assert offsets(found) == expected, offset


async def test_a_search_through_what_is_hidden_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "READ_MIN", 10)
    made = stock(1)
    hide(made, 100)
    topic = topic_at(made, tail_events=0)
    found = await from_journal(made.services.reading, topic, epoch="epoch1", offset=1, most=5, bytes_max=10**6)
    assert offsets(found) is None
    assert made.journal.reads == 1 + recovery.ROUNDS_MAX


async def test_a_tail_that_was_forgotten_is_read_again_and_has_no_hole() -> None:
    made = stock(10)
    topic = topic_at(made)
    await warm_tail(made.services.reading, topic)
    assert topic.forget() > 10 * len(b"{}")
    assert (len(topic.tail), topic.tail_bytes) == (0, 0)
    for offset in (11, 12):
        made.publish(A)
        remember(topic, offset)
    for _ in range(3):
        found = await from_journal(made.services.reading, topic, epoch="epoch1", offset=3, most=100, bytes_max=10**6)
        assert offsets(found) == list(range(4, 13))
    assert made.journal.reads == 2, "once for all who come"


async def test_a_tail_that_is_being_filled_is_kept() -> None:
    made = stock(10)
    topic = topic_at(made)
    made.journal.hold()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(warm_tail, made.services.reading, topic)
        await wait_all_tasks_blocked()
        made.publish(A)
        remember(topic, 11)
        assert topic.forget() == 0
        made.journal.release()
    assert offsets(from_tail(topic, epoch="epoch1", offset=0, most=20)) == list(range(1, 12))
