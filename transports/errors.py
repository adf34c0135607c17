"""What any transport says of an error: what of its text may be shown, and how it looks in HTTP."""

import re

import msgspec
from msgspec import UNSET, UnsetType

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import (
    ActorError,
    InvalidCommand,
    MalformedCommand,
    Refused,
    UnknownCommand,
    UnknownKind,
)
from greenroom.config.telemetry.shown import said

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


class EpochChanged(BadRequest):
    """The journal that a position is of is no more."""

    def __init__(self) -> None:
        super().__init__(
            "since: the journal began anew; load the view and start over", name="epoch_changed", status=409
        )


class Unauthenticated(ActorError):
    """No token, or one that does not count; the text says why and is shown, so it never holds any part of one."""

    name, status = "unauthenticated", 401


class TokenHasExpired(Unauthenticated):
    """Fetch another token."""

    name = "token_expired"


SHOWN = (Refused, InvalidCommand, BadEntity, BadRequest, UnknownKind, UnknownCommand, Unauthenticated)


def message_of(error: ActorError) -> str:
    """What may be shown to a client. Text of our own errors stays in our logs, unless it names the client's field."""
    if isinstance(error, SHOWN):
        return said(error)
    return error.name


def error_headers(error: ActorError) -> tuple[tuple[bytes, bytes], ...]:
    """What an HTTP client should know beside the status: when to come back, or how to say who it is."""
    if error.status in (429, 503):
        return ((b"Retry-After", b"1"),)
    if error.status == 401:
        return ((b"WWW-Authenticate", b"Bearer"),)
    return ()


class ErrorBody(msgspec.Struct):
    """The `error` of an HTTP answer, as JSON."""

    code: int
    name: str
    message: str
    temporary: bool
    fields: dict[str, str] | UnsetType = UNSET  # what is wrong with each field, where that is what is wrong


def wrong_fields(error: ActorError) -> dict[str, str] | UnsetType:
    """The field that an InvalidCommand is about, by its path in the body, with the reason."""
    if not isinstance(error, InvalidCommand) or isinstance(error, MalformedCommand):
        return UNSET
    text = said(error)
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
