"""A desk that says what it was asked, for tests of whoever asks it."""

from collections.abc import Sequence
from typing import Any

from msgspec.json import encode

from greenroom.actors.model.errors import Overloaded
from greenroom.store.errors import StoreUnavailable
from greenroom.transports.admin.desk import Onlooker


class Board:
    """What is watched; the test shows things."""

    def __init__(self) -> None:
        self.watched: list[tuple[str, Onlooker]] = []
        self.is_full = False

    def watch(self, what: str, onlooker: Onlooker) -> None:
        if self.is_full:
            raise Overloaded("too many")
        self.watched.append((what, onlooker))

    def leave(self, what: str, onlooker: Onlooker) -> None:
        if (what, onlooker) in self.watched:
            self.watched.remove((what, onlooker))


class StubViews:
    """Likewise, of views."""

    def __init__(self, desk: "StubDesk") -> None:
        self._answer = desk._answer
        self.steered: list[tuple[Any, ...]] = []

    async def shown(self) -> bytes:
        return self._answer("views")

    async def parked(self, table: int, *, after: int, limit: int, full: bool) -> bytes:
        return self._answer("parked", table=table, after=after, limit=limit, full=full)

    async def pause(self, view: str, *, paused: bool) -> bytes:
        self.steered.append(("pause" if paused else "resume", view))
        return self._answer("pause", view=view, paused=paused)

    async def retry(self, view: str, entity: str | None) -> bytes:
        self.steered.append(("retry", view, entity) if entity is not None else ("retry", view))
        return self._answer("retry", view=view, entity=entity)

    async def rebuild(self, view: str) -> bytes:
        self.steered.append(("rebuild", view))
        return self._answer("rebuild", view=view)

    async def drop_old(self, view: str) -> bytes:
        self.steered.append(("drop-old", view))
        return self._answer("drop-old", view=view)


class StubDesk:
    """Answers with the name and the arguments of what it was asked."""

    def __init__(self) -> None:
        self.live = Board()
        self.views = StubViews(self)
        self.retried: list[int] = []
        self.dropped: list[int] = []
        self.is_away = False

    def _answer(self, name: str, **asked: Any) -> bytes:
        if self.is_away:
            raise StoreUnavailable("a secret host does not answer")
        return encode({"asked": name, **asked})

    async def cluster(self, *, full: bool) -> bytes:
        return self._answer("cluster", full=full)

    async def entity(self, entity: str, *, full: bool) -> bytes:
        return self._answer("entity", entity=entity, full=full)

    async def state(self, entity: str) -> bytes:
        return self._answer("state", entity=entity)

    async def journal(self, entity: str, *, before: int | None, limit: int) -> bytes:
        return self._answer("journal", entity=entity, before=before, limit=limit)

    async def letters(self, *, entity: str, before: int | None, limit: int, full: bool) -> bytes:
        return self._answer("letters", entity=entity, before=before, limit=limit, full=full)

    async def retry(self, numbers: Sequence[int]) -> bytes:
        self.retried += numbers
        return self._answer("retry", wished=list(numbers))

    async def drop(self, numbers: Sequence[int]) -> bytes:
        self.dropped += numbers
        return self._answer("drop", dropped=list(numbers))
