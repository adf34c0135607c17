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
        self._listening: dict[str, tuple[Kind, dict[Backlog, int]]] = {}

    def listen(self, kinds: Iterable[str], backlog: Backlog, number: int = 0) -> None:
        """What entities of these kinds record goes into the backlog from now on. `number`: of the table that it is to
        be folded into; what has got into its rows with the append is not among it."""
        for name in kinds:
            self._listening.setdefault(name, (self._kinds[name], {}))[1][backlog] = number

    def leave(self, kinds: Iterable[str], backlog: Backlog) -> None:
        """No more of it does."""
        for name in kinds:
            backlogs = self._listening[name][1]
            del backlogs[backlog]
            if not backlogs:
                del self._listening[name]

    def committed(self, landed: Sequence[tuple[str, Append]]) -> None:
        """These appends of these entities have landed."""
        for entity, append in landed:
            listening = self._listening.get(entity.partition(":")[0])
            if listening is None or not append.events:
                continue
            kind, backlogs = listening
            inline = append.consequences.inline if append.consequences is not None else None
            stretch: Stretch | None = None
            for backlog, number in backlogs.items():
                if inline is not None and inline.is_folded(number, append.through):
                    continue
                if stretch is None:
                    stretch = Stretch(kind, entity, append.head_id, append.after, append.events, fence=append.fence)
                backlog.hear(stretch)
