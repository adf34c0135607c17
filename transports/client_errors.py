"""What the actors' errors are called in the client protocol and in HTTP."""

import msgspec

from actors.entity import BadEntity
from actors.errors import (
    ActorError,
    InvalidCommand,
    Overloaded,
    Refused,
    Unavailable,
    UnknownCommand,
    UnknownKind,
)
from transports.client_messages import (
    INTERNAL,
    METHOD_NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY_REQUESTS,
    UNKNOWN_CHANNEL,
    ClientError,
)


def message_of(error: ActorError) -> str:
    """What may be shown to a client. Text of our own errors stays in our logs, unless it names the client's field."""
    if isinstance(error, Refused | InvalidCommand | BadEntity | UnknownKind | UnknownCommand):
        return str(error)
    return error.name


def client_error(error: ActorError) -> ClientError:
    """Codes of the protocol where it has one; else the fitting HTTP status, which lies in the range 400 to 1999."""
    match error:
        case UnknownKind():
            return UNKNOWN_CHANNEL
        case UnknownCommand():
            return METHOD_NOT_FOUND
        case InvalidCommand() | BadEntity():
            return ClientError(107, f"bad request: {error}")
        case Overloaded():
            return TOO_MANY_REQUESTS
        case Unavailable():
            return INTERNAL
    return ClientError(error.status, message_of(error), temporary=error.temporary)


def watch_error(error: ActorError) -> ClientError:
    """As `client_error`, for subscribe, presence and history: a refusal there is *permission denied*."""
    if isinstance(error, Refused) and error.status in (401, 403):
        return PERMISSION_DENIED
    return client_error(error)


class ErrorBody(msgspec.Struct):
    code: int
    name: str
    message: str
    temporary: bool


def http_error_body(error: ActorError) -> bytes:
    """The JSON body of a refused HTTP request; its status is `error.status`."""
    shown = ErrorBody(error.status, error.name, message_of(error), error.temporary)
    return msgspec.json.encode({"error": shown})
