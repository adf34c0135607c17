"""Words: what a job's code says for people, and for how long it rests, made such that it can be sent and kept.

The same in a worker and in a process of its own. What can't be made so raises, and is the job's mistake.
"""

import math

from greenroom.actors.jobs.work import Pause, Snooze

TEXT_MAX = 8_000  # characters of an error, and of its trace
REASON_MAX = 500


def whole(text: str) -> str:
    """As UTF-8 has it: half of a pair becomes a question mark."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def seconds_of(word: Snooze | Pause) -> float:
    """How long it says. Raises: whatever turning it into a number does; ValueError where that is no time."""
    seconds = float(word.seconds)
    if not math.isfinite(seconds):
        raise ValueError(f"seconds must be a finite number, not {seconds}")
    return max(0.0, seconds)


def reason_of(pause: Pause) -> str:
    """Why, as it says."""
    return whole(str(pause.reason or "a job asked for it")[:REASON_MAX])
