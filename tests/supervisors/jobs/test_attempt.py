"""One attempt: what its code returns or raises, its time, and how it is stopped."""

from functools import partial
from typing import Any

import msgspec
import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock

from greenroom import Cancel, Discard, Job, JobLimits, Pause, Snooze, Work
from greenroom.actors.jobs.queue.flows.messages import Child as ChildKnown
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.jobs.queue.single.telling import Look
from greenroom.actors.model.errors import HandlerStuck
from greenroom.store.errors import DataRefused, StoreUnavailable
from greenroom.supervisors.jobs.attempt import Attempt, Ending
from greenroom.supervisors.jobs.reach.outside import Nowhere
from greenroom.supervisors.jobs.results import RESULT_MAX
from greenroom.supervisors.jobs.words import TEXT_MAX
from tests.supervisors.jobs.attempt.stage import ID, Does, Told, attempt, naps, outcome, raises
from tests.supervisors.jobs.work_stage import means


async def test_what_it_returns_is_its_result() -> None:
    assert await outcome(lambda work: {"attempt": work.attempt}) == Finished(ID, 9, Raw(b'{"attempt":1}'))
    assert await outcome(lambda work: None) == Finished(ID, 9)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (object(), "is no JSON"),
        ("x" * RESULT_MAX, "more than"),
        (float("nan"), "nan"),
        ({1: {2}, "a": object()}, "no JSON"),
    ],
    ids=["an object", "long", "nan", "deep"],
)
async def test_what_can_not_be_kept_fails_by_name_and_for_good(result: Any, error: str) -> None:
    found = await outcome(lambda work: result)
    assert found.final and found.error is not None and error in found.error


async def test_an_error_is_a_failed_attempt_that_is_tried_again_after_its_rest() -> None:
    found = await outcome(raises(ValueError("no good")))
    assert found.error == "ValueError('no good')" and "raising" in found.trace and not found.final
    assert found.retry_s is not None and 9.0 <= found.retry_s <= 11.0


class Unset(Snooze):
    """Has no seconds."""

    def __init__(self) -> None:
        pass


class Strange(Job, queue="q", tag="job.strange"):
    """Can't be made."""

    def __post_init__(self) -> None:
        raise KeyError("strange")

    async def run(self, work: Work) -> None:
        pass


@pytest.mark.parametrize("how", ["raised", "returned"])
@pytest.mark.parametrize("word", [Snooze, Pause])
@pytest.mark.parametrize("seconds", ["soon", float("nan"), float("inf"), None], ids=str)
async def test_a_rest_that_is_no_time_is_a_failed_attempt(word: Any, seconds: Any, how: str) -> None:
    given = word(seconds)
    found = await outcome(raises(given) if how == "raised" else lambda work: given)
    assert found.error is not None and word.__name__ in found.error
    assert not found.refund and not found.final and found.pause_s is None
    msgspec.json.encode(found)


async def test_whatever_else_is_wrong_with_what_it_came_to_is_a_failed_attempt() -> None:
    for what in (raises(Unset()), lambda work: Unset()):
        found = await outcome(what)
        assert found.error is not None and "AttributeError" in found.error and not found.refund
    found = await attempt(Strange).run()
    assert found.error == "KeyError('strange')" and found.final


async def test_seconds_as_a_text_are_seconds() -> None:
    assert await outcome(raises(Snooze("30"))) == Finished(ID, 9, retry_s=30.0, refund=True)  # type: ignore[arg-type]


async def test_an_error_is_as_long_as_can_be_sent_and_has_no_half_of_a_pair() -> None:
    found = await outcome(raises(ValueError("x" * 100_000)))
    assert found.error is not None and len(found.error) <= TEXT_MAX
    for word in (
        Discard("\ud83d!"),
        ValueError("\ud83d!"),
        BaseExceptionGroup("\ud83d", [ValueError(1), TypeError(2)]),
    ):
        found = await outcome(raises(word))
        assert found.error and msgspec.json.encode(found)


@pytest.mark.parametrize("how", ["raised", "returned", "in a nursery"])
@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        (Snooze(7.0), Finished(ID, 9, retry_s=7.0, refund=True)),
        (Discard("useless"), Finished(ID, 9, error="useless", final=True)),
        (Cancel(), Finished(ID, 9, cancelled=True)),
    ],
    ids=["snooze", "discard", "cancel"],
)
async def test_it_may_say_how_it_goes_on(word: Exception, wanted: Finished, how: str) -> None:
    async def in_nursery(work: Work) -> None:
        async def child() -> None:
            raise word

        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    whats = {"raised": raises(word), "returned": lambda work: word, "in a nursery": in_nursery}
    assert await outcome(whats[how]) == wanted


async def test_what_would_end_the_process_fails_the_attempt() -> None:
    async def in_nursery(work: Work) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 0)
            raise SystemExit(3)

    for what in (raises(SystemExit(3)), in_nursery):
        found = await outcome(what)
        assert found.error is not None and "SystemExit" in found.error and not found.final


async def test_a_cancellation_from_outside_goes_through(autojump_clock: MockClock) -> None:
    with trio.move_on_after(3) as scope:
        await outcome(naps)
    assert scope.cancelled_caught


async def test_a_job_that_takes_too_long_has_failed(autojump_clock: MockClock) -> None:
    found = await outcome(naps)
    assert trio.current_time() == pytest.approx(30.0) and found.error == "it took longer than 30 s"
    assert not found.final and found.retry_s is not None


@pytest.mark.parametrize(
    ("ending", "wanted"),
    [
        (Ending.CANCELLED, Finished(ID, 9, cancelled=True)),
        (Ending.INTERRUPTED, Finished(ID, 9, refund=True)),
    ],
)
@pytest.mark.parametrize("how", ["goes", "raises as it goes"])
async def test_told_to_stop_it_ends_as_it_was_told(
    ending: Ending, wanted: Finished, how: str, autojump_clock: MockClock
) -> None:
    async def waits(work: Work) -> None:
        try:
            await trio.sleep(20)
        except trio.Cancelled:
            if how == "goes":
                raise
            raise ValueError("in the way") from None

    Does.what = staticmethod(waits)
    one = attempt()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: _stop(one, ending))
        assert await one.run() == wanted
    assert trio.current_time() == pytest.approx(1.0)


async def _stop(one: Attempt, ending: Ending) -> None:
    await trio.sleep(1)
    one.stop(ending)
    one.stop(Ending.CANCELLED)  # the first counts


async def test_a_cancel_is_delivered_at_its_next_word(autojump_clock: MockClock) -> None:
    async def busy(work: Work) -> None:
        one.stop(Ending.CANCELLED)
        await work.progress(0.5)
        raise AssertionError("it went on")

    Does.what = staticmethod(busy)
    one = attempt()
    assert (await one.run()).cancelled


async def test_what_it_says_is_told() -> None:
    told = Told()

    async def says(work: Work) -> None:
        await work.progress(0.5, "half")
        work.log("a line")

    await outcome(says, told=told)
    assert told.notes == [(0.5, "half", None), (None, "", "a line")]


async def test_steps_of_attempts_before_are_asked_for_once_and_only_where_there_are_some() -> None:
    told = Told()
    told.kept = {"a": Raw(b"1")}
    calls: list[str] = []

    async def do(name: str) -> Any:
        await trio.lowlevel.checkpoint()
        calls.append(name)
        return {"made": name}

    async def runs(work: Work) -> Any:
        return [await work.step(name, partial(do, name)) for name in ("a", "b", "b")]

    found = await outcome(runs, told=told, steps=True)
    assert msgspec.json.decode(found.result) == [1, {"made": "b"}, {"made": "b"}]
    assert (calls, told.asked, told.kept["b"]) == (["b"], 1, Raw(b'{"made":"b"}'))
    await outcome(runs, told=told)
    assert told.asked == 1 and calls == ["b", "a", "b"]


async def test_a_job_that_holds_up_the_loop_and_is_interrupted_has_failed() -> None:
    """The watchdog raises inside it: see tests/supervisors/supervision/test_watchdog.py."""
    found = await outcome(raises(HandlerStuck("job:x: interrupted")))
    assert found.error is not None and "held up the event loop" in found.error


async def test_each_of_its_steps_is_a_turn() -> None:
    shared = means()
    seen: list[object] = []

    async def looks(work: Work) -> None:
        seen.append(shared.turn.owner)
        await trio.lowlevel.checkpoint()
        seen.append(shared.turn.owner)

    Does.what = staticmethod(looks)
    one = attempt(with_means=shared)
    await one.run()
    assert seen == [one, one] and shared.turn.item is None and one.entity == f"job:{ID}"


async def test_nobody_here_has_its_code_or_its_arguments_are_wrong() -> None:
    unknown = Attempt(TakenJob(ID, "job.gone", Raw(b"{}"), 1, 3), 9, None, means(), Told())
    found = await unknown.run()
    assert found.error == "this worker has no such job" and not found.final
    assert (await attempt(arguments=b"[]").run()).final


async def test_that_the_store_is_away_is_no_attempt() -> None:
    for error in (StoreUnavailable("away"), ExceptionGroup("", [StoreUnavailable("away")])):
        finished = await outcome(raises(error))
        assert finished.refund and finished.error is None and 9.0 <= (finished.retry_s or 0.0) <= 11.0
    refused = await outcome(raises(DataRefused("no such text")))
    assert refused.error is not None and not refused.refund


async def test_what_it_waits_for_of_ours_is_no_silence_and_what_it_does_itself_is(autojump_clock: MockClock) -> None:
    class Asks(Does, queue="q", tag="job.asks"):
        limits = JobLimits(heartbeat_s=3.0, timeout_s=1_000.0)

    class Far(Nowhere):
        async def ask(self, entity: str, message: Any) -> Any:
            await trio.sleep(10.0)

        async def query(self, row: Any, key: str, asked: Any) -> Any:
            await trio.sleep(10.0)

        async def query_pages(self, row: Any, keys: Any, *, limit: int, where: Any) -> Any:
            await trio.sleep(10.0)

    class Slow(Told):
        async def steps(self, attempt: Attempt) -> dict[str, Raw]:
            await trio.sleep(10.0)
            return {}

        async def keep_step(self, attempt: Attempt, name: str, result: Raw) -> None:
            await trio.sleep(10.0)

        async def children(self, attempt: Attempt) -> list[ChildKnown]:
            await trio.sleep(10.0)
            return []

    async def what(work: Work) -> None:
        await trio.sleep(2.0)
        await work.step("one", trio.lowlevel.checkpoint)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work.ask, "queue:q", Look(id=ID))
            nursery.start_soon(trio.sleep, 5.0)
        await work.query(object, "all")
        await work.query_pages(object, ["all"], limit=1)
        await work.children()
        await trio.sleep(4.0)

    Does.what = staticmethod(what)
    shared = means()
    shared.reach = Far()
    one = attempt(Asks, with_means=shared, told=Slow(), steps=True)
    async with trio.open_nursery() as nursery:

        async def minds() -> None:
            while True:
                await trio.sleep(0.1)
                one.mind(trio.current_time())

        nursery.start_soon(minds)
        finished = await one.run()
        nursery.cancel_scope.cancel()
    assert finished.error == "it said nothing for 3 s" and 65.0 <= trio.current_time() < 65.3


async def test_what_it_says_while_it_waits_it_has_said_then_and_a_standstill_counts_once(
    autojump_clock: MockClock,
) -> None:
    class Asks(Does, queue="q", tag="job.asks"):
        limits = JobLimits(heartbeat_s=3.0, timeout_s=1_000.0)

    class Far(Nowhere):
        async def ask(self, entity: str, message: Any) -> Any:
            await trio.sleep(10.0)

    async def what(work: Work) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work.ask, "queue:q", Look(id=ID))
            await trio.sleep(8.0)
            work.log("a word")
        await trio.sleep(100.0)

    Does.what = staticmethod(what)
    shared = means()
    shared.reach = Far()
    one = attempt(Asks, with_means=shared)
    async with trio.open_nursery() as nursery:

        async def minds() -> None:
            await trio.sleep(9.05)
            one.mind(trio.current_time(), 4.0)
            while True:
                await trio.sleep(0.1)
                one.mind(trio.current_time())

        nursery.start_soon(minds)
        finished = await one.run()
        nursery.cancel_scope.cancel()
    assert finished.error == "it said nothing for 3 s" and 13.0 <= trio.current_time() < 13.3
