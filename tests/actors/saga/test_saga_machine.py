"""A saga among entities that answer, refuse, are slow or far away, while it restarts and hears things twice."""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from structlog.testing import capture_logs

from greenroom import Ask, Done, Message, Saga, SoFar, Step
from greenroom.actors.model.effects import Told
from greenroom.testing import Kit

NAMES = ("first", "second", "third", "fourth")


class Work(Ask[int], tag="worker.work"):
    step: str


class Revert(Ask[Done], tag="worker.revert"):
    step: str


class Begin(Ask[Done], tag="job.begin"):
    workers: dict[str, str]  # step -> entity


def step(name: str, deadline_s: float | None, *, reverts: bool = True) -> Step[Begin]:
    def do(so_far: SoFar[Begin]) -> tuple[str, Message]:
        for earlier in NAMES[: NAMES.index(name)]:
            assert so_far.reply(earlier, int) == NAMES.index(earlier)
        return so_far.input.workers[name], Work(step=name)

    def undo(so_far: SoFar[Begin]) -> Message:
        return Revert(step=name)

    return Step(name=name, do=do, undo=undo if reverts else None, deadline_s=deadline_s)


class Job(Saga[Begin]):
    kind = "job"
    starts = "users"
    steps = (
        step("first", 30.0),
        step("second", 10.0, reverts=False),
        step("third", 20.0),
        step("fourth", None),
    )
    deadline_s = 35.0


class SagaMachine(RuleBasedStateMachine):
    @initialize(
        workers=st.tuples(*(st.sampled_from("ab") for _ in NAMES)),
        fates=st.tuples(*(st.sampled_from(["done", "done", "done", "refused", "slow"]) for _ in NAMES)),
    )
    def begin(self, workers: tuple[str, ...], fates: tuple[str, ...]) -> None:
        self.kit = Kit(Job)
        self.fates = dict(zip(NAMES, fates, strict=True))
        self.workers = {name: f"worker:{worker}" for name, worker in zip(NAMES, workers, strict=True)}
        self.on_the_way: dict[str, deque[Told]] = {"worker:a": deque(), "worker:b": deque()}
        self.reports: dict[str, deque[tuple[Told, str]]] = {"worker:a": deque(), "worker:b": deque()}
        self.heard: list[tuple[Told, str]] = []
        self.carried = 0  # of what it told
        self.done: list[str] = []  # by workers, and not reverted
        self.refused: set[str] = set()
        self.clung: set[str] = set()  # workers refused to revert them
        self.kit.ask(Begin(workers=self.workers), user="ann")

    def carry(self) -> None:
        for told in self.kit.told[self.carried :]:
            self.on_the_way[told.entity].append(told)
        self.carried = len(self.kit.told)

    @rule(worker=st.sampled_from("ab"), fate=st.sampled_from("dddr"))
    def work(self, worker: str, fate: str) -> None:
        """A worker takes the next message that was told to it, in order."""
        self.carry()
        waiting = self.on_the_way[f"worker:{worker}"]
        if not waiting:
            return
        told = waiting.popleft()
        message = told.message
        assert isinstance(message, Work | Revert)
        name = message.step
        match message:
            case Work() if fate == "d":
                assert name not in self.done
                self.done.append(name)
            case Work():
                self.refused.add(name)
            case Revert() if fate == "d":
                if name in self.done:  # else it has nothing to revert: its step was refused, late
                    self.done.remove(name)
            case Revert():
                self.clung.add(name)
        if told.about:
            self.reports[told.entity].append((told, fate))

    @rule(worker=st.sampled_from("ab"))
    def report(self, worker: str) -> None:
        waiting = self.reports[f"worker:{worker}"]
        if waiting:
            self.heard.append(waiting.popleft())
            self.hear(*self.heard[-1])

    def work_and_report(self, worker: str, fate: str) -> None:
        self.work(worker, fate)
        self.report(worker)

    @rule()
    def go_as_drawn(self) -> None:
        """Random rules alone would seldom lead far and then fail."""
        for worker in "abab":
            self.carry()
            waiting = self.on_the_way[f"worker:{worker}"]
            fate = self.fates[waiting[0].message.step] if waiting and isinstance(waiting[0].message, Work) else ""
            if fate == "slow":
                self.wait(21.0)
            self.work_and_report(worker, "r" if fate == "refused" else "d")

    @precondition(lambda self: self.heard)
    @rule(data=st.data())
    def hear_again(self, data: st.DataObject) -> None:
        offset = self.kit.offset
        self.hear(*data.draw(st.sampled_from(self.heard)))
        assert self.kit.offset == offset

    def hear(self, told: Told, fate: str) -> None:
        with capture_logs():
            if fate == "r":
                self.kit.undelivered(told, "worker.no")
            else:
                self.kit.answered(told, NAMES.index(told.message.step) if isinstance(told.message, Work) else Done())

    @rule(seconds=st.sampled_from([0.5, 4.0]))
    def wait(self, seconds: float) -> None:
        self.kit.advance(seconds)

    @rule(seconds=st.sampled_from([0.0, 3.0]))
    def sleep(self, seconds: float) -> None:
        self.kit.miss(seconds)

    @rule()
    def wake_from_a_snapshot(self) -> None:
        self.kit.restart(from_snapshot=True)

    @rule()
    def begin_again(self) -> None:
        offset = self.kit.offset
        assert self.kit.ask(Begin(workers=self.workers), user="ann") == Done()
        assert self.kit.offset == offset

    @invariant()
    def one_thing_is_waited_for_until_the_end(self) -> None:
        waited_for = [one for one in self.kit.view()["steps"] if one["status"] in ("running", "undoing")]
        assert len(waited_for) == (self.kit.view()["status"] in ("running", "undoing"))

    @invariant()
    def what_it_knows_survives_it(self) -> None:
        self.kit.restart()

    def teardown(self) -> None:
        """Everybody comes back and says yes: it must end, and how it ended must be true."""
        if not hasattr(self, "kit"):
            return
        for _ in range(4 * len(NAMES)):
            for worker in "ab":
                self.work_and_report(worker, "d")
        self.carry()
        assert not any(self.on_the_way.values()) and not any(self.reports.values())
        self.kit.restart()
        self.judge()

    def judge(self) -> None:
        status = self.kit.view()["status"]
        abouts = [told.about.split(":") for told in self.kit.told if told.about]
        done = [name for phase, name in abouts if phase == "do"]
        undone = [name for phase, name in abouts if phase == "undo"]
        assert done == list(NAMES[: len(done)])
        if status == "done":
            assert undone == []
            assert self.done == list(NAMES)
            return
        assert status == ("stuck" if self.clung else "undone")
        assert not any("internal" in line for line in self.kit.view()["log"])
        in_time = {one["name"] for one in self.kit.view()["steps"] if one["status"] != "refused"}
        assert undone == [name for name in reversed(done) if name in in_time and name != "second"]
        assert set(self.done) <= self.clung | {"second"}  # of all the rest nothing is left


TestSagaMachine = SagaMachine.TestCase
TestSagaMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
