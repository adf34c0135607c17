"""What a feed's rows come to: bounded, and read with few questions."""

from collections import Counter

import pytest

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import Unavailable
from greenroom.actors.social.feed import gathering
from greenroom.actors.social.feed.actor import CATCH_UP_S
from greenroom.actors.social.feed.events import Trimmed
from greenroom.actors.social.feed.gathering import SETTLED_S
from greenroom.actors.social.feed.messages import MutedChanged, SayMade, Stories
from greenroom.actors.social.known.names import WHOLE_S
from greenroom.actors.social.post.views import Posts, Wall
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.actors.social.spread.unwritten import Unwritten
from greenroom.store.views.asked import Asked, Rows
from tests.actors.social.feed.world import DAY_S, World, ids


@pytest.fixture
def world() -> World:
    world = World()
    world.follow("bob")
    return world


def rows(world: World) -> list[str]:
    return [row.id for row in world.rows(Arrivals, lambda _: True)]


@pytest.mark.bound("rows of `arrivals` of one feed")
def test_rows_beyond_the_bound_are_trimmed_and_the_newest_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "ROWS_KEPT_MAX", 10)
    monkeypatch.setattr(gathering, "TRIMMED_MAX", 4)
    posts = [world.post("bob") for _ in range(17)]
    world.kit.restart()  # looked at once in a life, until it is within its bound
    for _ in range(4):
        assert world.ids()[:10] == posts[:-11:-1]
    assert rows(world) == posts[-10:]
    trimmed = [event for event in world.kit.events if isinstance(event, Trimmed)]
    assert [len(event.posts) for event in trimmed] == [4, 3]


def test_a_feed_that_never_sleeps_is_trimmed_each_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "ROWS_KEPT_MAX", 10)
    world.read()  # there is nothing to be trimmed yet
    for _ in range(2):
        posts = [world.post("bob") for _ in range(17)]
        world.read()
        assert len(rows(world)) > 10, "once a day is enough"
        world.kit.advance(DAY_S + 1.0)
        world.read()
        assert rows(world) == posts[-10:]


def test_a_feed_that_could_not_be_trimmed_is_at_the_next_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "ROWS_KEPT_MAX", 10)
    world.kit.restart()
    posts = [world.post("bob") for _ in range(17)]
    find = world.kit._world.found[Arrivals.Row]

    def fail(key: str, asked: Asked) -> Rows[Arrivals.Row]:
        if asked.limit == 10:
            raise Unavailable("down")
        return find(key, asked)

    world.kit.when_queried(Arrivals.Row, fail)
    with pytest.raises(Unavailable):
        world.read()
    world.kit.when_queried(Arrivals.Row, find)
    world.read()
    assert rows(world) == posts[-10:]


def test_a_page_takes_the_same_few_questions_however_much_there_is(world: World) -> None:
    for number in range(40):
        world.follow(f"u{number}", settled=False)
        world.post(f"u{number}")
    world.follow("eve")
    world.post("eve", written=False)
    world.kit.advance(60.0)
    world.read()
    statements: Counter[str] = Counter()
    world_query = world.kit._world.query
    world_pages = world.kit._world.query_pages

    async def query(row, key, asked):  # type: ignore[no-untyped-def]
        statements[row.__qualname__] += 1
        return await world_query(row, key, asked)

    async def pages(row, keys, *, limit, where):  # type: ignore[no-untyped-def]
        before = statements.copy()
        found = await world_pages(row, keys, limit=limit, where=where)
        statements.clear()
        statements.update(before + Counter([row.__qualname__]))
        return found

    world.kit._world.query, world.kit._world.query_pages = query, pages  # type: ignore[method-assign]
    world.read()
    assert sum(statements.values()) <= 7, statements
    assert statements[Posts.Row.__qualname__] == 1


def test_what_it_has_caught_up_with_is_there_before_its_rows_are(world: World) -> None:
    world.follow("eve", settled=False)
    post = world.post("eve", written=None)
    world.kit.advance(60.0)
    world.kit.when_queried(Arrivals.Row, lambda key, asked: Rows([]))  # the view is behind
    world.kit.ask(Stories(), user="ann")  # which catches up, as a page of the feed would
    assert not world.kit.state.behind
    assert world.ids() == [post]
    world.unfollow("eve")
    assert world.ids() == []


def test_who_is_behind_catches_up_without_being_waited_for(world: World) -> None:
    world.follow("eve", settled=False)
    post = world.post("eve", written=None)
    assert ids(world.read(order="ranked").posts) == [post] and world.kit.state.behind
    world.kit.advance(SETTLED_S + CATCH_UP_S + 1.0)
    assert not world.kit.state.behind and rows(world) == [post]
    world.kit.advance(WHOLE_S)
    world.queries.clear()
    assert ids(world.read(order="ranked").posts) == [post]
    assert Wall.Row not in world.queries, "it has brought nothing that the order lacks"


def test_who_is_behind_gives_way_to_those_in_line_for_their_pages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.follow("eve", settled=False)
    world.read()
    has_line = True
    monkeypatch.setattr(Actor, "has_line_to_read", property(lambda actor: has_line))
    world.queries.clear()
    world.kit.advance(SETTLED_S + CATCH_UP_S + 1.0)
    assert world.kit.state.behind and not world.queries
    has_line = False
    world.kit.advance(2 * CATCH_UP_S)
    assert not world.kit.state.behind


def test_what_is_lacking_is_of_the_order_once_it_has_caught_up(world: World) -> None:
    world.follow("eve", settled=False)
    assert world.read(order="ranked").posts == []
    post = world.post("eve", written=None)
    world.kit.advance(SETTLED_S + CATCH_UP_S + 1.0)
    assert ids(world.read(order="ranked").posts) == [post], "though its order would be good for longer"


def test_who_cannot_catch_up_does_with_the_next_page(world: World) -> None:
    def fail(key: str, asked: Asked) -> Rows[Wall.Row]:
        raise Unavailable("down")

    world.follow("eve", settled=False)
    world.read()
    find = world.kit._world.found[Wall.Row]
    world.kit.when_queried(Wall.Row, fail)
    world.kit.advance(SETTLED_S + CATCH_UP_S + 1.0)
    assert world.kit.state.behind
    world.kit.when_queried(Wall.Row, find)
    world.read()
    assert not world.kit.state.behind


def test_a_clock_that_was_ahead_when_somebody_was_followed_is_not_waited_for(world: World) -> None:
    posts = [world.post("eve", written=None) for _ in range(15)]
    world.kit._world.now_s += 3_600.0
    world.follow("eve", settled=False)
    world.kit._world.now_s -= 3_600.0
    world.follow("dan", settled=False)
    world.read()
    assert world.kit.state.behind.keys() == {"dan", "eve"}, "somebody was followed just now"
    world.kit.advance(60.0)
    assert world.ids() == posts[:-11:-1]
    assert not world.kit.state.behind
    assert any(isinstance(one.message, SayMade) for one in world.kit.told if one.entity == "feed:eve")


def test_who_has_to_be_looked_up_is_remembered_for_a_moment(world: World) -> None:
    world.kit.advance(60.0)
    world.queries.clear()
    world.read()
    world.read()
    assert world.queries.count(Unwritten.Row) == 1
    world.follow("eve", settled=False)
    world.post("eve", written=False)
    assert len(world.ids()) == 1, "and forgotten when whom one follows has changed"


def test_who_is_muted_takes_nobodys_place_among_those_who_are_looked_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "LOUD_MAX", 1)
    world.follow("eve", "fay")
    eves = world.post("eve", written=False)
    world.kit.advance(60.0)
    fays = world.post("fay", written=False)
    world.kit.tell(MutedChanged(user="fay", muted=True))
    assert world.ids() == [eves]
    world.kit.tell(MutedChanged(user="fay", muted=False))
    assert world.ids() == [fays], "at once"
