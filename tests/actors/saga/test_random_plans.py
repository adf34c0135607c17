"""Plans drawn at random, among those who answer, refuse, are slow or far away, while people steer and all restarts."""

from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from structlog.testing import capture_logs

from greenroom import Refused
from greenroom.actors.saga.messages import CancelSaga, ResumeSaga, RetrySaga
from tests.actors.saga.random_plans import PLANS, WORKERS, Shape, World, saga_of

FATES = st.sampled_from(["done", "done", "done", "refused"])


class PlanMachine(RuleBasedStateMachine):
    @initialize(shape=PLANS)
    def begin(self, shape: Shape) -> None:
        self.world = World(saga_of(shape))

    @rule(worker=st.sampled_from(WORKERS), fate=FATES, reports=st.booleans())
    def work(self, worker: str, fate: str, reports: bool) -> None:
        with capture_logs():
            self.world.work(worker, fate)
            if reports:
                self.world.report(worker)

    @rule(sender=st.sampled_from([*WORKERS, "queue:toil"]))
    def report(self, sender: str) -> None:
        with capture_logs():
            self.world.report(sender)

    @rule(fate=st.sampled_from(["done", "done", "failed", "duplicate"]), told=st.booleans())
    def jobs(self, fate: str, told: bool) -> None:
        if told:
            self.world.work("queue:toil", "done")
        self.world.run_job(fate)

    @rule(name=st.sampled_from(["yes", "paid"]))
    def say(self, name: str) -> None:
        self.world.say(name)

    @rule(seconds=st.sampled_from([0.5, 4.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.world.kit.advance(seconds)

    @rule()
    def sleep(self) -> None:
        self.world.kit.miss(3.0)

    @precondition(lambda self: self.world.status == "running")
    @rule(often=st.integers(0, 3))
    def cancel(self, often: int) -> None:
        if not often:
            self.world.kit.ask(CancelSaga())

    @rule()
    def retry(self) -> None:
        with suppress(Refused):
            self.world.kit.ask(RetrySaga())

    @precondition(lambda self: self.world.status in ("undone", "stuck"))
    @rule()
    def resume(self) -> None:
        with suppress(Refused):
            self.world.kit.ask(ResumeSaga())

    @invariant()
    def what_it_knows_survives_it(self) -> None:
        if hasattr(self, "world"):
            self.world.kit.restart()

    @invariant()
    def no_job_goes_on_behind_its_back(self) -> None:
        if hasattr(self, "world") and self.world.status in ("done", "undone", "stuck"):
            self.world.carry()
            assert not self.world.jobs

    def teardown(self) -> None:
        if hasattr(self, "world"):
            with capture_logs():
                self.world.finish()
                self.world.judge()


TestPlanMachine = PlanMachine.TestCase
TestPlanMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
