"""The deliverer of one sink: takes what follows on what was delivered, hands it on, and notes that it was.

It reads from the journal, always: who hands events to another's server reads them fast enough, and what the committer
tells is only which entities have some. An entity is claimed while its events are under way, so two nodes that both take
a shard for theirs deliver its events one after the other. No transaction is open meanwhile.

Whatever goes wrong, it is late and nothing else: it has a queue of its own, and no append waits for it.
"""

import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple

import structlog
import trio
from msgspec.structs import replace

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.message import Event
from greenroom.actors.sinks.errors import BatchRefused, Gone, Unreachable
from greenroom.actors.sinks.installed import InstalledSink, Sinks
from greenroom.actors.sinks.sink import Batch, Sink
from greenroom.actors.views.stretch import Stretch
from greenroom.actors.views.view import Origin
from greenroom.config.limits import SinkConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.views.claims import Claims, Settled
from greenroom.store.views.store import ParkedEntity, Unfolded, Version, ViewStore
from greenroom.supervisors.sinks.patience import Patience, Suspect, Verdict
from greenroom.supervisors.supervision.backoff import Backoff, NewBackoff
from greenroom.supervisors.supervision.watched_steps import watched_steps
from greenroom.supervisors.views.backlog import Backlog
from greenroom.supervisors.views.runners import Runners

log = structlog.get_logger("greenroom.views")

HEADS_AT_ONCE = 500  # whose events one statement reads
MARGIN_S = 10.0  # that a claim lasts longer than a delivery may take
LATE_S = 5.0  # of these, that claiming itself may take
OTHERS_S = 1.0  # until an entity that another node is delivering is looked at again
RETRY_AFTER_MAX_S = 3_600.0  # the longest rest that the other side can ask for
LET_GO_S = 1.0  # for letting go of what was claimed, when it ends in the middle
TRACEBACK_MAX = 8_000  # characters that are kept


def new_rest() -> Backoff:
    """Between two attempts while nothing can be delivered, and at one entity's event."""
    return Backoff(random=Random(), first_s=1.0, max_s=60.0, jitter=0.5)


class Taken(NamedTuple):
    """What is to be delivered of one entity."""

    entity: str
    before: int
    through: int
    has_more: bool
    happened: list[tuple[Origin, Event]]
    broken: tuple[int, Exception] | None  # what follows can't be read
    oldest_ms: int


class Deliverer:
    """A supervised child: `run`. Sync code tells it of entities through its backlog."""

    def __init__(
        self,
        installed: InstalledSink,
        version: Version,
        store: ViewStore,
        claims: Claims,
        *,
        config: SinkConfig,
        pause: Callable[[str], Awaitable[object]],
        instruments: Instruments,
        turn: Turn,
        new_backoff: NewBackoff,
        rests: NewBackoff = new_rest,
        now: Callable[[], float] = time.time,  # Unix seconds
    ) -> None:
        """`pause` pauses a sink, by its name, on all nodes; raises StoreUnavailable. `new_backoff`: while the store is
        away; `rests`: while the other side is."""
        self.installed = installed
        self.version = self._own(version)
        self.is_mixed = False  # are nodes up whose release lacks this version's code?
        self.backlog = Backlog(bytes_max=0)  # of what is heard the heads alone
        self._store = store
        self._claims = claims
        self._config = config
        self._pause = pause
        self._instruments = instruments
        self._watched = turn
        self._new_backoff = new_backoff
        self._rests = rests
        self._now = now
        self._labels = version.name, str(version.version)
        self._patience = Patience(attempts_max=installed.sink.attempts_max, waits=rests)
        self._suspects: deque[Suspect] = deque()
        self._rest = rests()
        self._backoff = new_backoff()
        self._elsewhere: dict[int, float] = {}  # heads that another node delivers -> when to look again
        self._resumed = trio.Event()

    def see(self, version: Version) -> None:
        """The sink's row says this now."""
        was = self.version
        self.version = self._own(version)
        self._instruments.view_waiting[self._labels] = self.backlog.waiting
        if version.paused and not was.paused:
            self.backlog.forget_all()
        if version.rung != was.rung or version.paused != was.paused:
            self._resumed.set()  # somebody has done something about it: a rest ends

    def _own(self, version: Version) -> Version:
        """Of the kinds whose events this release delivers: those of the row are all that any has."""
        return replace(version, kinds=self.installed.kinds)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until cancelled, which is safe at any time."""
        task_status.started()
        while True:
            await self._active()
            try:
                sink = self.installed.sink(self._config)
                async with sink.connected():
                    while not self.version.paused:
                        await self._turn(sink)
            except Exception as error:  # code of whoever wrote the sink, beside `deliver`: as bad as no answer
                await self._rest_after(error)

    async def _active(self) -> None:
        while self.version.paused:
            self.backlog.forget_all()
            self._patience.forget_all()
            self._suspects.clear()
            self._elsewhere.clear()
            self._resumed = trio.Event()
            await self._resumed.wait()

    async def _turn(self, sink: Sink) -> None:
        """One batch."""
        suspect = await self._next()
        if suspect is None:
            return
        try:
            await self._try(sink, suspect)
        except (StoreUnavailable, OutcomeLost) as error:
            self._postpone(suspect, error)
            await trio.sleep(self._backoff.next())
        else:
            self._backoff = self._new_backoff()

    def _postpone(self, suspect: Suspect, error: Exception) -> None:
        log.warning("view_postponed", view=self.version.name, version=self.version.version, error=str(error))
        self.backlog.fall_behind(suspect.head_ids)

    async def _next(self) -> Suspect | None:
        """What to try next; None: look again whether it is paused."""
        events = self.installed.sink.batch_events
        now = trio.current_time()
        if self._suspects:
            return self._suspects.popleft()
        due = self._patience.due(now)
        if due is not None:
            return Suspect((due,), 1)
        back = [head_id for head_id, at in self._elsewhere.items() if at <= now]
        for head_id in back:
            del self._elsewhere[head_id]
        self.backlog.fall_behind(back)
        if not self.backlog.behind:
            with trio.move_on_at(min(self._patience.next_due, *self._elsewhere.values(), float("inf"))):
                await self.backlog.more()
            return None
        # Those that wait by themselves are tried when it is time, and go on from there.
        found = [one for one in self.backlog.take_behind(HEADS_AT_ONCE) if not self._patience.is_held(one)]
        return Suspect(tuple(found), events) if found else None

    async def _try(self, sink: Sink, suspect: Suspect) -> None:
        """Deliver once. Raises: StoreUnavailable, OutcomeLost."""
        taken = await self._take(suspect)
        began = trio.current_time()
        deadline_s = sink.deadline_s
        epochs = (
            await self._claims.claim(
                self.version, {head_id: one.before for head_id, one in taken.items()}, lasts_s=deadline_s + MARGIN_S
            )
            if taken
            else {}
        )
        for head_id in taken.keys() - epochs.keys():
            self._elsewhere[head_id] = began + OTHERS_S
        taken = {head_id: one for head_id, one in taken.items() if head_id in epochs}
        if not taken:
            return
        events = [(event, of) for one in taken.values() for of, event in one.happened]
        batch = Batch(events, {one.entity: epochs[head_id] for head_id, one in taken.items()})
        settled = {head_id: Settled(one.before, one.before) for head_id, one in taken.items()}  # let go, as it was
        error: Exception | None = None
        try:
            if len(batch):
                with trio.fail_at(min(trio.current_time(), began + LATE_S) + deadline_s):
                    await watched_steps(sink.deliver(batch), self._watched, sink, batch)
            settled = {head_id: self._settled(one) for head_id, one in taken.items()}
        except Exception as raised:  # of the sink's own code, or the other side: sorted by what follows, below
            error = raised
        except BaseException:
            with trio.move_on_after(LET_GO_S, shield=True):
                await self._claims.settle(self.version, settled)
            raise
        if error is None:
            await self._note(taken, settled)
        else:
            tried = Suspect(tuple(taken), len({(of.entity, of.offset) for _, of in batch}))
            await self._follow(tried, settled, taken, error)

    async def _take(self, suspect: Suspect) -> dict[int, Taken]:
        """The next events of these, by head, as the journal has them. Raises: StoreUnavailable, OutcomeLost."""
        unfolded = await self._store.unfolded(self.version, suspect.head_ids, limit=suspect.events)
        found = {one.head_id for one in unfolded}
        if found:  # else they have no heads any more
            self.backlog.fall_behind(head_id for head_id in suspect.head_ids if head_id not in found)
        taken: dict[int, Taken] = {}
        begin: list[int] = []
        for one in unfolded:
            standing = one.standing
            if standing.parked or standing.offset >= standing.head_offset:
                self._patience.forget(one.head_id)
            elif not standing.has_row and self.installed.sink.since != "first":
                begin.append(one.head_id)
            elif standing.trimmed > standing.offset or not one.events:
                await self._park_lost(one)
            else:
                made = self._taken(one)
                if made.through > made.before or made.broken is not None:
                    taken[one.head_id] = made
        if begin:
            await self._claims.begin(self.version, begin, now=self.installed.sink.since == "now")
            self.backlog.fall_behind(begin)
        return taken

    def _taken(self, one: Unfolded) -> Taken:
        kind = self.installed.kinds_by_name[one.entity.partition(":")[0]]
        stretch = Stretch(kind, one.entity, one.head_id, one.standing.offset, one.events, lineage=one.lineage)
        wanted = self.installed.events
        happened = [(of, event) for of, event in stretch.happened() if type(event) in wanted]
        through = stretch.through if stretch.broken is None else stretch.broken[0] - 1
        has_more = through < one.standing.head_offset and stretch.through == one.events[-1].offset
        oldest_ms = one.events[0].at_ms
        return Taken(one.entity, one.standing.offset, through, has_more, happened, stretch.broken, oldest_ms)

    def _settled(self, one: Taken) -> Settled:
        if one.broken is None:
            return Settled(one.before, one.through)
        offset, error = one.broken
        return Settled(one.before, one.through, self._why(offset, error))

    def _why(self, offset: int, error: Exception) -> ParkedEntity:
        return ParkedEntity(
            offset=offset,
            error=shown(error),
            traceback="".join(traceback.format_exception(error))[-TRACEBACK_MAX:],
            at_ms=int(self._now() * 1000),
        )

    async def _note(self, taken: dict[int, Taken], settled: dict[int, Settled]) -> None:
        """It was delivered. Raises: StoreUnavailable, OutcomeLost: then it is again."""
        self._patience.delivered(taken)
        self._rest = self._rests()
        self._instruments.sink_resting[self._labels] = 0
        noted = await self._claims.settle(self.version, settled)
        self.backlog.fall_behind(head_id for head_id, one in taken.items() if one.has_more or head_id not in noted)
        events = sum(settled[head_id].through - settled[head_id].before for head_id in noted)
        self._raise(self._instruments.view_events, events)
        oldest_ms = min(one.oldest_ms for one in taken.values())
        self._instruments.view_lag_s[self._labels] = max(self._now() - oldest_ms / 1000, 0.0)
        for head_id in noted:
            parked = settled[head_id].parked
            if parked is not None:
                self._note_parked(taken[head_id].entity, parked)

    async def _follow(
        self, tried: Suspect, let_go: dict[int, Settled], taken: dict[int, Taken], error: Exception
    ) -> None:
        """It was not delivered. Raises: StoreUnavailable, OutcomeLost."""
        self._raise(self._instruments.sink_failures, 1)
        if isinstance(error, Gone):
            await self._claims.settle(self.version, let_go)
            await self._pause(self.version.name)
            log.error("sink_paused", view=self.version.name, version=self.version.version, error=str(error))
            await self._rest_after(error)
            return
        if isinstance(error, Unreachable | OSError | trio.TooSlowError):
            self.backlog.fall_behind(tried.head_ids)
            await self._claims.settle(self.version, let_go)
            await self._rest_after(error)
            return
        verdict = self._patience.failed(tried, is_refused=isinstance(error, BatchRefused), now=trio.current_time())
        if verdict is Verdict.PARK:
            await self._park(tried.head_ids[0], taken, error)
            return
        if verdict is Verdict.SPLIT:
            self._suspects.extendleft(reversed(tried.halves()))
        elif verdict is Verdict.REST and not any(self._patience.is_held(one) for one in tried.head_ids):
            self._suspects.appendleft(tried)
        await self._claims.settle(self.version, let_go)
        log.debug("sink_failed", view=self.version.name, error=shown(error))
        if verdict is Verdict.REST:
            await self._rest_after(error)

    async def _park(self, head_id: int, taken: dict[int, Taken], error: Exception) -> None:
        one = taken[head_id]
        offset = one.happened[0][0].offset if one.happened else one.before + 1
        why = self._why(offset, error)
        # What precedes the event is none that the sink is told of.
        if await self._claims.settle(self.version, {head_id: Settled(one.before, offset - 1, why)}):
            self._note_parked(one.entity, why)
        self._patience.forget(head_id)

    async def _park_lost(self, one: Unfolded) -> None:
        """Its next events are gone."""
        standing = one.standing
        if await self._claims.claim(self.version, {one.head_id: standing.offset}, lasts_s=MARGIN_S):
            why = ParkedEntity(
                offset=standing.offset + 1,
                error=f"its journal has no event {standing.offset + 1}: retention has taken those up to "
                f"{standing.trimmed}; `greenroom views replay` goes on behind them",
                traceback="",
                at_ms=int(self._now() * 1000),
            )
            await self._claims.settle(self.version, {one.head_id: Settled(standing.offset, standing.offset, why)})
            self._note_parked(one.entity, why)

    async def _rest_after(self, error: Exception) -> None:
        """Nothing is delivered for a while: the other side is away, or broken."""
        asked_s = error.retry_after_s if isinstance(error, Unreachable) else None
        rest_s = max(self._rest.next(), min(asked_s or 0.0, RETRY_AFTER_MAX_S))
        self._instruments.sink_resting[self._labels] = 1
        log.warning(
            "sink_rests",
            view=self.version.name,
            version=self.version.version,
            seconds=round(rest_s, 1),
            error=shown(error),
        )
        self._resumed = trio.Event()
        with trio.move_on_after(rest_s):
            await self._resumed.wait()

    def _raise(self, counts: dict[tuple[str, str], int], by: int) -> None:
        counts[self._labels] = counts.get(self._labels, 0) + by

    def _note_parked(self, entity: str, why: ParkedEntity) -> None:
        self._raise(self._instruments.view_parks, 1)
        version = self.version
        log.error(
            "view_parked",
            view=version.name,
            version=version.version,
            entity=entity,
            offset=why.offset,
            error=why.error,
        )


def delivering_to(
    sinks: Sinks,
    claims: Claims,
    *,
    config: SinkConfig,
    instruments: Instruments,
    new_backoff: NewBackoff,
    now: Callable[[], float],
    rests: NewBackoff = new_rest,
) -> Callable[[Runners, Version], Deliverer]:
    """What makes the deliverer of a version of one of these sinks, which runs among a node's runners."""

    def deliverer(runners: Runners, version: Version) -> Deliverer:
        async def pause(name: str) -> None:
            await runners.versions.pause(name, paused=True)
            runners.look_soon()

        return Deliverer(
            sinks[version.name],
            version,
            runners.store,
            claims,
            config=config,
            pause=pause,
            instruments=instruments,
            turn=runners.turn,
            new_backoff=new_backoff,
            rests=rests,
            now=now,
        )

    return deliverer
