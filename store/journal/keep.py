"""What is kept of an entity, and for how long: decisions only. `retention.py` carries them out."""

from msgspec import Struct

KEEP_ALL = 1 << 62  # events
UNUSED_S = 86_400.0  # a head without events is removed when nobody has claimed it for so long
MARKS_S = 86_400.0  # a mark is removed so long after its last message, once its sender has nothing in the outbox


class Keep(Struct, frozen=True, kw_only=True):
    """How much history the entities of a kind keep. None: all of it."""

    events: int | None = None  # the newest so many
    seconds: float | None = None  # those younger
    command_ids_s: float = 86_400.0  # a command id is remembered for so long even when its event has gone


class Rule(Struct, frozen=True):
    """The same as of a moment, for the entities of one kind."""

    kind: str
    events: int  # the newest so many stay
    events_due: int  # with more than so many, by number, it is worth a statement to take some
    after_ms: int  # those recorded from then on stay, Unix ms
    ids_after_ms: int  # so do command ids


class Counts(Struct, frozen=True):
    """What a head tells of its entity's journal."""

    offset: int
    trimmed: int
    snapshot_offset: int


class Found(Struct, frozen=True):
    """A head at which there is something to do."""

    head_id: int
    entity: str
    uncovered: bool = False  # events are to go that no snapshot covers
    covered: bool = False  # events are to go that the snapshot covers
    expired_ids: bool = False  # command ids have outlived their events for long enough
    unused: bool = False  # it has no events, and has not been claimed for long


class Looked(Struct, frozen=True):
    """A page of heads."""

    found: list[Found]
    last_id: int | None  # of the last head looked at; None: there are no more


def rule(kind: str, keep: Keep, now_s: float, *, slack: float = 0.1) -> Rule:
    """What `keep` means at `now_s`, Unix seconds. By number only once `slack` of the limit has come together."""
    events = KEEP_ALL if keep.events is None else min(keep.events, KEEP_ALL)
    return Rule(
        kind,
        events,
        events if keep.events is None else int(events * (1 + slack)),
        0 if keep.seconds is None else ago_ms(now_s, keep.seconds),
        ago_ms(now_s, keep.command_ids_s),
    )


def to_go(counts: Counts, rule: Rule, first_ms: int | None, uncovered_ms: int | None) -> tuple[bool, bool]:
    """Are events to go that no snapshot covers, and some that it covers?

    `first_ms` is when the first event that is left was recorded, `uncovered_ms` when the first behind the snapshot was,
    both Unix ms, None where there is none. The statement LOOK (postgres/keeping.py) decides the same.
    """
    is_old = first_ms is not None and first_ms < rule.after_ms
    is_much = counts.offset - counts.trimmed > rule.events_due
    through = counts.offset - rule.events  # by number
    uncovered = (is_much and counts.snapshot_offset < through) or (
        is_old and uncovered_ms is not None and uncovered_ms < rule.after_ms
    )
    covered = counts.trimmed < counts.snapshot_offset and (is_old or (is_much and counts.trimmed < through))
    return uncovered, covered


def ago_ms(now_s: float, seconds: float) -> int:
    """The moment so many seconds ago, Unix ms; the beginning of Unix time for longer ago, as `math.inf` is."""
    return int(max(0.0, now_s - seconds) * 1_000)
