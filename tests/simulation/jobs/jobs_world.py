"""The worlds `jobs` and `assorted`: their entities, their people and their audit together."""

from functools import partial
from typing import Any

from greenroom.actors.jobs.queue import queue_of
from greenroom.actors.jobs.single import SingleJob
from greenroom.store.jobs.sealing import KEY_BYTES, keys_for
from greenroom.testing import Scenario
from tests.simulation.jobs.audit import JobsAudit
from tests.simulation.jobs.chores import STUDIOS, AssortedWishes, Studio, Wishes, mark
from tests.simulation.jobs.classes import ASSORTED, CLASSES, INSTALLED, Chore, Present, Yard
from tests.simulation.jobs.people import People

KEYS = (bytes(KEY_BYTES),)  # that jobs are encrypted with


def chores(*, lossless: bool = False, all_near: bool = False, **how: Any) -> Scenario:
    """`lossless`: no worker ends but as it should, so no attempt is lost. `all_near`: all are on the nodes' host."""
    return _of(Wishes(0.0) if lossless else Wishes(), CLASSES, lossless=lossless, near=1.0 if all_near else 0.5, **how)


def assorted(**how: Any) -> Scenario:
    """Jobs that expire, that weigh, that are done several by one call, or are encrypted; and rates that are counted."""
    return _of(AssortedWishes(), ASSORTED, around=partial(keys_for, *KEYS), **how)


def _of(wishes: Wishes, jobs: tuple[type[Chore], ...], *, lossless: bool = False, **how: Any) -> Scenario:
    yard = Present.yard = Yard()
    people = People(yard, wishes)
    return Scenario(
        kinds=(Studio, queue_of(INSTALLED), SingleJob),
        channels=STUDIOS,
        work=wishes,
        mark=mark,
        audit=lambda: JobsAudit(yard, lossless=lossless),
        jobs=jobs,
        slots=dict.fromkeys(wishes.queues, 2),
        operators=people.operators,
        tidy=people.tidy,
        **{"pace_s": 18.0} | how,
    )
