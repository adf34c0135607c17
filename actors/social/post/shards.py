"""How the many who react to one post are divided: `reactions:ID.NN`, by their names. And what these can be told.

A user's name alone decides, so one user is always known to the same one; and all that a user says goes through the
post, which hands it on in order.
"""

from hashlib import blake2b

from msgspec import Struct

from greenroom.actors.model.message import Ask, Tell
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import Reaction
from greenroom.actors.social.post.messages import Mine

SHARDS = tuple(f"{number:02x}" for number in range(256))
SHARD_MAX = 20_000  # reactors of one: as many rows as a view's seed may make


def shard_for(user: str) -> str:
    """Two hex digits: of 256."""
    return blake2b(user.encode(), digest_size=1).hexdigest()


def shard_entity(post: str, shard: str) -> str:
    """`post` is an id."""
    return f"reactions:{post}.{shard}"


class SetReaction(Tell, tag="reactions.set"):
    """By the post: a user says that, and nothing else of it any more; without one, nothing at all."""

    user: Subject
    reaction: Reaction | None = None


class ReactionOf(Ask[Mine], tag="reactions.of"):
    """By the post: what has that user said?"""

    user: Subject


class ShardCounts(Struct, frozen=True):
    """How many there are of each."""

    counts: dict[str, int]


class Count(Ask[ShardCounts], tag="reactions.count"):
    """By the post, which counts anew."""


class Drop(Tell, tag="reactions.drop"):
    """By the post: it is gone."""


class TellCounts(Tell, tag="reactions.tell_counts"):
    """To itself: tell the post what is counted by now."""
