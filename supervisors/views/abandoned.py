"""Abandoned: tables that are being filled, and of whose version no node has the code any more. Decisions only.

So it is after a release that was taken back. Such a table can't be completed, and what it has not folded is kept from
retention; so after a day it is given up. But not at once when it is found so: nodes come and go while releases change.
"""

from collections.abc import Collection, Iterable, Mapping

from greenroom.store.views.store import Version

AGE_S = 24 * 3_600.0  # since it was made, or is being filled again
SEEN_S = 3_600.0  # that a node has seen it so, without a break

Code = tuple[str, int]  # a view with its version


def kept_up(releases: Iterable[Mapping[str, int]]) -> set[Code]:
    """What some release has: each says its views with their versions."""
    return {one for views in releases for one in views.items()}


class Abandoned:
    """As one node sees them."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}  # id -> on the clock of whoever looks

    def look(self, versions: Collection[Version], kept: Collection[Code], now: float) -> list[Version]:
        """Those to be given up, each once. `kept`: what nodes that are up have."""
        found = {one.id: one for one in versions if one.state == "filling" and (one.name, one.version) not in kept}
        self._since = {id_: self._since.get(id_, now) for id_ in found}
        due = [one for id_, one in found.items() if one.age_s >= AGE_S and now - self._since[id_] >= SEEN_S]
        for one in due:
            self._since[one.id] = now
        return due
