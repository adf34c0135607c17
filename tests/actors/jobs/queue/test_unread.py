"""Takes whose arguments are being read: answered once all are there, and forgotten with their jobs."""

from typing import Any

from msgspec import Raw

from greenroom.actors.jobs.queue.messages import Taken, TakenJob
from greenroom.actors.jobs.queue.unread import AGAIN_MS, Reading, taken, within
from greenroom.actors.jobs.queue.waiting import TAKE_BYTES, Waiting
from greenroom.actors.model.message import Later

NOW = 1_000


def job(id: str, arguments: bytes | None = None) -> Waiting:
    return Waiting(0, id, "job.x", arguments, "", 4, 0, 0, 1, 5, 0)


def out(id: str, arguments: bytes) -> TakenJob:
    return TakenJob(id, "job.x", Raw(arguments), 2, 5)


def holds(job: Waiting, token: int) -> bool:
    return True


def test_what_is_in_memory_need_not_be_read() -> None:
    assert taken(7, [job("a", b"1")], ["r"]) == Taken(7, [out("a", b"1")], ["r"])


def test_a_take_is_answered_when_the_last_of_its_arguments_has_come() -> None:
    reading, later = Reading(), Later()
    assert reading.wait(later, 7, [job("a"), job("b", b"2"), job("c")], ["r"], NOW) == ["a", "c"]
    assert reading.came({"a": b"1", "x": b"9"}) == []
    assert reading.came({"c": b"3"}) == [(later, Taken(7, [out("a", b"1"), out("b", b"2"), out("c", b"3")], ["r"]))]
    assert not reading and reading.came({"c": b"3"}) == []


def test_of_what_is_too_much_for_one_answer_the_others_go_back() -> None:
    size = TAKE_BYTES // 2 + 1
    jobs = [out("a", b"1"), out("b", b"2" * size), out("c", b"3" * size), out("d", b"4"), out("e", b"5")]
    assert within(Taken(7, jobs, ["r"])) == (Taken(7, jobs[:3], ["r"]), ["d", "e"])
    assert within(Taken(7, [out("a", b"1" * 3 * size)])) == (Taken(7, [out("a", b"1" * 3 * size)]), [])


def test_what_does_not_come_is_asked_for_again() -> None:
    reading = Reading()
    reading.wait(Later(), 7, [job("a"), job("b")], [], NOW)
    reading.came({"b": b"2"})
    assert reading.again(NOW + AGAIN_MS - 1, holds) == []
    assert reading.again(NOW + AGAIN_MS, holds) == ["a"]
    assert reading.again(NOW + AGAIN_MS + 1, holds) == [], "not at once"


def test_a_take_is_forgotten_once_its_worker_has_none_of_the_jobs() -> None:
    reading = Reading()
    reading.wait(Later(), 7, [job("a")], [], NOW)
    reading.wait(Later(), 8, [job("b")], [], NOW)

    def has(job: Any, token: int) -> bool:
        return bool(token == 8)

    assert reading.again(NOW + AGAIN_MS, has) == ["b"]
    assert len(reading) == 1


def test_a_take_that_waits_is_asked_for_again_however_many_come_after_it() -> None:
    reading = Reading()
    reading.wait(Later(), 7, [job("a")], [], NOW)
    reading.wait(Later(), 8, [job("b")], [], NOW + AGAIN_MS - 1)
    assert reading.again(NOW + AGAIN_MS, holds) == ["a"]
