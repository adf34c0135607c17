"""The load of a drill: members of rooms, spread over all nodes, who go to the next node when one lets them go.

As those of `make chaos`; and each wants to hear who comes to its room and who leaves. None does, so whoever stays where
they are should hear nothing.
"""

import random
import time
from dataclasses import dataclass
from typing import Any

from bench.load.clients import LIVE, Client, connect_command, subscribe_command
from bench.load.generators import Link
from bench.load.pace import Pace
from tests.chaos.clients import LOOK_S, REPEATS, Members, Plan, Room, State, settle, turn

COMINGS_MAX = 10_000  # joins and leaves that are kept
SETTLED_S = 5.0  # after its own connect a member may be shown others who came with it: it reads then who is there


@dataclass(frozen=True, slots=True)
class Coming:
    """Somebody was shown to come or to leave, to one member."""

    at_s: float  # on the machine's monotonic clock
    text: str


class Listeners(Members):
    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.comings: list[Coming] = []
        self._connected_s: dict[State, float] = {}  # when each did for the last time

    def on_live(self, client: Client) -> None:
        self._connected_s[client.state] = time.monotonic()
        super().on_live(client)

    def greet(self, client: Client) -> None:
        state: State = client.state
        legs, room = state.kept.legs, state.room.name
        wish = subscribe_command(room, epoch=legs[-1].epoch, offset=state.position) if legs else subscribe_command(room)
        wish["subscribe"]["join_leave"] = True
        client.greet([connect_command(state.user), wish])

    def on_push(self, state: State, push: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self._connected_s[state] < SETTLED_S or len(self.comings) >= COMINGS_MAX:
            return
        for kind in ("join", "leave"):
            if kind in push:
                who = push[kind]["info"].get("user")
                self.comings.append(Coming(now, f"{kind} of {who}, to {state.user} of {state.room.name}"))


def generate(link: Link, plan: Plan) -> None:
    """The process of clients; the script says "go" and, when all nodes have been restarted, "finish"."""
    members = Listeners(plan)
    clients: list[Client] = []
    for room_number in range(plan.rooms):
        room = Room(f"room:drill-{room_number}")
        for number in range(plan.members):
            clients.append(Client(room_number * plan.members + number, [], State(room, number)))
            members.greet(clients[-1])
    clients.sort(key=lambda client: client.state.kept.number)  # consecutive sends go to different rooms
    members.open_all(clients, within_s=plan.recover_s)
    link.say("connected")
    link.wait("go")
    link.measure()

    pace = Pace(time.perf_counter_ns(), plan.rate, 1 << 40)
    next_look = time.monotonic()
    ended = False
    while not ended:
        for number in pace.due(time.perf_counter_ns()):
            members.offer(clients[number % len(clients)])
        turn(members)
        if time.monotonic() >= next_look:
            members.look()
            next_look = time.monotonic() + LOOK_S
            ended, _ = link.heard("finish")

    well = settle(members, clients, time.monotonic() + plan.recover_s)
    rng = random.Random(plan.seed)
    for client in clients:
        done = [send for send in client.state.kept.sends if send.offset]
        if client.stage == LIVE:
            for send in rng.sample(done, min(REPEATS, len(done))):
                members.repeat(client, send)
    well = settle(members, clients, time.monotonic() + plan.recover_s) and well
    for client in clients:
        client.state.kept.live = client.stage == LIVE
        client.state.kept.unanswered = len(client.state.asked)
    link.say(
        "done",
        {
            "members": [client.state.kept for client in clients],
            "comings": members.comings,
            "errors": members.errors,
            "downs": members.downs,
            "late": not well,
            **link.cost(),
        },
    )
