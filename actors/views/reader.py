"""The reader: rows of the live version of each view, for whoever asks, and for the pages that are watched.

Which version is live is learned from the rows of `view_versions` by whoever minds them. A version is read by its stored
shape, not by this release's code: while releases change, a node may have to read rows of one whose code it lacks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any

import trio
from msgspec import MsgspecError, Struct

from greenroom.actors.model.errors import Unavailable
from greenroom.actors.views.installed import Installed, Views
from greenroom.actors.views.layout import Layout, NoSuchColumn
from greenroom.actors.views.page_actor import Loaded
from greenroom.actors.views.query import Across, Arranged, Query, QueryOfMany, column_of, different, fit_keys
from greenroom.actors.views.turns import Turns
from greenroom.store.views.asked import Asked, Filters, Looked, Row, Rows
from greenroom.store.views.many.looks import Known, Looks
from greenroom.store.views.many.together import Together
from greenroom.store.views.paging import Wanted
from greenroom.store.views.reading import Found, RowReading
from greenroom.store.views.store import Version
from greenroom.store.views.tables import Table

WAITING_MAX, WAITING_OF_ONE = 256, 32  # who waits on this node until something is folded: of all, and of one user
SEARCHES_AT_ONCE = 2  # a search may take as long as a statement may: however many there are, others can read
SEARCHES_MAX, SEARCHES_OF_ONE = 64, 4  # that are under way or wait for that: of all, and of one user
LOADS_AT_ONCE = 2  # pages that are read for who watches them: a node's whole audience may come at once
FOLDED_FIRST_S, FOLDED_MAX_S = 0.004, 0.5  # between two looks whether an entity is folded


class Live(Struct, frozen=True):
    """The live version of a view."""

    version: Version
    table: Table
    layout: Layout


class ViewReader:
    """Of one node. What asks the database raises StoreUnavailable."""

    def __init__(self, views: Views, reading: RowReading, *, searches: int = SEARCHES_AT_ONCE) -> None:
        """`searches`: that the database is asked for at once."""
        self.views = views
        self._reading = reading
        self._together = Together(reading)
        self._looks = Looks(reading)
        self._known: dict[str, Known] = {}  # view -> rows of its live table
        self._by_row: dict[type[Any], Installed] = {}
        self._live: dict[str, Live] = {}
        self.waiting = Turns("wait for something to be folded", at_once=inf, most=WAITING_MAX, of_one=WAITING_OF_ONE)
        self.searching = Turns("search", at_once=searches, most=SEARCHES_MAX, of_one=SEARCHES_OF_ONE)
        self._loads = trio.CapacityLimiter(LOADS_AT_ONCE)
        self.loading: Callable[[str], None] = lambda view: None  # told before a page of that view is read; never raises

    def learn(self, versions: Iterable[Version]) -> list[str]:
        """These versions there are. The names of views of which another is live than was known, also the first."""
        changed: list[str] = []
        live = {one.name: one for one in versions if one.state == "live"}
        for installed in self.views:
            name = installed.name
            version, known = live.get(name), self._live.get(name)
            if version is None:
                continue
            if known is None or (known.version.identity, known.version.shape) != (version.identity, version.shape):
                try:
                    layout = Layout(name, version.id, version.shape, installed.view.watch)
                except NoSuchColumn:  # the pages of this release's code can't be made of it; its own version follows
                    continue
                self._live[name] = Live(version, version.table, layout)
                changed.append(name)
            elif known.version.is_kept_up != version.is_kept_up:
                self._live[name] = Live(version, known.table, known.layout)
        return changed

    def live(self, name: str) -> Live:
        """Raises: Unavailable while this release's first version of the view is yet to be filled."""
        found = self._live.get(name)
        if found is None:
            raise Unavailable(f"the view {name} is being made")
        return found

    def layout(self, name: str, version_id: int) -> Layout | None:
        """Of the table of that number, if it is the live one."""
        found = self._live.get(name)
        return found.layout if found is not None and found.version.id == version_id else None

    async def read(self, name: str, key: str, asked: Asked, *, across: str = "", who: str = "") -> Arranged:
        """`across`: rows of all pages that the page `key` of that other view names. `who`: see Turns, of a search.

        Raises: BadQuery, NoSuchPage, Overloaded, Unavailable, StoreUnavailable."""
        live = self.live(name)
        query = Query(live.layout, live.table, key, asked, self._across(across) if across else None)
        if query.wanted.search is None:
            return query.arrange(await self._reading.page(live.table, query.wanted))
        async with self.searching.turn(who):
            return query.arrange(await self._reading.page(live.table, query.wanted))

    def _across(self, name: str) -> Across:
        """Raises: Unavailable."""
        other = self.live(name)
        return Across(name, other.layout.page.by, other.table)

    async def rows(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]:
        """As `read`, of the view with that class of rows. Raises: as `read`; TypeError where no such view is installed;
        Unavailable, too, where the live version is of another shape."""
        installed = self._of_rows(row)
        found = await self.read(installed.name, key, asked)
        return Rows(_rows(installed, found.rows), found.next, found.previous)

    async def rows_of_many(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters
    ) -> dict[str, list[Row]]:
        """See Actor.query_pages. Raises: as `rows`."""
        installed = self._of_rows(row)
        live = self.live(installed.name)
        query = QueryOfMany(live.layout, keys, limit=limit, where=where)
        if not query.keys:
            return {}
        found = await self._together.pages(live.table, query.wanted, query.column, query.keys)
        return {key: _rows(installed, rows) for key, rows in query.by_page(found).items()}

    async def look(self, wanted: Mapping[type[Any], Iterable[str]]) -> Looked:
        """See Actor.query_rows. Raises: as `rows`."""
        classes: dict[Known, type[Any]] = {}
        keys: dict[Known, Sequence[str]] = {}
        for row, some in wanted.items():
            installed = self._of_rows(row)
            live = self.live(installed.name)
            known = self._known_of(installed, live)
            classes[known], keys[known] = row, different(some, 1)
            fit_keys(live.layout, known.column, (key for key in keys[known] if known.get(key) is None))
        found = await self._looks.rows(keys)
        return Looked({classes[known]: rows for known, rows in found.items()})

    def _known_of(self, installed: Installed, live: Live) -> Known:
        """What this node knows of the live table. Raises: BadQuery."""
        known = self._known.get(installed.name)
        if known is None or known.table is not live.table:
            known = Known(live.table, column_of(live.layout), live.layout.order, partial(_row, installed))
            self._known[installed.name] = known
        return known

    def _of_rows(self, row: type[Any]) -> Installed:
        """The view with that class of rows. Raises: TypeError."""
        installed = self._by_row.get(row)
        if installed is None:
            installed = next((one for one in self.views if one.view.Row is row), None)
            if installed is None:
                raise TypeError(f"{row.__qualname__} is the `Row` of no installed view")
            self._by_row[row] = installed
        return installed

    async def load(self, view: str, key: str, *, spare: int) -> Loaded:
        """See PageSource."""
        self.loading(view)
        live = self._live.get(view)
        if live is None:  # empty until there is one, and then read anew
            installed = self.views[view]
            return Loaded(Layout(view, 0, installed.shape, installed.view.watch), [], 0)
        layout = live.layout
        page = Asked(limit=layout.page.limit)
        wanted = Query(layout, live.table, key, page).wanted
        wanted = Wanted(where=wanted.where, order=wanted.order, limit=layout.page.limit + spare)
        async with self._loads:
            found, floor = await self._reading.first(live.table, wanted)
        rows = sorted((layout.row_of(one.values, one.revision) for one in found), key=lambda row: row.place)
        return Loaded(layout, rows, floor)

    async def until_folded(self, name: str, entity: str, offset: int, *, who: str = "") -> None:
        """Return once the view has folded the entity up to there. The deadline is the caller's. `who`: see Turns.

        Raises: Unavailable, Overloaded.
        """
        async with self.waiting.turn(who):
            wait_s = FOLDED_FIRST_S
            while await self._reading.folded(self.live(name).version.id, entity) < offset:
                await trio.sleep(wait_s)
                wait_s = min(2 * wait_s, FOLDED_MAX_S)


def _row(installed: Installed, found: Found) -> Any:
    """Likewise."""
    (row,) = _rows(installed, (found,))
    return row


def _rows(installed: Installed, found: Iterable[Found]) -> list[Any]:
    """Of the view's own class. Raises: Unavailable."""
    try:
        return [installed.to_row(one.values) for one in found]
    except (MsgspecError, TypeError, ValueError) as error:
        raise Unavailable(f"the live version of the view {installed.name} is another than the code's") from error
