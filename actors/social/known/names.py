"""Names: the newest rows of `arrivals` of one feed, which it remembers while it is awake.

All of them are read anew every half minute, and at once where so much has come that its newest rows say nothing of the
rest. In between only the newest few are looked at. What comes out of its order, as a page of followers that was written
late, is known by then from its nudge; what was lost of these comes with the next reading of all.
"""

from collections.abc import Callable, Iterable

from greenroom.actors.model.actor import Actor
from greenroom.actors.social.feed.events import Entry
from greenroom.actors.social.spread.arrivals import Arrivals

WHOLE_S = 30.0
CAUTIOUS_S = 10.0  # in which all are read: rows that are written now may have any place
NEWEST = 10
KEPT_MAX = 1_200  # as many as one reading of all finds


class Names:
    """Of one feed."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}  # by post, the newest first
        self._is_all = False
        self.until_s = float("-inf")  # when all of them are to be read anew
        self._cautious_s = float("-inf")

    def doubt(self, now_s: float) -> None:
        """Rows of any age are about to be written."""
        self._cautious_s = now_s + CAUTIOUS_S

    def keep(self, entries: list[Entry], now_s: float, *, is_all: bool) -> None:
        """These are its newest, as read just now."""
        self._entries = {entry.post: entry for entry in entries[:KEPT_MAX]}
        self._is_all = is_all and len(entries) <= KEPT_MAX
        self.until_s = now_s + WHOLE_S if now_s >= self._cautious_s else float("-inf")

    def expect(self, entries: Iterable[Entry]) -> None:
        """These are recorded, and will have rows in a moment. Those before which there may be others that are not known
        are left to the next reading of all."""
        oldest = next(reversed(self._entries), "") if not self._is_all else ""
        self._add(entry for entry in entries if not entry.is_story and entry.post > oldest)

    def has(self, post: str) -> bool:
        """Is there a row of it, as far as is remembered?"""
        return post in self._entries

    async def newest(
        self, feed: Actor[object], most: int, may_come_up: Callable[[Entry], bool]
    ) -> tuple[list[Entry], bool] | None:
        """So many of those that may come up, and whether these are all; None: all are to be read. Raises: as
        Actor.query_pages."""
        if not self.until_s - WHOLE_S <= feed.now < self.until_s:
            return None
        found = await feed.query_pages(Arrivals.Row, [feed.key], limit=NEWEST, where={"is_story": False})
        rows = found.get(feed.key, [])
        new = [row for row in rows if row.id not in self._entries]
        if new:
            if len(new) == NEWEST:
                return None
            self._add(map(entry_of, new))
        may = [entry for entry in self._entries.values() if may_come_up(entry)]
        if len(may) < most and not self._is_all:
            return None
        return may[:most], self._is_all and len(may) <= most

    def _add(self, new: Iterable[Entry]) -> None:
        entries = {entry.post: entry for entry in new} | self._entries
        self._entries = dict(sorted(entries.items(), reverse=True)[:KEPT_MAX])
        self._is_all = self._is_all and len(entries) <= KEPT_MAX


def entry_of(row: Arrivals.Row) -> Entry:
    """What a row names."""
    return Entry(row.id, row.author, row.at_ms, row.is_story)
