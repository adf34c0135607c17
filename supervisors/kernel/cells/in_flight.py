"""In flight: what an entity has submitted and what waits for it, until the journal's outcome is known."""

import structlog
import trio
from msgspec.structs import replace

from greenroom.actors.life.departures import Departure
from greenroom.actors.life.flights import Flight
from greenroom.actors.life.life import Life
from greenroom.actors.model.lifecycle import Rebuild
from greenroom.actors.model.mailbox import Mailbox
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.records import Append, Outcome
from greenroom.supervisors.kernel.cells.release import release
from greenroom.supervisors.kernel.host import Host, OwnRows

log = structlog.get_logger("greenroom.cell")

FLIGHTS_MAX = 64  # bursts whose commit is awaited; beyond, the actor pauses and its mailbox fills


class InFlight:
    """The flights of one cell's present life, and what an append of it failed with. A `Writer` to the committer.

    `flights` are oldest first; each departs when all events up to its own are durable. After a failure they stay as
    they are until `begin`, since only the next life learns which of them had landed.
    """

    __slots__ = ("_host", "_life", "_mailbox", "_own_rows", "_settled", "failure", "flights")

    def __init__(self, host: Host, mailbox: Mailbox) -> None:
        self.flights: list[Flight] | tuple[()] = ()
        self.failure: Exception | Outcome | None = None
        self._host = host
        self._mailbox = mailbox
        self._life: Life | None = None
        self._own_rows: OwnRows | None = None
        self._settled: trio.Event | None = None

    @property
    def entity(self) -> str:
        """See Writer."""
        return self._life.entity if self._life is not None else ""

    def begin(self, life: Life, own_rows: OwnRows | None = None) -> None:
        """Flights are that life's from now on; what became of the former one's is the caller's business."""
        self._life = life
        self._own_rows = own_rows
        self.flights = ()
        self.failure = None

    def launch(self, flight: Flight) -> None:
        """Submit its events, and let it depart when they are durable: at once, if nothing is."""
        life = self._life
        assert life is not None
        head = life.head
        if head is None:
            self.release(flight.departures)
            return
        if flight.events or flight.consequences is not None:
            # Without events it is a timer that goes on: should this be lost, it does so again, and nobody waits for it.
            after = flight.through - len(flight.events)
            consequences = flight.consequences
            if self._own_rows is not None and flight.events:
                inline = self._own_rows.fold(after, flight.events)
                if inline is not None:  # beside those of the flight, which it is known by
                    consequences = (
                        Consequences(inline=inline) if consequences is None else replace(consequences, inline=inline)
                    )
            append = Append(head.id, head.fence, after, flight.events, consequences, head.shard)
            self._host.committer.submit(append, self)
        if self.flights:
            self.flights.append(flight)
        elif flight.events:
            self.flights = [flight]
        else:
            self.release(flight.departures)

    def release(self, departures: list[Departure]) -> None:
        """Let out what the durable events allow."""
        assert self._life is not None
        release(self._host, self._life, self._mailbox, departures)

    def forget_queued(self) -> None:
        """What the committer has of this life and has not sent."""
        if self._life is not None and self._life.head is not None:
            self._host.committer.forget(self._life.head.id, self._life.head.fence)

    # Outcomes.

    def committed(self, fence: int, through: int) -> None:
        """See Writer."""
        flights = self.flights
        life = self._life
        head = life.head if life is not None else None
        if head is None or head.fence != fence:
            return  # a former life's, whose flights have been sorted since
        if head.offset < through:
            head.offset = through
        landed = 0
        for flight in flights:
            if flight.through > through:
                break
            landed += 1
        ready = flights[:landed]
        if flights:
            del flights[:landed]  # in place: whoever sorts what a former life has left sees that these are gone
            if not flights:
                self.flights = ()
        for flight in ready:
            self.release(flight.departures)
        if life is not None and life.looks:
            life.progressed()
        if self._settled is not None and len(self.flights) < FLIGHTS_MAX // 2:
            self._settled.set()

    def commit_failed(self, fence: int, error: Exception | Outcome) -> None:
        """See Writer."""
        life = self._life
        if life is None or life.head is None or life.head.fence != fence:
            return  # a former life's, whose flights have been sorted since
        if self.failure is None:
            self.failure = error
        if isinstance(error, Exception):
            self._host.note_store_unavailable(error)
        else:
            if error is Outcome.FENCED:
                self._host.instruments.fenced_appends += 1
            if error is Outcome.REPEATED:  # one that only the journal remembers: the first answer is found and given
                log.info("append_refused", entity=life.entity, outcome=error.value)
            else:
                log.warning("append_refused", entity=life.entity, outcome=error.value)
        self._mailbox.put_control(Rebuild())
        if self._settled is not None:
            self._settled.set()

    async def catch_up(self) -> None:
        """Wait until commits have caught up with this actor: how a slow disk slows the senders."""
        if self._host.committer.congested:
            await self._host.committer.uncongested()
        if len(self.flights) >= FLIGHTS_MAX and self.failure is None:
            await self._settle()

    async def catch_up_all(self) -> None:
        """Wait until every outcome is known, or one is that fails the rest."""
        while self.flights and self.failure is None:
            await self._settle()

    async def _settle(self) -> None:
        self._settled = trio.Event()
        await self._settled.wait()
        self._settled = None
