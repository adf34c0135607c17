"""Attempts: what becomes of a job whose attempt has ended without success. Pure; time is an argument."""

from msgspec import Struct
from msgspec.structs import replace

from greenroom.actors.jobs.queue.desk.endings import error_of, why_cancelled
from greenroom.actors.jobs.queue.desk.hands import Held
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.actors.jobs.retry import Retry
from greenroom.store.journal.consequences.jobs import Ended, EndRow

LOST_MAX = 3  # workers that may end with a job in hand
REST_MAX_S = 366 * 86_400
NONE_TO_WAIT_FOR = "it is to wait for jobs that it has added, and there are none, or it has waited for them"
OWN_RETRY = Retry()  # of a worker that does not say when


class Again(Struct, frozen=True):
    """It is tried again."""

    due_ms: int
    error: bytes | None


def was_unbegun(one: Finished) -> bool:
    """Has nobody begun it? Of one that has come to something, or may have, that is not taken on trust."""
    return one.unbegun and (one.refund or one.cancelled) and one.error is None and not one.lost and not one.rests


def after_attempt(job: Waiting, one: Finished, held: Held, why: str | None, now_ms: int) -> EndRow | Again:
    """Of one that a worker has said something about. `why` it is to be cancelled; None: it is not. Counts it."""
    if one.rests and why is None:  # it can't: it would be handed out again at once, for ever
        one = replace(one, refund=False, error=NONE_TO_WAIT_FOR)
    error: bytes | None = None
    if one.error is not None and not one.refund:  # what was no attempt has no error
        error = error_of(now_ms, held.worker, job.attempts + 1, one.error, one.trace)
    if one.cancelled or why is not None:
        if error is None and why is not None:
            error = error_of(now_ms, held.worker, job.attempts + 1, why_cancelled(why))
        return _ended(job, "cancelled", held, error, now_ms)
    if one.lost:
        job.lost += 1
        if job.lost >= LOST_MAX:
            return _poisoned(job, held, now_ms)
    elif not one.refund:
        job.attempts += 1
        if one.final or job.attempts >= job.attempts_max:
            return _ended(job, "failed", held, error, now_ms)
    if one.refund and one.retry_s is None:  # where it was
        return Again(job.due_ms, error)
    rest_s = one.retry_s if one.retry_s is not None else OWN_RETRY.rest_s(job.attempts)
    return Again(now_ms + whole_ms(rest_s), error)


def after_silence(job: Waiting, held: Held, why: str | None, now_ms: int, *, was_lost: bool) -> EndRow | Again:
    """Of one that goes to others without a word. `was_lost`: its worker has ended with it in hand. Counts it."""
    error: bytes | None = None
    if was_lost:
        job.lost += 1
        error = error_of(now_ms, held.worker, job.attempts + 1, "the worker was lost")
    if why is not None:
        return _ended(job, "cancelled", held, error, now_ms)
    if job.lost >= LOST_MAX:
        return _poisoned(job, held, now_ms)
    return Again(job.due_ms, error)  # where it was: it has waited its turn


def _poisoned(job: Waiting, held: Held, now_ms: int) -> EndRow:
    error = error_of(now_ms, held.worker, job.attempts + 1, f"it ended {LOST_MAX} workers")
    return _ended(job, "failed", held, error, now_ms)


def _ended(job: Waiting, state: Ended, held: Held, error: bytes | None, now_ms: int) -> EndRow:
    return EndRow(job.id, state, now_ms, held.worker, held.at_ms, None, error)


def whole_ms(seconds: float) -> int:
    """Whatever a job's code says: 0 to REST_MAX_S."""
    return int(max(0.0, min(seconds, REST_MAX_S)) * 1000)
