"""What parent and child say to each other, over a pair of sockets.

The parent first sends `Given`, a line of JSON. The child loads all code and answers LOADED, or ends; at GO it serves.
One of several says READY once it lets clients in, and DRAINING once it was told to end, by whomever; a child that is
alone tells the person at the terminal. When the parent is gone, however it went, the child reads the end of the stream,
and ends too.
"""

from msgspec import Struct

from greenroom.config.settings import Settings

LOADED = b"loaded\n"
GO = b"go\n"
READY = b"ready\n"
DRAINING = b"draining\n"


class Given(Struct, frozen=True, kw_only=True):
    """What the child has from the parent, besides its environment."""

    options: dict[str, str | int]  # those of the command line, by the names of the settings
    listener: int  # the descriptor, inherited
    database_url: str
    redis_url: str
    data_dir: str | None  # the parent has locked it
    held: dict[str, str]  # by the names of the settings: what the parent holds, whatever they say since
    node_number: int | None = None  # of several, from 1


def held_by_the_parent(settings: Settings) -> dict[str, str]:
    """What takes effect only when `serve` itself is started anew: port, data folder, servers."""
    urls = {"database_url": settings.database_url, "redis_url": settings.redis_url}
    return {
        "host": settings.host,
        "port": str(settings.port),
        "data_dir": str(settings.data_dir),
        **{name: url.get_secret_value() if url is not None else "" for name, url in urls.items()},
    }
