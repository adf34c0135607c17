"""Media: `media:ID`, one upload from its first byte until it is shown, refused or deleted.

    uploading ──► checking ──► working ──► ready
        │             └────┬──────┘          │
        ▼                  ▼                 ▼
     deleted       refused, or failed     deleted

A file that is not taken is refused, and gone. Where its jobs fail, the storage does, or a worker: that says nothing of
the file, which is kept for as long as FAILED_S and may be tried again.

Its bytes are objects in the storage; here is what counts of them, and in which order. An upload grows by parts that
are objects already, and by those alone that begin where it ends: of two who send the same, one is late. What is slow,
or may go wrong, is done by jobs (jobs.py), started with the event that says so; their results come back as messages.
"""

from collections.abc import Coroutine
from hashlib import blake2b
from typing import Any, ClassVar

from msgspec import Struct

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue.single.telling import Look
from greenroom.actors.jobs.single.messages import Cancel
from greenroom.actors.media.events import (
    Begun,
    BegunShown,
    Checked,
    CheckedShown,
    Deleted,
    JobFailed,
    Progress,
    Published,
    Ready,
    ReadyShown,
    Received,
    ReceivedShown,
    Rejected,
    Resumed,
    Uploaded,
    file_of,
)
from greenroom.actors.media.jobs import QUEUE, Check, Clean, Looked, Render, Rendered
from greenroom.actors.media.messages import (
    PARTS_MAX,
    Begin,
    Delete,
    Expire,
    Find,
    Found,
    HowFar,
    LookAtJob,
    Publish,
    Receive,
    Rendition,
    Settle,
    Standing,
    TryAgain,
)
from greenroom.actors.media.names import ID, ORIGINAL
from greenroom.actors.media.state import (
    CHECKING,
    DELETED,
    FAILED,
    FAILED_S,
    READY,
    REFUSED,
    UPLOADING,
    WORKING,
    MediaEvent,
    MediaState,
    MediaView,
    change,
    view_of,
)
from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES, Principal

UNFINISHED = "unfinished"  # the timer of an upload that grows no more, and of one that has failed
LATE_S = 3_600.0  # by then no request or job is left that might still write an object of one that is gone
LOOK_S = 1.0  # between two looks at its job, while somebody watches
NOT_YOURS = 2100  # ends a subscription, for good


class Media(Actor[MediaState]):
    """One upload, and what was made of it; the key is its id."""

    kind = "media"
    commands: ClassVar[tuple[type[Message], ...]] = (Publish, TryAgain, Delete)
    internal: ClassVar[tuple[type[Message], ...]] = (Begin, HowFar, Receive, Find, Expire, LookAtJob)
    events: ClassVar[tuple[type[Event], ...]] = (
        Begun,
        Received,
        Uploaded,
        Checked,
        Ready,
        JobFailed,
        Resumed,
        Rejected,
        Published,
        Deleted,
    )
    ephemerals: ClassVar[tuple[type[Struct], ...]] = (Progress,)
    publishes_info = False
    limits = KindLimits(history_events=10_000, idle_s=30.0)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._looks = False  # at its job, again and again
        self._shown: tuple[str, float | None, str] = ("", None, "")  # the progress that watchers have seen

    def handle(self, message: Any) -> Any:
        """Raises: Refused; TypeError for what is none of its messages."""
        match message:
            case Begin():
                return self._begin(message)
            case Expire():
                return self._expire()
            case LookAtJob():
                self._looks = False
                return self._look() if self._is_watched_at_work else None
            case Answered() | Undelivered():
                return self._hear(message)
        self._require_some()
        match message:
            case HowFar():
                self._require_owner()
                return self._standing
            case Receive():
                self._require_owner()
                return self._receive(message)
            case Find():
                return self._find(message)
            case Publish():
                self._require_owner()
                return self._publish(message)
            case TryAgain():
                self._require_owner()
                return self._try_again()
            case Delete():
                self._require_owner()
                self._delete("")
                return Done()
        raise TypeError(f"{message!r:.100} is none of its messages")

    # The upload.

    def _begin(self, wanted: Begin) -> Done:
        if not ID.fullmatch(self.key):
            raise Refused("media.not_found", "there is none", status=404)
        if self.state.state:
            if self.state.owner != wanted.owner:
                raise Refused("media.not_yours", "it is another user's")
            return Done()
        self.record(
            Begun(
                owner=wanted.owner,
                size=wanted.size,
                made_max=wanted.made_max,
                unfinished_s=wanted.unfinished_s,
                name=wanted.name,
                said=wanted.said,
                digest=wanted.digest,
            )
        )
        self.set_timer(UNFINISHED, Expire(), after=wanted.unfinished_s)
        return Done()

    def _receive(self, came: Receive) -> Standing:
        state = self.state
        if state.state == DELETED:
            raise self._gone
        if state.state != UPLOADING:
            raise Refused("media.complete", "all of it has come already", status=409)
        if came.offset != state.offset:
            raise Refused("media.offset", f"it goes on at {state.offset}, not at {came.offset}", status=409)
        if len(state.parts) + len(came.parts) > PARTS_MAX:
            raise Refused("media.too_many_parts", f"it came in more than {PARTS_MAX} parts", status=409)
        offset = state.offset + sum(part.size for part in came.parts)
        if offset > state.size:
            raise Refused("media.too_long", f"it was to have {state.size} bytes", status=413)
        if came.parts:
            self.record(Received(offset=offset, parts=came.parts))
        if offset == state.size:
            self.record(Uploaded(job=self._start(self._check, "check")))
            self.cancel_timer(UNFINISHED)
            self._look_later()
        return self._standing

    def _expire(self) -> None:
        if self.state.state not in (UPLOADING, FAILED):
            return
        left_s = self.state.expires_ms / 1000 - self.now
        if left_s > 0:
            self.set_timer(UNFINISHED, Expire(), after=left_s)
        else:
            self._delete("expired")

    # What jobs make of it.

    @property
    def _check(self) -> Check:
        state, names = self.state, [part.name for part in self.state.parts]
        return Check(media=self.key, parts=names, size=state.size, digest=state.digest, said=state.said)

    def _render(self, original: Rendition, seconds: float) -> Render:
        return Render(media=self.key, original=original, seconds=seconds, made_max=self.state.made_max)

    def _start(self, job: Job, about: str) -> str:
        """Its owner may watch and cancel it. Those of each user take turns, under a name that says nothing of them."""
        owner = self.state.owner
        turns = blake2b(owner.encode(), digest_size=8).hexdigest()
        return self.start_job(job, about=about, by=owner, partition=turns)

    def _hear(self, message: Answered | Undelivered) -> None:
        state = self.state.state
        if state in (REFUSED, DELETED):
            self._clean()  # it may have written what nobody wants any more
        elif state not in (CHECKING, WORKING) or message.entity != f"job:{self.state.job}":
            pass  # of a job before
        elif isinstance(message, Undelivered):
            self._ended(message.name)
        elif state == CHECKING:
            self._checked(message.decode(Looked))
        else:
            self._rendered(message.decode(Rendered))

    def _ended(self, name: str) -> None:
        """Without a result."""
        if name == "job.cancelled":
            self._refuse("media.cancelled", "its job was cancelled")
            return
        self.record(JobFailed())
        self.set_timer(UNFINISHED, Expire(), after=FAILED_S)
        self.tell(self._uploads, Settle(media=self.key, size=self.state.room))

    def _try_again(self) -> Done:
        state = self.state
        if state.state in (REFUSED, DELETED):
            raise self._gone
        if state.state != FAILED:
            raise Refused("media.not_failed", f"it is {state.state}", status=409)
        if state.original is None:
            job = self._start(self._check, "check")
        else:
            job = self._start(self._render(state.original, state.seconds), "render")
        self.record(Resumed(job=job))
        self.cancel_timer(UNFINISHED)
        self._look_later()
        return Done()

    def _rendered(self, rendered: Rendered) -> None:
        size = self.state.size + sum(one.size for one in rendered.renditions)
        if rendered.refused:
            self._refuse(rendered.refused, rendered.detail)
        elif size > self.state.room:  # its worker has looked at that: another one's settings say nothing here
            self._refuse("media.too_heavy", "there is no room for what was made of it")
        else:
            self.record(Ready(renditions=rendered.renditions))
            self.tell(self._uploads, Settle(media=self.key, size=size))

    def _checked(self, looked: Looked) -> None:
        if looked.refused or looked.original is None:
            self._refuse(looked.refused, looked.detail)
            return
        job = self._start(self._render(looked.original, looked.seconds), "render")
        self.record(Checked(job=job, original=looked.original, seconds=looked.seconds))
        self.start_job(Clean(media=self.key, parts_only=True))
        self._look_later()

    def _refuse(self, reason: str, detail: str) -> None:
        self.record(Rejected(reason=reason, detail=detail))
        self.tell(self._uploads, Settle(media=self.key, size=0))
        self._clean_all()

    def _delete(self, reason: str) -> None:
        state = self.state.state
        if state == DELETED:
            return
        self.record(Deleted(reason=reason))
        self.cancel_timer(UNFINISHED)
        self.tell(self._uploads, Settle(media=self.key, size=0))
        if state in (CHECKING, WORKING):
            self.tell(f"job:{self.state.job}", Cancel(reason="deleted"))
        self._clean_all()

    def _clean_all(self) -> None:
        """Now, and once more when nobody is left who might still write."""
        self._clean()
        self.start_job(Clean(media=self.key), delay_s=LATE_S)

    def _clean(self) -> None:
        self.start_job(Clean(media=self.key))

    # How far its job is, while somebody watches.

    def audience_changed(self, who: Principal, joined: bool) -> None:
        self._look_later()

    @property
    def _is_watched_at_work(self) -> bool:
        return self.state.state in (CHECKING, WORKING) and len(self.audience) > 0

    def _look_later(self) -> None:
        if not self._looks and self._is_watched_at_work:
            self._looks = True
            self.after(LOOK_S, LookAtJob())

    def _look(self) -> Coroutine[Any, Any, None]:
        async def look() -> None:
            job = self.state.job
            try:
                looked = await self.ask(f"queue:{QUEUE}", Look(id=job))
            except ActorError:
                return  # later, then
            now = looked.standing
            if now is not None and now.share is not None and self._shown != (job, now.share, now.note):
                self._shown = (job, now.share, now.note)
                self.publish(Progress(job=job, share=now.share, note=now.note), key="progress")
            self._look_later()

        return look()

    # Who sees it.

    def _publish(self, message: Publish) -> Done:
        state = self.state
        if state.state in (REFUSED, DELETED):
            raise self._gone
        if state.public != message.public:
            self.record(Published(public=message.public))
            if not message.public:
                self.kick(NOT_YOURS, "it is not public any more", but=(state.owner,), but_roles=STAFF_ROLES)
        return Done()

    def _find(self, wanted: Find) -> Found:
        state = self.state
        is_open = state.public and wanted.name != ORIGINAL and not wanted.to_share
        if not is_open:
            self._require_owner()
        if state.state in (REFUSED, DELETED):
            raise self._gone
        if state.state != READY:
            raise Refused("media.not_ready", f"it is {state.state}", status=404)
        name = wanted.name
        for one in state.files:
            if one.name == name:
                return Found(one, is_public=is_open, file_name=state.name)
        raise Refused("media.no_such_file", "one of " + ", ".join(one.name for one in state.files), status=404)

    def may_watch(self) -> None:
        """Raises: Refused."""
        self._require_some()
        if not (self.state.public and self.state.state == READY):
            self._require_owner()

    def _require_some(self) -> None:
        if not self.state.state:
            raise Refused("media.not_found", "there is none", status=404)

    def _require_owner(self) -> None:
        who = self.principal
        if who.system or not STAFF_ROLES.isdisjoint(who.roles):
            return
        if self.require_user() != self.state.owner:
            raise Refused("media.not_yours", "it is another user's")

    @property
    def _gone(self) -> Refused:
        return Refused("media.gone", f"it was {self.state.state}", status=410)

    @property
    def _uploads(self) -> str:
        return f"uploads:{self.state.owner}"

    @property
    def _standing(self) -> Standing:
        state = self.state
        if state.state == DELETED:
            raise self._gone
        return Standing(state.state, state.size, state.offset, state.expires_ms)

    def apply(self, event: MediaEvent) -> None:
        change(self.state, event, self.at_ms)

    @classmethod
    def publication(cls, event: MediaEvent) -> Struct | None:
        match event:
            case Begun():
                return BegunShown(event.size)
            case Received():
                return ReceivedShown(event.offset)
            case Checked():
                return CheckedShown(event.job, file_of(event.original), event.seconds)
            case Ready():
                return ReadyShown([file_of(one) for one in event.renditions])
        return event

    def view(self) -> MediaView:
        return view_of(self.state)
