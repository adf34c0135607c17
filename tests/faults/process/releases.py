"""Two checkouts of one application: the newer one has a kind, a command, an event and fields that the older lacks."""

from pathlib import Path

OLDER = """
from typing import Any

from msgspec import Struct

from greenroom import Actor, Ask, Event


class Total(Struct):
    total: int


class Count(Ask[Total], tag="tally.count"):
    by: int = 1


class Counted(Event, tag="tally.counted"):
    by: int


class TallyState(Struct):
    total: int = 0


class Tally(Actor[TallyState]):
    kind = "tally"
    commands = (Count,)
    events = (Counted,)

    def handle(self, message: Any) -> Total:
        self.record(Counted(by=message.by))
        return Total(self.state.total)

    def apply(self, event: Any) -> None:
        self.state.total += event.by

    def view(self) -> dict[str, Any]:
        return {"total": self.state.total}
"""

NEWER = """
from typing import Any

from msgspec import Struct, field

from greenroom import Actor, Ask, Event


class Total(Struct):
    total: int


class Count(Ask[Total], tag="tally.count"):
    by: int = 1
    note: str = ""


class Halve(Ask[Total], tag="tally.halve"):
    pass


class Counted(Event, tag="tally.counted"):
    by: int
    note: str = ""


class Halved(Event, tag="tally.halved"):
    pass


class TallyState(Struct):
    total: int = 0
    notes: list[str] = field(default_factory=list)


class Tally(Actor[TallyState]):
    kind = "tally"
    commands = (Count, Halve)
    events = (Counted, Halved)

    def handle(self, message: Any) -> Total:
        self.record(Counted(by=message.by, note=message.note) if isinstance(message, Count) else Halved())
        return Total(self.state.total)

    def apply(self, event: Any) -> None:
        if isinstance(event, Halved):
            self.state.total //= 2
            return
        self.state.total += event.by
        if event.note:
            self.state.notes.append(event.note)

    def view(self) -> dict[str, Any]:
        return {"total": self.state.total, "notes": self.state.notes}


class Vote(Ask[Total], tag="poll.vote"):
    pass


class Voted(Event, tag="poll.voted"):
    pass


class PollState(Struct):
    votes: int = 0


class Poll(Actor[PollState]):
    kind = "poll"
    commands = (Vote,)
    events = (Voted,)

    def handle(self, message: Vote) -> Total:
        self.record(Voted())
        return Total(self.state.votes)

    def apply(self, event: Voted) -> None:
        self.state.votes += 1

    def view(self) -> dict[str, Any]:
        return {"votes": self.state.votes}
"""


def checkouts(folder: Path) -> tuple[Path, Path]:
    """The older and the newer, each a folder that is to be on the path."""
    made = []
    for name, code in (("older", OLDER), ("newer", NEWER)):
        checkout = folder / name
        checkout.mkdir()
        (checkout / "tallies.py").write_text(code, encoding="utf-8")
        made.append(checkout)
    return made[0], made[1]
