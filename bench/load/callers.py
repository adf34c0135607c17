"""Clients that never give up: each asks its room again and again by the clock, one command at a time, under a key.

What is refused for the moment or was on its way when a connection ended is sent again under the same key, over the next
node in turn, as the SDKs do behind a balancer. So how long a room was away is what its longest wait says, and each
message must be in the room once. Each listens to its room, too, and resumes there from its offset.
"""

import json
import time
from array import array

from bench.load import frames, publications
from bench.load.clients import LIVE, Client, Clients, connect_command, subscribe_command
from bench.load.frames import ServerClosed
from bench.load.sending import rpc
from bench.load.tally import Tally

AGAIN_NS = 20_000_000  # before what was refused is sent again


class Caller:
    """A client's state, and what it found."""

    __slots__ = (
        "acked",
        "again_ns",
        "asked",
        "due_ns",
        "epoch",
        "next_ns",
        "node",
        "number",
        "room",
        "tally",
        "times",
        "top",
        "waits",
    )

    def __init__(self, room: str) -> None:
        self.room = room
        self.epoch = ""
        self.tally = Tally()
        self.top = 0  # the highest offset that it was told of, by acknowledgement
        self.node = 0  # where it connects, counted on and on over all nodes in turn
        self.times = 0  # how often it has been live
        self.number = 0  # of its message
        self.asked = 2  # the id of its last command; the hello has two
        self.next_ns = 0  # when its next message is due
        self.due_ns = 0  # when the one that is not answered was due; 0: none is waited for
        self.again_ns = 0  # when that is to be sent again; 0: it is on its way
        self.acked: dict[int, int] = {}  # number of the message -> its offset
        self.waits = array("q")  # of each answered message two: when it was due, and when it was acknowledged

    def hello(self, user: str) -> list[dict[str, object]]:
        if not self.times:
            return [connect_command(user), subscribe_command(self.room)]
        return [connect_command(user), subscribe_command(self.room, epoch=self.epoch, offset=self.tally.next - 1)]


class Callers(Clients):
    def __init__(self, addresses: list[tuple[str, int]], rooms: list[str], period_ns: int) -> None:
        """`addresses`: of nodes; all clients begin at the first. `period_ns`: between two messages of a client."""
        super().__init__(addresses[0], window=64)
        self._addresses = addresses
        self._period_ns = period_ns
        self.clients = [Client(number, [], Caller(room)) for number, room in enumerate(rooms)]
        for client in self.clients:
            self._greet(client)
        self.refusals: dict[str, int] = {}  # temporary ones: what was sent again
        self.errors: dict[str, int] = {}  # those that sending again does not mend
        self.downs = 0
        self.replayed = 0
        self.unrecovered = 0

    def start(self, start_ns: int) -> None:
        """Ask by the clock from then on, one after the other."""
        for client in self.clients:
            client.state.next_ns = start_ns + client.index * self._period_ns // len(self.clients)

    def ask_due(self, now_ns: int) -> None:
        """Send what is due, and what is to be sent again. A room that has yet to answer is not asked another."""
        for client in self.clients:
            caller: Caller = client.state
            if not caller.due_ns:
                if caller.next_ns and caller.next_ns <= now_ns:
                    caller.due_ns = caller.next_ns
                    caller.number += 1
                    self._send(client)
            elif caller.again_ns and caller.again_ns <= now_ns:
                self._send(client)

    def stop(self) -> None:
        """Ask nothing new."""
        for client in self.clients:
            client.state.next_ns = 0

    @property
    def waiting(self) -> int:
        """How many have yet to be answered, or to get what they were told of."""
        return sum(bool(one.due_ns) or one.tally.next <= one.top for one in (client.state for client in self.clients))

    def _send(self, client: Client) -> None:
        caller: Caller = client.state
        caller.again_ns = 0
        if client.stage != LIVE:
            return  # `on_live` sends it
        caller.asked += 1
        data = f'{{"text":"~{caller.number}~","idempotency_key":"{client.index}-{caller.number}"}}'
        self.send(client, frames.text(rpc(caller.asked, caller.room, data).encode()))

    def _greet(self, client: Client) -> None:
        client.greet(client.state.hello(f"caller{client.index}"))

    def address_of(self, client: Client) -> tuple[str, int]:
        caller: Caller = client.state
        if client.attempts:
            caller.node += 1
        return self._addresses[caller.node % len(self._addresses)]

    def on_live(self, client: Client) -> None:
        caller: Caller = client.state
        caller.times += 1
        caller.asked = 2
        reply = client.replies[2]["subscribe"]
        top = reply.get("offset", 0)
        if caller.times == 1:
            caller.tally = Tally(top)
        elif reply.get("recovered") and reply.get("epoch") == caller.epoch:
            for pub in reply.get("publications", ()):
                self.replayed += 1
                caller.tally.take(pub["offset"])
        else:
            self.unrecovered += 1
            caller.tally.skip_to(top)
        caller.epoch = reply.get("epoch", "")
        for line in client.early:
            self.on_payload(client, line, time.perf_counter_ns())
        if caller.due_ns:
            self._send(client)

    def on_down(self, client: Client, why: ServerClosed) -> None:
        if client in self._waiting:
            return  # it has left by itself, and comes back
        self.downs += 1
        client.state.node += 1
        self._greet(client)
        self.open([client])

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        for line in payload.split(b"\n"):
            if line.startswith(publications.PUSH):
                self._heard(client, line)
            elif line.startswith(publications.REPLY):
                self._answered(client.state, line, now_ns)

    def _heard(self, client: Client, line: bytes) -> None:
        found = publications.publication(line)
        if found is not None and found.offset:
            client.state.tally.take(found.offset)
        elif b'"unsubscribe"' in line:  # come back for what was missed
            self.drop(client)
            self._greet(client)
            self.open([client])

    def _answered(self, caller: Caller, line: bytes, now_ns: int) -> None:
        reply = publications.reply(line)
        if reply.id != caller.asked or not caller.due_ns:
            return
        if reply.error:
            is_temporary = json.loads(line)["error"].get("temporary", False)
            kind = self.refusals if is_temporary else self.errors
            kind[reply.error] = kind.get(reply.error, 0) + 1
            caller.again_ns = now_ns + AGAIN_NS
            return
        caller.acked[caller.number] = reply.offset
        caller.top = max(caller.top, reply.offset)
        caller.waits.extend((caller.due_ns, now_ns))
        caller.due_ns = 0
        if caller.next_ns:
            missed = (now_ns - caller.next_ns) // self._period_ns
            caller.next_ns += (missed + 1) * self._period_ns
