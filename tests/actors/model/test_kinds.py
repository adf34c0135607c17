"""What is read off an entity class, and what is refused there."""

import sys
import types
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from greenroom import Actor, Ask, Done, Event, Message, Tell, UserId
from greenroom.actors.chat.room import Room
from greenroom.actors.identity import Session
from greenroom.actors.model.errors import InvalidCommand, NotInRelease, UnknownCommand, UnknownKind
from greenroom.actors.model.kinds import BadEntityClass, Command, Kind, Kinds, OtherReleases, find_actors
from greenroom.actors.model.upcasters import UnreadableEvent


class Total(Struct):
    total: int


class Add(Ask[Total], tag="tally.add"):
    amount: int


class Nudge(Tell, tag="tally.nudge"):
    pass


class Added(Event, tag="tally.added"):
    amount: int


class TallyState(Struct):
    total: int = 0


class Tally(Actor[TallyState]):
    kind = "tally"
    commands = (Add, Nudge)
    events = (Added,)
    publish_with = Add

    def handle(self, message: Any) -> Any:
        raise NotImplementedError

    def apply(self, event: Any) -> None:
        pass

    def view(self) -> Any:
        return {}


def test_commands_are_found_by_name_with_their_replies() -> None:
    kind = Kind(Tally)
    assert list(kind.commands) == ["add", "nudge"]
    assert kind.command("add").reply is Total
    assert kind.command("nudge").reply is None
    assert kind.publish_command is kind.command("add")
    with pytest.raises(UnknownCommand):
        kind.command("drop")


@pytest.mark.parametrize("body", [b'{"amount": 3}', b'{"type": "tally.add", "amount": 3, "unknown": []}'])
def test_a_command_is_decoded_from_its_fields_alone(body: bytes) -> None:
    assert Kind(Tally).command("add").decode(body) == Add(amount=3)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{}", "amount"),
        (b'{"amount": "x"}', r"\$\.amount"),
        (b'{"type": "tally.nudge", "amount": 1}', "type"),
        (b"[]", "object"),
        (b"{", "malformed"),
        (b"", "malformed"),
        (b"6\xe9E", "malformed"),  # neither of the right type nor JSON
        (b'"\xff"', "malformed"),
        (b'{"amount": 1, "x": ' + b"[" * 100_000, "nested|malformed"),
    ],
)
def test_what_does_not_decode_is_said(body: bytes, says: str) -> None:
    with pytest.raises(InvalidCommand, match=says):
        Kind(Tally).command("add").decode(body)


def test_invalid_utf8_in_a_text_is_refused() -> None:
    with pytest.raises(InvalidCommand):
        Kind(Room).command("send").decode(b'{"text": "\xff"}')


def test_data_nested_too_deeply_to_decode_is_refused() -> None:
    body = b'{"text": "x", "data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    with pytest.raises(InvalidCommand, match="nested too deeply"):
        Kind(Room).command("send").decode(body)


def test_state_passes_through_its_codec() -> None:
    kind = Kind(Tally)
    assert kind.decode_state(kind.encode_state(TallyState(total=7))) == TallyState(total=7)
    with pytest.raises(msgspec.DecodeError):
        kind.decode_state(b'{"total": "seven"}')


def test_events_and_messages_are_decoded_by_their_tags() -> None:
    kind = Kind(Tally)
    assert list(kind.decode_events(b'{"type": "tally.added", "amount": 1}')) == [Added(amount=1)]
    assert kind.decode_message(b'{"type": "tally.nudge"}') == Nudge()
    with pytest.raises(UnreadableEvent):
        kind.decode_events(b'{"type": "tally.gone"}')


class Untagged(Ask[Done]):
    pass


class Foreign(Ask[Done], tag="other.add"):
    pass


class AlsoAdd(Ask[Done], tag="tally.add"):
    pass


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"kind": "Tally"}, "kind"),
        ({"kind": ""}, "kind"),
        ({"commands": (Untagged,)}, "Untagged needs tag"),
        ({"commands": (Foreign,)}, "Foreign needs tag"),
        ({"commands": (Add, AlsoAdd)}, "two commands"),
        ({"commands": (Added,), "publish_with": None}, "must derive from Message"),
        ({"internal": (Foreign,)}, "Foreign needs tag"),
        ({"events": (Add,)}, "must derive from Event"),
        ({"events": ()}, "needs `events`"),
        ({"publish_with": AlsoAdd}, "publish_with"),
    ],
)
def test_a_class_that_breaks_a_rule_is_named(attributes: dict[str, Any], says: str) -> None:
    broken = type("Broken", (Tally,), attributes)
    with pytest.raises(BadEntityClass, match=says) as caught:
        Kind(broken)
    assert "Broken" in str(caught.value)


def test_a_class_must_say_its_state() -> None:
    class Stateless(Actor):  # type: ignore[type-arg]
        kind = "stateless"
        durable = False

    with pytest.raises(BadEntityClass, match=r"Actor\[YourState\]"):
        Kind(Stateless)


def test_kinds_are_found_by_name_and_installed_once() -> None:
    kinds = Kinds([Room, Session])
    assert [kind.name for kind in kinds] == ["room", "session"]
    assert kinds["room"].actor is Room
    with pytest.raises(UnknownKind):
        kinds["tally"]
    kinds.install(Tally)
    with pytest.raises(BadEntityClass, match="two entity classes"):
        kinds.install(Tally)


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """A module of somebody else's, which also imports an entity that is not its own."""
    module: Any = types.ModuleType("somebody_elses")
    module.Tally = type("Tally", (Tally,), {"__module__": "somebody_elses"})
    module.Room = Room
    sys.modules["somebody_elses"] = module
    yield module
    del sys.modules["somebody_elses"]


def test_a_path_to_a_module_finds_the_entities_it_defines(module: types.ModuleType) -> None:
    assert find_actors("somebody_elses") == [module.Tally]


def test_a_path_to_a_package_finds_what_it_re_exports() -> None:
    assert find_actors("greenroom.actors.chat.room") == [Room]


def test_a_path_to_a_module_finds_what_it_names_as_its_own(module: types.ModuleType) -> None:
    vars(module)["__all__"] = ["Room", "Absent"]
    assert find_actors("somebody_elses") == [module.Tally, Room]
    assert "rules" in [actor.kind for actor in find_actors("greenroom.social")]


def test_a_path_to_a_class_finds_it(module: types.ModuleType) -> None:
    assert find_actors("somebody_elses:Tally") == [module.Tally]
    assert find_actors("greenroom.actors.chat.room:Room") == [Room]


@pytest.mark.parametrize(
    "path",
    [
        "no_such_module",
        "greenroom.actors.model.message",
        "greenroom.actors.chat.room:No",
        "greenroom:Actor",
        "",
        "json:no",
    ],
)
def test_a_path_without_an_entity_is_named(path: str) -> None:
    with pytest.raises(BadEntityClass, match="GREENROOM_ENTITIES") as caught:
        find_actors(path)
    assert path.partition(":")[0] in str(caught.value)


@pytest.mark.parametrize("actor", [Room, Session])
def test_the_entities_we_bring_follow_the_rules(actor: type[Actor[Any]]) -> None:
    kind = Kind(actor)
    for command in kind.commands.values():
        assert command.message.__struct_config__.frozen, command.name
    for event in actor.events:
        assert event.__struct_config__.frozen, event


def test_a_whole_number_is_an_integer_however_it_is_written() -> None:
    """JSON knows one sort of number: 3.0 is an integer by JSON Schema too."""

    class Count(Message, tag="whole.count"):
        times: int
        data: Any = None
        nested: list[dict[str, int]] | None = None

    command = Command("count", Count, OtherReleases())
    assert command.decode(b'{"times":3.0,"data":[1.5,2.0],"nested":[{"a":1e2}]}') == Count(
        times=3, data=[1.5, 2], nested=[{"a": 100}]
    )
    for wrong in (b'{"times":3.5}', b'{"times":"3"}', b'{"times":1e300}', b'{"times":9007199254740994.0}'):
        with pytest.raises(InvalidCommand, match=r"Expected `int`"):
            command.decode(wrong)
    with pytest.raises(InvalidCommand):
        command.decode(b'{"times":' + b"[" * 500 + b"]" * 500 + b"}")


def test_what_a_command_may_not_say_it_may_not_say_beside_a_whole_number_either() -> None:
    """As that is written: 3 or 3.0."""

    class Pay(Message, tag="whole.pay"):
        to: UserId
        cents: int

    others = OtherReleases()
    pay = Command("pay", Pay, others)
    others.learn([], fields={"whole.pay": {"note": None}}, behind_in=())
    for cents in (b"3", b"3.0"):
        assert pay.decode(b'{"to":"ann","cents":%b}' % cents) == Pay(to="ann", cents=3)
        for to in (b"a\\nb", b"system", b"x" * 256):
            with pytest.raises(InvalidCommand, match=r"\$\.to"):
                pay.decode(b'{"to":"%b","cents":%b}' % (to, cents))
        with pytest.raises(NotInRelease):
            pay.decode(b'{"to":"ann","cents":%b,"note":"x"}' % cents)


class Poke(Tell, tag="poked.poke"):
    pass


class Say(Tell, tag="poked.say"):
    pass


class Question(Ask[int], tag="poked.question"):
    pass


class PokedState(Struct):
    pass


class Poked(Actor[PokedState]):
    kind = "poked"
    commands = (Say,)
    internal = (Poke, Question)
    durable = False

    def handle(self, message: Message) -> Any:
        raise NotImplementedError

    def view(self) -> Any:
        return {}


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        (["poked:a"], Say()),
        (["poked:a"], Question()),
        (["poked:a", "other:b"], Poke()),
    ],
    ids=["a command", "a question", "no such kind"],
)
def test_a_nudge_is_a_tell_that_is_internal_to_its_kind(entities: list[str], message: Message) -> None:
    kinds = Kinds((Poked,))
    assert kinds.nudged(["poked:a", "poked:b", "poked:a"], Poke()) == ["poked:a", "poked:b"]
    with pytest.raises(TypeError, match="no Tell of its `internal`"):
        kinds.nudged(entities, message)
