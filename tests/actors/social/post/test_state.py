"""Counts as differences."""

from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.post.state import differences, moved

counts = st.dictionaries(st.sampled_from(["like", "love", "sad"]), st.integers(1, 5))


def test_a_reaction_that_changes_moves_one_and_zeros_are_not_kept() -> None:
    assert moved({"like": 1}, {"like": -1, "love": 1}) == {"love": 1}
    assert moved({}, {"": -1, "like": 1}) == {"like": 1}, "nothing said before is no reaction"


@given(counts, counts)
def test_differences_lead_from_one_to_the_other(before: dict[str, int], now: dict[str, int]) -> None:
    assert moved(before, differences(before, now)) == now
