"""The entities and views of jobs under test."""

from typing import Any

import pytest
from msgspec import Struct

from greenroom import Actor, Ask, Event, Job, Rows, Tell, Work
from greenroom.actors.model.effects import Nudge, Told
from greenroom.actors.views.query import BadQuery
from greenroom.testing import JobKit, Kit
from tests.actors.views.boards import Board


class Started(Event, tag="feed.started"):
    pass


class Start(Ask[str], tag="feed.start"):
    pass


class Newest(Ask[list[str]], tag="feed.newest"):
    pass


class Arrived(Tell, tag="feed.arrived"):
    post: str


class FeedState(Struct):
    posts: list[str] = []


class Feed(Actor[FeedState]):
    kind = "feed"
    commands = (Start, Newest)
    internal = (Arrived,)
    events = (Started,)

    def __init__(self, entity: str, runtime: Any) -> None:
        super().__init__(entity, runtime)
        self.arrived: list[str] = []

    def handle(self, message: Any) -> Any:
        match message:
            case Start():
                return self.start_job(Spread(to=["feed:ann", "feed:bob"]))
            case Newest():
                return self.arrived
            case Arrived():
                self.arrived.append(message.post)

    def apply(self, event: Event) -> None:
        pass

    def view(self) -> Any:
        return {}


class Spread(Job, queue="spread", tag="job.spread"):
    to: list[str]

    async def run(self, work: Work) -> Any:
        followers = await work.ask("follows:ann", Newest())
        pages = await work.query_pages(Board.Row, ["a", "b", "a"], limit=1)
        page = await work.query(Board.Row, "a", limit=2)
        work.nudge([*self.to, *followers], Arrived(post="p"))
        return [{key: [row.user for row in rows] for key, rows in pages.items()}, len(page.rows)]


class InThread(Spread, queue="spread", tag="job.spread_in_thread"):
    def run(self, work: Any) -> Any:
        work.nudge(self.to, Arrived(post="q"))
        pages = work.query_pages(Board.Row, ["a", "b"], limit=2)
        return [work.ask("feed:ann", Newest()), len(pages["a"]), len(work.query(Board.Row, "a").rows)]


def played(*more: type[Job]) -> JobKit:
    jobs = JobKit(Spread, InThread)
    rows = {"a": [Board.Row(show="a", user="ann"), Board.Row(show="a", user="bob")], "b": []}
    jobs.when_queried(Board.Row, lambda key, asked: Rows(rows[key]))
    jobs.when_asked("follows:ann", lambda message: ["feed:eve"])
    return jobs


def test_a_job_asks_what_the_test_plays_and_kits_are_nudged() -> None:
    jobs = played()
    feed = Kit(Feed, key="ann", jobs=jobs)
    feed.ask(Start())
    (outcome,) = jobs.drain("spread")
    assert (outcome.state, outcome.result) == ("completed", [{"a": ["ann"]}, 2])
    assert jobs.asked == [Told("follows:ann", Newest())]
    assert jobs.nudged == [Nudge(["feed:ann", "feed:bob", "feed:eve"], Arrived(post="p"))]
    assert feed.ask(Newest()) == ["p"]


def test_a_job_in_a_thread_asks_a_kit_that_has_its_jobs() -> None:
    jobs = played()
    Kit(Feed, key="ann", jobs=jobs)
    assert jobs.run(InThread(to=["feed:ann"])).result == [["q"], 2, 2]


def test_what_nobody_plays_is_said_by_name() -> None:
    jobs = JobKit(Spread)
    (error,) = jobs.run(Spread(to=[])).errors[:1]
    assert "jobs.when_asked('follows:ann'" in error


def test_bounds_are_those_of_a_node() -> None:
    class Many(Job, queue="spread", tag="job.many"):
        async def run(self, work: Work) -> Any:
            with pytest.raises(BadQuery):
                await work.query_pages(Board.Row, map(str, range(1001)), limit=1)
            with pytest.raises(ValueError, match="1001 entities"):
                work.nudge([f"feed:{number}" for number in range(1001)], Arrived(post="p"))

    assert JobKit(Many).run(Many()).state == "completed"
