"""One attempt: what its code returns or raises, its time, and how it is stopped."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import msgspec
import pytest
import trio
from msgspec import Raw
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom import Cancel, Discard, Job, JobLimits, Pause, Retry, Snooze, Work
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.flows.messages import Child as ChildKnown
from greenroom.actors.jobs.queue.flows.messages import SpawnJob
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.jobs.queue.single.telling import Look
from greenroom.actors.jobs.work import ThreadWork
from greenroom.actors.model.errors import HandlerStuck
from greenroom.store.errors import DataRefused, StoreUnavailable
from greenroom.store.jobs.sealing import ARGUMENTS, RESULT, Place, as_step, keys_for, opened, seal
from greenroom.supervisors.jobs.attempt import Attempt, Ending, Means
from greenroom.supervisors.jobs.reach.outside import Nowhere
from greenroom.supervisors.jobs.results import RESULT_MAX
from greenroom.supervisors.jobs.words import TEXT_MAX
from tests.supervisors.jobs.work_stage import means

ID = f"{3:032x}"


class Told:
    """What an attempt says on its way."""

    def __init__(self) -> None:
        self.notes: list[tuple[float | None, str, str | None]] = []
        self.kept: dict[str, Raw] = {}
        self.asked = 0
        self.has_ended: list[ChildKnown] = []

    def note(self, attempt: Attempt, share: float | None, note: str, line: str | None) -> None:
        self.notes.append((share, note, line))

    async def steps(self, attempt: Attempt) -> dict[str, Raw]:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        return dict(self.kept)

    async def keep_step(self, attempt: Attempt, name: str, result: Raw) -> None:
        await trio.lowlevel.checkpoint()
        self.kept[name] = result

    async def children(self, attempt: Attempt) -> list[ChildKnown]:
        await trio.lowlevel.checkpoint()
        return self.has_ended

    async def spawn(self, attempt: Attempt, group: str, jobs: list[SpawnJob]) -> list[str]:
        await trio.lowlevel.checkpoint()
        raise AssertionError("nobody has asked for that")


class Does(Job, queue="q", tag="job.does"):
    """What the test says."""

    limits = JobLimits(timeout_s=30.0, grace_s=5.0)
    retry = Retry(attempts=3, first_s=10.0)
    what: ClassVar[Callable[[Work], Any]]

    async def run(self, work: Work) -> Any:
        result = type(self).what(work)
        return await result if hasattr(result, "__await__") else result


class InThread(Job, queue="q", tag="job.in_thread"):
    """Likewise, in a thread."""

    limits = JobLimits(timeout_s=30.0, grace_s=5.0)
    what: ClassVar[Callable[[ThreadWork], Any]]

    def run(self, work: ThreadWork) -> Any:
        return type(self).what(work)


def attempt(
    job: type[Job] = Does,
    *,
    steps: bool = False,
    arguments: bytes = b"{}",
    told: Told | None = None,
    with_means: Means | None = None,
) -> Attempt:
    taken = TakenJob(ID, "job.x", Raw(arguments), 1, 3, steps)
    return Attempt(taken, 9, InstalledJob(job), with_means or means(), told or Told())


async def outcome(what: Callable[[Work], Any], **fields: Any) -> Finished:
    Does.what = staticmethod(what)
    return await attempt(**fields).run()


async def naps(work: Work) -> None:
    await trio.sleep(100)


def raises(error: BaseException) -> Callable[[Any], Any]:
    def raising(work: Any) -> Any:
        raise error

    return raising


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


# In a thread.


async def test_a_thread_returns_and_raises_as_a_coroutine_does() -> None:
    told = Told()

    def runs(work: ThreadWork) -> Any:
        work.progress(0.5, "half")
        work.log("a line")
        return work.step("a", threading.current_thread)

    InThread.what = staticmethod(runs)
    found = await attempt(InThread, told=told).run()
    assert found.error is not None and "the step 'a' is no JSON" in found.error
    assert told.notes == [(0.5, "half", None), (None, "", "a line")]
    InThread.what = staticmethod(lambda work: [work.step("a", lambda: 7), work.step("a", lambda: 8)])
    assert (await attempt(InThread, told=told).run()).result == Raw(b"[7,7]")
    InThread.what = staticmethod(raises(Discard("useless")))
    assert (await attempt(InThread).run()).error == "useless"
    InThread.what = staticmethod(raises(SystemExit(3)))
    assert not (await attempt(InThread).run()).final


async def test_a_thread_hears_of_its_cancel_at_its_next_word() -> None:
    begun = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def runs(work: ThreadWork) -> None:
        token.run_sync_soon(begun.set)
        while True:
            work.progress(0.5)

    InThread.what = staticmethod(runs)
    one = attempt(InThread)
    async with trio.open_nursery() as nursery:

        async def stops() -> None:
            await begun.wait()
            one.stop(Ending.INTERRUPTED)

        nursery.start_soon(stops)
        with capture_logs() as logs:
            assert await one.run() == Finished(ID, 9, refund=True)
    assert logs == [], "it was not abandoned"


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


async def test_a_thread_that_is_silent_hears_of_it_at_its_next_word() -> None:
    class Silent(InThread, queue="q", tag="job.silent"):
        limits = JobLimits(heartbeat_s=60.0)

    spoken, goes_on = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def runs(work: ThreadWork) -> None:
        work.log("a word")
        token.run_sync_soon(spoken.set)
        goes_on.wait(60)
        work.progress(0.5)

    Silent.what = staticmethod(runs)
    one = attempt(Silent)
    async with trio.open_nursery() as nursery:

        async def minds() -> None:
            await spoken.wait()
            one.mind(trio.current_time() + 59.0)
            assert one.ending is None
            one.mind(trio.current_time() + 61.0)
            goes_on.set()

        nursery.start_soon(minds)
        finished = await one.run()
    assert finished.error == "it said nothing for 60 s" and finished.retry_s is not None


async def test_a_thread_that_does_not_end_in_its_grace_is_left_alone_and_counts_until_it_does() -> None:
    goes_on = threading.Event()
    begun = trio.Event()
    token = trio.lowlevel.current_trio_token()

    class Short(InThread, queue="q", tag="job.short"):
        limits = JobLimits(grace_s=0.0)

    def runs(work: ThreadWork) -> None:
        token.run_sync_soon(begun.set)
        goes_on.wait(60)

    Short.what = staticmethod(runs)
    shared = means()
    one = attempt(Short, with_means=shared)
    async with trio.open_nursery() as nursery:

        async def stops() -> None:
            await begun.wait()
            one.stop(Ending.CANCELLED)

        nursery.start_soon(stops)
        with capture_logs() as logs:
            assert await one.run() == Finished(ID, 9, cancelled=True)
    assert [line["event"] for line in logs] == ["job_abandoned"]
    assert shared.threads.borrowed_tokens == 1
    goes_on.set()


@pytest.mark.bound("threads of a node in which jobs are called")
async def test_jobs_wait_for_a_thread_where_there_are_enough() -> None:
    goes_on = threading.Event()
    begun: list[int] = []

    def runs(work: ThreadWork) -> None:
        begun.append(work.attempt)
        goes_on.wait(60)

    InThread.what = staticmethod(runs)
    shared = means()
    shared.threads.total_tokens = 1
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(attempt(InThread, with_means=shared).run)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert (len(begun), shared.threads.statistics().tasks_waiting) == (1, 1)
        goes_on.set()
    assert len(begun) == 2


async def test_children_are_read_also_from_a_thread() -> None:
    told = Told()
    told.has_ended = [ChildKnown("a", "completed", Raw(b'{"n": 1}')), ChildKnown("b", "failed", error="no")]
    known = [["a", {"n": 1}, ""], ["b", None, "no"]]

    async def runs(work: Work) -> Any:
        return [[one.id, one.result, one.error] for one in await work.children()]

    assert msgspec.json.decode((await outcome(runs, told=told)).result) == known
    InThread.what = staticmethod(lambda work: [[one.id, one.result, one.error] for one in work.children()])
    assert msgspec.json.decode((await attempt(InThread, told=told).run()).result) == known


class Pays(Job, queue="q", tag="job.pays", encrypted=True):
    card: str

    async def run(self, work: Work) -> Any:
        first = await work.step("first", self._number)
        return {"card": self.card, "first": first, "again": await work.step("first", self._number)}

    async def _number(self) -> str:
        return f"step {self.card}"


KEY = bytes(range(32))


async def test_what_a_job_is_given_and_comes_to_is_sealed_outside_of_it() -> None:
    told = Told()
    with keys_for(KEY):
        row = Pays(card="4111").to_row(now_ms=5)
        assert row.arguments is not None
        one = TakenJob(row.id, "job.pays", Raw(row.arguments), 1, 3)
        finished = await Attempt(one, 7, InstalledJob(Pays), means(), told).run()
        assert b"4111" not in row.arguments + bytes(finished.result) + bytes(told.kept["first"])
        assert msgspec.json.decode(opened(finished.result, Place("job.pays", row.id, RESULT))) == {
            "card": "4111",
            "first": "step 4111",
            "again": "step 4111",
        }
        again = TakenJob(row.id, "job.pays", Raw(row.arguments), 2, 3, steps=True)
        later = await Attempt(again, 8, InstalledJob(Pays), means(), told).run()
        result = opened(later.result, Place("job.pays", row.id, RESULT))
        assert msgspec.json.decode(result)["first"] == "step 4111", "its steps are opened"
        told.has_ended = [ChildKnown(row.id, "completed", finished.result)]
        attempt = Attempt(one, 7, InstalledJob(Pays), means(), told)
        assert (await attempt.children())[0].result["card"] == "4111"


async def test_one_whose_key_is_not_here_waits_and_says_so() -> None:
    told = Told()
    with keys_for(KEY):
        row = Pays(card="4111").to_row(now_ms=5)
    assert row.arguments is not None
    one = TakenJob(row.id, "job.pays", Raw(row.arguments), 1, 3)
    with keys_for(), capture_logs() as logs:
        finished = await Attempt(one, 7, InstalledJob(Pays), means(), told).run()
    assert finished == Finished(row.id, 7, retry_s=60.0, refund=True, unbegun=True)
    assert [entry["event"] for entry in logs] == ["job_not_opened"] and "4111" not in str(logs)
    assert "GREENROOM_JOBS_KEYS has none" in str(told.notes[0][2])


async def test_one_that_nobody_can_open_has_failed_for_good() -> None:
    with keys_for(KEY), capture_logs():
        for arguments, why in (
            (seal(b"{}", Place("job.other", ID, ARGUMENTS)), "sealed as job.other"),
            (seal(b"{}", Place("job.pays", "b" * 32, ARGUMENTS)), "sealed as arguments of the job b"),
            (seal(b"{}", Place("job.pays", ID, RESULT)), "sealed as result of the job 0"),
            (b'{"$sealed": "1.2"}', "is not"),
        ):
            one = TakenJob(ID, "job.pays", Raw(arguments), 1, 3)
            finished = await Attempt(one, 7, InstalledJob(Pays), means(), Told()).run()
            assert finished.final and finished.error is not None and why in finished.error and not finished.refund


async def test_what_is_not_that_step_is_opened_by_nobody() -> None:
    """As one that was copied into it."""
    told = Told()
    with keys_for(KEY), capture_logs():
        for place, why in (
            (Place("job.pays", ID, as_step("a")), "sealed as job.pays"),
            (Place("job.x", ID, as_step("b")), "sealed as step b of the job 0"),
            (Place("job.x", ID, RESULT), "sealed as result of the job 0"),
        ):
            told.kept = {"a": Raw(seal(b"4111", place))}
            found = await outcome(lambda work: work.step("a", trio.lowlevel.checkpoint), told=told, steps=True)
            assert found.final and found.error is not None and why in found.error


async def test_a_child_has_no_result_but_its_own() -> None:
    told = Told()
    with keys_for(KEY), capture_logs():
        told.has_ended = [ChildKnown("b" * 32, "completed", Raw(seal(b"1", Place("job.pays", ID, RESULT))))]
        found = await outcome(lambda work: work.children(), told=told)
    assert found.final and found.error is not None and "sealed as result of the job 0" in found.error


@pytest.mark.parametrize("what", ["a step", "a child"])
async def test_so_it_is_with_what_is_brought_to_it(what: str) -> None:
    told = Told()

    async def runs(work: Work) -> Any:
        return await (work.children() if what == "a child" else work.step("a", trio.lowlevel.checkpoint))

    def brought(sealed: bytes) -> None:
        told.kept = {"a": Raw(sealed)}
        told.has_ended = [ChildKnown(ID, "completed", Raw(sealed))]

    with keys_for(KEY):
        brought(seal(b"1", Place("job.x", ID, RESULT if what == "a child" else as_step("a"))))
    with keys_for(), capture_logs():
        assert await outcome(runs, told=told, steps=True) == Finished(ID, 9, retry_s=60.0, refund=True)
        brought(b'{"$sealed": "1.2"}')
        found = await outcome(runs, told=told, steps=True)
    assert found.final and found.error is not None and "can't be opened" in found.error
