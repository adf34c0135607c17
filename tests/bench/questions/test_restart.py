"""What a first answer must say, and the whole of it once, with few entities."""

from bench.questions.restart import LONG_EACH, LONG_EVENTS, QUESTION, SHORT_EVENTS, Restart, Rooms, answer


def test_a_message_that_does_not_follow_the_last_acknowledged_one_is_counted() -> None:
    rooms = Rooms(100)
    short, long = 1, LONG_EACH
    assert (rooms.last(short), rooms.last(long)) == (SHORT_EVENTS, LONG_EVENTS)
    rooms.acknowledge(short, SHORT_EVENTS + 1)
    rooms.acknowledge(short, SHORT_EVENTS + 2)
    rooms.acknowledge(long, LONG_EVENTS + 1)
    assert rooms.wrong == 0
    rooms.acknowledge(short, SHORT_EVENTS + 2)
    assert rooms.wrong == 1


def test_rooms_are_drawn_without_repeats_the_same_each_time() -> None:
    drawn = Rooms(50).some(30)
    assert len(set(drawn)) == 30 and drawn == Rooms(50).some(30)
    assert sorted(Rooms(5).some(30)) == [0, 1, 2, 3, 4]


def test_copied_rooms_wake_and_answer_after_each_kind_of_restart() -> None:
    """The copies are made column by column from real ones, so that a new column is no reason to change the bench."""
    found = answer(Restart(entities=60, restarts=1, written=30), lambda text, share: None).results
    assert found["entities"] == 60
    assert found["events"] == 57 * SHORT_EVENTS + 3 * LONG_EVENTS + SHORT_EVENTS + LONG_EVENTS
    assert found["snapshots"] == 4, "the long ones, and their model"
    assert found["lost"] == 0
    assert set(QUESTION.figures) <= set(found)
