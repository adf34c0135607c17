"""Secrets: what of a job's arguments, its result and its errors operators are not shown, and do not overwrite.

As in logs: texts under telling names (`token`, `password` …), and secrets that show by their form; besides, fields that
the job's class marks as `Secret`. Pure.
"""

from typing import Any

import msgspec
import msgspec.inspect as inspect

from greenroom.actors.personal.secrets import fields_of, is_secret, items_of
from greenroom.config.telemetry.redaction import REDACTED, is_telling, redact_text


def hidden(value: Any, declared: inspect.Type | None = None) -> Any:
    """A JSON value without its secrets. `declared`: its type, where that is known."""
    if declared is not None and is_secret(declared):
        return REDACTED
    match value:
        case str():
            return redact_text(value)
        case dict():
            types = fields_of(declared, value)
            return {name: _of_name(name, one, types.get(name)) for name, one in value.items()}
        case list():
            return [hidden(one, type_) for one, type_ in zip(value, items_of(declared, len(value)), strict=True)]
    return value


def _of_name(name: str, value: Any, declared: inspect.Type | None) -> Any:
    """A count or a duration (`token_ttl_s`) is no secret."""
    if is_telling(name) and isinstance(value, str | dict | list):
        return REDACTED
    return hidden(value, declared)


class NotRestored(Exception):
    """Names what cannot be changed by who was not shown all of it."""


def restored(edited: Any, shown: Any, stored: Any, at: str = "arguments") -> Any:
    """What somebody has made of what they were shown, with what they were not shown and have left alone.

    What was shown otherwise than it is stored can't be told from what they have written: it stays, and where nothing at
    all was shown of it, it may be written over or left out as a whole. Raises: NotRestored.
    """
    if _same(edited, shown):
        return stored
    if isinstance(edited, dict) and isinstance(shown, dict) and isinstance(stored, dict):
        for name in shown.keys() - edited.keys():
            _require_whole(shown[name], stored[name], f"{at}.{name}")
        return {
            name: restored(one, shown[name], stored[name], f"{at}.{name}")
            if name in shown
            else _written(one, f"{at}.{name}")
            for name, one in edited.items()
        }
    if isinstance(edited, list) and isinstance(shown, list) and shown != stored:  # which of them is which?
        raise NotRestored(f"`{at}` has parts that are not shown: its order and its length can't be changed here")
    _require_whole(shown, stored, at)
    return _written(edited, at)


def _same(edited: Any, shown: Any) -> bool:
    return bool(edited == shown) and msgspec.json.encode(_plain(edited)) == msgspec.json.encode(_plain(shown))


def _require_whole(shown: Any, stored: Any, at: str) -> None:
    """Of what is changed or left out: was it shown as it is, or not at all? Raises: NotRestored."""
    if shown in (stored, REDACTED):
        return
    if isinstance(shown, dict) and isinstance(stored, dict):
        for name in shown:
            _require_whole(shown[name], stored[name], f"{at}.{name}")
    elif isinstance(shown, list) and isinstance(stored, list):
        for number, (one, other) in enumerate(zip(shown, stored, strict=True)):
            _require_whole(one, other, f"{at}[{number}]")
    else:
        raise NotRestored(f"`{at}` is shown shortened or without its secrets: it can't be changed here")


def _written(value: Any, at: str) -> Any:
    """Raises: NotRestored for what stands for a secret that we don't know."""
    match value:
        case str() if REDACTED in value:
            raise NotRestored(f"`{at}` has {REDACTED} in it, which stands for what is not shown")
        case dict():
            for name, one in value.items():
                _written(one, f"{at}.{name}")
        case list():
            for number, one in enumerate(value):
                _written(one, f"{at}[{number}]")
    return value


def _plain(value: Any) -> Any:
    """For comparing: a browser writes 1.0 as 1, which is the same, and `true` is not."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _plain(value[name]) for name in sorted(value)}
        case list():
            return [_plain(one) for one in value]
    return value
