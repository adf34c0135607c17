"""A small domain for tests of views: shows that are clapped, and views of them."""

from typing import Any

import msgspec
from msgspec import Struct

from greenroom import Actor, Ask, Event, Index, Key, Origin, Page, Principal, Text, View
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.stretch import Stretch
from greenroom.store.journal.records import StoredEvent


class Total(Struct, frozen=True):
    total: int


class Clap(Ask[Total], tag="show.clap"):
    user: str
    times: int = 1


class Rename(Ask[Total], tag="show.rename"):
    title: str


class Close(Ask[Total], tag="show.close"):
    pass


class Clapped(Event, tag="show.clapped"):
    user: str
    times: int = 1


class Renamed(Event, tag="show.renamed"):
    title: str


class Closed(Event, tag="show.closed"):
    pass


class ShowState(Struct):
    total: int = 0
    title: str = ""


class Show(Actor[ShowState]):
    kind = "show"
    commands = (Clap, Rename, Close)
    events = (Clapped, Renamed, Closed)

    def handle(self, message: Clap | Rename | Close) -> Total:
        match message:
            case Clap():
                self.record(Clapped(user=message.user, times=message.times))
            case Rename():
                self.record(Renamed(title=message.title))
            case Close():
                self.record(Closed())
        return Total(self.state.total)

    def apply(self, event: Event) -> None:
        match event:
            case Clapped():
                self.state.total += event.times
            case Renamed():
                self.state.title = event.title

    def view(self) -> Total:
        return Total(self.state.total)


class Standings(View):
    """Who has clapped how often, by show."""

    of = (Clapped, Closed)

    class Row(Struct):
        show: Key[str]
        user: Key[str]
        claps: int = 0

    watch = Page(by="show", order="-claps")

    def fold(self, event: Clapped | Closed, of: Origin) -> None:
        if isinstance(event, Closed):
            return
        if event.user == "poison":
            raise ValueError("poison")
        row = self.row(show=of.key, user=event.user)
        row.claps += event.times
        if row.claps < 0:
            del self[row]

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        pass


class Directory(View, name="shows"):
    """The shows there are."""

    of = (Clapped, Renamed, Closed)

    class Row(Struct):
        show: Key[str]
        title: Text = ""
        claps: Index[int] = 0
        users: list[str] = []

    def fold(self, event: Clapped | Renamed | Closed, of: Origin) -> None:
        row = self.row(show=of.key)
        match event:
            case Clapped():
                row.claps += event.times
                if event.user not in row.users:
                    row.users.append(event.user)
            case Renamed():
                row.title = event.title
            case Closed():
                del self[row]


class Everything(View, name="everything"):
    """One row for all shows: as hot as a row can be."""

    of = (Clapped,)

    class Row(Struct):
        what: Key[str]
        claps: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(what="claps").claps += event.times


class Summary(View, name="summary", inline=True):
    """A show, as the append of its events leaves it."""

    of = (Clapped, Closed)

    class Row(Struct):
        show: Key[str]
        claps: Index[int] = 0
        title: Text = ""
        users: list[str] = []

    entity_key = "show"
    watch = Page(order="-claps")

    def fold(self, event: Clapped | Closed, of: Origin) -> None:
        if isinstance(event, Clapped) and event.user == "poison":
            raise ValueError("poison")
        if isinstance(event, Clapped) and event.user.startswith("show "):
            self.row(show=event.user.removeprefix("show ")).claps += 1
            return
        row = self.row(show=of.key)
        if isinstance(event, Closed):
            del self[row]
            return
        row.claps += event.times
        row.users = sorted({*row.users, event.user})

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        pass


def installed(view: type[View], *actors: type[Actor[Any]]) -> Installed:
    return Installed(view, Kinds(actors or (Show,)))


def stored(events: tuple[Event, ...] | list[Event], after: int = 0) -> list[StoredEvent]:
    return [
        StoredEvent(after + number, 1_000 * (after + number), msgspec.json.encode(event))
        for number, event in enumerate(events, 1)
    ]


def stretch(entity: str, *events: Event, head_id: int = 1, after: int = 0, **fields: Any) -> Stretch:
    return Stretch(Kinds((Show,))["show"], entity, head_id, after, stored(events, after), **fields)
