"""What `deliver` raises, sorted by what is done next. Any other error is a failure: tried again, then laid aside."""


class Unreachable(Exception):
    """The other side is down, or wants to be left alone: the whole sink rests, and nothing is laid aside for it.

    `OSError` and a `deliver` that takes longer than `deadline_s` say the same.
    """

    def __init__(self, why: str, *, retry_after_s: float | None = None) -> None:
        """`retry_after_s`: as long as the other side asks for; None: it does not say."""
        super().__init__(why)
        self.retry_after_s = retry_after_s


class BatchRefused(Exception):
    """The other side will never take this batch. It is delivered by halves until one event is alone, and the entity of
    that one is parked: its later events wait, those of all others go on."""


class Gone(Exception):
    """The other side wants nothing more, ever. The sink is paused until `greenroom views resume`."""
