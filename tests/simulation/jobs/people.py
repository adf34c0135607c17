"""Services that add jobs, and people who pause and limit queues, cancel, edit and retry jobs; over HTTP, as it were."""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

import trio
from msgspec import Raw

from greenroom.actors.jobs.queue.control import Limit, Pause, Resume
from greenroom.actors.jobs.queue.messages import AddMany, NewJob
from greenroom.actors.jobs.single.messages import Cancel, Edit, Retry
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.message import Ask
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.supervisors.simulation.jobs.outside import Outside
from greenroom.supervisors.simulation.node import STARTED
from greenroom.supervisors.simulation.world import World
from tests.simulation.jobs.chores import Order, Wishes
from tests.simulation.jobs.classes import BY_TAG, Yard

ADDERS = 2
ADD_EVERY_S = 9.0
AGAIN_S = 1.0
ASKED_S = 30.0
LONG_S = 20.0  # nobody waits for longer, once faults have stopped
TIERS: tuple[dict[str, int | None], ...] = ({}, {"a": 1})
WEIGHTS: tuple[dict[str, int | None], ...] = ({}, {"b": 3})


class People:
    """Of one world."""

    def __init__(self, yard: Yard, wishes: Wishes) -> None:
        self._yard = yard
        self._wishes = wishes

    def operators(self, world: World) -> list[Callable[[], Awaitable[None]]]:
        """See Scenario."""
        self._yard.world = world
        draw = world.draw_of_crews
        adders = [
            partial(self._add_on, f"adder{number}", world.outside(), Random(draw.getrandbits(64)))
            for number in range(1, ADDERS + 1)
        ]
        steering = partial(self._steer, world, world.outside(), Random(draw.getrandbits(64)))
        return [*adders, steering] if world.faults.steer_every_s else [*adders]

    async def _add_on(self, name: str, ask: Outside, draw: Random) -> None:
        count = 0
        while True:
            await trio.sleep(draw.expovariate(1.0 / ADD_EVERY_S))
            orders = [self._wishes.order(draw, name) for _ in range(draw.randint(1, 4))]
            queue = draw.choice(self._wishes.queues)
            orders = [one for one in orders if BY_TAG[one.job].queue == queue]
            if orders:
                count += 1
                await self._add(ask, queue, orders, f"{name}-{count}")

    async def _add(self, ask: Outside, queue: str, orders: list[Order], key: str) -> None:
        """Again and again, until it is answered."""
        message = AddMany(jobs=[_new(one) for one in orders], idempotency_key=key)
        while True:
            try:
                with trio.fail_after(ASKED_S):
                    added = await ask(f"queue:{queue}", message)
            except (ActorError, trio.TooSlowError):
                await trio.sleep(AGAIN_S)
            else:
                self._yard.acknowledged |= set(added.ids)
                return

    async def _steer(self, world: World, ask: Outside, draw: Random) -> None:
        while True:
            await trio.sleep(draw.expovariate(1.0 / world.faults.steer_every_s))
            known = self._yard.known
            if draw.random() < 0.5 and known:
                await self._steer_job(ask, draw, draw.choice(known))
            else:
                queue = draw.choice(self._wishes.queues)
                await self._try(ask, f"queue:{queue}", self._setting(draw, queue))

    async def _steer_job(self, ask: Outside, draw: Random, job_id: str) -> None:
        chance = draw.random()
        if chance < 0.5:
            self._yard.unwanted.add(job_id)
            answer = await self._try(ask, f"job:{job_id}", Cancel(reason="not wanted"))
            if answer is not None and answer.state == "cancelled":
                self._yard.cancelled.add(job_id)
        elif chance < 0.75:
            self._yard.retried.add(job_id)
            await self._try(ask, f"job:{job_id}", Retry())
        else:
            arguments = self._wishes.edited(draw)
            edit = Edit(arguments=Raw(json.dumps(arguments).encode()), priority=draw.randint(0, 9))
            await self._try(ask, f"job:{job_id}", edit)

    def _setting(self, draw: Random, queue: str) -> Ask[Any]:
        chance = draw.random()
        if chance < 0.2:
            return Pause(reason="for now")
        if chance < 0.35:
            now_ms = int((STARTED + trio.current_time() + draw.uniform(0.0, 20.0)) * 1000)
            return Pause(until_ms=now_ms)
        if chance < 0.6:
            return Resume()
        if queue == "lanes":  # its order is what is looked at
            return Limit(concurrency=draw.choice((None, 1, 2, 4)))
        return Limit(
            concurrency=draw.choice((None, 1, 2, 4)),
            per_key=draw.choice((None, None, 1, 2)),
            tiers=draw.choice(TIERS),
            rate=draw.choice(self._wishes.rates),
            per_key_rate=draw.choice(self._wishes.key_rates),
            weights=draw.choice(WEIGHTS),
            on_retry=draw.choice((None, "block", "overtake")),
        )

    async def _try(self, ask: Outside, entity: str, message: Ask[Any]) -> Any:
        """The answer; None: nobody knows what became of it."""
        try:
            with trio.fail_after(ASKED_S):
                return await ask(entity, message)
        except (ActorError, trio.TooSlowError):
            return None

    async def tidy(self, world: World) -> None:
        """Nothing is paused or limited any more; also what somebody has asked for before, and is heard only now."""
        ask = world.outside()
        rate = self._wishes.rate_at_last
        nothing = Limit(concurrency=None, per_key=None, tiers=None, rate=rate, per_key_rate=rate, weights=None)
        while True:
            for queue in self._wishes.queues:
                for message in (Resume(), nothing):
                    await self._try(ask, f"queue:{queue}", message)
            late_ms = (STARTED + trio.current_time() + LONG_S) * 1000
            for row in list(world.database.rows.consequences.of(JobTables).jobs.values()):
                if row.due_ms > late_ms:  # by a clock that was ahead
                    await self._try(ask, f"job:{row.id}", Retry())
            await trio.sleep(5.0)


def _new(order: Order) -> NewJob:
    job = BY_TAG[order.job]
    unique = job.unique.key_of(job(**order.arguments)) if job.unique is not None else None
    return NewJob(
        order.job,
        Raw(json.dumps(order.arguments).encode()),
        order.priority,
        order.delay_s,
        str(order.arguments["key"]),
        job.retry.attempts,
        unique,
        expires_s=order.expires_s,
        weight=order.weight,
    )
