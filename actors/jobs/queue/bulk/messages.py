"""What is done about many jobs of a queue. Tags are wire names."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from greenroom.actors.jobs.listing.where import UnixMs, Where
from greenroom.actors.jobs.queue.messages import AT_ONCE
from greenroom.actors.jobs.queue.single.steering import Reason
from greenroom.actors.model.message import Ask, Tell
from greenroom.store.jobs.filter import ENDED
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.listing import ListedJob

Act = Literal["retry", "cancel", "drop", "edit"]
# The states of jobs that it can be done about; and of those the ones that are meant where none is said.
ABOUT: Final[dict[str, tuple[str, ...]]] = {
    "retry": ("delayed", "retrying", *ENDED),
    "cancel": ("blocked", "waiting", "delayed", "retrying", "active"),
    "drop": ENDED,
    "edit": ("blocked", "waiting", "delayed", "retrying"),
}
MEANT: Final[dict[str, tuple[str, ...]]] = {**ABOUT, "retry": ("failed",)}
MOST: Final = 500


class BulkDone(Struct, frozen=True, omit_defaults=True):
    """Of this message."""

    found: int  # jobs that are meant, of those that it has looked at
    changed: int  # of these; others have become something else meanwhile
    next: str | None  # to be said as `after` for what is left; null: that were all
    # Of a retry: jobs that were left as they are, for who has started them, or a child of theirs, was told that they
    # ended; see `detached`. And those of which a child is being cancelled.
    left: int = 0


class Bulk(Ask[BulkDone], tag="queue.bulk"):
    """Do one thing about all jobs that are meant, the last added first, `most` with each message.

    `next`, said as `after`, goes on where that has ended, also much later: no job is met twice, and none that was added
    since the first.
    """

    act: Act
    where: Where = field(default_factory=Where)
    after: Annotated[str, Meta(max_length=500)] | None = None
    most: Annotated[int, Meta(ge=1, le=AT_ONCE)] = MOST
    dry_run: bool = False  # only count them
    detached: bool = False  # of a retry of `where.id`: see `queue.retry`
    reason: Reason = ""  # of a cancel
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None  # of an edit
    due_ms: UnixMs | None = None  # of an edit: not before


class Matched(Tell, tag="queue.matched"):
    """To itself: jobs that were looked for."""

    number: int
    found: int
    jobs: list[ListedJob]  # none where they were only to be counted
    whole: list[JobFound]  # those of them that have ended, where they are wanted whole
    after: str | None
    named: list[str] = field(default_factory=list)  # those that are to be dropped, and that others name which are left
