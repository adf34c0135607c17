"""What parent and child say to each other, over a pair of sockets.

The parent first sends `Given`, a line of JSON. The child loads all code and answers LOADED, or ends; at GO it serves.
When the parent is gone, however it went, the child reads the end of the stream, and ends too.
"""

from msgspec import Struct

LOADED = b"loaded\n"
GO = b"go\n"


class Given(Struct, frozen=True, kw_only=True):
    """What the child has from the parent, besides its environment."""

    options: dict[str, str | int]  # those of the command line, by the names of the settings
    listener: int  # the descriptor, inherited
    database_url: str
    redis_url: str
    data_dir: str  # the parent has locked it
