"""The light score: recency, affinity and engagement, cheap enough for all candidates.

It cuts five hundred to a hundred, and is the whole score where there is no model.
"""

from math import log1p

from greenroom.actors.social.ranking.candidates import Candidate
from greenroom.actors.social.ranking.model import Contributions, logistic
from greenroom.actors.social.ranking.values import (
    FEATURES,
    FOLLOWERS_PRIOR,
    Reader,
    age_h,
    engagement,
    recency,
    unpacked,
)

INTERCEPT = -2.0
WEIGHTS = {
    "recency": 3.0,
    "pace": 0.25,
    "rate": 1.0,
    "suggested": -1.0,
    "seen": -2.0,
    "pair_engaged_7d": 0.4,
    "pair_rate_7d": 1.5,
    "pair_hid_7d": -2.0,
}
_RECENCY, _PACE, _RATE, _SUGGESTED, _SEEN, _ENGAGED, _PAIR_RATE, _HID = WEIGHTS.values()
_PAIR = FEATURES.index("pair_seen_1d")
_AT_ENGAGED, _AT_RATE, _AT_HID = (
    FEATURES.index(name) - _PAIR for name in ("pair_engaged_7d", "pair_rate_7d", "pair_hid_7d")
)
_PLACES = [(FEATURES.index(name), name) for name in WEIGHTS]


def light_score(one: Candidate, reader: Reader) -> float:
    """Between 0 and 1. The same as `explained_light` adds up to, without packing all values for it."""
    age, engaged, pair = age_h(one, reader.now_ms), engagement(one), reader.pair(one.author)
    margin = (
        INTERCEPT
        + _RECENCY * recency(age)
        + _PACE * log1p(engaged / (age + 1.0))
        + _RATE * log1p(engaged / (one.followers + FOLLOWERS_PRIOR))
        + _ENGAGED * pair[_AT_ENGAGED]
        + _PAIR_RATE * pair[_AT_RATE]
        + _HID * pair[_AT_HID]
    )
    if one.is_suggested:
        margin += _SUGGESTED
    if one.seen:
        margin += _SEEN
    return logistic(margin)


def explained_light(values: bytes) -> tuple[float, Contributions]:
    """What the margin begins with, and what each feature adds to it."""
    found = unpacked(values)
    return INTERCEPT, {name: WEIGHTS[name] * found[place] for place, name in _PLACES}
