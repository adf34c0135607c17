from dataclasses import dataclass
from functools import partial
from random import Random

import pytest
import structlog
import trio
from trio.testing import MockClock

from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, Restart, RestartIntensity, Strategy
from greenroom.supervisors.supervision.supervise import RestartIntensityReached, SupervisionEvent, supervise
from tests.supervisors.supervision.stage import ONE_FOR_ALL, ONE_FOR_ONE, REST_FOR_ONE, Boom, Stage, for_s, steady, top


@dataclass
class Ready:
    calls: list[None]

    def started(self, value: None = None) -> None:
        self.calls.append(value)


# Starting and stopping.


async def test_children_start_top_to_bottom_each_ready_first_and_stop_bottom_to_top(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(*(stage.child(name, ready_s=1.0, stop_s=0.5) for name in "abc"))
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(supervise, spec)
        stage.note("ready")
        nursery.cancel_scope.cancel()
    assert stage.order == "+a a! +b b! +c c! ready -c -b -a"
    last, at_s = stage.acts[-1]
    assert last == "-a" and at_s == pytest.approx(3.0 + 1.5)
    assert not stage.alive


async def test_cancelled_while_starting_it_stops_what_it_had_started(autojump_clock: MockClock) -> None:
    stage = Stage()
    await for_s(1.5, supervise(top(*(stage.child(name, ready_s=1.0, stop_s=0.1) for name in "abc"))))
    assert stage.order == "+a a! +b -b -a"


async def test_cancelled_before_it_began_it_begins_nothing() -> None:
    stage = Stage()
    with trio.CancelScope() as scope:
        scope.cancel()
        await supervise(top(stage.child("a")))
    assert scope.cancelled_caught
    assert stage.acts == []


async def test_it_is_over_when_nobody_is_left_to_run(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(
        stage.child("a", runs_s=(1.0,), returns=True, restart=Restart.TRANSIENT),
        stage.child("b", runs_s=(2.0,), restart=Restart.TEMPORARY),
    )
    await supervise(spec)
    assert stage.order == "+a a! +b b! -a -b"
    await supervise(top())


async def test_a_step_that_finishes_without_becoming_ready_lets_the_next_one_start(autojump_clock: MockClock) -> None:
    """A migration, say: transient, done when it returns."""
    stage = Stage()
    spec = top(
        stage.child("migrate", unready=9, runs_s=(1.0,), returns=True, restart=Restart.TRANSIENT), stage.child("serve")
    )
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(supervise, spec)
        assert stage.order == "+migrate -migrate +serve serve!"
        nursery.cancel_scope.cancel()


# Restarting.


@pytest.mark.parametrize(
    ("strategy", "order"),
    [
        (ONE_FOR_ONE, "-b +b b!"),
        (ONE_FOR_ALL, "-b -c -a +a a! +b b! +c c!"),
        (REST_FOR_ONE, "-b -c +b b! +c c!"),
    ],
)
async def test_who_is_restarted_when_the_middle_one_crashes(
    autojump_clock: MockClock, strategy: Strategy, order: str
) -> None:
    stage = Stage()
    spec = top(stage.child("a"), stage.child("b", runs_s=(1.0,)), stage.child("c"), strategy=strategy)
    await for_s(5.0, supervise(spec))
    assert stage.order == f"+a a! +b b! +c c! {order} -c -b -a"


async def test_one_crash_too_many_inside_the_window_stops_the_supervisor(autojump_clock: MockClock) -> None:
    """A child that dies every second, with 2 restarts allowed in 5 s: the third death ends the supervisor."""
    stage = Stage()
    spec = top(
        stage.child("calm"),
        stage.child("flaky", runs_s=(1.0,) * 9),
        intensity=RestartIntensity(restarts_max=2, window_s=5.0),
    )
    with pytest.raises(RestartIntensityReached) as caught:  # itself, not a group with it
        await supervise(spec)
    assert stage.times("+flaky") == [0.0, 1.0, 2.0]
    assert stage.acts[-1][0] == "-calm"
    assert isinstance(caught.value.__cause__, Boom)
    assert (caught.value.supervisor, caught.value.child) == ("top", "flaky")


async def test_crashes_further_apart_than_the_window_go_on_for_ever(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(stage.child("a", runs_s=(3.0,) * 99), intensity=RestartIntensity(restarts_max=2, window_s=5.0))
    await for_s(30.0, supervise(spec))
    assert len(stage.times("+a")) == 10


async def test_a_permanent_child_must_not_return(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(
        stage.child("a", runs_s=(1.0, 1.0), returns=True), intensity=RestartIntensity(restarts_max=1, window_s=9.0)
    )
    with pytest.raises(RestartIntensityReached) as caught:
        await supervise(spec)
    assert caught.value.__cause__ is None


async def test_crashes_during_start_count_and_hold_back_those_below(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(stage.child("a"), stage.child("b", unready=2, runs_s=(1.0, 1.0)), stage.child("c"))
    await for_s(9.0, supervise(spec))
    assert stage.order == "+a a! +b -b +b -b +b b! +c c! -c -b -a"

    stage = Stage()
    spec = top(
        stage.child("a"),
        stage.child("b", unready=9, runs_s=(0.0,) * 9),
        stage.child("c"),
        intensity=RestartIntensity(restarts_max=3, window_s=5.0),
    )
    ready: list[None] = []
    with pytest.raises(RestartIntensityReached):
        await supervise(spec, task_status=Ready(ready))
    assert ready == []
    assert stage.order == "+a a! +b -b +b -b +b -b +b -b -a"


async def test_a_crash_above_while_one_below_is_still_starting(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(
        stage.child("a", runs_s=(1.5,)),
        stage.child("b", ready_s=1.0),
        stage.child("c", ready_s=1.0),
        strategy=ONE_FOR_ALL,
    )
    await for_s(9.0, supervise(spec))
    assert stage.order == "+a a! +b b! +c -a -c -b +a a! +b b! +c c! -c -b -a"


async def test_a_temporary_sibling_that_was_stopped_stays_away_and_a_finished_transient_runs_again(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    spec = top(
        stage.child("db", runs_s=(2.0,)),
        stage.child("once", restart=Restart.TEMPORARY),
        stage.child("migrate", runs_s=(1.0, 1.0), returns=True, restart=Restart.TRANSIENT),
        strategy=REST_FOR_ONE,
    )
    await for_s(9.0, supervise(spec))
    assert (
        stage.order == "+db db! +once once! +migrate migrate! -migrate -db -once +db db! +migrate migrate! -migrate -db"
    )


async def test_a_temporary_child_that_had_no_life_yet_gets_it_after_the_restart(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(
        stage.child("a", unready=1, runs_s=(1.0,)), stage.child("b", restart=Restart.TEMPORARY), strategy=ONE_FOR_ALL
    )
    await for_s(9.0, supervise(spec))
    assert stage.order == "+a -a +a a! +b b! -b -a"


# Backoff.


async def test_each_restart_waits_longer_and_calm_begins_anew(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(stage.child("a", runs_s=(0.5, 0.5, 0.5, 8.0, 0.5)))
    backoff = lambda: Backoff(random=Random(1), first_s=1.0, max_s=8.0, jitter=0.0)  # noqa: E731
    await for_s(30.0, supervise(spec, backoff=backoff))
    waits = [round(born - died, 6) for died, born in zip(stage.times("-a"), stage.times("+a")[1:], strict=False)]
    assert waits == [1.0, 2.0, 4.0, 1.0, 2.0]


async def test_one_childs_backoff_delays_no_sibling(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(stage.child("a", runs_s=(1.0,)), stage.child("b", runs_s=(2.0,)))
    await for_s(20.0, supervise(spec, backoff=steady(5.0)))
    assert (stage.times("+a"), stage.times("+b")) == ([0.0, 6.0], [0.0, 7.0])


async def test_one_child_that_is_slow_to_come_back_delays_no_sibling(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(stage.child("a", ready_s=3.0, runs_s=(1.0,)), stage.child("b", runs_s=(1.5,)))
    await for_s(20.0, supervise(spec))
    assert (stage.times("a!"), stage.times("+b")) == ([3.0, 7.0], [3.0, 4.5])


@pytest.mark.parametrize("strategy", Strategy)
async def test_cancellation_during_backoff_stops_the_others(autojump_clock: MockClock, strategy: Strategy) -> None:
    stage = Stage()
    spec = top(stage.child("a"), stage.child("b", runs_s=(1.0,)), strategy=strategy)
    await for_s(3.0, supervise(spec, backoff=steady(5.0)))
    assert stage.times("+b") == [0.0]
    assert not stage.alive
    assert trio.current_time() - stage.began_at == pytest.approx(3.0)


async def test_a_crash_above_during_the_backoff_of_one_below_restarts_both_in_order(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(stage.child("a", runs_s=(2.0,)), stage.child("b", runs_s=(1.0,)), strategy=REST_FOR_ONE)
    await for_s(20.0, supervise(spec, backoff=steady(5.0)))
    assert stage.order == "+a a! +b b! -b -a +a a! +b b! -b -a"
    assert stage.times("+a") == [0.0, 7.0]


# Trees.


async def test_a_supervisor_below_that_gives_up_is_restarted_by_the_one_above(autojump_clock: MockClock) -> None:
    stage = Stage()
    below = top(
        stage.child("x"),
        stage.child("y", runs_s=(1.0,) * 3),
        intensity=RestartIntensity(restarts_max=1, window_s=9.0),
        name="below",
    )
    above = top(stage.child("a"), ChildSpec(name="below", start=partial(supervise, below), shutdown_s=below.shutdown_s))
    await for_s(9.0, supervise(above))
    assert stage.order == "+a a! +x x! +y y! -y +y y! -y -x +x x! +y y! -y +y y! -y -x -a"


async def test_a_tree_stops_in_the_order_of_its_leaves(autojump_clock: MockClock) -> None:
    stage = Stage()
    below = top(*(stage.child(name, stop_s=0.9) for name in "xyz"), name="below")
    nested = ChildSpec(name="below", start=partial(supervise, below), shutdown_s=below.shutdown_s)
    await for_s(1.0, supervise(top(stage.child("a"), nested, stage.child("c"))))
    assert stage.order == "+a a! +x x! +y y! +z z! +c c! -c -z -y -x -a"


# What it tells.


async def test_logs_and_events_name_the_child_and_count_its_restarts(autojump_clock: MockClock) -> None:
    stage = Stage()
    events: list[SupervisionEvent] = []
    spec = top(
        stage.child("a", runs_s=(1.0, 1.0, 1.0)),
        stage.child("b", runs_s=(0.5,), returns=True, restart=Restart.TRANSIENT),
        intensity=RestartIntensity(restarts_max=2, window_s=5.0),
    )
    with structlog.testing.capture_logs() as logs, pytest.raises(RestartIntensityReached):
        await supervise(spec, on_event=events.append)
    assert [(event.name, event.child, event.restarts) for event in events] == [
        ("child_started", "a", 0),
        ("child_started", "b", 0),
        ("child_finished", "b", 0),
        ("child_failed", "a", 0),
        ("child_restarted", "a", 1),
        ("child_failed", "a", 1),
        ("child_restarted", "a", 2),
        ("child_failed", "a", 2),
        ("gave_up", "a", 2),
    ]
    restarted = [entry for entry in logs if entry["event"] == "child_restarted"]
    assert restarted[-1] == {
        "event": "child_restarted",
        "log_level": "warning",
        "supervisor": "top",
        "child": "a",
        "restarts": 2,
    }
