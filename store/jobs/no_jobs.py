"""No jobs: where none are stored, a queue begins empty."""

from collections.abc import Sequence

import trio

from greenroom.config.telemetry.job_instruments import JobInstruments, QueueCounts
from greenroom.store.jobs.filter import Match
from greenroom.store.jobs.jobs import Begun, JobFound, JobOutcome, Question, Seen
from greenroom.store.journal.consequences.jobs import JobRow


class NoJobs:
    """See QueueReads. What is counted nobody sees."""

    def counts(self, queue: str) -> QueueCounts:
        return JobInstruments().of(queue)

    async def begin(self, queue: str, now_ms: int) -> Begun:
        await trio.lowlevel.checkpoint()
        return Begun(Seen(""), [], [])

    async def page(self, queue: str, seen: Seen, after: str, *, arguments: bool) -> list[JobRow]:
        await trio.lowlevel.checkpoint()
        return []

    async def find(self, job_id: str) -> JobFound | None:
        await trio.lowlevel.checkpoint()
        return None

    async def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        await trio.lowlevel.checkpoint()
        return {}

    async def ended(self, ids: Sequence[str]) -> list[JobFound]:
        await trio.lowlevel.checkpoint()
        return []

    async def forgotten(self, queues: Sequence[str]) -> list[str]:
        await trio.lowlevel.checkpoint()
        return []

    async def with_steps(self, queue: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        return []

    async def steps(self, job_id: str) -> dict[str, bytes]:
        await trio.lowlevel.checkpoint()
        return {}

    def look(self, queue: str, seen: Seen) -> None:
        """Nothing comes."""

    def read(self, queue: str, ids: Sequence[str]) -> None:
        """Nothing comes."""

    def read_clear(self, queue: str, ids: Sequence[str]) -> None:
        """Nothing comes."""

    def match(self, queue: str, match: Match) -> bool:
        """Nobody looks."""
        return False

    def ask(self, queue: str, question: Question) -> bool:
        """Nobody reads."""
        return False
