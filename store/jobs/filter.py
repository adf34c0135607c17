"""Filters: which jobs somebody means. Decisions only, as Postgres makes them too: see listing_postgres.py."""

import json
from typing import Final, get_args

from msgspec import Struct

from greenroom.store.journal.consequences.jobs import FREED, Ended, JobRow

UNFINISHED: Final = ("blocked", "waiting", "delayed", "retrying", "active", "cancelling")
TAKEN: Final = ("active", "cancelling")
ENDED: Final[tuple[str, ...]] = get_args(Ended)
STATES: Final = (*UNFINISHED, *ENDED)
RESTS: Final = b'"rests":true'  # in those of one that was worked on, and waits for jobs that it has added
WAITS: Final = b'"waits":'  # in the options of a job that waits for others; in a text these quotes are escaped
SEARCHED_MAX: Final = 64 << 10  # bytes of arguments, and of errors: longer ones are not searched


class JobFilter(Struct, frozen=True):
    """All of it holds for a job that is meant. Times are Unix ms, `since` included and `until` not."""

    queue: str = ""  # "": any
    states: tuple[str, ...] = ()  # any of these; none: whatever it is
    job: str = ""  # the tag of its class
    key: str | None = None  # "": those without one
    words: tuple[str, ...] = ()  # each in its arguments or in one of its errors, in small letters
    ids: tuple[str, ...] = ()  # any of these; none: all
    added_since_ms: int | None = None
    added_until_ms: int | None = None
    ended_since_ms: int | None = None
    ended_until_ms: int | None = None

    @property
    def unfinished(self) -> tuple[str, ...]:
        """States in which a job that is meant may be, while it is not finished."""
        if self.ended_since_ms is not None or self.ended_until_ms is not None:
            return ()
        return tuple(state for state in UNFINISHED if not self.states or state in self.states)

    @property
    def ended(self) -> tuple[str, ...]:
        """And once it is."""
        return tuple(state for state in ENDED if not self.states or state in self.states)

    @property
    def is_vain(self) -> bool:
        """No job can be meant."""
        return not self.unfinished and not self.ended

    @property
    def ids_between(self) -> tuple[str, str]:
        """The first id that may be meant, and the first that is beyond: ids begin with when their job was added."""
        since, until = self.added_since_ms or 0, self.added_until_ms
        return _first_id(since), "f" * 32 if until is None else _first_id(until)


class Match(Struct, frozen=True):
    """What a queue wants to know of its jobs: those of a filter, whose ids are less than `before`."""

    number: int  # by which it tells this question from others
    asked: JobFilter
    before: str | None
    most: int
    counts: bool = False  # only how many there are
    is_whole: bool = False  # what has ended is to be begun anew
    names: bool = False  # which of them are named by jobs that are not finished


def _first_id(ms: int) -> str:
    return f"{min(ms, (1 << 48) - 1):012x}".ljust(32, "0")


def words_of(search: str) -> tuple[str, ...]:
    """What is looked for, one by one."""
    return tuple(dict.fromkeys(search.lower().split()))


def spellings(word: str) -> tuple[str, ...]:
    """How it may stand in JSON, in small letters: as it is, or in ASCII, as many write it."""
    written = tuple(json.dumps(word, ensure_ascii=plain)[1:-1].lower() for plain in (False, True))
    return tuple(dict.fromkeys(written))


def state_of(row: JobRow, now_ms: int, *, is_taken: bool) -> str:
    """Of a job that is not finished, as people say it."""
    if is_taken:
        return "active" if row.cancel is None else "cancelling"
    if row.options is not None and WAITS in row.options and (row.let_go < FREED or RESTS in row.options):
        return "blocked"
    if row.due_ms > now_ms:
        return "retrying" if row.attempts else "delayed"
    return "waiting"


def fits(asked: JobFilter, row: JobRow, state: str, ended_ms: int | None, errors: bytes) -> bool:
    """Is this job meant? `errors`: its errors as JSON, b"" where there are none."""
    first, beyond = asked.ids_between
    return (
        (not asked.queue or row.queue == asked.queue)
        and state in (asked.unfinished if ended_ms is None else asked.ended)
        and (not asked.job or row.job == asked.job)
        and (asked.key is None or row.partition == asked.key)
        and (not asked.ids or row.id in asked.ids)
        and first <= row.id < beyond
        and (asked.ended_since_ms is None or (ended_ms or 0) >= asked.ended_since_ms)
        and (asked.ended_until_ms is None or (ended_ms or 0) < asked.ended_until_ms)
        and all(_has(word, row.arguments or b"", errors) for word in asked.words)
    )


def _has(word: str, *texts: bytes) -> bool:
    found = [text.decode(errors="replace").lower() for text in texts if len(text) <= SEARCHED_MAX]
    return any(spelling in text for spelling in spellings(word) for text in found)
