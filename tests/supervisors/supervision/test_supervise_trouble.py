"""Bad luck for a supervisor: crashes while others stop, children that ignore it, errors in groups."""

from contextlib import suppress
from typing import Any

import pytest
import structlog
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio import TaskStatus
from trio.testing import MockClock

from greenroom.supervisors.supervision.strategy import ChildSpec, Restart, RestartIntensity, Strategy
from greenroom.supervisors.supervision.supervise import (
    RestartIntensityReached,
    ShutdownOverdue,
    SupervisionEvent,
    supervise,
)
from tests.supervisors.supervision.stage import ONE_FOR_ALL, REST_FOR_ONE, Boom, Stage, for_s, steady, top

# Bad luck while stopping.


async def test_a_crash_while_another_is_stopping_is_covered_by_the_same_restart(autojump_clock: MockClock) -> None:
    """b falls at 1.0; while c takes 0.5 s to stop, a falls too. One restart of all, not two."""
    stage = Stage()
    spec = top(
        stage.child("a", runs_s=(1.2,)),
        stage.child("b", runs_s=(1.0,)),
        stage.child("c", stop_s=0.5),
        strategy=ONE_FOR_ALL,
        intensity=RestartIntensity(restarts_max=1, window_s=99.0),
    )
    await for_s(9.0, supervise(spec))
    assert stage.order == "+a a! +b b! +c c! -b -a -c +a a! +b b! +c c! -c -b -a"


async def test_a_crash_outside_the_group_that_is_stopping_is_followed_up_after(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(
        stage.child("a", runs_s=(1.2,)),
        stage.child("b", runs_s=(1.0,)),
        stage.child("c", stop_s=0.5),
        strategy=REST_FOR_ONE,
    )
    await for_s(9.0, supervise(spec))
    assert stage.order == "+a a! +b b! +c c! -b -a -c +a a! +b b! +c c! -c -b -a"


async def test_a_crash_in_the_cleanup_is_logged_and_keeps_nobody_from_stopping(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def messy(*, task_status: TaskStatus[Any]) -> None:
        with stage.life("messy"):
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                raise Boom("cleanup")

    with structlog.testing.capture_logs() as logs:
        await for_s(1.0, supervise(top(stage.child("a"), ChildSpec(name="messy", start=messy))))
    assert stage.order == "+a a! +messy -messy -a"
    failed = [entry for entry in logs if entry["event"] == "child_failed"]
    assert [(entry["child"], entry["stopping"]) for entry in failed] == [("messy", True)]


async def test_a_child_that_ignores_cancellation_delays_its_siblings_only_for_its_shutdown_time(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    events: list[SupervisionEvent] = []
    spec = top(stage.child("a"), stage.child("deaf", stop_s=60.0, shutdown_s=2.0), stage.child("c"))
    await for_s(10.0, supervise(spec, on_event=events.append))
    assert stage.order == "+a a! +deaf deaf! +c c! -c -a -deaf"
    assert (stage.times("-a"), stage.times("-deaf")) == ([12.0], [70.0])  # it returned with the last of them
    assert [(event.name, event.child) for event in events if event.name == "child_overdue"] == [
        ("child_overdue", "deaf")
    ]


async def test_a_sibling_that_ignores_cancellation_is_never_doubled(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = top(
        stage.child("a", stop_s=0.1),
        stage.child("deaf", stop_s=60.0, shutdown_s=2.0),
        stage.child("c", runs_s=(1.0,)),
        strategy=ONE_FOR_ALL,
    )
    with pytest.raises(ShutdownOverdue) as caught:
        await supervise(spec)
    assert caught.value.child == "deaf"
    assert stage.order == "+a a! +deaf deaf! +c c! -c -a -deaf"
    assert stage.times("-a") == [3.1]


async def test_cancelled_while_a_group_is_stopping_nobody_gets_more_than_his_time(autojump_clock: MockClock) -> None:
    """c was told at 1.0 and has until 4.0; the cancellation at 2.0 does not begin its time anew."""
    stage = Stage()
    spec = top(
        stage.child("a"),
        stage.child("b", runs_s=(1.0,)),
        stage.child("c", stop_s=60.0, shutdown_s=3.0),
        strategy=ONE_FOR_ALL,
    )
    await for_s(2.0, supervise(spec))
    assert stage.times("-a") == [4.0]
    assert stage.times("+a") == [0.0]


async def test_cancelled_right_after_a_crash_nobody_is_restarted_any_more(autojump_clock: MockClock) -> None:
    """The loop has been woken by the crash, so the cancellation meets it on its way to the restart."""
    stage = Stage()
    with trio.CancelScope() as scope:
        spec = top(stage.child("a"), stage.child("b", runs_s=(1.0,)))
        await supervise(spec, on_event=lambda event: scope.cancel() if event.name == "child_failed" else None)
    assert stage.order == "+a a! +b b! -b -a"


# Groups, and what is no Exception.


async def test_a_group_of_errors_is_one_crash(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def nested(*, task_status: TaskStatus[Any]) -> None:
        with stage.life("nested"):
            async with trio.open_nursery() as nursery:  # owner: this child; both crashes end it
                await nursery.start(stage.child("x", runs_s=(1.0,)).start)
                await nursery.start(stage.child("y", runs_s=(1.0,)).start)
                task_status.started()

    spec = top(ChildSpec(name="nested", start=nested), intensity=RestartIntensity(restarts_max=2, window_s=99.0))
    with pytest.raises(RestartIntensityReached) as caught:
        await supervise(spec)
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert stage.times("+nested") == [0.0, 1.0, 2.0]


async def test_a_keyboard_interrupt_is_no_crash_and_stops_all_in_order(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def interrupted(*, task_status: TaskStatus[Any]) -> None:
        with stage.life("b"):
            task_status.started()
            await trio.sleep(1.0)
            raise KeyboardInterrupt

    spec = top(stage.child("a", stop_s=0.1), ChildSpec(name="b", start=interrupted), stage.child("c", stop_s=0.1))
    with pytest.raises(BaseExceptionGroup) as caught:
        await supervise(spec)
    assert caught.group_contains(KeyboardInterrupt)
    assert stage.order == "+a a! +b +c c! -b -c -a"


async def test_started_twice_is_a_crash_of_the_child(autojump_clock: MockClock) -> None:
    async def twice(*, task_status: TaskStatus[Any]) -> None:
        task_status.started()
        task_status.started()

    spec = top(ChildSpec(name="a", start=twice), intensity=RestartIntensity(restarts_max=0, window_s=1.0))
    with pytest.raises(RestartIntensityReached) as caught:
        await supervise(spec)
    assert "twice" in str(caught.value.__cause__)


# All of it at once.
behaviours = st.fixed_dictionaries(
    {
        "ready_s": st.sampled_from([0.0, 0.3, 1.0]),
        "runs_s": st.lists(st.sampled_from([0.0, 0.2, 0.7, 1.5]), max_size=4).map(tuple),
        "returns": st.booleans(),
        "stop_s": st.sampled_from([0.0, 0.4, 2.5]),  # 2.5 is past shutdown_s
        "unready": st.integers(0, 2),
        "restart": st.sampled_from(Restart),
    }
)


@settings(max_examples=150, deadline=None)
@given(
    children=st.lists(behaviours, min_size=1, max_size=4),
    strategy=st.sampled_from(Strategy),
    restarts_max=st.integers(0, 6),
    cancel_s=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.6, 2.7, 4.0, 30.0]),
    wait_s=st.sampled_from([None, 0.6]),
)
def test_whatever_happens_nobody_is_left_doubled_or_out_of_order(
    children: list[dict[str, Any]], strategy: Strategy, restarts_max: int, cancel_s: float, wait_s: float | None
) -> None:
    """`Stage.life` fails on two lives at once; here: who may begin when, how long stopping takes, nobody left."""

    async def main() -> None:
        stage = Stage()
        spec = top(
            *(stage.child("abcd"[index], **child) for index, child in enumerate(children)),
            strategy=strategy,
            intensity=RestartIntensity(restarts_max=restarts_max, window_s=10.0),
        )
        with trio.move_on_after(cancel_s):
            with suppress(RestartIntensityReached, ShutdownOverdue):
                await supervise(spec, backoff=steady(wait_s) if wait_s else None)
        assert not stage.alive
        acts = [act for act, _ in stage.acts]
        begun = list(dict.fromkeys(act for act in acts if act.startswith("+")))
        assert begun == sorted(begun)  # first lives: top to bottom
        for position, act in enumerate(acts):
            if act.startswith("+") and act != "+a":
                above = chr(ord(act[1]) - 1)
                assert f"{above}!" in acts[:position] or f"-{above}" in acts[:position]
        # Cancelled at the latest at cancel_s, all but the overdue are gone when each has had its second; the
        # overdue, at most 2.5 s after they were told.
        assert trio.current_time() - stage.began_at <= cancel_s + len(children) * 1.0 + 2.5

    trio.run(main, clock=MockClock(autojump_threshold=0))
