"""The table of one board in memory, read as pages are; what is told of it is the test's to bring."""

import trio

from greenroom.actors.views.changes import Change, Changes
from greenroom.actors.views.layout import Layout
from greenroom.actors.views.page_actor import Loaded, PageChanged, encode_change
from greenroom.store.errors import StoreUnavailable
from tests.actors.views.boards import Board, installed

VERSION = 7


class MemoryBoard:
    """The rows of one board; what is told of it comes when the test says so."""

    def __init__(self) -> None:
        self.layout = Layout("board", VERSION, installed(Board).shape, Board.watch)
        self.claps: dict[str, int] = {}
        self.revisions: dict[str, int] = {}
        self.revision = 0
        self.loads = 0
        self.is_away = False

    async def load(self, view: str, key: str, *, spare: int) -> Loaded:
        assert (view, key) == ("board", "finale")
        self.loads += 1
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise StoreUnavailable("away")
        rows = [self.layout.row_of(("finale", user, claps), self.revisions[user]) for user, claps in self.claps.items()]
        rows.sort(key=lambda row: row.place)
        return Loaded(self.layout, rows[: 3 + spare], self.revision)

    def put(self, user: str, claps: int) -> PageChanged:
        self.revision += 1
        self.claps[user], self.revisions[user] = claps, self.revision
        values = ("finale", user, claps)
        return self._told(user, self.layout.json_of(values))

    def remove(self, user: str) -> PageChanged:
        self.revision += 1
        del self.claps[user]
        return self._told(user, None)

    def _told(self, user: str, row: bytes | None) -> PageChanged:
        changed = encode_change(self.layout.key_of(("finale", user)), self.revision, row)
        return PageChanged(version=self.layout.version, rows=[changed])

    def change(self, user: str, claps: int | None) -> Changes:
        """As whoever folds tells it; None: the row is removed."""
        if claps is None:
            self.remove(user)
        else:
            self.put(user, claps)
        key = ("finale", user)
        values = (*key, claps) if claps is not None else None
        return Changes("board", self.layout.version, [Change(key, values, self.revision)])
