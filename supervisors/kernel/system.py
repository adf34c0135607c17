"""The system: which entities are awake on this node, and the way to each. Hop 3 on the way of a message.

Routing, activation on the first message, passivation when idle or over budget, death watch, ephemeral timers, dead
letters. One node owns everything for now; ownership by shard will answer in `_owns`.
"""

import heapq
import random
from collections.abc import Callable
from itertools import count
from typing import Protocol

import structlog
import trio
from msgspec.structs import replace

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.effects import Kick, Timer
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope, TaskSlot, asker_command_id, digest_of, own_command_id
from greenroom.actors.model.errors import ActorError, CallCycle, Overloaded, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import Passivate, Reclaim, Stop, Terminated, TimersDue
from greenroom.actors.model.mailbox import Sealed
from greenroom.actors.model.message import Ask, Message, Reply
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.config.limits import MailboxConfig, PassivationConfig, SupervisionConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import Tracing
from greenroom.store.errors import NotOwner, StoreUnavailable
from greenroom.store.journal.claims import Claims
from greenroom.store.journal.committer import Committer
from greenroom.store.journal.dead_letters import DeadLetter, DeadLetters, retried
from greenroom.store.journal.epoch import lineage_of
from greenroom.store.journal.journal import Claimed, Head, Journal, StoredEvent
from greenroom.supervisors.delivery.relay import Relay
from greenroom.supervisors.delivery.timers import Timers
from greenroom.supervisors.kernel.cell import Cell
from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.supervision.strategy import RestartIntensity, RestartLedger
from greenroom.supervisors.supervision.watchdog import Turn

log = structlog.get_logger("greenroom.system")

SNAPSHOTS_WAITING_MAX = 1024
SNAPSHOTS_LOG_S = 60.0  # one line for all that were skipped
DEAD_LETTERS_WAITING_MAX = 1024
TIMERS_REPLACED_MAX = 1000  # kept in the heap at most, or as many as there are others


class Audiences(Protocol):
    """Whoever watches entities: the hub in a node, nobody in a benchmark of the actors alone."""

    def publish(self, entity: str, epoch: str, event: StoredEvent) -> None: ...

    def publish_ephemeral(self, entity: str, data: bytes, key: str) -> None: ...

    def kick(self, entity: str, kick: Kick) -> None: ...

    def watching(self, entity: str) -> list[Principal]: ...

    def began(self, entity: str, epoch: str, offset: int) -> None:
        """An entity woke, or was built anew: watchers of another epoch have to start over."""

    def watched(self) -> list[tuple[str, str]]:
        """The entities that somebody watches, each with the epoch that its watchers know."""


class Nobody:
    """No audience."""

    def publish(self, entity: str, epoch: str, event: StoredEvent) -> None:
        pass

    def publish_ephemeral(self, entity: str, data: bytes, key: str) -> None:
        pass

    def kick(self, entity: str, kick: Kick) -> None:
        pass

    def watching(self, entity: str) -> list[Principal]:
        return []

    def began(self, entity: str, epoch: str, offset: int) -> None:
        pass

    def watched(self) -> list[tuple[str, str]]:
        return []


class ActorRef:
    """An entity's address. Outlives restarts and sleep; remembers the present mailbox to be quick."""

    __slots__ = ("_put", "_system", "entity")

    def __init__(self, system: "System", entity: str) -> None:
        self.entity = entity
        self._system = system
        self._put: Callable[[Message | Envelope], None] | None = None

    def tell(self, message: Message) -> None:
        """Raises: Overloaded, Unavailable, UnknownKind; then nothing was queued."""
        put = self._put
        if put is not None:
            try:
                put(message)
                return
            except Sealed:
                pass
        mailbox = self._system.cell(self.entity).mailbox
        self._put = mailbox.put
        mailbox.put(message)

    async def ask(self, message: Ask[Reply], *, principal: Principal = SYSTEM, command_id: str | None = None) -> Reply:
        """The reply, once the events before it are durable. The deadline is the caller's cancel scope.

        Raises: what the entity refused with, Overloaded, Unavailable, HandlerFailed, OutcomeUnknown.
        """
        return await self._system.ask(self.entity, message, chain=(), principal=principal, command_id=command_id)


class System:
    def __init__(
        self,
        *,
        kinds: Kinds,
        journal: Journal,
        committer: Committer,
        claims: Claims,
        dead_letters: DeadLetters,
        audiences: Audiences,
        instruments: Instruments,
        clock: Callable[[], float],
        rng: random.Random | None = None,
        supervision: SupervisionConfig | None = None,
        passivation: PassivationConfig | None = None,
        mailbox: MailboxConfig | None = None,
        turn: Turn | None = None,
        tracing: Tracing | None = None,
        memory_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        self.kinds = kinds
        self.journal = journal
        self.committer = committer
        self.audiences = audiences
        self.instruments = instruments
        self.turn = turn or Turn()
        self.tracing = tracing
        self.mailbox_config = mailbox or MailboxConfig()
        self.term = 1  # of every shard, until shards have owners
        self.handled = 0  # messages
        self._claims = claims
        self._dead_letters = dead_letters
        self._clock = clock
        self._rng = rng or random.Random()
        self._supervision = supervision or SupervisionConfig()
        self._passivation = passivation or PassivationConfig()
        self._memory_bytes = memory_bytes
        self._cells: dict[str, Cell] = {}
        self._nursery: trio.Nursery | None = None
        self._draining = False
        self._emptied: trio.Event | None = None
        self._quarantine: dict[str, float] = {}  # failed entity -> trio time until which it stays down
        self._watchers: dict[str, set[str]] = {}
        self._timers: list[tuple[float, int, Cell, int, Timer]] = []
        self._timer_keys: dict[tuple[str, str], tuple[int, Cell, int]] = {}  # (entity, key) -> number, cell, life
        self._timers_replaced = 0  # of `_timers`: a newer one has their key
        self._timer_numbers = count(1)
        self._timer_wake: trio.Event = trio.Event()
        self._snapshot_send, self._snapshot_receive = trio.open_memory_channel[tuple[Head, int, bytes, KindLimits]](
            SNAPSHOTS_WAITING_MAX
        )
        self._letters_unwritten = 0
        self._letters_written: trio.Event | None = None
        self._letters_send, self._letters_receive = trio.open_memory_channel[DeadLetter](DEAD_LETTERS_WAITING_MAX)
        self._store_down_logged = -60.0
        self._snapshots_skipped = 0  # since that was last logged
        self._snapshots_logged = -SNAPSHOTS_LOG_S
        self._lineage: str | None = None  # of the database, as last heard
        self.relay = Relay(kinds=kinds, journal=journal, submit=self.submit, new_backoff=self.new_backoff)
        self.timers = Timers(journal=journal, now=clock, wake=self.wake)

    # Routing.

    def ref(self, entity: str) -> ActorRef:
        """Raises: BadEntity, UnknownKind."""
        kind, _ = split_entity(entity)
        self.kinds[kind]
        return ActorRef(self, entity)

    def cell(self, entity: str) -> Cell:
        """The entity's cell, woken if it sleeps. Raises: BadEntity, UnknownKind, Unavailable."""
        cell = self._cells.get(entity)
        return cell if cell is not None else self._activate(entity)

    def submit(self, entity: str, envelope: Envelope) -> None:
        """Queue an envelope. Raises: BadEntity, UnknownKind, Unavailable, Overloaded; then nothing was queued."""
        cell = self._cells.get(entity)
        if cell is None:
            cell = self._activate(entity)
        cell.mailbox.put_envelope(envelope)

    def tell(self, entity: str, message: Message) -> None:
        """A message from one entity to another. One that can't be queued becomes a dead letter."""
        try:
            self.cell(entity).mailbox.put(message)
        except ActorError as error:
            self.dead_letter(entity, Envelope(message=message), error)

    async def ask(
        self,
        entity: str,
        message: Ask[Reply],
        *,
        chain: tuple[str, ...] = (),
        principal: Principal = SYSTEM,
        command_id: str | None = None,
    ) -> Reply:
        if entity in chain:
            raise CallCycle(" -> ".join((*chain, entity)))
        slot = TaskSlot()
        if command_id is None and message.idempotency_key is not None:
            key = message.idempotency_key
            command_id = asker_command_id(chain[-1], key) if chain else own_command_id(principal, key)
        envelope = Envelope(
            message=message,
            principal=principal,
            slot=slot,
            deadline=trio.current_effective_deadline(),
            command_id=command_id,
            digest=digest_of(message) if command_id is not None else None,
            chain=chain,
            queued_at=trio.current_time(),
        )
        self.submit(entity, envelope)
        reply: Reply = await slot.wait()
        return reply

    def is_durable(self, entity: str, message: Message) -> bool:
        """Has the entity a journal? Not if it is none. Raises: TypeError when its kind takes no such message."""
        try:
            kind = self.kinds[split_entity(entity)[0]]
        except ActorError:
            return False
        if kind.actor.durable and type(message) not in kind.messages:
            raise TypeError(f"{kind.name} takes no {type(message).__qualname__}: name it in `commands` or `internal`")
        return kind.actor.durable

    def wake(self, entity: str) -> None:
        """A durable timer of it is due. Raises: Unavailable, Overloaded, UnknownKind."""
        self.cell(entity).mailbox.put_control(TimersDue())

    def _activate(self, entity: str) -> Cell:
        kind = self.kinds[split_entity(entity)[0]]
        if self._draining or self._nursery is None:
            raise Unavailable("this node is stopping")
        if self._quarantine:
            until = self._quarantine.get(entity)
            if until is not None:
                if trio.current_time() < until:
                    raise Unavailable("the entity failed and is kept down for a moment")
                del self._quarantine[entity]
        if len(self._cells) >= self._passivation.awake_max:
            raise Overloaded(f"{len(self._cells)} entities are awake")
        cell = Cell(self, kind, entity)
        self._cells[entity] = cell
        self.instruments.awake += 1
        self._nursery.start_soon(cell.run, name=entity)
        return cell

    # What cells need.

    def time(self) -> float:
        return trio.current_time()

    def now(self) -> float:
        """Unix time in seconds."""
        return self._clock()

    def audience(self, entity: str) -> list[Principal]:
        return self.audiences.watching(entity)

    def new_epoch(self) -> str:
        """For one life of an entity without a journal: its offsets begin anew with each."""
        return f"{self._rng.getrandbits(32):08x}"

    @property
    def strikes_max(self) -> int:
        return self._supervision.strikes_max

    def new_backoff(self) -> Backoff:
        return Backoff(
            random=self._rng, first_s=self._supervision.backoff_first_s, max_s=self._supervision.backoff_max_s
        )

    def new_ledger(self) -> RestartLedger:
        return RestartLedger(
            RestartIntensity(restarts_max=self._supervision.restarts_max, window_s=self._supervision.window_s)
        )

    async def claim(self, entity: str, *, above: int = 0) -> Claimed:
        claimed = await self._claims.claim(entity, term=self.term, above=above)
        self.lineage_changed(lineage_of(claimed.head.epoch))
        return claimed

    async def read_all(self, entity: str, through: int) -> list[StoredEvent]:
        """Every event of an entity whose retention has removed none, up to the offset `through`."""
        return await self.read_between(entity, 1, through)

    async def read_between(self, entity: str, first: int, last: int) -> list[StoredEvent]:
        """Events with first <= offset <= last, as far as they exist."""
        events: list[StoredEvent] = []
        after = first - 1
        while after < last:
            _, page = await self.journal.read(entity, after=after, before=last + 1, limit=1000)
            if not page:
                break
            events.extend(page)
            after = page[-1].offset
        return events

    def closed(self, cell: Cell, reason: str) -> None:
        """A cell has ended: asleep, stopped or failed."""
        if self._cells.get(cell.entity) is cell:
            del self._cells[cell.entity]
            self.instruments.awake -= 1
        if reason == "failed":
            self._quarantine[cell.entity] = trio.current_time() + self._supervision.backoff_max_s
        if reason != "asleep":
            for watcher in sorted(self._watchers.pop(cell.entity, ())):
                if not self._draining and self._nursery is not None:
                    self.tell(watcher, Terminated(entity=cell.entity, reason=reason))
        if self._emptied is not None and not self._cells:
            self._emptied.set()

    def lineage_changed(self, lineage: str) -> None:
        """The database has another history: what was claimed in a former one may be ahead of the journal.

        Such entities are built anew. Those asleep that somebody watches are woken, to tell their watchers. Messages on
        their way are taken from the outbox again: it no longer has those whose cause was lost.
        """
        if lineage == self._lineage:
            return
        self._lineage = lineage
        self.relay.begin_lineage(lineage)
        for cell in list(self._cells.values()):
            if cell.head is not None and lineage_of(cell.head.epoch) != lineage:
                cell.mailbox.put_control(Reclaim())
        for entity, epoch in self.audiences.watched():
            if entity in self._cells or lineage_of(epoch) == lineage or not self._is_durable(entity):
                continue
            try:
                self._activate(entity)
            except ActorError as error:
                log.warning("watchers_not_told", entity=entity, error=error.name)  # but with the next publication

    def _is_durable(self, entity: str) -> bool:
        return self.kinds[split_entity(entity)[0]].actor.durable

    def watch(self, watcher: str, entity: str) -> None:
        self._watchers.setdefault(entity, set()).add(watcher)

    def dead_letter(self, entity: str, envelope: Envelope, error: Exception) -> None:
        """Keep what could not be handled. Bounded: when too many wait to be written, the log is all that remains."""
        self.instruments.dead_letters += 1
        try:
            letter = DeadLetter.of(
                entity, envelope.message, envelope.principal.user, error, envelope.trace, envelope.strikes
            )
        except Exception as unfit:  # an internal message need not be JSON-able
            log.error("dead_letter_dropped", entity=entity, message=repr(type(envelope.message)), error=repr(unfit))
            return
        letter = replace(letter, id=retried(envelope.command_id))  # a retry does not multiply them
        log.error("dead_letter", entity=entity, message_type=letter.message_type, error=letter.error)
        try:
            self._letters_send.send_nowait(letter)
            self._letters_unwritten += 1
        except trio.WouldBlock:
            log.error("dead_letter_dropped", entity=entity, message_type=letter.message_type)

    def snapshot_later(self, head: Head, offset: int, body: bytes, limits: KindLimits) -> None:
        """Write a snapshot when there is time. Dropped when too many wait: the journal has it all."""
        try:
            self._snapshot_send.send_nowait((head, offset, body, limits))
        except trio.WouldBlock:
            self._snapshots_skipped += 1
            self._log_skipped()

    def _log_skipped(self) -> None:
        if self._snapshots_skipped and trio.current_time() - self._snapshots_logged >= SNAPSHOTS_LOG_S:
            log.warning("snapshots_skipped", count=self._snapshots_skipped)
            self._snapshots_logged, self._snapshots_skipped = trio.current_time(), 0

    def start_timer(self, cell: Cell, timer: Timer) -> None:
        number = next(self._timer_numbers)
        if timer.key:
            key = (cell.entity, timer.key)
            older = self._timer_keys.get(key)
            if older is not None:
                self._timers_replaced += 1
                if older[1] is cell and older[2] == cell.life:
                    cell.timers -= 1
            self._timer_keys[key] = (number, cell, cell.life)
        cell.timers += 1
        if self._timers_replaced > TIMERS_REPLACED_MAX and 2 * self._timers_replaced > len(self._timers):
            self._timers = [entry for entry in self._timers if not self._is_replaced(entry)]
            heapq.heapify(self._timers)
            self._timers_replaced = 0
        heapq.heappush(self._timers, (trio.current_time() + max(0.0, timer.seconds), number, cell, cell.life, timer))
        if self._timers[0][1] == number:
            self._timer_wake.set()

    def _is_replaced(self, entry: "tuple[float, int, Cell, int, Timer]") -> bool:
        _, number, cell, _, timer = entry
        return bool(timer.key) and self._timer_keys.get((cell.entity, timer.key), (0,))[0] != number

    def note_store_unavailable(self, error: Exception) -> None:
        """One line a second, however many entities feel it."""
        if trio.current_time() - self._store_down_logged >= 1.0:
            self._store_down_logged = trio.current_time()
            log.warning("store_unavailable", error=str(error) or repr(error))

    # What the node shows.

    def awake(self) -> list[Cell]:
        return list(self._cells.values())

    def mailbox_depth(self) -> int:
        return sum(len(cell.mailbox) for cell in self._cells.values())

    def mailbox_age_s(self) -> float:
        """How long the longest-waiting message has waited."""
        now = trio.current_time()
        oldest = [at for cell in self._cells.values() if (at := cell.mailbox.oldest_queued_at()) is not None]
        return now - min(oldest) if oldest else 0.0

    # Running.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep entities alive until cancelled; `drain` first to lose nothing that could still be finished.

        Begins with nobody awake: the cells of a former run ended with it.
        """
        self.instruments.awake -= len(self._cells)
        self._cells = {}
        self._timers = []
        self._timer_keys = {}
        self._timers_replaced = 0
        self._watchers = {}
        async with trio.open_nursery() as nursery:  # owner: this call. Cells handle their crashes themselves
            self._nursery = nursery
            nursery.start_soon(self._passivate_idle)
            nursery.start_soon(self._fire_timers)
            nursery.start_soon(self._write_snapshots)
            nursery.start_soon(self._write_dead_letters)
            await nursery.start(self.relay.run)
            await nursery.start(self.timers.run)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None  # wake nobody only to stop it at once

    async def drain(self) -> None:
        """Wake nothing more, let every entity finish its turns, flush its commits and stop."""
        self._draining = True
        if self._emptied is None:
            self._emptied = trio.Event()
        for cell in list(self._cells.values()):
            cell.mailbox.put_control(Stop())
        if self._cells:
            await self._emptied.wait()
        await self.committer.flushed()
        while self._letters_unwritten:
            if self._letters_written is None or self._letters_written.is_set():
                self._letters_written = trio.Event()
            await self._letters_written.wait()

    async def _passivate_idle(self) -> None:
        config = self._passivation
        while True:
            await trio.sleep(config.sweep_s)
            now = trio.current_time()
            over = len(self._cells) - int(config.awake_max * 0.9)
            if config.memory_bytes_max and self._memory_bytes() > config.memory_bytes_max:
                over = max(over, len(self._cells) // 10)
            if over > 0:
                oldest = heapq.nsmallest(over, self._cells.values(), key=lambda cell: cell.last_active)
                for cell in oldest:
                    if not cell.mailbox.told:
                        cell.mailbox.put_control(Passivate())
            for number, cell in enumerate(list(self._cells.values())):
                if now - cell.last_active > min(cell.kind.limits.idle_s, config.idle_s) and not cell.mailbox.told:
                    cell.mailbox.put_control(Passivate())
                if number % 1000 == 999:
                    await trio.lowlevel.checkpoint()
            for entity in [entity for entity, until in self._quarantine.items() if until < now]:
                del self._quarantine[entity]

    async def _fire_timers(self) -> None:
        while True:
            self._timer_wake = trio.Event()
            if not self._timers:
                await self._timer_wake.wait()
                continue
            at = self._timers[0][0]
            with trio.move_on_at(at):
                await self._timer_wake.wait()
                continue
            if not self._timers or self._timers[0][0] > trio.current_time():
                continue  # the one that we waited for was replaced
            entry = heapq.heappop(self._timers)
            _, _, cell, life, timer = entry
            if self._is_replaced(entry):
                self._timers_replaced -= 1
                continue
            if timer.key:
                del self._timer_keys[(cell.entity, timer.key)]
            if cell.life != life:
                continue
            cell.timers -= 1
            if self._cells.get(cell.entity) is cell:
                try:
                    cell.mailbox.put(timer.message)
                except Overloaded as error:
                    self.dead_letter(cell.entity, Envelope(message=timer.message), error)

    async def _write_snapshots(self) -> None:
        async for head, offset, body, limits in self._snapshot_receive:
            self._log_skipped()
            try:
                await self.journal.save_snapshot(head.id, fence=head.fence, offset=offset, body=body)
                if offset - head.trimmed > limits.history_events + limits.snapshot_every:
                    now_ms = int(self.now() * 1000)
                    head.trimmed = await self.journal.trim(
                        head.id,
                        keep_count=limits.history_events,
                        keep_after_ms=now_ms - int(limits.history_s * 1000),
                        ids_after_ms=now_ms - int(limits.command_ids_s * 1000),
                    )
            except (StoreUnavailable, NotOwner) as error:
                self.note_store_unavailable(error)

    async def _write_dead_letters(self) -> None:
        async for letter in self._letters_receive:
            try:
                await self._write_dead_letter(letter)
            finally:
                self._letters_unwritten -= 1
            if not self._letters_unwritten and self._letters_written is not None:
                self._letters_written.set()

    async def _write_dead_letter(self, letter: DeadLetter) -> None:
        backoff = self.new_backoff()
        while True:
            try:
                await self._dead_letters.add(letter)
                return
            except StoreUnavailable as error:
                self.note_store_unavailable(error)
            except Exception as error:  # this letter, not the store: it must not take the system down with it
                log.exception("dead_letter_dropped", entity=letter.entity, error=repr(error))
                return
            await trio.sleep(backoff.next())
