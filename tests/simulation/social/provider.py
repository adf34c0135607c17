"""What is outside in the world `social`: servers of mail, services of push, URLs of users. They are slow, away, strict,
and lose their answers, until faults stop; and they keep what they have taken, which is what the audit goes by.
"""

import random
import re
from collections import Counter

import trio
from msgspec import Struct

from greenroom.actors.inbox.deliveries.orders import (
    HookOrder,
    MailOrder,
    Order,
    Outcome,
    PushOrder,
    outcome_with,
    question_of,
)
from greenroom.actors.inbox.messages import Still
from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.work import Work

CODE = re.compile(r"within a day:\n\n(\S+)\n")
SLOW_S = 20.0
AWAY, SILENT, GONE, STRICT, SLOW = 0.1, 0.1, 0.04, 0.04, 0.1  # shares of attempts


class Taken(Struct, frozen=True):
    """A message that has arrived."""

    job: str
    order: str  # its id, by which a receiver knows it again
    to: str
    is_code: bool = False


class Provider:
    """Of one world. All who send there share it."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.codes: dict[str, str] = {}  # by address: the newest that came by mail
        self._is_calm = False

    def calm(self) -> None:
        """Whatever is sent arrives, and is answered."""
        self._is_calm = True

    @property
    def by_job(self) -> Counter[str]:
        """How often each has brought something."""
        return Counter(one.job for one in self.taken)

    async def take(self, message: Taken) -> Outcome:
        """Raises: RuntimeError, to be tried again."""
        chance = 1.0 if self._is_calm else random.random()
        if chance < AWAY:
            raise RuntimeError("simulated: it can't be reached")
        if chance < AWAY + GONE:
            return Outcome("gone", "simulated: nobody is there")
        if chance < AWAY + GONE + STRICT:
            return Outcome("refused", "simulated: it is refused")
        if chance < AWAY + GONE + STRICT + SLOW:
            await trio.sleep(random.uniform(0.0, SLOW_S))
        self.taken.append(message)
        if chance > 1.0 - SILENT and not self._is_calm:
            raise RuntimeError("simulated: no answer")
        return Outcome()

    def jobs(self) -> tuple[type[Job], ...]:
        """What sends there, in the place of what is in transports/notices/."""
        provider = self

        class ToMail(MailOrder, tag="job.inbox_mail"):
            async def run(self, work: Work) -> Outcome:
                code = CODE.search(self.body)
                still = await _still(self, work)
                if still.reason:
                    return Outcome("refused", still.reason)
                outcome = await provider.take(Taken(work.id, self.id, self.to, is_code=code is not None))
                if code is not None:
                    provider.codes[self.to] = code[1]
                return outcome_with(outcome, still)

        class ToBrowser(PushOrder, tag="job.inbox_push"):
            async def run(self, work: Work) -> Outcome:
                return await provider.take_as_it_is(self, self.endpoint, work)

        class ToUrl(HookOrder, tag="job.inbox_hook"):
            async def run(self, work: Work) -> Outcome:
                return await provider.take_as_it_is(self, self.url, work)

        return ToMail, ToBrowser, ToUrl

    async def take_as_it_is(self, order: PushOrder | HookOrder, to: str, work: Work) -> Outcome:
        """Raises: RuntimeError, ActorError, to be tried again."""
        still = await _still(order, work)
        if still.reason:
            return Outcome("refused", still.reason)
        return outcome_with(await self.take(Taken(work.id, order.id, to)), still)


async def _still(order: Order, work: Work) -> Still:
    """Raises: ActorError."""
    question = question_of(order, work.id)
    return await work.ask(*question) if question is not None else Still()
