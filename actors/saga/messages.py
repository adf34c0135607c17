"""What a saga's timers tell it."""

from greenroom.actors.model.message import Tell


class StepDue(Tell, tag="saga.step_due"):
    """The step's deadline has passed."""

    step: str


class SagaDue(Tell, tag="saga.due"):
    """The deadline of the whole has passed."""
