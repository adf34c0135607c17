"""Queues as operators see them: what nodes say of those that are awake, by name. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from greenroom.supervisors.admin.told import QueuesTold, QueueTold

SHOWN_MAX = 1_000
FOR_ADMINS = ("paused_reason", "holding", "keys")  # of a queue's view
OF_KEYS = ("tiers", "weights")  # of its limits: keys are customers

Rates = dict[str, dict[str, float]]  # by queue, by outcome


def rates_between(before: Mapping[int, QueuesTold], after: Mapping[int, QueuesTold]) -> Rates:
    """How many jobs have ended a second, by all nodes that were asked twice."""
    found: Rates = {}
    for node, now in after.items():
        then = before.get(node)
        if then is None or then.started_at_ms != now.started_at_ms or now.at_s <= then.at_s:
            continue
        seconds = now.at_s - then.at_s
        for queue, counts in now.ended.items():
            rates = found.setdefault(queue, {})
            for outcome, count in counts.items():
                rate = max(0, count - then.ended.get(queue, {}).get(outcome, 0)) / seconds
                rates[outcome] = round(rates.get(outcome, 0.0) + rate, 2)
    return found


def of_queue(told: Mapping[int, QueuesTold], queue: str) -> QueueTold | None:
    """What its owner says. One that has come from another node is for a moment in the memory of both."""
    found = [one for node in told.values() for one in node.queues if one.queue == queue]
    return max(found, key=lambda one: one.waiting + one.later + one.active, default=None)


def queues_shown(
    told: Mapping[int, QueuesTold],
    rates: Rates,
    *,
    names: Collection[str],
    declared: Collection[str],
    nodes: int,
    at_ms: int,
    trouble: str,
) -> dict[str, Any]:
    """`names`: those that there are, awake or not; `declared`: those that a class of this release goes into."""
    awake = {one.queue for node in told.values() for one in node.queues}
    return {
        "at_ms": at_ms,
        "nodes": nodes,
        "answered": len(told),
        "trouble": trouble,
        "queues": [
            _line(name, of_queue(told, name) if name in awake else None, rates.get(name), name in declared)
            for name in sorted({*names, *awake})[:SHOWN_MAX]
        ],
    }


def _line(queue: str, told: QueueTold | None, rates: dict[str, float] | None, in_code: bool) -> dict[str, Any]:
    line: dict[str, Any] = {"queue": queue, "awake": told is not None, "in_code": in_code, "rates": rates}
    if told is not None:
        line |= {
            "waiting": told.waiting,
            "delayed": told.later - told.retrying,
            "retrying": told.retrying,
            "active": told.active,
            "oldest_s": round(told.oldest_s, 1),
            "workers": told.workers,
            "paused": told.paused,
            "paused_until_ms": told.paused_until_ms,
            "limited": told.limited,
        }
    return line


def queue_shown(
    queue: str,
    view: Mapping[str, Any],
    told: QueueTold | None,
    rates: dict[str, float] | None,
    classes: list[str],
    *,
    full: bool,
) -> dict[str, Any]:
    """One, by its view. `classes`: tags of those that this release knows to go into it."""
    shown = dict(view)
    limits = dict(shown.get("limits", {}))
    shown["working"] = told.workers if told is not None else None
    if not full:
        for name in FOR_ADMINS:
            shown.pop(name, None)
        for name in OF_KEYS:
            if name in limits:
                limits[name] = len(limits[name])
    return shown | {
        "queue": queue,
        "limits": limits,
        "rates": rates,
        "classes": classes,
        "can": ["resume" if view.get("paused") else "pause", "limit"],
    }
