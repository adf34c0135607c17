"""How long a room was away and what it lost, by what its client has seen; and the whole of it once, with two nodes."""

from bench.questions.failover import QUESTION, Failover, Fault, answer, away_ns, wrong


def test_the_longest_wait_in_the_time_of_a_fault_counts_from_the_fault_on() -> None:
    fault = Fault("kill", [0], begun_ns=1_000, ended_ns=5_000)
    assert away_ns([100, 900, 2_000, 2_010], fault) == 10, "what was answered before it says nothing"
    assert away_ns([900, 1_700, 2_000, 2_010], fault) == 700, "before the fault it did not wait for it"
    assert away_ns([2_000, 9_000], fault) == 7_000, "it goes on for as long as nobody answers"
    assert away_ns([5_001, 9_000], fault) == 0, "what is due later has another reason"
    assert away_ns([], fault) == 0


def test_an_acknowledged_message_must_be_stored_once_under_its_offset() -> None:
    assert wrong({1: 2, 2: 3}, [(2, 1), (3, 2)]) == (0, 0)
    assert wrong({1: 2, 2: 3}, [(2, 1)]) == (1, 0)
    assert wrong({1: 2, 2: 3}, [(2, 1), (3, 3)]) == (1, 0), "another has its place"
    assert wrong({1: 2}, [(2, 1), (3, 1)]) == (0, 1)
    assert wrong({}, [(2, 1)]) == (0, 0), "handled, and the answer was lost: that may be"


def test_a_node_is_killed_and_one_that_comes_is_handed_its_part() -> None:
    params = Failover(nodes=2, rooms=24, kills=1, rolls=0, freezes=0, shards=12)
    found = answer(params, lambda text, share: None).results
    assert (found["lost"], found["duplicated"], found["errors"], found["unanswered"]) == (0, 0, 0, 0)
    assert (found["missed"], found["repeated"]) == (0, 0)
    assert found["acknowledged"] > 24
    assert found["rooms_kill"] > 0 and found["rooms_join"] > 0
    assert 0 < found["unavailable_ms_kill_p50"] <= found["unavailable_ms_kill_p99"]
    not_done = ("_drain_", "_freeze_", "_roll_")
    assert set(found) >= {name for name in QUESTION.figures if not any(one in name for one in not_done)}
