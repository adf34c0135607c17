"""The tables of views and sinks, and what can be done about them: for the command line, and for the page at `/admin`.

All of it goes through the database: whichever nodes fill them see it within a second.
"""

from collections.abc import Callable, Collection, Sequence

from greenroom.actors.model.errors import Refused
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.progress import PostgresProgress
from greenroom.store.views.store import Version
from greenroom.store.views.versions import PostgresVersions
from greenroom.store.views.wanted import Wanted


class Tables:
    """All of it raises StoreUnavailable; for a name that is none, Refused."""

    def __init__(self, pool: Pool, code: Callable[[], Sequence[Wanted]]) -> None:
        """`code`: the views and the sinks of this release."""
        self.versions = PostgresVersions(pool)
        self.progress = PostgresProgress(pool)
        self._code = code

    async def of(self, name: str) -> list[Version]:
        """All tables of one view. Raises: Refused when there is none."""
        found = [one for one in await self.versions.all() if one.name == name]
        if not found:
            raise Refused("no_such_view", f"no view {name}", status=404)
        return found

    def wanted(self, name: str) -> Wanted | None:
        """As this release's code has it."""
        return next((one for one in self._code() if one.name == name), None)

    async def abandoned(self, versions: Collection[Version]) -> set[int]:
        """By id, those that are being filled, and nobody has their code."""
        if all(one.state != "filling" for one in versions):
            return set()
        return await self.versions.abandoned(versions, self._code())

    async def pause(self, name: str, *, paused: bool) -> None:
        """See PostgresVersions. Raises: Refused when there is no such view."""
        if not await self.versions.pause(name, paused=paused):
            raise Refused("no_such_view", f"no view {name}", status=404)

    async def retry(self, name: str, entity: str | None = None) -> int:
        """Have parked entities of all its tables, or one of them, tried again. How many there are."""
        found = await self.progress.retry(await self.of(name), entity)
        await self.versions.ring(name)
        return found

    async def rebuild(self, name: str) -> Version:
        """Have another table of this release's version filled. Raises: Refused, ViewRefused."""
        if (await self.of(name))[0].kind == "sink":
            how = f"`greenroom views replay {name} --from 1`"
            raise Refused("is_a_sink", f"{name} is a sink, which has no table: {how}", status=409)
        wanted = self.wanted(name)
        if wanted is None:
            raise Refused("not_of_this_release", f"{name} is no view of this release: nobody could fill it", status=409)
        return await self.versions.rebuild(wanted)

    async def drop_old(self, name: str, *, whole: bool = False) -> int:
        """Drop those tables that others have taken the place of, or that nobody fills any more; with `whole` all. How
        many there were. Raises: Refused, ViewRefused."""
        found = await self.of(name)
        return await self.versions.drop(found, abandoned=await self.abandoned(found), whole=whole)
