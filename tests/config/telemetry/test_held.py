"""Who forgets when there is too much."""

from greenroom.config.telemetry.held import Holdings


class Holder:
    def __init__(self, holdings: Holdings, size: int) -> None:
        self.holdings, self.size, self.busy = holdings, size, False
        holdings.join(self)
        holdings.bytes += size

    def forget(self) -> int:
        if self.busy:
            return 0
        forgotten, self.size = self.size, 0
        self.holdings.bytes -= forgotten
        return forgotten


def test_who_began_longest_ago_forgets_first_and_who_can_not_comes_again() -> None:
    holdings = Holdings()
    first, busy, last = (Holder(holdings, size) for size in (10, 20, 30))
    busy.busy = True
    assert holdings.shed(2, 100) == 10
    assert (first.size, busy.size, last.size, holdings.bytes) == (0, 20, 30, 50)
    busy.busy = False
    assert holdings.shed(1, 100) == 30, "the one that was busy has gone to the end"
    assert holdings.shed(9, 100) == 20
    assert (len(holdings), holdings.bytes) == (0, 0)


def test_who_has_left_is_not_asked() -> None:
    holdings = Holdings()
    gone = Holder(holdings, 10)
    holdings.leave(gone)
    assert holdings.shed(5, 100) == 0
    assert gone.size == 10


def test_no_more_is_forgotten_than_is_wanted_and_the_one_holder_that_makes_it_up() -> None:
    holdings = Holdings()
    for size in (10, 20, 30):
        Holder(holdings, size)
    assert holdings.shed(3, 11) == 30
    assert (len(holdings), holdings.bytes) == (1, 30)
    assert holdings.shed(3, 0) == 0
