"""What may be shown: a post with the counts of its row, and why it is here."""

from typing import Literal

from msgspec import Struct

CANDIDATES_MAX = 500  # of one read; the newest are taken

Reason = Literal["following", "suggested", "trending", "tag", "own"]


class Own(Struct, frozen=True, gc=False):
    """What of a post's values is its own, whoever reads; computed once for all of them."""

    values: tuple[float, ...]  # from `age_h` to `is_share`, see values.py
    light: float  # what it adds to the light score's margin


class Candidate(Struct, frozen=True, kw_only=True):
    """A post that its reader may see, as its row has it."""

    post: str
    author: str
    at_ms: int  # Unix
    reason: Reason = "following"
    reactions: int = 0  # of all sorts
    comments: int = 0
    shares: int = 0
    media: int = 0
    chars: int = 0  # of its text
    is_share: bool = False
    followers: int = 0  # of the author; 0 where that was not looked up
    seen: bool = False  # by this reader, before
    own: Own | None = None  # as of a moment ago, where somebody has computed it; None: it is computed as of now

    @property
    def is_suggested(self) -> bool:
        """By nobody whom its reader follows."""
        return self.reason not in ("following", "own")
