"""A job that is not finished, as its queue knows it."""

from msgspec import Struct

from greenroom.actors.jobs.options import Options, decode_options
from greenroom.store.journal.consequences.jobs import JobRow


class Waiting(Struct, gc=False, eq=False):
    """There may be a million. `gc=False`: nothing that it leads to leads back to it."""

    id: str
    job: str  # the tag of its class
    arguments: bytes | None  # None: to be read when it is taken
    partition: str
    priority: int
    added_ms: int
    due_ms: int
    attempts: int
    attempts_max: int
    lost: int
    token: int = 0  # of the take that has it; 0 while nobody has
    options: Options | None = None  # as most have none

    @classmethod
    def of(cls, row: JobRow) -> "Waiting":
        return cls(
            row.id, row.job, row.arguments, row.partition, row.priority, row.added_ms, row.due_ms, row.attempts,
            row.attempts_max, row.lost, 0, decode_options(row.options),
        )  # fmt: skip
