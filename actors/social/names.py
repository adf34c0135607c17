"""Names of posts: 32 hex digits, of which later ones are greater."""

import re

from greenroom.actors.jobs.ids import new_id

_ID = re.compile(r"[0-9a-f]{32}")
_RANDOM_BITS = 80


def new_post_id(now_ms: int) -> str:
    """Of a post that is made at that Unix time."""
    return new_id(now_ms)


def is_post_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None


def ms_of(post: str) -> int:
    """When it was made, Unix ms. `post` is an id."""
    return int(post, 16) >> _RANDOM_BITS
