"""Addresses: what a path under `/api/` names, an entity and what is asked of it.

A `/` in a key is `%2F`. Proxies that decode it send `/api/room/a/b/send`, which is understood as an rpc's method is:
what stands behind the last slash is the command. What is ambiguous without its `%2F`, `GET /api/room/a/history`, is
the shorter key's.
"""

from functools import lru_cache

from msgspec import Struct

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.kinds import Command, Kind, Kinds
from greenroom.transports.codecs.http_head import segments_of

# What is asked for without a command; no kind's command is told by these, for those are posted.
HISTORY = "history"
VIEW = "view"

REMEMBERED_MAX = 4096  # addresses; only such as name something, so none is longer than keys and commands allow


class Address(Struct, frozen=True):
    """Whose and what; `command` is set where it is posted."""

    entity: str
    name: str  # of a command, or HISTORY or VIEW
    label: tuple[str, str]  # by which it is counted: the names of kind and command
    span: str  # the same for traces
    command: Command | None


class Addresses:
    """The addresses of one node's kinds. What was asked for once is asked for again, so they are remembered."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self.find = lru_cache(REMEMBERED_MAX)(self._find)

    def _find(self, path: bytes, posts: bool) -> Address:
        """Of `/api/{kind}/{key}` and what follows. Raises: BadEntity, UnknownKind, UnknownCommand."""
        _, kind, *parts = segments_of(path)
        split_entity(f"{kind}:{parts[0]}")
        installed = self._kinds[kind]
        key, name = split_key(installed, parts, posts)
        entity = f"{kind}:{key}"
        split_entity(entity)
        command = installed.command(name) if posts and len(parts) > 1 else None
        return Address(entity, name, (installed.name, name), f"{installed.name}.{name}", command)


def split_key(kind: Kind, parts: list[str], posts: bool) -> tuple[str, str]:
    """Key and command, or HISTORY or VIEW, of what stands behind `/api/{kind}/`."""
    if len(parts) > 1:
        *key, name = parts
        if posts or name == HISTORY or name in kind.commands:
            return "/".join(key), name
    return "/".join(parts), VIEW
