"""Correspondence: all that this node and others say to each other over their links. The `Correspondent` of the links.

Asks and their answers, what is watched and what is published; who does what with it is in asking.py, answering.py,
feeds.py and feeding.py. Here frames become bytes and bytes frames. An answer that could not be sent is owed: whoever
waits for it hears that it is lost, as soon as that can be said. So do those whose feed has a gap.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import structlog
import trio

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, HandlerFailed, NotInRelease, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.principal import Principal
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.shown import shown
from greenroom.config.telemetry.throttled_log import ThrottledLog
from greenroom.supervisors.correspondence.answering import Answer, Answering
from greenroom.supervisors.correspondence.asking import Asking
from greenroom.supervisors.correspondence.catching_up import CatchingUp
from greenroom.supervisors.correspondence.chasing import Chasing
from greenroom.supervisors.correspondence.feeding import Feeding
from greenroom.supervisors.correspondence.feeds import Feeds
from greenroom.supervisors.correspondence.nudging import Nudging
from greenroom.supervisors.correspondence.paging import PagesElsewhere
from greenroom.supervisors.correspondence.questions import Answer as Answers
from greenroom.supervisors.correspondence.questions import Questions, no_answer
from greenroom.supervisors.correspondence.rechecks import Rechecks
from greenroom.supervisors.correspondence.refusals import rejected
from greenroom.supervisors.correspondence.rosters import Rosters
from greenroom.supervisors.correspondence.wire import (
    FRAME_BYTES_MAX,
    Abandoned,
    Began,
    Came,
    Chased,
    Circular,
    Counted,
    Due,
    Feed,
    FeedEnded,
    Frame,
    HandedOn,
    Kicked,
    Left,
    Listen,
    NotHeld,
    Nudged,
    OfNewerRelease,
    OtherVersion,
    Owned,
    PagesChanged,
    PagesStale,
    PagesWatched,
    Published,
    Question,
    Rejected,
    Replied,
    Roster,
    Seen,
    Sent,
    Shown,
    Told,
    Unanswered,
    Undecodable,
    Unfeed,
    Watched,
    decode,
    encode,
)
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.kernel.ownership import Ownership
from greenroom.supervisors.supervision.strategy import ChildSpec
from greenroom.transports.bus.links import Links
from greenroom.transports.hub.audience import Audience
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.reading import StoredEvents

log = structlog.get_logger("greenroom.cluster")

OWED_S = 0.1  # between two tries to say what is owed
OWED_MAX = 50_000  # answers, and as many feeds, of one node; with more, it is told that all are lost


class _Owed:
    """What one node is to be told."""

    __slots__ = ("everything", "feeds", "numbers")

    def __init__(self) -> None:
        self.numbers: dict[int, None] = {}  # of its messages whose answers are lost
        self.feeds: dict[str, None] = {}  # entities whose feeds have a gap
        self.everything = False  # too many to be named: any answer may be lost, and any feed have a gap

    def bound(self) -> None:
        if self.everything or len(self.numbers) > OWED_MAX or len(self.feeds) > OWED_MAX:
            self.everything = True
            self.numbers.clear()
            self.feeds.clear()


class Correspondence:
    """Of one node: `asking` is the kernel's way to entities elsewhere, `audiences` whom it tells of events here, and
    `feeds` what is watched of others."""

    def __init__(
        self,
        *,
        node: int,
        kinds: Kinds,
        ownership: Ownership,
        hub: Hub,
        journal: StoredEvents,
        kernel: Callable[[], Kernel],
        links: Callable[[], Links],
        nodes: Callable[[], Iterable[int]],
        look: Callable[[], None],
        hear: Callable[[int, Mapping[int, int]], None],
        instruments: Instruments,
        answer: Answers = no_answer,
    ) -> None:
        """`node` is this one's incarnation; `kernel` and `links` are made after this, with it. `nodes`: the
        incarnations of all others that are alive. `look` has the referee asked who owns what, soon, however often it is
        called; `hear` is told of shards that a node owns, under these terms. `answer`: see Questions."""
        self._kernel = kernel
        self._links = links
        self._nodes = nodes
        self._instruments = instruments
        self._throttled_log = ThrottledLog(log, clock=trio.current_time)
        self._owed: dict[int, _Owed] = {}
        self._owing = trio.Event()
        self._strangers: set[int] = set()  # nodes that were last heard in a version of the wire that is not known here
        self.asking = Asking(
            node=node,
            kinds=kinds,
            ownership=ownership,
            send=self._say,
            submit=self._submit,
            look=look,
            before_inspect=lambda entity, at, slot: self.feeds.before_inspect(entity, at, slot),
            feed=lambda entity: self.feeds.number(entity),
            not_held=lambda entity, at: self.feeds.not_held(entity, at),
            chase=lambda asker, entity: self.chasing.begin(asker, entity),
            nudge=lambda entities, message: self.nudging.nudge(entities, message),
            instruments=instruments,
        )
        self.nudging = Nudging(
            node=node,
            kinds=kinds,
            owner=ownership.owner,
            send=self._say,
            nudge_here=lambda entity, message: kernel().router.nudge_here(entity, message),
        )
        self.answering = Answering(
            kinds=kinds,
            router=lambda: kernel().router,
            keep_letter=lambda entity, envelope, error: kernel().letters.keep(entity, envelope, error),
            pass_on=self.asking.submit,
            send=self._answer,
            chase=lambda asker, entity: self.chasing.begin(asker, entity),
            throttled_log=self._throttled_log,
        )
        self.chasing = Chasing(
            waits=lambda: kernel().router.waits,
            lives_here=lambda entity: kernel().router.is_here(entity),
            owner=ownership.owner,
            send=self._say,
            refuse=self.answering.refuse,
        )
        self.rechecks = Rechecks(hub=hub, submit=self._submit)
        self.catching_up = CatchingUp(
            kinds=kinds,
            hub=hub,
            journal=journal,
            submit=self._submit,
            source=lambda entity: self.feeds.source(entity),
            caught_up=self.rechecks.add,
            instruments=instruments,
        )
        rosters = Rosters(hub=hub, nodes=nodes)
        self.feeds = Feeds(hub=hub, ownership=ownership, catching_up=self.catching_up, rosters=rosters, send=self._say)
        audience = Audience(kinds, self._submit)
        self.audiences = Feeding(
            node=node,
            hub=hub,
            ahead=self.catching_up,
            rosters=rosters,
            ownership=ownership,
            nodes=nodes,
            send=self._feed,
            say=self._end_feed,
            hand_on=self._hand_on,
            lives_elsewhere=self.feeds.lives_elsewhere,
            audience_changed=lambda entity, who, joined: audience.changed(entity, who, joined=joined),
        )
        self.questions = Questions(answer=answer, send=self._say)
        self.pages = PagesElsewhere(send=self._say, nodes=nodes)
        self._takes: dict[type, Callable[[int, Any], None]] = {
            Sent: self.answering.sent,
            Abandoned: self.answering.abandoned,
            Due: self.answering.due,
            Nudged: self.nudging.nudged,
            Chased: self.chasing.chased,
            Circular: self.chasing.circular,
            Replied: self.asking.replied,
            Seen: self.asking.seen,
            Counted: self.asking.counted,
            Rejected: self.asking.rejected,
            NotHeld: self.asking.not_held,
            Left: self.asking.left,
            Unanswered: self.asking.unanswered,
            Feed: self.audiences.feed,
            Unfeed: self.audiences.unfeed,
            Watched: self.audiences.watched_there,
            Listen: self.audiences.listen,
            HandedOn: self.audiences.handed_on,
            Roster: self.feeds.told,
            Came: self.feeds.told,
            Published: self.feeds.heard,
            Shown: self.feeds.heard,
            Kicked: self.feeds.heard,
            Began: self.feeds.heard,
            FeedEnded: self.feeds.ended,
            Owned: lambda _, owned: hear(owned.owner, owned.terms),
            Question: self.questions.asked,
            Told: self.questions.told,
            PagesChanged: self.pages.heard,
            PagesStale: self.pages.heard_stale,
            PagesWatched: self.pages.heard_watched,
        }

    def _submit(self, entity: str, envelope: Envelope) -> None:
        self._kernel().router.submit(entity, envelope)

    def changed(self, entity: str, who: Principal, joined: bool) -> bool:
        """Somebody began or ceased to watch here. False: its entity is here too, and is to be told as always."""
        if self.feeds.changed(entity, who, joined):
            return True
        self.audiences.changed(entity, who, joined=joined)
        return False

    def announce(self, owner: int, terms: Mapping[int, int]) -> None:
        """That node owns these shards now: it is to know so before what is sent to it later, and all others are before
        they are told that their messages came to one that does not."""
        owned = Owned(owner, dict(terms))
        for node in self._nodes():
            try:
                self._say(node, owned)
            except ActorError as error:
                log.debug("shards_untold", node=f"{node:016x}", error=error.name)  # it reads so in the rows

    def say_left(self, nodes: Iterable[int]) -> None:
        """Once this node has drained: what any of those sends from now on, and what has come since, is for others. Who
        waits for an answer that may not reach it is not told: for that one it is in doubt, as where a node dies."""
        if not self._kernel().system.is_drained:
            return
        for node in nodes:
            if node in self._owed or self.answering.owes(node) or self.asking.has_left(node):
                continue
            try:
                self._say(node, Left())
            except ActorError as error:
                log.debug("left_untold", node=f"{node:016x}", error=error.name)  # it reads so in the rows

    def moved(self, shards: Collection[int]) -> None:
        """These have other owners now than was known here."""
        self.audiences.end_moved()
        self.feeds.look_soon()
        self.asking.moved(shards)
        self.pages.moved(shards)

    # From the links: see Correspondent.

    def received(self, node: int, frame: bytes) -> None:
        try:
            found = decode(frame)
        except OfNewerRelease as error:
            self._passed_over(node, error)
            return
        except Undecodable as error:
            self._unreadable(node, error)
            return
        if self._strangers:
            self._strangers.discard(node)
        try:
            self._takes[type(found)](node, found)
        except Exception as error:  # the edge: a mistake with one frame is no other's
            log.exception("frame_mishandled", node=f"{node:016x}", frame=type(found).__name__, error=shown(error))

    def _passed_over(self, node: int, error: OfNewerRelease) -> None:
        """Nothing is lost by it that may not be, and who asks hears that it is not understood here."""
        self._instruments.frames_of_newer_releases += 1
        if error.question is not None:
            refusal = NotInRelease("this node's release does not know that question")
            self._answer(node, error.question, rejected(error.question, refusal))

    def _unreadable(self, node: int, error: Undecodable) -> None:
        """It may have been anything, a question, an answer, a kick: as if the link had parted, at both ends."""
        self._instruments.frames_unreadable += 1
        self._throttled_log.warning("frame_unreadable", key=node, node=f"{node:016x}", error=str(error))
        if node in self._strangers:
            return
        self.parted(node)
        if not isinstance(error, OtherVersion):
            self._owe_all(node)
            return
        try:  # which it can't read either, and by which it knows
            self._say(node, Unanswered([]))
        except ActorError as failure:
            log.debug("still_owed", node=f"{node:016x}", error=failure.name)  # the next one of its frames is as good
        else:
            self._strangers.add(node)

    def parted(self, node: int) -> None:
        self._strangers.discard(node)  # it may be gone; else its next frame says what it speaks
        self._owed.pop(node, None)
        for hears in (
            self.answering.parted,
            self.audiences.parted,
            self.feeds.parted,
            self.asking.parted,
            self.questions.parted,
            self.pages.parted,
        ):
            try:
                hears(node)
            except Exception as error:  # the edge, as above
                log.exception("frame_mishandled", node=f"{node:016x}", frame="parted", error=shown(error))

    # To the links.

    def _say(self, node: int, frame: Frame) -> None:
        """Raises, with nothing sent: Overloaded, Unavailable, HandlerFailed for what is too large."""
        if node in self._strangers:
            raise Unavailable("that node's release speaks another version of the wire")
        data = encode(frame)
        if len(data) > FRAME_BYTES_MAX:
            raise HandlerFailed(f"{type(frame).__name__} of {len(data)} bytes is too large for another node")
        self._links().send(node, data)

    def _answer(self, node: int, number: int, answer: Answer) -> None:
        try:
            self._say(node, answer)
        except HandlerFailed as error:
            log.error("answer_too_large", node=f"{node:016x}", error=str(error))
            too_large = Rejected(number, "HandlerFailed", error.name, error.status, error.temporary, str(error))
            self._answer(node, number, too_large)
        except ActorError:
            owed = self._owed_to(node)
            owed.numbers[number] = None
            owed.bound()

    def _feed(self, node: int, entity: str, data: bytes, *, may_wait: bool = False) -> bool:
        if len(data) <= FRAME_BYTES_MAX and node not in self._strangers:
            try:
                self._links().send(node, data, may_wait=may_wait)
                return True
            except ActorError as error:
                log.debug("feed_broken", entity=entity, error=error.name)
        return False

    def _end_feed(self, node: int, ended: FeedEnded) -> None:
        try:
            self._say(node, ended)
        except ActorError:
            self._owe_end(node, ended.entity)

    def _hand_on(self, node: int, handed: HandedOn) -> None:
        try:
            self._say(node, handed)
        except ActorError as error:
            log.debug("audience_not_handed_on", entity=handed.entity, error=error.name)  # it hears with the feeds

    def _owe_end(self, node: int, entity: str) -> None:
        owed = self._owed_to(node)
        owed.feeds[entity] = None
        owed.bound()

    def _owe_all(self, node: int) -> None:
        owed = self._owed_to(node)
        owed.everything = True
        owed.bound()

    def _owed_to(self, node: int) -> _Owed:
        self._owing.set()
        return self._owed.setdefault(node, _Owed())

    # Running.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Say what is owed, until cancelled."""
        task_status.started()
        while True:
            self._owing = trio.Event()
            if not self._owed:
                await self._owing.wait()
            await trio.sleep(OWED_S)
            for node, owed in list(self._owed.items()):
                if self._pays(node, owed):
                    del self._owed[node]

    def _pays(self, node: int, owed: _Owed) -> bool:
        """True when nothing is owed any more."""
        try:
            if owed.everything:
                self._say(node, Unanswered([]))
                self._say(node, FeedEnded(""))
                owed.everything = False
            if owed.numbers:
                self._say(node, Unanswered(list(owed.numbers)))
                owed.numbers.clear()
            for entity in list(owed.feeds):
                self._say(node, FeedEnded(entity))
                del owed.feeds[entity]
        except ActorError as error:
            log.debug("still_owed", node=f"{node:016x}", error=error.name)
            return False
        return True

    @property
    def children(self) -> tuple[ChildSpec, ...]:
        """To be run beside the kernel."""
        return (
            ChildSpec(name="correspondence", start=self.run, shutdown_s=1.0),
            ChildSpec(name="asking", start=self.asking.run, shutdown_s=1.0),
            ChildSpec(name="catching_up", start=self.catching_up.run, shutdown_s=1.0),
            ChildSpec(name="rechecks", start=self.rechecks.run, shutdown_s=1.0),
            ChildSpec(name="feeds", start=self.feeds.run, shutdown_s=1.0),
            ChildSpec(name="feeding", start=self.audiences.run, shutdown_s=1.0),
            ChildSpec(name="questions", start=self.questions.run, shutdown_s=1.0),
        )
