"""Spawning: a job that is worked on adds children, of which it remembers in its own row that it has. Pure.

The row names them by their group, so an attempt that comes after is told what an earlier one has added; and it is
written in the append that adds them, so there is none of which nobody knows.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from greenroom.actors.jobs.options import NO_OPTIONS, Options, decode_options
from greenroom.actors.jobs.queue.flows.messages import Spawn, SpawnJob
from greenroom.actors.jobs.waits import WAITS_MAX, Awaited
from greenroom.actors.model.errors import Refused
from greenroom.store.journal.consequences.jobs import JobRow

SPAWN_DEPTH_MAX = 30  # jobs above one, each of which has added the next
EMPTY_MAX = 100  # groups without children that one job remembers
SPAWN_BYTES_MAX = 4 << 20  # of the arguments of one group: it is one frame between nodes


def spawned_before(parent: Options | None, group: str) -> list[str] | None:
    """Ids of what it has added under that name, which may be nothing; None: it has not used it yet."""
    options = parent or NO_OPTIONS
    ids = [one.id for one in options.waits.jobs if one.group == group] if options.waits is not None else []
    return ids if ids or group in options.empty else None


def remembers_none(parent: Options | None) -> bool:
    """Is there room for one more group that has no children? Of those beyond, an attempt that comes after may add some:
    none were added, so none are twice."""
    return parent is None or len(parent.empty) < EMPTY_MAX


def require_room(parent: Options | None, message: Spawn) -> None:
    """Raises: Refused `queue.unique_in_flow`, `queue.too_many_children`, `queue.too_deep`, `queue.group_too_long`."""
    options = parent or NO_OPTIONS
    if options.unique is not None or any(job.unique is not None for job in message.jobs):
        text = "a job with a `unique` adds no children, and is no such child"
        raise Refused("queue.unique_in_flow", text, status=422)
    known = len(options.waits.jobs) if options.waits is not None else 0
    if known + len(message.jobs) > WAITS_MAX:
        text = f"a job waits for {WAITS_MAX} others at most, and this one does for {known} already"
        raise Refused("queue.too_many_children", text, status=409)
    if options.depth >= SPAWN_DEPTH_MAX:
        text = f"{SPAWN_DEPTH_MAX} jobs stand above it, each of which has added the next"
        raise Refused("queue.too_deep", text, status=409)
    if sum(len(job.arguments) for job in message.jobs) > SPAWN_BYTES_MAX:
        text = f"the arguments of one group have more than {SPAWN_BYTES_MAX} bytes"
        raise Refused("queue.group_too_long", text, status=413)


def as_children(rows: Sequence[JobRow], jobs: Sequence[SpawnJob], queue: str, parent: Options | None) -> None:
    """These rows, of these jobs, for their queues and in the name of whoever that job is for."""
    above = parent or NO_OPTIONS
    for row, job in zip(rows, jobs, strict=True):
        row.queue = job.queue or queue
        options = decode_options(row.options) or NO_OPTIONS
        by, trace = options.by or above.by, options.trace or above.trace
        row.options = replace(options, by=by, trace=trace, depth=above.depth + 1).encode()


def awaited(rows: Sequence[JobRow], message: Spawn) -> list[Awaited]:
    """As their parent names them."""
    return [
        Awaited(row.id, job.on_failure, is_child=True, queue=row.queue, group=message.group)
        for row, job in zip(rows, message.jobs, strict=True)
    ]
