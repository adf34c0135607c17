"""What people may do about a saga, and what comes of it."""

from typing import Any

import pytest

from greenroom import Refused, race
from greenroom.actors.saga.messages import BeginFork, CancelSaga, ForkedTo, ForkSaga, ResumeSaga, RetrySaga, Steered
from greenroom.testing import Kit
from tests.actors.saga.market import ALL, Do, Order, Stalls, Undo, saga, step

TWO = saga(step("pay"), step("ship"))


def no_way_back(so_far: Any) -> Any:
    raise Refused("market.no_way_back")


def steer(stalls: Stalls, command: Any) -> Any:
    return stalls.kit.ask(command, user="op", roles=("admin",))


def refuses(stalls: Stalls, command: Any, name: str) -> None:
    with pytest.raises(Refused) as caught:
        steer(stalls, command)
    assert caught.value.name == name


@pytest.mark.parametrize("command", [CancelSaga(), RetrySaga(), ResumeSaga(), ForkSaga(from_step="pay")])
def test_only_staff_steer_unless_the_saga_says_otherwise(command: Any) -> None:
    stalls = Stalls(TWO)
    with pytest.raises(Refused, match="forbidden"):
        stalls.kit.ask(command, user="ann")
    with pytest.raises(Refused, match=r"saga\.not_begun"):
        Kit(TWO).ask(command, user="op", roles=("admin",))

    class Own(TWO):  # type: ignore[misc, valid-type]
        kind = "market"

        def may_steer(self, command: Any) -> None:
            if self.principal.user != self.state.by or not isinstance(command, CancelSaga):
                raise Refused("market.no")

    own = Stalls(Own)
    if isinstance(command, CancelSaga):
        assert own.kit.ask(command, user="ann") == Steered("undoing")
    else:
        with pytest.raises(Refused, match=r"market\.no"):
            own.kit.ask(command, user="ann")


def test_one_that_is_cancelled_goes_back_and_says_by_whom() -> None:
    stalls = Stalls(TWO)
    stalls.done("pay")
    assert steer(stalls, CancelSaga(reason="a mistake")) == Steered("undoing")
    offset = stalls.kit.offset
    assert steer(stalls, CancelSaga()) == Steered("undoing")
    assert stalls.kit.offset == offset
    stalls.undone("ship", "pay")
    assert stalls.status == "undone" and stalls.kit.view()["cancelled"]
    assert any("cancelled by op: a mistake" in line for line in stalls.kit.view()["log"])
    refuses(stalls, CancelSaga(), "saga.ended")


def test_one_that_can_not_be_taken_back_is_not_cancelled() -> None:
    stalls = Stalls(saga(step("pay"), step("ship", undo=None, deadline_s=None)))
    stalls.done("pay")
    refuses(stalls, CancelSaga(), "saga.too_late")


def test_one_that_is_stuck_is_retried_or_goes_forward_again() -> None:
    stalls = Stalls(TWO)
    stalls.done("pay")
    stalls.refused("ship")
    refuses(stalls, RetrySaga(), "saga.nothing_to_retry")
    stalls.refused("pay", "undo")
    assert stalls.status == "stuck"
    told = len(stalls.kit.told)
    assert steer(stalls, RetrySaga()) == Steered("undoing")
    assert [one.about for one in stalls.kit.told[told:]] == ["undo:pay"]
    stalls.undone("pay")
    assert stalls.status == "undone"

    stalls = Stalls(saga(step("pay", undo=no_way_back), step("ship")))
    stalls.done("pay")
    stalls.refused("ship")
    assert stalls.status == "stuck"
    assert steer(stalls, ResumeSaga()) == Steered("running")
    assert stalls.abouts == ["do:pay", "do:ship", "do:ship"], "its undo was never told: it is done, and not done twice"
    stalls.done("ship")
    assert stalls.status == "done"


@pytest.mark.parametrize("refusal", ["stall.no", "internal"])
def test_what_is_stuck_is_not_taken_for_done_once_its_undo_was_told(refusal: str) -> None:
    stalls = Stalls(TWO)
    stalls.done("pay")
    stalls.refused("ship")
    stalls.refused("pay", "undo", refusal)
    assert stalls.status == "stuck"
    for _ in range(2):
        refuses(stalls, ResumeSaga(), "saga.unknown_step")  # what was told without a report may have undone it since
        refuses(stalls, ForkSaga(from_step="ship"), "saga.step_not_done")
        steer(stalls, RetrySaga())
        stalls.refused("pay", "undo", refusal)


def test_an_undo_that_was_ever_told_may_have_taken_effect() -> None:
    told: list[str] = []

    def once(so_far: Any) -> Any:
        told.append("")
        return no_way_back(so_far) if len(told) > 2 else Undo(step="pay")

    stalls = Stalls(saga(step("pay", undo=once), step("ship")))
    stalls.done("pay")
    stalls.refused("ship")
    stalls.refused("pay", "undo")
    steer(stalls, RetrySaga())
    assert stalls.status == "stuck", "its own code has refused, this time"
    refuses(stalls, ResumeSaga(), "saga.unknown_step")


def test_what_may_be_undone_yet_is_not_forked() -> None:
    stalls = Stalls(TWO)
    stalls.done("pay")
    refuses(stalls, ForkSaga(from_step="ship"), "saga.not_ended")
    stalls.refused("ship")
    refuses(stalls, ForkSaga(from_step="ship"), "saga.not_ended")

    stalls = Stalls(saga(race(step("van"), step("bike")), step("ship")))
    stalls.done("van")
    stalls.refused("bike", "undo")
    stalls.done("ship")
    assert stalls.status == "stuck"
    refuses(stalls, ForkSaga(from_step="ship"), "saga.not_ended")  # retried it runs, and may then be cancelled

    stalls = Stalls(saga(step("pay", undo=no_way_back), step("ship")))
    stalls.done("pay")
    stalls.refused("ship")
    refuses(stalls, ForkSaga(from_step="ship"), "saga.step_not_done")  # retried it may undo what the fork has taken


def test_what_was_put_off_is_tried_at_once() -> None:
    stalls = Stalls(saga(step("bill", retry=ALL.plan.leaves["bill"].retry)))  # type: ignore[union-attr]
    stalls.refused("bill")
    assert steer(stalls, RetrySaga()) == Steered("running")
    assert stalls.abouts == ["do:bill"] * 2


def test_one_that_went_back_goes_forward_again_with_all_its_time() -> None:
    market = saga(step("pay"), step("ship"), deadline_s=12.0)
    stalls = Stalls(market)
    refuses(stalls, ResumeSaga(), "saga.not_undone")
    stalls.done("pay")
    stalls.kit.advance(9.0)
    stalls.refused("ship")
    stalls.undone("pay")
    steer(stalls, ResumeSaga())
    stalls.kit.advance(9.0)
    stalls.done("pay", "ship")
    assert stalls.status == "done"


def test_it_does_not_go_forward_where_nobody_knows_what_was_done() -> None:
    stalls = Stalls(saga(step("mail", undo=None), step("ship")))
    stalls.kit.advance(10.0)
    assert stalls.status == "undone"
    refuses(stalls, ResumeSaga(), "saga.unknown_step")
    stalls.refused("mail")  # late
    assert steer(stalls, ResumeSaga()) == Steered("running")

    stalls = Stalls(TWO)
    stalls.kit.advance(10.0)
    stalls.refused("pay", "undo")
    refuses(stalls, ResumeSaga(), "saga.unknown_step")


def fork_of(stalls: Stalls, **how: Any) -> Kit[Any]:
    """The other saga, begun with what it is told."""
    found = steer(stalls, ForkSaga(**how))
    told = stalls.kit.told[-1]
    assert isinstance(found, ForkedTo) and isinstance(told.message, BeginFork) and told.entity == found.entity
    kit: Kit[Any] = Kit(ALL, key=found.entity.partition(":")[2])
    kit.tell(told.message)
    kit.restart(from_snapshot=True)
    return kit


def test_a_fork_begins_at_a_step_with_what_was_known_and_undoes_its_own_alone() -> None:
    stalls = Stalls()
    stalls.all_done()
    before = stalls.kit.view()["steps"]
    kit = fork_of(stalls, from_step="lift", key="2")
    assert stalls.kit.view()["steps"] == before
    assert stalls.kit.view()["forks"] == [{"entity": "market:2", "from_step": "lift"}]
    view = kit.view()
    assert (view["by"], view["fork_of"]) == ("ann", {"entity": "market:1", "from_step": "lift"})
    assert [told.message for told in kit.told] == [Do(step="van", of="1"), Do(step="bike", of="1")]
    assert {"type": "saga.fork_begun", "of": "market:1", "from_step": "lift"} in kit.publications
    for told in list(kit.told):
        kit.undelivered(told, "stall.no")
    assert kit.view()["status"] == "undone" and len(kit.told) == 2, "what the other one did is not undone"
    with pytest.raises(Refused, match=r"saga\.started"):
        kit.tell(BeginFork(of="market:1", from_step="lift", by="", input=kit.state.input, taken=[]))


def test_a_fork_takes_over_what_did_not_come() -> None:
    stalls = Stalls()
    stalls.all_done()
    kit = fork_of(stalls, from_step="pack")
    assert kit.entity == "market:1-fork-1" and kit.started[0].about == "do:pack"


def test_what_can_not_be_forked_is_refused_by_name() -> None:
    stalls = Stalls(TWO)
    stalls.done("pay", "ship")
    refuses(stalls, ForkSaga(from_step="nothing"), "saga.no_such_step")
    refuses(stalls, ForkSaga(from_step="pay", key="1"), "saga.started")
    steer(stalls, ForkSaga(from_step="pay", key="2"))
    refuses(stalls, ForkSaga(from_step="pay", key="2"), "saga.started")
    stalls.kit.undelivered(stalls.kit.told[-1], "saga.started")
    assert stalls.kit.view()["forks"][0]["refused"] == "saga.started"

    stalls = Stalls(TWO)
    stalls.done("pay")
    stalls.refused("ship")
    stalls.undone("pay")
    refuses(stalls, ForkSaga(from_step="ship"), "saga.step_not_done")


@pytest.mark.bound("forks of one saga")
def test_a_saga_has_so_many_forks_and_no_more() -> None:
    stalls = Stalls(TWO)
    stalls.done("pay", "ship")
    for _ in range(100):
        steer(stalls, ForkSaga(from_step="pay"))
    refuses(stalls, ForkSaga(from_step="pay"), "saga.too_many_forks")


def test_staff_may_watch_whatever_the_saga_says() -> None:
    class Private(TWO):  # type: ignore[misc, valid-type]
        kind = "market"

        def may_watch(self) -> None:
            raise Refused("market.private")

    stalls = Stalls(Private)
    stalls.kit.watch(user="op", roles=("service",))
    with pytest.raises(Refused, match=r"market\.private"):
        stalls.kit.watch(user="ann")
    assert stalls.kit.actor.input == Order()
