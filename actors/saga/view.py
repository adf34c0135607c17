"""A saga as people read it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from greenroom.actors.saga.state import SagaState
from greenroom.actors.saga.step import Step


def saga_view(state: SagaState, steps: Sequence[Step[Any]]) -> dict[str, Any]:
    """JSON-able: how far it is, its steps in order, those to come included, and its log with times in UTC."""
    begun = [{"name": step.name, "entity": step.entity, "status": step.status} for step in state.steps]
    waiting = [{"name": step.name, "status": "waiting"} for step in steps[len(begun) :]]
    return {
        "status": state.status,
        "by": state.by,
        "steps": begun + waiting,
        "log": [f"{_time(line.at_ms)} {line.text}" for line in state.log],
    }


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
