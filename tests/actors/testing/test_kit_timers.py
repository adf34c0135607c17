"""In the kit: durable timers, and reports about what was told."""

from typing import Any

import pytest
from msgspec import Struct, field

from greenroom import Actor, Event, KindLimits, Message, Refused, Tell
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.testing.kit import EPOCH_S
from greenroom.testing import Kit
from tests.actors.testing.probe import Add, Count


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


def test_two_timers_of_one_moment_both_fire_though_the_first_is_refused(alarm: Kit[Alarm]) -> None:
    alarm.tell(SetAlarm(how={"after": 10}, refuse="alarm.broken"))
    with pytest.raises(Refused):
        alarm.advance(10)
    alarm.advance(10)  # and time goes on
    assert alarm.letters and not alarm.actor.timers
