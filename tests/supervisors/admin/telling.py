"""What nodes say, made up for tests."""

from typing import Any

from greenroom.config.telemetry.instruments import durations
from greenroom.store.overview.cluster import NodeRow
from greenroom.supervisors.admin.told import EntityTold, NodeTold

EMPTY = list(durations().counts)


def told(node: int = 1, **fields: Any) -> NodeTold:
    said: dict[str, Any] = {
        "node": f"{node:016x}",
        "at_s": 0.0,
        "started_at_ms": 0,
        "version": "1",
        "serving": True,
        "memory_bytes": 1,
        "awake": 0,
        "kinds": {},
        "deepest": [],
        "mailbox_depth": 0,
        "connections": 0,
        "subscriptions": 0,
        "slow": [],
        "slow_count": 0,
        "queue_bytes": 0,
        "outbox_waiting": 0,
        "timers_overdue": 0,
        "letters_stored": 0,
        "counters": {},
        "lag": EMPTY,
        "commits": EMPTY,
        "links": {},
        "moves": [],
        "failures": [],
    }
    return NodeTold(**said | fields)


def told_of_entity(node: int = 1, **fields: Any) -> EntityTold:
    said: dict[str, Any] = {"node": f"{node:016x}", "owns": True, "awake": True}
    return EntityTold(**said | fields)


def row(incarnation: int = 1, **fields: Any) -> NodeRow:
    said: dict[str, Any] = {
        "incarnation": incarnation,
        "url": f"http://{incarnation}",
        "version": "1",
        "state": "up",
        "capacity": 100,
        "alone": False,
        "shards": 8,
        "lease_left_s": 4.0,
        "joined_at_ms": 1,
        "ended_at_ms": None,
        "why": None,
    }
    return NodeRow(**said | fields)
