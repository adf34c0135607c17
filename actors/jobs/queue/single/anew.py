"""A job that has ended, as it is begun anew."""

from msgspec.structs import replace

from greenroom.actors.jobs.options import Options, decode_options
from greenroom.store.journal.consequences.jobs import JobRow

SCHEDULES = "schedule:"  # they note how a run has ended, and do nothing about it


def settled_with(row: JobRow) -> str:
    """The entity that has started it, was told how it ended, and has gone on from there: a saga that has failed goes
    back. What that job does a second time it does behind its back. "": there is none."""
    options = decode_options(row.options)
    return options.origin if options is not None and not options.origin.startswith(SCHEDULES) else ""


def anew(row: JobRow, now_ms: int) -> JobRow:
    """With all its attempts, and for as long as it takes. Whom it was one with, and who has started it, has been
    settled. Who may watch it stays, as does its weight, and what it waits for: of these some may be tried again too."""
    options = decode_options(row.options)
    kept = None
    if options is not None:
        kept = Options(
            by=options.by, waits=options.waits, weight=options.weight, depth=options.depth, empty=options.empty
        ).encode()
    return replace(
        row, attempts=0, lost=0, due_ms=now_ms, cancel=None, options=kept, unique_key=None, is_of_others=False
    )
