"""The desk: answers what operators ask of this node, of the rows and of what all nodes say: see
transports/admin/desk.py.

Its statements go the way of all readers, and have STORE_S: where the database is behind, those who look hear so, and
see what nodes have in memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec
import msgspec.inspect as inspect
import trio
from msgspec import Raw

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.kinds import Kinds
from greenroom.store.errors import StoreError, StoreUnavailable
from greenroom.store.journal.dead_letters import DeadLetter, DeadLetters, Which
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.records import StoredEvent
from greenroom.store.overview.cluster import Change, NodeRow, last_changes, node_rows
from greenroom.store.overview.entity import Fetch, stored_entity, stored_snapshot
from greenroom.store.ownership.referee import Member
from greenroom.supervisors.admin.asked import Asked
from greenroom.supervisors.admin.cluster import ClusterShown, cluster_shown, for_viewers
from greenroom.supervisors.admin.explaining import Explanation, explanation
from greenroom.supervisors.admin.jobs.payloads import concealed
from greenroom.supervisors.admin.live import LiveBoard
from greenroom.supervisors.admin.told import STATE_BYTES_MAX, AboutEntity, NodeTold
from greenroom.transports.admin.desk import CLUSTER, VIEWS, ViewDesk
from greenroom.transports.admin.job_desk import JOB, QUEUE, QUEUES, SAGA, JobDesk

STORE_S = 3.0  # what the database has to answer, of one question of an operator
REMEMBERED_S = 10.0  # what nodes said so long ago is no longer what rates are counted from
PAYLOAD_BYTES_MAX = 16_384  # of an event or a dead letter that is shown
ENTITY_S = 2.0  # between two looks, while somebody watches
PACES_S = {CLUSTER: 1.0, QUEUES: 1.0, "queue": 1.0, "job": 0.5}  # of pages on which much happens

encode = msgspec.json.encode


class Members(Protocol):
    """Which nodes there are, as of the last look: see cluster/membership.py."""

    def members(self) -> Sequence[Member]: ...


class Desk:
    """Of one node. `live.run` is to be supervised; nothing else runs."""

    def __init__(
        self,
        *,
        fetch: Fetch,
        journal: Journal,
        letters: DeadLetters,
        kinds: Kinds,
        members: Members,
        asked: Asked,
        views: ViewDesk,
        jobs: JobDesk,
        shapes: Mapping[str, inspect.Type],
        clock: Callable[[], float],
    ) -> None:
        """`fetch` runs one statement. `shapes`: types of jobs' arguments, by tag. `clock` gives Unix seconds."""
        self._fetch = fetch
        self._journal = journal
        self._letters = letters
        self._kinds = kinds
        self._members = members
        self._asked = asked
        self.views = views
        self.jobs = jobs
        self._shapes = shapes
        self._clock = clock
        self._told: dict[int, NodeTold] = {}  # what nodes said last
        self._told_at = float("-inf")  # on trio's clock
        self.live = LiveBoard(self._looked, pace_s=lambda what: PACES_S.get(what.partition("/")[0], ENTITY_S))

    async def _looked(self, what: str, full: bool, viewer: bool) -> tuple[bytes, bytes]:
        """What is shown to those who see all, and to the others; b"" for whom nobody is there. Raises: StoreError."""
        if what == QUEUES or what.startswith((QUEUE, JOB, SAGA)):
            return await self.jobs.looked(what, full, viewer)
        if what == VIEWS:
            tables = await self.views.shown()
            return tables, tables
        if what == CLUSTER:
            shown = await self._cluster()
            return encode(shown) if full else b"", encode(for_viewers(shown)) if viewer else b""
        read = await self._entity(what)
        return encode(read(True)) if full else b"", encode(read(False)) if viewer else b""

    # The cluster.

    async def cluster(self, *, full: bool) -> bytes:
        shown = await self._cluster()
        return encode(shown if full else for_viewers(shown))

    async def _cluster(self) -> ClusterShown:
        trouble = ""
        rows: list[NodeRow] = []
        changes: list[Change] = []
        try:
            with in_time():
                rows, changes = await node_rows(self._fetch), await last_changes(self._fetch)
        except StoreError as error:  # what nodes have in memory is worth showing most of all when it is away
            trouble, rows = str(error) or repr(error), [_row_of(one) for one in self._members.members()]
        told = await self._asked.nodes(row.incarnation for row in rows if row.state != "dead")
        now = trio.current_time()
        before = self._told if now - self._told_at < REMEMBERED_S else {}
        self._told, self._told_at = told, now
        return cluster_shown(
            at_ms=int(self._clock() * 1000),
            asked=self._asked.me,
            trouble=trouble,
            rows=rows,
            changes=changes,
            told=told,
            before=before,
        )

    # One entity.

    async def entity(self, entity: str, *, full: bool) -> bytes:
        return encode((await self._entity(entity))(full))

    async def _entity(self, entity: str) -> Callable[[bool], Explanation]:
        kind, _ = split_entity(entity)
        self._kinds[kind]
        with in_time():
            stored, nodes = await stored_entity(self._fetch, entity), await node_rows(self._fetch)
        owner = stored.place.owner if stored.place is not None else None
        alive = owner is not None and any(one.incarnation == owner and one.state != "dead" for one in nodes)
        told, why = None, "nobody owns it"
        if owner is not None and alive:
            told = await self._asked.entity(owner, AboutEntity(entity, traces=True))
            why = "" if told is not None else f"node {owner:016x} does not answer"
        return lambda full: explanation(entity, self._kinds, stored, nodes, told, why, full=full)

    async def state(self, entity: str) -> bytes:
        kind, _ = split_entity(entity)
        self._kinds[kind]
        with in_time():
            stored = await stored_entity(self._fetch, entity)
        owner = stored.place.owner if stored.place is not None else None
        told = await self._asked.entity(owner, AboutEntity(entity, state=True)) if owner is not None else None
        if told is not None and told.awake:
            state = Raw(concealed(entity, bytes(told.state), self._shapes))
            return encode({"of": "memory", "offset": told.offset, "state": state, "is_long": told.state_is_long})
        with in_time():
            found = await stored_snapshot(self._fetch, entity, bytes_max=STATE_BYTES_MAX)
        has_snapshot = stored.head is not None and stored.head.snapshot_offset > 0
        if found is None:
            return encode({"of": "snapshot", "offset": None, "state": None, "is_long": has_snapshot})
        return encode(
            {
                "of": "snapshot",
                "offset": found[0],
                "state": _json(concealed(entity, found[1], self._shapes)),
                "is_long": False,
            }
        )

    async def journal(self, entity: str, *, before: int | None, limit: int) -> bytes:
        split_entity(entity)
        with in_time():
            head, events = await self._journal.read(entity, before=before, limit=limit, reverse=True)
        has_more = head is not None and bool(events) and events[-1].offset > head.trimmed + 1
        return encode(
            {"events": [self._event(entity, one) for one in events], "next": events[-1].offset if has_more else None}
        )

    # Dead letters.

    async def letters(self, *, entity: str, before: int | None, limit: int, full: bool) -> bytes:
        which = Which(entity=entity)
        with in_time():
            found = await self._letters.list(limit=limit, before=before, which=which)
        more = found[-1].id if len(found) == limit else None
        return encode({"letters": [self._letter(one, full=full) for one in found], "next": more})

    async def retry(self, numbers: Sequence[int]) -> bytes:
        with in_time():
            return encode({"wished": list(await self._letters.wish(_these(numbers)))})

    async def drop(self, numbers: Sequence[int]) -> bytes:
        which = _these(numbers)
        with in_time():
            there = await self._letters.list(limit=len(numbers), which=which)
            await self._letters.drop(which)
            return encode({"dropped": sorted(letter.id for letter in there)})

    def _event(self, entity: str, event: StoredEvent) -> dict[str, object]:
        payload, is_cut = _shown(concealed(entity, event.payload, self._shapes))
        return {"offset": event.offset, "at_ms": event.at_ms, "payload": payload, "is_cut": is_cut}

    def _letter(self, letter: DeadLetter, *, full: bool) -> dict[str, object]:
        line: dict[str, object] = {
            "id": letter.id,
            "at_ms": letter.at_ms,
            "entity": letter.entity,
            "type": letter.message_type,
            "strikes": letter.strikes,
            "wished": letter.wished,
        }
        if full:
            payload, is_cut = _shown(concealed(letter.entity, letter.payload, self._shapes))
            line |= {"error": letter.error[:2_000], "user": letter.principal, "payload": payload, "is_cut": is_cut}
        return line


def _these(numbers: Sequence[int]) -> Which:
    assert numbers, "no condition would mean all"
    return Which(ids=tuple(numbers))


@contextmanager
def in_time(within_s: float | None = None) -> Iterator[None]:
    """What the database is asked within. Raises: StoreUnavailable once that has taken so long, or else STORE_S."""
    seconds = STORE_S if within_s is None else within_s
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise StoreUnavailable(f"no answer from Postgres within {seconds:g} s")


def _row_of(member: Member) -> NodeRow:
    return NodeRow(
        incarnation=member.incarnation,
        url=member.url,
        version=member.version,
        state=member.state,
        capacity=member.capacity,
        alone=member.is_alone,
        shards=member.shards,
        lease_left_s=member.left_s,
        joined_at_ms=0,
        ended_at_ms=None,
        why=None,
    )


def _json(body: bytes) -> object:
    """As what it is, where it is JSON."""
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body.decode(errors="replace")
    return Raw(body)


def _shown(body: bytes) -> tuple[object, bool]:
    """What is shown of it, and whether that is not all."""
    if len(body) <= PAYLOAD_BYTES_MAX:
        return _json(body), False
    return body[:PAYLOAD_BYTES_MAX].decode(errors="replace"), True
