"""What happens to which process, and when: decided by a seed before anything runs."""

import math
import random
from dataclasses import dataclass

STALL_S = (0.2, 8.0)
GAP_S = (0.5, 4.0)  # between two faults; a stall goes on while the next ones come
EARLY = 0.15  # share of the faults that may hit while the server is only starting

# Every way in which a victim can be treated badly. "backend" is one of Postgres' processes that serve a connection.
KINDS = (
    ("server", "kill"),
    ("server", "stall"),
    ("server", "restart"),
    ("postgres", "kill"),
    ("postgres", "stall"),
    ("postgres", "restart"),
    ("backend", "kill"),
    ("backend", "stall"),
    ("backend", "end"),
    ("valkey", "kill"),
    ("valkey", "stall"),
    ("valkey", "restart"),
)
# And of processes that only work on jobs, of which there are several. "child" is one in which a job of theirs runs.
JOB_KINDS = (
    *KINDS,
    *(("worker", "kill"), ("worker", "stall"), ("worker", "restart")) * 3,
    *(("child", "kill"),) * 2,
)
VICTIMS = tuple(dict.fromkeys(victim for victim, _ in KINDS))


@dataclass(frozen=True, slots=True)
class Fault:
    at_s: float  # since the load began
    victim: str
    deed: str
    stall_s: float  # 0 unless the deed is "stall"
    pick: float  # 0..1: which one, where there are several
    early: bool = True  # False: wait for a server that serves, or on a slow machine starts would be all that is hit

    @property
    def kind(self) -> str:
        return f"{self.victim} {self.deed}"


def schedule(
    seed: int,
    seconds: float,
    *,
    victims: tuple[str, ...] | None = VICTIMS,
    kinds_of: tuple[tuple[str, str], ...] = KINDS,
    longest_s: float = STALL_S[1],
) -> list[Fault]:
    """The faults of a run, in order; the last one early enough to hit a system under load.

    Kinds are dealt like cards, so that none is left out for long. A longer run begins like a shorter one.
    """
    rng = random.Random(seed)
    kinds = [kind for kind in kinds_of if victims is None or kind[0] in victims]
    found: list[Fault] = []
    deck: list[tuple[str, str]] = []
    at_s = rng.uniform(1.0, 2.0)
    while at_s < seconds - 0.5:
        if not deck:
            deck = rng.sample(kinds, len(kinds))
        victim, deed = deck.pop()
        # As many stalls between 0.2 and 1.3 s, below most deadlines, as between 1.3 and 8 s.
        stall_s = math.exp(rng.uniform(math.log(STALL_S[0]), math.log(longest_s)))
        found.append(Fault(at_s, victim, deed, stall_s if deed == "stall" else 0.0, rng.random(), rng.random() < EARLY))
        at_s += rng.uniform(*GAP_S)
    return found
