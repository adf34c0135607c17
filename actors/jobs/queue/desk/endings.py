"""Endings: how a job, or one attempt at it, has ended, as that is stored."""

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.texts import NULL_JSON, why_no_json
from greenroom.store.jobs.sealing import RESULT, Place, is_for, is_sealed
from greenroom.store.journal.consequences.jobs import EndRow

ERROR_MAX = 8_192  # characters of an error that are kept
RESULT_MAX = 256 << 10  # bytes


def error_of(at_ms: int, worker: str, attempt: int, error: str, trace: str = "") -> bytes:
    """Of one attempt."""
    text = {"at_ms": at_ms, "worker": worker, "attempt": attempt, "error": _kept(error)}
    if trace:
        text["trace"] = _kept(trace)
    return msgspec.json.encode(text)


def why_cancelled(reason: str) -> str:
    return f"cancelled: {reason}" if reason else "cancelled"


def one_of(job_id: str, other: str, now_ms: int) -> EndRow:
    """How one ends that is not done, since another with its key is."""
    text = f"another is done in its place: {other}"
    error = msgspec.json.encode({"at_ms": now_ms, "error": text, "instead": other})
    return EndRow(job_id, "cancelled", now_ms, error=error, instead=other)


def in_history(finished: Iterable[Finished], lineage: str) -> list[Finished]:
    """A job that was taken in another history than that one may have done what a failover has lost since, though it was
    told that it is done: it is done again, and this was no attempt."""
    return [
        Finished(one.id, one.token, refund=True)
        if one.lineage not in (None, lineage) and one.error is None and not one.cancelled and not one.refund
        else one
        for one in finished
    ]


def wrong_with(result: Raw, job: str, job_id: str) -> str:
    """Of that job of that class, why it can't be kept; "": it can.

    What is encrypted must be its own result: others, who read results, open whatever is. A job that could say what
    another one was given in secret, as it is stored, would have it opened there.
    """
    if len(result) > RESULT_MAX:
        return f"has more than {RESULT_MAX} bytes"
    if is_sealed(result) and not is_for(result, Place(job, job_id, RESULT)):
        return "is marked as encrypted, and not by this job"
    wrong = why_no_json(result)
    return f"is no JSON: {wrong}" if wrong else ""


def kept_of(result: Raw) -> bytes | None:
    """None: nothing."""
    kept = bytes(result)
    return None if kept == NULL_JSON else kept


def _kept(text: str) -> str:
    """As jsonb takes it: no NUL, and no half of a pair."""
    return text[:ERROR_MAX].replace("\0", "\\0").encode(errors="replace").decode()
