"""Peers to compare with, where they are installed: `--vs NAME` runs one in the same run and prints the ratio.

A peer answers the question with the same generators and gives the same fields, so it is a function from a benchmark's
parameters to an Answer. None is bundled; one is added by an entry in PEERS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from shutil import which
from typing import Any

from bench.question import Answer, Say


class PeerMissing(Exception):
    """No such peer, it is not installed, or it can't answer this question; the text is for people."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`program` is what must be on the PATH; `answers` maps the name of a benchmark to the peer's way to answer it."""

    program: str
    answers: dict[str, Callable[[Any, Say], Answer]]


PEERS: dict[str, Peer] = {
    "centrifugo": Peer("centrifugo", {}),
}


def find(name: str, bench: str) -> Callable[[Any, Say], Answer]:
    """How the peer `name` answers the benchmark `bench`. Raises: PeerMissing."""
    peer = PEERS.get(name)
    if peer is None:
        raise PeerMissing(f"no peer is called {name!r}; known: {', '.join(sorted(PEERS))}")
    if which(peer.program) is None:
        raise PeerMissing(f"{name} is not installed: there is no program {peer.program!r} on the PATH")
    if bench not in peer.answers:
        raise PeerMissing(f"nobody has written yet how {name} answers {bench!r}; bench/peers.py is the place")
    return peer.answers[bench]
