"""The slot of a task that waits for its answer; the digest that tells commands apart; the ids of those with a key."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from msgspec import Struct
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom import ANONYMOUS, SYSTEM, Done, Principal, Tell
from greenroom.actors.model.envelope import (
    LEVELS_MAX,
    Envelope,
    TaskSlot,
    asker_command_id,
    digest_of,
    own_command_id,
)
from greenroom.actors.model.errors import MalformedCommand, Overloaded


async def test_the_answer_wakes_the_asker(autojump_clock: MockClock) -> None:
    slot = TaskSlot()
    got: list[Any] = []

    async def ask() -> None:
        got.append(await slot.wait())

    async with trio.open_nursery() as nursery:  # owner: the test
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        slot.resolve(Done(), None)
    assert got == [Done()]


async def test_a_refusal_is_raised_at_the_asker(autojump_clock: MockClock) -> None:
    slot = TaskSlot()

    async def ask() -> None:
        with pytest.raises(Overloaded):
            await slot.wait()

    async with trio.open_nursery() as nursery:  # owner: the test
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        slot.reject(Overloaded("full"))


@pytest.mark.parametrize("refuse", [False, True])
async def test_an_answer_after_the_asker_gave_up_is_dropped(refuse: bool, autojump_clock: MockClock) -> None:
    slot = TaskSlot()
    with trio.move_on_after(1) as scope:
        await slot.wait()
    assert scope.cancelled_caught
    if refuse:
        slot.reject(Overloaded("late"))
    else:
        slot.resolve(Done(), None)
    await trio.sleep(1)  # nothing of it reaches this task


# The digest of a command: is a repeat the same command?


class Place(Struct, frozen=True):
    name: str
    floor: int = 0


class Book(Tell, tag="hotel.book"):
    places: list[Place]
    nights: int = 1


class NewPlace(Struct, frozen=True):
    name: str
    floor: int = 0
    view: str = "garden"


class NewBook(Tell, tag="hotel.book"):
    """As a later release has it."""

    places: list[NewPlace]
    nights: int = 1
    breakfast: bool = False
    notes: list[str] = []  # noqa: RUF012 - a field of a Struct, copied for each


class Unbook(Tell, tag="hotel.unbook"):
    places: list[Place]
    nights: int = 1


def test_the_key_is_no_part_of_the_command() -> None:
    place = [Place("a")]
    assert digest_of(Book(places=place, idempotency_key="k")) == digest_of(Book(places=place))


def test_other_fields_or_another_type_are_another_command() -> None:
    first = digest_of(Book(places=[Place("a", 1)], nights=2))
    others = [
        Book(places=[Place("b", 1)], nights=2),
        Book(places=[Place("a", 2)], nights=2),
        Book(places=[Place("a")], nights=2),
        Book(places=[Place("a", 1), Place("a", 1)], nights=2),
        Book(places=[Place("a", 1)]),
        Unbook(places=[Place("a", 1)], nights=2),
    ]
    assert first not in [digest_of(other) for other in others]
    assert len({digest_of(other) for other in others}) == len(others)


def test_to_a_release_that_adds_fields_it_is_the_same_command_still() -> None:
    old, new = Book(places=[Place("a", 1)]), NewBook(places=[NewPlace("a", 1)])
    assert digest_of(old) == digest_of(new)
    assert digest_of(NewBook(places=[NewPlace("a", 1)], breakfast=True)) != digest_of(old)
    assert digest_of(NewBook(places=[NewPlace("a", 1, "sea")])) != digest_of(old)


@dataclass(frozen=True)
class Guest:
    likes: frozenset[str]


class Gather(Tell, tag="hotel.gather"):
    tags: frozenset[str] = frozenset()
    places: frozenset[Place] = frozenset()
    mixed: set[int | str] = set()  # noqa: RUF012 - a field of a Struct, copied for each
    guest: Guest | None = None
    rooms: dict[int, set[str]] = {}  # noqa: RUF012 - likewise


def test_a_set_has_no_order_and_each_process_goes_through_it_in_its_own() -> None:
    """What is asked after a restart is asked of another hash seed."""
    body = (
        b'{"tags":["alpha","beta","gamma"],"places":[{"name":"a"},{"name":"b"},{"name":"c"}],"mixed":[1,"1",2,"x"],'
        b'"guest":{"likes":["tea","coffee","rum"]},"rooms":{"7":["x","y","z"],"4":[]}}'
    )
    program = (
        "import msgspec, test_envelope as t; from greenroom.actors.model.envelope import digest_of; "
        f"print(digest_of(msgspec.json.decode({body!r}, type=t.Gather)))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert digests == {b"%d\n" % digest_of(msgspec.json.decode(body, type=Gather))}


def test_an_object_has_no_order_either() -> None:
    one = msgspec.json.decode(b'{"rooms":{"7":["x"],"4":[]}}', type=Gather)
    other = msgspec.json.decode(b'{"rooms":{"4":[],"7":["x"]}}', type=Gather)
    assert digest_of(one) == digest_of(other)
    assert digest_of(one) != digest_of(msgspec.json.decode(b'{"rooms":{"4":["x"],"7":[]}}', type=Gather))


class Anything(Tell, tag="hotel.anything"):
    data: Any = None


@pytest.mark.bound("what is nested in a command with an idempotency key")
@pytest.mark.parametrize("levels", [LEVELS_MAX - 1, 500, 700, 900])
def test_what_is_nested_too_deeply_for_a_digest_is_malformed(levels: int) -> None:
    """By a bound of ours: what Python and the decoder take differs from one release to the next."""
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        inner = opening * levels + b"1" + closing * levels
        try:
            message = msgspec.json.decode(b'{"data":%b}' % inner, type=Anything)
        except RecursionError:
            continue  # the decoder says it already
        with pytest.raises(MalformedCommand):
            digest_of(message)


def test_what_is_nested_less_deeply_has_a_digest() -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        inner = opening * (LEVELS_MAX - 2) + b"1" + closing * (LEVELS_MAX - 2)
        assert digest_of(msgspec.json.decode(b'{"data":%b}' % inner, type=Anything))


# The id of a command that came with an idempotency key.


def test_senders_who_choose_the_same_key_do_not_meet() -> None:
    """Whatever their names hold: joined by a space alone, the first two would be one, and so the next two."""
    ids = [
        own_command_id(Principal(user="ann"), "x y"),
        own_command_id(Principal(user="ann x"), "y"),
        asker_command_id("saga:a", "b c"),
        asker_command_id("saga:a b", "c"),
        own_command_id(Principal(user="\0saga:a"), "b c"),
        own_command_id(Principal(user="saga:a"), "b c"),
        own_command_id(Principal(user="", client="saga:a"), "b c"),
        own_command_id(SYSTEM, "b c"),
        own_command_id(Principal(user="3 ann"), "y"),
    ]
    assert None not in ids
    assert len(set(ids)) == len(ids)


def test_a_users_key_counts_on_all_of_their_devices() -> None:
    phone, laptop = Principal(user="ann", client="phone"), Principal(user="ann", client="laptop")
    assert own_command_id(phone, "k") == own_command_id(laptop, "k")


def test_a_key_of_the_anonymous_counts_on_their_connection_and_nowhere_without_one() -> None:
    one, other = Principal(user="", client="one"), Principal(user="", client="other")
    assert own_command_id(one, "k") == own_command_id(one, "k")
    assert own_command_id(one, "k") != own_command_id(other, "k")
    assert own_command_id(ANONYMOUS, "k") is None
    envelope = Envelope.command(
        Unbook(places=[], idempotency_key="k"), ANONYMOUS, TaskSlot(), now=0.0, deadline=1.0, idempotency_key="k"
    )
    assert (envelope.command_id, envelope.digest) == (None, None)
