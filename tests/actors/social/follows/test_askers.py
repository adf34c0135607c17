"""Which posts have asked of late."""

from greenroom.actors.social.follows.askers import ASKERS_MAX, KEPT_S, Askers
from greenroom.actors.social.post.audience import KNOWN_S


def test_who_has_asked_is_taken_once() -> None:
    askers = Askers()
    askers.note("p1", 0.0)
    askers.note("p2", 1.0)
    assert askers.take(2.0) == ["p1", "p2"]
    assert askers.take(2.0) == []


def test_who_keeps_no_answer_any_more_is_not_told() -> None:
    askers = Askers()
    askers.note("p1", 0.0)
    askers.note("p2", 1.0)
    assert askers.take(KEPT_S + 0.5) == ["p2"]


def test_a_post_is_known_while_its_thread_may_go_by_what_it_said() -> None:
    assert KEPT_S > 2 * KNOWN_S, "a thread asks its post when that is about to ask anew, and keeps the answer as long"


def test_those_who_asked_longest_ago_make_room() -> None:
    askers = Askers()
    askers.note("first", 0.0)
    for number in range(ASKERS_MAX - 1):
        askers.note(f"p{number}", 1.0)
    askers.note("first", 1.0)
    askers.note("last", 1.0)
    assert len(askers) == ASKERS_MAX
    taken = askers.take(1.0)
    assert "p0" not in taken and {"first", "last", "p1"} <= set(taken)


def test_an_edge_counts_for_posts_that_are_not_for_everybody() -> None:
    askers = Askers()
    askers.note("old", 0.0, for_followers=True)
    askers.note("for all", 1.0)
    askers.note("for followers", 1.0, for_followers=True)
    assert askers.where_edges_count(KEPT_S + 0.5, private=False) == ["for followers"]
    assert askers.where_edges_count(KEPT_S + 0.5, private=True) == ["for all", "for followers"]
    assert len(askers.take(1.0)) == 3, "they have answers of others still"
