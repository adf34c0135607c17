"""What a job may have beside its arguments, as it is stored with it. Most have none of it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from greenroom.actors.jobs.texts import Name
from greenroom.actors.jobs.waits import Waits

Mode = Literal["simple", "throttle", "debounce", "keep_last"]
Key = Name
ARGUMENTS_MAX = 256 << 10  # bytes
TTL_MAX_S = 7 * 86_400.0
EXPIRES_MAX_S = 366 * 86_400.0
WEIGHT_MAX = 1_000  # of one job

ExpiresS = Annotated[float, Meta(gt=0, le=EXPIRES_MAX_S)]
JobWeight = Annotated[int, Meta(ge=1, le=WEIGHT_MAX)]


class UniqueKey(Struct, frozen=True, omit_defaults=True):
    """Of jobs with the same key in one queue not all are done: see Unique."""

    key: Key
    mode: Mode = "simple"
    ttl_s: Annotated[float, Meta(ge=0, le=TTL_MAX_S)] = 0.0

    def __post_init__(self) -> None:
        if not self.ttl_s and self.mode in ("throttle", "debounce"):
            raise ValueError(f"`ttl_s` must be above 0 for {self.mode}")

    @property
    def replaces(self) -> bool:
        """Is one that waits, and that nobody has begun, changed by the next one?"""
        return self.mode in ("debounce", "keep_last")

    def due_ms(self, now_ms: int) -> int:
        """When one that is added now is due at the earliest."""
        return now_ms + int(self.ttl_s * 1000) if self.mode == "debounce" else now_ms


class Options(Struct, frozen=True, omit_defaults=True):
    """Who wants to hear of it, which others it is one with, and which it waits for."""

    unique: UniqueKey | None = None
    origin: str = ""  # the entity that has started it
    about: str = ""  # the label under which that wants to hear what became of it; "": it does not
    by: str = ""  # the user on whose behalf, who may watch and cancel it; "": nobody's
    waits: Waits | None = None  # for which others
    trace: str = ""  # W3C traceparent of who has added it, where that is recorded
    expires_ms: int = 0  # Unix ms: one that nobody has begun by then is not done any more; 0: never
    weight: int = 1  # as so many jobs it counts in limits
    unbegun_token: int = 0  # workers have had it, and up to the take with that token none has begun it
    depth: int = 0  # jobs above it, each of which has added the next while it was worked on
    wait_ms: int = 0  # of one that is debounced: for so long, from when it was said last; 0: nobody says
    wait_until_ms: int = (
        0  # with which `due_ms` that was said: of another it says nothing (the release before edits so)
    )
    empty: tuple[str, ...] = ()  # groups of children that it has added, and that have none

    def encode(self) -> bytes | None:
        """None where there is nothing to keep."""
        return _encode(self) if self != NO_OPTIONS else None


def expires_ms(now_ms: int, expires_s: float | None) -> int:
    """Of a job that is added now: see Options. Never at once."""
    return 0 if expires_s is None else now_ms + max(1, int(expires_s * 1000))


def until(options: Options, due_ms: int, now_ms: int) -> Options:
    """Of a job that is due then, as is said now."""
    if options.unique is None or options.unique.mode != "debounce":
        return options
    return replace(options, wait_ms=max(0, due_ms - now_ms), wait_until_ms=due_ms)


NO_OPTIONS = Options()
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Options).decode


def decode_options(stored: bytes | None) -> Options | None:
    """None: it has none, or none that this release knows."""
    if stored is None:
        return None
    try:
        return _decode(stored)
    except msgspec.DecodeError:
        return None
