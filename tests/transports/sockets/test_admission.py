from hypothesis import given
from hypothesis import strategies as st

from greenroom.config.limits import GateConfig
from greenroom.transports.sockets.admission import Admission


def test_no_more_than_so_many_are_open_at_once() -> None:
    admission = Admission(GateConfig(connections_max=2))
    assert [admission.admit(1.0) for _ in range(3)] == [True, True, False]
    admission.leave()
    assert admission.admit(1.0)
    assert admission.open == 2


def test_a_burst_then_the_average() -> None:
    admission = Admission(GateConfig(connects_burst=3, connects_per_s=10.0))
    assert [admission.admit(5.0) for _ in range(4)] == [True, True, True, False]
    assert not admission.admit(5.05)
    assert admission.admit(5.15)
    assert not admission.admit(5.15)
    assert [admission.admit(100.0) for _ in range(4)] == [True, True, True, False], "no more than the burst is saved up"


@given(st.lists(st.floats(0, 0.2), max_size=200))
def test_never_more_than_the_burst_and_the_average_allow(gaps: list[float]) -> None:
    admission = Admission(GateConfig(connects_burst=5, connects_per_s=20.0))
    now, admitted = 10.0, 0
    for gap in gaps:
        now += gap
        admitted += admission.admit(now)
        assert admitted <= 5 + 20.0 * (now - 10.0) + 1e-6
        assert admission.open == admitted
