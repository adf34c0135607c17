"""The runner of one table: what it takes of what it is brought, and what it does about what can't be folded."""

import re
from types import MappingProxyType
from typing import Any

import pytest
import trio
from msgspec import Struct
from trio.testing import wait_all_tasks_blocked

from greenroom import Actor, Event, Key, Origin, View
from greenroom.actors.life.turn import Turn
from greenroom.actors.views.folding import Folding
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable, TookTooLong
from greenroom.store.views.store import Standing
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.supervision.watchdog import Watchdog
from greenroom.supervisors.views import runner as runner_module
from greenroom.supervisors.views.batch_size import EVENTS_FIRST, EVENTS_MAX
from greenroom.supervisors.views.runner import BATCH_MAX_S, BATCH_S, BATCHES_APART, Runner, follow
from tests.actors.views.shows import Clapped, Renamed, Standings, Summary, installed, stretch
from tests.supervisors.views.stage import Stage, record, stage, until
from tests.supervisors.views.test_sweep import VERSION


def standing(
    offset: int = 0, *, fence: int = 7, head_offset: int = 9, parked: bool = False, lineage: str = ""
) -> Standing:
    return Standing(offset, True, parked, fence, head_offset, 0, lineage)


def heard(after: int, count: int = 1, *, fence: int = 7, head_id: int = 1) -> Any:
    return stretch("show:a", *([Clapped(user="ann")] * count), after=after, fence=fence, head_id=head_id)


def read(after: int, count: int = 1, *, lineage: str = "") -> Any:
    return stretch("show:a", *([Clapped(user="ann")] * count), after=after, lineage=lineage)


def ends(found: Any) -> Any:
    usable, behind = found
    return [(one.after, one.through) for one in usable], behind


def test_what_follows_directly_is_folded() -> None:
    assert ends(follow([heard(0, 2), heard(2), heard(3)], {1: standing()})) == ([(0, 2), (2, 3), (3, 4)], [])


def test_what_was_folded_before_is_passed_over_and_of_a_part_the_rest_is_folded() -> None:
    assert ends(follow([heard(0, 2), heard(2, 3)], {1: standing(4)})) == ([(4, 5)], [])
    assert ends(follow([heard(0, 2)], {1: standing(2)})) == ([], [])


def test_a_hole_is_for_the_journal_to_fill() -> None:
    assert ends(follow([heard(0), heard(2), heard(3)], {1: standing()})) == ([(0, 1)], [1])


def test_parked_entities_and_those_without_a_head_are_left() -> None:
    assert ends(follow([heard(0)], {1: standing(parked=True)})) == ([], [])
    assert ends(follow([heard(0)], {})) == ([], [])


def test_what_another_activation_has_recorded_is_read_from_the_journal() -> None:
    assert ends(follow([heard(0, fence=6)], {1: standing(fence=7)})) == ([], [1])


def test_what_a_failover_has_lost_is_never_folded() -> None:
    """The head is where it was before: the same fence, and an offset below."""
    assert ends(follow([heard(0, 3)], {1: standing(head_offset=2)})) == ([], [1])
    assert ends(follow([read(0, lineage="")], {1: standing(lineage=".2")})) == ([], [1])
    assert ends(follow([read(0, lineage=".2")], {1: standing(lineage=".2", fence=99)})) == ([(0, 1)], [])


def test_an_entity_begins_from_its_state_only_once() -> None:
    begun = stretch("show:a", after=5, state=(b"{}", 1))
    assert ends(follow([begun], {1: standing()})) == ([(5, 5)], [])
    assert ends(follow([begun], {1: standing(5)})) == ([], [])
    assert ends(follow([begun], {1: standing(lineage=".2")})) == ([], [])


async def is_parked(node: Stage, entity: str, name: str) -> bool:
    return entity in await node.parked(name)


class InJson(View, name="in_json"):
    """That no NUL can be in it only the server says."""

    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        users: list[str] = []

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(show=of.key).users = [event.user]


async def test_whose_row_the_server_refuses_is_found_and_parked_alone(database_url: str) -> None:
    async with stage(database_url, InJson, is_running=False) as node:
        for number in range(20):
            await node.record(f"show:{number:02}", Clapped(user="ann"), Clapped(user="bob"))
        await node.record("show:bad", Clapped(user="ann"), Clapped(user="a\0b"))
        async with trio.open_nursery() as nursery:
            await nursery.start(node.runners.run)
            await node.folded("in_json")
            await until(lambda: is_parked(node, "show:bad", "in_json"))
            rows = dict(await node.rows("in_json"))
            assert rows.pop("bad") == '["ann"]'
            assert list(rows.values()) == ['["bob"]'] * 20
            assert list(await node.parked("in_json")) == ["show:bad"]
            nursery.cancel_scope.cancel()


class Shares(View, name="shares"):
    """With a number that may be no number."""

    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        user: Key[str]
        share: float = 0.0

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(show=of.key, user=event.user).share = 1 / event.times if event.times else float("inf")


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (Clapped(user="ann", times=0), "share is inf, and JSON has finite numbers alone"),
        (Clapped(user="a\0b"), "NUL|0x00"),
        (Clapped(user="x" * 2_001), "room in an index"),
    ],
)
async def test_a_value_that_no_row_holds_parks_its_entity_and_says_why(
    database_url: str, event: Clapped, why: str
) -> None:
    async with stage(database_url, Shares) as node:
        await node.record("show:bad", Clapped(user="ann"), event)
        await node.record("show:good", Clapped(user="ann", times=2))
        await node.runners.versions.ring("shares")
        await until(lambda: is_parked(node, "show:bad", "shares"))
        assert re.search(why, (await node.parked("shares"))["show:bad"])
        await node.folded("shares")
        assert await node.rows("shares") == [("bad", "ann", 1.0), ("good", "ann", 0.5)]


async def test_an_entity_that_could_not_be_parked_is_come_back_to(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so are those that were to be folded after it."""
    park, failures = runner_module.Runner._park, iter([StoreUnavailable("away")])

    async def fails_once(*args: Any, **kwargs: Any) -> None:
        for failure in failures:
            raise failure
        await park(*args, **kwargs)

    monkeypatch.setattr(runner_module.Runner, "_park", fails_once)
    unfit = "a\0b"
    async with stage(database_url, InJson, is_running=False) as node:
        for name, user in (("a", unfit), ("b", "bob"), ("c", "cy")):
            await node.record(f"show:{name}", Clapped(user=user))
        async with trio.open_nursery() as nursery:
            await nursery.start(node.runners.run)
            await until(lambda: is_parked(node, "show:a", "in_json"))
            await node.folded("in_json")
            assert await node.rows("in_json") == [("b", '["bob"]'), ("c", '["cy"]')]
            nursery.cancel_scope.cancel()


async def test_what_has_no_head_any_more_is_not_come_back_to(database_url: str) -> None:
    """A failover has taken the entity itself."""
    async with stage(database_url, Standings) as node:
        await node.folded("standings")
        (filled,) = node.runners.filled.values()
        filled.runner.backlog.fall_behind((999_999_999,))
        with trio.fail_after(5):
            while filled.runner.backlog.waiting:  # noqa: ASYNC110
                await trio.sleep(0.01)
        await trio.sleep(0.1)
        assert not filled.runner.backlog.waiting


async def test_whose_head_has_become_one_of_another_kind_is_not_come_back_to(database_url: str) -> None:
    """A failover has lost a head, and the next entity that was made has its id."""
    async with stage(database_url, Standings) as node:
        await node.clap("a", "ann", 1)
        await record(node.pool, "stranger:a", Clapped(user="bob"))
        await node.folded("standings")
        (filled,) = node.runners.filled.values()
        (head,) = (row[0] for row in await node.pool.fetch("SELECT id FROM heads WHERE entity = 'stranger:a'"))
        runner = filled.runner
        assert isinstance(runner, Runner)
        await runner._catch_up([head])
        assert not filled.runner.backlog.waiting
        assert await node.rows("standings") == [("a", "ann", 1)]


class Endless(View, name="endless"):
    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        claps: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(show=of.key).claps += event.times
        while event.user == "for ever":
            pass


async def test_a_fold_that_never_returns_is_interrupted_and_its_entity_parked(database_url: str) -> None:
    async with stage(database_url, Endless) as node, trio.open_nursery() as nursery:
        await nursery.start(Watchdog(node.turn, stuck_s=0.3, slow_s=0.2).run)
        await node.record("show:good", Clapped(user="ann"))
        await node.clap("bad", "for ever", 1)
        await until(lambda: is_parked(node, "show:bad", "endless"))
        assert "HandlerStuck" in (await node.parked("endless"))["show:bad"]
        await node.runners.versions.ring("endless")
        await node.folded("endless")
        assert await node.rows("endless") == [("good", 1)]
        nursery.cancel_scope.cancel()


class Once(Event, tag="reading.noted"):
    degrees: float


class Reading(Actor[Struct]):
    kind = "reading"
    events = (Once,)
    upcasters = MappingProxyType(
        {"reading.noted": lambda stored: {"type": "reading.noted", "degrees": stored.get("degrees", 0.0)}}
    )

    def apply(self, event: Once) -> None: ...


class Warmest(View, name="warmest"):
    of = (Once,)

    class Row(Struct):
        where: Key[str]
        degrees: float = 0.0

    def fold(self, event: Once, of: Origin) -> None:
        row = self.row(where=of.key)
        row.degrees = max(row.degrees, event.degrees)


async def test_what_was_stored_long_ago_is_folded_as_it_is_at_present(database_url: str) -> None:
    async with stage(database_url, Warmest, kinds=(Reading,)) as node:
        await record(node.pool, "reading:roof", Once(degrees=21.5))
        await node.pool.fetch('UPDATE journal SET payload = \'{"type":"reading.noted","celsius":99}\'')
        await record(node.pool, "reading:roof", Once(degrees=20.5))
        await node.runners.versions.ring("warmest")
        await node.folded("warmest")
        assert await node.rows("warmest") == [("roof", 20.5)]


async def test_a_journal_with_a_hole_parks_its_entity(database_url: str) -> None:
    async with stage(database_url, Standings, is_running=False) as node:
        await node.record("show:bad", *(Clapped(user="ann") for _ in range(3)))
        await node.pool.fetch('DELETE FROM journal WHERE "offset" = 1')
        async with trio.open_nursery() as nursery:
            await nursery.start(node.runners.run)
            await until(lambda: is_parked(node, "show:bad", "standings"))
            assert "no event 1" in (await node.parked("standings"))["show:bad"]
            nursery.cancel_scope.cancel()


@pytest.mark.bound("events folded at once")
async def test_a_long_journal_is_folded_some_at_a_time(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []

    class Counting(Folding):
        def __init__(self, installed: Any, stretches: Any, turn: Any) -> None:
            batches.append(sum(len(one.stored) for one in stretches))
            super().__init__(installed, stretches, turn)

    monkeypatch.setattr(runner_module, "Folding", Counting)
    async with stage(database_url, Standings, is_running=False) as node:
        for number in range(3):
            await node.record(f"show:{number}", *(Clapped(user="ann") for _ in range(700)))
        async with trio.open_nursery() as nursery:
            await nursery.start(node.runners.run)
            await node.folded("standings")
            nursery.cancel_scope.cancel()
        assert await node.rows("standings") == [(str(number), "ann", 700) for number in range(3)]
    assert max(batches) == EVENTS_MAX  # nobody else needs the loop


async def test_what_is_brought_while_nothing_waits_is_folded_at_once(database_url: str) -> None:
    async with stage(database_url, Standings) as node:
        await node.folded("standings")
        await wait_all_tasks_blocked(0.05)
        with trio.fail_after(2):  # the sweep goes round once a minute
            await node.clap("finale", "ann", 1)
            await node.folded("standings")


async def test_a_batch_that_took_too_long_is_tried_with_fewer_events(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has no time for more than 60 at once: all are folded, and no entity is parked."""
    fold, tried = runner_module.Runner._fold, []

    async def has_a_limit(self: Any, stretches: Any) -> Any:
        tried.append(sum(len(one.stored) for one in stretches))
        if tried[-1] > 60:
            raise TookTooLong("too many")
        return await fold(self, stretches)

    monkeypatch.setattr(runner_module.Runner, "_fold", has_a_limit)
    async with stage(database_url, Standings, is_running=False) as node:
        await node.record("show:a", *(Clapped(user="ann") for _ in range(700)))
        async with trio.open_nursery() as nursery:
            await nursery.start(node.runners.run)
            with trio.fail_after(10):
                await node.folded("standings")
            nursery.cancel_scope.cancel()
        assert await node.rows("standings") == [("a", "ann", 700)]
        assert not await node.parked("standings")
    assert tried[0] == EVENTS_MAX


class Noting(Runner):
    """Of which a test sees when it folds how many."""

    batches: list[tuple[float, int]]
    take_s = 0.0

    async def _fold_all(self, stretches: Any) -> None:
        self.batches.append((trio.current_time(), len(stretches)))
        await trio.sleep(self.take_s)


async def test_small_batches_are_gathered_and_what_comes_after_a_pause_or_is_enough_is_not(autojump_clock: Any) -> None:
    store: Any = None
    noting = Noting(
        installed(Standings), VERSION, store, turn=Turn(), new_backoff=new_backoff, instruments=Instruments()
    )
    noting.batches = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(noting.run)
        for number in range(10):
            await trio.sleep(BATCH_S / 10)
            noting.backlog.hear(heard(0, head_id=number))
        await trio.sleep(1.0)
        noting.backlog.hear(heard(0, head_id=100))
        await wait_all_tasks_blocked()
        (first_at, first), (second_at, second), *_ = noting.batches
        assert (first, second, len(noting.batches)) == (1, 9, 3), "the last one at once"
        assert second_at == pytest.approx(first_at + BATCH_S)
        for number in range(200, 200 + EVENTS_FIRST):
            noting.backlog.hear(heard(0, head_id=number))
        await wait_all_tasks_blocked()
        assert noting.batches[3][1] == EVENTS_FIRST, "enough for a batch, however short ago the last one was"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("take_s", "apart_s"), [(0.001, BATCH_S), (0.02, BATCHES_APART * 0.02), (0.2, BATCH_MAX_S)])
async def test_where_batches_take_long_they_are_fewer(autojump_clock: Any, take_s: float, apart_s: float) -> None:
    store: Any = None
    noting = Noting(
        installed(Standings), VERSION, store, turn=Turn(), new_backoff=new_backoff, instruments=Instruments()
    )
    noting.batches, noting.take_s = [], take_s
    async with trio.open_nursery() as nursery:
        nursery.start_soon(noting.run)
        for number in range(2):
            noting.backlog.hear(heard(0, head_id=number))
            await trio.sleep(0.001)
        await trio.sleep(1.0)
        nursery.cancel_scope.cancel()
    (first_at, _), (second_at, _) = noting.batches
    assert second_at == pytest.approx(first_at + apart_s)


async def test_what_comes_of_an_inline_view_is_never_late(autojump_clock: Any) -> None:
    """It is of entities that are out of step; with a second between the events and their progress they stay so."""
    store: Any = None
    noting = Noting(installed(Summary), VERSION, store, turn=Turn(), new_backoff=new_backoff, instruments=Instruments())
    noting.batches = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(noting.run)
        for after in range(3):
            noting.backlog.hear(stretch("show:a", Renamed(title="x"), after=after, fence=7))
            await wait_all_tasks_blocked()
            await trio.sleep(BATCH_S / 10)
        nursery.cancel_scope.cancel()
    assert [count for _, count in noting.batches] == [1, 1, 1]
