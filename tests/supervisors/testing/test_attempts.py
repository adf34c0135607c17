"""An attempt in a test: as a worker's, but for threads, processes and chance."""

import threading
from typing import Any

import msgspec
import trio
from msgspec import Raw

from greenroom import Discard, Job, Retry, Snooze, Work
from greenroom.actors.jobs.queue.flows.messages import Child, SpawnJob
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.testing.virtual_time import run_through
from greenroom.supervisors.jobs.attempt import Attempt
from greenroom.supervisors.testing.attempts import Attempted, Said, attempt_at


class Grind(Job, queue="q", tag="job.grind"):
    process = True
    word: str = "done"

    def run(self, work: Any) -> Any:
        work.progress(0.5, "half")
        work.log(f"in {threading.current_thread().name}")
        return work.step("say", lambda: self.word)


class Wait(Job, queue="q", tag="job.wait"):
    how: str
    retry = Retry(attempts=5, first_s=3.0, max_s=100.0)

    async def run(self, work: Work) -> None:
        match self.how:
            case "long":
                await trio.sleep(10_000)
            case "snooze":
                raise Snooze(5)
            case "discard":
                raise Discard("no use")
        raise ValueError("boo")


class Attempts:
    """One job, tried here."""

    def __init__(self) -> None:
        self.said = Said()
        self.steps: dict[str, bytes] = {}

    def known_steps(self, attempt: Attempt) -> dict[str, bytes]:
        return self.steps

    def keep_step(self, attempt: Attempt, name: str, result: Raw) -> None:
        self.steps[name] = bytes(result)

    def known_children(self, attempt: Attempt) -> list[Child]:
        return []

    def spawn(self, attempt: Attempt, group: str, jobs: list[SpawnJob]) -> list[str]:
        raise AssertionError("nobody has asked for that")

    def at(self, job: Job, attempt: int = 1) -> Finished:
        tag = str(job.__struct_config__.tag)
        taken = TakenJob("1" * 32, tag, Raw(msgspec.json.encode(job)), attempt, 5, steps=bool(self.steps))
        found: list[Finished] = []

        async def run() -> None:
            found.append(await attempt_at(taken, 7, type(job), Attempted(self.said, self)))

        run_through(run)
        return found[0]


def test_a_def_is_called_in_the_tests_own_thread_and_says_what_it_says() -> None:
    attempts = Attempts()
    finished = attempts.at(Grind())
    assert (finished.token, finished.result, finished.error) == (7, Raw(b'"done"'), None)
    assert attempts.said.progress == [(0.5, "half")]
    assert attempts.said.log == [f"in {threading.current_thread().name}"]


def test_a_step_is_done_once() -> None:
    attempts = Attempts()
    attempts.at(Grind(word="first"))
    assert attempts.at(Grind(word="second"), 2).result == Raw(b'"first"')


def test_rests_are_those_of_the_class_without_chance() -> None:
    attempts = Attempts()
    assert [attempts.at(Wait(how="fail"), number).retry_s for number in (1, 2, 3)] == [3.0, 6.0, 12.0]


def test_what_a_job_says_of_itself_is_as_with_a_worker() -> None:
    attempts = Attempts()
    snoozed, discarded = attempts.at(Wait(how="snooze")), attempts.at(Wait(how="discard"))
    assert (snoozed.retry_s, snoozed.refund) == (5.0, True)
    assert (discarded.error, discarded.final) == ("no use", True)
    assert attempts.at(Wait(how="long")).error == "it took longer than 900 s"
