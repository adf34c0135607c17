"""The load of a drill: members of rooms, spread over all nodes, who go to the next node when one lets them go.

As those of `make chaos`; and each wants to hear who comes to its room and who leaves. None does, so whoever stays where
they are should hear nothing.
"""

import time
from dataclasses import dataclass
from typing import Any

from bench.load.clients import Client, connect_command, subscribe_command
from bench.load.generators import Link
from tests.chaos.clients import Members, Plan, State, finished, offer_until_finish, seated

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
    clients = seated(members, plan, range(plan.rooms), "drill")
    link.say("connected")
    link.wait("go")
    link.measure()
    offer_until_finish(link, members, clients, plan.rate)
    link.say("done", {**finished(members, clients, plan), "comings": members.comings, **link.cost()})
