"""When a queue looks for jobs that others have added, and which it has seen. Pure: time comes as an argument.

It looks when somebody says that there are some, and else about once a second: who adds by SQL says nothing, and what
others say is a hint that may be lost. What is found counts from what had been seen: a look that was asked for twice
brings each job once.
"""

from greenroom.store.jobs.jobs import Look, Seen

EVERY_MS = 1_000  # between two looks, give or take a fifth
ANSWER_MS = 5_000  # after which a look is taken for lost


class Looking:
    """Of one queue, in one life."""

    def __init__(self, seen: Seen, now_ms: int) -> None:
        self.seen = seen
        self._next_ms = now_ms
        self._asked_ms: int | None = None  # when the look under way was asked for
        self._is_told = False  # of others, since then

    def told(self) -> None:
        """Somebody has added some."""
        self._is_told = True

    def is_due(self, now_ms: int, *, polls: bool) -> bool:
        """Is it to look now? If so, it does. `polls`: somebody would want what there is."""
        if self._asked_ms is not None:
            if now_ms < self._asked_ms + ANSWER_MS:
                return False
            self._asked_ms, self._is_told = None, True  # lost, with what somebody had said
        if not self._is_told and not (polls and now_ms >= self._next_ms):
            return False
        self._is_told = False
        self._asked_ms = now_ms
        return True

    def found(self, since: Seen, look: Look, now_ms: int, chance: float) -> bool:
        """Is that what has come since what it had seen? Then it has seen these too. `chance`: 0 to 1.

        `since` is that very object, and no equal one: a former life may have asked before a standby took over, which
        gives the same numbers to other transactions, and what it was answered is there no more.
        """
        if since is not self.seen:
            return False
        self.seen = look.seen
        self._asked_ms = None
        self._next_ms = now_ms + int(EVERY_MS * (0.8 + 0.4 * chance))
        if not look.is_whole:
            self._is_told = True
        return True

    def next_ms(self, *, polls: bool) -> int | None:
        """When it is to look if nothing happens until then."""
        if self._asked_ms is not None:
            return self._asked_ms + ANSWER_MS
        return self._next_ms if polls else None
