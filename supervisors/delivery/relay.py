"""The relay: takes what lies in the outbox to its receivers, in order, until each has decided what becomes of it.

An outbox row becomes durable with the events that caused it, and the cell that recorded them posts it here. What a
crash kept from being posted comes back with the sender's next claim, or is found by the sweep. Within a pair of sender
and receiver a message is under way only behind all that came before. A receiver drops what it has seen, so delivering
twice is harmless; overtaking is not (see actors/life/outgoing.py).

Memory is bounded, and what can't be delivered for long must not fill it for all others: then the senders of such
messages are parked, which is to say that the relay forgets their messages and reads them again when their turn comes.
"""

import heapq
from collections.abc import Callable, Sequence
from itertools import count

import msgspec
import structlog
import trio

from greenroom.actors.life.outgoing import Outgoing, decode_body
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope, Origin
from greenroom.actors.model.errors import ActorError, Forgotten
from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.model.lifecycle import Undelivered
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.consequences.outbox import OutboxRow, is_cut_short
from greenroom.store.journal.journal import Journal
from greenroom.supervisors.delivery.pair import Delivery, Pair, Return, Row
from greenroom.supervisors.supervision.backoff import Backoff

log = structlog.get_logger("greenroom.relay")

UNDER_WAY_MAX = 64  # messages of one pair in their receiver's mailbox
KEPT_MAX = 50_000  # messages in memory; beyond, they wait in the outbox until a sweep finds them
KEPT_BYTES_MAX = 64 << 20  # of those messages; likewise
LEFT_OUT_MAX = 50_000  # senders of whom something was not kept; with more, it is so of everybody
EVERYBODY = -1  # among them: no head has this id
FORGOTTEN_MAX = 50_000  # rows that are known though they were deleted; with more, the sweep that forgets them is early
DELETED_MAX = 1_000  # rows deleted by one statement
DELETE_S = 0.05  # between two such statements, while they have few rows: nobody waits for it
PAGE = 500  # rows read at once by a sweep; fewer where they are large
STEP = 32  # rows or pairs whose messages are sent between two chances for others
SWEEP_S = 5.0
SWEEP_GAP_S = 0.2  # the least time between two sweeps
# After one that came to the end, so many times as long as it took passes: while a transaction that is open elsewhere
# keeps their rows, it goes through all that were delivered since that began.
REST = 20
REST_MAX_S = 15.0  # a look that stood still says little about the next
OWNED_S = 1.0  # between two looks at which shards are ours: the outbox of one that is new need not wait for a sweep
STUCK_AFTER = 4  # attempts of one message; where memory is short, its sender is parked
START, OFFSET_MAX = (0, 0), (1 << 63) - 1  # before the first position in the outbox; the last offset there can be
WARN_AFTER = 10  # attempts of one message


class Relay:
    """Owns what is in memory of every entity's outbox, at most `kept_max` messages of `kept_bytes_max` bytes: the rest
    waits in the database.

    One for a node, a supervised child. Decides nothing but when: what a receiver makes of a message is the receiver's.
    """

    def __init__(
        self,
        *,
        kinds: Kinds,
        journal: Journal,
        submit: Callable[[str, Envelope], None],
        new_backoff: Callable[[], Backoff],
        shards: Callable[[], frozenset[int] | None] = lambda: None,
        kept_max: int = KEPT_MAX,
        kept_bytes_max: int = KEPT_BYTES_MAX,
        sweep_s: float = SWEEP_S,
    ) -> None:
        """`shards`: those whose outbox is swept; None: all. See Ownership."""
        self.delivered = 0  # messages
        self.retries = 0
        self._kinds = kinds
        self._journal = journal
        self._submit = submit
        self._new_backoff = new_backoff
        self.kept_max = kept_max
        self.kept_bytes_max = kept_bytes_max
        self._sweep_s = sweep_s
        self._shards = shards
        self._swept = shards()
        self._lineage: str | None = None  # the database's lineage, once a claim or the first sweep has told it
        self._begin()

    def _begin(self) -> None:
        self.waiting = 0  # messages in memory
        self.waiting_bytes = 0  # what they weigh
        self._rows: dict[tuple[int, int], Row] = {}  # rows of the outbox, kept until they are deleted
        self._pairs: dict[tuple[int, str], Pair] = {}
        self._left_out: dict[int, int] = {}  # sender's head id, or EVERYBODY -> how often something was not kept
        self._left_out_before: dict[int, int] = {}  # what had been left out when the reading began
        self._read_to = START
        self._retries: list[tuple[float, int, Pair]] = []
        self._numbers = count()
        self._decided: list[Row] = []  # rows that can be deleted
        self._deleted: list[Row] = []
        self._deleted_before: list[Row] = []  # before the last sweep
        self._wake_deleting = trio.Event()
        self._wake_retrying = trio.Event()
        self._wake_sweep = trio.Event()

    # From cells.

    def post(
        self,
        row: OutboxRow,
        messages: Sequence[Outgoing],
        lineage: str,
        first_to: frozenset[str] = frozenset(),
        at: int = 0,
    ) -> None:
        """A row has become durable, in the database's history `lineage`. The sender's rows must come in order.
        `first_to`: receivers that it had never told anything until it did, before this serial of the turn."""
        if (
            self._is_left_out(row.head_id)
            or not self._has_room()
            or lineage != self._lineage
            or not self._is_swept(row.shard)
        ):
            self._leave_out(row.head_id)
        else:
            self._keep(row, messages, first_to, at)

    def adopt(self, rows: Sequence[OutboxRow]) -> None:
        """Rows of a head that was just claimed, its oldest. What it has goes before anything posted later."""
        for row in rows:
            if self._is_left_out(row.head_id) or not self._has_room():
                self._leave_out(row.head_id)
            else:
                self._adopt(row)
        if is_cut_short(rows):  # there may be more, which the sweep finds
            self._leave_out(rows[-1].head_id)
            self._wake_sweep.set()

    def begin_lineage(self, lineage: str) -> None:
        """The database has another history: what is in memory may have been lost with the one before. The outbox says.

        What of it lies in mailboxes is turned away there: its origin names the history that it was sent in.
        """
        before, self._lineage = self._lineage, lineage
        if before is None or before == lineage:
            return
        for head_id in {head_id for head_id, _ in self._rows}:
            self._leave_out(head_id)  # what is posted yet must not overtake what the outbox still has
        self.waiting = self.waiting_bytes = 0
        self._rows = {}
        self._forget_pairs(set(self._pairs))
        self._read_to = START
        self._retries = []
        self._decided = []
        self._deleted = []
        self._deleted_before = []
        self._wake_sweep.set()

    def forget(self, head_id: int) -> None:
        """The sender is erased: nothing more of it is sent, and its rows are removed by whoever erases it."""
        self._drop({head_id})

    def _is_forgotten(self, delivery: Delivery) -> bool:
        """Was its row dropped, to be read again from the outbox? Then what becomes of this one is nobody's business."""
        return self._rows.get((delivery.row.head_id, delivery.row.offset)) is not delivery.row

    def _park_stuck(self) -> None:
        """Make room: forget what senders of stuck messages have on its way, also in mailboxes. It comes again."""
        stuck = {pair.sender_id for pair in self._pairs.values() if pair.attempts >= STUCK_AFTER}
        for head_id in stuck:
            self._leave_out(head_id)
        self._drop(stuck)
        if self._read_to[0] in stuck:
            self._read_to = (self._read_to[0], OFFSET_MAX)  # its next row comes behind those just forgotten
        if stuck:
            log.warning("outbox_parked", senders=len(stuck), waiting=self.waiting)

    def _drop(self, senders: set[int]) -> None:
        """Forget what these have on its way."""
        for key in [key for key, row in self._rows.items() if row.left and key[0] in senders]:
            row = self._rows.pop(key)
            self.waiting -= row.left
            self.waiting_bytes -= row.bytes_left
        self._forget_pairs({key for key in self._pairs if key[0] in senders})

    def _forget_pairs(self, keys: set[tuple[int, str]]) -> None:
        for key in keys:
            self._pairs.pop(key).forget()

    def _has_room(self, share: int = 1) -> bool:
        """For more, within one `share`th of the bounds. What comes last may exceed them by one row."""
        return self.waiting < self.kept_max // share and self.waiting_bytes < self.kept_bytes_max // share

    def _is_left_out(self, head_id: int) -> bool:
        """Must what is posted of it wait, for older rows may lie in the outbox unread?"""
        return head_id in self._left_out or EVERYBODY in self._left_out

    def _is_swept(self, shard: int | None) -> bool:
        """Do we read what was left out? Else its rows are another node's to deliver, and all of them in order."""
        shards = self._shards()
        return shards is None or shard in shards

    def _leave_out(self, head_id: int) -> None:
        if len(self._left_out) >= LEFT_OUT_MAX and head_id not in self._left_out:
            head_id = EVERYBODY
        self._left_out[head_id] = self._left_out.get(head_id, 0) + 1

    def _adopt(self, row: OutboxRow) -> None:
        if (row.head_id, row.offset) in self._rows:
            return
        try:
            messages = decode_body(row.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.error("outbox_row_unreadable", entity=row.entity, offset=row.offset, error=str(error))
            return
        self._keep(row, messages)

    def _keep(
        self, stored: OutboxRow, messages: Sequence[Outgoing], first_to: frozenset[str] = frozenset(), at: int = 0
    ) -> None:
        head_id = stored.head_id
        if (head_id, stored.offset) in self._rows:
            return
        size = sum(len(message.message) for message in messages)
        row = self._rows[head_id, stored.offset] = Row(head_id, stored.offset, len(messages), size)
        touched: dict[Pair, None] = {}
        for message in messages:
            pair = self._pairs.get((head_id, message.entity))
            if pair is None:
                pair = self._pairs[head_id, message.entity] = Pair(self, head_id, stored.entity, message.entity)
            is_first = pair not in touched and message.entity in first_to
            pair.add(Delivery(pair, row, message, at if is_first else 0))
            touched[pair] = None
        self.waiting += len(messages)
        self.waiting_bytes += size
        for pair in touched:
            self._send(pair)

    # Delivery.

    def _send(self, pair: Pair) -> None:
        """Put into the receiver's mailbox what may be under way."""
        now = trio.current_time()
        kind: Kind | None = None
        while pair.waiting and not pair.paused and pair.under_way < UNDER_WAY_MAX:
            delivery = pair.waiting[0]
            message = delivery.message
            after = pair.sent if pair.under_way else 0
            first_at, delivery.first_at = delivery.first_at, 0
            try:
                if kind is None:
                    kind = self._kinds[split_entity(pair.receiver)[0]]
                envelope = Envelope(
                    message=kind.decode_message(message.message),
                    slot=delivery,
                    trace=message.trace,
                    size=len(message.message),
                    queued_at=now,
                    source=Origin(pair.sender_id, message.seq, pair.sender, message.about, after, self._lineage or ""),
                    first_at=first_at,
                )
                self._submit(pair.receiver, envelope)
            except (ActorError, msgspec.MsgspecError, RecursionError) as error:  # such as: this code does not know it
                self._pause(pair, error)
                return
            pair.waiting.popleft()
            # Those are not always sent in order: a claim that took long may bring back one that was handled long ago.
            pair.sent = max(pair.sent, message.seq) if pair.under_way else message.seq
            pair.under_way += 1

    def decided(self, delivery: Delivery) -> None:
        """The receiver has handled a message, or refused it for good."""
        if self._is_forgotten(delivery):
            return
        pair = delivery.pair
        pair.under_way -= 1
        pair.attempts = 0
        pair.backoff = None
        self.delivered += 1
        row = delivery.row
        size = len(delivery.message.message)
        self.waiting -= 1
        self.waiting_bytes -= size
        row.left -= 1
        row.bytes_left -= size
        if row.left == 0:
            self._decided.append(row)
            self._wake_deleting.set()
        if pair.paused:
            self._retry_later(pair)
        elif pair.waiting:
            self._send(pair)
        elif not pair.under_way:
            self._pairs.pop((pair.sender_id, pair.receiver), None)
        if self._left_out and self._has_room(2):
            self._wake_sweep.set()

    def rejected(self, delivery: Delivery, error: ActorError) -> None:
        """Not now; or never, where the receiver was erased."""
        if self._is_forgotten(delivery):
            return
        if isinstance(error, Forgotten):
            self._return(delivery)
        else:
            self.postpone(delivery, error)

    def _return(self, delivery: Delivery) -> None:
        """Nobody will ever take it: its sender hears so, if it asked to be told."""
        pair, about = delivery.pair, delivery.message.about
        if not about:
            self.decided(delivery)
            return
        told = Undelivered(entity=pair.receiver, about=about, name=Forgotten.name, detail="it was erased")
        envelope = Envelope(message=told, slot=Return(self, delivery), queued_at=trio.current_time())
        try:
            self._submit(pair.sender, envelope)
        except ActorError as error:
            self.postpone(delivery, error)

    def postpone(self, delivery: Delivery, error: ActorError) -> None:
        """It is sent again, before all that is behind it."""
        if self._is_forgotten(delivery):
            return
        pair = delivery.pair
        pair.under_way -= 1
        pair.returned.append(delivery)
        self._pause(pair, error)

    def _pause(self, pair: Pair, error: Exception) -> None:
        if not pair.paused:
            pair.paused = True
            pair.attempts += 1
            self.retries += 1
            if pair.attempts % WARN_AFTER == 0:
                log.warning(
                    "outbox_stuck",
                    sender=pair.sender,
                    receiver=pair.receiver,
                    waiting=len(pair.waiting) + len(pair.returned) + pair.under_way,
                    attempts=pair.attempts,
                    error=shown(error),
                )
        self._retry_later(pair)

    def _retry_later(self, pair: Pair) -> None:
        """Once nothing of the pair is under way: what is sent again must not be overtaken by what was behind it."""
        if pair.under_way:
            return
        if pair.backoff is None:
            pair.backoff = self._new_backoff()
        heapq.heappush(self._retries, (trio.current_time() + pair.backoff.next(), next(self._numbers), pair))
        self._wake_retrying.set()

    # Running.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until cancelled, which is safe at any time. Begins with nothing: the outbox has it all."""
        self._forget_pairs(set(self._pairs))
        self._begin()
        async with trio.open_nursery() as nursery:  # owner: this call
            nursery.start_soon(self._retry)
            nursery.start_soon(self._delete)
            nursery.start_soon(self._sweep)
            task_status.started()

    async def _retry(self) -> None:
        while True:
            self._wake_retrying = trio.Event()
            at = self._retries[0][0] if self._retries else trio.current_time() + 3600.0
            with trio.move_on_at(at):
                await self._wake_retrying.wait()
                continue
            sent = 0
            while self._retries and self._retries[0][0] <= trio.current_time():
                pair = heapq.heappop(self._retries)[2]
                if self._pairs.get((pair.sender_id, pair.receiver)) is not pair:
                    continue  # parked
                pair.take_back()
                self._send(pair)
                sent += 1
                if not sent % STEP:  # of one receiver there may be as many as fit into memory
                    await trio.lowlevel.checkpoint()

    async def _delete(self) -> None:
        while True:
            if not self._decided:
                self._wake_deleting = trio.Event()
                await self._wake_deleting.wait()
            decided = self._decided
            rows = decided[:DELETED_MAX]
            try:
                await self._journal.delivered([(row.head_id, row.offset) for row in rows], lineage=self._lineage or "")
            except StoreUnavailable as error:
                log.debug("outbox_not_deleted", rows=len(rows), error=str(error))
                await trio.sleep(1.0)
                continue
            del decided[: len(rows)]
            if decided is self._decided:
                self._deleted += rows
                if len(self._deleted) + len(self._deleted_before) > FORGOTTEN_MAX:
                    self._wake_sweep.set()
            if len(self._decided) < DELETED_MAX:
                await trio.sleep(DELETE_S)

    async def _sweep(self) -> None:
        """Find what nobody posted: of entities that sleep since a crash, and what did not fit into memory."""
        while True:
            self._wake_sweep = trio.Event()
            begun = trio.current_time()
            try:
                await self._sweep_once()
            except StoreUnavailable as error:
                log.debug("outbox_sweep_postponed", error=str(error))
            ended = trio.current_time()
            is_through = self._read_to == START and not self._left_out  # else there is more to read, or soon will be
            rest_s = min(REST * (ended - begun), REST_MAX_S) if is_through else 0.0
            next_at = ended + max(self._sweep_s, rest_s)
            rested_at = ended + min(self._sweep_s, rest_s)  # before, nobody but new shards ends the rest
            await trio.sleep(SWEEP_GAP_S)
            while self._shards() is self._swept and (now := trio.current_time()) < next_at:
                with trio.move_on_at(min(next_at, now + OWNED_S)):
                    await trio.sleep_until(rested_at)
                    await self._wake_sweep.wait()
                    break

    async def _sweep_once(self) -> None:
        """Read on, as far as there is room; where the outbox ends, the next sweep begins anew."""
        # A row stays known for a while after it was deleted: whoever read it just before must not think that it is new.
        for gone in self._deleted_before:
            self._rows.pop((gone.head_id, gone.offset), None)
        self._deleted_before, self._deleted = self._deleted, []
        share = 1
        if not self._has_room(2):
            self._park_stuck()
            share = 2  # what may be stuck again takes no more than half
        if self._lineage is None:
            # Known before anything is read: a claim that comes from another history then makes us forget these rows.
            lineage = await self._journal.lineage()
            if self._lineage is None:
                self.begin_lineage(lineage)
        shards = self._shards()
        if shards is not self._swept:  # what lay on those that are new may be anywhere
            self._swept = shards
            self._read_to = START
        if self._read_to == START:
            self._left_out_before = dict(self._left_out)
        while self._has_room(share):
            known = self._rows
            rows = await self._journal.outbox(after=self._read_to, limit=PAGE, shards=shards)
            if known is not self._rows:
                return  # forgotten meanwhile, and these may be of the history before
            if not rows:
                if self._shards() is not shards:
                    return  # of what has come meanwhile nothing was read
                for head_id, missed in self._left_out_before.items():
                    if self._left_out.get(head_id) == missed:  # none was left out while we read: we have them all
                        del self._left_out[head_id]
                self._read_to = START
                return
            for number, row in enumerate(rows, 1):
                self._adopt(row)
                if not number % STEP:
                    await trio.lowlevel.checkpoint()
                    if known is not self._rows:
                        return
            self._read_to = (rows[-1].head_id, rows[-1].offset)
