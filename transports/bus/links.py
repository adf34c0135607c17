"""Links between nodes: what each call promises. Who speaks to other nodes is given `Links`, and is a `Correspondent`.

Between each two nodes there is one link: in either direction frames (bytes that mean nothing here) arrive in the order
in which they were sent, each once. A node is named by its incarnation, which is of one start of a process and never
comes again. Nothing of a link is durable: it lives in the memory of its two ends, and what carries it (a Redis that is
restarted, wiped, trimmed or stalled) may lose or repeat what it likes, which costs latency. What was lost on the way
is sent again, and what comes twice is dropped.

When that does not help in time, the link *parts* and begins anew: each end hears `parted` once for it, whichever gave
up. Frames sent before an end has heard it are dropped if they have not arrived; frames received after it were all sent
after the other end heard it, and none sent before it comes any more. So an end may treat `parted` as the line between
two lives of a connection, and either end may send again at once, also from within `parted`.
"""

from typing import Protocol


class Links(Protocol):
    """The links of one node to all others. Plain calls, for the node's one thread; none of them waits."""

    def send(self, node: int, frame: bytes, *, may_wait: bool = False) -> None:
        """Queue `frame` for the node of that incarnation; it leaves at the end of the loop's turn, many together. One
        that `may_wait` does so for others, for some milliseconds, where something has left for that node just before.

        Returning promises nothing but the order: whether it has arrived is for an answer to say, and that it may not
        have is what `parted` says. It is never in doubt longer than BUS_SILENT_S: by then it has arrived, or the link
        parts. `node` is not this node. The frame is kept, not copied.

        Raises, with nothing queued: Overloaded, when what waits for this node has reached its bound (of frames, or of
        bytes, but one frame always fits); Unavailable, when that node was forgotten, has not answered for
        BUS_SILENT_S, or what carries the links has been away for BUS_ABSENT_S.
        """

    def forget(self, node: int) -> None:
        """That node is dead, which is final: what waits for it is dropped, whatever still comes from it is too, and
        `parted` is called before this returns, if there was a link. Again, or of one never heard of: nothing happens,
        but that `send` to it raises Unavailable from now on."""

    async def drained(self) -> None:
        """Return once everything that was queued before has arrived or was dropped, whatever is sent meanwhile. The
        deadline is the caller's."""


class Correspondent(Protocol):
    """Who is told what comes over the links. Called on the node's thread, between its tasks' turns, and by one task:
    no call begins before the one before it has returned, except `parted` from within `forget`."""

    def received(self, node: int, frame: bytes) -> None:
        """A frame from that node: in the order of its sending, and once. It may send, and it must not raise: an
        exception is logged as a fault, and the frame is gone."""

    def parted(self, node: int) -> None:
        """The link to that node has begun anew, or ended since the node is gone: frames that were under way in either
        direction may have been lost, or may have arrived unheard of. Called once for each time. It may send, and it
        must not raise. After `forget` nothing comes from that node any more."""
