"""What an author has posted lately, for who has come to follow them."""

import pytest

from greenroom.actors.social.feed.gathering import SETTLED_MANY_S, SETTLED_S
from greenroom.actors.social.feed.made import ASKED_MAX
from greenroom.actors.social.feed.messages import BarredChanged, Made, Post, SayMade
from greenroom.actors.social.spread.arrivals import Arrivals
from tests.actors.social.feed.world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.read()
    world.kit.advance(1.0)
    return world


def asked(world: World) -> list[str]:
    return [told.entity for told in world.kit.told if isinstance(told.message, SayMade)]


def test_walls_are_looked_at_until_the_rows_say_that_one_follows(world: World) -> None:
    """However late they are: a post that was written to followers from before is on its wall, or made."""
    world.unknown = {"bob"}
    world.follow("bob", settled=False)
    world.kit.advance(3_600.0)
    late = world.post("bob", written=None)
    assert world.ids() == [late] and world.kit.state.behind
    assert asked(world) == []
    world.unknown = set()
    del world.posts[late]  # nor does its wall have it yet
    world.read()
    assert asked(world) == ["feed:bob"] and not world.kit.state.behind
    late = world.post("bob", written=None)
    world.kit.tell(Made(author="bob", posts=[late]))
    assert [row.id for row in world.rows(Arrivals, lambda row: row.id == late)] == [late]
    assert world.ids() == [late]


def test_an_author_says_what_was_made_and_nothing_to_who_is_barred(world: World) -> None:
    world.kit.tell(SayMade(reader="bob"))
    assert world.kit.told == [], "nothing was"
    made = world.kit.ask(Post(text="hello"), user="ann").id
    world.kit.tell(BarredChanged(user="cyd", by_us=True, barred=True))
    for reader in ("bob", "cyd"):
        world.kit.tell(SayMade(reader=reader))
    assert [(told.entity, told.message.posts) for told in world.kit.told if isinstance(told.message, Made)] == [
        ("feed:bob", [made])
    ]


def test_what_is_made_by_who_is_not_followed_is_nothing(world: World) -> None:
    count = len(world.kit.events)
    world.kit.tell(Made(author="bob", posts=[world.post("bob")]))
    assert len(world.kit.events) == count


def test_of_more_authors_than_are_asked_walls_are_looked_at_for_longer(world: World) -> None:
    authors = [f"u{number}" for number in range(ASKED_MAX + 1)]
    world.follow(*authors, settled=False)
    world.kit.advance(SETTLED_S + 1.0)
    world.read()
    assert len(world.kit.state.behind) == ASKED_MAX + 1 and asked(world) == []
    world.kit.advance(SETTLED_MANY_S)
    world.read()
    assert not world.kit.state.behind
    assert asked(world) == [f"feed:{author}" for author in authors[:0:-1]], "those followed last"


def test_of_few_authors_walls_are_looked_at_for_a_moment(world: World) -> None:
    world.follow("bob", settled=False)
    world.kit.advance(SETTLED_S - 1.0)
    world.read()
    assert world.kit.state.behind
    world.kit.advance(2.0)
    world.read()
    assert not world.kit.state.behind and asked(world) == ["feed:bob"]
