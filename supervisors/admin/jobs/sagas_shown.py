"""Sagas as operators see them, and what they can be told. Pure.

By the saga's view: names of steps and of entities are shown to all who look, as names of entities are; its log, whose
lines may have what people wrote, and who has begun it, to admins.
"""

from collections.abc import Mapping
from typing import Any

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask, tag_of
from greenroom.actors.saga.actor import Saga

FOR_ADMINS = ("log", "by")
STEPS = {  # what it can be told by its page, and when that is of use
    "retry": ("stuck", "running", "undoing"),
    "resume": ("undone", "stuck"),
    "cancel": ("running",),
}


def is_saga(kinds: Kinds, entity: str) -> bool:
    """Raises: BadEntity, UnknownKind."""
    return issubclass(kinds[split_entity(entity)[0]].actor, Saga)


def check_saga(kinds: Kinds, entity: str) -> None:
    """Raises: BadEntity, UnknownKind, Refused."""
    if not is_saga(kinds, entity):
        raise Refused("not_a_saga", f"{entity} is no saga", status=404)


def command_of(kinds: Kinds, entity: str, step: str) -> type[Ask[Any]]:
    """The message that tells it so. Raises: BadEntity, UnknownKind, Refused for no saga, or one that can't be told."""
    check_saga(kinds, entity)
    for command in kinds[split_entity(entity)[0]].actor.commands:
        if step in STEPS and tag_of(command) == f"saga.{step}" and issubclass(command, Ask):
            return command
    raise Refused("no_such_step", f"a saga can't be told to {step[:40]}", status=404)


def saga_shown(kinds: Kinds, entity: str, view: Mapping[str, Any], *, full: bool) -> dict[str, Any]:
    tags = {tag_of(command) for command in kinds[split_entity(entity)[0]].actor.commands}
    status = view.get("status")
    can = [step for step, when in STEPS.items() if f"saga.{step}" in tags and status in when]
    shown = {name: value for name, value in view.items() if full or name not in FOR_ADMINS}
    return {"entity": entity, "can": can, "view": shown}
