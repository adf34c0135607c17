"""The desk's part for views and sinks: how each table is, and what operators have done about them. JSON.

What is shown to all who look has no content: errors and tracebacks may hold what people wrote, and are read apart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby

import msgspec
import trio
from msgspec import Struct

from greenroom.actors.model.errors import Refused
from greenroom.store.errors import StoreError, ViewRefused
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Parked
from greenroom.supervisors.admin.asked import Asked
from greenroom.supervisors.admin.counting import Count, Counting
from greenroom.supervisors.admin.desk import REMEMBERED_S, Members, in_time
from greenroom.supervisors.admin.tables import Tables
from greenroom.supervisors.admin.told import ViewsTold

STEER_S = 15.0  # what the database has to do something in; a table that somebody reads is waited for
CLEAN_S = 5.0  # what is left of tables that are gone is removed for so long; the rest the next time
TRACEBACK_CHARS_MAX = 16_384  # of one entity, the last ones
ERROR_CHARS_MAX = 2_000

encode = msgspec.json.encode


class TableShown(Struct, frozen=True, kw_only=True):
    """One table of a view, or how far a sink is."""

    id: int
    version: int
    build: int
    state: str
    abandoned: bool  # it is being filled, and nobody has its code
    age_s: float
    entities_behind: int | None  # None: not counted, or not yet
    events_behind: int | None
    oldest_unfolded_s: float | None
    events_per_s: float | None  # folded or delivered, by all nodes that have answered
    done: float | None  # of a table that is being filled, the share of all events
    estimate_s: float | None  # until nothing is left
    resting: bool  # a sink that waits for the other side
    parked: int


class ViewShown(Struct, frozen=True, kw_only=True):
    """A view or a sink, with all its tables."""

    name: str
    kind: str
    paused: bool
    in_code: bool  # of the node that says so
    can: list[str]  # what an admin can do about it now
    tables: list[TableShown]


class ViewsShown(Struct, frozen=True):
    """All of them."""

    at_ms: int
    nodes: int
    answered: int
    views: list[ViewShown]


class ParkedShown(Struct, frozen=True, kw_only=True):
    """An entity that waits; `error` and `traceback` are None for who may not see content."""

    entity: str
    offset: int
    at_ms: int
    error: str | None
    traceback: str | None


class ViewDesk:
    """Of one node. Nothing of it runs by itself."""

    def __init__(self, tables: Tables, *, members: Members, asked: Asked, clock: Callable[[], float]) -> None:
        """`clock` gives Unix seconds."""
        self._tables = tables
        self._members = members
        self._asked = asked
        self._clock = clock
        self._counting = Counting(tables.progress)
        self._told: dict[int, ViewsTold] = {}  # what nodes said last
        self._told_at = float("-inf")  # on trio's clock

    async def shown(self) -> bytes:
        tables = self._tables
        with in_time():
            versions = await tables.versions.all()
            abandoned = await tables.abandoned(versions)
            parked = {one.id: await tables.progress.parked_count(one) for one in versions}
            counts = await self._counting.look(versions)
        nodes = [one.incarnation for one in self._members.members()]
        told = await self._asked.views(nodes)
        now = trio.current_time()
        before = self._told if now - self._told_at < REMEMBERED_S else {}
        self._told, self._told_at = told, now
        rates, resting = rates_between(before, told), {name for one in told.values() for name in one.resting}
        at_s = self._clock()
        views: list[ViewShown] = []
        for name, of_name in groupby(versions, key=lambda one: one.name):
            of_it = list(of_name)
            shown = [
                _table(
                    one,
                    counts.get(one.id),
                    at_s,
                    abandoned=one.id in abandoned,
                    parked=parked[one.id],
                    rate=rates.get(_label(one)),
                    resting=_label(one) in resting,
                )
                for one in of_it
            ]
            in_code = tables.wanted(name) is not None
            views.append(
                ViewShown(
                    name=name,
                    kind=of_it[0].kind,
                    paused=any(one.paused for one in of_it),
                    in_code=in_code,
                    can=what_can_be_done(of_it, shown, in_code=in_code),
                    tables=shown,
                )
            )
        return encode(ViewsShown(int(at_s * 1000), len({*nodes, self._asked.me}), len(told), views))

    async def parked(self, table: int, *, after: int, limit: int, full: bool) -> bytes:
        """See ViewDesk in transports/admin. Raises: Refused for a table that is gone."""
        with in_time():
            version = next((one for one in await self._tables.versions.all() if one.id == table), None)
            if version is None:
                raise Refused("no_such_table", "there is no such table any more", status=404)
            found = await self._tables.progress.parked(version, limit=limit, after=after)
        more = found[-1].head_id if len(found) == limit else None
        return encode({"parked": [_parked(one, full=full) for one in found], "next": more})

    async def pause(self, view: str, *, paused: bool) -> bytes:
        with steering():
            await self._tables.pause(view, paused=paused)
        return encode({"view": view, "paused": paused})

    async def retry(self, view: str, entity: str | None) -> bytes:
        with steering():
            return encode({"view": view, "retried": await self._tables.retry(view, entity)})

    async def rebuild(self, view: str) -> bytes:
        with steering():
            made = await self._tables.rebuild(view)
        await self._clean()
        return encode({"view": view, "table": made.table.rows})

    async def drop_old(self, view: str) -> bytes:
        with steering():
            dropped = await self._tables.drop_old(view)
        await self._clean()
        return encode({"view": view, "dropped": dropped})

    async def _clean(self) -> None:
        """What was done before has come about, whether this does or not."""
        with trio.move_on_after(CLEAN_S), suppress(StoreError):
            await self._tables.progress.clean()


def what_can_be_done(versions: Sequence[Version], shown: Sequence[TableShown], *, in_code: bool) -> list[str]:
    """About one view or sink: `greenroom views` would do it too, and refuses what is not here."""
    can = ["resume" if any(one.paused for one in versions) else "pause"]
    if in_code and versions[0].kind == "view":
        can.append("rebuild")
    if any(one.parked for one in shown):
        can.append("retry")
    if any(one.state == "old" or one.abandoned for one in shown):
        can.append("drop-old")
    return can


def rates_between(before: Mapping[int, ViewsTold], after: Mapping[int, ViewsTold]) -> dict[str, float]:
    """Events a second by name and version, of all nodes together that were asked twice in one run of theirs."""
    found: dict[str, float] = {}
    for node, told in after.items():
        earlier = before.get(node)
        if earlier is None or earlier.started_at_ms != told.started_at_ms or told.at_s <= earlier.at_s:
            continue
        for name, count in told.events.items():
            rate = max(count - earlier.events.get(name, 0), 0) / (told.at_s - earlier.at_s)
            found[name] = found.get(name, 0.0) + rate
    return found


@contextmanager
def steering() -> Iterator[None]:
    """Raises: Refused for what the store refuses; StoreUnavailable once it has taken STEER_S."""
    try:
        with in_time(STEER_S):
            yield
    except ViewRefused as error:
        raise Refused("view_refused", str(error), status=409) from error


def _label(version: Version) -> str:
    return f"{version.name} {version.version}"


def _table(
    version: Version,
    count: Count | None,
    at_s: float,
    *,
    abandoned: bool,
    parked: int,
    rate: float | None,
    resting: bool,
) -> TableShown:
    left = count.now.left if count is not None else None
    oldest_ms = left.oldest_ms if left is not None else None
    return TableShown(
        id=version.id,
        version=version.version,
        build=version.build,
        state=version.state,
        abandoned=abandoned,
        age_s=round(version.age_s, 1),
        entities_behind=left.entities if left is not None else None,
        events_behind=left.events if left is not None else None,
        oldest_unfolded_s=None if oldest_ms is None else round(max(at_s - oldest_ms / 1000, 0.0), 1),
        events_per_s=None if rate is None or version.state == "old" else round(rate, 1),
        done=count.done if count is not None else None,
        estimate_s=count.estimate_s if count is not None else None,
        resting=resting,
        parked=parked,
    )


def _parked(parked: Parked, *, full: bool) -> ParkedShown:
    why = parked.why
    return ParkedShown(
        entity=parked.entity,
        offset=why.offset,
        at_ms=why.at_ms,
        error=why.error[:ERROR_CHARS_MAX] if full else None,
        traceback=why.traceback[-TRACEBACK_CHARS_MAX:] if full else None,
    )
