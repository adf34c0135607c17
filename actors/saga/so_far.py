"""What a saga knows when it decides what to tell next: its input, who began it, and the answers that came."""

from typing import Generic, TypeVar

import msgspec
from msgspec import Raw

from greenroom.actors.model.errors import Unavailable
from greenroom.actors.saga.state import SagaState
from greenroom.store.jobs.sealing import RESULT, NotOpenedHere, Place, opened_if_sealed

Input = TypeVar("Input")
Wanted = TypeVar("Wanted")


class ReplyNotOpened(Unavailable):
    """The result of a job was encrypted with a key that is not here: no fault of the step's, which is put off."""


class SoFar(Generic[Input]):
    """Given to a step's `do` and `undo`: all that they may decide from."""

    def __init__(self, entity: str, input: Input, state: SagaState) -> None:
        self.entity = entity  # the saga itself
        self.input = input  # the command that began it
        self._state = state

    @property
    def key(self) -> str:
        """Of the saga: a name for what its steps make, which is known before anything is answered."""
        return self.entity.partition(":")[2]

    def key_of(self, step: str) -> str:
        """Of the saga that did this step: another one's, where this is a fork that has taken the step over."""
        found = self._state.find(step)
        return found.taken if found is not None and found.taken else self.key

    @property
    def by(self) -> str:
        """The user who began it; "" when nobody is known, or when it was another entity."""
        return self._state.by

    def done(self, step: str) -> bool:
        """Has this step been answered in time? Its undo can't rely on that: it may be called for without an answer."""
        return step in self._state.replies

    def reply(self, step: str, wanted: type[Wanted]) -> Wanted:
        """What a step was answered; the message, of one that waits for it; the result, of a job, also of one that is
        encrypted.

        Raises: LookupError when there is none, msgspec.ValidationError; ReplyNotOpened where its key is not here, and
        then the step is put off, for as long as it takes; CannotOpen for what nobody can open.
        """
        found = self._state.replies.get(step)
        if found is None:
            raise LookupError(f"{self.entity}: no answer to {step!r}")
        done = self._state.find(step)
        reply: bytes | Raw = found
        try:
            if done is not None and done.may_be_job:  # a job: what others answer may be anybody's words
                reply = opened_if_sealed(found, Place("", done.job_id, RESULT))
        except NotOpenedHere as error:
            raise ReplyNotOpened(str(error)) from None
        return msgspec.json.decode(reply, type=wanted)
