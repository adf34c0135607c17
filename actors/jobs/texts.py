"""What may be stored with a job: names and texts that a database can hold, and JSON that is some.

A `Raw` that came over the wire is JSON in its brackets only: what its strings and numbers are nobody has looked at.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import END

NAME_PATTERN = r"^[^\u0000-\u001f\u007f]*" + END
TEXT_PATTERN = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*" + END  # tabs and lines may be
NAME_MAX = 255  # characters

Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX, pattern=NAME_PATTERN)]
JobId = Annotated[str, Meta(pattern="^[0-9a-f]{32}" + END)]
NameOrNone = Annotated[str, Meta(max_length=NAME_MAX, pattern=NAME_PATTERN)]

_object: Callable[[bytes | Raw], Any] = msgspec.json.Decoder(dict[str, Any]).decode
_any: Callable[[bytes | Raw], Any] = msgspec.json.Decoder().decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NULL_JSON = b"null"


def require_object(arguments: Raw) -> None:
    """Raises: Refused `queue.arguments`."""
    try:
        _object(arguments)
    except UNREADABLE as error:
        raise Refused("queue.arguments", f"`arguments` must be a JSON object: {_said(error)}", status=422) from None


def require_json(result: Raw) -> None:
    """Raises: Refused `queue.result`."""
    if wrong := why_no_json(result):
        raise Refused("queue.result", f"`result` must be JSON: {wrong}", status=422)


def why_no_json(result: Raw) -> str:
    """What is wrong with it; "": nothing."""
    try:
        _any(result)
    except UNREADABLE as error:
        return _said(error)
    return ""


def is_name(text: str) -> bool:
    """Can it be stored as one?"""
    try:
        msgspec.convert(text, NameOrNone)
        text.encode()
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _said(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
