"""What becomes of a repeated command, per kind, in words: for the command line and the API's documents."""

import math

from greenroom.actors.model.kinds import Kind

REUSED = "command_id.reused"  # 409
_UNITS = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def repeats_of(kind: Kind) -> str:
    """A sentence or two."""
    if not kind.actor.durable:
        return "Kept in memory only: an idempotency key is not remembered, and a repeat is handled again."
    kept_s = kind.limits.command_ids_s
    how_long = "for ever" if kept_s == math.inf else f"for at least {span(kept_s)}"
    return (
        f"An idempotency key is remembered {how_long}: a repeat gets the first "
        f"answer. With other fields it is refused with 409 {REUSED}."
    )


def span(seconds: float) -> str:
    """A time in the largest unit that leaves nothing over, as people say it."""
    for unit_s, name in _UNITS:
        if seconds >= unit_s and seconds % unit_s == 0:
            return f"{seconds / unit_s:g} {name}{'' if seconds == unit_s else 's'}"
    return f"{seconds:g} seconds"
