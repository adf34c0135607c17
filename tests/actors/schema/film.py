"""An entity of which some is shown, some is not, and of some nobody can tell."""

from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.message import Event


class Rated(Event, tag="film.rated"):
    stars: Annotated[int, Meta(ge=1, le=5)]
    anonymous: bool = False


class Seen(Event, tag="film.seen"):
    """Somebody has seen it."""

    user: str


class Moment(Event, tag="film.moment"):
    second: int


class Untagged(Struct):
    what: str


class FilmState(Struct):
    pass


class Film(Actor[FilmState]):
    kind = "film"
    events = (Rated, Seen, Moment)

    def apply(self, event: Event) -> None: ...

    @classmethod
    def publication(cls, event: Rated | Seen | Moment) -> Struct | None:
        match event:
            case Rated(anonymous=anonymous):
                return None if anonymous else event
            case Seen():
                return Untagged(what="seen")
            case _:
                raise ValueError("no moment is like that")
