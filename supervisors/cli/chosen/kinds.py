"""The kinds that a command works with: Greenroom's own entities, and those of whoever runs it."""

import sys
from pathlib import Path

from greenroom.actors.chat.room import Room
from greenroom.actors.identity import Session
from greenroom.actors.model.kinds import Kinds, find_actors
from greenroom.config.settings import Settings


def installed_kinds(settings: Settings) -> Kinds:
    """Greenroom's own entities, then those of GREENROOM_ENTITIES, which may lie in the folder one stands in.

    Raises: BadEntityClass.
    """
    kinds = built_in_kinds()
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last: what we import later, a `redis` or a `code`, must not be a file that lies there
    for path in settings.entities:
        for actor in find_actors(path):
            kinds.install(actor)
    return kinds


def built_in_kinds() -> Kinds:
    """Those that every server has."""
    return Kinds([Room, Session])
