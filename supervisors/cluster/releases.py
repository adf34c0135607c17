"""Releases: what those that serve one database know, each by its digest, and which nodes give way for what they lack.

A node that lacks something of another's, which lacks nothing of its own, is of the older release: its shards go to the
newer ones, whose nodes can serve all there is. Not before these have half of the capacity of all, or the first node of
a release would have to bear what all others did. Until then what the older ones lack is refused for the time being.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog

from greenroom.actors.model.kinds import OtherReleases
from greenroom.actors.schema.description import BadSchema
from greenroom.actors.schema.knowledge import Knowledge, Lack, fields_of, from_json, lacks
from greenroom.store.ownership.referee import Member

log = structlog.get_logger("greenroom.membership")

SHOWN_MAX = 10  # things that are lacking, in a line of the log


class Releases:
    """As one node knows them."""

    def __init__(self, own: str = "", text: str = "", others: OtherReleases | None = None) -> None:
        """`own` is the digest of `text`, this node's knowledge as JSON; "" where nothing is known of it. `others` is
        told what this release lacks."""
        self._own = own
        self._others = others or OtherReleases()
        self._known: dict[str, Knowledge | None] = {own: from_json(text)} if own else {}  # None: it can't be read here
        self._lacking: dict[tuple[str, str], bool] = {}  # (one, another): does the one lack something of the other?

    @property
    def known(self) -> Collection[str]:
        """Digests of those that need not be told again."""
        return self._known.keys()

    def hear(self, found: Mapping[str, str | None]) -> None:
        """All that serve the database, or did so lately, by digest; None for what is known already."""
        own = self._known.get(self._own)
        if own is None:
            return
        gone = self._known.keys() - found.keys() - {self._own}
        if not gone and found.keys() <= self._known.keys():
            return
        for digest in gone:
            del self._known[digest]
        for digest, text in found.items():
            if text is not None and digest not in self._known:
                self._known[digest] = _read(digest, text)
        self._tell(own)

    def _tell(self, own: Knowledge) -> None:
        lacking: list[Lack] = []
        fields: dict[str, dict[str, Any]] = {}
        for digest, theirs in self._known.items():
            if digest != self._own and theirs is not None:
                lacks_of_it = lacks(own, theirs)
                lacking += lacks_of_it
                for tag, more in fields_of(lacks_of_it, theirs).items():
                    fields.setdefault(tag, {}).update(more)
        names = {lack.tag or lack.kind for lack in lacking if not lack.refused}
        behind_in = {lack.kind for lack in lacking if lack.section == "event"}
        if self._others.learn(names, fields=fields, behind_in=behind_in) and lacking:
            shown = sorted({_shown(lack) for lack in lacking})
            log.warning("release_lacks", lacking=shown[:SHOWN_MAX], more=max(len(shown) - SHOWN_MAX, 0))

    def are_news_to(self, others: Sequence[Member]) -> bool:
        """Do some of these nodes lack something that this one has?"""
        return any(self._lacks(one.release, self._own) for one in others)

    def give_way(self, up: Sequence[Member]) -> set[int]:
        """Of nodes that are up, those that are to own nothing."""
        digests = {one.release for one in up}
        if len(digests) < 2:
            return set()
        older = {
            digest
            for digest in digests
            if any(self._lacks(digest, other) and not self._lacks(other, digest) for other in digests)
        }
        behind = {one.incarnation for one in up if one.release in older}
        of_all = sum(one.capacity for one in up)
        of_newer = sum(one.capacity for one in up if one.release not in older)
        return behind if 2 * of_newer >= of_all else set()

    def _lacks(self, one: str, other: str) -> bool:
        reader, writer = self._known.get(one), self._known.get(other)
        if one == other or reader is None or writer is None:
            return False
        if (one, other) not in self._lacking:
            self._lacking[one, other] = bool(lacks(reader, writer))
        return self._lacking[one, other]


def _read(digest: str, text: str) -> Knowledge | None:
    try:
        return from_json(text)
    except BadSchema as error:
        log.warning("release_unreadable", release=digest, error=str(error))
        return None


def _shown(lack: Lack) -> str:
    what = f"{lack.section} {lack.tag or lack.kind}"
    fields = sorted({one.path for one in lack.refused if one.path})
    return f"{what}: {', '.join(fields)}" if fields else what
