"""The one road to read an entity: may I see it, what does it show, what has happened.

Whoever reads, over whichever transport, asks the entity first; it says with its answer where it stands. What comes from
the journal after that is checked against this answer, becomes publications in one place, and is bounded in count and
bytes.
"""

from collections.abc import Callable
from functools import partial
from typing import Generic, Literal, Protocol, TypeVar

import msgspec
import structlog
import trio
from msgspec import Struct

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import Attended, Inspect, Inspected, Naming
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import ClientConfig
from greenroom.store.journal.records import Head, StoredEvent
from greenroom.transports.deadlines import Deadlines, Tick
from greenroom.transports.errors import BadRequest, EpochChanged
from greenroom.transports.hub.publication import Publication, first_that_fit, publications, visible
from greenroom.transports.reads import Reads

log = structlog.get_logger("greenroom.reads")
encode = msgspec.json.encode

INSPECT = Inspect()
FAST = Inspect(fast=True)
BARE = Inspect(bare=True)
COUNT = Naming()
NEWEST = 2**63 - 1  # no event has that offset
READ_MAX = 1000  # events at a time, in search of what is not hidden
SEARCHED_MAX = 10_000  # events that one answer may cost
VERIFY_AGAIN_S = 0.1  # after an answer that did not prove to be the owner's

# How sure a reader wants to be that who answers owns the entity. Fast: it did, when it last heard, and may have been
# replaced since by one that knows more. Leased: it does, for its lease was good when it was asked. Verified: it does,
# for the journal said after the answer that nobody has claimed the entity since.
Sureness = Literal["fast", "leased", "verified"]

Answer = TypeVar("Answer", bound=Inspected | Attended)
WhenRefused = Callable[[ActorError], None]
WhenBroken = Callable[[Exception], None]  # told of a mistake of ours; must not raise


class StoredEvents(Protocol):
    """What is needed of the journal."""

    async def read(
        self, entity: str, *, after: int = 0, before: int | None = None, limit: int, reverse: bool = False
    ) -> tuple[Head | None, list[StoredEvent]]: ...


class HistoryRange(Struct):
    """Which part of the history: `limit` publications after `offset`, or with `reverse` before it, newest first."""

    epoch: str = ""  # the epoch that `offset` belongs to; "" asks for no check
    offset: int = 0  # 0: from the beginning, or with `reverse` from the end
    limit: int = 100
    reverse: bool = False


class Page(Struct):
    """Publications of the journal `epoch`, whose newest event is `offset`; from `Reading.page` hidden ones too."""

    epoch: str
    offset: int
    publications: list[Publication]
    oldest: int = 1  # the first event that retention has left
    next: int | None = None  # where to go on, when it ends before what was wanted does: the offset seen last


def page_json(page: Page) -> bytes:
    """A page of the history as clients get it, over HTTP and the client protocol alike."""
    going_on = b"" if page.next is None else b',"next":%d' % page.next
    publications = b",".join([one.json for one in page.publications])
    return b'{"publications":[%b],"epoch":%b,"offset":%d%b}' % (publications, encode(page.epoch), page.offset, going_on)


class Reading:
    """Reads entities for others. Exactly one of the callbacks is called, now or later."""

    def __init__(
        self,
        kinds: Kinds,
        submit: Callable[[str, Envelope], None],
        journal: StoredEvents,
        deadlines: Deadlines,
        reads: Reads,
        config: ClientConfig,
        turn: Turn,
    ) -> None:
        """`turn`: see `show_of`."""
        self._kinds = kinds
        self._submit = submit
        self._journal = journal
        self._deadlines = deadlines
        self._reads = reads
        self._config = config
        self._turn = turn

    @property
    def bytes_max(self) -> int:
        """Bytes of JSON that one answer may bring, so that it alone does not make a client slow."""
        return self._config.queue_bytes_max // 2

    def inspect(
        self,
        entity: str,
        principal: Principal,
        seen: Callable[[Inspected], None],
        refused: WhenRefused,
        broken: WhenBroken,
        *,
        deadline: float | None = None,
        trace: str | None = None,
        sureness: Sureness = "leased",
    ) -> None:
        """Ask `entity` for its view and where it stands, as `principal` may see it.

        `deadline` is on the trio clock; None leaves a command's time. `refused` hears the entity's refusal and whatever
        kept it from answering; what `seen` itself raises is logged and reaches `broken`.
        """
        if deadline is None:
            deadline = trio.current_time() + self._config.command_deadline_s
        question = FAST if sureness == "fast" else INSPECT
        if sureness == "verified":
            seen = self._verified(Inspected, question, entity, principal, seen, refused, broken, deadline, trace)
        self._ask(question, principal, _Inspection(entity, Inspected, seen, refused, broken), deadline, trace)

    def permit(
        self,
        entity: str,
        principal: Principal,
        allowed: Callable[[], None],
        refused: WhenRefused,
        broken: WhenBroken,
        *,
        deadline: float,
        trace: str | None = None,
    ) -> None:
        """Ask `entity` whether `principal` may watch it. The callbacks, and the deadline, are those of `inspect`."""

        def seen(_: Inspected) -> None:
            allowed()

        self._ask(BARE, principal, _Inspection(entity, Inspected, seen, refused, broken), deadline, trace)

    def _verified(
        self,
        kind_of_answer: type[Answer],
        question: Inspect,
        entity: str,
        principal: Principal,
        seen: Callable[[Answer], None],
        refused: WhenRefused,
        broken: WhenBroken,
        deadline: float,
        trace: str | None,
    ) -> Callable[[Answer], None]:
        """Who is to hear the answer before `seen` does. Whoever has claimed an entity has raised its fence: where that
        is still the one of the activation that answered, nobody else had it when it answered."""

        def ask() -> None:
            self._ask(question, principal, _Inspection(entity, kind_of_answer, check, refused, broken), deadline, trace)

        def check(answer: Answer) -> None:
            if answer.fence:
                self._reads.start(partial(verify, answer), refused, broken)
            else:
                kind = entity.partition(":")[0]
                refused(BadRequest(f"read: a {kind} has no journal that its answers could be verified by"))

        async def verify(answer: Answer) -> None:
            head, _ = await self._journal.read(entity, after=NEWEST, limit=1)
            if head is not None and head.fence == answer.fence:
                seen(answer)
                return
            await trio.sleep(VERIFY_AGAIN_S)
            if trio.current_time() >= deadline:
                raise DeadlineExceeded()
            ask()

        return check

    def audience(
        self,
        entity: str,
        principal: Principal,
        seen: Callable[[Attended], None],
        refused: WhenRefused,
        broken: WhenBroken,
        *,
        names_max: int = 0,
        sureness: Sureness = "leased",
    ) -> None:
        """Ask `entity` who watches it, on whichever node, as far as `principal` may: their names too, where these are
        no more than `names_max` and fit into one answer. The callbacks, and the deadline, are those of `inspect`."""
        naming = Naming(names_max, self.bytes_max) if names_max else COUNT
        question = Inspect(audience=naming, fast=sureness == "fast")
        deadline = trio.current_time() + self._config.command_deadline_s
        if sureness == "verified":
            seen = self._verified(Attended, question, entity, principal, seen, refused, broken, deadline, None)
        self._ask(question, principal, _Inspection(entity, Attended, seen, refused, broken), deadline, None)

    def _ask(
        self,
        question: Inspect,
        principal: Principal,
        inspection: "_Inspection[Answer]",
        deadline: float,
        trace: str | None,
    ) -> None:
        inspection.tick = self._deadlines.add(deadline, inspection)
        now = trio.current_time()
        try:
            self._submit(
                inspection.entity,
                Envelope.command(question, principal, inspection, now=now, deadline=deadline, trace=trace),
            )
        except ActorError as error:
            inspection.reject(error)

    def history(
        self,
        entity: str,
        principal: Principal,
        wanted: HistoryRange,
        shown: Callable[[Page], None],
        refused: WhenRefused,
        broken: WhenBroken,
        *,
        gone: Callable[[], bool],
        deadline: float | None = None,
        trace: str | None = None,
        sureness: Sureness = "leased",
    ) -> None:
        """The publications in `wanted`, as many as fit into one answer; the page is of where the entity stands.

        It may cost many reads to find some that are not hidden: at most SEARCHED_MAX events, and none once `deadline`
        has passed or `gone` says that nobody waits any more.
        `refused` also hears EpochChanged, when the journal has begun anew since `wanted`.
        """
        until = deadline if deadline is not None else trio.current_time() + self._config.command_deadline_s

        def seen(inspected: Inspected) -> None:
            epoch, top = inspected.epoch, inspected.offset
            if wanted.epoch and wanted.epoch != epoch:
                refused(EpochChanged())
            elif wanted.limit == 0 or top == 0:
                shown(Page(epoch, top, []))
            else:
                self._reads.start(lambda: read(epoch, top), refused, broken)

        async def read(epoch: str, top: int) -> None:
            after, before = wanted.offset, top + 1
            if wanted.reverse:
                after, before = 0, min(before, wanted.offset or before)
            found: list[Publication] = []
            limit = wanted.limit
            searched = size = 0
            going_on: int | None = None
            while True:  # until there are enough that are not hidden, at most through all that retention has left
                page = await self.page(entity, after=after, before=before, limit=limit, reverse=wanted.reverse)
                if page is not None and (page.epoch != epoch or page.offset < top):
                    # The entity that was asked has yet to hear that its journal is another.
                    raise Unavailable("the journal began anew")
                more = page.publications if page is not None else []
                shown_of_it = visible(more)
                found += shown_of_it
                if page is None or not more or len(found) >= wanted.limit:
                    break
                last = more[-1].offset
                if last <= page.oldest if wanted.reverse else last >= top:
                    break
                if wanted.reverse:
                    before = last
                else:
                    after = last
                searched += len(more)
                size += sum(len(one.json) for one in shown_of_it)
                if searched >= SEARCHED_MAX or size > self.bytes_max:
                    going_on = last
                    break
                if gone() or trio.current_time() >= until:
                    raise DeadlineExceeded()
                limit = min(READ_MAX, SEARCHED_MAX - searched)
            found = found[: wanted.limit]
            fitting = first_that_fit(found, bytes_max=self.bytes_max)
            if len(fitting) < len(found):
                going_on = fitting[-1].offset
            shown(Page(epoch, top, fitting, next=going_on))

        self.inspect(entity, principal, seen, refused, broken, deadline=until, trace=trace, sureness=sureness)

    async def page(
        self, entity: str, *, after: int = 0, before: int | None = None, limit: int, reverse: bool = False
    ) -> Page | None:
        """Publications with `after` < offset < `before`, one for each event, hidden ones too: at most `limit`, fewer
        where they are large, [] at the end. None when the entity has no journal.

        Raises: StoreUnavailable.
        """
        head, events = await self._journal.read(entity, after=after, before=before, limit=limit, reverse=reverse)
        if head is None:
            return None
        showing = self._kinds.of(entity).showing
        found = publications(events, head.epoch, showing, entity, self._turn)
        return Page(head.epoch, head.offset, found, oldest=head.trimmed + 1)


class _Inspection(Generic[Answer]):
    """The reply slot of one `inspect` or `audience`."""

    __slots__ = ("_answer", "_broken", "_refused", "_seen", "done", "entity", "tick")

    def __init__(
        self,
        entity: str,
        answer: type[Answer],
        seen: Callable[[Answer], None],
        refused: WhenRefused,
        broken: WhenBroken,
    ) -> None:
        self.entity = entity
        self._answer = answer
        self._seen = seen
        self._refused = refused
        self._broken = broken
        self.done = False
        self.tick: Tick = {}  # in which it expires

    def _end(self) -> None:
        self.done = True
        self.tick.pop(self, None)

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        if not self.done:
            self._end()
            try:
                assert isinstance(reply, self._answer)
                self._seen(reply)
            except Exception as error:  # the edge: a mistake of ours must not end the entity that answers
                log.exception("read_failed", entity=self.entity)
                self._broken(error)

    def reject(self, error: ActorError) -> None:
        if not self.done:
            self._end()
            try:
                self._refused(error)
            except Exception as mistake:  # the edge, as above
                log.exception("read_failed", entity=self.entity)
                self._broken(mistake)

    def expire(self) -> None:
        self.reject(DeadlineExceeded())
