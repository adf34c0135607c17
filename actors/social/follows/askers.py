"""Which posts have asked of late who may do what: they keep the answers for a while, and are told when these change.

In memory alone: what is forgotten here costs a post at most the time for which it keeps an answer.
"""

ASKERS_MAX = 1_000
KEPT_S = 60.0  # how long a post keeps an answer


class Askers:
    """Those of one author."""

    def __init__(self) -> None:
        self._asked_s: dict[str, float] = {}  # post -> when; who asked longest ago is first

    def __len__(self) -> int:
        return len(self._asked_s)

    def note(self, post: str, now_s: float) -> None:
        self._asked_s.pop(post, None)
        self._asked_s[post] = now_s
        if len(self._asked_s) > ASKERS_MAX:
            del self._asked_s[next(iter(self._asked_s))]

    def take(self, now_s: float) -> list[str]:
        """Those that may have an answer still. Once told they have none, until they ask again."""
        posts = [post for post, asked_s in self._asked_s.items() if asked_s + KEPT_S >= now_s]
        self._asked_s.clear()
        return posts
