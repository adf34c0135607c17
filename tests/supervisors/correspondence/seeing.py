"""What goes over the links of a small cluster, and what a seat has seen of a room."""

from collections.abc import Callable
from typing import Any

from greenroom.supervisors.correspondence.wire import decode
from tests.supervisors.correspondence.small_cluster import Cluster, Seat


def counting(run: Cluster) -> list[Any]:
    """All frames from now on."""
    frames: list[Any] = []

    def note(sender: int, receiver: int, frame: bytes) -> bool:
        frames.append(decode(frame))
        return True

    run.network.filter = note
    return frames


def by_type(frames: list[Any], kind: type[Any]) -> list[Any]:
    return [one for one in frames if type(one) is kind]


def all_but(kind: type[Any]) -> Callable[[int, int, bytes], bool]:
    return lambda sender, receiver, frame: type(decode(frame)) is not kind


def saw_all(seat: Seat, last: int) -> bool:
    assert seat.began_at is not None
    return seat.offsets == list(range(seat.began_at + 1, last + 1))
