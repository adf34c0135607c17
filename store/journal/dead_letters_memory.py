"""Dead letters in memory: for tests, benchmarks and simulated clusters."""

from collections import Counter
from collections.abc import Collection, Sequence

import trio
from msgspec.structs import replace

from greenroom.store.journal.consequences.letters import KEPT_MAX, LetterRows
from greenroom.store.journal.dead_letters import ALL, TEXT_CHARACTERS_MAX, Census, DeadLetter, Which
from greenroom.store.ownership.sharding import SHARDS, shard_of


class MemoryDeadLetters:
    """See DeadLetters."""

    def __init__(self, letters: LetterRows | None = None, *, kept_max: int = KEPT_MAX, shards: int = SHARDS) -> None:
        """`shards`: how many entities hash onto."""
        self._shards = shards
        self._letters = letters or LetterRows(kept_max)

    async def add(self, letter: DeadLetter, *, key: int | None = None) -> None:
        await trio.lowlevel.checkpoint()
        self._letters.put(letter, key)

    async def list(self, *, limit: int, before: int | None = None, which: Which = ALL) -> Sequence[DeadLetter]:
        await trio.lowlevel.checkpoint()
        rows = reversed(self._letters.rows)
        return [letter for letter in rows if which.has(letter) and (before is None or letter.id < before)][:limit]

    async def get(self, number: int) -> DeadLetter | None:
        await trio.lowlevel.checkpoint()
        return next((letter for letter in self._letters.rows if letter.id == number), None)

    async def drop(self, which: Which) -> int:
        await trio.lowlevel.checkpoint()
        gone = [letter for letter in self._letters.rows if which.has(letter)]
        for letter in gone:
            self._letters.rows.remove(letter)
        return len(gone)

    async def wish(self, which: Which) -> Sequence[int]:
        return await self._change(which, wished=True)

    async def wished(self, *, limit: int, shards: Collection[int] | None = None) -> Sequence[DeadLetter]:
        await trio.lowlevel.checkpoint()
        return [
            letter
            for letter in self._letters.rows
            if letter.wished and (shards is None or shard_of(letter.entity, self._shards) in shards)
        ][:limit]

    async def refused(self, number: int, error: str = "") -> None:
        fields = {"error": error[:TEXT_CHARACTERS_MAX]} if error else {}
        await self._change(Which(ids=(number,)), wished=False, **fields)

    async def _change(self, which: Which, **fields: object) -> Sequence[int]:
        await trio.lowlevel.checkpoint()
        changed = []
        for at, letter in enumerate(self._letters.rows):
            if which.has(letter):
                self._letters.rows[at] = replace(letter, **fields)
                changed.append(letter.id)
        return changed

    async def census(self, *, after: int) -> Census:
        await trio.lowlevel.checkpoint()
        rows = self._letters.rows
        since = [letter for letter in rows if letter.id > after]
        kinds = Counter((letter.entity.partition(":")[0], letter.message_type) for letter in since)
        return Census(
            stored=len(rows),
            last_id=rows[-1].id if rows else 0,
            since=len(since),
            minute=len(since),  # without a clock, it is what has come since
            common=(*kinds.most_common(1)[0][0], kinds.most_common(1)[0][1]) if kinds else None,
        )
