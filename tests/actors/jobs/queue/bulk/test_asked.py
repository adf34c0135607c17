"""Bulk commands that wait for their jobs: which are meant, who is refused, and how many wait."""

import pytest

from greenroom import Refused
from greenroom.actors.jobs.listing.where import Where, cursors_of
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.queue.bulk.asked import ASKED_MAX, FORGOTTEN_MS, Bulks, meant
from greenroom.actors.jobs.queue.bulk.messages import ABOUT, Bulk
from greenroom.store.jobs.filter import STATES, JobFilter, Match
from greenroom.testing import Kit

A = "a" * 32


def test_what_is_meant_where_no_state_is_said() -> None:
    assert meant("q", Bulk(act="retry")).states == ("failed",), "what has succeeded is not done again by accident"
    assert meant("q", Bulk(act="retry", where=Where(id=[A]))).states == ABOUT["retry"]
    assert meant("q", Bulk(act="drop")).states == ("completed", "failed", "cancelled")
    assert meant("q", Bulk(act="cancel", where=Where(kind="job.x"))) == JobFilter("q", ABOUT["cancel"], "job.x")
    assert meant("q", Bulk(act="cancel", where=Where(state=["waiting"]))).states == ("waiting",)


@pytest.mark.parametrize("act", ABOUT)
def test_what_it_can_not_be_done_about_is_refused_by_name(act: str) -> None:
    for state in set(STATES) - set(ABOUT[act]):
        with pytest.raises(Refused, match=rf"`where.state`: {act} is about .*not {state}"):
            meant("q", Bulk(act=act, where=Where(state=[state]), priority=0))  # type: ignore[arg-type, list-item]


def test_what_is_done_behind_somebodys_back_is_named() -> None:
    for message in (Bulk(act="retry", detached=True), Bulk(act="drop", where=Where(id=[A]), detached=True)):
        with pytest.raises(Refused, match="`detached`"):
            meant("q", message)
    assert meant("q", Bulk(act="retry", where=Where(id=[A]), detached=True)).ids == (A,)


def test_an_edit_says_what_is_to_be_changed() -> None:
    with pytest.raises(Refused, match="`priority` or `due_ms`"):
        meant("q", Bulk(act="edit"))
    assert meant("q", Bulk(act="edit", due_ms=0)).states == ABOUT["edit"]


def test_a_command_goes_on_where_another_has_ended_with_the_same_filter_alone() -> None:
    bulks = Bulks("q", 0)
    asked = meant("q", Bulk(act="drop"))
    after = cursors_of(asked).encode([A])
    _, match = bulks.ask(Bulk(act="drop", after=after, most=7, dry_run=True), 0)
    assert match == Match(1, asked, A, 7, counts=True, names=True)
    for wrong in ("x", cursors_of(asked).encode(["no id"])):
        with pytest.raises(Refused, match="`after`"):
            bulks.ask(Bulk(act="drop", after=wrong), 0)
    with pytest.raises(Refused, match="`after`"):
        bulks.ask(Bulk(act="drop", where=Where(kind="job.x"), after=after), 0)


@pytest.mark.bound("bulk commands of one queue whose jobs are looked for")
def test_so_many_wait_and_those_that_nobody_waits_for_any_more_are_forgotten() -> None:
    bulks = Bulks("q", 0)
    for _ in range(ASKED_MAX):
        bulks.ask(Bulk(act="drop"), 0)
    with pytest.raises(Refused, match="under way"):
        bulks.ask(Bulk(act="drop"), FORGOTTEN_MS - 1)
    bulks.ask(Bulk(act="drop"), FORGOTTEN_MS)
    assert bulks.came(1) is None and not bulks.is_idle(FORGOTTEN_MS)
    bulks.end(ASKED_MAX + 1)
    assert bulks.is_idle(FORGOTTEN_MS)


def test_an_answer_to_a_former_life_is_nobodys_in_this_one() -> None:
    former, later = (Kit(Queue, key="q").actor.single.bulks for _ in range(2))
    _, match = former.ask(Bulk(act="drop"), 0)
    later.ask(Bulk(act="cancel"), 0)
    assert later.came(match.number) is None


def test_what_was_begun_anew_while_one_waits_is_not_judged_by_what_was_read() -> None:
    bulks = Bulks("q", 0)
    bulks.revived(A)
    assert not bulks.is_old(A), "nobody waits, so nothing has been read"
    _, match = bulks.ask(Bulk(act="retry"), 0)
    bulks.revived(A)
    assert bulks.is_old(A)
    bulks.end(match.number)
    assert not bulks.is_old(A)
