"""Who somebody is: names are two seconds old at most, and followers ten."""

from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.known.on_node import AUTHORS_S, NAMES_S
from greenroom.actors.social.known.people import authors, named
from greenroom.actors.social.profile.views import Profiles
from tests.actors.social.feed.world import World


async def test_they_are_read_once_for_some_seconds() -> None:
    world = World()
    world.profiles["bob"] = Profiles.Row(user="bob", name="Bob")
    world.authors["bob"] = Authors.Row(user="bob", followers=1)
    feed = world.kit.actor

    async def known() -> tuple[list[str], list[int]]:
        names, people = await named(feed, ["bob", "none"]), await authors(feed, ["bob", "none"])
        return [one.name for one in names.values()], [one.followers for one in people.values()]

    assert await known() == (["Bob"], [1])
    world.profiles["bob"] = Profiles.Row(user="bob", name="Robert")
    world.authors["bob"] = Authors.Row(user="bob", followers=2)
    assert await known() == (["Bob"], [1])
    world.kit.advance(NAMES_S)
    assert await known() == (["Robert"], [1])
    world.kit.advance(AUTHORS_S - NAMES_S)
    assert await known() == (["Robert"], [2])
    assert await named(feed, []) == {}
