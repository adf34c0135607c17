"""A view: the events of many entities, folded into rows of one table.

    class Standings(View, version=1):                        # the table standings_v1, read and watched as `standings`
        of = (Clapped, Renamed)                              # event classes, of any kinds

        class Row(Struct):
            show: Key[str]
            user: Key[str]
            claps: int = 0

        watch = Page(by="show", order="-claps", limit=100)   # the channel standings:finale

        def fold(self, event: Clapped | Renamed, of: Origin) -> None:
            row = self.row(show=of.key, user=event.user)     # loaded or new; `del self[row]` removes it
            if isinstance(event, Clapped):
                row.claps += event.times

Each event is folded once, in the order of its entity; nothing is said of the order between entities, so whatever comes
of events of several must be the same either way. What `fold` did is durable together with how far the entity is folded.
"""

import re
from typing import Any, ClassVar, Protocol

import msgspec
from msgspec import Struct

from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Event
from greenroom.actors.model.principal import Principal
from greenroom.actors.views.page import Page


class Origin(Struct, frozen=True, gc=False):
    """Where an event comes from."""

    entity: str  # `kind:key`
    offset: int  # the event's number in that entity, from 1
    at_ms: int  # when it was recorded, Unix ms: the only time that a fold may know
    info: bytes | None = None  # JSON ClientInfo of the client that caused it; None when no client did

    @property
    def kind(self) -> str:
        return self.entity.partition(":")[0]

    @property
    def key(self) -> str:
        return self.entity.partition(":")[2]

    @property
    def user(self) -> str:
        """Who caused it; "" when no client did, or nobody who is known."""
        if self.info is None:
            return ""
        user = msgspec.json.decode(self.info).get("user", "")
        return user if isinstance(user, str) else ""


def name_of(cls: type) -> str:
    """A class's name in small letters: `ToWarehouse` is `to_warehouse`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()


class Rows(Protocol):
    """What a fold works on: the rows of one batch. Keys are given in the order of the key fields."""

    def get(self, keys: dict[str, Any]) -> Any:
        """The row of these keys; one that is new where there is none."""

    def find(self, keys: dict[str, Any]) -> Any | None:
        """The row of these keys; None where there is none."""

    def remove(self, row: Any) -> None: ...


class View:
    """Subclass it with a `Row` and a `fold`. `version`, `name` and `inline` are arguments of the class.

    A row or a fold that changes needs the next version: its table is filled from the journal beside the present one,
    and takes its place once it has caught up. An event that `fold` raises at parks its entity: that entity's later
    events wait, those of all others go on, and `greenroom views retry-parked` tries again.
    """

    of: ClassVar[tuple[type[Event], ...]] = ()  # the events that it is told of
    Row: ClassVar[type[Struct]]
    watch: ClassVar[Page | None] = None  # how it can be watched; None: not at all
    language: ClassVar[str] = "simple"  # the configuration of Postgres's full text search for what is `Text`
    guarded_by: ClassVar[str] = (
        ""  # a kind: whoever may watch `room:lobby` may read the page `lobby`. Who may watch that
    )
    # page is still said by `may_watch`
    across: ClassVar[str] = ""  # another view, of whose rows each names a page of this one: whoever may watch a page of
    # that may search all those at once, `GET /api/conversations/ann/messages?search=`
    # The key field that holds the key, or the whole name, of the one entity that a row is made of: its rows go with it
    # when it is erased. "": rows may be of several, and the view is made anew then.
    entity_key: ClassVar[str] = ""
    name: ClassVar[str] = ""  # [a-z][a-z0-9_]*; where it is not given, the class's name in small letters
    version: ClassVar[int] = 1
    # Is its row written by the append of the events that it comes of? Then its key is the entity (`entity_key`), and
    # `fold` has no other row than that of the event's entity.
    inline: ClassVar[bool] = False

    def __init_subclass__(cls, *, version: int = 1, name: str = "", inline: bool = False, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.version = version
        cls.inline = inline
        cls.name = name or vars(cls).get("name", "") or name_of(cls)

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    # What a view decides.

    def fold(self, event: Any, of: Origin) -> None:
        """Change rows by one event, which is of a class among `of`.

        May use the event, its origin and rows alone, or a rebuilt table differs from the live one: no I/O, no clock but
        `of.at_ms`, no chance, nothing kept on `self` or elsewhere. May be called again for the same event, on rows
        as they were before it.
        """
        raise NotImplementedError

    def seed(self, state: Any, of: Origin) -> None:
        """Make the rows of an entity whose older events retention has taken, from its state as of `of.offset`.

        A view that has none can't be added over entities that are trimmed. `state` is that of the kind's class, and
        `of.at_ms` when it was saved. The events behind it are folded as usual.
        """
        raise NotImplementedError

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        """May they read and watch the page `key`? Raise Refused if not. Nobody may unless the view says so here.

        Staff (the roles `service` and `admin`) and Greenroom itself are not asked about. Raises: Refused.
        """
        raise Refused("view.closed", f"{cls.name} is not open to clients: it has no `may_watch`")

    # What it works on.

    def row(self, **keys: Any) -> Any:
        """The row of these keys, all key fields by name: as it is, or new, with the defaults of the other fields.

        Assign to its fields, the keys apart; whatever was changed, or is new, is written.
        """
        return self._rows.get(keys)

    def find(self, **keys: Any) -> Any | None:
        """The row of these keys as `row` gives it; None where there is none, and none is made."""
        return self._rows.find(keys)

    def __delitem__(self, row: Any) -> None:
        """Remove it: `del self[row]`."""
        self._rows.remove(row)
