"""Places: where in its table each head was written last, so that the next append goes straight to it.

An append leaves the row of before behind. As long as any transaction is open anywhere that may have to see that one,
it can't be removed, and an index leads to all of them: after ten thousand appends of one entity a look-up by its id
read all ten thousand. So an append names the row's place (`ctid`), where that is known, and reads one row.

A place is a way to the row and says nothing of it: id, fence, offset and lineage are compared as ever. Whoever else
writes a head moves it; then the append finds nothing, and looks once more by the id.
"""

from collections.abc import Iterable

Place = tuple[int, int]  # page, and number on it

PLACES_MAX = 8_192  # heads; beyond, that which was written longest ago is looked up by its id again


class Places:
    """Of one node's heads, by their ids."""

    def __init__(self, places_max: int = PLACES_MAX) -> None:
        self._places_max = places_max
        self._known: dict[int, Place] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, head_id: int) -> Place | None:
        return self._known.get(head_id)

    def note(self, head_id: int, place: Place) -> None:
        """It has been written there."""
        known = self._known
        known.pop(head_id, None)
        known[head_id] = place
        if len(known) > self._places_max:
            del known[next(iter(known))]

    def forget(self, head_ids: Iterable[int]) -> None:
        """They may be elsewhere."""
        for head_id in head_ids:
            self._known.pop(head_id, None)


def places(column: Iterable[Place | None]) -> str:
    """As the text of an array: see arrays.py."""
    texts = ["NULL" if one is None else f'"({one[0]},{one[1]})"' for one in column]
    return f"{{{','.join(texts)}}}"


def parse(text: str) -> Place:
    page, _, number = text[1:-1].partition(",")
    return int(page), int(number)
