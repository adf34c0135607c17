"""Which sagas there are: `GET /api/sagas/all?kind=checkout&status=stuck`, for staff.

It is told when one begins, turns and ends, not of its steps: so a saga that goes well costs it two events, however many
steps it has. Installed on request.
"""

from msgspec import Struct

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.saga.actor import Saga
from greenroom.actors.saga.events import (
    Cancelled,
    Ended,
    ForkBegun,
    Forked,
    ForkRefused,
    Resumed,
    Retried,
    Started,
    StepOverdue,
    StepRefused,
    WentBack,
)
from greenroom.actors.saga.state import SagaState
from greenroom.actors.views.columns import Index, Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View

Turning = (
    Started
    | ForkBegun
    | StepRefused
    | StepOverdue
    | WentBack
    | Cancelled
    | Retried
    | Resumed
    | Forked
    | ForkRefused
    | Ended
)


class Sagas(View, version=3):
    """Sagas of all kinds, those that have changed last first. For staff."""

    of = Turning.__args__

    class Row(Struct):
        """One saga."""

        kind: Key[str]
        key: Key[str]
        status: Index[str] = "running"
        by: str = ""  # the user who began it
        cancelled: bool = False  # somebody wants it no more
        fork_of: str = ""  # the saga that it is a fork of
        forks: int = 0  # that could begin, or are about to
        started_ms: int = 0  # Unix
        changed_ms: int = 0  # Unix: when it began, turned, was steered, or ended

    watch = Page(order="-changed_ms", limit=100, per_s=2)

    def fold(self, event: Turning, of: Origin) -> None:
        row = self.row(kind=of.kind, key=of.key)
        row.changed_ms = of.at_ms
        match event:
            case Started():
                row.by, row.started_ms = event.by, of.at_ms
            case StepRefused() | StepOverdue():
                row.status = row.status if event.goes_on else "undoing"
            case ForkBegun():
                row.fork_of = event.of
            case WentBack():
                row.status = "undoing"
            case Cancelled():
                row.status, row.cancelled = "undoing", True
            case Retried():
                row.status = event.status
            case Resumed():
                row.status, row.cancelled = "running", False
            case Forked():
                row.forks += 1
            case ForkRefused():
                row.forks -= 1
            case Ended():
                row.status = event.outcome

    def seed(self, state: SagaState, of: Origin) -> None:
        if state.status == "new":
            return
        row = self.row(kind=of.kind, key=of.key)
        row.status, row.by, row.cancelled = state.status, state.by, state.cancelled
        row.fork_of, row.forks = state.of, sum(not fork.refused for fork in state.forks)
        row.started_ms = state.log[0].at_ms if state.log else of.at_ms
        row.changed_ms = state.log[-1].at_ms if state.log else of.at_ms


def are_installed(kinds: Kinds) -> bool:
    """Is there any kind of sagas? Without one there is nothing to list."""
    return any(issubclass(kind.actor, Saga) for kind in kinds)
