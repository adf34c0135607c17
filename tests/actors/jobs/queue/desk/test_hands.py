"""Who holds what."""

from greenroom.actors.jobs.queue.desk.hands import LEASE_MS, Hands
from tests.actors.jobs.queue.some_jobs import a_job


def test_whoever_has_let_go_of_the_last_is_forgotten() -> None:
    hands, first, second = Hands(), a_job(1), a_job(2)
    hands.hold(7, "w", 5, [first, second], 5, "host/1")
    held = hands.held_of(first)
    assert held is not None and hands.worker_of(7) == "w" and hands.holds("w", first.id, 7)
    assert not hands.let_go(first, held) and (first.token, hands.holds("w", first.id, 7)) == (0, False)
    assert hands.let_go(second, held) and not hands and hands.worker_of(7) is None


def test_one_that_holds_by_two_tokens_is_there_until_both_are_over() -> None:
    hands, first, second = Hands(), a_job(1), a_job(2)
    hands.hold(7, "w", 5, [first], 5, "")
    hands.hold(8, "w", 6, [second], 6, "")
    held = hands.held_of(first)
    assert held is not None and hands.let_go(first, held) and list(hands["w"].held) == [8]
    assert hands.among("w", [first.id, second.id]) == [second.id] and not hands.among("v", [second.id])


def test_silence_counts_from_when_a_worker_was_heard_of_or_forgiven() -> None:
    hands = Hands()
    hands.hold(7, "w", 0, [a_job(1)], 100, "host/1")
    assert (hands.silent(99 + LEASE_MS), hands.silent(100 + LEASE_MS)) == ([], ["w"])
    hands.forgive(200)
    assert not hands.silent(100 + LEASE_MS)
    assert (hands.of_process("host/1"), hands.of_process("host/2")) == (["w"], [])


def test_what_a_worker_does_not_know_of_yet_is_not_lost_though_the_clock_is_set_ahead_meanwhile() -> None:
    hands = Hands()
    hands.hold(7, "w", 0, [a_job(1)], 0, "")
    hands.forgive(3_600_000)
    assert hands.heard("w", [], 3_600_000) == ([], []), "it may be on its way"
    void, lost = hands.heard("w", [], 3_600_000 + LEASE_MS)
    assert not void and [one.token for one in lost] == [7]
