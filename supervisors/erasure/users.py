"""Users: one is forgotten. Entities that are theirs are erased; of all others what is theirs is written anew.

    first        jobs that their kinds want done while they can still speak: see first.py
    theirs       entities whose key is the user (`Actor.key_is_user`): each an erasure of its own
    rewritten    events and states with their id, in one pass over journal and snapshots, and again until one finds none
    jobs         likewise: nobody's, and arguments with their id
    removed      their command ids and the replies to those, dead letters of theirs or with their id
    heard        nodes that are up have ended the lives of what was written anew
    views        that fold such events are made anew
    done         what still has their id, in fields that nobody declared, is counted and told

Ended at any point, it is gone through again: what was written anew has nothing of them any more.
"""

from typing import Any

import msgspec
import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.model.upcasters import UnreadableEvent
from greenroom.actors.personal.redaction import Redaction, shape_of
from greenroom.store.erasure.erasing import PATIENCE_S, Erasing
from greenroom.store.erasure.erasures import Erasure, PostgresErasures
from greenroom.store.erasure.jobs_of_user import JobsOfUser
from greenroom.store.erasure.remaking import LOOK_S, Remaking, Told, Waits
from greenroom.store.erasure.rewriting import THEIRS, Anew, Found, Needles, Rewriting
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.erasure.first import First
from greenroom.supervisors.erasure.jobs import RewritingJobs

PASSES_MAX = 5  # each finds what was recorded during the one before
REWRITTEN = """
UPDATE erasures e SET did = jsonb_set(jsonb_set(e.did, '{events}', to_jsonb((e.did ->> 'events')::bigint + $2::bigint)),
    '{kinds}', (SELECT jsonb_agg(DISTINCT k) FROM jsonb_array_elements(e.did -> 'kinds' || to_jsonb($3::text)) k))
WHERE e.id = $1
"""
DONE = """
UPDATE erasures SET name = NULL, done_at = clock_timestamp(), did = jsonb_set(did, '{left}', $2::jsonb) WHERE id = $1
"""


class Did(msgspec.Struct):
    """What the row says of it."""

    alias: str  # what the user is called in what was written anew
    events: int = 0  # written anew
    jobs: int = 0  # likewise
    kinds: list[str] = []  # of entities in which something was
    left: dict[str, int] = {}  # rows that still have their id, by table


def needles_of(user: str) -> Needles:
    """The user as columns have them."""
    return Needles(msgspec.json.encode(user), f"user {len(user)} {user} ".encode(), user)


class ForgettingUser:
    """One user. All of it raises StoreUnavailable. `pool`: statements over it look through whole tables."""

    def __init__(
        self,
        pool: Pool,
        kinds: Kinds,
        user: str,
        erasure: Erasure,
        told: Told,
        *,
        jobs: Jobs | None = None,
        patience_s: float = PATIENCE_S,
        comes_first: bool = True,
    ) -> None:
        """`jobs`: whose classes say what of their arguments is about users, and whether they come first; with
        `comes_first=False` none do."""
        self._pool = pool
        self._kinds = kinds
        self._user = user
        self._erasure = erasure
        self._told = told
        self._patience_s = patience_s
        self._erasures = PostgresErasures(pool)
        self._rewriting = Rewriting(pool, needles_of(user), erasure.id)
        did = msgspec.json.decode(erasure.did, type=Did)
        self._redaction = Redaction(user, did.alias)
        theirs = [f"{kind.name}:{user}" for kind in kinds if kind.actor.key_is_user and kind.actor.durable]
        rows = JobsOfUser(pool, user, msgspec.json.encode(user), erasure.id)
        self._jobs = RewritingJobs(rows, jobs if jobs is not None else Jobs(), self._redaction, user, theirs)
        self._names = theirs
        self._first = First(pool, jobs if comes_first and jobs is not None else Jobs(), told, patience_s=patience_s)
        self._shapes: dict[tuple[str, Any], msgspec.inspect.Type] = {}

    async def run(self) -> None:
        """Return once it is done. Raises: Waits."""
        for entity in self._names:  # of all of them, before any is erased: one that holds it up leaves them whole
            await self._first.run(entity)
        for entity in self._names:
            await self._theirs(entity)
        written = 0
        for _ in range(PASSES_MAX):
            more = await self._pass()
            written += more
            if not more:
                break
        for _ in range(PASSES_MAX):
            self._told("looking through jobs", 0, 0)
            if not await self._jobs.run():
                break
        for table in THEIRS:
            self._told(f"removing from {table}", 0, 0)
            await self._rewriting.remove(table)
        await self._erasures.call(self._erasure)
        await self._heard()
        await self._views(is_fresh=written > 0)
        left = await self._rewriting.left()
        await self._pool.fetch(DONE, self._erasure.id, msgspec.json.encode(left).decode())

    async def _theirs(self, entity: str) -> None:
        theirs = await self._erasures.begin(entity, reason=self._erasure.reason, asked_by=self._erasure.asked_by)
        if theirs is not None and theirs.done_ms is None:
            await Erasing(self._pool, theirs, self._told, patience_s=self._patience_s).run()

    async def _pass(self) -> int:
        """All of the journal, and of the snapshots. How many events were written anew."""
        written = 0
        at: tuple[int, int] | None = (0, 0)
        while at is not None:
            found, at = await self._rewriting.events(at)
            for head_id, events in found.items():
                written += await self._entity(head_id, events)
            self._told("looking through the journal", written, 0)
        after: int | None = 0
        while after is not None:
            heads, after = await self._rewriting.snapshots(after)
            for head_id in heads:
                await self._entity(head_id, [])
        return written

    async def _entity(self, head_id: int, found: list[Found]) -> int:
        """One entity, in one transaction. How many events were written anew."""
        name = await self._rewriting.entity(head_id)
        kind_name = (name or "").partition(":")[0]
        if name is None or kind_name not in self._kinds:
            return 0  # told at the end
        kind = self._kinds[kind_name]
        anew = [one for event in found if (one := self._anew(kind, event)) is not None]
        if not anew and found:
            return 0
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            taken = await self._rewriting.take(transaction, head_id)
            if taken is None:
                return 0
            await self._rewriting.write(transaction, head_id, anew)
            body = await self._rewriting.body(transaction, head_id)
            if body is not None:
                await self._rewriting.save(transaction, head_id, self._state(kind, body, is_trimmed=taken[1] > 0))
            await transaction.fetch(REWRITTEN, self._erasure.id, len(anew), kind_name)
        return len(anew)

    def _anew(self, kind: Kind, found: Found) -> Anew | None:
        """None where nothing of it changes: its fields do not say that they are about the user."""
        info = None if found.info is None else msgspec.json.decode(found.info)
        is_theirs = found.has_their_id or (isinstance(info, dict) and info.get("user") == self._user)
        payload = self._payload(kind, found.payload, is_theirs)
        if isinstance(info, dict) and is_theirs:
            info = {"user": self._redaction.alias, "client": ""}
        told = None if info is None else msgspec.json.encode(info)
        if payload == found.payload and told == found.info and not (found.has_their_id or found.is_answered):
            return None
        return Anew(found.offset, payload, told, is_theirs)

    def _payload(self, kind: Kind, payload: bytes, is_theirs: bool) -> bytes:
        """In its present form: what an older release wrote is upcast first."""
        try:
            present = kind.stored_events.upcast(msgspec.json.decode(payload))
        except UnreadableEvent:
            return payload
        events = {event.__struct_config__.tag: event for event in kind.actor.events}
        if len(present) != 1 or (event := events.get(present[0].get("type"))) is None:
            return payload
        value = self._redaction.redact(self._shape(event), present[0], is_about=is_theirs)
        return payload if value == msgspec.json.decode(payload) else msgspec.json.encode(value)

    def _state(self, kind: Kind, body: bytes, *, is_trimmed: bool) -> bytes | None:
        """The state without them. Where fields say too little of it, events make it anew; None then."""
        shape = self._shape(kind.actor.state_type)
        made = msgspec.json.encode(self._redaction.redact(shape, msgspec.json.decode(body)))
        return None if msgspec.json.encode(self._user) in made and not is_trimmed else made

    def _shape(self, declared: type[Any]) -> msgspec.inspect.Type:
        key = (declared.__qualname__, declared)
        if key not in self._shapes:
            self._shapes[key] = shape_of(declared)
        return self._shapes[key]

    async def _heard(self) -> None:
        with trio.move_on_after(self._patience_s):
            while await self._erasures.deaf(self._erasure):
                self._told("waiting for nodes to begin anew", 0, 0)
                await trio.sleep(LOOK_S)
            return
        deaf = await self._erasures.deaf(self._erasure)
        raise Waits(f"{', '.join(str(url) for _, url in deaf)} did not say that it has begun anew: stop what is stuck")

    async def _views(self, *, is_fresh: bool) -> None:
        """`is_fresh`: tables that were begun before may hold what has only now been written anew."""
        remaking = Remaking(self._pool, self._erasure.id)
        if is_fresh:
            await self._pool.fetch("UPDATE erasures SET did = did - 'views' WHERE id = $1", self._erasure.id)
        ((did,),) = await self._pool.fetch("SELECT did::text FROM erasures WHERE id = $1", self._erasure.id)
        await remaking.want(msgspec.json.decode(did, type=Did).kinds)
        for made in await remaking.begin():
            await remaking.made_anew(made, self._told, patience_s=self._patience_s)
