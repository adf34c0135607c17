"""Gathering: jobs of one class and key that are taken, until there are as many as one call takes, or time is up."""

from collections import deque
from collections.abc import Callable, Sequence

import trio

from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.messages import TakenJob
from greenroom.actors.model.errors import Refused

Taken = tuple[TakenJob, int]  # with its token


class Gathering:
    """One chunk that is not begun. `jobs` may lose some meanwhile, or all."""

    def __init__(self, first: Taken, installed: InstalledJob) -> None:
        assert installed.job.chunks is not None
        self.jobs: list[Taken] = [first]
        self._installed = installed
        self._key = _key_of(first[0], installed)
        self._most = installed.job.chunks.most if first[0].lost == 0 else 1  # it may be what has ended its worker
        self._until = trio.current_time() + installed.job.chunks.wait_s

    @property
    def wants(self) -> int:
        """More of them."""
        return max(0, self._most - len(self.jobs))

    def pick(self, todo: deque[Taken]) -> None:
        """What there is for it."""
        if not self.wants:
            return
        left: list[Taken] = []
        for one in todo:
            (self.jobs if self._fits(one[0]) else left).append(one)
        todo.clear()
        todo.extend(left)

    def _fits(self, job: TakenJob) -> bool:
        return (
            self.wants > 0
            and job.lost == 0
            and job.job == self._installed.tag
            and _key_of(job, self._installed) == self._key
        )

    def hurry(self) -> None:
        """It begins with those that it has."""
        self._most = 0

    @property
    def left_s(self) -> float:
        """That it waits for more; 0: it is to begin."""
        return max(0.0, self._until - trio.current_time()) if self.wants and self.jobs else 0.0

    def drop(self, of: Callable[[Taken], bool]) -> list[Taken]:
        """It is without these."""
        gone = [one for one in self.jobs if of(one)]
        self.jobs = [one for one in self.jobs if not of(one)]
        return gone


def wants_of(gatherings: Sequence[Gathering]) -> int:
    """Jobs that may be taken for these."""
    return sum(one.wants for one in gatherings)


def _key_of(job: TakenJob, installed: InstalledJob) -> str:
    try:
        return installed.key_of(installed.opened_or(job.arguments, job.id))
    except Refused:
        return ""
