"""What may be stored with a job: names and texts that a database can hold, and JSON that is some.

A `Raw` that came over the wire is JSON in its brackets only: what its strings and numbers are nobody has looked at.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from greenroom.actors.model.errors import Refused

# `$` would let a newline stand at the end; and what OpenAPI shows is no Python, so no `\Z` either.
END = r"(?![\s\S])"
NAME_PATTERN = r"^[^\u0000-\u001f\u007f]*" + END
TEXT_PATTERN = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*" + END  # tabs and lines may be
NAME_MAX = 255  # characters

Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX, pattern=NAME_PATTERN)]
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
        raise _refused("arguments", "a JSON object", error) from None


def require_json(result: Raw) -> None:
    """Raises: Refused `queue.result`."""
    try:
        _any(result)
    except UNREADABLE as error:
        raise _refused("result", "JSON", error) from None


def is_name(text: str) -> bool:
    """Can it be stored as one?"""
    try:
        msgspec.convert(text, NameOrNone)
        text.encode()
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _refused(field: str, what: str, error: Exception) -> Refused:
    why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return Refused(f"queue.{field}", f"`{field}` must be {what}: {why}", status=422)
