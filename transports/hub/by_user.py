"""What belongs to users, found by user. Most have one thing, and there are many: only several are put in a dict."""

from typing import Generic, TypeVar

T = TypeVar("T")


class ByUser(Generic[T]):
    """Each thing once, under one user; of a user the oldest first. A thing is no dict."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, T | dict[T, None]] = {}

    def __len__(self) -> int:
        """How many users have something."""
        return len(self._of)

    def add(self, user: str, one: T) -> None:
        found = self._of.setdefault(user, one)
        if found is one:
            return
        if isinstance(found, dict):
            found[one] = None
        else:
            self._of[user] = {found: None, one: None}

    def remove(self, user: str, one: T) -> None:
        """Does nothing when it is not there."""
        found = self._of.get(user)
        if found is one:
            del self._of[user]
        elif isinstance(found, dict):
            found.pop(one, None)
            if not found:
                del self._of[user]

    def of(self, user: str) -> list[T]:
        """All that `user` has."""
        found = self._of.get(user)
        if found is None:
            return []
        return list(found) if isinstance(found, dict) else [found]
