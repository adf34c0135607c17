"""Again: a job of a flow that has ended before it was free, tried again. It would end as before, and with it what it
waits for that is under way by now: so its children that have not succeeded are tried again with it. So are those that
it has added itself, and not waited for to the end. Pure.

How they had ended counts no more, by the time of it; so it does not matter who is tried again first, in which queue.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from greenroom.actors.jobs.options import decode_options
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.store.jobs.jobs import JobOutcome
from greenroom.store.journal.consequences.jobs import JobRow

Ends = dict[str, dict[str, int]]  # by queue, and by the job's id: when it had ended


def asked_of(row: JobRow) -> list[str]:
    """Which jobs one must know of that is to be tried again; none where it was free."""
    waits = _waits(row)
    return [one.id for one in waits.ahead(was_free=bool(row.let_go))] if waits is not None else []


def behind(row: JobRow, outcomes: Mapping[str, JobOutcome]) -> tuple[JobRow, Ends]:
    """As it waits again, and what is to be tried again for it."""
    options, waits = decode_options(row.options), _waits(row)
    ahead = waits.ahead(was_free=bool(row.let_go)) if waits is not None else []
    if options is None or waits is None or not ahead:
        return row, {}
    ends: Ends = {}
    jobs = waits.jobs[: -len(ahead)]
    for one in ahead:
        found = outcomes.get(one.id)
        if found is not None and _is_vain(one, found):
            ends.setdefault(found.queue, {})[one.id] = found.ended_ms or 0
            jobs.append(replace(one, is_settled=False, past_ms=found.ended_ms or 0))
        else:  # of one that is gone it is known whether it had done its part
            jobs.append(replace(one, is_settled=one.is_settled and found is None, past_ms=0))
    return replace(row, options=replace(options, waits=replace(waits, jobs=jobs)).encode()), ends


def ending_of(row: JobRow, outcomes: Mapping[str, JobOutcome]) -> list[str]:
    """Its children that are being cancelled: too late to be tried again with it, they would end it as before."""
    waits = _waits(row)
    if waits is None:
        return []
    ahead = waits.ahead(was_free=bool(row.let_go))
    return [one.id for one in ahead if one.is_child and one.id in outcomes and outcomes[one.id].is_cancelling]


def _is_vain(one: Awaited, found: JobOutcome) -> bool:
    """A child that has ended without having succeeded, and nothing is done in its place."""
    return one.is_child and found.state in ("failed", "cancelled") and not found.instead


def _waits(row: JobRow) -> Waits | None:
    options = decode_options(row.options)
    return options.waits if options is not None else None
