"""How many events are folded at once: as many as hold the event loop for about STRETCH_S. Decisions only.

A transaction costs much the same whatever it holds, so small batches fold fewer events a second. Where more entities
wait than the next batches have events, each may hold the loop for longer, up to LATE_S: a view is to keep up.

What an event costs is the view's matter: one of a room may change a row, or two hundred. So it is measured, batch by
batch. A batch that the store had no time for is tried with fewer events, and what went well comes back slowly.
"""

STRETCH_S = 0.002  # without a checkpoint, while others need the loop
LATE_S = 0.012  # the same, where many wait
WAITING = 2  # batches' worth that may wait before a stretch becomes longer
EVENTS_MAX = 500
EVENTS_MIN = 8  # with fewer all goes into transactions, and it never catches up; but see `failed`
EVENTS_FIRST = 32  # before anything is known of the view
GROWTH = 2.0  # from one batch to the next, at most: one quick batch says little
REGROWTH = 16  # a batch that failed cost seconds: such a part more is tried with each that went well


class BatchSize:
    """Of one table. `events` is what the next batch may hold while others need the loop, `most` while nobody does."""

    def __init__(self, *, events_max: int = EVENTS_MAX) -> None:
        self.most = events_max
        self._events_max = events_max
        self.events = min(EVENTS_FIRST, events_max)

    def took(self, events: int, stretch_s: float, *, waiting: int = 0) -> None:
        """A batch of so many has landed; its longest stretch without a checkpoint, and how many entities wait now.

        The stretch is in seconds of CPU: that the host is busy with others says nothing of the view."""
        self.most = min(self._events_max, self.most + 1 + self.most // REGROWTH)
        may_s = min(LATE_S, STRETCH_S * max(1.0, waiting / (WAITING * self.events)))
        fits = int(events * may_s / stretch_s) if stretch_s > 0 else self._events_max
        if fits < self.events or events >= self.events:  # that a small batch was quick says nothing of a greater one
            self.events = min(max(fits, EVENTS_MIN), int(self.events * GROWTH), self.most)

    def failed(self, events: int) -> None:
        """A batch of so many took too long for the store: the next has half as many, whoever else needs the loop."""
        self.most = max(1, min(self.most, events) // 2)
        self.events = min(self.events, self.most)
