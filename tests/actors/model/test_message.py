"""Messages and events: what a subclass is without saying so."""

import msgspec
import pytest
from msgspec import Struct, field

from greenroom import Ask, Event, Message, Tell
from greenroom.actors.media.messages import Digest
from greenroom.actors.social.feed.messages import MediaId, PostId


class Total(Struct):
    claps: int


class Clap(Ask[Total], tag="applause.clap"):
    times: int = 1
    for_whom: str  # after one with a default: only fields given by name may stand so


class Hush(Tell, tag="applause.hush"):
    pass


class Clapped(Event, tag="applause.clapped"):
    times: int
    by: list[str] = field(default_factory=list)


class LouderClap(Clap, tag="applause.louder"):
    decibel: int


def test_fields_are_given_by_name() -> None:
    assert Clap(times=3, for_whom="ann").times == 3
    assert LouderClap(for_whom="ann", decibel=90).times == 1
    assert Clapped(times=1).by == []
    with pytest.raises(TypeError):
        Clap(3, "ann")  # type: ignore[call-arg, arg-type]  # refused by mypy too: an unused ignore fails the check
    with pytest.raises(TypeError):
        Clapped(3)  # type: ignore[call-arg]


def test_what_was_said_stays_as_it_is() -> None:
    clap = Clap(for_whom="ann")
    with pytest.raises(AttributeError):
        clap.times = 4  # type: ignore[misc]
    clapped = Clapped(times=1)
    with pytest.raises(AttributeError):
        clapped.times = 4  # type: ignore[misc]
    assert {clap: 1}[Clap(for_whom="ann")] == 1


@pytest.mark.parametrize("cls", [Message, Ask, Tell, Hush, Event, LouderClap])
def test_every_class_is_frozen(cls: type[Struct]) -> None:
    assert cls.__struct_config__.frozen


@pytest.mark.parametrize(("kind", "text"), [(PostId, "0" * 32), (MediaId, "0" * 24), (Digest, "0" * 64)])
def test_a_line_behind_an_id_is_no_part_of_it(kind: object, text: str) -> None:
    assert msgspec.convert(text, kind) == text
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text + "\n", kind)
