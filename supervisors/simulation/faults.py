"""Faults: what goes wrong in a simulated world, and how often. Each seed switches a random part of them on."""

from random import Random

from msgspec import Struct
from msgspec.structs import asdict, replace


class Faults(Struct, frozen=True, kw_only=True):
    """Rates are means; 0 switches a fault off."""

    # Nodes. Mean seconds between two of each.
    crash_every_s: float = 60.0  # a node dies, at a random moment or at its next so-many-th step to the outside
    zombie_every_s: float = 90.0  # a node is stalled, replaced, and wakes beside its successor
    stop_every_s: float = 120.0  # a node is drained and replaced
    stall_every_s: float = 45.0  # a node's tasks are held out for a while
    down_s: float = 4.0  # the longest time until a node is replaced
    stall_s: float = 20.0  # the longest stall
    zombie_s: float = 15.0  # a zombie lives on, at most
    skew_s: float = 300.0  # each node's clock is wrong by up to so much, and drifts

    # The database. Shares of statements.
    refused: float = 0.01  # certainly not run
    lost: float = 0.02  # the connection dies: before it ran, after it, or while it is still on its way
    slow: float = 0.01  # takes seconds
    silent: float = 0.002  # one wire of a node goes silent: nothing on it arrives any more, until that is found out
    unanswered: float = 0.005  # is run, and its answer never comes: an end at the deadline, and no sooner
    repeated: float = 0.005  # something on the way sends it twice
    restart_every_s: float = 100.0  # the database restarts: what had not committed is gone
    failover_every_s: float = 150.0  # a standby takes over which lacks the newest claims
    lost_tail: float = 0.5  # share of failovers that lose the newest events too, and begin a new timeline
    lag_s: float = 3.0  # how far behind the standby is then, at most
    late_s: float = 20.0  # what was given up on may still run so much later
    statement_s: float = 8.0  # the deadline of every statement

    # Wires.
    reset_every_s: float = 40.0  # each connection, midway
    slow_reader: float = 0.2  # share of connections that read slowly
    latency_s: float = 0.05  # one way, at most

    # Of nodes that share a database, and a Redis that carries what they say to one another.
    cut_every_s: float = 90.0  # one is cut off from the database, from Redis or from both: one way, or either
    cut_s: float = 15.0  # for so long, at most
    proven: float = 0.5  # share of worlds in which the others see that a process has ended; else its lease must
    parted_every_s: float = 90.0  # one does not hear another any more
    redis_every_s: float = 60.0  # Redis restarts, is wiped, or fails over to a replica that is behind
    sluggish_every_s: float = 120.0  # the database is slow for everybody: each statement takes up to
    sluggish_s: float = 1.0  # so long
    entry_lost: float = 0.01  # shares of entries: of what one says to another at once
    entry_repeated: float = 0.01
    entry_late: float = 0.005  # overtaken by the next
    entry_unsure: float = 0.01  # of what is said to Redis at once: it may be there, or the first part of it

    # Of views, where there are some.
    rebuild_every_s: float = 25.0  # one is made anew, and old tables are dropped
    pause_every_s: float = 40.0  # one is paused for a while
    retry_every_s: float = 15.0  # parked entities are tried again
    trim_every_s: float = 5.0  # retention takes old events of an entity
    upgrade_every_s: float = (
        60.0  # nodes are replaced by those of another release, of which each view is another version
    )

    # Of jobs, where there are some. Mean seconds between two of each.
    worker_kill_every_s: float = 20.0  # a process that works on them dies
    worker_stall_every_s: float = 25.0  # stands still, for up to `stall_s`: longer than its lease
    worker_stop_every_s: float = 30.0  # is told to stop, and replaced
    worker_cut_every_s: float = 40.0  # reaches no node, or hears of none
    jump_every_s: float = 60.0  # a node's clock is set, by up to an hour
    steer_every_s: float = 5.0  # somebody pauses or limits a queue, cancels, edits or retries a job

    def swarm(self, draw: Random) -> "Faults":
        """About half of these, differently strong: what hides behind another fault shows when that is off."""
        kept = {}
        for name, value in asdict(self).items():
            if name in SIZES:
                kept[name] = value
            elif draw.random() < 0.5:
                kept[name] = 0.0
            else:
                kept[name] = value * draw.choice((0.3, 1.0, 3.0))
        return replace(self, **kept)


# How long something takes; always on.
SIZES = frozenset(
    {"down_s", "stall_s", "zombie_s", "cut_s", "late_s", "latency_s", "lag_s", "statement_s", "sluggish_s"}
)
NO_FAULTS = Faults(**{name: (value if name in SIZES else 0.0) for name, value in asdict(Faults()).items()})
