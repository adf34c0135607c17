"""Declaring: once it has started, a node sees to it that the schedules of its code are as the code says.

It asks the book what has changed, and has each schedule that did made anew; those that the code declares no more are
orphaned by the book. Whatever is repeated or lost on the way comes to the same: the last node that starts decides. Of
those that are there the newest looks again from time to time: so where a release is rolled back by ending its nodes,
what the one before declares comes back.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
import trio

from greenroom.actors.jobs.schedule.book.messages import BOOK, NAMED_MAX, Compare
from greenroom.actors.jobs.schedule.declared import DeclaredSchedule
from greenroom.actors.jobs.schedule.messages import Declare
from greenroom.actors.model.errors import ActorError
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Member
from greenroom.supervisors.supervision.backoff import NewBackoff

log = structlog.get_logger("greenroom.jobs")

ANSWER_S = 10.0  # for each question
COMPARE_S = 180.0  # between two looks


class Declaring:
    """A supervised child: `run`."""

    def __init__(
        self,
        declared: Sequence[DeclaredSchedule],
        *,
        ask: Callable[[str, Any], Awaitable[Any]],
        is_there: Callable[[str], Awaitable[bool]],
        new_backoff: NewBackoff,
        is_newest: Callable[[], bool] = lambda: True,
        instruments: JobInstruments | None = None,
    ) -> None:
        """`is_there`: is anything stored of that entity? Where nothing is declared, and never was, nobody is woken.
        `is_newest`: has no node that is there been started since this one was?"""
        self._declared = {one.name: one for one in declared}
        self._ask = ask
        self._is_there = is_there
        self._new_backoff = new_backoff
        self._is_newest = is_newest
        self._instruments = instruments or JobInstruments()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        await self._see_to_it()
        while True:
            await trio.sleep(COMPARE_S)
            if self._is_newest():
                await self._see_to_it()
            else:
                self._instruments.schedules_orphaned = 0  # another node says

    async def _see_to_it(self) -> None:
        """Until it could."""
        backoff = self._new_backoff()
        refused = ""
        while True:
            try:
                return await self._declare()
            except (ActorError, StoreUnavailable, trio.TooSlowError) as error:
                if not getattr(error, "temporary", True) and refused != shown(error):  # once: it goes on trying
                    refused = shown(error)
                    log.warning("schedules_not_declared", error=refused)
            await trio.sleep(backoff.next())

    async def _declare(self) -> None:
        """Raises: ActorError, StoreUnavailable, trio.TooSlowError."""
        if not self._declared and not await self._is_there(BOOK):
            return
        with trio.fail_after(ANSWER_S):
            compare = Compare(declared={name: one.digest for name, one in self._declared.items()})
            wanted = await self._ask(BOOK, compare)
        self._instruments.schedules_orphaned = wanted.orphaned
        for name in wanted.names:
            one = self._declared[name]
            with trio.fail_after(ANSWER_S):
                await self._ask(f"schedule:{name}", Declare(spec=one.spec, digest=one.digest, turn=wanted.turn))
        if wanted.names:
            log.info("schedules_declared", schedules=len(wanted.names), names=wanted.names[:NAMED_MAX])


def is_newest(members: Sequence[Member], me: int) -> bool:
    """Has no node been started since this one, of those that stay? `members`: the oldest first; none before the first
    look."""
    staying = [one.incarnation for one in members if one.state != "draining" or one.incarnation == me]
    return not staying or staying[-1] == me
