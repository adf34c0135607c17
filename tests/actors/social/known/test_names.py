"""What a feed remembers of its rows, and when it reads all of them."""

import pytest

from greenroom.actors.social.feed.actor import Feed
from greenroom.actors.social.feed.events import Entry
from greenroom.actors.social.feed.messages import BarredChanged
from greenroom.actors.social.known import names
from greenroom.actors.social.known.names import CAUTIOUS_S, NEWEST, WHOLE_S, Names
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.store.views.asked import Asked
from tests.actors.social.feed.world import World, ids


class Seen:
    """Ranked pages of a feed, with how its rows were read for each."""

    def __init__(self) -> None:
        self.world = World()
        self.world.follow("bob", "cyd")
        self.world.kit.advance(CAUTIOUS_S)
        self.limits: list[int | None] = []
        find = self.world.kit._world.found[Arrivals.Row]

        def count(key: str, asked: Asked):  # type: ignore[no-untyped-def]
            self.limits.append(asked.limit)
            return find(key, asked)

        self.world.kit.when_queried(Arrivals.Row, count)
        self.ids()  # wakes it
        self.limits.clear()

    def ids(self) -> list[str]:
        actor = self.world.kit.actor
        assert isinstance(actor, Feed)
        actor._order = None  # as if it had been long ago
        self.limits.clear()
        return sorted(ids(self.world.read(order="ranked").posts))


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_only_the_newest_rows_are_looked_at(seen: Seen) -> None:
    posts = [seen.world.post("bob")]
    assert seen.ids() == posts and seen.limits == [NEWEST]
    posts += [seen.world.post("cyd") for _ in range(NEWEST - 1)]
    assert seen.ids() == posts and seen.limits == [NEWEST]


def test_where_more_has_come_all_are_read(seen: Seen) -> None:
    posts = [seen.world.post("bob") for _ in range(NEWEST + 3)]
    assert seen.ids() == posts
    assert seen.limits[0] == NEWEST and len(seen.limits) > 1


def test_what_comes_out_of_its_order_is_found_by_its_nudge_and_else_within_half_a_minute(seen: Seen) -> None:
    late, lost = seen.world.post("bob", written=None), seen.world.post("bob", written=None)
    newer = [seen.world.post("cyd") for _ in range(NEWEST)]
    assert set(newer) == set(seen.ids())
    for post in (late, lost):
        seen.world.spread(post, written=True)
    seen.world.nudge(late)
    assert set(seen.ids()) == {late, *newer}
    seen.world.kit.advance(WHOLE_S)
    assert set(seen.ids()) == {late, lost, *newer}


def test_whom_one_no_longer_wants_is_gone_at_once_and_back_as_soon(seen: Seen) -> None:
    bobs, cyds = seen.world.post("bob"), seen.world.post("cyd")
    assert seen.ids() == [bobs, cyds]
    seen.world.kit.tell(BarredChanged(user="bob", by_us=True, barred=True))
    assert seen.ids() == [cyds] and seen.limits == [NEWEST]
    seen.world.kit.tell(BarredChanged(user="bob", by_us=True, barred=False))
    assert seen.ids() == [bobs, cyds] and seen.limits == [NEWEST]


def test_while_rows_of_any_age_may_come_all_are_read(seen: Seen) -> None:
    seen.world.kit.advance(WHOLE_S)
    posts = [seen.world.post("bob", written=None) for _ in range(2)]
    actor = seen.world.kit.actor
    assert isinstance(actor, Feed)
    actor.names.doubt(actor.now)
    for post in posts:
        assert post not in seen.ids()
        seen.world.spread(post, written=True)
        assert post in seen.ids() and seen.limits[0] != NEWEST
    seen.world.kit.advance(CAUTIOUS_S)
    seen.ids()
    assert seen.ids() == posts and seen.limits == [NEWEST]


def test_what_it_has_caught_up_with_is_no_reason_to_read_all(seen: Seen) -> None:
    posts = [seen.world.post("eve", written=None) for _ in range(NEWEST)]
    seen.world.follow("eve", settled=False)
    seen.world.kit.advance(60.0)
    assert seen.ids() == posts and not seen.world.kit.state.behind
    assert seen.limits[0] != NEWEST, "it is long ago"
    assert seen.ids() == posts and seen.limits == [NEWEST]


def test_what_is_expected_before_the_oldest_that_is_known_waits_for_all_to_be_read() -> None:
    old, unknown, known, new = (Entry(str(number), "bob", number) for number in range(4))
    some = Names()
    some.keep([known], 0.0, is_all=False)
    some.expect([old, new])
    assert some.has(new.post) and not some.has(old.post) and not some.has(unknown.post)
    some.keep([known], 0.0, is_all=True)
    some.expect([old])
    assert some.has(old.post)


@pytest.mark.bound("names of posts that a feed remembers of its rows")
def test_no_more_are_remembered_than_one_reading_finds(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "KEPT_MAX", 4)
    seen.world.kit.advance(WHOLE_S)
    posts = [seen.world.post("bob") for _ in range(3)]
    assert seen.ids() == posts
    posts += [seen.world.post("bob") for _ in range(3)]
    actor = seen.world.kit.actor
    assert isinstance(actor, Feed)
    assert seen.ids() == posts, "all that there are"
    assert list(actor.names._entries) == posts[:-5:-1], "of which the newest are remembered"


async def test_what_may_not_come_up_takes_nobodys_place(seen: Seen) -> None:
    bobs, cyds = seen.world.post("bob"), seen.world.post("cyd")
    assert seen.ids() == [bobs, cyds]
    feed = seen.world.kit.actor
    assert isinstance(feed, Feed)
    found = await feed.names.newest(feed, 1, lambda entry: entry.author == "bob")
    assert found is not None and [entry.post for entry in found[0]] == [bobs]
