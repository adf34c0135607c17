"""Cursors: whose they are, and what is kept for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom import Refused
from greenroom.actors.social.feed.cursor import (
    CURSOR_S,
    REASONS,
    SNAPSHOTS_MAX,
    Placed,
    Snapshot,
    Snapshots,
    unwrapped,
    wrapped,
)

POSTS = st.integers(0, (1 << 128) - 1).map(lambda number: f"{number:032x}")


@given(st.lists(st.tuples(POSTS, st.sampled_from(REASONS), st.integers(0, 100)), max_size=20), st.integers(0, 20))
def test_a_snapshot_gives_back_what_was_put_in(posts: list[tuple[str, str, int]], scored: int) -> None:
    places = [
        Placed(post, reason, float(score), b"v" if at < scored else b"")  # type: ignore[arg-type]
        for at, (post, reason, score) in enumerate(posts)
    ]
    snapshot = Snapshot(places, made_s=0.0)
    assert [snapshot[at] for at in range(len(snapshot))] == places == snapshot.part(0, 100)


@pytest.mark.bound("lists that a feed keeps for cursors")
@given(st.lists(st.sampled_from(["00" * 16, "01" * 16, "00" * 8 + "01" * 8, "01" * 8 + "00" * 8]), max_size=4))
def test_a_snapshot_knows_what_is_in_it(posts: list[str]) -> None:
    """And takes nothing for it that only lies across two of them."""
    snapshot = Snapshot([Placed(post) for post in posts], made_s=0.0)
    for post in ("00" * 16, "01" * 16, "00" * 8 + "01" * 8, "01" * 8 + "00" * 8):
        assert (post in snapshot) == (post in posts)


def test_only_the_newest_are_kept() -> None:
    kept = Snapshots("ann")
    cursors = [kept.cursor(kept.keep(Snapshot([], made_s=0.0)), 0) for _ in range(SNAPSHOTS_MAX + 1)]
    with pytest.raises(Refused, match=r"feed\.cursor_expired"):
        kept.find(cursors[0], 0.0)
    assert kept.find(cursors[1], 0.0)[2] == 0


def test_what_has_expired_takes_no_memory() -> None:
    kept = Snapshots("ann")
    cursor = kept.cursor(kept.keep(Snapshot([], made_s=0.0)), 0)
    with pytest.raises(Refused, match=r"feed\.cursor_expired"):
        kept.find(cursor, CURSOR_S + 1)
    assert not kept._kept


@given(st.text(max_size=30))
def test_whatever_somebody_makes_up_is_refused(text: str) -> None:
    kept = Snapshots("ann")
    for cursor in (text, wrapped("ann", "home", text or "x"), wrapped("bob", "home", text or "x")):
        with pytest.raises(Refused, match=r"feed\.(bad_cursor|cursor_expired)"):
            kept.find(cursor, 0.0)


def test_a_place_beyond_the_end_is_none() -> None:
    kept = Snapshots("ann")
    name = kept.keep(Snapshot([Placed("0" * 32)], made_s=0.0))
    for at in ("2", "-1", "1e3", ""):
        with pytest.raises(Refused, match=r"feed\.bad_cursor"):
            kept.find(wrapped("ann", "home", f"{name}.{at}"), 0.0)


def test_a_cursor_goes_on_in_its_own_list_only() -> None:
    cursor = wrapped("ann", "of\0bob", "place")
    assert unwrapped("ann", "of\0bob", cursor) == "place"
    for user, what in (("zoe", "of\0bob"), ("ann", "of\0cyd")):
        with pytest.raises(Refused, match=r"feed\.bad_cursor"):
            unwrapped(user, what, cursor)
