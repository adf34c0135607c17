"""What one simulated client knows of one page that it watches: the rows it was given, changed as it was told."""

from typing import Any

import msgspec

decode = msgspec.json.decode


class WatchedPage:
    """Follows what a subscription says, as a client of the page would."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        """`keys`: the names of the key fields."""
        self._keys = keys
        self.rows: dict[tuple[Any, ...], Any] = {}

    def begin(self, data: bytes) -> None:
        """All of it."""
        self.rows = self._by_key(data)

    def see(self, publication: bytes) -> None:
        """A row is there now, or no longer."""
        said = decode(publication)
        if "set" in said:
            self.rows[self._key_of(said["set"])] = said["set"]
        else:
            self.rows.pop(self._key_of(said["gone"]), None)

    def is_as(self, data: bytes) -> bool:
        """Are these the rows of the page by now?"""
        return self.rows == self._by_key(data)

    def _by_key(self, data: bytes) -> dict[tuple[Any, ...], Any]:
        return {self._key_of(row): row for row in decode(data)["rows"]}

    def _key_of(self, row: Any) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._keys)
