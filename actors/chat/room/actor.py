"""One chat room: the only writer of its journal while it is awake.

Every handler refuses first and records after, so that what is refused has changed nothing. How an event changes the
room is in state.py; what a subscriber sees first is in view.py.
"""

from typing import Any, ClassVar, assert_never

from msgspec import Struct

from greenroom.actors.chat.room.direct import direct_users
from greenroom.actors.chat.room.events import (
    Banned,
    BarSet,
    Changed,
    CommentShown,
    Gifted,
    Invited,
    Joined,
    Left,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    Muted,
    Reacted,
    ReadUpTo,
    RoleGiven,
    RoomEvent,
    TypingShown,
    Unbanned,
    Unmuted,
    Unreacted,
)
from greenroom.actors.chat.room.messages import (
    DATA_BYTES_MAX,
    Ban,
    BarredChanged,
    Comment,
    Delete,
    Edit,
    Expire,
    Gift,
    GiftTotal,
    Invite,
    Join,
    Leave,
    Mute,
    Punishment,
    React,
    Read,
    ReadSoFar,
    RoomMessage,
    SendMessage,
    Sent,
    Set,
    SetRole,
    Typing,
    Unban,
    Unmute,
    Unreact,
)
from greenroom.actors.chat.room.state import Member, RoomState
from greenroom.actors.chat.room.telling import tell_named, withdraw_named
from greenroom.actors.chat.room.view import in_force, room_view
from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.free_form import fits
from greenroom.actors.model.message import Done, Event, Message

ITEMS_MAX = 256  # different gift items
EMOJI_MAX = 20  # different ones on a message
REACTIONS_MAX = 256  # different reactions that a message may have
INVITED_MAX = 1_000
PUNISHED_MAX = 10_000  # muted, and likewise banned
ROOMS_PER_H = 200  # made by one user: rooms, and direct conversations begun
INVITATIONS_PER_H = 200  # sent by one user, over all their rooms
RANKS = {"member": 1, "moderator": 2, "owner": 3}
ADMIN_RANK = 4
UNSUBSCRIBED = 2100  # an unsubscribe code after which SDKs don't subscribe again
NOT_KEPT_OUT = frozenset(("admin",))  # roles of those who may watch a closed room
DONE = Done()


class Room(Actor[RoomState]):
    """A chat room, or with a key such as `@ann+bob` the direct conversation of two users."""

    kind = "room"
    commands: ClassVar[tuple[type[Message], ...]] = (
        Join,
        Leave,
        SendMessage,
        Edit,
        Delete,
        React,
        Unreact,
        Typing,
        Read,
        Comment,
        Gift,
        Mute,
        Unmute,
        Ban,
        Unban,
        Set,
        Invite,
        SetRole,
    )
    internal: ClassVar[tuple[type[Message], ...]] = (Expire, BarredChanged)
    events: ClassVar[tuple[type[Event], ...]] = (
        MessageSent,
        MessageEdited,
        MessageDeleted,
        Reacted,
        Unreacted,
        Joined,
        Left,
        ReadUpTo,
        Gifted,
        Muted,
        Unmuted,
        Banned,
        Unbanned,
        Changed,
        Invited,
        RoleGiven,
        BarSet,
    )
    hidden = (BarSet,)
    ephemerals: ClassVar[tuple[type[Struct], ...]] = (TypingShown, CommentShown)
    publish_with = SendMessage
    limits = KindLimits(timers_max=3 * PUNISHED_MAX)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._direct = self.key.startswith("@")
        self.pair: tuple[str, str] | None = None  # the two of a direct conversation whose key is well formed
        if self._direct:
            self.pair = direct_users(self.key)
            for user in self.pair or ():
                self.state.members[user] = Member()

    def handle(self, message: RoomMessage) -> Sent | ReadSoFar | GiftTotal | Done:
        if isinstance(message, BarredChanged):
            self._bar(message)
            return DONE
        if self._direct:
            self._check_direct()
        match message:
            case SendMessage():
                return self._send(message)
            case Typing():
                user = self._speaker()
                self._refuse_outsider(user)
                self.publish(TypingShown(user), key=f"typing {user}")
            case Comment():
                user = self._speaker()
                self._refuse_outsider(user)
                self.publish(CommentShown(user, message.text))
            case Read():
                return self._read(message.offset)
            case React():
                self._react(message.offset, message.emoji)
            case Unreact():
                self._unreact(message.offset, message.emoji)
            case Gift():
                return self._gift(message)
            case Join():
                self._join()
            case Leave():
                self._leave()
            case Edit():
                self._edit(message)
            case Delete():
                self._delete(message.offset)
            case Mute():
                self._mute(message)
            case Unmute():
                self._require_rank_over(message.user)
                if message.user in self.state.muted:
                    self.record(Unmuted(user=message.user, by=self.principal.user))
                    self.cancel_timer(f"mute {message.user}")
            case Ban():
                self._ban(message)
            case Unban():
                self._require_rank_over(message.user)
                if message.user in self.state.banned:
                    self.record(Unbanned(user=message.user, by=self.principal.user))
                    self.cancel_timer(f"ban {message.user}")
            case Set():
                self._set(message)
            case Invite():
                self._invite(message.user)
            case SetRole():
                self._set_role(message)
            case Expire():
                punished = self.state.banned if message.what == "ban" else self.state.muted
                if punished.get(message.user) == message.until_ms:
                    ended = Unbanned if message.what == "ban" else Unmuted
                    self.record(ended(user=message.user))
            case _:
                assert_never(message)
        return DONE

    def apply(self, event: RoomEvent) -> None:
        self.state.change(event, self.offset, self.at_ms)

    def view(self) -> dict[str, Any]:
        return room_view(self.state, direct=self.pair is not None, now_ms=self._now_ms)

    def may_watch(self) -> None:
        if self._direct:
            self._check_direct()
        if self._rank() >= ADMIN_RANK:
            return
        user = self.principal.user  # "" for the anonymous, who see what everybody does
        self._refuse_banned(user)
        self._refuse_outsider(user)

    def may_watch_granted(self) -> None:
        """A subscription token opens closed rooms and the conversations of others; a ban stands above it."""
        if self._direct and self.pair is None:
            raise _bad_direct()
        self._refuse_banned(self.principal.user)

    # Messages.

    def _send(self, ask: SendMessage) -> Sent:
        state = self.state
        user = self._speaker()
        if ask.data is not None and not fits(ask.data, DATA_BYTES_MAX):
            raise Refused("room.too_long", f"data takes {DATA_BYTES_MAX} bytes of JSON, 32 deep", status=413)
        if ask.reply_to is not None and ask.reply_to > state.forgotten and ask.reply_to not in state.authors:
            self._refuse_outsider(user)
            raise Refused("room.no_such_message", "there is no such message to reply to", status=404)
        if state.slow_mode_s:
            self._wait_in_slow_mode(user)
        if not self.offset:
            self.limit_user("room.too_many_rooms", ROOMS_PER_H)
        if user not in state.members:
            self._enter(user)
        if user in state.muted:
            self.record(Unmuted(user=user))  # its time is over, or `_speaker` had refused
        self.record(
            MessageSent(author=user, text=ask.text, reply_to=ask.reply_to, data=ask.data, client_id=ask.client_id)
        )
        if "@" in ask.text:
            tell_named(self, self.offset, user, ask.text)
        return Sent(self.offset, self.at_ms)

    def _wait_in_slow_mode(self, user: str) -> None:
        member = self.state.members.get(user)
        sent_ms = self.state.last_sent_ms(user) if member is None else member.sent_ms
        waited_ms = self._now_ms - sent_ms  # below 0 the clock was set back meanwhile, and nothing is known of the wait
        wait_ms = self.state.slow_mode_s * 1000 - waited_ms
        if waited_ms >= 0 and wait_ms > 0 and self._rank() <= RANKS["member"]:
            self._refuse_outsider(user)
            raise Refused("room.slow_mode", f"wait {wait_ms / 1000:.1f} s before the next message", status=429)

    def _edit(self, ask: Edit) -> None:
        user = self._speaker()
        self._member(user)
        if self._author(ask.offset) != user:
            raise Refused("room.not_yours", "only its author may edit a message")
        before = self.state.named.get(ask.offset, [])
        self.record(MessageEdited(message=ask.offset, text=ask.text, by=user))
        tell_named(self, ask.offset, user, ask.text, before)

    def _delete(self, offset: int) -> None:
        if self.pair is not None or self._rank() < RANKS["moderator"]:
            user = self.require_user()
            self._member(user)  # who is none does not learn either which messages there are
            if self._author(offset) != user:
                raise Refused("room.not_yours", "only its author or a moderator may delete a message")
        else:
            self._author(offset)
        named = self.state.named.get(offset, [])
        self.record(MessageDeleted(message=offset, by=self.principal.user))
        withdraw_named(self, offset, named)

    def _react(self, offset: int, emoji: str) -> None:
        user = self._speaker()
        self._member(user)
        self._author(offset)
        reactions = self.state.reactions.get(offset, {})
        users = reactions.get(emoji)
        if users is not None and user in users:
            return
        if users is None and len(reactions) >= EMOJI_MAX:
            raise Refused("room.too_many_reactions", f"a message takes {EMOJI_MAX} different ones", status=409)
        if sum(map(len, reactions.values())) >= REACTIONS_MAX:
            raise Refused("room.too_many_reactions", f"a message takes {REACTIONS_MAX}", status=409)
        self.record(Reacted(message=offset, emoji=emoji, user=user))

    def _unreact(self, offset: int, emoji: str) -> None:
        user = self.require_user()
        self._member(user)
        self._author(offset)
        if user in self.state.reactions.get(offset, {}).get(emoji, ()):
            self.record(Unreacted(message=offset, emoji=emoji, user=user))

    def _read(self, offset: int) -> ReadSoFar:
        user = self.require_user()
        member = self._member(user)
        if offset > self.offset:
            raise Refused("room.no_such_message", f"the newest offset is {self.offset}", status=404)
        if offset > member.read and (self.state.sent or self.pair is None):
            self.record(ReadUpTo(user=user, message=offset))
        return ReadSoFar(member.read, self.state.unread(user))

    def _gift(self, ask: Gift) -> GiftTotal:
        user = self.require_user()
        self._refuse_banned(user)
        self._refuse_barred()
        self._refuse_outsider(user)
        gifts = self.state.gifts
        if ask.item not in gifts and len(gifts) >= ITEMS_MAX:
            raise Refused("room.too_many_items", f"a room counts {ITEMS_MAX} different items", status=409)
        if not self.offset:
            self.limit_user("room.too_many_rooms", ROOMS_PER_H)
        if user not in self.state.members:
            self._enter(user)
        total = gifts.get(ask.item, 0) + ask.count
        self.record(Gifted(user=user, item=ask.item, count=ask.count, total=total))
        return GiftTotal(total)

    # Membership.

    def _join(self) -> None:
        user = self.require_user()
        self._refuse_banned(user)
        if not self.offset:
            self.limit_user("room.too_many_rooms", ROOMS_PER_H)
        if user not in self.state.members:
            self._enter(user)

    def _enter(self, user: str) -> None:
        """Record that `user`, who is not banned, joins. Raises: Refused when the room is closed or full."""
        state = self.state
        self._refuse_outsider(user)
        if len(state.members) >= state.max_members:
            raise Refused("room.full", f"the room has {state.max_members} members", status=409)
        if user in state.banned:
            self.record(Unbanned(user=user))  # its time is over, or `_refuse_banned` had refused
        self.record(Joined(user=user, role="member" if state.members else "owner"))

    def _leave(self) -> None:
        user = self.require_user()
        self._refuse_direct()
        self._member(user)
        self.record(Left(user=user))
        if not self.state.open:
            self.kick(UNSUBSCRIBED, "left a closed room", user=user, but_roles=NOT_KEPT_OUT)
        self._find_heir()

    def _find_heir(self) -> None:
        heir = self.state.heir()
        if not self.state.owner and heir is not None:
            self.record(RoleGiven(user=heir, role="owner"))

    def _invite(self, user: str) -> None:
        self._require_rank("moderator")
        self._refuse_banned(user)
        state = self.state
        if user in state.members or user in state.invited:
            return
        if len(state.invited) >= INVITED_MAX:
            raise Refused("room.too_many_invited", f"{INVITED_MAX} have yet to come", status=409)
        self.limit_user("room.too_many_invitations", INVITATIONS_PER_H)
        self.record(Invited(user=user, by=self.principal.user))
        self.notify(user, {"type": "room.invitation", "room": self.entity, "by": self.principal.user})

    # Order.

    def _mute(self, ask: Mute) -> None:
        self._require_rank_over(ask.user)
        self._check_room_for_another(self.state.muted, ask.user)
        until_ms = self._until_ms(ask.seconds)
        self.record(Muted(user=ask.user, by=self.principal.user, until_ms=until_ms))
        self._end_by_timer("mute", ask.user, until_ms)

    def _ban(self, ask: Ban) -> None:
        self._require_rank_over(ask.user)
        self._check_room_for_another(self.state.banned, ask.user)
        until_ms = self._until_ms(ask.seconds)
        was_member = ask.user in self.state.members
        self.record(Banned(user=ask.user, by=self.principal.user, until_ms=until_ms, member=was_member))
        self._end_by_timer("ban", ask.user, until_ms)
        self.kick(UNSUBSCRIBED, "banned from the room", user=ask.user)
        self._find_heir()

    def _end_by_timer(self, what: Punishment, user: str, until_ms: int) -> None:
        """With `until_ms` 0 it has no end, and the timer of one before in whose place it comes is of no use."""
        if until_ms:
            self.set_timer(f"{what} {user}", Expire(user=user, until_ms=until_ms, what=what), at=until_ms / 1000)
        else:
            self.cancel_timer(f"{what} {user}")

    def _set(self, ask: Set) -> None:
        self._require_rank("moderator")
        state = self.state
        if ask.pinned and ask.pinned not in state.window:
            self._author(ask.pinned)
            raise Refused("room.too_old", "only one of the newest messages can be pinned", status=409)
        if ask.pinned and state.window[ask.pinned].deleted:
            raise Refused("room.no_such_message", "the message was deleted", status=404)
        wanted = {name: getattr(ask, name) for name in ("title", "open", "slow_mode_s", "max_members", "pinned")}
        changes = {name: value for name, value in wanted.items() if value is not None and value != getattr(state, name)}
        if changes:
            self.record(Changed(by=self.principal.user, **changes))
        if changes.get("open") is False:
            admitted = state.members.keys() | state.invited
            self.kick(UNSUBSCRIBED, "the room was closed", but=admitted, but_roles=NOT_KEPT_OUT)

    def _set_role(self, ask: SetRole) -> None:
        self._require_rank("owner")
        state = self.state
        member = self._member(ask.user)
        if member.role == ask.role:
            return
        if ask.user == state.owner:
            raise Refused("room.needs_owner", "make somebody else the owner instead", status=409)
        by = self.principal.user
        if ask.role == "owner" and state.owner:
            self.record(RoleGiven(user=state.owner, role="moderator", by=by))
        self.record(RoleGiven(user=ask.user, role=ask.role, by=by))

    def _bar(self, told: BarredChanged) -> None:
        if self.pair is not None and told.by in self.pair and told.barred != (told.by in self.state.barred_by):
            self.record(BarSet(by=told.by, barred=told.barred))

    # Who may.

    @property
    def _now_ms(self) -> int:
        return int(self.now * 1000)

    def _until_ms(self, seconds: float | None) -> int:
        return 0 if seconds is None else int((self.now + seconds) * 1000)

    def _speaker(self) -> str:
        """The user, neither banned nor muted."""
        user = self.require_user()
        state = self.state
        self._refuse_barred()
        if state.banned:
            self._refuse_banned(user)
        if state.muted:
            until_ms = state.muted.get(user)
            if until_ms is not None and in_force(until_ms, self._now_ms):
                raise Refused("room.muted", "you are muted in this room")
        return user

    def _refuse_banned(self, user: str) -> None:
        until_ms = self.state.banned.get(user)
        if until_ms is not None and in_force(until_ms, self._now_ms):
            raise Refused("room.banned", f"{user} is banned from this room")

    def _refuse_barred(self) -> None:
        """Neither of the two, and both with the same words: who has blocked whom is told nobody."""
        if self.state.barred_by:
            raise Refused("room.blocked", "the two of you do not write to one another")

    def _refuse_outsider(self, user: str) -> None:
        state = self.state
        if not (state.open or user in state.members or user in state.invited or self._rank() >= ADMIN_RANK):
            if self.anonymous:
                self.require_user()
            raise Refused("room.closed", "this room is for members and the invited only")

    def _check_direct(self) -> None:
        if self.pair is None:
            raise _bad_direct()
        if self.anonymous:
            self.require_user()
        if self.principal.user not in self.pair and not self.principal.system:
            raise Refused("room.not_member", "this conversation is between two others")

    def _refuse_direct(self) -> None:
        if self.pair is not None:
            raise Refused("room.direct", "a direct conversation has neither roles nor settings", status=409)

    def _member(self, user: str) -> Member:
        member = self.state.members.get(user)
        if member is None:
            raise Refused("room.not_member", f"{user} is not a member of this room")
        return member

    def _author(self, offset: int) -> str:
        author = self.state.authors.get(offset)
        if author is not None:
            return author
        if offset <= self.state.forgotten:
            raise Refused("room.too_old", "only the newest 1,000 messages can be changed", status=409)
        raise Refused("room.no_such_message", "there is no such message", status=404)

    def _rank(self) -> int:
        """Of the principal: Greenroom itself and the token role `admin` stand above every owner."""
        principal = self.principal
        if principal.system or "admin" in principal.roles:
            return ADMIN_RANK
        member = self.state.members.get(principal.user)
        return RANKS[member.role] if member is not None else 0

    def _require_rank(self, role: str) -> None:
        self._refuse_direct()
        if self._rank() < RANKS[role]:
            if not self.principal.system:
                self.require_user()
            raise Refused("room.not_allowed", f"this takes a room's {role}")

    def _require_rank_over(self, user: str) -> None:
        self._require_rank("moderator")
        member = self.state.members.get(user)
        if member is not None and self._rank() <= RANKS[member.role]:
            raise Refused("room.not_allowed", f"{user} does not stand below you")

    def _check_room_for_another(self, punished: dict[str, int], user: str) -> None:
        if user not in punished and len(punished) >= PUNISHED_MAX:
            raise Refused("room.too_many_punished", f"a room keeps {PUNISHED_MAX}", status=409)


def _bad_direct() -> Refused:
    return Refused("room.bad_direct", "a direct conversation is @ann+bob, two users, sorted", status=404)
