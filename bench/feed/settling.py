"""Waiting until a server has done what its callers have left it to do: jobs, views, notices.

What follows from a call is no part of how long the next one of another kind takes; what it cost is.
"""

import time

from bench.server import Cost, Server

LOOK_S = 0.5
IDLE_CPU = 0.2  # cores that a server and its store take at most when nothing is left to do, its own ticks among it
LOOKS = 3  # so many one after another


def settled(server: Server, within_s: float) -> tuple[Cost, float]:
    """What was used and the seconds that passed until it was idle, or `within_s` were over; 0: none is waited for."""
    begun = before = server.cost()
    idle = 0
    while idle < LOOKS and before.at_s - begun.at_s < within_s:
        time.sleep(LOOK_S)
        now = server.cost()
        used = now - before
        idle = idle + 1 if used.server_s + used.store_s <= IDLE_CPU * used.at_s else 0
        before = now
    return before - begun, before.at_s - begun.at_s
