"""What features remember. Nobody watches them; sinks hand them on, and training reads what they handed on."""

from typing import Literal

from msgspec import Struct

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Subject

Did = Literal["seen", "clicked", "dwelt", "hid"]


class Shown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One post, what its reader did with it, and how it came to be shown."""

    post: str
    author: Subject
    did: Did
    ms: int = 0  # of `dwelt`
    position: int = 0
    score: float = 0.0
    model: str = ""  # its version, or `light`
    experiment: str = ""  # and the arm: `autumn/bold`
    features: dict[str, float] = {}  # those that it was scored by, of `seen` alone; one that is 0 is left out


class Exposed(Event, tag="features.exposed"):
    """Posts were shown, and looked at or not."""

    items: list[Shown]


class EngagedWith(Event, tag="features.engaged_with"):
    """Its user has liked, commented on or shared a post."""

    author: Subject
    post: str
    did: str
