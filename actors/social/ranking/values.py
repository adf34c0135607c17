"""The values that a model scores by: computed once, packed as it reads them, and logged as they were packed.

Four bytes a value, little-endian: what a model file was trained with and what it scores are then the same numbers.
"""

import struct
from collections.abc import Mapping
from math import log1p

from greenroom.actors.social.ranking.candidates import Candidate

# Ever more are added at the end; none is taken away or renamed: model files name those that they read.
FEATURES = (
    "age_h",  # of the post
    "recency",  # 1 when new, half as much every six hours
    "reactions",  # ln(1 + n), as the next three
    "comments",
    "shares",
    "followers",
    "pace",  # ln(1 + what was done with it, by weight, an hour)
    "rate",  # ln(1 + what was done with it, by weight, for each follower of the author)
    "media",  # 1: it has some
    "chars",  # ln(1 + n)
    "is_share",
    "suggested",  # 1: not by anybody whom its reader follows
    "seen",  # 1: it was shown to its reader before
    "pair_seen_1d",  # what the reader has done with its author: ln(1 + n)
    "pair_engaged_1h",
    "pair_engaged_1d",
    "pair_engaged_7d",
    "pair_dwelt_7d",  # ln(1 + seconds)
    "pair_hid_7d",
    "pair_rate_1d",  # engaged for each that was seen, pulled towards the reader's own
    "pair_rate_7d",
    "my_seen_1h",  # what the reader has done with all: ln(1 + n)
    "my_seen_1d",
    "my_rate_1d",
    "my_rate_7d",
)
_PACKED = struct.Struct(f"<{len(FEATURES)}f")
VALUES_BYTES = _PACKED.size

HALF_LIFE_H = 6.0
COMMENT_WEIGHT, SHARE_WEIGHT = 2.0, 3.0  # a reaction is 1
FOLLOWERS_PRIOR = 50.0  # with few followers a rate says little
SEEN_PRIOR = 5.0  # likewise with little that was seen
RATE_FIRST = 0.1  # of who has done nothing yet

Mine = Mapping[str, float]  # of windows.now: `seen_1h` and so on


def recency(age_h: float) -> float:
    return float(0.5 ** (age_h / HALF_LIFE_H))


def engagement(one: Candidate) -> float:
    """What readers have done with it, by weight."""
    return one.reactions + COMMENT_WEIGHT * one.comments + SHARE_WEIGHT * one.shares


def age_h(one: Candidate, now_ms: int) -> float:
    return max(now_ms - one.at_ms, 0) / 3_600_000


def own_values(one: Candidate, now_ms: int) -> tuple[float, ...]:
    """Those that say nothing of who reads: from `age_h` to `is_share`."""
    age, engaged = age_h(one, now_ms), engagement(one)
    return (
        age,
        recency(age),
        log1p(one.reactions),
        log1p(one.comments),
        log1p(one.shares),
        log1p(one.followers),
        log1p(engaged / (age + 1.0)),
        log1p(engaged / (one.followers + FOLLOWERS_PRIOR)),
        1.0 if one.media else 0.0,
        log1p(one.chars),
        1.0 if one.is_share else 0.0,
    )


def rate(known: Mine, window: str, expected: float) -> float:
    """Engaged for each that was seen, where little is known as expected."""
    return (known.get(f"engaged_{window}", 0.0) + SEEN_PRIOR * expected) / (
        known.get(f"seen_{window}", 0.0) + SEEN_PRIOR
    )


class Reader:
    """What is known of one reader, at one time; asked for many candidates."""

    __slots__ = ("_authors", "_found", "_mine", "_mine_values", "_rate_1d", "_rate_7d", "now_ms")

    def __init__(self, mine: Mine, authors: Mapping[str, Mine], now_ms: int) -> None:
        self.now_ms = now_ms
        self._mine, self._authors = mine, authors
        self._rate_1d, self._rate_7d = rate(mine, "1d", RATE_FIRST), rate(mine, "7d", RATE_FIRST)
        self._mine_values = (
            log1p(mine.get("seen_1h", 0.0)),
            log1p(mine.get("seen_1d", 0.0)),
            self._rate_1d,
            self._rate_7d,
        )
        self._found: dict[str, tuple[float, ...]] = {}

    def packed(self, one: Candidate) -> bytes:
        """The values of FEATURES, in that order."""
        own = one.own
        return _PACKED.pack(
            *(own.values if own is not None else own_values(one, self.now_ms)),
            1.0 if one.is_suggested else 0.0,
            1.0 if one.seen else 0.0,
            *self.pair(one.author),
            *self._mine_values,
        )

    def pair(self, author: str) -> tuple[float, ...]:
        """The values from `pair_seen_1d` to `pair_rate_7d`."""
        found = self._found.get(author)
        if found is None:
            known = self._authors.get(author) or {}
            found = self._found[author] = (
                log1p(known.get("seen_1d", 0.0)),
                log1p(known.get("engaged_1h", 0.0)),
                log1p(known.get("engaged_1d", 0.0)),
                log1p(known.get("engaged_7d", 0.0)),
                log1p(known.get("dwelt_7d", 0.0)),
                log1p(known.get("hid_7d", 0.0)),
                rate(known, "1d", self._rate_1d),
                rate(known, "7d", self._rate_7d),
            )
        return found


def unpacked(values: bytes) -> tuple[float, ...]:
    """In the order of FEATURES."""
    return _PACKED.unpack(values)


def logged(values: bytes) -> dict[str, float]:
    """By name, for `Exposure.features`: nine digits give back the very four bytes. What is 0 is left out."""
    return {name: float(f"{value:.9g}") for name, value in zip(FEATURES, _PACKED.unpack(values), strict=True) if value}


def packed_again(features: Mapping[str, float]) -> bytes:
    """Of what was logged. One that was not known then is 0."""
    return _PACKED.pack(*(features.get(name, 0.0) for name in FEATURES))
