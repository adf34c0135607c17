"""The time that one statement has. Many are under way and few ever need it, so it costs no cancel scope until one does:
to enter and leave one takes as long as a whole pass of trio's scheduler."""

from collections.abc import Callable

import trio


class Lapsed(Exception):
    """The statement has had its time."""


class Lapse:
    """Until when a statement may take, on trio's clock; it can become less."""

    __slots__ = ("_less", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self._less: Callable[[float], None] | None = None  # is told by whoever waits

    def shorten(self, until: float) -> None:
        if until < self.until:
            self.until = until
            if self._less is not None:
                self._less(until)

    def watch(self, less: Callable[[float], None] | None) -> None:
        """Whoever waits keeps to `until`, and hears of it when it has become less; None: nobody does any more."""
        self._less = less

    def scope(self) -> trio.CancelScope:
        """Ends what is awaited in it then. Not to be used twice at once."""
        scope = trio.CancelScope(deadline=self.until)

        def less(until: float) -> None:
            scope.deadline = until

        self.watch(less)
        return scope
