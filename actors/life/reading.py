"""Reading: what whoever watches is shown, and whether they may."""

from collections.abc import Collection

import msgspec
import structlog
from msgspec import Raw

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import ActorError, HandlerFailed, HandlerStuck
from greenroom.actors.model.lifecycle import Attended, Inspect, Inspected, Naming
from greenroom.actors.model.principal import Principal
from greenroom.config.telemetry.shown import shown

log = structlog.get_logger("greenroom.cell")
encode = msgspec.json.encode


def inspected(
    actor: Actor[object], message: Inspect, view: bytes | None, epoch: str, fence: int, turn: Turn
) -> Inspected | Attended | ActorError:
    """What the actor's principal sees, or who watches, or why not. `view` is its JSON, where it was computed since the
    last message; `fence` that of the activation.

    Reads are no business of the entity's: one that fails is its reader's trouble, never a crash or a letter.
    Raises: RuntimeError when it recorded.
    """
    answer: Inspected | Attended | ActorError
    turn.item = message
    try:
        if actor.principal.granted:
            actor.may_watch_granted()
        else:
            actor.may_watch()
        if message.audience is not None:
            answer = attended(actor.audience, message.audience, fence)
        elif message.bare:
            answer = Inspected(b"", epoch, actor.offset, fence)
        else:
            answer = Inspected(encode(actor.view()) if view is None else view, epoch, actor.offset, fence)
        turn.item = None
    except HandlerStuck as error:
        turn.item = None
        answer = HandlerFailed(f"reading failed: {shown(error)}")
    except ActorError as error:
        turn.item = None
        answer = error.with_traceback(None)  # which holds this frame, and so the answer in it
    except Exception as error:
        turn.item = None
        log.exception("read_failed", entity=actor.entity, error=shown(error))
        answer = HandlerFailed(f"reading failed: {shown(error)}")
        answer.__cause__ = error.with_traceback(None)  # logged; and as above
    effects = actor.effects
    if effects.events:
        effects.drop()
        raise RuntimeError(f"{actor.entity}: `view` and `may_watch` must not record")
    effects.others = ()
    return answer


def attended(audience: Collection[Principal], naming: Naming, fence: int = 0) -> Attended:
    """Who that is, by name as far as `naming` lets it. `fence`: of the activation that says so."""
    clients = len(audience)
    everybody = list(audience)
    named: dict[str, Raw] | None = None
    if (
        clients <= naming.clients_max
        and sum(len(who.info) for who in everybody if who.info is not None) <= naming.bytes_max
    ):
        named = {who.client: Raw(who.info) for who in everybody if who.info is not None}
    return Attended(clients, len({who.user for who in everybody}), named, fence)
