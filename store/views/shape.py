"""Shape: what the table of one version of a view holds, as data. No I/O, and nothing that does any.

It is kept beside the table (`view_versions.shape`), so that a node can read rows of a version whose code it lacks; and
two versions of code that say the same shape share a table.
"""

from hashlib import sha256

import msgspec
from msgspec import Struct

from greenroom.store.views.made_of import OfKind


class Column(Struct, frozen=True, omit_defaults=True):
    """One field of a row."""

    name: str  # as the field's: an identifier that does not begin with an underscore
    type: str  # Postgres's name of it: text, bigint, double precision, boolean, numeric, timestamptz, date, uuid, ...
    is_nullable: bool = False
    is_key: bool = False  # the keys together tell rows apart
    is_indexed: bool = False  # may be filtered by; keys may be too
    is_searched: bool = False  # its words are part of the row's full text


class Shape(Struct, frozen=True, omit_defaults=True):
    """All columns in the order of the fields, and what is looked up quickly."""

    columns: tuple[Column, ...]
    # Each a list of columns, `-claps` for a descending one, that rows are read in the order of, beside those of
    # `is_indexed` and of the key.
    orders: tuple[tuple[str, ...], ...] = ()
    language: str = "simple"  # the text search configuration of what is searched
    entity_key: str = ""  # the column of the key that says which entity a row is of, where each is of one
    events: tuple[OfKind, ...] = ()  # that rows are made of; () where that was never said

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def key(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.is_key)

    @property
    def searched(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.is_searched)

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def digest(self) -> str:
        """Of what rows hold: indexes may come and go within a version, columns may not. 16 hexadecimal digits.

        What rows are made of is compared by itself: see made_of.py."""
        held = [(one.name, one.type, one.is_nullable, one.is_key, one.is_searched) for one in self.columns]
        language = self.language if self.searched else ""
        return sha256(msgspec.json.encode([held, language])).hexdigest()[:16]


def to_json(shape: Shape) -> str:
    """To be kept beside the table."""
    return msgspec.json.encode(shape).decode()


def from_json(text: str) -> Shape:
    """Raises: msgspec.MsgspecError for what a newer release has written."""
    return msgspec.json.decode(text, type=Shape)
