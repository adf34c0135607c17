"""Who may be declared dead by what a node has seen, and when nobody may."""

import pytest

from greenroom.store.ownership.referee import Member
from greenroom.supervisors.cluster.witness import GONE_MAX, Witness

LEASE_S = 5.0


def member(*, until: float, now: float, incarnation: int = 2) -> Member:
    return Member(
        incarnation=incarnation,
        url="u",
        version="1",
        host="",
        process="",
        state="up",
        capacity=100,
        is_alone=False,
        left_s=until - now,
        until=until,
        shards=1,
    )


class Watching:
    """Looks each second; `until` is the end of the other's lease."""

    def __init__(self) -> None:
        self.witness = Witness(LEASE_S)
        self.now = 100.0
        self.until = 100.0 + LEASE_S

    def look(self) -> bool:
        """May the other be buried?"""
        seen = member(until=self.until, now=self.now)
        self.witness.saw([seen], self.now)
        return self.witness.may_bury(seen, self.now)

    def looks(self, seconds: int) -> list[bool]:
        found: list[bool] = []
        for _ in range(seconds):
            found.append(self.look())
            self.now += 1.0
        return found


def test_a_node_is_dead_once_its_lease_has_run_out_before_our_eyes() -> None:
    assert Watching().looks(7) == [False] * 5 + [True] * 2


def test_whoever_comes_waits_for_the_time_of_a_lease() -> None:
    watching = Watching()
    watching.until = 50.0
    assert watching.looks(6) == [False] * 5 + [True]


def test_after_an_outage_everybody_has_the_time_to_renew() -> None:
    watching = Watching()
    watching.looks(3)
    watching.witness.lost_sight()
    watching.now += 60.0
    assert watching.looks(5) == [False] * 5, "everybody's lease has run out meanwhile"
    assert watching.look()


def test_who_has_stood_still_itself_has_not_seen_that_others_did() -> None:
    """As a long pause of this process, or a database that answered a single question late."""
    watching = Watching()
    watching.looks(3)
    watching.now += 60.0
    assert watching.looks(5) == [False] * 5
    assert watching.look()


def test_one_that_renews_is_not_dead_whatever_the_clock_of_the_database_says() -> None:
    """That clock has been set an hour ahead, so that all leases have run out, and then back again."""
    watching = Watching()
    watching.looks(6)
    for ahead_s in (-3600.0, 1.0, -3601.0, 2.0):
        watching.until = watching.now + ahead_s
        assert watching.looks(2) == [False, False]
    watching.until = watching.now - 3600.0
    assert watching.looks(4) == [False, False, False, True], "silent for two renewals since then"


def test_it_is_told_who_has_renewed() -> None:
    witness = Witness(LEASE_S)
    assert witness.saw([member(until=105.0, now=100.0)], 100.0) == set(), "seen for the first time"
    assert witness.saw([member(until=105.0, now=101.0)], 101.0) == set()
    assert witness.saw([member(until=107.0, now=102.0)], 102.0) == {2}
    assert witness.saw([], 103.0) == set()


@pytest.mark.bound("those to be declared dead once more")
def test_who_was_dead_once_stays_so_unless_very_many_have_died_since() -> None:
    witness = Witness(LEASE_S)
    for node in range(GONE_MAX):
        witness.gone(node)
    assert witness.is_gone(0) and not witness.is_gone(GONE_MAX)
    witness.gone(GONE_MAX)
    assert [witness.is_gone(node) for node in (0, 1, GONE_MAX)] == [False, True, True]
