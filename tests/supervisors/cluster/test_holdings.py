"""What a node has heard of who owns what, and how old news is told from new."""

import pytest

from greenroom.store.errors import NotOwner
from greenroom.store.ownership.referee import Owned
from greenroom.supervisors.cluster.holdings import Holdings

ME, OTHER = 1, 2
SHARDS = 4


def holdings() -> Holdings:
    return Holdings(ME, SHARDS)


def row(shard: int, owner: int | None, term: int) -> Owned:
    return Owned(shard, owner, term, 0.0)


def entity_of(held: Holdings, shard: int) -> str:
    return next(name for number in range(1000) if held.shard(name := f"room:{number}") == shard)


def test_at_first_nobody_is_known_to_own_anything() -> None:
    held = holdings()
    assert not held.owns("room:a") and held.owner("room:a") is None and held.shards() == frozenset()
    with pytest.raises(NotOwner):
        held.term("room:a")


def test_rows_say_who_owns_what() -> None:
    held = holdings()
    held.begin_reading()
    assert held.read([row(0, ME, 3), row(1, OTHER, 5), row(2, None, 1)]) == {0, 1, 2}
    assert held.mine == {0: 3} and held.owner_of(1) == OTHER and held.owner_of(2) is None
    name = entity_of(held, 0)
    assert held.owns(name) and held.term(name) == 3 and held.owner(name) == ME
    assert held.read([row(0, ME, 3), row(1, OTHER, 5)]) == set(), "nothing new"
    assert held.read([row(0, OTHER, 4)]) == {0}
    assert not held.owns(name)


def test_what_is_heard_counts_when_it_is_newer() -> None:
    held = holdings()
    held.read([row(0, OTHER, 4)])
    assert held.hear(ME, {0: 4, 1: 2}) == {1}
    assert held.hear(ME, {0: 5}) == {0}
    assert held.mine == {0: 5, 1: 2}
    assert held.hear(ME, {-1: 9, SHARDS: 9}) == set(), "from a node that was set up otherwise"


def test_rows_that_were_read_before_something_was_heard_do_not_undo_it() -> None:
    held = holdings()
    held.begin_reading()
    held.hear(ME, {0: 5})
    assert held.read([row(0, OTHER, 4)]) == set()
    assert held.mine == {0: 5}


def test_rows_may_have_gone_back_where_a_standby_took_over() -> None:
    held = holdings()
    held.hear(ME, {0: 5})
    held.begin_reading()
    assert held.read([row(0, OTHER, 4)]) == {0}
    assert held.mine == {}


def test_one_object_says_which_shards_are_ours_until_that_changes() -> None:
    held = holdings()
    held.hear(ME, {0: 1, 1: 1})
    before = held.shards()
    assert before is not None and set(before) == {0, 1}
    held.read([row(0, ME, 1), row(2, OTHER, 1)])
    assert held.shards() is before
    held.begin_leaving([1])
    assert held.shards() is before, "until it is another's, what lies in its outbox is ours to deliver"
    held.keep([1])
    assert held.shards() is before
    held.begin_leaving([1])
    held.hear(OTHER, {1: 2})
    assert set(held.shards() or ()) == {0}
    held.hear(ME, {1: 3})
    assert set(held.shards() or ()) == {0, 1}
    held.hear(ME, {2: 2, 3: 1})
    assert held.shards() is None, "all of them"


def test_what_is_handed_over_wakes_nobody_and_may_still_be_built_anew() -> None:
    held = holdings()
    held.hear(ME, {0: 7})
    name = entity_of(held, 0)
    assert held.begin_leaving([0, 1]) == {0}
    assert not held.owns(name) and held.term(name) == 7 and held.owner(name) == ME
    held.read([row(0, ME, 7)])
    assert not held.owns(name), "that it is ours still is no news"
    held.hear(OTHER, {0: 8})
    held.keep([0])
    assert not held.owns(name) and held.owner(name) == OTHER


def test_a_claim_that_was_refused_is_heeded_until_the_rows_have_been_read() -> None:
    held = holdings()
    held.hear(ME, {0: 7})
    name = entity_of(held, 0)
    assert held.lost(0)
    assert not held.owns(name) and held.owner(name) is None
    assert held.lost(0), "that we know already"
    held.begin_reading()
    held.read([row(0, ME, 7)])
    assert held.owns(name)
    assert not held.lost(0), "the rows have been asked, so the claim was refused for another reason"
    assert held.owns(name)
    held.read([row(0, ME, 9)])
    assert held.lost(0), "another term, another time"


def test_nothing_is_ours_after_the_end() -> None:
    held = holdings()
    held.hear(ME, {0: 7, 1: 1})
    held.begin_leaving([1])
    held.clear()
    assert held.shards() == frozenset() and not held.leaving


def test_what_was_anothers_without_having_left_is_overtaken_once_its_row_is_read() -> None:
    held = holdings()
    held.read([row(shard, ME, 1) for shard in range(SHARDS)])
    assert held.take_overtaken() == set()
    held.begin_leaving([0])
    held.hear(OTHER, {0: 2})
    assert held.take_overtaken() == set(), "handed over"
    assert held.lost(1) and held.lost(2)
    assert held.take_overtaken() == set(), "nobody knows yet"
    held.read([row(1, ME, 1), row(2, OTHER, 2), row(3, ME, 3)])
    assert held.take_overtaken() == {2, 3}, "also what came back before we looked"
    assert held.take_overtaken() == set()
    assert held.counts() == {OTHER: 2, ME: 2}
