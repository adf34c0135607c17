"""Which posts have asked of late who may do what: they keep the answers for a while, and are told when these change.

In memory alone: what is forgotten here costs at most the time for which an answer is kept. That is 45 s for a post, and
as long again for its thread, which may ask the post when that is about to ask anew: see post/audience.py.
"""

ASKERS_MAX = 1_000
KEPT_S = 100.0  # how long a post and its thread keep an answer, and some seconds that it was on its way


class Askers:
    """Those of one author."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[float, bool]] = {}  # post -> when, for followers; who asked longest ago is first

    def __len__(self) -> int:
        return len(self._asked)

    def note(self, post: str, now_s: float, *, for_followers: bool = False) -> None:
        """`for_followers`: it is not for everybody, whatever the account is."""
        self._asked.pop(post, None)
        self._asked[post] = now_s, for_followers
        if len(self._asked) > ASKERS_MAX:
            del self._asked[next(iter(self._asked))]

    def take(self, now_s: float) -> list[str]:
        """Those that may have an answer still. Once told they have none, until they ask again."""
        posts = [post for post, (asked_s, _) in self._asked.items() if asked_s + KEPT_S >= now_s]
        self._asked.clear()
        return posts

    def where_edges_count(self, now_s: float, *, private: bool) -> list[str]:
        """Those that may have an answer which depends on who follows; of a `private` account, all."""
        return [
            post
            for post, (asked_s, for_followers) in self._asked.items()
            if (private or for_followers) and asked_s + KEPT_S >= now_s
        ]
