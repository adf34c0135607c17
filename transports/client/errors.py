"""How what goes wrong ends a client's command or its connection; the codes are in `codes.py`."""

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import (
    ActorError,
    InvalidCommand,
    NotInRelease,
    Overloaded,
    Refused,
    Unavailable,
    UnknownCommand,
    UnknownKind,
)
from greenroom.transports.client.codes import (
    INTERNAL,
    METHOD_NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY_REQUESTS,
    UNKNOWN_CHANNEL,
    UNRECOVERABLE,
    DisconnectCode,
    ErrorCode,
)
from greenroom.transports.errors import EpochChanged, message_of


class ClientError(Exception):
    """A command failed, and is answered with `code`; the connection goes on."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code.message)
        self.code = code


class Disconnect(Exception):
    """The connection ends with `code`."""

    def __init__(self, code: DisconnectCode) -> None:
        super().__init__(code.reason)
        self.code = code


def refusal(code: ErrorCode | DisconnectCode) -> ClientError | Disconnect:
    """A new exception that carries `code`."""
    return ClientError(code) if isinstance(code, ErrorCode) else Disconnect(code)


def error_code(error: ActorError) -> ErrorCode:
    """Codes of the protocol where it has one; else the fitting HTTP status, which lies in the range 400 to 1999."""
    match error:
        case UnknownKind():
            return UNKNOWN_CHANNEL
        case UnknownCommand():
            return METHOD_NOT_FOUND
        case InvalidCommand() | BadEntity():
            return ErrorCode(107, f"bad request: {error}")
        case EpochChanged():
            return UNRECOVERABLE
        case Overloaded():
            return TOO_MANY_REQUESTS
        case NotInRelease():
            pass  # said by its name: it may last as long as a release takes to be rolled out
        case Unavailable():
            return INTERNAL
    if error.status == 500:  # a handler raised
        return INTERNAL
    return ErrorCode(error.status, message_of(error), temporary=error.temporary)


def watch_error_code(error: ActorError) -> ErrorCode:
    """As `error_code`, for subscribe, presence and history: a refusal there is *permission denied*."""
    if isinstance(error, Refused) and error.status in (401, 403):
        return PERMISSION_DENIED
    return error_code(error)
