"""The kit keeps the runtime's promises, and notices an entity that breaks its own."""

from typing import Any

import pytest
import trio
from msgspec import Struct, field
from trio.testing import MockClock

from greenroom import Actor, Ask, Done, Event, InvalidCommand, KindLimits, Message, Refused, Tell
from greenroom.actors.identity import Push, Session
from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import CallCycle, DeadlineExceeded, UnknownCommand
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.testing.kit import EPOCH_S
from greenroom.testing import Kit, Notice


class Count(Struct):
    count: int


class Add(Ask[Count], tag="probe.add"):
    amount: int = 1


class Misbehave(Tell, tag="probe.misbehave"):
    how: str


class Effects(Tell, tag="probe.effects"):
    pass


class Later(Tell, tag="probe.later"):
    seconds: float
    name: str
    key: str = ""


class Fetch(Ask[Count], tag="probe.fetch"):
    from_entity: str = "source:1"
    wait_s: float = 0.0


class Rang(Tell, tag="probe.rang"):
    name: str


class Added(Event, tag="probe.added"):
    amount: int


class RangAt(Event, tag="probe.rang_at"):
    name: str
    at: float


class Undeclared(Event, tag="probe.undeclared"):
    pass


class ProbeState(Struct):
    count: int = 0
    rang: list[tuple[str, float]] = field(default_factory=list)
    first_at_ms: int = 0


class Shown(Struct, tag_field="type", tag="probe.shown"):
    number: int


class Probe(Actor[ProbeState]):
    kind = "probe"
    commands = (Add, Misbehave, Effects, Later, Fetch)
    internal = (Rang,)
    events = (Added, RangAt)
    limits = KindLimits(async_handler_s=5.0)

    def handle(self, message: Message) -> Any:
        match message:
            case Add():
                self.record(Added(amount=message.amount))
                return Count(self.state.count)
            case Misbehave():
                self._misbehave(message.how)
            case Effects():
                self.publish(Shown(1), key="a")
                self.tell("other:1", Rang(name="x"))
                self.kick(4500, "bye")
            case Later():
                self.after(message.seconds, Rang(name=message.name))
            case Rang():
                self.record(RangAt(name=message.name, at=self.now))
            case Fetch():
                return self._fetch(message)
        return None

    async def _fetch(self, message: Fetch) -> Count:
        await trio.sleep(message.wait_s)
        found = await self.ask(message.from_entity, Add(amount=1))
        self.record(Added(amount=found.count))
        return Count(self.state.count)

    def _misbehave(self, how: str) -> None:
        match how:
            case "refuse":
                self.publish(Shown(1))
                raise Refused("probe.no")
            case "refuse late":
                self.record(Added(amount=1))
                raise Refused("probe.no")
            case "crash":
                self.record(Added(amount=1))
                raise ZeroDivisionError
            case "undeclared":
                self.record(Undeclared())
            case "change behind":
                self.state.count += 1

    def apply(self, event: Event) -> None:
        if isinstance(event, Added):
            self.state.count += event.amount
            self.state.first_at_ms = self.state.first_at_ms or self.at_ms
        elif isinstance(event, RangAt):
            self.state.rang.append((event.name, event.at))

    def view(self) -> Any:
        return Count(self.state.count)


@pytest.fixture
def kit() -> Kit[Probe]:
    return Kit(Probe)


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


# Durable timers, and reports about what was told.


class Ring(Tell, tag="alarm.ring"):
    refuse: str = ""


class SetAlarm(Tell, tag="alarm.set"):
    name: str = "a"
    how: dict[str, Any] = {}  # noqa: RUF012 - a field of a Struct, copied for each
    refuse: str = ""


class CancelAlarm(Tell, tag="alarm.cancel"):
    name: str


class Order(Tell, tag="alarm.order"):
    amount: int


class Sounded(Event, tag="alarm.rang"):
    line: str


class AlarmState(Struct):
    lines: list[str] = field(default_factory=list)


class Alarm(Actor[AlarmState]):
    kind = "alarm"
    commands = (SetAlarm, CancelAlarm, Order)
    internal = (Ring,)
    events = (Sounded,)
    limits = KindLimits(timers_max=2)

    def handle(self, message: Message) -> Any:
        match message:
            case SetAlarm():
                self.set_timer(message.name, Ring(refuse=message.refuse), **message.how)
            case CancelAlarm():
                self.cancel_timer(message.name)
            case Ring():
                if message.refuse:
                    raise Refused(message.refuse)
                assert self.fired is not None and self.fired.name in self.timers
                self.record(Sounded(line=f"{self.fired.name} {self.fired.due_s - EPOCH_S:g} at {self.now - EPOCH_S:g}"))
            case Order():
                self.tell("probe:1", Add(amount=message.amount), about=f"order {message.amount}")
            case Answered():
                self.record(Sounded(line=f"{message.about}: {message.decode(Count).count}"))
            case Undelivered():
                self.record(Sounded(line=f"{message.about}: {message.name}, {message.detail}"))

    def apply(self, event: Sounded) -> None:
        self.state.lines.append(event.line)

    def view(self) -> Any:
        return {}


@pytest.fixture
def alarm() -> Kit[Alarm]:
    return Kit(Alarm)


def test_a_durable_timer_outlives_a_restart_and_fires_once_at_its_time(alarm: Kit[Alarm]) -> None:
    alarm.tell(SetAlarm(how={"after": 10}))
    alarm.restart()
    alarm.advance(9.9)
    assert alarm.state.lines == []
    alarm.advance(60)
    assert alarm.state.lines == ["a 10 at 10"]
    assert alarm.actor.fired is None and alarm.actor.timers == {}


def test_a_durable_timer_repeats_until_it_is_cancelled_and_is_moved_by_its_name(alarm: Kit[Alarm]) -> None:
    alarm.tell(SetAlarm(how={"every": 10}))
    alarm.advance(25)
    alarm.tell(SetAlarm(how={"after": 1, "every": 2}))
    alarm.advance(4)
    alarm.tell(CancelAlarm(name="a"))
    alarm.tell(CancelAlarm(name="never was"))
    alarm.advance(100)
    assert [line.split()[-1] for line in alarm.state.lines] == ["10", "20", "26", "28"]


@pytest.mark.parametrize(
    ("missed", "lines"),
    [("last", ["a 30 at 38"]), ("all", ["a 10 at 38", "a 20 at 38", "a 30 at 38"]), ("skip", [])],
)
def test_what_was_missed_comes_late_as_the_timer_says(alarm: Kit[Alarm], missed: str, lines: list[str]) -> None:
    alarm.tell(SetAlarm(how={"every": 10, "missed": missed}))
    alarm.miss(38)
    alarm.advance(0)
    assert alarm.state.lines == lines
    alarm.advance(2)
    assert alarm.state.lines == [*lines, "a 40 at 40"]


def test_more_timers_than_the_kind_allows_are_refused(alarm: Kit[Alarm]) -> None:
    for name in ("a", "b", "a"):
        alarm.tell(SetAlarm(name=name, how={"after": 1}))
    with pytest.raises(Refused, match=r"timers\.too_many"):
        alarm.tell(SetAlarm(name="c", how={"after": 1}))


def test_a_firing_that_is_refused_is_over(alarm: Kit[Alarm]) -> None:
    alarm.tell(SetAlarm(how={"every": 10}, refuse="alarm.broken"))
    with pytest.raises(Refused):
        alarm.advance(10)
    assert alarm.actor.fired is None
    with pytest.raises(Refused):
        alarm.advance(10)


def test_a_timers_message_must_be_one_that_the_kind_takes() -> None:
    class Foreign(Alarm):
        def handle(self, message: Message) -> Any:
            self.set_timer("a", Add(), after=1)

    with pytest.raises(TypeError, match="takes no Add: see `internal`"):
        Kit(Foreign).tell(Order(amount=1))


def test_it_hears_what_became_of_what_it_told(alarm: Kit[Alarm]) -> None:
    alarm.tell(Order(amount=1))
    alarm.tell(Order(amount=2))
    alarm.answered(alarm.told[0], Count(7))
    alarm.undelivered(alarm.told[1], "probe.empty", "nothing left")
    assert alarm.state.lines == ["order 1: 7", "order 2: probe.empty, nothing left"]
    alarm.restart()


def test_a_repeat_with_other_fields_is_another_command_under_the_same_key(kit: Kit[Probe]) -> None:
    kit.ask(Add(amount=1, idempotency_key="k"), user="ann")
    with pytest.raises(Refused, match=r"command_id\.reused") as refused:
        kit.ask(Add(amount=2, idempotency_key="k"), user="ann")
    assert refused.value.status == 409
    assert kit.ask(Add(amount=2, idempotency_key="k"), user="bob") == Count(3), "each user has keys of their own"


# What it tells users and other entities.


class Call(Tell, tag="crier.call"):
    user: str


class Send(Tell, tag="crier.send"):
    entity: str


class Called(Event, tag="crier.called"):
    pass


class CrierState(Struct):
    calls: int = 0


class Crier(Actor[CrierState]):
    kind = "crier"
    internal = (Call, Send)
    events = (Called,)

    def handle(self, message: Call | Send) -> None:
        match message:
            case Call():
                self.notify(message.user, {"price": (1, 2)})
            case Send():
                self.tell(message.entity, Rang(name="x"))
        self.record(Called())

    def apply(self, event: Called) -> None:
        self.state.calls += 1


def crier(others: list[type[Actor[Any]]] | None) -> Kit[Crier]:
    return Kit(Crier, others=others)


@pytest.mark.parametrize("others", [None, [], [Session]])
def test_what_users_are_shown_is_collected_and_was_told_to_their_session(
    others: list[type[Actor[Any]]] | None,
) -> None:
    kit = crier(others)
    kit.tell(Call(user="ann: x"))
    assert kit.notified == [Notice("ann: x", {"price": [1, 2]})]
    (told,) = kit.told
    assert (told.entity, told.message, told.durable) == ("session:ann: x", Push(data={"price": (1, 2)}), True)


@pytest.mark.parametrize("others", [None, [Session]])
@pytest.mark.parametrize("user", ["", "a\nb", "x" * 256])
def test_a_user_id_that_can_be_no_key_is_refused_where_it_is_written(
    user: str, others: list[type[Actor[Any]]] | None
) -> None:
    kit = crier(others)
    with pytest.raises(BadEntity):
        kit.tell(Call(user=user))
    assert (kit.told, kit.notified, kit.offset) == ([], [], 0)


@pytest.mark.parametrize("others", [None, [Session]])
def test_a_name_without_a_colon_is_refused_where_it_is_written(others: list[type[Actor[Any]]] | None) -> None:
    kit = crier(others)
    with pytest.raises(BadEntity, match="no colon"):
        kit.tell(Send(entity="no colon"))
    assert (kit.told, kit.offset) == ([], 0)


def test_with_others_given_a_kind_that_is_not_among_them_is_refused_where_it_is_written() -> None:
    kit = crier([])
    with pytest.raises(TypeError, match="no kind 'other' is installed"):
        kit.tell(Send(entity="other:1"))
    assert (kit.told, kit.notified, kit.offset) == ([], [], 0)


def test_two_timers_of_one_moment_both_fire_though_the_first_is_refused(alarm: Kit[Alarm]) -> None:
    alarm.tell(SetAlarm(how={"after": 10}, refuse="alarm.broken"))
    with pytest.raises(Refused):
        alarm.advance(10)
    alarm.advance(10)  # and time goes on
    assert alarm.letters and not alarm.actor.timers
