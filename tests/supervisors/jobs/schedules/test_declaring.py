"""What the code declares is made so as a node starts, on a node that can be asked, and later on one that can't."""

from collections.abc import Sequence
from random import Random
from typing import Any

import trio
from trio.testing import MockClock

from greenroom import schedule
from greenroom.actors.jobs.schedule.book.messages import Compare
from greenroom.actors.jobs.schedule.declared import DeclaredSchedule
from greenroom.actors.model.errors import Refused, Unavailable
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.store.ownership.referee import Member, State
from greenroom.supervisors.jobs.schedules.declaring import COMPARE_S, Declaring, is_newest
from greenroom.supervisors.supervision.backoff import Backoff
from tests.actors.jobs.schedule.stage import Report
from tests.supervisors.jobs.schedules.park import Park


async def declare(
    park: Park,
    declared: Sequence[DeclaredSchedule],
    failing: Sequence[Exception] = (),
    instruments: JobInstruments | None = None,
) -> list[Any]:
    """On a node that starts. `failing`: what its first questions come to. What was asked."""
    asked: list[Any] = []
    fails = list(failing)

    async def ask(entity: str, message: Any) -> Any:
        asked.append(message)
        if fails:
            raise fails.pop(0)
        return await park.kernel.router.ask(entity, message)

    async def is_there(entity: str) -> bool:
        return entity in park.rows.by_entity

    async def act() -> None:
        declaring = Declaring(
            declared,
            ask=ask,
            is_there=is_there,
            new_backoff=lambda: Backoff(random=Random(0), first_s=0.1, max_s=1.0),
            instruments=instruments,
        )
        with trio.move_on_after(10.0):
            await declaring.run()

    await park.live(act, works=False)
    return asked


def book(park: Park) -> dict[str, str]:
    """How each stands, as the book has it by its events."""
    stands: dict[str, str] = {}
    for event in park.events("schedules:all"):
        match event:
            case {"type": "schedules.entered", "entry": entry}:
                stands[entry["name"]] = entry["state"]
            case {"type": "schedules.vanished", "names": names}:
                stands.update(dict.fromkeys(names, "orphaned"))
    return stands


def types(park: Park, name: str) -> list[str]:
    return [event["type"].removeprefix("schedule.") for event in park.events(f"schedule:{name}")]


A = schedule("a", Report(), every=4)
B = schedule("b", Report(), cron="0 3 * * *")


async def test_what_is_declared_is_made_and_once(autojump_clock: MockClock) -> None:
    park = Park()
    await declare(park, [A, B])
    assert book(park) == {"a": "active", "b": "active"}
    assert [tick for tick, _ in park.fired("a")] == [4]  # the first job goes on
    assert len(await declare(park, [A, B])) == 1
    assert types(park, "b") == ["was_set"]


async def test_where_nothing_is_and_nothing_was_nobody_is_woken(autojump_clock: MockClock) -> None:
    park = Park()
    assert await declare(park, []) == []


async def test_what_is_declared_no_more_fires_no_more(autojump_clock: MockClock) -> None:
    park = Park()
    await declare(park, [A])
    await declare(park, [])
    fired = len(park.fired("a"))
    await declare(park, [B])
    assert book(park) == {"a": "orphaned", "b": "active"}
    assert types(park, "a")[-1] == "orphaned"
    assert len(park.fired("a")) == fired
    await declare(park, [A, B])
    assert book(park) == {"a": "active", "b": "active"}


async def test_what_is_declared_otherwise_is_changed(autojump_clock: MockClock) -> None:
    park = Park()
    await declare(park, [B])
    await declare(park, [schedule("b", Report(of="x"), cron="0 3 * * *")])
    assert [event["spec"].get("arguments") for event in park.events("schedule:b")] == [{"of": "all"}, {"of": "x"}]


async def test_it_goes_on_until_it_could_and_says_once_what_is_wrong(autojump_clock: MockClock) -> None:
    park = Park()
    await declare(park, [B], [Unavailable("not yet"), *(Refused("schedules.too_many", status=409) for _ in range(3))])
    assert book(park) == {"b": "active"}
    lines = [line for line in park.lines if line["event"].startswith("schedules_")]
    assert [line["event"] for line in lines] == ["schedules_not_declared", "schedules_declared"]


async def test_what_another_node_has_orphaned_comes_back_where_the_newest_declares_it(
    autojump_clock: MockClock,
) -> None:
    park = Park()
    is_the_newest = False
    instruments = JobInstruments()

    async def is_there(entity: str) -> bool:
        return True

    async def act() -> None:
        nonlocal is_the_newest
        declaring = Declaring(
            [A],
            ask=park.kernel.router.ask,
            is_there=is_there,
            new_backoff=lambda: Backoff(random=Random(0), first_s=0.1, max_s=1.0),
            is_newest=lambda: is_the_newest,
            instruments=instruments,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(declaring.run)
            await trio.sleep(1)
            await park.kernel.router.ask("schedules:all", Compare(declared={}))  # a newer release
            await trio.sleep(2 * COMPARE_S)
            assert book(park) == {"a": "orphaned"}
            is_the_newest = True  # and that is rolled back
            await trio.sleep(2 * COMPARE_S)
            nursery.cancel_scope.cancel()

    await park.live(act, works=False)
    assert book(park) == {"a": "active"}
    assert [one for one in types(park, "a") if one in ("was_set", "orphaned")] == ["was_set", "orphaned", "was_set"]
    (line,) = [line for line in park.lines if line["event"] == "schedules_orphaned"]
    assert (line["schedules"], line["names"]) == (1, ["a"])


def member(incarnation: int, state: State = "up") -> Member:
    return Member(
        incarnation=incarnation, url="", version="", host="", process="", state=state, capacity=1, is_alone=False,
        left_s=1.0, until=1.0, shards=0,
    )  # fmt: skip


def test_the_newest_is_the_last_that_was_started_of_those_that_stay() -> None:
    assert is_newest([], 7)
    assert is_newest([member(1), member(7)], 7)
    assert not is_newest([member(7), member(1, "joining")], 7)
    assert is_newest([member(7), member(1, "draining")], 7)


async def test_how_many_are_orphaned_is_counted(autojump_clock: MockClock) -> None:
    park = Park()
    await declare(park, [A, B])
    instruments = JobInstruments()
    await declare(park, [B], instruments=instruments)
    assert instruments.schedules_orphaned == 1
    await declare(park, [A, B], instruments=instruments)
    assert instruments.schedules_orphaned == 0
