"""The jobs that benchmarks have done: one that does nothing, and one that says how long it has waited."""

import os
import time

import trio

from greenroom import Job, Queue, Work

QUEUE = "bench"
LIMITED = Queue("limited", per_key=20)
KEYED = "keyed"
LEFT = "left"
AT = 8  # bytes of one wait in the file: nanoseconds


class Nothing(Job, queue=QUEUE, tag="job.nothing"):
    """A job that costs what any job costs."""

    number: int = 0

    async def run(self, work: Work) -> int:
        return self.number


class Waited(Job, queue=QUEUE, tag="job.waited"):
    """Appends to a file how long ago it was sent: one system call, so that many of them don't mix."""

    sent_ns: int  # of this machine's monotonic clock
    file: str

    async def run(self, work: Work) -> None:
        note_wait(self.file, self.sent_ns)


class Keyed(Job, queue=KEYED, tag="job.keyed"):
    """As Nothing, or with a file as Waited, where keys take turns."""

    number: int = 0
    key: str = ""
    sent_ns: int = 0
    file: str = ""
    partition = "key"

    async def run(self, work: Work) -> int:
        if self.file:
            note_wait(self.file, self.sent_ns)
        return self.number


def note_wait(file: str, sent_ns: int) -> None:
    """Append how long ago that was."""
    waited_ns = time.monotonic_ns() - sent_ns
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, waited_ns.to_bytes(AT, "little"))
    finally:
        os.close(descriptor)


class Limited(Job, queue=LIMITED, tag="job.limited"):
    """As Nothing, where keys take turns and few jobs of each are under way."""

    number: int = 0
    key: str = ""
    partition = "key"

    async def run(self, work: Work) -> int:
        return self.number


class Left(Job, queue=LEFT, tag="job.left"):
    """The first time it says which process it is in, and runs for ever; the next time it says when that is."""

    file: str

    async def run(self, work: Work) -> None:
        try:
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND)
            os.write(descriptor, time.monotonic_ns().to_bytes(AT, "little"))
            os.close(descriptor)
            return
        os.write(descriptor, os.getpid().to_bytes(AT, "little"))
        os.close(descriptor)
        await trio.sleep_forever()
