"""Walls that many read."""

from greenroom.actors.social.known.on_node import CAUGHT_UP_EACH, WALL_MAX, WALLS_S
from greenroom.actors.social.known.walls import newest_of, walls
from greenroom.actors.social.post.views import Wall
from tests.actors.social.feed.world import World


async def test_the_newest_of_each_without_stories_and_read_once_in_a_while() -> None:
    world = World()
    posts = [world.post("eve", written=False) for _ in range(WALL_MAX + 1)]
    world.post("eve", written=False, is_story=True, ends_ms=1)
    feed = world.kit.actor
    assert await walls(feed, ["eve", "none"]) == {"eve": posts[:0:-1]}
    world.queries.clear()
    assert await walls(feed, ["eve", "none"]) == {"eve": posts[:0:-1]} and Wall.Row not in world.queries
    new = world.post("eve", written=False)
    world.kit.advance(WALLS_S)
    assert (await walls(feed, ["eve"]))["eve"][0] == new


async def test_for_who_catches_up_fewer_are_read_and_as_seldom() -> None:
    world = World()
    posts = [world.post("eve", written=False) for _ in range(CAUGHT_UP_EACH + 1)]
    world.post("eve", written=False, is_story=True, ends_ms=1)
    feed = world.kit.actor

    async def eves() -> list[tuple[str, bool]]:
        found = await newest_of(feed, ["eve", "none"])
        return [(one.post, one.is_story) for wall in found.values() for one in wall]

    expected = [(post, False) for post in posts[:0:-1]]
    assert await eves() == expected
    world.queries.clear()
    assert await eves() == expected and Wall.Row not in world.queries
    new = world.post("eve", written=False)
    world.kit.advance(WALLS_S)
    assert (await eves())[0] == (new, False)
