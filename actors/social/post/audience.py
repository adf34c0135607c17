"""Who may see a post, and so may react and comment: decided from what its author and the reader say of one another.

What was found holds for a while, or until the author's `follows` says that something has changed. Where an author bars
few, all of them are known with the first answer, and nobody else need be asked about: a post that thousands react to in
a second asks once.
"""

from collections.abc import Iterable

from greenroom.actors.social.feed.messages import Visibility
from greenroom.actors.social.follows.messages import Allowed, Edge

KNOWN_MAX = 10_000  # users
KNOWN_S = 45.0  # a post's, and its thread's of what that says: twice this is less than KEPT_S of follows/askers.py


def wants_edge(visibility: Visibility, allowed: Allowed) -> bool:
    """Is it for followers? Who they are, their own `follows` says."""
    return not allowed.barred and visibility != "close" and (visibility == "followers" or allowed.private)


def may_see(visibility: Visibility, allowed: Allowed, edge: Edge | None) -> bool:
    """May they? `edge` is theirs to the author, where it matters."""
    if allowed.barred or (edge is not None and edge.barred):
        return False
    if visibility == "close":
        return allowed.close
    if wants_edge(visibility, allowed):
        return edge is not None and edge.following
    return True


class Known:
    """Who was found to be allowed, or not, and until when that holds. In memory; of those asked about first, the oldest
    is forgotten.

    What somebody asks about while messages are handled may be forgotten before it is learnt. So whoever waits for an
    answer beside them takes `changes` before, and what has changed since is not learnt.
    """

    def __init__(self) -> None:
        self.changes = 0  # so often something was forgotten
        self._changed: dict[str, int] = {}  # of users alone, at which of these; as many as are known
        self._all_changed = 0  # of all, and of those whose own is not remembered any more
        self._found: dict[str, tuple[bool, float]] = {}
        self._barred: frozenset[str] | None = None  # all of them, of a post for everybody
        self._barred_until = 0.0

    def look(self, user: str, now: float) -> bool | None:
        """May they? None where it is not known. `now` in seconds."""
        if self._barred is not None and 0 <= self._barred_until - now <= KNOWN_S:
            return user not in self._barred
        found = self._found.get(user)
        return found[0] if found is not None and 0 <= found[1] - now <= KNOWN_S else None

    def has_changed(self, user: str, since: int) -> bool:
        """Was what is known of them forgotten since `changes` was that?"""
        return max(self._changed.get(user, 0), self._all_changed) > since

    def learn(self, user: str, may: bool, now: float, since: int | None = None) -> None:
        """What was found; asked when `changes` was `since`, where that is some time ago."""
        if since is not None and self.has_changed(user, since):
            return
        self._found.pop(user, None)
        self._found[user] = may, now + KNOWN_S
        if len(self._found) > KNOWN_MAX:
            del self._found[next(iter(self._found))]

    def learn_all(self, barred: Iterable[str], now: float) -> None:
        """Everybody may, but these."""
        self._barred, self._barred_until = frozenset(barred), now + KNOWN_S

    def forget(self, user: str = "") -> None:
        """Something has changed, for that user or for anybody. What is known of all does not depend on who follows."""
        self.changes += 1
        if user:
            self._found.pop(user, None)
            self._changed.pop(user, None)
            self._changed[user] = self.changes
            if len(self._changed) > KNOWN_MAX:
                self._all_changed = self._changed.pop(next(iter(self._changed)))
            return
        self._found.clear()
        self._barred = None
        self._changed.clear()
        self._all_changed = self.changes
