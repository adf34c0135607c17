"""A queue as it is shown: how many jobs there are in which state, what it is limited to, and who works on them."""

from heapq import nlargest
from typing import Any

import msgspec

from greenroom.actors.jobs.limits import QueueLimits
from greenroom.actors.jobs.queue.control import QueueState
from greenroom.actors.jobs.queue.desk import Desk

WORKERS_MAX = 100  # that are named
KEYS_SHOWN_MAX = 100  # of those that a limit names


def overview(state: QueueState, desk: Desk, limits: QueueLimits, waiting_workers: int, now_ms: int) -> dict[str, Any]:
    """JSON-able and bounded."""
    order = desk.order
    order.advance(now_ms)
    later = len(order.later)
    is_paused = state.is_paused(now_ms)
    holding = {name: sum(len(held.jobs) for held in hand.held.values()) for name, hand in desk.hands.items()}
    shown = msgspec.to_builtins(limits)
    for name in ("tiers", "weights"):
        if name in shown:
            shown[name] = dict(list(shown[name].items())[:KEYS_SHOWN_MAX])
    return {
        "unfinished": len(desk.jobs),
        "waiting": order.ready,
        "delayed": later - order.retrying,
        "retrying": order.retrying,
        "blocked": len(desk.blocked.jobs),
        "active": order.running,
        "load": order.load,
        "keys": len(order.keys),
        "oldest_ms": order.ages.oldest_ms(now_ms) or 0,
        "paused": is_paused,
        "paused_until_ms": state.paused_until_ms if is_paused else None,
        "paused_reason": state.paused_reason if is_paused else "",
        "limits": shown,
        "workers": len(holding),
        "workers_waiting": waiting_workers,
        "holding": dict(nlargest(WORKERS_MAX, holding.items(), key=lambda one: one[1])),
    }
