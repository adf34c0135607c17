"""A saga as people read it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from greenroom.actors.saga.parts import Plan
from greenroom.actors.saga.plan import is_under_way
from greenroom.actors.saga.state import SagaState, StepState
from greenroom.actors.saga.step import Wait


def saga_view(state: SagaState, plan: Plan) -> dict[str, Any]:
    """JSON-able: how far it is, its steps in the order of the plan, those to come included, what is waited for, and its
    log with times in UTC."""
    begun = {step.name: step for step in state.steps}
    steps = [_step(begun[name]) if name in begun else {"name": name, "status": "waiting"} for name in plan.leaves]
    steps += [_step(step) for step in state.steps if step.name not in plan.leaves]
    seen: dict[str, Any] = {"status": state.status, "by": state.by, "steps": steps}
    if state.status in ("running", "undoing"):
        seen["waits_for"] = list(_waits_for(state, plan))
    if state.cancelled:
        seen["cancelled"] = True
    if state.of:
        seen["fork_of"] = {"entity": state.of, "from_step": state.from_step}
    if state.forks:
        seen["forks"] = [_fork(fork.entity, fork.from_step, fork.refused) for fork in state.forks]
    seen["log"] = [f"{time_of(line.at_ms)} {line.text}" for line in state.log]
    return seen


def _step(step: StepState) -> dict[str, Any]:
    """Without what is not to be said of it."""
    shown: dict[str, Any] = {"name": step.name}
    if step.entity:
        shown["entity"] = step.entity
    elif step.status in ("refused", "resting"):
        shown["entity"] = ""  # nobody was told
    shown["status"] = step.status
    if step.tries > 1:
        shown["attempts"] = step.tries
    if step.undo_tries > 1:
        shown["undo_attempts"] = step.undo_tries
    if step.error and step.status in ("resting", "undo_resting", "stuck"):
        shown["error"] = step.error
    if step.due_ms and step.status in ("resting", "undo_resting"):
        shown["next_try"] = time_of(step.due_ms)
    if step.taken:
        shown["done_by"] = step.taken
    return shown


def _waits_for(state: SagaState, plan: Plan) -> Iterator[dict[str, Any]]:
    """What is under way: `for` is whom, or what, it waits for."""
    for step in state.steps:
        found: dict[str, Any] | None = None
        match step.status:
            case "running":
                leaf = plan.leaves.get(step.name)
                tag = leaf.message.__struct_config__.tag if isinstance(leaf, Wait) else step.entity
                found = {"step": step.name, "for": tag}
            case "resting" | "undo_resting":
                found = {"step": step.name, "for": "its next try"}
            case "undoing":
                found = {"step": step.name, "for": f"its undo by {step.entity}"}
            case _:
                if is_under_way(step):
                    found = {"step": step.name, "for": f"the end of {step.entity}"}
        if found is not None:
            if step.due_ms and step.status != "undoing":
                found["until"] = time_of(step.due_ms)
            yield found


def _fork(entity: str, from_step: str, refused: str) -> dict[str, Any]:
    return {"entity": entity, "from_step": from_step} | ({"refused": refused} if refused else {})


def time_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
