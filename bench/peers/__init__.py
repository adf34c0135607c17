"""Peers to compare with, where they are installed: `--vs NAME` runs one in the same run and prints the ratio.

A peer answers the question with the same generators and gives the same fields; it is started by us on the loopback
interface, with a configuration of ours, and ended by its process id. None is bundled; one is added by a file here and
an entry in PEERS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bench.peers import bullmq, centrifugo, nchan, skip_locked
from bench.peers.started import PeerMissing
from bench.reporting.sides import Side

__all__ = ["PEERS", "Peer", "PeerMissing", "can_answer", "find"]


@dataclass(frozen=True, slots=True)
class Peer:
    """`answers`: the benchmarks it can answer. `side` makes its side of one. Raises: PeerMissing."""

    answers: Mapping[str, object]
    side: Callable[[str], Side]


PEERS: dict[str, Peer] = {
    "bullmq": Peer(bullmq.ANSWERS, bullmq.side),
    "centrifugo": Peer(centrifugo.ANSWERS, partial(centrifugo.side, tuned=False)),
    "centrifugo-tuned": Peer(centrifugo.ANSWERS, partial(centrifugo.side, tuned=True)),
    "nchan": Peer(nchan.ANSWERS, nchan.side),
    "skip-locked": Peer(skip_locked.ANSWERS, skip_locked.side),
}


def find(name: str, bench: str) -> Side:
    """How the peer `name` answers the benchmark `bench`. Raises: PeerMissing."""
    peer = PEERS.get(name)
    if peer is None:
        raise PeerMissing(f"no peer is called {name!r}; known: {', '.join(sorted(PEERS))}")
    if bench not in peer.answers:
        raise PeerMissing(f"{name} can't answer {bench!r}; it answers: {', '.join(sorted(peer.answers))}")
    return peer.side(bench)


def can_answer(name: str, bench: str) -> bool:
    """Does the peer `name` answer the benchmark `bench`, where it is installed?"""
    return name in PEERS and bench in PEERS[name].answers
