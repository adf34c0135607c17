"""Work: what a job under way knows of itself, and can say. And what it raises to say how it goes on."""

from typing import Protocol


class Work(Protocol):
    """One attempt at one job."""

    id: str
    attempt: int  # 1 is the first
    attempts_max: int

    async def progress(self, share: float, note: str = "") -> None:
        """Show whoever watches the job that so much of it is done, 0 to 1. A cancel is delivered here too."""


class Snooze(Exception):
    """Not now: the job waits for so long, and this was no attempt."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"for {seconds} s")
        self.seconds = seconds


class Discard(Exception):
    """It can't succeed: failed, however many attempts are left."""


class Cancel(Exception):
    """Nobody wants it any more."""


class Pause(Exception):
    """Nobody is to go on for so long, as after a 429: the whole queue pauses, and this was no attempt."""

    def __init__(self, seconds: float, reason: str = "") -> None:
        super().__init__(f"the queue pauses for {seconds} s")
        self.seconds = seconds
        self.reason = reason
