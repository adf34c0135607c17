import math
from typing import Any

import pytest
from msgspec import Struct

from greenroom.actors.chat.room import Room
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import Event
from greenroom.actors.schema.repeats import repeats_of, span


class Went(Event, tag="brief.went"):
    pass


class State(Struct):
    pass


class Brief(Actor[State]):
    kind = "brief"
    events = (Went,)
    limits = KindLimits(command_ids_s=600.0)

    def apply(self, event: Any) -> None:
        pass


class Lasting(Brief):
    limits = KindLimits(command_ids_s=math.inf)


class Volatile(Actor[State]):
    kind = "volatile"
    durable = False


def test_a_kind_says_how_long_it_remembers_keys_and_what_another_body_gets() -> None:
    assert "at least 1 day" in repeats_of(Kind(Room))
    assert "at least 10 minutes" in repeats_of(Kind(Brief)) and "409 command_id.reused" in repeats_of(Kind(Brief))
    assert "remembered for ever: " in repeats_of(Kind(Lasting))
    assert "not remembered" in repeats_of(Kind(Volatile))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (86_400.0, "1 day"),
        (172_800.0, "2 days"),
        (3_600.0, "1 hour"),
        (90.0, "90 seconds"),
        (1.0, "1 second"),
        (0.5, "0.5 seconds"),
    ],
)
def test_times_as_people_say_them(seconds: float, said: str) -> None:
    assert span(seconds) == said
