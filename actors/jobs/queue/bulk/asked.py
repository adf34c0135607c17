"""Bulk commands whose jobs are being looked for, which may take a second: the queue goes on meanwhile. Pure."""

from msgspec import Struct
from msgspec.structs import replace

from greenroom.actors.jobs.ids import ID
from greenroom.actors.jobs.listing.where import cursors_of
from greenroom.actors.jobs.queue.bulk.messages import ABOUT, MEANT, Bulk
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Later
from greenroom.actors.views.cursor import BadCursor
from greenroom.store.jobs.filter import JobFilter, Match

ASKED_MAX = 16  # of one queue
FORGOTTEN_MS = 60_000  # after which nobody waits for one: a command's own deadline is shorter


class Asked(Struct):
    """One of them."""

    later: Later
    message: Bulk
    asked: JobFilter
    at_ms: int


class Bulks:
    """Of one queue."""

    def __init__(self, queue: str, first: int) -> None:
        """`first`: by chance, since what a former life has asked for may still be answered to this one."""
        self._queue = queue
        self._asked: dict[int, Asked] = {}
        self._number = first
        self._revived: set[str] = set()

    def ask(self, message: Bulk, now_ms: int) -> tuple[Later, Match]:
        """The answer that is to come, and what is to be looked for. Raises: Refused."""
        asked = meant(self._queue, message)
        before = _place(asked, message.after)
        self._forget(now_ms)
        if len(self._asked) >= ASKED_MAX:
            raise Refused("queue.too_many_bulks", f"{ASKED_MAX} are under way", status=429)
        self._number += 1
        later = Later()
        self._asked[self._number] = Asked(later, message, asked, now_ms)
        return later, Match(
            number=self._number,
            asked=asked,
            before=before,
            most=message.most,
            counts=message.dry_run,
            is_whole=message.act == "retry",
            names=message.act == "drop",
        )

    def revived(self, job_id: str) -> None:
        """It has begun anew: what was read of it may be older than that."""
        if self._asked:
            self._revived.add(job_id)

    def is_old(self, job_id: str) -> bool:
        """May what was read of its end not be true any more?"""
        return job_id in self._revived

    def is_idle(self, now_ms: int) -> bool:
        """Does nobody wait?"""
        self._forget(now_ms)
        return not self._asked

    def came(self, number: int) -> Asked | None:
        """The one whose jobs were found; None: nobody waits for it any more."""
        return self._asked.get(number)

    def end(self, number: int) -> None:
        """It is answered."""
        self._asked.pop(number, None)
        if not self._asked:
            self._revived.clear()

    def _forget(self, now_ms: int) -> None:
        for number in [number for number, one in self._asked.items() if one.at_ms + FORGOTTEN_MS <= now_ms]:
            self.end(number)


def meant(queue: str, message: Bulk) -> JobFilter:
    """Jobs of those states alone that it can be done about. Raises: Refused."""
    if message.act == "edit" and message.priority is None and message.due_ms is None:
        raise Refused("queue.nothing_to_edit", "`priority` or `due_ms` must be given", status=422)
    if message.detached and (message.act != "retry" or not message.where.id):
        raise Refused("queue.detached_by_id", "`detached`: is of a retry of jobs by their `id`", status=422)
    for state in message.where.state:
        if state not in ABOUT[message.act]:
            raise Refused(
                "queue.not_of_that_state",
                f"`where.state`: {message.act} is about {', '.join(ABOUT[message.act])}, and not {state}",
                status=422,
            )
    states = tuple(message.where.state) or (ABOUT if message.where.id else MEANT)[message.act]
    return replace(message.where.of(queue), states=states)


def _place(asked: JobFilter, after: str | None) -> str | None:
    """Raises: Refused."""
    if after is None:
        return None
    try:
        (before,) = cursors_of(asked).decode(after)
    except BadCursor:
        before = ""
    if ID.fullmatch(before) is None:
        raise Refused("queue.bad_after", "`after` is of another filter", status=422)
    return str(before)
