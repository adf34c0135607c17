"""A job as operators see it: whoever may see all of it, and whoever may see that it is there. Pure.

What people have written stays with the former: arguments, results, errors, notes and lines, and its key and its user.
"""

from typing import Any

import msgspec
import msgspec.inspect as inspect

from greenroom.actors.jobs.listing.lists import JobsPage
from greenroom.actors.jobs.options import decode_options
from greenroom.actors.jobs.queue.single.telling import Standing
from greenroom.config.telemetry.redaction import REDACTED, redact_text
from greenroom.store.jobs.jobs import JobFound
from greenroom.supervisors.admin.jobs.secrets import hidden

BYTES_MAX = 64 << 10  # of arguments or a result that are shown
STEPS_SHOWN = 100
ENDED = ("completed", "failed", "cancelled")
FOR_ADMINS = ("partition", "by", "error", "arguments")  # of a job in a list


def state_of(found: JobFound, standing: Standing | None) -> str:
    """In a word; of one that its queue does not know yet, that it waits."""
    if standing is not None:
        return standing.state
    return "waiting" if found.state == "unfinished" else found.state


def what_can_be_done(state: str) -> list[str]:
    """By an admin."""
    if state in ENDED:
        return ["retry", "drop"]
    if state in ("active", "cancelling"):
        return ["cancel"] if state == "active" else []
    return ["edit", "cancel"] if state in ("waiting", "blocked") else ["retry", "edit", "cancel"]


def job_shown(
    found: JobFound,
    standing: Standing | None,
    declared: inspect.Type | None,
    *,
    full: bool,
    why: str = "",
    trouble: str = "",
    steps: list[str] | None = None,
    at_ms: int = 0,
) -> dict[str, Any]:
    """`declared`: the type of its arguments, where its class is known. `trouble`: why its queue does not say how it is.
    `steps`: those that are through."""
    row, now = found.row, standing
    state = state_of(found, standing)
    shown: dict[str, Any] = {
        "at_ms": at_ms,
        "id": row.id,
        "queue": row.queue,
        "job": row.job,
        "state": state,
        "in_code": declared is not None,
        "can": what_can_be_done(state) if not trouble else [],
        "trouble": trouble,
        "attempt": now.attempt if now is not None else 0,
        "attempts": now.attempts if now is not None else row.attempts,
        "attempts_max": row.attempts_max,
        "lost": now.lost if now is not None else row.lost,
        "priority": now.priority if now is not None else row.priority,
        "added_ms": row.added_ms,
        "due_ms": now.due_ms if now is not None else row.due_ms,
        "started_ms": now.started_ms if now is not None else found.started_ms,
        "ended_ms": found.ended_ms,
        "worker": now.worker if now is not None else found.worker,
        "share": now.share if now is not None else None,
        "errors": _errors(found.errors, full=full),
    }
    if not full:
        return shown
    options = decode_options(row.options)
    arguments, is_cut = arguments_shown(row.arguments, declared)
    result, result_is_cut = content(found.result)
    return shown | {
        "partition": row.partition,
        "by": options.by if options is not None else "",
        "origin": options.origin if options is not None else "",
        "trace": options.trace if options is not None else "",
        "unique": options.unique.key if options is not None and options.unique is not None else "",
        "why": why,
        "reason": now.reason if now is not None else "",
        "note": redact_text(now.note) if now is not None else "",
        "log": [redact_text(line) for line in now.lines] if now is not None else [],
        "first_line": now.first_line if now is not None else 0,
        "steps": steps or [],
        "arguments": arguments,
        "arguments_are_cut": is_cut,
        "result": result,
        "result_is_cut": result_is_cut,
    }


def arguments_shown(stored: bytes | None, declared: inspect.Type | None) -> tuple[Any, bool]:
    """Of a class that is not known here, nobody can say which of them are secret: none is shown."""
    if declared is None and stored is not None:
        return REDACTED, False
    return content(stored, declared)


def content(stored: bytes | None, declared: inspect.Type | None = None) -> tuple[Any, bool]:
    """JSON without its secrets; or nothing, since it is too long."""
    if stored is None:
        return None, False
    if len(stored) > BYTES_MAX:
        return None, True
    try:
        return hidden(msgspec.json.decode(stored), declared), False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return redact_text(stored.decode(errors="replace")), False


def _errors(stored: bytes | None, *, full: bool) -> list[dict[str, Any]]:
    """The newest first."""
    errors: list[dict[str, Any]] = msgspec.json.decode(stored) if stored is not None else []
    shown = []
    for error in reversed(errors):
        line = {name: error.get(name) for name in ("at_ms", "attempt", "worker")}
        if full:
            line |= {name: redact_text(str(error.get(name, ""))) for name in ("error", "trace")}
        shown.append(line)
    return shown


def list_shown(page: JobsPage, declared: dict[str, inspect.Type], *, full: bool) -> dict[str, Any]:
    """`declared`: types of arguments by the tag of the class, of those that are known."""
    rows = []
    for job in page.rows:
        row = msgspec.structs.asdict(job)
        if full:
            row["error"] = redact_text(job.error)
            row["arguments"] = arguments_shown(job.arguments, declared.get(job.job))[0]
        else:
            for name in FOR_ADMINS:
                del row[name]
        rows.append(row)
    return {"jobs": rows, "next": page.next}
