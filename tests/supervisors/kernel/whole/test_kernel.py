"""The parts of the kernel under their supervisors: who falls with whom, and what the next run makes good."""

from collections.abc import Callable, Sequence

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import OutcomeUnknown, Unavailable
from greenroom.config.limits import CommitConfig, PassivationConfig, SupervisionConfig
from greenroom.store.journal.records import Append, Outcome
from greenroom.supervisors.supervision.strategy import RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import ANN, Kernel, Note, Read, Slot, after, settled

A = "log:a"
B = "log:b"
C = "log:c"


@pytest.mark.parametrize("culprit", ["committer", "claims"])
async def test_whichever_part_of_the_kernel_crashes_its_supervisor_starts_all_that_trusted_it_afresh(
    culprit: str, autojump_clock: MockClock
) -> None:
    run = Kernel(commit=CommitConfig(lanes=2), passivation=PassivationConfig(sweep_s=1.0, memory_bytes_max=1))
    run.audience.watchers = {}
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, supervised(run))
        await run.ask(B, Note(text="before"))
        await run.ask(B, after(1000, "lost with its actor"))
        slots: list[Slot] = []
        match culprit:
            case "committer":
                run.journal.faults["append"].append(Fault.CRASHES)
                slots += [run.send(entity, Note(text="x")) for entity in (A, B)]
            case "claims":
                run.journal.faults["claim"].append(Fault.CRASHES)
                slots += [run.send(A, Note(text="x"))]
        await trio.sleep(2)
        assert all(isinstance(slot.answer, OutcomeUnknown | Unavailable | int) for slot in slots)
        assert (run.awake(), run.instruments.awake, run.kernel.committer.pending_count) == (set(), 0, 0)
        with trio.fail_after(5):
            assert await run.ask(B, Read()) == run.texts(B)
            await run.ask(A, Note(text="y"))
        await trio.sleep(2000)
        assert run.texts(A)[-1] == "y"
        assert "lost with its actor" not in run.texts(B)
        nursery.cancel_scope.cancel()
    with pytest.raises(Unavailable):
        run.send(A, Read())


def supervised(run: Kernel, *, restarts_max: int = 1) -> SupervisorSpec:
    return SupervisorSpec(
        name="node",
        strategy=Strategy.REST_FOR_ONE,
        intensity=RestartIntensity(restarts_max=restarts_max, window_s=60.0),
        children=run.kernel.core + run.kernel.duties,
    )


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("crashes", [1, 2])
@pytest.mark.parametrize("is_audience", [True, False])
async def test_whoever_watches_hears_what_had_landed_when_the_system_crashed_though_nobody_speaks(
    is_audience: bool, crashes: int, lands: bool, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another crash ends the next life before it has begun. What nobody watches sleeps on."""
    run = Kernel()
    run.audience.watchers = {A: [ANN], C: [ANN]} if is_audience else {C: [ANN]}
    run.audience.streamed = set() if is_audience else {A}
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, supervised(run, restarts_max=crashes))
        for entity in (A, B, C):
            await run.ask(entity, Note(text="known"))
        began: list[tuple[str, int]] = []
        run.audience.began = lambda entity, epoch, offset: began.append((entity, offset))  # type: ignore[method-assign]

        async def unheard(batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
            if lands:
                await run.journal.memory.append(batch)
            await trio.sleep_forever()
            raise AssertionError

        monkeypatch.setattr(run.journal, "append", unheard)
        slots = [run.send(A, Note(text="x")), run.send(B, Note(text="x"))]
        await settled()
        run.journal.faults["claim"] += [Fault.CRASHES] * crashes
        slots.append(run.send("log:crashes", Read()))
        await trio.sleep(60)
        assert not run.journal.faults["claim"]
        assert all(isinstance(slot.answer, OutcomeUnknown | Unavailable) for slot in slots)
        assert (began, run.awake()) == ([(A, 1 + lands)], {A})
        nursery.cancel_scope.cancel()


async def test_the_watchers_of_an_entity_that_is_kept_down_hear_of_it_after_a_crash_of_the_system_too(
    autojump_clock: MockClock,
) -> None:
    run = Kernel(supervision=SupervisionConfig(restarts_max=0, backoff_max_s=30.0))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, supervised(run))
        await run.ask(A, Note(text="known"))
        run.journal.faults["append"] += [Fault.LANDED_LOST]
        run.journal.faults["read"] += [Fault.CRASHES]
        run.send(A, Note(text="x"))
        await trio.sleep(1)
        assert run.awake() == set()
        run.journal.faults["claim"] += [Fault.CRASHES]
        run.send(B, Read())
        await trio.sleep(25)
        assert run.awake() == set()
        await trio.sleep(10)
        assert run.awake() == {A}
        nursery.cancel_scope.cancel()


def test_the_relay_falls_with_the_system_and_begins_before_it() -> None:
    """One that begins anew has forgotten what was under way: senders that stay awake would overtake it."""
    names = [part.name for part in Kernel().kernel.core]
    assert names.index("relay") < names.index("system")
    assert "relay" not in [part.name for part in Kernel().kernel.duties]


async def test_a_duty_that_crashes_is_nobody_elses_business(autojump_clock: MockClock) -> None:
    run = Kernel(passivation=PassivationConfig(sweep_s=1.0, memory_bytes_max=1), memory_bytes=_breaks_once())
    core = SupervisorSpec(
        name="core",
        strategy=Strategy.REST_FOR_ONE,
        intensity=RestartIntensity(restarts_max=0, window_s=60.0),
        children=run.kernel.core,
    )
    duties = SupervisorSpec(
        name="duties",
        strategy=Strategy.ONE_FOR_ONE,
        intensity=RestartIntensity(restarts_max=1, window_s=60.0),
        children=run.kernel.duties,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, core)
        await nursery.start(supervise, duties)
        await run.ask(B, Note(text="before"))
        await run.ask(B, after(3, "kept"))
        await trio.sleep(10)  # passivation crashes once, and then puts others to sleep again
        assert run.texts(B) == ["before", "kept"]
        assert run.instruments.activations == 1
        nursery.cancel_scope.cancel()


def _breaks_once() -> Callable[[], int]:
    answers = iter([ZeroDivisionError("boom")])

    def bytes_used() -> int:
        for error in answers:
            raise error
        return 0

    return bytes_used
