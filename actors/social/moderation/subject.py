"""What a case is about, by its key: a post `ID`, or a comment below it, `ID.OFFSET`; and what brings it there."""

import re

from msgspec import Struct

from greenroom.actors.social.moderation.messages import Flag, Verdict

SHADOWED = "author"  # the rule, where the verdict is of whose it is, not of what they say
_KEY = re.compile(r"([0-9a-f]{32})(?:\.([1-9][0-9]{0,14}))?")


class About(Struct, frozen=True):
    """A post, or a comment below it."""

    post: str
    comment: int = 0  # its offset in the thread; 0: the post itself


def about_of(key: str) -> About | None:
    """None: nothing has that name."""
    match = _KEY.fullmatch(key)
    return None if match is None else About(match[1], int(match[2] or 0))


def case_of(post: str, comment: int = 0) -> str:
    """The entity."""
    return f"case:{post}.{comment}" if comment else f"case:{post}"


def flag_of(verdict: Verdict, author: str) -> Flag | None:
    """What the case is told by whoever has said it nevertheless; None where there is nothing for moderators to decide:
    of a shadowed author they have."""
    if verdict.verdict not in ("hide", "shadow") or verdict.rule == SHADOWED:
        return None
    return Flag(author=author, rule=verdict.rule, verdict=verdict.verdict)
