"""A fan-out: pages that wait for none of the others, authors above the threshold, and who is left out."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Struct, field

from greenroom.actors.model.errors import Unavailable
from greenroom.actors.social.feed.messages import Arrived
from greenroom.actors.social.follows.views import Authors, Followers
from greenroom.actors.social.post.views import Wall
from greenroom.actors.social.spread import jobs as spread_jobs
from greenroom.actors.social.spread.actor import Spread
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.actors.social.spread.events import Begun, PageWritten, Planned
from greenroom.actors.social.spread.jobs import SPREAD_JOBS, SpreadPage, SpreadPlan
from greenroom.actors.social.spread.messages import Begin, Stretch
from greenroom.actors.social.spread.readers import Readers
from greenroom.actors.social.spread.share import FOLLOWS_FULL, is_kept
from greenroom.actors.social.spread.unwritten import Unwritten
from greenroom.store.views.asked import Asked, Rows
from greenroom.testing import JobKit, Kit, Outcome, fold

AT_MS = 1_750_000_000_000
POST = f"{AT_MS << 80:032x}"


class World(Struct):
    """An author, who follows them, and what is known of these."""

    followers: list[str]
    readers: dict[str, Readers.Row] = field(default_factory=dict)
    wall: list[str] = field(default_factory=list)
    before_query: Callable[[type, str, Asked], None] = lambda row, key, asked: None

    def __post_init__(self) -> None:
        for user in self.followers:
            self.readers.setdefault(user, Readers.Row(user=user, at_ms=AT_MS))

    def jobs(self) -> tuple[JobKit, Kit[Spread]]:
        kit = JobKit(*SPREAD_JOBS)
        self._play(kit, Authors.Row, lambda key: [Authors.Row(user=key, followers=len(self.followers))])
        self._play(kit, Followers.Row, lambda key: [Followers.Row(key, user) for user in sorted(self.followers)])
        self._play(kit, Readers.Row, lambda key: [self.readers[key]] if key in self.readers else [])
        self._play(kit, Wall.Row, lambda key: [Wall.Row(author=key, id=post) for post in self.wall])
        return kit, Kit(Spread, key=POST, jobs=kit)

    def _play(self, kit: JobKit, row: type[Any], rows: Callable[[str], list[Any]]) -> None:
        def find(key: str, asked: Asked) -> Rows[Any]:
            self.before_query(row, key, asked)
            found, after = rows(key), asked.after
            if row is Followers.Row and after is not None:  # a cursor is a place among keys, and not a number
                found = [one for one in found if one.follower > after]
            last = asked.limit or 100
            more = len(found) > last
            return Rows(found[:last], next=found[last - 1].follower if more and row is Followers.Row else None)

        kit.when_queried(row, find)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread_jobs, "PAGE_FOLLOWERS_MAX", 2)
    monkeypatch.setattr(spread_jobs, "PAGES_AT_ONCE_MAX", 2)
    monkeypatch.setattr(spread_jobs, "NUDGED_AT_ONCE_MAX", 3)


PLAN = SpreadPlan(post=POST, author="bob", at_ms=AT_MS)


def written(spread: Kit[Spread]) -> list[str]:
    happened = [(spread.entity, event) for event in spread.events if isinstance(event, PageWritten)]
    return [row.user for row in fold(Arrivals, happened)]


def nudged(kit: JobKit) -> list[str]:
    assert all(isinstance(one.message, Arrived) and one.message.post == POST for one in kit.nudged)
    return sorted(entity for one in kit.nudged for entity in one.entities)


def pages(outcomes: list[Outcome]) -> list[Stretch]:
    return [one.job.stretch for one in outcomes if isinstance(one.job, SpreadPage)]


def test_every_follower_has_it_once() -> None:
    followers = [f"u{number:02}" for number in range(9)]
    kit, spread = World(followers).jobs()
    kit.run(PLAN)
    assert written(spread) == followers
    assert nudged(kit) == [f"feed:{user}" for user in followers]
    stretches = pages(kit.outcomes)
    assert [(one.first, one.until) for one in stretches] == list(
        zip(followers[::2], [*followers[2::2], ""], strict=True)
    )


def test_nobody_follows_and_nothing_is_written() -> None:
    kit, spread = World([]).jobs()
    assert kit.run(PLAN).state == "completed"
    assert [type(event) for event in spread.events] == [Begun] and kit.nudged == []


def test_a_page_that_fails_is_tried_again_alone_and_nobody_waits_for_it() -> None:
    followers = [f"u{number}" for number in range(6)]
    failures = [Unavailable("down"), Unavailable("down")]
    seen: list[list[str]] = []

    def fail(row: type, key: str, asked: Asked) -> None:
        if row is Readers.Row and key == "u2" and failures:
            seen.append(written(spread))
            raise failures.pop()

    kit, spread = World(followers, before_query=fail).jobs()
    kit.add(PLAN)
    kit.drain("social", within_s=0)
    assert written(spread) == ["u0", "u1", "u4", "u5"], "the others are there"
    assert [one.job.stretch.first for one in kit.enqueued() if isinstance(one.job, SpreadPage)] == ["u2"]
    kit.drain("social")
    assert written(spread) == followers
    assert {one.job.stretch.first: one.begun for one in kit.outcomes if isinstance(one.job, SpreadPage)} == {
        "u0": 1,
        "u2": 3,
        "u4": 1,
    }


def test_a_plan_that_breaks_off_is_taken_up_and_writes_nobody_twice() -> None:
    followers = [f"u{number:02}" for number in range(12)]
    failures = [Unavailable("down")]

    def fail(row: type, key: str, asked: Asked) -> None:
        if row is Followers.Row and asked.after == "u07" and failures:
            world.followers.remove("u03")  # and its pages are cut elsewhere the next time
            raise failures.pop()

    world = World(followers, before_query=fail)
    kit, spread = world.jobs()
    kit.run(PLAN)
    kit.drain("social")
    assert written(spread) == [user for user in sorted({*followers}) if user != "u03" or user in written(spread)]
    assert {*world.followers} <= {*written(spread)}, "no gap"


def test_an_author_above_the_threshold_is_left_to_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And those who are awake are told."""
    followers = [f"u{number}" for number in range(7)]

    monkeypatch.setattr(SpreadPlan, "written_max", 6)
    kit, spread = World(followers).jobs()
    kit.run(PLAN)
    assert [type(event) for event in spread.events] == [Begun]
    assert fold(Unwritten, [(spread.entity, spread.events[0])]) == [Unwritten.Row(author="bob", last=POST)]
    assert nudged(kit) == [f"feed:{user}" for user in followers]
    assert [len(one.entities) for one in kit.nudged] == [3, 3, 1]


def test_who_posts_all_day_is_above_the_threshold_with_fewer_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpreadPlan, "written_max", 10)
    day = [f"{(AT_MS - 1_000 * number << 80):032x}" for number in range(40)]
    for posts, followers, is_written in ((day, 3, False), (day, 2, True), (day[:10], 10, True)):
        world = World([f"u{number}" for number in range(followers)], wall=posts)
        kit, spread = world.jobs()
        kit.run(PLAN)
        begun = spread.events[0]
        assert isinstance(begun, Begun) and begun.is_written is is_written, (len(posts), followers)


def test_who_is_away_is_not_written_to_and_who_follows_too_many_gets_their_share() -> None:
    readers = {
        "away": Readers.Row(user="away", at_ms=AT_MS - 15 * 86_400_000),
        "new": Readers.Row(user="new"),
        **{f"h{number}": Readers.Row(f"h{number}", AT_MS, 2 * FOLLOWS_FULL) for number in range(20)},
    }
    kit, spread = World([*readers, "in"], readers=readers).jobs()
    kit.run(PLAN)
    kit.drain("social")
    keeps = [user for user in readers if user.startswith("h") and is_kept(user, POST, 2 * FOLLOWS_FULL)]
    assert 0 < len(keeps) < 20
    assert written(spread) == sorted([*keeps, "in"])
    assert nudged(kit) == sorted(f"feed:{user}" for user in (*keeps, "in", "away", "new"))
    happened = [(spread.entity, event) for event in spread.events if isinstance(event, PageWritten)]
    shed = {row.user: row.shed for row in fold(Readers, happened)}
    assert shed == dict.fromkeys((user for user in readers if user.startswith("h") and user not in keeps), 1)


def test_who_came_between_the_plan_and_the_page_has_it_too() -> None:
    world = World(["a", "c", "e"])
    kit, spread = world.jobs()
    kit.add(PLAN)
    kit.drain("social", within_s=0)
    before = written(spread)
    world.followers[:] = [*"abcdef"]
    world.__post_init__()
    kit.run(SpreadPage(post=POST, author="bob", at_ms=AT_MS, stretch=Stretch("a", "f")))
    assert before == ["a", "c", "e"]
    assert written(spread) == ["a", "b", "c", "d", "e"], "up to the end of its stretch, in as many pages as it takes"


def test_stretches_are_told_a_few_at_a_time() -> None:
    kit, spread = World([f"u{number:02}" for number in range(9)]).jobs()
    kit.run(PLAN)
    planned = [len(event.stretches) for event in spread.events if isinstance(event, Planned)]
    assert planned == [2, 2, 1]


@pytest.mark.parametrize("most", [6, 7])
def test_a_plan_tried_again_with_another_number_of_followers_keeps_to_what_was_decided(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """The threshold is crossed between two attempts, upwards and downwards."""
    monkeypatch.setattr(SpreadPlan, "written_max", most)
    failures = [Unavailable("down")]

    def fail(row: type, key: str, asked: Asked) -> None:
        if row is Followers.Row and failures:
            is_above = len(world.followers) > most
            world.followers.remove("u6") if is_above else world.followers.append("u7")
            world.__post_init__()
            raise failures.pop()

    world = World([f"u{number}" for number in range(7)], before_query=fail)
    kit, spread = world.jobs()
    kit.run(PLAN)
    kit.drain("social")
    assert len(world.followers) == (8 if most == 7 else 6)
    happened = [(spread.entity, event) for event in spread.events if isinstance(event, Begun)]
    assert [event.is_written for _, event in happened] == [most == 7]
    assert (written(spread), len(fold(Unwritten, happened))) == ((world.followers, 0) if most == 7 else ([], 1))
    assert nudged(kit) == [f"feed:{user}" for user in world.followers]


def test_a_page_tried_again_after_somebody_has_left_passes_over_nobody() -> None:
    """`a` and `b` are written to, and `c` fails; without `b`, the first page is `a` and `c`."""
    failures = [Unavailable("down")]

    def fail(row: type, key: str, asked: Asked) -> None:
        if row is Followers.Row and asked.after == "b" and failures:
            world.followers.remove("b")
            raise failures.pop()

    world = World(["a", "b", "c"], before_query=fail)
    kit, spread = world.jobs()
    spread.ask(Begin(author="bob", at_ms=AT_MS))
    kit.run(SpreadPage(post=POST, author="bob", at_ms=AT_MS, stretch=Stretch("a")))
    kit.drain("social")
    assert written(spread) == ["a", "b", "c"]


@pytest.mark.parametrize("most", [10, 1])
def test_feeds_that_are_nudged_hear_for_whom_it_is(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(SpreadPlan, "written_max", most)
    kit, _ = World(["a", "b", "c"]).jobs()
    kit.run(SpreadPlan(post=POST, author="bob", at_ms=AT_MS, visibility="close"))
    kit.drain("social")
    assert {one.message.visibility for one in kit.nudged if isinstance(one.message, Arrived)} == {"close"}
