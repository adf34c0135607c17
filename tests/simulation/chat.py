"""The built-in entities, one whose handlers wait for others, and one that has no journal."""

from random import Random
from typing import Any

import trio
from msgspec import Struct

from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import Gift, Invite, Join, Leave, Mute, React, Read, SendMessage, Typing
from greenroom.actors.identity import Session
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.message import Ask, Event, Message
from greenroom.testing import Scenario, Work

ROOMS = ("room:1", "room:2")


class Delivered(Event, tag="courier.delivered"):
    parcel: str


class Deliver(Ask[int], tag="courier.deliver"):
    """Takes a while, and looks at the board on the way."""

    parcel: str
    seconds: float


class CourierState(Struct):
    parcels: int = 0


class Courier(Actor[CourierState]):
    kind = "courier"
    commands = (Deliver,)
    events = (Delivered,)
    limits = KindLimits(async_handler_s=3.0, idle_s=10.0, snapshot_every=10, history_events=20)

    async def handle(self, message: Deliver) -> int:
        await trio.sleep(message.seconds)
        await self.ask("board:1", Look())
        self.record(Delivered(parcel=message.parcel))
        return self.offset

    def apply(self, event: Delivered) -> None:
        self.state.parcels += 1

    def view(self) -> Any:
        return {}


class Written(Event, tag="board.written"):
    text: str


class Write(Ask[int], tag="board.write"):
    text: str


class Look(Ask[int], tag="board.look"):
    pass


class BoardState(Struct):
    lines: int = 0


class Board(Actor[BoardState]):
    """In memory only."""

    kind = "board"
    commands = (Write, Look)
    events = (Written,)
    durable = False
    limits = KindLimits(idle_s=10.0)

    def handle(self, message: Message) -> int:
        if isinstance(message, Write):
            self.record(Written(text=message.text))
        return self.state.lines

    def apply(self, event: Written) -> None:
        self.state.lines += 1

    def view(self) -> Any:
        return {}


class Talk:
    def __init__(self) -> None:
        self._said = 0

    def __call__(self, draw: Random, user: str) -> Work:
        self._said += 1
        text = f"{user} {self._said}"
        chance = draw.random()
        if chance < 0.1:
            return Work("courier:1", Deliver(parcel=text, seconds=draw.choice((0.0, 0.2, 1.0))), text)
        if chance < 0.2:
            return Work("board:1", Write(text=text))
        room = draw.choice(ROOMS)
        if chance < 0.65:
            return Work(room, SendMessage(text=text), text)
        other = f"user{draw.randint(1, 4)}"
        return Work(
            room,
            draw.choice(
                [
                    Typing(),
                    Gift(item="rose", count=draw.randint(1, 3)),
                    Join(),
                    Leave(),
                    Read(offset=draw.randint(0, 100)),
                    React(offset=draw.randint(1, 100), emoji="+"),
                    Mute(user=other, seconds=draw.uniform(1.0, 30.0)),
                    Invite(user=other),
                ]
            ),
        )


def mark(event: Any) -> str | None:
    match event:
        case {"type": "room.message", "text": text}:
            return str(text)
        case {"type": "courier.delivered", "parcel": parcel}:
            return str(parcel)
    return None


def chat() -> Scenario:
    return Scenario(
        kinds=(Room, Session, Courier, Board),
        channels=(*ROOMS, "courier:1", "board:1"),
        work=Talk(),
        records=lambda message: isinstance(message, SendMessage | Gift | Deliver),
        mark=mark,
    )
