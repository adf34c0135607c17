"""Follows: `follows:USER`, whom a user follows, mutes and blocks, and how many follow them.

An edge is its follower's. Before it begins, X asks A whether they let everybody in. Where A does, the edge begins, and
A counts X when it hears so:

    follows:X                                         follows:A
    (to follow A)    ──── DoorAsk ──────────►          open: neither private, nor is X blocked; nothing is recorded
    FollowBegan 7    ──── Came 7 ───────────►          FollowerGained (+1)
    FollowEnded      ──── LeftYou 7 ────────►          FollowerLost (-1)

Else X asks to be let in, A says yes, and only then it begins; A counts X from its yes on:

    FollowAsked 7    ──── AskToFollow 7 ────►          FollowerGained (+1), FollowRequested, or nothing
    FollowBegan 7    ◄─── Admitted 7 ────────
    FollowEnded      ──── LeftYou 7 ────────►          FollowerLost (-1)

A remembers nobody, so that a million followers are a number. What keeps it exact: of each Came, and of each Admitted,
there is one LeftYou, when the edge ends or, where X no longer wants the edge that was admitted, at once. So A's number
is that of the edges and of what is on its way, whatever crosses; an Admitted that is late is known by its seq. Messages
of two arrive in order and take effect once. Whom A blocks while X comes in is told `Cut` after that was said, and the
edge ends.

What feeds and inboxes must know of it they are told (`FollowsChanged` and its like), in the order in which it happened.
"""

from typing import Any, ClassVar, Literal, assert_never

from greenroom.actors.chat.room import messages as room
from greenroom.actors.chat.room.direct import direct_key
from greenroom.actors.inbox import messages as inbox
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.actor import KindLimits, Runtime
from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.social.feed import messages as feed
from greenroom.actors.social.feed.messages import CloseChanged
from greenroom.actors.social.follows.askers import Askers
from greenroom.actors.social.follows.edges import Edges, request_id
from greenroom.actors.social.follows.events import (
    Blocked,
    CloseSet,
    FollowAsked,
    FollowBegan,
    FollowDropped,
    FollowEnded,
    FollowerGained,
    FollowerLost,
    FollowRequested,
    FollowsEvent,
    Muted,
    PrivateSet,
    RequestDropped,
    Unblocked,
    Unmuted,
)
from greenroom.actors.social.follows.messages import (
    ALL_BARRED_MAX,
    BLOCKED_MAX,
    CLOSE_MAX,
    MUTED_MAX,
    PENDING_MAX,
    Accept,
    Admitted,
    Allowed,
    AskToFollow,
    Block,
    Came,
    Cut,
    Decline,
    Declined,
    Door,
    DoorAsk,
    Edge,
    EdgeAsk,
    Follow,
    LeftYou,
    List,
    MayAsk,
    Mute,
    Part,
    Relate,
    Remove,
    SetClose,
    SetPrivate,
    Suggest,
    Unblock,
    Unfollow,
    Unmute,
)
from greenroom.actors.social.post.messages import AudienceChanged
from greenroom.actors.social.thread.messages import LookAgain as LookAtThread

SHOWN_MAX = 100  # of the requests, in the view; `follows.list` has all

OwnCommand = Unfollow | Accept | Decline | Remove | Block | Unblock | Mute | Unmute | SetClose | SetPrivate


class Follows(Edges):
    """Whom one user follows, mutes and blocks; the key is the user id."""

    kind = "follows"
    key_is_user = True
    commands: ClassVar[tuple[type[Message], ...]] = (
        Follow,
        Unfollow,
        Accept,
        Decline,
        Remove,
        Block,
        Unblock,
        Mute,
        Unmute,
        SetClose,
        SetPrivate,
        Relate,
        Suggest,
        List,
    )
    internal: ClassVar[tuple[type[Message], ...]] = (
        AskToFollow,
        Came,
        LeftYou,
        Admitted,
        Declined,
        Cut,
        DoorAsk,
        MayAsk,
        EdgeAsk,
        Part,
    )
    events: ClassVar[tuple[type[Event], ...]] = (
        FollowAsked,
        FollowDropped,
        FollowBegan,
        FollowEnded,
        FollowRequested,
        RequestDropped,
        FollowerGained,
        FollowerLost,
        Muted,
        Unmuted,
        Blocked,
        Unblocked,
        CloseSet,
        PrivateSet,
    )
    publishes_info = False
    # A snapshot has up to 7,500 edges, a few hundred kilobytes, while an author whom everybody follows just now records
    # a thousand events a second: they are rarer than those of other kinds.
    limits = KindLimits(mailbox_messages=4_096, history_events=10_000, snapshot_every=2_000)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._askers = Askers()
        self._said_at = 0  # by which event others hear something else of who may come in, and see what

    def handle(self, message: Any) -> Any:
        """Raises: Refused."""
        match message:
            case AskToFollow() | Came() | LeftYou() | Admitted() | Declined() | Cut():
                return self._hear(message)
            case DoorAsk(follower=follower):
                return Door(open=not self.state.private and follower not in self.state.blocked)
            case MayAsk():
                return self._allowed(message)
            case EdgeAsk(author=author):
                return Edge(following=author in self.state.following, barred=author in self.state.blocked)
            case List():
                return self._list(message)
            case Part():
                if not self.state.private:
                    self.record(PrivateSet(private=True))
                    self._tell_posts()
                return self._part(message)
        self.may_watch()
        match message:
            case Follow(user=user):
                return self._follow(user)
            case Relate(user=user):
                return self._relate(user)
            case Suggest():
                return self._suggest(message)
        self._change(message)
        return Done()

    def apply(self, event: FollowsEvent) -> None:
        self.state.change(event, self.at_ms)
        if isinstance(event, Blocked | Unblocked | CloseSet | PrivateSet):
            self._said_at = self.offset

    def answers_by(self, message: Any) -> int:
        """Who is followed by many just now is counting all the time, and lets others in meanwhile."""
        return self._said_at if isinstance(message, DoorAsk | MayAsk) else self.offset

    @classmethod
    def publication(cls, event: FollowsEvent) -> FollowsEvent | None:
        """Nobody is shown who has left; and of who comes the inbox tells."""
        return None if isinstance(event, FollowerGained | FollowerLost) else event

    def view(self) -> dict[str, Any]:
        state = self.state
        return {
            "following": len(state.following),
            "followers": state.followers,
            "asked": len(state.asked),
            "private": state.private,
            "requests": len(state.pending),
            "pending": list(state.pending)[-SHOWN_MAX:][::-1],
        }

    # What its user wants.

    def _change(self, wanted: OwnCommand) -> None:
        match wanted:
            case Unfollow(user=user):
                self._leave(user)
            case Accept(user=user):
                seq = self._request_of(user)
                self._admit(user, seq)
                self.tell(self._inbox, Withdraw(id=request_id(user)))
                self.tell(f"inbox:{user}", self._accepted)
            case Decline(user=user):
                self._decline(user, self._request_of(user))
            case Remove(user=user):
                self._refuse_oneself(user)
                self._limit()
                if user in self.state.pending:
                    self._decline(user, self.state.pending[user])
                else:
                    self.tell(f"follows:{user}", Cut(author=self.key))
            case Block(user=user):
                self._block(user)
            case Unblock(user=user):
                if user in self.state.blocked:
                    self.record(Unblocked(user=user))
                    self._tell_barred(user, barred=False)
            case Mute(user=user):
                self._mute(user)
            case Unmute(user=user):
                if user in self.state.muted:
                    self.record(Unmuted(user=user))
                    self._tell_muted(user, muted=False)
            case SetClose(user=user, close=close):
                self._set_close(user, close)
            case SetPrivate(private=private):
                self._set_private(private)
            case _:
                assert_never(wanted)

    def _block(self, user: str) -> None:
        state = self.state
        self._refuse_oneself(user)
        if user in state.blocked:
            return
        if len(state.blocked) >= BLOCKED_MAX:
            raise Refused("follows.too_many_blocked", f"one may block {BLOCKED_MAX}", status=409)
        self._limit()
        self.record(Blocked(user=user))
        self._leave(user)
        if user in state.pending:
            self._decline(user, state.pending[user])
        if user in state.close:
            self.record(CloseSet(user=user, close=False))
            self.tell(f"feed:{user}", CloseChanged(author=self.key, close=False))
        self.tell(f"follows:{user}", Cut(author=self.key))
        self._tell_barred(user, barred=True)

    def _tell_barred(self, user: str, *, barred: bool) -> None:
        """Neither sees the other, nor hears of them: both users' feeds and inboxes are told."""
        for whose, other, by_us in ((self.key, user, True), (user, self.key, False)):
            self.tell(f"feed:{whose}", feed.BarredChanged(user=other, by_us=by_us, barred=barred))
            self.tell(f"inbox:{whose}", inbox.BarredChanged(user=other, by_us=by_us, barred=barred))
        self._tell_conversation(user, barred=barred)
        self._tell_posts()

    def _tell_conversation(self, user: str, *, barred: bool) -> None:
        """That of the two, whether or not there is one: it then begins with this, and nobody sees that it does."""
        try:
            self.tell(f"room:{direct_key(self.key, user)}", room.BarredChanged(by=self.key, barred=barred))
        except BadEntity:  # two ids as long as these can't have one
            return

    def _mute(self, user: str) -> None:
        self._refuse_oneself(user)
        if user in self.state.muted:
            return
        if len(self.state.muted) >= MUTED_MAX:
            raise Refused("follows.too_many_muted", f"one may mute {MUTED_MAX}", status=409)
        self._limit()
        self.record(Muted(user=user))
        self._tell_muted(user, muted=True)

    def _tell_muted(self, user: str, *, muted: bool) -> None:
        self.tell(self._feed, feed.MutedChanged(user=user, muted=muted))
        self.tell(self._inbox, inbox.MutedChanged(user=user, muted=muted))

    def _set_close(self, user: str, close: bool) -> None:
        state = self.state
        self._refuse_oneself(user)
        if close == (user in state.close):
            return
        if close and user in state.blocked:
            raise Refused("follows.blocked", f"you have blocked {user}", status=409)
        if close and len(state.close) >= CLOSE_MAX:
            raise Refused("follows.too_many_close", f"one may have {CLOSE_MAX} close friends", status=409)
        self._limit()
        self.record(CloseSet(user=user, close=close))
        self.tell(f"feed:{user}", CloseChanged(author=self.key, close=close))
        self._tell_posts()

    def _set_private(self, private: bool) -> None:
        if private == self.state.private:
            return
        self._limit()
        self.record(PrivateSet(private=private))
        self._tell_posts()
        waiting = {} if private else dict(self.state.pending)
        if waiting:  # whatever is left of them unread, however old: by their ids below those that were put away
            self.tell(self._inbox, Withdraw(group="request"))
        for follower, seq in waiting.items():
            self._admit(follower, seq)
            self.tell(self._inbox, Withdraw(id=request_id(follower)))  # by its id: it may have been put away
            self.tell(f"inbox:{follower}", self._accepted)

    # Who follows its user.

    def _request_of(self, user: str) -> int:
        """Its seq. Raises: Refused."""
        seq = self.state.pending.get(user)
        if seq is None:
            raise Refused("follows.no_request", f"{user} has not asked to follow, or no longer wants to", status=404)
        return seq

    def _admit(self, follower: str, seq: int) -> None:
        self.record(FollowerGained(follower=follower))
        self.tell(f"follows:{follower}", Admitted(author=self.key, seq=seq))

    @property
    def _accepted(self) -> Notify:
        user = self.key
        return Notify(id=f"accepted:{user}", kind="accepted", by=user, about=f"profile:{user}", group="accepted")

    def _notify(self, kind: Literal["follow", "request"], by: str) -> None:
        notice = Notify(id=f"{kind}:{by}", kind=kind, by=by, about=f"profile:{by}", group=kind)
        self.tell(self._inbox, notice)

    # What others say.

    def _hear(self, message: AskToFollow | Came | LeftYou | Admitted | Declined | Cut) -> None:
        state = self.state
        match message:
            case AskToFollow(follower=follower, seq=seq):
                self._be_asked(follower, seq)
            case Came(follower=follower):
                self.record(FollowerGained(follower=follower))
                if follower in state.blocked:  # they had asked who owned us no more, and did not know
                    self.tell(f"follows:{follower}", Cut(author=self.key))
                else:
                    self._notify("follow", follower)
            case LeftYou(follower=follower):
                self._be_left(follower, message)
            case Admitted():
                self._be_admitted(message)
            case Declined(author=author, seq=seq):
                if state.asked.get(author) == seq:
                    self.record(FollowDropped(author=author))
            case Cut(author=author):
                self._leave(author)
            case _:
                assert_never(message)

    def _be_asked(self, follower: str, seq: int) -> None:
        state = self.state
        is_full = len(state.pending) >= PENDING_MAX and follower not in state.pending
        if follower in state.blocked or (state.private and is_full):
            self.tell(f"follows:{follower}", Declined(author=self.key, seq=seq))
        elif state.private:
            self.record(FollowRequested(follower=follower, seq=seq))
            self._notify("request", follower)
        else:
            self._admit(follower, seq)
            self._notify("follow", follower)

    def _be_left(self, follower: str, left: LeftYou) -> None:
        state = self.state
        if not left.was_admitted:
            if follower in state.pending:  # this request: a later one comes behind
                self.record(RequestDropped(follower=follower))
                self.tell(self._inbox, Withdraw(id=request_id(follower)))
        elif state.followers:  # unless it was forgotten meanwhile, and has begun anew
            self.record(FollowerLost(follower=follower))
            if not left.has_asked_again:
                self.tell(self._inbox, Withdraw(id=f"follow:{follower}"))
        if left.was_admitted:  # who watches one of our posts as a follower is to do so no more
            # Those that are awake: what sleeps knows of nobody, and who misses it asks again: see askers.py. A thread
            # knows by itself what its post has said, and may be awake while that sleeps; the post hears of it first.
            posts = self._askers.where_edges_count(self.now, private=state.private)
            if posts:
                self.nudge([f"post:{post}" for post in posts], AudienceChanged(user=follower))
                self.nudge([f"thread:{post}" for post in posts], LookAtThread(is_changed=True, user=follower))

    # What others ask.

    def _allowed(self, ask: MayAsk) -> Allowed:
        state = self.state
        self._askers.note(ask.post, self.now, for_followers=ask.for_followers)
        return Allowed(
            barred=ask.user in state.blocked,
            close=ask.user in state.close,
            private=state.private,
            all_barred=sorted(state.blocked) if len(state.blocked) <= ALL_BARRED_MAX else None,
        )

    def _tell_posts(self) -> None:
        for post in self._askers.take(self.now):
            self.tell(f"post:{post}", AudienceChanged())
