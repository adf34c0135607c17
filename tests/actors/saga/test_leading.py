"""Parts of a plan in the kit: what is told at once, what is dropped, what is waited for, what is undone."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from greenroom import Refused, Retry, Step, parallel, race, wait_for
from greenroom.actors.jobs.queue.single.steering import CancelJob
from tests.actors.saga.market import ALL, Approve, Order, Pack, Ring, Stalls, Undo, pack, saga, step, unpack


def test_a_plan_with_all_parts_goes_through() -> None:
    stalls = Stalls()
    stalls.done("pay")
    assert stalls.abouts[-2:] == ["do:pears", "do:apples"], "both branches at once"
    stalls.done("apples", "plums")
    assert stalls.abouts[-1] == "do:plums"
    stalls.done("pears")
    assert stalls.abouts[-2:] == ["do:van", "do:bike"]
    stalls.done("bike", "lift")
    assert (stalls.of("van"), stalls.abouts[-1]) == ("undoing", "undo:van"), "who has lost is undone"
    stalls.kit.ask(Approve(note="yes"), user="ann")
    stalls.kit.tell(Ring())
    assert stalls.kit.started[-1].job == Pack(what="apples")
    stalls.done("pack", reply="packed")
    stalls.done("bill")
    assert stalls.status == "running", "the loser's undo is still on its way"
    stalls.undone("van")
    assert stalls.status == "done"
    assert [one["status"] for one in stalls.kit.view()["steps"]] == [
        *["done"] * 4,
        "undone",
        *["done"] * 4,
        "waiting",
        *["done"] * 2,
    ]
    stalls.kit.advance(1_000)  # no timer is left


def test_a_branch_that_fails_has_the_others_dropped_and_all_undone_the_newest_first() -> None:
    stalls = Stalls(saga(step("pay"), parallel(step("pears"), (step("apples"), step("plums")))))
    stalls.done("pay", "apples")
    stalls.refused("pears")
    assert stalls.status == "undoing"
    for name in ("plums", "apples", "pay"):
        assert stalls.abouts[-1] == f"undo:{name}", "plums may have been done, so they are undone too"
        stalls.undone(name)
    assert stalls.status == "undone"
    assert (stalls.of("pears"), stalls.of("plums")) == ("refused", "undone")


def test_who_fails_is_out_of_the_race_and_when_all_have_the_saga_goes_back() -> None:
    stalls = Stalls(saga(step("pay"), race(step("van"), (step("bike"), step("lift")))))
    stalls.done("pay", "bike")
    stalls.refused("lift")
    assert stalls.abouts[-1] == "undo:bike" and stalls.status == "running"
    stalls.kit.advance(10.0)
    assert stalls.of("van") == "overdue"
    stalls.undone("bike", "van", "pay")
    assert stalls.status == "undone"
    assert {"type": "saga.went_back"} in stalls.kit.publications


def test_an_answer_of_one_who_has_lost_changes_nothing() -> None:
    stalls = Stalls(saga(race(step("van"), step("bike"))))
    stalls.done("bike", "van")
    stalls.done("van")
    stalls.undone("van")
    assert stalls.status == "done"
    assert sum("van: done, after it was dropped" in line for line in stalls.kit.view()["log"]) == 1


def test_a_loser_whose_undo_is_refused_leaves_the_saga_stuck_though_it_went_forward() -> None:
    stalls = Stalls(saga(race(step("van"), step("bike"))))
    stalls.done("bike")
    stalls.refused("van", "undo")
    assert (stalls.status, stalls.of("van")) == ("stuck", "stuck")


def test_an_undo_that_was_refused_and_can_not_be_told_again_is_logged_in_place_of_a_dead_letter() -> None:
    told: list[str] = []

    def once(so_far: Any) -> Any:
        if told:
            raise Refused("stall.gone")
        told.append(so_far.key)
        return Undo(step="pay")

    stalls = Stalls(saga(step("pay", undo=once), step("ship")))
    stalls.done("pay")
    stalls.refused("ship")
    with capture_logs() as logs:
        stalls.refused("pay", "undo")
    assert stalls.status == "stuck" and all(stalls.abouts)
    (line,) = [line for line in logs if line["event"] == "saga_undo_not_told"]
    assert (line["step"], line["error"]) == ("pay", "stall.gone")


@pytest.mark.bound("messages that a saga is told before it waits for them")
@pytest.mark.parametrize("early", [False, True])
def test_what_comes_before_it_is_waited_for_is_kept(early: bool) -> None:
    stalls = Stalls(saga(step("pay"), wait_for(Approve, within=60.0, sent_by="users"), step("ship")))
    if early:
        stalls.kit.ask(Approve(note="yes"), user="ann")
    stalls.done("pay")
    if not early:
        assert stalls.kit.view()["waits_for"] == [
            {"step": "approve", "for": "market.approve", "until": "2025-06-15T15:07:40.000Z"}
        ]
        stalls.kit.ask(Approve(note="yes"), user="ann")
    assert stalls.abouts[-1] == "do:ship"
    offset = stalls.kit.offset
    stalls.kit.ask(Approve(note="yes", idempotency_key="x"), user="ann")
    assert stalls.kit.offset == offset, "the same once more"
    with pytest.raises(Refused, match=r"saga\.heard"):
        stalls.kit.ask(Approve(note="no"), user="ann")
    assert {"type": "saga.heard", "step": "approve", "by": "ann"} in stalls.kit.publications
    stalls.done("ship")
    assert stalls.status == "done"


def test_what_does_not_come_in_time_has_the_saga_go_back_or_the_other_way() -> None:
    stalls = Stalls(saga(step("pay"), wait_for(Approve, within=60.0)))
    stalls.done("pay")
    stalls.kit.advance(60.0)
    with pytest.raises(Refused, match=r"saga\.too_late"):
        stalls.kit.ask(Approve())
    stalls.undone("pay")
    assert stalls.status == "undone"

    stalls = Stalls(saga(wait_for(Ring, within=20.0, otherwise=step("note")), step("ship")))
    stalls.kit.miss(100.0)
    stalls.kit.advance(0)
    assert stalls.abouts == ["do:note"]
    stalls.done("note", "ship")
    assert stalls.status == "done"

    stalls = Stalls(saga(wait_for(Ring, within=20.0, otherwise=()), step("ship")))
    stalls.kit.advance(20.0)
    assert stalls.abouts == ["do:ship"]


def test_nobody_tells_a_saga_what_it_waits_for_that_has_not_begun_or_whom_it_refuses() -> None:
    class Strict(ALL):  # type: ignore[misc, valid-type]
        kind = "market"

        def may_tell(self, message: Any) -> None:
            if self.principal.user != self.state.by:
                raise Refused("market.not_yours")

    stalls = Stalls(Strict)
    with pytest.raises(Refused, match=r"market\.not_yours"):
        stalls.kit.ask(Approve(), user="bob")
    with pytest.raises(Refused, match=r"saga\.not_begun"):
        type(stalls.kit)(Strict, key="2").ask(Approve(), user="ann")


def test_a_job_that_is_overdue_is_cancelled_and_undone_once_it_has_ended() -> None:
    stalls = Stalls(saga(Step(name="pack", do=pack, undo=unpack, deadline_s=30.0)))
    stalls.kit.advance(30.0)
    cancel = stalls.kit.told[-1]
    assert (cancel.entity, cancel.about) == ("queue:packing", "cancel:pack")
    assert cancel.message == CancelJob(id=stalls.kit.started[0].id)
    stalls.kit.undelivered(cancel, "queue.no_such_job")  # it was started a moment ago
    stalls.kit.advance(5.0)
    assert stalls.abouts == ["cancel:pack"] * 2
    stalls.refused("pack", refusal="job.cancelled")
    assert stalls.told("pack", "undo").entity == "stall:pack"
    stalls.undone("pack")
    assert stalls.status == "undone"


@pytest.mark.parametrize(("refusal", "is_undone"), [("job.failed", True), ("job.duplicate", False)])
def test_a_job_that_has_failed_is_undone_for_some_of_it_may_have_been_done(refusal: str, is_undone: bool) -> None:
    stalls = Stalls(saga(Step(name="pack", do=pack, undo=lambda so_far: Pack(what="back"), deadline_s=None)))
    stalls.refused("pack", refusal=refusal)
    if is_undone:
        assert stalls.kit.started[-1].job == Pack(what="back")
        stalls.undone("pack")
    assert stalls.status == "undone"
    assert stalls.of("pack") == ("undone" if is_undone else "refused")


def test_a_step_with_a_retry_is_told_again_and_so_is_its_undo() -> None:
    stalls = Stalls(saga(step("bill", retry=Retry(attempts=3, first_s=2.0)), step("ship")))
    for again_s in (2.0, 4.0):
        stalls.refused("bill")
        (shown,) = [one for one in stalls.kit.view()["steps"] if one["name"] == "bill"]
        assert (shown["status"], shown["error"]) == ("resting", "stall.no") and "next_try" in shown
        assert stalls.kit.view()["waits_for"][0]["for"] == "its next try"
        stalls.kit.advance(again_s)
    assert stalls.abouts == ["do:bill"] * 3
    stalls.done("bill")
    stalls.refused("ship")
    for again_s in (2.0, 4.0):
        stalls.refused("bill", "undo")
        assert stalls.of("bill") == "undo_resting"
        stalls.kit.advance(again_s)
    stalls.refused("bill", "undo")
    assert stalls.status == "stuck"


def test_a_step_whose_own_code_refuses_is_tried_as_often_as_any() -> None:
    tried: list[str] = []

    def do(so_far: Any) -> Any:
        tried.append("")
        raise Refused("market.closed")

    stalls = Stalls(saga(step("bill", do=do, retry=Retry(attempts=3, first_s=2.0))))
    stalls.kit.advance(100.0)
    assert stalls.status == "undone" and len(tried) == 3
    assert stalls.kit.view()["steps"][0]["attempts"] == 3


def test_a_step_that_rests_is_dropped_as_one_that_did_nothing() -> None:
    stalls = Stalls(saga(parallel(step("bill", retry=Retry(attempts=3)), step("ship"))))
    stalls.refused("bill")
    stalls.refused("ship")
    assert (stalls.status, stalls.of("bill")) == ("undone", "refused")


@pytest.mark.bound("lines of a saga's log")
def test_the_log_has_the_newest_lines() -> None:
    stalls = Stalls(saga(step("bill", retry=Retry(attempts=400, first_s=1.0, max_s=1.0))))
    for _ in range(300):
        stalls.refused("bill")
        stalls.kit.advance(1.0)
    log = stalls.kit.view()["log"]
    assert len(log) == 500 and "started" not in log[0] and "told stall:bill" in log[-1]


def test_the_deadline_of_the_whole_has_all_dropped() -> None:
    stalls = Stalls(saga(parallel(step("pears"), step("apples")), deadline_s=5.0))
    stalls.kit.advance(5.0)
    stalls.undone("apples", "pears")
    assert stalls.status == "undone"


def test_one_timer_serves_all_and_is_not_moved_with_every_step() -> None:
    stalls = Stalls(saga(step("pay"), step("ship"), deadline_s=60.0))
    (timer,) = stalls.kit.actor.timers.values()
    stalls.kit.advance(4.0)
    stalls.done("pay")
    assert list(stalls.kit.actor.timers.values()) == [timer]
    stalls.kit.advance(6.0)
    assert stalls.status == "running", "it came, and nothing was due"
    stalls.kit.advance(4.0)
    assert stalls.of("ship") == "undoing"


def test_a_start_is_still_the_same_once_more() -> None:
    stalls = Stalls()
    offset = stalls.kit.offset
    stalls.kit.ask(Order(), user="ann")
    assert stalls.kit.offset == offset
