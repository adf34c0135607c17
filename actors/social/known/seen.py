"""Seen: of posts that were shown on a node, what says which other rows a page of them depends on.

A guess, by which these are asked for along with the posts: what has turned out otherwise is asked for behind it.
"""

from collections.abc import Iterable

from greenroom.actors.social.post.views import Posts

SEEN_MAX = 50_000


class Seen:
    """Of one node."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, bool]] = {}  # post -> author, and has anybody reacted; what came last is last

    def __len__(self) -> int:
        return len(self._known)

    def authors(self, posts: Iterable[str]) -> set[str]:
        """Whose they are, as far as is known."""
        known = self._known
        return {known[post][0] for post in posts if post in known}

    def reacted(self, posts: Iterable[str]) -> list[str]:
        """Those of them that anybody has reacted to, likewise."""
        known = self._known
        return [post for post in posts if post in known and known[post][1]]

    def note(self, rows: Iterable[Posts.Row]) -> None:
        """They are so by now."""
        known = self._known
        for row in rows:
            found = row.author, any(row.reactions.values())
            if known.get(row.id) != found:
                known.pop(row.id, None)
                known[row.id] = found
        while len(known) > SEEN_MAX:
            del known[next(iter(known))]
