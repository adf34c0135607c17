"""Remaking: views whose rows may have what is erased are filled anew beside their tables, and take their place.

Which views these are, and the new table of each, is in the erasure's row: so whoever goes on with it begins none twice.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
import trio

from greenroom.store.postgres.pool import Pool
from greenroom.store.views.progress import PostgresProgress
from greenroom.store.views.store import Version
from greenroom.store.views.versions import PostgresVersions

LOOK_S = 0.2

# A view that is wanted and has no table yet has 0.
WANTED = """
UPDATE erasures SET did = jsonb_set(did, '{views}', (
    SELECT coalesce(jsonb_object_agg(name, 0), '{}') FROM unnest($2::text[]) AS w (name)
) || coalesce(did -> 'views', '{}')) WHERE id = $1
"""
MADE = "UPDATE erasures SET did = jsonb_set(did, ARRAY['views', $2::text], to_jsonb($3::int)) WHERE id = $1"
DID = "SELECT coalesce(did -> 'views', '{}')::text FROM erasures WHERE id = $1"


class Waits(Exception):
    """Others have something to do before it can go on; the text says who, and what. Do it again then."""


# What goes on, how much of it is done, and of how much: 0 where that is not known.
Told = Callable[[str, int, int], None]


class Made(NamedTuple):
    """A view's table that is filled anew."""

    name: str
    id: int


class Remaking:
    """Of one erasure. All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, erasure_id: int) -> None:
        self._pool = pool
        self._erasure_id = erasure_id
        self._versions = PostgresVersions(pool)
        self._progress = PostgresProgress(pool)

    async def want(self, kinds: Iterable[str]) -> None:
        """All views that fold events of these kinds."""
        among = set(kinds)
        names = sorted({one.name for one in await self._versions.all() if among & one.kinds and one.kind == "view"})
        await self._pool.fetch(WANTED, self._erasure_id, names)

    async def begin(self) -> list[Made]:
        """Make the tables that are wanted and not there yet; all of them."""
        ((did,),) = await self._pool.fetch(DID, self._erasure_id)
        made: list[Made] = []
        for name, number in msgspec.json.decode(did, type=dict[str, int]).items():
            if not number:
                table = await self._versions.remake(name)
                if table is None:
                    continue  # it was dropped meanwhile
                number = table.id
                await self._pool.fetch(MADE, self._erasure_id, name, number)
            made.append(Made(name, number))
        return made

    async def made_anew(self, made: Made, told: Told, *, patience_s: float) -> None:
        """Return once the new table has taken the live one's place, and those before it are dropped. Raises: Waits."""
        most, least = 0, 1 << 62
        since = trio.current_time()
        while not await self._is_live(made):
            left = await self._left(made)
            most = max(most, left)
            told(f"making the view {made.name} anew", most - left, most)
            if left < least:
                least, since = left, trio.current_time()
            elif trio.current_time() - since > patience_s:
                raise Waits(
                    f"the view {made.name} is made anew without it, and does not get on: is a server running that has "
                    "its code? `greenroom views` says more; `greenroom views drop-old NAME --whole` drops one that is "
                    "gone from the code"
                )
            await trio.sleep(LOOK_S)
        await self._versions.drop([one for one in await self._of(made.name) if one.id < made.id])
        await self._progress.clean()

    async def _is_live(self, made: Made) -> bool:
        """Has it, or one that was made after it, taken the live one's place? Also where the view was dropped."""
        mine = await self._of(made.name)
        return not mine or any(one.state == "live" and one.id >= made.id for one in mine)

    async def _left(self, made: Made) -> int:
        """Events that are still to be folded into it."""
        filling = [one for one in await self._of(made.name) if one.state == "filling" and one.id >= made.id]
        left = [await self._progress.left(one, entities_max=1 << 62) for one in filling]
        return min((one.events for one in left), default=0)

    async def _of(self, name: str) -> list[Version]:
        return [one for one in await self._versions.all() if one.name == name]
