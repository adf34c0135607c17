"""The load: members of rooms who send, resume and write down what they were told. One process of them.

As `bench chat`, and patient: every send has an idempotency key and is sent again under it until it is acknowledged.
Some are sent twice at once, and after a reconnect the last acknowledged one is asked for again: the answers must agree.
"""

import json
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.load import frames
from bench.load.clients import LIVE, Client, Clients, connect_command, subscribe_command
from bench.load.frames import ServerClosed
from bench.load.generators import Link
from bench.load.pace import Pace
from tests.chaos.records import Leg, Member, Repeat, Send, mark_of, text_of

WINDOW = 4  # messages of one member on their way
TWICE = 0.05  # share of the messages that are sent twice at once
ASK_AGAIN_S = 8.0  # without an answer, on a connection that lives; the server's own deadline is 5 s
PAUSE_S = (0.05, 1.0)  # after an error: first and longest
REPEATS = 10  # messages of each member that are asked for again at the end
TURN_S = 0.002
LOOK_S = 0.1  # between two looks for what has waited long enough
ACKNOWLEDGED, CONNECTED, RECONNECTS, RESYNCHRONISED = range(4)  # cells of `progress`


@dataclass(frozen=True)
class Plan:
    addresses: list[tuple[str, int]]  # of servers; who has lost one goes to the next
    first: int  # rooms first, first + processes, ...
    processes: int
    rooms: int
    members: int
    rate: float  # sends offered each second, by all processes
    text_bytes: int
    recover_s: float  # how long everything may take to be well again once the faults have stopped
    seed: int
    progress: Any  # four numbers that this process writes and the script reads


class Room:
    __slots__ = ("name", "top")

    def __init__(self, name: str) -> None:
        self.name = name
        self.top = 0  # the highest offset that anybody here was told of


class Waiting:
    """A message, or a question about one that is acknowledged, without an answer so far."""

    __slots__ = ("again_at", "pause_s", "send", "sent_at")

    def __init__(self, send: Send) -> None:
        self.send = send
        self.sent_at = 0.0
        self.again_at = 0.0  # 0: not before ASK_AGAIN_S have passed
        self.pause_s = PAUSE_S[0]


class State:
    """What belongs to one client. `kept` is what is handed over for the check."""

    __slots__ = ("asked", "kept", "next_id", "position", "room", "server", "user", "waiting")

    def __init__(self, room: Room, number: int) -> None:
        self.room = room
        self.user = f"{room.name.partition(':')[2]}-{number}"
        self.kept = Member(room.name, number)
        self.position = 0
        self.server = number  # where it connects, counted on and on over all in turn
        self.waiting: dict[int, Waiting] = {}  # by number of the message
        self.asked: dict[int, int] = {}  # id of a command on this connection -> number of its message
        self.next_id = 3

    @property
    def well(self) -> bool:
        return not self.waiting and not self.asked and self.position >= self.room.top


class Members(Clients):
    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.addresses[0], window=64)
        self._addresses = plan.addresses
        self._rng = random.Random(plan.seed * 1_000 + plan.first)
        self._text_bytes = plan.text_bytes
        self._progress = plan.progress
        self._gone: list[Client] = []  # those whose subscription has ended
        self.acknowledged = 0
        self.downs: dict[str, int] = {}
        self.errors: dict[str, int] = {}

    # Subscribing.

    def greet(self, client: Client) -> None:
        """Have it connect next, and subscribe from where it was."""
        state: State = client.state
        legs, room = state.kept.legs, state.room.name
        wish = subscribe_command(room, epoch=legs[-1].epoch, offset=state.position) if legs else subscribe_command(room)
        client.greet([connect_command(state.user), wish])

    def address_of(self, client: Client) -> tuple[str, int]:
        state: State = client.state
        if client.attempts:
            state.server += 1
        return self._addresses[state.server % len(self._addresses)]

    def on_live(self, client: Client) -> None:
        state: State = client.state
        reply = client.replies[2]["subscribe"]
        legs, epoch = state.kept.legs, reply.get("epoch", "")
        recovered = bool(legs) and bool(reply.get("recovered")) and epoch == legs[-1].epoch
        if legs:
            self._progress[RECONNECTS] += 1
            self._progress[RESYNCHRONISED] += not recovered
        if not recovered:
            state.position = reply.get("offset", 0)
        state.room.top = max(state.room.top, reply.get("offset", 0))
        leg = Leg(epoch, state.position, recovered)
        legs.append(leg)
        if recovered:
            for pub in reply.get("publications", ()):
                self._saw(state, leg, pub)
        state.asked.clear()
        for line in client.early:
            self._take(client, line)
        sends = state.kept.sends
        last = next((send for send in reversed(sends) if send.offset), None)
        for waiting in sorted(state.waiting.values(), key=lambda one: one.send.number):
            self._send_again(client, waiting)
        if last is not None:
            self.repeat(client, last)

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        for line in payload.split(b"\n"):
            self._take(client, line)

    def on_down(self, client: Client, why: ServerClosed) -> None:
        self.downs[str(why)] = self.downs.get(str(why), 0) + 1
        client.state.server += 1
        self._come_back(client)

    def _come_back(self, client: Client) -> None:
        client.state.asked.clear()
        self.greet(client)
        self.open([client])

    def _take(self, client: Client, line: bytes) -> None:
        if line == frames.PING:
            return  # answered already
        told = msgspec.json.decode(line)
        state: State = client.state
        push = told.get("push")
        if push is None:
            self._answered(state, told)
        elif push.get("channel") == state.room.name:
            if "pub" in push:
                self._saw(state, state.kept.legs[-1], push["pub"])
            elif "unsubscribe" in push:
                self._gone.append(client)
            else:
                self.on_push(state, push)

    def on_push(self, state: State, push: dict[str, Any]) -> None:
        """Something else of its room: joins and leaves, for those who want to hear of them."""

    def _saw(self, state: State, leg: Leg, pub: dict[str, Any]) -> None:
        offset = pub.get("offset", 0)
        if not offset:
            return  # ephemeral
        leg.offsets.append(offset)
        leg.marks.append(mark_of(pub.get("data")))
        state.position = max(state.position, offset)
        state.room.top = max(state.room.top, offset)

    def resubscribe(self) -> None:
        """Those who were told that their subscription has ended come back over a new connection."""
        gone, self._gone = self._gone, []
        for client in gone:
            if client.stage == LIVE:
                self.downs["unsubscribed"] = self.downs.get("unsubscribed", 0) + 1
                self.drop(client)
                self._come_back(client)

    # Sending.

    def offer(self, client: Client) -> None:
        """A new message, unless the client is away or has enough on its way."""
        state: State = client.state
        if client.stage != LIVE or len(state.waiting) >= WINDOW:
            return
        send = Send(len(state.kept.sends), state.room.top, sent_s=time.monotonic(), leg=len(state.kept.legs))
        state.kept.sends.append(send)
        waiting = state.waiting[send.number] = Waiting(send)
        self._transmit(client, waiting)
        if self._rng.random() < TWICE:
            self._transmit(client, waiting)

    def repeat(self, client: Client, send: Send) -> None:
        """Ask again for the answer to a message that was acknowledged."""
        state: State = client.state
        if send.number not in state.waiting:
            waiting = state.waiting[send.number] = Waiting(send)
            self._transmit(client, waiting)

    def look(self) -> None:
        """Send again what was refused for now or has waited for too long."""
        now = time.monotonic()
        for client in list(self._by_fd.values()):
            if client.stage == LIVE:
                for waiting in client.state.waiting.values():
                    if now >= (waiting.again_at or waiting.sent_at + ASK_AGAIN_S):
                        self._send_again(client, waiting)
        self._progress[ACKNOWLEDGED], self._progress[CONNECTED] = self.acknowledged, self.live

    def _send_again(self, client: Client, waiting: Waiting) -> None:
        waiting.send.retried = waiting.send.retried or not waiting.send.offset
        self._transmit(client, waiting)

    def _transmit(self, client: Client, waiting: Waiting) -> None:
        state: State = client.state
        number = waiting.send.number
        waiting.sent_at, waiting.again_at = time.monotonic(), 0.0
        said = text_of(state.kept.number, number, self._text_bytes)
        data = {"text": said, "idempotency_key": f"{state.user}.{number}"}
        command = {"id": state.next_id, "rpc": {"method": f"{state.room.name}/send", "data": data}}
        state.asked[state.next_id] = number
        state.next_id += 1
        self.send(client, frames.text(json.dumps(command).encode()))

    def _answered(self, state: State, told: dict[str, Any]) -> None:
        number = state.asked.pop(told.get("id", 0), None)
        if number is None:
            state.kept.refused.append(f"an answer to nothing that was asked: {str(told)[:200]}")
            return
        error = told.get("error")
        if error is not None:
            self._failed(state, number, error)
            return
        answer = told["rpc"]["data"]
        send = state.kept.sends[number]
        if send.offset:
            state.kept.repeats.append(Repeat(number, answer["offset"], answer["at_ms"]))
        else:
            send.offset, send.at_ms = answer["offset"], answer["at_ms"]
            send.acked_s, send.acked_leg = time.monotonic(), len(state.kept.legs)
            state.room.top = max(state.room.top, send.offset)
            self.acknowledged += 1
        state.waiting.pop(number, None)

    def _failed(self, state: State, number: int, error: dict[str, Any]) -> None:
        text = f"{error.get('code')} {error.get('message')}"
        self.errors[text] = self.errors.get(text, 0) + 1
        waiting = state.waiting.get(number)
        if not error.get("temporary"):
            state.kept.refused.append(text)
            state.waiting.pop(number, None)
        elif waiting is not None:
            waiting.again_at = time.monotonic() + waiting.pause_s * self._rng.uniform(0.5, 1.0)
            waiting.pause_s = min(PAUSE_S[1], waiting.pause_s * 2)


def generate(link: Link, plan: Plan) -> None:
    """One process of clients; the script says "go" and, when its faults are over, "finish"."""
    members = Members(plan)
    clients = seated(members, plan, range(plan.first, plan.rooms, plan.processes), "chaos")
    link.say("connected")
    link.wait("go")
    offer_until_finish(link, members, clients, plan.rate / plan.processes)
    link.say("done", finished(members, clients, plan))


def seated(members: Members, plan: Plan, rooms: Iterable[int], name: str) -> list[Client]:
    """All who are in those rooms, connected; consecutive ones are in different rooms."""
    clients: list[Client] = []
    for room_number in rooms:
        room = Room(f"room:{name}-{room_number}")
        for number in range(plan.members):
            clients.append(Client(room_number * plan.members + number, [], State(room, number)))
            members.greet(clients[-1])
    clients.sort(key=lambda client: client.state.kept.number)
    members.open_all(clients, within_s=plan.recover_s)
    return clients


def offer_until_finish(link: Link, members: Members, clients: list[Client], rate: float) -> None:
    """Messages, so many a second, until the script says "finish"."""
    pace = Pace(time.perf_counter_ns(), rate, 1 << 40)
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


def finished(members: Members, clients: list[Client], plan: Plan) -> dict[str, Any]:
    """What the script is told, once everybody is well again, and has asked anew for some of what was acknowledged."""
    deadline = time.monotonic() + plan.recover_s
    well = settle(members, clients, deadline)
    rng = random.Random(plan.seed)
    for client in clients:
        done = [send for send in client.state.kept.sends if send.offset]
        if client.stage == LIVE:
            for send in rng.sample(done, min(REPEATS, len(done))):
                members.repeat(client, send)
    well = settle(members, clients, max(deadline, time.monotonic() + ASK_AGAIN_S)) and well
    for client in clients:
        client.state.kept.live = client.stage == LIVE
        client.state.kept.unanswered = len(client.state.asked)
    return {
        "members": [client.state.kept for client in clients],
        "errors": members.errors,
        "downs": members.downs,
        "late": not well,
    }


def turn(members: Members) -> None:
    members.turn(TURN_S)
    members.resubscribe()


def settle(members: Members, clients: list[Client], deadline: float) -> bool:
    """Until everybody is connected, has an answer to everything and has seen all that anybody has heard of.

    False when that was not so at the deadline (by time.monotonic).
    """
    while time.monotonic() < deadline:
        turn(members)
        members.look()
        if all(client.stage == LIVE and client.state.well for client in clients):
            return True
    return False
