from bench.load.pace import Pace


def test_messages_become_due_by_the_clock_and_carry_their_moment() -> None:
    pace = Pace(1_000_000_000, 1_000.0, 5)  # one a millisecond
    assert list(pace.due(999_999_999)) == []
    assert list(pace.due(1_000_000_000)) == [0]
    assert list(pace.due(1_000_900_000)) == []
    assert (list(pace.due(1_002_500_000)), pace.done) == ([1, 2], False)
    assert list(pace.due(9_000_000_000)) == [3, 4]  # after a stall: all of them, with the moments they were due
    assert pace.at_ns(4) == 1_004_000_000
    assert pace.done and list(pace.due(9_000_000_001)) == []
