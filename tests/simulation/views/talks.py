"""Talks, and three views over them: who has said how much where, what all of it is together, and which talks there are.

Of a share of what is said a fold can make nothing until it is mended, and another share no column can hold.
"""

from random import Random
from typing import Any

from msgspec import Struct, field

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.message import Ask, Event, Message
from greenroom.actors.model.principal import Principal
from greenroom.actors.views.columns import Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View
from greenroom.testing import Scenario, Work

GROUPS = ("a", "b")  # each a page of the directory


class Said(Event, tag="talk.said"):
    user: str
    token: str
    weight: int = 1
    trouble: str = ""  # "raises" or "overflows", until what folds it is mended


class Left(Event, tag="talk.left"):
    user: str


class Moved(Event, tag="talk.moved"):
    """To another group."""

    group: str


class Say(Ask[int], tag="talk.say"):
    token: str
    weight: int = 1
    times: int = 1
    trouble: str = ""


class Leave(Ask[int], tag="talk.leave"):
    pass


class Move(Ask[int], tag="talk.move"):
    group: str


class Sayer(Struct):
    count: int = 0
    weight: int = 0
    last: str = ""


class TalkState(Struct):
    sayers: dict[str, Sayer] = field(default_factory=dict)
    group: str = GROUPS[0]
    events: int = 0
    weight: int = 0


class Talk(Actor[TalkState]):
    kind = "talk"
    commands = (Say, Leave, Move)
    events = (Said, Left, Moved)
    limits = KindLimits(mailbox_messages=32, idle_s=15.0, history_events=40, snapshot_every=8, command_ids_s=3600.0)

    def handle(self, message: Message) -> Any:
        user = self.principal.user
        match message:
            case Say():
                for number in range(message.times):
                    token = f"{message.token} {number}"
                    self.record(Said(user=user, token=token, weight=message.weight, trouble=message.trouble))
            case Leave():
                self.record(Left(user=user))
            case Move():
                self.record(Moved(group=message.group))
        return self.offset

    def apply(self, event: Said | Left | Moved) -> None:
        state = self.state
        state.events += 1
        match event:
            case Said():
                state.weight += event.weight
                note(state.sayers.setdefault(event.user, Sayer()), event)
            case Left():
                state.sayers.pop(event.user, None)
            case Moved():
                state.group = event.group

    def view(self) -> Any:
        return {"events": self.state.events}


def note(row: Any, event: Said) -> None:
    row.count += 1
    row.weight += event.weight
    row.last = event.token


class Health:
    """Of the folds of one world."""

    def __init__(self, *, is_mended: bool = False) -> None:
        self.is_mended = is_mended

    def mend(self) -> None:
        self.is_mended = True


class Open(View):
    """Everybody may watch."""

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        pass


def views(health: Health) -> tuple[type[View], ...]:
    """Of one world: a fold that fails is mended there only."""

    class Sayers(Open, name="sayers"):
        """By talk, those who have said most; fewer are shown than there are."""

        of = (Said, Left)

        class Row(Struct):
            talk: Key[str]
            user: Key[str]
            count: int = 0
            weight: int = 0
            last: str = ""

        watch = Page(by="talk", order="-weight", limit=2, per_s=5.0)

        def fold(self, event: Said | Left, of: Origin) -> None:
            row = self.row(talk=of.key, user=event.user)
            match event:
                case Said():
                    note(row, event)
                    if event.trouble == "raises" and not health.is_mended:
                        raise ValueError("it can make nothing of that")
                case Left():
                    del self[row]

        def seed(self, state: TalkState, of: Origin) -> None:
            for user, sayer in state.sayers.items():
                row = self.row(talk=of.key, user=user)
                row.count, row.weight, row.last = sayer.count, sayer.weight, sayer.last

    class Everything(Open, name="everything"):
        """One row that each event changes."""

        of = (Said, Left, Moved)

        class Row(Struct):
            what: Key[str]
            events: int = 0
            weight: int = 0

        watch = Page()

        def fold(self, event: Said | Left | Moved, of: Origin) -> None:
            row = self.row(what="all")
            row.events += 1
            if isinstance(event, Said):
                row.weight += event.weight
                if event.trouble == "overflows" and not health.is_mended:
                    row.weight = 1 << 70

        def seed(self, state: TalkState, of: Origin) -> None:
            row = self.row(what="all")
            row.events += state.events
            row.weight += state.weight

    class Directory(Open, name="directory"):
        """A row for each talk, which moves from page to page."""

        of = (Said, Left, Moved)

        class Row(Struct):
            group: Key[str]
            talk: Key[str]
            events: int = 0

        watch = Page(by="group", order="-events", limit=4, per_s=10.0)

        def fold(self, event: Said | Left | Moved, of: Origin) -> None:
            row = next((one for group in GROUPS if (one := self.find(group=group, talk=of.key)) is not None), None)
            if row is None:
                row = self.row(group=GROUPS[0], talk=of.key)
            row.events += 1
            if isinstance(event, Moved) and row.group != event.group:
                self.row(group=event.group, talk=of.key).events = row.events
                del self[row]

        def seed(self, state: TalkState, of: Origin) -> None:
            self.row(group=state.group, talk=of.key).events = state.events

    return Sayers, Everything, Directory


class Talking:
    def __init__(self, talks: int) -> None:
        self._said = 0
        self._talks = talks

    def __call__(self, draw: Random, user: str) -> Work:
        self._said += 1
        talk = f"talk:{draw.randint(1, self._talks)}"
        chance = draw.random()
        if chance < 0.1:
            return Work(talk, Leave())
        if chance < 0.25:
            return Work(talk, Move(group=draw.choice(GROUPS)))
        token = f"{user}-{self._said}"
        trouble = draw.choice(("raises", "overflows")) if chance > 0.97 else ""
        times = draw.choice((1, 1, 1, 3))
        return Work(
            talk, Say(token=token, weight=draw.randint(1, 9), times=times, trouble=trouble), f"{token} {times - 1}"
        )


def mark(event: Any) -> str | None:
    return str(event["token"]) if event["type"] == "talk.said" else None


def talks(count: int = 6, **how: Any) -> Scenario:
    """So many; half of them have their sayers watched."""
    health = Health()
    sayers = (f"sayers:{number}" for number in range(1, count // 2 + 1))
    pages = (*sayers, "everything:all", "directory:a", "directory:b")
    return Scenario(
        kinds=(Talk,),
        views=views(health),
        mended=views(Health(is_mended=True)),
        mend=health.mend,
        channels=(*pages, "talk:1"),
        work=Talking(count),
        mark=mark,
        **{"pace_s": 2.0} | how,
    )
