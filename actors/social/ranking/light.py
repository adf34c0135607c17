"""The light score: recency, affinity and engagement, cheap enough for all candidates.

It cuts five hundred to a hundred, and is the whole score where there is no model.
"""

from greenroom.actors.social.ranking.candidates import Candidate, Own
from greenroom.actors.social.ranking.model import Contributions, logistic
from greenroom.actors.social.ranking.values import FEATURES, Reader, own_values, unpacked

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
_AT_RECENCY, _AT_PACE, _AT_POST_RATE = (FEATURES.index(name) for name in ("recency", "pace", "rate"))
_PLACES = [(FEATURES.index(name), name) for name in WEIGHTS]


def own_part(one: Candidate, now_ms: int) -> Own:
    """What it brings whoever reads, to be kept with it for some seconds."""
    values = own_values(one, now_ms)
    return Own(values, _own_margin(values))


def done_part(own: Own) -> float:
    """What of it is by what readers have done with the post, and not by its age."""
    return _PACE * own.values[_AT_PACE] + _RATE * own.values[_AT_POST_RATE]


def _own_margin(values: tuple[float, ...]) -> float:
    return INTERCEPT + _RECENCY * values[_AT_RECENCY] + _PACE * values[_AT_PACE] + _RATE * values[_AT_POST_RATE]


def light_margin(one: Candidate, reader: Reader) -> float:
    """The same as `explained_light` adds up to, without packing all values for it."""
    own, pair = one.own, reader.pair(one.author)
    margin = own.light if own is not None else _own_margin(own_values(one, reader.now_ms))
    margin += _ENGAGED * pair[_AT_ENGAGED] + _PAIR_RATE * pair[_AT_RATE] + _HID * pair[_AT_HID]
    if one.reason not in ("following", "own"):
        margin += _SUGGESTED
    if one.seen:
        margin += _SEEN
    return margin


def light_score(one: Candidate, reader: Reader) -> float:
    """Between 0 and 1."""
    return logistic(light_margin(one, reader))


def explained_light(values: bytes) -> tuple[float, Contributions]:
    """What the margin begins with, and what each feature adds to it."""
    found = unpacked(values)
    return INTERCEPT, {name: WEIGHTS[name] * found[place] for place, name in _PLACES}
