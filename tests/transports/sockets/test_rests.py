"""A rest is taken where it gathers several messages for each connection, and nowhere else."""

from itertools import count

import pytest

from greenroom.transports.sockets.rests import APART_S_MAX, CROWD, FEW, REST_S_MAX, REST_S_MIN, Rests

LONG_S = 0.005  # a flush that took long


def settled(per_s: float, connections: int, *, every_s: float, took_s: float = LONG_S) -> tuple[float, bool]:
    """The rest after many flushes, one each `every_s`, where each connection is sent so many messages a second."""
    rests = Rests()
    in_each = per_s * every_s  # messages of one connection; below one it is left out of most flushes
    for _ in range(100):
        found = rests.after(connections, int(connections * max(in_each, 1)), max(every_s, 1 / per_s), took_s)
    return found


@pytest.mark.parametrize("every_s", [0.002, 0.01, 0.03])
def test_where_several_messages_come_in_a_rest_one_is_taken_however_often_is_flushed(every_s: float) -> None:
    """Else one that had been left out would be the reason for leaving out the next."""
    assert settled(100, 300, every_s=every_s) == (2 * LONG_S, False)


@pytest.mark.parametrize("every_s", [0.002, 0.01, 0.03])
def test_where_they_are_further_apart_there_is_none_however_many_connections_are_flushed(every_s: float) -> None:
    """And one that was taken is no reason for taking the next, though it makes a crowd of those who waited."""
    assert settled(0.9 / APART_S_MAX, CROWD, every_s=every_s)[0] == 0
    assert settled(0.9 / APART_S_MAX, FEW + 1, every_s=every_s)[0] == 0


def test_a_crowd_of_a_busy_topic_is_rested_after_whole() -> None:
    assert settled(1000, CROWD, every_s=0.02) == (2 * LONG_S, True)
    assert settled(1000, CROWD - 1, every_s=0.02) == (2 * LONG_S, False)


def test_a_rest_is_as_long_as_the_flush_was_twice_within_bounds() -> None:
    assert settled(1000, 100, every_s=0.01, took_s=1.0)[0] == REST_S_MAX
    assert settled(1000, 100, every_s=0.01, took_s=REST_S_MIN / 2.1)[0] == 0
    assert settled(1000, FEW, every_s=0.01, took_s=1.0)[0] == 0


def test_a_server_that_was_idle_rests_after_a_few_flushes_of_its_first_load_and_ceases_to_after_it() -> None:
    rests = Rests()
    for _ in range(50):
        rests.after(100, 100, 60.0, LONG_S)
    assert rests.after(100, 100, 60.0, LONG_S)[0] == 0
    assert next(n for n in count(1) if rests.after(100, 1000, 0.01, LONG_S)[0]) < 10
    assert next(n for n in count(1) if not rests.after(100, 100, 60.0, LONG_S)[0]) < 20


def test_a_crowd_that_was_told_nothing_for_long_is_not_rested_after_though_others_are_busy() -> None:
    """As watchers of a room that is closed: whoever asks something else would wait for that rest."""
    rests = Rests()
    for _ in range(100):
        assert rests.after(CROWD, 20 * CROWD, 0.02, LONG_S)[0]
    assert rests.after(10 * CROWD, 0, 5.0, 0.3)[0] == 0
    assert rests.after(CROWD, 20 * CROWD, 0.02, LONG_S)[0], "of the busy ones this says nothing"


def test_on_a_virtual_clock_there_is_none() -> None:
    assert Rests(0.0).after(CROWD, 10 * CROWD, 0.001, 1.0)[0] == 0
