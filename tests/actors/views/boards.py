"""Views that these tests read and watch."""

import datetime
import decimal
from typing import Any, ClassVar

from msgspec import Struct, field

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask, Event
from greenroom.actors.model.principal import Principal
from greenroom.actors.views.columns import Index, Key, Text
from greenroom.actors.views.installed import Installed, Views
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Clapped(Event, tag="show.clapped"):
    user: str
    times: int = 1


class Quit(Event, tag="show.quit"):
    user: str


class Clap(Ask[int], tag="show.clap"):
    user: str
    times: int = 1


class Leave(Ask[int], tag="show.leave"):
    user: str


class Nothing(Struct):
    pass


class Show(Actor[Nothing]):
    kind = "show"
    commands = (Clap, Leave)
    events = (Clapped, Quit)

    def handle(self, message: Any) -> int:
        match message:
            case Clap():
                return self.record(Clapped(user=message.user, times=message.times))
            case _:
                return self.record(Quit(user=message.user))

    def apply(self, event: Event) -> None:
        pass

    def view(self) -> Any:
        return {}


def refuse_mallory(principal: Principal, key: str) -> None:
    if principal.user == "mallory" or key == "private":
        raise Refused("board.private", "not for you")


class Board(View, version=1):
    """The claps of each show's users, the most first."""

    of = (Clapped, Quit)

    class Row(Struct):
        show: Key[str]
        user: Key[str]
        claps: int = 0

    watch = Page(by="show", order="-claps", limit=3, per_s=10.0)

    def fold(self, event: Clapped | Quit, of: Origin) -> None:
        row = self.row(show=of.key, user=event.user)
        match event:
            case Clapped():
                row.claps += event.times
            case Quit():
                del self[row]

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        refuse_mallory(principal, key)


class Notes(View, version=1):
    """Of every sort of column, in a mixed order; it can't be watched."""

    of = (Clapped,)
    language = "english"

    class Row(Struct):
        room: Key[str]
        number: Key[int]
        title: Text = ""
        body: Text = ""
        team: Index[str] = "none"
        price: decimal.Decimal = decimal.Decimal(0)
        at: datetime.datetime = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        weight: float = 0.0
        open: Index[bool] = True
        tags: list[str] = field(default_factory=list)

    watch: ClassVar[Page | None] = Page(by="room", order=("-weight", "title"), limit=10)

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(room=of.key, number=of.offset).title = event.user

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        refuse_mallory(principal, key)


class Everybody(View, version=1):
    """All on one page, by their keys."""

    of = (Clapped,)

    class Row(Struct):
        user: Key[str]
        claps: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(user=event.user).claps += event.times

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        refuse_mallory(principal, key)


class Closed(View, version=1):
    """Open to nobody, since it does not say to whom."""

    of = (Clapped,)

    class Row(Struct):
        user: Key[str]

    watch: ClassVar[Page | None] = Page()

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(user=event.user)


ALL_VIEWS = (Board, Notes, Everybody, Closed)


def installed(view: type[View]) -> Installed:
    return Views(Kinds((Show,)), (view,))[view.name]
