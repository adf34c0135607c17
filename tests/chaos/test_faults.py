from itertools import pairwise

from tests.chaos.faults import GAP_S, KINDS, STALL_S, schedule


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert schedule(7, 120.0) == schedule(7, 120.0) != schedule(8, 120.0)


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    short = schedule(7, 30.0)
    assert schedule(7, 120.0)[: len(short)] == short


def test_faults_come_in_order_within_the_run_and_with_the_gaps_that_are_stated() -> None:
    for seed in range(50):
        faults = schedule(seed, 60.0)
        gaps = [later.at_s - earlier.at_s for earlier, later in pairwise(faults)]
        assert all(GAP_S[0] <= gap <= GAP_S[1] for gap in gaps)
        assert faults[0].at_s >= 1.0 and faults[-1].at_s < 60.0
        assert all(
            STALL_S[0] <= fault.stall_s <= STALL_S[1] if fault.deed == "stall" else not fault.stall_s
            for fault in faults
        )


def test_every_kind_comes_before_any_comes_again() -> None:
    for seed in range(50):
        dealt = [(fault.victim, fault.deed) for fault in schedule(seed, 120.0)]
        assert len(dealt) > 2 * len(KINDS)
        assert set(dealt[: len(KINDS)]) == set(KINDS) == set(dealt[len(KINDS) : 2 * len(KINDS)])


def test_only_those_who_are_named_are_hit() -> None:
    assert {fault.victim for fault in schedule(1, 60.0, victims=("valkey", "backend"))} == {"valkey", "backend"}


def test_most_wait_for_a_server_that_serves() -> None:
    early = [fault.early for seed in range(50) for fault in schedule(seed, 60.0)]
    assert 0.1 < sum(early) / len(early) < 0.2
