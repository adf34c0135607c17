"""Rechecks: may those who watch still watch? Asked where a kick may have been missed; who may not, starts over."""

from collections import deque
from collections.abc import Callable

import trio
from msgspec.structs import replace

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.lifecycle import Inspect
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.topic import Subscriber

INSPECTION = Inspect(bare=True)
INSPECT_S = 5.0  # what an entity may take to answer
RETRY_S = 0.5  # after it could not
TRIES_MAX = 20  # then they start over as well
TICK_S, STEP = 0.02, 200  # so many are asked about in a tick


class _Recheck:
    """May somebody still watch? The reply slot of an Inspect on their behalf."""

    __slots__ = ("_rechecks", "at", "entity", "subscriber", "tries")

    def __init__(self, rechecks: "Rechecks", entity: str, subscriber: Subscriber) -> None:
        self._rechecks = rechecks
        self.entity = entity
        self.subscriber = subscriber
        self.tries = 0
        self.at = 0.0  # on the trio clock: not before

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        pass

    def reject(self, error: ActorError) -> None:
        self._rechecks.not_allowed(self, error)


class Rechecks:
    """Of one node, a supervised child. What waits is bounded by who watches: nobody waits twice for the same entity."""

    def __init__(self, *, hub: Hub, submit: Callable[[str, Envelope], None]) -> None:
        """`submit` is the router's."""
        self._hub = hub
        self._submit = submit
        self._waiting: deque[_Recheck] = deque()
        self._those_waiting: set[tuple[str, Subscriber]] = set()
        self._some = trio.Event()  # wait

    def __len__(self) -> int:
        """How many wait to be asked about."""
        return len(self._waiting)

    def add(self, entity: str) -> None:
        """Ask about all who watch it here, or are about to."""
        self._hub.doubt(entity)
        for one in self._hub.subscribers(entity):
            self._wait(_Recheck(self, entity, one))

    def _wait(self, recheck: _Recheck) -> None:
        about = recheck.entity, recheck.subscriber
        if about not in self._those_waiting:
            self._those_waiting.add(about)
            self._waiting.append(recheck)
            self._some.set()

    def not_allowed(self, recheck: _Recheck, error: ActorError) -> None:
        """Somebody may not watch any more; or it could not be heard whether they may."""
        recheck.tries += 1
        if error.temporary and recheck.tries < TRIES_MAX:
            recheck.at = trio.current_time() + RETRY_S
            self._wait(recheck)
        else:
            self._hub.start_over(recheck.entity, recheck.subscriber)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            if not self._waiting:
                self._some = trio.Event()
                await self._some.wait()
            await trio.sleep(TICK_S)
            now = trio.current_time()
            for _ in range(min(STEP, len(self._waiting))):
                recheck = self._waiting.popleft()
                if recheck.at <= now:
                    self._those_waiting.discard((recheck.entity, recheck.subscriber))
                    self._ask(recheck, now)
                else:
                    self._waiting.append(recheck)

    def _ask(self, recheck: _Recheck, now: float) -> None:
        who = recheck.subscriber.principal
        if recheck.subscriber.granted:  # as when it came
            who = replace(who, granted=True)
        try:
            self._submit(
                recheck.entity, Envelope(message=INSPECTION, principal=who, slot=recheck, deadline=now + INSPECT_S)
            )
        except ActorError as error:
            recheck.reject(error)
