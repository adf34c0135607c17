"""The wire: commands and replies pass through their JSON, as strictly as between a client and the server."""

from typing import Any

import msgspec

from greenroom.actors.model.errors import ActorError, HandlerFailed, InvalidCommand, UnknownCommand
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import REPORTS
from greenroom.actors.model.message import Done, Message, reply_type
from greenroom.actors.model.principal import Principal

encode = msgspec.json.encode
decode = msgspec.json.decode


class Slot:
    """Keeps the answer."""

    def __init__(self) -> None:
        self._reply: Any = None
        self._error: ActorError | None = None
        self.is_answered = False

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        self._reply = reply
        self.is_answered = True

    def reject(self, error: ActorError) -> None:
        self._error = error
        self.is_answered = True

    def answer(self) -> Any:
        """The reply. Raises: what the message was refused with, or what a handler or a view raised; AssertionError
        where there is none."""
        assert self.is_answered, "not answered yet"
        if isinstance(self._error, HandlerFailed) and self._error.__cause__ is not None:
            raise self._error.__cause__  # what the test wants to see
        if self._error is not None:
            raise self._error
        return self._reply


def arrived(message: Message, principal: Principal, kind: Kind) -> Message:
    """The message as the kind decodes it from that sender. Raises: InvalidCommand, UnknownCommand."""
    if type(message) in REPORTS:
        return message
    allowed = [command.message for command in kind.commands.values()]
    if principal.system:
        allowed.extend(kind.actor.internal)
    if type(message) not in allowed:
        raise UnknownCommand(f"{kind.name} takes no {type(message).__qualname__} from {principal.user!r}")
    try:
        return decode(encode(message), type=type(message))
    except msgspec.ValidationError as error:
        raise InvalidCommand(str(error)) from None


def reply_to(message: Message, reply: Any) -> Any:
    """The reply as its asker decodes it. Raises: AssertionError when it is none that the message promises."""
    wanted = reply_type(type(message)) or Done
    try:
        return decode(encode(reply), type=wanted)
    except msgspec.ValidationError as error:
        name = type(message).__qualname__
        raise AssertionError(f"{name} promises another reply than {reply!r}") from error
