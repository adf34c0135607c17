"""What the actors' errors are called in the client protocol and in HTTP."""

import re

import msgspec
from msgspec import UNSET, UnsetType

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import (
    ActorError,
    InvalidCommand,
    MalformedCommand,
    Overloaded,
    Refused,
    Unavailable,
    UnknownCommand,
    UnknownKind,
)
from greenroom.transports.client.messages import (
    INTERNAL,
    METHOD_NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY_REQUESTS,
    UNKNOWN_CHANNEL,
    ClientError,
)

# The two ways in which msgspec names a field: behind the reason, as a path, or, when it is missing, inside it.
_AT_PATH = re.compile(r"(?P<reason>.*) - at `\$\.(?P<field>.+)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`(?: - at `\$\.?(?P<parent>.*)`)?", re.DOTALL)


class BadRequest(ActorError):
    """An address, a header or a query parameter is wrong; the text names it and is shown."""

    name, status = "bad_request", 400

    def __init__(self, text: str, *, name: str = "bad_request", status: int = 400) -> None:
        super().__init__(text)
        self.name = name
        self.status = status


def message_of(error: ActorError) -> str:
    """What may be shown to a client. Text of our own errors stays in our logs, unless it names the client's field."""
    if isinstance(error, Refused | InvalidCommand | BadEntity | BadRequest | UnknownKind | UnknownCommand):
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
    if error.status == 500:  # a handler raised
        return INTERNAL
    return ClientError(error.status, message_of(error), temporary=error.temporary)


def watch_error(error: ActorError) -> ClientError:
    """As `client_error`, for subscribe, presence and history: a refusal there is *permission denied*."""
    if isinstance(error, Refused) and error.status in (401, 403):
        return PERMISSION_DENIED
    return client_error(error)


def error_headers(error: ActorError) -> tuple[tuple[bytes, bytes], ...]:
    """What an HTTP client should know beside the status: when to come back, or how to say who it is."""
    if error.status in (429, 503):
        return ((b"Retry-After", b"1"),)
    if error.status == 401:
        return ((b"WWW-Authenticate", b"Bearer"),)
    return ()


class ErrorBody(msgspec.Struct):
    code: int
    name: str
    message: str
    temporary: bool
    fields: dict[str, str] | UnsetType = UNSET  # what is wrong with each field, where that is what is wrong


def wrong_fields(error: ActorError) -> dict[str, str] | UnsetType:
    """The field that an InvalidCommand is about, by its path in the body, with the reason."""
    if not isinstance(error, InvalidCommand) or isinstance(error, MalformedCommand):
        return UNSET
    text = str(error)
    missing = _MISSING.fullmatch(text)
    if missing is not None:
        parent = missing["parent"]
        return {f"{parent}.{missing['field']}" if parent else missing["field"]: "is required"}
    found = _AT_PATH.fullmatch(text)
    return {found["field"]: found["reason"]} if found is not None else UNSET


def http_error_body(error: ActorError) -> bytes:
    """The JSON body of a refused HTTP request; its status is `error.status`."""
    shown = ErrorBody(error.status, error.name, message_of(error), error.temporary, wrong_fields(error))
    return msgspec.json.encode({"error": shown})
