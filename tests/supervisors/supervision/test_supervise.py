import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pytest
import structlog
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio import TaskStatus
from trio.testing import MockClock

from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, Restart, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import (
    RestartIntensityReached,
    ShutdownOverdue,
    SupervisionEvent,
    supervise,
)

ONE_FOR_ONE, ONE_FOR_ALL, REST_FOR_ONE = Strategy
ALWAYS = RestartIntensity(restarts_max=1_000, window_s=1.0)


class Boom(RuntimeError):
    pass


@dataclass
class Ready:
    calls: list[None]

    def started(self, value: None = None) -> None:
        self.calls.append(value)


@dataclass
class Stage:
    """Scripted children and what happened to them: `+a` began, `a!` became ready, `-a` ended, with the time of each."""

    acts: list[tuple[str, float]] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)

    def note(self, act: str) -> None:
        self.acts.append((act, trio.current_time() - self.began_at))

    def __post_init__(self) -> None:
        self.began_at = trio.current_time()

    @property
    def order(self) -> str:
        return " ".join(act for act, _ in self.acts)

    def times(self, act: str) -> list[float]:
        return [round(at, 6) for name, at in self.acts if name == act]

    @contextmanager
    def life(self, name: str) -> Iterator[None]:
        assert name not in self.alive, f"two lives of {name} at once"
        self.alive.add(name)
        self.note(f"+{name}")
        try:
            yield
        finally:
            self.alive.discard(name)
            self.note(f"-{name}")

    def child(
        self,
        name: str,
        *,
        ready_s: float = 0.0,
        runs_s: tuple[float, ...] = (),  # how long each life lasts; those after the last one for ever
        returns: bool = False,  # instead of raising Boom
        stop_s: float = 0.0,  # shielded clean-up
        unready: int = 0,  # so many lives end before they are ready
        restart: Restart = Restart.PERMANENT,
        shutdown_s: float = 1.0,
    ) -> ChildSpec:
        lives = 0

        async def start(*, task_status: TaskStatus[Any]) -> None:
            nonlocal lives
            lives += 1
            with self.life(name):
                try:
                    await trio.sleep(ready_s)
                    if lives > unready:
                        task_status.started()
                        self.note(f"{name}!")
                    await trio.sleep(runs_s[lives - 1] if lives <= len(runs_s) else math.inf)
                    if not returns:
                        raise Boom(name)
                finally:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(stop_s)

        return ChildSpec(name=name, start=start, restart=restart, shutdown_s=shutdown_s)


def top(
    *children: ChildSpec, strategy: Strategy = ONE_FOR_ONE, intensity: RestartIntensity = ALWAYS, name: str = "top"
) -> SupervisorSpec:
    return SupervisorSpec(name=name, strategy=strategy, intensity=intensity, children=children)


def steady(wait_s: float) -> Callable[[], Backoff]:
    return lambda: Backoff(random=Random(1), first_s=wait_s, max_s=wait_s, jitter=0.0)


async def for_s(seconds: float, supervision: Awaitable[None]) -> None:
    """Run it, and cancel it from outside after `seconds`."""
    with trio.move_on_after(seconds) as scope:
        await supervision
    assert scope.cancelled_caught


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
