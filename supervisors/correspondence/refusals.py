"""Refusals on their way between nodes: whoever asked hears the very error that it would have heard of its own node.

What a client is shown depends on the error's class. Classes of an entity's own need not be known where the asker is, so
an error travels as the nearest class of the actor model's, with what its own says otherwise.
"""

from collections.abc import Iterator

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.config.telemetry.shown import said
from greenroom.supervisors.correspondence.wire import Rejected

_MODEL = (ActorError.__module__, BadEntity.__module__)


def _classes(cls: type[ActorError]) -> Iterator[type[ActorError]]:
    if cls.__module__ in _MODEL:
        yield cls
        for sub in cls.__subclasses__():
            yield from _classes(sub)


KINDS: dict[str, type[ActorError]] = {cls.__name__: cls for cls in _classes(ActorError)}


def rejected(number: int, error: ActorError) -> Rejected:
    """`error` as the answer to the message of that number."""
    known = next(cls for cls in type(error).__mro__ if KINDS.get(cls.__name__) is cls)
    detail = error.detail if isinstance(error, Refused) else None
    return Rejected(number, known.__name__, error.name, error.status, error.temporary, said(error), detail)


def error_of(answer: Rejected) -> ActorError:
    """The error that was rejected with; of a class that this release does not know, an ActorError as it says of
    itself."""
    cls = KINDS.get(answer.kind, ActorError)
    error = cls.__new__(cls, answer.text)  # which keeps the text; a class's own arguments are its owner's business
    error.name, error.status, error.temporary = answer.name, answer.status, answer.temporary
    if isinstance(error, Refused):
        error.detail = answer.detail or ""
    return error
