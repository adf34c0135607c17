"""People: how many follow somebody, and what they are called."""

from collections.abc import Iterable

from greenroom.actors.model.actor import Actor
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.known.on_node import known_on
from greenroom.actors.social.profile.views import Profiles


async def authors(reader: Actor[object], users: Iterable[str]) -> dict[str, Authors.Row]:
    """As they were a few seconds ago. Raises: as Actor.query_pages."""

    async def look(keys: list[str]) -> dict[str, Authors.Row]:
        return {user: row for user, (row,) in (await reader.query_pages(Authors.Row, keys, limit=1)).items()}

    return await known_on(reader).authors.of(users, reader.now, look)


async def named(reader: Actor[object], users: Iterable[str]) -> dict[str, Profiles.Row]:
    """Likewise, by what they are shown as."""

    async def look(keys: list[str]) -> dict[str, Profiles.Row]:
        return {user: row for user, (row,) in (await reader.query_pages(Profiles.Row, keys, limit=1)).items()}

    return await known_on(reader).names.of(users, reader.now, look)
