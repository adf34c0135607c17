"""The entity behind a view's channel: `standings:finale` is one page of `standings`, awake while it is watched.

It has no journal. Its state is the page in memory (live_page.py), read when it wakes, and again when what it is told
does not suffice; its events say what differs, so epoch, offsets, resuming and the way to other nodes are those of every
entity. Whoever writes rows tells it which have changed, and it tells its watchers at most so many times a second, the
first of a calm page at once.
"""

from typing import Any, ClassVar, Protocol

import trio
from msgspec import Raw, Struct

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.message import Event, Message, Tell
from greenroom.actors.model.principal import STAFF_ROLES, Principal
from greenroom.actors.views.layout import Layout
from greenroom.actors.views.live_page import LivePage, PageRow
from greenroom.actors.views.view import View
from greenroom.store.errors import StoreUnavailable

SPARE_SHARE = 4  # a quarter more rows are held than are shown
READ_S = 5.0  # what reading a page again may take, its place in the line included
REMOVED = b"null"
RETRY_S = 0.5  # after it could not be read


class RowChanged(Struct, frozen=True, array_like=True):
    """A row as it is by now."""

    key: Raw  # a JSON object of the key fields
    revision: int
    row: Raw  # JSON; null: it was removed


class PageChanged(Tell, tag="page.changed"):
    """Rows of this page have changed, in a table of that version."""

    version: int
    rows: list[RowChanged]


class PageStale(Tell, tag="page.stale"):
    """Something of this page may have changed of which it was not told: it is to be read again."""


class PageDue(Tell, tag="page.due"):
    """Watchers may be told again. From itself."""


class RowSet(Event, tag="page.set"):
    """There is this row on the page, new or otherwise than before."""

    row: Raw


class RowGone(Event, tag="page.gone"):
    """That row is on the page no longer."""

    key: Raw


class SetShown(Struct, frozen=True):
    """What watchers see of a RowSet."""

    set: Raw


class GoneShown(Struct, frozen=True):
    """What watchers see of a RowGone: the row's key fields."""

    gone: Raw


class PageRows(Struct, frozen=True):
    """The view of the entity: the rows of the page, in its order."""

    rows: list[Raw]


class Loaded(Struct, frozen=True):
    """A page as it was read: see LivePage.load."""

    layout: Layout
    rows: list[PageRow]
    floor: int


class PageSource(Protocol):
    """Where pages are read."""

    async def load(self, view: str, key: str, *, spare: int) -> Loaded:
        """The first rows of that page, as many as it shows and `spare` more. Raises: StoreUnavailable."""


class Nothing(Struct):
    """Nothing that outlives the entity."""


class PageActor(Actor[Nothing]):
    """One page. Subclassed for each view that can be watched, by `page_kind`."""

    internal = (PageChanged, PageStale, PageDue)
    events = (RowSet, RowGone)
    base_tags = "page"
    durable = False
    publishes_info = False
    limits = KindLimits(async_handler_s=10.0)
    watched: ClassVar[type[View]]
    source: ClassVar[PageSource]

    def __init__(self, entity: str, runtime: Any) -> None:
        super().__init__(entity, runtime)
        declared = self.watched.watch
        assert declared is not None
        self._interval_s = 1 / declared.per_s
        self._page = LivePage(declared.limit, spare=1 + declared.limit // SPARE_SHARE)
        self._layout: Layout | None = None
        self._next_at = 0.0  # Unix s, before which watchers are not told again
        self._due_at = 0.0  # Unix s, when a PageDue is to come; 0: none is on its way

    async def begin(self) -> None:
        """Raises: StoreUnavailable."""
        await self._read()
        self._page.flush()  # to nobody: whoever comes is given all of it

    def handle(self, message: Message) -> Any:
        match message:
            case PageChanged():
                self._note(message)
            case PageStale():
                self._page.is_stale = True
            case PageDue():
                self._due_at = 0.0
        return self._tell()

    def _note(self, changed: PageChanged) -> None:
        page, layout = self._page, self._layout
        assert layout is not None
        if changed.version != layout.version:  # before or after a switch, of which the table knows
            page.is_stale = page.is_stale or changed.version > layout.version
            return
        for one in changed.rows:
            key, json = bytes(one.key), bytes(one.row)
            row = layout.told(key, one.revision, json) if json != REMOVED else None
            page.note(key, one.revision, row)

    def _tell(self) -> Any:
        """Tell watchers what differs, now or when they may be told again. A coroutine where the page is to be read."""
        wait_s = self._next_at - self.now
        if wait_s > 0:
            self._tell_later(min(wait_s, self._interval_s))  # whatever the clock does
            return None
        if self._page.is_stale:
            self._next_at = self.now + self._interval_s
            return self._read_and_tell()
        self._say()
        return None

    def _tell_later(self, wait_s: float) -> None:
        if self._due_at <= self.now:  # none is, or it was lost, as what comes to a full mailbox is
            self._due_at = self.now + wait_s
            self.after(wait_s, PageDue())

    async def _read_and_tell(self) -> None:
        try:
            with trio.fail_after(READ_S):
                await self._read()
        except (StoreUnavailable, trio.TooSlowError):
            self._tell_later(RETRY_S)
        else:
            self._say()

    async def _read(self) -> None:
        """Raises: StoreUnavailable."""
        loaded = await self.source.load(self.watched.name, self.key, spare=self._page.wanted - self._page.limit)
        self._layout = loaded.layout
        self._page.load(loaded.rows, floor=loaded.floor)

    def _say(self) -> None:
        difference = self._page.flush()
        if difference:
            self._next_at = self.now + self._interval_s
            for key in difference.gone:
                self.record(RowGone(key=Raw(key)))
            for row in difference.set:
                self.record(RowSet(row=Raw(row.json)))

    def apply(self, event: Event) -> None:
        pass  # the page is ahead of what it says of itself

    @classmethod
    def publication(cls, event: Event) -> Struct | None:
        match event:
            case RowSet():
                return SetShown(event.row)
            case RowGone():
                return GoneShown(event.key)
        return None

    def view(self) -> PageRows:
        return PageRows([Raw(json) for json in self._page.shown.values()])

    def may_watch(self) -> None:
        check_access(self.watched, self.principal, self.key)

    def may_sleep(self) -> bool:
        return not len(self.audience)


def check_access(view: type[View], who: Principal, key: str) -> None:
    """May they read and watch that page? Raises: what the view refuses with."""
    if not who.system and STAFF_ROLES.isdisjoint(who.roles):
        view.may_watch(who, key)


def page_kind(view: type[View], source: PageSource) -> type[PageActor]:
    """The kind of the pages of a view that can be watched."""
    return type(f"PageOf{view.__name__}", (PageActor,), {"kind": view.name, "watched": view, "source": source})


def encode_change(key: bytes, revision: int, row: bytes | None) -> RowChanged:
    """A row for a PageChanged, by its JSON; None: it was removed."""
    return RowChanged(Raw(key), revision, Raw(REMOVED if row is None else row))


def is_page(actor: type[Actor[Any]]) -> bool:
    """Is that a kind of pages, which says nothing of its own?"""
    return issubclass(actor, PageActor)
