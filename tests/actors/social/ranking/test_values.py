"""The values that are scored by, packed and logged."""

from math import log1p

import pytest
from hypothesis import given

from greenroom.actors.social.ranking.candidates import Candidate
from greenroom.actors.social.ranking.messages import FeaturesShown
from greenroom.actors.social.ranking.values import FEATURES, VALUES_BYTES, logged, packed_again, rate, unpacked
from tests.actors.social.ranking.made import CANDIDATES, candidate, reader


def test_each_value_stands_where_its_name_does() -> None:
    mine = {"seen_1h": 3.0, "seen_1d": 5.0, "engaged_1d": 2.0, "seen_7d": 9.0, "engaged_7d": 1.0}
    bob = {"seen_1d": 1.0, "engaged_1h": 2.0, "engaged_1d": 3.0, "engaged_7d": 4.0, "dwelt_7d": 5.0, "hid_7d": 6.0}
    one = candidate(
        1, age_h=6.0, reason="tag", reactions=3, comments=2, shares=1, media=4, chars=9, is_share=True, followers=50
    )
    packed = reader(FeaturesShown(mine, {"bob": bob})).packed(one)
    assert len(packed) == VALUES_BYTES
    my_1d, my_7d = rate(mine, "1d", 0.1), rate(mine, "7d", 0.1)
    assert dict(zip(FEATURES, unpacked(packed), strict=True)) == pytest.approx(
        {
            "age_h": 6.0,
            "recency": 0.5,
            "reactions": log1p(3),
            "comments": log1p(2),
            "shares": log1p(1),
            "followers": log1p(50),
            "pace": log1p((3 + 2 * 2 + 3 * 1) / 7),
            "rate": log1p(10 / 100),
            "media": 1.0,
            "chars": log1p(9),
            "is_share": 1.0,
            "suggested": 1.0,
            "seen": 0.0,
            "pair_seen_1d": log1p(1),
            "pair_engaged_1h": log1p(2),
            "pair_engaged_1d": log1p(3),
            "pair_engaged_7d": log1p(4),
            "pair_dwelt_7d": log1p(5),
            "pair_hid_7d": log1p(6),
            "pair_rate_1d": (3 + 5 * my_1d) / (1 + 5),
            "pair_rate_7d": (4 + 5 * my_7d) / 5,
            "my_seen_1h": log1p(3),
            "my_seen_1d": log1p(5),
            "my_rate_1d": (2 + 0.5) / (5 + 5),
            "my_rate_7d": (1 + 0.5) / (9 + 5),
        },
        rel=1e-6,
    )


@given(CANDIDATES)
def test_what_is_logged_is_what_was_scored_to_the_last_bit(candidates: list[Candidate]) -> None:
    one = reader(FeaturesShown({"seen_7d": 1 / 3}, {"bob": {"engaged_1h": 0.1}}))
    for each in candidates:
        packed = one.packed(each)
        assert packed_again(logged(packed)) == packed


def test_what_was_not_known_then_is_nothing() -> None:
    assert packed_again({"recency": 1.0, "of_another_release": 2.0}) == packed_again({"recency": 1.0})
