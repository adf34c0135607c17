"""Unwanted: children whose parent has ended without having succeeded. They are cancelled with it, in the same append,
or told so by messages of it. Pure."""

from collections.abc import Container

from msgspec import Struct

from greenroom.actors.jobs.waits import Waits
from greenroom.store.journal.consequences.jobs import EndRow


class Unwanted(Struct, frozen=True):
    """Of whom nobody wants anything."""

    id: str
    queue: str  # "" where it is not known
    reason: str


class Disowned:
    """Of one queue, while it handles one message."""

    def __init__(self) -> None:
        self._children: list[Unwanted] = []
        self._elsewhere: list[Unwanted] = []
        self.hurried: set[str] = set()  # workers that have some, and are to hear of it

    def __bool__(self) -> bool:
        return bool(self._children or self._elsewhere or self.hurried)

    def disown(self, parent: EndRow, waits: Waits, open_: Container[str] | None) -> None:
        """That one has ended. `open_`: those that it has waited for still; None: it was worked on."""
        reason = f"{parent.id}, whose child it is, {'has failed' if parent.state == 'failed' else 'was cancelled'}"
        for number, one in enumerate(waits.jobs):
            may_go_on = open_ is None or one.id in open_ or number < waits.past
            if one.is_child and not one.is_settled and may_go_on:
                self._children.append(Unwanted(one.id, one.queue, reason))

    def add(self, child: Unwanted) -> None:
        self._children.append(child)

    def pop(self, here: Container[str]) -> Unwanted | None:
        """One of those that are `here`."""
        while self._children:
            child = self._children.pop()
            if child.id in here:
                return child
            self._elsewhere.append(child)
        return None

    def take(self) -> tuple[list[Unwanted], set[str]]:
        """Those that are left, to be told of by messages; and workers that are to hear that some are cancelled."""
        left, hurried = self._children + self._elsewhere, self.hurried
        self._children, self._elsewhere, self.hurried = [], [], set()
        return left, hurried
