"""An entity's name, `kind:key`, which is also the name of its channel."""

import re
from collections.abc import Iterable
from functools import lru_cache

from greenroom.actors.model.errors import ActorError

KEY_BYTES_MAX = 255
KEY_PATTERN = r"[^\u0000-\u001f\u007f-\u009f]+"  # of JSON Schema
NUDGED_MAX = 1_000  # entities, at once
_ENTITY = re.compile(r"([a-z][a-z0-9_]*):([^\x00-\x1f\x7f-\x9f]+)", re.DOTALL)


class BadEntity(ActorError):
    """Not of the form `kind:key`: kind `[a-z][a-z0-9_]*`, key 1 to 255 bytes without control characters."""

    name, status = "bad_entity", 400


@lru_cache(maxsize=2048)  # a few names are looked at again and again
def split_entity(entity: str) -> tuple[str, str]:
    """`room:lobby` -> (`room`, `lobby`). Raises: BadEntity."""
    match = _ENTITY.fullmatch(entity)
    if match is None:
        raise BadEntity(f"not kind:key, with kind [a-z][a-z0-9_]*: {entity[:80]!r}")
    try:
        length = len(match[2].encode())
    except UnicodeEncodeError as error:  # lone surrogates
        raise BadEntity("the key is not valid Unicode") from error
    if length > KEY_BYTES_MAX:
        raise BadEntity(f"the key is longer than {KEY_BYTES_MAX} bytes")
    return match[1], match[2]


def each_once(entities: Iterable[str]) -> list[str]:
    """Those that are to be nudged. Raises: BadEntity; TypeError, ValueError for one name, or more than NUDGED_MAX."""
    if isinstance(entities, str):
        raise TypeError(f"{entities[:80]!r} is one entity: nudge a list of them")
    found = list(dict.fromkeys(entities))
    if len(found) > NUDGED_MAX:
        raise ValueError(f"{len(found)} entities are to be nudged at once, and at most {NUDGED_MAX} may be")
    for entity in found:
        split_entity(entity)
    return found
