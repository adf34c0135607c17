"""What a queue is told as a whole: to pause, what it is limited to; the events of that, and what they come to.

Tags are wire names: never renamed, fields only ever added, with defaults.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

from greenroom.actors.jobs.limits import KEYS_MAX, AtOnce, KeyName, OnRetry, QueueLimits, Rate, Weight
from greenroom.actors.jobs.listing.where import UnixMs
from greenroom.actors.jobs.queue.rates.told import TOLD_MAX, Known, still
from greenroom.actors.jobs.texts import TEXT_PATTERN, JobId
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Ask, Done, Event

Reason = Annotated[str, Meta(max_length=500, pattern=TEXT_PATTERN)]
Number = TypeVar("Number")


class Pause(Ask[Done], tag="queue.pause"):
    """Hand out nothing, until then or until `resume`. What is under way goes on."""

    until_ms: UnixMs | None = None  # Unix ms; None: until somebody says so
    reason: Reason = ""


class Resume(Ask[Done], tag="queue.resume"):
    """Hand out jobs again."""


class Limit(Ask[Done], tag="queue.limit"):
    """Set limits; what is left out stays as it is. With `null` what the code declares holds again."""

    concurrency: AtOnce | UnsetType | None = UNSET
    per_key: AtOnce | UnsetType | None = UNSET
    tiers: Annotated[dict[KeyName, AtOnce | None], Meta(max_length=KEYS_MAX)] | UnsetType | None = UNSET
    rate: Rate | UnsetType | None = UNSET
    per_key_rate: Rate | UnsetType | None = UNSET
    weights: Annotated[dict[KeyName, Weight | None], Meta(max_length=KEYS_MAX)] | UnsetType | None = UNSET
    on_retry: OnRetry | UnsetType | None = UNSET


class Explained(Struct, frozen=True):
    """Why a job is not under way, or that it is."""

    why: str


class Why(Ask[Explained], tag="queue.why"):
    """Why does this job wait?"""

    id: JobId


class Paused(Event, tag="queue.paused"):
    """Nothing is handed out."""

    until_ms: int | None = None
    reason: str = ""
    by: str = ""


class Resumed(Event, tag="queue.resumed"):
    """Jobs are handed out again."""

    by: str = ""


class Limited(Event, tag="queue.limited"):
    """All that is set now."""

    limits: QueueLimits
    by: str = ""


class Metered(Event, tag="queue.metered"):
    """By then all tokens are back that are spent until the next such event. A new life does not spend them again."""

    spent_until_ms: int
    keys_spent_until_ms: int
    window: Known | None = None  # of a rate that has one: when all are back, and how many are not until then
    key_windows: dict[str, Known] = field(default_factory=dict)  # likewise of keys; of others it stays as it was
    at_ms: int = 0  # Unix ms


class QueueState(Struct):
    """How it is set."""

    paused: bool = False
    paused_until_ms: int | None = None
    paused_reason: str = ""
    limits: QueueLimits = field(default_factory=QueueLimits)
    spent_until_ms: int = 0
    keys_spent_until_ms: int = 0
    spent_ahead_ms: int = 0  # of the clock that has said the former
    window: Known | None = None
    key_windows: dict[str, Known] = field(default_factory=dict)

    def is_paused(self, now_ms: int) -> bool:
        return self.paused and (self.paused_until_ms is None or now_ms < self.paused_until_ms)

    def apply(self, event: Paused | Resumed | Limited | Metered) -> None:
        match event:
            case Paused():
                self.paused, self.paused_until_ms, self.paused_reason = True, event.until_ms, event.reason
            case Resumed():
                self.paused, self.paused_until_ms, self.paused_reason = False, None, ""
            case Limited():
                self.limits = event.limits
            case Metered():
                if event.at_ms and event.spent_until_ms > self.spent_until_ms:
                    self.spent_ahead_ms = event.spent_until_ms - event.at_ms
                self.spent_until_ms = event.spent_until_ms
                self.keys_spent_until_ms = event.keys_spent_until_ms
                self.window = event.window or self.window
                if event.key_windows:
                    if len(self.key_windows) > 2 * TOLD_MAX:
                        self.key_windows = dict(still(self.key_windows, event.at_ms))
                    self.key_windows.update(event.key_windows)


def limited(present: QueueLimits, asked: Limit) -> QueueLimits:
    """What is set after that. Raises: Refused."""

    def said(name: str) -> Any:
        value = getattr(asked, name)
        return getattr(present, name) if value is UNSET else value

    return QueueLimits(
        concurrency=said("concurrency"),
        per_key=said("per_key"),
        tiers=_merged("tiers", present.tiers, asked.tiers),
        rate=said("rate"),
        per_key_rate=said("per_key_rate"),
        weights=_merged("weights", present.weights, asked.weights),
        on_retry=said("on_retry"),
    )


def _merged(
    name: str, present: Mapping[str, Number], asked: Mapping[str, Number | None] | UnsetType | None
) -> Mapping[str, Number]:
    """Raises: Refused."""
    if asked is None:
        return {}
    if isinstance(asked, UnsetType):
        return present
    merged = {**present, **asked}
    left = {key: value for key, value in merged.items() if value is not None}
    if len(left) > KEYS_MAX:
        raise Refused("queue.too_many_limits", f"`{name}` is of {KEYS_MAX} keys at most", status=409)
    return left
