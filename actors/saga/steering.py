"""May a saga do what somebody wants of it, and what comes of that? Decided from how far it is, and its plan."""

from collections.abc import Sequence

from greenroom.actors.model.errors import Refused
from greenroom.actors.saga.events import Taken
from greenroom.actors.saga.parts import Plan, leaves_of
from greenroom.actors.saga.plan import Outlook
from greenroom.actors.saga.state import FORKS_MAX, NOTHING, SagaState, StepState
from greenroom.actors.saga.step import Step

ENDED = ("done", "undone", "stuck")


def check_cancel(state: SagaState, plan: Plan) -> None:
    """Raises: Refused."""
    if state.status in ENDED:
        raise Refused("saga.ended", f"it is {state.status}", status=409)
    for step in state.steps:
        if state.status == "running" and step.status == "running" and is_final(step, plan):
            raise Refused("saga.too_late", f"{step.name} is under way, and can't be taken back", status=409)


def is_final(step: StepState, plan: Plan) -> bool:
    """Is it a step that is waited for as long as it takes, for it can't be taken back?"""
    leaf = plan.leaves.get(step.name)
    return isinstance(leaf, Step) and leaf.deadline_s is None


def check_retry(state: SagaState) -> None:
    """Raises: Refused."""
    if not any(step.status in ("stuck", "resting", "undo_resting") for step in state.steps):
        raise Refused("saga.nothing_to_retry", f"it is {state.status}, and nothing of it was refused", status=409)
    if state.status not in ("running", "undoing", "stuck"):
        raise Refused("saga.ended", f"it is {state.status}", status=409)


def check_resume(state: SagaState, plan: Plan) -> None:
    """Raises: Refused. Where nobody knows whether a step was done it can't be begun anew: it would be done twice."""
    if state.status not in ("undone", "stuck"):
        raise Refused("saga.not_undone", f"it is {state.status}, and has not gone back", status=409)
    if not state.back:
        raise Refused("saga.not_undone", "it has gone forward, and an undo is left: retry it", status=409)
    for step in state.steps:
        leaf = plan.leaves.get(step.name)
        if leaf is None:
            raise Refused("saga.no_such_step", f"the code has no step {step.name} any more", status=409)
        if step.status == "stuck" and step.name not in state.replies:
            raise Refused("saga.unknown_step", f"nobody knows whether {step.name} was done", status=409)
        if step.status == "stuck" and step.may_be_undone:
            raise Refused("saga.unknown_step", f"nobody knows whether {step.name} was undone: retry it", status=409)
        left = step.status in ("overdue", "dropped", "failed") and bool(step.entity) and not step.taken
        if left and (step.part or not step.late_refused):
            raise Refused("saga.unknown_step", f"nobody knows what {step.name} has done", status=409)


def taken_by_fork(state: SagaState, plan: Plan, from_step: str, key: str) -> list[Taken]:
    """What another saga needs to know that begins at the part of the plan which has this step. `key`: this one's.

    Raises: Refused.
    """
    if state.status not in ENDED:
        raise Refused("saga.not_ended", f"it is {state.status}, and what it has done may be undone yet", status=409)
    if state.status == "stuck" and not state.back:
        raise Refused("saga.not_ended", "it has gone forward, and an undo is left: retry it", status=409)
    number = plan.top_part_of(from_step)
    if number is None:
        raise Refused("saga.no_such_step", f"it has no step {from_step}", status=404)
    if len(state.forks) >= FORKS_MAX:
        raise Refused("saga.too_many_forks", f"it has {FORKS_MAX} forks", status=409)
    before = plan.parts[:number]
    known = {leaf.name for leaf in leaves_of(before)}
    taken = [step for step in state.steps if step.name in known and _stands(step, state)]
    outlook = Outlook(_as_done(taken))
    if outlook.of_all(before) != "done":
        first = outlook.begin[0].name if outlook.begin else from_step
        raise Refused("saga.step_not_done", f"{first}, which comes before, is not done there", status=409)
    return [
        Taken(
            step=step.name,
            key=step.taken or key,
            reply=state.replies.get(step.name, NOTHING),
            in_vain=step.status == "overdue",
            queue=step.queue,
            no_job=not step.may_be_job,
            job=step.job_id,
        )
        for step in taken
    ]


def _stands(step: StepState, state: SagaState) -> bool:
    if step.status == "overdue":
        return not step.entity  # what was waited for did not come, and something else was done
    return step.status == "done" and step.name in state.replies  # what is stuck is undone where it is retried


def _as_done(steps: Sequence[StepState]) -> list[StepState]:
    return [StepState(step.name, status="overdue" if step.status == "overdue" else "done") for step in steps]
