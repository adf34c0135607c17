"""Publications counted in whole buffers, however the network cut them: a million a second in Python, on half a core.

Every message has a run of equal bytes in its text, which holds exactly one aligned group of four, wherever it begins.
So messages are counted by comparing groups, whatever frames and JSON stand around them. Timed messages carry a mark.
"""

import numpy as np

# No frame header has four RUN_BYTEs in a row.
RUN_BYTE, RUN = ord("@"), 7
GROUP = int.from_bytes(bytes([RUN_BYTE] * 4), "little")
RUN_TEXT = bytes([RUN_BYTE] * RUN)
MARK = b"^"
MARK_BYTES = 17  # with sixteen hex digits behind it: when the message was due, ns
KEEP = 24  # at least MARK_BYTES and RUN; a multiple of 4
_BUFFER_BYTES = 1 << 18


def said(number: int, due_ns: int, size: int) -> str:
    """The text of a message, of `size` characters; `due_ns`: its mark, 0 for none."""
    marked = f"{MARK.decode()}{due_ns:016x}" if due_ns else ""
    return f"{RUN_TEXT.decode()}{marked}.{number}.".ljust(size, "-")


class Space:
    """Where all connections of a process read into. One for all: it stays in the processor's cache."""

    __slots__ = ("buffer", "groups", "open")

    def __init__(self, size: int = _BUFFER_BYTES) -> None:
        """`size`: bytes that one read may bring; a multiple of 4."""
        self.buffer = bytearray(KEEP + size)
        self.open = memoryview(self.buffer)[KEEP:]
        self.groups = np.frombuffer(self.buffer, dtype="<u4")


class Counts:
    """What one subscriber has received: messages counted, marks collected, however the network cut them.

    Buffers are read into from KEEP bytes on; before that stands the end of what was read last.
    """

    __slots__ = ("count", "run", "tail")

    def __init__(self) -> None:
        self.count = 0
        self.tail = bytes(KEEP)
        self.run = 0  # bytes at the end of the tail that may be the beginning of a run

    def take(self, space: Space, size: int) -> list[int]:
        """Count the messages whose run ends in the `size` bytes read; gives the moments of the marks that do.

        A run of RUN bytes holds exactly one aligned group of four, wherever it begins; so messages are counted by
        comparing groups. A run that touches the end is left for the next read, whole.
        """
        buffer = space.buffer
        buffer[:KEEP] = self.tail
        end = whole = KEEP + size
        while buffer[whole - 1] == RUN_BYTE and whole > KEEP - self.run:
            whole -= 1
        groups = space.groups[(KEEP - self.run + 3) // 4 : whole // 4]
        self.count += int(np.count_nonzero(groups == GROUP))
        self.run = end - whole
        self.tail = bytes(buffer[size:end])
        marks = []
        at = buffer.find(MARK, KEEP - MARK_BYTES + 1, end - MARK_BYTES + 1)
        while at >= 0:
            try:
                marks.append(int(buffer[at + 1 : at + MARK_BYTES], 16))
                at += MARK_BYTES
            except ValueError:  # the length in a frame's header may hold the same byte; no digits follow it
                at += 1
            at = buffer.find(MARK, at, end - MARK_BYTES + 1)
        return marks
