"""How long a room was away: the longest that anybody waited for the answer to a message to it, in some time.

Who was asked to connect to another node meanwhile waited for that, too. So a room's own time away is told by those who
stayed where they were, which some of its members do, whichever node is restarted.
"""

from collections.abc import Iterable

from tests.chaos.records import Member, Send


def waited_s(send: Send, begun_s: float, ended_s: float) -> float:
    """For its answer, within that time; 0 for what was answered before, sent later, or never answered."""
    if not send.offset or send.acked_s <= begun_s or send.sent_s >= ended_s:
        return 0.0
    return send.acked_s - max(send.sent_s, begun_s)


def away_ms(members: Iterable[Member], begun_s: float, ended_s: float, *, stayed: bool) -> list[float]:
    """Of each room the longest wait, ascending. `stayed`: only of messages that were answered over the connection over
    which they were sent. Times are on the machine's monotonic clock."""
    longest: dict[str, float] = {}
    for member in members:
        worst = max(
            (waited_s(send, begun_s, ended_s) for send in member.sends if not stayed or send.leg == send.acked_leg),
            default=0.0,
        )
        longest[member.room] = max(longest.get(member.room, 0.0), worst)
    return sorted(1e3 * seconds for seconds in longest.values())
