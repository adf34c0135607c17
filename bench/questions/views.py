"""How fast do views follow the events, and how soon does who watches hear of it?

On a Postgres with fsync on, kernel, runners and watchers in one process, so what the load costs is inside the figures.
A row names the newest event that it holds, by which the moment is known when each could be read, and was seen.
"""

import tempfile
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import trio
from msgspec import Struct

from bench.closed_loop import ClosedLoop
from bench.counter import Add, Added, Ledger
from bench.load.generators import Link, fleet
from bench.load.pace import Pace
from bench.question import Answer, Figure, Question, Say, param
from bench.reporting.percentiles import curve, ms
from bench.view_node import ViewNode, Watcher, postgres, until, view_node
from greenroom import Actor, Ask, Event, Key, Origin, Page, View
from greenroom.actors.views.changes import Changes
from greenroom.store.postgres.pool import Pool


@dataclass(frozen=True, kw_only=True)
class ViewsParams:
    seconds: float = param(5.0, "how long events are recorded, in each part")
    stored: int = param(100_000, "events that are there before the view is")
    per_s: int = param(2_000, "events a second, while they are followed")
    shows: int = param(200, "entities that record them, and pages that are watched")
    users: int = param(50, "rows of each page")
    pages: int = param(10_000, "pages that are watched while one row changes in one")
    lone: int = param(300, "such changes")


class Nothing(Struct):
    pass


class Clap(Ask[int], tag="show.clap"):
    user: str
    number: int


class Clapped(Event, tag="show.clapped"):
    user: str
    number: int = 0


class Show(Actor[Nothing]):
    kind = "show"
    commands = (Clap,)
    events = (Clapped,)

    def handle(self, message: Clap) -> int:
        return self.record(Clapped(user=message.user, number=message.number))

    def apply(self, event: Clapped) -> None:
        pass

    def view(self) -> Nothing:
        return Nothing()


class Standings(View, version=1):
    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        user: Key[str]
        claps: int = 0
        newest: int = 0

    watch = Page(by="show", order="-claps", per_s=100.0)

    def fold(self, event: Clapped, of: Origin) -> None:
        row = self.row(show=of.key, user=event.user)
        row.claps += 1
        row.newest = max(row.newest, event.number)


class Standing(View, version=1, inline=True):
    """A ledger, as the append of its events leaves it."""

    of = (Added,)

    class Row(Struct):
        ledger: Key[str]
        amount: int = 0
        at_ms: int = 0

    entity_key = "ledger"
    watch = Page(order="-at_ms")

    def fold(self, event: Added, of: Origin) -> None:
        row = self.row(ledger=of.key)
        row.amount += event.amount
        row.at_ms = of.at_ms


STORED = """
WITH made AS (
    INSERT INTO heads (entity, fence, incarnation, epoch, "offset", lineage)
    SELECT 'show:s' || n, 1, 0, 'bench', $2::bigint, lineage() FROM generate_series(0, $1::bigint - 1) n
    RETURNING id
)
INSERT INTO journal (id, "offset", fence, at_ms, payload)
SELECT id, o, 1, 0, convert_to('{"type":"show.clapped","user":"u' || (id + o) % $3::bigint || '"}', 'UTF8')
FROM made, generate_series(1, $2::bigint) o
"""
# Rows that the live table and one that was filled anew do not have alike, but for which event came last to each.
WRONG = """
SELECT count(*) FROM (
    (SELECT "show", "user", claps FROM {one} EXCEPT SELECT "show", "user", claps FROM {other})
    UNION ALL
    (SELECT "show", "user", claps FROM {other} EXCEPT SELECT "show", "user", claps FROM {one})
) differ
"""
Kinds = tuple[type[Actor[Any]], ...]
KINDS: Kinds = (Show, Ledger)
PAIRS = 4  # runs with and without an inline view


class Seen:
    """When events were durable, and how long after that each was seen; of a row its newest stands for those before."""

    def __init__(self) -> None:
        self._durable: dict[tuple[str, str], deque[tuple[int, int]]] = {}
        self.waits: array[int] = array("q")
        self._early: dict[tuple[str, str], tuple[int, int]] = {}

    def durable(self, show: str, user: str, number: int) -> None:
        now = time.perf_counter_ns()
        early = self._early.get((show, user))
        if early is not None and early[0] >= number:
            self.waits.append(0)  # seen before whoever caused it had its answer
            return
        self._durable.setdefault((show, user), deque()).append((number, now))

    def seen(self, show: str, user: str, newest: int) -> None:
        now = time.perf_counter_ns()
        self._early[show, user] = newest, now
        waiting = self._durable.get((show, user))
        while waiting and waiting[0][0] <= newest:
            self.waits.append(now - waiting.popleft()[1])

    @property
    def unseen(self) -> int:
        return sum(map(len, self._durable.values()))


async def _store(pool: Pool, params: ViewsParams) -> int:
    """Events before any view. How many."""
    each = params.stored // params.shows
    await pool.fetch(STORED, params.shows, each, params.users)
    await pool.fetch("VACUUM ANALYZE journal")
    return each * params.shows


async def _follow(node: ViewNode, params: ViewsParams, watch: Callable[[str, Seen], Watcher]) -> tuple[Seen, Seen]:
    """Record at a pace, with one watcher for each page: how soon rows can be read, and are seen."""
    readable, watched = Seen(), Seen()

    def heard(changes: Changes) -> None:
        for change in changes.rows:
            if change.values is not None:
                readable.seen(change.values[0], change.values[1], change.values[3])

    shows = [f"s{number}" for number in range(params.shows)]
    watchers = [watch(show, watched) for show in shows]

    async def all_watch() -> bool:
        return all(one.rows is not None for one in watchers)

    await until(all_watch)
    refs = [node.kernel.router.ref(f"show:{show}") for show in shows]
    for ref in refs:
        await ref.ask(Clap(user="u0", number=0))
    await node.folded("standings")
    node.heard = heard

    async def one(number: int) -> None:
        at, user = number % params.shows, f"u{number // params.shows % params.users}"
        await refs[at].ask(Clap(user=user, number=number + 1))
        readable.durable(shows[at], user, number + 1)
        watched.durable(shows[at], user, number + 1)

    pace = Pace(time.perf_counter_ns(), params.per_s, int(params.per_s * params.seconds))
    async with trio.open_nursery() as nursery:  # owner: this call
        while not pace.done:
            for number in pace.due(time.perf_counter_ns()):
                nursery.start_soon(one, number)
            await trio.sleep(0.002)

    async def all_seen() -> bool:
        return not readable.unseen and not watched.unseen

    with trio.move_on_after(10.0):
        await until(all_seen)
    failures = [one.failure for one in watchers if one.failure]
    assert not failures, failures[0]
    return readable, watched


def _watching(node: ViewNode, show: str, seen: Seen) -> Watcher:
    def said(publication: bytes) -> None:
        row = msgspec.json.decode(publication)["data"].get("set")
        if row is not None:
            seen.seen(row["show"], row["user"], row["newest"])

    return node.watch(f"standings:{show}", said)


async def _lone(node: ViewNode, pages: int, times: int) -> list[int]:
    """Ascending ns from a lone event's commit to who watches its page, while so many pages are watched."""
    seen = Seen()
    watchers = [_watching(node, f"p{number}", seen) for number in range(pages)]

    async def all_watch() -> bool:
        return all(one.rows is not None for one in watchers)

    await until(all_watch, look_s=0.2)
    ref = node.kernel.router.ref("show:p0")
    first = time.time_ns() // 1_000  # above those of a run before
    for number in range(first, first + times + 20):
        if number == first + 20:
            seen.waits = array("q")  # the first ones prepare statements
        await ref.ask(Clap(user="lone", number=number))
        seen.durable("p0", "lone", number)
        with trio.move_on_after(5.0):
            while seen.unseen:
                await trio.lowlevel.checkpoint()
        await trio.sleep(0.015)  # a calm page
    return sorted(seen.waits)


async def _append(kernel: Any, seconds: float, *, each: int = 8, name: str = "") -> float:
    """Events a second of ledgers whose names begin so, of which each has so many commands under way."""
    load = ClosedLoop(kernel, lambda entity: Add(amount=1), ids="c")
    entities = [f"ledger:{name}{number}" for number in range(200)]
    for entity in entities:
        await kernel.router.ref(entity).ask(Add(amount=0))
    for _ in range(each):
        for entity in entities:
            load.send(entity)
    await trio.sleep(0.5)
    before, begun = load.answered, time.perf_counter()
    await trio.sleep(seconds)
    per_s = (load.answered - before) / (time.perf_counter() - begun)
    await load.stop(within_s=15.0)
    return per_s


async def _cost(pool: Pool, params: ViewsParams, view: type[View], *, each: int) -> float:
    """What ledgers lose of appends a second when the node has this view: by turns, with one that has none."""
    per_s = [0.0, 0.0]
    async with view_node(pool, KINDS, ()) as without, view_node(pool, KINDS, (view,)) as having:
        await having.begin()
        await having.folded(view.name)
        for turn in range(2 * PAIRS):
            at = (turn + turn // 2) % 2  # each first by turns
            node = (without, having)[at]
            per_s[at] += await _append(node.kernel, params.seconds / 4, each=each, name=f"{view.name}-{at}-{each}-")
        skips = sum(having.instruments.view_skips.values())
        assert not skips, f"{skips} rows were left to the runner"
    return 1 - per_s[1] / per_s[0]


async def _main(data_dir: Path, params: ViewsParams, tell: Callable[[str], None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with postgres(data_dir) as pool:
        stored = await _store(pool, params)
        async with view_node(pool, KINDS, (Standings,)) as node:
            begun = time.perf_counter()
            await node.begin()
            await node.folded("standings")
            found["catch_up_per_s"] = stored / (time.perf_counter() - begun)
            tell("caught up")
            readable, watched = await _follow(node, params, lambda show, seen: _watching(node, show, seen))
            found["lag"] = sorted(readable.waits)
            found["watch"] = sorted(watched.waits)
            found["unseen"] = readable.unseen + watched.unseen
            tell("followed")
            live = await node.live("standings")
            total = (await pool.fetch("SELECT sum(\"offset\") FROM heads WHERE entity LIKE 'show:%'"))[0][0]
            begun = time.perf_counter()
            filling = await node.runners.rebuild("standings")
            assert filling is not None
            node.runners.look_soon()
            await node.folded_into(filling)
            found["rebuild_per_s"] = float(total) / (time.perf_counter() - begun)

            async def is_switched() -> bool:
                return (await node.live("standings")).id == filling.id

            await until(is_switched)
            rebuilt = await node.live("standings")
            sql = WRONG.format(one=live.table.rows, other=rebuilt.table.rows)
            found["wrong_rows"] = (await pool.fetch(sql))[0][0]
            tell("rebuilt")
        found["append_cost_share"] = await _cost(pool, params, Standings, each=8)
        found["inline_cost_share"] = await _cost(pool, params, Standing, each=8)
        found["inline_cost_lone_share"] = await _cost(pool, params, Standing, each=1)
        tell("inline")
        for pages in (10, params.pages):
            async with view_node(pool, KINDS, (Standings,)) as node:
                await node.begin()
                await node.folded("standings")
                found[f"lone_{pages}"] = await _lone(node, pages, params.lone)
    few, many = found.pop("lone_10"), found.pop(f"lone_{params.pages}")
    found["pages_flat"] = ms(many, 0.5) / ms(few, 0.5)
    found["lone_ms"] = ms(many, 0.5)
    return found


def _measure(link: Link, params: ViewsParams) -> None:
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", ignore_cleanup_errors=True) as folder:
        found = trio.run(_main, Path(folder).resolve(), params, link.say)
    found["lag"], found["watch"] = array("q", found["lag"]).tobytes(), array("q", found["watch"]).tobytes()
    link.say("done", found)


def answer(params: ViewsParams, say: Say) -> Answer:
    with fleet(_measure, [params]) as measured:
        for share, name, what in (
            (0.0, "caught up", "catching up"),
            (0.3, "followed", "following"),
            (0.5, "rebuilt", "rebuilding"),
            (0.6, "inline", "appending with rows"),
        ):
            say(what, share)
            measured.wait(name, within_s=300.0)
        say("watching many pages", 0.8)
        found = measured.wait("done", within_s=300.0)[0]
    lag, watch = array("q"), array("q")
    lag.frombytes(found["lag"])
    watch.frombytes(found["watch"])
    warnings = [f"{found['unseen']} events were not seen within 10 s"] if found["unseen"] else []
    return Answer(
        {
            "catch_up_per_s": round(found["catch_up_per_s"], 1),
            "rebuild_per_s": round(found["rebuild_per_s"], 1),
            "lag_p50_ms": ms(lag, 0.5),
            "lag_p99_ms": ms(lag, 0.99),
            "watch_p50_ms": ms(watch, 0.5),
            "watch_p99_ms": ms(watch, 0.99),
            "append_cost_share": round(found["append_cost_share"], 3),
            "inline_cost_share": round(found["inline_cost_share"], 3),
            "inline_cost_lone_share": round(found["inline_cost_lone_share"], 3),
            "wrong_rows": found["wrong_rows"],
            "pages_flat": round(found["pages_flat"], 2),
            "lone_page_p50_ms": found["lone_ms"],
        },
        {"commit to readable": curve(lag), "commit to watcher": curve(watch)},
        warnings,
    )


QUESTION = Question(
    name="views",
    asks="How fast do views follow the events, and how soon does who watches hear of it?",
    params=ViewsParams,
    figures={
        "catch_up_per_s": Figure("stored events folded, of a view that is new", at_least=20_000),
        "rebuild_per_s": Figure("events folded into a table beside the live one", at_least=40_000),
        "lag_p50_ms": Figure("from an event's commit until its row can be read, at 2,000 a second", at_most=5),
        "lag_p99_ms": Figure("the same, 99th percentile", at_most=50),
        "watch_p50_ms": Figure("from an event's commit until who watches its page hears of it", at_most=8),
        "watch_p99_ms": Figure("the same, 99th percentile", at_most=80),
        "append_cost_share": Figure("of appends a second, what a kind without a view loses to views", at_most=0.03),
        "wrong_rows": Figure("rows that the live table and the rebuilt one do not have alike", at_most=0),
        "pages_flat": Figure("a lone change with 10,000 watched pages, over one with 10", at_most=1.5),
        "lone_page_p50_ms": Figure("a lone change with 10,000 watched pages, from commit to watcher"),
        "inline_cost_share": Figure("of appends a second, what a kind loses to an inline view of it", at_most=0.25),
        "inline_cost_lone_share": Figure("the same, where each append has one event, and so each event writes the row"),
    },
    answer=answer,
)
