"""Cursors: whose they are, and what is kept for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom import Refused
from greenroom.actors.social.feed.cursor import (
    CURSOR_S,
    PLACES_MAX,
    REASONS,
    SNAPSHOTS_MAX,
    Place,
    Placed,
    Places,
    Shelf,
    Snapshot,
    Snapshots,
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
    kept = Snapshots()
    names = [kept.keep(Snapshot([], made_s=0.0)) for _ in range(SNAPSHOTS_MAX + 1)]
    with pytest.raises(Refused, match=r"feed\.cursor_expired"):
        kept.find(names[0], 0.0)
    assert len(kept.find(names[1], 0.0)) == 0


def test_one_that_is_shown_again_pushes_out_no_other() -> None:
    kept, again = Snapshots(), Snapshot([], made_s=0.0)
    kept.keep(again)
    other = kept.keep(Snapshot([], made_s=0.0))
    assert len({kept.keep(again) for _ in range(SNAPSHOTS_MAX)}) == 1
    assert kept.find(other, 0.0) is not kept.find(again.name, 0.0)
    for _ in range(SNAPSHOTS_MAX - 1):
        kept.keep(Snapshot([], made_s=0.0))
    assert kept.find(again.name, 0.0) is again
    with pytest.raises(Refused, match=r"feed\.cursor_expired"):
        kept.find(other, 0.0)


@pytest.mark.bound("places in lists that a feed keeps for cursors")
def test_only_the_newest_places_are_kept() -> None:
    kept = Places("ann")
    cursors = [kept.keep(Place("home", 0.0, at=number)) for number in range(PLACES_MAX + 1)]
    with pytest.raises(Refused, match=r"feed\.cursor_expired"):
        kept.find("home", cursors[0], 0.0)
    assert kept.find("home", cursors[1], 0.0).at == 1


def test_what_has_expired_takes_no_memory() -> None:
    snapshots, places = Snapshots(), Places("ann")
    name, cursor = snapshots.keep(Snapshot([], made_s=0.0)), places.keep(Place("home", 0.0))
    with pytest.raises(Refused, match=r"feed\.cursor_expired"):
        snapshots.find(name, CURSOR_S + 1)
    with pytest.raises(Refused, match=r"feed\.cursor_expired"):
        places.find("home", cursor, CURSOR_S + 1)
    assert not snapshots._kept and not places._kept


@given(st.text(max_size=60))
def test_whatever_somebody_makes_up_is_refused(text: str) -> None:
    kept = Places("ann")
    whole = kept.keep(Place("home", 0.0))
    for cursor in (text, whole[:-1], whole[:12] + text, text + whole[12:]):
        if cursor != whole:
            with pytest.raises(Refused, match=r"feed\.(bad_cursor|cursor_expired)"):
                kept.find("home", cursor, 0.0)


def test_a_cursor_goes_on_in_its_own_list_only() -> None:
    kept = Places("ann")
    cursor = kept.keep(Place("of\0bob", 0.0, after="place"))
    assert kept.find("of\0bob", cursor, 0.0).after == "place"
    for other, what in ((Places("zoe"), "of\0bob"), (kept, "of\0cyd")):
        with pytest.raises(Refused, match=r"feed\.bad_cursor"):
            other.find(what, cursor, 0.0)


def test_a_cursor_says_nothing_of_the_place_that_it_names() -> None:
    kept = Places("ann")
    places = [Place("home", 0.0, "after", ("0" * 32,), "name", at) for at in (3, 3, 5_000)]
    cursors = [kept.keep(place) for place in places]
    assert len({len(cursor) for cursor in cursors}) == 1 and len(set(cursors)) == 3


@pytest.mark.bound("feeds of a node whose lists are kept for their cursors, while they sleep too")
def test_lists_are_kept_of_the_feeds_that_woke_last() -> None:
    shelf = Shelf(2)
    ann, bob = shelf.of("ann"), shelf.of("bob")
    assert shelf.of("ann") is ann
    shelf.of("cyd")
    assert shelf.of("ann") is ann and shelf.of("bob") is not bob
