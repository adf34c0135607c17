"""The book: `schedules:all`, which schedules there are. Each of them says how it stands; the book counts them, and
compares what the code declares with what it did.

Nodes that start are told which schedules they are to declare anew; those that are declared no more are orphaned, in the
book at once and by a message. The turn says which of two nodes was later: a schedule that was declared in a turn is not
orphaned by it.
"""

from typing import Any, ClassVar

import structlog
from msgspec import Struct, field
from msgspec.structs import replace

from greenroom.actors.jobs.schedule.book.messages import (
    BOOK,
    BOOK_KIND,
    NAMED_MAX,
    SCHEDULES_MAX,
    Compare,
    Enter,
    Entered,
    Entry,
    List,
    Listed,
    Note,
    Schedules,
    Strike,
    Struck,
    Vanished,
    Wanted,
)
from greenroom.actors.jobs.schedule.messages import Orphan
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES

log = structlog.get_logger("greenroom.jobs")


class BookState(Struct):
    """By name."""

    entries: dict[str, Entry] = field(default_factory=dict)
    turn: int = 0


class Book(Actor[BookState]):
    """The schedules that there are; the key is `all`."""

    kind = BOOK_KIND
    commands: ClassVar[tuple[type[Message], ...]] = (List,)
    internal: ClassVar[tuple[type[Message], ...]] = (Enter, Note, Strike, Compare)
    events: ClassVar[tuple[type[Event], ...]] = (Entered, Struck, Vanished)
    limits = KindLimits(history_events=1_000)

    def handle(self, message: Any) -> Any:
        """As Actor.handle. Raises: Refused."""
        if self.entity != BOOK:
            raise Refused("schedules.not_found", f"there is one book, {BOOK}", status=404)
        match message:
            case List():
                self._require_staff()
                return self._list(message)
            case Enter():
                self._require_room({message.entry.name})
                if message.entry.name not in self.state.entries:
                    self.record(Entered(entry=message.entry))
            case Note():
                if self.state.entries.get(message.entry.name) != message.entry:
                    self.record(Entered(entry=message.entry))
            case Strike():
                if message.name in self.state.entries:
                    self.record(Struck(name=message.name))
            case Compare():
                return self._compare(message.declared)
        return Done()

    def _compare(self, declared: dict[str, str]) -> Wanted:
        entries = self.state.entries
        self._require_room(declared.keys())
        gone = [
            name
            for name, entry in entries.items()
            if entry.declared and entry.state != "orphaned" and name not in declared
        ]
        if gone:
            self.record(Vanished(names=gone, turn=self.state.turn + 1))
            log.warning("schedules_orphaned", schedules=len(gone), names=sorted(gone)[:NAMED_MAX])
            for name in gone:
                self.tell(f"schedule:{name}", Orphan(turn=self.state.turn))
        names = [name for name, digest in declared.items() if not _is_declared(entries.get(name), digest)]
        wanted = {*names}
        orphaned = sum(one.state == "orphaned" and name not in wanted for name, one in self.state.entries.items())
        return Wanted(names, self.state.turn, orphaned)

    def _require_room(self, names: Any) -> None:
        """Raises: Refused."""
        if len(self.state.entries.keys() | names) > SCHEDULES_MAX:
            raise Refused("schedules.too_many", f"there may be {SCHEDULES_MAX} schedules", status=409)

    def _list(self, message: List) -> Schedules:
        now_ms = int(self.now * 1000)
        names = sorted(name for name in self.state.entries if name > message.after)
        listed = [_listed(self.state.entries[name], now_ms) for name in names[: message.limit]]
        return Schedules(listed, len(names) > message.limit)

    def apply(self, event: Any) -> None:
        match event:
            case Entered():
                self.state.entries[event.entry.name] = event.entry
            case Struck():
                del self.state.entries[event.name]
            case Vanished():
                self.state.turn = event.turn
                for name in event.names:
                    self.state.entries[name] = replace(self.state.entries[name], state="orphaned")

    def view(self) -> Any:
        return {"schedules": sorted(self.state.entries.values(), key=lambda entry: entry.name)}

    def may_watch(self) -> None:
        """Raises: Refused."""
        self._require_staff()

    def _require_staff(self) -> None:
        """Raises: Refused."""
        if not self.principal.system and STAFF_ROLES.isdisjoint(self.principal.roles):
            raise Refused("forbidden", "schedules are for the roles service and admin", status=403)


def _is_declared(entry: Entry | None, digest: str) -> bool:
    return entry is not None and entry.declared and entry.digest == digest and entry.state != "orphaned"


def _listed(entry: Entry, now_ms: int) -> Listed:
    return Listed(
        name=entry.name,
        job=entry.job,
        queue=entry.queue,
        when=entry.when,
        state=entry.state,
        declared=entry.declared,
        note=entry.note,
        next_ms=_next_ms(entry, now_ms),
    )


def _next_ms(entry: Entry, now_ms: int) -> int | None:
    following = entry.when.after(now_ms) if entry.state == "active" else None
    return None if following is None else entry.when.due_ms(following, entry.name)
