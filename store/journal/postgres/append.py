"""Appending: the statement, and whom to tell what when the server did not take all of a batch."""

from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from greenroom.store.errors import DataRefused, OutcomeLost, StoreUnavailable
from greenroom.store.journal.consequences.inline import Inline, note_landed
from greenroom.store.journal.names import encode_name
from greenroom.store.journal.postgres.inline import PLACE_AT, inline_of, without_inline
from greenroom.store.journal.postgres.places import Place, Places, parse
from greenroom.store.journal.postgres.statement import nothing, statement
from greenroom.store.journal.records import Append, Outcome
from greenroom.store.postgres.connection import Connection

log = structlog.get_logger("greenroom.journal")

RACES_MAX = 100  # races against retention that an append may lose; each says that a trim has landed meanwhile

STILL_MINE = """
SELECT h.id
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS i (id, fence, after)
JOIN heads h ON h.id = i.id AND h.fence = i.fence AND h.incarnation = $4 AND h."offset" = i.after
    AND h.lineage = (SELECT lineage())
"""

REPEATED = """
SELECT c.id
FROM unnest($1::bigint[], $2::bytea[]) AS c (id, command_id)
WHERE EXISTS (SELECT FROM journal j WHERE j.id = c.id AND j.command_id = c.command_id)
    OR EXISTS (SELECT FROM kept_ids k WHERE k.id = c.id AND k.command_id = c.command_id)
"""


class Appending:
    """One batch on its way. `outcomes`, by head id, grows; what is in none of it was not written: it is fenced."""

    def __init__(self, connection: Connection, incarnation: int, known: Places) -> None:
        self._connection = connection
        self._known = known
        self._incarnation = incarnation
        self.outcomes: dict[int, Outcome] = {}

    async def warm(self) -> None:
        """Append nothing: see Claiming. Raises: StoreUnavailable."""
        for sql, arguments in nothing(self._incarnation):
            await self._connection.fetch(sql, *arguments)

    async def run(self, batch: Sequence[Append]) -> None:
        """Append what can be, by rising head id. Raises: StoreUnavailable when nothing of it landed for certain,
        OutcomeLost when that can't be known, or a part of it landed and the rest could not be tried."""
        try:
            await self._settle(sorted(batch, key=_head_id))
        except StoreUnavailable as error:
            if Outcome.LANDED in self.outcomes.values():
                raise OutcomeLost(f"after a part of the batch had landed: {error}") from error
            raise

    async def _settle(self, todo: list[Append], *, is_last: bool = False) -> None:
        """Bounded: a round either leaves somebody out, or halves, or has lost a race against retention, which rests
        after each of its steps. `is_last`: an append that was refused alone before.

        Raises: StoreUnavailable, also where such races don't end: what is left was not written, and is not fenced."""
        races = 0
        while todo:
            sql, arguments = statement(todo, self._incarnation, self._known)
            inline = inline_of(todo)
            try:
                rows = await self._connection.fetch(sql, *arguments, write=True)
            except StoreUnavailable as error:  # all rolled back: leave out who is at fault, and again
                rest = await self._without_culprits(todo) if isinstance(error, DataRefused) else todo
                if len(rest) < len(todo):
                    todo = rest
                elif inline and self._connection.has_session:  # who is gone has refused no row
                    # A row that does not fit, or a table that has gone: no append fails by it.
                    log.info("inline_rows_left", entities=len(inline), error=str(error))
                    todo = without_inline(todo)
                elif isinstance(error, DataRefused):
                    await self._divide(todo, error, is_last=is_last)
                    return
                else:
                    raise
                continue
            landed = {row[0]: row[1] for row in rows} if not inline else self._note_inline(inline, rows)
            for head_id, place in landed.items():
                self._known.note(head_id, place)
            self.outcomes.update(dict.fromkeys(landed, Outcome.LANDED))
            missing = [item for item in todo if item.head_id not in landed] if len(landed) < len(todo) else []
            self._known.forget(item.head_id for item in missing)  # else the same would not find them again
            todo = await self._sort_out(missing) if missing else []
            races += 1
            if todo and races == RACES_MAX:
                raise StoreUnavailable(f"retention came between {races} times")

    def _note_inline(self, inline: dict[int, Inline], rows: Sequence[Any]) -> dict[int, Place]:
        """The heads that were appended to, and what was done of rows of views."""
        landed = {}
        for row in rows:
            if row[0] is None:
                note_landed(inline, row)
            else:
                landed[row[0]] = parse(row[PLACE_AT][0])
        return landed

    async def _divide(self, refused: list[Append], error: DataRefused, *, is_last: bool) -> None:
        """Nobody knows whose data it was: by halves, until that one is alone, and then once more. What it ran into may
        have gone since, as a command id that has expired or an outbox row that was delivered, and for a damaged append
        somebody's message is given up."""
        if len(refused) == 1:
            if not is_last:
                await self._settle(refused, is_last=True)
                return
            self.outcomes[refused[0].head_id] = Outcome.DAMAGED
            log.error("append_damaged", head=refused[0].head_id, error=str(error))
            return
        half = len(refused) // 2
        await self._settle(refused[:half])
        await self._settle(refused[half:])

    async def _without_culprits(self, items: list[Append]) -> list[Append]:
        """Those of a refused batch at which nothing was found; of the others the outcomes are noted."""
        mine = await self._still_mine(items)
        repeated = await self._repeated(mine)
        self.outcomes.update(dict.fromkeys(repeated, Outcome.REPEATED))
        return [item for item in mine if item.head_id not in repeated]

    async def _sort_out(self, missing: list[Append]) -> list[Append]:
        """Why were these not written? Fenced, repeated, or (those returned, to be tried again) just trimmed."""
        try:
            again = await self._still_mine(missing)
            repeated = await self._repeated(again)
        except StoreUnavailable:
            # Others of the batch may have landed, so this can't be raised. Fenced is true enough: nothing of these was
            # written, and an activation that is told so claims again and finds out the rest.
            return []
        self.outcomes.update(dict.fromkeys(repeated, Outcome.REPEATED))
        return [item for item in again if item.head_id not in repeated]

    async def _still_mine(self, items: Sequence[Append]) -> list[Append]:
        """Those whose fence, incarnation and offset match. The others are fenced, whatever else they may be."""
        ids, fences = [item.head_id for item in items], [item.fence for item in items]
        rows = await self._connection.fetch(STILL_MINE, ids, fences, [item.after for item in items], self._incarnation)
        mine = {row[0] for row in rows}
        return [item for item in items if item.head_id in mine]

    async def _repeated(self, items: Iterable[Append]) -> set[int]:
        """Heads among `items` with a command id that was used before, or twice in one append."""
        repeated: set[int] = set()
        heads: list[int] = []
        ids: list[bytes] = []
        for item in items:
            own = [encode_name(event.command_id) for event in item.events if event.command_id is not None]
            if len(set(own)) < len(own):
                repeated.add(item.head_id)
            heads += [item.head_id] * len(own)
            ids += own
        if heads:
            repeated.update(row[0] for row in await self._connection.fetch(REPEATED, heads, ids))
        return repeated


def _head_id(item: Append) -> int:
    return item.head_id
