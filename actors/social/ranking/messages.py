"""What `features:USER` can be told and asked."""

from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.model.message import Ask, Tell
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import Signal


class Exposure(Struct, frozen=True, kw_only=True):
    """A signal, with what is known of the post and of how it was shown."""

    signal: Signal
    author: Subject
    score: float = 0.0
    model: str = ""
    experiment: str = ""
    features: dict[str, float] = {}  # by which it was scored


class Observe(Tell, tag="features.observe"):
    """By its user's feed, or by posts: what the user did."""

    exposures: Annotated[list[Exposure], Meta(max_length=200)]


class Engaged(Tell, tag="features.engaged"):
    """By posts: the user has liked, commented, shared."""

    author: Subject
    post: str
    did: str  # like, comment, share


class FeaturesOf(Ask["FeaturesShown"], tag="features.of"):
    """Of its user, and of the user with each of these authors."""

    authors: Annotated[list[Subject], Meta(max_length=500)]


class FeaturesShown(Struct, frozen=True):
    mine: dict[str, float]
    with_authors: dict[str, dict[str, float]]
