"""Dead letters that are the end of a message from another entity or of a timer: kept in the same breath."""

from collections import deque
from typing import ClassVar, Self

from msgspec.structs import replace

from greenroom.store.journal.consequences.consequence import Part, Tables
from greenroom.store.journal.dead_letters import DeadLetter

KEPT_MAX = 10_000  # letters in memory; beyond, the oldest go
COLUMNS = {
    "entity": "text",
    "message_type": "text",
    "payload": "bytea",
    "principal": "text",
    "error": "text",
    "traceback": "text",
    "trace": "text",
    "strikes": "int",
}


class LetterRows:
    """In memory: all letters of the database."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self.rows: deque[DeadLetter] = deque(maxlen=kept_max)
        self._keys: deque[int] = deque(maxlen=kept_max)
        self._last_id = 0

    def put(self, letter: DeadLetter, key: int | None = None) -> None:
        """See DeadLetters.add."""
        if key is not None:
            if key in self._keys:
                return
            self._keys.append(key)
        for at, row in enumerate(self.rows):
            if letter.id and row.id == letter.id:
                self.rows[at] = replace(letter, strikes=row.strikes + letter.strikes, wished=False)
                return
        self._last_id += 1
        self.rows.append(replace(letter, id=self._last_id))


class Letters(list[DeadLetter]):
    """The dead letters of one append, written in its statement."""

    parts: ClassVar[tuple[Part["Letters"], ...]] = (
        Part(
            name="lettered",
            columns={"id": "bigint", **COLUMNS},
            sql=f"""
    INSERT INTO dead_letters (at, {", ".join(COLUMNS)})
    SELECT now(), {", ".join(f"m.{name}" for name in COLUMNS)} FROM {{rows}} WHERE {{owned}}""",
            rows=lambda head_id, shard, letters: [(head_id, *letter_columns(letter)) for letter in letters],
        ),
    )

    def merge(self, later: Self) -> None:
        self.extend(later)

    def cost(self) -> tuple[int, int]:
        return len(self), sum(letter.weight for letter in self)

    def land(self, head: Tables, database: Tables) -> None:
        for letter in self:
            database.of(LetterRows).put(letter)


def letter_columns(letter: DeadLetter) -> tuple[str | bytes | int, ...]:
    """In the order of COLUMNS, as they can be stored."""
    return (
        storable(letter.entity),
        storable(letter.message_type),
        letter.payload,
        storable(letter.principal),
        storable(letter.error),
        storable(letter.traceback),
        storable(letter.trace or ""),
        letter.strikes,
    )


def storable(text: str) -> str:
    # Postgres has no NUL in text, and UTF-8 no lone surrogates; a traceback may quote either.
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
