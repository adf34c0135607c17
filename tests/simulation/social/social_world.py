"""The world `social`: people, what they post, and what each is shown and told. Once all is calm, every feed is read and
held against what the journals say, every number against a recount, every notice against what it tells of, and what has
left inboxes against what was taken outside.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import trio
from msgspec.json import decode

from greenroom import social as app
from greenroom.actors.chat.room import Room
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue import queue_of
from greenroom.actors.jobs.single import SingleJob
from greenroom.actors.jobs.single.messages import Retry
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.message import Ask
from greenroom.actors.social.feed.messages import FeedPage, Of, Read, Rings, SearchPosts, Stories, Tagged
from greenroom.actors.social.moderation.cases import Case
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.post.shards import Count
from greenroom.actors.social.profile.views import People
from greenroom.actors.social.spread.jobs import SPREAD_JOBS, SpreadPage
from greenroom.actors.views.page import ALL
from greenroom.actors.views.view import View
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.store.journal.records import StoredEvent
from greenroom.store.views.asked import Asked
from greenroom.supervisors.simulation.node import STARTED
from greenroom.supervisors.simulation.world import World
from greenroom.testing import Scenario
from tests.simulation.social.audience import USERS, Deeds
from tests.simulation.social.expected import Facts, States
from tests.simulation.social.moderated import moderated
from tests.simulation.social.moderators import Rulebook
from tests.simulation.social.noticed import noticed
from tests.simulation.social.provider import Provider
from tests.simulation.social.small import SmallCase, SmallPlan, SmallPost
from tests.simulation.social.told import told
from tests.simulation.social.wider import SOUGHT_PEOPLE, SOUGHT_POSTS, WiderDeeds

BLOCKED = "follows.blocked"
LATE_S = 3.0  # what comes only then is not waited for, once faults have stopped
STORY_LATE_MS = 30_000  # by so much its end may come late
ASKED_S = 30.0
EVERYTHING = [getattr(app, name) for name in app.__all__]
KINDS: tuple[type[Actor[Any]], ...] = tuple(one for one in EVERYTHING if issubclass(one, Actor))
VIEWS: tuple[type[View], ...] = tuple(one for one in EVERYTHING if issubclass(one, View))


HOME = "home"
Counts = tuple[dict[str, int], int, int]  # reactions, comments, shares


class Reading:
    """Of one world: what everybody is shown, read again and again once faults have stopped."""

    def __init__(self, wanted: Mapping[str, Ask[Any]]) -> None:
        self._wanted = wanted
        self.world: World | None = None
        self.shown: dict[tuple[str, str], list[str]] = {}  # by user and what was asked for: ids of posts
        self.cards: dict[str, dict[str, Counts]] = {}  # by user, of the posts at home: what is counted

    async def tidy(self, world: World) -> None:
        self.world = world
        outside = world.outside()
        while True:
            await self._hurry(world, outside)
            for user in USERS:
                for what, message in self._wanted.items():
                    try:
                        with trio.fail_after(ASKED_S):
                            page = await outside(f"feed:{user}", message)
                    except (ActorError, trio.TooSlowError):
                        continue
                    self.shown[user, what] = _ids(page)
                    if what == HOME:
                        self.cards[user] = {one.id: (one.reactions, one.comments, one.shares) for one in page.posts}
            await self.look_besides(world)
            await trio.sleep(2.0)

    async def look_besides(self, world: World) -> None:
        """At what is no feed's."""

    async def _hurry(self, world: World, outside: Any) -> None:
        """What is late, for a world does not wait as long: jobs, and parts of posts whose clock was ahead when it set a
        timer, and whose node has ended within the second after that. These tell what they have once they are asked."""
        late_ms = (STARTED + trio.current_time() + LATE_S) * 1000
        rows = world.database.rows
        late: list[tuple[str, Ask[Any]]] = [
            (f"job:{row.id}", Retry()) for row in rows.consequences.of(JobTables).jobs.values() if row.due_ms > late_ms
        ]
        late += [
            (entity, Count())
            for entity, row in rows.by_entity.items()
            if entity.startswith("reactions:") and any(timer.due_ms > late_ms for timer in row.timers.values())
        ]
        for entity, message in late:
            try:
                with trio.fail_after(ASKED_S):
                    await outside(entity, message)
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
        return [
            *facts.wrong(),
            *noticed(facts, self.world.checker.journals()),
            *self.beyond(facts, self.world),
            *self._shown_otherwise(facts),
            *self._counted_otherwise(facts),
        ]

    def beyond(self, facts: Facts, world: World) -> Iterator[str]:
        """What else is wrong."""
        yield from ()

    def _shown_otherwise(self, facts: Facts) -> Iterator[str]:
        for user in USERS:
            for what in self._wanted:
                there, shown = _expected(facts, user, what), self.shown.get((user, what), [])
                if there != shown:
                    yield (
                        f"{user} is shown, of {what}, {sorted(set(shown) - set(there))} that do not belong, not "
                        f"{sorted(set(there) - set(shown))} that do, or another order"
                    )

    def _counted_otherwise(self, facts: Facts) -> Iterator[str]:
        for user, cards in self.cards.items():
            for post, shown in cards.items():
                state = facts.posts[post]
                counted = (state.reactions, state.comments, state.shares)
                if shown != counted and not state.gone:
                    yield f"{user} is shown {shown} of post:{post}, and it counts {counted}"


class WiderReading(Reading):
    """With all that there is."""

    def __init__(self, provider: Provider, rules: Rulebook) -> None:
        super().__init__(
            {
                HOME: Read(order="newest", limit=100),
                "stories": Stories(),
                "tag": Tagged(tag="tag", limit=100),
                "wall": Of(author=USERS[0], limit=100),
                "words": SearchPosts(words=SOUGHT_POSTS, limit=100),
            }
        )
        self._people: list[str] = []
        self._provider = provider
        self._rules = rules

    async def look_besides(self, world: World) -> None:
        views = next((node.views for node in world.nodes if node.listening and node.views is not None), None)
        if views is None:
            return
        try:
            with trio.fail_after(ASKED_S):
                found = await views.reader.rows(People.Row, ALL, Asked(search=SOUGHT_PEOPLE))
        except (ActorError, StoreUnavailable, trio.TooSlowError):
            return
        self._people = sorted(row.user for row in found.rows)

    def beyond(self, facts: Facts, world: World) -> Iterator[str]:
        if self._people != facts.people(SOUGHT_PEOPLE):
            yield f"{self._people} are found, and {facts.people(SOUGHT_PEOPLE)} say that they {SOUGHT_PEOPLE}"
        now_ms = int((STARTED + trio.current_time()) * 1000)
        over_ms = now_ms - STORY_LATE_MS
        for post, state in facts.posts.items():
            if not state.gone and state.content.is_story and state.content.ends_ms < over_ms:
                yield f"post:{post} is a story that is over, and has not ended"
        is_whole = not world.checker.failovers
        yield from moderated(facts, had_rules=is_whole)
        is_right = not (world.faults.skew_s or world.faults.jump_every_s)
        journals = world.checker.journals()
        yield from told(facts.inboxes, journals, self._provider, now_ms, clocks_are_right=is_right, is_whole=is_whole)


def _ids(page: FeedPage | Rings) -> list[str]:
    if isinstance(page, Rings):
        return sorted((one.id for ring in page.rings for one in ring.stories), reverse=True)
    return [one.id for one in page.posts]


def _expected(facts: Facts, user: str, what: str) -> list[str]:
    match what:
        case "home" | "stories":
            return facts.home(user, stories=what == "stories")
        case "tag":
            return facts.tagged(user, what)
        case "words":
            return facts.said(user, SOUGHT_POSTS)
        case _:
            return facts.wall(user, USERS[0])


def _payloads(events: list[StoredEvent]) -> list[bytes]:
    return [event.payload for event in events]


def people(**how: Any) -> Scenario:
    """Nothing but posts and people: what is cheap to look at."""
    return _scenario(Deeds(), Reading({HOME: Read(order="newest", limit=100)}), KINDS, SPREAD_JOBS, how)


def social(**how: Any) -> Scenario:
    """With stories, moderators, hot posts, and what leaves inboxes."""
    provider, rules = Provider(), Rulebook()
    deeds = WiderDeeds(provider, rules)
    rules.posts, rules.comments = lambda: deeds.posts, lambda: deeds.comments
    small = {Post: SmallPost, Case: SmallCase}
    kinds = tuple(small.get(kind, kind) for kind in KINDS)
    also = {"operators": rules.operators, "mend": provider.calm} | how
    return _scenario(deeds, WiderReading(provider, rules), kinds, (SmallPlan, SpreadPage, *provider.jobs()), also)


def _scenario(
    deeds: Deeds,
    reading: Reading,
    kinds: tuple[type[Actor[Any]], ...],
    jobs: tuple[type[Job], ...],
    how: dict[str, Any],
) -> Scenario:
    return Scenario(
        kinds=(*kinds, Room, queue_of(Jobs(jobs)), SingleJob),
        views=VIEWS,
        channels=tuple(f"{kind}:{user}" for kind in ("feed", "inbox") for user in USERS),
        work=deeds,
        records=lambda message: False,
        reads=deeds.read,
        unfinished=reading.unfinished,
        jobs=jobs,
        untrimmed=("inbox", "feed", "spread"),  # notices that were put away; posts of before in feeds
        slots=dict.fromkeys(sorted({job.queue for job in jobs}), 2),
        crews=0,
        clients=len(USERS),
        tidy=reading.tidy,
        **{"pace_s": 3.0} | how,
    )
