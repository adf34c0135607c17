"""What the book of schedules is told, and its events. Tags are wire names: never renamed."""

from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.jobs.schedule.timing import Timing
from greenroom.actors.model.message import Ask, Done, Event, Tell

BOOK_KIND = "schedules"
BOOK = f"{BOOK_KIND}:all"
SCHEDULES_MAX = 1_000
LISTED_MAX = 200
NAMED_MAX = 20  # in one line of a log


class Entry(Struct, kw_only=True):
    """A schedule as the book knows it."""

    name: str
    job: str
    queue: str
    when: Timing
    state: str  # active, paused, orphaned; over: there is no tick to come
    declared: bool = False
    digest: str = ""  # of what the code says of it
    note: str = ""


class Listed(Struct, kw_only=True):
    """An entry, and when it fires next: Unix ms; null: not by itself."""

    name: str
    job: str
    queue: str
    when: Timing
    state: str
    declared: bool
    note: str
    next_ms: int | None


class Schedules(Struct):
    """By name. `more`: there are others behind these."""

    schedules: list[Listed]
    more: bool


class List(Ask[Schedules], tag="schedules.list"):
    """Schedules in the order of their names, behind `after`."""

    after: Annotated[str, Meta(max_length=255)] = ""
    limit: Annotated[int, Meta(ge=1, le=LISTED_MAX)] = 100


class Enter(Ask[Done], tag="schedules.enter"):
    """From a schedule that is about to be made."""

    entry: Entry


class Note(Tell, tag="schedules.note"):
    """From a schedule: how it stands now."""

    entry: Entry


class Strike(Tell, tag="schedules.strike"):
    """From a schedule: it was dropped."""

    name: str


class Wanted(Struct):
    """Those of which a node is to say what the code says of them, in this turn."""

    names: list[str]
    turn: int
    orphaned: int = 0  # so many are, by now


class Compare(Ask[Wanted], tag="schedules.compare"):
    """From a node that starts: all that its code declares, with the digest of each."""

    declared: dict[str, str]


class Entered(Event, tag="schedules.entered"):
    """There is one, and it stands so."""

    entry: Entry


class Struck(Event, tag="schedules.struck"):
    """There is none of that name any more."""

    name: str


class Vanished(Event, tag="schedules.vanished"):
    """The code declares these no more."""

    names: list[str]
    turn: int
