"""The world `social`: people, what they post, and what each is shown. Once all is calm, every feed is read and held
against what the journals say, every number against a recount, every notice against what it tells of.
"""

from typing import Any

import trio
from msgspec.json import decode

from greenroom import social as app
from greenroom.actors.chat.room import Room
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue import queue_of
from greenroom.actors.jobs.single import SingleJob
from greenroom.actors.jobs.single.messages import Retry
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import ActorError
from greenroom.actors.social.feed.messages import Read
from greenroom.actors.social.spread.jobs import SPREAD_JOBS
from greenroom.actors.views.view import View
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.store.journal.records import StoredEvent
from greenroom.supervisors.simulation.node import STARTED
from greenroom.supervisors.simulation.world import World
from greenroom.testing import Scenario
from tests.simulation.social.audience import USERS, Deeds
from tests.simulation.social.expected import Facts, States

BLOCKED = "follows.blocked"
LATE_S = 3.0  # a job that is tried again only then is not waited for, once faults have stopped
ASKED_S = 30.0
EVERYTHING = [getattr(app, name) for name in app.__all__]
KINDS: tuple[type[Actor[Any]], ...] = tuple(one for one in EVERYTHING if issubclass(one, Actor))
VIEWS: tuple[type[View], ...] = tuple(one for one in EVERYTHING if issubclass(one, View))


class Reading:
    """Of one world: everybody's feed, read again and again once faults have stopped."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.homes: dict[str, list[str]] = {}

    async def tidy(self, world: World) -> None:
        self.world = world
        outside = world.outside()
        while True:
            await self._hurry(world, outside)
            for user in USERS:
                try:
                    with trio.fail_after(ASKED_S):
                        page = await outside(f"feed:{user}", Read(order="newest", limit=100))
                except (ActorError, trio.TooSlowError):
                    continue
                self.homes[user] = [one.id for one in page.posts]
            await trio.sleep(2.0)

    async def _hurry(self, world: World, outside: Any) -> None:
        late_ms = (STARTED + trio.current_time() + LATE_S) * 1000
        for row in list(world.database.rows.consequences.of(JobTables).jobs.values()):
            if row.due_ms > late_ms:
                try:
                    with trio.fail_after(ASKED_S):
                        await outside(f"job:{row.id}", Retry())
                except (ActorError, trio.TooSlowError):
                    continue

    def _once_barred(self, world: World) -> set[tuple[str, str]]:
        pairs: set[tuple[str, str]] = set()
        for entity, events in world.checker.journals().items():
            kind, _, user = entity.partition(":")
            if kind == "follows":
                others = [event["user"] for event in map(decode, _payloads(events)) if event["type"] == BLOCKED]
                pairs |= {pair for other in others for pair in ((user, other), (other, user))}
        return pairs

    def unfinished(self, states: States) -> list[str]:
        if self.world is None:
            return ["nobody has read yet"]
        jobs = self.world.database.rows.consequences.of(JobTables).jobs
        if jobs:
            return [f"{len(jobs)} jobs are left"]
        facts = Facts(states, USERS, self._once_barred(self.world))
        wrong = list(facts.wrong())
        for user in USERS:
            home, there = facts.home(user), self.homes.get(user, [])
            if home != there:
                wrong.append(
                    f"the feed of {user} lacks {sorted(set(home) - set(there))}, has {sorted(set(there) - set(home))}"
                    f" that do not belong, or is in another order"
                )
        return wrong


def _payloads(events: list[StoredEvent]) -> list[bytes]:
    return [event.payload for event in events]


def social(**how: Any) -> Scenario:
    deeds, reading = Deeds(), Reading()
    return Scenario(
        kinds=(*KINDS, Room, queue_of(Jobs(SPREAD_JOBS)), SingleJob),
        views=VIEWS,
        channels=tuple(f"{kind}:{user}" for kind in ("feed", "inbox") for user in USERS),
        work=deeds,
        records=lambda message: False,
        reads=deeds.read,
        unfinished=reading.unfinished,
        jobs=SPREAD_JOBS,
        slots={"social": 2},
        crews=0,
        clients=len(USERS),
        tidy=reading.tidy,
        **{"pace_s": 3.0} | how,
    )
