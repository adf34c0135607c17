"""Hints: what this node's committer has just made durable, told to the runners of views. Latency only: whatever is not
heard of, or not in order, is found in the journal."""

from collections.abc import Iterable, Sequence

from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.views.stretch import Stretch
from greenroom.store.journal.records import Append
from greenroom.supervisors.views.backlog import Backlog


class Hints:
    """Given to the committer where views are installed. Never waits, and never raises."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._listening: dict[str, tuple[Kind, list[Backlog]]] = {}

    def listen(self, kinds: Iterable[str], backlog: Backlog) -> None:
        """What entities of these kinds record goes into the backlog from now on."""
        for name in kinds:
            self._listening.setdefault(name, (self._kinds[name], []))[1].append(backlog)

    def leave(self, kinds: Iterable[str], backlog: Backlog) -> None:
        """No more of it does."""
        for name in kinds:
            backlogs = self._listening[name][1]
            backlogs.remove(backlog)
            if not backlogs:
                del self._listening[name]

    def committed(self, landed: Sequence[tuple[str, Append]]) -> None:
        """These appends of these entities have landed."""
        for entity, append in landed:
            listening = self._listening.get(entity.partition(":")[0])
            if listening is None or not append.events:
                continue
            kind, backlogs = listening
            stretch = Stretch(kind, entity, append.head_id, append.after, append.events, fence=append.fence)
            for backlog in backlogs:
                backlog.hear(stretch)
