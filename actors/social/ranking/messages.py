"""What `features:USER` can be told and asked."""

from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.model.message import Ask, Tell
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import PostId, Signal


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
    """By posts: the user has commented, shared; and, as a nudge, liked."""

    author: Subject
    post: str
    did: str  # like, comment, share


class RecordLiked(Tell, tag="features.record_liked"):
    """To itself: record what was liked within the last seconds."""


class FeaturesShown(Struct, frozen=True):
    """Sums in windows that fade, by name: `seen_1h`, `engaged_7d`; what is nothing is left out."""

    mine: dict[str, float]
    with_authors: dict[str, dict[str, float]]


class FeaturesOf(Ask[FeaturesShown], tag="features.of"):
    """Of its user, and of the user with each of these authors."""

    authors: Annotated[list[Subject], Meta(max_length=500)]


class Part(Struct, frozen=True):
    """What one feature does to a score."""

    feature: str
    value: float
    adds: float  # to the margin; less than 0 takes away


class Explained(Struct, frozen=True, kw_only=True):
    """Why a post stands where it does: the score is the logistic function of the base and all that is added."""

    score: float
    model: str  # its version, or `light`
    base: float
    parts: list[Part]  # what does most first


class Explain(Ask[Explained], tag="feed.explain"):
    """Of its user, to their feed: why was this post of the last pages shown where it was?"""

    post: PostId
