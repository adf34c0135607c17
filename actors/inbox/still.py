"""Before a job sends what it was given: is that so still? Of what was taken back since, nothing is sent.

A job that has yet to begin is called back where all of its groups have gone (`Outgoing.call_back`). That may come too
late, and does not come where it tells of others as well, or where one of several in a group has gone. So each attempt
asks, and is told why there is nothing to send, or how it reads without what has gone. How it reads then is of what is
the job's own: of what has come since, another message tells.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from greenroom.actors.inbox.messages import Still, StillSo
from greenroom.actors.inbox.outgoing import Outgoing, Speaking
from greenroom.actors.inbox.state import HAS_TOLD, LEFT_OUT, WAITS, Group, InboxState, Known
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
        own = self._own(asked.job)
        is_there = [n for n in asked.groups if n in self._state.groups]
        is_unread = any(not self._state.groups[n].read for n in is_there)
        if is_unread and len(is_there) == len(asked.groups) and self._is_whole(asked, own):
            return Still()
        groups = self._groups(asked, own)
        if not groups:
            untold = [id_ for id_, known in own.items() if known is not None and known.group in self._state.groups]
            return Still(reason=self._reason(asked, own), left_out=[id_ for id_ in untold if _is_gone(own[id_])])
        try:
            words = await self._inbox.words(sorted({name for group in groups.values() for name in group.names}))
        except (ActorError, StoreUnavailable):
            words = PLAIN
        subject, body = self._outgoing.composed(asked.channel, groups, words)
        kinds = sorted({group.kind for group in groups.values()})
        return Still(subject=subject, body=body, kinds=kinds, left_out=self._left_out(own, groups))

    def _own(self, job: str) -> dict[str, Known | None]:
        """The notices that it has, as far as they are known; none where it has ended, and somebody has it tried
        again."""
        state = self._state
        return {id_: state.known.get(id_) for id_ in state.told_by(job)} if job in state.flights else {}

    def _is_whole(self, asked: StillSo, own: dict[str, Known | None]) -> bool:
        """A node of a release before folds what was withdrawn without saying when, and its snapshot is ours to wake
        from: so what the notices themselves say counts as well."""
        is_as_it_was = all(self._state.groups[n].withdrawn <= asked.since for n in asked.groups)
        return is_as_it_was and not any(_is_gone(known) for known in own.values())

    def _groups(self, asked: StillSo, own: dict[str, Known | None]) -> dict[int, Group]:
        """Those that need to be told, the newest first, without what another message will tell."""
        wanted = set(asked.groups)
        there = {n: one for n, one in reversed(self._state.groups.items()) if n in wanted and not one.read}
        live = {known.group for known in own.values() if known is not None and known.live}
        gone = {known.group for known in own.values() if known is not None and not known.live}
        own_groups = {n: replace(one, by=dict(one.by)) for n, one in there.items() if n in live or n not in gone}
        for known, is_others in self._parted(asked, own):
            if (group := own_groups.get(known.group)) is None:
                continue
            group.text = "" if is_others else there[known.group].text  # of the newest, which comes last here
            if is_others:
                group.leave(known.by)
        return {n: group for n, group in own_groups.items() if group.count}

    def _parted(self, asked: StillSo, own: dict[str, Known | None]) -> Iterator[tuple[Known, bool]]:
        """Notices that are so, oldest first: will another message tell of that one?"""
        state, is_under_way = self._state, asked.job in self._state.flights
        for id_, decision in state.decisions.items():
            known, said = state.known.get(id_), decision.channels.get(asked.channel, "")
            if known is not None and known.live:
                is_to_come = said not in HAS_TOLD if is_under_way else said.startswith(WAITS)
                yield known, is_to_come and id_ not in own

    def _reason(self, asked: StillSo, own: dict[str, Known | None]) -> str:
        if own and all(_is_gone(known) for known in own.values()):
            return WITHDRAWN
        groups = self._state.groups
        return READ if all(n in groups and groups[n].read for n in asked.groups) else LEFT_OUT

    def _left_out(self, own: dict[str, Known | None], groups: dict[int, Group]) -> list[str]:
        return [id_ for id_, known in own.items() if known is None or not known.live or known.group not in groups]


def _is_gone(known: Known | None) -> bool:
    return known is not None and not known.live
