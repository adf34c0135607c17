"""What an order was made of, so that it can be asked whether it would come out as another one by now.

Kept packed, for each feed that has read a ranked page lately has one: 20 bytes a post.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan, nan

from greenroom.actors.social.known.on_node import Fact

MOVES = 0.1  # of the light score's margin: a first like moves a new post by so much, and one of a hundred hardly any
_ID_CHARS = 32


class MadeOf:
    """Posts, and what had been done with each; also those that were not to be shown then, or had no row."""

    __slots__ = ("_done", "_ids", "_oldest")

    def __init__(self, posts: Sequence[str], done: Mapping[str, float], *, oldest: str = "") -> None:
        """`done`: with those that have a place in it, as it counts. `oldest`: what was posted before that was not
        looked at."""
        self._ids = bytes.fromhex("".join(posts))
        self._done = array("f", [done.get(post, nan) for post in posts])
        self._oldest = oldest

    @property
    def posts(self) -> list[str]:
        """As they were given."""
        ids = self._ids.hex()
        return [ids[at : at + _ID_CHARS] for at in range(0, len(ids), _ID_CHARS)]

    def has_all(self, posts: Iterable[str]) -> bool:
        """Were these looked at?"""
        return set(self.posts).issuperset(posts)

    def lacks_any_of(self, posts: Iterable[str]) -> bool:
        """Would one of these have been looked at, and was not there?"""
        known = set(self.posts)
        return any(post not in known and post > self._oldest for post in posts)

    def has_moved(self, posts: Sequence[str], known: Mapping[str, Fact], has_place: Callable[[Fact], bool]) -> bool:
        """Has so much been done with one of them since that it may stand elsewhere, or is there one that had no place?
        `posts`: those of `posts`. What is gone moves nothing."""
        for post, then in zip(posts, self._done, strict=True):
            fact = known.get(post)
            if fact is None:
                continue
            if has_place(fact) if isnan(then) else abs(fact.done - then) > MOVES:
                return True
        return False
