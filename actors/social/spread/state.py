"""What is remembered of a post's way to its readers."""

from msgspec import Struct, field

from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import Visibility
from greenroom.actors.social.spread.events import Begun, PageWritten, Planned, SpreadEvent


class SpreadState(Struct):
    """Bounded by what is written at all: see jobs.py."""

    author: Subject = ""
    at_ms: int = 0
    is_story: bool = False
    visibility: Visibility = "public"
    is_written: bool | None = None  # None: nothing has begun
    planned: dict[Subject, Subject] = field(default_factory=dict)  # stretches: their first followers -> until whom
    written: dict[str, bool] = field(default_factory=dict)  # pages
    shed: dict[Subject, bool] = field(default_factory=dict)  # who were left out


def change(state: SpreadState, event: SpreadEvent) -> None:
    """By one event."""
    match event:
        case Begun():
            state.author, state.at_ms = event.author, event.at_ms
            state.is_story, state.visibility, state.is_written = event.is_story, event.visibility, event.is_written
        case Planned():
            for stretch in event.stretches:
                state.planned[stretch.first] = stretch.until
        case PageWritten():
            state.written[event.page] = True
            state.shed.update(dict.fromkeys(event.shed, True))
