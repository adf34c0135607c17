"""How many events are folded at once: by the time that they hold the loop, and by what the store had time for."""

from greenroom.supervisors.views.batch_size import EVENTS_FIRST, EVENTS_MAX, EVENTS_MIN, LATE_S, STRETCH_S, BatchSize


def test_events_that_are_dear_are_folded_few_at_a_time() -> None:
    size = BatchSize()
    size.took(EVENTS_FIRST, STRETCH_S * 2)
    assert size.events == EVENTS_FIRST // 2


def test_cheap_ones_are_folded_more_at_a_time_step_by_step() -> None:
    size = BatchSize()
    size.took(EVENTS_FIRST, STRETCH_S / 100)
    assert size.events == 2 * EVENTS_FIRST
    for _ in range(10):
        size.took(size.events, STRETCH_S / 100)
    assert size.events == EVENTS_MAX


def test_a_small_batch_says_nothing_of_a_greater_one() -> None:
    size = BatchSize()
    size.took(1, STRETCH_S / 100)
    assert size.events == EVENTS_FIRST


def test_what_the_store_had_no_time_for_is_halved_down_to_one_and_comes_back() -> None:
    size = BatchSize()
    size.failed(500)
    assert (size.events, size.most) == (EVENTS_FIRST, 250)
    size.failed(20)
    assert (size.events, size.most) == (10, 10)
    for _ in range(10):
        size.failed(size.most)
    assert (size.events, size.most) == (1, 1)
    size.took(1, STRETCH_S / 100)
    assert size.most == 2
    for _ in range(100):
        size.took(size.events, STRETCH_S / 100)
    assert (size.events, size.most) == (EVENTS_MAX, EVENTS_MAX)


def test_where_many_wait_a_batch_may_hold_the_loop_for_longer() -> None:
    calm, late, drowning = BatchSize(), BatchSize(), BatchSize()
    calm.took(32, STRETCH_S)
    late.took(32, STRETCH_S, waiting=96)
    drowning.took(32, STRETCH_S * 4, waiting=100_000)
    assert (calm.events, late.events) == (32, 48)
    assert drowning.events == int(32 * LATE_S / (STRETCH_S * 4)), "but no longer than that"


def test_however_long_an_event_takes_there_are_some_in_a_batch() -> None:
    size = BatchSize()
    for _ in range(10):
        size.took(size.events, STRETCH_S * 1_000)
    assert size.events == EVENTS_MIN, "else a busy moment leaves it with transactions of one event"
