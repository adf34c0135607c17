"""Changes: which rows of a view are others now, for whoever watches them."""

from typing import Any, NamedTuple

from msgspec import Struct


class Change(NamedTuple):
    """One row. Of two changes of a row the one with the greater revision is the newer."""

    key: tuple[Any, ...]  # the values of the key fields, as stored
    values: tuple[Any, ...] | None  # of all fields, as stored; None: the row is gone
    revision: int


class Changes(Struct, frozen=True):
    """What one transaction has changed; told once it has landed."""

    view: str
    version_id: int  # of the table: `view_versions.id`
    rows: list[Change]
