"""A simulated client: connects, subscribes, resumes where it was, and repeats a command until it is answered.

What it is shown it holds against the checker's record: every publication once, in order, unless told to start over.
"""

import math
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import trio
from msgspec import Raw, Struct

from greenroom.actors.model.envelope import own_command_id
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Message
from greenroom.actors.model.principal import Principal
from greenroom.supervisors.simulation.answers import Answer, Publication, Push, decode_answer
from greenroom.supervisors.simulation.checker import Checker, Fact, Settled
from greenroom.supervisors.simulation.faults import NO_FAULTS, Faults
from greenroom.supervisors.simulation.timeline import Timeline
from greenroom.supervisors.simulation.views.watched import WatchedPage
from greenroom.supervisors.simulation.wire import Broken, Connection

encode = msgspec.json.encode
LOOK_S_MAX = 20.0  # however slow its work: what was refused for now is asked for again before the calm is over
PENDING_MAX = 4  # commands under way
BURSTS = (1, 1, 1, 2, 4)  # commands sent at once
IDLE_S = 30.0  # without a frame, pings included: the connection is dead
LATE_S = 1.0  # beside its deadline: the way there and back
SLOW_S = 15.0  # between two reads of a slow reader, at most


class Pending(Struct):
    """A command that is not settled."""

    entity: str
    method: str
    data: bytes
    key: str | None  # without one it is sent once, and what became of it may never be known
    mark: str | None
    message: Message
    sent: int = 0  # times
    id: int = 0  # the command's number when it was last sent; 0 when it is to be sent (again)
    not_before: float = 0.0
    first_at: float = 0.0  # when it was sent first, and last
    sent_at: float = 0.0
    known: int = 0  # events of its entity that somebody had been told of when it was first sent


class Position(Struct):
    """Where a subscription is."""

    epoch: str = ""
    offset: int = 0
    live: bool = False  # subscribed on the present connection
    wanted: bool = True
    id: int = 0  # the number of the subscribe under way; 0 when none is
    not_before: float = 0.0
    facts: list[Fact | None] = []  # what the last that was shown can have been
    known: int = 0  # events that somebody had been told of when the subscribe under way was sent


class Waited(Struct, frozen=True):
    """How long a command took, through all of its repetitions, until it was acknowledged."""

    entity: str
    sent_at: float
    answered_at: float

    @property
    def seconds(self) -> float:
        return self.answered_at - self.sent_at


class Work(Struct):
    """What a scenario has a client send."""

    entity: str
    message: Message
    mark: str | None = None  # what will be found in an event that the command records, and once only


class SimulatedClient:
    """A client as SDKs are: subscribes, resumes from its position, sends a command again until it is answered."""

    def __init__(
        self,
        user: str,
        *,
        channels: tuple[str, ...],
        kinds: Kinds,
        work: Callable[[Random, str], Work],
        records: Callable[[Message], bool],
        reads: Callable[[Message, Any], int | None],
        checker: Checker,
        timeline: Timeline,
        faults: Faults,
        draw: Random,
        dial: Callable[[str], Connection | None],
        pace_s: float,
        deadline_s: float,
        page: Callable[[str], WatchedPage | None] = lambda channel: None,
    ) -> None:
        """`deadline_s`: of a command, at whichever node. `dial` connects to one of those. `page`: to hold what is said
        on that channel, where it is a page of a view."""
        self.user = user
        self.pending: list[Pending] = []
        self.positions = {channel: Position() for channel in channels}
        self.pages = {channel: held for channel in channels if (held := page(channel)) is not None}
        self.working = True  # sends new commands
        self.refusals: dict[str, int] = {}  # how often, by what was said
        self.unknown = 0  # commands without a key of which nobody knows
        self.waited: list[Waited] = []
        self.client_id = ""  # of the present connection
        self.started_over = 0
        self._kinds = kinds
        self._work = work
        self._records: dict[str, bool] = {}
        self._does_record = records
        self._reads = reads
        self._deadline_s = deadline_s
        self._calm_since = math.inf
        self._calmed = trio.Event()
        self._settled: list[Settled] = []  # on the present connection, each at its first attempt
        self._checker = checker
        self._timeline = timeline
        self._faults = faults
        self._draw = draw
        self._dial = dial
        self._pace_s = pace_s
        self._connection: Connection | None = None
        self._connected = False
        self._answered: set[int] = set()
        self._ids = 0
        self._keys = 0
        self._principal = Principal(user=user)

    @property
    def connection(self) -> Connection | None:
        return self._connection

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:  # owner: this call, which the world cancels
            nursery.start_soon(self._stay_connected)
            nursery.start_soon(self._keep_working)

    def calm(self) -> None:
        """Only finish from now on."""
        self.working = False
        self._calm_since = trio.current_time()
        self._calmed.set()
        self._faults = NO_FAULTS

    # Commands.

    async def _keep_working(self) -> None:
        while True:
            await trio.sleep(min(LOOK_S_MAX, self._draw.expovariate(1.0 / self._pace_s)))
            if self.working:
                for _ in range(min(self._draw.choice(BURSTS), PENDING_MAX - len(self.pending))):
                    self._begin()
            now = trio.current_time()
            if self._connected:
                for pending in self.pending[:]:
                    if pending.id == 0 and pending.not_before <= now:
                        self._send(pending)
                for channel, position in self.positions.items():
                    if position.wanted and not position.live and position.id == 0 and position.not_before <= now:
                        self._subscribe(channel, position)

    def _begin(self) -> None:
        work = self._work(self._draw, self.user)
        message = work.message
        kind = self._kinds[work.entity.partition(":")[0]]
        name = next(command.name for command in kind.commands.values() if command.message is type(message))
        key: str | None = None
        if self._draw.random() < 0.8:
            self._keys += 1
            key = f"k{self._keys}"
            message = msgspec.structs.replace(message, idempotency_key=key)
        pending = Pending(work.entity, f"{work.entity}/{name}", encode(message), key, work.mark, message)
        self._records[pending.method] = self._does_record(message)
        self.pending.append(pending)
        if self._connected:
            self._send(pending)

    def _next_id(self) -> int:
        self._ids += 1
        return self._ids

    def _say(self, command: dict[str, Any]) -> None:
        if self._connection is not None:
            self._connection.up.put(encode(command))

    def _send(self, pending: Pending) -> None:
        pending.id = self._next_id()
        pending.sent_at = trio.current_time()
        if not pending.sent:
            pending.first_at = pending.sent_at
            pending.known = self._checker.told(pending.entity)
        pending.sent += 1
        self._timeline.note("sends", pending.method, pending.key, f"#{pending.sent}", who=self.user)
        self._say({"id": pending.id, "rpc": {"method": pending.method, "data": Raw(pending.data)}})

    def _settle(self, pending: Pending, answer: Answer) -> None:
        error, now = answer.error, trio.current_time()
        if pending.sent_at >= self._calm_since and now - pending.sent_at > self._deadline_s + LATE_S:
            self._checker.violated("in time, once faults have stopped", self.user, pending.method, pending.key)
        if error is None:
            assert answer.rpc is not None
            self.pending.remove(pending)
            self.waited.append(Waited(pending.entity, pending.first_at, now))
            self._read_in(pending, bytes(answer.rpc.data))
            self._timeline.note("acknowledged", pending.method, pending.key, who=self.user)
            self._checker.answered(
                pending.entity,
                own_command_id(self._principal, pending.key) if pending.key is not None else None,
                pending.mark,
                bytes(answer.rpc.data),
                records=self._records[pending.method],
            )
            self._keep_order(pending)
        elif error.temporary and pending.key is not None:
            pending.id = 0
            pending.not_before = now + self._draw.uniform(0.1, 2.0)
            self._timeline.note("told to repeat", pending.method, pending.key, error.message, who=self.user)
        else:
            self.pending.remove(pending)
            self.refusals[error.message] = self.refusals.get(error.message, 0) + 1
            self._timeline.note("refused", pending.method, pending.key, error.message, who=self.user)

    def _read_in(self, pending: Pending, reply: bytes) -> None:
        """What the reply shows to be known, its entity must have known when it was asked."""
        try:
            offset = self._reads(pending.message, msgspec.json.decode(reply))
        except AssertionError as error:
            self._checker.violated("a reply is that to its command", self.user, pending.method, error)
        else:
            if offset is not None:
                self._checker.read(pending.entity, pending.known, offset)

    def _keep_order(self, pending: Pending) -> None:
        """Commands that were sent on one connection, and not again, are done in that order."""
        if pending.mark is not None and pending.sent == 1:
            settled = Settled(pending.entity, pending.mark, pending.id)
            self._checker.in_order(settled, self._settled)
            self._settled.append(settled)

    # The connection.

    async def _stay_connected(self) -> None:
        while True:
            await trio.sleep(self._draw.uniform(0.05, 1.0))
            connection = self._dial(self.user)
            if connection is None:
                continue
            self._connection = connection
            self._answered = set()
            self._settled = []
            try:
                await self._read(connection)
            except Broken:
                self._timeline.note("connection broke", connection.number, who=self.user)
            connection.sever()
            self._connection = None
            self._connected = False
            self.client_id = ""
            for position in self.positions.values():
                position.live, position.id = False, 0
            for pending in self.pending[:]:
                if pending.id and pending.key is None:
                    self.pending.remove(pending)
                    self.unknown += 1
                pending.id = 0

    async def _read(self, connection: Connection) -> None:
        self._say({"id": self._next_id(), "connect": {"data": {"user": self.user}}})
        slow = self._draw.random()
        while True:
            with trio.move_on_after(IDLE_S) as scope:
                frames = await connection.down.get()
            if scope.cancelled_caught:
                self._timeline.note("gives up on connection", connection.number, who=self.user)
                return
            if not frames:
                code, reason = connection.down.closed or (0, "")
                self._timeline.note(f"disconnected: {reason}", code, who=self.user)
                return
            for frame in frames:
                for line in frame.split(b"\n"):
                    self._take(line)
            if slow < self._faults.slow_reader and not self._calmed.is_set():
                with trio.move_on_after(self._draw.uniform(0.0, SLOW_S)):
                    await self._calmed.wait()

    def _take(self, line: bytes) -> None:
        if line == b"{}":
            if self._connection is not None:
                self._connection.up.put(b"{}")
            return
        answer = decode_answer(line)
        if answer.push is not None:
            self._pushed(answer.push)
            return
        if answer.id in self._answered:
            self._checker.violated("one command, one reply", self.user, line)
        self._answered.add(answer.id)
        if answer.connect is not None:
            self._connected = True
            self.client_id = answer.connect.client
            for channel, position in self.positions.items():
                if position.wanted:
                    self._subscribe(channel, position)
            for pending in self.pending[:]:
                self._send(pending)
            return
        for channel, position in self.positions.items():
            if position.id and position.id == answer.id:
                self._subscribed(channel, position, answer)
                return
        for pending in self.pending:
            if pending.id == answer.id:
                self._settle(pending, answer)
                return

    # Channels.

    def _subscribe(self, channel: str, position: Position) -> None:
        position.id = self._next_id()
        position.known = self._checker.told(channel)
        request: dict[str, Any] = {"channel": channel}
        if position.epoch:
            request |= {"recover": True, "epoch": position.epoch, "offset": position.offset}
        self._say({"id": position.id, "subscribe": request})

    def _subscribed(self, channel: str, position: Position, answer: Answer) -> None:
        position.id = 0
        result = answer.subscribe
        if result is None:
            assert answer.error is not None
            if answer.error.temporary:
                position.not_before = trio.current_time() + self._draw.uniform(0.1, 2.0)
            else:
                position.wanted = False
            self._timeline.note("subscribe refused", channel, answer.error.message, who=self.user)
            return
        position.live = True
        if result.was_recovering and not result.recovered:
            self.started_over += 1
        if result.recovered and (
            result.epoch != position.epoch
            or not self._checker.may_skip_to(channel, position.offset, result.offset)
            or (result.publications and result.offset != position.offset)
        ):
            self._checker.violated("a recovery begins where it was asked to", self.user, channel, result)
        facts = self._checker.subscribed(channel, result.epoch, result.offset)
        if not result.recovered or result.offset != position.offset:
            position.facts = facts
        position.epoch, position.offset = result.epoch, result.offset
        self._timeline.note(
            "subscribed", channel, result.offset, f"+{len(result.publications)}" * result.recovered, who=self.user
        )
        page = self.pages.get(channel)
        if page is not None and not result.recovered:
            page.begin(bytes(result.data))
        for publication in result.publications:
            self._see(channel, position, publication)
        if page is not None and not page.is_as(bytes(result.data)):
            self._checker.violated("what was missed leads to the page that there is", self.user, channel, result)
        self._checker.read(channel, position.known, position.offset)

    def _pushed(self, push: Push) -> None:
        position = self.positions.get(push.channel)
        if position is None:
            return
        if push.unsubscribe is not None:
            position.live = False
            if push.unsubscribe.code < 2500:
                position.wanted = False
            else:
                position.not_before = trio.current_time() + self._draw.uniform(0.0, 1.0)
            self._timeline.note("told to resynchronise", push.channel, who=self.user)
        elif push.pub is not None and push.pub.offset:
            if not position.live:
                self._checker.violated("nothing is pushed but to subscribers", self.user, push.channel)
            self._see(push.channel, position, push.pub)

    def _see(self, channel: str, position: Position, publication: Publication) -> None:
        after = position.offset
        if publication.offset <= after or not self._checker.may_skip_to(channel, after, publication.offset - 1):
            self._checker.violated(
                "each publication once, in order", self.user, channel, f"{publication.offset} after {position.offset}"
            )
        position.offset = publication.offset
        page = self.pages.get(channel)
        if page is not None:
            page.see(bytes(publication.data))
        position.facts = self._checker.shown(
            channel, position.epoch, position.facts, publication.offset, bytes(publication.data)
        )
