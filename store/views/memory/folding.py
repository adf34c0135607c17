"""One transaction into a table in memory: what it has locked nobody else folds, and what it writes lands at its end.

As in Postgres under READ COMMITTED: a statement sees what was committed when it began, and of rows that it had to wait
for what was committed by then. A row that is not there can't be locked; whoever is second to make it is told so.
"""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import msgspec
import trio

from greenroom.store.errors import DataRefused
from greenroom.store.views.memory.locks import Session
from greenroom.store.views.memory.rows import MemoryViewRows, ProgressRow, StoredRow
from greenroom.store.views.shape import Column, Shape
from greenroom.store.views.store import Key, ParkedEntity, Raced, Standing, Values, Version, Writing, Written

BIGINT_MAX = (1 << 63) - 1
Lockable = tuple[Literal["progress", "row"], int | str, Any]  # of which version or table, and which of its rows


class MemoryFoldTransaction:
    """See FoldTransaction. Whoever has made it says how it ends: `commit` or `roll_back`."""

    def __init__(self, rows: MemoryViewRows, version: Version) -> None:
        self._rows = rows
        self._view_id = version.id
        self._version = version
        self._table = version.table
        self._shape = version.shape
        self._rows_landing: list[Callable[[], object]] = []
        self._progress_landing: list[Callable[[], object]] = []
        self.session = Session(rows.locks)

    async def lock(self, head_ids: Sequence[int]) -> dict[int, Standing]:
        """See FoldTransaction."""
        await trio.lowlevel.checkpoint()
        with self.session.statement():
            rows = self._rows
            if not rows.has(self._version):
                return {}
            heads = [row for head_id in sorted(head_ids) if (row := rows.journal.by_id.get(head_id)) is not None]
            seen = [(row.head.id, row.head.fence, row.head.offset, row.head.trimmed) for row in heads]
            lineage = rows.journal.lineage
            present = rows.progress_of(self._view_id).keys() & {head_id for head_id, *_ in seen}
            found: dict[int, Standing] = {}
            for head_id, fence, offset, trimmed in seen:
                progress: ProgressRow | None = None
                if head_id in present:
                    await self._take("progress", self._view_id, head_id)
                    progress = rows.progress_of(self._view_id).get(head_id)
                folded = progress.offset if progress is not None else 0
                is_parked = progress is not None and progress.parked is not None
                found[head_id] = Standing(folded, progress is not None, is_parked, fence, offset, trimmed, lineage)
            return found

    async def load(self, keys: Sequence[Key]) -> dict[Key, Values | None]:
        """See FoldTransaction."""
        await trio.lowlevel.checkpoint()
        with self.session.statement():
            self._enter_table()
            present = self._rows.table(self._table).keys() & set(keys)
            found: dict[Key, Values | None] = {}
            for key in keys:
                found[key] = None
                if key in present:
                    await self._take("row", self._table.rows, key)
                    row = self._rows.table(self._table).get(key)
                    found[key] = row.values if row is not None else None
            return found

    async def write(self, writing: Writing) -> Written:
        """See FoldTransaction. Raises: Raced, DataRefused, StoreUnavailable."""
        await trio.lowlevel.checkpoint()
        with self.session.statement():
            if writing.inserted or writing.updated or writing.removed:
                self._enter_table()
            inserted = [stored(self._shape, values) for values in writing.inserted]
            updated = [stored(self._shape, values) for values in writing.updated]
            is_first = [await self._insert(values) for values in inserted]
            written = Written([], [], [])
            for values, is_new in zip(inserted, is_first, strict=True):
                if is_new:
                    written.inserted.append(self._put(values))
            for values in updated:
                written.updated.append(self._put(values))
            for key in writing.removed:
                revision = self._rows.next_revision()
                written.removed.append(revision)
                self._remove(key)
            begun = [await self._begin(head_id, offset, writing) for head_id, offset in sorted(writing.begun.items())]
            for head_id, offset in sorted(writing.moved.items()):
                await self._take("progress", self._view_id, head_id)
                self._move(head_id, offset, writing.parked.get(head_id))
            if not all(is_first) or not all(begun):
                raise Raced(self._table.rows)
            assert all(one < other for one, other in pairwise(written.inserted))
            return written

    async def _insert(self, values: Values) -> bool:
        """False: there is one, by another transaction that was first."""
        key = self._key_of(values)
        await self._take("row", self._table.rows, key)
        return key not in self._rows.table(self._table)

    async def _begin(self, head_id: int, offset: int, writing: Writing) -> bool:
        await self._take("progress", self._view_id, head_id)
        if head_id in self._rows.progress_of(self._view_id):
            return False
        self._move(head_id, offset, writing.parked.get(head_id))
        return True

    def _put(self, values: Values) -> int:
        revision = self._rows.next_revision()
        row = StoredRow(values, revision)
        key = self._key_of(values)
        self._rows_landing.append(lambda: self._rows.table(self._table).__setitem__(key, row))
        return revision

    def _remove(self, key: Key) -> None:
        self._rows_landing.append(lambda: self._rows.table(self._table).pop(key, None))

    def _move(self, head_id: int, offset: int, parked: ParkedEntity | None) -> None:
        row = ProgressRow(offset, parked)
        self._progress_landing.append(lambda: self._rows.progress_of(self._view_id).__setitem__(head_id, row))

    def _key_of(self, values: Values) -> Key:
        return tuple(value for value, column in zip(values, self._shape.columns, strict=True) if column.is_key)

    def _enter_table(self) -> None:
        self._rows.table(self._table)
        self.session.tables.add(self._table.rows)

    async def _take(self, what: Literal["progress", "row"], of: int | str, key: Any) -> None:
        lockable: Lockable = (what, of, key)
        await self._rows.locks.take(self.session, lockable)

    def commit(self) -> None:
        """Raises: StoreUnavailable when it has been rolled back instead."""
        try:
            with self.session.statement():
                self._land()
        finally:
            self.session.end()

    def _land(self) -> None:
        for land in (*self._rows_landing, *self._progress_landing):
            land()

    def roll_back(self) -> None:
        self.session.end()


def stored(shape: Shape, values: Values) -> Values:
    """As the columns hold them. Raises: DataRefused."""
    return tuple(_held(column, value) for column, value in zip(shape.columns, values, strict=True))


def _held(column: Column, value: Any) -> Any:
    match column.type, value:
        case _, None:
            if not column.is_nullable:
                raise DataRefused(f"{column.name} must have a value")
        case "bigint", int():
            if not -BIGINT_MAX - 1 <= value <= BIGINT_MAX:
                raise DataRefused(f"{column.name} is out of range")
        case "text", str():
            if "\0" in value:
                raise DataRefused(f"{column.name} holds a NUL character")
        case "jsonb", str():
            return _document(column.name, value)
    return value


def _document(name: str, text: str) -> str:
    """As the server writes it: keys by their length first, a blank behind each comma and colon."""
    try:
        return json.dumps(_sorted(msgspec.json.decode(text)), ensure_ascii=False)
    except msgspec.DecodeError as error:
        raise DataRefused(f"{name} is no JSON: {error}") from error


def _sorted(value: Any) -> Any:
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value, key=lambda key: (len(key.encode()), key))}
        case list():
            return [_sorted(one) for one in value]
    return value
