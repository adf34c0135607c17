"""Versions in memory: see stores.py, and versions.py for what becomes of them.

Each call is one step, where no table has to be waited for.
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import trio
from msgspec.structs import replace

from greenroom.store.errors import ViewRefused
from greenroom.store.views.memory.rows import MemoryViewRows, ProgressRow, VersionRow, kind_of
from greenroom.store.views.store import Version
from greenroom.store.views.wanted import BEGIN_OTHERWISE, Wanted, also, rank, refuse_others, to_remake, versions_in

SOON_S = 2.0  # that a table which is to go may be in use


class MemoryVersions:
    """See Versions."""

    def __init__(self, rows: MemoryViewRows) -> None:
        self._rows = rows

    async def all(self) -> list[Version]:
        """See Versions."""
        await trio.lowlevel.checkpoint()
        now = self._rows.now()
        found = [replace(row.version, age_s=max(now - row.began_s, 0.0)) for row in self._rows.versions.values()]
        return sorted(found, key=lambda one: (one.name, one.version, one.build))

    async def install(self, wanted: Sequence[Wanted]) -> None:
        """See Versions."""
        for one in wanted:
            await trio.lowlevel.checkpoint()
            await self._install(one)

    async def _install(self, wanted: Wanted) -> None:
        others = self._of(wanted.name)
        if others and others[0].kind != wanted.kind:
            raise ViewRefused(f"{wanted.name} was a {others[0].kind}, and is a {wanted.kind}: give it another name")
        mine = [one for one in others if one.version == wanted.version]
        if not mine:
            self._refuse_trimmed(wanted)
            self._make(wanted, build=1, state="filling" if others else "live")
            return
        refuse_others(wanted, mine, others)
        last = max(mine, key=rank)
        if all(one.state == "old" for one in mine):
            passed = self._passed(wanted.kinds, last)
            if passed is None:
                self._say(wanted, mine)
                self._change(last.id, state="filling", rung=last.rung + 1)
                self._rows.versions[last.id] = replace(self._rows.versions[last.id], reopened_s=self._rows.now())
            elif wanted.seeds:
                await self._free([last])
                self._drop(last)
                self._make(wanted, build=last.build + 1, state="filling")
            else:
                raise ViewRefused(
                    f"version {wanted.version} of the view {wanted.name} can't be gone back to: retention has taken "
                    f"events of {passed} since another took its place. Give the view the next version, and a `seed`"
                )
            return
        added = wanted.kinds - last.kinds
        passed = self._passed(added, last) if added and not wanted.seeds else None
        if passed is not None:
            raise ViewRefused(
                f"the view {wanted.name} folds events of {', '.join(sorted(added))} now, of which retention has taken "
                f"some: those of {passed}, and perhaps of others. Give the view a `seed`"
            )
        self._say(wanted, mine)

    async def releases(self, known: Collection[str]) -> dict[str, dict[str, int] | None]:
        """See Versions."""
        await trio.lowlevel.checkpoint()
        return self._releases(known)

    def _releases(self, known: Collection[str]) -> dict[str, dict[str, int] | None]:
        shards = self._rows.shards
        now = shards.now()
        up = {one.newcomer.release for one in shards.nodes.values() if not one.is_dead and one.lease_until > now}
        found: dict[str, dict[str, int] | None] = {}
        for digest in sorted(up):
            found[digest] = None if digest in known else versions_in(_views_of(shards.releases.get(digest, "{}")))
        return found

    async def switch(self, version: Version, *, until_s: float | None = None, lineage: str | None = None) -> bool:
        """See Versions."""
        await trio.lowlevel.checkpoint()
        all_of_it = self._of(version.name)
        mine = next((one for one in all_of_it if one.id == version.id), None)
        live = [one for one in all_of_it if one.state == "live"]
        if mine is None or mine.state != "filling" or (until_s is not None and self._rows.now() > until_s):
            return False
        if lineage not in (None, self._rows.journal.lineage):
            return False
        if any(one.version == mine.version and one.build > mine.build for one in live):
            return False
        if any((views or {}).get(mine.name) != mine.version for views in self._releases(()).values()):
            return False
        for one in live:
            self._change(one.id, state="old")
        self._change(mine.id, state="live")
        return True

    async def rebuild(self, wanted: Wanted) -> Version:
        """See Versions. Raises: ViewRefused."""
        await trio.lowlevel.checkpoint()
        self._refuse_trimmed(wanted)
        filling = [one for one in self._of(wanted.name) if one.version == wanted.version and one.state == "filling"]
        await self._free(filling)
        all_of_it = self._of(wanted.name)
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
                self._drop(one)
        kinds = wanted.kinds.union(*(one.kinds for one in mine))
        return self._make(replace(wanted, kinds=kinds), build=build, state="filling")

    async def remake(self, name: str) -> Version | None:
        """See Versions."""
        await trio.lowlevel.checkpoint()
        await self._free([one for one in self._of(name) if one.state == "filling"])
        all_of_it = self._of(name)
        if not all_of_it or all_of_it[0].kind == "sink":
            return None
        for one in all_of_it:
            if one.state == "filling":
                self._drop(one)
        for one, build in to_remake(all_of_it):
            made = self._make(Wanted(name, one.version, one.shape, one.kinds, seeds=True), build=build, state="filling")
        return made

    async def abandoned(self, versions: Collection[Version], code: Collection[Wanted]) -> set[int]:
        """See Versions."""
        await trio.lowlevel.checkpoint()
        kept = {(one.name, one.version) for one in code} | self._running()
        return {one.id for one in versions if one.state == "filling" and (one.name, one.version) not in kept}

    async def running(self) -> set[tuple[str, int]]:
        """See Versions."""
        await trio.lowlevel.checkpoint()
        return self._running()

    def _running(self) -> set[tuple[str, int]]:
        return {one for views in self._releases(()).values() for one in (views or {}).items()}

    async def give_up(self, version: Version) -> bool:
        """See Versions."""
        await trio.lowlevel.checkpoint()
        row = self._rows.versions.get(version.id)
        if row is None or row.version.state != "filling":
            return False
        self._change(version.id, state="old")
        return True

    async def drop(self, versions: Collection[Version], *, abandoned: Collection[int] = (), whole: bool = False) -> int:
        """See Versions."""
        await trio.lowlevel.checkpoint()

        def is_to_go(one: Version) -> bool:
            return whole or one.state == "old" or (one.state == "filling" and one.id in abandoned)

        there = [row.version for one in versions if (row := self._rows.versions.get(one.id)) is not None]
        await self._free([one for one in there if is_to_go(one)])
        dropped = 0
        for one in there:
            row = self._rows.versions.get(one.id)
            if row is not None and is_to_go(row.version):
                self._drop(row.version)
                dropped += 1
        return dropped

    async def pause(self, name: str, *, paused: bool) -> int:
        """See Versions."""
        await trio.lowlevel.checkpoint()
        found = self._of(name)
        for one in found:
            self._change(one.id, paused=paused, rung=one.rung + 1)
        return len(found)

    async def ring(self, name: str) -> None:
        """See Versions."""
        await trio.lowlevel.checkpoint()
        for one in self._of(name):
            self._change(one.id, rung=one.rung + 1)

    # Rows.

    def _of(self, name: str) -> list[Version]:
        found = [row.version for row in self._rows.versions.values() if row.version.name == name]
        return sorted(found, key=rank)

    def _change(self, id_: int, **fields: Any) -> None:
        row = self._rows.versions[id_]
        self._rows.versions[id_] = replace(row, version=replace(row.version, **fields))

    def _say(self, wanted: Wanted, mine: Sequence[Version]) -> None:
        for one in mine:
            if wanted.from_now:
                self._begin(one.id, wanted.kinds - one.kinds)
            self._change(one.id, shape=also(one.shape, wanted.shape), kinds=one.kinds | wanted.kinds)

    def _make(self, wanted: Wanted, *, build: int, state: str) -> Version:
        rows = self._rows
        rows.last_id += 1
        made = Version(
            id=rows.last_id,
            name=wanted.name,
            version=wanted.version,
            build=build,
            shape=wanted.shape,
            kinds=wanted.kinds,
            state=state,  # type: ignore[arg-type]
            kind=wanted.kind,
            paused=False,
            rung=0,
            age_s=0.0,
        )
        rows.versions[made.id] = VersionRow(made, rows.now(), begun=wanted.from_now)
        if wanted.from_now:
            self._begin(made.id, wanted.kinds)
        if wanted.kind == "view":
            rows.tables[made.table.rows] = {}
        return made

    def _begin(self, version_id: int, kinds: Collection[str]) -> None:
        progress = self._rows.progress_of(version_id)
        for row in self._rows.heads():
            if kind_of(row.head.entity) in kinds:
                progress.setdefault(row.head.id, ProgressRow(row.head.offset))

    async def _free(self, versions: Collection[Version]) -> None:
        """Return once no transaction is in any of these tables. Raises: StoreUnavailable."""
        if versions:
            await self._rows.locks.no_session_in({one.table.rows for one in versions}, SOON_S)

    def _drop(self, version: Version) -> None:
        del self._rows.versions[version.id]
        self._rows.tables.pop(version.table.rows, None)

    # Retention.

    def _passed(self, kinds: Collection[str], version: Version) -> str | None:
        progress = self._rows.progress_of(version.id)
        for row in self._rows.heads():
            folded = progress.get(row.head.id)
            is_passed = row.head.trimmed > (folded.offset if folded is not None else 0)
            if is_passed and kind_of(row.head.entity) in kinds:
                return row.head.entity
        return None

    def _refuse_trimmed(self, wanted: Wanted) -> None:
        trimmed = (
            None
            if wanted.seeds
            else next(
                (
                    row.head.entity
                    for row in self._rows.heads()
                    if row.head.trimmed and kind_of(row.head.entity) in wanted.kinds
                ),
                None,
            )
        )
        if trimmed is not None:
            raise ViewRefused(
                f"the {wanted.kind} {wanted.name} can't be made: retention has taken events of {trimmed} and "
                f"perhaps of others. {BEGIN_OTHERWISE[wanted.kind]}"
            )


def _views_of(knowledge: str) -> str:
    """What a release knows of views, as JSON."""
    known = msgspec.json.decode(knowledge)
    return msgspec.json.encode(known.get("schema", {}).get("views", {})).decode()
