"""The finder: reads for the queues that are awake here what others have added, arguments that are not in memory, and
how jobs are that theirs wait for.

Queues ask it and go on; what it has read comes to them as a message. It asks the store for many queues at once, one
statement after the other: under load each brings what piled up meanwhile.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import structlog
import trio

from greenroom.actors.jobs.queue.found import FoundRows, ReadArguments, ReadClear, ReadOutcomes
from greenroom.actors.model.message import Message
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.filter import Match
from greenroom.store.jobs.jobs import LOOKS_MAX, Begun, JobFound, JobOutcome, JobStore, Question, Seen
from greenroom.store.journal.consequences.jobs import JobRow
from greenroom.supervisors.supervision.backoff import Backoff, NewBackoff

log = structlog.get_logger("greenroom.jobs")

READS_MAX = 256  # jobs whose arguments are read by one statement
ASKS_MAX = 1_024  # questions of queues here how jobs are
REST_S = 0.003  # after a look: what comes meanwhile comes together


class Finder:
    """See QueueReads. A supervised child: `run`. What it is asked for while that does not run waits."""

    def __init__(
        self,
        store: JobStore,
        *,
        tell: Callable[[str, Message], bool],
        new_backoff: NewBackoff,
        match: Callable[[str, Match], bool] = lambda queue, match: False,
        instruments: JobInstruments | None = None,
    ) -> None:
        """`tell`: an entity that is awake here; false where it is not, or can't take it. `match`: see matcher.py."""
        self._store = store
        self._match = match
        self._tell = tell
        self._new_backoff = new_backoff
        self.counts = (instruments or JobInstruments()).of
        self._looks: dict[str, Seen] = {}  # at most one of each queue that is awake
        self._reads: dict[str, dict[str, None]] = {}  # queue -> ids; as many as its workers have taken
        self._clear: dict[str, list[str]] = {}  # ids, of each queue as many as it asks for at once
        self._stir = trio.Event()
        self._asks: deque[tuple[str, Question]] = deque()
        self._asked = trio.Event()

    async def begin(self, queue: str, now_ms: int) -> Begun:
        return await self._store.begin(queue, now_ms)

    async def page(self, queue: str, seen: Seen, after: str, *, arguments: bool) -> list[JobRow]:
        return await self._store.page(queue, seen, after, arguments=arguments)

    async def find(self, job_id: str) -> JobFound | None:
        return await self._store.find(job_id)

    async def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        return await self._store.outcomes(ids, results=results)

    async def ended(self, ids: Sequence[str]) -> list[JobFound]:
        return await self._store.ended(ids)

    async def forgotten(self, queues: Sequence[str]) -> list[str]:
        return await self._store.forgotten(queues)

    async def with_steps(self, queue: str) -> list[str]:
        return await self._store.with_steps(queue)

    async def steps(self, job_id: str) -> dict[str, bytes]:
        return await self._store.steps(job_id)

    def look(self, queue: str, seen: Seen) -> None:
        self._looks[queue] = seen
        self._stir.set()

    def read(self, queue: str, ids: Sequence[str]) -> None:
        self._reads.setdefault(queue, {}).update(dict.fromkeys(ids))
        self._stir.set()

    def read_clear(self, queue: str, ids: Sequence[str]) -> None:
        self._clear[queue] = list(ids)
        self._stir.set()

    def ask(self, queue: str, question: Question) -> bool:
        if len(self._asks) >= ASKS_MAX:
            return False
        self._asks.append((queue, question))
        self._asked.set()
        return True

    def match(self, queue: str, match: Match) -> bool:
        return self._match(queue, match)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:  # owner: this call; a crash of one ends both, and all begins anew
            nursery.start_soon(self._answer)
            nursery.start_soon(self._find)
            task_status.started()

    async def _find(self) -> None:
        backoff: Backoff | None = None
        while True:
            try:
                await self._look()
                await self._read()
                await self._read_clear()
                backoff = None
            except StoreUnavailable as error:  # queues ask again
                log.info("jobs_not_looked_for", error=shown(error))
                backoff = backoff or self._new_backoff()
                await trio.sleep(backoff.next())
            if not self._looks and not self._reads and not self._clear:
                self._stir = trio.Event()
                await self._stir.wait()

    async def _answer(self) -> None:
        """Questions, beside what is looked for: results may be long."""
        backoff: Backoff | None = None
        while True:
            while self._asks:
                queue, question = self._asks[0]
                try:
                    outcomes = await self._store.outcomes(question.ids, results=question.results)
                except StoreUnavailable as error:
                    log.info("jobs_not_looked_for", error=shown(error))
                    backoff = backoff or self._new_backoff()
                    await trio.sleep(backoff.next())
                    continue
                backoff = None
                self._asks.popleft()
                self._tell(f"queue:{queue}", ReadOutcomes(number=question.number, outcomes=outcomes))
            self._asked = trio.Event()
            await self._asked.wait()

    async def _look(self) -> None:
        """Raises: StoreUnavailable."""
        wanted = dict([self._looks.popitem() for _ in range(min(len(self._looks), LOOKS_MAX))])
        if not wanted:
            return
        try:
            found = await self._store.look(wanted)
        except StoreUnavailable:
            self._looks = wanted | self._looks
            raise
        for queue, look in found.items():
            self._tell(f"queue:{queue}", FoundRows(since=wanted[queue], look=look))
        await trio.sleep(REST_S)

    async def _read(self) -> None:
        """Raises: StoreUnavailable."""
        for queue in list(self._reads):
            ids = list(islice(self._reads[queue], READS_MAX))
            arguments = await self._store.arguments(ids)
            _remove(self._reads, queue, ids)
            self._tell(f"queue:{queue}", ReadArguments(ids=ids, arguments=arguments))

    async def _read_clear(self) -> None:
        """Of one queue: nobody waits for them, as somebody does for what else is read. Raises: StoreUnavailable."""
        for queue, ids in islice(self._clear.items(), 1):
            arguments = await self._store.clear_arguments(ids)
            if self._clear[queue] is ids:
                del self._clear[queue]
            self._tell(f"queue:{queue}", ReadClear(ids=ids, arguments=arguments))
            return


def _remove(wanted: dict[str, dict[str, None]], queue: str, ids: Sequence[str]) -> None:
    left = wanted[queue]
    for one in ids:
        del left[one]
    if not left:
        del wanted[queue]
