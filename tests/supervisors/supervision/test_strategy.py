from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio import TaskStatus

from greenroom.supervisors.supervision.strategy import (
    ChildSpec,
    Restart,
    RestartIntensity,
    RestartLedger,
    Strategy,
    SupervisorSpec,
)


async def idle(*, task_status: TaskStatus[Any]) -> None:
    task_status.started()


def spec(*children: ChildSpec) -> SupervisorSpec:
    intensity = RestartIntensity(restarts_max=1, window_s=1.0)
    return SupervisorSpec(name="top", strategy=Strategy.ONE_FOR_ONE, intensity=intensity, children=children)


@pytest.mark.parametrize(
    ("strategy", "fallen"),
    [(Strategy.ONE_FOR_ONE, [1]), (Strategy.ONE_FOR_ALL, [0, 1, 2, 3]), (Strategy.REST_FOR_ONE, [1, 2, 3])],
)
def test_who_falls_with_the_second_of_four(strategy: Strategy, fallen: list[int]) -> None:
    assert list(strategy.falls_with(1, 4)) == fallen


@pytest.mark.parametrize(
    ("restart", "after_failure", "after_return"),
    [(Restart.PERMANENT, True, True), (Restart.TRANSIENT, True, False), (Restart.TEMPORARY, False, False)],
)
def test_who_comes_back(restart: Restart, after_failure: bool, after_return: bool) -> None:
    assert restart.wanted_after(failed=True) is after_failure
    assert restart.wanted_after(failed=False) is after_return


def test_two_children_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="'top' has children of one name: store"):
        spec(ChildSpec(name="store", start=idle), ChildSpec(name="store", start=idle))


@pytest.mark.parametrize("shutdown_s", [0.0, -1.0, float("inf"), float("nan")])
def test_every_stop_has_a_bound(shutdown_s: float) -> None:
    with pytest.raises(ValueError, match="shutdown_s"):
        ChildSpec(name="store", start=idle, shutdown_s=shutdown_s)


@pytest.mark.parametrize(("restarts_max", "window_s"), [(-1, 1.0), (1, 0.0), (1, float("inf")), (1, float("nan"))])
def test_an_intensity_without_meaning_is_refused(restarts_max: int, window_s: float) -> None:
    with pytest.raises(ValueError, match=r"restarts_max|window_s"):
        RestartIntensity(restarts_max=restarts_max, window_s=window_s)


def test_a_supervisor_needs_the_time_of_all_its_children_to_stop() -> None:
    children = (ChildSpec(name="a", start=idle, shutdown_s=2.0), ChildSpec(name="b", start=idle, shutdown_s=0.5))
    assert spec(*children).shutdown_s == 2.5


def test_a_restart_stops_counting_exactly_one_window_later() -> None:
    ledger = RestartLedger(RestartIntensity(restarts_max=2, window_s=5.0))
    assert [ledger.allow(now) for now in (0.0, 1.0, 4.999, 5.0, 5.5, 6.0)] == [True, True, False, True, False, True]


def test_no_restart_allowed_means_none() -> None:
    assert not RestartLedger(RestartIntensity(restarts_max=0, window_s=5.0)).allow(0.0)


@given(
    restarts_max=st.integers(0, 5),
    window=st.integers(1, 20),  # whole numbers, so that the oracle below has no rounding to argue about
    gaps=st.lists(st.integers(0, 10), max_size=60),
)
def test_a_ledger_refuses_only_and_always_what_is_too_much(restarts_max: int, window: int, gaps: list[int]) -> None:
    """Against the plain definition: look at all restarts ever allowed, and count those inside the window."""
    ledger = RestartLedger(RestartIntensity(restarts_max=restarts_max, window_s=float(window)))
    allowed: list[int] = []
    now = 0
    for gap in gaps:
        now += gap
        expected = sum(1 for at in allowed if now - at < window) < restarts_max
        assert ledger.allow(float(now)) is expected
        if expected:
            allowed.append(now)
