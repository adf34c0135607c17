"""What clients write down while it happens, and what a room's history says afterwards: all that is checked."""

from array import array
from dataclasses import dataclass, field

NO_MARK = -1  # of an event that is not one of our messages


def mark(sender: int, number: int) -> int:
    """A message as one number: which member of the room sent it, and which of theirs it is, from 0."""
    return sender << 32 | number


def mark_of(data: object) -> int:
    """The mark in a publication's data, where `text_of` put it; NO_MARK when there is none."""
    if isinstance(data, dict) and data.get("type") == "room.message":
        parts = str(data.get("text", "")).split("~")
        if len(parts) == 3:
            sender, _, number = parts[1].partition(".")
            return mark(int(sender), int(number))
    return NO_MARK


def text_of(sender: int, number: int, length: int) -> str:
    return f"~{sender}.{number}~".ljust(length, ".")


@dataclass(slots=True)
class Send:
    """One message of one sender, and its first answer."""

    number: int
    floor: int  # the highest offset that anybody here knew of in this room when the message was first sent
    offset: int = 0  # 0 until acknowledged
    at_ms: int = 0
    retried: bool = False
    sent_s: float = 0.0  # on the machine's monotonic clock: when it was first sent
    acked_s: float = 0.0
    leg: int = 0  # over which of the member's connections it was first sent
    acked_leg: int = 0  # and over which it was answered


@dataclass(frozen=True, slots=True)
class Repeat:
    """A further answer to a message that had been acknowledged, asked for with the same key."""

    number: int
    offset: int
    at_ms: int


@dataclass(slots=True)
class Leg:
    """What one subscription brought, from one connect to the next."""

    epoch: str
    since: int  # everything after this offset was promised
    recovered: bool  # False: the first, or told to start over from `since`
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    marks: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class Member:
    """One client: a sender and a subscriber of one room."""

    room: str
    number: int  # in its room
    sends: list[Send] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # answers that say that trying again won't help
    legs: list[Leg] = field(default_factory=list)
    unanswered: int = 0  # commands on the last connection that got no answer at all
    live: bool = False  # connected and subscribed at the end


@dataclass(slots=True)
class History:
    """A room, read page by page after all was over."""

    room: str
    epoch: str
    offsets: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    counted: int = 0  # messages, by the room's own count
