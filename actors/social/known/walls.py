"""Walls: the newest posts of those whom many look up, and who they are."""

from collections.abc import Iterable

from greenroom.actors.model.actor import Actor
from greenroom.actors.social.feed.events import Entry
from greenroom.actors.social.known.on_node import CAUGHT_UP_EACH, WALL_MAX, known_on
from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.views import Wall
from greenroom.actors.social.spread.unwritten import Unwritten


async def walls(reader: Actor[object], users: Iterable[str]) -> dict[str, list[str]]:
    """The newest WALL_MAX posts of each, no stories, as they were a few seconds ago. Raises: as Actor.query_pages."""

    async def look(keys: list[str]) -> dict[str, list[str]]:
        pages = await reader.query_pages(Wall.Row, keys, limit=WALL_MAX, where={"is_story": False})
        return {user: [row.id for row in rows] for user, rows in pages.items()}

    return await known_on(reader).walls.of(users, reader.now, look)


async def newest_of(reader: Actor[object], users: Iterable[str]) -> dict[str, list[Entry]]:
    """The newest CAUGHT_UP_EACH posts of each, likewise."""

    async def look(keys: list[str]) -> dict[str, list[Entry]]:
        pages = await reader.query_pages(Wall.Row, keys, limit=CAUGHT_UP_EACH, where={"is_story": False})
        return {
            user: [Entry(row.id, user, ms_of(row.id), row.is_story) for row in rows] for user, rows in pages.items()
        }

    return await known_on(reader).newest.of(users, reader.now, look)


async def unwritten(reader: Actor[object], users: Iterable[str]) -> list[Unwritten.Row]:
    """Those of them whose posts have to be looked up, likewise."""

    async def look(keys: list[str]) -> dict[str, Unwritten.Row]:
        return {user: row for user, (row,) in (await reader.query_pages(Unwritten.Row, keys, limit=1)).items()}

    return list((await known_on(reader).unwritten.of(users, reader.now, look)).values())
