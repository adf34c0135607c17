"""Which sagas there are, folded from their events."""

from typing import Any

from msgspec.structs import replace

from greenroom import Origin
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.saga.listed import Sagas, are_installed
from greenroom.actors.saga.messages import CancelSaga, ForkSaga, ResumeSaga, RetrySaga
from greenroom.testing import Kit, fold
from tests.actors.saga.trip import STEPS, Trip, do_all, newest, travelling, undo_all


def folded(kit: Kit[Any]) -> Sagas.Row:
    rows = fold(Sagas, [("trip:1", event) for event in kit.events if isinstance(event, Sagas.of)])
    assert len(rows) == 1
    row: Sagas.Row = rows[0]
    return row


def test_a_row_says_how_a_saga_stands() -> None:
    kit = travelling()
    assert (folded(kit).kind, folded(kit).key, folded(kit).by, folded(kit).status) == ("trip", "1", "ann", "running")
    kit.ask(CancelSaga())
    assert (folded(kit).status, folded(kit).cancelled) == ("undoing", True)
    undo_all(kit)
    assert (folded(kit).status, folded(kit).cancelled) == ("undone", True)
    kit.ask(ResumeSaga())
    assert (folded(kit).status, folded(kit).cancelled) == ("running", False)
    kit.undelivered(newest(kit), "desk.full")
    assert folded(kit).status == "undone"


def test_one_that_is_stuck_or_has_forks_says_so() -> None:
    kit = travelling()
    do_all(kit, STEPS[:1])
    kit.undelivered(newest(kit), "desk.full")
    kit.undelivered(newest(kit), "desk.closed")
    assert folded(kit).status == "stuck"
    kit.ask(RetrySaga())
    assert folded(kit).status == "undoing"
    undo_all(kit)
    kit.ask(ForkSaga(from_step="flight"))
    assert (folded(kit).status, folded(kit).forks, folded(kit).fork_of) == ("undone", 1, "")
    told = kit.told[-1]
    fork: Kit[Any] = Kit(Trip, key="1-fork-1")
    fork.tell(told.message)
    rows = fold(Sagas, [(fork.entity, event) for event in fork.events if isinstance(event, Sagas.of)])
    assert [row.fork_of for row in rows] == ["trip:1"]


def test_a_fork_that_could_not_begin_is_none() -> None:
    kit = travelling()
    do_all(kit, STEPS)
    kit.ask(ForkSaga(from_step="car"))
    kit.undelivered(kit.told[-1], "saga.started")
    assert folded(kit).forks == 0
    kit.ask(ForkSaga(from_step="car"))
    assert folded(kit).forks == 1


def test_a_state_of_which_the_events_are_gone_makes_the_same_row() -> None:
    kit = travelling()
    do_all(kit, STEPS)
    for refused in (True, False):
        kit.ask(ForkSaga(from_step="car"))
        if refused:
            kit.undelivered(kit.told[-1], "saga.started")
    rows: list[Sagas.Row] = []

    class Seeded(Sagas):
        def row(self, **keys: Any) -> Sagas.Row:
            rows.append(Sagas.Row(**keys))
            return rows[0]

    Seeded(None).seed(kit.state, Origin("trip:1", kit.offset, 0))  # type: ignore[arg-type]
    same = replace(folded(kit), changed_ms=rows[0].changed_ms)  # `fold` has times of its own
    assert rows == [same] and (same.status, same.forks) == ("done", 1)


def test_without_any_kind_of_sagas_there_is_nothing_to_list() -> None:
    assert are_installed(Kinds([Trip])) and not are_installed(Kinds())
