"""The kernel on a faulty journal in memory: system, committer and claims, an audience that checks what it is shown,
and reply slots that count their answers.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import msgspec
import trio
from msgspec import Struct, field
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.effects import Kick
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask, Event, Message, Tell
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import CommitConfig, MailboxConfig, PassivationConfig, SupervisionConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.jobs.jobs import QueueReads
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.store.journal.records import StoredEvent
from greenroom.supervisors.kernel import kernel as kernel_module
from greenroom.supervisors.kernel.cells.cell import Cell
from greenroom.supervisors.kernel.ownership import Ownership
from tests.store.journal.faulty_journal import FaultyJournal

ANN = Principal(user="ann")


class Noted(Event, tag="log.noted"):
    text: str


class SlowNoted(Noted, tag="slow.noted"):
    pass


class Note(Ask[int], tag="log.note"):
    """Record `text` `times` over; the reply is the offset."""

    text: str
    times: int = 1


class Heard(Tell, tag="log.heard"):
    """As Note, without an answer."""

    text: str


class SlowHeard(Heard, tag="slow.heard"):
    pass


def heard(entity: str, text: str) -> Heard:
    """As that entity's kind knows it."""
    return SlowHeard(text=text) if entity.startswith("slow:") else Heard(text=text)


class Read(Ask[list[str]], tag="log.read"):
    """All texts; records nothing."""


class NoteOnce(Ask[bool], tag="log.note_once"):
    """Record `text` unless it was; the reply is whether."""

    text: str


class Fail(Ask[None], tag="log.fail"):
    """Record `text`, if there is one, and raise."""

    text: str = ""


class Do(Ask[Any], tag="log.do"):
    """Call `act(actor)` and answer what it returns. Only a test can send it."""

    act: Callable[[Any], Any]


class LogState(Struct):
    texts: list[str] = field(default_factory=list)


class Log(Actor[LogState]):
    kind = "log"
    commands: ClassVar[tuple[type[Message], ...]] = (Note, NoteOnce, Read, Heard)
    events: ClassVar[tuple[type[Event], ...]] = (Noted,)
    limits = KindLimits(mailbox_messages=2000)

    def note(self, text: str) -> None:
        self.record(self.events[0](text=text))

    def handle(self, message: Message) -> Any:
        match message:
            case Note():
                for _ in range(message.times):
                    self.note(message.text)
                return self.offset
            case NoteOnce():
                if message.text in self.state.texts:
                    return False
                self.note(message.text)
                return True
            case Heard():
                self.note(message.text)
            case Read():
                return list(self.state.texts)
            case Fail():
                if message.text:
                    self.note(message.text)
                raise ZeroDivisionError("boom")
            case Do():
                return message.act(self)

    def apply(self, event: Noted) -> None:
        self.state.texts.append(event.text)

    def view(self) -> Any:
        return {"count": len(self.state.texts)}

    def may_watch(self) -> None:
        if self.principal.user == "mallory":
            raise Refused("log.private")


class Brief(Log):
    """Without a journal."""

    kind = "brief"
    commands = ()
    events = ()
    durable = False

    def handle(self, message: Message) -> Any:
        match message:
            case Heard():
                self.state.texts.append(message.text)
            case _:
                return super().handle(message)


class Slow(Log):
    """Its handler waits: for a while, for others, or for ever."""

    kind = "slow"
    commands = ()
    internal = (SlowHeard,)
    events = (SlowNoted,)
    limits = KindLimits(async_handler_s=10.0)

    async def handle(self, message: Message) -> Any:
        match message:
            case Do():
                return await message.act(self)
            case _:
                return super().handle(message)


class Slot:
    """Counts its answers: there must be exactly one."""

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self.answers: list[Any] = []
        self.encoded: bytes | None = None
        self.answered_at: float | None = None
        self.answered = trio.Event()

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        self._answer(reply)
        self.encoded = encoded

    def reject(self, error: ActorError) -> None:
        self._answer(error)

    def _answer(self, answer: Any) -> None:
        self.answers.append(answer)
        self.answered_at = trio.current_time()
        self.answered.set()
        self._kernel.let_out.append(answer)

    @property
    def answer(self) -> Any:
        assert len(self.answers) == 1, f"answered {len(self.answers)} times: {self.answers}"
        return self.answers[0]


class Audience:
    """Everybody. Shown an event, it looks whether that is durable and the next one."""

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self.shown: dict[str, list[int]] = {}  # offsets
        self.ephemeral: list[tuple[str, bytes, str]] = []
        self.kicked: list[tuple[str, Kick]] = []
        self.epochs: dict[str, str] = {}  # that watchers know
        self.watchers: dict[str, list[Principal]] | None = None  # None: ANN watches everything
        self.streamed: set[str] = set()  # entities that are watched by those who are no audience

    def publish(self, entity: str, epoch: str, event: StoredEvent) -> None:
        kernel = self._kernel
        offsets = self.shown.setdefault(entity, [])
        if offsets and event.offset <= offsets[-1]:
            kernel.wrongs.append(f"{entity}: {event.offset} shown after {offsets[-1]}")
        if not entity.startswith(("brief", "job:")) and event not in kernel.journal.durable(entity, event.offset):
            kernel.wrongs.append(f"{entity}: {event.offset} shown before it was durable")
        offsets.append(event.offset)
        kernel.let_out.append(msgspec.json.decode(event.payload).get("text", ""))

    def publish_ephemeral(self, entity: str, data: bytes, key: str) -> None:
        self.ephemeral.append((entity, data, key))
        self._kernel.let_out.append(data)

    def kick(self, entity: str, kick: Kick) -> None:
        self.kicked.append((entity, kick))

    def watching(self, entity: str) -> list[Principal]:
        return [ANN] if self.watchers is None else self.watchers.get(entity, [])

    def is_watched(self, entity: str) -> bool:
        return bool(self.watching(entity)) or entity in self.streamed

    def began(self, entity: str, epoch: str, offset: int) -> None:
        known = self.epochs.setdefault(entity, epoch)
        if known != epoch:
            self.epochs[entity] = epoch
            self.shown[entity] = list(range(1, offset + 1))  # watchers have started over

    def watched(self) -> list[tuple[str, str]]:
        return list(self.epochs.items())


class Kernel:
    """One node's kernel. A second one on the same `rows` is the node after a restart."""

    def __init__(
        self,
        *,
        rows: MemoryRows | None = None,
        incarnation: int = 1,
        seed: int = 0,
        commit: CommitConfig | None = None,
        supervision: SupervisionConfig | None = None,
        passivation: PassivationConfig | None = None,
        mailbox: MailboxConfig | None = None,
        ownership: Ownership | None = None,
        memory_bytes: Callable[[], int] = lambda: 0,
        turn: Turn | None = None,
        jobs: QueueReads | None = None,
        has_ended: Callable[[str], bool] = lambda process: False,
        kinds: tuple[type[Actor[Any]], ...] = (Log, Brief, Slow),
    ) -> None:
        self.journal = FaultyJournal(rows, incarnation=incarnation)
        self.let_out: list[Any] = []  # replies, publications, in the order in which they left
        self.slots: list[Slot] = []
        self.wrongs: list[str] = []  # what the audience saw and must not have; the cell would only log an error
        self.audience = Audience(self)
        self.letters = MemoryDeadLetters()
        self.instruments = Instruments()
        self.kinds = Kinds(kinds)
        self.kernel = kernel_module.Kernel(
            kinds=self.kinds,
            journal=self.journal,
            dead_letters=self.letters,
            audiences=self.audience,
            instruments=self.instruments,
            clock=trio.current_time,
            monotonic=trio.current_time,
            rng=random.Random(seed),
            commit=commit or CommitConfig(lanes=1),
            supervision=supervision,
            passivation=passivation,
            mailbox=mailbox,
            ownership=ownership,
            memory_bytes=memory_bytes,
            turn=turn,
            jobs=jobs,
            has_ended=has_ended,
        )
        self.system = self.kernel.system
        self.router = self.kernel.router

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Kernel"]:
        with capture_logs():  # tracebacks made for terminals take longer than all the rest
            async with trio.open_nursery() as nursery:
                await nursery.start(self.kernel.run)
                yield self
                nursery.cancel_scope.cancel()
        assert self.wrongs == []
        for slot in self.slots:
            assert len(slot.answers) == 1, f"answered {len(slot.answers)} times: {slot.answers}"

    def send(self, entity: str, message: Message, **fields: Any) -> Slot:
        """An envelope on its way. `command_id`, `deadline`, `principal`, `size` … as in Envelope."""
        slot = Slot(self)
        self.router.submit(entity, Envelope(message=message, slot=slot, **fields))
        self.slots.append(slot)
        return slot

    async def ask(self, entity: str, message: Ask[Any], **how: Any) -> Any:
        return await self.router.ask(entity, message, **how)

    def texts(self, entity: str) -> list[str]:
        """What the journal holds; "" where the runtime has noted something of its own."""
        return [msgspec.json.decode(event.payload).get("text", "") for event in self.journal.events(entity)]

    def awake(self) -> set[str]:
        return {cell.entity for cell in self.system.awake()}

    def cell(self, entity: str) -> Cell:
        """Of an entity that is awake."""
        return next(cell for cell in self.system.awake() if cell.entity == entity)


def after(seconds: float, text: str) -> Do:
    def act(actor: Log) -> None:
        actor.after(seconds, Heard(text=text))

    return Do(act=act)


async def settled() -> None:
    """Until nobody has anything to do but wait."""
    await wait_all_tasks_blocked()


def texts_of(run: Kernel, entity: str) -> list[str]:
    """What the actor has in memory, of an entity that is awake."""
    actor = run.cell(entity).actor
    assert actor is not None
    state: Any = actor.state
    return list(state.texts)


@asynccontextmanager
async def kernel(**how: Any) -> AsyncIterator[Kernel]:
    """A running kernel. On leaving, every slot must have had exactly one answer."""
    async with Kernel(**how).running() as running:
        yield running
