"""A schedule in the kit, and the queue that it starts jobs in, as far as it hears of it."""

from datetime import datetime
from typing import Any

import pytest
from msgspec import Raw

from greenroom import Job, Retry, Work
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.jobs.schedule import Schedule, schedule_of
from greenroom.actors.jobs.schedule.messages import Set, Trigger, Triggered
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Done
from greenroom.actors.testing.world import KitJobs
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.journal.consequences.jobs import JobRow
from greenroom.testing import Kit

MINUTE = 60.0
BEGUN_S = 1_750_000_020.0 // 60 * 60 - 30  # half a minute before a minute
MINUTELY = {"cron": "* * * * *"}
FIRST_MS = int(BEGUN_S + 30) * 1000


class Report(Job, queue="mail", tag="job.report"):
    of: str = "all"
    retry = Retry(attempts=7)
    partition = "of"

    async def run(self, work: Work) -> str:
        return self.of


JOBS = Jobs([Report])


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


class Found(KitJobs):
    """All jobs run, but those that `by_id` has, and those that are gone."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()

    async def find(self, job_id: str) -> JobFound | None:
        if job_id in self.gone:
            return None
        return await super().find(job_id) or JobFound(JobRow(job_id, "mail", "job.report", b"{}", 0, 0), "active")


class Stage:
    """A schedule alone."""

    def __init__(self, **fields: Any) -> None:
        self.kit: Kit[Schedule] = Kit(schedule_of(JOBS), key="nightly", now=BEGUN_S)
        self.entered: list[Any] = []
        self.kit._world.jobs = self.jobs = Found()
        self.kit.when_asked("schedules:all", self._enter)
        if fields:
            self.set(**fields)

    def _enter(self, message: Any) -> Done:
        self.entered.append(message.entry)
        return Done()

    def set(self, **fields: Any) -> int | None:
        return self.kit.ask(Set(**{"job": "job.report", **fields}), user="ann", roles=("service",)).next_ms

    def trigger(self, **fields: Any) -> Triggered:
        return self.kit.ask(Trigger(**fields))

    @property
    def started(self) -> list[str]:
        """Ids of jobs."""
        return [one.id for one in self.kit.started]

    def end(self, job: str | None = None, name: str = "") -> None:
        """That job, or the newest, has ended; `name`: of what went wrong."""
        entity = f"job:{job or self.started[-1]}"
        if name:
            self.kit.tell(Undelivered(entity=entity, about="run", name=name, detail="why"))
        else:
            self.kit.tell(Answered(entity=entity, about="run", reply=Raw(b"null")))

    def seen(self, name: str) -> Any:
        return self.kit.view()[name]

    @property
    def ticks(self) -> list[float]:
        """Minutes of the ticks whose jobs were started, from the first one that there was."""
        first_ms = (BEGUN_S + 30) * 1000
        return [(run["tick_ms"] - first_ms) / 60_000 for run in self.seen("recent")]


def refusal(stage: Stage, **fields: Any) -> tuple[str, int]:
    with pytest.raises(Refused) as caught:
        stage.set(**fields)
    return caught.value.name, caught.value.status


def cancels(stage: Stage) -> list[tuple[str, str]]:
    return [(told.entity, told.message.id) for told in stage.kit.told if isinstance(told.message, CancelJob)]
