"""Each rule refuses its class at the start, by the class's name and with what to do."""

import math
import types
from typing import Annotated, Any, Literal

import pytest
from msgspec import Struct, field

from greenroom import Actor, Ask, Done, Event, Saga, Step, Tell
from greenroom.actors.chat.room import Room
from greenroom.actors.identity import Session
from greenroom.actors.model import kind_rules
from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.kind_rules import TYPES_KEPT_MAX, body_problems, broken_rules
from greenroom.actors.model.kinds import BadEntityClass, Kind


def limits(**fields: Any) -> KindLimits:
    """Of any types."""
    return KindLimits(**fields)


class Opaque:
    """Nothing that JSON has a form for."""


class Total(Struct):
    claps: int


class Clap(Ask[Total], tag="applause.clap"):
    times: int = 1


class Hush(Tell, tag="applause.hush"):
    pass


class Wave(Ask[Done], tag="applause.wave"):
    pass


class Peek(Ask[Opaque], tag="applause.peek"):
    pass


class Throw(Tell, tag="applause.throw"):
    what: list[Opaque]


class Clapped(Event, tag="applause.clapped"):
    times: int


class Thrown(Event, tag="applause.thrown"):
    what: dict[str, Opaque]


class ApplauseState(Struct):
    claps: int = 0


class Applause(Actor[ApplauseState]):
    kind = "applause"
    commands = (Clap, Hush)
    events = (Clapped,)

    def handle(self, message: Clap | Hush) -> Total | None:
        return Total(1) if isinstance(message, Clap) else None

    def apply(self, event: Clapped) -> None:
        self.state.claps += event.times

    def view(self) -> Any:
        return self.state


class NoDefaults(Struct):
    owner: str


class HoldsOpaque(Struct):
    items: dict[str, Opaque] = field(default_factory=dict)  # empty it could be encoded


class Changes(Struct):
    pair: Any = (1, 2)  # a list when it comes back


class Keys(Struct):
    by_pair: dict[tuple[str, str], int] = field(default_factory=dict)


def handles(**annotations: Any) -> Any:
    def handle(self: Any, message: Any) -> Any:
        raise NotImplementedError

    handle.__annotations__ = annotations
    return handle


def made(name: str, attributes: dict[str, Any]) -> type[Actor[Any]]:
    actor: type[Applause] = types.new_class(
        name, (Applause,), exec_body=lambda body: body.update(attributes, __module__=__name__)
    )
    actor.state_type = attributes.get("state_type", ApplauseState)  # which the base reads off its brackets
    return actor


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"commands": Clap}, r"`commands = \(Clap\)` is the class itself: add the comma, `\(Clap,\)`"),
        ({"internal": Hush}, r"`internal = \(Hush\)`"),
        ({"events": Clapped}, r"`events = \(Clapped\)`"),
        ({"ephemerals": Total}, r"`ephemerals = \(Total\)`"),
        ({"commands": "Clap"}, "must be a tuple of classes"),
        ({"commands": (Clap, Hush())}, "`commands` holds classes, not Hush"),
        ({"limits": {"idle_s": 5}}, "`limits` must be KindLimits"),
        ({"limits": KindLimits(history_s=math.nan)}, "`limits.history_s` is nan"),
        ({"limits": KindLimits(idle_s=-1.0)}, "`limits.idle_s` is -1.0"),
        ({"limits": limits(idle_s="60")}, "`limits.idle_s` is '60'"),
        ({"limits": limits(history_events=math.inf)}, "`limits.history_events` is inf: expected a whole number"),
        ({"limits": limits(history_events=1e5)}, "`limits.history_events` is 100000.0: expected a whole number"),
        ({"limits": KindLimits(history_events=1 << 63)}, "`limits.history_events` is 9223372036854775808"),
        ({"limits": KindLimits(snapshot_every=0)}, "`limits.snapshot_every` is 0"),
        ({"limits": KindLimits(snapshot_every=True)}, "`limits.snapshot_every` is True"),
        ({"limits": KindLimits(mailbox_messages=0)}, "`limits.mailbox_messages` is 0"),
        ({"limits": limits(timers_max=None)}, "`limits.timers_max` is None"),
        ({"handle": Actor.handle}, "has no `handle`"),
        ({"handle": Actor.handle, "commands": (), "internal": (Hush,)}, "has no `handle`"),
        ({"apply": Actor.apply}, "has no `apply`"),
        ({"view": Actor.view}, "has no `view`"),
        ({"hidden": (Thrown,)}, "Thrown is among `hidden`, and not among `events`"),
        ({"hidden": Clapped}, r"`hidden = \(Clapped\)` is the class itself"),
        ({"state_type": NoDefaults}, r"`NoDefaults\(\)`, which fails: give every field of the state a default.*owner"),
        ({"state_type": HoldsOpaque}, "its state HoldsOpaque: Opaque has no JSON form"),
        ({"state_type": Keys}, "its state Keys: a dict.s keys"),
        ({"state_type": Changes}, r"its state Changes changes when it is saved as JSON: .*\(1, 2\).* comes back as"),
        ({"state_type": Opaque}, "its state Opaque: Opaque has no"),
        ({"commands": (Peek,), "handle": handles()}, "the reply of Peek: Opaque has no"),
        ({"internal": (Throw,), "handle": handles()}, "Throw: Opaque has no"),
        ({"events": (Clapped, Thrown)}, "Thrown: Opaque has no"),
        ({"commands": (Clap, Wave)}, r"annotated to take Clap \| Hush, and Wave is not among that"),
        (
            {"handle": handles(message=Any, **{"return": Done})},
            "Clap promises the reply Total, .* return Done",
        ),
        ({"handle": handles(**{"return": Total})}, "Hush promises the reply Done, .* to return Total"),
    ],
)
def test_a_class_that_breaks_a_rule_is_refused_by_its_name(attributes: dict[str, Any], says: str) -> None:
    broken = made("Broken", attributes)
    with pytest.raises(BadEntityClass, match=says) as caught:
        Kind(broken)
    assert "test_kind_rules.Broken: " in str(caught.value)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"limits": KindLimits(history_s=math.inf, command_ids_s=math.inf, idle_s=math.inf, async_handler_s=math.inf)},
        {"limits": KindLimits(idle_s=60, history_events=0, timers_max=0)},
        {"handle": handles()},  # says nothing of its types: then the kit compares replies
        {"handle": handles(message="NoSuchName", **{"return": "Total"})},  # names that only type checkers see
        {"handle": handles(message=Any, **{"return": Any})},
        {"handle": handles(message=Ask[Any] | Tell, **{"return": Struct | None})},
        {"commands": (Wave, Hush), "handle": handles(message=Wave | Hush, **{"return": None})},
        {"commands": (), "internal": (Hush,), "view": Actor.view},  # no client speaks to it
        {"durable": False, "events": (), "state_type": HoldsOpaque},  # never encoded
    ],
)
def test_a_class_that_breaks_none_passes(attributes: dict[str, Any]) -> None:
    Kind(made("Fine", attributes))


def test_asynchronous_handlers_are_held_to_their_annotations() -> None:
    class Slow(Applause):
        async def handle(self, message: Clap | Hush) -> Done:  # type: ignore[override]
            return Done()

    with pytest.raises(BadEntityClass, match="Clap promises the reply Total"):
        Kind(Slow)


class Begin(Ask[Done], tag="ovation.begin"):
    pass


class Ovation(Saga[Begin]):
    kind = "ovation"
    steps = (Step(name="clap", do=lambda so_far: ("applause:1", Clap()), deadline_s=None),)


@pytest.mark.parametrize("actor", [Room, Session, Ovation])
def test_the_entities_we_bring_break_none(actor: type[Actor[Any]]) -> None:
    assert list(broken_rules(actor)) == []


@pytest.mark.bound("types of messages of which is remembered whether they have a JSON form")
def test_what_is_remembered_of_types_is_bounded_and_asked_again() -> None:
    class Opaque: ...

    def problems(body: Any) -> list[str]:
        return list(body_problems("it", body))

    found = problems(list[Opaque])
    assert found and problems(list[Opaque]) == found
    for number in range(TYPES_KEPT_MAX + 1):
        assert problems(Literal[number]) == []
    assert kind_rules._problem_once.cache_info().currsize == TYPES_KEPT_MAX
    assert problems(list[Opaque]) == found, "it made room, and is looked at again"


def test_what_is_not_hashable_is_looked_at_each_time() -> None:
    unhashable = Annotated[int, {"a": 1}]
    for _ in range(2):
        assert list(body_problems("it", unhashable)) == []
