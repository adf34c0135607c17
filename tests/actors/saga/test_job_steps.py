"""Steps that are jobs: what has failed half way, what is cancelled, and what has ended though nobody waited for it."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from greenroom import Refused, Retry, Step, parallel
from greenroom.actors.saga.events import Retried
from greenroom.actors.saga.leading import NO_KEY, NO_KEY_S
from greenroom.actors.saga.messages import BeginFork, CancelSaga, ForkSaga, ResumeSaga, RetrySaga
from greenroom.actors.saga.plan import is_under_way
from greenroom.actors.saga.so_far import SoFar
from greenroom.actors.saga.state import SagaState, StepState
from greenroom.store.jobs.sealing import RESULT, CannotOpen, Place, keys_for, seal
from greenroom.testing import Kit
from tests.actors.saga.market import Do, Stalls, Undo, pack, saga, step, unpack

RETRIED = Retry(attempts=2, first_s=2.0)


def packing(*beside: Any, deadline_s: float | None = None, **how: Any) -> Stalls:
    made: dict[str, Any] = {"name": "pack", "do": pack, "undo": unpack, "deadline_s": 30.0} | how
    job = Step[Any](**made)
    return Stalls(saga(parallel(job, *beside) if beside else job, deadline_s=deadline_s))


def steer(stalls: Stalls, command: Any) -> None:
    stalls.kit.ask(command, user="op", roles=("admin",))


def test_one_that_has_failed_and_whose_undo_is_retried_is_not_waited_for_again() -> None:
    stalls = packing()
    stalls.refused("pack", refusal="job.failed")
    stalls.refused("pack", "undo")
    assert stalls.status == "stuck"
    steer(stalls, RetrySaga())
    assert stalls.abouts[-1] == "undo:pack" and stalls.of("pack") == "undoing", "and no queue is told to cancel it"
    stalls.undone("pack")
    assert stalls.status == "undone"


def test_one_that_an_earlier_release_left_stuck_is_not_waited_for_either() -> None:
    stuck = StepState("pack", "job:1", "stuck", queue="packing", undo_tries=1)
    state = SagaState(status="stuck", back=True, steps=[stuck])
    state.change(Retried(by="op", status="undoing"), 0)
    assert not is_under_way(stuck) and stuck.status == "overdue" and stuck.may_be_undone


def test_one_that_rests_when_time_is_up_has_ended() -> None:
    stalls = packing(retry=Retry(attempts=9, first_s=60.0, max_s=60.0), deadline_s=20.0)
    stalls.refused("pack", refusal="job.failed")
    stalls.kit.advance(20.0)
    assert stalls.abouts == ["undo:pack"]
    stalls.undone("pack")
    assert stalls.status == "undone"


def test_one_that_is_begun_again_is_waited_for_again() -> None:
    stalls = packing(retry=RETRIED)
    stalls.refused("pack", refusal="job.failed")
    stalls.kit.advance(2.0)
    stalls.kit.advance(30.0)
    assert stalls.abouts == ["cancel:pack"]
    stalls.refused("pack", refusal="job.cancelled")
    assert stalls.abouts[-1] == "undo:pack"


@pytest.mark.parametrize("how", ["dropped", "duplicate", "do refuses"])
def test_what_it_did_in_part_is_undone_whatever_comes_of_its_next_try(how: str) -> None:
    tried: list[str] = []

    def do(so_far: Any) -> Any:
        tried.append("")
        if how == "do refuses" and len(tried) > 1:
            raise Refused("market.closed")
        return pack(so_far)

    stalls = packing(step("ship"), do=do, retry=RETRIED)
    stalls.refused("pack", refusal="job.failed")
    if how == "dropped":
        stalls.refused("ship")
    else:
        stalls.kit.advance(2.0)
    if how == "duplicate":
        stalls.refused("pack", refusal="job.duplicate")
    if how != "dropped":
        stalls.undone("ship")
    stalls.undone("pack")
    assert stalls.status == "undone" and stalls.of("pack") == "undone"


def test_one_without_an_undo_is_waited_for_before_the_end() -> None:
    stalls = packing(undo=None)
    steer(stalls, CancelSaga())
    stalls.kit.undelivered(stalls.kit.told[-1], "queue.no_such_job")  # it was started a moment ago
    stalls.kit.advance(5.0)
    assert stalls.status == "undoing" and stalls.abouts == ["cancel:pack"] * 2
    assert stalls.kit.view()["waits_for"][0]["step"] == "pack"
    stalls.refused("pack", refusal="job.cancelled")
    assert stalls.status == "undone"
    with pytest.raises(Refused, match=r"saga\.unknown_step"):
        steer(stalls, ResumeSaga())  # it may have done some of it before it was cancelled


def test_one_that_was_erased_has_ended() -> None:
    stalls = packing()
    steer(stalls, CancelSaga())
    cancel = stalls.kit.told[-1]
    stalls.kit.undelivered(cancel, "forgotten")
    assert stalls.abouts == ["cancel:pack", "undo:pack"]
    stalls.kit.undelivered(cancel, "forgotten")
    stalls.undone("pack")
    assert stalls.status == "undone"


def packed(plan: Stalls) -> Raw:
    """As its job's result is stored."""
    return Raw(seal(b'"packed"', Place("job.pack", plan.told("pack").entity.removeprefix("job:"), RESULT)))


def test_the_result_of_a_job_that_is_encrypted_is_opened_and_where_its_key_is_not_here_waited_for() -> None:
    read: list[str] = []

    def do(so_far: Any) -> Any:
        read.append(so_far.reply("pack", str))
        return "stall:ship", Do(step="ship", of=so_far.key)

    plan = Stalls(saga(Step[Any](name="pack", do=pack, undo=unpack, deadline_s=30.0), step("ship", do=do)))
    with keys_for(bytes(32)):
        reply = packed(plan)
    with keys_for():
        plan.kit.answered(plan.told("pack"), reply)
        plan.kit.advance(NO_KEY_S * 9)
        assert plan.status == "running" and plan.of("ship") == "resting" and read == []
    with keys_for(bytes(32)):
        plan.kit.advance(NO_KEY_S)
        plan.done("ship")
    assert plan.status == "done" and read == ["packed"]


def test_so_it_is_where_a_step_is_taken_back() -> None:
    def back(so_far: Any) -> Any:
        return "stall:pack", Undo(step=so_far.reply("pack", str))

    plan = Stalls(saga(Step[Any](name="pack", do=pack, undo=back, deadline_s=30.0), step("ship")))
    with keys_for(bytes(32)):
        plan.kit.answered(plan.told("pack"), packed(plan))
    with keys_for():
        plan.refused("ship")
        plan.kit.advance(NO_KEY_S * 9)
        assert plan.of("pack") == "undo_resting"
    with keys_for(bytes(32)):
        plan.kit.advance(NO_KEY_S)
        plan.undone("pack")
    assert plan.status == "undone"


def test_a_step_that_waits_for_a_key_has_not_been_tried_meanwhile() -> None:
    def do(so_far: Any) -> Any:
        so_far.reply("pack", str)
        return "stall:ship", Do(step="ship", of=so_far.key)

    plan = Stalls(
        saga(Step[Any](name="pack", do=pack, deadline_s=30.0), step("ship", do=do, retry=RETRIED, deadline_s=600.0))
    )
    with keys_for(bytes(32)):
        reply = packed(plan)
    with keys_for():
        plan.kit.answered(plan.told("pack"), reply)
        plan.kit.advance(NO_KEY_S * 9)
    with keys_for(bytes(32)):
        plan.kit.advance(NO_KEY_S)
        plan.refused("ship")
        assert plan.of("ship") == "resting", "the first try of two"
    with keys_for():
        plan.kit.advance(NO_KEY_S * 9)
    with keys_for(bytes(32)):
        plan.kit.advance(NO_KEY_S)
        plan.refused("ship")
    assert plan.status == "undone" and plan.kit.view()["steps"][1]["attempts"] == 2


@pytest.mark.parametrize("whose", ["its entity's", "its own"])
def test_a_refusal_that_is_only_named_as_the_want_of_a_key_is_one(whose: str) -> None:
    def do(so_far: Any) -> Any:
        if whose == "its own":
            raise Refused(NO_KEY)
        return "stall:ship", Do(step="ship", of=so_far.key)

    plan = Stalls(saga(step("ship", do=do)))
    if whose != "its own":
        plan.refused("ship", refusal=NO_KEY)
    assert plan.status == "undone" and plan.of("ship") == "refused"


def test_what_an_entity_answers_is_opened_by_nobody() -> None:
    """It may say what somebody has copied."""
    read: list[Any] = []

    def do(so_far: Any) -> Any:
        read.append(so_far.reply("ask", Raw))
        return "stall:ship", Do(step="ship", of=so_far.key)

    plan = Stalls(saga(step("ask"), step("ship", do=do)))
    with keys_for(bytes(32)):
        copied = Raw(seal(b'"4111"', Place("job.pay", "a" * 32, RESULT)))
        plan.kit.answered(plan.told("ask"), copied)
    assert read == [copied]


def test_a_fork_opens_the_results_of_jobs_that_it_has_taken_over() -> None:
    read: list[str] = []

    def do(so_far: Any) -> Any:
        read.append(so_far.reply("pack", str))
        return "stall:ship", Do(step="ship", of=so_far.key)

    market = saga(Step[Any](name="pack", do=pack, undo=unpack, deadline_s=30.0), step("ship", do=do))
    plan = Stalls(market)
    with keys_for(bytes(32)):
        plan.kit.answered(plan.told("pack"), packed(plan))
        plan.done("ship")
        steer(plan, ForkSaga(from_step="ship"))
        fork: Kit[Any] = Kit(market, key="2")
        fork.tell(plan.kit.told[-1].message)
        assert read == ["packed"] * 2
        fork.undelivered(fork.told[-1], "stall.no")
    assert fork.view()["status"] == "undone" and len(fork.told) == 1, "what it has taken over is not undone"


def fork_of(market: Any, plan: Stalls, key: str, *, without: str = "") -> Kit[Any]:
    """At its shipping. `without`: what a release that does not know it leaves out of what is taken over."""
    steer(plan, ForkSaga(from_step="ship", key=key))
    begin = msgspec.json.decode(msgspec.json.encode(plan.kit.told[-1].message))
    for one in begin["taken"]:
        one.pop(without, None)
    fork: Kit[Any] = Kit(market, key=key)
    fork.tell(msgspec.json.decode(msgspec.json.encode(begin), type=BeginFork))
    return fork


def test_so_does_one_that_an_earlier_release_has_begun_and_the_fork_of_that() -> None:
    """It did not say which steps were jobs."""
    read: list[str] = []

    def do(so_far: Any) -> Any:
        read.append(so_far.reply("pack", str))
        return "stall:ship", Do(step="ship", of=so_far.key)

    market = saga(Step[Any](name="pack", do=pack, undo=unpack, deadline_s=30.0), step("ship", do=do))
    plan = Stalls(market)
    with keys_for(bytes(32)):
        plan.kit.answered(plan.told("pack"), packed(plan))
        plan.done("ship")
        fork = fork_of(market, plan, "2", without="queue")
        fork.answered(fork.told[-1], None)
        fork.restart(from_snapshot=True)
        fork.ask(ForkSaga(from_step="ship", key="3"), user="op", roles=("admin",))
        Kit(market, key="3").tell(fork.told[-1].message)
    assert read == ["packed"] * 3


def test_so_does_one_whose_snapshot_an_earlier_release_has_made() -> None:
    with keys_for(bytes(32)):
        sealed = seal(b'"packed"', Place("job.pack", "a" * 32, RESULT))
        kept = b'{"status":"running","steps":[{"name":"pack","status":"done","taken":"1"}],"replies":{"pack":%b}}'
        state = msgspec.json.decode(kept % sealed, type=SagaState)
        assert SoFar("market:2", None, state).reply("pack", str) == "packed"


def test_a_fork_opens_no_answer_of_an_entity() -> None:
    read: list[Any] = []

    def do(so_far: Any) -> Any:
        read.append(so_far.reply("ask", Raw))
        return "stall:ship", Do(step="ship", of=so_far.key)

    market = saga(step("ask"), step("ship", do=do))
    plan = Stalls(market)
    with keys_for(bytes(32)):
        copied = Raw(seal(b'"4111"', Place("job.pay", "a" * 32, RESULT)))
        plan.kit.answered(plan.told("ask"), copied)
        plan.done("ship")
        fork = fork_of(market, plan, "2")
        fork.answered(fork.told[-1], None)
        fork.restart(from_snapshot=True)
        fork.ask(ForkSaga(from_step="ship", key="3"), user="op", roles=("admin",))
        Kit(market, key="3").tell(fork.told[-1].message)
    assert read == [copied] * 3


@pytest.mark.parametrize(
    "step", [StepState("pack", taken="1", job="b" * 32), StepState("pack", "job:" + "b" * 32, queue="q")]
)
def test_what_another_job_came_to_is_no_reply(step: StepState) -> None:
    """Also where the step was taken over: the fork knows which job it was."""
    with keys_for(bytes(32)):
        sealed = Raw(seal(b'"packed"', Place("job.pack", "a" * 32, RESULT)))
        with pytest.raises(CannotOpen, match="of the job aaa"):
            SoFar("market:2", None, SagaState(steps=[step], replies={"pack": sealed})).reply("pack", str)
