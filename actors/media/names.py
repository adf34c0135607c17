"""Names: of media, and of the objects that one has. Nothing in them is chosen by a client."""

import re
from secrets import token_hex
from typing import Final

ID: Final = re.compile(r"[0-9a-f]{24}")
ORIGINAL: Final = "original"


def is_below(name: str, prefix: str) -> bool:
    """Is it an object's name, and one of those?"""
    return name.startswith(prefix) and not {"", ".", ".."} & set(name.split("/"))


def new_id() -> str:
    """Not to be guessed: whoever makes something public tells its id."""
    return token_hex(12)


def prefix_of(media: str) -> str:
    """What all of its objects' names begin with. Raises: ValueError, for what is no id: its prefix may be another's."""
    if not ID.fullmatch(media):
        raise ValueError("it is no id of media")
    return f"{media}/"


def parts_of(media: str) -> str:
    """What those of an upload's parts begin with. Raises: ValueError."""
    return f"{prefix_of(media)}parts/"


def part_name(media: str, offset: int) -> str:
    """Another one each time: of two who send the same part neither writes over the other's."""
    return f"{parts_of(media)}{offset:012d}-{token_hex(8)}"


def object_name(media: str, rendition: str, digest: str, suffix: str) -> str:
    """By what is in it: an attempt that comes late can't change what an earlier one has written."""
    return f"{media}/{rendition}-{digest[:16]}{suffix}"
