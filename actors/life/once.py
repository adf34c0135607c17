"""What takes effect once: messages from another entity's outbox, those of durable timers, commands with an id.

What one life knows of them is what the journal has, or will have with the burst under way: marks, timers, replies. What
it does not know must be asked for before the message is handled; what was handled before is turned away.
"""

from collections.abc import Callable, Iterable

import msgspec
import structlog
from msgspec import Struct

from greenroom.actors.life.command_ids import CommandIds
from greenroom.actors.life.departures import Answer, Departure, Rejection
from greenroom.actors.life.durable_timers import DurableTimers, decode_timer
from greenroom.actors.life.marks import Marks
from greenroom.actors.model.envelope import Envelope, Firing, Origin
from greenroom.actors.model.errors import NotInRelease, Unavailable
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.mailbox import Item
from greenroom.actors.model.message import Done
from greenroom.config.telemetry.held import Holdings
from greenroom.store.journal.records import Remembered

log = structlog.get_logger("greenroom.cell")
DONE = Done()
NEW_MAX = 1_000  # senders of whom an entity that was new when it was claimed has heard: beyond, it asks as any other


class Unknown(Struct, frozen=True):
    """What the journal must be asked before a message can be handled."""

    senders: list[int]  # head ids, whose marks
    command_ids: list[str]  # whose replies

    def __bool__(self) -> bool:
        return bool(self.senders or self.command_ids)


class Once:
    """Of one life. Each part is None until something needs it: most entities need none, and there are many."""

    __slots__ = ("_held", "ids", "is_new", "looks_up_ids", "marks", "timers", "under_way_max", "woken_at")

    def __init__(self) -> None:
        # Had its entity recorded nothing when it was claimed? Then it had handled nothing, and there is nothing to ask.
        self.is_new = False
        # The serial of the node's turn when it woke. What was told later for the first time can't have been handled by
        # a life before this one; nor by another node's after it, for that would have fenced this one.
        self.woken_at = 0
        self.under_way_max = 0  # messages that may be handled and not durable yet
        self._held: Holdings | None = None
        self.ids: CommandIds | None = None
        self.looks_up_ids = False  # command ids that memory does not have are looked up before they are handled
        self.marks: Marks | None = None
        self.timers: DurableTimers | None = None

    def remember(self, command_id: str, what: Remembered) -> None:
        """What to answer when that command is repeated."""
        if self.ids is None:
            self.ids = self._new_ids()
        self.ids.remember(command_id, what)

    def begin(self, held: Holdings) -> None:
        """The life is its entity's from now on: what it remembers counts among `held`."""
        self._held = held
        if self.ids is not None:
            self.ids.count_in(held)

    def _new_ids(self) -> CommandIds:
        ids = CommandIds()
        if self._held is not None:
            ids.count_in(self._held)
        return ids

    def end(self) -> None:
        """With its life."""
        if self.ids is not None:
            self.ids.end()

    def knows(self, sender: int, *, is_first: bool) -> bool:
        """Is its mark in memory, or certain without? `is_first`: the sender has never told this entity anything,
        and sends this for the first time, since this life has woken."""
        marks = self.marks
        if marks is not None and sender in marks:
            return True
        if self.is_new and marks is not None and len(marks) >= NEW_MAX:
            self.is_new = False  # some will be forgotten, and have to be asked for
        if not (is_first or self.is_new):
            return False
        if marks is None:
            marks = self.marks = Marks(under_way_max=self.under_way_max)
        marks.meet(sender)
        return True

    def unknown(self, items: Iterable[Item]) -> Unknown:
        """What the journal must be asked for these to be handled."""
        senders: set[int] = set()
        command_ids: set[str] = set()
        for item in items:
            if type(item) is Envelope:
                if type(item.source) is Origin and not self.knows(
                    item.source.sender, is_first=item.first_at > self.woken_at
                ):
                    senders.add(item.source.sender)
                command_id = item.command_id
                if (
                    command_id is not None
                    and self.looks_up_ids
                    and (self.ids is None or self.ids.is_unknown(command_id))
                ):
                    command_ids.add(command_id)
        return Unknown(sorted(senders), sorted(command_ids))

    def learn(
        self, asked: Unknown, marks: dict[int, int], replies: dict[str, Remembered], *, under_way_max: int
    ) -> None:
        """What the journal said. `under_way_max`: messages that may be handled and not durable yet."""
        if asked.senders:
            if self.marks is None:
                self.marks = Marks(under_way_max=under_way_max)
            self.marks.learn(marks)
        if asked.command_ids:
            if self.ids is None:
                self.ids = self._new_ids()
            self.ids.learn(asked.command_ids, replies)

    def admits(self, envelope: Envelope, origin: Origin, depart: Callable[[Departure], None]) -> bool:
        """Is the delivery to be handled, from a sender whose mark is known? If not, `depart` gets its answer."""
        marks = self.marks
        assert marks is not None
        if marks.has_handled(origin):
            if envelope.slot is not None:
                depart(Answer(envelope.slot, DONE, None))
            return False
        if marks.is_overtaken(origin):
            if envelope.slot is not None:
                error = Unavailable("an earlier message of the sender was put off")
                depart(Rejection(envelope.slot, error))
            return False
        return True

    def timers_needed(self) -> DurableTimers:
        if self.timers is None:
            self.timers = DurableTimers()
        return self.timers

    def due_timers(self, kind: Kind, entity: str, *, now_ms: int, queued_at: float) -> list[Envelope]:
        """Messages of durable timers that are due and not in the mailbox; call `put_off` for those that don't fit."""
        if self.timers is None or not self.timers.rows:
            return []
        due: list[Envelope] = []
        for row in self.timers.take_due(now_ms):
            try:
                message = kind.decode_message(decode_timer(row.body).message)
            except (msgspec.MsgspecError, NotInRelease) as error:  # it stays, for a release that knows the message
                log.error("timer_unreadable", entity=entity, timer=row.name, error=str(error))
                continue
            due.append(Envelope(message=message, source=Firing(row.name, row.due_ms), queued_at=queued_at))
        return due

    def put_off(self, firing: Firing) -> None:
        """Not now: the next look for timers finds it again."""
        self.timers_needed().put_off(firing)
