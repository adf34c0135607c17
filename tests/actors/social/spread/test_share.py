"""Who is written to: the same whoever works it out, and in all the share that is said."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from greenroom.actors.social.spread.share import (
    AWAY_S,
    FOLLOWERS_WRITTEN_MAX,
    FOLLOWS_FULL,
    POSTS_A_DAY,
    is_kept,
    is_to_be_written,
    kept_share,
    shares,
)

NOW_MS = 1_750_000_000_000


class One(Struct):
    at_ms: int = NOW_MS
    follows: int = 0


@given(st.dictionaries(st.text("abc", min_size=1), st.tuples(st.booleans(), st.integers(0, 20_000)), max_size=50))
def test_each_follower_is_in_one_part(them: dict[str, tuple[bool, int]]) -> None:
    readers = {user: One(NOW_MS if there else 0, follows) for user, (there, follows) in them.items()}
    found = shares("p", them, readers, NOW_MS)
    assert sorted([*found.kept, *found.shed, *found.away]) == sorted(them)
    assert found == shares("p", them, readers, NOW_MS)
    assert set(found.away) == {user for user, (there, _) in them.items() if not there}
    assert all(readers[user].follows > FOLLOWS_FULL for user in found.shed)


def test_whoever_follows_no_more_than_is_full_gets_everything() -> None:
    assert all(is_kept("ann", f"{number}", FOLLOWS_FULL) for number in range(1_000))
    assert kept_share(0) == kept_share(FOLLOWS_FULL) == 1.0


def test_of_a_hyper_follower_the_share_that_is_said_is_kept() -> None:
    kept = sum(is_kept("ann", f"{number:032x}", 4 * FOLLOWS_FULL) for number in range(10_000))
    assert kept_share(4 * FOLLOWS_FULL) == 0.25
    assert abs(kept - 2_500) < 200  # four and a half standard deviations; the draw is a hash, and so always the same


def test_other_posts_are_kept_for_other_users() -> None:
    assert len({tuple(is_kept(user, f"{number}", 4_000) for number in range(64)) for user in "abcdefgh"}) == 8


def test_who_has_not_been_back_for_two_weeks_is_away() -> None:
    readers = {"in": One(NOW_MS - int(AWAY_S * 1000)), "out": One(NOW_MS - int(AWAY_S * 1000) - 1)}
    found = shares("p", ["in", "out", "never"], readers, NOW_MS)
    assert (found.kept, found.away) == (["in"], ["out", "never"])


def test_the_threshold_falls_with_what_writing_costs() -> None:
    most = FOLLOWERS_WRITTEN_MAX
    assert is_to_be_written(most, 0) and is_to_be_written(most, POSTS_A_DAY)
    assert not is_to_be_written(most + 1, 0)
    assert is_to_be_written(most // 10, 10 * POSTS_A_DAY)
    assert not is_to_be_written(most // 10 + 1, 10 * POSTS_A_DAY)
    assert is_to_be_written(5, 0, most=5) and not is_to_be_written(6, 0, most=5)
