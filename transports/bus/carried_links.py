"""Links over a carrier: the tasks that flush, read and tend, around what `link.py` decides.

What has been sent in a turn of the loop leaves together, an entry for each node; while an append is unanswered more
piles up, and leaves with the next. So a lone frame waits for nobody, and a flood costs few entries. What may wait for
company leaves at most once in COMPANY_S, or with the next frame that may not: who waits for no answer, as those who
watch a room, would else have an entry for each word.
"""

import random
from collections import OrderedDict
from collections.abc import Callable
from time import perf_counter

import structlog
import trio
from msgspec import Struct

from greenroom.actors.model.errors import Overloaded, Unavailable
from greenroom.config.limits import BusConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.throttled_log import ThrottledLog
from greenroom.transports.bus.carrier import Carrier, CarrierLost
from greenroom.transports.bus.entries import BadEntry, Entry, UnknownVersion, decode
from greenroom.transports.bus.link import Link
from greenroom.transports.bus.links import Correspondent
from greenroom.transports.bus.trouble import CarrierHealth
from greenroom.transports.sockets.flusher import TurnEnd

log = structlog.get_logger("greenroom.bus")

ACKNOWLEDGED_AFTER_S = 0.04  # unless something leaves for that node before, which says it in passing
COMPANY_S = 0.005  # that frames which may wait do so for others, after some have left for that node
TENDED_EVERY_S = 0.1
PEERS_MAX = 1024  # links at once: more than there can be nodes
FORGOTTEN_MAX = 4096  # nodes whose entries are known to be of the dead
SLICE_S = 0.002  # how long frames are handed on before other tasks have their turn
LOOK = 32  # frames between two looks at the clock
RETRY_FIRST_S = 0.05  # after the carrier failed; doubles
RETRY_MAX_S = 1.0


class LinkState(Struct, frozen=True):
    """How one link is."""

    silent: bool  # the other end was given up, and has not been heard of since
    held_frames: int  # that wait, or are under way
    held_bytes: int


def _is_short_of(link: Link, beginning: int, frames: int) -> bool:
    """Have fewer frames arrived, of those that were sent since that beginning, and may yet?"""
    return not link.gone and link.beginning == beginning and link.settled_frames < frames


class CarriedLinks:
    """The links of one node, as `links.Links` promises them, while `run` does."""

    def __init__(
        self,
        node: int,
        carrier: Carrier,
        correspondent: Correspondent,
        config: BusConfig,
        instruments: Instruments,
        *,
        jitter: random.Random | None = None,
        stopwatch: Callable[[], float] = perf_counter,
    ) -> None:
        """`node`: this one's incarnation. `jitter` spreads what several nodes do after the same failure. `stopwatch`,
        in seconds, is for how long frames have been handed on: on a virtual clock that clock."""
        self._node = node
        self._carrier = carrier
        self._correspondent = correspondent
        self._config = config
        self._instruments = instruments
        self._jitter = jitter if jitter is not None else random.Random()
        self._stopwatch = stopwatch
        self._until = 0.0  # by the stopwatch, when others are to have their turn
        self._links: dict[int, Link] = {}
        self._forgotten: OrderedDict[int, None] = OrderedDict()
        self._dirty: list[Link] = []
        self._owing: dict[int, Link] = {}  # those that have to acknowledge, unless something else leaves first
        self._owes = trio.Event()  # there are some
        self._late: list[Link] = []  # those with frames that wait for company
        self._is_late = trio.Event()  # there are some
        self._tends = trio.Event()  # something may be due later
        self._turn_end = TurnEnd()
        self._settled = trio.Event()  # something has arrived, or was dropped: for those who wait until all has
        self._health = CarrierHealth(config.absent_s)
        self._log = ThrottledLog(log, clock=trio.current_time)  # of what may come with every entry

    @property
    def healthy(self) -> bool:
        """Whether the carrier took and gave what it was last asked."""
        return self._health.appends and self._health.reads

    def states(self) -> dict[int, LinkState]:
        """Of the links that there are, by node."""
        return {node: LinkState(link.silent, link.held_frames, link.held_bytes) for node, link in self._links.items()}

    def send(self, node: int, frame: bytes, *, may_wait: bool = False) -> None:
        """As `links.Links`. Raises: Overloaded, Unavailable."""
        link = self._links.get(node)
        if link is None:
            link = self._new_link(node)
        if self._health.absent:
            raise Unavailable("what carries messages between nodes can't be reached")
        link.put(frame)
        if link.dirty:
            return
        if not may_wait or trio.current_time() - link.left_at >= COMPANY_S:
            self._touch(link)
        elif not link.late:
            link.late = True
            self._late.append(link)
            self._is_late.set()

    def forget(self, node: int) -> None:
        """As `links.Links`."""
        self._forgotten[node] = None
        if len(self._forgotten) > FORGOTTEN_MAX:
            self._forgotten.popitem(last=False)
        link = self._links.pop(node, None)
        self._owing.pop(node, None)
        if link is not None:
            link.gone = True
            log.info("link_ended", node=f"{node:016x}")
            self._part(node)

    async def drained(self) -> None:
        """As `links.Links`."""
        marks = [
            (link, link.beginning, link.settled_frames + link.held_frames)
            for link in self._links.values()
            if link.held_frames
        ]
        while marks := [mark for mark in marks if _is_short_of(*mark)]:
            if self._settled.is_set():
                self._settled = trio.Event()
            await self._settled.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry until cancelled; ready at once, since what can't be reached yet is tried again. A second run, after one
        that ended, goes on where the first stopped."""
        self._health.begun(trio.current_time())
        try:
            # Owner: this call. None of them ends by itself; a mistake in one ends all, and whoever runs us decides.
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._flush)
                nursery.start_soon(self._read)
                nursery.start_soon(self._tend)
                nursery.start_soon(self._acknowledge)
                nursery.start_soon(self._end_waits)
                task_status.started()
        finally:
            with trio.move_on_after(1.0, shield=True):
                await self._carrier.aclose()

    def _new_link(self, node: int) -> Link:
        assert node != self._node, "a node has no link to itself"
        if node in self._forgotten:
            raise Unavailable(f"node {node:016x} is gone")
        if len(self._links) >= PEERS_MAX:
            raise Overloaded("too many nodes at once")
        link = self._links[node] = Link(self._node, node, self._config)
        return link

    def _touch(self, link: Link) -> None:
        link.dirty = True
        self._dirty.append(link)
        self._turn_end.wake()
        self._tends.set()

    def _part(self, node: int) -> None:
        self._instruments.bus_parted += 1
        self._settled.set()
        try:
            self._correspondent.parted(node)
        except Exception:  # the edge: one frame's mistake is not to cost the others their links
            log.exception("frame_failed", node=f"{node:016x}")

    # Out

    async def _flush(self) -> None:
        pause_s = RETRY_FIRST_S
        while True:
            if self._health.appends:
                await self._turn_end.wait()
            try:
                if self._carrier.is_waiting:
                    await self._carrier.append(())  # what comes meanwhile leaves with the others
                self._turn_end.clear()
                batch = self._collect()
                if batch or not self._health.appends:
                    await self._carrier.append(batch)
            except CarrierLost as error:
                self._health.lost("append", error, trio.current_time())
                self._tends.set()
                await trio.sleep(pause_s * self._jitter.uniform(0.5, 1.0))
                pause_s = min(2 * pause_s, RETRY_MAX_S)
                self._ask_all()
            else:
                pause_s = RETRY_FIRST_S
                if not self._health.appends:
                    self._health.reached("append", trio.current_time())

    def _collect(self) -> list[tuple[int, bytes]]:
        batch: list[tuple[int, bytes]] = []
        dirty, self._dirty = self._dirty, []
        frames = size = 0
        now = trio.current_time()
        for link in dirty:
            link.dirty = False
            if link.gone:
                continue
            entries = link.take()
            if entries:
                link.left_at = now
                self._owing.pop(link.node, None)  # each of them acknowledges
            for raw in entries:
                batch.append((link.node, raw))
                size += len(raw)
            frames += link.fresh
            link.fresh = 0
        self._instruments.bus_frames_sent += frames
        self._instruments.bus_entries_sent += len(batch)
        self._instruments.bus_sent_bytes += size
        return batch

    def _ask_all(self) -> None:
        """Nobody knows which of the entries under way are in the inboxes: their receivers do."""
        for link in self._links.values():
            link.ask()
            self._touch_if_due(link)

    def _touch_if_due(self, link: Link) -> None:
        if not link.dirty and link.has_to_say:
            self._touch(link)

    # In

    async def _read(self) -> None:
        pause_s = RETRY_FIRST_S
        while True:
            try:
                entries = await self._carrier.read()
            except CarrierLost as error:
                self._health.lost("read", error, trio.current_time())
                self._tends.set()
                await trio.sleep(pause_s * self._jitter.uniform(0.5, 1.0))
                pause_s = min(2 * pause_s, RETRY_MAX_S)
                continue
            pause_s = RETRY_FIRST_S
            if not self._health.reads:
                self._health.reached("read", trio.current_time())
            self._until = self._stopwatch() + SLICE_S
            for raw in entries:
                await self._arrived(raw)
                if self._stopwatch() >= self._until:
                    await self._let_others()

    async def _let_others(self) -> None:
        await trio.lowlevel.checkpoint()
        self._until = self._stopwatch() + SLICE_S

    async def _arrived(self, raw: bytes) -> None:
        """Hand on what is in one entry."""
        instruments = self._instruments
        instruments.bus_entries_received += 1
        instruments.bus_received_bytes += len(raw)
        try:
            entry = decode(raw)
        except BadEntry as error:
            instruments.bus_entries_refused += 1
            self._log.warning("bus_entry_refused", key=isinstance(error, UnknownVersion), error=str(error))
            return
        link = self._link_of(entry)
        if link is None:
            return
        node = entry.node
        held = link.held_frames
        parted, frames = link.arrived(entry, len(raw))
        if parted:
            log.warning("link_parted", node=f"{node:016x}", cause="the other end began anew")
            self._part(node)
        elif link.held_frames < held:
            self._settled.set()
        instruments.bus_frames_received += len(frames)
        received = self._correspondent.received
        for number, frame in enumerate(frames, 1):
            if link.gone:
                return
            try:
                received(node, frame)
            except Exception:  # the edge, as in `_part`
                log.exception("frame_failed", node=f"{node:016x}")
            if not number % LOOK and self._stopwatch() >= self._until:
                await self._let_others()
                if link.beginning != entry.beginning:
                    return  # it has parted meanwhile: nothing from before comes after
        self._settle(link)

    def _link_of(self, entry: Entry) -> Link | None:
        """None: it is not to be listened to."""
        link = self._links.get(entry.node)
        if link is None and entry.node not in self._forgotten and entry.node != self._node:
            try:
                link = self._new_link(entry.node)
            except Overloaded as error:
                self._log.warning("bus_entry_refused", key="peers", error=str(error))
        return link

    def _settle(self, link: Link) -> None:
        """What follows from an entry: something leaves at once, or an acknowledgement soon."""
        if link.dirty:
            return
        if link.has_to_say:
            self._touch(link)
        elif link.owes and link.node not in self._owing:
            self._owing[link.node] = link
            self._owes.set()

    # Time

    async def _acknowledge(self) -> None:
        while True:
            if not self._owing:
                self._owes = trio.Event()
                await self._owes.wait()
            await trio.sleep(ACKNOWLEDGED_AFTER_S)
            owing, self._owing = self._owing, {}
            for link in owing.values():
                link.acknowledge()
                self._touch_if_due(link)

    async def _end_waits(self) -> None:
        while True:
            if not self._late:
                self._is_late = trio.Event()
                await self._is_late.wait()
            await trio.sleep(COMPANY_S)
            late, self._late = self._late, []
            for link in late:
                link.late = False
                self._touch_if_due(link)

    async def _tend(self) -> None:
        while True:
            await trio.sleep(TENDED_EVERY_S)
            now = trio.current_time()
            if self._carrier.is_waiting:
                self._turn_end.wake()  # a refusal is not to be found only with the next entries
            self._health.tend(now)
            held = resent = silent = 0
            for link in list(self._links.values()):
                if link.gone:
                    continue  # by what one before it has led to
                if link.tend(now):
                    log.warning("link_parted", node=f"{link.node:016x}", cause="no answer")
                    self._part(link.node)
                self._touch_if_due(link)
                held += link.held_bytes
                silent += link.silent
                if link.resent:
                    resent += link.resent
                    link.resent = 0
            self._instruments.bus_queued_bytes = held
            if resent:
                self._instruments.bus_entries_resent += resent
                self._log.warning("bus_entries_lost", resent=resent)
            is_quiet = not held and not silent and not self._dirty and not self._carrier.is_waiting
            if is_quiet and self.healthy:  # until there is something to be said
                self._tends = trio.Event()
                await self._tends.wait()
