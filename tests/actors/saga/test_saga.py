"""Sagas alone, in the kit: forwards, and back from wherever a step fails."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from greenroom import Ask, Done, Message, Refused, Saga, SoFar, Step
from greenroom.actors.model.errors import InvalidCommand, UnknownCommand
from greenroom.actors.model.kinds import Kind
from greenroom.actors.saga.messages import StepDue
from greenroom.testing import Kit
from tests.actors.saga.trip import (
    STEPS,
    Book,
    Booked,
    Release,
    Travel,
    Trip,
    book,
    do_all,
    newest,
    release,
    statuses,
    travelling,
    undo_all,
)

STEERED = ["cancel", "retry", "resume", "fork"]


def test_every_step_is_told_after_the_one_before_was_done() -> None:
    kit = travelling(nights=2)
    do_all(kit, STEPS)
    assert [(told.entity, told.message.what) for told in kit.told if isinstance(told.message, Book)] == [
        ("flights:Rome", "for ann"),
        ("hotels:Rome", "2 nights after flight-ref"),
        ("cars:Rome", "a small one"),
    ]
    assert kit.view()["status"] == "done"
    assert statuses(kit) == ["done"] * 3
    kit.advance(1000)  # no timer is left
    assert kit.publications[-1] == {"type": "saga.ended", "outcome": "done"}
    kit.restart(from_snapshot=True)


@pytest.mark.parametrize("failing", range(3))
def test_a_refused_step_has_those_before_it_undone_newest_first(failing: int) -> None:
    kit = travelling()
    do_all(kit, STEPS[:failing])
    kit.undelivered(newest(kit), "desk.full", "no room")
    assert undo_all(kit) == list(reversed(STEPS[:failing]))
    assert kit.view()["status"] == "undone"
    assert statuses(kit) == ["undone"] * failing + ["refused"] + ["waiting"] * (2 - failing)
    assert any(f"{STEPS[failing]}: refused, desk.full: no room" in line for line in kit.view()["log"])
    kit.restart(from_snapshot=True)


@pytest.mark.parametrize("failing", range(3))
def test_an_overdue_step_is_undone_too_and_first(failing: int) -> None:
    """Its message may still arrive; the undo, told to the same entity, arrives after it."""
    kit = travelling()
    do_all(kit, STEPS[:failing])
    overdue = newest(kit)
    kit.advance((30.0, 20.0, 10.0)[failing] - 0.001)
    assert kit.view()["status"] == "running"
    kit.advance(0.001)
    assert (newest(kit).entity, newest(kit).message) == (overdue.entity, Release(trip="1"))
    assert undo_all(kit) == list(reversed(STEPS[: failing + 1]))
    assert kit.view()["status"] == "undone"


def test_a_deadline_that_passes_while_nobody_runs_is_kept() -> None:
    kit = travelling()
    kit.miss(100)
    kit.advance(0)
    assert kit.view()["status"] == "undoing"


def test_an_answer_in_time_ends_the_deadline_of_its_step() -> None:
    kit = travelling()
    kit.advance(29)
    do_all(kit, ("flight",))
    kit.advance(19)  # the hotel has 20 s of its own
    do_all(kit, ("hotel",))
    assert kit.view()["status"] == "running"


def test_the_deadline_of_the_whole_passes_while_every_step_is_in_time() -> None:
    kit = travelling()
    kit.advance(29)
    do_all(kit, ("flight",))
    kit.advance(19)
    do_all(kit, ("hotel",))
    kit.advance(2)
    assert undo_all(kit) == ["car", "hotel", "flight"]
    assert {"type": "saga.step_overdue", "step": "car", "whole": True} in kit.publications


@pytest.mark.parametrize("late", ["answered", "refused"])
def test_a_late_report_is_logged_and_changes_nothing(late: str) -> None:
    kit = travelling()
    flight = newest(kit)
    kit.advance(30)
    for _ in range(2):
        if late == "answered":
            kit.answered(flight, Booked("too late"))
        else:
            kit.undelivered(flight, "desk.full")
    kit.restart()
    assert kit.view()["status"] == "undoing"
    assert undo_all(kit) == ["flight"]
    assert sum("after the deadline" in line for line in kit.view()["log"]) == 1


def test_reports_that_come_again_change_nothing() -> None:
    kit = travelling()
    flight = newest(kit)
    do_all(kit, ("flight",))
    offset = kit.offset
    kit.answered(flight, Booked("again"))
    kit.undelivered(flight, "desk.full")
    assert kit.offset == offset


def test_an_undo_that_is_refused_leaves_the_saga_stuck_and_the_others_undone() -> None:
    kit = travelling()
    do_all(kit, STEPS[:2])
    kit.undelivered(newest(kit), "desk.full")
    refused = newest(kit)
    assert refused.about == "undo:hotel"
    with capture_logs() as logs:
        kit.undelivered(refused, "desk.closed", "for good")
        again = next(told for told in kit.told if not told.about)
        assert (again.entity, again.message) == (refused.entity, refused.message), "so that a dead letter comes of it"
        assert undo_all(kit) == ["flight"]
    assert kit.view()["status"] == "stuck"
    assert statuses(kit) == ["undone", "stuck", "refused"]
    assert [(line["event"], line["entity"], line["steps"]) for line in logs] == [("saga_stuck", "trip:1", ["hotel"])]


def test_an_undo_whose_receiver_failed_is_a_dead_letter_there_and_not_told_again() -> None:
    kit = travelling()
    do_all(kit, STEPS[:2])
    kit.undelivered(newest(kit), "desk.full")
    with capture_logs():
        kit.undelivered(newest(kit), "internal")
    assert all(told.about for told in kit.told)


def test_the_log_reads_as_what_happened_and_when() -> None:
    kit = travelling()
    kit.advance(1.5)
    do_all(kit, ("flight",))
    kit.advance(20)
    undo_all(kit)
    assert kit.view()["log"] == [
        "2025-06-15T15:06:40.000Z started by ann",
        "2025-06-15T15:06:40.000Z flight: told flights:Rome, answer within 30 s",
        "2025-06-15T15:06:41.500Z flight: done",
        "2025-06-15T15:06:41.500Z hotel: told hotels:Rome, answer within 20 s",
        "2025-06-15T15:07:01.500Z hotel: no answer until its deadline, so it may happen or not",
        "2025-06-15T15:07:01.500Z hotel: undo told hotels:Rome",
        "2025-06-15T15:07:01.500Z hotel: undone",
        "2025-06-15T15:07:01.500Z flight: undo told flights:Rome",
        "2025-06-15T15:07:01.500Z flight: undone",
        "2025-06-15T15:07:01.500Z undone",
    ]


def test_a_start_that_comes_again_is_answered_again_and_another_is_refused() -> None:
    kit = travelling()
    offset = kit.offset
    assert kit.ask(Travel(city="Rome", idempotency_key="other"), user="ann") == Done()
    for user, city in (("ann", "Oslo"), ("bob", "Rome")):
        with pytest.raises(Refused, match=r"saga\.started") as caught:
            kit.ask(Travel(city=city), user=user)
        assert caught.value.status == 409
    assert kit.offset == offset
    assert len(kit.told) == 1


def test_a_client_speaks_to_a_saga_with_its_start_command_only() -> None:
    kit = travelling()
    with pytest.raises(UnknownCommand):
        kit.tell(StepDue(step="flight"), user="ann")
    assert list(Kind(Trip).commands) == ["travel", *STEERED]
    assert Kind(Trip).commands["travel"].reply is Done


def test_only_entities_start_a_saga_unless_it_says_otherwise() -> None:
    class Quiet(Saga[Travel]):
        kind = "trip"
        steps = Trip.steps

    assert list(Kind(Quiet).commands) == STEERED and Travel in Kind(Quiet).messages
    kit = Kit(Quiet, key="1")
    with pytest.raises(UnknownCommand):
        kit.ask(Travel(city="Rome"), user="ann")
    kit.ask(Travel(city="Rome"))
    assert kit.view()["status"] == "running" and kit.view()["by"] == ""
    with pytest.raises(ValueError, match=r"`starts` is \"entities\" or \"users\", not 'anybody'"):
        type("Bad", (Trip,), {"starts": "anybody"})


def test_what_began_it_is_known_by_its_type() -> None:
    kit = Kit(Trip, key="1")
    with pytest.raises(LookupError, match="trip:1 has not begun"):
        _ = kit.actor.input
    kit.ask(Travel(city="Rome", nights=3), user="ann")
    kit.restart(from_snapshot=True)
    assert kit.actor.input == Travel(city="Rome", nights=3)
    with pytest.raises(InvalidCommand):
        Kit(Trip).ask(Travel(city=5), user="ann")  # type: ignore[arg-type]


def test_who_may_start_and_who_may_watch_is_for_the_writer_to_say() -> None:
    class Private(Trip):
        kind = "trip"

        def may_start(self, command: Travel) -> None:
            if command.city == "Rome" and self.require_user() != "ann":
                raise Refused("trip.not_you")

        def may_watch(self) -> None:
            if self.principal.user != self.state.by:
                raise Refused("trip.not_yours")

    kit = Kit(Private, key="1")
    for user in ("ann", ""):  # nobody knows yet whose it will be, and it is nobody's as little as anybody's
        with pytest.raises(Refused, match=r"saga\.not_begun"):
            kit.watch(user=user)
    with pytest.raises(Refused, match=r"trip\.not_you"):
        kit.ask(Travel(city="Rome"), user="bob")
    kit.ask(Travel(city="Rome"), user="ann")
    kit.watch(user="ann")
    with pytest.raises(Refused, match=r"trip\.not_yours"):
        kit.watch(user="bob")


def test_nobody_watches_what_has_not_begun_and_watchers_see_no_input_and_no_answer() -> None:
    kit = Kit(Trip, key="1")
    with pytest.raises(Refused, match=r"saga\.not_begun"):
        kit.watch(user="bob")
    kit.ask(Travel(city="Rome"), user="ann")
    kit.watch(user="bob")
    do_all(kit, STEPS[:1])
    assert kit.publications[0] == {"type": "saga.started", "by": "ann"}
    assert {"type": "saga.step_done", "step": "flight"} in kit.publications
    assert not any("Rome" in str(one) and one["type"] != "saga.step_begun" for one in kit.publications)


def test_whom_it_concerns_is_told_at_the_end() -> None:
    class Reporting(Trip):
        kind = "trip"

        def ended(self, outcome: str) -> None:
            self.tell("agency:main", Book(trip=self.key, what=outcome))

    kit = travelling(Reporting)
    do_all(kit, STEPS)
    assert newest(kit).message == Book(trip="1", what="done")
    kit = travelling(Reporting)
    kit.undelivered(newest(kit), "desk.full")
    assert newest(kit).message == Book(trip="1", what="undone")


def one_step(**how: Any) -> type[Saga[Any]]:
    last: dict[str, Any] = {"name": "last", "do": book, "undo": release, "deadline_s": 10.0} | how

    class Short(Saga[Travel]):
        kind = "trip"
        starts = "users"
        steps = (
            Step(name="flight", do=book, undo=release, deadline_s=30.0),
            Step(**last),
        )
        deadline_s = 60.0

    return Short


def refuse(so_far: SoFar[Travel]) -> Any:
    raise Refused("trip.too_far", "by our own rule")


def fail(so_far: SoFar[Travel]) -> Any:
    raise ZeroDivisionError


def tell_nobody(so_far: SoFar[Travel]) -> tuple[str, Message]:
    return "cars:\n", Release(trip="1")


def tell_nonsense(so_far: SoFar[Travel]) -> tuple[str, Message]:
    return "cars:Rome", Release(trip=object())  # type: ignore[arg-type]


def tell_out_of_bounds(so_far: SoFar[Travel]) -> tuple[str, Message]:
    return "cars:Rome", Release(trip="1" * 101)


def misread(so_far: SoFar[Travel]) -> tuple[str, Message]:
    return f"cars:{so_far.reply('flight', int)}", Release(trip="1")


def too_early(so_far: SoFar[Travel]) -> tuple[str, Message]:
    return so_far.reply("last", Booked).reference, Release(trip="1")


@pytest.mark.parametrize(
    ("do", "name"),
    [
        (refuse, "trip.too_far"),
        (fail, "internal"),
        (tell_nobody, "bad_entity"),
        (tell_nonsense, "internal"),
        (tell_out_of_bounds, "internal"),
        (misread, "internal"),
        (too_early, "internal"),
    ],
)
def test_a_step_that_can_not_be_told_is_refused_and_the_saga_goes_back(do: Any, name: str) -> None:
    kit = travelling(one_step(do=do))
    with capture_logs() as logs:
        do_all(kit, ("flight",))
    assert [line["event"] for line in logs] == (["saga_step_failed"] if name == "internal" else [])
    assert next(one for one in kit.publications if one["type"] == "saga.step_refused")["name"] == name
    assert undo_all(kit) == ["flight"]
    assert statuses(kit) == ["undone", "refused"]
    kit.advance(100)
    kit.restart(from_snapshot=True)


@pytest.mark.parametrize("undo", [refuse, fail])
def test_an_undo_that_can_not_be_told_leaves_the_saga_stuck(undo: Any) -> None:
    kit = travelling(one_step(undo=undo))
    do_all(kit, ("flight",))
    with capture_logs():
        kit.advance(10)
        assert undo_all(kit) == ["flight"]
    assert kit.view()["status"] == "stuck"
    assert statuses(kit) == ["undone", "stuck"]


def test_a_step_without_an_undo_needs_none() -> None:
    kit = travelling(one_step(undo=None))
    do_all(kit, ("flight",))
    kit.advance(10)
    assert undo_all(kit) == ["flight"]
    assert statuses(kit) == ["undone", "overdue"]
    assert kit.view()["status"] == "undone"


def test_a_step_without_a_deadline_is_waited_for() -> None:
    kit = travelling(one_step(undo=None, deadline_s=None))
    do_all(kit, ("flight",))
    kit.advance(10_000)
    kit.restart()
    do_all(kit, ("last",))
    assert kit.view()["status"] == "done"


def test_a_step_that_is_gone_from_the_code_can_not_be_undone() -> None:
    kit = travelling()
    do_all(kit, STEPS[:2])
    kit.undelivered(newest(kit), "desk.full")

    class Later(Trip):
        kind = "trip"
        steps = Trip.steps[1:]

    kit.actor.__class__ = Later
    assert undo_all(kit) == ["hotel"]
    assert kit.publications[-2]["name"] == "saga.no_such_step"
    assert kit.view()["status"] == "stuck"


def test_an_entity_may_start_a_saga() -> None:
    """A saga of sagas, say: then nobody is known to have begun it."""
    kit = Kit(Trip, key="1")
    kit.ask(Travel(city="Rome"))
    assert newest(kit).message == Book(trip="1", what="for ")
    assert kit.view()["by"] == ""


def test_a_saga_has_no_other_commands() -> None:
    with pytest.raises(ValueError, match="start command alone"):
        type("Bad", (Trip,), {"commands": (Travel,)})


def test_its_start_command_has_the_kind_s_name_and_its_events_the_saga_s() -> None:
    class Stray(Ask[Done], tag="saga.stray"):
        pass

    with pytest.raises(ValueError, match=r"Stray needs tag='trip\.something'"):

        class Wrong(Saga[Stray]):
            kind = "trip"
            steps = Trip.steps
