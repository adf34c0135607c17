"""What a node knows, its feeds share, and no other node."""

from greenroom.actors.social.feed.actor import Feed
from greenroom.actors.social.known.on_node import known_on
from tests.actors.social.feed.world import World


def test_feeds_of_one_node_know_the_same() -> None:
    one, other = World(), World()
    feed = one.kit.actor
    assert known_on(feed) is known_on(Feed("feed:bob", feed.runtime))
    assert known_on(feed) is not known_on(other.kit.actor)
