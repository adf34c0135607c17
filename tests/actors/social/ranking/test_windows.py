"""Windows that fade equal what is counted anew from all that has happened."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.ranking import windows
from greenroom.actors.social.ranking.windows import COUNTED, WINDOWS_S, Tally
from tests.actors.social.ranking.made import NOW_MS

Happened = tuple[str, float, int]
HAPPENED = st.lists(
    st.tuples(st.sampled_from(COUNTED), st.floats(0.5, 300.0), st.integers(NOW_MS - 30 * 86_400_000, NOW_MS)),
    max_size=40,
)


def counted_anew(happened: list[Happened], what: str, window: str, now_ms: int) -> float:
    width_ms = WINDOWS_S[window] * 1000
    return sum(amount * exp(-(now_ms - at_ms) / width_ms) for name, amount, at_ms in happened if name == what)


@given(HAPPENED, st.integers(0, 10 * 86_400_000))
def test_a_tally_equals_a_recount_in_whichever_order_things_came(happened: list[Happened], later_ms: int) -> None:
    tally = Tally()
    for what, amount, at_ms in happened:
        windows.count(tally, what, amount, at_ms)
    found = windows.now(tally, NOW_MS + later_ms)
    for what in COUNTED:
        for window in WINDOWS_S:
            expected = counted_anew(happened, what, window, NOW_MS + later_ms)
            assert found.get(f"{what}_{window}", 0.0) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_an_hour_fades_faster_than_a_week() -> None:
    tally = Tally()
    windows.count(tally, "seen", 1.0, NOW_MS)
    windows.count(tally, "hid", 1.0, NOW_MS)
    after_a_day = windows.now(tally, NOW_MS + 86_400_000)
    assert after_a_day["seen_1d"] == pytest.approx(exp(-1)) and after_a_day["seen_7d"] == pytest.approx(exp(-1 / 7))
    assert set(windows.now(tally, NOW_MS + 20 * 86_400_000)) == {"seen_7d", "hid_7d"}, "what is nothing is left out"
    assert windows.now(tally, NOW_MS - 5_000) == windows.now(tally, NOW_MS), "of a clock that is behind"
