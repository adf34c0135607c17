"""Known: the jobs of a queue that are not finished, with their arguments as far as there is memory for them."""

from greenroom.actors.jobs.queue.desk.expiries import Expiries
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.store.journal.consequences.jobs import JobRow

ARGUMENTS_BYTES_MAX = 32 << 20  # bytes of arguments kept in memory; what is beyond is read when it is taken


class Known(dict[str, Waiting]):
    """By id."""

    def __init__(self) -> None:
        super().__init__()
        self.arguments_bytes = 0  # in memory
        self.expiries = Expiries()

    @property
    def is_laden(self) -> bool:
        """Is there no room for arguments in memory?"""
        return self.arguments_bytes >= ARGUMENTS_BYTES_MAX

    def know(self, row: JobRow) -> Waiting:
        """One that is new here."""
        job = self[row.id] = Waiting.of(row)
        if job.arguments is not None:
            if self.arguments_bytes + len(job.arguments) <= ARGUMENTS_BYTES_MAX:
                self.arguments_bytes += len(job.arguments)
            else:
                job.arguments = None
        if job.options is not None and job.options.expires_ms:
            self.expiries.add(job)
        return job

    def give(self, job: Waiting, arguments: bytes) -> None:
        """Others than it had. In memory in any case: what is stored is older until they are committed."""
        self.arguments_bytes += len(arguments) - len(job.arguments or b"")
        job.arguments = arguments

    def forget(self, job: Waiting) -> None:
        """It is finished."""
        del self[job.id]
        if self.expiries:
            self.expiries.forget(job.id)
        if job.arguments is not None:
            self.arguments_bytes -= len(job.arguments)
