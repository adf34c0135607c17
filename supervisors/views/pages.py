"""Pages: whoever folds tells the pages of a view which of their rows have changed, on whichever node these are awake.

Nobody is woken by it: a page that neither is awake nor is watched has nothing to be told, and reads its rows when it
wakes. To another node goes what concerns its pages, of views of which it has said that they are watched there
(watched.py): a frame for each batch, or several where that is large. It drops what nobody there watches.

What a page may have missed makes it stale, and it reads its rows again: when a mailbox or a link was full, when a link
has parted, when a node has gone that may have folded something it told nobody, when nobody knows whether a batch has
landed, when another version of the view has become live. And since who folds may believe in a former owner of a page
for a while, whoever learns of shards' new owners has their pages read again. So what is lost on the way costs time, and
no row.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from math import inf
from typing import Protocol

import structlog
import trio

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.message import Message
from greenroom.actors.views.changes import Changes
from greenroom.actors.views.layout import Layout
from greenroom.actors.views.page_actor import PageChanged, PageStale, encode_change
from greenroom.supervisors.kernel.ownership import Ownership
from greenroom.supervisors.views.watched import Watched

log = structlog.get_logger("greenroom.views")

ROWS_MAX = 500  # in one message to a page; of more at once it reads its rows again
FRAME_BYTES = 256 << 10  # of rows in one frame to another node, or one row: what comes after it waits for it
STALE_AT_ONCE = 100  # pages that are told to read again
STALE_S = 0.05  # before others are
RETRY_S = 0.2  # after one could not be told
LOOK_S = 30.0  # between two looks which views are watched here no more

ToldRow = tuple[bytes, int, bytes | None]  # key, revision, and the row; see RowChanged
ToldRows = dict[str, list[ToldRow]]  # by the key of their page


class Elsewhere(Protocol):
    """The way to the pages of other nodes. All of it raises ActorError, with nothing sent."""

    def changed(self, node: int, view: str, version: int, rows: ToldRows) -> None: ...

    def stale(self, node: int, view: str, shards: Collection[int]) -> None:
        """Of one view, or all (""); on these shards, or all (none named)."""

    def watched(self, node: int, views: Collection[str]) -> None:
        """Of these views there are pages on this node."""

    def nodes(self) -> Collection[int]:
        """All others that are alive."""


class Nobody:
    """There is no node beside this one."""

    def changed(self, node: int, view: str, version: int, rows: ToldRows) -> None:
        raise AssertionError(f"there is no node {node:016x}")

    def stale(self, node: int, view: str, shards: Collection[int]) -> None:
        raise AssertionError(f"there is no node {node:016x}")

    def watched(self, node: int, views: Collection[str]) -> None:
        raise AssertionError(f"there is no node {node:016x}")

    def nodes(self) -> Collection[int]:
        return ()


class Pages:
    """Of one node, a supervised child."""

    def __init__(
        self,
        views: Collection[str],
        *,
        is_present: Callable[[str], bool],
        present: Callable[[], Iterable[str]],
        layout: Callable[[str, int], Layout | None],
        put: Callable[[str, Message], object],
        ownership: Ownership,
        elsewhere: Elsewhere,
        node: int = 0,
    ) -> None:
        """`views`: the names of those that can be watched. `is_present`: is that entity awake here, or watched here?
        `present`: all such entities. `layout`: of a view's table of that number, where it is the live one. `put` gives
        an entity a message; raises ActorError. `node`: this one."""
        self._views = frozenset(views)
        self._is_present = is_present
        self._present = present
        self._layout = layout
        self._put = put
        self._ownership = ownership
        self._elsewhere = elsewhere
        self._node = node
        self._stale: dict[str, None] = {}  # pages here that are to be told so
        self._owed: set[int] = set()  # nodes that are to be told so of all their pages
        self._watched = Watched()
        self._looked_at = -inf  # on the trio clock
        self._wake = trio.Event()
        self._has_begun = False  # before, nobody watches anything

    # From who folds, on this node.

    def changed(self, changes: Changes) -> None:
        """These rows are committed. Must not raise."""
        view = changes.view
        layout = self._layout(view, changes.version_id) if view in self._views else None
        if layout is None:
            return  # nobody can watch it; or its table has become live only now, of which `may_differ` tells
        here: dict[str, list[ToldRow] | None] = {}  # by page; None: nobody is there to be told
        there: dict[int, ToldRows] = {}
        for key, values, revision in changes.rows:
            told = self._whose(view, layout.page_of(key), here, there)
            if told is not None:
                told.append((layout.key_of(key), revision, layout.json_of(values) if values is not None else None))
        for page, told_here in here.items():
            if told_here:
                self._tell(f"{view}:{page}", layout.version, told_here)
        for node, told_there in there.items():
            self._tell_node(node, view, layout.version, told_there)

    def _tell_node(self, node: int, view: str, version: int, rows: ToldRows) -> None:
        many = {page for page, told in rows.items() if len(told) > ROWS_MAX}
        few = {page: told for page, told in rows.items() if page not in many}
        try:
            for frame in in_frames(few):
                self._elsewhere.changed(node, view, version, frame)
        except ActorError as error:
            log.debug("pages_not_told", node=f"{node:016x}", view=view, error=error.name)
            self._owe(node)
            return
        if many:
            self._tell_stale(node, view, {self._ownership.shard(f"{view}:{page}") for page in many})

    def _whose(
        self, view: str, page: str, here: dict[str, list[ToldRow] | None], there: dict[int, ToldRows]
    ) -> list[ToldRow] | None:
        """The list that what becomes of a row of that page goes to; None: nobody's."""
        if page in here:  # or where nobody watches the view
            return here[page]
        entity = f"{view}:{page}"
        owner = self._ownership.owner(entity)
        if owner is None or owner == self._node:  # of one that is nobody's just now, who has it next is told so later
            found: list[ToldRow] | None = [] if self._is_present(entity) else None
            here[page] = found
            return found
        if not self._watched.wants(owner, view):
            here[page] = None
            return None
        return there.setdefault(owner, {}).setdefault(page, [])

    def may_differ(self, view: str) -> None:
        """Anything of it may have changed, on any page."""
        if view in self._views and self._has_begun:
            self._all_stale(view, ())
            for node in self._elsewhere.nodes():
                self._tell_stale(node, view, ())

    # From the pages.

    def read(self, view: str) -> None:
        """One of that view is about to be read here: from now on others tell of its rows. Must not raise."""
        if self._watched.read(view) and self._has_begun:
            self._say_watched()

    # From the cluster.

    def moved(self, shards: Collection[int]) -> None:
        """These have other owners than was known here: what was told the former ones, the present ones are to read."""
        if self._views and self._has_begun:
            self._all_stale("", shards)
            for node in self._elsewhere.nodes():
                self._tell_stale(node, "", shards)

    def parted(self, node: int) -> None:
        """What it has folded last it may have told nobody, and what was under way between us is lost, either way: it
        may have read its pages before it was told the last of that, for the two ends need not hear at once."""
        self._watched.parted(node)
        self._all_stale("", ())
        self._owe(node)

    # From other nodes.

    def heard(self, node: int, view: str, version: int, rows: ToldRows) -> None:
        for page, told in rows.items():
            entity = f"{view}:{page}"
            if self._is_present(entity):
                self._tell(entity, version, told)

    def heard_stale(self, node: int, view: str, shards: Collection[int]) -> None:
        self._all_stale(view, shards)

    def heard_watched(self, node: int, views: Collection[str]) -> None:
        for view in self._watched.heard(node, views):
            self._tell_stale(node, view, ())

    # Telling.

    def _tell(self, entity: str, version: int, rows: list[ToldRow]) -> None:
        message: Message = PageStale()
        if len(rows) <= ROWS_MAX:
            message = PageChanged(version=version, rows=[encode_change(*one) for one in rows])
        try:
            self._put(entity, message)
        except ActorError as error:
            log.debug("page_not_told", entity=entity, error=error.name)
            self._stale[entity] = None
            self._wake.set()

    def _tell_stale(self, node: int, view: str, shards: Collection[int]) -> None:
        try:
            self._elsewhere.stale(node, view, shards)
        except ActorError as error:
            log.debug("pages_not_told", node=f"{node:016x}", view=view, error=error.name)
            self._owe(node)

    def _say_watched(self) -> bool:
        """False when a node could not be told."""
        is_through = True
        for node in self._watched.untold(self._elsewhere.nodes()):
            try:
                self._elsewhere.watched(node, self._watched.here)
                self._watched.said(node)
            except ActorError as error:
                log.debug("pages_not_told", node=f"{node:016x}", view="", error=error.name)
                self._wake.set()
                is_through = False
        return is_through

    def _owe(self, node: int) -> None:
        self._owed.add(node)
        self._wake.set()

    def _all_stale(self, view: str, shards: Collection[int]) -> None:
        for entity in self._present():
            name = entity.partition(":")[0]
            is_meant = name == view if view else name in self._views
            if is_meant and (not shards or self._ownership.shard(entity) in shards):
                self._stale[entity] = None
        if self._stale:
            self._wake.set()

    # Running.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell pages to read again, some at a time, and nodes what they are owed and what is watched here, until
        cancelled."""
        self._has_begun = True
        task_status.started()
        while True:
            self._look()
            is_through = self._tell_some()
            is_through = self._say_watched() and is_through
            await trio.sleep(STALE_S if is_through else RETRY_S)
            if is_through and not self._has_more():
                self._wake = trio.Event()
                with trio.move_on_at(self._looked_at + LOOK_S):
                    await self._wake.wait()

    def _has_more(self) -> bool:
        return bool(self._stale or self._owed or self._watched.untold(self._elsewhere.nodes()))

    def _look(self) -> None:
        if trio.current_time() >= self._looked_at + LOOK_S:
            self._looked_at = trio.current_time()
            present = {entity.partition(":")[0] for entity in self._present()}
            self._watched.look(present & self._views, self._elsewhere.nodes())

    def _tell_some(self) -> bool:
        """False when one could not be told."""
        is_through = True
        for entity in list(islice(self._stale, STALE_AT_ONCE)):
            del self._stale[entity]
            if not self._is_present(entity):
                continue
            try:
                self._put(entity, PageStale())
            except ActorError as error:
                log.debug("page_not_told", entity=entity, error=error.name)
                self._stale[entity] = None  # behind the others
                is_through = False
        self._owed.intersection_update(self._elsewhere.nodes())
        for node in list(self._owed):
            try:
                self._elsewhere.stale(node, "", ())
                self._owed.discard(node)
            except ActorError as error:
                log.debug("pages_not_told", node=f"{node:016x}", view="", error=error.name)
                is_through = False
        return is_through


def in_frames(rows: ToldRows) -> Iterator[ToldRows]:
    """The same in parts of FRAME_BYTES, the last row of each apart."""
    frame: ToldRows = {}
    size = 0
    for page, told in rows.items():
        for one in told:
            key, _, row = one
            size += len(key) + len(row or b"")
            frame.setdefault(page, []).append(one)
            if size >= FRAME_BYTES:
                yield frame
                frame, size = {}, 0
    if frame:
        yield frame
