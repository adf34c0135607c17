"""A job that is not finished, as its queue knows it."""

from typing import Final

from msgspec import Struct

from greenroom.actors.jobs.options import WEIGHT_MAX, Options, decode_options
from greenroom.store.journal.consequences.jobs import JobRow

# Of the arguments that one take has, and those of one job more: an answer is one frame between nodes, of which a link
# holds 16 MiB (GREENROOM_BUS_QUEUE_BYTES_MAX), and several workers ask at once.
TAKE_BYTES: Final = 4 << 20
GONE: Final = -1  # as a token: whoever finds it in an order is to throw it away


class Waiting(Struct, gc=False, order=True):
    """There may be a million. `gc=False`: nothing that it leads to leads back to it.

    `order`: one goes before another one by its place, and among those by its id, which grows. The order's heaps hold
    the jobs themselves, compared without a line of Python: entries of their own would be half as much again.
    """

    place: int  # the order's: nobody else's business
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
    weight: int = 1  # as so many jobs it counts in limits

    @classmethod
    def of(cls, row: JobRow) -> "Waiting":
        added_ms = row.added_ms
        # One number where both are the same: a job in memory is small.
        due_ms = added_ms if row.due_ms == added_ms else row.due_ms
        options = decode_options(row.options)
        weight = 1 if options is None else max(1, min(options.weight, WEIGHT_MAX))  # whoever writes rows may err
        return cls(
            0, row.id, row.job, row.arguments, row.partition, row.priority, added_ms, due_ms, row.attempts,
            row.attempts_max, row.lost, 0, options, weight,
        )  # fmt: skip

    @property
    def expires_ms(self) -> int:
        """When it is not to be begun any more; 0: never, or it was begun."""
        return 0 if self.options is None or self.attempts or self.lost else self.options.expires_ms
