"""Where log lines leave: a thread writes them, so that a reader who stopped reading stops no one else.

stderr is often a pipe, and a pipe that nobody empties blocks whoever writes. The node's one thread must not be that
one: it hands a line over and goes on; lines beyond the bound are dropped and counted. The descriptor stays as it is,
for it is shared with others (the terminal's shell, the parent), who would be surprised to find it non-blocking.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

WAITING_BYTES_MAX = 1 << 20
GOODBYE_S = 1.0  # what lines that wait have at the end to be written


class Outlet:
    """Lines on their way into one descriptor. Written by its own thread for as long as `writing` lasts."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # of the lines that wait, and of the one being written
        self._changed = threading.Condition()
        self._ending = False
        self.dropped = 0  # lines

    def put(self, data: bytes) -> None:
        """Have a line written, or count it as dropped. Never waits for the reader."""
        with self._changed:
            if self._ending or self._bytes + len(data) > WAITING_BYTES_MAX:
                self.dropped += 1
                return
            self._lines.append(data)
            self._bytes += len(data)
            self._changed.notify()

    @property
    def emptied(self) -> bool:
        """Was all written that was taken?"""
        return self._bytes == 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run the thread; at the end wait up to GOODBYE_S for what is left."""
        thread = threading.Thread(target=self._write_all, name="log outlet", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._ending = True
                self._changed.notify()
            thread.join(GOODBYE_S)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._ending)
                if not self._lines:
                    return
                data = b"".join(self._lines)
                lines = len(self._lines)
                self._lines.clear()
            try:
                for piece in pieces(data):
                    _write(self._descriptor, piece)
            except OSError:  # its reader is gone for good
                self.dropped += lines
            with self._changed:
                self._bytes -= len(data)


def pieces(data: bytes) -> Iterator[bytes]:
    """Whole lines, as many at once as a pipe takes without letting other processes write between them."""
    begin = 0
    while begin < len(data):
        end = len(data)
        if end - begin > select.PIPE_BUF:
            end = data.rfind(b"\n", begin, begin + select.PIPE_BUF) + 1 or data.find(b"\n", begin) + 1 or end
        yield data[begin:end]
        begin = end


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
