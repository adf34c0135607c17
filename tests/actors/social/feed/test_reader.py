"""What a feed has in memory, each part bounded."""

import pytest

from greenroom.actors.social.feed.actor import Feed
from greenroom.actors.social.feed.cursor import Placed, Snapshot
from greenroom.actors.social.feed.events import Returned
from greenroom.actors.social.feed.messages import Arrived
from greenroom.actors.social.feed.reader import NUDGED_MAX, RECENT_S, SERVED_MAX, FeaturesKnown, Kept, Served
from greenroom.actors.social.ranking.messages import FeaturesShown
from greenroom.testing import Kit


def arrived(number: int) -> Arrived:
    return Arrived(post=f"{number:032x}", author="bob", at_ms=number)


@pytest.mark.bound("posts of which a feed remembers how they were shown")
def test_the_newest_that_were_served_are_remembered() -> None:
    feed = Kit(Feed, key="ann").actor
    feed.remember_served(Served("bob", Placed(f"{number}"), "", "") for number in range(SERVED_MAX + 2))
    feed.remember_served([Served("bob", Placed("2", score=7.0), "", ""), Served("bob", Placed("new"), "", "")])
    assert len(feed.served) == SERVED_MAX
    assert "3" not in feed.served and feed.served["2"].place.score == 7.0, "what was served again is not the oldest"


def test_what_was_read_is_heard_of_for_a_while() -> None:
    kit = Kit(Feed, key="ann")
    feed = kit.actor
    feed.nudged = {one.post: one for one in map(arrived, range(NUDGED_MAX))}
    feed.have_read(Snapshot([], made_s=0.0))
    feed.nudged = {one.post: one for one in map(arrived, range(NUDGED_MAX, NUDGED_MAX + 3))}
    assert len(feed.heard) == NUDGED_MAX + 3
    feed.have_read(Snapshot([], made_s=0.0))
    assert len(feed.heard) == NUDGED_MAX and not feed.nudged, "no more than that, the newest"
    assert not feed.has_heard_of(arrived(0).post) and feed.has_heard_of(arrived(NUDGED_MAX).post)
    kit.advance(RECENT_S)
    assert feed.heard == []


def test_what_was_found_is_kept_for_so_long() -> None:
    kept = Kept(10.0)
    assert kept.get(0.0) is None
    assert kept.put(["eve"], 5.0) == kept.get(14.9) == ["eve"]
    assert kept.get(15.0) is None
    kept.put([], 20.0)
    assert kept.get(21.0) == [], "nobody, which is known"
    kept.drop()
    assert kept.get(21.0) is None


def test_what_was_found_before_the_clock_was_set_back_is_found_anew() -> None:
    kept, features = Kept(10.0), FeaturesKnown()
    kept.put(["eve"], 5_000.0)
    features.put(["eve"], FeaturesShown({}, {}), 5_000.0)
    assert kept.get(1_400.0) is None and features.get({"eve"}, 1_400.0) is None
    assert kept.get(5_000.0) == ["eve"] and features.get({"eve"}, 5_000.0) is not None


def test_what_a_read_finds_out_is_recorded_when_it_has_succeeded() -> None:
    kit = Kit(Feed, key="ann")
    kit.actor.note(Returned(after_long=False))
    kit.actor.begin_read()  # that one failed on its way
    kit.actor.end_read()
    assert kit.actor.offset == 0
