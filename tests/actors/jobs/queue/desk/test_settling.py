"""What follows from how jobs have ended: in the same append, so many at once."""

import pytest

from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue.desk import Desk, settling
from greenroom.actors.jobs.queue.desk.settling import settle
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.store.journal.consequences.jobs import FREED, BackRow, JobRow, Jobs

NOW = 1_000_000


def row(number: int, *after: int, is_child: bool = False, **fields: object) -> JobRow:
    waits = Waits([Awaited(f"{one:032x}", is_child=is_child) for one in after]) if after else None
    options = Options(waits=waits).encode()
    return JobRow(f"{number:032x}", "q", "job.x", b"{}", NOW, NOW, options=options, **fields)  # type: ignore[arg-type]


def desk(*rows: JobRow) -> Desk:
    one = Desk("q")
    one.load(rows, NOW)
    return one


def finish(one: Desk, number: int, **how: object) -> Jobs:
    writes = Jobs()
    finished = Finished(f"{number:032x}", one.jobs[f"{number:032x}"].token, **how)  # type: ignore[arg-type]
    assert one.finish("w", [finished], NOW, writes) == []
    settle(one, NOW, writes)
    return writes


def taken(one: Desk, most: int = 10) -> list[int]:
    return [int(job.id, 16) for job in one.take("w", most, None, NOW, Jobs())[1]]


def test_one_is_free_in_the_append_that_ends_what_it_waits_for() -> None:
    one = desk(row(1), row(2, 1))
    assert taken(one) == [1] and one.stands(one.jobs[row(2).id], NOW) == "blocked"
    assert finish(one, 1).back == {row(2).id: BackRow(row(2).id, NOW, 0, 0, let_go=FREED)}
    assert taken(one) == [2]


def test_one_that_was_free_is_so_in_the_next_life_whatever_is_known_of_the_others() -> None:
    assert taken(desk(row(2, 1, let_go=FREED))) == [2]
    assert taken(desk(row(2, 1))) == []


def test_one_fails_with_what_it_waits_for_and_cancels_its_other_children() -> None:
    one = desk(row(1), row(2), row(3), row(4, 1, 2, 3, is_child=True), row(5, 4))
    assert taken(one, 2) == [1, 2]
    writes = finish(one, 1, error="no", final=True)
    assert {int(job_id, 16): end.state for job_id, end in writes.ended.items()} == {
        1: "failed", 3: "cancelled", 4: "failed", 5: "failed",
    }  # fmt: skip
    assert one.cancelling == {row(2).id: f"{row(4).id}, whose child it is, has failed"}
    assert one.unwanted.take() == ([], {"w"}), "its worker is to hear of it"


@pytest.mark.bound("jobs that one message frees, fails or cancels")
def test_so_many_at_once_and_the_others_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SETTLED_MAX", 2)
    one = desk(row(1), row(2, 1), row(3, 1), row(4, 1))
    taken(one)
    assert len(finish(one, 1).back) == 2 and len(one.blocked.due) == 1
    writes = Jobs()
    settle(one, NOW, writes)
    assert len(writes.back) == 1 and not one.blocked.due
    assert taken(one) == [2, 3, 4]


def test_one_that_is_cancelled_while_it_waits_is_in_no_order() -> None:
    one = desk(row(1), row(2, 1), row(3, 2))
    writes = Jobs()
    assert one.cancel(one.jobs[row(2).id], "", NOW, writes)
    settle(one, NOW, writes)
    assert sorted(writes.ended) == [row(2).id, row(3).id] and taken(one) == [1] and not one.blocked.jobs
