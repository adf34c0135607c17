"""Before a job sends what it was given: is that so still? Of what was taken back since, nothing is sent.

A job that has yet to begin is called back where all of its groups have gone (`Outgoing.call_back`). That may come too
late, and does not come where it tells of others as well, or where one of several in a group has gone. So each attempt
asks, and is told why there is nothing to send, or how it reads without what has gone.
"""

from greenroom.actors.inbox.messages import Still, StillSo
from greenroom.actors.inbox.outgoing import Outgoing, Speaking
from greenroom.actors.inbox.state import LEFT_OUT, Group, InboxState
from greenroom.actors.inbox.wording import PLAIN
from greenroom.actors.model.errors import ActorError
from greenroom.store.errors import StoreUnavailable

WITHDRAWN, READ = "it was withdrawn before", "it was read before"


class Asked:
    """Of one inbox."""

    def __init__(self, inbox: Speaking, outgoing: Outgoing) -> None:
        self._inbox = inbox
        self._outgoing = outgoing

    @property
    def _state(self) -> InboxState:
        return self._inbox.state

    async def still(self, asked: StillSo) -> Still:
        """Nothing is recorded: what is left out is settled as the job ends."""
        groups = self._groups(asked)
        is_there = [n for n in asked.groups if n in self._state.groups]
        if not groups:
            return Still(reason=READ if len(is_there) == len(asked.groups) else LEFT_OUT if is_there else WITHDRAWN)
        is_whole = len(is_there) == len(asked.groups)
        if is_whole and all(self._state.groups[n].withdrawn <= asked.since for n in is_there):
            return Still()
        try:
            words = await self._inbox.words(sorted({name for group in groups.values() for name in group.names}))
        except (ActorError, StoreUnavailable):
            words = PLAIN
        subject, body = self._outgoing.composed(asked.channel, groups, words)
        return Still(subject=subject, body=body, left_out=self._left_out(asked, groups))

    def _groups(self, asked: StillSo) -> dict[int, Group]:
        """Those that need to be told, the newest first."""
        wanted = set(asked.groups)
        return {n: one for n, one in reversed(self._state.groups.items()) if n in wanted and not one.read}

    def _left_out(self, asked: StillSo, groups: dict[int, Group]) -> list[str]:
        state = self._state
        if asked.job not in state.flights:  # somebody has it tried again that had failed
            return []
        told = ((id_, state.known.get(id_)) for id_ in state.told_by(asked.job))
        return [id_ for id_, known in told if known is None or not known.live or known.group not in groups]
