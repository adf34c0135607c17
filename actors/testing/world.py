"""The world of an entity under test: a clock that stands still, whoever the test says watches, and others that the test
plays."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import trio

from greenroom.actors.life.budgets import Budgets
from greenroom.actors.model.effects import Told
from greenroom.actors.model.entity import each_once, split_entity
from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.model.message import Ask, Message, Reply
from greenroom.actors.model.principal import Principal
from greenroom.actors.testing.played import PlayedViews
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.no_jobs import NoJobs
from greenroom.store.views.asked import Asked, Row, Rows


class KitJobs(NoJobs):
    """A queue begins empty; single jobs are found as the test says."""

    def __init__(self) -> None:
        self.by_id: dict[str, JobFound] = {}

    async def find(self, job_id: str) -> JobFound | None:
        await trio.lowlevel.checkpoint()
        return self.by_id.get(job_id)


class KitWorld(PlayedViews):
    """What the life sees, and what its test may change. `kinds` of None: any may be installed, and take anything."""

    def __init__(self, kind: Kind, kinds: Kinds | None, now_s: float) -> None:
        super().__init__("kit")
        self.now_s = now_s  # Unix s
        self.watching: list[Principal] = []
        self.asked: list[Told] = []  # questions to other entities, oldest first
        self.answers: dict[str, Callable[[Any], Any]] = {}  # entity -> what it replies
        self.glanced: dict[str, Callable[[Any], Any]] = {}  # likewise, of those who are near
        self.ended: set[str] = set()  # processes, as `host/process`
        self._kind = kind
        self._kinds = kinds
        self.spend = Budgets(self.now).spend
        self.jobs = KitJobs()

    def now(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return 0.0

    def new_epoch(self) -> str:
        return "kit"

    def audience(self, entity: str) -> list[Principal]:
        return self.watching

    def is_durable(self, entity: str, message: Message) -> bool:
        """Raises: BadEntity, TypeError: see Runtime."""
        if self._kinds is not None:
            return self._kinds.is_durable(entity, message)
        return split_entity(entity)[0] != self._kind.name or self._kind.actor.durable

    def nudged(self, entities: Iterable[str], message: Message) -> list[str]:
        """Raises: BadEntity, TypeError, ValueError: see Runtime."""
        return self._kinds.nudged(entities, message) if self._kinds is not None else each_once(entities)

    def trace(self, name: str, parent: str, entity: str) -> AbstractContextManager[object]:
        return nullcontext()

    async def ask(
        self,
        entity: str,
        message: Ask[Reply],
        *,
        chain: tuple[str, ...],
        principal: Principal,
        trace: str | None = None,
    ) -> Reply:
        """Raises: AssertionError when the test has not said what that entity answers."""
        await trio.lowlevel.checkpoint()
        self.asked.append(Told(entity, message))
        asker = chain[-1] if chain else self._kind.name
        assert entity in self.answers, f"{asker} asks {entity}: say kit.when_asked({entity!r}, ...)"
        reply: Reply = self.answers[entity](message)
        return reply

    def glance(self, entity: str, message: Ask[Reply]) -> Reply | None:
        answer = self.glanced.get(entity)
        return None if answer is None else answer(message)

    async def query(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]:
        """Raises: see PlayedViews."""
        await trio.lowlevel.checkpoint()
        return await super().query(row, key, asked)

    def has_ended(self, process: str) -> bool:
        return process in self.ended
