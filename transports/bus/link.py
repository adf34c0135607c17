"""One end of the link to one other node: what waits, what is under way, what has arrived. It decides, and does nothing.

Frames leave in numbered entries. The other end takes them in order alone, acknowledges what it has, and drops what it
had already. What is not acknowledged is kept, within a window: where a number is missing, the receiver asks for all
after the last that it has (`AGAIN`). A loss that nothing follows shows when the sender, left without acknowledgement,
says which number was its last (an entry without frames) and asks for an answer.

A life of the link is its `beginning`, a number on which both ends agree: who gives up raises it, who sees a higher one
takes it over, each then forgets what was under way in both directions and numbers from 1 again. Entries of a lower one
are dropped, so nothing from before comes after.
"""

import math
from collections import deque

from greenroom.actors.model.errors import Overloaded, Unavailable
from greenroom.config.limits import BusConfig
from greenroom.transports.bus.entries import AGAIN, ANSWER, FRAME_COST, VERSION, Entry, encode

ANSWER_AWAITED_S = 0.25  # after that without progress the other end is asked; doubles
ASKED_EVERY_S = 1.0  # at the latest
PROMPT_SHARE = 4  # this part of a window having arrived, it is acknowledged without waiting for company


class Link:
    """The end at `me` of the link to `node`. No clock: `now` is the caller's, in seconds."""

    __slots__ = (
        "_acknowledged",
        "_again",
        "_answer",
        "_ask",
        "_ask_at",
        "_ask_pause_s",
        "_config",
        "_gap_said",
        "_me",
        "_prompt_bytes",
        "_prompt_entries",
        "_received",
        "_resend",
        "_said",
        "_sent",
        "_since",
        "_under_way",
        "_under_way_bytes",
        "_unsaid_bytes",
        "_waiting",
        "_waiting_bytes",
        "beginning",
        "dirty",
        "fresh",
        "gone",
        "held_bytes",
        "held_frames",
        "late",
        "left_at",
        "node",
        "resent",
        "settled_frames",
        "silent",
    )

    def __init__(self, me: int, node: int, config: BusConfig) -> None:
        self.node = node
        self.dirty = False  # whether it is among those to be flushed: the owner's mark
        self.gone = False  # the node is, and this with it: the owner's mark
        self.late = False  # whether some of what waits does so for company: the owner's mark
        self.left_at = -math.inf  # when something left last, on the owner's clock: likewise
        self.silent = False  # given up, and not heard of since
        self.fresh = 0  # frames that `take` has given for the first time; whoever counts them sets it back
        self.resent = 0  # entries that it has given again; likewise
        self._me = me
        self._config = config
        self._prompt_bytes = config.window_bytes // PROMPT_SHARE
        self._prompt_entries = max(1, config.window_entries // PROMPT_SHARE)
        self._begin(1)

    def _begin(self, beginning: int) -> None:
        self.beginning = beginning
        self.held_frames = 0  # that wait or are under way
        self.held_bytes = 0  # of them, each with its cost
        self.settled_frames = 0  # that have arrived
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._under_way: deque[tuple[int, list[bytes], int]] = deque()  # number, frames, bytes
        self._under_way_bytes = 0
        self._sent = 0  # the last number given
        self._acknowledged = 0  # by the other end
        self._received = 0  # the last number that has arrived, as have all before it
        self._said = 0  # of that, what the other end was told
        self._unsaid_bytes = 0
        self._gap_said = -1  # the number after which something was missing, when that was last said
        self._resend = False
        self._ask = False
        self._answer = False
        self._again = False
        self._since: float | None = None  # since when there was no progress with what is held
        self._ask_at = 0.0
        self._ask_pause_s = ANSWER_AWAITED_S

    # Sending

    def put(self, frame: bytes) -> None:
        """Raises: Overloaded, Unavailable."""
        cost = len(frame) + FRAME_COST
        if self.held_frames and (
            self.held_frames >= self._config.queue_frames_max or self.held_bytes + cost > self._config.queue_bytes_max
        ):
            raise Overloaded(f"what waits for node {self.node:016x} has reached its bound")
        if self.silent:
            raise Unavailable(f"node {self.node:016x} does not answer")
        self._waiting.append(frame)
        self._waiting_bytes += cost
        self.held_frames += 1
        self.held_bytes += cost

    def take(self) -> list[bytes]:
        """The entries that are to leave now, in order; [] when there is nothing to say, or the window is full."""
        leaving: list[tuple[int, list[bytes]]] = []
        if self._resend:
            self._resend = False
            leaving += [(number, frames) for number, frames, _ in self._under_way]
            self.resent += len(leaving)
        while self._waiting and self._window_open():
            frames, size = self._cut()
            self._sent += 1
            self.fresh += len(frames)
            self._under_way.append((self._sent, frames, size))
            self._under_way_bytes += size
            leaving.append((self._sent, frames))
        if not leaving:
            if not (self._answer or self._ask or self._again):
                return []
            leaving.append((self._sent, []))
        flags = (AGAIN if self._again else 0) | (ANSWER if self._ask else 0)
        self._answer = self._ask = self._again = False
        self._said, self._unsaid_bytes = self._received, 0
        last = len(leaving) - 1
        return [
            encode(Entry(VERSION, self._me, self.beginning, number, self._received, flags if at == last else 0, frames))
            for at, (number, frames) in enumerate(leaving)
        ]

    def _window_open(self) -> bool:
        under_way = len(self._under_way)
        return not under_way or (
            under_way < self._config.window_entries and self._under_way_bytes < self._config.window_bytes
        )

    def _cut(self) -> tuple[list[bytes], int]:
        """Frames for one entry, off the front of those that wait, at least one; and their bytes with their cost."""
        waiting, most = self._waiting, self._config.entry_bytes_max
        if self._waiting_bytes <= most:
            self._waiting, size, self._waiting_bytes = [], self._waiting_bytes, 0
            return waiting, size
        size = len(waiting[0]) + FRAME_COST
        count = 1
        while count < len(waiting) and (more := size + len(waiting[count]) + FRAME_COST) <= most:
            size = more
            count += 1
        frames = waiting[:count]
        del waiting[:count]
        self._waiting_bytes -= size
        return frames, size

    # Receiving

    def arrived(self, entry: Entry, size: int) -> tuple[bool, list[bytes]]:
        """Whether the link has parted by it, and then the frames to hand on; `size`: the entry's bytes."""
        parted = False
        if entry.beginning != self.beginning:
            if entry.beginning < self.beginning:
                self._answer = True  # that end has yet to hear that the link began anew
                return False, []
            self._begin(entry.beginning)
            parted = True
        self.silent = False
        if entry.acknowledged > self._acknowledged:
            self._settle(entry.acknowledged)
        if entry.flags & AGAIN and self._under_way:
            self._resend = True
        if entry.flags & ANSWER:
            self._answer = True
            self._gap_said = -1
        number = entry.number
        if number > self._received + (1 if entry.frames else 0):
            # Once for each place, and whenever asked: what follows the gap says nothing new, and what fills it is big.
            if self._gap_said != self._received:
                self._gap_said = self._received
                self._again = True
            return parted, []
        if not entry.frames:
            return parted, []
        if number <= self._received:
            self._answer = True  # the acknowledgement was lost
            return parted, []
        self._received = number
        self._unsaid_bytes += size
        if self._unsaid_bytes >= self._prompt_bytes or number - self._said >= self._prompt_entries:
            self._answer = True
        return parted, entry.frames

    def _settle(self, acknowledged: int) -> None:
        self._acknowledged = acknowledged
        self._since = None
        under_way = self._under_way
        while under_way and under_way[0][0] <= acknowledged:
            _, frames, size = under_way.popleft()
            self._under_way_bytes -= size
            self.held_bytes -= size
            self.held_frames -= len(frames)
            self.settled_frames += len(frames)

    # Time

    @property
    def owes(self) -> bool:
        """Whether the other end has yet to hear that something of it has arrived."""
        return self._received > self._said

    @property
    def has_to_say(self) -> bool:
        """Whether `take` would give anything."""
        return (
            self._answer
            or self._ask
            or self._again
            or (self._resend and bool(self._under_way))
            or (bool(self._waiting) and self._window_open())
        )

    def acknowledge(self) -> None:
        """What has arrived waited long enough for company: say so in the next `take`."""
        if self.owes:
            self._answer = True

    def ask(self) -> None:
        """Ask the other end what it has, in the next `take`, if anything is open."""
        if self._under_way or self.silent:
            self._ask = True

    def tend(self, now: float) -> bool:
        """From time to time: ask where an answer is due; give up where none has come. True when the link has parted."""
        if not self.held_frames and not self.silent:
            self._since = None
            return False
        if self._since is None:
            self._since = now
            self._ask_pause_s = ANSWER_AWAITED_S
            self._ask_at = now + self._ask_pause_s
            return False
        if self.held_frames and now - self._since >= self._config.silent_s:
            self._begin(self.beginning + 1)
            self.silent = True
            self._ask = True  # by which the other end hears that the link began anew
            return True
        if now >= self._ask_at:
            self.ask()
            self._ask_pause_s = min(2 * self._ask_pause_s, ASKED_EVERY_S)
            self._ask_at = now + self._ask_pause_s
        return False
