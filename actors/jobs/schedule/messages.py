"""What a schedule can be told, its events, and what it tells the book. Tags are wire names: never renamed."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from greenroom.actors.jobs.schedule.due import Missed
from greenroom.actors.jobs.schedule.overlap import Overlap
from greenroom.actors.jobs.schedule.spec import CATCH_UP_S, Arguments, Attempts, CatchUp, Note, Priority, Spec
from greenroom.actors.jobs.schedule.timing import Cron, Moment, Timing, Zone
from greenroom.actors.jobs.texts import Name, NameOrNone
from greenroom.actors.model.message import Ask, Done, Event, Tell

Why = Literal["tick", "trigger", "backfill"]
Seconds = Annotated[float, Meta(ge=0, le=366 * 86_400)]


class Standing(Struct, frozen=True):
    """When it fires next, Unix ms; null: never again."""

    next_ms: int | None


class Set(Ask[Standing], tag="schedule.set"):
    """Make the schedule, or change it. One of `cron`, `every_s` and `once_ms`; see the guide for the others."""

    job: Name
    arguments: Arguments = field(default_factory=dict)  # JSON object
    queue: NameOrNone = ""  # "": that of the job's class
    cron: Cron = ""
    tz: Zone = "UTC"
    every_s: Seconds = 0.0
    offset_s: Seconds = 0.0
    once_ms: Moment | None = None
    jitter_s: Seconds = 0.0
    overlap: Overlap = "skip"
    missed: Missed = "last"
    catch_up_s: CatchUp = CATCH_UP_S
    priority: Priority | None = None
    partition: NameOrNone | None = None
    attempts: Attempts | None = None
    note: Note = ""
    tick_as: NameOrNone = ""  # the argument that is given the tick, Unix ms

    @property
    def spec(self) -> Spec:
        when = Timing(
            cron=self.cron,
            tz=self.tz,
            every_s=self.every_s,
            offset_s=self.offset_s,
            once_ms=self.once_ms,
            jitter_s=self.jitter_s,
        )
        return Spec(
            job=self.job,
            queue=self.queue,
            when=when,
            arguments=self.arguments,
            overlap=self.overlap,
            missed=self.missed,
            catch_up_s=self.catch_up_s,
            priority=self.priority,
            partition=self.partition,
            attempts=self.attempts,
            note=self.note,
            tick_as=self.tick_as,
        )


class Pause(Ask[Done], tag="schedule.pause"):
    """Start nothing more, until `resume`. What is under way goes on; ticks meanwhile never were."""

    note: Note = ""


class Resume(Ask[Standing], tag="schedule.resume"):
    """Go on, with the next tick from now."""


class Triggered(Struct, frozen=True):
    """`waits`: for what runs to end. `job`: its id, once it is started."""

    verdict: Literal["started", "waits", "skipped"]
    job: str = ""


class Trigger(Ask[Triggered], tag="schedule.trigger"):
    """Start its job now, also while it is paused. As `overlap` says, or the schedule itself."""

    overlap: Overlap | None = None


class Backfilling(Struct, frozen=True):
    """So many ticks are made up for."""

    ticks: int


class Backfill(Ask[Backfilling], tag="schedule.backfill"):
    """Start its job for each tick in `from_ms` to `until_ms`, one after the other has ended; with `allow` ten a
    second. At most a thousand, and none of the future."""

    from_ms: Moment
    until_ms: Moment
    overlap: Literal["buffer_all", "allow"] = "buffer_all"


class EndBackfills(Ask[Done], tag="schedule.end_backfills"):
    """Make up for no more ticks."""


class Gone(Struct, frozen=True):
    """`was_there`: was there one?"""

    was_there: bool


class Drop(Ask[Gone], tag="schedule.drop"):
    """Forget it. Jobs that it has started go on."""


class Declare(Ask[Standing], tag="schedule.declare"):
    """From a node: what the code says of it. `turn`: see the book."""

    spec: Spec
    digest: str
    turn: int


class Orphan(Tell, tag="schedule.orphan"):
    """From the book: the code declares it no more."""

    turn: int


class Tick(Tell, tag="schedule.tick"):
    """To itself: the next tick is due."""


class Step(Tell, tag="schedule.step"):
    """To itself: go on with what is made up for."""


# Events.


class WasSet(Event, tag="schedule.was_set"):
    """It is as the spec says."""

    spec: Spec
    next_ms: int | None
    declared: bool = False
    digest: str = ""
    turn: int = 0
    by: str = ""


class Paused(Event, tag="schedule.paused"):
    """It starts nothing more."""

    note: str = ""
    by: str = ""


class Resumed(Event, tag="schedule.resumed"):
    """It goes on."""

    next_ms: int | None
    by: str = ""


class Orphaned(Event, tag="schedule.orphaned"):
    """The code declares it no more: it starts nothing."""

    turn: int


class Dropped(Event, tag="schedule.dropped"):
    """There is none any more."""

    by: str = ""


class Fired(Event, tag="schedule.fired"):
    """Its job was started, in this very append."""

    tick_ms: int
    why: Why
    job: str
    queue: str = ""  # "": one of before queues were noted


class Waited(Event, tag="schedule.waited"):
    """The job of that tick is started once what runs has ended."""

    tick_ms: int
    why: Why
    replaces: bool = False  # what waited before it


class Skipped(Event, tag="schedule.skipped"):
    """No job is started for that tick."""

    tick_ms: int
    why: Why
    reason: str


class Advanced(Event, tag="schedule.advanced"):
    """All ticks before the next one have been looked at; of those, so many were missed."""

    next_ms: int | None
    last_ms: int  # the newest of them
    missed: int = 0


class Ended(Event, tag="schedule.ended"):
    """What became of a job: completed, failed, cancelled, duplicate; lost where it was gone before anybody said."""

    job: str
    outcome: str
    detail: str = ""


class BackfillBegan(Event, tag="schedule.backfill_began"):
    """Ticks are made up for."""

    from_ms: int
    until_ms: int
    overlap: Overlap
    by: str = ""


class BackfillMoved(Event, tag="schedule.backfill_moved"):
    """Of the first of them, what is next; null: it is through."""

    next_ms: int | None


class BackfillsEnded(Event, tag="schedule.backfills_ended"):
    """No more of them."""

    by: str = ""
