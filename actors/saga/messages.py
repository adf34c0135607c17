"""What a saga's timers tell it."""

from greenroom.actors.model.message import Tell


class StepDue(Tell, frozen=True, kw_only=True, tag="saga.step_due"):
    """The step's deadline has passed."""

    step: str


class SagaDue(Tell, frozen=True, kw_only=True, tag="saga.due"):
    """The deadline of the whole has passed."""
