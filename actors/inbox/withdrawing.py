"""What an inbox takes back: one notice, a group, all about an entity, or all of somebody who is blocked."""

from collections.abc import Iterable

from greenroom.actors.inbox.events import Barred, Gone, TakenBack, Withdrawn
from greenroom.actors.inbox.messages import BarredChanged, Withdraw
from greenroom.actors.inbox.outgoing import Outgoing, Speaking, digest_of
from greenroom.actors.inbox.state import BY_THEM, BY_US, Group, InboxState


class Withdrawing:
    """Of one inbox."""

    def __init__(self, inbox: Speaking, outgoing: Outgoing) -> None:
        self._inbox = inbox
        self._outgoing = outgoing

    @property
    def _state(self) -> InboxState:
        return self._inbox.state

    def withdraw(self, message: Withdraw) -> None:
        state = self._state
        if message.id:
            id_ = digest_of(message.id)
            known = state.known.get(id_)
            if known is not None and known.live:
                if known.group in state.groups:
                    self._take_out(known.group, [id_])
                else:
                    self._take_back([id_])
        if message.group:
            self._take_out_all([n for n, group in state.groups.items() if group.key == message.group])
            self._take_back(id_ for id_, one in state.decisions.items() if one.key == message.group)
        if message.about:
            self._inbox.record(Gone(about=message.about))
            about, kept = message.about, "moderation"  # what a moderator has said of it outlasts it
            self._take_out_all([n for n, group in state.groups.items() if group.about == about and group.kind != kept])
            self._take_back(id_ for id_, one in state.decisions.items() if one.about == about and one.kind != kept)

    def bar(self, message: BarredChanged) -> None:
        state, user = self._state, message.user
        is_barred = bool(state.barred.get(user, 0) & (BY_US if message.by_us else BY_THEM))
        if is_barred == message.barred:
            return
        self._inbox.record(Barred(user=user, by_us=message.by_us, barred=message.barred))
        if not message.barred:
            return
        theirs: dict[int, list[str]] = {}
        for id_, known in state.known.items():
            if known.by == user and known.live and known.group in state.groups:
                theirs.setdefault(known.group, []).append(id_)
        for number, ids in theirs.items():
            self._take_out(number, ids)
        self._take_back(id_ for id_, known in state.known.items() if known.by == user)

    def _take_back(self, ids: Iterable[str]) -> None:
        """Those of them whose group was put away, or dropped: should one come back, it is told again. What such a group
        was, decisions say, so that of older notices nobody knows."""
        state = self._state
        found = ((id_, state.known.get(id_)) for id_ in ids)
        gone = [id_ for id_, known in found if known is not None and known.live and known.group not in state.groups]
        if gone:
            self._inbox.record(TakenBack(ids=gone))

    def _take_out_all(self, numbers: list[int]) -> None:
        for number in numbers:
            self._take_out(number, None)

    def _take_out(self, number: int, ids: list[str] | None) -> None:
        """These of a group, or, with None, all of it."""
        state = self._state
        group = state.groups[number]
        names: list[str] = []
        count = 0
        if ids is not None:
            rest = Group(kind="", about="", key="", at_ms=0, offset=0, by=dict(group.by), more=group.more)
            for id_ in ids:
                rest.leave(state.known[id_].by)
            names, count = rest.names, rest.count
        is_counted, had_text = not (group.read or group.silent or count), bool(group.text)
        self._inbox.record(
            Withdrawn(
                group=number,
                kind=group.kind,
                about=group.about,
                ids=ids or [],
                names=names,
                count=count,
                at_ms=group.at_ms,
                unread=state.unread - is_counted,
                says=group.says,
                silent=group.silent,
            )
        )
        if had_text and not group.silent:
            self._inbox.say(number, "")
        if not count:
            self._outgoing.call_back("withdrawn", [number])
