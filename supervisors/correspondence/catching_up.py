"""Catching up: of an entity that is watched, something is missing; what comes of it meanwhile waits in its order.

What is missing is read in the journal, up to where the entity stands. Publications and answers wait behind it alike, so
that whoever is told an offset then gets everything after it. Only what the journal can't tell has watchers start over.
"""

from collections import deque
from collections.abc import Callable
from typing import Literal

import structlog
import trio

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import Inspect, Inspected
from greenroom.actors.model.message import ReplySlot
from greenroom.actors.model.principal import SYSTEM
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.records import StoredEvent
from greenroom.supervisors.correspondence.wire import Began, FeedEnded, FromWatched, Kicked, Published, Shown
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.publication import publications
from greenroom.transports.hub.reading import StoredEvents
from greenroom.transports.hub.watching import Answered

log = structlog.get_logger("greenroom.cluster")

INSPECTION = Inspect(bare=True)
INSPECT_S = 5.0  # what an entity may take to say where it stands
RETRY_S = 0.5  # after it could not, or the journal could not be read
FILL_MAX = 5_000  # events that are read for one gap; with more, watchers start over
READ_MAX = 500  # events at a time
FILLS_MAX = 16  # gaps that are being filled at once
WAITING_MAX = 10_000  # publications of one entity that wait; with more, it is asked anew where that stands
KICKS_MAX = 1_000  # of one entity that wait; with more, they are done before what they should have come after
ANSWERS_S = 10.0  # how long somebody's answer waits; then who asked is told to ask again
TICK_S = 0.1  # how late a retry may be

# Where what comes of an entity comes from: here, under that term, or with the feed of that number. While it is the same
# everything has come, in its order.
Source = tuple[Literal["here", "fed"], int]


class _Waiting:
    """An entity's answer, with which somebody is about to watch it. It holds as long as what comes of the entity comes
    from where this has: what followed it may else be lost, and nobody would know."""

    __slots__ = ("answer", "answered", "since", "source", "was_told")

    def __init__(self, answer: Inspected, answered: Answered, source: Source | None) -> None:
        self.answer = answer
        self.answered = answered
        self.source = source
        self.since = trio.current_time()
        self.was_told = False


class _CatchUp:
    """One entity with a gap in what is known of it. `items` wait until that is filled up to `through`."""

    __slots__ = (
        "entity", "is_filling", "items", "kicks", "may_have_missed_kicks", "publications", "question", "retry_at",
        "through", "waiting",
    )  # fmt: skip

    def __init__(self, entity: str) -> None:
        self.entity = entity
        self.items: deque[FromWatched | _Waiting] = deque()
        self.waiting: deque[_Waiting] = deque()  # those among `items`, the oldest first
        self.publications = 0  # items that the journal has too, or that are of their moment only
        self.kicks = 0  # items
        self.through: tuple[str, int] | None = None  # epoch and offset; None: to be asked
        self.question: _Question | None = None  # under way
        self.is_filling = False
        self.retry_at: float | None = None  # on the trio clock
        self.may_have_missed_kicks = False


class _Question:
    """Where does the entity stand? The reply slot of its Inspect."""

    __slots__ = ("_catch_up", "_catching")

    def __init__(self, catching: "CatchingUp", catch_up: _CatchUp) -> None:
        self._catching = catching
        self._catch_up = catch_up

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        assert isinstance(reply, Inspected)
        if self._catch_up.question is self:
            self._catching.stands_at(self._catch_up, reply.epoch, reply.offset)

    def reject(self, error: ActorError) -> None:
        if self._catch_up.question is self:
            self._catching.stands_nowhere(self._catch_up, error)


class CatchingUp:
    """Of one node, a supervised child: entities of this node and of others alike. `catching`: those with a gap."""

    def __init__(
        self,
        *,
        kinds: Kinds,
        hub: Hub,
        journal: StoredEvents,
        submit: Callable[[str, Envelope], None],
        source: Callable[[str], Source | None],
        caught_up: Callable[[str], None],
        instruments: Instruments,
    ) -> None:
        """`submit` is the router's. `source` of an entity; None: nothing comes of it just now. `caught_up` hears of an
        entity whose watchers may have missed kicks."""
        self._kinds = kinds
        self._hub = hub
        self._journal = journal
        self._submit = submit
        self._source = source
        self._caught_up = caught_up
        self._instruments = instruments
        self.catching: dict[str, _CatchUp] = {}
        self._some = trio.Event()  # are catching up
        self._nursery: trio.Nursery | None = None
        self._fills = trio.CapacityLimiter(FILLS_MAX)

    # From Feeding, of entities on this node, which may have come from another: see Ahead.

    def takes(self, entity: str, frame: FromWatched) -> bool:
        catch_up = self.catching.get(entity)
        if catch_up is None:
            return False
        self._wait(catch_up, frame)
        return True

    def began(self, entity: str, epoch: str, offset: int) -> bool:
        began = Began(entity, epoch, offset)
        if self.takes(entity, began):
            return True
        gap = self._gap_before(began)
        if gap is not None:
            self._catch_up(entity, gap)
        return gap is not None

    # Showing it.

    def show(self, frame: FromWatched) -> None:
        """To the hub, unless something before it is missing."""
        gap = self._gap_before(frame)
        if gap is not None:
            self._wait(self._catch_up(frame.entity, gap), frame)
            return
        hub, entity = self._hub, frame.entity
        match frame:
            case Published():
                known = hub.position(entity)
                if known is None or known[0] != frame.epoch or known[1] < frame.offset:  # else the journal had it
                    event = StoredEvent(frame.offset, frame.at_ms, frame.payload, frame.info)
                    hub.publish(entity, frame.epoch, event)
            case Shown():
                hub.publish_ephemeral(entity, frame.data, frame.key)
            case Kicked():
                hub.kick(entity, frame.kick)
            case Began():
                hub.began(entity, frame.epoch, frame.offset)
            case FeedEnded():
                raise AssertionError("never waits")

    def _gap_before(self, frame: FromWatched) -> tuple[str, int] | None:
        """Epoch and offset up to which the journal is to be read before it can be shown; None: it can be."""
        if isinstance(frame, Published | Began):
            known = self._hub.position(frame.entity)
            last = frame.offset - 1 if isinstance(frame, Published) else frame.offset
            if known is not None and known[0] == frame.epoch and known[1] < last:
                return frame.epoch, last
        return None

    # Catching up.

    def answered(self, entity: str, answer: Inspected, answered: Answered) -> None:
        """The entity has answered somebody who is about to watch it: who hears so now, or in its turn."""
        catch_up = self.catching.get(entity)
        if catch_up is None:
            known = self._hub.position(entity)
            if known is None or known[0] != answer.epoch or known[1] >= answer.offset:
                answered.seen(answer)
                return
            catch_up = self._catch_up(entity, (answer.epoch, answer.offset))
        self._wait(catch_up, _Waiting(answer, answered, self._source(entity)))

    def ask_again(self, entity: str) -> None:
        """There may be a gap of which nobody knows how far it reaches."""
        catch_up = self.catching.get(entity)
        if catch_up is None:
            catch_up = self._begin(entity)
        catch_up.may_have_missed_kicks = True
        self._ask(catch_up)

    def asks(self, entity: str, slot: ReplySlot | None) -> bool:
        """Is that the slot of the question where the entity stands, that is still to be answered?"""
        catch_up = self.catching.get(entity)
        if catch_up is None or catch_up.question is None or catch_up.question is not slot:
            return False
        catch_up.may_have_missed_kicks = True  # it is fed anew: whatever the question was asked for
        return True

    def _ask(self, catch_up: _CatchUp) -> None:
        catch_up.through = catch_up.retry_at = None
        question = catch_up.question = _Question(self, catch_up)
        deadline = trio.current_time() + INSPECT_S
        try:
            self._submit(
                catch_up.entity, Envelope(message=INSPECTION, principal=SYSTEM, slot=question, deadline=deadline)
            )
        except ActorError as error:
            question.reject(error)

    def stands_at(self, catch_up: _CatchUp, epoch: str, offset: int) -> None:
        """The entity has answered."""
        catch_up.question = None
        catch_up.through = epoch, offset
        self._fill_soon(catch_up)

    def stands_nowhere(self, catch_up: _CatchUp, error: ActorError) -> None:
        """It has not answered."""
        catch_up.question = None
        known = self._hub.position(catch_up.entity)
        if known is None:  # and nobody is left who misses anything
            catch_up.through = "", 0
            self._fill_soon(catch_up)
        elif error.temporary:
            catch_up.retry_at = trio.current_time() + RETRY_S
        else:  # it never will: the next publication tells how far the gap reaches
            log.warning("position_unknown", entity=catch_up.entity, error=shown(error))
            catch_up.through = known
            self._fill_soon(catch_up)

    def _catch_up(self, entity: str, through: tuple[str, int]) -> _CatchUp:
        """A gap, up to there."""
        catch_up = self._begin(entity)
        catch_up.through = through
        self._fill_soon(catch_up)
        return catch_up

    def _begin(self, entity: str) -> _CatchUp:
        catch_up = self.catching[entity] = _CatchUp(entity)
        self._some.set()
        return catch_up

    def _wait(self, catch_up: _CatchUp, item: FromWatched | _Waiting) -> None:
        catch_up.items.append(item)
        if isinstance(item, _Waiting):
            catch_up.waiting.append(item)
            return
        if isinstance(item, Kicked):
            catch_up.kicks += 1
            if catch_up.kicks > KICKS_MAX:
                self._kick_now(catch_up)
            return
        catch_up.publications += 1
        if catch_up.publications > WAITING_MAX:  # the journal has them
            catch_up.items = deque(one for one in catch_up.items if isinstance(one, Kicked | _Waiting))
            catch_up.publications = 0
            self._ask(catch_up)

    def _kick_now(self, catch_up: _CatchUp) -> None:
        """Whom they meant may be about to watch, on an answer of before: so all who watch are asked about again."""
        kicks = [one for one in catch_up.items if isinstance(one, Kicked)]
        catch_up.items = deque(one for one in catch_up.items if not isinstance(one, Kicked))
        catch_up.kicks = 0
        catch_up.may_have_missed_kicks = True
        for one in kicks:
            self._hub.kick(one.entity, one.kick)

    def _fill_soon(self, catch_up: _CatchUp) -> None:
        if self._nursery is None:
            catch_up.retry_at = trio.current_time() + RETRY_S
        elif not catch_up.is_filling:
            catch_up.is_filling = True
            self._nursery.start_soon(self._fill, catch_up)

    async def _fill(self, catch_up: _CatchUp) -> None:
        try:
            async with self._fills:
                while catch_up.through is not None and await self._read_on(catch_up.entity, *catch_up.through):
                    pass
        except StoreUnavailable as error:
            log.debug("gap_not_filled", entity=catch_up.entity, error=str(error))
            catch_up.retry_at = trio.current_time() + RETRY_S
            return
        finally:
            catch_up.is_filling = False
        if catch_up.through is not None:
            self._go_on(catch_up)

    async def _read_on(self, entity: str, epoch: str, offset: int) -> bool:
        """Show some of what is missing up to there. False when nothing is, or watchers have to start over.

        Raises: StoreUnavailable.
        """
        hub = self._hub
        known = hub.position(entity)
        if known is None or known == (epoch, offset):
            return False
        if known[0] == epoch and known[1] < offset <= known[1] + FILL_MAX:
            head, events = await self._journal.read(entity, after=known[1], before=offset + 1, limit=READ_MAX)
            if hub.position(entity) != known:
                return True  # forgotten meanwhile, or begun anew
            has_all = bool(events) and events[0].offset == known[1] + 1 and events[-1].offset == known[1] + len(events)
            if head is not None and head.epoch == epoch and has_all:
                self._instruments.gaps_filled += 1
                showing = self._kinds.of(entity).showing
                hub.fill(entity, publications(events, epoch, showing, entity, hub.turn))
                return True
        hub.start_anew(entity, epoch, offset)
        return False

    def _go_on(self, catch_up: _CatchUp) -> None:
        """What has waited, in its order; as far as no other gap comes."""
        entity, items = catch_up.entity, catch_up.items
        while items:
            item = items[0]
            if isinstance(item, _Waiting):
                items.popleft()
                if item.was_told:
                    continue
                catch_up.waiting.popleft()
                self._answer(entity, item)
                if catch_up.through is None:
                    return  # which has it fed anew: it is asked again where it stands
                continue
            gap = self._gap_before(item)
            if gap is not None:
                catch_up.through = gap
                self._fill_soon(catch_up)
                return
            items.popleft()
            if isinstance(item, Kicked):
                catch_up.kicks -= 1
            else:
                catch_up.publications -= 1
            self.show(item)
        if self.catching.get(entity) is catch_up:
            del self.catching[entity]
        if catch_up.may_have_missed_kicks:
            self._caught_up(entity)

    def _answer(self, entity: str, waiting: _Waiting) -> None:
        answer, answered = waiting.answer, waiting.answered
        known = self._hub.position(entity)
        holds = waiting.source is not None and waiting.source == self._source(entity)
        try:
            if holds and (known is None or known == (answer.epoch, answer.offset)):
                answered.seen(answer)
            else:
                answered.ask_again()  # what it has said is of another moment by now
        except Exception as error:  # the edge: a mistake with one is no other's
            log.exception("read_failed", entity=entity)
            answered.broken(error)

    # Running.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:  # owner: this call
            self._nursery = nursery
            for catch_up in self.catching.values():  # of a former run
                catch_up.is_filling, catch_up.retry_at = False, 0.0
            task_status.started()
            try:
                while True:
                    if not self.catching:
                        self._some = trio.Event()
                        await self._some.wait()
                    await trio.sleep(TICK_S)
                    self._retry(trio.current_time())
            finally:
                self._nursery = None

    def _retry(self, now: float) -> None:
        for catch_up in list(self.catching.values()):  # who is refused may come again at once
            while catch_up.waiting and now - catch_up.waiting[0].since >= ANSWERS_S:
                late = catch_up.waiting.popleft()
                late.was_told = True
                late.answered.refused(Unavailable(f"what came before it could not be read within {ANSWERS_S:g} s"))
        due = [one for one in self.catching.values() if one.retry_at is not None and one.retry_at <= now]
        for catch_up in due:
            catch_up.retry_at = None
            if catch_up.through is None:
                self._ask(catch_up)
            else:
                self._fill_soon(catch_up)

    def is_awaited(self, entity: str) -> bool:
        """Is somebody about to watch it, with what it has answered?"""
        catch_up = self.catching.get(entity)
        return catch_up is not None and bool(catch_up.waiting)

    def forget(self, entity: str) -> None:
        """Nobody watches it any more."""
        self.catching.pop(entity, None)
