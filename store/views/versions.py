"""Versions: which tables of views there are, and what becomes of each.

    (nothing) -- installed, as the first of its name --> live
    (nothing) -- installed beside others -----------> filling -- caught up --> live -- another is --> old -- dropped
    old -- installed again, as by a release that is taken back --> filling
    filling -- nobody has had its code for long --> old

A table that is filled takes the place of the live one once no node is up that has another version's code, be that a
higher one: what all nodes fold is what is served. One that is `filling`, and whose code no node has, is abandoned.

All of this is done in transactions that one advisory lock puts in line, whichever nodes do it.
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import trio
from msgspec import MsgspecError

from greenroom.store.errors import TookTooLong, ViewRefused
from greenroom.store.postgres.connection import Connection, Transaction
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.shape import from_json, to_json
from greenroom.store.views.stable_name import refuse_dependents, show
from greenroom.store.views.store import Version
from greenroom.store.views.tables import Table
from greenroom.store.views.wanted import BEGIN_OTHERWISE, Wanted, also, rank, refuse_others, to_remake, versions_in

LOCK = "SELECT pg_advisory_xact_lock(0x67726e76)"  # "grnv"; any number that nobody else locks in this database
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(0x67726e76)"  # the same
TURN_S, LOOK_S = 3_600.0, 0.1  # how long whoever starts waits for it, and how often it looks
# A table that somebody reads for long can't be locked; others who read it would wait behind us until it can.
SOON = "SET LOCAL lock_timeout = '2s'"
HEADS_AT_ONCE = 20_000  # of those looked at for a trimmed one

ALL = """
SELECT id, name, version, build, shape, kinds, state, kind, paused, rung,
    extract(epoch FROM clock_timestamp() - greatest(made_at, CASE state WHEN 'filling' THEN live_at END))::float8
FROM view_versions ORDER BY name, version, build
"""
MADE = """
INSERT INTO view_versions (name, version, build, shape, digest, kinds, state, kind, begun, live_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE $7 WHEN 'live' THEN clock_timestamp() END)
RETURNING id
"""
# Of entities whose names follow that one. What is committed later is behind what each begins with, whatever any clock
# says.
BEGUN = """
WITH page AS MATERIALIZED (
    SELECT id, entity, "offset" FROM heads WHERE entity > $2 AND entity < $3 ORDER BY entity LIMIT $4
), begun AS (
    INSERT INTO view_progress (view_id, id, "offset") SELECT $1::int, id, "offset" FROM page ORDER BY id
    ON CONFLICT DO NOTHING
)
SELECT max(entity) FROM page
"""
# By the index of names, a kind's at a time: in C's order `;` follows `:`.
TRIMMED = """
SELECT max(entity), min(entity) FILTER (WHERE trimmed > 0) FROM (
    SELECT entity, trimmed FROM heads WHERE entity > $1 AND entity < $2 ORDER BY entity LIMIT $3
) page
"""
# Of nodes that are up; what each release knows of views is read once.
RELEASES = """
SELECT n.release, CASE WHEN n.release = ANY ($1::text[]) THEN NULL ELSE (
    SELECT coalesce(r.knowledge::jsonb #> '{schema,views}', '{}')::text FROM releases r WHERE r.digest = n.release
) END
FROM (SELECT DISTINCT release FROM nodes WHERE state <> 'dead' AND lease_until > clock_timestamp()) n
"""
SAID = "UPDATE view_versions SET shape = $2, kinds = $3 WHERE id = $1"
OLDER = "UPDATE view_versions SET state = 'old' WHERE name = $1 AND state = 'live'"
IS_LATER = "SELECT extract(epoch FROM clock_timestamp()) > $1::float8"
LINEAGE = "SELECT lineage()"
LIVE = "UPDATE view_versions SET state = 'live', live_at = clock_timestamp() WHERE id = $1"
GIVEN_UP = "UPDATE view_versions SET state = 'old' WHERE id = $1 AND state = 'filling' RETURNING id"
# Until it is live again `live_at` says since when it is filled: it is as old as that. What claims go by is `made_at`.
REOPENED = "UPDATE view_versions SET state = 'filling', rung = rung + 1, live_at = clock_timestamp() WHERE id = $1"
# Retention passes by tables that are old. A kind's at a time, as above.
PASSED = """
SELECT max(entity), min(entity) FILTER (WHERE trimmed > folded) FROM (
    SELECT h.entity, h.trimmed, coalesce(p."offset", 0) AS folded
    FROM heads h LEFT JOIN view_progress p ON p.view_id = $4 AND p.id = h.id
    WHERE h.entity > $1 AND h.entity < $2 ORDER BY h.entity LIMIT $3
) page
"""


class PostgresVersions:
    """All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def all(self) -> list[Version]:
        """By name, version and build. One whose shape a newer release wrote in a way that this one can't read is left
        out."""
        return [version for row in await self._pool.fetch(ALL) if (version := _version(row)) is not None]

    async def install(self, wanted: Sequence[Wanted]) -> None:
        """Have a table for each, and see that those there are fit. A table that is new is filled by runners.

        Raises: ViewRefused.
        """
        if not wanted:
            return
        async with self._pool.connection() as connection:
            for one in wanted:
                await self._install(connection, one)

    async def _install(self, connection: Connection, wanted: Wanted) -> None:
        known = [one for one in await self.all_of(connection, wanted.name) if one.version == wanted.version]
        if not known:
            await _refuse_trimmed(connection, wanted)
        async with connection.transaction() as transaction:
            await _take_turn(transaction)
            others = await self.all_of(transaction, wanted.name)
            if others and others[0].kind != wanted.kind:
                raise ViewRefused(f"{wanted.name} was a {others[0].kind}, and is a {wanted.kind}: give it another name")
            mine = [one for one in others if one.version == wanted.version]
            if mine:
                refuse_others(wanted, mine, others)
                for one in mine:
                    shape = also(one.shape, wanted.shape)
                    if one.shape != shape and one.kind == "view":
                        await _index(transaction, Table(one.name, one.version, shape, one.build))
                    if one.shape != shape or not wanted.kinds <= one.kinds:
                        await transaction.fetch(SAID, one.id, to_json(shape), sorted(wanted.kinds | one.kinds))
                    if wanted.from_now:
                        await _begin(transaction, one.id, wanted.kinds - one.kinds)
                if all(one.state == "old" for one in mine):
                    await transaction.fetch(REOPENED, max(mine, key=rank).id)
            else:
                await _make(transaction, wanted, build=1, state="filling" if others else "live")
        await self._settle(connection, wanted, mine)

    async def _settle(self, connection: Connection, wanted: Wanted, before: Sequence[Version]) -> None:
        """The tables are known, so retention keeps from now on what they have not folded. What it took until then? Undo
        what would be a lack. `before`: the tables of this version that there were. Raises: ViewRefused."""
        if not before:
            try:
                await _refuse_trimmed(connection, wanted)
            except ViewRefused:
                made = [one for one in await self.all_of(connection, wanted.name) if one.version == wanted.version]
                await self.drop(made, whole=True)
                raise
            return
        last = max(before, key=rank)
        if all(one.state == "old" for one in before):
            passed = await _passed(connection, wanted.kinds, last)
            if passed is None:
                return
            if not wanted.seeds:
                await connection.fetch("UPDATE view_versions SET state = 'old' WHERE id = $1", last.id)
                raise ViewRefused(
                    f"version {wanted.version} of the view {wanted.name} can't be gone back to: retention has taken "
                    f"events of {passed} since another took its place. Give the view the next version, and a `seed`"
                )
            async with connection.transaction() as transaction:  # another table can begin from states
                await _take_turn(transaction)
                await _drop(transaction, last)
                await _make(transaction, wanted, build=last.build + 1, state="filling")
            return
        added = wanted.kinds - last.kinds
        passed = await _passed(connection, added, last) if added and not wanted.seeds else None
        if passed is not None:
            for one in before:  # as they were
                await connection.fetch(SAID, one.id, to_json(one.shape), sorted(one.kinds))
            raise ViewRefused(
                f"the view {wanted.name} folds events of {', '.join(sorted(added))} now, of which retention has taken "
                f"some: those of {passed}, and perhaps of others. Give the view a `seed`"
            )

    async def all_of(self, connection: Connection | Transaction, name: str) -> list[Version]:
        """All versions and builds of one view, as this connection sees them."""
        rows = await connection.fetch(ALL)
        return [version for row in rows if (version := _version(row)) is not None and version.name == name]

    async def releases(self, known: Collection[str]) -> dict[str, dict[str, int] | None]:
        """The releases of nodes that are up, by digest, each with the views that it has and their versions; None for
        those that are known."""
        return _releases(await self._pool.fetch(RELEASES, list(known)))

    async def switch(self, version: Version, *, until_s: float | None = None, lineage: str | None = None) -> bool:
        """One that has been filled takes the live one's place, which becomes old. False when that is done already, a
        later build of the same version is live, a node is up that has not the code of this version, it is later
        than `until_s`, on the database's clock, or the database is of another lineage: whoever wants to switch has
        looked before, and may have stood still since.

        Raises: ViewRefused while SQL views of others hang on the stable name, and its columns change."""
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            await transaction.fetch(LOCK)
            all_of_it = {one.id: one for one in await self.all_of(transaction, version.name)}
            mine = all_of_it.get(version.id)
            live = [one for one in all_of_it.values() if one.state == "live"]
            if (
                mine is None
                or mine.state != "filling"
                or any(one.version == mine.version and one.build > mine.build for one in live)
            ):
                return False
            if until_s is not None and (await transaction.fetch(IS_LATER, until_s))[0][0]:
                return False
            if lineage is not None and (await transaction.fetch(LINEAGE))[0][0] != lineage:
                return False
            up = _releases(await transaction.fetch(RELEASES, []))
            if any((views or {}).get(mine.name) != mine.version for views in up.values()):
                return False
            await transaction.fetch(SOON)
            await transaction.fetch(OLDER, version.name)
            await transaction.fetch(LIVE, version.id)
            if mine.kind == "view":
                await show(transaction, mine.table, live[0].shape if live else None)
            return True

    async def rebuild(self, wanted: Wanted) -> Version:
        """Make another table of this release's version, to be filled beside the live one; where one is being filled, a
        new start. Tables of other versions stay. Raises: ViewRefused."""
        async with self._pool.connection() as connection:
            await _refuse_trimmed(connection, wanted)
            async with connection.transaction() as transaction:
                await transaction.fetch(LOCK)
                all_of_it = await self.all_of(transaction, wanted.name)
                mine = [one for one in all_of_it if one.version == wanted.version and one.state != "old"]
                if not mine:
                    kept = ", ".join(f"version {one.version} is {one.state}" for one in all_of_it)
                    raise ViewRefused(
                        f"version {wanted.version} of the view {wanted.name}, as this release has it, is not kept up: "
                        f"{kept or 'there is no table of it'}"
                    )
                refuse_others(wanted, mine, all_of_it)
                build = 1 + max(one.build for one in all_of_it if one.version == wanted.version)
                for one in mine:
                    if one.state == "filling":
                        await _drop(transaction, one)
                kinds = wanted.kinds.union(*(one.kinds for one in mine))
                await _make(transaction, msgspec.structs.replace(wanted, kinds=kinds), build=build, state="filling")
                return max(await self.all_of(transaction, wanted.name), key=lambda one: one.id)

    async def remake(self, name: str) -> Version | None:
        """As `rebuild`, whatever code there is: of each version that is being filled, of which no table stays, else of
        the live one. Rows of trimmed entities are made by a `seed`, or not at all. The newest version's; None where
        there is no such view."""
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            await transaction.fetch(LOCK)
            all_of_it = await self.all_of(transaction, name)
            if not all_of_it or all_of_it[0].kind == "sink":
                return None
            for one in all_of_it:
                if one.state == "filling":
                    await _drop(transaction, one)
            for one, build in to_remake(all_of_it):
                wanted = Wanted(name, one.version, one.shape, one.kinds, seeds=True)
                await _make(transaction, wanted, build=build, state="filling")
            return max(await self.all_of(transaction, name), key=lambda one: one.id)

    async def abandoned(self, versions: Collection[Version], code: Collection[Wanted]) -> set[int]:
        """Which of them nobody goes on with, by id: they are being filled, and neither a node that is up nor `code` has
        their version."""
        kept = {(one.name, one.version) for one in code} | await self.running()
        return {one.id for one in versions if one.state == "filling" and (one.name, one.version) not in kept}

    async def running(self) -> set[tuple[str, int]]:
        """The views that nodes which are up have the code of, with their versions."""
        return {one for views in (await self.releases(())).values() for one in (views or {}).items()}

    async def give_up(self, version: Version) -> bool:
        """One that is being filled, and that nobody can fill any more, is old from now on: retention passes it by, and
        a release with its code fills it again, if it can. False when it is not being filled."""
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            await transaction.fetch(LOCK)
            return bool(await transaction.fetch(GIVEN_UP, version.id))

    async def drop(self, versions: Collection[Version], *, abandoned: Collection[int] = (), whole: bool = False) -> int:
        """Drop the tables of those that are old, or still `filling` and among the ids `abandoned`; with `whole`
        whatever they are. How many there were. Raises: ViewRefused while SQL views of others hang on one."""
        dropped = 0
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            await transaction.fetch(LOCK)
            ids = {one.id for one in versions}
            for name in sorted({one.name for one in versions}):
                for one in await self.all_of(transaction, name):
                    if one.id in ids and (
                        whole or one.state == "old" or (one.state == "filling" and one.id in abandoned)
                    ):
                        await _drop(transaction, one)
                        dropped += 1
        return dropped

    async def pause(self, name: str, *, paused: bool) -> int:
        """Fold nothing into any table of this view until it is resumed; or resume. How many tables it has."""
        sql = "UPDATE view_versions SET paused = $2, rung = rung + 1 WHERE name = $1 RETURNING id"
        return len(await self._pool.fetch(sql, name, paused))

    async def ring(self, name: str) -> None:
        """Whoever fills its tables is to look anew for what there is to fold."""
        await self._pool.fetch("UPDATE view_versions SET rung = rung + 1 WHERE name = $1", name)


async def _take_turn(transaction: Transaction) -> None:
    """Lock, though others hold it for longer than a statement may take, as who makes a sink from now on does where
    there are millions of entities: a node that starts is not to fail for that. Raises: StoreUnavailable."""
    with trio.move_on_after(TURN_S):
        while not (await transaction.fetch(TRY_LOCK))[0][0]:  # noqa: ASYNC110 - it is another session that lets go
            await trio.sleep(LOOK_S)
        return
    raise TookTooLong(f"others have been making tables of views for {TURN_S:g} s")


async def _make(transaction: Transaction, wanted: Wanted, *, build: int, state: str) -> None:
    if wanted.kind == "view":
        table = Table(wanted.name, wanted.version, wanted.shape, build)
        for statement in (*table.create(), *table.indexes()):
            await transaction.fetch(statement)
        if state == "live":
            await show(transaction, table, None)
    shape = wanted.shape
    kinds = sorted(wanted.kinds)
    of_it = (to_json(shape), shape.digest, kinds, state, wanted.kind, wanted.from_now)
    ((id_,),) = await transaction.fetch(MADE, wanted.name, wanted.version, build, *of_it)
    if wanted.from_now:
        await _begin(transaction, id_, kinds)


async def _begin(transaction: Transaction, version_id: int, kinds: Collection[str]) -> None:
    """Where it begins with each entity that there is of these kinds: those to come it is given whole."""
    for kind in sorted(kinds):
        after: str | None = f"{kind}:"
        while after is not None:
            ((after,),) = await transaction.fetch(BEGUN, version_id, after, f"{kind};", HEADS_AT_ONCE)


async def _index(transaction: Transaction, table: Table) -> None:
    """Have the indexes that a table lacks. Raises: ViewRefused when that takes longer than a statement may."""
    for statement in table.indexes():
        try:
            await transaction.fetch(statement)
        except TookTooLong as error:
            raise ViewRefused(
                f"the view {table.name} wants an index that takes long to be made. Make it beforehand, or another "
                f"version of the view: {statement.replace('INDEX IF', 'INDEX CONCURRENTLY IF')}"
            ) from error


async def _drop(transaction: Transaction, version: Version) -> None:
    """Its progress goes by pages, afterwards: nobody looks it up any more (see progress.py)."""
    await transaction.fetch(SOON)
    if version.kind == "view":
        if version.state == "live":
            await refuse_dependents(transaction, version.table)
        for statement in (*(version.table.hide() if version.state == "live" else ()), *version.table.drop()):
            await transaction.fetch(statement)
    await transaction.fetch("DELETE FROM view_versions WHERE id = $1", version.id)


async def _passed(connection: Connection, kinds: Collection[str], version: Version) -> str | None:
    """An entity of these kinds of which retention has taken what that table has not folded."""
    for kind in sorted(kinds):
        after: str | None = f"{kind}:"
        while after is not None:
            rows = await connection.fetch(PASSED, after, f"{kind};", HEADS_AT_ONCE, version.id)
            after, passed = rows[0]
            if passed is not None:
                return str(passed)
    return None


async def _refuse_trimmed(connection: Connection, wanted: Wanted) -> None:
    """Raises: ViewRefused when events are gone that the view would have to fold."""
    if wanted.seeds:
        return
    for kind in sorted(wanted.kinds):
        after: str | None = f"{kind}:"
        while after is not None:
            rows = await connection.fetch(TRIMMED, after, f"{kind};", HEADS_AT_ONCE)
            after, trimmed = rows[0]
            if trimmed is not None:
                raise ViewRefused(
                    f"the {wanted.kind} {wanted.name} can't be made: retention has taken events of {trimmed} and "
                    f"perhaps of others. {BEGIN_OTHERWISE[wanted.kind]}"
                )


def _releases(rows: Sequence[Any]) -> dict[str, dict[str, int] | None]:
    return {digest: None if views is None else versions_in(views) for digest, views in rows}


def _version(row: Any) -> Version | None:
    id_, name, version, build, shape, kinds, state, kind, paused, rung, age_s = row
    try:
        read = from_json(shape)
    except MsgspecError:
        return None
    return Version(
        id=id_,
        name=name,
        version=version,
        build=build,
        shape=read,
        kinds=frozenset(kinds),
        state=state,
        kind=kind,
        paused=paused,
        rung=rung,
        age_s=age_s,
    )
