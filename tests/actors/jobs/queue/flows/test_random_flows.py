"""Random flows over two queues, with jobs that fail, are cancelled, and queues whose lives are lost at any moment: each
job is done once, after all that it waits for, or ends as what it waits for says."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from greenroom.actors.jobs.queue.flows.messages import FlowJob
from greenroom.actors.jobs.waits import WaitFor
from tests.actors.jobs.queue.flows.flow_world import FAILS, ONE, World

QUEUES = ("a", "b")
POLICIES = ("fail", "ignore", "continue")


class Planned(Struct):
    """One job of a flow."""

    queue: str
    fails: bool
    when: str
    waits: list[tuple[int, str, bool]]  # which, its policy, is it a child


@st.composite
def flows(draw: st.DrawFn) -> list[Planned]:
    planned: list[Planned] = []
    free: set[int] = set()  # that are nobody's child
    for number in range(draw(st.integers(1, 7))):
        others = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        waits = []
        for one in sorted(others):
            is_child = one in free and draw(st.booleans())
            waits.append((one, draw(st.sampled_from(POLICIES)), is_child))
            if is_child:
                free.discard(one)
        when = draw(st.sampled_from(["", "", "success", "failure", "ended"])) if waits else ""
        planned.append(Planned(draw(st.sampled_from(QUEUES)), draw(st.booleans()), when, waits))
        free.add(number)
    return planned


doings = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from(QUEUES), st.integers(1, 3)),
        st.tuples(st.just("finish"), st.sampled_from(QUEUES), st.integers(0, 6)),
        st.tuples(st.just("finish"), st.sampled_from(QUEUES), st.integers(0, 6)),
        st.tuples(st.just("look"), st.sampled_from(QUEUES)),
        st.tuples(st.just("deliver"), st.sampled_from(QUEUES)),
        st.tuples(st.just("commit"), st.sampled_from(QUEUES)),
        st.tuples(st.just("commit"), st.sampled_from(QUEUES)),
        st.tuples(st.just("lose"), st.sampled_from(QUEUES)),
        st.tuples(st.just("cancel"), st.sampled_from(QUEUES), st.integers(0, 6)),
        st.tuples(st.just("wait"), st.sampled_from([1, 3_000, 40_000])),
    ),
    max_size=40,
)


class Played:
    """One flow, done."""

    def __init__(self, planned: list[Planned]) -> None:
        self.planned = planned
        self.world = World(QUEUES)
        jobs = [_flow_job(number, one) for number, one in enumerate(planned)]
        ids = self.world.add("a", *reversed(jobs))  # in no order that helps
        self.ids = [ids[str(number)] for number in range(len(planned))]
        self.how = {job_id: FAILS if one.fails else ONE for job_id, one in zip(self.ids, planned, strict=True)}
        self.cancelled: set[str] = set()
        self.world.lives["a"].commit()

    def do(self, step: tuple[Any, ...]) -> None:
        world = self.world
        match step:
            case ("take", key, most):
                world.lives[key].take(most)
            case ("finish", key, number):
                held = world.held(key)
                if held:
                    one, token = held[number % len(held)]
                    world.lives[key].finish(one, token, **self.how[one])
            case ("look", key):
                world.lives[key].look()
            case ("deliver", key):
                for life in world.lives.values():
                    life.commit()
                world.deliver(key)
            case ("commit", key):
                world.lives[key].commit()
            case ("lose", key):
                world.lose(key)
            case ("cancel", key, number):
                job_id = self.ids[number % len(self.ids)]
                world.lives[key].cancel(job_id)
                self.cancelled.add(job_id)
            case ("wait", ms):
                world.wait(ms)

    def check(self) -> None:
        for number, one in enumerate(self.planned):
            self.check_one(self.ids[number], one)

    def check_one(self, job_id: str, planned: Planned) -> None:
        world = self.world
        taken, state, error = world.store.taken.get(job_id), world.state(job_id), world.error(job_id)
        runs = taken is not None
        waits = [(self.ids[number], on_failure) for number, on_failure, _ in planned.waits]
        bad = [(one, on_failure) for one, on_failure in waits if world.state(one) != "completed"]
        if taken is not None:
            before = world.store.ended[: taken[1]]
            goes_on = {"failure": POLICIES, "": ("continue",)}.get(planned.when, ())
            is_early = any(one in before for one, on_failure in bad if on_failure in goes_on)
            assert is_early or {one for one, _ in waits} <= set(before), "it runs after all that it waits for"
        if "cancelled: " in error or job_id in self.cancelled:
            return  # somebody, or its parent
        match planned.when:
            case "success":
                assert runs == (not bad) and (runs or state == "cancelled")
            case "failure":
                assert runs == bool(bad) and (runs or state == "cancelled")
            case "ended":
                assert runs
            case _:
                if not runs:
                    assert state == "failed" and any(on_failure == "fail" for _, on_failure in bad)
                elif any(on_failure == "fail" for _, on_failure in bad):
                    assert any(on_failure == "continue" for _, on_failure in bad)
        if runs:  # a child may have been told to end while it ran
            assert state == "cancelled" or state == ("failed" if planned.fails else "completed")

    def check_children(self) -> None:
        """Of a job that has not succeeded none in its queue begins any more."""
        world, order = self.world, self.world.store.ended
        for job_id, one in zip(self.ids, self.planned, strict=True):
            for child in [number for number, _, is_child in one.waits if is_child]:
                if world.state(job_id) != "completed" and self.planned[child].queue == one.queue:
                    taken = world.store.taken.get(self.ids[child])
                    assert taken is None or taken[0] <= order.index(job_id)


def _flow_job(number: int, planned: Planned) -> FlowJob:
    after = [WaitFor(str(one), on_failure) for one, on_failure, is_child in planned.waits if not is_child]  # type: ignore[arg-type]
    children = [WaitFor(str(one), on_failure) for one, on_failure, is_child in planned.waits if is_child]  # type: ignore[arg-type]
    when: Any = planned.when
    return FlowJob(name=str(number), job="job.x", queue=planned.queue, after=after, children=children, when=when)


@given(flows(), doings)
def test_each_job_is_done_once_after_all_that_it_waits_for(
    planned: list[Planned], steps: list[tuple[Any, ...]]
) -> None:
    played = Played(planned)
    for step in steps:
        played.do(step)
    for life in played.world.lives.values():
        life.commit()
    played.world.run_out(played.how)
    played.check()
    played.check_children()
    rows = played.world.store.rows
    assert set(played.ids) == set(rows.done) and not rows.takes
