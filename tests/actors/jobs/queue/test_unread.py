"""Takes whose arguments are being read: answered once all are there, and forgotten with their jobs."""

from typing import Any

import pytest
from msgspec import Raw

from greenroom.actors.jobs.queue.messages import Taken, TakenJob
from greenroom.actors.jobs.queue.unread import AGAIN_MS, READ_LEAST, READ_MOST, Reading, taken, within
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
    assert taken(7, [job("a", b"1")], ["r"], 1.5) == Taken(7, [out("a", b"1")], ["r"], 1.5)


def test_a_take_is_answered_when_the_last_of_its_arguments_has_come() -> None:
    reading, later = Reading(), Later()
    assert reading.wait(later, 7, [job("a"), job("b", b"2"), job("c")], ["r"], NOW, 1.5) == ["a", "c"]
    assert reading.came({"a": b"1", "x": b"9"}, NOW) == ([], [])
    whole = Taken(7, [out("a", b"1"), out("b", b"2"), out("c", b"3")], ["r"], 1.5)
    assert reading.came({"c": b"3"}, NOW) == ([(later, whole, [])], [])
    assert not reading and reading.came({"c": b"3"}, NOW) == ([], [])


def ids(first: int, last: int) -> list[str]:
    return [f"{number:04}" for number in range(first, last)]


@pytest.mark.bound("jobs whose arguments are read for one take at once")
def test_not_all_is_read_to_find_that_an_answer_holds_some_of_it() -> None:
    reading, later = Reading(), Later()
    size = TAKE_BYTES // READ_LEAST - 1
    assert reading.wait(later, 7, [job(id) for id in ids(0, 1_000)], [], NOW, 1.5) == ids(0, READ_LEAST)
    first = dict.fromkeys(ids(0, READ_LEAST), b"1" * size)
    assert reading.came(first, NOW) == ([], ids(READ_LEAST, 2 * READ_LEAST + 1)), "one byte and more are missing"
    ((answered, answer, others),), wanted = reading.came({ids(READ_LEAST, 999)[0]: b"1" * size}, NOW)
    assert (answered, wanted) == (later, [])
    assert [one.id for one in answer.jobs] == ids(0, READ_LEAST + 1) and others == ids(READ_LEAST + 1, 1_000)


def test_of_short_ones_more_are_read_at_once() -> None:
    reading = Reading()
    reading.wait(Later(), 7, [job(id) for id in ids(0, 1_000)], [], NOW, 1.5)
    _, wanted = reading.came(dict.fromkeys(ids(0, READ_LEAST), b"1"), NOW)
    assert wanted == ids(READ_LEAST, READ_LEAST + READ_MOST)
    assert reading.again(NOW + AGAIN_MS, holds) == wanted


def test_of_what_is_too_much_for_one_answer_the_others_go_back() -> None:
    size = TAKE_BYTES // 2 + 1
    jobs = [out("a", b"1"), out("b", b"2" * size), out("c", b"3" * size), out("d", b"4"), out("e", b"5")]
    assert within(Taken(7, jobs, ["r"], 1.5)) == (Taken(7, jobs[:3], ["r"], 1.5), ["d", "e"])
    assert within(Taken(7, [out("a", b"1" * 3 * size)])) == (Taken(7, [out("a", b"1" * 3 * size)]), [])


def test_what_does_not_come_is_asked_for_again() -> None:
    reading = Reading()
    reading.wait(Later(), 7, [job("a"), job("b")], [], NOW, 1.5)
    reading.came({"b": b"2"}, NOW)
    assert reading.again(NOW + AGAIN_MS - 1, holds) == []
    assert reading.again(NOW + AGAIN_MS, holds) == ["a"]
    assert reading.again(NOW + AGAIN_MS + 1, holds) == [], "not at once"


def test_a_take_is_forgotten_once_its_worker_has_none_of_the_jobs() -> None:
    reading = Reading()
    reading.wait(Later(), 7, [job("a")], [], NOW, 1.5)
    reading.wait(Later(), 8, [job("b")], [], NOW, 1.5)

    def has(job: Any, token: int) -> bool:
        return bool(token == 8)

    assert reading.again(NOW + AGAIN_MS, has) == ["b"]
    assert len(reading) == 1


def test_a_take_that_waits_is_asked_for_again_however_many_come_after_it() -> None:
    reading = Reading()
    reading.wait(Later(), 7, [job("a")], [], NOW, 1.5)
    reading.wait(Later(), 8, [job("b")], [], NOW + AGAIN_MS - 1, 1.5)
    assert reading.again(NOW + AGAIN_MS, holds) == ["a"]


def test_a_worker_is_told_how_many_were_lost_with_a_job() -> None:
    one = job("a", b"{}")
    one.lost = 2
    assert taken(7, [one], [], 0.0).jobs[0].lost == 2
