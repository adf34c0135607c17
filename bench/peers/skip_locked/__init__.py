"""Jobs in a table, claimed with SKIP LOCKED: what one writes oneself, or gets from most queues on Postgres."""

from bench.peers.skip_locked.side import ANSWERS, side

__all__ = ["ANSWERS", "side"]
