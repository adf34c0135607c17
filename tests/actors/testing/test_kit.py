"""The kit keeps the runtime's promises, and notices an entity that breaks its own."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

from typing import Any

import pytest
from trio.testing import MockClock

from greenroom import Actor, Done, InvalidCommand, Message, Refused
from greenroom.actors.model.effects import Nudge
from greenroom.actors.model.errors import CallCycle, DeadlineExceeded, UnknownCommand
from greenroom.testing import Kit
from tests.actors.testing.probe import (  # noqa: F401 - fixtures
    Add,
    Added,
    Count,
    Effects,
    Fetch,
    Later,
    Misbehave,
    Probe,
    ProbeState,
    Rang,
    Shown,
    kit,
)


def test_a_reply_and_what_was_published(kit: Kit[Probe]) -> None:
    assert kit.ask(Add(amount=2), user="ann") == Count(2)
    assert kit.events == [Added(amount=2)]
    assert kit.publications == [{"type": "probe.added", "amount": 2}]
    assert (kit.offset, kit.state.count, kit.view()) == (1, 2, {"count": 2})


def test_who_asks_is_the_principal(kit: Kit[Probe]) -> None:
    kit.ask(Add(), user="ann", roles=("admin",))
    assert (kit.actor.principal.user, kit.actor.principal.roles) == ("ann", frozenset({"admin"}))
    kit.ask(Add())
    assert kit.actor.principal.system


def test_messages_pass_through_their_json(kit: Kit[Probe]) -> None:
    with pytest.raises(InvalidCommand, match="amount"):
        kit.ask(Add(amount="many"), user="ann")  # type: ignore[arg-type]


def test_users_send_no_internal_messages(kit: Kit[Probe]) -> None:
    with pytest.raises(UnknownCommand):
        kit.tell(Rang(name="x"), user="ann")
    kit.tell(Rang(name="x"))


def test_effects_are_collected(kit: Kit[Probe]) -> None:
    kit.tell(Effects(), user="ann")
    assert kit.ephemerals == [{"type": "probe.shown", "number": 1}]
    assert [(one.entity, one.message) for one in kit.told] == [("other:1", Rang(name="x"))]
    assert [(one.code, one.reason) for one in kit.kicked] == [(4500, "bye")]
    assert kit.nudged == [Nudge(["other:2", "other:1"], Rang(name="y"))]


def test_a_refusal_takes_its_effects_with_it(kit: Kit[Probe]) -> None:
    with pytest.raises(Refused):
        kit.tell(Misbehave(how="refuse"), user="ann")
    kit.tell(Effects(), user="ann")
    assert len(kit.ephemerals) == 1


def test_refusing_after_recording_is_an_error_of_the_entity(kit: Kit[Probe]) -> None:
    with pytest.raises(AssertionError, match="refuse first"):
        kit.tell(Misbehave(how="refuse late"), user="ann")
    assert (kit.offset, kit.state.count) == (0, 0)


def test_a_crash_changes_nothing(kit: Kit[Probe]) -> None:
    kit.ask(Add(amount=5))
    with pytest.raises(ZeroDivisionError):
        kit.tell(Misbehave(how="crash"))
    assert (kit.offset, kit.state.count, len(kit.publications)) == (1, 5, 1)
    assert kit.ask(Add()) == Count(6)


def test_an_event_that_is_not_declared_is_noticed(kit: Kit[Probe]) -> None:
    with pytest.raises(AssertionError, match=r"probe\.undeclared is not among"):
        kit.tell(Misbehave(how="undeclared"))


def test_a_state_changed_behind_the_events_is_noticed(kit: Kit[Probe]) -> None:
    kit.ask(Add())
    kit.restart()
    kit.restart(from_snapshot=True)
    kit.tell(Misbehave(how="change behind"))
    with pytest.raises(AssertionError, match="woke up changed"):
        kit.restart()


def test_a_repeated_command_gets_its_first_reply(kit: Kit[Probe]) -> None:
    assert kit.ask(Add(amount=1, idempotency_key="k")) == Count(1)
    kit.ask(Add(amount=1))
    kit.restart()
    assert kit.ask(Add(amount=1, idempotency_key="k")) == Count(1)
    assert kit.state.count == 2


def test_time_stands_still_until_it_is_moved(kit: Kit[Probe]) -> None:
    began = kit.now
    kit.ask(Add())
    kit.advance(1.5)
    kit.ask(Add())
    assert kit.now == began + 1.5
    assert kit.state.first_at_ms == int(began * 1000)
    kit.restart()  # the times of events are replayed too


def test_timers_fire_in_order_at_their_times(kit: Kit[Probe]) -> None:
    began = kit.now
    for seconds, name in ((3.0, "c"), (1.0, "a"), (2.0, "b"), (9.0, "z")):
        kit.tell(Later(seconds=seconds, name=name))
    kit.advance(5)
    assert kit.state.rang == [("a", began + 1), ("b", began + 2), ("c", began + 3)]
    assert kit.now == began + 5
    kit.advance(5)
    assert kit.state.rang[-1] == ("z", began + 9)


def test_a_restart_loses_timers(kit: Kit[Probe]) -> None:
    kit.tell(Later(seconds=1, name="a"))
    kit.restart()
    kit.advance(5)
    assert kit.state.rang == []


def test_async_handlers_run_in_virtual_time(kit: Kit[Probe]) -> None:
    kit.when_asked("source:1", lambda message: Count(message.amount + 41))
    assert kit.ask(Fetch(wait_s=4.0), user="ann") == Count(42)
    assert [(one.entity, one.message) for one in kit.asked] == [("source:1", Add(amount=1))]
    kit.restart()


async def test_async_handlers_in_an_async_test(autojump_clock: MockClock) -> None:
    kit = Kit(Probe)
    kit.when_asked("source:1", lambda message: Count(1))
    assert await kit.ask_async(Fetch()) == Count(1)
    assert await kit.ask_async(Add()) == Count(2)


def test_an_async_handler_has_its_time(kit: Kit[Probe]) -> None:
    with pytest.raises(DeadlineExceeded):
        kit.ask(Fetch(wait_s=6.0))
    assert kit.offset == 0


def test_asking_oneself_is_a_cycle(kit: Kit[Probe]) -> None:
    with pytest.raises(CallCycle):
        kit.ask(Fetch(from_entity="probe:test"))


class Wrong(Actor[ProbeState]):
    kind = "probe"
    commands = (Add,)
    events = (Added,)

    def handle(self, message: Message) -> Any:
        return Done()

    def apply(self, event: Any) -> None:
        pass

    def view(self) -> Any:
        return {}


def test_a_reply_of_another_type_is_noticed() -> None:
    with pytest.raises(AssertionError, match="another reply"):
        Kit(Wrong).ask(Add())


class Lamp(Actor[ProbeState]):
    """Not durable, and knows its audience."""

    kind = "probe"
    commands = (Add,)
    durable = False

    def handle(self, message: Message) -> Any:
        self.state.count += 1
        return Count(self.state.count)

    def may_watch(self) -> None:
        self.require_user()

    def audience_changed(self, who: Any, joined: bool) -> None:
        self.publish(Shown(len(self.audience)))

    def view(self) -> Any:
        return {}


def test_watching_asks_for_leave_and_tells_the_entity() -> None:
    lamp = Kit(Lamp)
    with pytest.raises(Refused, match="unauthenticated"):
        lamp.watch(user="")
    assert lamp.watch(user="ann", client="phone") == {}
    lamp.watch(user="ann")
    lamp.unwatch(client="phone")
    assert [one["number"] for one in lamp.ephemerals] == [1, 2, 1]


def test_what_is_not_durable_starts_afresh() -> None:
    lamp = Kit(Lamp)
    lamp.ask(Add())
    lamp.restart()
    assert lamp.state.count == 0


def test_a_repeat_with_other_fields_is_another_command_under_the_same_key(kit: Kit[Probe]) -> None:
    kit.ask(Add(amount=1, idempotency_key="k"), user="ann")
    with pytest.raises(Refused, match=r"command_id\.reused") as refused:
        kit.ask(Add(amount=2, idempotency_key="k"), user="ann")
    assert refused.value.status == 409
    assert kit.ask(Add(amount=2, idempotency_key="k"), user="bob") == Count(3), "each user has keys of their own"
