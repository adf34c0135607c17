"""How long to rest after a flush: as long as that saves system calls, and makes nobody wait for nothing.

A rest pays when the next flush finds several messages for each connection, which then share a system call. So what
counts is how far apart the messages of one connection are: where several come in the longest rest, one is taken; where
they are further apart all would wait, and each would leave by itself all the same.
"""

# A flush for a FEW delays nobody, however slow the machine: to look for other work would cost half as much again. The
# next messages of a CROWD are for the same connections, and worth waiting for though the loop has nothing else to do.
FEW = 16
CROWD = 500
SHARE = 2.0  # of the time that the flush took
REST_S_MIN = 0.0005
REST_S_MAX = 0.02
APART_S_MAX = 0.02  # between two messages of a connection; further apart there is no rest
NEWEST = 0.1  # the weight of the newest flush in what is known of that


class Rests:
    """What is known of the flushes so far, and the rest that follows from it."""

    __slots__ = ("_apart_s", "_share")

    def __init__(self, share: float = SHARE) -> None:
        """`share` is 0 on a virtual clock, which stands still while a test is busy."""
        self._share = share
        self._apart_s = 0.0  # between two messages of a connection, as far as is known; 0 at first

    def after(self, connections: int, messages: int, since_s: float, took_s: float) -> tuple[float, bool]:
        """Seconds to rest, 0 for none, and whether to do so though the loop has nothing else to do.

        The flush was for so many connections, with so many messages; `since_s` is how long before it one of them was
        flushed the last time.
        """
        apart_s = since_s / max(messages / connections, 1.0) if connections else since_s
        self._apart_s += NEWEST * (min(apart_s, 2 * APART_S_MAX) - self._apart_s)
        # Who was told nothing for long has nothing to come either, as when a room is closed, however busy others are.
        if connections <= FEW or self._apart_s > APART_S_MAX or apart_s > 2 * APART_S_MAX:
            return 0.0, False
        rest_s = min(self._share * took_s, REST_S_MAX)
        return (rest_s if rest_s >= REST_S_MIN else 0.0), connections >= CROWD
