"""Children whose parent has ended."""

from greenroom.actors.jobs.queue.flows.unwanted import Disowned, Unwanted
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.store.journal.consequences.jobs import EndRow

WAITS = Waits([Awaited("x", is_child=True), Awaited("y", is_child=True, queue="mail"), Awaited("z")])


def test_those_that_are_left_are_not_wanted() -> None:
    disowned = Disowned()
    assert not disowned
    disowned.disown(EndRow("p", "failed", 1), WAITS, {"y": "fail", "z": "fail"})
    assert disowned and disowned.pop({"x", "z"}) is None
    assert disowned.take() == ([Unwanted("y", "mail", "p, whose child it is, has failed")], set()) and not disowned


def test_of_one_that_was_worked_on_all_its_children_may_be_left() -> None:
    disowned = Disowned()
    disowned.disown(EndRow("p", "cancelled", 1), WAITS, None)
    child = disowned.pop({"x"})
    assert child is not None and (child.id, child.reason) == ("x", "p, whose child it is, was cancelled")
    assert [one.id for one in disowned.take()[0]] == ["y"]


def test_workers_are_told_once() -> None:
    disowned = Disowned()
    disowned.hurried.add("w")
    assert disowned and disowned.take() == ([], {"w"}) and disowned.take() == ([], set())
