"""Who comes to watch and who leaves, told to the entities that want to know."""

from collections.abc import Callable

import structlog

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import AudienceChanged
from greenroom.actors.model.principal import Principal

log = structlog.get_logger("greenroom.hub")

JOINED, LEFT = AudienceChanged(joined=True), AudienceChanged(joined=False)


Elsewhere = Callable[[str, Principal, bool], bool]  # entity, who, joined; False where the entity lives on this node


class Audience:
    """Sends `AudienceChanged` to entities whose kind overrides `audience_changed`, and to no other on this node."""

    def __init__(
        self, kinds: Kinds, submit: Callable[[str, Envelope], None], elsewhere: Elsewhere | None = None
    ) -> None:
        """`elsewhere` sees to entities on other nodes, whatever their kind: theirs is to know who watches here."""
        self._submit = submit
        self._elsewhere = elsewhere
        self._listening = frozenset(
            kind.name for kind in kinds if kind.actor.audience_changed is not Actor.audience_changed
        )

    def changed(self, entity: str, who: Principal, *, joined: bool) -> None:
        """A hint: an entity that is overloaded or gone misses it."""
        if self._elsewhere is not None and self._elsewhere(entity, who, joined):
            return
        if entity.partition(":")[0] in self._listening:
            try:
                self._submit(entity, Envelope(message=JOINED if joined else LEFT, principal=who))
            except ActorError as error:
                log.debug("audience_change_dropped", entity=entity, error=error.name)
